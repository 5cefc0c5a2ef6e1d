//! One write goes wrong, each in turn: the process dies before or after it, the server refuses it for now,
//! the answer is lost. Whatever it was part of converges by itself, and nothing that was there is
//! uninstalled on the way.

use apiclient::Kind;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::faulty::{self, Fault};
use crate::world::{Bundle, World, bundle, config_map, config_maps, deployment, eventually};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
/// More writes than any of these take.
const WRITES_MAX: usize = 40;
const DEATHS: [Fault; 2] = [Fault::DiesBefore, Fault::DiesAfter];
const TROUBLES: [Fault; 2] = [Fault::Answers(500), Fault::LosesAnswer];

/// What is done, and what must come of it.
struct Story {
    /// Is there before.
    before: Option<Bundle>,
    /// Comes; `None` when what is there goes.
    next: Option<Bundle>,
    /// Fails, and what was before comes back.
    is_taken_back: bool,
}

fn hook(name: &str, events: &str, policy: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations:\n    helm.sh/hook: {events}\n    helm.sh/hook-delete-policy: {policy}\nspec:\n  backoffLimit: 0\n  template:\n    spec:\n      restartPolicy: Never\n      containers: [{{name: main, image: registry.example/x}}]\n"
    )
}

fn chart(value: &str, gone: Option<&str>) -> Bundle {
    let stays = config_map("stays", value);
    let workload = deployment("web");
    let before = hook(
        "before",
        "pre-install,pre-upgrade,pre-rollback,pre-delete",
        "before-hook-creation",
    );
    let after = hook(
        "after",
        "post-install,post-upgrade,post-rollback,post-delete",
        "hook-succeeded",
    );
    let mut files = vec![
        ("Chart.yaml", CHART),
        ("templates/a.yaml", &stays),
        ("templates/b.yaml", &workload),
        ("templates/c.yaml", &before),
        ("templates/d.yaml", &after),
    ];
    let extra = gone.map(|name| config_map(name, value));
    if let Some(extra) = &extra {
        files.push(("templates/e.yaml", extra));
    }
    bundle("web", &files)
}

/// A chart that never becomes ready, and is taken back for it.
fn broken() -> Bundle {
    let mut broken = chart("2", Some("new"));
    for (_, text) in &mut broken.files {
        *text = text.replace("registry.example/web:1", "registry.example/broken:1");
    }
    broken.with_options(
        json!({ "defaultNamespace": "shop", "helm": { "atomic": true, "timeoutSeconds": 1 } }),
    )
}

async fn stays(world: &World) -> Option<Value> {
    world.object(&config_maps(), "shop", "stays").await
}

async fn names(world: &World) -> Vec<String> {
    let mut names = world.names(&config_maps(), "shop").await;
    names.retain(|name| name != "kube-root-ca.crt");
    names
}

/// One write of the story goes wrong. Tells whether it came to that.
async fn tell(story: &Story, at: usize, fault: Fault) -> bool {
    let what = format!("{fault:?} at write {at}");
    let mut world = World::new().await;
    if let Some(before) = &story.before {
        world.start_agent();
        let id = world.deploy(before).await;
        world.ready("web", &id).await;
        world.kill_agent().await;
    }
    let uid = stays(&world).await.map(|it| it["metadata"]["uid"].clone());
    let id = if let Some(next) = &story.next {
        world.deploy(next).await
    } else {
        world.remove("web").await;
        String::new()
    };
    let (client, counter) = faulty::client(&world, at, fault);
    world.start_agent_through(client);
    let is_struck = tokio::select! {
        () = counter.struck.notified() => true,
        () = end(story, &world, &id) => false,
    };
    if is_struck && DEATHS.contains(&fault) {
        world.kill_agent().await;
        world.start_agent();
    }
    if is_struck {
        end(story, &world, &id).await;
    }
    if story.next.is_some() && uid.is_some() {
        let object = stays(&world).await;
        let object = object.unwrap_or_else(|| panic!("{what}: the object is gone"));
        assert_eq!(Some(&object["metadata"]["uid"]), uid.as_ref(), "{what}");
    }
    is_struck
}

/// Waits until the world is as the story wants it.
async fn end(story: &Story, world: &World, id: &str) {
    let records = async || {
        let mut records = world.records("shop").await;
        records.sort();
        records
            .into_iter()
            .map(|(_, status)| status)
            .collect::<Vec<_>>()
    };
    match (&story.next, story.is_taken_back) {
        (None, _) => {
            eventually("everything is gone", async || {
                let workloads = Kind::new("apps", "v1", "Deployment", "deployments", true);
                let is_gone = records().await.is_empty()
                    && names(world).await.is_empty()
                    && world.names(&workloads, "shop").await.is_empty();
                is_gone.then_some(())
            })
            .await;
        }
        (Some(next), false) => {
            let expected = world.ready("web", id).await;
            assert!(expected.status.release.starts_with("shop/web:"));
            let wanted = if next.files.len() > 5 {
                vec!["new", "stays"]
            } else {
                vec!["stays"]
            };
            eventually("only what is wanted is there", async || {
                let records = records().await;
                let deployed = records
                    .iter()
                    .filter(|status| *status == "deployed")
                    .count();
                (names(world).await == wanted && deployed == 1 && records.len() <= 2).then_some(())
            })
            .await;
        }
        (Some(_), true) => {
            world
                .until("web", "is given up", |found| {
                    found.status.applied_deployment_id == id && found.status.release.is_empty()
                })
                .await;
            let left = if story.before.is_some() {
                vec!["old", "stays"]
            } else {
                Vec::new()
            };
            assert_eq!(names(world).await, left);
            let records = records().await;
            let deployed = records
                .iter()
                .filter(|status| *status == "deployed")
                .count();
            assert_eq!(deployed, usize::from(story.before.is_some()), "{records:?}");
        }
    }
}

/// Tells the story with each write going wrong, until there are no more.
async fn tell_all(story: Story, faults: &[Fault]) {
    for fault in faults {
        let mut number = 1;
        loop {
            let batch = number..number + 4;
            let struck = join_all(batch.map(|at| tell(&story, at, *fault))).await;
            if struck.contains(&false) {
                break;
            }
            number += struck.len();
            assert!(number < WRITES_MAX, "{fault:?}: no end of writes");
        }
        assert!(number > 1, "{fault:?}: no write went wrong");
    }
}

fn install() -> Story {
    Story {
        before: None,
        next: Some(chart("1", Some("new"))),
        is_taken_back: false,
    }
}

fn upgrade() -> Story {
    Story {
        before: Some(chart("1", Some("old"))),
        next: Some(chart("2", Some("new"))),
        is_taken_back: false,
    }
}

fn uninstall() -> Story {
    Story {
        before: Some(chart("1", Some("old"))),
        next: None,
        is_taken_back: false,
    }
}

fn rollback() -> Story {
    Story {
        before: Some(chart("1", Some("old"))),
        next: Some(broken()),
        is_taken_back: true,
    }
}

#[tokio::test(start_paused = true)]
async fn an_install_survives_death_at_every_write() {
    tell_all(install(), &DEATHS).await;
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_survives_death_at_every_write() {
    tell_all(upgrade(), &DEATHS).await;
}

#[tokio::test(start_paused = true)]
async fn an_uninstall_survives_death_at_every_write() {
    tell_all(uninstall(), &DEATHS).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_survives_death_at_every_write() {
    tell_all(rollback(), &DEATHS).await;
}

#[tokio::test(start_paused = true)]
async fn an_install_that_is_taken_back_survives_death_at_every_write() {
    let story = Story {
        before: None,
        ..rollback()
    };
    tell_all(story, &DEATHS).await;
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_survives_a_server_in_trouble_at_every_write() {
    tell_all(upgrade(), &TROUBLES).await;
}

#[tokio::test(start_paused = true)]
async fn an_uninstall_survives_a_server_in_trouble_at_every_write() {
    tell_all(uninstall(), &[Fault::Answers(429)]).await;
}
