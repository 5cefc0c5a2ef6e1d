//! Secrets and ConfigMaps that a bundle takes along.

use apiclient::{ObjectKey, WriteOptions};
use serde_json::{Value, json};

use crate::world::{
    Bundle, NAMESPACE, World, bundle, config_map, config_maps, create, eventually, secrets,
};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.2.3\n";
const TEMPLATE: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-shown\ndata:\n  size: {{ .Values.size | quote }}\n";

/// What the hub has copied for the cluster.
async fn on_hub(world: &World, kind: &apiclient::Kind, name: &str, data: Value) {
    let key = ObjectKey::new(NAMESPACE, name);
    let mut object = json!({ "metadata": { "name": name, "namespace": NAMESPACE }, "data": data });
    let found: Option<Value> = world.hub.get(kind, &key).await.unwrap();
    match found {
        None => create(&world.hub, kind, &key, &object).await,
        Some(found) => {
            object["metadata"] = found["metadata"].clone();
            let once = WriteOptions::default();
            world.hub.replace(kind, &key, &object, once).await.unwrap();
        }
    }
}

fn taking(name: &'static str, generation: i64, resources: &Value) -> Bundle {
    bundle(name, &[("Chart.yaml", CHART), ("values.yaml", "size: 0\n"), ("templates/cm.yaml", TEMPLATE)])
        .with_options(json!({ "defaultNamespace": "shop", "downstreamResources": resources,
            "helm": { "valuesFrom": [{ "configMapKeyRef": { "name": "sizes", "namespace": "elsewhere" } }] } }))
        .with_spec(json!({ "downstreamResourcesGeneration": generation }))
}

async fn size(world: &World, name: &str) -> Value {
    let shown = format!("{name}-shown");
    let found = world.object(&config_maps(), "shop", &shown).await;
    found.map_or(Value::Null, |found| found["data"]["size"].clone())
}

#[tokio::test(start_paused = true)]
async fn copies_come_before_the_release_are_renewed_and_go_with_the_last_deployment() {
    let world = World::start().await;
    let both =
        json!([{ "kind": "Secret", "name": "key" }, { "kind": "configmap", "name": "sizes" }]);
    on_hub(
        &world,
        &secrets(),
        "key",
        json!({ "password": "aHVudGVyMg==" }),
    )
    .await;
    on_hub(
        &world,
        &config_maps(),
        "sizes",
        json!({ "values.yaml": "size: 1\n" }),
    )
    .await;
    let id = world.deploy(&taking("one", 7, &both)).await;
    let found = world.ready("one", &id).await;
    assert_eq!(found.status.downstream_resources_generation, 7);
    assert_eq!(size(&world, "one").await, "1");
    let copy = world.object(&secrets(), "shop", "key").await.unwrap();
    assert_eq!(copy["data"], json!({ "password": "aHVudGVyMg==" }));
    assert_eq!(
        copy["metadata"]["labels"]["fleet.cattle.io/bundledeployment"],
        "one"
    );
    assert!(!format!("{:?}", found.status).contains("hunter2"));

    // The same deployment with other copies is rendered anew.
    on_hub(
        &world,
        &config_maps(),
        "sizes",
        json!({ "values.yaml": "size: 2\n" }),
    )
    .await;
    assert_eq!(world.deploy(&taking("one", 8, &both)).await, id);
    let renewed = world.until("one", "is renewed", |deployment| {
        deployment.status.downstream_resources_generation == 8
    });
    assert_eq!(renewed.await.status.release, "shop/one:2");
    assert_eq!(size(&world, "one").await, "2");

    // A second deployment needs one of them too.
    let only_sizes = json!([{ "kind": "ConfigMap", "name": "sizes" }]);
    let second = world.deploy(&taking("two", 3, &only_sizes)).await;
    world.ready("two", &second).await;
    let id = world.deploy(&taking("one", 9, &only_sizes)).await;
    world.ready("one", &id).await;
    eventually("the secret is gone", async || {
        world
            .object(&secrets(), "shop", "key")
            .await
            .is_none()
            .then_some(())
    })
    .await;
    world.remove("one").await;
    eventually("the release is gone", async || {
        size(&world, "one").await.is_null().then_some(())
    })
    .await;
    assert!(
        world
            .object(&config_maps(), "shop", "sizes")
            .await
            .is_some()
    );
    world.remove("two").await;
    eventually("the last copy is gone", async || {
        world
            .object(&config_maps(), "shop", "sizes")
            .await
            .is_none()
            .then_some(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_or_somebody_elses_is_named_and_left_alone() {
    let world = World::start().await;
    let with = |resources: Value| {
        bundle("raw", &[("a.yaml", &config_map("a", "1"))])
            .with_options(json!({ "defaultNamespace": "shop", "downstreamResources": resources }))
    };
    world
        .deploy(&with(json!([{ "kind": "Secret", "name": "key" }])))
        .await;
    let message = world.error("raw").await;
    assert!(
        message.contains("Secret key is not on the hub, in namespace cluster-fleet-default-north"),
        "{message}"
    );
    assert!(world.object(&config_maps(), "shop", "a").await.is_none());

    let own = json!({ "metadata": { "name": "key" }, "data": { "a": "MQ==" } });
    create(
        &world.cluster,
        &secrets(),
        &ObjectKey::new("shop", "key"),
        &own,
    )
    .await;
    on_hub(
        &world,
        &secrets(),
        "key",
        json!({ "password": "aHVudGVyMg==" }),
    )
    .await;
    let told = world.until("raw", "says why", |deployment| {
        let message = api::conditions::message(&deployment.status.conditions, "Deployed");
        message.contains("Secret key of namespace shop is not a copy of this bundle's")
    });
    told.await;
    let kept = world.object(&secrets(), "shop", "key").await.unwrap();
    assert_eq!(kept["data"], json!({ "a": "MQ==" }));

    world
        .deploy(&with(json!([{ "kind": "Pod", "name": "key" }])))
        .await;
    let told = world.until("raw", "says why", |deployment| {
        let message = api::conditions::message(&deployment.status.conditions, "Deployed");
        message.contains("unknown resource type for copy to downstream cluster: \"Pod\"")
    });
    told.await;
}
