//! `version`: what this program is.

use std::process::ExitCode;

use serde::Serialize;

use crate::output::{self, Format};

/// Print the version
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Serialize)]
struct About {
    version: &'static str,
    api: &'static str,
    helm: &'static str,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let about = About {
        version: env!("CARGO_PKG_VERSION"),
        api: api::v1alpha1::API_VERSION,
        helm: "4.3.1",
    };
    if args.output == Format::Text {
        let About { version, api, helm } = about;
        output::print(&format!(
            "flotilla {version} ({api}, renders charts as Helm {helm})\n"
        ))?;
    } else {
        output::print_value(&about, args.output)?;
    }
    Ok(ExitCode::SUCCESS)
}
