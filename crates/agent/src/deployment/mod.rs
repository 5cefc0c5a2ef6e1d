//! Brings one BundleDeployment onto the cluster, and takes it away when it is gone.
//!
//! * **Object**: BundleDeployment.
//! * **Reads**: the agent's world; on the hub its values Secret and its Contents; on the cluster the
//!   release records, namespaces, what `valuesFrom` names, kinds.
//! * **Writes**: on the cluster CustomResourceDefinitions, the release namespace, hooks, objects,
//!   release records. Its own status is written by [`crate::report`].
//! * **Woken by**: changes of its spec or metadata, its disappearance, a changed state of a deployment
//!   while it waits for others, garbage found on the cluster.

pub(crate) mod act;
mod claims;
mod copies;
mod dependencies;
pub(crate) mod error;
pub(crate) mod garbage;
mod namespace;
mod plan;
mod policy;
pub(crate) mod preview;
mod ready;
mod record;
mod restore;
mod rollback;
pub(crate) mod uninstall;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use workqueue::Next;

use crate::agent::Agent;
use crate::failure::Class;
use crate::monitor::{self, View};
use crate::sources;
use crate::world::{Known, Sources, Track, World};
use plan::Step;
use uninstall::{Left, Why};

/// How long a deployment waits for others at most before it looks again.
const DEPENDENCY_POLL: Duration = Duration::from_secs(15);
/// How long a namespace is left alone that the deployment may not label. Source: agent.md 5, step 6.
const DESCRIBE_RETRY: Duration = Duration::from_mins(2);
/// How often a deployment is looked at whose healthy objects something waits for.
const HEALTH_POLL: Duration = Duration::from_secs(2);
/// How long a failure is left alone that will be the same until somebody changes something.
const STUBBORN_RETRY: Duration = Duration::from_mins(5);

/// How a run ended, as far as the status is concerned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// It is on the cluster.
    Deployed,
    /// It is on the cluster, in a namespace that its account may not label; tried again.
    Undescribed { message: String },
    /// It is not; tried again.
    Failed { message: String },
    /// It is not, and trying again does not help: counts as applied.
    GivenUp {
        deployment_id: String,
        message: String,
    },
}

/// One run for the BundleDeployment `name`.
pub(crate) async fn reconcile(agent: Arc<Agent>, name: String) -> Next {
    let observed = agent.world(|world| {
        let known = world.deployments.get(&name).cloned()?;
        world.tracks.entry(name.clone()).or_default();
        let step = plan::plan(
            &known,
            world.tracks.get(&name),
            &world.sources,
            world.deployments.values(),
        );
        if matches!(step, Step::Wait { .. }) {
            world.waiting.insert(name.clone());
        } else {
            world.waiting.remove(&name);
        }
        Some((known, step))
    });
    sources::sync(&agent);
    let Some((known, step)) = observed else {
        return vanished(&agent, &name).await;
    };
    match step {
        Step::Pause => {
            agent.track(&name, |track| track.outcome = None);
            Next::Done
        }
        Step::Nothing => Next::Done,
        Step::Wait { message } => {
            end(&agent, &name, Outcome::Failed { message });
            Next::After(DEPENDENCY_POLL)
        }
        Step::Refuse { message } => {
            let message = format!("cluster {}: {message}", agent.options.cluster);
            end(&agent, &name, Outcome::Failed { message });
            Next::Done
        }
        Step::Monitor => {
            let rules = known.rules();
            if agent.track(&name, |track| std::mem::replace(&mut track.rules, rules)) != rules {
                monitor::sync(&agent);
            }
            end(&agent, &name, Outcome::Deployed);
            tidy(&agent, &name).await
        }
        Step::Describe => arrived(&agent, &name, &known).await,
        Step::Restore { release, revision } => {
            match restore::restore(&agent, &known, &release, revision).await {
                Ok(true) => arrived(&agent, &name, &known).await,
                Ok(false) => deploy(&agent, &name, &known, false).await,
                Err(error) => failed(&agent, &name, &known, &error),
            }
        }
        Step::Deploy => deploy(&agent, &name, &known, false).await,
        Step::Renew => deploy(&agent, &name, &known, true).await,
        Step::Reread => match act::are_values_new(&agent, &known).await {
            Ok(false) => Next::Done,
            // What is wrong with them is said where they are used.
            Ok(true) | Err(_) => deploy(&agent, &name, &known, true).await,
        },
    }
}

async fn deploy(agent: &Arc<Agent>, name: &str, known: &Arc<Known>, is_forced: bool) -> Next {
    let before = agent.track(name, |track| {
        // What is reported now would be neither the old nor the new.
        track.outcome = None;
        track.applied.clone()
    });
    match act::deploy(agent, known, before, is_forced).await {
        Ok(()) => {
            let generation = known.object.spec.downstream_resources_generation;
            agent.track(name, |track| rendered_with(track, generation));
            tracing::info!(deployment = name, cluster = %agent.options.cluster, "deployed");
            arrived(agent, name, known).await
        }
        Err(error) => {
            monitor::sync(agent);
            failed(agent, name, known, &error)
        }
    }
}

/// The deployment is on the cluster: its namespace gets its labels, and what is no longer wanted goes.
async fn arrived(agent: &Arc<Agent>, name: &str, known: &Arc<Known>) -> Next {
    match act::describe(agent, known).await {
        Ok(()) => {
            end(agent, name, Outcome::Deployed);
            tidy(agent, name).await
        }
        Err(error) => {
            let cluster = &agent.options.cluster;
            let text = errors::chain(&error);
            tracing::warn!(deployment = name, %cluster, error = text, "the namespace has no labels");
            let message = format!("cluster {cluster}: {text}");
            if error.is_undescribed() {
                end(agent, name, Outcome::Undescribed { message });
                return Next::After(DESCRIBE_RETRY);
            }
            end(agent, name, Outcome::Failed { message });
            Next::Retry
        }
    }
}

/// Notes what the attempt that has just ended was made with.
fn rendered_with(track: &mut Track, copied: i64) {
    track.copied = Some(copied);
    // What was found complete was not read.
    if track.reading != Sources::default() {
        track.sources = std::mem::take(&mut track.reading);
    }
}

/// Records the outcome and has it reported.
fn end(agent: &Agent, name: &str, outcome: Outcome) {
    agent.track(name, |track| track.outcome = Some(outcome));
    agent.reports.add_after(name.to_owned(), monitor::SETTLE);
}

fn failed(agent: &Agent, name: &str, known: &Known, error: &error::Error) -> Next {
    let cluster = &agent.options.cluster;
    let text = errors::chain(error);
    let class = error.failure(&text);
    tracing::warn!(deployment = name, %cluster, error = text, ?class, "deployment failed");
    let message = format!("cluster {cluster}: {text}");
    let deployment_id = known.object.spec.deployment_id.clone();
    if error.is_claimed() {
        // Whatever the other one becomes is a reason to look again.
        agent.world(|world| world.waiting.insert(name.to_owned()));
    }
    if class == Class::Permanent {
        let generation = known.object.spec.downstream_resources_generation;
        agent.track(name, |track| rendered_with(track, generation));
    }
    let outcome = match class {
        Class::Permanent => Outcome::GivenUp {
            deployment_id,
            message,
        },
        Class::Transient | Class::Stubborn => Outcome::Failed { message },
    };
    end(agent, name, outcome);
    match class {
        Class::Transient => Next::Retry,
        Class::Stubborn => Next::After(STUBBORN_RETRY),
        Class::Permanent => Next::Done,
    }
}

/// The BundleDeployment is gone: so are its releases.
async fn vanished(agent: &Arc<Agent>, name: &str) -> Next {
    let gone = match uninstall::all_of(agent, name).await {
        Ok(Left::Nothing) => copies::prune(agent, name, None)
            .await
            .map_err(|e| errors::chain(&e)),
        Ok(Left::Objects) => Ok(()),
        Err(error) => Err(errors::chain(&error)),
    };
    match gone {
        Ok(()) => {
            let waiting = agent.world(|world| {
                world.tracks.remove(name);
                world.stale.remove(name);
                world.owners.retain(|_, owner| owner != name);
                // Its own end is nothing that it waits for.
                world.waiting.remove(name);
                world.waiting.clone()
            });
            monitor::sync(agent);
            // What it had is free now.
            for other in waiting {
                agent.deploys.add(other);
            }
            Next::Done
        }
        Err(error) => {
            tracing::warn!(deployment = name, error, "uninstall failed, trying again");
            Next::Retry
        }
    }
}

/// Removes copies that the deployment does not name any more, and releases that it had under another name, once
/// what it has under the new one is healthy.
async fn tidy(agent: &Arc<Agent>, name: &str) -> Next {
    if let Err(error) = prune(agent, name).await {
        let error = errors::chain(&error);
        tracing::warn!(
            deployment = name,
            error,
            "removing copies failed, trying again"
        );
        return Next::Retry;
    }
    let (stale, is_healthy) = agent.world(|world| {
        let stale = world.stale.get(name).cloned().unwrap_or_default();
        (stale, is_healthy(world, name))
    });
    if !stale.is_empty() && !is_healthy {
        return Next::After(HEALTH_POLL);
    }
    for release in stale {
        if let Err(error) = uninstall::release(agent, &release, name, Why::Replaced).await {
            let error = errors::chain(&error);
            tracing::warn!(deployment = name, %release, error, "uninstall failed, trying again");
            return Next::Retry;
        }
        agent.world(|world| {
            if let Some(stale) = world.stale.get_mut(name) {
                stale.remove(&release);
            }
        });
    }
    Next::Done
}

/// Whether all objects of a deployment are there and ready, as far as the watches have seen.
fn is_healthy(world: &World, name: &str) -> bool {
    let applied = world.tracks.get(name).and_then(|it| it.applied.as_ref());
    applied.is_some_and(|applied| {
        let view = monitor::view(world, applied, Instant::now());
        matches!(view, View::Known(tally) if tally.non_ready.is_empty() && tally.missing.is_empty())
    })
}

/// Only a deployment that ever took something along can have copies to remove, and only after its options, and so
/// its id, have changed.
async fn prune(agent: &Arc<Agent>, name: &str) -> Result<(), copies::Error> {
    let known = agent.world(|world| world.deployments.get(name).cloned());
    let Some(known) = known else {
        return Ok(());
    };
    let spec = &known.object.spec;
    let is_pruned = agent.track(name, |track| {
        track.pruned.as_deref() == Some(spec.deployment_id.as_str())
    });
    if spec.downstream_resources_generation == 0 || is_pruned {
        return Ok(());
    }
    let release = crate::release::release_of(&known.object);
    let named = api::copies::named(&spec.options).unwrap_or_default();
    copies::prune(agent, name, Some((&release.namespace, named))).await?;
    agent.track(name, |track| {
        track.pruned = Some(spec.deployment_id.clone());
    });
    Ok(())
}
