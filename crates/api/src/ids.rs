//! Identities that are hashes over canonical JSON: contents, deployments, values.
//!
//! Equal inputs must give upstream's bytes (D-1): a different id redeploys a bundle everywhere. The
//! canonical form is what Go's `encoding/json` writes for upstream's types; the types of `v1alpha1` have
//! their fields in that order. Numbers of free-form values are float64 there, so `1.0` and `1` are equal.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Number, Value};

use crate::json;
use crate::labels::BUNDLE_VALUES_KEY;
use crate::names::{SAFE_CONCAT_MAX, sha256_hex};
use crate::v1alpha1::{BundleDeploymentOptions, BundleResource, BundleSpec, Values};

/// A target has values but no name to store them under.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("target {index} has values but no name")]
pub struct UnnamedTarget {
    /// Place of the target in the list.
    pub index: usize,
}

/// The manifest of a bundle: its resources as one line of JSON.
pub fn manifest_json(resources: &[BundleResource]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Manifest<'a> {
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        resources: &'a [BundleResource],
    }
    json::line(&Manifest { resources })
}

/// Hex sha256 of a manifest, as in `Content.sha256sum`.
pub fn content_sha256(manifest: &[u8]) -> String {
    sha256_hex(manifest)
}

/// Name of the Content for a manifest with this checksum (`content_sha256`).
pub fn content_id(sha256: &str) -> String {
    let id = format!("s-{sha256}");
    id.get(..SAFE_CONCAT_MAX).unwrap_or(&id).to_owned()
}

/// Hash of deployment options. `diff`, `correctDrift` and `healthCheckExprs` are no part of it: they change what is
/// said of the objects, not the objects.
pub fn options_hash(options: &BundleDeploymentOptions) -> String {
    let mut options = BundleDeploymentOptions {
        diff: None,
        correct_drift: None,
        health_check_exprs: Vec::new(),
        ..options.clone()
    };
    if let Some(values) = options.helm.as_mut().and_then(|helm| helm.values.as_mut()) {
        values.values_mut().for_each(numbers_to_float);
    }
    sha256_hex(json::line(&options))
}

/// Id of a deployment: what is deployed, and how.
pub fn deployment_id(content_id: &str, options: &BundleDeploymentOptions) -> String {
    format!("{content_id}:{}", options_hash(options))
}

/// The content id of a deployment id; all of it if there is no colon.
pub fn content_id_of(deployment_id: &str) -> &str {
    deployment_id
        .split_once(':')
        .map_or(deployment_id, |(content, _)| content)
}

/// Values as one piece of JSON, as they are stored in Secrets.
pub fn values_json(values: &Values) -> Vec<u8> {
    let mut values = values.clone();
    values.values_mut().for_each(numbers_to_float);
    json::encode(&values)
}

fn numbers_to_float(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(float) = number.as_f64().and_then(Number::from_f64) {
                *number = float;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(numbers_to_float),
        Value::Object(members) => members.values_mut().for_each(numbers_to_float),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Data of the Secret that holds the Helm values of a bundle: under `values.yaml` its own, under the
/// name of a target that target's. Empty values have no key; without any there is no Secret.
///
/// # Errors
/// If a target has values but no name.
pub fn values_secret_data(spec: &BundleSpec) -> Result<BTreeMap<String, Vec<u8>>, UnnamedTarget> {
    fn values(options: &BundleDeploymentOptions) -> Option<&Values> {
        options
            .helm
            .as_ref()?
            .values
            .as_ref()
            .filter(|values| !values.is_empty())
    }
    let mut data = BTreeMap::new();
    if let Some(values) = values(&spec.options) {
        data.insert(BUNDLE_VALUES_KEY.to_owned(), values_json(values));
    }
    for (index, target) in spec.targets.iter().enumerate() {
        if let Some(values) = values(&target.options) {
            if target.name.is_empty() {
                return Err(UnnamedTarget { index });
            }
            data.insert(target.name.clone(), values_json(values));
        }
    }
    Ok(data)
}

/// Hash of the data of a bundle's Secret, as in `Bundle.spec.valuesHash`; empty for none.
pub fn values_hash(data: &BTreeMap<String, Vec<u8>>) -> String {
    if data.is_empty() {
        return String::new();
    }
    let encoded: BTreeMap<&str, String> = data
        .iter()
        .map(|(key, bytes)| (key.as_str(), STANDARD.encode(bytes)))
        .collect();
    sha256_hex(json::encode(&encoded))
}

/// Hash of the Secret of a BundleDeployment: its two entries, one after the other.
pub fn options_secret_hash(values: &[u8], staged: &[u8]) -> String {
    sha256_hex([values, staged].concat())
}

/// Entry for values in the Secret of a BundleDeployment: empty for none, `{}` and null.
pub fn options_secret_entry(options: &BundleDeploymentOptions) -> Vec<u8> {
    options
        .helm
        .as_ref()
        .and_then(|helm| helm.values.as_ref())
        .filter(|values| !values.is_empty())
        .map(values_json)
        .unwrap_or_default()
}
