//! The files of a disk for a build, with links followed and errors in the words of Go.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use kustomize::Files;

/// Largest single file.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// The file system of this machine.
pub(super) struct Disk;

impl Files for Disk {
    fn locate(&self, path: &str) -> Result<(String, Option<String>), String> {
        let found = fs::canonicalize(path).map_err(|error| {
            let missing = first_missing(Path::new(path));
            format!(
                "evalsymlink failure on '{path}' : lstat {}: {}",
                missing.display(),
                reason(&error)
            )
        })?;
        let text = |path: &Path| match path.to_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(format!("'{}' is no UTF-8", path.display())),
        };
        if found.is_dir() {
            return Ok((text(&found)?, None));
        }
        let directory = found.parent().unwrap_or(Path::new("/"));
        let file = found.file_name().unwrap_or_default();
        Ok((text(directory)?, Some(text(Path::new(file))?)))
    }

    fn read(&self, path: &str) -> Result<Cow<'_, [u8]>, String> {
        let fail = |error: io::Error| format!("open {path}: {}", reason(&error));
        let file = fs::File::open(path).map_err(fail)?;
        if !file.metadata().map_err(fail)?.is_file() {
            return Err(format!("open {path}: not a regular file"));
        }
        let mut data = Vec::new();
        file.take(FILE_BYTES_MAX + 1)
            .read_to_end(&mut data)
            .map_err(fail)?;
        if data.len() as u64 > FILE_BYTES_MAX {
            return Err(format!("open {path}: larger than {FILE_BYTES_MAX} bytes"));
        }
        Ok(Cow::Owned(data))
    }
}

/// The part of a path up to the first element that is not there.
fn first_missing(path: &Path) -> PathBuf {
    let mut so_far = PathBuf::new();
    for part in path.components() {
        so_far.push(part);
        if fs::symlink_metadata(&so_far).is_err() {
            return so_far;
        }
    }
    so_far
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::NotADirectory => "not a directory".to_owned(),
        _ => error.to_string(),
    }
}
