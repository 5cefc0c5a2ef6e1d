//! Helm values at the time a bundle is built: values files merged over inline values.
//!
//! Per-cluster templating happens elsewhere, at targeting; a chart's own `values.yaml` is a file like
//! any other.

use api::v1alpha1::{HelmOptions, Values};
use serde_json::Value;

use crate::schema::{self, Type, WrongType};
use crate::tree::{Files, ReadError, read_following};

/// Why a values file cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Flaw {
    /// It cannot be read.
    #[error(transparent)]
    Read(ReadError),
    /// It is no YAML.
    #[error(transparent)]
    Syntax(Box<goyaml::Error>),
    /// It is no map.
    #[error(transparent)]
    Type(WrongType),
}

/// A values file that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("reading values file: {base}/{file}")]
pub struct BadValuesFile {
    /// Directory of the bundle as it was reached.
    pub base: String,
    /// The file as it is named in fleet.yaml.
    pub file: String,
    /// What is wrong.
    #[source]
    pub flaw: Flaw,
}

/// Merges the values files of a helm section, in order, over its values. The list of files stays.
pub(crate) fn merge_files(
    files: &dyn Files,
    base: &str,
    helm: &mut HelmOptions,
) -> Result<(), BadValuesFile> {
    if helm.values_files.is_empty() {
        return Ok(());
    }
    let mut merged = helm.values.clone().unwrap_or_default();
    for file in &helm.values_files {
        let bad = |flaw| BadValuesFile {
            base: base.to_owned(),
            file: file.clone(),
            flaw,
        };
        let path = format!("{base}/{file}");
        let text = read_following(files, &path).map_err(|error| {
            bad(Flaw::Read(match error {
                ReadError::NotFound { .. } => ReadError::NotFound { path },
                other => other,
            }))
        })?;
        let value = goyaml::parse(&text).map_err(|error| bad(Flaw::Syntax(Box::new(error))))?;
        let value =
            schema::decode(Type::FreeMap, &value).map_err(|wrong| bad(Flaw::Type(wrong)))?;
        if let Value::Object(overlay) = value {
            merge(&mut merged, overlay);
        }
    }
    if !merged.is_empty() {
        helm.values = Some(merged);
    }
    Ok(())
}

/// Merges maps deeply; everything else of the overlay replaces.
///
/// Values come from YAML, whose reader bounds their depth.
fn merge(base: &mut Values, overlay: Values) {
    for (key, value) in overlay {
        match (base.get_mut(&key), value) {
            (Some(Value::Object(inner)), Value::Object(overlay)) => merge(inner, overlay),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tree::FileTree;

    fn merged(values: &Value, files: &[(&str, &str)]) -> Result<Value, String> {
        let tree: FileTree = files
            .iter()
            .map(|(path, text)| (format!("b/{path}"), text.as_bytes()))
            .collect();
        let mut helm = HelmOptions {
            values: values.as_object().cloned(),
            values_files: files.iter().map(|(path, _)| (*path).to_owned()).collect(),
            ..HelmOptions::default()
        };
        merge_files(&tree, "b", &mut helm).map_err(|e| errors::chain(&e))?;
        Ok(helm.values.map_or(Value::Null, Value::Object))
    }

    #[test]
    fn later_files_win_and_maps_merge() {
        let found = merged(
            &json!({"a": {"x": 1, "l": [1, 2]}, "b": 1}),
            &[
                ("1", "a: {l: [3], z: {q: 1}}"),
                ("2", "a: {z: {q: null}}\nc: 2.0"),
            ],
        );
        assert_eq!(
            found,
            Ok(json!({"a": {"x": 1, "l": [3], "z": {"q": null}}, "b": 1, "c": 2}))
        );
    }

    #[test]
    fn empty_files_change_nothing() {
        assert_eq!(
            merged(&Value::Null, &[("1", ""), ("2", "{}"), ("3", "# x")]),
            Ok(Value::Null)
        );
        assert_eq!(merged(&json!({}), &[("1", "")]), Ok(json!({})));
    }

    #[test]
    fn bad_files_are_named() {
        let error = |text| merged(&Value::Null, &[("v.yaml", text)]).unwrap_err();
        assert!(error("[a]").starts_with("reading values file: b/v.yaml: error unmarshaling JSON"));
        assert!(error("a: [").starts_with("reading values file: b/v.yaml: error converting YAML"));
        let mut helm = HelmOptions {
            values_files: vec!["no".into()],
            ..HelmOptions::default()
        };
        let error = merge_files(&FileTree::new(), "b", &mut helm).unwrap_err();
        assert_eq!(
            errors::chain(&error),
            "reading values file: b/no: open b/no: no such file or directory"
        );
    }
}
