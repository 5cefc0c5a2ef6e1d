//! `flotilla doctor`: what is large, stuck or silent on a hub, and what to do about it.
//!
//! In: the objects of the hub, read once. Out: a report. Changes nothing.

mod agent;
mod examine;
mod work;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use api::v1alpha1::{Bundle, BundleDeployment, Cluster, ClusterGroup, GitRepo, HelmOp};
use apiclient::{Budgets, Client, Kind, Selector};
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, Table};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::output::{self, Format};
use examine::{Problem, Size};
use hub::Owners;
use k8s_openapi::api::coordination::v1::Lease;
use work::Work;

/// Exit code when there is something to do.
const FOUND: u8 = 4;
/// Deployments with one problem that are named.
const NAMED_MAX: usize = 3;

/// Say what is large, stuck or silent on a hub, and what to do about it
///
/// Reads GitRepos, HelmOps, Bundles, BundleDeployments, Clusters and ClusterGroups once and changes
/// nothing. From the Leases of the controllers it tells which process works on what. Ends with 0 when all is well and with 4 when there is something to do.
#[derive(Debug, Clone, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    whom: Option<Whom>,
    /// Kubeconfig of the hub; else KUBECONFIG, the default file or the pod's service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Only this namespace
    #[arg(long, short, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// How many of the largest objects are listed
    #[arg(long, value_name = "N", default_value_t = 10)]
    largest: usize,
    /// Name each GitRepo, Bundle, Cluster and ClusterGroup with the controller that works on it
    #[arg(long)]
    owners: bool,
    /// The system namespace, where the Leases of the controllers are
    #[arg(long, value_name = "NAMESPACE", default_value = "cattle-fleet-system")]
    system_namespace: String,
    /// How the report is printed
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// Whom to look at, if not the hub.
#[derive(Debug, Clone, clap::Subcommand)]
enum Whom {
    Agent(agent::Args),
}

/// What was found.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// Number of objects by kind.
    objects: BTreeMap<&'static str, usize>,
    /// The largest objects, largest first.
    largest: Vec<Size>,
    /// What each controller works on; empty where no Lease tells.
    work: Vec<work::Part>,
    /// Objects with the controller that works on them, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    owners: Option<BTreeMap<String, String>>,
    /// What waits for a person, but for deployments.
    problems: Vec<Problem>,
    /// Deployments that wait, by what they say.
    deployments: Vec<Group>,
}

/// Deployments that say the same.
#[derive(Debug, Default, Serialize)]
struct Group {
    what: String,
    count: usize,
    /// Some of them.
    some: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.whom {
        Some(Whom::Agent(args)) => agent::run(args),
        None => look(args),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn look(args: &Args) -> anyhow::Result<ExitCode> {
    let kube = apiclient::connect(args.kubeconfig.as_deref()).await?;
    let client = Client::new(kube, "flotilla-doctor", Budgets::default());
    let owners = read_owners(&client, &args.system_namespace).await?;
    let mut reading = Reading {
        client,
        selector: Selector {
            namespace: args.namespace.clone(),
            ..Selector::default()
        },
        largest_max: args.largest,
        report: Report::default(),
        groups: BTreeMap::new(),
        work: Work::new(owners, args.owners),
    };
    reading.read("GitRepo", &Kind::of::<GitRepo>()).await?;
    reading.read("HelmOp", &Kind::of::<HelmOp>()).await?;
    reading.read("Bundle", &Kind::of::<Bundle>()).await?;
    let deployments = Kind::of::<BundleDeployment>();
    reading.read("BundleDeployment", &deployments).await?;
    reading.read("Cluster", &Kind::of::<Cluster>()).await?;
    let groups = Kind::of::<ClusterGroup>();
    reading.read("ClusterGroup", &groups).await?;
    let report = reading.finish();
    match args.output {
        Format::Text => output::print(&report.text())?,
        format => output::print_value(&report, format)?,
    }
    Ok(ExitCode::from(if report.is_clean() { 0 } else { FOUND }))
}

/// The report while objects are read; none of them is kept.
struct Reading {
    client: Client,
    selector: Selector,
    largest_max: usize,
    report: Report,
    groups: BTreeMap<String, Group>,
    work: Work,
}

/// Reads the Leases of the controllers.
async fn read_owners(client: &Client, namespace: &str) -> anyhow::Result<Owners> {
    let mut leases: Vec<Lease> = Vec::new();
    let (kind, selector) = (Kind::of::<Lease>(), Selector::namespace(namespace));
    let listed = client
        .list(&kind, &selector, |lease| leases.push(lease))
        .await;
    listed.with_context(|| format!("read the {kind} in {namespace}"))?;
    Ok(Owners::of(&leases, Timestamp::now()))
}

impl Reading {
    async fn read(&mut self, name: &'static str, kind: &Kind) -> anyhow::Result<()> {
        let now = Timestamp::now();
        let (client, selector) = (self.client.clone(), self.selector.clone());
        let each = |object: Value| self.add(name, &object, now);
        match client.list(kind, &selector, each).await {
            Err(error) if error.is_not_found() => Ok(()),
            listed => listed
                .map(drop)
                .with_context(|| format!("read the {kind} of the hub")),
        }
    }

    fn add(&mut self, kind: &'static str, object: &Value, now: Timestamp) {
        *self.report.objects.entry(kind).or_default() += 1;
        self.report.largest.push(examine::size(kind, object));
        if self.report.largest.len() > 2 * self.largest_max {
            self.keep_largest();
        }
        if let Some(what) = self.work.add(kind, object) {
            let (object, what) = (examine::name(kind, object), what.to_owned());
            self.report.problems.push(Problem { object, what });
        }
        let Some(problem) = examine::problem(kind, object, now) else {
            return;
        };
        if kind != "BundleDeployment" {
            self.report.problems.push(problem);
            return;
        }
        let what = examine::without_cluster(&problem.what);
        let group = self.groups.entry(what.to_owned()).or_default();
        what.clone_into(&mut group.what);
        group.count += 1;
        if group.some.len() < NAMED_MAX {
            group.some.push(problem.object);
        }
    }

    fn keep_largest(&mut self) {
        let largest = &mut self.report.largest;
        largest.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.object.cmp(&b.object)));
        largest.truncate(self.largest_max);
    }

    fn finish(mut self) -> Report {
        self.keep_largest();
        self.report.deployments = self.groups.into_values().collect();
        let by_count = |a: &Group, b: &Group| b.count.cmp(&a.count);
        self.report.deployments.sort_by(by_count);
        (self.report.work, self.report.owners) = self.work.finish();
        self.report
    }
}

/// `12 kB`, at least one.
fn kilobytes(bytes: usize) -> String {
    format!("{} kB", bytes.div_ceil(1024))
}

impl Report {
    fn is_clean(&self) -> bool {
        let large = self.largest.iter().any(|size| !size.advice.is_empty());
        self.problems.is_empty() && self.deployments.is_empty() && !large
    }

    fn text(&self) -> String {
        let counts = self.objects.iter();
        let counts: Vec<String> = counts.map(|(kind, n)| format!("{n} {kind}")).collect();
        let mut text = format!(
            "{}\n\nLargest objects\n{}\n",
            counts.join(", "),
            self.sizes()
        );
        // Writing to a string cannot fail.
        for size in self.largest.iter().filter(|size| !size.advice.is_empty()) {
            let _ = writeln!(text, "{}: {}", size.object, size.advice);
        }
        if !self.work.is_empty() {
            let _ = writeln!(text, "\nWho works on what\n{}", work::table(&self.work));
        }
        for (object, owner) in self.owners.iter().flatten() {
            let _ = writeln!(text, "  {object}: {owner}");
        }
        if self.is_clean() {
            text.push_str("\nNothing to do.\n");
            return text;
        }
        if !self.problems.is_empty() {
            let _ = writeln!(text, "\nWaiting for somebody");
        }
        for problem in &self.problems {
            let _ = writeln!(text, "  {}: {}", problem.object, problem.what);
        }
        if !self.deployments.is_empty() {
            let _ = writeln!(text, "\nDeployments that wait");
        }
        for group in &self.deployments {
            let more = match group.count - group.some.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let some = group.some.join(", ");
            let _ = writeln!(text, "  {}: {}\n    {some}{more}", group.count, group.what);
        }
        text
    }

    fn sizes(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY);
        table.set_header(["object", "size", "of etcd's limit", "made large by"]);
        for size in &self.largest {
            let parts = size.parts.iter();
            let parts: Vec<String> = parts
                .map(|(name, bytes)| format!("{name} {}", kilobytes(*bytes)))
                .collect();
            let percent = format!("{} %", size.etcd_percent);
            table.add_row([
                size.object.clone(),
                kilobytes(size.bytes),
                percent,
                parts.join(", "),
            ]);
        }
        for column in [1, 2] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table
    }
}
