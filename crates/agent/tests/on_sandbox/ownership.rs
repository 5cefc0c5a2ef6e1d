//! Objects and releases that two bundles want, releases that are handed on, objects that cannot be changed.

use api::conditions::{is_false, message};
use serde_json::{Value, json};

use crate::world::{Bundle, World, bundle, config_map, config_maps, deployment, eventually};

fn config(name: &'static str, value: &str, release: &str) -> Bundle {
    let text = config_map("shared", value);
    bundle(name, &[("a.yaml", &text)])
        .with_options(json!({ "defaultNamespace": "shop", "helm": { "releaseName": release } }))
}

async fn shared(world: &World) -> Option<Value> {
    world.object(&config_maps(), "shop", "shared").await
}

async fn value(world: &World) -> Value {
    shared(world)
        .await
        .map_or(Value::Null, |it| it["data"]["key"].clone())
}

async fn until_says(world: &World, name: &str, words: &str) {
    world
        .until(name, words, |found| {
            let conditions = &found.status.conditions;
            is_false(conditions, "Deployed") && message(conditions, "Deployed").contains(words)
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_object_of_another_bundle_is_refused_by_its_name_until_it_is_free() {
    let world = World::start().await;
    let id = world.deploy(&config("first", "1", "first")).await;
    world.ready("first", &id).await;
    let second = world.deploy(&config("second", "2", "second")).await;
    let words = "ConfigMap shop/shared belongs to bundle first and is left alone";
    until_says(&world, "second", words).await;
    assert_eq!(value(&world).await, "1");
    assert_eq!(world.records("shop").await.len(), 1);

    // So it is where the release exists already.
    let text = config_map("third", "3");
    let third = bundle("third", &[("a.yaml", &text)]);
    let id = world.deploy(&third).await;
    world.ready("third", &id).await;
    let more = config_map("shared", "3");
    let third = bundle("third", &[("a.yaml", &text), ("b.yaml", &more)]);
    world.deploy(&third).await;
    until_says(&world, "third", words).await;
    assert_eq!(value(&world).await, "1");

    world.deploy(&bundle("third", &[("a.yaml", &text)])).await;
    world.remove("first").await;
    world.ready("second", &second).await;
    assert_eq!(value(&world).await, "2");
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_over_on_demand_stays_when_the_first_bundle_goes() {
    let world = World::start().await;
    let id = world.deploy(&config("first", "1", "first")).await;
    world.ready("first", &id).await;
    let mut second = config("second", "2", "second");
    second.options["helm"]["takeOwnership"] = true.into();
    let id = world.deploy(&second).await;
    world.ready("second", &id).await;
    assert_eq!(value(&world).await, "2");
    // The first one does not take it back by itself.
    world.deploy(&config("first", "3", "first")).await;
    until_says(&world, "first", "belongs to bundle second").await;
    world.remove("first").await;
    eventually("the first release is gone", async || {
        let records = world.records("shop").await;
        (!records.iter().any(|(name, _)| name.contains("first"))).then_some(())
    })
    .await;
    assert_eq!(value(&world).await, "2");
}

#[tokio::test(start_paused = true)]
async fn a_release_that_is_kept_under_a_new_bundle_is_not_installed_again() {
    let world = World::start().await;
    let id = world.deploy(&config("old", "1", "web")).await;
    world.ready("old", &id).await;
    let uid = shared(&world).await.unwrap()["metadata"]["uid"].clone();
    // The same files and options: even its id is the same.
    let new = world.deploy(&config("new", "1", "web")).await;
    assert_eq!(new, id);
    until_says(
        &world,
        "new",
        "release shop/web belongs to bundle old, which still wants it",
    )
    .await;
    world.remove("old").await;
    let found = world.ready("new", &new).await;
    assert_eq!(found.status.release, "shop/web:2");
    let object = shared(&world).await.unwrap();
    assert_eq!(object["metadata"]["uid"], uid);

    // What the release no longer has goes, whoever brought it.
    let other = config_map("other", "2");
    let options = json!({ "defaultNamespace": "shop", "helm": { "releaseName": "web" } });
    let next = bundle("new", &[("a.yaml", &other)]).with_options(options);
    let id = world.deploy(&next).await;
    world.ready("new", &id).await;
    assert_eq!(shared(&world).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_release_handed_on_while_the_agent_was_away_is_not_uninstalled() {
    let mut world = World::start().await;
    let id = world.deploy(&config("old", "1", "web")).await;
    world.ready("old", &id).await;
    let uid = shared(&world).await.unwrap()["metadata"]["uid"].clone();
    world.kill_agent().await;
    world.remove("old").await;
    let id = world.deploy(&config("new", "2", "web")).await;
    world.start_agent();
    world.ready("new", &id).await;
    // Once more, with the records of both.
    world.kill_agent().await;
    world.start_agent();
    let last = config_map("last", "1");
    let id = world.deploy(&bundle("last", &[("a.yaml", &last)])).await;
    world.ready("last", &id).await;
    let object = shared(&world).await.unwrap();
    assert_eq!(
        (&object["metadata"]["uid"], &object["data"]["key"]),
        (&uid, &json!("2"))
    );
}

fn immutable(value: &str, force: bool) -> Bundle {
    let text = config_map("shared", value) + "immutable: true\n";
    bundle("web", &[("a.yaml", &text)])
        .with_options(json!({ "defaultNamespace": "shop", "helm": { "force": force } }))
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_changed_is_created_again_only_when_that_is_asked_for() {
    let world = World::start().await;
    let id = world.deploy(&immutable("1", false)).await;
    world.ready("web", &id).await;
    let uid = shared(&world).await.unwrap()["metadata"]["uid"].clone();
    world.deploy(&immutable("2", false)).await;
    until_says(
        &world,
        "web",
        "set helm.force to have it deleted and created again",
    )
    .await;
    assert_eq!(shared(&world).await.unwrap()["metadata"]["uid"], uid);
    let id = world.deploy(&immutable("2", true)).await;
    world.ready("web", &id).await;
    let object = shared(&world).await.unwrap();
    assert_eq!(object["data"]["key"], "2");
    assert_ne!(object["metadata"]["uid"], uid);
}

#[tokio::test(start_paused = true)]
async fn deployments_that_fail_one_after_the_other_leave_no_long_history() {
    let world = World::start().await;
    let id = world.deploy(&immutable("0", false)).await;
    world.ready("web", &id).await;
    for value in 1..=5 {
        let id = world.deploy(&immutable(&value.to_string(), false)).await;
        eventually("the failure is recorded", async || {
            let records = world.records("shop").await;
            let failed = |(name, status): &(String, String)| {
                name.ends_with(&format!(".v{}", value + 1)) && status == "failed"
            };
            (records.iter().any(failed) && records.len() <= 2).then_some(())
        })
        .await;
        let records = world.records("shop").await;
        assert!(
            records
                .iter()
                .any(|(name, status)| name == "sh.helm.release.v1.web.v1" && status == "deployed"),
            "{id}: {records:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_old_release_goes_when_the_new_one_is_healthy_and_not_before() {
    let world = World::start().await;
    let of = |image: &str, namespace: &str| {
        let text = deployment("web").replace("/web:1", &format!("/{image}:1"));
        bundle("web", &[("a.yaml", &text)]).with_options(json!({ "defaultNamespace": namespace }))
    };
    let id = world.deploy(&of("good", "shop")).await;
    world.ready("web", &id).await;
    let id = world.deploy(&of("broken", "mall")).await;
    world
        .until("web", "is deployed and not ready", |found| {
            found.status.applied_deployment_id == id
                && found.status.release == "mall/web:1"
                && !found.status.ready
        })
        .await;
    // Another deployment goes its whole way meanwhile.
    let other = config_map("other", "1");
    let other = world.deploy(&bundle("other", &[("a.yaml", &other)])).await;
    world.ready("other", &other).await;
    let old = async || {
        let records = world.records("shop").await;
        records.iter().any(|(name, _)| name.contains("web"))
    };
    assert!(old().await);
    let id = world.deploy(&of("good", "mall")).await;
    world.ready("web", &id).await;
    eventually("the old release is gone", async || {
        (!old().await).then_some(())
    })
    .await;
}
