//! `controller`: the hub's controllers against an API server.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

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
    /// Number of GitRepos synchronised at the same time
    #[arg(
        long,
        value_name = "N",
        default_value_t = 4,
        env = "GITREPO_RECONCILER_WORKERS"
    )]
    gitrepo_workers: usize,
    /// Number of objects of each other kind worked on at the same time
    #[arg(
        long,
        value_name = "N",
        default_value_t = 8,
        env = "BUNDLE_RECONCILER_WORKERS"
    )]
    workers: usize,
}

/// Runs the command until a signal ends it.
#[tokio::main]
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let stop = super::stop_on_signal();
    let kube = apiclient::connect(args.kubeconfig.as_deref()).await?;
    let cache = match &args.git_cache {
        Some(directory) => directory.clone(),
        None => std::env::temp_dir().join("flotilla-git"),
    };
    let mut options = hub::Options::new(cache);
    options.allow_local_repositories = args.allow_local_repositories;
    options.git_workers = args.gitrepo_workers;
    options.workers = args.workers;
    hub::run(kube, options, stop)
        .await
        .context("run the controllers")?;
    Ok(ExitCode::SUCCESS)
}
