//! Dependencies that a chart declares: which of them are missing from its `charts/` directory.
//!
//! Upstream fetches missing ones while it walks the files. That needs the network and comes later;
//! here a missing one is reported so that nothing is deployed with a part left out.

use std::collections::BTreeSet;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use crate::path;
use crate::tree::{Entry, Files, ReadError, read_following, stat};

/// Bytes of an archive that are unpacked in search of its `Chart.yaml`.
const UNPACKED_BYTES_MAX: u64 = 64 << 20;

/// A dependency that has to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "updating helm dependencies: {name:?} of the chart in {directory} is not in its charts directory, and \
     fetching chart dependencies is not supported yet (helm.disableDependencyUpdate deploys without it)"
)]
pub struct MissingDependency {
    /// Directory of the chart.
    pub directory: String,
    /// Name of the dependency.
    pub name: String,
}

/// The first declared dependency of the chart in a directory that `charts/` does not hold; `None` also
/// for a directory that is no chart, or holds a chart that cannot be read.
pub(crate) fn missing(
    files: &dyn Files,
    directory: &str,
) -> Result<Option<MissingDependency>, ReadError> {
    let declared = declared(files, directory)?;
    if declared.is_empty() {
        return Ok(None);
    }
    let present = present(files, &path::join(&[directory, "charts"]))?;
    Ok(declared
        .into_iter()
        .find(|name| !present.contains(name))
        .map(|name| MissingDependency {
            directory: files.shown(directory),
            name,
        }))
}

fn declared(files: &dyn Files, directory: &str) -> Result<Vec<String>, ReadError> {
    let mut names = Vec::new();
    if !matches!(
        stat(files, &path::join(&[directory, "Chart.yaml"]))?,
        Some(Entry::File(_))
    ) {
        return Ok(names);
    }
    for file in ["Chart.yaml", "requirements.yaml"] {
        let text = match read_following(files, &path::join(&[directory, file])) {
            Ok(text) => text,
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error),
        };
        let Ok(chart) = goyaml::parse(&text) else {
            continue;
        };
        let list = chart.get("dependencies").and_then(Value::as_array);
        names.extend(list.into_iter().flatten().filter_map(name_of));
    }
    Ok(names)
}

/// Names of the charts in a `charts/` directory, as directories or as archives.
fn present(files: &dyn Files, charts: &str) -> Result<BTreeSet<String>, ReadError> {
    let mut names = BTreeSet::new();
    if stat(files, charts)? != Some(Entry::Directory) {
        return Ok(names);
    }
    for (name, entry) in files.list(charts)? {
        let at = path::join(&[charts, &name]);
        let chart = match entry {
            Entry::Directory => match read_following(files, &path::join(&[&at, "Chart.yaml"])) {
                Ok(text) => goyaml::parse(&text).ok(),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error),
            },
            Entry::File(_) if path::has_extension(&name, "tgz") => {
                chart_of_archive(&files.read(&at)?)
            }
            _ => None,
        };
        names.extend(chart.as_ref().and_then(name_of));
    }
    Ok(names)
}

/// `<chart>/Chart.yaml` of an archive.
fn chart_of_archive(bytes: &[u8]) -> Option<Value> {
    let unpacked = MultiGzDecoder::new(bytes).take(UNPACKED_BYTES_MAX);
    let mut archive = tar::Archive::new(unpacked);
    for entry in archive.entries().ok()? {
        let mut entry = entry.ok()?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if path::clean(&name).split('/').skip(1).eq(["Chart.yaml"]) {
            let mut text = Vec::new();
            entry.read_to_end(&mut text).ok()?;
            return goyaml::parse(&text).ok();
        }
    }
    None
}

fn name_of(chart: &Value) -> Option<String> {
    chart.get("name")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::tree::FileTree;

    const CHART: &str = "name: lamp\ndependencies: [{name: wick}, {name: oil}]";

    fn archive(path: &str, text: &str) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_cksum();
        builder
            .append_data(&mut header, path, text.as_bytes())
            .unwrap();
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(&builder.into_inner().unwrap()).unwrap();
        packer.finish().unwrap()
    }

    fn first_missing(files: &[(&str, Vec<u8>)]) -> Option<String> {
        let tree: FileTree = files
            .iter()
            .map(|(path, bytes)| (*path, bytes.clone()))
            .collect();
        missing(&tree, "c").unwrap().map(|missing| missing.name)
    }

    #[test]
    fn dependencies_are_found_as_directory_and_archive() {
        let chart = ("c/Chart.yaml", CHART.into());
        let wick = ("c/charts/any/Chart.yaml", "name: wick".into());
        let oil = ("c/charts/oil-1.tgz", archive("oil/Chart.yaml", "name: oil"));
        assert_eq!(
            first_missing(&[chart.clone(), wick.clone(), oil.clone()]),
            None
        );
        assert_eq!(first_missing(&[chart.clone(), wick]), Some("oil".into()));
        assert_eq!(first_missing(&[chart.clone(), oil]), Some("wick".into()));
        assert_eq!(first_missing(&[chart]), Some("wick".into()));
    }

    #[test]
    fn what_is_no_chart_misses_nothing() {
        assert_eq!(first_missing(&[]), None);
        assert_eq!(first_missing(&[("c/x.yaml", CHART.into())]), None);
        assert_eq!(first_missing(&[("c/Chart.yaml", "name: [".into())]), None);
        assert_eq!(
            first_missing(&[("c/Chart.yaml", "dependencies: 3".into())]),
            None
        );
    }

    #[test]
    fn broken_archives_hold_nothing() {
        let chart = ("c/Chart.yaml", CHART.into());
        for bytes in [
            b"no archive".to_vec(),
            archive("Chart.yaml", "name: wick"),
            archive("wick/x/Chart.yaml", "name: wick"),
            archive("wick/Chart.yaml", ": ["),
        ] {
            assert_eq!(
                first_missing(&[chart.clone(), ("c/charts/w.tgz", bytes)]),
                Some("wick".into())
            );
        }
    }

    #[test]
    fn the_error_tells_what_to_do() {
        let tree: FileTree = [("c/Chart.yaml", CHART.as_bytes())].into_iter().collect();
        let error = missing(&tree, "c").unwrap().unwrap().to_string();
        assert!(
            error.contains("\"wick\" of the chart in c is not in its charts directory"),
            "{error}"
        );
    }
}
