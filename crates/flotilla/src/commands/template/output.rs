//! Writes what was rendered below a directory.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result};
use helm::{Origin, OutputFile};

/// Writes the files, each text after the other where a path comes again; gives the paths. Hooks are also
/// added to files that are there already.
/// Files that are not from crds folders go below `release`, if there is one.
pub(crate) fn write_files(
    directory: &str,
    release: Option<&str>,
    files: &[OutputFile],
) -> Result<Vec<String>> {
    let mut begun = BTreeSet::new();
    let mut written = Vec::new();
    for file in files {
        let below = match release.filter(|_| file.origin != Origin::Crd) {
            Some(release) => cleaned(&Path::new(directory).join(release)),
            None => directory.to_owned(),
        };
        let path = format!("{below}/{}", file.path);
        let cannot = || format!("cannot write {path}");
        if let Some(parent) = Path::new(&path).parent() {
            std::fs::create_dir_all(parent).with_context(cannot)?;
        }
        let again = !begun.insert(path.clone()) || file.origin == Origin::Hook;
        let mut options = std::fs::OpenOptions::new();
        options
            .create(true)
            .write(true)
            .append(again)
            .truncate(!again);
        let mut out = options.open(&path).with_context(cannot)?;
        out.write_all(file.text.as_bytes()).with_context(cannot)?;
        written.push(path);
    }
    Ok(written)
}

/// Without `.` and repeated slashes.
fn cleaned(path: &Path) -> String {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts.collect::<PathBuf>().display().to_string()
}
