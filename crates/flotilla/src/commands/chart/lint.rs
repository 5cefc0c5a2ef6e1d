//! `flotilla chart lint`: what is wrong with charts, as `helm lint` says it.
//!
//! In: directories and archives. Out: findings on standard output. The rules are in `helm::lint`.

use std::path::Path;

use anyhow::{Result, bail};
use helm::lint::{Entry, Folder, Linted, Options, clean_path, lint, report};

use super::remote::Fetching;
use crate::commands::template::args::ValueFlags;
use crate::commands::template::chart::{go_error, walk};
use crate::commands::template::pflag::GoFlags;
use crate::commands::template::read_source;
use crate::commands::template::settings::Globals;
use crate::output;

/// Look for what is wrong or unusual in charts
pub(crate) type Lint = GoFlags<Flags>;

/// Look for what is wrong or unusual in charts
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Flags {
    /// Directories and .tgz files of charts
    #[arg(value_name = "PATH", num_args = 0..)]
    paths: Vec<String>,
    /// Fail on warnings too
    #[arg(long)]
    strict: bool,
    /// Look at the charts in charts/ too
    #[arg(long)]
    with_subcharts: bool,
    /// Print warnings and errors only
    #[arg(long)]
    quiet: bool,
    /// Do not check values against the chart's schema
    #[arg(long)]
    skip_schema_validation: bool,
    /// Version that the chart takes the cluster to have, and that deprecations are checked against
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    #[command(flatten)]
    values: ValueFlags,
    #[command(flatten)]
    globals: Globals,
}

/// Prints what was found.
pub(crate) fn run(flags: &Lint) -> Result<()> {
    let flags = &flags.0;
    if flags.paths.is_empty() {
        bail!(
            "\"flotilla chart lint\" requires at least 1 argument\n\nUsage:  flotilla chart lint PATH [flags]"
        );
    }
    let version = flags
        .kube_version
        .as_deref()
        .filter(|text| !text.is_empty())
        .map(|text| match helm::KubeVersion::parse(text) {
            Ok(version) => Ok(version),
            Err(error) => bail!("invalid kube version '{text}': {error}"),
        });
    let mut paths = flags.paths.clone();
    if flags.with_subcharts {
        for path in &flags.paths {
            add_sub_charts(&clean_path(&format!("{path}/charts")), &mut paths);
        }
    }
    let options = Options {
        kube_version: version.transpose()?,
        namespace: flags.globals.namespace(),
        values: flags
            .values
            .options()
            .merge(&mut |name| read_source(name, &flags.globals, &Fetching))?,
        skip_schema_validation: flags.skip_schema_validation,
    };
    let charts: Vec<_> = paths
        .into_iter()
        .map(|path| {
            let linted = lint_path(&path, &options);
            (path, linted)
        })
        .collect();
    let report = report(&charts, flags.strict, flags.quiet);
    output::print(&report.text)?;
    match report.failure {
        Some(failure) => bail!(failure),
        None => Ok(()),
    }
}

/// Adds the charts and archives at a path and below, in the order of names. Links are not followed.
fn add_sub_charts(path: &str, paths: &mut Vec<String>) {
    let Ok(about) = std::fs::symlink_metadata(path) else {
        return;
    };
    let (directory, name) = path.rsplit_once('/').unwrap_or((".", path));
    if name == "Chart.yaml" {
        paths.push(directory.to_owned());
    } else if is_archive(path) {
        paths.push(path.to_owned());
    }
    if !about.is_dir() {
        return;
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort();
    for name in names {
        add_sub_charts(&format!("{path}/{name}"), paths);
    }
}

#[expect(
    clippy::case_sensitive_file_extension_comparisons,
    reason = "Helm compares so"
)]
fn is_archive(path: &str) -> bool {
    path.ends_with(".tgz") || path.ends_with(".tar.gz")
}

fn lint_path(path: &str, options: &Options) -> Result<Linted, String> {
    let folder = if is_archive(path) {
        archive(path)?
    } else {
        directory(path)?
    };
    let linted = lint(&folder, options, jiff::Timestamp::now())?;
    for record in &linted.log {
        output::note(&record.to_string());
    }
    Ok(linted)
}

fn archive(path: &str) -> Result<Folder, String> {
    let bytes_max = helm::Limits::default().total_bytes;
    let failed = |error: &std::io::Error| {
        let error = go_error("open", Path::new(path), error);
        format!("unable to open tarball: {error}")
    };
    let about = std::fs::metadata(path).map_err(|error| failed(&error))?;
    if about.len() > bytes_max {
        return Err(format!("{path} is larger than {bytes_max} bytes"));
    }
    let data = std::fs::read(path).map_err(|error| failed(&error))?;
    Folder::from_archive(&absolute(path), &data)
}

/// The path without `.`, `..` and repeated slashes, as Go cleans it; absolute.
fn absolute(path: &str) -> String {
    let path = std::path::absolute(path).unwrap_or_default();
    clean_path(&path.display().to_string())
}

fn directory(path: &str) -> Result<Folder, String> {
    let shown = clean_path(&format!("{path}/Chart.yaml"));
    if let Err(error) = std::fs::metadata(&shown) {
        let error = go_error("stat", Path::new(&shown), &error);
        return Err(format!("unable to check Chart.yaml file in chart: {error}"));
    }
    let absolute = absolute(path);
    let place = Path::new(&absolute);
    let (files, log) = walk(place);
    Ok(Folder {
        files: files.map_err(|error| format!("{error:#}")),
        log,
        chart_yaml: entry(&place.join("Chart.yaml")),
        values: entry(&place.join("values.yaml")),
        schema: entry(&place.join("values.schema.json")),
        templates: entry(&place.join("templates")),
        crds: entry(&place.join("crds")),
        path: absolute,
    })
}

fn entry(path: &Path) -> Entry {
    match std::fs::metadata(path) {
        Err(_) => Entry::Missing,
        Ok(about) if about.is_dir() => Entry::Directory,
        Ok(about) if about.len() > helm::Limits::default().total_bytes => {
            Entry::Unreadable(format!("{} is too large", path.display()))
        }
        Ok(_) => match std::fs::read(path) {
            Ok(data) => Entry::File(data.into()),
            Err(error) => Entry::Unreadable(go_error("open", path, &error).to_string()),
        },
    }
}
