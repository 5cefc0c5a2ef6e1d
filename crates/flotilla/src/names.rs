//! What this program is called, and what it answers to under other names.
//!
//! Upstream ships three programs. A link of one of their names to this one takes their flags and words:
//! `fleet` is the command line, `fleetcontroller` the hub's controllers, `fleetagent` the agent.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};

use crate::commands::{agent, controller};
use crate::{Cli, Command};

/// A name of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// Its own, and any that says nothing.
    Flotilla,
    /// The command line of upstream.
    Fleet,
    /// The hub's controllers.
    FleetController,
    /// The agent.
    FleetAgent,
}

impl Name {
    /// From the path that the program was started by.
    pub(crate) fn of(program: Option<&OsStr>) -> Self {
        match program.and_then(|path| Path::new(path).file_name()?.to_str()) {
            Some("fleet") => Self::Fleet,
            Some("fleetcontroller") => Self::FleetController,
            Some("fleetagent") => Self::FleetAgent,
            _ => Self::Flotilla,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Flotilla => "flotilla",
            Self::Fleet => "fleet",
            Self::FleetController => "fleetcontroller",
            Self::FleetAgent => "fleetagent",
        }
    }

    /// Exit code of wrong arguments: upstream's programs have one for all errors.
    pub(crate) fn usage_code(self) -> u8 {
        if self == Self::Flotilla { 2 } else { 1 }
    }
}

/// The hub's controllers
///
/// Without a word it runs all of them in this process: what upstream runs as fleet-controller and gitjob.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, args_conflicts_with_subcommands = true)]
struct FleetController {
    #[command(flatten)]
    args: controller::Args,
    /// Log more; twice for everything (RUST_LOG=FILTER says it in detail)
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    part: Option<controller::Part>,
}

/// The agent of one cluster
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct FleetAgent {
    #[command(flatten)]
    pub(crate) args: agent::Args,
    /// Log more; twice for everything (RUST_LOG=FILTER says it in detail)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Reads the arguments of the agent alone.
pub(crate) fn parse_agent(
    arguments: impl Iterator<Item = OsString>,
) -> Result<FleetAgent, clap::Error> {
    let command = FleetAgent::command().name(Name::FleetAgent.as_str());
    FleetAgent::from_arg_matches(&command.try_get_matches_from(arguments)?)
}

/// Reads the arguments as the program of that name does.
pub(crate) fn parse(name: Name, arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let named = |command: clap::Command| command.name(name.as_str()).bin_name(name.as_str());
    match name {
        Name::Flotilla | Name::Fleet => {
            let matches = named(Cli::command()).try_get_matches_from(arguments)?;
            Cli::from_arg_matches(&matches)
        }
        Name::FleetController => {
            let matches = named(FleetController::command()).try_get_matches_from(arguments)?;
            let FleetController {
                args,
                verbose,
                part,
            } = FleetController::from_arg_matches(&matches)?;
            let command = match part {
                None => Command::Controller(Box::new(args)),
                Some(part) => Command::Part(part),
            };
            Ok(Cli { verbose, command })
        }
        Name::FleetAgent => {
            let matches = named(FleetAgent::command()).try_get_matches_from(arguments)?;
            let FleetAgent { args, verbose } = FleetAgent::from_arg_matches(&matches)?;
            let command = Command::Agent(Box::new(args));
            Ok(Cli { verbose, command })
        }
    }
}
