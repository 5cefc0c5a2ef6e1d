//! Watches the objects that values of deployments come from (`valuesFrom`).
//!
//! One narrow watch for each such object: by its name, and of its metadata only, so that no Secret's data
//! gets here and nobody else's is seen at all. What has changed is read when the deployment runs, as whom
//! that acts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use apiclient::{Event, Kind, Object as _, ObjectMeta, Selector, Watch};
use tokio::task::JoinHandle;

use crate::agent::Agent;
use crate::release::release_of;
use crate::source::values::{Reference, references};
use crate::world::{Known, Track, World};

/// The running watches of an agent.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    tasks: Mutex<BTreeMap<Reference, Task>>,
}

/// Ends with its handle.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the values of a deployment come from, with the keys, in order.
pub(crate) fn of(known: &Known) -> Vec<(Reference, String)> {
    let options = &known.object.spec.options;
    let copied = api::copies::named(options).unwrap_or_default();
    let namespace = release_of(&known.object).namespace;
    options
        .helm
        .as_ref()
        .map_or_else(Vec::new, |helm| references(helm, &copied, &namespace))
}

/// Whether something that the values of a deployment come from is there in another version than was read.
/// What is gone, or has not been seen yet, is no reason to do anything. Pure.
pub(crate) fn have_changed(
    known: &Known,
    track: &Track,
    seen: &BTreeMap<Reference, String>,
) -> bool {
    of(known).iter().any(|(reference, _)| {
        let version = seen.get(reference);
        version.is_some_and(|version| track.sources.versions.get(reference) != Some(version))
    })
}

fn wanted(world: &World) -> BTreeSet<Reference> {
    let all = world.deployments.values().flat_map(|known| of(known));
    all.map(|(reference, _)| reference).collect()
}

/// Watches what deployments name now and nothing else.
pub(crate) fn sync(agent: &Arc<Agent>) {
    let mut tasks = agent
        .sources
        .tasks
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let wanted = agent.world(|world| {
        let wanted = wanted(world);
        world
            .sources
            .retain(|reference, _| wanted.contains(reference));
        wanted
    });
    tasks.retain(|reference, _| wanted.contains(reference));
    for reference in wanted {
        if tasks.contains_key(&reference) {
            continue;
        }
        let (kind, object) = (reference.kind, &reference.object);
        let kind = Kind::new("", "v1", kind.name(), kind.plural(), true);
        let selector = Selector {
            fields: Some(format!("metadata.name={}", object.name)),
            metadata_only: true,
            ..Selector::namespace(object.namespace.clone())
        };
        let watch = agent.cluster.watch(&kind, selector);
        let follower = follow(Arc::downgrade(agent), reference.clone(), watch);
        tasks.insert(reference, Task(tokio::spawn(follower)));
    }
}

async fn follow(agent: Weak<Agent>, reference: Reference, mut watch: Watch<ObjectMeta>) {
    while let Some(event) = watch.next().await {
        let Some(agent) = agent.upgrade() else { return };
        let woken = match event {
            Event::Applied(object) => agent.world(|world| {
                let version = object.resource_version().to_owned();
                world.sources.insert(reference.clone(), version);
                concerned(world, &reference)
            }),
            Event::Deleted(_) => agent.world(|world| {
                world.sources.remove(&reference);
                Vec::new()
            }),
            Event::Synced | Event::NotServed => Vec::new(),
        };
        for name in woken {
            agent.deploys.add(name);
        }
    }
}

/// Deployments whose values were read from another version.
fn concerned(world: &World, reference: &Reference) -> Vec<String> {
    let is_concerned = |(name, known): &(&String, &Arc<Known>)| {
        let track = world.tracks.get(*name);
        of(known).iter().any(|(named, _)| named == reference)
            && track.is_some_and(|track| have_changed(known, track, &world.sources))
    };
    let all = world.deployments.iter();
    all.filter(is_concerned)
        .map(|(name, _)| name.clone())
        .collect()
}
