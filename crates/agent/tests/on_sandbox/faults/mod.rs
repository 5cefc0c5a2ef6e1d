//! What goes wrong around the agent: it is said where it belongs, nothing is lost, other deployments go on, and when
//! the fault is over everything converges by itself.
//!
//! Hours pass in moments here: the clock of the tests is tokio's, which goes on when nobody has anything to do.

mod clock;
mod hub;
mod input;
mod refusals;
mod servers;
mod sizes;
mod workloads;

use std::time::Duration;

use apiclient::{ObjectKey, ObjectMeta, Patch, WriteOptions};
use serde_json::{Value, json};

use crate::world::{World, bundle, config_map, config_maps};

/// Longer than any back-off of the agent.
const BACKOFF_MAX: Duration = Duration::from_mins(6);

/// Deploys something else, which must not be held up.
async fn others_go_on(world: &World, value: &str) {
    let other = bundle("other", &[("a.yaml", &config_map("other", value))]);
    let id = world.deploy(&other).await;
    world.ready("other", &id).await;
}

/// Changes a ConfigMap in `shop` as a person does.
async fn edit(world: &World, name: &str, value: &str) {
    let patch = json!({ "data": { "key": value } });
    let key = ObjectKey::new("shop", name);
    let edited: Result<ObjectMeta, _> = world
        .cluster
        .patch(
            &config_maps(),
            &key,
            None,
            Patch::Merge(&patch),
            0,
            WriteOptions::default(),
        )
        .await;
    edited.unwrap();
}

/// The value in a ConfigMap in `shop`.
async fn value(world: &World, name: &str) -> Option<Value> {
    let object = world.object(&config_maps(), "shop", name).await?;
    Some(object["data"]["key"].clone())
}
