//! Charts of the local disk, and archives of them.
//!
//! In: a directory. Out: its files, the chart in them, a gzipped tar file as Helm packs it.

use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use helm::{Chart, Limits};

use super::lock::{DependencyError, yaml};

fn refused(text: String) -> DependencyError {
    DependencyError::Refused(text)
}

/// The chart in a directory.
pub(super) fn load(directory: &Path) -> Result<Chart, DependencyError> {
    let files = read_files(directory)?;
    Chart::from_directory(files, &Limits::default()).map_err(|error| refused(error.to_string()))
}

/// The files below a directory; links are followed, sizes are bounded.
pub(super) fn read_files(directory: &Path) -> Result<Vec<(String, Vec<u8>)>, DependencyError> {
    let mut files = Vec::new();
    let mut bytes_left = Limits::default().total_bytes;
    walk(directory, "", &mut files, &mut bytes_left, 0)?;
    Ok(files)
}

/// Directories in directories; what is deeper is a link to a directory above.
const DEPTH_MAX: usize = 64;

fn walk(
    directory: &Path,
    prefix: &str,
    files: &mut Vec<(String, Vec<u8>)>,
    bytes_left: &mut u64,
    depth: usize,
) -> Result<(), DependencyError> {
    let failed = |path: &Path, error: &std::io::Error| {
        refused(format!("cannot read {}: {error}", path.display()))
    };
    if depth > DEPTH_MAX {
        let directory = directory.display();
        return Err(refused(format!(
            "{directory} is nested deeper than {DEPTH_MAX} levels"
        )));
    }
    let entries = std::fs::read_dir(directory).map_err(|error| failed(directory, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| failed(directory, &error))?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let name = format!("{prefix}{name}");
        let about = std::fs::metadata(&path).map_err(|error| failed(&path, &error))?;
        if about.is_dir() {
            walk(&path, &format!("{name}/"), files, bytes_left, depth + 1)?;
            continue;
        }
        if !about.is_file() {
            let path = path.display();
            return Err(refused(format!(
                "cannot load irregular file {path} as it has file mode type bits set"
            )));
        }
        *bytes_left = bytes_left.checked_sub(about.len()).ok_or_else(|| {
            refused(format!(
                "{} holds more than a chart may",
                directory.display()
            ))
        })?;
        let data = std::fs::read(&path).map_err(|error| failed(&path, &error))?;
        files.push((name, data));
    }
    Ok(())
}

/// The archive of a chart whose files these are. Files that `.helmignore` names are left out, and
/// `Chart.yaml` is printed anew, as Helm does.
///
/// Source: Helm `chartutil.Save`.
pub(super) fn pack(
    chart: &Chart,
    mut files: Vec<(String, Vec<u8>)>,
) -> Result<Vec<u8>, DependencyError> {
    let known = chart.templates.iter().chain(&chart.files);
    let known: std::collections::BTreeSet<&str> = known.map(|file| file.name.as_str()).collect();
    let is_v1 = chart.metadata.api_version == "v1";
    files.retain(|(name, _)| match name.as_str() {
        "values.yaml" | "values.schema.json" => true,
        "Chart.lock" => !is_v1,
        name => name.starts_with("charts/") || known.contains(name),
    });
    let mut metadata = chart.metadata.clone();
    if is_v1 {
        metadata.dependencies = None;
    }
    files.push(("Chart.yaml".to_owned(), yaml(&metadata)?.into_bytes()));
    files.sort();
    let failed = |error: std::io::Error| refused(format!("cannot pack {}: {error}", chart.name()));
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, data) in &files {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        let path = format!("{}/{name}", chart.name());
        archive
            .append_data(&mut header, path, data.as_slice())
            .map_err(failed)?;
    }
    let encoder = archive.into_inner().map_err(failed)?;
    encoder.finish().map_err(failed)
}
