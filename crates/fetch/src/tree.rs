//! The files of a commit that is in a mirror, as a tree in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bundle::tree::{FileTree, Node};
use tokio::time::Instant;

use crate::error::Error;
use crate::git::Git;
use crate::mirror::{Mirror, too_large};
use crate::objects::{Blobs, Item, ItemKind, parse_listing};
use crate::{Commit, Limits, Repository, Tree};

/// Bytes of listing per file that are expected at most, on average.
const LISTING_BYTES_PER_FILE: u64 = 512;

/// Longest text of a symbolic link that is read. Bytes.
const LINK_BYTES_MAX: u64 = 4096;

impl Mirror {
    /// Reads the files of a commit that is in the mirror.
    pub(crate) async fn read(
        &self,
        git: &Git,
        repo: &Repository,
        commit: &Commit,
        paths: Option<&[String]>,
        limits: &Limits,
    ) -> Result<Tree, Error> {
        let _reading = self.lock.read().await;
        let end = Instant::now() + limits.fetch_timeout;
        let listing_max = limits.n_files_max as u64 * LISTING_BYTES_PER_FILE;
        let args = ["ls-tree", "-r", "-l", "-z", "--full-tree", &commit.id].map(str::to_owned);
        let listing = match self.local(git, repo, &args, None, listing_max, end).await {
            Err(Error::Protocol { .. }) => {
                return Err(too_large(repo, commit, "the list of files", listing_max));
            }
            other => other?,
        };
        let broken = |detail: &str| Error::Damaged {
            url: repo.url.to_string(),
            detail: detail.to_owned(),
        };
        let items = parse_listing(&listing).ok_or_else(|| broken("its file list is malformed"))?;
        if items.len() > limits.n_files_max {
            let limit = limits.n_files_max as u64;
            return Err(too_large(repo, commit, "the number of files", limit));
        }
        let mut wanted: BTreeMap<&str, u64> = BTreeMap::new();
        for item in &items {
            if let Some(size) = size_to_read(item, paths, limits) {
                wanted.insert(&item.id, size);
            }
        }
        let bytes: u64 = wanted.values().sum();
        if bytes > limits.tree_bytes_max {
            return Err(too_large(
                repo,
                commit,
                "the size of all files",
                limits.tree_bytes_max,
            ));
        }
        let contents = self.contents(git, repo, &wanted, bytes, end).await?;
        Ok(assemble(&items, &contents, limits))
    }

    /// The bytes of objects, by id.
    async fn contents(
        &self,
        git: &Git,
        repo: &Repository,
        wanted: &BTreeMap<&str, u64>,
        bytes: u64,
        end: Instant,
    ) -> Result<BTreeMap<String, Arc<[u8]>>, Error> {
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut question = Vec::new();
        for id in wanted.keys() {
            question.extend_from_slice(id.as_bytes());
            question.push(b'\n');
        }
        let args = ["cat-file", "--batch", "--buffer"].map(str::to_owned);
        let output_max = bytes + wanted.len() as u64 * 128;
        let output = self
            .local(git, repo, &args, Some(question), output_max, end)
            .await?;
        let mut blobs = Blobs::new(&output);
        let mut contents = BTreeMap::new();
        for id in wanted.keys() {
            let content = blobs.next(id).ok_or_else(|| Error::Damaged {
                url: repo.url.to_string(),
                detail: format!("object {id} is missing or malformed"),
            })?;
            contents.insert((*id).to_owned(), Arc::from(content));
        }
        Ok(contents)
    }
}

/// The size of an entry whose content has to be read.
fn size_to_read(item: &Item, paths: Option<&[String]>, limits: &Limits) -> Option<u64> {
    match item.kind {
        ItemKind::Link { size } => (size <= LINK_BYTES_MAX).then_some(size),
        ItemKind::File { size } => {
            let inside =
                paths.is_none_or(|paths| paths.iter().any(|path| covers(path, &item.path)));
            (inside && size <= limits.file_bytes_max).then_some(size)
        }
        ItemKind::Submodule => None,
    }
}

/// Whether a wanted path is this file or a directory above it.
fn covers(path: &str, file: &[u8]) -> bool {
    let path = bundle::path::clean(path.trim_start_matches('/'));
    path == "."
        || file
            .strip_prefix(path.as_bytes())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

fn assemble(items: &[Item], contents: &BTreeMap<String, Arc<[u8]>>, limits: &Limits) -> Tree {
    let mut files = FileTree::new();
    let mut submodules = BTreeSet::new();
    let mut unreadable = Vec::new();
    for item in items {
        let Ok(path) = std::str::from_utf8(&item.path) else {
            unreadable.push(item.path.escape_ascii().to_string());
            continue;
        };
        let content = contents.get(&item.id);
        let node = match (item.kind, content) {
            (ItemKind::Submodule, _) => {
                submodules.insert(path.to_owned());
                Node::Submodule
            }
            (ItemKind::File { .. }, Some(content)) => Node::File(content.clone()),
            (ItemKind::File { size }, None) if size > limits.file_bytes_max => Node::TooLarge {
                size,
                limit: limits.file_bytes_max,
            },
            (ItemKind::File { size }, None) => Node::NotLoaded { size },
            (ItemKind::Link { .. }, Some(content)) => {
                Node::Link(String::from_utf8_lossy(content).into_owned())
            }
            (ItemKind::Link { size }, None) => Node::TooLarge {
                size,
                limit: LINK_BYTES_MAX,
            },
        };
        files.insert(path, node);
    }
    Tree {
        files,
        submodules: submodules.into_iter().collect(),
        unreadable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_paths_cover_themselves_and_what_is_below() {
        for (path, file, wanted) in [
            (".", "a", true),
            ("", "a", true),
            ("/", "a", true),
            ("a", "a", true),
            ("a/", "a/b", true),
            ("/a", "a/b", true),
            ("a", "ab", false),
            ("a/b", "a", false),
        ] {
            assert_eq!(covers(path, file.as_bytes()), wanted, "{path} {file}");
        }
    }
}
