//! Whatever fails on the way, the end is the same.

#![allow(clippy::expect_used, reason = "tests fail by panicking")]

mod common;

use std::collections::BTreeMap;

use api::v1alpha1::{Bundle, BundleDeployment, Cluster, ClusterGroup, Content, GitRepo};
use apiclient::{DeleteOptions, Kind, ObjectKey, Selector};
use common::flaky::Flaky;
use common::{Hub, Repository, WORKSPACE, config_map, eventually};
use serde_json::{Value, json};

/// Names a seed, to see a failure again.
const SEED: &str = "FAULTS_SEED";
/// Members that differ from run to run.
const VOLATILE: [&str; 11] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "lastUpdateTime",
    "lastTransitionTime",
    "observedGeneration",
    "newlyCreated",
    // A commit that was never written without failure is not in it.
    "history",
    "ownerReferences",
];

/// Objects by kind, namespace and name, without what is volatile.
type World = BTreeMap<String, Value>;

fn without_volatile(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(without_volatile);
            // Zero and nothing mean the same to whoever reads a status.
            members.retain(|name, value| !VOLATILE.contains(&name.as_str()) && !is_empty(value));
        }
        Value::Array(items) => {
            items.iter_mut().for_each(without_volatile);
            // Conditions stand in the order in which they were met first.
            if items.iter().all(|item| item["type"].is_string()) {
                items.sort_by_cached_key(|item| item["type"].to_string());
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) => false,
    }
}

async fn world(hub: &Hub) -> World {
    let kinds = [
        Kind::of::<GitRepo>(),
        Kind::of::<Bundle>(),
        Kind::of::<BundleDeployment>(),
        Kind::of::<Cluster>(),
        Kind::of::<ClusterGroup>(),
        Kind::of::<Content>(),
        Kind::new("", "v1", "Secret", "secrets", true),
        Kind::new("", "v1", "Namespace", "namespaces", false),
    ];
    let mut world = World::new();
    for kind in kinds {
        let add = |mut object: Value| {
            let text = |path| {
                object
                    .pointer(path)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let name = format!(
                "{kind} {}/{}",
                text("/metadata/namespace"),
                text("/metadata/name")
            );
            // Only where Leases are needed.
            if text("/metadata/name") == "cattle-fleet-system" {
                return;
            }
            // Where the repository is differs, and what a Content holds is in its name.
            for path in ["/spec/repo", "/content"] {
                let _ = object.pointer_mut(path).map(Value::take);
            }
            without_volatile(&mut object);
            world.insert(name, object);
        };
        let listed = hub
            .client
            .list::<Value, _>(&kind, &Selector::default(), add)
            .await;
        assert!(listed.is_ok());
    }
    world
}

/// The first objects that differ.
fn difference(wanted: &World, found: &World) -> Option<String> {
    let names = wanted.keys().chain(found.keys());
    let mut differ = names.filter(|name| wanted.get(*name) != found.get(*name));
    let name = differ.next()?;
    let text = |world: &World| {
        world
            .get(name)
            .map_or("nothing".to_owned(), Value::to_string)
    };
    Some(format!(
        "{name}\n wanted {}\n found  {}",
        text(wanted),
        text(found)
    ))
}

const CHART: &str = "apiVersion: v2\nname: web\nversion: 0.1.0\n";

/// A life of a hub: clusters come, are labelled and go, a repository is deployed and changed.
async fn live(hub: &Hub) -> Repository {
    // They go on when this ends: what comes last may still be on its way.
    let _agents = hub.play_agents();
    for (name, labels) in [
        ("a", json!({ "zone": "x" })),
        ("b", json!({ "zone": "y" })),
        ("c", json!({})),
    ] {
        hub.cluster(name, labels).await;
    }
    let group = json!({ "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "ClusterGroup",
        "metadata": { "name": "zoned", "namespace": WORKSPACE },
        "spec": { "selector": { "matchExpressions": [{ "key": "zone", "operator": "Exists" }] } } });
    let key = ObjectKey::new(WORKSPACE, "zoned");
    hub.create_at(&Kind::of::<ClusterGroup>(), &key, &group)
        .await;
    let repository = Repository::new();
    repository.commit(&[
        (
            "web/fleet.yaml",
            "helm:\n  values:\n    zone: ${ get .ClusterLabels \"zone\" }\n",
        ),
        ("web/Chart.yaml", CHART),
        (
            "web/templates/cm.yaml",
            &config_map("web", "{{ .Values.zone }}"),
        ),
        ("old/fleet.yaml", ""),
        ("old/cm.yaml", &config_map("old", "1")),
        (
            "zoned/fleet.yaml",
            "overrideTargets:\n- clusterGroup: zoned\n",
        ),
        ("zoned/cm.yaml", &config_map("zoned", "1")),
    ]);
    hub.git_repo("repo", &repository.url(), json!({})).await;
    hub.bundle_ready("repo-web", 3).await;
    hub.bundle_ready("repo-zoned", 2).await;

    std::fs::remove_dir_all(repository.path().join("old")).expect("a directory");
    repository.commit(&[
        ("web/templates/cm.yaml", &config_map("web", "2")),
        ("new/fleet.yaml", ""),
        ("new/cm.yaml", &config_map("new", "1")),
    ]);
    let cluster = Kind::of::<Cluster>();
    let labels = json!({ "metadata": { "labels": { "zone": "z" } } });
    hub.patch(&cluster, &ObjectKey::new(WORKSPACE, "c"), &labels)
        .await;
    let gone = ObjectKey::new(WORKSPACE, "b");
    let deleted = hub
        .client
        .delete(&cluster, &gone, &DeleteOptions::default())
        .await;
    assert!(deleted.is_ok());
    hub.bundle_ready("repo-new", 2).await;
    hub.bundle_ready("repo-zoned", 2).await;
    eventually("what left is gone", || async {
        let left = hub.get::<Bundle>("repo-old").await.is_some()
            || hub.get::<Cluster>("b").await.is_some();
        (!left).then_some(())
    })
    .await;
    repository
}

/// Lives on an API server without faults, until nothing changes any more.
async fn without_faults() -> World {
    let hub = Hub::start().await;
    let _repository = live(&hub).await;
    eventually("the hub is quiet", || async {
        let before = hub.controller.stats().writes();
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        (hub.controller.stats().writes() == before).then_some(())
    })
    .await;
    world(&hub).await
}

async fn with_faults(seed: u64, wanted: &World) {
    let mut hub = Hub::start().await;
    hub.stop_controllers().await;
    let flaky = Flaky::new(hub.service(), seed);
    hub.control_through(flaky.clone());
    hub.start_controllers();
    let _repository = live(&hub).await;
    ends_as(wanted, &hub, &[flaky], seed).await;
}

/// The same with replicas that share the work, of which one is killed and one joins.
async fn with_faults_and_replicas(seed: u64, wanted: &World) {
    let mut hub = Hub::start().await;
    hub.stop_controllers().await;
    let flaky = |n| Flaky::new(hub.service(), seed + n);
    let flaky: Vec<Flaky> = (0..3).map(flaky).collect();
    let first = hub.start_replica_through("a", flaky[0].clone());
    let second = hub.start_replica_through("b", flaky[1].clone());
    let (_repository, third) = tokio::join!(live(&hub), async {
        eventually("the clusters are there", || hub.get::<Cluster>("c")).await;
        first.task.abort();
        hub.start_replica_through("c", flaky[2].clone())
    });
    ends_as(wanted, &hub, &flaky[1..], seed).await;
    for replica in [second, third] {
        replica.stop.cancel();
    }
}

async fn ends_as(wanted: &World, hub: &Hub, all: &[Flaky], seed: u64) {
    let failures: u64 = all.iter().map(Flaky::failures).sum();
    assert!(
        failures > 20,
        "seed {seed}: only {failures} requests failed"
    );
    all.iter().for_each(Flaky::heal);
    let last = std::sync::Mutex::new(String::new());
    let same = eventually_or(&last, || async {
        let found = world(hub).await;
        difference(wanted, &found)
    })
    .await;
    assert!(same, "seed {seed}: {}", last.lock().expect("a text"));
}

/// Whether there is no difference before patience ends; the last one is kept.
async fn eventually_or<F, Fut>(last: &std::sync::Mutex<String>, difference: F) -> bool
where
    F: Fn() -> Fut,
    Fut: Future<Output = Option<String>>,
{
    for _ in 0..300 {
        match difference().await {
            None => return true,
            Some(text) => *last.lock().expect("a text") = text,
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_on_the_way_the_end_is_the_same() {
    let wanted = without_faults().await;
    let seeds = match std::env::var(SEED) {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => vec![11, 2_026, 777_777],
    };
    // Side by side: they spend their time waiting for retries.
    let lives = seeds.into_iter().map(async |seed| {
        with_faults(seed, &wanted).await;
        with_faults_and_replicas(seed, &wanted).await;
    });
    futures::future::join_all(lives).await;
}
