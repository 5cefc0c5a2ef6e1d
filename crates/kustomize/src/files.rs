//! The files that a build reads.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sprig::gopath;

use crate::error::{Error, Result};

/// A file system, as far as a build needs one. Paths are absolute.
pub trait Files {
    /// The directory that a path leads to with all links followed, and the file in it if it is one.
    ///
    /// # Errors
    /// When there is nothing; the text names the path.
    fn locate(&self, path: &str) -> Result<(String, Option<String>), String>;

    /// The bytes of a file.
    ///
    /// # Errors
    /// When it cannot be read; the text names the path.
    fn read(&self, path: &str) -> Result<Cow<'_, [u8]>, String>;
}

/// Files in memory.
#[derive(Clone, Debug, Default)]
pub struct Tree<'f> {
    /// By clean path without the first slash.
    files: BTreeMap<String, Cow<'f, [u8]>>,
}

impl<'f> Tree<'f> {
    /// Adds a file; the path counts from the root of the tree, and stays inside of it.
    pub fn insert(&mut self, path: &str, data: impl Into<Cow<'f, [u8]>>) {
        self.files.insert(key(path), data.into());
    }

    /// The bytes of a file.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(&key(path)).map(AsRef::as_ref)
    }

    fn is_directory(&self, key: &str) -> bool {
        if key.is_empty() {
            return true;
        }
        let below = format!("{key}/");
        let mut after = self.files.range(below.clone()..);
        after
            .next()
            .is_some_and(|(path, _)| path.starts_with(&below))
    }
}

fn key(path: &str) -> String {
    gopath::clean_str(&format!("/{path}"))
        .trim_start_matches('/')
        .to_owned()
}

impl Files for Tree<'_> {
    fn locate(&self, path: &str) -> Result<(String, Option<String>), String> {
        let key = key(path);
        if self.files.contains_key(&key) {
            let (directory, file) = key.rsplit_once('/').unwrap_or(("", &key));
            return Ok((format!("/{directory}"), Some(file.to_owned())));
        }
        if self.is_directory(&key) {
            return Ok((format!("/{key}"), None));
        }
        Err(format!("'{path}' doesn't exist"))
    }

    fn read(&self, path: &str) -> Result<Cow<'_, [u8]>, String> {
        match self.files.get(&key(path)) {
            Some(data) => Ok(Cow::Borrowed(data.as_ref())),
            None => Err(format!("'{path}' doesn't exist")),
        }
    }
}

/// Reads the files of one kustomization.
#[derive(Clone)]
pub(crate) struct Loader<'f> {
    files: &'f dyn Files,
    root: String,
    /// The roots that led here, the first first.
    referrers: Vec<String>,
}

/// Whether a directory is, or is below, another.
fn is_below(directory: &str, other: &str) -> bool {
    other == "/"
        || directory
            .strip_prefix(other)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Deepest chain of kustomizations.
const DEPTH_MAX: usize = 100;

impl<'f> Loader<'f> {
    /// A loader at a directory.
    pub(crate) fn new(files: &'f dyn Files, path: &str) -> Result<Self> {
        Ok(Self {
            files,
            root: confirm_directory(files, path)?,
            referrers: Vec::new(),
        })
    }

    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    fn join(&self, path: &str) -> String {
        gopath::join(&[&self.root, path])
    }

    /// A loader at another directory, which none that led here may be in.
    pub(crate) fn below(&self, path: &str) -> Result<Self> {
        if path.is_empty() {
            return Err(Error::new("new root cannot be empty"));
        }
        if let Some(reason) = remote(path) {
            return Err(Error(format!(
                "remote base '{path}' is not supported: {reason}"
            )));
        }
        if path.starts_with('/') {
            return Err(Error(format!("new root '{path}' cannot be absolute")));
        }
        let root = confirm_directory(self.files, &self.join(path))
            .map_err(|error| error.within("must build at directory"))?;
        let mut visited = self.referrers.clone();
        visited.push(self.root.clone());
        for visited in visited.iter().rev() {
            if is_below(visited, &root) {
                return Err(Error(format!(
                    "cycle detected: candidate root '{root}' contains visited root '{visited}'"
                )));
            }
        }
        if visited.len() > DEPTH_MAX {
            return Err(Error(format!(
                "'{root}' is deeper than {DEPTH_MAX} kustomizations"
            )));
        }
        Ok(Self {
            files: self.files,
            root,
            referrers: visited,
        })
    }

    /// The bytes of a file in or below the root.
    pub(crate) fn load(&self, path: &str) -> Result<Cow<'f, [u8]>> {
        if is_url(path) {
            return Err(Error(format!("remote file '{path}' is not supported")));
        }
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            self.join(path)
        };
        let (directory, file) = self.files.locate(&path).map_err(Error)?;
        let Some(file) = file else {
            return Err(Error(format!("'{path}' must resolve to a file")));
        };
        if !is_below(&directory, &self.root) {
            return Err(Error(format!(
                "security; file '{path}' is not in or below '{}'",
                self.root
            )));
        }
        let path = gopath::join(&[&directory, &file]);
        self.files.read(&path).map_err(Error)
    }
}

fn confirm_directory(files: &dyn Files, path: &str) -> Result<String> {
    if path.is_empty() {
        return Err(Error::new("directory path cannot be empty"));
    }
    match files.locate(path) {
        Err(error) => Err(Error(format!("not a valid directory: {error}"))),
        Ok((_, Some(_))) => Err(Error(format!("'{path}': file is not directory"))),
        Ok((directory, None)) => Ok(directory),
    }
}

fn is_url(path: &str) -> bool {
    ["http:", "https:"].iter().any(|scheme| {
        path.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    })
}

/// Why a path is taken for a repository, if it is.
///
/// Source: kustomize `api/internal/git/repospec.go`.
fn remote(path: &str) -> Option<&'static str> {
    let rest = path.strip_prefix("git::").unwrap_or(path);
    let lower = rest.to_ascii_lowercase();
    if ["http://", "https://", "ssh://", "file://"]
        .iter()
        .any(|scheme| lower.starts_with(scheme))
    {
        return Some("it is a URL");
    }
    let (user, host) = match rest.split_once('@') {
        Some((user, host))
            if user
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') =>
        {
            (user, host)
        }
        _ => ("", rest),
    };
    let host = host.to_ascii_lowercase();
    if host.starts_with("github.com/") || host.starts_with("github.com:") {
        return Some("it is a repository of GitHub");
    }
    (!user.is_empty() && host.contains(':')).then_some("it is a repository behind SSH")
}
