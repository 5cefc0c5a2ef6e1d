//! Rendering side by side with the real `helm`, as a Markdown table on standard output.
//!
//! In: `--charts DIR` with `NAME/chart` and `NAME/cases/CASE/{values.yaml,args}`, `--helm PROGRAM`,
//! `--chart NAME` for the rows within one process. Out: the table; progress on standard error. The rows
//! within one process run in a process of their own each, so that its peak memory is theirs alone.

mod corpus;
mod process;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(clap::Parser)]
struct Args {
    /// Charts with their cases
    #[arg(long)]
    charts: PathBuf,
    /// The program to compare with
    #[arg(long, default_value = "helm")]
    helm: PathBuf,
    /// The chart that is rendered within one process
    #[arg(long, default_value = "kube-prometheus-stack")]
    chart: String,
    /// Folders of charts to leave out
    #[arg(long, default_value = "functions")]
    without: Vec<String>,
    /// Runs of each case; the fastest counts
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// What cargo tells every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    /// Run one of the measurements within this process
    #[arg(long, hide = true)]
    inside: Option<process::Measurement>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let chart = args.charts.join(&args.chart).join("chart");
    if let Some(measurement) = args.inside {
        return process::run(measurement, &chart);
    }
    let total = corpus::measure(&args)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "| what | helm | flotilla | |\n|---|---|---|---|")?;
    writeln!(
        out,
        "| {} cases of {} charts, a process each: wall time | {:.2} s | {:.2} s | {:.1} times less |",
        total.cases,
        total.charts,
        total.helm.as_secs_f64(),
        total.flotilla.as_secs_f64(),
        total.helm.as_secs_f64() / total.flotilla.as_secs_f64(),
    )?;
    if chart.is_dir() {
        for measurement in [process::Measurement::Render, process::Measurement::Fleet] {
            out.write_all(&inside(&args, measurement)?)?;
        }
    }
    Ok(())
}

/// Runs a measurement in a process of its own; gives the rows it printed.
fn inside(args: &Args, measurement: process::Measurement) -> Result<Vec<u8>> {
    let this = std::env::current_exe().context("find this program")?;
    let output = Command::new(this)
        .arg("--charts")
        .arg(&args.charts)
        .args(["--chart", &args.chart, "--inside", measurement.name()])
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("start a measurement")?;
    if !output.status.success() {
        bail!("the measurement {} failed", measurement.name());
    }
    Ok(output.stdout)
}

/// The entries of a directory, sorted.
fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let cannot = || format!("read {}", directory.display());
    let mut paths = std::fs::read_dir(directory)
        .with_context(cannot)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .with_context(cannot)?;
    paths.sort();
    Ok(paths)
}
