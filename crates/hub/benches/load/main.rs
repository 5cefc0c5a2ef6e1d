//! What the hub's controllers cost under load, as rows of a Markdown table on standard output.
//!
//! In: `--kubeconfig FILE` of an empty hub, or nothing, which starts a sandbox in this process. The
//! controllers run in a process of their own, so that CPU and memory are theirs alone; agents are
//! played by this one: each deployment is reported as deployed but not ready, then as ready. Requests
//! are those of the controllers' own client. Out: rows; progress on standard error.
//!
//! `--bundles 1` measures two roll-outs; more bundles measure a hub of many deployments: the delay of
//! one report, of a label, of a restart, and the writes of a quiet hub.

mod agents;
mod controller;
mod fleet;
mod rollout;
mod scale;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Clone, Debug, clap::Parser)]
struct Args {
    /// An API server without Fleet objects; else a sandbox in this process
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Downstream clusters
    #[arg(long, default_value_t = 72)]
    clusters: usize,
    /// Bundles for all clusters
    #[arg(long, default_value_t = 1)]
    bundles: usize,
    /// Objects that agents report for each deployment
    #[arg(long, default_value_t = 100)]
    resources: usize,
    /// GitRepos that wait for a label, with many bundles
    #[arg(long, default_value_t = 300)]
    git_repos: usize,
    /// How long the quiet hub is looked at, in seconds
    #[arg(long, default_value_t = 60)]
    quiet_secs: u64,
    /// How long a step may take, in seconds
    #[arg(long, default_value_t = 1800)]
    timeout_secs: u64,
    /// What cargo tells every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    /// Run the controllers on this hub and write their requests to this file
    #[arg(long, hide = true, num_args = 2)]
    controller: Vec<PathBuf>,
}

impl Args {
    fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_secs)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args = Args::parse();
    if let [kubeconfig, requests] = args.controller.as_slice() {
        return controller::run(kubeconfig, requests).await;
    }
    if args.bundles > 1 {
        scale::measure(&args).await
    } else {
        rollout::measure(&args).await
    }
}
