//! `controller`: the hub's controllers against an API server.

mod parts;
mod upstream;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use hub::leader::Election;
use hub::telemetry::Endpoints;

pub(crate) use parts::{Part, run as run_part};

use super::election::ElectionTimes;
use super::{Listen, address, bind, duration, identity};

/// Run the hub's controllers
///
/// They watch the hub's API server, fetch git repositories and write Bundles and BundleDeployments,
/// which agents carry out. The CustomResourceDefinitions must be installed (`flotilla crds`).
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Kubeconfig of the hub; else KUBECONFIG, the default file or the pod's service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Where git mirrors are kept; used by one process at a time
    #[arg(long, value_name = "DIR", env = "FLOTILLA_GIT_CACHE")]
    git_cache: Option<PathBuf>,
    /// Let GitRepos name repositories on this machine's disk: everybody who may create a GitRepo can
    /// then read every repository that this process can
    #[arg(long)]
    allow_local_repositories: bool,
    /// Number of GitRepos synchronised at the same time; else GITREPO_RECONCILER_WORKERS, else 4
    #[arg(long, value_name = "N")]
    gitrepo_workers: Option<usize>,
    /// Number of objects of each other kind worked on at the same time; else KIND_RECONCILER_WORKERS for
    /// KIND of BUNDLE, BUNDLEDEPLOYMENT, CLUSTER and CLUSTERGROUP (which is all statuses), else 8
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// The system namespace: of the ConfigMap fleet-controller, and of the Leases by which several
    /// controllers agree on one that acts
    #[arg(
        long,
        value_name = "NAMESPACE",
        default_value = "cattle-fleet-system",
        env = "NAMESPACE"
    )]
    namespace: String,
    /// Act only while holding these Leases; `false` for a hub that has one controller for sure
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true",
        action = clap::ArgAction::Set
    )]
    leader_elect: bool,
    /// Work on the objects whose label fleet.cattle.io/shard-ref is ID; without it on those that have no
    /// such label
    #[arg(long, value_name = "ID", env = "FLEET_SHARD_ID", default_value = "", hide_default_value = true,
        value_parser = shard)]
    shard_id: String,
    /// Share the work with the other controllers of this shard that say so too, instead of waiting until
    /// they end: each works on its part of GitRepos, Bundles, Clusters and ClusterGroups
    #[arg(long, env = "FLOTILLA_AUTO_SHARD")]
    auto_shard: bool,
    #[command(flatten)]
    election: ElectionTimes,
    /// Where `/metrics` is served, such as `:8080`; `0` for nowhere. In a pod `:8080` unless it is said
    #[arg(long, value_name = "ADDRESS", value_parser = address, env = "FLEET_METRICS_BIND_ADDRESS")]
    metrics_bind_address: Option<Listen>,
    /// Where `/healthz` and `/readyz` are served; `0` for nowhere. In a pod `:8081` unless it is said
    #[arg(long, value_name = "ADDRESS", value_parser = address, env = "FLEET_HEALTHPROBE_BIND_ADDRESS")]
    health_probe_bind_address: Option<Listen>,
    /// How often agents report; one that is silent for three times as long is shown as offline. Without it
    /// agentCheckinInterval of the ConfigMap fleet-controller counts, else 15m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    agent_checkin_interval: Option<Duration>,
    /// Whether Schedules limit deployments to their windows; false leaves them without effect
    #[arg(long, value_name = "BOOL", env = "EXPERIMENTAL_SCHEDULES", default_value_t = true,
        action = clap::ArgAction::Set, value_parser = clap::builder::BoolishValueParser::new())]
    schedules: bool,
    /// Serve no metrics
    #[arg(long)]
    disable_metrics: bool,
    /// How long what runs may go on after a signal told the controller to stop
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = duration)]
    grace_period: Duration,
    #[command(flatten)]
    pub(crate) upstream: upstream::Flags,
}

/// What is both a label's value and part of a Lease's name.
fn shard(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_framed = text.starts_with('-') || text.ends_with('-');
    if text.len() > 63 || is_framed || !text.chars().all(is_plain) {
        return Err("must be at most 63 lower case letters, digits and dashes inside".to_owned());
    }
    Ok(text.to_owned())
}

impl Args {
    /// # Errors
    /// When the durations do not leave the leader time to renew.
    fn election(&self) -> anyhow::Result<Option<Election>> {
        if !self.leader_elect {
            if self.auto_shard {
                bail!("--auto-shard needs Leases, which --leader-elect=false does without");
            }
            return Ok(None);
        }
        let times = self.election.or([45, 30, 2])?;
        Ok(Some(Election {
            lease_duration: times.lease_duration,
            renew_deadline: times.renew_deadline,
            retry_period: times.retry_period,
            shard: self.shard_id.clone(),
            together: self.auto_shard,
            ..Election::new(self.namespace.clone(), identity())
        }))
    }
}

impl Args {
    fn endpoints(&self) -> Endpoints {
        let metrics = bind(self.metrics_bind_address, 8080);
        Endpoints {
            metrics: metrics.filter(|_| !self.disable_metrics),
            probes: bind(self.health_probe_bind_address, 8081),
        }
    }
}

impl Args {
    fn workers(&self) -> hub::Workers {
        let of = |variable| {
            self.workers
                .unwrap_or_else(|| upstream::workers(variable, 8))
        };
        let git_repos = || upstream::workers("GITREPO_RECONCILER_WORKERS", 4);
        hub::Workers {
            git_repos: self.gitrepo_workers.unwrap_or_else(git_repos),
            bundles: of("BUNDLE_RECONCILER_WORKERS"),
            deployments: of("BUNDLEDEPLOYMENT_RECONCILER_WORKERS"),
            clusters: of("CLUSTER_RECONCILER_WORKERS"),
            statuses: of("CLUSTERGROUP_RECONCILER_WORKERS"),
        }
    }
}

/// Runs the command until a signal ends it.
#[tokio::main]
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (election, agents) = (args.election()?, args.upstream.agents()?);
    let stop = super::stop_on_signal();
    let (kube, own) = apiclient::connect_and_tell(args.kubeconfig.as_deref()).await?;
    let cache = match &args.git_cache {
        Some(directory) => directory.clone(),
        None => std::env::temp_dir().join("flotilla-git"),
    };
    let mut options = hub::Options::new(cache);
    options.allow_local_repositories = args.allow_local_repositories;
    options.workers = args.workers();
    options.grace_period = args.grace_period;
    options.agent_checkin_interval = args.agent_checkin_interval;
    options.namespace.clone_from(&args.namespace);
    options.schedules = args.schedules;
    options.shard.clone_from(&args.shard_id);
    options.election = election;
    options.agents = agents;
    options.own = (!args.upstream.disable_bootstrap).then_some(own);
    options.endpoints = args.endpoints();
    Box::pin(hub::run(kube, options, stop))
        .await
        .context("run the controllers")?;
    Ok(ExitCode::SUCCESS)
}
