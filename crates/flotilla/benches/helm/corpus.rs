//! All cases of all charts, one process for each, with both programs in turn.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{Args, entries};

/// Sums over all cases of the fastest run of each.
#[derive(Default)]
pub(crate) struct Total {
    pub(crate) charts: usize,
    pub(crate) cases: usize,
    pub(crate) helm: Duration,
    pub(crate) flotilla: Duration,
}

/// Runs every case with both programs, alternating, so that what else the machine does meets both.
pub(crate) fn measure(args: &Args) -> Result<Total> {
    let flotilla = Path::new(env!("CARGO_BIN_EXE_flotilla"));
    let home = std::env::temp_dir().join("flotilla-bench-helm");
    let mut total = Total::default();
    for chart in entries(&args.charts)? {
        let name = chart.file_name().unwrap_or_default().to_string_lossy();
        if !chart.join("cases").is_dir() || args.without.iter().any(|left_out| *left_out == name) {
            continue;
        }
        total.charts += 1;
        writeln!(std::io::stderr(), "{name}")?;
        for case in entries(&chart.join("cases"))? {
            let (mut helm, mut ours) = (Duration::MAX, Duration::MAX);
            for _ in 0..args.runs {
                helm = helm.min(run(&args.helm, &case, &home)?);
                ours = ours.min(run(flotilla, &case, &home)?);
            }
            total.cases += 1;
            total.helm += helm;
            total.flotilla += ours;
        }
    }
    if total.cases == 0 {
        bail!("no cases below {}", args.charts.display());
    }
    Ok(total)
}

/// One run of `PROGRAM template` in the folder of the case. A refused chart counts too.
fn run(program: &Path, case: &PathBuf, home: &Path) -> Result<Duration> {
    let arguments = std::fs::read_to_string(case.join("args")).unwrap_or_default();
    let (flags, names): (Vec<&str>, Vec<&str>) = arguments
        .lines()
        .filter(|line| !line.trim().is_empty())
        .partition(|line| line.starts_with('-'));
    let mut command = Command::new(program);
    command
        .args(["template", names.last().map_or("rel", |name| name.trim())])
        .arg("../../chart");
    if case.join("values.yaml").is_file() {
        command.args(["-f", "values.yaml"]);
    }
    command.args(flags).current_dir(case).env("TZ", "UTC");
    for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(name, home.join(name));
    }
    command.env("KUBECONFIG", home.join("no-kubeconfig"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let start = Instant::now();
    command
        .status()
        .with_context(|| format!("run {}", program.display()))?;
    Ok(start.elapsed())
}
