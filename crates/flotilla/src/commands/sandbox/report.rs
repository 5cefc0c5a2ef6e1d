//! The closing table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use api::limits::{ETCD_REQUEST_BYTES, Limits};
use apiclient::Call;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::progress::Finished;
use super::world::World;
use crate::output::{self, Format};

/// What was deployed, and what it cost.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    round: u32,
    ready: bool,
    seconds: f64,
    clusters: usize,
    clusters_ready: usize,
    bundles: usize,
    deployments: usize,
    resources: i64,
    largest: Vec<Largest>,
    /// Writes of the hub's controllers by verb and resource.
    hub_writes: BTreeMap<String, u64>,
    hub_writes_per_deployment: f64,
    memory_mib: f64,
    memory_peak_mib: f64,
    cpu_seconds: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
}

/// The largest stored object of a kind on the hub.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Largest {
    resource: String,
    count: usize,
    object: String,
    bytes: usize,
    budget_bytes: usize,
    etcd_percent: f64,
}

impl Report {
    /// Sums up one round; `before` is what the hub had done when it began.
    pub(super) fn of(
        world: &World,
        round: u32,
        before: &BTreeMap<Call, u64>,
        finished: &Finished,
        elapsed: Duration,
    ) -> Self {
        let calls = world.controller.stats().calls();
        let writes = calls.into_iter().filter(|(call, _)| call.is_write());
        let hub_writes: BTreeMap<String, u64> = writes
            .map(|(call, n)| {
                (
                    format!("{} {}", call.verb, call.resource),
                    n - before.get(&call).unwrap_or(&0),
                )
            })
            .filter(|(_, n)| *n > 0)
            .collect();
        let total: u64 = hub_writes.values().sum();
        let (memory_mib, memory_peak_mib) = memory();
        Self {
            round,
            ready: finished.is_ready,
            seconds: hundredths(elapsed.as_secs_f64()),
            clusters: world.sandbox.clusters().len().saturating_sub(1),
            clusters_ready: finished.n_clusters_ready,
            bundles: finished.n_bundles,
            deployments: finished.n_deployments,
            resources: finished.n_resources,
            largest: largest(world),
            hub_writes,
            hub_writes_per_deployment: hundredths(
                total as f64 / finished.n_deployments.max(1) as f64,
            ),
            memory_mib: hundredths(memory_mib),
            memory_peak_mib: hundredths(memory_peak_mib),
            cpu_seconds: hundredths(cpu_seconds()),
            problems: finished.problems.clone(),
        }
    }

    /// Prints the report to stdout.
    pub(super) fn print(&self, format: Format) -> anyhow::Result<()> {
        if format != Format::Text {
            return output::print_value(self, format);
        }
        let mut text = format!("\n{}\n{}\n", self.summary(), self.sizes());
        for problem in &self.problems {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "not ready: {problem}");
        }
        Ok(output::print(&text)?)
    }

    fn summary(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY);
        let rows = [
            ("time", format!("{:.1} s", self.seconds)),
            (
                "clusters ready",
                format!("{} of {}", self.clusters_ready, self.clusters),
            ),
            ("bundles", self.bundles.to_string()),
            ("deployments", self.deployments.to_string()),
            ("resources", self.resources.to_string()),
            (
                "hub writes per deployment",
                format!("{:.1}", self.hub_writes_per_deployment),
            ),
            (
                "memory of the process",
                format!(
                    "{:.0} MiB, peak {:.0} MiB",
                    self.memory_mib, self.memory_peak_mib
                ),
            ),
            ("CPU time", format!("{:.1} s", self.cpu_seconds)),
        ];
        for (name, value) in rows {
            table.add_row([name.to_owned(), value]);
        }
        table
    }

    fn sizes(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY);
        table.set_header([
            "largest stored object on the hub",
            "objects",
            "bytes",
            "of budget",
            "of etcd's 1.5 MiB",
        ]);
        for largest in &self.largest {
            let of_budget = percent(largest.bytes, largest.budget_bytes);
            table.add_row([
                format!("{} {}", largest.resource, largest.object),
                largest.count.to_string(),
                largest.bytes.to_string(),
                format!("{of_budget:.1} %"),
                format!("{:.1} %", largest.etcd_percent),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}

fn largest(world: &World) -> Vec<Largest> {
    let Some(hub) = world.sandbox.cluster("hub") else {
        return Vec::new();
    };
    let limits = Limits::PRODUCTION;
    let fleet = |resource: &str| resource.ends_with(api::v1alpha1::GROUP) || resource == "secrets";
    let mut largest: Vec<Largest> = hub
        .sizes()
        .into_iter()
        .filter(|size| size.count > 0 && fleet(&size.resource))
        .map(|size| {
            let plural = size
                .resource
                .split('.')
                .next()
                .unwrap_or_default()
                .to_owned();
            let budget_bytes = match plural.as_str() {
                "bundledeployments" => limits.deployment_bytes_max,
                "contents" => limits.chunk_bytes_max,
                "secrets" => ETCD_REQUEST_BYTES,
                _ => limits.object_bytes_max,
            };
            Largest {
                etcd_percent: hundredths(percent(size.largest_bytes, ETCD_REQUEST_BYTES)),
                resource: plural,
                count: size.count,
                object: size.largest,
                bytes: size.largest_bytes,
                budget_bytes,
            }
        })
        .collect();
    largest.sort_by_key(|largest| std::cmp::Reverse(largest.bytes));
    largest
}

fn percent(bytes: usize, of: usize) -> f64 {
    bytes as f64 * 100.0 / of.max(1) as f64
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Resident memory of this process and its peak, MiB; zero where /proc does not say.
fn memory() -> (f64, f64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.split_whitespace().next());
        kib.and_then(|kib| kib.parse::<f64>().ok())
            .unwrap_or_default()
            / 1024.0
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// CPU time of this process so far, seconds; zero where /proc does not say.
fn cpu_seconds() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the program's name in parentheses and may hold blanks.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|field| field.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}
