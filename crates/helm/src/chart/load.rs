//! From files in memory to a [`Chart`]: sorting them by their place, reading the YAML ones, loading
//! what is below `charts/`.
//!
//! In: names and contents. Out: a validated chart, or the first thing wrong with it, in Helm's words.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use serde_json::Map;

use super::archive::{self, ArchiveError, Budget, Files, Limits};
use super::ignore::{IgnoreError, Rules};
use super::metadata::{Lock, Metadata, ValidationError};
use super::{API_VERSION_3, Chart, File};
use crate::decode::Fields;
use crate::log::{Log, Record};
use crate::schema::Schema;
use crate::values;
use goyaml::Target;

/// Why files are not a chart.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// No `Chart.yaml`.
    #[error("Chart.yaml file is missing")]
    NoChartYaml,
    /// No `Chart.yaml` in an archive that is to be a chart.
    #[error("unable to detect chart version, no Chart.yaml found")]
    NotDetected,
    /// A YAML file of the chart is no YAML.
    #[error("cannot load {file}: {reason}")]
    Yaml {
        /// Name of the file.
        file: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// `Chart.yaml` lacks something.
    #[error(transparent)]
    Invalid(#[from] ValidationError),
    /// An `apiVersion` other than `v1`, `v2` and `v3`. Charts of `v3` load, and no render takes them.
    #[error("unsupported chart version")]
    ApiVersion,
    /// The archive of a sub-chart is refused, or the files are beyond the limits.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The archive of the chart is refused. Helm's command does not say why, its library does.
    #[error("unable to load chart archive: {0}")]
    OwnArchive(ArchiveError),
    /// `.helmignore` is refused.
    #[error(transparent)]
    Ignore(#[from] IgnoreError),
    /// An entry of `charts/` that ends in `.tgz` and is no file.
    #[error("error unpacking subchart tar in {chart}: expected {expected}, got {found}")]
    NotAnArchive {
        /// Name of the chart.
        chart: String,
        /// Name of the entry.
        expected: String,
        /// Name of a file in it.
        found: String,
    },
    /// A sub-chart cannot be loaded.
    #[error("error unpacking subchart {entry} in {chart}: {error}")]
    Subchart {
        /// Name of the entry below `charts/`.
        entry: String,
        /// Name of the chart around it.
        chart: String,
        /// What is wrong with it.
        error: Box<LoadError>,
    },
    /// Sub-charts in sub-charts beyond the limit.
    #[error("sub-charts are nested deeper than {0} levels")]
    TooDeep(usize),
}

/// A chart that cannot be loaded, and what Helm says before it finds that out.
#[derive(Debug)]
pub struct LoadFailure {
    /// What is wrong.
    pub error: LoadError,
    /// The warnings until then.
    pub log: Vec<Record>,
}

impl fmt::Display for LoadFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(formatter)
    }
}

impl std::error::Error for LoadFailure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl From<LoadError> for LoadFailure {
    fn from(error: LoadError) -> Self {
        let log = Vec::new();
        Self { error, log }
    }
}

impl Chart {
    /// Loads a chart from files as an archive would hold them: `.helmignore` is not looked at.
    /// Names are relative to the chart, with slashes.
    pub fn from_files<D: Into<Arc<[u8]>>>(
        files: Vec<(String, D)>,
        limits: &Limits,
    ) -> Result<Self, LoadFailure> {
        let files = files.into_iter().map(|(name, data)| (name, data.into()));
        let files: Files = files.collect();
        check_version(chart_yaml(&files).ok_or(LoadError::NoChartYaml)?)?;
        load_within(files, limits)
    }

    /// Loads a chart from the files of a directory: `.helmignore` is obeyed, files are taken in the
    /// order of a directory walk, byte order marks are cut off.
    pub fn from_directory<D: Into<Arc<[u8]>>>(
        files: Vec<(String, D)>,
        limits: &Limits,
    ) -> Result<Self, LoadFailure> {
        let files = files.into_iter().map(|(name, data)| (name, data.into()));
        let files: Files = files.collect();
        check_version(chart_yaml(&files).ok_or(LoadError::NoChartYaml)?)?;
        let files = not_ignored(files)?;
        check_version(chart_yaml(&files).ok_or(LoadError::NoChartYaml)?)?;
        load_within(files, limits)
    }

    /// As [`Self::from_directory`], whatever `apiVersion` is: as Helm's linter loads charts.
    pub(crate) fn from_directory_of_any_version(
        files: &[(String, Arc<[u8]>)],
        limits: &Limits,
    ) -> Result<Self, LoadFailure> {
        load_within(not_ignored(files.to_vec())?, limits)
    }

    /// Loads a chart from a gzipped tar file.
    pub fn from_archive(archive: &[u8], limits: &Limits) -> Result<Self, LoadFailure> {
        let mut budget = Budget::new(*limits);
        let files = archive::read(archive, &mut budget).map_err(LoadError::OwnArchive)?;
        check_version(chart_yaml(&files).ok_or(LoadError::NotDetected)?)?;
        load_logged(files, &mut budget)
    }
}

/// The files of a directory that `.helmignore` leaves, in the order of a walk.
fn not_ignored(mut files: Files) -> Result<Files, LoadError> {
    let ignore = files.iter().find(|(name, _)| name == ".helmignore");
    let text = ignore.map_or_else(Default::default, |(_, data)| String::from_utf8_lossy(data));
    let rules = Rules::parse(&text)?;
    let mut directories = HashMap::new();
    files.retain(|(name, _)| !rules.ignores_file(name, &mut directories));
    for (_, data) in &mut files {
        archive::strip_bom(data);
    }
    files.sort_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
    Ok(files)
}

fn load_within(files: Files, limits: &Limits) -> Result<Chart, LoadFailure> {
    let mut budget = Budget::new(*limits);
    for (_, data) in &files {
        budget.take(data.len() as u64).map_err(LoadError::from)?;
    }
    load_logged(files, &mut budget)
}

fn load_logged(files: Files, budget: &mut Budget) -> Result<Chart, LoadFailure> {
    let mut log = Log::default();
    let loaded = load(files, budget, &mut log, 0);
    let log = log.records;
    match loaded {
        Ok(chart) => Ok(Chart { log, ..chart }),
        Err(error) => Err(LoadFailure { error, log }),
    }
}

/// The files of a gzipped tar file in their order, names relative to the chart.
///
/// # Errors
/// If it is no such file, is larger than `limits`, or holds names that lead out of it.
pub fn archive_files(archive: &[u8], limits: &Limits) -> Result<Files, ArchiveError> {
    archive::read(archive, &mut Budget::new(*limits))
}

fn chart_yaml(files: &[(String, Arc<[u8]>)]) -> Option<&[u8]> {
    let found = files.iter().find(|(name, _)| name == "Chart.yaml");
    found.map(|(_, data)| &**data)
}

/// The look that Helm takes at the version before it loads anything else.
fn check_version(chart_yaml: &[u8]) -> Result<(), LoadError> {
    const TARGET: Target = Target::Struct {
        go_type: "loader.chartBase",
        name: "chartBase",
        fields: &[("apiVersion", Target::Text)],
    };
    let document = goyaml::parse_into(chart_yaml, &TARGET).map_err(in_file("Chart.yaml"))?;
    match Fields::of(&document).text("apiVersion").as_deref() {
        None | Some("" | "v1" | "v2" | API_VERSION_3) => Ok(()),
        Some(_) => Err(LoadError::ApiVersion),
    }
}

fn in_file<E: ToString>(file: &'static str) -> impl Fn(E) -> LoadError {
    move |error| LoadError::Yaml {
        file,
        reason: error.to_string(),
    }
}

/// What the files of one chart fall into.
#[derive(Default)]
struct Sorted {
    templates: Vec<File>,
    files: Vec<File>,
    values: Map<String, serde_json::Value>,
    schema: Option<Schema>,
    lock: Option<Lock>,
    /// Files below `charts/` by the first element of their path there.
    subcharts: BTreeMap<String, Files>,
}

impl Sorted {
    /// Puts a file among those that templates can read.
    fn keep(&mut self, name: String, data: Arc<[u8]>) {
        self.files.push(File { name, data });
    }
}

const REQUIREMENTS_MOVED: &str = "Warning: Dependencies are handled in Chart.yaml since apiVersion \"v2\". We recommend migrating dependencies to Chart.yaml.";
const LOCK_MOVED: &str = "Warning: Dependency locking is handled in Chart.lock since apiVersion \"v2\". We recommend migrating to Chart.lock.";

/// Loads a chart; its log is empty, that of all charts is in `log`.
fn load(
    files: Files,
    budget: &mut Budget,
    log: &mut Log,
    depth: usize,
) -> Result<Chart, LoadError> {
    if depth > budget.depth() {
        return Err(LoadError::TooDeep(budget.depth()));
    }
    let mut metadata = None;
    for (_, data) in files.iter().filter(|(name, _)| name == "Chart.yaml") {
        let metadata = metadata.get_or_insert_with(Metadata::default);
        metadata.read(data).map_err(in_file("Chart.yaml"))?;
        if metadata.api_version.is_empty() {
            "v1".clone_into(&mut metadata.api_version);
        }
    }
    let mut sorted = Sorted::default();
    for (name, data) in files {
        sort_file((name, data), &mut metadata, &mut sorted, log)?;
    }
    let mut metadata = metadata.ok_or(LoadError::NoChartYaml)?;
    metadata.validate()?;
    let mut dependencies = Vec::new();
    for (entry, files) in sorted.subcharts {
        if entry.starts_with(['_', '.']) {
            continue;
        }
        let loaded = load_subchart((&entry, files), &metadata.name, budget, log, depth + 1)?;
        dependencies.push(Arc::new(loaded));
    }
    Ok(Chart {
        metadata,
        lock: sorted.lock,
        templates: sorted.templates,
        values: sorted.values,
        schema: sorted.schema,
        files: sorted.files,
        dependencies,
        log: Vec::new(),
    })
}

fn sort_file(
    (name, data): (String, Arc<[u8]>),
    metadata: &mut Option<Metadata>,
    sorted: &mut Sorted,
    log: &mut Log,
) -> Result<(), LoadError> {
    match name.as_str() {
        "Chart.yaml" => {}
        "Chart.lock" => sorted.lock = Some(Lock::read(&data).map_err(in_file("Chart.lock"))?),
        "values.yaml" => {
            sorted.values = values::load(&data).map_err(in_file("values.yaml"))?;
        }
        "values.schema.json" => sorted.schema = Some(Schema::new(data)),
        "requirements.yaml" => {
            let metadata = metadata.get_or_insert_default();
            if metadata.api_version != "v1" {
                log.plain(REQUIREMENTS_MOVED);
            }
            metadata.read(&data).map_err(in_file("requirements.yaml"))?;
            if metadata.api_version == "v1" {
                sorted.keep(name, data);
            }
        }
        "requirements.lock" => {
            sorted.lock = Some(Lock::read(&data).map_err(in_file("requirements.lock"))?);
            if metadata.get_or_insert_default().api_version == "v1" {
                sorted.keep(name, data);
            } else {
                log.plain(LOCK_MOVED);
            }
        }
        _ if name.starts_with("templates/") => {
            sorted.templates.push(File { name, data });
        }
        _ => match name.strip_prefix("charts/") {
            Some(inner) if sprig::gopath::ext(name.as_bytes()) != b".prov" => {
                let entry = inner.split('/').next().unwrap_or_default().to_owned();
                sorted
                    .subcharts
                    .entry(entry)
                    .or_default()
                    .push((inner.to_owned(), data));
            }
            _ => sorted.keep(name, data),
        },
    }
    Ok(())
}

fn load_subchart(
    (entry, files): (&str, Files),
    chart: &str,
    budget: &mut Budget,
    log: &mut Log,
    depth: usize,
) -> Result<Chart, LoadError> {
    let result = if sprig::gopath::ext(entry.as_bytes()) == b".tgz" {
        let Some((name, data)) = files.into_iter().next() else {
            return Err(LoadError::NoChartYaml);
        };
        if name != entry {
            return Err(LoadError::NotAnArchive {
                chart: chart.to_owned(),
                expected: entry.to_owned(),
                found: name,
            });
        }
        archive::read(&data, budget)
            .map_err(LoadError::from)
            .and_then(|f| load(f, budget, log, depth))
    } else {
        // Files that lie directly in charts/ belong to no chart.
        let inner = files
            .into_iter()
            .filter_map(|(name, data)| Some((name.split_once('/')?.1.to_owned(), data)))
            .collect();
        load(inner, budget, log, depth)
    };
    result.map_err(|error| LoadError::Subchart {
        entry: entry.to_owned(),
        chart: chart.to_owned(),
        error: Box::new(error),
    })
}

#[cfg(test)]
mod tests;
