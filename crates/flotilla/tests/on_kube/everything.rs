//! A chart with an object of each kind that charts have: installed, upgraded, rolled back, removed.

use std::path::Path;

use crate::clusters::{Clusters, eventually};
use crate::inventory::{Objects, nothing_left, objects, sweep};
use crate::release::Release;

/// How long a step may take, in seconds.
const PATIENCE: u64 = 120;
/// Where it goes.
const AT: &str = "at-everything";
const IMAGE: &str = ".spec.template.spec.containers[0].image";

pub(crate) async fn live(clusters: &Clusters) {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/on_kube/charts/everything");
    let before = objects(&clusters.downstream.client).await;
    let mut release = Release::new(clusters, "everything", &chart);
    install(clusters, &mut release).await;
    upgrade(clusters, &mut release).await;
    roll_back(clusters, &mut release).await;
    remove(clusters, &before).await;
    sweep(clusters, &before).await.unwrap();
}

async fn install(clusters: &Clusters, release: &mut Release) {
    release.deploy(clusters, "{}", PATIENCE).await.unwrap();
    eprintln!("everything: installed");
    assert_eq!(release.shown(clusters).await, (1, "deployed".to_owned()));
    let shown = [
        ("deployment/web", ".status.readyReplicas", "2"),
        ("statefulset/db", ".status.readyReplicas", "2"),
        ("pvc/data-db-1", ".status.phase", "Bound"),
        ("gadget/one", ".spec.size", "3"),
        ("configmap/hook-settings", ".data.tag", "1"),
        ("pod/hook-check", ".status.phase", "Succeeded"),
    ];
    check(clusters, &shown).await;
    for gone in ["job/hook-prepare", "job/hook-goodbye"] {
        assert!(is_gone(clusters, gone).await, "{gone} is still there");
    }
}

async fn upgrade(clusters: &Clusters, release: &mut Release) {
    let values = "{tag: '2', replicas: 3, extra: false, color: green}";
    release.deploy(clusters, values, PATIENCE).await.unwrap();
    eprintln!("everything: upgraded");
    // What an autoscaler did is neither drift nor taken back by an upgrade.
    eventually("the autoscaler has scaled", 60, async || {
        let replicas = show(clusters, "deployment/scaled", ".spec.replicas").await;
        (replicas == "2").then_some(())
    })
    .await;
    assert_eq!(release.shown(clusters).await, (2, "deployed".to_owned()));
    assert_eq!(release.history(clusters).await, ["superseded", "deployed"]);
    let shown = [
        ("deployment/web", IMAGE, "example/web:2"),
        ("statefulset/db", ".status.readyReplicas", "3"),
        ("ingress/web", ".spec.rules[0].host", "green.example.com"),
        ("configmap/hook-settings", ".data.tag", "2"),
    ];
    check(clusters, &shown).await;
    for gone in ["configmap/extra", "gadget/extra", "job/once-1"] {
        assert!(is_gone(clusters, gone).await, "{gone} is still there");
    }
}

async fn roll_back(clusters: &Clusters, release: &mut Release) {
    release.deploy(clusters, "{}", PATIENCE).await.unwrap();
    eprintln!("everything: rolled back");
    assert_eq!(release.shown(clusters).await, (3, "deployed".to_owned()));
    check(clusters, &[("deployment/web", IMAGE, "example/web:1")]).await;
    assert!(!is_gone(clusters, "configmap/extra").await);
}

async fn remove(clusters: &Clusters, before: &Objects) {
    clusters.remove("everything").await;
    // Its namespace, definitions of `crds/`, what is annotated so, and hooks without a policy that says
    // otherwise.
    let kept = [
        "/ConfigMap at-everything/hook-settings",
        "/ConfigMap at-everything/kept",
        "/Namespace /at-everything",
        "/Pod at-everything/hook-check",
        "apiextensions.k8s.io/CustomResourceDefinition /gadgets.on-kube.example.com",
    ];
    // Volumes and claims go a moment after who used them.
    eventually("nothing else is left", 60, async || {
        let left = nothing_left(&clusters.downstream.client, before).await;
        let mut left = left.unwrap();
        left.retain(|object| !object.starts_with("/PersistentVolume "));
        (left == kept).then_some(())
    })
    .await;
    eprintln!("everything: removed");
}

/// Objects, their fields and what these must be.
async fn check(clusters: &Clusters, fields: &[(&str, &str, &str)]) {
    for (object, path, wanted) in fields {
        let found = show(clusters, object, path).await;
        assert_eq!(found, *wanted, "{path} of {object}");
    }
}

/// A field of an object, as kubectl prints it.
async fn show(clusters: &Clusters, object: &str, path: &str) -> String {
    let output = format!("-o=jsonpath={{{path}}}");
    let args = ["get", object, "-n", AT, &output];
    clusters.kubectl(&clusters.downstream, &args).await.unwrap()
}

async fn is_gone(clusters: &Clusters, object: &str) -> bool {
    let args = ["get", object, "-n", AT, "--ignore-not-found", "-o=name"];
    let found = clusters.kubectl(&clusters.downstream, &args).await.unwrap();
    found.is_empty()
}
