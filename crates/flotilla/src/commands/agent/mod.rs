//! `agent`: deploys to one downstream cluster.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use agent::service::{Election, Pace, Settings};
use anyhow::{Context as _, bail};
use api::limits::Limits;
use apiclient::ObjectKey;

use super::{Listen, address, bind, identity, logging};
use crate::commands::election::ElectionTimes;

/// What agents take where nothing is given.
const NAMESPACE: &str = "cattle-fleet-system";

/// Run the agent of one cluster
///
/// It watches the BundleDeployments of its cluster namespace on the hub, deploys them to the
/// downstream cluster as Helm releases and reports their state. How it reaches the hub it finds in
/// Secret fleet-agent of its namespace; it gets that credential by the right in Secret
/// fleet-agent-bootstrap, and another one when the hub refuses it. With --hub-kubeconfig it is told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Kubeconfig for the hub with the agent's own credential, in place of registration
    #[arg(long, value_name = "FILE", requires_all = ["cluster_name", "deployment_namespace"])]
    hub_kubeconfig: Option<PathBuf>,
    /// Kubeconfig of the downstream cluster; else KUBECONFIG, the default file or the pod's service
    /// account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Namespace of the Cluster on the hub
    #[arg(
        long,
        value_name = "NAMESPACE",
        default_value = "fleet-default",
        requires = "hub_kubeconfig"
    )]
    cluster_namespace: String,
    /// Name of the Cluster on the hub
    #[arg(long, value_name = "NAME", requires = "hub_kubeconfig")]
    cluster_name: Option<String>,
    /// Namespace of the cluster's BundleDeployments on the hub (the Cluster's status.namespace)
    #[arg(long, value_name = "NAMESPACE", requires = "hub_kubeconfig")]
    deployment_namespace: Option<String>,
    /// Namespace of the agent on the downstream cluster; without registration cattle-fleet-system
    #[arg(long, value_name = "NAMESPACE", env = "NAMESPACE")]
    namespace: Option<String>,
    /// Tells agents apart that share a cluster
    #[arg(long, value_name = "SUFFIX", env = "AGENT_SCOPE", default_value = "")]
    agent_scope: String,
    /// Time between heartbeats; nothing and 0 mean 15m
    #[arg(long, value_name = "DURATION", env = "CHECKIN_INTERVAL", value_parser = interval)]
    checkin_interval: Option<Interval>,
    /// The same in seconds
    #[arg(long, value_name = "SECONDS")]
    checkin_interval_secs: Option<u64>,
    /// Wait while another process holds the Lease fleet-agent; true unless --hub-kubeconfig is given
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    leader_elect: Option<bool>,
    #[command(flatten)]
    election: ElectionTimes,
    /// Where `/healthz` and `/readyz` are served; `0` for nowhere. In a pod `:8081` unless it is said
    #[arg(long, value_name = "ADDRESS", value_parser = address, env = "FLEET_AGENT_PROBE_BIND_ADDRESS")]
    health_probe_bind_address: Option<Listen>,
    /// Where `/metrics` is served; `0` for nowhere. In a pod `:8080` unless it is said
    #[arg(long, value_name = "ADDRESS", value_parser = address, env = "FLEET_AGENT_METRICS_BIND_ADDRESS")]
    metrics_bind_address: Option<Listen>,
    #[command(flatten)]
    pub(crate) logging: logging::LogFlags,
}

/// `None` for the default.
#[derive(Debug, Clone, Copy)]
struct Interval(Option<Duration>);

fn interval(text: &str) -> Result<Interval, String> {
    if text.is_empty() {
        return Ok(Interval(None));
    }
    let parsed = api::v1alpha1::Duration::from_text(text).to_std();
    match parsed.map_err(|error| error.to_string())? {
        Duration::ZERO => Ok(Interval(None)),
        some => Ok(Interval(Some(some))),
    }
}

impl Args {
    fn interval(&self) -> Duration {
        let given = self.checkin_interval.and_then(|Interval(given)| given);
        let secs = self.checkin_interval_secs.map(Duration::from_secs);
        secs.or(given).unwrap_or(api::config::AGENT_INTERVAL)
    }

    /// # Errors
    /// When the durations do not leave the leader time to renew.
    fn election(&self) -> anyhow::Result<Option<Election>> {
        let is_told = self.hub_kubeconfig.is_some();
        if !self.leader_elect.unwrap_or(!is_told) {
            return Ok(None);
        }
        let times = self.election.or([30, 25, 10])?;
        let pod = std::env::var("POD_NAME")
            .ok()
            .filter(|name| !name.is_empty());
        Ok(Some(Election {
            lease_duration: times.lease_duration,
            renew_deadline: times.renew_deadline,
            retry_period: times.retry_period,
            ..Election::new(pod.unwrap_or_else(identity))
        }))
    }

    fn namespace(&self) -> anyhow::Result<String> {
        match &self.namespace {
            Some(namespace) if !namespace.is_empty() => Ok(namespace.clone()),
            _ if self.hub_kubeconfig.is_some() => Ok(NAMESPACE.to_owned()),
            _ => bail!("--namespace or env NAMESPACE is required to be set"),
        }
    }
}

/// Number of workers that upstream's variable asks for.
fn workers() -> Option<usize> {
    let variable = "BUNDLEDEPLOYMENT_RECONCILER_WORKERS";
    let text = std::env::var(variable)
        .ok()
        .filter(|text| !text.is_empty())?;
    match text.parse::<usize>() {
        Ok(n) if n > 0 => Some(n),
        _ => {
            tracing::error!(variable, "is no number of workers: the default applies");
            None
        }
    }
}

/// Runs the command until a signal ends it, or it can go on no more. One thread is enough for what waits for
/// servers; renders have their own.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (namespace, election) = (args.namespace()?, args.election()?);
    let stop = super::stop_on_signal();
    let downstream = apiclient::connect(args.kubeconfig.as_deref())
        .await
        .context("connect to the downstream cluster")?;
    let settings = Settings {
        downstream,
        namespace,
        scope: args.agent_scope.clone(),
        checkin_interval: args.interval(),
        workers: workers(),
        host: std::env::var("HOSTNAME").unwrap_or_default(),
        election,
        probes: bind(args.health_probe_bind_address, 8081),
        metrics: bind(args.metrics_bind_address, 8080),
        pace: Pace::default(),
        limits: Limits::PRODUCTION,
        shared: agent::Shared::new(agent::Capacity::alone()),
        told: told(args).await?,
    };
    agent::service::serve(settings, stop)
        .await
        .context("run the agent")?;
    Ok(ExitCode::SUCCESS)
}

/// How the hub is reached, if flags say so.
async fn told(args: &Args) -> anyhow::Result<Option<agent::service::Told>> {
    let given = (
        &args.hub_kubeconfig,
        &args.cluster_name,
        &args.deployment_namespace,
    );
    let (Some(kubeconfig), Some(name), Some(namespace)) = given else {
        return Ok(None);
    };
    let hub = apiclient::connect(Some(kubeconfig))
        .await
        .context("connect to the hub")?;
    Ok(Some(agent::service::Told {
        hub,
        cluster: ObjectKey::new(args.cluster_namespace.clone(), name.clone()),
        deployment_namespace: namespace.clone(),
    }))
}
