//! What to build bundles from, and what the GitRepo or the command line adds to each of them.

use std::collections::BTreeMap;

use api::v1alpha1::{CorrectDrift, GitTarget};

use crate::path;

/// Options of one run over a tree.
#[derive(Debug, Clone, Default)]
pub struct ApplyOptions {
    /// First part of derived bundle names: the name of the GitRepo.
    pub name: String,
    /// Namespace of the Bundles.
    pub namespace: String,
    /// Where to look.
    pub paths: Paths,
    /// File with the syntax of fleet.yaml that every directory of a scan is read with, relative to the
    /// directory; it must exist.
    pub options_file: Option<String>,
    /// Targets for bundles whose fleet.yaml does not override them.
    pub targets: Targets,
    /// Labels for all Bundles; those of fleet.yaml win.
    pub labels: BTreeMap<String, String>,
    /// Replaces `serviceAccount` if not empty.
    pub service_account: String,
    /// Replaces `namespace` of Bundles and all their targets if not empty.
    pub target_namespace: String,
    /// Always replaces `forceSyncGeneration`.
    pub sync_generation: i64,
    /// Switches `paused` on.
    pub paused: bool,
    /// Switches `keepResources` on.
    pub keep_resources: bool,
    /// Switches `deleteNamespace` on.
    pub delete_namespace: bool,
    /// Replaces `correctDrift` if enabled.
    pub correct_drift: Option<CorrectDrift>,
    /// Store every file compressed.
    pub compress: bool,
    /// What to do with a directory that cannot become a bundle.
    pub on_error: OnError,
}

/// Where to look for bundles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paths {
    /// Shell patterns for directories below which bundles are searched. None means the whole tree.
    Scan(Vec<String>),
    /// Directories that are one bundle each, whatever is below them.
    Driven(Vec<DrivenPath>),
}

impl Paths {
    /// The directories that hold everything that is usually needed; `None` for the whole tree.
    ///
    /// A bundle may still need more (a values file or chart elsewhere, a link): [`crate::Outcome`] says so.
    pub fn roots(&self) -> Option<Vec<String>> {
        let roots: Vec<String> = match self {
            Paths::Scan(paths) => paths.iter().map(|path| literal_start(path)).collect(),
            Paths::Driven(paths) => paths.iter().map(|path| path::clean(&path.base)).collect(),
        };
        let inside = |root: &String| root != "." && path::below(".", root).is_some();
        (!roots.is_empty() && roots.iter().all(inside)).then_some(roots)
    }
}

/// The elements of a pattern before the first one that is more than a name.
fn literal_start(pattern: &str) -> String {
    let elements = pattern.trim_start_matches('/').split('/');
    let literal: Vec<&str> = elements
        .take_while(|element| !path::has_meta(element))
        .collect();
    path::clean(&literal.join("/"))
}

impl Default for Paths {
    fn default() -> Self {
        Paths::Scan(Vec::new())
    }
}

/// A directory that is one bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrivenPath {
    /// The directory.
    pub base: String,
    /// File with the syntax of fleet.yaml, relative to it; else its fleet.yaml is used if it has one.
    pub options: Option<String>,
}

/// An argument with more than one separator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid bundle path: {argument:?}")]
pub struct InvalidDrivenPath {
    /// The argument.
    pub argument: String,
}

impl DrivenPath {
    /// Reads `base` or `base<separator>options`.
    pub fn parse(argument: &str, separator: &str) -> Result<Self, InvalidDrivenPath> {
        let mut parts = argument.split(separator);
        let (base, options, more) = (parts.next(), parts.next(), parts.next());
        match (base, more) {
            (Some(base), None) => Ok(DrivenPath {
                base: base.to_owned(),
                options: options
                    .filter(|options| !options.is_empty())
                    .map(str::to_owned),
            }),
            _ => Err(InvalidDrivenPath {
                argument: argument.to_owned(),
            }),
        }
    }
}

/// Targets that come from outside of fleet.yaml.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Targets {
    /// None: Bundles without targets of their own go to the cluster group `default`.
    #[default]
    Default,
    /// A file with `targets` and `targetRestrictions`, read when the first bundle needs it.
    File(String),
    /// The targets of a GitRepo, which are restrictions as well. An empty list stands for the cluster
    /// group `default`.
    GitRepo(Vec<GitTarget>),
}

/// What to do with a directory that cannot become a bundle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnError {
    /// Go on with the others. Two directories that give the same name are an error of both.
    #[default]
    GoOn,
    /// Stop, as upstream does. As there, directories that give the same name are not noticed, and fields
    /// that only the system may set are taken from fleet.yaml.
    Stop,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_the_literal_starts_of_paths() {
        let scan =
            |paths: &[&str]| Paths::Scan(paths.iter().map(ToString::to_string).collect()).roots();
        let some = |roots: &[&str]| Some(roots.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(scan(&["a/b", "/c/*/d", "e/x?"]), some(&["a/b", "c", "e"]));
        assert_eq!(scan(&["./a/"]), some(&["a"]));
        for whole in [
            &["."][..],
            &[],
            &["a", "*"],
            &["a/.."],
            &["../a"],
            &["a", "/"],
        ] {
            assert_eq!(scan(whole), None, "{whole:?}");
        }
        let driven = |base: &str| {
            Paths::Driven(vec![DrivenPath {
                base: base.into(),
                options: None,
            }])
            .roots()
        };
        assert_eq!(driven("a/./b"), some(&["a/b"]));
        assert_eq!(driven("/a"), None);
    }
}
