//! `kustomize`: prints what a directory with a kustomization builds.

mod disk;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

/// Build a kustomization and print its objects, as kubectl kustomize does
///
/// Files outside of a kustomization's own directory, remote files and bases, charts and plugins are
/// refused. Agents build bundles the same way.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Directory with a kustomization.yaml, kustomization.yml or Kustomization
    #[arg(default_value = ".")]
    directory: PathBuf,
}

/// Runs the command. Errors are printed here, in kubectl's form.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let directory = std::path::absolute(&args.directory)?;
    let directory = directory.to_str().context("the directory is no UTF-8")?;
    let built = kustomize::build(&disk::Disk, directory)
        .and_then(|built| Ok((built.to_yaml()?, built.warnings)));
    let mut stderr = std::io::stderr().lock();
    match built {
        Ok((text, warnings)) => {
            for warning in warnings {
                writeln!(stderr, "{warning}")?;
            }
            std::io::stdout().lock().write_all(text.as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            writeln!(stderr, "error: {error}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}
