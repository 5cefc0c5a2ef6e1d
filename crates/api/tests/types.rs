//! What the types read and write: stored objects of every age, and nothing that was not there.

#![expect(clippy::expect_used, reason = "fixtures are known to be good")]

use api::v1alpha1::{
    Bundle, BundleDeployment, BundleTarget, Cluster, Content, GitRepo, HelmOp, Policy,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("the object can be read")
}

#[test]
fn nulls_and_unknown_fields_are_read_as_nothing() {
    let repo: GitRepo = read(json!({
        "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "GitRepo",
        "metadata": {"name": "r", "creationTimestamp": null},
        "spec": {"repo": "https://x", "paths": null, "branch": null, "targets": null, "keepResources": null,
                 "imageScanCommit": null, "pollingInterval": null, "removedLongAgo": {"a": [1]}},
        "status": {"conditions": null, "resources": null, "summary": null, "resourceErrors": ["x"],
                   "lastSyncedImageScanTime": null, "perClusterResourceCounts": null},
    }));
    let want: GitRepo = read(json!({"metadata": {"name": "r"}, "spec": {"repo": "https://x"}}));
    assert_eq!(repo, want);
    let deployment: BundleDeployment =
        read(json!({"spec": null, "status": null, "metadata": null}));
    assert_eq!(deployment, BundleDeployment::default());
}

#[test]
fn a_resource_list_of_before_2025_does_not_keep_a_git_repo_from_being_read() {
    let repo: GitRepo = read(json!({"status": {"resources": [
        {"kind": "ConfigMap", "perClusterState": [{"state": "Ready", "clusterId": "a/b"}]},
        {"kind": "Secret", "perClusterState": null},
        {"kind": "Service", "perClusterState": {"ready": ["a/b"], "missing": null}},
    ]}}));
    let lists: Vec<usize> = repo
        .status
        .base
        .resources
        .iter()
        .map(|r| r.per_cluster_state.ready.len())
        .collect();
    assert_eq!(lists, [0, 0, 1]);
}

#[test]
fn a_new_object_is_written_with_what_it_has_only() {
    for (object, want) in [
        (
            json!(Bundle::default()),
            json!({"apiVersion": "fleet.cattle.io/v1alpha1", "kind": "Bundle"}),
        ),
        (
            json!(Policy {
                require_service_account: true,
                ..Policy::default()
            }),
            json!({"apiVersion": "fleet.cattle.io/v1alpha1", "kind": "Policy", "requireServiceAccount": true}),
        ),
    ] {
        assert_eq!(object, want);
    }
}

#[test]
fn what_is_read_is_written_again() {
    let helm_op = json!({
        "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "HelmOp",
        "metadata": {"name": "h", "labels": {"a": "b"}},
        "spec": {
            "helm": {"chart": "c", "repo": "r", "values": {"n": 1, "f": 1.5, "e": {}}, "valuesFrom": [{"secretKeyRef": {"name": ""}}]},
            "createNamespace": false, "labels": {"x": "y"}, "pollingInterval": "90s",
            "rolloutStrategy": {"maxUnavailable": "10%", "maxNew": 0, "partitions": [{"maxUnavailable": 1}]},
            "targets": [{"name": "t", "clusterSelector": {}, "namespaceLabels": {"k": "v"}, "helm": {"values": {}}}],
            "insecureSkipTLSVerify": true,
        },
    });
    assert_eq!(json!(read::<HelmOp>(helm_op.clone())), helm_op);
    let cluster = json!({
        "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "Cluster", "metadata": {"name": "c"},
        "spec": {"clientID": "id", "privateRepoURL": "u", "templateValues": {"a": [null]}, "agentPullSecrets": [],
                 "agentResources": {"limits": {"cpu": "1"}}, "agentTolerations": [{"key": "k", "operator": "Exists"}]},
        "status": {"readyGitRepos": 0, "desiredReadyGitRepos": 0, "readyHelmOps": 0, "desiredReadyHelmOps": 0,
                   "apiServerURL": "u", "apiServerCAHash": "h", "agentTLSMode": "strict",
                   "summary": {"ready": 0, "desiredReady": 0}, "display": {},
                   "resourceCounts": {"ready": 1, "desiredReady": 2, "waitApplied": 0, "modified": 0, "orphaned": 0,
                                      "missing": 0, "unknown": 0, "notReady": 1},
                   "agent": {"lastSeen": "2026-01-02T03:04:05Z", "namespace": "n"}},
    });
    assert_eq!(json!(read::<Cluster>(cluster.clone())), cluster);
    let content = json!({
        "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "Content", "metadata": {"name": "s-1"},
        "content": "AAEC", "sha256sum": "x", "chunks": [{"name": "s-2", "sha256": "y"}],
        "status": {"referenceCount": 3},
    });
    assert_eq!(json!(read::<Content>(content.clone())), content);
}

#[test]
fn namespace_labels_of_a_target_belong_to_the_target() {
    let target: BundleTarget = read(json!({"namespaceLabels": {"a": "b"}, "keepResources": true}));
    assert_eq!(target.namespace_labels["a"], "b");
    assert!(target.options.namespace_labels.is_empty() && target.options.keep_resources);
}

#[test]
fn values_of_the_wrong_type_are_refused() {
    for bad in [
        json!({"spec": {"targets": {}}}),
        json!({"spec": {"helm": {"values": "text"}}}),
        json!({"spec": {"helm": {"timeoutSeconds": "30"}}}),
        json!({"spec": {"rolloutStrategy": {"maxUnavailable": 1.5}}}),
        json!({"spec": []}),
    ] {
        assert!(
            serde_json::from_value::<Bundle>(bad.clone()).is_err(),
            "{bad}"
        );
    }
}
