//! A chart's directory as rules look at it: some of them at files, whatever `.helmignore` says, others
//! at the chart that loads from it.

use std::sync::Arc;

use crate::chart::{self, Chart, Files, Limits};
use crate::log::{Log, Record};

/// What lies under a name in the directory, links followed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Entry {
    /// Nothing.
    #[default]
    Missing,
    /// A directory.
    Directory,
    /// A file.
    File(Arc<[u8]>),
    /// A file that cannot be read, with the reason in Go's words.
    Unreadable(String),
}

/// A chart's directory.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Its absolute path, as messages name it.
    pub path: String,
    /// All files below it, names being relative with slashes; or why they cannot be read.
    pub files: Result<Files, String>,
    /// What there was to say about reading the files.
    pub log: Vec<Record>,
    /// `Chart.yaml`
    pub chart_yaml: Entry,
    /// `values.yaml`
    pub values: Entry,
    /// `values.schema.json`
    pub schema: Entry,
    /// `templates`
    pub templates: Entry,
    /// `crds`
    pub crds: Entry,
}

impl Folder {
    /// The directory that an archive unpacks to. `path` is what messages call it.
    ///
    /// # Errors
    /// When the archive, or the name of the chart in it, is refused.
    pub fn from_archive(path: &str, archive: &[u8]) -> Result<Self, String> {
        let failed = |reason: String| format!("unable to extract tarball: {reason}");
        let files = chart::archive_files(archive, &Limits::default())
            .map_err(|error| failed(error.to_string()))?;
        check_name(&files).map_err(failed)?;
        let entry = |name: &str| {
            let below = format!("{name}/");
            let file = files.iter().rev().find(|(path, _)| path == name);
            match file {
                Some((_, data)) => Entry::File(Arc::clone(data)),
                None if files.iter().any(|(path, _)| path.starts_with(&below)) => Entry::Directory,
                None => Entry::Missing,
            }
        };
        Ok(Self {
            path: path.to_owned(),
            log: Vec::new(),
            chart_yaml: entry("Chart.yaml"),
            values: entry("values.yaml"),
            schema: entry("values.schema.json"),
            templates: entry("templates"),
            crds: entry("crds"),
            files: Ok(files),
        })
    }

    pub(super) fn check_is_chart(&self) -> Result<(), String> {
        match self.chart_yaml {
            Entry::Missing => Err(format!(
                "unable to check Chart.yaml file in chart: stat {}/Chart.yaml: no such file or directory",
                self.path
            )),
            _ => Ok(()),
        }
    }

    /// The contents of the entry of that name.
    pub(super) fn read<'e>(&self, entry: &'e Entry, name: &str) -> Result<&'e [u8], String> {
        let path = format!("{}/{name}", self.path);
        match entry {
            Entry::File(data) => Ok(data),
            Entry::Unreadable(reason) => Err(reason.clone()),
            Entry::Directory => Err(format!("read {path}: is a directory")),
            Entry::Missing => Err(format!("open {path}: no such file or directory")),
        }
    }

    /// Loads the chart; the warnings of loading go to `log`.
    pub(super) fn load(&self, log: &mut Log) -> Result<Chart, String> {
        let files = self.files.as_ref().map_err(Clone::clone)?;
        let loaded = Chart::from_directory_of_any_version(files, &Limits::default());
        let (said, result) = match loaded {
            Ok(chart) => (chart.log.clone(), Ok(chart)),
            Err(failure) => {
                let reason = failure.to_string();
                (failure.log, Err(reason))
            }
        };
        log.records.extend(said);
        result
    }
}

/// Source: Helm `chartutil.Expand`.
fn check_name(files: &[(String, Arc<[u8]>)]) -> Result<(), String> {
    let mut name = String::new();
    for (_, data) in files.iter().filter(|(path, _)| path == "Chart.yaml") {
        let metadata = chart::Metadata::parse(data)
            .map_err(|error| format!("cannot load Chart.yaml: {error}"))?;
        name = metadata.name;
    }
    let quoted = super::quote(&name);
    match name.as_str() {
        "" => Err("chart name not specified".to_owned()),
        "." | ".." => Err(format!("chart name {quoted} is not allowed")),
        name if name != sprig::gopath::base_str(name) => Err(format!(
            "chart name {quoted} must not contain path separators"
        )),
        _ => Ok(()),
    }
}
