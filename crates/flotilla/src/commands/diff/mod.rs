//! `flotilla diff`, upstream's `fleet bundlediff`: what is not as it was deployed.
//!
//! From the hub it shows what agents reported: at most ten objects of a deployment, each with a short patch. With
//! `--cluster-kubeconfig` it asks the cluster itself, and shows every field. Changes nothing, and shows no value of a Secret.

mod exceptions;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use agent::ObjectDifferences;
use anyhow::Context as _;
use api::labels::BUNDLE_NAME;
use api::v1alpha1::{BundleDeployment, ModifiedStatus, NonReadyStatus};
use apiclient::{Budgets, Client, Kind, ObjectKey, Selector};
use serde::Serialize;

use crate::output::{self, Format};

/// Exit code when something is not as it was deployed.
const DIFFERS: u8 = 4;
/// Upstream's word for all namespaces.
const ANY_NAMESPACE: &str = "fleet-local";

/// Show what is not as it was deployed
///
/// Reads what the agents reported to the hub: what is modified, missing or left over, and what is not ready. With the
/// kubeconfig of a cluster it compares all objects of a deployment there, field by field: what was deployed, what kubectl
/// applied last, what is live and who wrote it. Values of Secrets are masked. Ends with 0 when nothing is modified and with 4
/// when something is.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Only this BundleDeployment; needs --namespace
    #[arg(long, value_name = "NAME")]
    bundle_deployment: Option<String>,
    /// Only deployments of this bundle
    #[arg(long, short, value_name = "NAME", conflicts_with = "bundle_deployment")]
    bundle: Option<String>,
    /// Namespace of the BundleDeployments on the hub, that of a cluster; fleet-local is any
    #[arg(long, short, value_name = "NAMESPACE", default_value = ANY_NAMESPACE)]
    namespace: String,
    /// Kubeconfig of the hub; else KUBECONFIG, the default file or the pod's service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Kubeconfig of the cluster of --bundle-deployment, to compare every field there
    #[arg(
        long,
        value_name = "FILE",
        requires = "bundle_deployment",
        conflicts_with = "fleet_yaml"
    )]
    cluster_kubeconfig: Option<PathBuf>,
    /// The same as --output json
    #[arg(long, conflicts_with_all = ["fleet_yaml", "output"])]
    json: bool,
    /// Print what to add to fleet.yaml so that the differences are accepted
    #[arg(long, requires = "bundle_deployment", conflicts_with = "output")]
    fleet_yaml: bool,
    /// How the differences are printed
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// Deployments of one bundle with differences. Upstream's form.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    bundle_name: Option<String>,
    namespace: String,
    /// `null` when there is nothing to show.
    bundle_deployment_diffs: Option<Vec<DeploymentDiff>>,
}

/// One deployment with differences.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DeploymentDiff {
    bundle_deployment_name: String,
    bundle_name: String,
    namespace: String,
    modified_resources: Option<Vec<ModifiedStatus>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    non_ready_resources: Vec<NonReadyStatus>,
}

/// What a cluster itself says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterReport {
    bundle_deployment: String,
    release: String,
    objects: Vec<ObjectDifferences>,
}

/// Runs the command; `by_upstreams_word` ends with 0 whatever is found.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(args: &Args, by_upstreams_word: bool) -> anyhow::Result<ExitCode> {
    let hub = connect(args.kubeconfig.as_deref()).await?;
    let deployments = read(&hub, args).await?;
    let differs = match (&args.cluster_kubeconfig, deployments.as_slice()) {
        (Some(file), [deployment]) => {
            let cluster = connect(Some(file)).await?;
            of_cluster(&cluster, deployment, args).await?
        }
        (_, [deployment]) if args.fleet_yaml => {
            exceptions::print(&hub, deployment).await?;
            false
        }
        _ => of_hub(&deployments, args)?,
    };
    let code = if differs && !by_upstreams_word {
        DIFFERS
    } else {
        0
    };
    Ok(ExitCode::from(code))
}

async fn connect(kubeconfig: Option<&Path>) -> anyhow::Result<Client> {
    let kube = apiclient::connect(kubeconfig).await?;
    Ok(Client::new(kube, "flotilla-diff", Budgets::default()))
}

/// The deployments that are asked for.
async fn read(hub: &Client, args: &Args) -> anyhow::Result<Vec<BundleDeployment>> {
    let kind = Kind::of::<BundleDeployment>();
    let is_any = args.namespace == ANY_NAMESPACE;
    if let Some(name) = &args.bundle_deployment {
        anyhow::ensure!(
            !is_any,
            "--bundle-deployment needs --namespace, the namespace of the cluster on the hub"
        );
        let key = ObjectKey::new(args.namespace.clone(), name.clone());
        let found = hub.get(&kind, &key).await?;
        let found = found.with_context(|| format!("there is no BundleDeployment {key}"))?;
        return Ok(vec![found]);
    }
    let selector = Selector {
        namespace: (!is_any).then(|| args.namespace.clone()),
        labels: args
            .bundle
            .as_ref()
            .map(|name| format!("{BUNDLE_NAME}={name}")),
        ..Selector::default()
    };
    let mut all = Vec::new();
    let each = |deployment: BundleDeployment| {
        let status = &deployment.status;
        if !(status.modified_status.is_empty() && status.non_ready_status.is_empty()) {
            all.push(deployment);
        }
    };
    hub.list(&kind, &selector, each)
        .await
        .context("read the deployments")?;
    Ok(all)
}

/// Shows what agents reported; whether something is modified.
fn of_hub(deployments: &[BundleDeployment], args: &Args) -> anyhow::Result<bool> {
    let mut diffs: Vec<DeploymentDiff> = deployments.iter().filter_map(diff_of).collect();
    diffs.sort_by_cached_key(|diff| {
        let is_unknown = diff.bundle_name.is_empty();
        (
            is_unknown,
            diff.bundle_name.clone(),
            diff.namespace.clone(),
            diff.bundle_deployment_name.clone(),
        )
    });
    let differs = diffs.iter().any(|diff| diff.modified_resources.is_some());
    let format = if args.json { Format::Json } else { args.output };
    if format == Format::Text {
        output::print(&text::of_hub(&diffs, args.bundle_deployment.is_some()))?;
        return Ok(differs);
    }
    let report = Report {
        bundle_name: args.bundle.clone(),
        namespace: args.namespace.clone(),
        bundle_deployment_diffs: (!diffs.is_empty()).then_some(diffs),
    };
    output::print_value(&report, format)?;
    Ok(differs)
}

fn diff_of(deployment: &BundleDeployment) -> Option<DeploymentDiff> {
    let (metadata, status) = (&deployment.metadata, &deployment.status);
    let (modified, non_ready) = (&status.modified_status, &status.non_ready_status);
    let labels = metadata.labels.as_ref();
    (!(modified.is_empty() && non_ready.is_empty())).then(|| DeploymentDiff {
        bundle_deployment_name: metadata.name.clone().unwrap_or_default(),
        bundle_name: labels
            .and_then(|labels| labels.get(BUNDLE_NAME))
            .cloned()
            .unwrap_or_default(),
        namespace: metadata.namespace.clone().unwrap_or_default(),
        modified_resources: (!modified.is_empty()).then(|| modified.clone()),
        non_ready_resources: non_ready.clone(),
    })
}

/// Compares on the cluster; whether something is modified.
async fn of_cluster(
    cluster: &Client,
    deployment: &BundleDeployment,
    args: &Args,
) -> anyhow::Result<bool> {
    let objects = agent::differences(cluster, deployment).await?;
    let differs = !objects.is_empty();
    let metadata = &deployment.metadata;
    let report = ClusterReport {
        bundle_deployment: format!(
            "{}/{}",
            metadata.namespace.as_deref().unwrap_or_default(),
            metadata.name.as_deref().unwrap_or_default()
        ),
        release: deployment.status.release.clone(),
        objects,
    };
    match if args.json { Format::Json } else { args.output } {
        Format::Text => output::print(&text::of_cluster(&report))?,
        format => output::print_value(&report, format)?,
    }
    Ok(differs)
}
