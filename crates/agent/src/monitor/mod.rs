//! Watches the deployed objects, kind by kind, and keeps what their readiness needs.
//!
//! Each kind that some deployment has is watched with the ownership label as selector, so that what
//! other people run on the cluster costs nothing, and by metadata only where the content says nothing
//! about readiness: no Secret's data ever gets here.

pub(crate) mod live;
mod tally;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::labels::OBJECT_SET_HASH;
use apiclient::{Event, Kind, Selector, Watch};
use jiff::Timestamp;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) use live::{Judge, Live, LiveObject, Seen, reduce};
pub(crate) use tally::{Tally, Trouble, View, view};

use crate::agent::Agent;
use crate::drift;
use crate::world::World;

/// Events within this time are reported together.
pub(crate) const SETTLE: Duration = Duration::from_millis(500);

/// The running watches of an agent.
#[derive(Debug, Default)]
pub(crate) struct Monitors {
    tasks: Mutex<BTreeMap<Arc<Kind>, Task>>,
}

/// Ends with its handle.
#[derive(Debug)]
struct Task {
    handle: JoinHandle<()>,
    wanted: Wanted,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// What a watch must bring, and how its objects are judged. Another one needs another watch: what has been reduced
/// is not judged again.
#[derive(Clone, Debug, Default, PartialEq)]
struct Wanted {
    /// Metadata is not enough.
    whole: bool,
    /// The rules of the deployments that have objects of the kind; those without rules are left out.
    rules: Vec<(String, u64)>,
}

/// Watches what is deployed now, as it has to be seen now, and nothing else.
pub(crate) fn sync(agent: &Arc<Agent>) {
    let mut tasks = agent
        .monitors
        .tasks
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let wanted = agent.world(|world| {
        let wanted = wanted(world);
        world.live.retain(|kind, _| wanted.contains_key(kind));
        wanted
    });
    tasks.retain(|kind, task| wanted.get(kind) == Some(&task.wanted));
    for (kind, wanted) in wanted {
        if tasks.contains_key(&kind) {
            continue;
        }
        // What an earlier watch of the kind saw last may be gone by now.
        agent.world(|world| world.live.entry(Arc::clone(&kind)).or_default().renew());
        let selector = Selector {
            metadata_only: live::is_metadata_enough(&kind) && !wanted.whole,
            ..Selector::labels(OBJECT_SET_HASH)
        };
        let watch = agent.cluster.watch(&kind, selector);
        let handle = tokio::spawn(follow(Arc::downgrade(agent), Arc::clone(&kind), watch));
        tasks.insert(kind, Task { handle, wanted });
    }
}

/// What has to be watched for all deployments. Pure.
fn wanted(world: &World) -> BTreeMap<Arc<Kind>, Wanted> {
    let mut all: BTreeMap<Arc<Kind>, Wanted> = BTreeMap::new();
    for (name, track) in &world.tracks {
        let Some(applied) = &track.applied else {
            continue;
        };
        let known = world.deployments.get(name);
        let rules = known.map_or(0, |known| known.rules());
        // Entries of a kind stand together.
        for entries in applied.inventory.chunk_by(|a, b| a.id.kind == b.id.kind) {
            let Some(kind) = entries.first().map(|entry| &entry.id.kind) else {
                continue;
            };
            let wanted = all.entry(Arc::clone(kind)).or_default();
            if let Some(known) = known.filter(|_| rules != 0) {
                let health = known.health().as_ref();
                wanted.whole |= health
                    .is_ok_and(|health| health.concern(&kind.group, &kind.version, &kind.kind));
                wanted.rules.push((name.clone(), rules));
            }
        }
    }
    all
}

async fn follow(agent: std::sync::Weak<Agent>, kind: Arc<Kind>, mut watch: Watch<Seen>) {
    while let Some(event) = watch.next().await {
        let Some(agent) = agent.upgrade() else { return };
        let touched = match event {
            Event::Applied(seen) => applied(&agent, &kind, seen),
            Event::Deleted(key) => {
                let owner = agent.world(|world| {
                    let gone = world.live.get_mut(&kind)?.objects.remove(&key)?;
                    world.owners.get(&*gone.hash).cloned()
                });
                if let Some(owner) = &owner {
                    suspect(&agent, owner);
                }
                owner
            }
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

/// An event of an object that drift may come of.
fn suspect(agent: &Agent, deployment: &str) {
    agent.drifts.add_after(deployment.to_owned(), drift::SETTLE);
}

/// The deployment of the object, if it is one of ours.
fn applied(agent: &Agent, kind: &Arc<Kind>, seen: Seen) -> Option<String> {
    let key = apiclient::Object::key(&seen);
    let owner = agent.world(|world| world.owners.get(seen.hash()).cloned());
    let known = owner
        .as_ref()
        .and_then(|name| agent.world(|world| world.deployments.get(name).cloned()));
    let judge = known.map_or_else(Judge::default, |known| known.judge());
    let is_cleared = owner
        .as_ref()
        .is_some_and(|name| drift::seen(agent, name, kind, &key, &seen));
    let object = reduce(kind, seen, &judge, Instant::now(), Timestamp::now());
    let was = agent.world(|world| {
        let live = world.live.get_mut(kind)?;
        live.applied(key, object)
    });
    // Whose mark it had before misses it now.
    let was = was.and_then(|was| agent.world(|world| world.owners.get(&*was.hash).cloned()));
    if let Some(was) = was.filter(|was| Some(was) != owner.as_ref()) {
        suspect(agent, &was);
        agent.reports.add_after(was, SETTLE);
    }
    if let Some(owner) = owner.as_ref().filter(|_| !is_cleared) {
        suspect(agent, owner);
    }
    owner
}

/// Everything of a kind has been seen: whoever has objects of it can be reported.
fn synced(agent: &Agent, kind: &Arc<Kind>) {
    let concerned: Vec<String> = agent.world(|world| {
        if let Some(live) = world.live.get_mut(kind) {
            live.synced();
        }
        let has_kind = |track: &crate::world::Track| {
            let applied = track.applied.as_ref();
            applied.is_some_and(|it| it.inventory.iter().any(|entry| entry.id.kind == *kind))
        };
        let of_kind = world.tracks.iter().filter(|(_, track)| has_kind(track));
        of_kind.map(|(name, _)| name.clone()).collect()
    });
    for deployment in concerned {
        suspect(agent, &deployment);
        agent.reports.add_after(deployment, SETTLE);
    }
    agent.changed.notify_waiters();
}
