//! `deploy`: one deployment from a file to one cluster, without a hub; or what that would do.
//!
//! Without `--dry-run=server` it answers as `fleet deploy`: with the objects that were deployed, or without a
//! cluster with those that would be. With it, it tells what would happen to which object of the cluster, and
//! whose it is now.

mod input;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use agent::local::{self, Deployed, Target};
use clap::CommandFactory as _;
use serde_json::Value;

use crate::output::{self, Format};

/// Exit code when the deployment would fail.
const REFUSED: u8 = 4;

/// Deploy what target prints for one cluster, or show what that would do
///
/// Reads a Content and a BundleDeployment, as "flotilla target" prints them, and deploys them to the cluster of the
/// kubeconfig as an agent would. Prints the objects of the release, followed by its hooks. --dry-run prints them
/// without asking a cluster. --dry-run=server asks it, and lists what would be created, taken over from whom, refused and
/// why, and deleted; it ends with 4 when something would be refused.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// File with the Content and the BundleDeployment, "-" for stdin
    #[arg(short, long, value_name = "FILE", allow_hyphen_values = true)]
    input_file: Option<PathBuf>,

    /// Change nothing: "client" asks no cluster, "server" tells what would happen to its objects
    #[arg(
        short,
        long,
        value_enum,
        value_name = "HOW",
        num_args = 0..=1,
        require_equals = true,
        default_value_t = DryRun::None,
        default_missing_value = "client",
        hide_possible_values = true
    )]
    dry_run: DryRun,

    /// Release namespace if the deployment names none
    #[arg(short, long, value_name = "NAMESPACE", default_value = "default")]
    namespace: String,

    /// Namespace of the agent that is to go on with the release; without it none does
    #[arg(short, long, value_name = "NAMESPACE", default_value = "")]
    agent_namespace: String,

    /// Version of Kubernetes that --dry-run renders for
    #[arg(long, value_name = "VERSION", default_value = "v1.25.0")]
    kube_version: String,

    /// Kubeconfig of the cluster; else KUBECONFIG, the default file or the pod's service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// How to print: objects are YAML unless JSON is asked for
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// What is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum DryRun {
    /// Nothing.
    #[value(alias = "false")]
    None,
    /// The cluster.
    #[value(alias = "true")]
    Client,
    /// Writing.
    Server,
}

/// Runs the command.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Some(file) = &args.input_file else {
        let mut command = crate::Cli::command();
        let help = command
            .find_subcommand_mut("deploy")
            .map(|command| command.render_long_help().to_string());
        output::print(&help.unwrap_or_default())?;
        return Ok(ExitCode::SUCCESS);
    };
    let given = input::read(file)?;
    match args.dry_run {
        DryRun::Client => {
            print_objects(&local::template(given, &args.kube_version)?, args.output)?;
            Ok(ExitCode::SUCCESS)
        }
        DryRun::Server => {
            let preview = local::preview(target(args).await?, given).await?;
            match args.output {
                Format::Text => output::print(&text::preview(&preview))?,
                format => output::print_value(&preview, format)?,
            }
            let is_refused = preview.refused() > 0;
            Ok(ExitCode::from(if is_refused { REFUSED } else { 0 }))
        }
        DryRun::None => {
            let Deployed { release, objects } = local::deploy(target(args).await?, given).await?;
            output::note(&format!("deployed release {release}"));
            print_objects(&objects, args.output)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn target(args: &Args) -> anyhow::Result<Target> {
    Ok(Target {
        cluster: apiclient::connect(args.kubeconfig.as_deref()).await?,
        agent_namespace: args.agent_namespace.clone(),
        namespace: args.namespace.clone(),
    })
}

fn print_objects(objects: &[Value], format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return output::print_value(&objects, format);
    }
    // Upstream ends with an empty line.
    let text = goyaml::to_yaml(&Value::Array(objects.to_vec()))?;
    Ok(output::print(&format!("{text}\n"))?)
}
