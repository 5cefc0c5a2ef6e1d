//! The controllers in a process of their own, and what that process uses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use api::limits::Limits;
use apiclient::Client;
use tokio_util::sync::CancellationToken;

/// How often the controllers write down what they asked for.
const TELL: Duration = Duration::from_millis(250);
/// Linux counts CPU time of processes in hundredths of a second.
const TICKS_PER_SEC: f64 = 100.0;

/// Requests by `verb resource`, as `create secrets`.
pub(crate) type Requests = BTreeMap<String, u64>;

/// Runs the controllers and writes their requests to a file, for ever.
pub(crate) async fn run(kubeconfig: &Path, requests: &Path) -> Result<()> {
    let kube = apiclient::connect(Some(kubeconfig)).await?;
    let client = Client::new(kube, hub::FIELD_MANAGER, hub::budgets(&Limits::PRODUCTION));
    let mut options = hub::Options::new(requests.with_extension("git"));
    options.allow_local_repositories = true;
    let hub = hub::run_with(client.clone(), options, CancellationToken::new());
    let tell = async {
        let partial = requests.with_extension("partial");
        loop {
            let calls = client.stats().calls().into_iter();
            let calls: Requests = calls
                .map(|(call, n)| (format!("{} {}", call.verb, call.resource), n))
                .collect();
            std::fs::write(&partial, serde_json::to_vec(&calls)?)?;
            std::fs::rename(&partial, requests)?;
            tokio::time::sleep(TELL).await;
        }
    };
    tokio::select! {
        ended = hub => ended.context("run the controllers"),
        told = tell => told,
    }
}

/// A running process of controllers; dropping it kills it.
pub(crate) struct Controller {
    child: Child,
    requests: PathBuf,
    pub(crate) started: Instant,
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu_secs: f64,
    pub(crate) rss_mib: f64,
    pub(crate) peak_mib: f64,
}

impl Controller {
    /// Starts the controllers of the hub that `kubeconfig` names.
    pub(crate) fn start(kubeconfig: &Path, directory: &Path) -> Result<Self> {
        let requests = directory.join("requests.json");
        // What a process before this one wrote is not this one's.
        let _ = std::fs::remove_file(&requests);
        let child = Command::new(std::env::current_exe()?)
            .arg("--controller")
            .args([kubeconfig, &requests])
            .spawn()
            .context("start the controllers")?;
        Ok(Self {
            child,
            requests,
            started: Instant::now(),
        })
    }

    /// CPU time and memory, from `/proc`.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let process = PathBuf::from("/proc").join(self.child.id().to_string());
        let stat = std::fs::read_to_string(process.join("stat")).context("read the CPU time")?;
        let (_, fields) = stat.rsplit_once(')').context("read the CPU time")?;
        let ticks: f64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<f64>().ok())
            .sum();
        let status = std::fs::read_to_string(process.join("status")).context("read the memory")?;
        let mib = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
            kib.unwrap_or_default() / 1024.0
        };
        Ok(Usage {
            cpu_secs: ticks / TICKS_PER_SEC,
            rss_mib: mib("VmRSS:"),
            peak_mib: mib("VmHWM:"),
        })
    }

    /// Requests so far without watches and what watches begin with.
    pub(crate) fn requests(&self) -> Requests {
        let text = std::fs::read(&self.requests).unwrap_or_default();
        let mut requests: Requests = serde_json::from_slice(&text).unwrap_or_default();
        requests.retain(|call, _| !call.starts_with("watch ") && !call.starts_with("list "));
        requests
    }

    /// Waits until requests stop for `quiet`.
    pub(crate) async fn settled(&self, quiet: Duration) -> Requests {
        let mut last = self.requests();
        let mut since = Instant::now();
        while since.elapsed() < quiet {
            tokio::time::sleep(TELL).await;
            let now = self.requests();
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
        last
    }
}

/// What was asked for between two counts.
pub(crate) fn between(before: &Requests, after: &Requests) -> Requests {
    let more = |(call, n): (&String, &u64)| {
        let n = n.saturating_sub(before.get(call).copied().unwrap_or_default());
        (n > 0).then(|| (call.clone(), n))
    };
    after.iter().filter_map(more).collect()
}
