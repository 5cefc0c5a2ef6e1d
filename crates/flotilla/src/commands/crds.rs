//! `crds`: prints the CustomResourceDefinitions of all kinds.

use std::process::ExitCode;

use crate::output::{self, Format};

/// Print the CustomResourceDefinitions of fleet.cattle.io/v1alpha1
///
/// Install them on a hub with `flotilla crds | kubectl apply --server-side -f -`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// How to print: yaml (a stream of documents) or json (one List)
    #[arg(short, long, value_enum, default_value_t = Format::Yaml)]
    output: Format,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let crds = api::crds::crds();
    if args.output == Format::Json {
        let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": crds });
        output::print_value(&list, Format::Json)?;
        return Ok(ExitCode::SUCCESS);
    }
    for crd in crds {
        output::print(&format!("---\n{}", goyaml::to_yaml(&crd)?))?;
    }
    Ok(ExitCode::SUCCESS)
}
