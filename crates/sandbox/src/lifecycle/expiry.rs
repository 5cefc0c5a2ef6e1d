//! Deletes Events an hour after they were written, as the API server's `--event-ttl` does. Without it
//! a sandbox that runs for days would hold little else.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::cluster::ClusterState;
use crate::sandbox::Clusters;
use crate::store::{GroupResource, ListRange};

/// Age at which an Event goes.
const EVENT_SECS: i64 = 3_600;
/// Pause between two looks at all Events.
const INTERVAL: Duration = Duration::from_mins(1);

/// Runs until the sandbox is gone.
pub(super) async fn run(clusters: Weak<Clusters>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some(known) = clusters.upgrade() else {
            return;
        };
        for cluster in known.all() {
            expire(&cluster);
            tokio::task::yield_now().await;
        }
    }
}

/// Deletes the Events of one cluster that are too old.
fn expire(cluster: &Arc<ClusterState>) {
    let bucket = GroupResource::new("", "events");
    let oldest = cluster.now().as_second() - EVENT_SECS;
    let page = cluster
        .store
        .list(cluster.id, &bucket, &ListRange::default());
    for entry in page.map(|page| page.entries).unwrap_or_default() {
        // An Event that is repeated is written again, which starts its hour anew. Revisions carry
        // no time, so the time in the object has to do.
        let Ok(event) = entry.payload.decode_own("Event", "v1", entry.revision) else {
            continue;
        };
        let text = |path: &[&str]| crate::object::str_at(&event, path).parse().ok();
        let written: Option<jiff::Timestamp> = text(&["lastTimestamp"])
            .or_else(|| text(&["series", "lastObservedTime"]))
            .or_else(|| text(&["eventTime"]))
            .or_else(|| text(&["metadata", "creationTimestamp"]));
        if written.is_some_and(|time| time.as_second() < oldest) {
            // Whoever changed it meanwhile gave it another hour.
            let _ = cluster
                .store
                .delete(cluster.id, &bucket, &entry.key, entry.revision);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use serde_json::json;

    use super::*;
    use crate::rest::local::Local;
    use crate::sandbox::{Options, Sandbox};

    #[tokio::test]
    async fn events_go_after_an_hour_and_repeated_ones_later() {
        let now = Arc::new(AtomicI64::new(1_000_000));
        let clock = Arc::clone(&now);
        let time = move || jiff::Timestamp::from_second(clock.load(Ordering::Relaxed)).unwrap();
        let options = Options {
            clock: Arc::new(time),
            ..Options::default()
        };
        let sandbox = Sandbox::start(options).await.unwrap();
        let cluster = sandbox.add_cluster("hub").await.unwrap();
        let local = Local::new(Arc::clone(cluster.state()), "test");
        let events = local.resource("v1", "Event").unwrap();
        for (name, last) in [("once", 1_000_000), ("again", 1_003_000)] {
            let last = jiff::Timestamp::from_second(last).unwrap().to_string();
            let event = json!({"metadata": {"name": name, "namespace": "default"},
                "involvedObject": {"kind": "Namespace", "name": "default", "namespace": "default"},
                "reason": "Test", "lastTimestamp": last});
            local.create(&events, event).unwrap();
        }
        let left = || -> Vec<String> {
            let entries = local.entries(&events, None);
            entries
                .iter()
                .map(|entry| entry.key.name.to_string())
                .collect()
        };
        now.store(1_003_600, Ordering::Relaxed);
        expire(cluster.state());
        assert_eq!(left().len(), 2);
        now.store(1_003_601, Ordering::Relaxed);
        expire(cluster.state());
        assert_eq!(left(), ["again"]);
    }
}
