//! Contents in a registry, which the agent pulls with the Secret that the hub copied for it.

#[path = "../../../fetch/tests/support/registry.rs"]
mod server;

use std::collections::BTreeMap;

use api::ids::{content_id, content_sha256, manifest_json};
use api::v1alpha1::BundleResource;
use apiclient::ObjectKey;
use fetch::charts::{Contents, Storage};
use serde_json::{Value, json};
use server::Registry;

use crate::world::{Bundle, NAMESPACE, World, bundle, config_map, config_maps, create, secrets};

const TYPE: &str = "fleet.cattle.io/bundle-oci-storage/v1alpha1";

fn access(registry: &Registry) -> Value {
    json!({ "reference": format!("{}/contents", registry.address), "basicHTTP": "true",
        "username": "user", "password": "word", "agentPassword": "other" })
}

/// A bundle as the hub writes it, and its content.
fn stored(value: &str) -> (Bundle, String, Vec<u8>) {
    let text = config_map("a", value);
    let resource = BundleResource {
        name: "a.yaml".to_owned(),
        content: text.clone(),
        ..BundleResource::default()
    };
    let manifest = manifest_json(&[resource]);
    let id = content_id(&content_sha256(&manifest));
    let bundle = bundle("raw", &[("a.yaml", &text)]).with_spec(json!({ "ociContents": true }));
    (bundle, id, manifest)
}

async fn push(registry: &Registry, id: &str, manifest: Vec<u8>) {
    let data: BTreeMap<String, Vec<u8>> = access(registry)
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap().as_bytes().to_vec()))
        .collect();
    let storage = Storage::of_secret(TYPE, &data).unwrap();
    let contents = Contents::to_write(&storage).unwrap();
    contents.push(id, manifest).await.unwrap();
}

async fn grant(world: &World, registry: &Registry, id: &str) {
    let secret = json!({ "metadata": { "name": id, "namespace": NAMESPACE }, "type": TYPE,
        "stringData": access(registry) });
    let key = ObjectKey::new(NAMESPACE, id);
    create(&world.hub, &secrets(), &key, &secret).await;
}

#[tokio::test]
async fn a_content_in_a_registry_is_pulled_and_deployed() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let registry = Registry::start();
    let world = World::start().await;
    let (bundle, id, manifest) = stored("1");
    push(&registry, &id, manifest).await;
    // `user:word` writes, `user:other` reads.
    registry.state().writer = Some("Basic dXNlcjp3b3Jk".to_owned());
    registry.state().reader = Some("Basic dXNlcjpvdGhlcg==".to_owned());
    grant(&world, &registry, &id).await;
    let deployment = world.deploy(&bundle).await;
    world.ready("raw", &deployment).await;
    let object = world.object(&config_maps(), "shop", "a").await.unwrap();
    assert_eq!(object["data"]["key"], "1");
    assert!(
        registry
            .state()
            .asked
            .iter()
            .any(|asked| asked.starts_with("GET /v2/contents/s-"))
    );

    // What is not the content that the id names is not deployed.
    let (next, id, _) = stored("2");
    let (_, _, forged) = stored("3");
    registry.state().writer = None;
    push(&registry, &id, forged).await;
    grant(&world, &registry, &id).await;
    world.deploy(&next).await;
    let message = world.error("raw").await;
    assert!(
        message.contains("invalid or corrupt manifest. Expecting id"),
        "{message}"
    );
    let object = world.object(&config_maps(), "shop", "a").await.unwrap();
    assert_eq!(object["data"]["key"], "1");
}

#[tokio::test]
async fn without_access_or_registry_the_message_says_so_and_no_password() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let registry = Registry::start();
    let world = World::start().await;
    let (bundle, id, manifest) = stored("1");
    world.deploy(&bundle).await;
    let message = world.error("raw").await;
    assert!(
        message.contains(&format!("secret {NAMESPACE}/{id}")),
        "{message}"
    );
    registry.state().is_away = true;
    grant(&world, &registry, &id).await;
    let told = world.until("raw", "says why", |deployment| {
        let message = api::conditions::message(&deployment.status.conditions, "Deployed");
        assert!(
            !message.contains("word") && !message.contains("other"),
            "{message}"
        );
        message.contains("pull content") && message.contains("503")
    });
    told.await;
    registry.state().is_away = false;
    push(&registry, &id, manifest).await;
    // Tried again until the registry is back.
    world
        .until("raw", "is ready", |deployment| deployment.status.ready)
        .await;
}
