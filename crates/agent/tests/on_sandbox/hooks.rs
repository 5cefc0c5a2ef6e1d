//! Hooks: order, failure, deletion.

use apiclient::{Event, Kind, ObjectKey, Selector, Watch};
use serde_json::Value;

use crate::world::{Bundle, World, bundle, config_map, config_maps, eventually};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";

fn jobs() -> Kind {
    Kind::new("batch", "v1", "Job", "jobs", true)
}

fn hook(name: &str, event: &str, weight: i32, image: &str, policy: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations:\n    helm.sh/hook: {event}\n    helm.sh/hook-weight: \"{weight}\"\n    helm.sh/hook-delete-policy: {policy}\nspec:\n  backoffLimit: 0\n  template:\n    spec:\n      restartPolicy: Never\n      containers: [{{name: main, image: registry.example/{image}}}]\n"
    )
}

fn chart(files: &[(&str, String)]) -> Bundle {
    let mut all = vec![("Chart.yaml", CHART)];
    all.extend(
        files
            .iter()
            .map(|(name, content)| (*name, content.as_str())),
    );
    bundle("web", &all)
}

fn created(object: &Value) -> String {
    object["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test(start_paused = true)]
async fn hooks_run_before_and_after_the_objects_in_order_of_weight() {
    let world = World::new().await;
    let mut jobs_watch: Watch<k8s_openapi::api::batch::v1::Job> =
        world.cluster.watch(&jobs(), Selector::default());
    let mut world = world;
    world.start_agent();
    let keep = "before-hook-creation";
    let id = world
        .deploy(&chart(&[
            (
                "templates/a.yaml",
                hook("second", "pre-install,pre-upgrade", 5, "x", keep),
            ),
            (
                "templates/b.yaml",
                hook("first", "pre-install", -5, "x", keep),
            ),
            ("templates/c.yaml", config_map("object", "1")),
            (
                "templates/d.yaml",
                hook("last", "post-install", 0, "x", keep),
            ),
            (
                "templates/e.yaml",
                hook("never", "post-delete", 0, "x", keep),
            ),
            (
                "templates/f.yaml",
                hook("gone", "post-install", 1, "x", "hook-succeeded"),
            ),
        ]))
        .await;
    let found = world.ready("web", &id).await;
    assert_eq!(found.status.resource_counts.desired_ready, 1);
    let mut order: Vec<String> = Vec::new();
    while !order.iter().any(|name| name == "gone") {
        if let Some(Event::Applied(job)) = jobs_watch.next().await {
            let name = job.metadata.name.unwrap();
            if !order.contains(&name) {
                order.push(name);
            }
        }
    }
    assert_eq!(order, ["first", "second", "last", "gone"]);
    let object = world
        .object(&config_maps(), "shop", "object")
        .await
        .unwrap();
    let version = |object: &Value| created(object).parse::<u64>().unwrap();
    let second = world.object(&jobs(), "shop", "second").await.unwrap();
    assert!(version(&second) < version(&object));
    assert!(world.object(&jobs(), "shop", "gone").await.is_none());
    assert!(world.object(&jobs(), "shop", "never").await.is_none());

    world.remove("web").await;
    eventually("everything is gone but the last hook", async || {
        let gone = world
            .object(&config_maps(), "shop", "object")
            .await
            .is_none()
            && world.records("shop").await.is_empty();
        gone.then_some(())
    })
    .await;
    assert!(world.object(&jobs(), "shop", "never").await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_failing_hook_stops_the_install_and_says_why() {
    let world = World::start().await;
    world
        .deploy(&chart(&[
            (
                "templates/a.yaml",
                hook("migrate", "pre-install", 0, "broken", "hook-failed"),
            ),
            ("templates/c.yaml", config_map("object", "1")),
        ]))
        .await;
    let error = world.error("web").await;
    assert!(
        error.starts_with(
            "cluster fleet-default/north: failed pre-install: hook Job shop/migrate: job failed"
        ),
        "{error}"
    );
    assert!(
        world
            .object(&config_maps(), "shop", "object")
            .await
            .is_none()
    );
    assert!(world.object(&jobs(), "shop", "migrate").await.is_none());
    let records = world.records("shop").await;
    assert_eq!(
        records,
        [("sh.helm.release.v1.web.v1".to_owned(), "failed".to_owned())]
    );

    // The cause is removed: the same revision succeeds, or a new one does.
    let fixed = chart(&[
        (
            "templates/a.yaml",
            hook("migrate", "pre-install,pre-upgrade", 0, "x", "hook-failed"),
        ),
        ("templates/c.yaml", config_map("object", "1")),
    ]);
    let id = world.deploy(&fixed).await;
    world.ready("web", &id).await;
    assert!(
        world
            .object(&config_maps(), "shop", "object")
            .await
            .is_some()
    );
    let key = ObjectKey::new("shop", "migrate");
    assert!(
        world
            .cluster
            .get::<Value>(&jobs(), &key)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_upgrade_changed_is_taken_back_when_the_old_version_is_wanted_again() {
    for is_restarted in [false, true] {
        let mut world = World::start().await;
        let old = chart(&[("templates/c.yaml", config_map("object", "old"))]);
        let id = world.deploy(&old).await;
        world.ready("web", &id).await;
        let new = chart(&[
            (
                "templates/a.yaml",
                hook("check", "post-upgrade", 0, "broken", "before-hook-creation"),
            ),
            ("templates/c.yaml", config_map("object", "new")),
            ("templates/d.yaml", config_map("more", "new")),
        ]);
        world.deploy(&new).await;
        let error = world.error("web").await;
        assert!(
            error.contains("failed post-upgrade: hook Job shop/check"),
            "{error}"
        );
        if is_restarted {
            world.kill_agent().await;
        }
        world.deploy(&old).await;
        if is_restarted {
            world.start_agent();
        }
        world
            .until("web", "is the third revision", |found| {
                found.status.release == "shop/web:3"
            })
            .await;
        let object = world
            .object(&config_maps(), "shop", "object")
            .await
            .unwrap();
        assert_eq!(object["data"]["key"], "old");
        assert!(world.object(&config_maps(), "shop", "more").await.is_none());
    }
}
