//! Which directories of a tree become bundles.
//!
//! Source: upstream `internal/cmd/cli/apply/apply.go`; Go `path/filepath.Glob` and `Walk`.

use crate::build::Place;
use crate::options::{ApplyOptions, Paths};
use crate::path::{self, BadPattern};
use crate::tree::{Entry, Files, ReadError, stat};

/// Directories below each other that are searched.
const DEPTH_MAX: usize = 200;

/// Why a tree cannot be searched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A path is no pattern.
    #[error("invalid path glob {path}")]
    Glob {
        /// The path.
        path: String,
        /// Always the same.
        #[source]
        source: BadPattern,
    },
    /// A directory cannot be read.
    #[error("checking for bundle in path {path:?}")]
    Read {
        /// The directory.
        path: String,
        /// Why.
        #[source]
        source: ReadError,
    },
}

/// The directories that become bundles, in the order in which upstream finds them. A path that cannot
/// be searched is an error in its place; the others go on.
pub(crate) fn scan(files: &dyn Files, options: &ApplyOptions) -> Vec<Result<Place, Error>> {
    match &options.paths {
        Paths::Driven(paths) => paths
            .iter()
            .map(|path| {
                Ok(Place {
                    base: path.base.clone(),
                    options_file: path.options.clone(),
                })
            })
            .collect(),
        Paths::Scan(paths) if paths.is_empty() => scan_path(files, ".", options),
        Paths::Scan(paths) => paths
            .iter()
            .flat_map(|path| scan_path(files, path, options))
            .collect(),
    }
}

fn scan_path(
    files: &dyn Files,
    pattern: &str,
    options: &ApplyOptions,
) -> Vec<Result<Place, Error>> {
    let roots = match glob_directories(files, pattern) {
        Ok(roots) => roots,
        Err(error) => return vec![Err(error)],
    };
    let mut found = Vec::new();
    for root in roots {
        let mut bases = Vec::new();
        let outcome = search_root(files, &root, &mut bases);
        found.extend(bases.into_iter().map(|base| {
            Ok(Place {
                base,
                options_file: options.options_file.clone(),
            })
        }));
        if let Err(source) = outcome {
            found.push(Err(Error::Read { path: root, source }));
        }
    }
    found
}

/// The directories that a pattern stands for, links to directories included.
fn glob_directories(files: &dyn Files, pattern: &str) -> Result<Vec<String>, Error> {
    let trimmed = pattern.trim_start_matches('/');
    path::matches(trimmed, "").map_err(|source| Error::Glob {
        path: pattern.to_owned(),
        source,
    })?;
    let mut directories = Vec::new();
    for path in glob(files, trimmed) {
        if let Ok(Some(Entry::Directory)) = stat(files, &path) {
            directories.push(path);
        }
    }
    Ok(directories)
}

/// Paths that a pattern without syntax errors matches. Directories that cannot be read hold nothing.
fn glob(files: &dyn Files, pattern: &str) -> Vec<String> {
    if !path::has_meta(pattern) {
        let there = !pattern.is_empty() && matches!(files.entry(pattern), Ok(Some(_)));
        return if there {
            vec![pattern.to_owned()]
        } else {
            Vec::new()
        };
    }
    let (directory, last) = match pattern.rsplit_once('/') {
        Some((directory, last)) => (if directory.is_empty() { "/" } else { directory }, last),
        None => (".", pattern),
    };
    let parents = if path::has_meta(directory) {
        glob(files, directory)
    } else {
        vec![directory.to_owned()]
    };
    let mut found = Vec::new();
    for parent in parents {
        let Ok(Some(Entry::Directory)) = stat(files, &parent) else {
            continue;
        };
        let Ok(entries) = files.list(&path::clean(&parent)) else {
            continue;
        };
        for (name, _) in entries {
            if path::matches(last, &name).unwrap_or(false) {
                found.push(path::join(&[&parent, &name]));
            }
        }
    }
    found
}

/// A root is a bundle if it has a fleet.yaml, or if anything below it that no other fleet.yaml covers
/// looks like a manifest. Directories below are bundles only by a fleet.yaml of their own.
fn search_root(files: &dyn Files, root: &str, bases: &mut Vec<String>) -> Result<(), ReadError> {
    if has_fleet_yaml(files, root)? || has_manifests(files, root, 0)? {
        bases.push(root.to_owned());
    }
    search_below(files, &path::clean(root), bases, 0)
}

fn search_below(
    files: &dyn Files,
    directory: &str,
    bases: &mut Vec<String>,
    depth: usize,
) -> Result<(), ReadError> {
    // The root may be a link, which is not searched.
    if depth > DEPTH_MAX || files.entry(directory)? != Some(Entry::Directory) {
        return Ok(());
    }
    for (name, entry) in files.list(directory)? {
        if entry != Entry::Directory || name == ".git" {
            continue;
        }
        let below = path::join(&[directory, &name]);
        if has_fleet_yaml(files, &below)? {
            bases.push(below.clone());
        }
        search_below(files, &below, bases, depth + 1)?;
    }
    Ok(())
}

fn has_fleet_yaml(files: &dyn Files, directory: &str) -> Result<bool, ReadError> {
    for name in ["fleet.yaml", "fleet.yml"] {
        if stat(files, &path::join(&[directory, name]))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn has_manifests(files: &dyn Files, directory: &str, depth: usize) -> Result<bool, ReadError> {
    if depth > DEPTH_MAX || has_fleet_yaml(files, directory)? {
        return Ok(false);
    }
    let real = crate::tree::resolve(files, directory)?;
    for (name, entry) in files.list(&real)? {
        let found = match entry {
            Entry::Directory if name == ".git" => false,
            Entry::Directory => has_manifests(files, &path::join(&[directory, &name]), depth + 1)?,
            Entry::Submodule => false,
            Entry::File(_) | Entry::Link(_) => ["yaml", "yml"]
                .iter()
                .any(|end| path::has_extension(&name, end)),
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
