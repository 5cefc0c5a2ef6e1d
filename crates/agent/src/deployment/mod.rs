//! Brings one BundleDeployment onto the cluster, and takes it away when it is gone.
//!
//! * **Object**: BundleDeployment.
//! * **Reads**: the agent's world; on the hub its values Secret and its Contents; on the cluster the
//!   release records, namespaces, what `valuesFrom` names, kinds.
//! * **Writes**: on the cluster CustomResourceDefinitions, the release namespace, hooks, objects,
//!   release records. Its own status is written by [`crate::report`].
//! * **Woken by**: changes of its spec or metadata, its disappearance, a changed state of a deployment
//!   while it waits for others, garbage found on the cluster.

mod act;
mod dependencies;
mod error;
pub(crate) mod garbage;
mod plan;
mod policy;
mod restore;
mod uninstall;

use std::sync::Arc;
use std::time::Duration;

use workqueue::Next;

use crate::agent::Agent;
use crate::failure::Class;
use crate::monitor;
use crate::world::Known;
use plan::Step;

/// How long a deployment waits for others at most before it looks again.
const DEPENDENCY_POLL: Duration = Duration::from_secs(15);
/// How long a failure is left alone that will be the same until somebody changes something.
const STUBBORN_RETRY: Duration = Duration::from_mins(5);

/// How a run ended, as far as the status is concerned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// It is on the cluster.
    Deployed,
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
        let step = plan::plan(&known, world.tracks.get(&name), world.deployments.values());
        if matches!(step, Step::Wait { .. }) {
            world.waiting.insert(name.clone());
        } else {
            world.waiting.remove(&name);
        }
        Some((known, step))
    });
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
            end(&agent, &name, Outcome::Deployed);
            tidy(&agent, &name).await
        }
        Step::Restore { release, revision } => {
            match restore::restore(&agent, &known, &release, revision).await {
                Ok(true) => {
                    end(&agent, &name, Outcome::Deployed);
                    tidy(&agent, &name).await
                }
                Ok(false) => deploy(&agent, &name, &known).await,
                Err(error) => failed(&agent, &name, &known, &error),
            }
        }
        Step::Deploy => deploy(&agent, &name, &known).await,
    }
}

async fn deploy(agent: &Arc<Agent>, name: &str, known: &Arc<Known>) -> Next {
    let before = agent.track(name, |track| {
        // What is reported now would be neither the old nor the new.
        track.outcome = None;
        track.applied.clone()
    });
    match act::deploy(agent, known, before).await {
        Ok(()) => {
            tracing::info!(deployment = name, cluster = %agent.options.cluster, "deployed");
            end(agent, name, Outcome::Deployed);
            tidy(agent, name).await
        }
        Err(error) => {
            monitor::sync(agent);
            failed(agent, name, known, &error)
        }
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
    match uninstall::all_of(agent, name).await {
        Ok(()) => {
            agent.world(|world| {
                world.tracks.remove(name);
                world.stale.remove(name);
                world.owners.retain(|_, owner| owner != name);
            });
            monitor::sync(agent);
            Next::Done
        }
        Err(error) => {
            let error = errors::chain(&error);
            tracing::warn!(deployment = name, error, "uninstall failed, trying again");
            Next::Retry
        }
    }
}

/// Removes releases that the deployment had under another name, now that it has its new one.
async fn tidy(agent: &Arc<Agent>, name: &str) -> Next {
    let stale = agent
        .world(|world| world.stale.get(name).cloned())
        .unwrap_or_default();
    for release in stale {
        if let Err(error) = uninstall::release(agent, &release, name).await {
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
