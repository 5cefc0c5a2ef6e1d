//! Objects that are too large, too many or not what they should be. Whatever they are, they cost only
//! themselves: the bundle beside them is delivered and the statuses stay within their budgets.

#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and does not get fails the test"
)]

mod common;

use api::conditions::{self, READY};
use api::ids::{content_id, content_id_of, content_sha256, manifest_json};
use api::labels;
use api::limits::{Limits, json_len};
use api::v1alpha1::{Bundle, BundleDeployment, Cluster, ClusterGroup, GitRepo};
use apiclient::{DeleteOptions, Kind, ObjectKey, ObjectMeta, Patch, Selector, WriteOptions};
use common::{Hub, Repository, WORKSPACE, config_map, eventually};
use futures::StreamExt as _;
use serde_json::{Value, json};

/// What etcd takes in one request.
const REQUEST_BYTES: usize = 1_572_864;

/// Files of about so many bytes that no compression makes smaller.
fn files(bytes: usize) -> Value {
    let mut state = 1_u64;
    let mut text = || -> String {
        let letter = |_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap())
        };
        (0..10_000).map(letter).collect()
    };
    let file = |i: usize, text: String| {
        let name = format!("file-{i:03}");
        json!({ "name": format!("{name}.yaml"), "content": config_map(&name, &text) })
    };
    let n_files = bytes / 10_000;
    (0..n_files).map(|i| file(i, text())).collect()
}

async fn neighbour_is_delivered(hub: &Hub, clusters: i64) {
    hub.bundle(WORKSPACE, "neighbour", json!({}), json!({}))
        .await;
    hub.bundle_ready("neighbour", clusters).await;
}

async fn deployments_of(hub: &Hub, bundle: &str) -> Vec<BundleDeployment> {
    let mut found = Vec::new();
    let selector = Selector::labels(format!("{}={bundle}", labels::BUNDLE_NAME));
    let (kind, add) = (Kind::of::<BundleDeployment>(), |one| found.push(one));
    hub.client
        .list::<BundleDeployment, _>(&kind, &selector, add)
        .await
        .unwrap();
    found
}

/// Edits the files of bundle `big`; false if the API server finds it too large.
async fn edit(hub: &Hub, bytes: usize) -> bool {
    let (kind, key) = (Kind::of::<Bundle>(), ObjectKey::new(WORKSPACE, "big"));
    let body = json!({ "spec": { "resources": files(bytes) } });
    let options = WriteOptions::default();
    let (patch, client) = (Patch::Merge(&body), &hub.client);
    let edited: Result<ObjectMeta, _> = client.patch(&kind, &key, None, patch, 0, options).await;
    edited.is_ok()
}

/// Waits until the agent has what the bundle holds now.
async fn big_is_applied(hub: &Hub) -> Bundle {
    eventually("the files are applied", || async {
        let bundle: Bundle = hub.get("big").await?;
        let sha256 = content_sha256(&manifest_json(&bundle.spec.resources));
        let deployed = deployments_of(hub, "big").await.pop()?;
        let is_current = content_id_of(&deployed.spec.deployment_id) == content_id(&sha256);
        let is_applied = deployed.status.applied_deployment_id == deployed.spec.deployment_id;
        (is_current && is_applied).then_some(bundle)
    })
    .await
}

#[tokio::test]
async fn a_bundle_edited_to_nearly_what_etcd_takes_is_delivered_as_it_is() {
    let hub = Hub::start().await;
    hub.cluster("north", json!({})).await;
    let agents = hub.play_agents();
    hub.bundle(WORKSPACE, "big", json!({}), json!({})).await;
    hub.bundle_ready("big", 1).await;

    assert!(edit(&hub, 1_400 << 10).await);
    let edited = hub.bundle_ready("big", 1).await;
    let applied = big_is_applied(&hub).await;
    assert_eq!(edited.spec, applied.spec);
    assert!(json_len(&applied) > 1_400 << 10);

    // As much as is taken at all: not even a longer status fits.
    let (mut taken, mut refused) = (1_400 << 10, REQUEST_BYTES);
    while refused - taken > 64 {
        let bytes = taken.midpoint(refused);
        if edit(&hub, bytes).await {
            taken = bytes;
        } else {
            refused = bytes;
        }
    }
    assert!(edit(&hub, taken).await);
    big_is_applied(&hub).await;
    neighbour_is_delivered(&hub, 1).await;
    agents.abort();
}

#[tokio::test]
async fn ten_thousand_targets_are_looked_at_and_the_first_that_matches_wins() {
    let hub = Hub::start().await;
    for name in ["north", "south"] {
        hub.cluster(name, json!({ "name": name })).await;
    }
    let agents = hub.play_agents();
    let target = |i: usize| json!({ "name": format!("t{i}"), "clusterName": format!("edge-{i}") });
    let mut targets: Vec<Value> = (0..10_000).map(target).collect();
    targets.push(
        json!({ "name": "south", "clusterSelector": { "matchLabels": { "name": "south" } },
        "namespace": "chosen" }),
    );
    targets.push(json!({ "name": "rest", "clusterSelector": {}, "namespace": "other" }));
    hub.bundle(WORKSPACE, "wide", json!({}), json!({ "targets": targets }))
        .await;
    hub.bundle_ready("wide", 2).await;
    let mut namespaces: Vec<String> = deployments_of(&hub, "wide")
        .await
        .into_iter()
        .map(|deployment| deployment.spec.options.namespace)
        .collect();
    namespaces.sort_unstable();
    assert_eq!(namespaces, ["chosen", "other"]);
    neighbour_is_delivered(&hub, 2).await;
    agents.abort();
}

#[tokio::test]
async fn a_selector_that_cannot_be_read_changes_nothing_and_is_named() {
    let hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    let agents = hub.play_agents();
    hub.bundle(WORKSPACE, "app", json!({}), json!({})).await;
    hub.bundle_ready("app", 1).await;
    let before = hub.deployment(&namespace, "app").await.unwrap();
    let odd = [
        json!({ "matchExpressions": [{ "key": "a", "operator": "Near", "values": ["b"] }] }),
        json!({ "matchExpressions": [{ "key": "a", "operator": "In" }] }),
        json!({ "matchLabels": { "a": "not/a value" } }),
    ];
    for selector in odd {
        let body = json!({ "spec": { "targets": [{ "clusterSelector": selector }] } });
        let key = ObjectKey::new(WORKSPACE, "app");
        hub.patch(&Kind::of::<Bundle>(), &key, &body).await;
        eventually("the bundle says why", || async {
            let bundle: Bundle = hub.get("app").await?;
            let message = conditions::message(&bundle.status.conditions, READY);
            let is_seen = bundle.status.observed_generation == bundle.metadata.generation?;

            (is_seen && message.contains("targets[0] has an invalid selector")).then_some(())
        })
        .await;
        let after = hub.deployment(&namespace, "app").await.unwrap();
        assert_eq!(before.spec, after.spec);
    }
    neighbour_is_delivered(&hub, 1).await;
    agents.abort();
}

#[tokio::test]
async fn among_five_thousand_groups_a_label_counts_where_it_matches() {
    let hub = Hub::start().await;
    let creations = futures::stream::iter(0..5_000).map(async |i| {
        let name = format!("group-{i}");
        let object = json!({
            "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "ClusterGroup",
            "metadata": { "name": name, "namespace": WORKSPACE },
            "spec": { "selector": { "matchLabels": { "group": i.to_string() } } },
        });
        let key = ObjectKey::new(WORKSPACE, name.as_str());
        hub.create_at(&Kind::of::<ClusterGroup>(), &key, &object)
            .await;
    });
    creations.buffer_unordered(16).collect::<Vec<()>>().await;
    let agents = hub.play_agents();
    let namespace = hub.cluster("north", json!({ "group": "17" })).await;
    let targets = json!({ "targets": [{ "clusterGroup": "group-4711" }] });
    hub.bundle(WORKSPACE, "grouped", json!({}), targets).await;
    let counts = async |group: &str, wanted: i64| {
        eventually(&format!("{group} has {wanted} clusters"), || async {
            let group: ClusterGroup = hub.get(group).await?;
            (group.status.cluster_count == wanted).then_some(())
        })
        .await;
    };
    counts("group-17", 1).await;
    assert!(hub.deployment(&namespace, "grouped").await.is_none());
    let label = json!({ "metadata": { "labels": { "group": "4711" } } });
    let key = ObjectKey::new(WORKSPACE, "north");
    hub.patch(&Kind::of::<Cluster>(), &key, &label).await;
    hub.bundle_ready("grouped", 1).await;
    counts("group-17", 0).await;
    counts("group-4711", 1).await;
    agents.abort();
}

/// A GitRepo with one bundle on two clusters, ready everywhere.
async fn two_clusters(hub: &Hub) -> (Repository, [String; 2]) {
    let namespaces = [
        hub.cluster("honest", json!({})).await,
        hub.cluster("hostile", json!({})).await,
    ];
    let repository = Repository::new();
    repository.commit(&[("app/cm.yaml", &config_map("a", "1"))]);
    hub.git_repo("repo", &repository.url(), json!({ "paths": ["app"] }))
        .await;
    hub.bundle_ready("repo-app", 2).await;
    (repository, namespaces)
}

/// The statuses that a deployment adds to, once the GitRepo says what is wanted.
async fn within_budgets(hub: &Hub, wanted: impl Fn(&GitRepo) -> bool) {
    let repo = eventually("the GitRepo shows it", || async {
        let repo: GitRepo = hub.get("repo").await?;
        wanted(&repo).then_some(repo)
    })
    .await;
    let bundle: Bundle = hub.get("repo-app").await.unwrap();
    let max = Limits::PRODUCTION.object_bytes_max;
    for bytes in [json_len(&repo), json_len(&bundle)] {
        assert!(bytes <= max, "{bytes} of {max} bytes");
    }
}

#[tokio::test]
async fn as_many_resources_as_an_agent_can_report_stay_on_its_deployment() {
    let hub = Hub::start().await;
    let agents = hub.play_agents();
    let (_repository, [_, namespace]) = two_clusters(&hub).await;
    let (kind, key) = (
        Kind::of::<BundleDeployment>(),
        ObjectKey::new(namespace, "repo-app"),
    );
    let resource = |i: usize| json!({ "kind": "ConfigMap", "apiVersion": "v1", "namespace": "n", "name": i.to_string() });
    let report = |n: usize| {
        json!({ "status": {
            "resources": (0..n).map(resource).collect::<Vec<Value>>(),
            "resourceCounts": { "ready": 50_000, "desiredReady": 50_000 },
        } })
    };
    // 50,000 are more than the API server takes, a third is not.
    let options = WriteOptions::default();
    let body = report(50_000);
    let patch = Patch::Merge(&body);
    let refused: Result<ObjectMeta, _> = hub
        .client
        .patch(&kind, &key, Some("status"), patch, 0, options)
        .await;
    assert!(refused.is_err());
    hub.patch_status(&kind, &key, &report(16_000)).await;
    within_budgets(&hub, |repo| {
        repo.status.base.resource_counts.desired_ready == 50_001
            && repo.status.base.resources_omitted > 10_000
    })
    .await;
    agents.abort();
}

#[tokio::test]
async fn an_agent_that_reports_garbage_spoils_its_own_numbers_only() {
    let hub = Hub::start().await;
    let agents = hub.play_agents();
    let (repository, [honest, hostile]) = two_clusters(&hub).await;
    let (kind, key) = (
        Kind::of::<BundleDeployment>(),
        ObjectKey::new(hostile.as_str(), "repo-app"),
    );
    let long = "x".repeat(150_000);
    let others =
        json!({ "kind": "ConfigMap", "apiVersion": "v1", "namespace": honest, "name": "a" });
    let reports = [
        json!({ "resourceCounts": { "ready": i64::MAX, "desiredReady": i64::MAX, "missing": i64::MIN } }),
        json!({ "ready": false, "conditions": [{ "type": "Ready", "status": "False", "message": long }] }),
        json!({ "resources": [others, { "kind": long, "name": long }] }),
        json!({ "nonReadyStatus": [{ "kind": long, "name": long, "summary": { "message": [long], "state": long } }] }),
        json!({ "modifiedStatus": [{ "kind": "A", "name": "b", "patch": long, "missing": true, "delete": true }] }),
        json!({ "release": "../../..", "appliedDeploymentID": "s-0:none" }),
    ];
    for status in reports {
        hub.patch_status(&kind, &key, &json!({ "status": status }))
            .await;
    }
    within_budgets(&hub, |repo| repo.status.base.summary.desired_ready == 2).await;
    // The other cluster goes on.
    repository.commit(&[("app/cm.yaml", &config_map("a", "2"))]);
    let before = hub.deployment(&honest, "repo-app").await.unwrap();
    eventually("the honest cluster has the commit", || async {
        let now = hub.deployment(&honest, "repo-app").await?;
        let is_new = now.spec.deployment_id != before.spec.deployment_id;
        (is_new && now.status.applied_deployment_id == now.spec.deployment_id).then_some(())
    })
    .await;
    let cluster: Cluster = hub.get("honest").await.unwrap();
    assert_eq!(cluster.status.resource_counts.desired_ready, 1);
    agents.abort();
}

#[tokio::test]
async fn a_deployment_that_says_it_is_anothers_is_given_back() {
    let hub = Hub::start().await;
    let agents = hub.play_agents();
    let (_repository, [honest, hostile]) = two_clusters(&hub).await;
    let (kind, key) = (
        Kind::of::<BundleDeployment>(),
        ObjectKey::new(hostile.as_str(), "repo-app"),
    );
    let claim = json!({ "metadata": { "labels": { labels::CLUSTER: "honest" } },
        "status": { "ready": false } });
    hub.patch(&kind, &key, &claim).await;
    eventually("the label is as it was", || async {
        let deployment = hub.deployment(&hostile, "repo-app").await?;
        let labels = deployment.metadata.labels.unwrap_or_default();
        (labels.get(labels::CLUSTER).map(String::as_str) == Some("hostile")).then_some(())
    })
    .await;
    hub.bundle_ready("repo-app", 2).await;
    assert!(hub.deployment(&honest, "repo-app").await.is_some());
    for name in ["honest", "hostile"] {
        let cluster: Cluster = hub.get(name).await.unwrap();
        assert_eq!(cluster.status.summary.desired_ready, 1, "{name}");
    }
    agents.abort();
}

#[tokio::test]
async fn a_git_repo_with_2500_deployments_is_gone_at_once_whoever_is_away() {
    const CLUSTERS: usize = 50;
    const BUNDLES: usize = 50;
    let hub = Hub::start().await;
    for i in 0..CLUSTERS {
        hub.cluster(&format!("edge-{i}"), json!({})).await;
    }
    let repository = Repository::new();
    let files: Vec<(String, String)> = (0..BUNDLES)
        .flat_map(|i| {
            let manifest = config_map(&format!("a{i}"), "1");
            let values = "helm: {values: {a: 1}}\n".to_owned();
            [
                (format!("app{i}/cm.yaml"), manifest),
                (format!("app{i}/fleet.yaml"), values),
            ]
        })
        .collect();
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(p, t)| (p.as_str(), t.as_str()))
        .collect();
    repository.commit(&files);
    // Nobody answers: all agents are away.
    hub.git_repo("repo", &repository.url(), json!({})).await;
    let kind = Kind::of::<BundleDeployment>();
    let n_deployments = async || {
        let mut n = 0;
        let count = |_: ObjectMeta| n += 1;
        let all = Selector::default();
        let listed = hub.client.list::<ObjectMeta, _>(&kind, &all, count);
        listed.await.unwrap();
        n
    };
    eventually("all are created", || async {
        (n_deployments().await == CLUSTERS * BUNDLES).then_some(())
    })
    .await;
    let key = ObjectKey::new(WORKSPACE, "repo");
    hub.client
        .delete(&Kind::of::<GitRepo>(), &key, &DeleteOptions::default())
        .await
        .unwrap();
    eventually("all is gone", || async {
        let is_gone = hub.get::<GitRepo>("repo").await.is_none();
        (is_gone && n_deployments().await == 0).then_some(())
    })
    .await;
}
