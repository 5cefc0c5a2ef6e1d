//! What fetching dependencies is made of: its errors, the hash and the text of a lock file, paths.

use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::Error;

/// Why dependencies cannot be had. The text is Helm's where Helm has one.
#[derive(Debug, thiserror::Error)]
pub enum DependencyError {
    /// A decision about the chart or its dependencies.
    #[error("{0}")]
    Refused(String),
    /// Something could not be fetched.
    #[error(transparent)]
    Fetch(#[from] Error),
    /// An archive could not be fetched.
    #[error("could not download {url}: {error}")]
    Download {
        /// Where it was to come from.
        url: String,
        /// What happened.
        error: Error,
    },
    /// A file of the chart could not be written.
    #[error("write {path}: {error}")]
    Write {
        /// The file.
        path: String,
        /// What happened.
        error: std::io::Error,
    },
}

pub(super) fn refused<T>(text: impl Into<String>) -> Result<T, DependencyError> {
    Err(DependencyError::Refused(text.into()))
}

/// Without `.` and `x/..`, as Go's `filepath.Join` leaves it.
pub(super) fn cleaned(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        let has_name = matches!(out.components().next_back(), Some(Component::Normal(_)));
        match part {
            Component::CurDir => {}
            Component::ParentDir if has_name => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

/// As `sigs.k8s.io/yaml` prints it.
pub(super) fn yaml(value: &impl serde::Serialize) -> Result<String, DependencyError> {
    let value = serde_json::to_value(value).or_else(|error| refused(error.to_string()))?;
    goyaml::to_yaml(&value).or_else(|error| refused(error.to_string()))
}

/// The hash that a lock file has.
pub(super) fn digest(value: &impl serde::Serialize) -> Result<String, DependencyError> {
    let json = goyaml::json::to_vec(value).or_else(|error| refused(error.to_string()))?;
    Ok(format!("sha256:{}", hex::encode(Sha256::digest(json))))
}
