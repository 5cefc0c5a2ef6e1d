//! `--fleet-yaml`: the lines of `fleet.yaml` that accept the differences of a deployment.
//!
//! Source: fleet `internal/cmd/cli/bundlediff.go`.

use std::collections::{BTreeMap, BTreeSet};

use api::labels::{BUNDLE_NAME, BUNDLE_NAMESPACE};
use api::v1alpha1::{Bundle, BundleDeployment, ComparePatch, Operation};
use apiclient::{Client, Kind, ObjectKey};
use serde_json::{Value, json};

use crate::output;

/// What an exception is about: API version, kind, namespace, name.
type Place = (String, String, String, String);

/// Prints the exceptions that the bundle has, and those that it needs for what is modified now.
pub(super) async fn print(hub: &Client, deployment: &BundleDeployment) -> anyhow::Result<()> {
    let labels = deployment.metadata.labels.as_ref();
    let label = |name: &str| labels.and_then(|labels| labels.get(name)).cloned();
    let bundle = match (label(BUNDLE_NAMESPACE), label(BUNDLE_NAME)) {
        (Some(namespace), Some(name)) => {
            let key = ObjectKey::new(namespace, name);
            hub.get::<Bundle>(&Kind::of::<Bundle>(), &key).await?
        }
        _ => None,
    };
    let existing = bundle.and_then(|bundle| bundle.spec.options.diff);
    let existing = existing.map_or_else(Vec::new, |diff| diff.compare_patches);
    match snippet(&existing, deployment) {
        Some(snippet) => output::print(&goyaml::to_yaml(&snippet)?)?,
        None => output::note("No modified resources found."),
    }
    Ok(())
}

/// The `diff` of a `fleet.yaml`; `None` when nothing is modified that can be excepted.
fn snippet(existing: &[ComparePatch], deployment: &BundleDeployment) -> Option<Value> {
    let mut found: BTreeMap<Place, BTreeSet<String>> = BTreeMap::new();
    for entry in &deployment.status.modified_status {
        let Ok(patch) = serde_json::from_str::<Value>(&entry.patch) else {
            continue;
        };
        let place = (
            entry.api_version.clone(),
            entry.kind.clone(),
            entry.namespace.clone(),
            entry.name.clone(),
        );
        let mut paths = BTreeSet::new();
        flatten(&patch, "", &mut paths);
        if !paths.is_empty() {
            found.entry(place).or_default().extend(paths);
        }
    }
    if found.is_empty() {
        return None;
    }
    let place = |patch: &ComparePatch| -> Place {
        let ComparePatch {
            api_version,
            kind,
            namespace,
            name,
            ..
        } = patch.clone();
        (api_version, kind, namespace, name)
    };
    let mut merged: BTreeMap<Place, ComparePatch> = existing
        .iter()
        .map(|patch| (place(patch), patch.clone()))
        .collect();
    for (place, paths) in found {
        let (api_version, kind, namespace, name) = place.clone();
        let patch = merged.entry(place).or_insert_with(|| ComparePatch {
            api_version,
            kind,
            namespace,
            name,
            ..ComparePatch::default()
        });
        let removals = paths.into_iter().map(|path| Operation {
            op: "remove".to_owned(),
            path,
            ..Operation::default()
        });
        for removal in removals {
            if !patch.operations.contains(&removal) {
                patch.operations.push(removal);
            }
        }
        let key = |it: &Operation| (it.op.clone(), it.path.clone(), it.value.clone());
        patch.operations.sort_by_cached_key(key);
    }
    let patches: Vec<ComparePatch> = merged.into_values().collect();
    Some(json!({"diff": {"comparePatches": patches}}))
}

/// A pointer to each value of a merge patch. Lists are values; what was left out of a long patch is none.
fn flatten(patch: &Value, at: &str, paths: &mut BTreeSet<String>) {
    match patch {
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members.iter().filter(|(name, _)| !name.ends_with('…')) {
                let name = name.replace('~', "~0").replace('/', "~1");
                flatten(value, &format!("{at}/{name}"), paths);
            }
        }
        _ if at.is_empty() => {}
        _ => {
            paths.insert(at.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(patches: &[&str]) -> BundleDeployment {
        let entry = |patch: &&str| json!({"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "n", "name": "web", "patch": patch});
        let modified: Vec<Value> = patches.iter().map(entry).collect();
        serde_json::from_value(json!({"status": {"modifiedStatus": modified}})).unwrap()
    }

    #[test]
    fn each_value_of_a_patch_becomes_an_operation() {
        let patch = r#"{"spec":{"replicas":1,"template":{"containers":[{"name":"a"}]},"empty":{}},"metadata":{"annotations":{"a/b~c":null}},"…":"3 more fields differ"}"#;
        let existing = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "n", "name": "web",
            "operations": [{"op": "remove", "path": "/spec/replicas"}, {"op": "ignore"}]},
            {"apiVersion": "v1", "kind": "Secret", "jsonPointers": ["/data"]}]);
        let existing: Vec<ComparePatch> = serde_json::from_value(existing).unwrap();
        let snippet = snippet(&existing, &deployment(&[patch, "nonsense", ""])).unwrap();
        let patches = snippet["diff"]["comparePatches"].as_array().unwrap();
        assert_eq!(patches.len(), 2);
        let operations: Vec<&str> = patches[0]["operations"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["path"].as_str().unwrap_or("ignore"))
            .collect();
        assert_eq!(
            operations,
            [
                "ignore",
                "/metadata/annotations/a~1b~0c",
                "/spec/empty",
                "/spec/replicas",
                "/spec/template/containers"
            ]
        );
        assert_eq!(patches[1]["jsonPointers"][0], "/data");
    }

    #[test]
    fn what_cannot_be_excepted_gives_nothing() {
        for patch in ["{}", "", "3", "nonsense"] {
            assert_eq!(snippet(&[], &deployment(&[patch])), None, "{patch}");
        }
    }
}
