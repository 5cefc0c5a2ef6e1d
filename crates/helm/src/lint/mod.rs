//! `helm lint`: what is wrong with a chart, or unusual.
//!
//! In: the files of a chart's directory, values, flags. Out: messages in Helm's order and words, and the
//! text of the command. Reads nothing itself. Source: Helm `pkg/chart/v2/lint`, `pkg/action/lint.go`,
//! `pkg/cmd/lint.go`.

mod addresses;
mod chart_yaml;
mod crds;
mod dependencies;
mod deprecated;
mod documents;
mod folder;
mod objects;
mod report;
mod templates;
mod values;

use std::fmt;

use jiff::Timestamp;

use crate::KubeVersion;
use crate::log::{Log, Record};
use crate::values::Given;

pub use folder::{Entry, Folder};
pub use report::{Report, report};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Against convention or advice.
    Warning,
    /// Will keep the chart from being installed.
    Error,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// How bad it is.
    pub severity: Severity,
    /// The file or directory, relative to the chart; the directory of the chart for some; may be empty.
    pub path: String,
    /// What is wrong; may have several lines.
    pub text: String,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Info => "INFO",
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
        };
        write!(f, "[{severity}] {}: {}", self.path, self.text)
    }
}

/// What charts are linted with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The user's values; see [`crate::RenderOptions::values`].
    pub values: Given,
    /// Namespace of the release that templates see.
    pub namespace: String,
    /// `--kube-version`
    pub kube_version: Option<KubeVersion>,
    /// `--skip-schema-validation`
    pub skip_schema_validation: bool,
}

/// What was found in a chart.
#[derive(Debug, Clone, Default)]
pub struct Linted {
    /// In Helm's order.
    pub messages: Vec<Message>,
    /// Warnings on the way, for standard error.
    pub log: Vec<Record>,
}

/// Lints a chart at the moment `now`.
///
/// # Errors
/// When there is no `Chart.yaml` at all.
pub fn lint(folder: &Folder, options: &Options, now: Timestamp) -> Result<Linted, String> {
    folder.check_is_chart()?;
    let mut linter = Linter {
        folder,
        options,
        now,
        messages: Vec::new(),
        log: Log::default(),
    };
    chart_yaml::check(&mut linter);
    values::check(&mut linter);
    templates::check(&mut linter);
    dependencies::check(&mut linter);
    crds::check(&mut linter);
    Ok(Linted {
        messages: linter.messages,
        log: linter.log.records,
    })
}

/// One run.
struct Linter<'a> {
    folder: &'a Folder,
    options: &'a Options,
    now: Timestamp,
    messages: Vec<Message>,
    log: Log,
}

impl Linter<'_> {
    /// Notes what a rule found; tells whether that was nothing.
    fn rule<T>(&mut self, severity: Severity, path: &str, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(text) => {
                self.messages.push(Message {
                    severity,
                    path: path.to_owned(),
                    text,
                });
                None
            }
        }
    }

    /// Loads the chart, as several rules do, each time with the warnings of loading.
    fn load(&mut self) -> Result<crate::Chart, String> {
        self.log.records.extend(self.folder.log.iter().cloned());
        self.folder.load(&mut self.log)
    }
}

/// A path in its shortest form, as Go's `filepath.Clean` writes it.
pub fn clean_path(path: &str) -> String {
    sprig::gopath::clean_str(path)
}

fn quote(text: &str) -> String {
    sprig::gotext::quote(text.as_bytes())
}
