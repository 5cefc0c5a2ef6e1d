//! Kinds that come, change and go while objects of them are deployed.

use apiclient::{DeleteOptions, Kind, ObjectKey, Patch, WriteOptions};
use serde_json::{Value, json};

use crate::world::{World, bundle, create, eventually};

const CHART: &str = "apiVersion: v2\nname: cats\nversion: 1.0.0\n";
const CAT: &str =
    "apiVersion: example.com/v1\nkind: Cat\nmetadata: {name: tom}\nspec: {lives: 9}\n";

fn definitions() -> Kind {
    Kind::new(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
    )
}

fn definition(versions: &[(&str, bool)]) -> Value {
    let stored = versions.last().unwrap().0;
    let version = |(name, served): &(&str, bool)| {
        json!({ "name": name, "served": served, "storage": *name == stored, "schema": {
            "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } })
    };
    json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "cats.example.com" },
        "spec": { "group": "example.com", "scope": "Namespaced",
            "names": { "kind": "Cat", "plural": "cats", "singular": "cat", "listKind": "CatList" },
            "versions": versions.iter().map(version).collect::<Vec<_>>() } })
}

fn cats(version: &'static str) -> Kind {
    Kind::new("example.com", version, "Cat", "cats", true)
}

async fn is_without_release(world: &World, name: &str) {
    eventually("the release is gone", async || {
        let records = world.records("shop").await;
        (!records.iter().any(|(record, _)| record.contains(name))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_was_defined_a_moment_ago_goes_with_its_release() {
    let world = World::start().await;
    // The agent has read what is served when somebody else defines the kind.
    let id = world
        .deploy(&bundle("empty", &[("Chart.yaml", CHART)]))
        .await;
    world.ready("empty", &id).await;
    let definition = definition(&[("v1", true)]);
    let key = ObjectKey::new("", "cats.example.com");
    create(&world.cluster, &definitions(), &key, &definition).await;
    let text = definition.to_string();
    let files = [
        ("Chart.yaml", CHART),
        ("crds/cats.yaml", &text),
        ("templates/tom.yaml", CAT),
    ];
    let id = world.deploy(&bundle("cats", &files)).await;
    world.ready("cats", &id).await;
    world.remove("cats").await;
    is_without_release(&world, "cats").await;
    assert_eq!(world.object(&cats("v1"), "shop", "tom").await, None);
}

#[tokio::test]
async fn what_is_served_in_another_version_goes_with_its_release() {
    let mut world = World::start().await;
    let key = ObjectKey::new("", "cats.example.com");
    let before = definition(&[("v1", true)]);
    create(&world.cluster, &definitions(), &key, &before).await;
    let id = world.deploy(&bundle("cats", &[("tom.yaml", CAT)])).await;
    world.ready("cats", &id).await;
    world.kill_agent().await;
    let after = definition(&[("v1", false), ("v2", true)]);
    let options = WriteOptions::default();
    let changed: Result<Value, _> = world
        .cluster
        .patch(&definitions(), &key, None, Patch::Merge(&after), 0, options)
        .await;
    changed.unwrap();
    assert!(world.object(&cats("v2"), "shop", "tom").await.is_some());
    world.start_agent();
    world.remove("cats").await;
    is_without_release(&world, "cats").await;
    assert_eq!(world.object(&cats("v2"), "shop", "tom").await, None);
}

#[tokio::test]
async fn a_release_whose_definition_is_gone_goes_too() {
    let mut world = World::start().await;
    let key = ObjectKey::new("", "cats.example.com");
    create(
        &world.cluster,
        &definitions(),
        &key,
        &definition(&[("v1", true)]),
    )
    .await;
    let id = world.deploy(&bundle("cats", &[("tom.yaml", CAT)])).await;
    world.ready("cats", &id).await;
    world.kill_agent().await;
    let (kind, options) = (definitions(), DeleteOptions::default());
    let gone = world.cluster.delete(&kind, &key, &options);
    assert!(gone.await.unwrap());
    world.start_agent();
    world.remove("cats").await;
    is_without_release(&world, "cats").await;
}
