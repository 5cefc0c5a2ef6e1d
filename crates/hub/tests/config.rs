//! What people configure while the hub runs.

mod common;

use api::v1alpha1::Cluster;
use apiclient::{Kind, ObjectKey};
use common::{Hub, WORKSPACE, eventually};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

const SYSTEM: &str = "cattle-fleet-system";

async fn state_is(hub: &Hub, state: &str) {
    eventually(&format!("the cluster is {state:?}"), || async {
        let cluster: Cluster = hub.get("north").await?;
        let is_offline = cluster.status.display.state == "Offline";
        (is_offline == (state == "Offline")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_config_map_is_followed_and_a_bad_one_changes_nothing() {
    let hub = Hub::start().await;
    hub.namespace(SYSTEM, json!({})).await;
    hub.cluster("north", json!({})).await;
    let cluster = ObjectKey::new(WORKSPACE, "north");
    let report = |time: &str| json!({ "status": { "agent": { "lastSeen": time } } });
    let kind = Kind::of::<Cluster>();
    hub.patch_status(&kind, &cluster, &report("2026-01-01T00:00:00Z"))
        .await;
    state_is(&hub, "not offline").await;

    // An interval that is short enough for the test to wait for.
    let (map, key) = (
        Kind::of::<ConfigMap>(),
        ObjectKey::new(SYSTEM, "fleet-controller"),
    );
    let config = |text: &str| json!({ "metadata": { "name": "fleet-controller" }, "data": { "config": text } });
    hub.create_at(&map, &key, &config(r#"{"agentCheckinInterval":"100ms"}"#))
        .await;
    state_is(&hub, "Offline").await;

    // A document that cannot be read keeps what was configured: silence still means offline.
    hub.patch(&map, &key, &config("{agentCheckinInterval: 1h"))
        .await;
    hub.patch_status(&kind, &cluster, &report("2026-01-01T00:01:00Z"))
        .await;
    state_is(&hub, "not offline").await;
    state_is(&hub, "Offline").await;

    // A good one counts at once.
    hub.patch(&map, &key, &config("agentCheckinInterval: 1h"))
        .await;
    hub.patch_status(&kind, &cluster, &report("2026-01-01T00:02:00Z"))
        .await;
    state_is(&hub, "not offline").await;
    hub.patch_status(&kind, &cluster, &report("2026-01-01T00:03:00Z"))
        .await;
    state_is(&hub, "not offline").await;
}
