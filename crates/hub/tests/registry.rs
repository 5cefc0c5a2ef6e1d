//! Bundles whose content is in a registry, as upstream writes them: access for agents, and the end.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;
#[path = "../../fetch/tests/support/registry.rs"]
mod server;

use std::collections::BTreeMap;

use api::conditions::{self, READY};
use api::v1alpha1::Bundle;
use apiclient::{DeleteOptions, Kind, ObjectKey};
use common::{Hub, WORKSPACE, config_map, eventually};
use fetch::charts::{Contents, Storage};
use serde_json::{Value, json};
use server::Registry;

const TYPE: &str = "fleet.cattle.io/bundle-oci-storage/v1alpha1";

fn secrets() -> Kind {
    Kind::new("", "v1", "Secret", "secrets", true)
}

async fn secret(hub: &Hub, namespace: &str, name: &str) -> Option<Value> {
    let key = ObjectKey::new(namespace, name);
    hub.client.get(&secrets(), &key).await.unwrap()
}

/// Pushes a content and writes the Secret beside the bundle, as `fleet apply` does. Gives the id.
async fn stored(hub: &Hub, registry: &Registry, value: &str) -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let files = json!([{ "name": "cm.yaml", "content": config_map("a", value) }]);
    let files: Vec<api::v1alpha1::BundleResource> = serde_json::from_value(files).unwrap();
    let manifest = api::ids::manifest_json(&files);
    let id = api::ids::content_id(&api::ids::content_sha256(&manifest));
    let access = json!({ "reference": format!("{}/contents", registry.address),
        "basicHTTP": "true", "username": "user", "password": "hunter2" });
    let data: BTreeMap<String, Vec<u8>> = access
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap().as_bytes().to_vec()))
        .collect();
    let storage = Storage::of_secret(TYPE, &data).unwrap();
    let contents = Contents::to_write(&storage).unwrap();
    contents.push(&id, manifest).await.unwrap();
    let object = json!({ "metadata": { "name": id, "namespace": WORKSPACE,
        "labels": { "fleet.cattle.io/bundle-internal-secret": "true" } },
        "type": TYPE, "stringData": access });
    hub.create_at(&secrets(), &ObjectKey::new(WORKSPACE, id.as_str()), &object)
        .await;
    id
}

fn named(id: &str) -> Value {
    json!({ "resources": null, "contentsId": id })
}

/// Waits until a content is gone from the registry, and with it the Secrets that gave access.
async fn gone(hub: &Hub, registry: &Registry, cluster: &str, id: &str) {
    let repository = format!("contents/{id}");
    eventually("content and access are gone", || async {
        let is_left = secret(hub, cluster, id).await.is_some()
            || secret(hub, WORKSPACE, id).await.is_some()
            || registry.state().manifests.contains_key(&repository);
        (!is_left).then_some(())
    })
    .await;
}

#[tokio::test]
async fn agents_get_access_to_the_content_and_it_goes_with_the_last_bundle() {
    let hub = Hub::start().await;
    let north = hub.cluster("north", json!({})).await;
    let registry = Registry::start();
    let id = stored(&hub, &registry, "1").await;
    hub.bundle(WORKSPACE, "one", json!({}), named(&id)).await;
    hub.bundle(WORKSPACE, "two", json!({}), named(&id)).await;
    for bundle in ["one", "two"] {
        let found = eventually("the deployment is there", || hub.deployment(&north, bundle)).await;
        assert!(found.spec.oci_contents);
        assert!(found.spec.deployment_id.starts_with(&format!("{id}:")));
        let labels = found.metadata.labels.unwrap();
        assert!(!labels.contains_key("fleet.cattle.io/content-name"));
        let copy = secret(&hub, &north, &id).await.unwrap();
        assert_eq!(copy["type"], TYPE);
        assert_eq!(
            copy["metadata"]["labels"]["fleet.cattle.io/bundle-internal-secret"],
            "true"
        );
        eventually("the status says where it is", || async {
            let found: Bundle = hub.get(bundle).await?;
            let wanted = format!("oci://{}/contents/{id}:latest", registry.address);
            (found.status.oci_reference == wanted).then_some(())
        })
        .await;
    }
    // Another content takes the place of the first, on this cluster too.
    let next = stored(&hub, &registry, "2").await;
    let one = ObjectKey::new(WORKSPACE, "one");
    let change = json!({ "spec": { "contentsId": next } });
    hub.patch(&Kind::of::<Bundle>(), &one, &change).await;
    eventually("the deployment names the other content", || async {
        let found = hub.deployment(&north, "one").await?;
        found.spec.deployment_id.starts_with(&next).then_some(())
    })
    .await;
    assert!(secret(&hub, &north, &next).await.is_some());
    assert!(
        secret(&hub, &north, &id).await.is_some(),
        "the other bundle needs it"
    );

    let two = ObjectKey::new(WORKSPACE, "two");
    let (kind, delete) = (Kind::of::<Bundle>(), DeleteOptions::default());
    hub.client.delete(&kind, &two, &delete).await.unwrap();
    gone(&hub, &registry, &north, &id).await;
    assert!(
        registry
            .state()
            .manifests
            .contains_key(&format!("contents/{next}"))
    );
    // Nobody needs the second content once the bundle has a third.
    let third = stored(&hub, &registry, "3").await;
    let change = json!({ "spec": { "contentsId": third } });
    hub.patch(&kind, &one, &change).await;
    gone(&hub, &registry, &north, &next).await;
    // A registry that is away holds up nobody.
    registry.state().is_away = true;
    hub.client.delete(&kind, &one, &delete).await.unwrap();
    eventually("the bundle is gone", || async {
        hub.get::<Bundle>("one").await.is_none().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_content_that_is_nowhere_is_waited_for() {
    let hub = Hub::start().await;
    let north = hub.cluster("north", json!({})).await;
    let registry = Registry::start();
    let absent = "s-0000000000000000000000000000000000000000000000000000000000000";
    hub.bundle(WORKSPACE, "app", json!({}), named(absent)).await;
    eventually("the bundle says so", || async {
        let found: Bundle = hub.get("app").await?;
        let message = conditions::message(&found.status.conditions, READY);
        message
            .contains("does not exist; apply the bundle again")
            .then_some(())
    })
    .await;
    assert!(hub.deployment(&north, "app").await.is_none());
    let id = stored(&hub, &registry, "1").await;
    let change = json!({ "spec": { "contentsId": id } });
    let key = ObjectKey::new(WORKSPACE, "app");
    hub.patch(&Kind::of::<Bundle>(), &key, &change).await;
    eventually("the deployment is there", || hub.deployment(&north, "app")).await;
}
