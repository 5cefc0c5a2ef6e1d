//! `diff.reportAdditions`: what somebody added to live objects, where that counts as drift.

use api::v1alpha1::BundleDeployment;
use apiclient::{Client, Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use serde_json::{Value, json};

use crate::world::{Bundle, World, bundle, config_map, config_maps, eventually, secrets};

const SECRET: &str =
    "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData:\n  password: hunter2\n";

fn shop(diff: &Value, spec: Value) -> Bundle {
    let map = config_map("a", "1");
    bundle("raw", &[("a.yaml", &map), ("s.yaml", SECRET)])
        .with_options(json!({ "defaultNamespace": "shop", "diff": diff }))
        .with_spec(spec)
}

async fn edit(cluster: &Client, kind: Kind, name: &str, patch: Value) {
    let key = ObjectKey::new("shop", name);
    let options = WriteOptions::default();
    let changed: Result<ObjectMeta, _> = cluster
        .patch(&kind, &key, None, Patch::Merge(&patch), 0, options)
        .await;
    changed.unwrap();
}

fn patch_of(found: &BundleDeployment, kind: &str) -> String {
    let mut modified = found.status.modified_status.iter();
    let one = modified.find(|it| it.kind == kind);
    one.map_or_else(String::new, |it| it.patch.clone())
}

#[tokio::test]
async fn additions_are_drift_only_where_that_is_asked_for() {
    let world = World::start().await;
    let id = world.deploy(&shop(&json!({}), json!({}))).await;
    world.ready("raw", &id).await;
    let by_hand = &world.cluster;
    let labels = json!({"metadata": {"labels": {"added": "x"}}, "data": {"extra": "2"}});
    edit(by_hand, config_maps(), "a", labels).await;
    let hidden = json!({"data": {"token": "bm90LXRvLWJlLXNlZW4="}});
    edit(by_hand, secrets(), "s", hidden).await;
    // A change that is drift is told, the additions are not.
    edit(by_hand, config_maps(), "a", json!({"data": {"key": "3"}})).await;
    let found = world
        .until("raw", "is modified", |it| {
            !it.status.modified_status.is_empty()
        })
        .await;
    assert_eq!(patch_of(&found, "ConfigMap"), r#"{"data":{"key":"1"}}"#);
    assert_eq!(found.status.modified_status.len(), 1);

    let asked = json!({ "reportAdditions": true });
    world.deploy(&shop(&asked, json!({}))).await;
    let found = world
        .until("raw", "both are told", |it| {
            it.status.modified_status.len() == 2
        })
        .await;
    assert_eq!(found.status.release, "shop/raw:1");
    let patch = r#"{"data":{"extra":null,"key":"1"},"metadata":{"labels":{"added":null}}}"#;
    assert_eq!(patch_of(&found, "ConfigMap"), patch);
    assert_eq!(patch_of(&found, "Secret"), r#"{"data":{"token":null}}"#);
    let told = serde_json::to_string(&found.status).unwrap();
    assert!(!told.contains("bm90LXRv") && !told.contains("not-to-be-seen"));

    let excepted = json!({ "reportAdditions": true, "comparePatches": [
        {"apiVersion": "v1", "kind": "Secret", "jsonPointers": ["/data/token"]}]});
    world.deploy(&shop(&excepted, json!({}))).await;
    world
        .until("raw", "one is told", |it| {
            it.status.modified_status.len() == 1
        })
        .await;
    world.deploy(&shop(&json!({}), json!({}))).await;
    world
        .until("raw", "only the change is told", |it| {
            patch_of(it, "ConfigMap") == r#"{"data":{"key":"1"}}"#
        })
        .await;
}

#[tokio::test]
async fn additions_stay_when_drift_is_corrected_and_are_told_as_they_come() {
    let world = World::start().await;
    let asked = json!({ "reportAdditions": true });
    let corrected = json!({ "correctDrift": { "enabled": true } });
    let id = world.deploy(&shop(&asked, corrected)).await;
    world.ready("raw", &id).await;
    let change = json!({"data": {"key": "3", "extra": "2"}});
    edit(&world.cluster, config_maps(), "a", change).await;
    let found = world
        .until("raw", "only the addition is left", |it| {
            patch_of(it, "ConfigMap") == r#"{"data":{"extra":null}}"#
        })
        .await;
    assert!(!found.status.non_modified);
    let live = world.object(&config_maps(), "shop", "a").await.unwrap();
    assert_eq!(live["data"], json!({ "key": "1", "extra": "2" }));
    edit(
        &world.cluster,
        config_maps(),
        "a",
        json!({"data": {"extra": null}}),
    )
    .await;
    eventually("nothing is modified", async || {
        let found = world.deployment("raw").await;
        found.status.non_modified.then_some(())
    })
    .await;
}
