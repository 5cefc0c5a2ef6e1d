//! Bundles whose content is in a registry, as upstream writes them: access for agents, and the end.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;
#[path = "../../fetch/tests/support/registry.rs"]
mod server;

use std::collections::BTreeMap;

use api::conditions::{self, READY};
use api::v1alpha1::{Bundle, BundleDeployment, Content, GitRepo};
use apiclient::{DeleteOptions, Kind, ObjectKey, Selector};
use common::{Hub, Repository, WORKSPACE, config_map, eventually};
use fetch::charts::{Contents, Storage};
use k8s_openapi::api::events::v1::Event;
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
    eventually("an event tells what stays in the registry", || async {
        let mut found = None;
        let each = |event: Event| {
            if event.reason.as_deref() == Some("FailedToDeleteOCIArtifact") {
                found = event.note;
            }
        };
        let selector = Selector::namespace(WORKSPACE);
        let listed = hub.client.list(&Kind::of::<Event>(), &selector, each).await;
        assert!(listed.is_ok(), "{:?}", listed.err());
        found.filter(|note| note.contains(&third) && !note.contains("hunter2"))
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

/// Tells the writers of a namespace where its contents go.
async fn offer(hub: &Hub, registry: &Registry, name: &str) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let reference = format!("{}/contents", registry.address);
    let object = json!({ "metadata": { "name": name, "namespace": WORKSPACE }, "type": TYPE,
        "stringData": { "reference": reference, "basicHTTP": "true", "password": "hunter2" } });
    hub.create_at(&secrets(), &ObjectKey::new(WORKSPACE, name), &object)
        .await;
}

/// Waits for another deployment than `before` whose content is in the registry, or on the hub.
async fn deployed(hub: &Hub, cluster: &str, before: &str, in_registry: bool) -> BundleDeployment {
    eventually("the deployment has its content elsewhere", || async {
        let found = hub.deployment(cluster, "repo-app").await?;
        let spec = &found.spec;
        (spec.deployment_id != before && spec.oci_contents == in_registry).then_some(found)
    })
    .await
}

fn content_of(deployment: &BundleDeployment) -> String {
    api::ids::content_id_of(&deployment.spec.deployment_id).to_owned()
}

#[tokio::test]
async fn contents_of_repositories_go_to_the_registry_of_the_namespace_or_stay_while_it_is_away() {
    let hub = Hub::start().await;
    let north = hub.cluster("north", json!({})).await;
    let registry = Registry::start();
    offer(&hub, &registry, "ocistorage").await;
    let repository = Repository::new();
    repository.commit(&[("app/cm.yaml", &config_map("a", "1"))]);
    hub.git_repo("repo", &repository.url(), json!({ "paths": ["app"] }))
        .await;
    let first = deployed(&hub, &north, "", true).await;
    let id = content_of(&first);
    let bundle: Bundle = hub.get("repo-app").await.unwrap();
    assert!(bundle.spec.resources.is_empty() && bundle.spec.contents_id == id);
    assert!(
        registry
            .state()
            .manifests
            .contains_key(&format!("contents/{id}"))
    );
    let key = ObjectKey::new("", id.as_str());
    let on_hub: Option<Content> = hub.client.get(&Kind::of::<Content>(), &key).await.unwrap();
    assert!(on_hub.is_none());
    assert!(secret(&hub, &north, &id).await.is_some());

    registry.state().is_away = true;
    repository.commit(&[("app/cm.yaml", &config_map("a", "2"))]);
    let second = deployed(&hub, &north, &first.spec.deployment_id, false).await;
    let key = ObjectKey::new("", content_of(&second));
    let on_hub: Option<Content> = hub.client.get(&Kind::of::<Content>(), &key).await.unwrap();
    assert!(on_hub.is_some());
    eventually("the GitRepo says why", || async {
        let found: GitRepo = hub.get("repo").await?;
        let said = serde_json::to_string(&found.status).unwrap();
        assert!(!said.contains("hunter2"));
        said.contains("are stored on the hub").then_some(())
    })
    .await;

    registry.state().is_away = false;
    repository.commit(&[("app/cm.yaml", &config_map("a", "3"))]);
    let third = deployed(&hub, &north, &second.spec.deployment_id, true).await;
    let (kind, key) = (Kind::of::<GitRepo>(), ObjectKey::new(WORKSPACE, "repo"));
    let delete = DeleteOptions::default();
    hub.client.delete(&kind, &key, &delete).await.unwrap();
    gone(&hub, &registry, &north, &content_of(&third)).await;
}

#[tokio::test]
async fn files_move_back_when_the_registry_is_switched_off_and_stay_on_the_hub_until_they_change() {
    let hub = Hub::start().await;
    let north = hub.cluster("north", json!({})).await;
    let registry = Registry::start();
    offer(&hub, &registry, "ocistorage").await;
    let repository = Repository::new();
    repository.commit(&[("app/cm.yaml", &config_map("a", "1"))]);
    hub.git_repo("repo", &repository.url(), json!({ "paths": ["app"] }))
        .await;
    let first = deployed(&hub, &north, "", true).await;
    let (id, delete) = (content_of(&first), DeleteOptions::default());
    let look_again = async |interval: &str| {
        let change = json!({ "spec": { "pollingInterval": interval } });
        let (kind, key) = (Kind::of::<GitRepo>(), ObjectKey::new(WORKSPACE, "repo"));
        hub.patch(&kind, &key, &change).await;
        eventually("the GitRepo was looked at again", || async {
            let found: GitRepo = hub.get("repo").await?;
            let generation = found.metadata.generation.unwrap();
            (found.status.observed_generation == generation).then_some(())
        })
        .await;
    };
    let offered = ObjectKey::new(WORKSPACE, "ocistorage");
    hub.client
        .delete(&secrets(), &offered, &delete)
        .await
        .unwrap();
    look_again("400ms").await;
    let moved = deployed(&hub, &north, "", false).await;
    assert_eq!(moved.spec.deployment_id, first.spec.deployment_id);
    gone(&hub, &registry, &north, &id).await;

    offer(&hub, &registry, "ocistorage").await;
    look_again("500ms").await;
    let bundle: Bundle = hub.get("repo-app").await.unwrap();
    assert_eq!(bundle.spec.resources.len(), 1);
    assert!(registry.state().manifests.is_empty());
    repository.commit(&[("app/cm.yaml", &config_map("a", "2"))]);
    deployed(&hub, &north, &first.spec.deployment_id, true).await;
}

#[tokio::test]
async fn a_repository_whose_registry_is_not_told_of_writes_nothing() {
    let hub = Hub::start().await;
    let north = hub.cluster("north", json!({})).await;
    let repository = Repository::new();
    repository.commit(&[("app/cm.yaml", &config_map("a", "1"))]);
    let spec = json!({ "paths": ["app"], "ociRegistrySecret": "other" });
    hub.git_repo("repo", &repository.url(), spec).await;
    let says = async |part: &str| {
        eventually("the GitRepo says what is wrong", || async {
            let found: GitRepo = hub.get("repo").await?;
            let said = serde_json::to_string(&found.status).unwrap();
            said.contains(part).then_some(())
        })
        .await;
    };
    says("other for the registry that contents are stored in does not exist").await;
    assert!(hub.get::<Bundle>("repo-app").await.is_none());
    let key = ObjectKey::new(WORKSPACE, "other");
    let object =
        json!({ "metadata": { "name": "other", "namespace": WORKSPACE }, "type": "Opaque" });
    hub.create_at(&secrets(), &key, &object).await;
    says("unexpected secret type").await;
    let delete = DeleteOptions::default();
    hub.client.delete(&secrets(), &key, &delete).await.unwrap();
    let registry = Registry::start();
    offer(&hub, &registry, "other").await;
    deployed(&hub, &north, "", true).await;
}
