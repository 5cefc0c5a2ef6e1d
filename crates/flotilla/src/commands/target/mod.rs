//! `target`: what a Bundle means for every cluster, before it is deployed.
//!
//! Without `--explain` it answers as `fleet target`: with the Content and the BundleDeployments that the
//! hub would write if no budget held any of them back. With it, it tells for every cluster which rules
//! were tried and what was merged. Nothing is written, on a hub or offline.

mod deployments;
mod text;
mod world;

use std::io;
use std::path::{Path, PathBuf};

use api::v1alpha1::Bundle;
use clap::CommandFactory as _;
use target::explain::Explanation;

use crate::output::{self, Format};
use world::World;

/// Show which clusters a Bundle is for, and with which options
///
/// Prints the Content and the BundleDeployments of a Bundle as the hub would write them. With --explain:
/// for every cluster, which targets and customizations match, why the others do not, the merged options
/// and where each of them comes from. Clusters are read from a hub, or from a file with --clusters. Nothing is written.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// File with the Bundle, "-" for stdin.
    #[arg(short, long, value_name = "FILE", allow_hyphen_values = true)]
    bundle_file: Option<PathBuf>,

    /// Namespace of the Bundle, in place of the one in the file.
    #[arg(short, long, env = "NAMESPACE")]
    namespace: Option<String>,

    /// Read Clusters, ClusterGroups, BundleNamespaceMappings, Namespaces, GitRepoRestrictions, Policies
    /// and BundleDeployments from this file instead of a hub.
    #[arg(long, value_name = "FILE")]
    clusters: Option<PathBuf>,

    /// Kubeconfig of the hub; else KUBECONFIG, the default file or the pod's service account.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Tell for every cluster which rules were tried in which order, and what they give.
    #[arg(long)]
    explain: bool,

    /// With --explain: how to print.
    #[arg(short, long, value_enum, requires = "explain", default_value_t = Format::Text)]
    output: Format,

    /// Print the clusters and groups that are meant to stderr.
    #[arg(short = 'l', long)]
    dump_input_list: bool,
}

/// Why there is no answer, or not for every cluster.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file cannot be read.
    #[error("read {}", file.display())]
    Read {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error(transparent)]
    Bundle(bundle::Unreadable),
    /// There is nothing in the Bundle.
    #[error("failed to read bundle from file, bundle is empty")]
    EmptyBundle,
    /// The clusters cannot be read.
    #[error(transparent)]
    World(#[from] world::Error),
    /// The Bundle as a whole cannot be targeted.
    #[error(transparent)]
    Targets(#[from] target::matching::Error),
    /// The Bundle as a whole cannot be rolled out.
    #[error(transparent)]
    Rollout(#[from] target::rollout::Error),
    /// The files cannot be stored.
    #[error(transparent)]
    Content(#[from] bundle::content::StoreError),
    /// A cluster cannot get the Bundle; the first, if there are several.
    #[error("{0}")]
    Cluster(String),
    /// The answer has no YAML or JSON form.
    #[error("print the answer")]
    Print(#[source] anyhow::Error),
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let Some(file) = &args.bundle_file else {
        let mut command = crate::Cli::command();
        let help = command
            .find_subcommand_mut("target")
            .map(|command| command.render_long_help().to_string());
        return output::print(&help.unwrap_or_default())
            .map_err(|error| Error::Print(error.into()));
    };
    let bundle = read_bundle(file, args.namespace.as_deref())?;
    let world = match &args.clusters {
        Some(file) => World::from_file(file)?,
        None => World::from_hub(args.kubeconfig.as_deref(), &bundle)?,
    };
    target::matching::Targets::of(&bundle.spec).validate()?;
    for warning in world.warnings(&bundle) {
        output::note(&format!("warning: {warning}"));
    }
    if args.dump_input_list {
        let list = world.meant(&bundle);
        let list = goyaml::to_yaml(&list).map_err(|error| Error::Print(error.into()))?;
        output::note(&list);
    }
    if args.explain {
        let explained: Vec<Explanation> = world.explain(&bundle);
        return print_explained(&bundle, &explained, args.output).map_err(Error::Print);
    }
    let answer = deployments::of(&bundle, &world)?;
    output::print(&answer.text).map_err(|error| Error::Print(error.into()))?;
    let mut failed = answer.failed.into_iter();
    let Some(first) = failed.next() else {
        return Ok(());
    };
    for other in failed {
        output::note(&format!("error: {other}"));
    }
    Err(Error::Cluster(first))
}

fn print_explained(
    bundle: &Bundle,
    explained: &[Explanation],
    format: Format,
) -> anyhow::Result<()> {
    match format {
        Format::Text => Ok(output::print(&text::explained(bundle, explained)?)?),
        Format::Json | Format::Yaml => output::print_value(&explained, format),
    }
}

/// Where bundles are that say nothing.
const DEFAULT_NAMESPACE: &str = "fleet-local";

fn read_bundle(file: &Path, namespace: Option<&str>) -> Result<Bundle, Error> {
    let read = if file == Path::new("-") {
        io::read_to_string(io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let text = read.map_err(|source| Error::Read {
        file: file.to_owned(),
        source,
    })?;
    let mut bundle = bundle::parse_bundle(text.as_bytes()).map_err(Error::Bundle)?;
    // Quirk: an empty file is a bundle without targets, a file with an empty bundle is none.
    if !text.is_empty() && bundle == Bundle::default() {
        return Err(Error::EmptyBundle);
    }
    let given = namespace.filter(|namespace| !namespace.is_empty());
    let own = bundle.metadata.namespace.take();
    let namespace = given.map(str::to_owned).or(own);
    bundle.metadata.namespace = Some(namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()));
    Ok(bundle)
}
