//! Users' own rules for when objects are ready.

use serde_json::{Value, json};

use crate::world::{World, bundle, config_map};

fn options(current: &str) -> Value {
    let rule = json!({ "apiVersion": "v1", "kind": "ConfigMap", "current": current });
    json!({ "defaultNamespace": "shop", "healthCheckExprs": [rule] })
}

#[tokio::test(start_paused = true)]
async fn objects_are_judged_by_the_rules_and_again_when_the_rules_change() {
    let world = World::start().await;
    let raw = bundle("raw", &[("cm.yaml", &config_map("cm", "one"))]);
    let id = world
        .deploy(&raw.clone().with_options(options("data.key == 'two'")))
        .await;
    let waiting = "not yet current by its health check";
    let found = world
        .until("raw", "its object is waited for", |deployment| {
            api::conditions::message(&deployment.status.conditions, "Ready").contains(waiting)
        })
        .await;
    assert_eq!(found.status.applied_deployment_id, id);
    assert_eq!(found.status.resource_counts.not_ready, 1);

    // Nothing is deployed for it: the object is the same.
    let same = world
        .deploy(&raw.clone().with_options(options("data.key == 'one'")))
        .await;
    assert_eq!(same, id);
    world.ready("raw", &id).await;
    assert_eq!(world.records("shop").await.len(), 1);

    world
        .deploy(&raw.with_options(options("data.key ===")))
        .await;
    let message = world.error("raw").await;
    assert!(
        message.contains("healthCheckExprs[0].current: column"),
        "{message}"
    );
}
