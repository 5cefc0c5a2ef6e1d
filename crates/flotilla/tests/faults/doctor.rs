//! `flotilla doctor` on a healthy hub and on one in trouble.

use std::path::Path;
use std::process::Command;

use api::v1alpha1::Bundle;
use apiclient::{Client, Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use serde_json::{Value, json};

use crate::product::Product;
use crate::repository::{Repository, chart, config_map};
use crate::view::{WORKSPACE, eventually};

/// Exit code, standard output and standard error.
async fn doctor(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command
        .arg("doctor")
        .args(arguments)
        .current_dir(dir)
        .env("HOME", dir)
        .env_remove("KUBECONFIG");
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

/// A process leads the default shard, and a bundle is of a shard that has none.
async fn shards(client: &Client) {
    let options = WriteOptions::default();
    let system = "cattle-fleet-system";
    let namespace = json!({ "metadata": { "name": system } });
    let (kind, key) = (Kind::of::<Namespace>(), ObjectKey::new("", system));
    // The hub may have made it.
    let _ = client.create(&kind, &key, &namespace, options).await;
    let name = "fleet-controller-leader-election-shard";
    let lease = json!({ "metadata": { "name": name }, "spec": { "holderIdentity": "process-a",
        "leaseDurationSeconds": 3600, "renewTime": Timestamp::now().to_string() } });
    let (kind, key) = (Kind::of::<Lease>(), ObjectKey::new(system, name));
    let made = client.create(&kind, &key, &lease, options).await;
    assert!(made.is_ok(), "{:?}", made.err());
    let label = json!({ "metadata": { "labels": { "fleet.cattle.io/shard-ref": "west" } } });
    let (kind, key) = (Kind::of::<Bundle>(), ObjectKey::new(WORKSPACE, "large"));
    let patched: Result<ObjectMeta, _> = client
        .patch(&kind, &key, None, Patch::Merge(&label), 0, options)
        .await;
    assert!(patched.is_ok(), "{:?}", patched.err());
}

#[tokio::test]
async fn the_doctor_finds_nothing_on_a_healthy_hub_and_names_what_is_wrong_on_another() {
    let dir = tempfile::tempdir().unwrap();
    let (_product, hub) = Product::up(dir.path(), 2).await;
    let good = Repository::with(&[
        ("good/fleet.yaml", ""),
        ("good/cm.yaml", &config_map("good", "1")),
    ]);
    hub.git_repo("good", &good.url()).await;
    hub.bundle_ready("good-good", 2).await;
    let here = ["--kubeconfig", "kubeconfigs/hub.yaml"];
    eventually("nothing is found", async || {
        let (code, text, _) = doctor(dir.path(), &here).await;
        (code == 0 && text.ends_with("\nNothing to do.\n")).then_some(())
    })
    .await;

    let bad = Repository::with(&[
        ("web/fleet.yaml", ""),
        ("web/Chart.yaml", &chart("web", "0.1.0")),
        ("web/templates/a.yaml", "{{ fail \"no way\" }}"),
    ]);
    hub.git_repo("bad", &bad.url()).await;
    let file = |name: &str| json!({ "name": name, "content": "# filler\n".repeat(70_000) });
    let large = json!({ "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "Bundle",
        "metadata": { "name": "large", "namespace": WORKSPACE },
        "spec": { "resources": [file("one/a.yaml"), file("two/b.yaml")] } });
    let key = ObjectKey::new(WORKSPACE, "large");
    let kind = Kind::of::<Bundle>();
    let made = hub
        .client
        .create(&kind, &key, &large, WriteOptions::default())
        .await;
    assert!(made.is_ok(), "{:?}", made.err());
    let text = eventually("everything is found", async || {
        let (code, text, _) = doctor(dir.path(), &here).await;
        let wanted = [
            "Bundle fleet-default/large",
            "89 %",
            "spec.resources",
            "largest first: one (684 kB), two (684 kB)",
            "GitRepo fleet-default/bad",
            "no way",
        ];
        let missing = wanted.iter().find(|it| !text.contains(**it));
        if let Some(missing) = missing {
            eprintln!("without {missing:?}: {text}");
        }
        (code == 4 && missing.is_none()).then_some(text)
    })
    .await;
    assert!(
        text.contains("  2: "),
        "two deployments that say the same: {text}"
    );

    let json = [&here[..], &["-o", "json"]].concat();
    let (code, text, _) = doctor(dir.path(), &json).await;
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(code, 4);
    assert_eq!(report["largest"][0]["object"], "Bundle fleet-default/large");
    assert_eq!(report["deployments"][0]["count"], 2);

    // Without Leases nobody knows who works on what.
    assert_eq!(report["work"], json!([]));
    let client = &hub.client;
    shards(client).await;
    let owners = [&here[..], &["--owners"]].concat();
    let (_, text, _) = doctor(dir.path(), &owners).await;
    for wanted in [
        "Who works on what",
        "  Bundle fleet-default/good-good: process-a",
        "  Bundle fleet-default/large: (nobody)",
        "Bundle fleet-default/large: no controller works on its shard: run one with --shard-id",
    ] {
        assert!(text.contains(wanted), "without {wanted:?}: {text}");
    }

    let (code, _, said) = doctor(dir.path(), &["--kubeconfig", "nowhere.yaml"]).await;
    assert!(code == 1 && said.contains("nowhere.yaml"), "{code}: {said}");
}
