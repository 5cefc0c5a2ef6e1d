//! Cases of the plan for a BundleDeployment.

use api::v1alpha1::BundleDeployment;
use apiclient::ObjectKey;
use serde_json::json;

use super::plan::{Action, plan};
use crate::index::DeploymentEntry;

fn entry(status: &serde_json::Value, metadata: &serde_json::Value) -> DeploymentEntry {
    let mut object = json!({
        "metadata": { "name": "app", "namespace": "cluster-a", "labels": {
            "fleet.cattle.io/bundle-name": "app", "fleet.cattle.io/bundle-namespace": "ns",
        } },
        "spec": { "deploymentID": "s-1:a", "stagedDeploymentID": "s-1:a" },
        "status": status,
    });
    for (name, value) in metadata.as_object().unwrap() {
        object["metadata"][name] = value.clone();
    }
    let deployment: BundleDeployment = serde_json::from_value(object).unwrap();
    DeploymentEntry::new(&deployment).unwrap()
}

fn key() -> ObjectKey {
    ObjectKey::new("cluster-a", "app")
}

fn states(actions: &[Action]) -> Vec<String> {
    let display = actions.iter().filter_map(|action| match action {
        Action::Display { display, .. } => Some(format!("{}|{}", display.deployed, display.state)),
        Action::DeleteOptions { .. } | Action::LetGo { .. } | Action::Release { .. } => None,
    });
    display.collect()
}

#[test]
fn a_display_that_agrees_is_not_written() {
    let status = json!({
        "appliedDeploymentID": "s-1:a", "ready": true, "nonModified": true,
        "conditions": [{ "type": "Deployed", "status": "True" }],
        "display": { "deployed": "True", "state": "Ready" },
    });
    assert_eq!(plan(&key(), &entry(&status, &json!({})), None), []);
}

#[test]
fn a_display_that_nobody_wrote_stays_empty_while_the_deployment_is_ready() {
    let mut status = json!({
        "appliedDeploymentID": "s-1:a", "ready": true, "nonModified": true,
        "conditions": [{ "type": "Deployed", "status": "True" }],
    });
    assert_eq!(plan(&key(), &entry(&status, &json!({})), None), []);
    status["ready"] = json!(false);
    let actions = plan(&key(), &entry(&status, &json!({})), None);
    assert_eq!(states(&actions), ["True|NotReady"]);
    status["ready"] = json!(true);
    status["display"] = json!({ "deployed": "True", "state": "NotReady" });
    let actions = plan(&key(), &entry(&status, &json!({})), None);
    assert_eq!(states(&actions), ["True|Ready"]);
}

#[test]
fn a_deployment_that_stays_at_a_commit_says_so_even_if_it_is_ready() {
    let status = json!({
        "appliedDeploymentID": "s-1:a", "ready": true, "nonModified": true,
        "conditions": [{ "type": "Deployed", "status": "True" }],
    });
    let labels = json!({ "labels": {
        "fleet.cattle.io/bundle-name": "app", "fleet.cattle.io/bundle-namespace": "ns",
        "fleet.cattle.io/pinned-commit": "c0ffee",
    } });
    let pinned = |reason| match plan(&key(), &entry(&status, &labels), reason).as_slice() {
        [Action::Display { display, .. }] => display.pinned.clone(),
        other => format!("{other:?}"),
    };
    assert_eq!(pinned(None), "c0ffee");
    assert_eq!(pinned(Some("label zone is missing")), "c0ffee");
}

#[test]
fn an_error_of_the_agent_is_shown_with_its_text() {
    let status = json!({ "conditions": [
        { "type": "Deployed", "status": "False", "reason": "Error", "message": "no such chart" },
    ] });
    let actions = plan(&key(), &entry(&status, &json!({})), None);
    assert_eq!(states(&actions), ["Error: no such chart|ErrApplied"]);
}

#[test]
fn an_error_of_the_hub_stands_in_for_what_the_agent_says() {
    let status = json!({ "appliedDeploymentID": "s-1:a", "ready": true, "nonModified": true });
    let actions = plan(
        &key(),
        &entry(&status, &json!({})),
        Some("label zone is missing"),
    );
    assert_eq!(
        states(&actions),
        ["Error: label zone is missing|ErrApplied"]
    );
}

#[test]
fn deletion_takes_the_options_first_and_does_not_wait_for_the_agent() {
    let metadata = json!({
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "finalizers": ["fleet.cattle.io/bundle-deployment-finalizer"],
    });
    let deployment = key();
    let wanted = [
        Action::DeleteOptions {
            deployment: deployment.clone(),
        },
        Action::Release { deployment },
    ];
    assert_eq!(plan(&key(), &entry(&json!({}), &metadata), None), wanted);
    let released = json!({ "deletionTimestamp": "2026-01-01T00:00:00Z" });
    assert_eq!(plan(&key(), &entry(&json!({}), &released), None), []);
}
