//! `yaml.overlays`: files that replace or patch others of the same path. Pure.
//!
//! Source: fleet `internal/content` and `internal/manifest/overlay`.

use std::collections::BTreeMap;

use bundle::path;
use serde_json::Value;

/// Marks a file as a patch of the file without it.
const PATCH: &str = "_patch.";

/// Why an overlay does not fit.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is nothing to patch.
    #[error("failed to find base file {target} to patch")]
    NoBase { target: String },
    /// Base or patch is no YAML.
    #[error("read {file} of an overlay: {reason}")]
    Yaml { file: String, reason: String },
    /// The patch does not apply.
    #[error("apply {patch} to {target}: {reason}")]
    Patch { patch: String, target: String, reason: String },
}

/// Applies overlays in order and removes all of `overlays/`. The result is sorted by name.
pub(super) fn apply(
    files: Vec<(String, Vec<u8>)>,
    overlays: &[String],
) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut files: BTreeMap<String, Vec<u8>> = files.into_iter().collect();
    for overlay in overlays {
        let prefix = format!("overlays/{overlay}/");
        let inside = |(name, data): (&String, &Vec<u8>)| {
            Some((name.strip_prefix(&prefix)?.to_owned(), data.clone()))
        };
        let layer: Vec<(String, Vec<u8>)> = files.iter().filter_map(inside).collect();
        for (name, data) in layer {
            if path::base(&name).contains(PATCH) {
                let target = target_of(&name);
                let base = files.get(&target).ok_or_else(|| Error::NoBase { target: target.clone() })?;
                let patched = patch(&target, base, &format!("{prefix}{name}"), &data)?;
                files.insert(target, patched);
            } else {
                files.insert(name, data);
            }
        }
    }
    files.retain(|name, _| !name.starts_with("overlays/"));
    Ok(files.into_iter().collect())
}

/// `dir/a_patch.yaml` patches `dir/a.yaml`.
fn target_of(name: &str) -> String {
    let base = path::base(name);
    let directory = name.strip_suffix(base).unwrap_or_default();
    format!("{directory}{}", base.replacen(PATCH, ".", 1))
}

fn patch(target: &str, base: &[u8], name: &str, patch: &[u8]) -> Result<Vec<u8>, Error> {
    let read = |file: &str, data: &[u8]| {
        goyaml::parse(data)
            .map_err(|error| Error::Yaml { file: file.to_owned(), reason: error.to_string() })
    };
    let (base, change) = (read(target, base)?, read(name, patch)?);
    let failed =
        |reason: String| Error::Patch { patch: name.to_owned(), target: target.to_owned(), reason };
    let patched = match &change {
        Value::Array(_) => apimachinery::patch::json_patch(&base, &change),
        _ => apimachinery::patch::merge_patch(&base, &change),
    };
    let patched = patched.map_err(|error| failed(error.to_string()))?;
    goyaml::json::to_vec(&patched).map_err(|error| failed(error.to_string()))
}
