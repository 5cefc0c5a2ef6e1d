//! `completion`: prints a script that completes commands and flags.

use std::io;
use std::process::ExitCode;

use clap_complete::Shell;

/// Print a completion script for a shell
///
/// For bash: `source <(flotilla completion bash)`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs the command.
pub(crate) fn run(args: &Args, command: &mut clap::Command) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "flotilla", &mut script);
    io::Write::write_all(&mut io::stdout().lock(), &script)?;
    Ok(ExitCode::SUCCESS)
}
