//! `flotilla chart dependency`: what a chart depends on, as `helm dependency` manages it.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use fetch::charts::{Dependencies, dependency_status};

use super::remote::{charts, say, wait};
use crate::commands::template::args::Access;
use crate::commands::template::chart::load;
use crate::commands::template::pflag::GoFlags;
use crate::commands::template::print_log;
use crate::commands::template::settings::Globals;
use crate::output;

/// Manage the dependencies of a chart
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum Dependency {
    /// List the dependencies and whether they are there
    #[command(visible_alias = "ls")]
    List(GoFlags<ListFlags>),
    /// Choose versions by Chart.yaml and fetch them into charts/
    #[command(visible_alias = "up")]
    Update(Box<GoFlags<Flags>>),
    /// Fetch the versions of Chart.lock into charts/
    Build(Box<GoFlags<Flags>>),
}

#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ListFlags {
    /// The chart; else the current directory
    #[arg(num_args = 0..)]
    chart: Vec<String>,
    /// Characters of a column at most
    #[arg(long, value_name = "NUMBER", default_value_t = 80)]
    max_col_width: usize,
}

#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Flags {
    /// The chart's directory; else the current one
    #[arg(num_args = 0..)]
    chart: Vec<String>,
    /// Use the cached indexes of repositories
    #[arg(long)]
    skip_refresh: bool,
    /// Refused: signatures are not checked
    #[arg(long)]
    verify: bool,
    /// Keys for --verify
    #[arg(long, value_name = "FILE")]
    keyring: Option<String>,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    globals: Globals,
}

/// Runs the command.
pub(crate) fn run(dependency: &Dependency) -> Result<()> {
    match dependency {
        Dependency::List(flags) => list(&flags.0),
        Dependency::Update(flags) => fetch(&flags.0, true),
        Dependency::Build(flags) => fetch(&flags.0, false),
    }
}

fn directory(name: &str, chart: &[String]) -> Result<PathBuf> {
    match chart {
        [] => Ok(PathBuf::from(".")),
        [path] => Ok(Path::new(path).components().collect()),
        _ => bail!(
            "\"flotilla chart dependency {name}\" accepts at most 1 argument\n\nUsage:  flotilla chart dependency {name} CHART [flags]"
        ),
    }
}

fn fetch(flags: &Flags, is_update: bool) -> Result<()> {
    let directory = directory(if is_update { "update" } else { "build" }, &flags.chart)?;
    if flags.verify {
        bail!("--verify is not supported: signatures of charts are not checked");
    }
    let charts = charts(&flags.access, false, &flags.globals);
    let now = jiff::Timestamp::now();
    let mut say = say;
    let mut dependencies = Dependencies::new(&charts, &directory, flags.skip_refresh, &mut say)?;
    if is_update {
        wait(dependencies.update(now))??;
    } else {
        wait(dependencies.build(now))??;
    }
    Ok(())
}

fn list(flags: &ListFlags) -> Result<()> {
    let directory = directory("list", &flags.chart)?;
    let chart = load(&directory)?;
    print_log(&chart.log)?;
    let Some(dependencies) = &chart.metadata.dependencies else {
        let place = directory.join("charts");
        let place = place.strip_prefix(".").unwrap_or(&place).display();
        say(&format!("WARNING: no dependencies at {place}"));
        return Ok(());
    };
    let mut rows = vec![["NAME", "VERSION", "REPOSITORY", "STATUS"].map(str::to_owned)];
    for dependency in dependencies {
        rows.push([
            dependency.name.clone(),
            dependency.version.clone(),
            dependency.repository.clone(),
            dependency_status(&directory, dependency, &chart).to_owned(),
        ]);
    }
    say(&table(&rows, flags.max_col_width));
    say("");
    warn_of_others(&directory, dependencies);
    Ok(())
}

/// Columns padded to their widest cell and set apart by tabs; long cells are cut.
fn table(rows: &[[String; 4]], width_max: usize) -> String {
    let fit = |cell: &str| -> String {
        if cell.chars().count() <= width_max {
            return cell.to_owned();
        }
        let kept: String = cell.chars().take(width_max.saturating_sub(3)).collect();
        format!("{kept}...")
    };
    let rows: Vec<[String; 4]> = rows
        .iter()
        .map(|row| [fit(&row[0]), fit(&row[1]), fit(&row[2]), fit(&row[3])])
        .collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..4)
        .map(|column| width(column).unwrap_or_default())
        .collect();
    let line = |row: &[String; 4]| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("\t")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Charts in `charts/` that `Chart.yaml` does not name.
fn warn_of_others(directory: &Path, dependencies: &[helm::Dependency]) {
    let entries = std::fs::read_dir(directory.join("charts"));
    let mut paths: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() || path.extension().is_some_and(|end| end == "tgz"))
        .collect();
    paths.sort();
    for path in paths {
        let shown = path
            .strip_prefix(".")
            .unwrap_or(&path)
            .display()
            .to_string();
        match load(&path) {
            Err(_) => output::print(&format!("WARNING: {shown:?} is not a chart.\n")),
            Ok(chart) if dependencies.iter().any(|known| known.name == chart.name()) => Ok(()),
            Ok(_) => output::print(&format!("WARNING: {shown:?} is not in Chart.yaml.\n")),
        }
        .unwrap_or_default();
    }
}
