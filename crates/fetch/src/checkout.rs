//! The commit that is checked out around a directory.
//!
//! Reads git's own files, runs nothing: a person's command line gives the label of the commit to what
//! it writes, and a broken repository is no reason to fail.

use std::path::{Path, PathBuf};

use crate::reference::Reference;

/// References that point to references before it is given up.
const REFERENCES_MAX: usize = 5;

/// The commit id that HEAD stands for in the repository that holds `directory`; `None` outside of a
/// repository, before its first commit, and where its files cannot be understood.
pub fn head(directory: &Path) -> Option<String> {
    let git = directory
        .ancestors()
        .map(|above| above.join(".git"))
        .find(|path| path.exists())?;
    let git = if git.is_dir() { git } else { linked(&git)? };
    let common = std::fs::read_to_string(git.join("commondir"))
        .map_or_else(|_| git.clone(), |path| git.join(path.trim()));
    let mut text = std::fs::read_to_string(git.join("HEAD")).ok()?;
    for _ in 0..REFERENCES_MAX {
        let Some(name) = text.trim().strip_prefix("ref: ") else {
            return Reference::Revision(text.trim().to_owned()).as_commit();
        };
        let name = name.trim();
        if !name.starts_with("refs/") || name.contains("..") {
            return None;
        }
        text = [&git, &common]
            .iter()
            .find_map(|place| std::fs::read_to_string(place.join(name)).ok())
            .or_else(|| packed(&common, name))?;
    }
    None
}

/// Where a `.git` file points to.
fn linked(file: &Path) -> Option<PathBuf> {
    let text = std::fs::read_to_string(file).ok()?;
    Some(file.parent()?.join(text.trim().strip_prefix("gitdir: ")?))
}

fn packed(common: &Path, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(common.join("packed-refs")).ok()?;
    text.lines().find_map(|line| {
        let (id, reference) = line.split_once(' ')?;
        (reference == name).then(|| id.to_owned())
    })
}
