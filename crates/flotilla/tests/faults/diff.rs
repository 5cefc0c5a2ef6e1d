//! `flotilla diff` from the hub and on the cluster, and upstream's `bundlediff`.

use std::path::Path;
use std::process::Command;

use apiclient::{Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde_json::{Value, json};

use crate::product::Product;
use crate::repository::{Repository, config_map};
use crate::view::eventually;

const CLUSTER: &str = "cluster-001";
const SECRET: &str =
    "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\nstringData:\n  password: hunter2\n";

/// Exit code and standard output.
async fn run(dir: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command
        .args(arguments)
        .args(["--kubeconfig", "kubeconfigs/hub.yaml"])
        .current_dir(dir)
        .env("HOME", dir)
        .env_remove("KUBECONFIG");
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), text)
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one road, looked at from many sides")]
async fn differences_are_shown_from_the_hub_and_in_full_from_the_cluster() {
    let dir = tempfile::tempdir().unwrap();
    let (product, hub) = Product::up(dir.path(), 1).await;
    let repository = Repository::with(&[
        ("good/fleet.yaml", "defaultNamespace: shop\n"),
        ("good/cm.yaml", &config_map("good", "1")),
        ("good/secret.yaml", SECRET),
    ]);
    hub.git_repo("good", &repository.url()).await;
    hub.bundle_ready("good-good", 1).await;
    let (code, text) = run(dir.path(), &["diff"]).await;
    assert_eq!((code, text.as_str()), (0, "No modified resources found.\n"));

    let cluster = product.client(CLUSTER).await;
    let change = async |kind: Kind, name: &str, patch: Value| {
        let key = ObjectKey::new("shop", name);
        let options = WriteOptions::default();
        let changed: Result<ObjectMeta, _> = cluster
            .patch(&kind, &key, None, Patch::Merge(&patch), 0, options)
            .await;
        changed.unwrap();
    };
    let live: Value = cluster
        .get(&Kind::of::<ConfigMap>(), &ObjectKey::new("shop", "good"))
        .await
        .unwrap()
        .unwrap();
    let member = live["data"]
        .as_object()
        .unwrap()
        .keys()
        .next()
        .unwrap()
        .clone();
    change(
        Kind::of::<ConfigMap>(),
        "good",
        json!({"data": {&member: "by hand"}}),
    )
    .await;
    change(
        Kind::of::<Secret>(),
        "s",
        json!({"data": {"password": "b3RoZXI="}}),
    )
    .await;
    let text = eventually("both are told", async || {
        let (code, text) = run(dir.path(), &["diff", "--bundle", "good-good"]).await;
        (code == 4 && text.contains("Modified Resources (2):")).then_some(text)
    })
    .await;
    assert!(
        text.starts_with("Bundle: good-good\nBundleDeployments with diffs: 1\n"),
        "{text}"
    );
    assert!(
        text.contains("    Resource: ConfigMap.v1 shop/good\n    Status: Modified\n    Patch:\n"),
        "{text}"
    );
    let deployment = hub.deployments("good-good").await.remove(0).metadata;
    let (namespace, name) = (deployment.namespace.unwrap(), deployment.name.unwrap());
    let one = ["-n", &namespace, "--bundle-deployment", &name];

    // Upstream's word ends with 0 and prints upstream's form.
    let (code, text) = run(dir.path(), &[&["bundlediff", "--json"], &one[..]].concat()).await;
    let report: Value = serde_json::from_str(&text).unwrap();
    let diff = &report["bundleDeploymentDiffs"][0];
    assert_eq!((code, &diff["bundleName"]), (0, &json!("good-good")));
    assert_eq!(diff["modifiedResources"][0]["name"], "good");
    let (code, text) = run(
        dir.path(),
        &[&["bundlediff", "--fleet-yaml"], &one[..]].concat(),
    )
    .await;
    assert_eq!(code, 0);
    assert!(text.starts_with("diff:\n  comparePatches:\n"), "{text}");
    assert!(text.contains(&format!("path: /data/{member}")), "{text}");

    let kubeconfig = format!("kubeconfigs/{CLUSTER}.yaml");
    let on_cluster = ["diff", "-o", "json", "--cluster-kubeconfig", &kubeconfig];
    let (code, text) = run(dir.path(), &[&on_cluster[..], &one].concat()).await;
    assert_eq!(code, 4, "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    let fields = &report["objects"][0]["fields"];
    assert_eq!(fields[0]["path"], format!("data.{member}"));
    assert_eq!(fields[0]["desired"], live["data"][&member]);
    assert_eq!(fields[0]["live"], "by hand");
    assert!(fields[0]["changedBy"].is_string());
    assert_eq!(report["objects"][1]["fields"][0]["live"], "(masked)");
    for secret in ["hunter2", "aHVudGVyMg==", "b3RoZXI="] {
        assert!(!text.contains(secret), "{text}");
    }

    for wrong in [
        &["diff", "--bundle-deployment", &name][..],
        &["diff", "--bundle-deployment", "none", "-n", &namespace],
        &["diff", "--fleet-yaml"],
        &["diff", "--cluster-kubeconfig", "x"],
    ] {
        let (code, text) = run(dir.path(), wrong).await;
        assert!(
            [1, 2].contains(&code) && text.is_empty(),
            "{wrong:?}: {code} {text}"
        );
    }
}
