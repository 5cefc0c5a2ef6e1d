//! `agent`: deploys to one downstream cluster.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use apiclient::ObjectKey;

/// Run the agent of one cluster
///
/// It watches the BundleDeployments of its cluster namespace on the hub, deploys them to the
/// downstream cluster as Helm releases and reports their state.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Kubeconfig for the hub, with the agent's own credential
    #[arg(long, value_name = "FILE")]
    hub_kubeconfig: PathBuf,
    /// Kubeconfig of the downstream cluster; else KUBECONFIG, the default file or the pod's service
    /// account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Namespace of the Cluster on the hub
    #[arg(long, value_name = "NAMESPACE", default_value = "fleet-default")]
    cluster_namespace: String,
    /// Name of the Cluster on the hub
    #[arg(long, value_name = "NAME")]
    cluster_name: String,
    /// Namespace of the cluster's BundleDeployments on the hub (the Cluster's status.namespace)
    #[arg(long, value_name = "NAMESPACE")]
    deployment_namespace: String,
    /// Namespace of the agent on the downstream cluster
    #[arg(
        long,
        value_name = "NAMESPACE",
        env = "NAMESPACE",
        default_value = "cattle-fleet-system"
    )]
    namespace: String,
    /// Seconds between heartbeats
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    checkin_interval_secs: u64,
}

/// Runs the command until a signal ends it.
#[tokio::main]
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let stop = super::stop_on_signal();
    let hub = apiclient::connect(Some(&args.hub_kubeconfig))
        .await
        .context("connect to the hub")?;
    let downstream = apiclient::connect(args.kubeconfig.as_deref())
        .await
        .context("connect to the downstream cluster")?;
    let cluster = ObjectKey::new(args.cluster_namespace.clone(), args.cluster_name.clone());
    let shared = agent::Shared::new(agent::Capacity::default());
    let namespace = args.deployment_namespace.clone();
    let mut options = agent::Options::new(hub, downstream, cluster, namespace, shared);
    options.agent_namespace.clone_from(&args.namespace);
    options.checkin_interval = Duration::from_secs(args.checkin_interval_secs);
    agent::run(options, stop).await;
    Ok(ExitCode::SUCCESS)
}
