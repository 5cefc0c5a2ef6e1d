//! An agent that is killed and started again: everything converges, nothing is installed twice.

use std::time::Duration;

use apiclient::{Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use serde_json::json;

use crate::world::{World, bundle, config_map, config_maps, deployment, eventually, secrets};

const OBJECTS: usize = 30;

fn many() -> Vec<(String, String)> {
    (0..OBJECTS)
        .map(|i| (format!("{i}.yaml"), config_map(&format!("c{i:02}"), "1")))
        .collect()
}

async fn assert_installed_once(world: &World, name: &'static str) {
    let mut names = world.names(&config_maps(), "shop").await;
    names.retain(|name| name.starts_with('c'));
    assert_eq!(names.len(), OBJECTS);
    let records = world.records("shop").await;
    assert_eq!(
        records,
        [(
            format!("sh.helm.release.v1.{name}.v1"),
            "deployed".to_owned()
        )]
    );
}

#[tokio::test]
async fn an_agent_killed_at_any_point_of_an_install_finishes_it_once() {
    // Points of time spread over an install, from before its first request to after its last.
    for millis in [0, 5, 10, 20, 30, 45, 60, 90, 130, 180] {
        let mut world = World::new().await;
        let files = many();
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(n, c)| (n.as_str(), c.as_str()))
            .collect();
        let id = world.deploy(&bundle("raw", &files)).await;
        world.start_agent();
        tokio::time::sleep(Duration::from_millis(millis)).await;
        world.kill_agent().await;
        world.start_agent();
        let found = world.ready("raw", &id).await;
        assert_eq!(
            found.status.release, "shop/raw:1",
            "killed after {millis} ms"
        );
        assert_installed_once(&world, "raw").await;
    }
}

#[tokio::test]
async fn an_agent_killed_during_an_upgrade_prunes_what_both_attempts_left() {
    for millis in [5, 20, 40, 80] {
        let mut world = World::start().await;
        let first = [
            ("a.yaml", config_map("c-old", "1")),
            ("b.yaml", config_map("c-both", "1")),
        ];
        let first: Vec<(&str, &str)> = first.iter().map(|(n, c)| (*n, c.as_str())).collect();
        let id = world.deploy(&bundle("raw", &first)).await;
        world.ready("raw", &id).await;
        let second = [
            ("b.yaml", config_map("c-both", "2")),
            ("c.yaml", config_map("c-new", "2")),
        ];
        let second: Vec<(&str, &str)> = second.iter().map(|(n, c)| (*n, c.as_str())).collect();
        let id = world.deploy(&bundle("raw", &second)).await;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        world.kill_agent().await;
        world.start_agent();
        let found = world.ready("raw", &id).await;
        assert_eq!(
            found.status.release, "shop/raw:2",
            "killed after {millis} ms"
        );
        let mut names = world.names(&config_maps(), "shop").await;
        names.retain(|name| name.starts_with("c-"));
        assert_eq!(names, ["c-both", "c-new"]);
    }
}

#[tokio::test]
async fn a_restart_without_change_writes_nothing() {
    let mut world = World::start().await;
    let id = world
        .deploy(&bundle(
            "raw",
            &[
                ("a.yaml", &config_map("a", "1")),
                ("b.yaml", &deployment("b")),
            ],
        ))
        .await;
    let before = world.ready("raw", &id).await;
    let record = "sh.helm.release.v1.raw.v1";
    let record_before = world.object(&secrets(), "shop", record).await;
    world.kill_agent().await;
    world.start_agent();
    // Another deployment is through: the first has been looked at.
    let id = world
        .deploy(&bundle("other", &[("c.yaml", &config_map("c", "1"))]))
        .await;
    world.ready("other", &id).await;
    let after = world.deployment("raw").await;
    assert_eq!(
        after.metadata.resource_version,
        before.metadata.resource_version
    );
    let record_after = world.object(&secrets(), "shop", record).await;
    assert_eq!(record_after, record_before);
}

#[tokio::test]
async fn what_was_removed_or_renamed_while_the_agent_was_away_is_cleaned_up() {
    let mut world = World::start().await;
    for name in ["gone", "gone-too", "moved"] {
        let id = world
            .deploy(&bundle(name, &[("a.yaml", &config_map(name, "1"))]))
            .await;
        world.ready(name, &id).await;
    }
    world.kill_agent().await;
    world.remove("gone").await;
    world.remove("gone-too").await;
    let moved = bundle("moved", &[("a.yaml", &config_map("moved", "1"))]);
    let id = world
        .deploy(&moved.with_options(json!({ "defaultNamespace": "new" })))
        .await;
    world.start_agent();
    world.ready("moved", &id).await;
    eventually("only the new place is left", async || {
        let mut names = world.names(&config_maps(), "shop").await;
        names.retain(|name| name != "kube-root-ca.crt");
        (names.is_empty() && world.records("shop").await.is_empty()).then_some(())
    })
    .await;
    assert!(world.object(&config_maps(), "new", "moved").await.is_some());
    assert_eq!(world.records("new").await.len(), 1);
}

#[tokio::test]
async fn records_that_upstream_wrote_are_taken_over() {
    let mut world = World::start().await;
    let mut ids = Vec::new();
    for name in ["stays", "goes"] {
        let id = world
            .deploy(&bundle(name, &[("a.yaml", &config_map(name, "1"))]))
            .await;
        ids.push(id.clone());
        world.ready(name, &id).await;
    }
    world.kill_agent().await;
    // Upstream's records say whose they are only inside.
    for name in ["stays", "goes"] {
        let key = ObjectKey::new("shop", format!("sh.helm.release.v1.{name}.v1"));
        let bare = json!({ "metadata": { "annotations": null } });
        let options = WriteOptions::default();
        let patched: Result<ObjectMeta, _> = world
            .cluster
            .patch(&secrets(), &key, None, Patch::Merge(&bare), 0, options)
            .await;
        patched.unwrap();
    }
    let before = world.deployment("stays").await;
    world.remove("goes").await;
    world.start_agent();
    eventually("the orphan is gone", async || {
        world
            .object(&config_maps(), "shop", "goes")
            .await
            .is_none()
            .then_some(())
    })
    .await;
    let records = world.records("shop").await;
    assert_eq!(
        records,
        [(
            "sh.helm.release.v1.stays.v1".to_owned(),
            "deployed".to_owned()
        )]
    );
    let after = world.deployment("stays").await;
    assert_eq!(
        after.metadata.resource_version,
        before.metadata.resource_version
    );
    assert_eq!(after.status.applied_deployment_id, ids[0]);
}

#[tokio::test]
async fn nothing_is_removed_while_the_hub_is_away() {
    let mut world = World::start().await;
    let id = world
        .deploy(&bundle("raw", &[("a.yaml", &config_map("a", "1"))]))
        .await;
    world.ready("raw", &id).await;
    world.kill_agent().await;
    world.sandbox.take_down("hub");
    world.start_agent();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(world.object(&config_maps(), "shop", "a").await.is_some());
    world.sandbox.bring_up("hub");
    world.ready("raw", &id).await;
    let kind = Kind::new("", "v1", "Secret", "secrets", true);
    assert!(
        world
            .object(&kind, "shop", "sh.helm.release.v1.raw.v1")
            .await
            .is_some()
    );
}
