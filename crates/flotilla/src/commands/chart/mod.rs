//! `flotilla chart`: commands of Helm about charts that need no cluster.
//!
//! In: the flags of `helm lint`, `helm show` and `helm dependency`. Out: what these print.

mod dependency;
mod lint;
pub(crate) mod remote;
mod show;

use std::process::ExitCode;

use crate::output;

/// Show, check and complete charts, as helm show, lint and dependency do
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, clap::Subcommand)]
enum Command {
    #[command(subcommand, visible_alias = "inspect")]
    Show(Box<show::Show>),
    #[command(subcommand, visible_alias = "dep")]
    Dependency(dependency::Dependency),
    Lint(Box<lint::Lint>),
}

/// Runs the command. Errors are printed here, in Helm's form.
pub(crate) fn run(args: &Args) -> ExitCode {
    let done = match &args.command {
        Command::Show(show) => show::run(show),
        Command::Dependency(dependency) => dependency::run(dependency),
        Command::Lint(lint) => lint::run(lint),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&format!("Error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
