//! The words of upstream's `fleetcontroller`, each of which is a process there.

use std::process::ExitCode;

use anyhow::bail;

/// A process of upstream.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum Part {
    /// Nothing: repositories are synchronised by the controller itself. Waits until it is told to stop
    Gitjob(Flags),
    /// Not there yet: ends with an error
    Helmops(Flags),
    /// Nothing: agents are managed by the controller itself. Waits until it is told to stop
    Agentmanagement(Flags),
    /// Nothing: the controller itself cleans up. Waits until it is told to stop
    Cleanup(Flags),
}

/// What upstream gives its processes. Nothing here heeds it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Flags {
    /// Flags of upstream, accepted and unused
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "FLAGS"
    )]
    flags: Vec<String>,
}

/// Runs the part: says what there is.
///
/// # Errors
/// For what this program does not do.
#[tokio::main]
pub(crate) async fn run(part: &Part) -> anyhow::Result<ExitCode> {
    let (name, flags) = match part {
        Part::Gitjob(flags) => ("gitjob", flags),
        Part::Helmops(_) => bail!("helmops: HelmOps are not there yet, see COMPATIBILITY.md"),
        Part::Agentmanagement(flags) => ("agentmanagement", flags),
        Part::Cleanup(flags) => ("cleanup", flags),
    };
    let stop = super::super::stop_on_signal();
    tracing::info!(
        part = name,
        ignored = flags.flags.len(),
        "nothing to do here: the controller (fleetcontroller without a word) synchronises repositories, manages agents and cleans up itself"
    );
    stop.cancelled().await;
    Ok(ExitCode::SUCCESS)
}
