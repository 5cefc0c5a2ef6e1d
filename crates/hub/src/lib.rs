//! The hub's controllers, one directory per kind.
//!
//! ```text
//!   watches ──> index and roll-up ──> queues ──> controllers ──> API server
//!      ^                                                             │
//!      └─────────────────────────────────────────────────────────────┘
//! ```
//!
//! [`run`] watches all kinds into one in-memory world ([`world`]), waits until it is complete, and
//! starts the controllers. Each is a queue of keys and a `reconcile` that observes, plans (pure), acts
//! and reports. Statuses are computed from the roll-up and written apart from everything else
//! ([`status`]). All writes go through `apiclient`, which measures them.
//!
//! The hub talks to a downstream cluster only to bring an agent there (`cluster_agent`); else agents do, and
//! report in BundleDeployments.

pub mod agent_manifest;
mod bootstrap;
mod bundle;
mod bundle_deployment;
mod clean_up;
mod cluster;
mod cluster_agent;
mod cluster_registration;
mod cluster_registration_token;
mod config;
mod content;
mod events;
mod failure;
mod finalizers;
mod foreign;
mod git_repo;
mod in_flight;
mod index;
pub mod leader;
mod object_set;
pub mod registration;
mod sharding;
mod source;
mod start_up;
mod status;
pub mod telemetry;
mod watch;
mod world;

pub use sharding::owners::{Owner, Owners};

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use api::limits::Limits;
use apiclient::{Budgets, Client, Validity};
use futures::FutureExt as _;
use target::template::Templates;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use world::{State, World};

/// Name under which the hub writes fields.
pub const FIELD_MANAGER: &str = "fleetcontroller";

/// How the hub runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Byte budgets.
    pub limits: Limits,
    /// Where git mirrors are kept; used by one process at a time.
    pub git_cache: PathBuf,
    /// Whether GitRepos may name paths and `file://` URLs on the disk of this process.
    pub allow_local_repositories: bool,
    /// How often repositories are polled whose GitRepo does not say.
    pub polling_interval: Duration,
    /// How often agents report; one that is silent for three times as long is shown as offline. What the
    /// hub's ConfigMap says unless it is given here.
    pub agent_checkin_interval: Option<Duration>,
    /// The system namespace, where the hub's ConfigMap is.
    pub namespace: String,
    /// How many objects are worked on at the same time.
    pub workers: Workers,
    /// Whether Schedules count; if not, clusters are as without any.
    pub schedules: bool,
    /// The shard whose objects are worked on, by their label `fleet.cattle.io/shard-ref`; empty for the
    /// objects without this label.
    pub shard: String,
    /// How several hubs agree on one that acts, or on who acts on what; without it this one acts at once.
    pub election: Option<leader::Election>,
    /// How long what runs may go on after it is told to stop.
    pub grace_period: Duration,
    /// Where metrics and health are told.
    pub endpoints: telemetry::Endpoints,
    /// How agents are managed.
    pub agents: Agents,
    /// How this process reaches the hub; with it the hub becomes a cluster itself, if that is configured.
    pub own: Option<apiclient::Own>,
}

/// How agents are managed, apart from what the ConfigMap says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agents {
    /// Registration tokens without a time to live are deleted.
    pub token_ttl_required: bool,
    /// How agents run that the hub deploys.
    pub defaults: agent_manifest::Defaults,
}

impl Options {
    /// Defaults of production with this cache directory.
    pub fn new(git_cache: impl Into<PathBuf>) -> Self {
        Self {
            limits: Limits::PRODUCTION,
            git_cache: git_cache.into(),
            allow_local_repositories: false,
            polling_interval: Duration::from_secs(15),
            agent_checkin_interval: None,
            namespace: "cattle-fleet-system".to_owned(),
            workers: Workers::default(),
            schedules: true,
            shard: String::new(),
            election: None,
            grace_period: Duration::from_secs(20),
            endpoints: telemetry::Endpoints::default(),
            agents: Agents::default(),
            own: None,
        }
    }
}

impl Options {
    /// What events say of the process that they come from.
    fn instance(&self) -> String {
        let identity = self
            .election
            .as_ref()
            .map(|election| election.identity.clone());
        identity.unwrap_or_else(|| "flotilla".to_owned())
    }
}

/// Numbers of objects that are worked on at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    /// GitRepos being synchronised.
    pub git_repos: usize,
    /// Bundles.
    pub bundles: usize,
    /// BundleDeployments.
    pub deployments: usize,
    /// Clusters.
    pub clusters: usize,
    /// Statuses of Bundles, GitRepos, Clusters and ClusterGroups.
    pub statuses: usize,
}

impl Default for Workers {
    fn default() -> Self {
        Self {
            git_repos: 4,
            bundles: 8,
            deployments: 8,
            clusters: 8,
            statuses: 8,
        }
    }
}

/// The hub cannot start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The git cache cannot be used.
    #[error("open the git cache")]
    GitCache {
        /// Why.
        source: fetch::Error,
    },
    /// An address is taken or not ours.
    #[error(transparent)]
    Listen(#[from] ::telemetry::Listen),
    /// Another process leads, or the API server did not answer for too long. Start again.
    #[error("leadership is lost")]
    LeadershipLost,
}

/// What all controllers share.
pub(crate) struct Ctx {
    pub(crate) client: Client,
    pub(crate) world: World,
    pub(crate) templates: Templates,
    pub(crate) fetcher: fetch::Fetcher,
    pub(crate) limits: Limits,
    pub(crate) polling_interval: Duration,
    pub(crate) unused_contents: content::Unused,
    /// Clusters whose status waits for deployments on their way.
    pub(crate) clusters_held: in_flight::Held,
    pub(crate) progress: telemetry::Progress,
    agent_checkin_interval: Option<Duration>,
    pub(crate) namespace: String,
    pub(crate) agents: Agents,
    pub(crate) own: Option<apiclient::Own>,
    pub(crate) schedules: bool,
    pub(crate) contacts: status::contact::Contacts,
    pub(crate) gate: Arc<sharding::Gate>,
    pub(crate) source_watches: source::Watches,
    pub(crate) kubeconfigs: cluster_agent::kubeconfig::Kubeconfigs,
    pub(crate) events: Arc<events::Recorder>,
}

impl Ctx {
    /// How often agents report.
    pub(crate) fn agent_checkin_interval(&self) -> Duration {
        let configured = || {
            self.world
                .read(|state| state.config.config().checkin_interval())
        };
        self.agent_checkin_interval.unwrap_or_else(configured)
    }
}

/// The byte budgets of what the hub writes.
pub fn budgets(limits: &Limits) -> Budgets {
    let fleet = api::v1alpha1::GROUP;
    Budgets::new(limits.object_bytes_max)
        .with(fleet, "BundleDeployment", limits.deployment_bytes_max)
        .with(fleet, "Content", limits.chunk_bytes_max)
        // Values are the user's; what etcd takes, we take.
        .with("", "Secret", api::limits::ETCD_REQUEST_BYTES)
        .with("", "ConfigMap", api::limits::ETCD_REQUEST_BYTES)
}

/// Runs all controllers until `stop` is cancelled.
///
/// `kube` reaches the hub's API server with the rights of the controller. Returns after running
/// work has ended.
///
/// # Errors
/// What prevents the start, and lost leadership; other failures are retried and shown in statuses.
pub async fn run(
    kube: kube::Client,
    options: Options,
    stop: CancellationToken,
) -> Result<(), Error> {
    let client = Client::new(kube, FIELD_MANAGER, budgets(&options.limits));
    run_with(client, options, stop).await
}

/// Like [`run`], with a client whose counters the caller wants to read.
pub async fn run_with(
    client: Client,
    options: Options,
    stop: CancellationToken,
) -> Result<(), Error> {
    let mut fetching = fetch::Options::new(options.git_cache.clone());
    if options.allow_local_repositories {
        fetching.protocols.insert(fetch::Protocol::File);
    }
    let fetcher = fetch::Fetcher::new(fetching).map_err(|source| Error::GitCache { source })?;
    let gate = Arc::new(gate(&options));
    let (recorder, happenings) = events::Recorder::new();
    let ctx = Arc::new(Ctx {
        client,
        world: World::new(options.limits, Arc::clone(&gate)),
        templates: Templates::production(),
        fetcher,
        limits: options.limits,
        polling_interval: options.polling_interval,
        unused_contents: content::Unused::default(),
        clusters_held: in_flight::Held::default(),
        progress: telemetry::Progress::default(),
        agent_checkin_interval: options.agent_checkin_interval,
        namespace: options.namespace.clone(),
        agents: options.agents.clone(),
        own: options.own.clone(),
        schedules: options.schedules,
        contacts: status::contact::Contacts::default(),
        gate,
        source_watches: source::Watches::default(),
        kubeconfigs: cluster_agent::kubeconfig::Kubeconfigs::default(),
        events: Arc::new(recorder),
    });
    ctx.world.tell(&ctx.events);
    let whence = (options.shard.clone(), options.instance());
    let (mut watches, mut servers) = (JoinSet::new(), JoinSet::new());
    telemetry::start(&ctx, &options.endpoints, &mut servers).await?;
    servers.spawn(events::run(ctx.client.clone(), happenings, whence));
    let outcome = control(&ctx, &options, &stop, &mut watches).await;
    // Nothing that is left behind may hold the git cache.
    watches.shutdown().await;
    servers.shutdown().await;
    outcome
}

/// Learns what exists, waits for leadership, and runs the controllers.
async fn control(
    ctx: &Arc<Ctx>,
    options: &Options,
    stop: &CancellationToken,
    watches: &mut JoinSet<()>,
) -> Result<(), Error> {
    tokio::select! {
        () = watch::start(ctx, watches) => {}
        () = stop.cancelled() => return Ok(()),
    }
    ctx.progress.synced.store(true, Ordering::Relaxed);
    tracing::info!("all objects are known");
    let mut hold = Hold::default();
    tokio::select! {
        taken = hold.take(ctx, options) => taken?,
        () = stop.cancelled() => {
            hold.release().await;
            return Ok(());
        }
    }
    ctx.progress.leads.store(true, Ordering::Relaxed);
    ctx.world.read(State::tell_of_configuration);
    ctx.world.queues.start_up.add(());
    ctx.world.queues.bootstrap.add(());
    ctx.world.queues.clean_up.add(());
    let mut controllers = start_controllers(ctx, &options.workers);
    let lost = tokio::select! {
        () = stop.cancelled() => false,
        () = hold.keep(ctx) => true,
    };
    ctx.world.queues.close();
    let is_kept = !lost && finish(ctx, &mut hold, &mut controllers, options.grace_period).await;
    // Somebody else may act already, or soon will: what runs ends where it is.
    controllers.shutdown().await;
    if !is_kept {
        return Err(Error::LeadershipLost);
    }
    hold.release().await;
    Ok(())
}

/// Lets what runs end within the grace period, and keeps up its right to write; false when that is lost.
async fn finish(
    ctx: &Ctx,
    hold: &mut Hold,
    controllers: &mut JoinSet<()>,
    grace_period: Duration,
) -> bool {
    let ended = async { while controllers.join_next().await.is_some() {} };
    tokio::select! {
        () = hold.keep(ctx) => false,
        ended = tokio::time::timeout(grace_period, ended) => {
            if ended.is_err() {
                tracing::warn!("what still ran when the grace period ended is cut off");
            }
            true
        }
    }
}

/// What entitles this process to act. Without an election there is nothing to be had.
#[derive(Default)]
struct Hold {
    leadership: Option<leader::Leadership>,
    replica: Option<sharding::replicas::Replica>,
}

impl Hold {
    /// Waits until this process may act.
    async fn take(&mut self, ctx: &Ctx, options: &Options) -> Result<(), Error> {
        let Some(election) = &options.election else {
            return Ok(());
        };
        let acquired = leader::acquire(&ctx.client, election, &ctx.gate.leadership).await;
        let leadership = self.leadership.insert(acquired);
        if !election.together {
            return Ok(());
        }
        let settings = sharding::replicas::Settings::of(election);
        let replica =
            sharding::replicas::Replica::new(ctx.client.clone(), settings, Arc::clone(&ctx.gate));
        self.replica.insert(replica).join().await;
        // The last of the others may have given up the leadership before it saw us.
        leadership.confirm().await
    }

    /// Keeps it up; returns when it is lost.
    async fn keep(&mut self, ctx: &Ctx) {
        let leadership = async {
            match &mut self.leadership {
                Some(leadership) => leadership.keep().await,
                None => std::future::pending().await,
            }
        };
        let replica = async {
            match &mut self.replica {
                Some(replica) => replica.keep(&ctx.world).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = leadership => {}
            () = replica => {}
        }
    }

    /// Gives it up, so that others need not wait.
    async fn release(self) {
        let Self {
            leadership,
            mut replica,
        } = self;
        if let Some(replica) = &mut replica {
            replica.leave().await;
        }
        if let Some(leadership) = leadership {
            let replica = &replica;
            let is_shared = || {
                let shared = async move {
                    match replica {
                        Some(replica) => replica.has_peers().await,
                        None => false,
                    }
                };
                shared.boxed()
            };
            leadership.release(is_shared).await;
        }
    }
}

/// What this process may work on before it knows of any other.
fn gate(options: &Options) -> sharding::Gate {
    let right = |is_granted: bool| {
        if is_granted {
            Validity::default()
        } else {
            Validity::unlimited()
        }
    };
    let together = options.election.as_ref().is_some_and(|e| e.together);
    sharding::Gate::new(
        options.shard.clone(),
        right(options.election.is_some()),
        right(together),
    )
}

/// Starts a controller: its name, the kind of its keys, its queue, its workers and what they do.
macro_rules! start {
    ($ctx:ident, $tasks:ident: $name:literal, $kind:ident, $queue:ident * $workers:expr => $reconcile:path) => {
        let shared = Arc::clone($ctx);
        let work = move |key| {
            let (ctx, kind) = (Arc::clone(&shared), sharding::Kind::$kind);
            Box::pin(sharding::guard(ctx, kind, key, |ctx, key| {
                Box::pin($reconcile(ctx, key))
            }))
        };
        $tasks.spawn(workqueue::run(
            $name,
            $ctx.world.queues.$queue.clone(),
            $workers,
            work,
        ));
    };
}

fn start_controllers(ctx: &Arc<Ctx>, workers: &Workers) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let Workers {
        git_repos,
        bundles,
        deployments,
        clusters,
        statuses,
    } = *workers;
    start!(ctx, tasks: "gitrepo", GitRepo, git_repos * git_repos => git_repo::reconcile);
    start!(ctx, tasks: "bundle", Bundle, bundles * bundles => bundle::reconcile);
    start!(ctx, tasks: "bundledeployment", Deployment, deployments * deployments => bundle_deployment::reconcile);
    start!(ctx, tasks: "cluster", Cluster, clusters * clusters => cluster::reconcile);
    // It only reads, for the bundles of this process.
    let shared = Arc::clone(ctx);
    let work = move |key| Box::pin(source::reconcile(Arc::clone(&shared), key));
    let queue = ctx.world.queues.sources.clone();
    tasks.spawn(workqueue::run("source", queue, workers.bundles, work));
    start!(ctx, tasks: "schedule", Schedule, schedules * 1 => status::schedule::reconcile);
    start!(ctx, tasks: "content", Contents, contents * 1 => content::reconcile);
    start_registration(ctx, clusters, &mut tasks);
    start!(ctx, tasks: "status", Status, statuses * statuses => status::reconcile);
    tasks
}

/// Starts the controllers that have to do with agents.
fn start_registration(ctx: &Arc<Ctx>, clusters: usize, tasks: &mut JoinSet<()>) {
    start!(ctx, tasks: "startup", Contents, start_up * 1 => start_up::reconcile);
    start!(ctx, tasks: "bootstrap", Contents, bootstrap * 1 => bootstrap::reconcile);
    start!(ctx, tasks: "cleanup", Contents, clean_up * 1 => clean_up::reconcile);
    start!(ctx, tasks: "clusterregistrationtoken", Token, tokens * clusters => cluster_registration_token::reconcile);
    start!(ctx, tasks: "clusterregistration", Registration, registrations * clusters => cluster_registration::reconcile);
    start!(ctx, tasks: "clusteragent", Cluster, agents * cluster_agent::WORKERS => cluster_agent::reconcile);
}
