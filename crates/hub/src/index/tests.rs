//! Whom a change of a cluster, its labels or a group concerns.

use api::v1alpha1::{Bundle, BundleDeployment, Cluster, ClusterGroup};
use apiclient::ObjectKey;
use serde_json::{Value, json};

use super::{Index, Wake};

fn cluster(labels: &Value, beat: i64) -> Cluster {
    serde_json::from_value(json!({
        "metadata": { "name": "c", "namespace": "ns", "labels": labels },
        "status": { "namespace": "cluster-c", "summary": { "ready": beat } },
    }))
    .unwrap()
}

fn group(selector: &Value, labels: &Value) -> ClusterGroup {
    serde_json::from_value(json!({
        "metadata": { "name": "g", "namespace": "ns", "labels": labels },
        "spec": { "selector": selector },
    }))
    .unwrap()
}

/// Bundles with these targets, named by their place.
fn with_bundles(targets: &[Value]) -> Index {
    let mut index = Index::default();
    for (place, target) in targets.iter().enumerate() {
        let bundle: Bundle = serde_json::from_value(json!({
            "metadata": { "name": format!("b{place}"), "namespace": "ns", "generation": 1 },
            "spec": { "targets": [target] },
        }))
        .unwrap();
        index.bundle_applied(bundle);
    }
    index
}

fn woken(wakes: Vec<Wake>) -> Vec<String> {
    let bundles = wakes.into_iter().filter_map(|wake| match wake {
        Wake::Bundle(key) => Some(key.name),
        _ => None,
    });
    bundles.collect()
}

fn by_label(env: &str) -> Value {
    json!({ "clusterSelector": { "matchLabels": { "env": env } } })
}

#[test]
fn a_label_concerns_the_bundles_that_mean_or_meant_the_cluster() {
    let mut index = with_bundles(&[
        by_label("dev"),
        by_label("prod"),
        json!({ "clusterName": "c" }),
        by_label("other"),
    ]);
    let dev = json!({ "env": "dev" });
    assert_eq!(woken(index.cluster_applied(cluster(&dev, 1))), ["b0", "b2"]);
    // A heartbeat concerns nobody.
    assert!(index.cluster_applied(cluster(&dev, 2)).is_empty());
    let prod = json!({ "env": "prod" });
    let concerned = woken(index.cluster_applied(cluster(&prod, 2)));
    assert_eq!(concerned, ["b0", "b1", "b2"]);
    let gone = woken(index.cluster_deleted(&ObjectKey::new("ns", "c")));
    assert_eq!(gone, ["b1", "b2"]);
}

#[test]
fn what_is_deployed_on_a_cluster_is_concerned_whatever_its_targets_say() {
    let mut index = with_bundles(&[by_label("dev")]);
    let deployment: BundleDeployment = serde_json::from_value(json!({
        "metadata": { "name": "b0", "namespace": "cluster-c", "labels": {
            "fleet.cattle.io/bundle-name": "b0", "fleet.cattle.io/bundle-namespace": "ns" } },
    }))
    .unwrap();
    index.deployment_applied(&deployment).unwrap();
    let concerned = woken(index.cluster_applied(cluster(&json!({}), 1)));
    assert_eq!(concerned, ["b0"]);
}

#[test]
fn a_group_concerns_the_bundles_that_look_at_groups_when_a_cluster_joins_or_leaves() {
    let mut index = with_bundles(&[
        json!({ "clusterGroup": "g" }),
        json!({ "clusterGroupSelector": { "matchLabels": { "x": "y" } } }),
        by_label("dev"),
    ]);
    index.cluster_applied(cluster(&json!({ "env": "dev" }), 1));
    let nobody = json!({ "matchLabels": { "env": "none" } });
    let change = index.group_applied(group(&nobody, &json!({})));
    assert!(change.wakes.is_empty() && change.moved.is_empty());
    let everybody = json!({});
    let change = index.group_applied(group(&everybody, &json!({})));
    assert_eq!(change.moved, [ObjectKey::new("ns", "c")]);
    assert_eq!(woken(change.wakes), ["b0", "b1"]);
    assert!(index.memberships[&ObjectKey::new("ns", "c")].contains("g"));
    let change = index.group_applied(group(&everybody, &json!({ "x": "y" })));
    assert!(change.moved.is_empty());
    assert_eq!(woken(change.wakes), ["b0", "b1"]);
    let change = index.group_applied(group(&everybody, &json!({ "x": "y" })));
    assert!(change.wakes.is_empty(), "nothing changed");
    let change = index.group_deleted(&ObjectKey::new("ns", "g"));
    assert_eq!(woken(change.wakes), ["b0", "b1"]);
    assert!(index.memberships[&ObjectKey::new("ns", "c")].is_empty());
}

#[test]
fn a_cluster_joins_the_groups_of_its_own_namespace_when_it_is_labelled() {
    let mut index = with_bundles(&[json!({ "clusterGroup": "g" })]);
    let dev = json!({ "matchLabels": { "env": "dev" } });
    index.group_applied(group(&dev, &json!({})));
    let mut elsewhere = group(&json!({}), &json!({}));
    elsewhere.metadata.namespace = Some("elsewhere".to_owned());
    index.group_applied(elsewhere);
    assert!(woken(index.cluster_applied(cluster(&json!({}), 1))).is_empty());
    let joined = index.cluster_applied(cluster(&json!({ "env": "dev" }), 1));
    assert_eq!(woken(joined), ["b0"]);
    // It leaves a group that the bundle meant it by.
    let left = index.cluster_applied(cluster(&json!({}), 1));
    assert_eq!(woken(left), ["b0"]);
    assert!(index.memberships[&ObjectKey::new("ns", "c")].is_empty());
}

fn revision(index: &Index) -> u64 {
    index.clusters[&ObjectKey::new("ns", "c")].revision
}

#[test]
fn every_state_that_targeting_could_tell_apart_has_a_revision_of_its_own() {
    let mut index = Index::default();
    let mut seen = Vec::new();
    let mut changed = |index: &Index, what: &str| {
        assert!(!seen.contains(&revision(index)), "{what}");
        seen.push(revision(index));
    };
    let dev = json!({ "env": "dev" });
    index.cluster_applied(cluster(&dev, 1));
    changed(&index, "new");
    let known = revision(&index);
    index.cluster_applied(cluster(&dev, 2));
    assert_eq!(revision(&index), known, "a heartbeat");
    index.group_applied(group(&json!({ "matchLabels": { "x": "y" } }), &json!({})));
    assert_eq!(revision(&index), known, "a group of others");
    index.group_applied(group(&json!({}), &json!({})));
    changed(&index, "it joined a group");
    index.group_applied(group(&json!({}), &json!({ "x": "y" })));
    changed(&index, "its group was labelled");
    index.cluster_applied(cluster(&json!({}), 2));
    changed(&index, "it was labelled");
    index.group_deleted(&ObjectKey::new("ns", "g"));
    changed(&index, "its group is gone");
}

#[test]
fn reports_of_agents_leave_the_revision_of_a_deployment_alone() {
    let deployment = |id: &str, hash: &str, ready: bool| -> BundleDeployment {
        serde_json::from_value(json!({
            "metadata": { "name": "b", "namespace": "cluster-c", "labels": {
                "fleet.cattle.io/bundle-name": "b", "fleet.cattle.io/bundle-namespace": "ns" } },
            "spec": { "deploymentID": id, "valuesHash": hash },
            "status": { "ready": ready },
        }))
        .unwrap()
    };
    let mut index = Index::default();
    let mut apply = |deployment| {
        index.deployment_applied(&deployment).unwrap();
        index.deployments[&ObjectKey::new("cluster-c", "b")].revision
    };
    let first = apply(deployment("1", "h", false));
    assert_ne!(first, 0);
    assert_eq!(apply(deployment("1", "h", true)), first);
    let second = apply(deployment("2", "h", true));
    let third = apply(deployment("2", "i", true));
    assert!(first < second && second < third);
}
