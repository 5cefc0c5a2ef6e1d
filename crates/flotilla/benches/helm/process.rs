//! Renders of one loaded chart within one process: their time and the process's peak memory.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use helm::{Chart, CompiledChart, Host, Limits, RenderOptions, SystemRandom, render};
use serde_json::{Value, json};

use crate::entries;

/// Renders of a chart that one measurement of time is made of.
const RENDERS: usize = 50;
/// Clusters of the fleet.
const CLUSTERS: usize = 1_000;
/// After so many clusters memory is looked at first.
const WARM: usize = 100;

/// What to measure.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Measurement {
    /// Time of a render and peak memory of the process.
    Render,
    /// Renders per second for many clusters, memory after some and after all.
    Fleet,
}

impl Measurement {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Render => "render",
            Self::Fleet => "fleet",
        }
    }
}

/// Prints the rows of a measurement.
pub(crate) fn run(measurement: Measurement, chart: &Path) -> Result<()> {
    let name = chart.parent().and_then(Path::file_name).unwrap_or_default();
    let name = name.to_string_lossy();
    let mut files = Vec::new();
    read(chart, "", &mut files)?;
    let chart = CompiledChart::new(Chart::from_directory(files, &Limits::default())?);
    let mut out = std::io::stdout().lock();
    match measurement {
        Measurement::Render => {
            let first = timed(&chart, 0)?;
            let mut taken: Vec<Duration> = (0..RENDERS)
                .map(|_| timed(&chart, 0))
                .collect::<Result<_>>()?;
            taken.sort();
            writeln!(
                out,
                "| {name}, chart loaded: first render, which parses it; then median (least) of {RENDERS} | | {:.0} ms; {:.1} ({:.1}) ms | |",
                millis(first),
                millis(taken[RENDERS / 2]),
                millis(taken[0]),
            )?;
            let peak = memory("VmHWM")?;
            writeln!(
                out,
                "| the same: peak memory of the process | | {peak:.1} MiB | |"
            )?;
        }
        Measurement::Fleet => {
            let start = Instant::now();
            let mut warm = 0.0;
            for cluster in 0..CLUSTERS {
                timed(&chart, cluster)?;
                if cluster + 1 == WARM {
                    warm = memory("VmRSS")?;
                }
            }
            let rate = CLUSTERS as f64 / start.elapsed().as_secs_f64();
            writeln!(
                out,
                "| {name} for {CLUSTERS} clusters with values of their own, one thread | | {rate:.0} renders/s | {warm:.1} MiB after {WARM}, {:.1} MiB after all |",
                memory("VmRSS")?,
            )?;
        }
    }
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Renders with the values of that cluster, and gives the time until all is dropped again.
fn timed(chart: &CompiledChart, cluster: usize) -> Result<Duration> {
    let name = format!("cluster-{cluster}");
    let values: Value = json!({
        "global": {"cluster": name},
        "commonLabels": {"cluster": name},
        "prometheus": {"prometheusSpec": {"externalLabels": {"cluster": name}}},
    });
    let options = RenderOptions {
        release_name: "rel".to_owned(),
        values,
        ..RenderOptions::default()
    };
    let start = Instant::now();
    let host = Host::new(jiff::Timestamp::now(), Box::new(SystemRandom));
    drop(render(chart, &options, host)?);
    Ok(start.elapsed())
}

fn read(directory: &Path, prefix: &str, files: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    for path in entries(directory)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            read(&path, &format!("{name}/"), files)?;
        } else {
            let data = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            files.push((name, data));
        }
    }
    Ok(())
}

/// A figure of this process's memory in MiB, from Linux.
fn memory(field: &str) -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("read the memory used")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .context("find the memory used")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
