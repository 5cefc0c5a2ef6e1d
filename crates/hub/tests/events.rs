//! What people see of the hub in events.

mod common;

use api::v1alpha1::{Bundle, Policy};
use apiclient::{Kind, ObjectKey, Selector};
use common::{Hub, Repository, WORKSPACE, config_map, eventually};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use serde_json::json;

const SYSTEM: &str = "cattle-fleet-system";

/// All events, as `component reason action type object note`, sorted, each as often as it is stored.
async fn events(hub: &Hub) -> Vec<String> {
    let mut events = Vec::new();
    let each = |event: Event| {
        let regarding = event.regarding.unwrap_or_default();
        let object = format!(
            "{}/{}",
            regarding.kind.unwrap_or_default(),
            regarding.name.unwrap_or_default()
        );
        let words = [
            event.reporting_controller,
            event.reason,
            event.action,
            event.type_,
            Some(object),
            event.note,
        ];
        let words: Vec<String> = words.into_iter().flatten().collect();
        assert!(
            regarding.uid.is_some_and(|uid| !uid.is_empty()),
            "{words:?}"
        );
        events.push(words.join(" "));
    };
    let listed = hub
        .client
        .list(&Kind::of::<Event>(), &Selector::default(), each)
        .await;
    assert!(listed.is_ok());
    events.sort();
    events
}

async fn eventually_has(hub: &Hub, start: &str) -> String {
    eventually(&format!("an event {start}"), || async {
        let events = events(hub).await;
        events.into_iter().find(|event| event.starts_with(start))
    })
    .await
}

#[tokio::test]
async fn commits_policies_and_bad_configurations_are_told_and_a_quiet_hub_tells_nothing() {
    let hub = Hub::start().await;
    hub.namespace(SYSTEM, json!({})).await;
    hub.cluster("north", json!({})).await;
    let agents = hub.play_agents();
    let repository = Repository::new();
    let commit = repository.commit(&[("app/cm.yaml", &config_map("app", "1"))]);
    hub.git_repo("repo", &repository.url(), json!({ "paths": ["app"] }))
        .await;
    hub.bundle_ready("repo-app", 1).await;
    let got = format!("fleet-gitops GotNewCommit GetNewCommit Normal GitRepo/repo {commit}");
    eventually_has(&hub, &got).await;
    hub.git_repo("gone", "/does/not/exist", json!({})).await;
    eventually_has(
        &hub,
        "fleet-gitops FailedToCheckCommit CheckCommit Warning GitRepo/gone",
    )
    .await;

    // The repository is polled every 300 ms and says the same each time.
    let before = events(&hub).await;
    eventually("it was polled often", || async {
        let calls = hub.controller.stats().calls();
        let asked = calls
            .iter()
            .filter(|(call, _)| call.verb == "get" && call.resource == "secrets");
        (asked.map(|(_, n)| n).sum::<u64>() > 20).then_some(())
    })
    .await;
    assert_eq!(events(&hub).await, before);

    let policy = json!({ "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "Policy",
        "metadata": { "name": "strict", "namespace": WORKSPACE }, "requireServiceAccount": true });
    let key = ObjectKey::new(WORKSPACE, "strict");
    hub.create_at(&Kind::of::<Policy>(), &key, &policy).await;
    hub.bundle(WORKSPACE, "plain", json!({}), json!({})).await;
    let violation = "PolicyViolation ApplyPolicyRestrictions Warning";
    eventually_has(
        &hub,
        &format!("fleet-bundle-ctrl {violation} Bundle/plain "),
    )
    .await;
    eventually_has(&hub, &format!("fleet-gitops {violation} GitRepo/repo ")).await;

    let (map, key) = (
        Kind::of::<ConfigMap>(),
        ObjectKey::new(SYSTEM, "fleet-controller"),
    );
    let bad =
        json!({ "metadata": { "name": "fleet-controller" }, "data": { "config": "labels: [x]" } });
    hub.create_at(&map, &key, &bad).await;
    let told = "fleet-controller InvalidConfiguration ReadConfiguration Warning ConfigMap/fleet-controller";
    eventually_has(&hub, told).await;
    agents.abort();
}

#[tokio::test]
async fn an_api_server_that_takes_no_events_hinders_nothing() {
    let mut hub = Hub::start().await;
    hub.cluster("north", json!({})).await;
    hub.stop_controllers().await;
    let flaky = common::flaky::Flaky::new(hub.service(), 1);
    flaky.heal();
    flaky.refuse("/events");
    hub.control_through(flaky);
    hub.start_controllers();
    let agents = hub.play_agents();
    let repository = Repository::new();
    repository.commit(&[("app/cm.yaml", &config_map("app", "1"))]);
    hub.git_repo("repo", &repository.url(), json!({ "paths": ["app"] }))
        .await;
    let bundle: Bundle = hub.bundle_ready("repo-app", 1).await;
    assert!(bundle.metadata.uid.is_some());
    let calls = hub.controller.stats().calls();
    assert!(calls.keys().any(|call| call.resource.starts_with("events")));
    assert_eq!(events(&hub).await, Vec::<String>::new());
    agents.abort();
}
