//! Waits for one object.

use std::time::Duration;

use apiclient::{Client, Event, Object, ObjectKey, Selector, Watch};
use serde::Deserialize;
use serde_json::Value;

use crate::object::{Id, text};

/// A whole object.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Whole(Value);

impl Object for Whole {
    fn key(&self) -> ObjectKey {
        ObjectKey::new(
            text(&self.0, "/metadata/namespace"),
            text(&self.0, "/metadata/name"),
        )
    }

    fn resource_version(&self) -> &str {
        text(&self.0, "/metadata/resourceVersion")
    }
}

fn watch(cluster: &Client, id: &Id) -> Watch<Whole> {
    let selector = Selector {
        namespace: id.key.ns().map(str::to_owned),
        fields: Some(format!("metadata.name={}", id.key.name)),
        ..Selector::default()
    };
    cluster.watch(&id.kind, selector)
}

/// What `decide` says about the object, as soon as it says something; `None` after `timeout`.
pub(crate) async fn condition<T>(
    cluster: &Client,
    id: &Id,
    timeout: Duration,
    decide: impl Fn(&Value) -> Option<T>,
) -> Option<T> {
    let mut watch = watch(cluster, id);
    let decided = async {
        loop {
            if let Event::Applied(Whole(object)) = watch.next().await?
                && let Some(decision) = decide(&object)
            {
                return Some(decision);
            }
        }
    };
    tokio::time::timeout(timeout, decided).await.ok().flatten()
}

/// Waits until the object is gone; `false` after `timeout`.
pub(super) async fn gone(cluster: &Client, id: &Id, timeout: Duration) -> bool {
    let mut watch = watch(cluster, id);
    let mut exists = false;
    let gone = async {
        loop {
            match watch.next().await {
                Some(Event::Applied(_)) => exists = true,
                Some(Event::Synced) if exists => {}
                // Without its definition there is no object either.
                Some(Event::Deleted(_) | Event::Synced | Event::NotServed) | None => return,
            }
        }
    };
    tokio::time::timeout(timeout, gone).await.is_ok()
}
