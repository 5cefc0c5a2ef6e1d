//! Whether the dependencies of a chart are there.
//!
//! In: a chart's directory and what `Chart.yaml` asks for. Out: one word or two for each dependency.

use std::path::{Path, PathBuf};

use helm::{Chart, Dependency};
use sprig::semver::{Constraint, Version};

use super::reference::is_strict;

/// What `helm dependency list` says of each dependency of the chart at a path.
///
/// Source: Helm `Dependency.dependencyStatus`.
pub fn status(directory: &Path, dependency: &Dependency, chart: &Chart) -> &'static str {
    let prefix = format!("{}-", dependency.name);
    let entries = std::fs::read_dir(directory.join("charts"))
        .into_iter()
        .flatten()
        .flatten();
    let mut archives: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            name.starts_with(&prefix) && path.extension().is_some_and(|end| end == "tgz")
        })
        .collect();
    if archives.len() > 1 {
        archives.retain(|path| {
            let name = path
                .file_stem()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            is_strict(name.strip_prefix(&prefix).unwrap_or_default())
        });
        if archives.len() > 1 {
            return "too many matches";
        }
    }
    let wrong = |found: &str| {
        if found == dependency.version {
            return None;
        }
        match (
            Constraint::parse(&dependency.version),
            Version::parse(found),
        ) {
            (Ok(constraint), Ok(found)) if constraint.check(&found) => None,
            (Ok(_), Ok(_)) => Some("wrong version"),
            _ => Some("invalid version"),
        }
    };
    if let Some(path) = archives.first() {
        let loaded = std::fs::read(path).ok();
        let loaded =
            loaded.and_then(|data| Chart::from_archive(&data, &helm::Limits::default()).ok());
        return match loaded {
            None => "corrupt",
            Some(found) if found.name() != dependency.name => "misnamed",
            Some(found) => wrong(&found.metadata.version).unwrap_or("ok"),
        };
    }
    let found = chart
        .dependencies
        .iter()
        .rfind(|found| found.name() == dependency.name);
    match found {
        None => "missing",
        Some(found) => wrong(&found.metadata.version).unwrap_or("unpacked"),
    }
}
