//! `flotilla chart show`: parts of a chart as `helm show` prints them.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use helm::{Chart, File, jsonpath};

use super::remote::Fetching;
use crate::commands::template::args::ChartFlags;
use crate::commands::template::chart::Located;
use crate::commands::template::pflag::GoFlags;
use crate::commands::template::settings::Globals;
use crate::commands::template::{locate, print_log};
use crate::output;

/// Show parts of a chart
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum Show {
    /// Show everything
    All(GoFlags<Flags>),
    /// Show Chart.yaml
    Chart(GoFlags<Flags>),
    /// Show values.yaml
    Values(GoFlags<ValuesFlags>),
    /// Show the README
    Readme(GoFlags<Flags>),
    /// Show the files of the crds folders
    Crds(GoFlags<Flags>),
}

#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Flags {
    /// The chart: a directory, a .tgz file, a URL, oci://..., or repository/name
    #[arg(num_args = 0..)]
    chart: Vec<String>,
    #[command(flatten)]
    source: ChartFlags,
    #[command(flatten)]
    globals: Globals,
}

#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ValuesFlags {
    #[command(flatten)]
    flags: Flags,
    /// Print what a JSONPath template makes of the values: '{.image.tag}'
    #[arg(
        long,
        value_name = "TEMPLATE",
        default_value = "",
        hide_default_value = true
    )]
    jsonpath: String,
}

/// Prints the part.
pub(crate) fn run(show: &Show) -> Result<()> {
    let (name, flags) = match show {
        Show::All(flags) => ("all", &flags.0),
        Show::Chart(flags) => ("chart", &flags.0),
        Show::Values(flags) => ("values", &flags.0.flags),
        Show::Readme(flags) => ("readme", &flags.0),
        Show::Crds(flags) => ("crds", &flags.0),
    };
    let [chart] = flags.chart.as_slice() else {
        bail!(
            "\"flotilla chart show {name}\" requires 1 argument\n\nUsage:  flotilla chart show {name} [CHART] [flags]"
        );
    };
    let located = locate(chart, &flags.source, &flags.globals, &Fetching)?;
    let chart = located.load()?;
    print_log(&chart.log)?;
    let is_all = matches!(show, Show::All(_));
    let mut text = String::new();
    if is_all || matches!(show, Show::Chart(_)) {
        let metadata = serde_json::to_value(&chart.metadata)?;
        text.push_str(&goyaml::to_yaml(&metadata)?);
        text.push('\n');
    }
    if is_all || matches!(show, Show::Values(_)) {
        let values = values(&located)?;
        if is_all && values.is_some() {
            text.push_str("---\n");
        }
        match show {
            Show::Values(flags) if values.is_some() && !flags.0.jsonpath.is_empty() => {
                text.push_str(&found(&flags.0.jsonpath, &chart)?);
            }
            _ => push(&mut text, values.as_deref()),
        }
    }
    if is_all || matches!(show, Show::Readme(_)) {
        let readme = readme(&chart);
        if is_all && readme.is_some() {
            text.push_str("---\n");
        }
        push(&mut text, readme.map(|file| &*file.data));
    }
    if is_all || matches!(show, Show::Crds(_)) {
        let mut found = Vec::new();
        crds(&chart, &mut found);
        for crd in found {
            if !crd.data.starts_with(b"---") {
                text.push_str("---\n");
            }
            push(&mut text, Some(&crd.data));
        }
    }
    Ok(output::print(&text)?)
}

/// What a template makes of the chart's values.
fn found(template: &str, chart: &Chart) -> Result<String> {
    let parsed = jsonpath::Template::parse(template)
        .map_err(|error| anyhow!("error parsing jsonpath {template}: {error}"))?;
    let values = serde_json::Value::Object(chart.values.clone());
    Ok(String::from_utf8_lossy(&parsed.execute(&values)).into_owned())
}

fn push(text: &mut String, data: Option<&[u8]>) {
    if let Some(data) = data {
        text.push_str(&String::from_utf8_lossy(data));
        text.push('\n');
    }
}

/// `values.yaml` as it is written, of a chart that has been loaded, which bounds its size.
fn values(located: &Located) -> Result<Option<Vec<u8>>> {
    let data = match located {
        Located::Local(path) if path.is_dir() => {
            let path = path.join("values.yaml");
            return Ok(path.exists().then(|| std::fs::read(path)).transpose()?);
        }
        Located::Local(path) => std::fs::read(path)?,
        Located::Archive(data) => data.clone(),
    };
    let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(data.as_slice()));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path_bytes();
        let below = path.splitn(2, |byte| *byte == b'/').nth(1);
        if below == Some(b"values.yaml".as_slice()) {
            let mut values = Vec::new();
            entry.read_to_end(&mut values)?;
            return Ok(Some(values));
        }
    }
    Ok(None)
}

/// The files of the `crds` folders, the chart's own first.
fn crds<'c>(chart: &'c Chart, found: &mut Vec<&'c File>) {
    let is_manifest = |file: &&File| {
        let end = Path::new(&file.name)
            .extension()
            .and_then(|end| end.to_str());
        let end = end.unwrap_or_default().to_ascii_lowercase();
        file.name.starts_with("crds/") && matches!(end.as_str(), "yaml" | "yml" | "json")
    };
    found.extend(chart.files.iter().filter(is_manifest));
    for below in &chart.dependencies {
        crds(below, found);
    }
}

fn readme(chart: &Chart) -> Option<&File> {
    chart.files.iter().find(|file| {
        ["readme.md", "readme.txt", "readme"]
            .iter()
            .any(|name| file.name.eq_ignore_ascii_case(name))
    })
}
