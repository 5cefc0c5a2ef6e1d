//! The command `template` of the `flotilla` program alone, for comparing the engine with Helm.
//!
//! In: `helm-template template NAME CHART ...`. Out: what that command prints. The command is the
//! program's own source; what is not on the local disk is refused.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

#[path = "../../flotilla/src/commands/template/mod.rs"]
#[expect(dead_code, reason = "other commands of the program use parts of it")]
mod template;

use template::args::ChartFlags;
use template::settings::Globals;

/// As in the real program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
enum Command {
    Template(Box<template::Args>),
}

struct LocalOnly;

impl template::Remote for LocalOnly {
    fn chart(&self, name: &str, _: &ChartFlags, _: &Globals) -> anyhow::Result<Vec<u8>> {
        anyhow::bail!("{name} is not fetched, give a local chart")
    }

    fn file(&self, url: &str, _: &Globals) -> anyhow::Result<Vec<u8>> {
        anyhow::bail!("values from {url} are not fetched, give a local file")
    }

    fn update_dependencies(&self, _: &Path, _: &ChartFlags, _: &Globals) -> anyhow::Result<()> {
        anyhow::bail!("dependencies are not fetched")
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let Command::Template(args) = Command::parse();
    template::run(&args, &LocalOnly)
}
