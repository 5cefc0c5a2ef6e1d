//! Charts: what they hold and how they are loaded.
//!
//! In: files in memory or an archive. Out: a [`Chart`] with its sub-charts. What a chart holds never
//! changes after loading; aliases, conditions and imports are applied per render elsewhere. Reads no
//! file system and no network.

mod archive;
mod ignore;
mod load;
mod metadata;
mod read;

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::log::Record;
use crate::schema::Schema;

pub use archive::{ArchiveError, Files, Limits};
pub use ignore::IgnoreError;
pub use load::archive_files;
pub use load::{LoadError, LoadFailure};
pub use metadata::{Dependency, Lock, Maintainer, Metadata, ValidationError};
pub(crate) use read::Item;

/// A file of a chart. The name is relative to the chart, with slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Path inside the chart.
    pub name: String,
    /// Contents.
    pub data: Arc<[u8]>,
}

impl File {
    /// Whether it is a manifest in the `crds` folder.
    pub fn is_crd(&self) -> bool {
        let extension = sprig::gopath::ext(self.name.as_bytes()).to_ascii_lowercase();
        self.name.starts_with("crds/")
            && matches!(extension.as_slice(), b".yaml" | b".yml" | b".json")
    }
}

/// A chart with its sub-charts, as loaded.
#[derive(Debug, Clone)]
pub struct Chart {
    /// `Chart.yaml`.
    pub metadata: Metadata,
    /// `Chart.lock`, if there is one.
    pub lock: Option<Lock>,
    /// Files below `templates/`, in the order given.
    pub templates: Vec<File>,
    /// `values.yaml`; numbers are all floating, as Go's JSON reader has them.
    pub values: Map<String, Value>,
    /// `values.schema.json`, unread until values are held against it.
    pub schema: Option<Schema>,
    /// All other files, those below `crds/` among them, in the order given.
    pub files: Vec<File>,
    /// Sub-charts found below `charts/`, sorted by the name of their directory or archive.
    ///
    /// Quirk: Helm takes them in random order; a fixed one makes renders repeatable.
    pub dependencies: Vec<Arc<Chart>>,
    /// What loading it and its sub-charts had to warn of.
    pub log: Vec<Record>,
}

/// An `apiVersion` that Helm knows and does not install.
pub(crate) const API_VERSION_3: &str = "v3";

impl Chart {
    /// Name in `Chart.yaml`.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// Whether this is a library: only its partials are used.
    pub fn is_library(&self) -> bool {
        self.metadata.kind.eq_ignore_ascii_case("library")
    }

    /// Refuses what Helm will not install by itself: a library.
    pub fn check_installable(&self) -> Result<(), NotInstallable> {
        match self.metadata.kind.as_str() {
            "" | "application" => Ok(()),
            other => Err(NotInstallable(other.to_owned())),
        }
    }

    /// Refuses a chart whose `Chart.yaml` names a dependency that is not in `charts/`.
    pub fn check_dependencies(&self) -> Result<(), MissingDependencies> {
        let missing: Vec<&str> = self
            .metadata
            .dependencies
            .iter()
            .flatten()
            .map(|wanted| wanted.name.as_str())
            .filter(|wanted| !self.dependencies.iter().any(|have| have.name() == *wanted))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(MissingDependencies(missing.join(", ")))
    }
}

/// A chart that cannot be installed by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} charts are not installable")]
pub struct NotInstallable(String);

/// Dependencies that `Chart.yaml` names and `charts/` lacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: {0}"
)]
pub struct MissingDependencies(String);
