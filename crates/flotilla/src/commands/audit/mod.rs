//! `flotilla audit`: what carries a Fleet mark and belongs to nobody, on the hub or on a cluster.
//!
//! Reads metadata and release records, changes nothing, and never prints what is in a Secret.

mod hub;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agent::audit::{Audit, Orphan};
use anyhow::Context as _;
use api::v1alpha1::{BundleDeployment, Cluster};
use apiclient::{Budgets, Client, Kind, ObjectKey, ObjectMeta, Selector};
use serde::Serialize;

use crate::output::{self, Format};

/// Exit code when something belongs to nobody.
const FOUND: u8 = 4;

/// List what carries a Fleet mark and belongs to nobody
///
/// Without a word it looks through the hub: deployments, contents, Secrets and namespaces whose bundle, cluster or repository
/// is gone. `flotilla audit cluster` looks through a cluster: objects that no release records, copies that no deployment
/// names, releases whose deployment is not on the hub. Changes nothing. Ends with 0 when everything has an owner and with 4
/// when something has none.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// Kubeconfig of what is looked through; else KUBECONFIG, the default file or the pod's service account
    #[arg(long, value_name = "FILE", global = true)]
    kubeconfig: Option<PathBuf>,
    /// How the report is printed
    #[arg(long, short, value_enum, default_value_t = Format::Text, global = true)]
    output: Format,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum What {
    /// Look through the hub
    Hub,
    /// Look through a cluster that is deployed to
    Cluster(OfCluster),
}

#[derive(Debug, Clone, clap::Args)]
struct OfCluster {
    /// Kubeconfig of the hub, to find releases whose deployment is gone
    #[arg(long, value_name = "FILE", requires = "cluster_name")]
    hub_kubeconfig: Option<PathBuf>,
    /// Namespace of the Cluster on the hub
    #[arg(long, value_name = "NAMESPACE", default_value = "fleet-default")]
    cluster_namespace: String,
    /// Name of the Cluster on the hub
    #[arg(long, value_name = "NAME", requires = "hub_kubeconfig")]
    cluster_name: Option<String>,
}

/// What was looked through and found.
#[derive(Debug, Serialize)]
struct Report {
    /// In words, what was looked through.
    looked_through: String,
    orphans: Vec<Orphan>,
    /// What could not be judged.
    unread: Vec<String>,
}

/// Runs the command.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let client = connect(args.kubeconfig.as_deref()).await?;
    let report = match &args.what {
        None | Some(What::Hub) => of_hub(&client).await?,
        Some(What::Cluster(of)) => of_cluster(&client, of).await?,
    };
    match args.output {
        Format::Text => output::print(&report.text())?,
        format => output::print_value(&report, format)?,
    }
    Ok(ExitCode::from(if report.orphans.is_empty() {
        0
    } else {
        FOUND
    }))
}

async fn connect(kubeconfig: Option<&Path>) -> anyhow::Result<Client> {
    let kube = apiclient::connect(kubeconfig).await?;
    Ok(Client::new(kube, "flotilla-audit", Budgets::default()))
}

async fn of_hub(client: &Client) -> anyhow::Result<Report> {
    let facts = hub::read(client).await?;
    let looked_through = facts.counts();
    let (orphans, unread) = hub::orphans(&facts, jiff::Timestamp::now());
    Ok(Report {
        looked_through,
        orphans,
        unread,
    })
}

async fn of_cluster(client: &Client, of: &OfCluster) -> anyhow::Result<Report> {
    let deployments = match (&of.hub_kubeconfig, &of.cluster_name) {
        (Some(hub), Some(name)) => {
            let hub = connect(Some(hub.as_path())).await?;
            let cluster = ObjectKey::new(of.cluster_namespace.clone(), name.clone());
            Some(deployments(&hub, &cluster).await?)
        }
        _ => None,
    };
    let Audit {
        marked,
        releases,
        orphans,
        unread,
    } = agent::audit::audit(client, deployments.as_ref()).await?;
    let looked_through = format!("{marked} objects with a mark, {releases} releases");
    Ok(Report {
        looked_through,
        orphans,
        unread,
    })
}

/// Names of the deployments that a cluster has on the hub.
async fn deployments(hub: &Client, cluster: &ObjectKey) -> anyhow::Result<BTreeSet<String>> {
    let found: Option<Cluster> = hub.get(&Kind::of::<Cluster>(), cluster).await?;
    let found = found.with_context(|| format!("there is no cluster {cluster} on the hub"))?;
    let namespace = found.status.namespace;
    anyhow::ensure!(
        !namespace.is_empty(),
        "cluster {cluster} has no namespace on the hub yet"
    );
    let selector = Selector {
        metadata_only: true,
        ..Selector::namespace(namespace)
    };
    let mut names = BTreeSet::new();
    let each = |object: ObjectMeta| {
        names.insert(object.metadata.name);
    };
    hub.list(&Kind::of::<BundleDeployment>(), &selector, each)
        .await
        .context("read the deployments of the cluster")?;
    Ok(names)
}

impl Report {
    fn text(&self) -> String {
        let mut text = format!("Looked through {}.\n", self.looked_through);
        // Writing to a string cannot fail.
        for unread in &self.unread {
            let _ = writeln!(text, "Not judged: {unread}");
        }
        if self.orphans.is_empty() {
            text.push_str("Everything has an owner.\n");
            return text;
        }
        let _ = writeln!(text, "\nWithout an owner: {}", self.orphans.len());
        for Orphan { object, why } in &self.orphans {
            let _ = writeln!(text, "  {object}: {why}");
        }
        text
    }
}
