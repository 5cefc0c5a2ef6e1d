//! Watches the deployed objects, kind by kind, and keeps what their readiness needs.
//!
//! Each kind that some deployment has is watched with the ownership label as selector, so that what
//! other people run on the cluster costs nothing, and by metadata only where the content says nothing
//! about readiness: no Secret's data ever gets here.

mod live;
mod tally;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::labels::OBJECT_SET_HASH;
use apiclient::{Event, Kind, Selector, Watch};
use jiff::Timestamp;
use tokio::task::JoinHandle;

pub(crate) use live::{Live, Seen, reduce};
pub(crate) use tally::{Tally, View, view};

use crate::agent::Agent;

/// Events within this time are reported together.
pub(crate) const SETTLE: Duration = Duration::from_millis(500);

/// The running watches of an agent.
#[derive(Debug, Default)]
pub(crate) struct Monitors {
    tasks: Mutex<BTreeMap<Arc<Kind>, Task>>,
}

/// Ends with its handle.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Watches what is deployed now and nothing else.
pub(crate) fn sync(agent: &Arc<Agent>) {
    let mut tasks = agent
        .monitors
        .tasks
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let wanted: BTreeSet<Arc<Kind>> = agent.world(|world| {
        let applied = world
            .tracks
            .values()
            .filter_map(|track| track.applied.as_ref());
        let kinds = applied
            .flat_map(|applied| &applied.inventory)
            .map(|entry| &entry.id.kind);
        let wanted: BTreeSet<Arc<Kind>> = kinds.cloned().collect();
        world.live.retain(|kind, _| wanted.contains(kind));
        wanted
    });
    tasks.retain(|kind, _| wanted.contains(kind));
    for kind in wanted {
        if tasks.contains_key(&kind) {
            continue;
        }
        // What an earlier watch of the kind saw last may be gone by now.
        agent.world(|world| world.live.insert(Arc::clone(&kind), Live::default()));
        let selector = Selector {
            metadata_only: live::is_metadata_enough(&kind),
            ..Selector::labels(OBJECT_SET_HASH)
        };
        let watch = agent.cluster.watch(&kind, selector);
        let follower = follow(Arc::downgrade(agent), Arc::clone(&kind), watch);
        tasks.insert(kind, Task(tokio::spawn(follower)));
    }
}

async fn follow(agent: std::sync::Weak<Agent>, kind: Arc<Kind>, mut watch: Watch<Seen>) {
    while let Some(event) = watch.next().await {
        let Some(agent) = agent.upgrade() else { return };
        let touched = match event {
            Event::Applied(seen) => applied(&agent, &kind, seen),
            Event::Deleted(key) => agent.world(|world| {
                let gone = world.live.get_mut(&kind)?.objects.remove(&key)?;
                world.owners.get(&*gone.hash).cloned()
            }),
            Event::Synced => {
                synced(&agent, &kind);
                None
            }
            Event::NotServed => None,
        };
        if let Some(deployment) = touched {
            agent.reports.add_after(deployment, SETTLE);
            agent.changed.notify_waiters();
        }
    }
}

/// The deployment of the object, if it is one of ours.
fn applied(agent: &Agent, kind: &Arc<Kind>, seen: Seen) -> Option<String> {
    let key = apiclient::Object::key(&seen);
    let owner = agent.world(|world| world.owners.get(seen.hash()).cloned());
    let ignored = owner.as_ref().and_then(|name| {
        let known = agent.world(|world| world.deployments.get(name).cloned())?;
        known.object.spec.options.ignore.clone()
    });
    let ignored = ignored.unwrap_or_default().conditions;
    let object = reduce(kind, seen, &ignored, Timestamp::now());
    agent.world(|world| {
        if let Some(live) = world.live.get_mut(kind) {
            live.objects.insert(key, object);
        }
    });
    owner
}

/// Everything of a kind has been seen: whoever has objects of it can be reported.
fn synced(agent: &Agent, kind: &Arc<Kind>) {
    let concerned: Vec<String> = agent.world(|world| {
        if let Some(live) = world.live.get_mut(kind) {
            live.synced = true;
        }
        let has_kind = |track: &crate::world::Track| {
            let applied = track.applied.as_ref();
            applied.is_some_and(|it| it.inventory.iter().any(|entry| entry.id.kind == *kind))
        };
        let of_kind = world.tracks.iter().filter(|(_, track)| has_kind(track));
        of_kind.map(|(name, _)| name.clone()).collect()
    });
    for deployment in concerned {
        agent.reports.add_after(deployment, SETTLE);
    }
    agent.changed.notify_waiters();
}
