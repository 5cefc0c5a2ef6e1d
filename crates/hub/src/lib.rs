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
//! The hub never talks to a downstream cluster: agents do, and report in BundleDeployments.

mod bundle;
mod bundle_deployment;
mod cluster;
mod content;
mod failure;
mod finalizers;
mod git_repo;
mod in_flight;
mod index;
pub mod leader;
pub mod registration;
mod status;
pub mod telemetry;
mod watch;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use api::limits::Limits;
use apiclient::{Budgets, Client};
use target::template::Templates;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use world::World;

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
    /// How often agents report; one that is silent for three times as long is shown as offline.
    pub agent_checkin_interval: Duration,
    /// GitRepos synchronised at the same time.
    pub git_workers: usize,
    /// Keys of each other kind worked on at the same time.
    pub workers: usize,
    /// How several hubs agree on one that acts; without it this one acts at once.
    pub election: Option<leader::Election>,
    /// Where metrics and health are told.
    pub endpoints: telemetry::Endpoints,
}

impl Options {
    /// Defaults of production with this cache directory.
    pub fn new(git_cache: impl Into<PathBuf>) -> Self {
        Self {
            limits: Limits::PRODUCTION,
            git_cache: git_cache.into(),
            allow_local_repositories: false,
            polling_interval: Duration::from_secs(15),
            agent_checkin_interval: Duration::from_mins(15),
            git_workers: 4,
            workers: 8,
            election: None,
            endpoints: telemetry::Endpoints::default(),
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
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
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
    pub(crate) agent_checkin_interval: Duration,
    pub(crate) contacts: status::contact::Contacts,
}

/// The byte budgets of what the hub writes.
pub fn budgets(limits: &Limits) -> Budgets {
    let fleet = api::v1alpha1::GROUP;
    Budgets::new(limits.object_bytes_max)
        .with(fleet, "BundleDeployment", limits.deployment_bytes_max)
        .with(fleet, "Content", limits.chunk_bytes_max)
        // Values are the user's; what etcd takes, we take.
        .with("", "Secret", api::limits::ETCD_REQUEST_BYTES)
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
    let ctx = Arc::new(Ctx {
        client,
        world: World::new(options.limits),
        templates: Templates::production(),
        fetcher,
        limits: options.limits,
        polling_interval: options.polling_interval,
        unused_contents: content::Unused::default(),
        clusters_held: in_flight::Held::default(),
        progress: telemetry::Progress::default(),
        agent_checkin_interval: options.agent_checkin_interval,
        contacts: status::contact::Contacts::default(),
    });
    let (mut watches, mut servers) = (JoinSet::new(), JoinSet::new());
    telemetry::start(&ctx, &options.endpoints, &mut servers).await?;
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
    let mut leadership = match &options.election {
        None => None,
        Some(election) => tokio::select! {
            leadership = leader::acquire(&ctx.client, election) => Some(leadership),
            () = stop.cancelled() => return Ok(()),
        },
    };
    ctx.progress.leads.store(true, Ordering::Relaxed);
    let mut controllers = start_controllers(ctx, options.git_workers, options.workers);
    tokio::select! {
        () = stop.cancelled() => {}
        () = kept(&mut leadership) => {
            // Somebody else may act already: what runs ends where it is.
            controllers.shutdown().await;
            return Err(Error::LeadershipLost);
        }
    }
    ctx.world.queues.close();
    while controllers.join_next().await.is_some() {}
    if let Some(leadership) = leadership {
        leadership.release().await;
    }
    Ok(())
}

/// Returns when leadership is lost; never without an election.
async fn kept(leadership: &mut Option<leader::Leadership>) {
    match leadership {
        Some(leadership) => leadership.keep().await,
        None => std::future::pending().await,
    }
}

fn start_controllers(ctx: &Arc<Ctx>, git_workers: usize, workers: usize) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    macro_rules! start {
        ($name:literal, $queue:ident, $workers:expr, $reconcile:path) => {
            let shared = Arc::clone(ctx);
            let work = move |key| Box::pin($reconcile(Arc::clone(&shared), key));
            tasks.spawn(workqueue::run(
                $name,
                ctx.world.queues.$queue.clone(),
                $workers,
                work,
            ));
        };
    }
    start!("gitrepo", git_repos, git_workers, git_repo::reconcile);
    start!("bundle", bundles, workers, bundle::reconcile);
    start!(
        "bundledeployment",
        deployments,
        workers,
        bundle_deployment::reconcile
    );
    start!("cluster", clusters, workers, cluster::reconcile);
    start!("content", contents, 1, content::reconcile);
    start!("status", statuses, workers, status::reconcile);
    tasks
}
