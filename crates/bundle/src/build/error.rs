//! Why a directory cannot become a Bundle, step by step.
//!
//! Printed with their sources ([`crate::chain`]) these are upstream's texts, which its users and scripts
//! know; where a feature is not supported yet, or a limit is ours, the text is our own.

use api::fleet_yaml::Invalid;

use crate::fleet_yaml::Unreadable;
use crate::tree::ReadError;
use crate::values::BadValuesFile;
use crate::walk;

/// Why a directory cannot become a Bundle. [`crate::chain`] gives upstream's text.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The options file that was asked for cannot be read.
    #[error("failed to open file {file:?}")]
    OptionsFile {
        /// Its name.
        file: String,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// fleet.yaml is there, but cannot be read.
    #[error("failed to open existing fleet.yaml in {directory:?}")]
    FleetYaml {
        /// The directory.
        directory: String,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// Anything after that.
    #[error("failed to process bundle")]
    Process(#[source] Box<ProcessError>),
}

/// What is wrong with the content of a directory.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// fleet.yaml cannot be understood.
    #[error("reading fleet.yaml")]
    Parse(#[source] Unreadable),
    /// fleet.yaml says something impossible.
    #[error("validating fleet.yaml")]
    Validate(#[source] Invalid),
    /// Image scans are not built.
    #[error("imagescan is disabled; remove imagescans from your config files, or enable imagescan")]
    ImageScans,
    /// The metadata in fleet.yaml, or the targets file, cannot be understood.
    #[error(transparent)]
    Unreadable(Unreadable),
    /// The targets file cannot be read.
    #[error(transparent)]
    TargetsFile(ReadError),
    /// The files cannot be read.
    #[error("failed reading resources for {base:?}")]
    Resources {
        /// The directory as it was reached.
        base: String,
        /// Why.
        #[source]
        source: Box<ResourcesError>,
    },
}

/// Why the files of a bundle cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ResourcesError {
    /// A values file.
    #[error(transparent)]
    Values(BadValuesFile),
    /// A chart from elsewhere.
    #[error(
        "{field} {value:?} is not supported yet: charts from repositories, registries, archives on the web and git"
    )]
    RemoteChart {
        /// `helm.repo` or `helm.chart`.
        field: &'static str,
        /// What it says.
        value: String,
    },
    /// Looking for a local chart failed.
    #[error(transparent)]
    Chart(ReadError),
    /// A directory.
    #[error("loading directory {prefix}, {base}")]
    Load {
        /// Where its files would be in the bundle.
        prefix: String,
        /// The directory of the bundle as it was reached.
        base: String,
        /// Why.
        #[source]
        source: Box<LoadError>,
    },
}

/// Why a directory cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It does not exist.
    #[error("retrieving file from {source_path:?}: stat {shown}: no such file or directory")]
    Missing {
        /// As it is named.
        source_path: String,
        /// As it would be found.
        shown: String,
    },
    /// Something in it.
    #[error("failed to read . relative to {shown}")]
    Walk {
        /// The directory.
        shown: String,
        /// Why.
        #[source]
        source: walk::Error,
    },
}
