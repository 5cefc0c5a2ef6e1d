//! Several processes of the hub that act at the same time, by label and by sharing.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use api::v1alpha1::{BundleDeployment, Cluster, ClusterGroup, GitRepo};
use apiclient::{Call, Kind, ObjectKey, Selector};
use common::{Candidate, Hub, Repository, WORKSPACE, config_map, eventually};
use k8s_openapi::api::coordination::v1::Lease;
use serde_json::json;

const SYSTEM: &str = "cattle-fleet-system";
const REPLICA: &str = "fleet.cattle.io/replica-of";

/// How many BundleDeployments a process has created.
fn created(process: &Candidate) -> u64 {
    let calls = process.client.stats().calls();
    let is_create = |call: &Call| call.verb == "create" && call.resource.starts_with("bundledep");
    calls
        .iter()
        .filter(|(call, _)| is_create(call))
        .map(|(_, n)| n)
        .sum()
}

/// What a process has written but for Leases.
fn writes(process: &Candidate) -> BTreeMap<Call, u64> {
    let mut calls = process.client.stats().calls();
    calls.retain(|call, _| call.is_write() && !call.resource.starts_with("leases"));
    calls
}

/// Waits until these processes know of each other, and of nobody else.
async fn know_each_other(hub: &Hub, identities: &[&str]) {
    let selector = Selector {
        namespace: Some(SYSTEM.to_owned()),
        labels: Some(REPLICA.to_owned()),
        ..Selector::default()
    };
    let want = format!("v1:{}", identities.join(","));
    eventually(&format!("{want} share the work"), || async {
        let mut views = BTreeSet::new();
        let each = |lease: Lease| {
            let annotations = lease.metadata.annotations.unwrap_or_default();
            views.insert(annotations.get("fleet.cattle.io/replicas").cloned());
        };
        let (kind, mut n) = (Kind::of::<Lease>(), 0);
        let mut each = each;
        let count = |lease| {
            n += 1;
            each(lease);
        };
        hub.client.list(&kind, &selector, count).await.ok()?;
        let agreed = views == BTreeSet::from([Some(want.clone())]);
        (agreed && n == identities.len()).then_some(())
    })
    .await;
}

async fn bundles(hub: &Hub, prefix: &str, n: usize) -> Vec<String> {
    let names: Vec<String> = (0..n).map(|number| format!("{prefix}-{number}")).collect();
    for name in &names {
        hub.bundle(WORKSPACE, name, json!({}), json!({})).await;
    }
    names
}

async fn all_ready(hub: &Hub, names: &[String], clusters: i64) {
    for name in names {
        hub.bundle_ready(name, clusters).await;
    }
}

/// Whether the statuses that count over many bundles say that this many are ready.
async fn counted(hub: &Hub, cluster: &str, bundles: i64) {
    eventually("the cluster counts all bundles", || async {
        let cluster: Cluster = hub.get(cluster).await?;
        let summary = &cluster.status.summary;
        (summary.ready == bundles && summary.desired_ready == bundles).then_some(())
    })
    .await;
    eventually("the group counts all bundles", || async {
        let group: ClusterGroup = hub.get("all").await?;
        (group.status.summary.ready == bundles).then_some(())
    })
    .await;
}

async fn group_of_all(hub: &Hub) {
    let group = json!({ "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "ClusterGroup",
        "metadata": { "name": "all", "namespace": WORKSPACE }, "spec": { "selector": {} } });
    let key = ObjectKey::new(WORKSPACE, "all");
    hub.create_at(&Kind::of::<ClusterGroup>(), &key, &group)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_the_work_and_take_over_that_of_one_that_dies() {
    let mut hub = Hub::start().await;
    hub.cluster("north", json!({})).await;
    group_of_all(&hub).await;
    hub.stop_controllers().await;
    let agents = hub.play_agents();
    let [a, b, c] = ["a", "b", "c"].map(|name| hub.start_replica(name));
    know_each_other(&hub, &["a", "b", "c"]).await;
    let first = bundles(&hub, "first", 30).await;
    all_ready(&hub, &first, 1).await;
    counted(&hub, "north", 30).await;
    let shares = [&a, &b, &c].map(created);
    assert_eq!(shares.iter().sum::<u64>(), 30, "{shares:?}");
    assert!(shares.iter().all(|n| *n > 0), "{shares:?}");

    b.task.abort();
    know_each_other(&hub, &["a", "c"]).await;
    let second = bundles(&hub, "second", 20).await;
    all_ready(&hub, &second, 1).await;
    counted(&hub, "north", 50).await;

    // An orderly stop needs nobody to wait, and the last one gives up the leadership.
    let stopping = tokio::time::Instant::now();
    for process in [a, c] {
        process.stop.cancel();
        assert!(process.task.await.is_ok_and(|ended| ended.is_ok()));
    }
    let alone = hub.start_candidate("alone");
    let third = bundles(&hub, "third", 3).await;
    all_ready(&hub, &third, 1).await;
    assert!(stopping.elapsed().as_secs() < 20);
    alone.stop.cancel();
    agents.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_leads_alone_is_waited_for_by_replicas_and_the_other_way_round() {
    let mut hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    hub.stop_controllers().await;
    let alone = hub.start_candidate("alone");
    hub.bundle(WORKSPACE, "one", json!({}), json!({})).await;
    eventually("alone leads", || hub.deployment(&namespace, "one")).await;
    let replica = hub.start_replica("a");
    hub.bundle(WORKSPACE, "two", json!({}), json!({})).await;
    eventually("alone leads", || hub.deployment(&namespace, "two")).await;
    assert!(writes(&replica).is_empty(), "{:?}", writes(&replica));
    alone.stop.cancel();
    assert!(alone.task.await.is_ok_and(|ended| ended.is_ok()));

    hub.bundle(WORKSPACE, "three", json!({}), json!({})).await;
    eventually("the replica leads", || hub.deployment(&namespace, "three")).await;
    let other = hub.start_candidate("other");
    hub.bundle(WORKSPACE, "four", json!({}), json!({})).await;
    eventually("the replica leads", || hub.deployment(&namespace, "four")).await;
    assert!(writes(&other).is_empty(), "{:?}", writes(&other));
    for process in [replica, other] {
        process.stop.cancel();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_tell_what_other_replicas_found_wrong() {
    let mut hub = Hub::start().await;
    hub.cluster("north", json!({ "zone": "x" })).await;
    let south = hub.cluster("south", json!({})).await;
    hub.stop_controllers().await;
    let agents = hub.play_agents();
    let replicas = ["a", "b", "c"].map(|name| hub.start_replica(name));
    know_each_other(&hub, &["a", "b", "c"]).await;
    // Several repositories, so that some have bundles of other replicas.
    let mut repositories = Vec::new();
    for number in 0..4 {
        let repository = Repository::new();
        repository.commit(&[
            ("good/fleet.yaml", ""),
            ("good/cm.yaml", &config_map(&format!("good-{number}"), "1")),
            ("bad/fleet.yaml", "targetCustomizations:\n- clusterSelector: {matchExpressions: [{key: a, operator: Wrong}]}\n"),
            ("bad/cm.yaml", &config_map(&format!("bad-{number}"), "1")),
        ]);
        hub.git_repo(&format!("repo-{number}"), &repository.url(), json!({}))
            .await;
        repositories.push(repository);
    }
    for number in 0..4 {
        eventually("the repository names its bad bundle", || async {
            let repo: GitRepo = hub.get(&format!("repo-{number}")).await?;
            let ready = repo
                .status
                .base
                .conditions
                .iter()
                .find(|c| c.type_ == "Ready")?;
            (ready.status == "False" && ready.message.contains("-bad")).then_some(())
        })
        .await;
    }
    // A cluster's namespace that somebody deletes is created again, whoever finds it missing.
    let kind = Kind::new("", "v1", "Namespace", "namespaces", false);
    let deleted = hub
        .client
        .delete(
            &kind,
            &ObjectKey::new("", &*south),
            &apiclient::DeleteOptions::default(),
        )
        .await;
    assert!(deleted.is_ok());
    eventually("all deployments are back", || async {
        let mut n = 0;
        let selector = Selector {
            namespace: Some(south.clone()),
            ..Selector::default()
        };
        let count = |deployment: BundleDeployment| {
            n += u32::from(deployment.metadata.deletion_timestamp.is_none());
        };
        hub.client
            .list(&Kind::of::<BundleDeployment>(), &selector, count)
            .await
            .ok()?;
        (n == 4).then_some(())
    })
    .await;
    for replica in replicas {
        replica.stop.cancel();
    }
    agents.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_works_on_the_objects_that_name_it_and_their_deployments_carry_its_name() {
    let mut hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    hub.stop_controllers().await;
    let (default, east) = (hub.start_candidate("default"), hub.start_shard("east"));
    let label = |shard: &str| json!({ "fleet.cattle.io/shard-ref": shard });
    hub.bundle(WORKSPACE, "plain", json!({}), json!({})).await;
    hub.bundle(WORKSPACE, "east", label("east"), json!({}))
        .await;
    hub.bundle(WORKSPACE, "west", label("west"), json!({}))
        .await;
    hub.bundle(WORKSPACE, "empty", label(""), json!({})).await;
    eventually("the default is deployed", || {
        hub.deployment(&namespace, "plain")
    })
    .await;
    let deployment = eventually("the shard's is", || hub.deployment(&namespace, "east")).await;
    let labels = deployment.metadata.labels.unwrap_or_default();
    assert_eq!(
        labels.get("fleet.cattle.io/shard-ref").map(String::as_str),
        Some("east")
    );
    assert_eq!((created(&default), created(&east)), (1, 1));
    for shard in ["west", "empty"] {
        assert!(hub.deployment(&namespace, shard).await.is_none(), "{shard}");
    }
    let lease = |name: &str| {
        let key = ObjectKey::new(SYSTEM, name);
        let client = hub.client.clone();
        async move {
            client
                .get::<Lease>(&Kind::of::<Lease>(), &key)
                .await
                .ok()?
                .map(drop)
        }
    };
    for name in ["controller", "gitops"] {
        let name = format!("fleet-{name}-leader-election-shard-east");
        assert!(lease(&name).await.is_some(), "{name}");
    }
    // An object changes hands with its label.
    let moved = json!({ "metadata": { "labels": label("east") } });
    hub.patch(
        &Kind::of::<api::v1alpha1::Bundle>(),
        &ObjectKey::new(WORKSPACE, "west"),
        &moved,
    )
    .await;
    eventually("the moved one is deployed", || {
        hub.deployment(&namespace, "west")
    })
    .await;
    assert_eq!(created(&east), 2);
    default.stop.cancel();
    east.stop.cancel();
}
