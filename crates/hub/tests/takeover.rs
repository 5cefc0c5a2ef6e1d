//! Taking over a hub on which Fleet ran: what is too big is stripped, nothing is deployed anew.

mod common;

use std::collections::BTreeMap;

use api::limits::{Limits, json_len};
use api::v1alpha1::{Bundle, BundleDeployment, Content, GitRepo};
use apiclient::{Kind, ObjectKey, Selector};
use common::{Hub, Repository, WORKSPACE, config_map, eventually};
use serde_json::{Value, json};

const CLUSTERS: usize = 72;
const RESOURCES: usize = 100;

/// What Fleet 0.11.5 kept in a Bundle's status: every object on every cluster.
fn resource_key() -> Vec<Value> {
    let of_cluster = |cluster: usize| {
        (0..RESOURCES).map(move |i| {
            json!({ "kind": "PrometheusRule", "apiVersion": "monitoring.coreos.com/v1",
                "namespace": "cattle-monitoring-system",
                "name": format!("c{cluster:02}-kube-prometheus-stack-rules-{i:03}") })
        })
    };
    (0..CLUSTERS).flat_map(of_cluster).collect()
}

/// What Fleet keeps in a GitRepo's status: the same with states.
fn resources() -> Vec<Value> {
    let one = |i: usize| {
        let clusters: Vec<String> = (0..CLUSTERS)
            .map(|c| format!("fleet-default/c{c}"))
            .collect();
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "type": "configmap", "namespace": "default",
            "id": format!("default/rules-{i}"), "name": format!("rules-{i}"),
            "state": "WaitApplied", "perClusterState": { "waitApplied": clusters } })
    };
    (0..500).map(one).collect()
}

async fn deployments(hub: &Hub) -> BTreeMap<ObjectKey, BundleDeployment> {
    let mut found = BTreeMap::new();
    let add = |object: BundleDeployment| {
        found.insert(apiclient::Object::key(&object), object);
    };
    let (kind, all) = (Kind::of::<BundleDeployment>(), Selector::default());
    let listed = hub
        .client
        .list::<BundleDeployment, _>(&kind, &all, add)
        .await;
    assert!(listed.is_ok());
    found
}

async fn contents(hub: &Hub) -> BTreeMap<ObjectKey, Content> {
    let mut found = BTreeMap::new();
    let add = |object: Content| {
        found.insert(apiclient::Object::key(&object), object);
    };
    let (kind, all) = (Kind::of::<Content>(), Selector::default());
    assert!(
        hub.client
            .list::<Content, _>(&kind, &all, add)
            .await
            .is_ok()
    );
    found
}

/// Gives the objects the form that Fleet leaves them in.
async fn as_fleet_left_it(hub: &Hub) {
    let key = ObjectKey::new(WORKSPACE, "repo");
    let status = json!({ "resourceKey": resource_key(),
        "partitions": [{ "name": "All", "count": CLUSTERS, "maxUnavailable": 72,
            "summary": { "desiredReady": 72, "waitApplied": 72 } }],
        "summary": { "desiredReady": 72, "ready": 0, "waitApplied": 72 } });
    let body = json!({ "status": status });
    hub.patch_status(&Kind::of::<Bundle>(), &key, &body).await;
    let status =
        json!({ "resources": resources(), "lastPollingTriggered": "2026-01-01T00:00:00Z" });
    let body = json!({ "status": status });
    hub.patch_status(&Kind::of::<GitRepo>(), &key, &body).await;
    let kind = Kind::of::<BundleDeployment>();
    for (key, _) in deployments(hub).await {
        // Fleet writes empty maps, copies namespace labels of every target, and stamps every commit.
        let body = json!({
            "metadata": { "labels": { "fleet.cattle.io/commit": "0123456789abcdef" } },
            "spec": {
                "options": { "namespaceLabels": {}, "namespaceAnnotations": {}, "helm": { "values": null } },
                "stagedOptions": { "namespaceLabels": {}, "namespaceAnnotations": {} },
            },
        });
        hub.patch(&kind, &key, &body).await;
    }
    // Old versions counted references by finalizers.
    let finalizers: Vec<String> = (0..CLUSTERS)
        .map(|c| format!("fleet.cattle.io/c{c}"))
        .collect();
    for (key, _) in contents(hub).await {
        let body = json!({ "metadata": { "finalizers": finalizers } });
        hub.patch(&Kind::of::<Content>(), &key, &body).await;
    }
}

#[tokio::test]
async fn what_fleet_left_is_stripped_and_nothing_is_deployed_anew() {
    let mut hub = Hub::start().await;
    for i in 0..CLUSTERS {
        hub.cluster(&format!("c{i}"), json!({})).await;
    }
    let repository = Repository::new();
    repository.commit(&[("cm.yaml", &config_map("a", "1"))]);
    let agents = hub.play_agents();
    hub.git_repo("repo", &repository.url(), json!({})).await;
    hub.bundle_ready("repo", CLUSTERS as i64).await;
    agents.abort();
    hub.stop_controllers().await;
    as_fleet_left_it(&hub).await;
    let bloated: Bundle = hub.get("repo").await.expect("the bundle");
    assert!(json_len(&bloated) > 900_000, "{}", json_len(&bloated));
    let before = deployments(&hub).await;
    assert_eq!(before.len(), CLUSTERS);
    let contents_before = contents(&hub).await;
    assert!(!contents_before.is_empty());

    hub.start_controllers();
    let limit = Limits::PRODUCTION.object_bytes_max;
    eventually("the statuses fit again", || async {
        let bundle: Bundle = hub.get("repo").await?;
        let repo: GitRepo = hub.get("repo").await?;
        let fits = bundle.status.resource_key.is_empty()
            && bundle.status.summary.ready == CLUSTERS as i64
            && json_len(&bundle) < limit
            && json_len(&repo) < limit
            && repo.status.base.summary.ready == CLUSTERS as i64;
        fits.then_some(())
    })
    .await;
    eventually("the contents have no finalizers", || async {
        let contents = contents(&hub).await;
        let is_free = |content: &Content| {
            let finalizers = content.metadata.finalizers.as_ref();
            finalizers.is_none_or(Vec::is_empty)
        };
        contents.values().all(is_free).then_some(())
    })
    .await;
    let uids = |contents: BTreeMap<ObjectKey, Content>| -> Vec<Option<String>> {
        contents
            .into_values()
            .map(|content| content.metadata.uid)
            .collect()
    };
    assert_eq!(uids(contents(&hub).await), uids(contents_before));
    let after = deployments(&hub).await;
    assert!(before.keys().eq(after.keys()));
    for (key, old) in &before {
        let new = &after[key];
        assert_eq!(new.metadata.uid, old.metadata.uid, "{key} was made anew");
        assert_eq!(new.spec.deployment_id, old.spec.deployment_id, "{key}");
        assert_eq!(
            new.spec.staged_deployment_id, old.spec.staged_deployment_id,
            "{key}"
        );
        assert_eq!(
            new.status.applied_deployment_id,
            old.status.applied_deployment_id
        );
    }
}
