//! The command `template` of the `flotilla` program alone, for comparing the engine with Helm.
//!
//! In: `helm-template template NAME CHART ...`. Out: what that command prints. The command is the
//! program's own file.

use std::process::ExitCode;

use clap::Parser;

#[path = "../../flotilla/src/commands/template.rs"]
mod template;

#[derive(Parser)]
enum Command {
    Template(Box<template::Args>),
}

fn main() -> anyhow::Result<ExitCode> {
    let Command::Template(args) = Command::parse();
    template::run(&args)
}
