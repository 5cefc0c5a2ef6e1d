//! Secrets and ConfigMaps that bundles take along: copied for each cluster, renewed, counted, removed.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use api::conditions::{self, READY};
use api::v1alpha1::{Bundle, BundleDeployment};
use apiclient::{DeleteOptions, Kind, ObjectKey};
use common::{Hub, WORKSPACE, eventually};
use serde_json::{Value, json};

fn secrets() -> Kind {
    Kind::new("", "v1", "Secret", "secrets", true)
}

fn config_maps() -> Kind {
    Kind::new("", "v1", "ConfigMap", "configmaps", true)
}

async fn object(hub: &Hub, kind: &Kind, namespace: &str, name: &str) -> Option<Value> {
    let key = ObjectKey::new(namespace, name);
    hub.client.get(kind, &key).await.unwrap()
}

async fn source(hub: &Hub, kind: &Kind, name: &str, more: Value) {
    let mut object = json!({ "metadata": { "name": name, "namespace": WORKSPACE } });
    for (member, value) in more.as_object().unwrap() {
        object[member] = value.clone();
    }
    hub.create_at(kind, &ObjectKey::new(WORKSPACE, name), &object)
        .await;
}

async fn deployment(hub: &Hub, namespace: &str, name: &str) -> BundleDeployment {
    eventually("the deployment is there", || {
        hub.deployment(namespace, name)
    })
    .await
}

async fn says(hub: &Hub, bundle: &str, part: &str) {
    eventually(&format!("{bundle} says {part}"), || async {
        let found: Bundle = hub.get(bundle).await?;
        let message = conditions::message(&found.status.conditions, READY);
        message.contains(part).then_some(())
    })
    .await;
}

fn taking(resources: &Value) -> Value {
    json!({ "downstreamResources": resources })
}

/// Two bundles that share a ConfigMap, one with a Secret, on two clusters whose namespaces are given back.
async fn two_bundles(hub: &Hub) -> [String; 2] {
    let north = hub.cluster("north", json!({})).await;
    let south = hub.cluster("south", json!({})).await;
    let key = json!({ "type": "kubernetes.io/basic-auth",
        "data": { "username": "YQ==", "password": "aHVudGVyMg==" } });
    source(hub, &secrets(), "key", key).await;
    source(
        hub,
        &config_maps(),
        "sizes",
        json!({ "data": { "a": "1" } }),
    )
    .await;
    let both =
        json!([{ "kind": "secret", "name": "key" }, { "kind": "ConfigMap", "name": "sizes" }]);
    hub.bundle(WORKSPACE, "one", json!({}), taking(&both)).await;
    let sizes = json!([{ "kind": "ConfigMap", "name": "sizes" }]);
    hub.bundle(WORKSPACE, "two", json!({}), taking(&sizes))
        .await;
    for namespace in [&north, &south] {
        deployment(hub, namespace, "one").await;
        deployment(hub, namespace, "two").await;
    }
    [north, south]
}

/// Waits until nothing has been written for two seconds; how often it was written until then.
async fn quiet(hub: &Hub) -> u64 {
    eventually("the hub is quiet", || async {
        let before = hub.controller.stats().writes();
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        (hub.controller.stats().writes() == before).then_some(before)
    })
    .await
}

#[tokio::test]
async fn copies_are_made_before_deployments_and_renewed_when_the_source_changes() {
    let mut hub = Hub::start().await;
    let clusters = two_bundles(&hub).await;
    for namespace in &clusters {
        let found = deployment(&hub, namespace, "one").await;
        assert!(found.spec.downstream_resources_generation > 0);
        let key = object(&hub, &secrets(), namespace, "key").await.unwrap();
        assert_eq!(key["type"], "kubernetes.io/basic-auth");
        assert_eq!(key["data"]["password"], "aHVudGVyMg==");
        let copy = object(&hub, &config_maps(), namespace, "sizes")
            .await
            .unwrap();
        assert_eq!(copy["data"], json!({ "a": "1" }));
    }
    let [north, _] = &clusters;
    let before = deployment(&hub, north, "two").await.spec;
    let key = ObjectKey::new(WORKSPACE, "sizes");
    let change = json!({ "data": { "a": "2" } });
    hub.patch(&config_maps(), &key, &change).await;
    eventually("the deployment names another state", || async {
        let now = hub.deployment(north, "two").await?.spec;
        assert_eq!(now.deployment_id, before.deployment_id);
        (now.downstream_resources_generation != before.downstream_resources_generation)
            .then_some(())
    })
    .await;
    let copy = object(&hub, &config_maps(), north, "sizes").await.unwrap();
    assert_eq!(copy["data"], json!({ "a": "2" }));
    // What is not copied is no change; nor is a restart.
    let before = quiet(&hub).await;
    let label = json!({ "metadata": { "labels": { "x": "y" } } });
    hub.patch(&config_maps(), &key, &label).await;
    assert_eq!(quiet(&hub).await, before);
    hub.stop_controllers().await;
    hub.start_controllers();
    assert_eq!(quiet(&hub).await, before);
}

#[tokio::test]
async fn copies_stay_while_any_deployment_of_the_cluster_names_them() {
    let hub = Hub::start().await;
    let [north, south] = two_bundles(&hub).await;
    let none = json!({ "spec": { "downstreamResources": null } });
    let one = ObjectKey::new(WORKSPACE, "one");
    hub.patch(&Kind::of::<Bundle>(), &one, &none).await;
    eventually("the secret is not needed any more", || async {
        let found = object(&hub, &secrets(), &north, "key").await;
        found.is_none().then_some(())
    })
    .await;
    let shared = async |namespace: &str| object(&hub, &config_maps(), namespace, "sizes").await;
    assert!(shared(&north).await.is_some());
    let two = ObjectKey::new(WORKSPACE, "two");
    let delete = DeleteOptions::default();
    let deleted = hub
        .client
        .delete(&Kind::of::<Bundle>(), &two, &delete)
        .await;
    deleted.unwrap();
    eventually("nothing is copied any more", || async {
        let is_left = shared(&north).await.is_some() || shared(&south).await.is_some();
        (!is_left).then_some(())
    })
    .await;
    assert!(shared(WORKSPACE).await.is_some());
}

#[tokio::test]
async fn what_cannot_be_copied_is_named_and_holds_up_only_its_bundle() {
    let hub = Hub::start().await;
    let north = hub.cluster("north", json!({})).await;
    let name = |kind: &str, name: &str| taking(&json!([{ "kind": kind, "name": name }]));
    source(
        &hub,
        &secrets(),
        "token",
        json!({ "type": "fleet.cattle.io/agent-credential" }),
    )
    .await;
    hub.bundle(WORKSPACE, "absent", json!({}), name("Secret", "later"))
        .await;
    hub.bundle(WORKSPACE, "internal", json!({}), name("Secret", "token"))
        .await;
    hub.bundle(WORKSPACE, "pod", json!({}), name("Pod", "x"))
        .await;
    // A bundle's own values are in a Secret of its name.
    source(
        &hub,
        &secrets(),
        "plain",
        json!({ "data": { "a": "MQ==" } }),
    )
    .await;
    let values = json!({ "helm": { "values": { "password": "hunter2" } } });
    hub.bundle(WORKSPACE, "plain", json!({}), values).await;
    deployment(&hub, &north, "plain").await;
    hub.bundle(WORKSPACE, "thief", json!({}), name("Secret", "plain"))
        .await;

    let missing = "downstreamResources names Secret fleet-default/later: it does not exist";
    says(&hub, "absent", missing).await;
    says(
        &hub,
        "internal",
        "a secret of type fleet.cattle.io/agent-credential is never copied",
    )
    .await;
    says(
        &hub,
        "pod",
        "unknown resource type for copy to downstream cluster: \"Pod\"",
    )
    .await;
    for bundle in ["absent", "internal", "pod", "thief"] {
        assert!(hub.deployment(&north, bundle).await.is_none(), "{bundle}");
    }
    let options = object(&hub, &secrets(), &north, "plain").await.unwrap();
    assert_eq!(
        options["type"],
        "fleet.cattle.io/bundle-deployment/v1alpha1"
    );

    source(
        &hub,
        &secrets(),
        "later",
        json!({ "data": { "a": "MQ==" } }),
    )
    .await;
    deployment(&hub, &north, "absent").await;
    assert!(object(&hub, &secrets(), &north, "later").await.is_some());
}
