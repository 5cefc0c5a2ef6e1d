//! Puts objects back as they were deployed.
//!
//! Applies what the release record has, by server-side apply, taking fields over from whoever changed
//! them. Writes no revision, so histories do not grow, and removes nothing that it does not put back.

use std::sync::Arc;
use std::time::Duration;

use api::v1alpha1::OverwrittenResource;
use apiclient::{Class, Client, DeleteOptions, ObjectMeta, Propagation};
use helm::{INSTALL_ORDER, kind_rank};
use tokio::time::Instant;

use super::memory::State;
use super::packed::Packed;
use super::{Job, check, memory_of};
use crate::agent::Agent;
use crate::apply;
use crate::identity;
use crate::object::{Desired, Id};
use crate::release::parse_release_id;
use crate::render::ownership::is_agent;

/// How long a deleted object may take to be gone before it is created again.
const GONE_TIMEOUT: Duration = Duration::from_secs(30);
const GONE_POLL: Duration = Duration::from_millis(200);
/// Kinds that hold what cannot be put back: they are never deleted to be created again.
const PRECIOUS: [&str; 4] = [
    "Namespace",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
];

/// Fields are taken over from whoever changed them. What cannot be changed is looked at here.
const FORCE: apply::Force = apply::Force {
    fields: true,
    recreate: false,
};

/// How a round of corrections ended.
#[derive(Default)]
pub(super) struct Corrected {
    /// When the next one is due, if something is still wrong.
    pub(super) next: Option<Instant>,
}

/// An object was not corrected.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// The server refused.
    #[error(transparent)]
    Apply(apply::Error),
    /// It would have to be deleted and created again.
    #[error(
        "{reason}; it would have to be deleted and created again, which correctDrift.force allows"
    )]
    NeedsForce { reason: String },
    /// It would have to be deleted, which is never done to its kind.
    #[error("{reason}; a {kind} is never deleted to correct it")]
    Precious { kind: String, reason: String },
    /// It was deleted to be created again, and is still there.
    #[error("{id} was deleted to be created again and is not gone after {} s", GONE_TIMEOUT.as_secs())]
    NotGone { id: Id },
    /// A request failed.
    #[error("replace {id}: {reason}")]
    Replace { id: Id, reason: String },
}

/// Corrects what is to be corrected now.
pub(super) async fn all(agent: &Arc<Agent>, job: &Job) -> Corrected {
    let spec = &job.known.object.spec;
    let drift = spec.correct_drift.clone().unwrap_or_default();
    let is_enabled = drift.enabled || is_agent(&job.name);
    let overwrites = &spec.options.overwrites;
    let (now_due, next) = agent.world(|world| wanted(world, job, is_enabled, overwrites));
    if is_agent(&job.name) {
        delete_extra(agent, job).await;
    }
    if now_due.is_empty() {
        return Corrected { next };
    }
    let account = &spec.options.service_account;
    let cluster = match identity::client(agent, account).await {
        Ok(cluster) => cluster,
        Err(error) => {
            let message = errors::chain(&error);
            for (at, _) in &now_due {
                refuse(agent, job, *at, &message);
            }
            return again(agent, job, is_enabled, overwrites);
        }
    };
    let mut done = Vec::new();
    for (at, desired) in now_due {
        let is_there = agent.world(|world| {
            let checked = memory_of(world, job)?.objects.get_mut(at)?;
            checked.corrected(Instant::now());
            Some(matches!(checked.state, State::Differs(_)))
        });
        let force = drift.force && is_there == Some(true);
        match correct(&cluster, &desired, is_there == Some(true), force).await {
            Ok(()) => done.push(at),
            Err(Error::Apply(error)) if is_enabled && is_homeless(agent, job, &error).await => {
                return redeploy(agent, job);
            }
            Err(error) => {
                let message = errors::chain(&error);
                tracing::warn!(
                    deployment = job.name,
                    error = message,
                    "cannot correct drift"
                );
                refuse(agent, job, at, &message);
            }
        }
    }
    let undone = verify(agent, job, &done).await;
    agent.options.telemetry.corrected(done.len(), undone);
    again(agent, job, is_enabled, overwrites)
}

/// When the next round is due.
fn again(
    agent: &Agent,
    job: &Job,
    is_enabled: bool,
    overwrites: &[OverwrittenResource],
) -> Corrected {
    let (_, next) = agent.world(|world| wanted(world, job, is_enabled, overwrites));
    Corrected { next }
}

/// What is wrong and may be corrected now, in the order of installation, and when the rest may be.
fn wanted(
    world: &mut crate::world::World,
    job: &Job,
    is_enabled: bool,
    overwrites: &[OverwrittenResource],
) -> (Vec<(usize, Desired)>, Option<Instant>) {
    let now = Instant::now();
    let (mut found, mut next) = (Vec::new(), None::<Instant>);
    let inventory = &job.applied.inventory;
    let Some(memory) = memory_of(world, job) else {
        return (found, next);
    };
    for (at, (entry, checked)) in inventory.iter().zip(&memory.objects).enumerate() {
        let is_wanted = match &checked.state {
            State::Differs(drift) => is_enabled && drift.can_be_corrected,
            State::Missing {
                exists: true,
                foreign: false,
            } => is_enabled,
            State::Missing { exists: false, .. } => {
                is_enabled || overwrites.iter().any(|it| is_overwritten(it, &entry.id))
            }
            _ => false,
        };
        if !is_wanted {
            continue;
        }
        let due = checked.may_be_corrected_at(now);
        if due > now {
            next = Some(next.map_or(due, |next| next.min(due)));
        } else if let Some(body) = checked.deployed.as_ref().and_then(Packed::unpack) {
            let (id, keep) = (entry.id.clone(), entry.keep);
            found.push((at, Desired { id, keep, body }));
            next = Some(now);
        }
    }
    let rank = |desired: &Desired| kind_rank(&INSTALL_ORDER, &desired.id.kind.kind).0;
    found.sort_by_key(|(_, desired)| rank(desired));
    (found, next)
}

/// Whether another bundle had the object, whose removal took it away. An entry without a namespace means
/// any.
fn is_overwritten(overwritten: &OverwrittenResource, id: &Id) -> bool {
    overwritten.kind == id.kind.kind
        && overwritten.name == id.key.name
        && (overwritten.namespace.is_empty() || overwritten.namespace == id.key.namespace)
}

/// Whether the namespace of the release is gone, and with it the records.
async fn is_homeless(agent: &Agent, job: &Job, error: &apply::Error) -> bool {
    if error.class() != Some(Class::NotFound) {
        return false;
    }
    let Some((release, _)) = parse_release_id(&job.applied.release) else {
        return false;
    };
    let found = apply::namespace::read(&agent.cluster, &release.namespace).await;
    matches!(found, Ok(None))
}

/// Has everything deployed again, as if nothing were known.
fn redeploy(agent: &Agent, job: &Job) -> Corrected {
    tracing::info!(
        deployment = job.name,
        "the namespace is gone, deploying again"
    );
    agent.track(&job.name, |track| {
        track.applied = None;
        track.outcome = None;
    });
    agent.deploys.add(job.name.clone());
    Corrected::default()
}

async fn correct(
    cluster: &Client,
    desired: &Desired,
    is_there: bool,
    force: bool,
) -> Result<(), Error> {
    let Err(error) = apply::apply(cluster, desired, FORCE).await else {
        tracing::info!(object = %desired.id, "drift corrected");
        return Ok(());
    };
    let reason = match &error {
        apply::Error::Immutable { id, reason } => format!("apply {id}: {reason}"),
        // The server's words for a change that leads nowhere, such as a second port of one name.
        apply::Error::Apply { reason, .. } if reason.contains(" is invalid: ") => error.to_string(),
        _ => return Err(Error::Apply(error)),
    };
    let kind = desired.id.kind.kind.to_string();
    if PRECIOUS.contains(&kind.as_str()) {
        return Err(Error::Precious { kind, reason });
    }
    if !is_there {
        return Err(Error::Apply(error));
    }
    if !force {
        return Err(Error::NeedsForce { reason });
    }
    replace(cluster, desired).await
}

/// Deletes an object and creates it as it was deployed.
async fn replace(cluster: &Client, desired: &Desired) -> Result<(), Error> {
    let id = &desired.id;
    let failed = |error: &apiclient::Error| Error::Replace {
        id: id.clone(),
        reason: apply::reason(error),
    };
    let there = cluster.get::<ObjectMeta>(&id.kind, &id.key).await;
    if let Some(there) = there.map_err(|error| failed(&error))? {
        let options = DeleteOptions {
            propagation: Propagation::Background,
            uid: there.metadata.uid,
            ..DeleteOptions::default()
        };
        let deleted = cluster.delete(&id.kind, &id.key, &options).await;
        deleted.map_err(|error| failed(&error))?;
    }
    let deadline = Instant::now() + GONE_TIMEOUT;
    loop {
        let there = cluster.get::<ObjectMeta>(&id.kind, &id.key).await;
        if there.map_err(|error| failed(&error))?.is_none() {
            break;
        }
        if Instant::now() >= deadline {
            return Err(Error::NotGone { id: id.clone() });
        }
        tokio::time::sleep(GONE_POLL).await;
    }
    tracing::info!(object = %id, "drift corrected by deleting the object and creating it again");
    apply::apply(cluster, desired, FORCE)
        .await
        .map_err(Error::Apply)
}

/// A correction was not made.
fn refuse(agent: &Agent, job: &Job, at: usize, message: &str) {
    agent.options.telemetry.correction_failed();
    remember(agent, job, at, message.to_owned());
}

fn remember(agent: &Agent, job: &Job, at: usize, message: String) {
    agent.world(|world| {
        if let Some(checked) = memory_of(world, job).and_then(|memory| memory.objects.get_mut(at)) {
            checked.not_corrected(Instant::now(), message);
        }
    });
}

/// Looks whether what was corrected is as it was deployed now; how much is not.
async fn verify(agent: &Arc<Agent>, job: &Job, done: &[usize]) -> usize {
    if let Err(error) = check::again(agent, job, done).await {
        let error = errors::chain(&error);
        tracing::warn!(deployment = job.name, error, "cannot verify a correction");
        return 0;
    }
    let mut undone = 0;
    for at in done {
        let id = &job.applied.inventory[*at].id;
        let is_wrong = agent.world(|world| {
            let checked = memory_of(world, job)?.objects.get(*at)?;
            matches!(checked.state, State::Differs(_)).then_some(())
        });
        if is_wrong.is_some() {
            let message = format!(
                "{id} does not stay as it was deployed: something changes it again at once; name the field in diff.comparePatches if that is intended"
            );
            remember(agent, job, *at, message);
            undone += 1;
        }
    }
    undone
}

/// What an earlier version of the agent left behind goes.
async fn delete_extra(agent: &Arc<Agent>, job: &Job) {
    let extra = agent.world(|world| {
        let ids = memory_of(world, job).map(|memory| memory.extra.clone());
        let uid = |id: Id| {
            let live = world.live.get(&id.kind)?.objects.get(&id.key)?;
            (*live.hash == *job.applied.hash).then(|| (id, live.uid.to_string()))
        };
        let ids = ids.unwrap_or_default().into_iter();
        ids.filter_map(uid).collect::<Vec<_>>()
    });
    for (id, uid) in extra {
        let options = DeleteOptions {
            uid,
            ..DeleteOptions::default()
        };
        if let Err(error) = agent.cluster.delete(&id.kind, &id.key, &options).await {
            let error = errors::chain(&error);
            tracing::warn!(deployment = job.name, object = %id, error, "cannot delete what is left over");
        }
    }
}
