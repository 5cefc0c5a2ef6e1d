//! Runs the program as a person or a script does.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod agent_manifest;
mod apply;
#[path = "../../../helm/tests/cases/mod.rs"]
mod cases;
mod chart;
mod cli;
mod deploy;
mod kustomize;
mod links;
mod lint;
mod names;
mod target;
mod template;

use std::path::Path;
use std::process::Command;

/// What the program answered.
pub(crate) struct Answer {
    /// Exit code.
    pub(crate) code: i32,
    /// What it printed.
    pub(crate) stdout: String,
    /// What it said.
    pub(crate) stderr: String,
}

/// Runs the program in a directory, with these variables and no others.
pub(crate) fn flotilla(directory: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Answer {
    let output = Command::new(env!("CARGO_BIN_EXE_flotilla"))
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        // No kubeconfig of whoever runs the tests.
        .env("HOME", directory)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    Answer {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
