//! Looks for objects that are not as they were deployed, and corrects them where that is asked for.
//!
//! * **Object**: BundleDeployment.
//! * **Reads**: the agent's world; on the cluster the release record once for each deployment, objects
//!   that changed since they were last compared, and what the API server would make of them (dry run).
//! * **Writes**: on the cluster, with `correctDrift`, the objects of the release as they were deployed,
//!   by server-side apply. Never a release record: a correction is no revision.
//! * **Woken by**: the end of a deployment run, events of its objects that do not look like what was
//!   deployed, the end of a back-off.
//!
//! ```text
//!  event ── seen: same digest, or compares equal ──> nothing
//!    └────> run: read ── compare ── in doubt: dry run ──> state ── correct ── read again
//! ```
//!
//! Nothing live is kept: a state, the resource version it is about, a digest, and the deployed object
//! compressed. A quiet cluster is asked nothing.

mod check;
mod correct;
mod excepted;
pub(crate) mod inspect;
mod memory;
mod packed;

use std::sync::Arc;
use std::time::Duration;

use apiclient::{Kind, ObjectKey};
use tokio::time::Instant;
use workqueue::Next;

pub(crate) use memory::{Checked, Memory, State};

use crate::agent::Agent;
use crate::deployment::Outcome;
use crate::monitor::Seen;
use crate::world::{Applied, Known, World, is_older};

/// Events within this time are looked at together.
pub(crate) const SETTLE: Duration = Duration::from_millis(50);
/// How soon it is looked again whether a deployment is done, or the watches have seen everything.
const BUSY: Duration = Duration::from_millis(500);
/// How soon it is looked again for what is missing or somebody else's: no watch tells of it.
const MISSING_POLL: Duration = Duration::from_mins(2);

/// A deployment whose objects can be compared.
struct Job {
    name: String,
    known: Arc<Known>,
    applied: Arc<Applied>,
}

/// Whether they can.
enum Gate {
    Open(Job),
    Later,
    Closed,
}

/// Compares and corrects the objects of deployment `name`.
pub(crate) async fn run(agent: Arc<Agent>, name: String) -> Next {
    let turn = agent.world(|world| world.tracks.get(&name).map(|track| Arc::clone(&track.turn)));
    let Some(turn) = turn else { return Next::Done };
    let Ok(_turn) = turn.try_lock() else {
        return Next::After(BUSY);
    };
    let job = match agent.world(|world| gate(world, &name)) {
        Gate::Open(job) => job,
        Gate::Later => return Next::After(BUSY),
        Gate::Closed => return Next::Done,
    };
    let checked = check::all(&agent, &job).await;
    let corrected = match &checked {
        Ok(()) => correct::all(&agent, &job).await,
        Err(_) => correct::Corrected::default(),
    };
    let trouble = checked.as_ref().err().map(|error| errors::chain(error));
    if let Some(error) = &trouble {
        tracing::warn!(deployment = name, error, "cannot compare what is live");
    }
    let has_missing = agent.world(|world| {
        let memory = memory_of(world, &job)?;
        memory.trouble = trouble;
        let is_missing = |state: &State| matches!(state, State::Missing { .. });
        let mut states = memory.objects.iter().map(|checked| &checked.state);
        states.any(is_missing).then_some(())
    });
    agent.reports.add_after(name, SETTLE);
    next(&checked, &corrected, has_missing.is_some())
}

fn next(
    checked: &Result<(), check::Error>,
    corrected: &correct::Corrected,
    has_missing: bool,
) -> Next {
    if checked.is_err() {
        return Next::Retry;
    }
    let pause = |at: Instant| at.saturating_duration_since(Instant::now()).max(SETTLE);
    match (corrected.next.map(pause), has_missing) {
        (Some(pause), _) => Next::After(pause),
        (None, true) => Next::After(MISSING_POLL),
        (None, false) => Next::Done,
    }
}

fn gate(world: &World, name: &str) -> Gate {
    let (Some(known), Some(track)) = (world.deployments.get(name), world.tracks.get(name)) else {
        return Gate::Closed;
    };
    let spec = &known.object.spec;
    let is_held = spec.paused || spec.off_schedule || spec.waiting_for_values;
    let Some(applied) = track.applied.as_ref().filter(|_| !is_held) else {
        return Gate::Closed;
    };
    if track.outcome != Some(Outcome::Deployed) || applied.deployment_id != spec.deployment_id {
        return Gate::Closed;
    }
    let mut kinds = applied.inventory.iter().map(|entry| &entry.id.kind);
    if !kinds.all(|kind| world.live.get(kind).is_some_and(|live| live.synced)) {
        return Gate::Later;
    }
    Gate::Open(Job {
        name: name.to_owned(),
        known: Arc::clone(known),
        applied: Arc::clone(applied),
    })
}

/// What is remembered of the job's deployment, unless another one has taken its place.
fn memory_of<'a>(world: &'a mut World, job: &Job) -> Option<&'a mut Memory> {
    let track = world.tracks.get_mut(&job.name)?;
    track.drift.is_of(&job.applied).then_some(&mut track.drift)
}

/// An event of an object with the mark of deployment `name`. `true`: there is nothing to do about it.
pub(crate) fn seen(agent: &Agent, name: &str, kind: &Kind, key: &ObjectKey, seen: &Seen) -> bool {
    let version = apiclient::Object::resource_version(seen);
    let found = agent.world(|world| {
        let track = world.tracks.get(name)?;
        let applied = track.applied.as_ref()?;
        let memory = Some(&track.drift).filter(|memory| memory.is_of(applied))?;
        let at = position(applied, kind, key)?;
        let checked = memory.objects.get(at)?.clone();
        Some((Arc::clone(applied), at, checked, memory.rules()))
    });
    let Some((applied, at, checked, rules)) = found else {
        return false;
    };
    let is_known = matches!(checked.state, State::InSync | State::Differs(_));
    if is_known && (*checked.version == *version || is_older(version, &checked.version)) {
        return true;
    }
    if crate::monitor::live::is_metadata_enough(kind) {
        return false;
    }
    let digest = check::content_digest(seen.object());
    let state = if is_known && digest == checked.digest {
        checked.state
    } else {
        let scalers = agent.world(|world| check::scalers(world, &applied));
        let packed = checked.deployed.as_ref();
        match packed.map(|packed| check::glance(packed, seen.object(), kind, &rules, &scalers)) {
            Some(true) => State::InSync,
            _ => return false,
        }
    };
    agent.world(|world| {
        let Some(track) = world.tracks.get_mut(name) else {
            return;
        };
        let memory = Some(&mut track.drift).filter(|memory| memory.is_of(&applied));
        if let Some(checked) = memory.and_then(|memory| memory.objects.get_mut(at)) {
            checked.state = state;
            checked.version = version.into();
            checked.digest = digest;
        }
    });
    true
}

/// Where an object is in the inventory.
fn position(applied: &Applied, kind: &Kind, key: &ObjectKey) -> Option<usize> {
    let wanted = (kind, key);
    applied
        .inventory
        .binary_search_by(|entry| (&*entry.id.kind, &entry.id.key).cmp(&wanted))
        .ok()
}
