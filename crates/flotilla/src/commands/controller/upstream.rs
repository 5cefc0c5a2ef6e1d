//! Flags and variables of upstream's `fleetcontroller` that have no name of their own here.

use crate::commands::logging;

/// Flags of upstream's logging, and those for what this process does not have.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "As upstream")]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) logging: logging::LogFlags,
    /// Accepted and unused: nothing is bootstrapped
    #[arg(long)]
    disable_bootstrap: bool,
}

/// Number of workers from a variable of upstream: what is no number is logged and counts as one.
pub(crate) fn workers(variable: &str, default: usize) -> usize {
    let Ok(text) = std::env::var(variable) else {
        return default;
    };
    if text.is_empty() {
        return default;
    }
    match text.parse::<usize>() {
        Ok(n) if n > 0 => n,
        _ => {
            tracing::error!(variable, "is no number of workers: there is one");
            1
        }
    }
}
