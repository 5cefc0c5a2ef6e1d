//! From a tree to all its Bundles: what was built, what a person should know, what went wrong where.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use api::v1alpha1::Bundle;

use crate::build::{self, build};
use crate::options::{ApplyOptions, OnError, Paths};
use crate::scan;
use crate::schema::lint::KeyWarning;
use crate::tree::{Entry, Files, ReadError};

/// A Bundle that was built from a directory. Its files are in `spec.resources`, as text wherever they
/// are text; how they are stored is decided by [`crate::content::store`].
#[derive(Debug, Clone, PartialEq)]
pub struct BuiltBundle {
    /// The Bundle, with name and namespace.
    pub bundle: Bundle,
    /// The directory it comes from, and its options file if that is not fleet.yaml.
    pub path: String,
}

/// Something that does not hinder anything but should be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// A key in fleet.yaml that has no effect.
    Key(KeyWarning),
    /// A directory that was taken for a bundle but holds no files to deploy.
    NoResources {
        /// The directory.
        path: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Key(warning) => warning.fmt(f),
            Warning::NoResources { path } => write!(f, "{path}: no resources found to deploy"),
        }
    }
}

/// Why a directory gave no Bundle. [`crate::chain`] gives the whole text.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// A path could not be searched.
    #[error(transparent)]
    Scan(scan::Error),
    /// The directory could not be read or understood.
    #[error(transparent)]
    Build(build::Error),
    /// Two directories give the same Bundle, and neither is better than the other.
    #[error(
        "{first} and {second} both give a bundle named {name:?}: set `name` in one of their fleet.yaml files"
    )]
    SameName {
        /// One directory.
        first: String,
        /// The other one.
        second: String,
        /// The name.
        name: String,
    },
}

/// What came of one directory.
#[derive(Debug)]
pub struct Failure {
    /// The directory, or the path that could not be searched.
    pub path: String,
    /// Why there is no Bundle.
    pub error: PathError,
}

/// Nothing was found at any path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no resource found at the following paths to deploy: [{}]", paths.join(" "))]
pub struct NothingFound {
    /// The paths.
    pub paths: Vec<String>,
}

/// Everything that came of a tree.
#[derive(Debug, Default)]
pub struct Outcome {
    /// In the order in which the directories were found.
    pub bundles: Vec<BuiltBundle>,
    /// In the same order.
    pub warnings: Vec<Warning>,
    /// In the same order, pairs with the same name at the end. With [`OnError::Stop`] at most one, which is the last thing that
    /// happened.
    pub errors: Vec<Failure>,
    /// A file was needed that is listed in the tree but was not read ([`Node::NotLoaded`]): try again
    /// with the whole tree before believing the errors.
    ///
    /// [`Node::NotLoaded`]: crate::tree::Node::NotLoaded
    pub needs_whole_tree: bool,
}

impl Outcome {
    /// Whether every directory that was found gave its Bundle or has nothing to deploy.
    pub fn is_complete(&self) -> bool {
        self.errors.is_empty()
    }

    /// Whether there is neither a Bundle nor an error that explains it: to be treated as an error, for
    /// a mistake in a path would delete everything.
    pub fn nothing_found(&self, paths: &Paths) -> Option<NothingFound> {
        if !self.bundles.is_empty() || !self.errors.is_empty() {
            return None;
        }
        let paths = match paths {
            Paths::Scan(paths) if paths.is_empty() => vec![".".to_owned()],
            Paths::Scan(paths) => paths.clone(),
            Paths::Driven(paths) => paths.iter().map(|path| path.base.clone()).collect(),
        };
        Some(NothingFound { paths })
    }
}

/// Builds the Bundles of a tree.
///
/// Each directory is built for itself: an error in one takes nothing from the others, unless
/// [`OnError::Stop`] is asked for.
pub fn read(files: &dyn Files, options: &ApplyOptions) -> Outcome {
    let files = Noting {
        files,
        not_loaded: Cell::new(false),
    };
    let mut outcome = read_all(&files, options);
    if options.on_error == OnError::GoOn {
        refuse_same_names(&mut outcome);
    }
    outcome.needs_whole_tree = files.not_loaded.get();
    outcome
}

/// A view that notes when a file was needed that is not there yet.
struct Noting<'a> {
    files: &'a dyn Files,
    not_loaded: Cell<bool>,
}

impl Files for Noting<'_> {
    fn entry(&self, path: &str) -> Result<Option<Entry>, ReadError> {
        self.files.entry(path)
    }

    fn list(&self, directory: &str) -> Result<Vec<(String, Entry)>, ReadError> {
        self.files.list(directory)
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, ReadError> {
        let result = self.files.read(path);
        if matches!(result, Err(ReadError::NotLoaded { .. })) {
            self.not_loaded.set(true);
        }
        result
    }

    fn shown(&self, path: &str) -> String {
        self.files.shown(path)
    }
}

fn read_all(files: &dyn Files, options: &ApplyOptions) -> Outcome {
    let mut outcome = Outcome::default();
    for place in scan::scan(files, options) {
        let result = place.map_err(|error| Failure {
            path: match &error {
                scan::Error::Glob { path, .. } | scan::Error::Read { path, .. } => path.clone(),
            },
            error: PathError::Scan(error),
        });
        let result = result.and_then(|place| {
            let path = match &place.options_file {
                Some(file) => format!("{} ({file})", place.base),
                None => place.base.clone(),
            };
            build(files, &place, options)
                .map(|built| (path.clone(), built))
                .map_err(|error| Failure {
                    path,
                    error: PathError::Build(error),
                })
        });
        match result {
            Ok((path, built)) => {
                outcome
                    .warnings
                    .extend(built.warnings.into_iter().map(Warning::Key));
                if built.bundle.spec.resources.is_empty() {
                    outcome.warnings.push(Warning::NoResources { path });
                } else {
                    outcome.bundles.push(BuiltBundle {
                        bundle: built.bundle,
                        path,
                    });
                }
            }
            Err(failure) => {
                outcome.errors.push(failure);
                if options.on_error == OnError::Stop {
                    return outcome;
                }
            }
        }
    }
    outcome
}

/// Takes out Bundles that share a name. The same directory reached by two paths gives the same Bundle,
/// of which one is kept.
fn refuse_same_names(outcome: &mut Outcome) {
    let mut by_name: BTreeMap<String, Vec<BuiltBundle>> = BTreeMap::new();
    let mut order = Vec::new();
    for built in outcome.bundles.drain(..) {
        let name = built.bundle.metadata.name.clone().unwrap_or_default();
        let same = by_name.entry(name.clone()).or_default();
        if same.is_empty() {
            order.push(name);
        }
        if !same.contains(&built) {
            same.push(built);
        }
    }
    for name in order {
        let mut same = by_name.remove(&name).unwrap_or_default();
        if same.len() == 1 {
            outcome.bundles.append(&mut same);
            continue;
        }
        for pair in same.windows(2) {
            let [first, second] = pair else { continue };
            let (first, second) = (first.path.clone(), second.path.clone());
            let error = PathError::SameName {
                first: first.clone(),
                second,
                name: name.clone(),
            };
            outcome.errors.push(Failure { path: first, error });
        }
    }
}
