//! The files of one directory as resources of a bundle.
//!
//! All files below a directory count, whatever their kind, except hidden ones, those that
//! `.fleetignore` names, and files that are configuration of the bundle itself.
//!
//! Source: upstream `internal/bundlereader/loaddirectory.go`, `GetContent`.

use std::sync::Arc;

use crate::dependencies::{self, MissingDependency};
use crate::ignore::{self, Rules};
use crate::path::{self, BadPattern};
use crate::tree::{Entry, Files, ReadError, read_following, resolve};

/// Directories below each other that are walked.
const DEPTH_MAX: usize = 200;

/// Why a directory could not be walked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A line of a `.fleetignore` file is no pattern.
    #[error(transparent)]
    Pattern(BadPattern),
    /// A file cannot be read.
    #[error(transparent)]
    Read(ReadError),
    /// A `.fleetignore` file cannot be read.
    #[error("read .fleetignore for {directory}")]
    Ignore {
        /// Directory of the file.
        directory: String,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// A symbolic link points to nothing.
    #[error("GetContent: resolving symlink {name:?}: lstat {missing}: no such file or directory")]
    BrokenLink {
        /// Path of the link below the directory.
        name: String,
        /// What does not exist.
        missing: String,
    },
    /// A symbolic link points to a place outside of the directory.
    #[error("GetContent: symlink {name:?}: target escapes bundle directory")]
    LinkOutside {
        /// Path of the link below the directory.
        name: String,
    },
    /// A chart misses something it depends on.
    #[error(transparent)]
    Dependency(MissingDependency),
    /// Directories are nested too deeply.
    #[error("{directory}: more than {DEPTH_MAX} directories below each other")]
    TooDeep {
        /// The directory.
        directory: String,
    },
}

/// What to leave out and what to check on a walk.
#[derive(Debug, Clone, Default)]
pub(crate) struct WalkOptions {
    /// Paths below the directory that are no resources.
    pub(crate) left_out: Vec<String>,
    /// Whether charts may miss dependencies.
    pub(crate) without_dependencies: bool,
}

/// A file of a bundle: its path below the directory, and its bytes.
pub(crate) type Found = (String, Arc<[u8]>);

/// Walks a directory in lexical order.
pub(crate) fn walk(
    files: &dyn Files,
    base: &str,
    options: &WalkOptions,
) -> Result<Vec<Found>, Error> {
    let base = path::clean(base);
    // A link as directory of a bundle is not followed: such a bundle is empty.
    if files.entry(&base).map_err(Error::Read)? != Some(Entry::Directory) {
        return Ok(Vec::new());
    }
    let real_base = resolve(files, &base).map_err(Error::Read)?;
    let mut walk = Walk {
        files,
        base,
        real_base,
        options,
        rules: Rules::default(),
        found: Vec::new(),
    };
    walk.directory("", 0)?;
    Ok(walk.found)
}

struct Walk<'a> {
    files: &'a dyn Files,
    base: String,
    real_base: String,
    options: &'a WalkOptions,
    rules: Rules,
    found: Vec<Found>,
}

impl Walk<'_> {
    fn directory(&mut self, name: &str, depth: usize) -> Result<(), Error> {
        let at = path::join(&[&self.base, name]);
        if depth > DEPTH_MAX {
            return Err(Error::TooDeep {
                directory: self.files.shown(&at),
            });
        }
        let ignored = self.rules.ignores(name, true).map_err(Error::Pattern)?;
        // A directory with the name of a configuration file is walked, but has no say.
        if !self
            .options
            .left_out
            .iter()
            .any(|left_out| left_out == name)
        {
            self.check_dependencies(&at)?;
            if ignored || self.is_hidden(&at, name) {
                return Ok(());
            }
            self.add_rules(&at, name)?;
        }
        for (child, entry) in self.files.list(&at).map_err(Error::Read)? {
            let name = path::join(&[name, &child]);
            match entry {
                Entry::Directory => self.directory(&name, depth + 1)?,
                // The files of a submodule are not here; whoever fetched says so.
                Entry::Submodule => {}
                Entry::File(_) | Entry::Link(_) => self.file(name, &child, &entry)?,
            }
        }
        Ok(())
    }

    fn file(&mut self, name: String, child: &str, entry: &Entry) -> Result<(), Error> {
        let ignored = self.rules.ignores(&name, false).map_err(Error::Pattern)?;
        let left_out = self.options.left_out.contains(&name);
        if ignored || left_out || child.starts_with('.') {
            return Ok(());
        }
        let at = path::join(&[&self.base, &name]);
        let content = match entry {
            Entry::Link(_) => self.link(&name, &at)?,
            _ => self.files.read(&at).map_err(Error::Read)?,
        };
        self.found.push((name, content));
        Ok(())
    }

    fn link(&self, name: &str, at: &str) -> Result<Arc<[u8]>, Error> {
        let target = resolve(self.files, at).map_err(|error| match error {
            ReadError::NotFound { path } => Error::BrokenLink {
                name: name.to_owned(),
                missing: self.files.shown(&path),
            },
            other => Error::Read(other),
        })?;
        if path::below(&self.real_base, &target).is_none() {
            return Err(Error::LinkOutside {
                name: name.to_owned(),
            });
        }
        if self.files.entry(&target).map_err(Error::Read)? == Some(Entry::Directory) {
            return Err(Error::Read(ReadError::IsDirectory {
                path: self.files.shown(at),
            }));
        }
        self.files.read(&target).map_err(Error::Read)
    }

    /// The root is hidden too if its own name starts with a dot.
    fn is_hidden(&self, at: &str, name: &str) -> bool {
        let shown = if name.is_empty() {
            self.files.shown(at)
        } else {
            name.to_owned()
        };
        let last = path::base(&shown);
        last.starts_with('.') && !matches!(last, "." | "..")
    }

    fn check_dependencies(&self, at: &str) -> Result<(), Error> {
        if self.options.without_dependencies {
            return Ok(());
        }
        match dependencies::missing(self.files, at) {
            Ok(None) => Ok(()),
            Ok(Some(missing)) => Err(Error::Dependency(missing)),
            Err(error) => Err(Error::Read(error)),
        }
    }

    fn add_rules(&mut self, at: &str, name: &str) -> Result<(), Error> {
        match read_following(self.files, &path::join(&[at, ignore::FILE])) {
            Ok(text) => self.rules.add(name, &String::from_utf8_lossy(&text)),
            Err(error) if error.is_not_found() => {}
            Err(source) => {
                return Err(Error::Ignore {
                    directory: self.files.shown(at),
                    source,
                });
            }
        }
        Ok(())
    }
}
