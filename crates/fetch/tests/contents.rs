//! Contents of bundles in a registry: pushed, pulled, deleted, and what may be wrong with them.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/registry.rs"]
mod registry;

use std::collections::BTreeMap;

use fetch::charts::{Contents, Storage};
use registry::Registry;

const ID: &str = "s-0123456789abcdef";
const BYTES_MAX: u64 = 1 << 20;
/// `user:word`
const WRITER: &str = "Basic dXNlcjp3b3Jk";
/// `agent:read`
const READER: &str = "Basic YWdlbnQ6cmVhZA==";

fn storage(registry: &Registry, more: &[(&str, &str)]) -> Storage {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let reference = format!("{}/fleet/contents", registry.address);
    let pairs = [("reference", reference.as_str()), ("basicHTTP", "true")];
    let data: BTreeMap<String, Vec<u8>> = pairs
        .iter()
        .chain(more)
        .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
        .collect();
    Storage::of_secret("fleet.cattle.io/bundle-oci-storage/v1alpha1", &data).unwrap()
}

#[tokio::test]
async fn a_content_is_pushed_once_pulled_and_deleted() {
    let registry = Registry::start();
    let storage = storage(&registry, &[]);
    let writer = Contents::to_write(&storage).unwrap();
    let data = b"{\"resources\":[]}\n".to_vec();
    writer.push(ID, data.clone()).await.unwrap();
    let repository = format!("fleet/contents/{ID}");
    let manifest = registry.state().manifests[&repository].clone();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["artifactType"], "application/fleet.manifest");
    let layer = &manifest["layers"][0];
    assert_eq!(layer["mediaType"], "application/fleet.file");
    assert_eq!(layer["annotations"], serde_json::json!({ "id": ID }));
    assert_eq!(
        manifest["config"]["mediaType"],
        "application/vnd.oci.empty.v1+json"
    );

    registry.state().asked.clear();
    writer.push(ID, data.clone()).await.unwrap();
    let uploads = registry
        .state()
        .asked
        .iter()
        .filter(|asked| asked.contains("uploads"))
        .count();
    assert_eq!(uploads, 0, "the blobs are there");
    let reader = Contents::to_read(&storage).unwrap();
    assert_eq!(reader.pull(ID, BYTES_MAX).await.unwrap(), data);
    assert!(reader.pull(ID, 3).await.is_err(), "larger than allowed");

    writer.delete(ID).await.unwrap();
    writer.delete(ID).await.unwrap();
    assert!(reader.pull(ID, BYTES_MAX).await.is_err());
}

#[tokio::test]
async fn writers_and_readers_log_in_with_what_is_theirs() {
    let registry = Registry::start();
    registry.state().writer = Some(WRITER.to_owned());
    registry.state().reader = Some(READER.to_owned());
    let logins = [
        ("username", "user"),
        ("password", "word"),
        ("agentUsername", "agent"),
        ("agentPassword", "read"),
    ];
    let storage = storage(&registry, &logins);
    let (writer, reader) = (
        Contents::to_write(&storage).unwrap(),
        Contents::to_read(&storage).unwrap(),
    );
    writer.push(ID, b"x".to_vec()).await.unwrap();
    assert_eq!(reader.pull(ID, BYTES_MAX).await.unwrap(), b"x");
    let refused = reader
        .push(ID, b"y".to_vec())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("401") && !refused.contains("read\""),
        "{refused}"
    );
    assert!(reader.delete(ID).await.is_err());
}

#[tokio::test]
async fn what_is_not_the_content_is_refused() {
    let registry = Registry::start();
    let storage = storage(&registry, &[]);
    let writer = Contents::to_write(&storage).unwrap();
    writer.push(ID, b"data".to_vec()).await.unwrap();
    let repository = format!("fleet/contents/{ID}");
    let good = String::from_utf8(registry.state().manifests[&repository].clone()).unwrap();
    let two = {
        let mut manifest: serde_json::Value = serde_json::from_str(&good).unwrap();
        let layer = manifest["layers"][0].clone();
        manifest["layers"].as_array_mut().unwrap().push(layer);
        manifest.to_string()
    };
    for (bad, part) in [
        (good.replace(ID, "s-other"), "not that of this content"),
        (
            good.replace("\"id\"", "\"more\":\"x\",\"id\""),
            "not that of this content",
        ),
        (two, "expected exactly one layer, found 2"),
        ("{}".to_owned(), "expected exactly one layer, found 0"),
        ("\"x\"".to_owned(), "cannot be read"),
    ] {
        registry
            .state()
            .manifests
            .insert(repository.clone(), bad.into_bytes());
        let error = writer.pull(ID, BYTES_MAX).await.unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
    registry
        .state()
        .manifests
        .insert(repository, good.into_bytes());
    for blob in registry.state().blobs.values_mut() {
        blob.reverse();
    }
    let error = writer.pull(ID, BYTES_MAX).await.unwrap_err().to_string();
    assert!(error.contains("digest is"), "{error}");
    registry.state().is_away = true;
    assert!(writer.push(ID, b"more".to_vec()).await.is_err());
    assert!(writer.delete(ID).await.is_err());
}
