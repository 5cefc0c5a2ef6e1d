//! What an agent costs on a real cluster: memory, processor time and requests of its process alone.
//!
//! In: a folder with a control plane and Helm (`--kube-bin`), the agent's program (`--program`) and the chart
//! that is deployed (`--chart`, a folder). Out: a line of JSON for each row on standard output, with `name`,
//! `steady_mib`, `peak_mib` and `cpu_s` where they mean something, what the row has to reach (`goals`) and whether
//! it does (`holds`); progress on standard error. It ends with 1 when a row misses a goal, unless `--print-only`.

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
#[path = "../../tests/on_kube/edits.rs"]
mod edits;
mod goals;
mod process;
mod rows;

use std::path::PathBuf;
use std::process::ExitCode;

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
    /// How often an object is edited by hand; the slowest counts
    #[arg(long, default_value_t = 5)]
    edits: usize,
    /// How long a quiet agent is looked at, in seconds
    #[arg(long, default_value_t = 60)]
    quiet_secs: u64,
    /// Only rows whose name holds this
    #[arg(long, default_value = "")]
    only: String,
    /// End with 0 even when a row misses its goal
    #[arg(long)]
    print_only: bool,
    /// What cargo tells every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args = Args::parse();
    let mut rows = Vec::new();
    if "binary".contains(&args.only) {
        rows.push(rows::binary(&args));
    }
    if let Some(chart) = &args.chart
        && "chart".contains(&args.only)
    {
        rows.push(rows::chart(&args, chart).await);
    }
    if args.bundles > 0 && "many".contains(&args.only) {
        rows.push(rows::many(&args).await);
    }
    if rows.iter().all(|holds| *holds) || args.print_only {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
