//! What an agent costs on a real cluster: memory, processor time and requests of its process alone.
//!
//! In: a folder with a control plane and Helm (`--kube-bin`), the agent's program (`--program`) and the chart
//! that is deployed (`--chart`, a folder). Out: a line of JSON for each row on standard output, with `name`,
//! `steady_mib`, `peak_mib` and `cpu_s` where they mean something; progress on standard error.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that measures ends with what went wrong"
)]

#[path = "../../tests/on_kube/clusters.rs"]
#[allow(dead_code, reason = "the test needs more of it")]
mod clusters;
mod process;
mod rows;

use std::path::PathBuf;

use clap::Parser as _;

#[derive(Clone, Debug, clap::Parser)]
struct Args {
    /// Folder with etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok and kubectl
    #[arg(long, env = "KUBE_BIN")]
    kube_bin: PathBuf,
    /// The hub's program, and without `--agent` the agent's
    #[arg(long, env = "FLOTILLA_BIN", default_value = env!("CARGO_BIN_EXE_flotilla"))]
    program: PathBuf,
    /// A program that is the agent alone
    #[arg(long, env = "AGENT_BIN")]
    agent: Option<PathBuf>,
    /// A chart to deploy, as a folder; without it that row is left out
    #[arg(long, env = "CHART")]
    chart: Option<PathBuf>,
    /// Values for it
    #[arg(long, env = "VALUES")]
    values: Option<PathBuf>,
    /// Bundles of the cluster with many
    #[arg(long, default_value_t = 100)]
    bundles: usize,
    /// Objects of each of them
    #[arg(long, default_value_t = 50)]
    objects: usize,
    /// How long a quiet agent is looked at, in seconds
    #[arg(long, default_value_t = 60)]
    quiet_secs: u64,
    /// Only rows whose name holds this
    #[arg(long, default_value = "")]
    only: String,
    /// What cargo tells every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args = Args::parse();
    if "binary".contains(&args.only) {
        rows::binary(&args);
    }
    if let Some(chart) = &args.chart
        && "chart".contains(&args.only)
    {
        rows::chart(&args, chart).await;
    }
    if args.bundles > 0 && "many".contains(&args.only) {
        rows::many(&args).await;
    }
}
