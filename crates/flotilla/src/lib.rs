//! The one binary: every command of Flotilla.
//!
//! [`main`] parses, sets up logging, runs one command and turns its outcome into an exit code. Commands
//! live in [`commands`], a file or directory each, and print through [`output`]. [`agent`] is the agent alone,
//! for a program that has nothing else.

mod commands;
mod memory;
mod names;
mod output;

use std::ffi::OsString;
use std::process::ExitCode;

use names::Name;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// GitOps for many Kubernetes clusters.
///
/// Git repositories on one side, one to a hundred thousand clusters on the other. Start with
/// `flotilla sandbox --clusters 3 --directory DIR`: it runs a hub and three clusters in this process
/// and deploys DIR to them.
#[derive(Debug, Parser)]
#[command(name = "flotilla", version, max_term_width = 100)]
struct Cli {
    /// Log more; twice for everything (RUST_LOG=FILTER says it in detail)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Sandbox(Box<commands::sandbox::Args>),
    Controller(Box<commands::controller::Args>),
    Agent(Box<commands::agent::Args>),
    AgentManifest(Box<commands::agent_manifest::Args>),
    Apply(Box<commands::apply::Args>),
    Target(commands::target::Args),
    Deploy(commands::deploy::Args),
    Template(Box<commands::template::Args>),
    Chart(commands::chart::Args),
    Crds(commands::crds::Args),
    Doctor(commands::doctor::Args),
    Kustomize(commands::kustomize::Args),
    Audit(commands::audit::Args),
    Diff(commands::diff::Args),
    /// The same as diff, by upstream's word: ends with 0 whatever is found
    #[command(name = "bundlediff")]
    BundleDiff(commands::diff::Args),
    Rollback(Box<commands::rollback::Args>),
    Version(commands::version::Args),
    Completion(commands::completion::Args),
    /// A process of upstream, which only its `fleetcontroller` has.
    #[command(skip)]
    Part(commands::controller::Part),
}

/// The program `flotilla`, by the arguments of the process.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let name = Name::of(arguments.first().map(OsString::as_os_str));
    let cli = match names::parse(name, &arguments) {
        Ok(cli) => cli,
        Err(error) => return refuse_arguments(name, &error),
    };
    if matches!(cli.command, Command::Agent(_)) {
        memory::give_back_at_once();
    }
    let (verbose, is_json) = logging(&cli);
    let is_quiet = matches!(cli.command, Command::Sandbox(_));
    output::set_up_logging(verbose, is_quiet, is_json);
    conclude(|| run(cli.command))
}

/// The program `fleetagent`, by the arguments of the process.
pub fn agent() -> ExitCode {
    let args = match names::parse_agent(std::env::args_os()) {
        Ok(args) => args,
        Err(error) => {
            // Nothing is left to do if the terminal is gone.
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    memory::give_back_at_once();
    let flags = &args.args.logging;
    output::set_up_logging(args.verbose.max(flags.verbosity()), false, flags.is_json());
    conclude(|| commands::agent::run(&args.args))
}

/// Runs a command, and prints why it failed.
fn conclude(command: impl FnOnce() -> anyhow::Result<ExitCode>) -> ExitCode {
    // One TLS provider for the whole process; a second installation would only say so.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match command() {
        Ok(code) => code,
        Err(error) => {
            output::print_error(&error);
            ExitCode::FAILURE
        }
    }
}

/// How much is logged, and whether as JSON if that was said.
fn logging(cli: &Cli) -> (u8, Option<bool>) {
    match &cli.command {
        Command::Controller(args) => {
            let flags = &args.upstream.logging;
            (cli.verbose.max(flags.verbosity()), flags.is_json())
        }
        Command::Agent(args) => {
            let flags = &args.logging;
            (cli.verbose.max(flags.verbosity()), flags.is_json())
        }
        _ => (cli.verbose, None),
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Sandbox(args) => commands::sandbox::run(&args),
        Command::Controller(args) => commands::controller::run(&args),
        Command::Part(part) => commands::controller::run_part(&part),
        Command::Agent(args) => commands::agent::run(&args),
        Command::AgentManifest(args) => commands::agent_manifest::run(&args),
        Command::Apply(args) => Ok(commands::apply::run(&args).map(|()| ExitCode::SUCCESS)?),
        Command::Target(args) => Ok(commands::target::run(&args).map(|()| ExitCode::SUCCESS)?),
        Command::Deploy(args) => commands::deploy::run(&args),
        Command::Template(args) => {
            commands::template::run(&args, &commands::chart::remote::Fetching)
        }
        Command::Chart(args) => Ok(commands::chart::run(&args)),
        Command::Crds(args) => commands::crds::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Kustomize(args) => commands::kustomize::run(&args),
        Command::Audit(args) => commands::audit::run(&args),
        Command::Diff(args) => commands::diff::run(&args, false),
        Command::BundleDiff(args) => commands::diff::run(&args, true),
        Command::Rollback(args) => commands::rollback::run(&args),
        Command::Version(args) => commands::version::run(&args),
        Command::Completion(args) => commands::completion::run(&args, &mut Cli::command()),
    }
}

/// Help and version go to stdout with success. Scripts that asked for JSON get errors as JSON too.
fn refuse_arguments(name: Name, error: &clap::Error) -> ExitCode {
    if let Some(code) = refuse_in_words_of_helm(error) {
        return code;
    }
    if !error.use_stderr() || !output::errors_as_json() {
        // Nothing is left to do if the terminal is gone.
        let _ = error.print();
        let code = if error.use_stderr() {
            name.usage_code()
        } else {
            0
        };
        return ExitCode::from(code);
    }
    let text = match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(ContextValue::String(flag))) => {
            format!("unknown flag: {flag}")
        }
        _ => error.to_string(),
    };
    output::print_error(&anyhow::anyhow!(text));
    ExitCode::FAILURE
}

/// Commands that stand for commands of Helm answer as it does.
fn refuse_in_words_of_helm(error: &clap::Error) -> Option<ExitCode> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let mut command = Cli::command();
    let mut words = arguments.iter().filter_map(|word| word.to_str());
    let first = words.find(|word| !word.starts_with('-'))?;
    if !matches!(first, "template" | "chart") {
        return None;
    }
    command.build();
    let mut command = command.find_subcommand(first)?;
    while let Some(below) = words.next().and_then(|word| command.find_subcommand(word)) {
        command = below;
    }
    let text = commands::template::pflag::refusal(error, command, &arguments)?;
    output::note(&format!("Error: {text}"));
    Some(ExitCode::FAILURE)
}
