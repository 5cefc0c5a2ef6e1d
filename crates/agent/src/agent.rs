//! One agent: its options, its tasks, what they share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::limits::Limits;
use api::v1alpha1::BundleDeployment;
use apiclient::{Budgets, Client, Event, Kind, ObjectKey, Selector, Watch};
use tokio::sync::{Notify, OnceCell, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use workqueue::{Backoff, Next, Place, Queue};

use crate::contact::Contact;
use crate::deployment::{self, Outcome, garbage};
use crate::drift;
use crate::kinds;
use crate::monitor::Monitors;
use crate::release::seal;
use crate::room;
use crate::shared::Shared;
use crate::sources;
use crate::telemetry::{Run, Telemetry};
use crate::world::{Known, Track, Wake, World};
use crate::{DEPLOY_FIELD_MANAGER, FIELD_MANAGER, heartbeat, report};

/// Back-off of deployments that failed: from a second to five minutes. Each try renders anew.
const DEPLOY_BACKOFF: Backoff = Backoff {
    base: Duration::from_secs(1),
    max: Duration::from_mins(5),
};

/// Back-off of comparisons that failed.
const DRIFT_BACKOFF: Backoff = Backoff {
    base: Duration::from_secs(1),
    max: Duration::from_mins(1),
};

/// How an agent runs.
#[derive(Clone)]
pub struct Options {
    /// Reaches the hub with the rights of this cluster's agent.
    pub hub: kube::Client,
    /// Reaches the cluster that is deployed to.
    pub downstream: kube::Client,
    /// The Cluster on the hub.
    pub cluster: ObjectKey,
    /// Namespace of the cluster's BundleDeployments on the hub.
    pub deployment_namespace: String,
    /// Namespace of the agent on the downstream cluster; part of the identity of its releases.
    pub agent_namespace: String,
    /// Tells agents apart that share a cluster; usually empty.
    pub agent_scope: String,
    /// Time between two reports that the agent is alive.
    pub checkin_interval: Duration,
    /// Time between two searches for releases that no BundleDeployment wants.
    pub garbage_interval: Duration,
    /// Deployments worked on at the same time, without those that wait for hooks or readiness.
    pub workers: usize,
    /// Byte budgets.
    pub limits: Limits,
    /// Shared with the other agents of the process.
    pub shared: Arc<Shared>,
    /// What is known of the contact with the hub.
    pub contact: Arc<Contact>,
    /// What is counted for metrics.
    pub telemetry: Arc<Telemetry>,
}

impl Options {
    /// Defaults of production.
    pub fn new(
        hub: kube::Client,
        downstream: kube::Client,
        cluster: ObjectKey,
        deployment_namespace: impl Into<String>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            hub,
            downstream,
            cluster,
            deployment_namespace: deployment_namespace.into(),
            agent_namespace: "cattle-fleet-system".to_owned(),
            agent_scope: String::new(),
            checkin_interval: Duration::from_mins(15),
            garbage_interval: Duration::from_mins(15),
            workers: 8,
            limits: Limits::PRODUCTION,
            shared,
            contact: Arc::default(),
            telemetry: Arc::default(),
        }
    }
}

/// What the tasks of an agent share.
pub(crate) struct Agent {
    pub(crate) hub: Client,
    pub(crate) cluster: Client,
    pub(crate) options: Options,
    pub(crate) shared: Arc<Shared>,
    /// BundleDeployments to work on, by name.
    pub(crate) deploys: Queue<String>,
    /// Deployments whose objects have to be compared with what was deployed, by name.
    pub(crate) drifts: Queue<String>,
    /// Statuses to write, by name.
    pub(crate) reports: Queue<String>,
    pub(crate) kinds: kinds::Cache,
    pub(crate) monitors: Monitors,
    pub(crate) sources: sources::Watches,
    /// A live object of some deployment has changed.
    pub(crate) changed: Notify,
    /// The hub did not answer.
    pub(crate) unanswered: Notify,
    /// What records are sealed with.
    seal: OnceCell<seal::Key>,
    world: Mutex<World>,
}

impl Agent {
    pub(crate) fn new(options: Options) -> Arc<Self> {
        let fleet = api::v1alpha1::GROUP;
        let limits = &options.limits;
        let hub = Budgets::new(limits.object_bytes_max).with(
            fleet,
            "BundleDeployment",
            limits.deployment_bytes_max,
        );
        let troubled = Arc::clone(&options.contact.troubled);
        let hub = Client::telling(options.hub.clone(), FIELD_MANAGER, hub, troubled);
        let cluster = Client::new(
            options.downstream.clone(),
            DEPLOY_FIELD_MANAGER,
            Budgets::default(),
        );
        options.contact.follow(vec![hub.clone(), cluster.clone()]);
        let agent = Arc::new(Self {
            hub,
            cluster,
            shared: Arc::clone(&options.shared),
            options,
            deploys: Queue::new(DEPLOY_BACKOFF),
            drifts: Queue::new(DRIFT_BACKOFF),
            reports: Queue::default(),
            kinds: kinds::Cache::default(),
            monitors: Monitors::default(),
            sources: sources::Watches::default(),
            changed: Notify::new(),
            unanswered: Notify::new(),
            seal: OnceCell::new(),
            world: Mutex::default(),
        });
        agent.options.telemetry.follow(&agent);
        agent
    }

    /// What records are sealed with; `None` when there is no key, and then no record is known to be ours.
    pub(crate) async fn seal(&self) -> Option<&seal::Key> {
        let namespace = &self.options.agent_namespace;
        // A person deploys for no agent.
        if namespace.is_empty() {
            return None;
        }
        let key = self
            .seal
            .get_or_try_init(|| seal::Key::obtain(&self.cluster, namespace));
        key.await
            .inspect_err(|error| {
                let error = errors::chain(error);
                tracing::warn!(namespace, error, "release records cannot be sealed");
            })
            .ok()
    }

    /// Reads or changes what is known. Short: everything waits for it.
    pub(crate) fn world<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        work(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The hub answers again: what failed while it did not is not left to wait for the end of its back-off.
    pub(crate) fn hub_is_back(&self) {
        let (failed, all) = self.world(|world| {
            let is_failed = |track: &&Track| matches!(track.outcome, Some(Outcome::Failed { .. }));
            let failed = world.tracks.iter().filter(|(_, track)| is_failed(track));
            let failed: Vec<String> = failed.map(|(name, _)| name.clone()).collect();
            (failed, world.tracks.keys().cloned().collect::<Vec<_>>())
        });
        for name in failed {
            self.deploys.add(name);
        }
        for name in all {
            self.reports.add(name);
        }
    }

    /// Reads or changes what is remembered of one deployment.
    pub(crate) fn track<T>(&self, name: &str, work: impl FnOnce(&mut Track) -> T) -> T {
        self.world(|world| work(world.tracks.entry(name.to_owned()).or_default()))
    }
}

/// A part of the agent has ended, which only a defect of this program does. Start again.
#[derive(Debug, thiserror::Error)]
#[error("a part of the agent of cluster {cluster} has ended because of a defect in this program")]
pub struct Ended {
    cluster: ObjectKey,
}

impl Ended {
    pub(crate) fn of(cluster: &ObjectKey) -> Self {
        Self {
            cluster: cluster.clone(),
        }
    }
}

/// Runs an agent until `stop` is cancelled. What fails is tried again.
///
/// Work that is under way is dropped where it stands, which is what a killed process does too: the next
/// start goes on from the release records.
pub async fn run(options: Options, stop: CancellationToken) {
    if let Err(error) = run_or_end(options, stop).await {
        tracing::error!(%error, "the agent has ended");
    }
}

/// Like [`run`]; an agent that can go on no more ends instead of doing half of its work.
///
/// # Errors
/// When a part of it has ended.
pub async fn run_or_end(options: Options, stop: CancellationToken) -> Result<(), Ended> {
    let agent = Agent::new(options);
    let mut tasks = JoinSet::new();
    tasks.spawn(heartbeat::run(Arc::clone(&agent)));
    let (synced, all_known) = oneshot::channel();
    tasks.spawn(follow(Arc::clone(&agent), synced));
    let starting = Arc::clone(&agent);
    tasks.spawn(async move {
        // Before everything is known, what is not known yet would look as if it did not exist.
        if all_known.await.is_ok() {
            work(starting).await;
        }
    });
    let is_stopped = tokio::select! {
        () = stop.cancelled() => true,
        _ = tasks.join_next() => false,
    };
    tasks.shutdown().await;
    agent.deploys.close();
    agent.drifts.close();
    agent.reports.close();
    if is_stopped {
        return Ok(());
    }
    Err(Ended::of(&agent.options.cluster))
}

async fn work(agent: Arc<Agent>) {
    let deploys = {
        let shared = Arc::clone(&agent);
        let work = move |name, place| {
            let run = Box::pin(deploy(Arc::clone(&shared), name, place));
            timed(&shared, Run::Deployment, run)
        };
        workqueue::run_in_places(
            "deployment",
            agent.deploys.clone(),
            agent.options.workers,
            work,
        )
    };
    let drifts = {
        let shared = Arc::clone(&agent);
        let work = move |name| {
            let run = Box::pin(drift::run(Arc::clone(&shared), name));
            timed(&shared, Run::Drift, run)
        };
        workqueue::run("drift", agent.drifts.clone(), agent.options.workers, work)
    };
    let reports = {
        let shared = Arc::clone(&agent);
        let work = move |name| {
            let run = Box::pin(report::run(Arc::clone(&shared), name));
            timed(&shared, Run::Report, run)
        };
        workqueue::run("report", agent.reports.clone(), 1, work)
    };
    let interval = agent.options.garbage_interval;
    tokio::join!(deploys, drifts, reports, garbage::run(agent, interval));
}

fn timed<F: Future<Output = Next>>(
    agent: &Agent,
    run: Run,
    work: F,
) -> impl Future<Output = Next> + use<F> {
    let telemetry = Arc::clone(&agent.options.telemetry);
    async move { telemetry.timed(run, work).await }
}

/// One run for a deployment, while nobody corrects its objects.
async fn deploy(agent: Arc<Agent>, name: String, place: Place) -> Next {
    let turn = agent.track(&name, |track| Arc::clone(&track.turn));
    let _turn = turn.lock().await;
    let run = Box::pin(deployment::reconcile(Arc::clone(&agent), name.clone()));
    let next = room::occupied(place, Arc::clone(&agent.shared), run).await;
    agent.drifts.add_after(name, drift::SETTLE);
    next
}

/// From the hub's watch to the world.
async fn follow(agent: Arc<Agent>, synced: oneshot::Sender<()>) {
    let selector = Selector::namespace(agent.options.deployment_namespace.clone());
    let mut watch: Watch<Known> = agent.hub.watch(&Kind::of::<BundleDeployment>(), selector);
    let mut synced = Some(synced);
    while let Some(event) = watch.next().await {
        match event {
            Event::Applied(known) => {
                let name = known.name().to_owned();
                let Wake {
                    deployments,
                    report,
                } = agent.world(|world| world.applied(known));
                for name in deployments {
                    agent.deploys.add(name);
                }
                if report {
                    agent.reports.add(name);
                }
            }
            Event::Deleted(key) => {
                let Wake { deployments, .. } = agent.world(|world| world.deleted(&key.name));
                for name in deployments {
                    agent.deploys.add(name);
                }
            }
            Event::Synced => {
                agent.options.contact.synced();
                if let Some(synced) = synced.take() {
                    // The receiver goes only with the agent.
                    let _ = synced.send(());
                }
            }
            Event::NotServed => {}
        }
    }
}
