//! Files as a bundle is built from them: the [`Files`] view, the in-memory [`FileTree`], and
//! resolution of symbolic links.
//!
//! A view is anchored at a working directory, `.`; paths are slash-separated, cleaned (see
//! [`crate::path::clean`]) and relative to it. A view of a real directory may also know what lies
//! outside of it (`../x`, `/x`); a [`FileTree`] knows nothing outside. Nothing here does I/O: views of
//! a disk live with whoever reads the disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::path;

/// What a name stands for; links are not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A regular file, with its size in bytes.
    File(u64),
    /// A directory.
    Directory,
    /// A symbolic link and the text it holds.
    Link(String),
    /// A repository inside the repository, whose files are not in this tree.
    Submodule,
}

/// Why a file or directory could not be read. Texts follow those of the operating system as Go
/// prints them, so that messages read the same for a disk and for a commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing has this name.
    #[error("open {path}: no such file or directory")]
    NotFound {
        /// As asked for.
        path: String,
    },
    /// A directory was read as if it were a file.
    #[error("read {path}: is a directory")]
    IsDirectory {
        /// As asked for.
        path: String,
    },
    /// A file was listed as if it were a directory.
    #[error("open {path}: not a directory")]
    NotDirectory {
        /// As asked for.
        path: String,
    },
    /// The file is listed but was never read, because it exceeds the limit for one file.
    #[error("file {path} is too large: {size} bytes, the limit is {limit} bytes")]
    TooLarge {
        /// Path of the file.
        path: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file is listed but lies outside of the part of the tree that was read. The whole tree has
    /// to be read to go on.
    #[error("file {path} lies outside of the paths that were read from the repository")]
    NotLoaded {
        /// Path of the file.
        path: String,
    },
    /// The path lies in a git submodule, whose files are not fetched.
    #[error("{path} is a git submodule: submodules are not supported yet")]
    InSubmodule {
        /// Path of the submodule.
        path: String,
    },
    /// More links than [`LINKS_MAX`] were met on the way.
    #[error("{path}: too many levels of symbolic links")]
    TooManyLinks {
        /// As asked for.
        path: String,
    },
    /// The operating system refused.
    #[error("{path}: {reason}")]
    Refused {
        /// As asked for.
        path: String,
        /// What it said.
        reason: String,
    },
}

impl ReadError {
    /// Whether nothing has this name, as opposed to being unreadable.
    pub fn is_not_found(&self) -> bool {
        matches!(self, ReadError::NotFound { .. })
    }
}

/// A view of files below a working directory.
pub trait Files {
    /// What `path` itself is, links not followed in its last element; `None` if nothing is there.
    fn entry(&self, path: &str) -> Result<Option<Entry>, ReadError>;

    /// The names in a directory with their entries, in byte order.
    fn list(&self, directory: &str) -> Result<Vec<(String, Entry)>, ReadError>;

    /// The bytes of a regular file. Links are not followed; see [`read_following`].
    fn read(&self, path: &str) -> Result<Arc<[u8]>, ReadError>;

    /// How a path is written in errors where upstream writes an absolute path.
    fn shown(&self, path: &str) -> String {
        path.to_owned()
    }
}

/// Links followed for one path before it is given up; as Linux does.
pub const LINKS_MAX: usize = 40;

/// The path that `path` comes to when every link in it is followed; it may lie outside of the
/// working directory if the view allows that.
///
/// # Errors
/// [`ReadError::NotFound`] naming the first element that does not exist.
pub fn resolve(files: &dyn Files, path: &str) -> Result<String, ReadError> {
    let mut n_links = 0;
    let mut done = if path.starts_with('/') {
        "/".to_owned()
    } else {
        ".".to_owned()
    };
    let mut todo: Vec<String> = elements(path);
    while let Some(element) = todo.pop() {
        let next = path::join(&[&done, &element]);
        if element == ".." {
            done = next;
            continue;
        }
        match files.entry(&next)? {
            None => return Err(ReadError::NotFound { path: next }),
            Some(Entry::Link(target)) => {
                n_links += 1;
                if n_links > LINKS_MAX {
                    return Err(ReadError::TooManyLinks {
                        path: path.to_owned(),
                    });
                }
                if target.starts_with('/') {
                    "/".clone_into(&mut done);
                }
                todo.extend(elements(&target));
            }
            Some(_) => done = next,
        }
    }
    Ok(done)
}

/// The bytes of a file, following every link on the way.
pub fn read_following(files: &dyn Files, path: &str) -> Result<Arc<[u8]>, ReadError> {
    if let Ok(Some(Entry::File(_))) = files.entry(path) {
        return files.read(path);
    }
    let real = resolve(files, path).map_err(|error| match error {
        ReadError::NotFound { .. } => ReadError::NotFound {
            path: path.to_owned(),
        },
        other => other,
    })?;
    match files.entry(&real)? {
        Some(Entry::Directory) => Err(ReadError::IsDirectory {
            path: path.to_owned(),
        }),
        _ => files.read(&real),
    }
}

/// What `path` is when links are followed; `None` if nothing is there, also behind a link.
pub fn stat(files: &dyn Files, path: &str) -> Result<Option<Entry>, ReadError> {
    match resolve(files, path) {
        Ok(real) => files.entry(&real),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Elements of a path in reverse, so that the next one is at the end.
fn elements(path: &str) -> Vec<String> {
    path.split('/')
        .rev()
        .filter(|element| !element.is_empty() && *element != ".")
        .map(str::to_owned)
        .collect()
}

/// Files in memory, as a commit holds them: no empty directories, nothing outside.
///
/// Paths are unique and cleaned; a path is never both a file and a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileTree {
    nodes: BTreeMap<String, Node>,
}

/// What is stored at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A file that was read.
    File(Arc<[u8]>),
    /// A file that was listed but not read because of its size.
    TooLarge {
        /// Size in bytes.
        size: u64,
        /// The limit it exceeds, in bytes.
        limit: u64,
    },
    /// A file that was listed but not read because it was not asked for.
    NotLoaded {
        /// Size in bytes.
        size: u64,
    },
    /// A symbolic link.
    Link(String),
    /// A git submodule.
    Submodule,
}

impl FileTree {
    /// A tree without files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a node at a path, replacing what was there. The path is cleaned; one that leaves the tree
    /// or names the tree itself is ignored and `false` is returned.
    pub fn insert(&mut self, path: &str, node: Node) -> bool {
        let path = path::clean(path);
        let inside = path != "." && path::below(".", &path).is_some();
        if inside {
            self.nodes.insert(path, node);
        }
        inside
    }

    /// Puts a file with this content at a path; see [`FileTree::insert`].
    pub fn insert_file(&mut self, path: &str, content: impl Into<Arc<[u8]>>) -> bool {
        self.insert(path, Node::File(content.into()))
    }

    /// Paths and nodes in byte order of the paths.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_str(), node))
    }

    /// Number of files, links and submodules.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is nothing in the tree.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The submodule that `path` lies in.
    fn submodule_above(&self, path: &str) -> Option<String> {
        path.match_indices('/')
            .map(|(at, _)| &path[..at])
            .find(|above| matches!(self.nodes.get(*above), Some(Node::Submodule)))
            .map(str::to_owned)
    }

    fn has_below(&self, directory: &str) -> bool {
        let start = format!("{directory}/");
        self.nodes
            .range(start.clone()..)
            .next()
            .is_some_and(|(path, _)| path.starts_with(&start))
    }
}

impl<P: AsRef<str>, C: Into<Arc<[u8]>>> FromIterator<(P, C)> for FileTree {
    fn from_iter<I: IntoIterator<Item = (P, C)>>(files: I) -> Self {
        let mut tree = FileTree::new();
        for (path, content) in files {
            tree.insert_file(path.as_ref(), content);
        }
        tree
    }
}

impl Node {
    fn entry(&self) -> Entry {
        match self {
            Node::File(content) => Entry::File(content.len() as u64),
            Node::TooLarge { size, .. } | Node::NotLoaded { size } => Entry::File(*size),
            Node::Link(target) => Entry::Link(target.clone()),
            Node::Submodule => Entry::Submodule,
        }
    }
}

impl Files for FileTree {
    fn entry(&self, path: &str) -> Result<Option<Entry>, ReadError> {
        let path = path::clean(path);
        if path == "." {
            return Ok(Some(Entry::Directory));
        }
        if let Some(node) = self.nodes.get(&path) {
            return Ok(Some(node.entry()));
        }
        if self.has_below(&path) {
            return Ok(Some(Entry::Directory));
        }
        match self.submodule_above(&path) {
            Some(path) => Err(ReadError::InSubmodule { path }),
            None => Ok(None),
        }
    }

    fn list(&self, directory: &str) -> Result<Vec<(String, Entry)>, ReadError> {
        let directory = path::clean(directory);
        match self.entry(&directory)? {
            Some(Entry::Directory) => {}
            Some(Entry::Submodule) => return Err(ReadError::InSubmodule { path: directory }),
            Some(_) => return Err(ReadError::NotDirectory { path: directory }),
            None => return Err(ReadError::NotFound { path: directory }),
        }
        let start = if directory == "." {
            String::new()
        } else {
            format!("{directory}/")
        };
        let mut names = Vec::new();
        let mut from = start.clone();
        while let Some((path, node)) = self.nodes.range(from.clone()..).next() {
            let Some(rest) = path.strip_prefix(&start) else {
                break;
            };
            let (name, entry) = match rest.split_once('/') {
                Some((name, _)) => (name, Entry::Directory),
                None => (rest, node.entry()),
            };
            names.push((name.to_owned(), entry.clone()));
            // The smallest path after everything in this directory, or after this very file.
            let after = if entry == Entry::Directory { '0' } else { '\0' };
            from = format!("{start}{name}{after}");
        }
        // `a.b` sorts before `a/c`, but the name `a` before `a.b`.
        names.sort_by(|(a, _), (b, _)| a.cmp(b));
        names.dedup_by(|(a, _), (b, _)| a == b);
        Ok(names)
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, ReadError> {
        let path = path::clean(path);
        match self.nodes.get(&path) {
            Some(Node::File(content)) => Ok(content.clone()),
            Some(&Node::TooLarge { size, limit }) => Err(ReadError::TooLarge { path, size, limit }),
            Some(Node::NotLoaded { .. }) => Err(ReadError::NotLoaded { path }),
            Some(Node::Submodule) => Err(ReadError::InSubmodule { path }),
            Some(Node::Link(_)) => Err(ReadError::Refused {
                path,
                reason: "is a symbolic link".to_owned(),
            }),
            None if path == "." || self.has_below(&path) => Err(ReadError::IsDirectory { path }),
            None => match self.submodule_above(&path) {
                Some(path) => Err(ReadError::InSubmodule { path }),
                None => Err(ReadError::NotFound { path }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tree(files: &[&str]) -> FileTree {
        files.iter().map(|path| (*path, path.as_bytes())).collect()
    }

    fn names(tree: &FileTree, directory: &str) -> Vec<String> {
        tree.list(directory)
            .unwrap()
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn directories_list_their_own_names_in_order() {
        let tree = tree(&["a/x", "a.b", "a/y/z", "b", "a-c/d"]);
        assert_eq!(names(&tree, "."), ["a", "a-c", "a.b", "b"]);
        assert_eq!(names(&tree, "a"), ["x", "y"]);
        assert_eq!(names(&tree, "a/y/"), ["z"]);
    }

    #[test]
    fn errors_say_what_is_wrong_with_a_path() {
        let mut tree = tree(&["a/x"]);
        tree.insert("big", Node::TooLarge { size: 9, limit: 8 });
        tree.insert("far", Node::NotLoaded { size: 1 });
        tree.insert("sub", Node::Submodule);
        let cases = [
            ("none", "open none: no such file or directory"),
            ("../x", "open ../x: no such file or directory"),
            ("a", "read a: is a directory"),
            (
                "big",
                "file big is too large: 9 bytes, the limit is 8 bytes",
            ),
            (
                "far",
                "file far lies outside of the paths that were read from the repository",
            ),
            (
                "sub/x/y",
                "sub is a git submodule: submodules are not supported yet",
            ),
        ];
        for (path, wanted) in cases {
            assert_eq!(tree.read(path).unwrap_err().to_string(), wanted);
        }
        assert_eq!(
            tree.list("a/x").unwrap_err().to_string(),
            "open a/x: not a directory"
        );
        assert_eq!(
            tree.list("q").unwrap_err().to_string(),
            "open q: no such file or directory"
        );
        assert!(tree.list("sub").is_err());
    }

    #[test]
    fn paths_outside_are_not_stored() {
        let mut tree = FileTree::new();
        for path in ["../a", "/a", ".", "a/../..", ""] {
            assert!(!tree.insert_file(path, *b""), "{path:?}");
        }
        assert!(tree.is_empty());
        assert!(tree.insert_file("b/../a", *b""));
        assert_eq!(tree.len(), 1);
    }

    #[test]
    fn links_are_followed_through_directories_and_only_so_far() {
        let mut tree = tree(&["real/f"]);
        tree.insert("d/link", Node::Link("../real".into()));
        tree.insert("d/f", Node::Link("link/f".into()));
        tree.insert("loop", Node::Link("loop".into()));
        tree.insert("gone", Node::Link("nothing".into()));
        tree.insert("out", Node::Link("/etc/passwd".into()));
        assert_eq!(resolve(&tree, "d/f").unwrap(), "real/f");
        assert_eq!(&*read_following(&tree, "d/link/f").unwrap(), b"real/f");
        assert_eq!(stat(&tree, "d/link").unwrap(), Some(Entry::Directory));
        assert_eq!(stat(&tree, "gone").unwrap(), None);
        assert!(matches!(
            resolve(&tree, "loop"),
            Err(ReadError::TooManyLinks { .. })
        ));
        assert!(read_following(&tree, "gone").unwrap_err().is_not_found());
        assert!(read_following(&tree, "out").unwrap_err().is_not_found());
        assert!(matches!(
            read_following(&tree, "d/link"),
            Err(ReadError::IsDirectory { path }) if path == "d/link"
        ));
    }

    proptest! {
        #[test]
        fn every_file_is_reached_by_listing(paths in prop::collection::btree_set("[a-c]{1,2}(\\.x|/[a-c0.-]{1,2}f){0,2}", 0..12)) {
            // Leave out paths that would be both file and directory.
            let kept: Vec<&String> = paths
                .iter()
                .filter(|p| !paths.iter().any(|q| q.starts_with(&format!("{p}/"))))
                .collect();
            let tree: FileTree = kept.iter().map(|p| (p.as_str(), p.as_bytes())).collect();
            let mut found = Vec::new();
            let mut todo = vec![".".to_owned()];
            while let Some(directory) = todo.pop() {
                for (name, entry) in tree.list(&directory).unwrap() {
                    let path = path::join(&[&directory, &name]);
                    match entry {
                        Entry::Directory => todo.push(path),
                        _ => found.push(path),
                    }
                }
            }
            found.sort();
            prop_assert_eq!(found, kept.into_iter().map(|p| path::clean(p)).collect::<Vec<_>>());
        }
    }
}
