//! `flotilla audit` of a hub and of a cluster, with and without something that belongs to nobody.

use std::path::Path;
use std::process::Command;

use apiclient::{Kind, ObjectKey, WriteOptions};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde_json::{Value, json};

use crate::product::Product;
use crate::repository::{Repository, config_map};
use crate::view::{WORKSPACE, eventually};

const CLUSTER: &str = "cluster-001";

/// Exit code and standard output.
async fn audit(dir: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command
        .arg("audit")
        .args(arguments)
        .current_dir(dir)
        .env("HOME", dir)
        .env_remove("KUBECONFIG");
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), text)
}

#[tokio::test]
async fn what_belongs_to_nobody_is_named_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let (product, hub) = Product::up(dir.path(), 1).await;
    let good = Repository::with(&[
        ("good/fleet.yaml", "defaultNamespace: shop\n"),
        ("good/cm.yaml", &config_map("good", "1")),
    ]);
    hub.git_repo("good", &good.url()).await;
    hub.bundle_ready("good-good", 1).await;

    let of_hub = ["hub", "--kubeconfig", "kubeconfigs/hub.yaml"];
    let kubeconfig = format!("kubeconfigs/{CLUSTER}.yaml");
    let of_cluster = [
        "cluster",
        "--kubeconfig",
        &kubeconfig,
        "--hub-kubeconfig",
        "kubeconfigs/hub.yaml",
        "--cluster-name",
        CLUSTER,
    ];
    for arguments in [&of_hub[..], &of_cluster] {
        eventually("everything has an owner", async || {
            let (code, text) = audit(dir.path(), arguments).await;
            (code == 0 && text.ends_with("Everything has an owner.\n")).then_some(())
        })
        .await;
    }

    let options = WriteOptions::default();
    let secret = json!({ "type": "fleet.cattle.io/bundle-values/v1alpha1", "metadata": { "name": "lost" },
        "stringData": { "values.yaml": "hunter2" } });
    let (kind, key) = (Kind::of::<Secret>(), ObjectKey::new(WORKSPACE, "lost"));
    hub.client
        .create(&kind, &key, &secret, options)
        .await
        .unwrap();
    let cluster = product.client(CLUSTER).await;
    let (kind, key) = (Kind::of::<ConfigMap>(), ObjectKey::new("shop", "good"));
    let mut stray: Value = cluster.get(&kind, &key).await.unwrap().unwrap();
    stray["metadata"] = json!({ "name": "stray", "labels": stray["metadata"]["labels"],
        "annotations": stray["metadata"]["annotations"] });
    cluster
        .create(&kind, &ObjectKey::new("shop", "stray"), &stray, options)
        .await
        .unwrap();

    let (code, text) = audit(dir.path(), &of_hub).await;
    assert_eq!(code, 4, "{text}");
    assert!(
        text.contains("Secret fleet-default/lost: with values of the Bundle"),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
    let (code, text) = audit(dir.path(), &[&of_cluster[..], &["-o", "json"]].concat()).await;
    assert_eq!(code, 4, "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    let orphans = report["orphans"].as_array().unwrap();
    assert_eq!(orphans.len(), 1, "{text}");
    assert_eq!(orphans[0]["object"], "ConfigMap shop/stray");
    assert_eq!(report["unread"], json!([]));
}
