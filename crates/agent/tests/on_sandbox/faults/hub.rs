//! A hub that is away, or refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use apiclient::{DeleteOptions, ObjectKey};
use serde_json::json;
use tokio::time::Instant;

use super::{edit, value};
use crate::faulty::{self, Verdict};
use crate::world::{Bundle, NAMESPACE, World, bundle, config_map, eventually, secrets};

/// How soon everything on the hub is as it is on the cluster, once the hub is there again.
const EXACT: Duration = Duration::from_mins(1);
/// How soon a change is corrected.
const CORRECTED: Duration = Duration::from_secs(10);

fn correcting(name: &'static str, value: &str) -> Bundle {
    let drift = json!({ "enabled": true });
    bundle(name, &[("a.yaml", &config_map(name, value))])
        .with_options(json!({ "defaultNamespace": "shop", "correctDrift": drift }))
        .with_spec(json!({ "correctDrift": drift }))
}

async fn is_corrected(world: &World, name: &str) {
    edit(world, name, "theirs").await;
    let began = Instant::now();
    eventually("a change is put back", async || {
        (value(world, name).await? == "1").then_some(())
    })
    .await;
    assert!(began.elapsed() < CORRECTED, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn drift_is_corrected_while_the_hub_is_away_for_a_day_and_all_is_told_within_a_minute_after()
{
    let world = World::start().await;
    let corrected = world.deploy(&correcting("corrected", "1")).await;
    let id = world
        .deploy(&bundle(
            "watched",
            &[("a.yaml", &config_map("watched", "1"))],
        ))
        .await;
    world.ready("watched", &id).await;
    world.ready("corrected", &corrected).await;
    world.sandbox.take_down("hub");
    for _ in 0..24 {
        is_corrected(&world, "corrected").await;
        tokio::time::sleep(Duration::from_hours(1)).await;
    }
    edit(&world, "watched", "theirs").await;
    // Long enough for every back-off to be at its longest.
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(world.records("shop").await.len(), 2);

    let returned = Instant::now();
    world.sandbox.bring_up("hub");
    let new = world
        .deploy(&bundle("new", &[("a.yaml", &config_map("new", "1"))]))
        .await;
    world
        .until("watched", "tells what was changed", |it| {
            it.status.modified_status.len() == 1
        })
        .await;
    world.ready("corrected", &corrected).await;
    world.ready("new", &new).await;
    assert!(returned.elapsed() < EXACT, "{:?}", returned.elapsed());
}

/// The hub goes away between a deployment and its content.
#[tokio::test(start_paused = true)]
async fn what_could_not_be_fetched_is_deployed_within_a_minute_after_the_hub_is_back() {
    let mut world = World::new().await;
    let id = world
        .deploy(&bundle("raw", &[("a.yaml", &config_map("a", "1"))]))
        .await;
    let is_away = Arc::new(AtomicBool::new(true));
    let away = Arc::clone(&is_away);
    let hub = faulty::ruled_hub(&world, move |_, path| {
        if path.contains("/contents/") && away.load(Ordering::SeqCst) {
            Verdict::Refuse {
                code: 503,
                reason: "ServiceUnavailable",
                message: "apiserver is shutting down",
            }
        } else {
            Verdict::Pass
        }
    });
    world.start_agent_by(hub);
    world.error("raw").await;
    world.sandbox.take_down("hub");
    is_away.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_hours(24)).await;
    let returned = Instant::now();
    world.sandbox.bring_up("hub");
    world.ready("raw", &id).await;
    assert!(returned.elapsed() < EXACT, "{:?}", returned.elapsed());
}

#[tokio::test(start_paused = true)]
async fn drift_is_corrected_with_a_token_that_the_hub_has_revoked() {
    let world = World::start().await;
    let id = world.deploy(&correcting("corrected", "1")).await;
    world.ready("corrected", &id).await;
    let key = ObjectKey::new(NAMESPACE, "agent-token");
    let deleted = world
        .hub
        .delete(&secrets(), &key, &DeleteOptions::default())
        .await;
    assert!(deleted.unwrap());
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_hours(1)).await;
        is_corrected(&world, "corrected").await;
    }
    assert_eq!(world.records("shop").await.len(), 1);
}
