//! `yaml.overlays`: files that replace or patch others of the same path. Pure.
//!
//! Source: fleet `internal/content` and `internal/manifest/overlay`.

use std::collections::BTreeMap;

use bundle::path;
use serde_json::Value;

use super::types;

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
    Patch {
        patch: String,
        target: String,
        reason: String,
    },
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
                let base = files.get(&target).ok_or_else(|| Error::NoBase {
                    target: target.clone(),
                })?;
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
        goyaml::parse(data).map_err(|error| Error::Yaml {
            file: file.to_owned(),
            reason: error.to_string(),
        })
    };
    let (base, change) = (read(target, base)?, read(name, patch)?);
    let failed = |reason: String| Error::Patch {
        patch: name.to_owned(),
        target: target.to_owned(),
        reason,
    };
    let of = types::of(&base).map_err(|reason| failed(reason.to_owned()))?;
    let patched = match (&change, of) {
        (Value::Array(_), _) => apimachinery::patch::json_patch(&base, &change),
        (_, Some(of)) => apimachinery::patch::strategic_merge_patch(&base, &change, Some(of)),
        (_, None) => apimachinery::patch::merge_patch(&base, &change),
    };
    let patched = patched.map_err(|error| failed(error.to_string()))?;
    goyaml::json::to_vec(&patched).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n      - {name: main, image: a}\n      - {name: side, image: b}\n";

    fn applied(files: &[(&str, &str)], overlays: &[&str]) -> Result<Vec<(String, Value)>, String> {
        let file = |(name, text): &(&str, &str)| ((*name).to_owned(), text.as_bytes().to_vec());
        let overlays: Vec<String> = overlays.iter().map(|name| (*name).to_owned()).collect();
        let files = apply(files.iter().map(file).collect(), &overlays);
        let read = |(name, data): (String, Vec<u8>)| (name, goyaml::parse(&data).unwrap());
        files
            .map(|files| files.into_iter().map(read).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn files_are_added_replaced_and_patched_in_order() {
        let patch =
            "spec:\n  template:\n    spec:\n      containers:\n      - {name: side, image: c}\n";
        let files = [
            ("web.yaml", BASE),
            (
                "custom.yaml",
                "apiVersion: x/v1\nkind: X\nlist: [1]\nkeep: 1\n",
            ),
            ("other.yaml", "a: 1\n"),
            ("overlays/one/web_patch.yaml", patch),
            ("overlays/one/custom_patch.yaml", "list: [2]\n"),
            ("overlays/one/other.yaml", "a: 2\n"),
            ("overlays/two/other_patch.json", "[]"),
            (
                "overlays/two/other_patch.yaml",
                "[{\"op\": \"replace\", \"path\": \"/a\", \"value\": 3}]",
            ),
            ("overlays/two/new.yaml", "b: 1\n"),
            ("overlays/unused/new.yaml", "b: 2\n"),
        ];
        let without_json: Vec<(&str, &str)> = files
            .into_iter()
            .filter(|(name, _)| !name.ends_with("json"))
            .collect();
        let result = applied(&without_json, &["one", "two"]).unwrap();
        let names: Vec<&str> = result.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["custom.yaml", "new.yaml", "other.yaml", "web.yaml"]);
        let images: Vec<&Value> = ["0", "1"]
            .iter()
            .filter_map(|at| {
                result[3]
                    .1
                    .pointer(&format!("/spec/template/spec/containers/{at}/image"))
            })
            .collect();
        assert_eq!(images, ["a", "c"]);
        assert_eq!(
            (&result[0].1["list"], &result[0].1["keep"]),
            (&Value::from(vec![2]), &1.into())
        );
        assert_eq!(
            (&result[2].1["a"], &result[1].1["b"]),
            (&3.into(), &1.into())
        );
        let plain = applied(&[("a.yaml", "a: 1"), ("overlays/one/b.yaml", "b: 1")], &[]).unwrap();
        assert_eq!(plain.len(), 1);
    }

    #[test]
    fn overlays_that_do_not_fit_are_named() {
        for (files, expected) in [
            (
                [("a.yaml", "a: 1"), ("overlays/o/b_patch.yaml", "b: 1")],
                "failed to find base file b.yaml to patch",
            ),
            (
                [("d/a.yaml", "a: 1"), ("overlays/o/a_patch.yaml", "b: 1")],
                "failed to find base file a.yaml to patch",
            ),
            (
                [("a.yaml", "a: ["), ("overlays/o/a_patch.yaml", "b: 1")],
                "read a.yaml of an overlay: error converting YAML",
            ),
            (
                [("a.yaml", "a: 1"), ("overlays/o/a_patch.yaml", "b: [")],
                "read overlays/o/a_patch.yaml of an overlay: error converting YAML",
            ),
            (
                [
                    ("a.yaml", "a: 1"),
                    (
                        "overlays/o/a_patch.yaml",
                        "[{\"op\": \"remove\", \"path\": \"/x\"}]",
                    ),
                ],
                "apply overlays/o/a_patch.yaml to a.yaml: ",
            ),
        ] {
            let error = applied(&files, &["o"]).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
