//! A directory of the disk as a view of files.
//!
//! Reads on demand and remembers nothing. Paths may leave the directory (`../x`, `/x`), as a person's
//! command line may; trees of other people's repositories are [`bundle::tree::FileTree`]s instead.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bundle::tree::{Entry, Files, ReadError};

/// A working directory.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// Anchors a view at a directory, which is not looked at before it is used.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Directory { root: root.into() }
    }

    fn place(&self, path: &str) -> PathBuf {
        if path == "." {
            self.root.clone()
        } else {
            self.root.join(path)
        }
    }
}

impl Files for Directory {
    fn entry(&self, path: &str) -> Result<Option<Entry>, ReadError> {
        match entry_at(&self.place(path)) {
            Ok(entry) => Ok(Some(entry)),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => Err(error_of(path, &error)),
        }
    }

    fn list(&self, directory: &str) -> Result<Vec<(String, Entry)>, ReadError> {
        let at = |error: std::io::Error| error_of(directory, &error);
        let mut names: Vec<OsString> = std::fs::read_dir(self.place(directory))
            .map_err(at)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<Result<_, _>>()
            .map_err(at)?;
        names.sort();
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            let Some(text) = name.to_str() else {
                return Err(ReadError::Refused {
                    path: bundle::path::join(&[directory, &name.to_string_lossy()]),
                    reason: "the file name is not UTF-8".to_owned(),
                });
            };
            let path = bundle::path::join(&[directory, text]);
            let entry = entry_at(&self.place(&path)).map_err(|error| error_of(&path, &error))?;
            entries.push((text.to_owned(), entry));
        }
        Ok(entries)
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, ReadError> {
        std::fs::read(self.place(path))
            .map(Arc::from)
            .map_err(|error| error_of(path, &error))
    }

    fn shown(&self, path: &str) -> String {
        let root = self.root.to_string_lossy();
        if path.starts_with('/') {
            path.to_owned()
        } else {
            bundle::path::join(&[&root, path])
        }
    }
}

fn entry_at(path: &Path) -> std::io::Result<Entry> {
    let metadata = std::fs::symlink_metadata(path)?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        Ok(Entry::Directory)
    } else if kind.is_symlink() {
        Ok(Entry::Link(
            std::fs::read_link(path)?.to_string_lossy().into_owned(),
        ))
    } else {
        Ok(Entry::File(metadata.len()))
    }
}

fn error_of(path: &str, error: &std::io::Error) -> ReadError {
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::NotFound => ReadError::NotFound { path },
        ErrorKind::IsADirectory => ReadError::IsDirectory { path },
        ErrorKind::NotADirectory => ReadError::NotDirectory { path },
        ErrorKind::PermissionDenied => ReadError::Refused {
            path,
            reason: "permission denied".to_owned(),
        },
        _ => ReadError::Refused {
            path,
            reason: error.to_string(),
        },
    }
}
