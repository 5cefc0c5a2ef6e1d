//! Several processes of the hub on one API server.

mod common;

use std::collections::BTreeMap;

use apiclient::{Call, Kind, ObjectKey};
use common::{Candidate, Hub, WORKSPACE, eventually};
use k8s_openapi::api::coordination::v1::Lease;
use serde_json::json;

const LEASE: &str = "fleet-controller-leader-election-shard";

async fn holder(hub: &Hub) -> Option<String> {
    let key = ObjectKey::new("cattle-fleet-system", LEASE);
    let lease: Option<Lease> = hub.client.get(&Kind::of::<Lease>(), &key).await.ok()?;
    lease?.spec?.holder_identity
}

/// Starts a process and waits until it leads.
async fn leader(hub: &Hub, identity: &str) -> Candidate {
    let candidate = hub.start_candidate(identity);
    leads(hub, identity).await;
    candidate
}

async fn leads(hub: &Hub, identity: &str) {
    eventually(&format!("{identity} leads"), || async {
        (holder(hub).await? == identity).then_some(())
    })
    .await;
}

/// What a process has written but for Leases.
fn writes(candidate: &Candidate) -> BTreeMap<Call, u64> {
    let mut calls = candidate.client.stats().calls();
    calls.retain(|call, _| call.is_write() && !call.resource.starts_with("leases"));
    calls
}

async fn deploys(hub: &Hub, namespace: &str, bundle: &str) {
    hub.bundle(WORKSPACE, bundle, json!({}), json!({})).await;
    eventually(&format!("{bundle} is deployed"), || {
        hub.deployment(namespace, bundle)
    })
    .await;
}

#[tokio::test]
async fn only_the_leader_writes_and_an_orderly_stop_hands_over_at_once() {
    let mut hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    hub.stop_controllers().await;
    let first = leader(&hub, "first").await;
    let second = hub.start_candidate("second");
    deploys(&hub, &namespace, "a").await;
    assert!(writes(&second).is_empty(), "{:?}", writes(&second));
    assert!(!writes(&first).is_empty());

    first.stop.cancel();
    assert!(first.task.await.is_ok_and(|ended| ended.is_ok()));
    leads(&hub, "second").await;
    deploys(&hub, &namespace, "b").await;
    second.stop.cancel();
}

#[tokio::test]
async fn a_leader_that_is_killed_is_followed_and_loses_nothing() {
    let mut hub = Hub::start().await;
    let namespace = hub.cluster("north", json!({})).await;
    hub.stop_controllers().await;
    let first = leader(&hub, "first").await;
    let second = hub.start_candidate("second");
    hub.bundle(WORKSPACE, "a", json!({}), json!({})).await;
    first.task.abort();
    leads(&hub, "second").await;
    eventually("what the dead leader began is done", || {
        hub.deployment(&namespace, "a")
    })
    .await;
    second.stop.cancel();
}

#[tokio::test]
async fn a_leader_whose_lease_is_taken_away_ends_and_says_so() {
    let mut hub = Hub::start().await;
    hub.stop_controllers().await;
    let first = leader(&hub, "first").await;
    let key = ObjectKey::new("cattle-fleet-system", LEASE);
    let body = json!({ "spec": { "holderIdentity": "upstream", "leaseDurationSeconds": 3600 } });
    hub.patch(&Kind::of::<Lease>(), &key, &body).await;
    let ended = first
        .task
        .await
        .map(|ended| ended.map_err(|error| error.to_string()));
    assert!(
        matches!(&ended, Ok(Err(text)) if text == "leadership is lost"),
        "{ended:?}"
    );
    // A controller of upstream that runs is waited for.
    let second = hub.start_candidate("second");
    hub.bundle(WORKSPACE, "a", json!({}), json!({})).await;
    eventually("the second has asked often", || async {
        let calls = second.client.stats().calls();
        let asked = |call: &Call| call.verb == "get" && call.resource.starts_with("leases");
        calls
            .iter()
            .any(|(call, n)| asked(call) && *n > 10)
            .then_some(())
    })
    .await;
    assert_eq!(holder(&hub).await.as_deref(), Some("upstream"));
    assert!(writes(&second).is_empty(), "{:?}", writes(&second));
    second.stop.cancel();
}
