//! Clocks that jump, and clocks that differ. The agent's own goes right here; that of the cluster and the hub does not,
//! which to an agent is the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use apiclient::{Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{edit, value};
use crate::world::{World, bundle, config_map, eventually};

/// By how many seconds a clock is ahead.
#[derive(Clone, Debug, Default)]
struct Ahead(Arc<AtomicI64>);

impl Ahead {
    fn clock(&self) -> sandbox::Clock {
        let ahead = self.clone();
        Arc::new(move || {
            let by = SignedDuration::from_secs(ahead.0.load(Ordering::Relaxed));
            Timestamp::now() + by
        })
    }

    fn set(&self, by: SignedDuration) {
        self.0.store(by.as_secs(), Ordering::Relaxed);
    }
}

async fn start(ahead: &Ahead) -> World {
    let mut world = World::new_at(ahead.clock()).await;
    world.start_agent();
    world
}

#[tokio::test(start_paused = true)]
async fn clocks_that_jump_hold_nothing_up() {
    let ahead = Ahead::default();
    let world = start(&ahead).await;
    let drift = json!({ "enabled": true });
    let hook = config_map("hook", "1").replace(
        "\ndata:",
        "\n  annotations: { helm.sh/hook: post-upgrade }\ndata:",
    );
    let shop = |value: &str| {
        let chart = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
        let files = [
            ("Chart.yaml", chart),
            ("templates/a.yaml", &config_map("a", value)),
            ("templates/hook.yaml", &hook),
        ];
        bundle("shop", &files)
            .with_options(json!({ "defaultNamespace": "shop", "correctDrift": drift }))
            .with_spec(json!({ "correctDrift": drift }))
    };
    let id = world.deploy(&shop("0")).await;
    world.ready("shop", &id).await;
    let jumps = [
        SignedDuration::from_hours(1),
        SignedDuration::from_hours(-2),
        SignedDuration::from_hours(24 * 400),
        SignedDuration::from_hours(-24),
        SignedDuration::ZERO,
    ];
    for (number, by) in (1..).zip(jumps) {
        ahead.set(by);
        edit(&world, "a", "theirs").await;
        let was = (number - 1).to_string();
        eventually("a change is put back", async || {
            (value(&world, "a").await? == *was).then_some(())
        })
        .await;
        let now = number.to_string();
        let id = world.deploy(&shop(&now)).await;
        world.ready("shop", &id).await;
        assert_eq!(value(&world, "a").await.unwrap(), now, "{by}");
    }
    // A revision for each deployment, none for what was put back.
    let records = world.records("shop").await;
    assert!(
        records.iter().any(|(name, _)| name.contains(".v6")),
        "{records:?}"
    );
    assert!(
        !records.iter().any(|(name, _)| name.contains(".v7")),
        "{records:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_for_which_there_is_no_node_fails_in_time_whatever_a_clock_shows() {
    let pods = Kind::new("", "v1", "Pod", "pods", true);
    for by in [SignedDuration::ZERO, SignedDuration::from_hours(24)] {
        let ahead = Ahead::default();
        ahead.set(by);
        let world = start(&ahead).await;
        let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  namespace: shop\nspec:\n  containers:\n  \
            - { name: a, image: unscheduled }\n";
        world.deploy(&bundle("shop", &[("a.yaml", pod)])).await;
        eventually("the pod is there", async || {
            world.object(&pods, "shop", "a").await
        })
        .await;
        let status = json!({ "status": { "phase": "Pending", "conditions": [
            { "type": "PodScheduled", "status": "False", "reason": "Unschedulable" }] } });
        let _: ObjectMeta = world
            .cluster
            .patch(
                &pods,
                &ObjectKey::new("shop", "a"),
                Some("status"),
                Patch::Merge(&status),
                0,
                WriteOptions::default(),
            )
            .await
            .unwrap();
        let says = async |what: &str| {
            world
                .until("shop", what, |it| {
                    let mut all = it.status.non_ready_status.iter();
                    all.any(|one| one.summary.message.iter().any(|text| text.contains(what)))
                })
                .await
        };
        says("has not been scheduled").await;
        // No event will tell.
        tokio::time::sleep(Duration::from_mins(1)).await;
        says("could not be scheduled").await;
    }
}
