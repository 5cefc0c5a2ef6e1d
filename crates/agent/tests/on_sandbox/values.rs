//! `valuesFrom`: what a deployment refers to is watched.

use apiclient::{Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use serde_json::{Value, json};

use crate::world::{Bundle, World, bundle, config_maps, create, eventually, secrets};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
const TEMPLATE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shown}\ndata:\n  a: {{ .Values.a | quote }}\n  b: {{ .Values.b | quote }}\n";

fn web() -> Bundle {
    let helm = json!({ "valuesFrom": [
        { "configMapKeyRef": { "name": "plain", "namespace": "default", "key": "v" } },
        { "secretKeyRef": { "name": "secret", "namespace": "default" } },
    ] });
    bundle(
        "web",
        &[("Chart.yaml", CHART), ("templates/a.yaml", TEMPLATE)],
    )
    .with_options(json!({ "defaultNamespace": "shop", "helm": helm }))
}

async fn prepare(world: &World) {
    let plain = json!({ "metadata": { "name": "plain" }, "data": { "v": "a: 1", "other": "x" } });
    create(
        &world.cluster,
        &config_maps(),
        &ObjectKey::new("default", "plain"),
        &plain,
    )
    .await;
    let secret =
        json!({ "metadata": { "name": "secret" }, "stringData": { "values.yaml": "b: 1" } });
    create(
        &world.cluster,
        &secrets(),
        &ObjectKey::new("default", "secret"),
        &secret,
    )
    .await;
}

async fn change(world: &World, kind: &Kind, name: &str, patch: Value) {
    let key = ObjectKey::new("default", name);
    let once = WriteOptions::default();
    let patched: Result<ObjectMeta, _> = world
        .cluster
        .patch(kind, &key, None, Patch::Merge(&patch), 0, once)
        .await;
    patched.unwrap();
}

async fn shown(world: &World, expected: (&str, &str)) {
    eventually("the values are there", async || {
        let found = world.object(&config_maps(), "shop", "shown").await?;
        let data = &found["data"];
        (data["a"] == expected.0 && data["b"] == expected.1).then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_reference_is_deployed_and_one_that_says_the_same_is_not() {
    let world = World::start().await;
    prepare(&world).await;
    let id = world.deploy(&web()).await;
    world.ready("web", &id).await;
    shown(&world, ("1", "1")).await;
    change(
        &world,
        &config_maps(),
        "plain",
        json!({ "data": { "v": "a: 2" } }),
    )
    .await;
    shown(&world, ("2", "1")).await;
    change(
        &world,
        &secrets(),
        "secret",
        json!({ "stringData": { "values.yaml": "b: 2" } }),
    )
    .await;
    shown(&world, ("2", "2")).await;
    // Neither another key nor a label changes the values.
    let other = json!({ "metadata": { "labels": { "x": "y" } }, "data": { "other": "z" } });
    change(&world, &config_maps(), "plain", other).await;
    change(
        &world,
        &config_maps(),
        "plain",
        json!({ "data": { "v": "a: 4" } }),
    )
    .await;
    shown(&world, ("4", "2")).await;
    let found = world
        .until("web", "is ready again", |found| {
            found.status.ready && found.status.release == "shop/web:4"
        })
        .await;
    assert_eq!(found.status.applied_deployment_id, id);
}

#[tokio::test(start_paused = true)]
async fn a_reference_that_changed_while_the_agent_was_away_is_deployed_and_others_are_not() {
    let mut world = World::start().await;
    prepare(&world).await;
    let id = world.deploy(&web()).await;
    world.ready("web", &id).await;
    world.kill_agent().await;
    change(
        &world,
        &config_maps(),
        "plain",
        json!({ "metadata": { "labels": { "x": "y" } } }),
    )
    .await;
    world.start_agent();
    change(
        &world,
        &secrets(),
        "secret",
        json!({ "metadata": { "labels": { "x": "y" } } }),
    )
    .await;
    let other = world
        .deploy(&bundle("other", &[("Chart.yaml", CHART)]))
        .await;
    world.ready("other", &other).await;
    world.kill_agent().await;
    change(
        &world,
        &config_maps(),
        "plain",
        json!({ "data": { "v": "a: 3" } }),
    )
    .await;
    world.start_agent();
    shown(&world, ("3", "1")).await;
    world
        .until("web", "is the second revision", |found| {
            found.status.release == "shop/web:2"
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_reference_that_breaks_is_named_and_cured_by_the_next_change() {
    let world = World::start().await;
    let id = world.deploy(&web()).await;
    let error = world.error("web").await;
    assert!(
        error.ends_with("values from configmap default/plain: not found"),
        "{error}"
    );
    prepare(&world).await;
    world.ready("web", &id).await;
    change(
        &world,
        &secrets(),
        "secret",
        json!({ "stringData": { "values.yaml": "b: [hunter2" } }),
    )
    .await;
    let words = "values from secret default/secret, key values.yaml: no YAML map";
    let found = world
        .until("web", "names the key", |found| {
            api::conditions::message(&found.status.conditions, "Deployed").contains(words)
        })
        .await;
    assert!(!format!("{:?}", found.status).contains("hunter2"));
    shown(&world, ("1", "1")).await;
    change(
        &world,
        &secrets(),
        "secret",
        json!({ "stringData": { "values.yaml": "b: 5" } }),
    )
    .await;
    shown(&world, ("1", "5")).await;
    world.ready("web", &id).await;
}
