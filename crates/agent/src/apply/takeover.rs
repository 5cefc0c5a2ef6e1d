//! Fields that other deployers of a release own, and how they become ours. Pure.
//!
//! Server-side apply removes a field that is no longer applied only if nobody else owns it. Objects that
//! were created client-side (Helm 3), or by upstream's agent, have their fields in entries of their own;
//! these are merged into ours, as Helm does for its own. Source: client-go `util/csaupgrade`.

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

/// Field managers of what deploys releases: Helm and we, upstream's agent, old Helm.
const DEPLOYERS: [&str; 3] = [crate::DEPLOY_FIELD_MANAGER, crate::FIELD_MANAGER, "Helm"];

/// What the API server says about an object that was applied.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Owned {
    metadata: Meta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    resource_version: String,
    managed_fields: Vec<Entry>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
struct Entry {
    manager: String,
    operation: String,
    api_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    fields_type: String,
    #[serde(rename = "fieldsV1")]
    fields: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "String::is_empty")]
    subresource: String,
}

/// Whether a field manager deploys releases.
pub(crate) fn is_deployer(manager: &str) -> bool {
    DEPLOYERS.contains(&manager)
}

impl Entry {
    fn is_ours(&self) -> bool {
        self.is_deployers() && self.operation == "Apply" && self.manager == DEPLOYERS[0]
    }

    fn is_deployers(&self) -> bool {
        self.subresource.is_empty() && DEPLOYERS.contains(&self.manager.as_str())
    }
}

/// Whether a conflict is only with deployers of releases. The API server's text names the managers:
/// `conflict with "helm" using apps/v1: .spec.replicas`.
pub(super) fn is_among_deployers(reason: &str) -> bool {
    let one = reason.split("conflict with \"").skip(1);
    let several = reason.split("conflicts with \"").skip(1);
    let mut managers = one
        .chain(several)
        .map(|rest| rest.split('"').next().unwrap_or_default());
    let is_named = reason.contains(" with \"");
    is_named && managers.all(|manager| DEPLOYERS.contains(&manager))
}

/// The JSON patch that makes the fields of other deployers ours; `None` when they own nothing.
pub(super) fn patch(applied: &Owned) -> Option<Value> {
    let entries = &applied.metadata.managed_fields;
    let ours = entries.iter().position(Entry::is_ours)?;
    let version = &entries[ours].api_version;
    let is_taken =
        |entry: &Entry| !entry.is_ours() && entry.is_deployers() && entry.api_version == *version;
    if !entries.iter().any(is_taken) {
        return None;
    }
    let mut fields = parsed(&entries[ours]);
    for taken in entries.iter().filter(|entry| is_taken(entry)) {
        merge(&mut fields, parsed(taken));
    }
    let mut left: Vec<Entry> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        if at == ours {
            let fields = to_raw_value(&fields).ok()?;
            left.push(Entry {
                fields: Some(fields),
                ..entry.clone()
            });
        } else if !is_taken(entry) {
            left.push(entry.clone());
        }
    }
    Some(json!([
        { "op": "replace", "path": "/metadata/managedFields", "value": left },
        // Somebody else's change in between is a conflict.
        { "op": "replace", "path": "/metadata/resourceVersion", "value": applied.metadata.resource_version },
    ]))
}

/// What those who deploy releases own of an object by having applied it: sets of fields.
pub(crate) fn fields_of_deployers(object: &Value) -> Vec<&Map<String, Value>> {
    let entries = object.pointer("/metadata/managedFields");
    let entries = entries.and_then(Value::as_array).into_iter().flatten();
    let text = |entry: &Value, member: &str, wanted: &[&str]| {
        let found = entry.get(member).and_then(Value::as_str);
        wanted.contains(&found.unwrap_or_default())
    };
    let ours = entries.filter(|entry| {
        text(entry, "manager", &DEPLOYERS)
            && text(entry, "operation", &["Apply"])
            && text(entry, "subresource", &[""])
    });
    ours.filter_map(|entry| entry.get("fieldsV1")?.as_object())
        .collect()
}

fn parsed(entry: &Entry) -> Map<String, Value> {
    let fields = entry.fields.as_deref().map_or("{}", RawValue::get);
    serde_json::from_str(fields).unwrap_or_default()
}

/// The union of two sets of fields, which are trees of names.
fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (name, below) in from {
        match (into.get_mut(&name), below) {
            (Some(Value::Object(into)), Value::Object(below)) => merge(into, below),
            (Some(_), _) => {}
            (None, below) => {
                into.insert(name, below);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_conflicts_with_deployers_of_releases_are_among_them() {
        for (reason, expected) in [
            (
                "Apply failed with 1 conflict: conflict with \"helm\" using v1: .data.key",
                true,
            ),
            (
                "Apply failed with 2 conflicts: conflicts with \"fleetagent\" using v1:\n- .data.a\n- .data.b",
                true,
            ),
            (
                "Apply failed with 2 conflicts: conflict with \"helm\" using v1: .data.a\nconflict with \"kubectl\" using v1: .data.b",
                false,
            ),
            (
                "Apply failed with 2 conflicts: conflicts with \"kubectl\" using v1:\n- .data.a\nconflict with \"helm\" using v1: .b",
                false,
            ),
            ("the object has been modified", false),
            ("", false),
        ] {
            assert_eq!(is_among_deployers(reason), expected, "{reason}");
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "literals read best as arguments"
    )]
    fn entry(manager: &str, operation: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "v1", "time": "2026-01-02T03:04:05Z",
            "fieldsType": "FieldsV1", "fieldsV1": fields})
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "literals read best as arguments"
    )]
    fn patch_of(entries: Value) -> Option<Value> {
        let object = json!({"metadata": {"resourceVersion": "7", "managedFields": entries}});
        patch(&serde_json::from_value(object).unwrap())
    }

    #[test]
    fn fields_of_other_deployers_are_merged_into_ours() {
        let kubectl = entry("kubectl", "Update", json!({"f:data": {"f:c": {}}}));
        let patch = patch_of(json!([
            entry(
                "fleetagent",
                "Apply",
                json!({"f:data": {"f:a": {}, "f:b": {}}})
            ),
            entry("helm", "Apply", json!({"f:data": {".": {}, "f:a": {}}})),
            entry(
                "helm",
                "Update",
                json!({"f:metadata": {"f:labels": {"f:x": {}}}})
            ),
            kubectl,
        ]));
        let fields = json!({"f:data": {".": {}, "f:a": {}, "f:b": {}}, "f:metadata": {"f:labels": {"f:x": {}}}});
        let entries = json!([entry("helm", "Apply", fields), kubectl]);
        assert_eq!(
            patch,
            Some(json!([
                {"op": "replace", "path": "/metadata/managedFields", "value": entries},
                {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"},
            ]))
        );
    }

    #[test]
    fn what_is_ours_or_a_strangers_is_left_alone() {
        let fields = json!({"f:data": {}});
        let mut status = entry("helm", "Update", fields.clone());
        status["subresource"] = "status".into();
        let mut other_version = entry("helm", "Update", fields.clone());
        other_version["apiVersion"] = "v1beta1".into();
        let ours = entry("helm", "Apply", fields.clone());
        for entries in [
            json!([]),
            json!([ours]),
            json!([ours, entry("kubectl", "Update", fields.clone())]),
            json!([ours, status]),
            json!([ours, other_version]),
            json!([entry("fleetagent", "Apply", fields.clone())]),
        ] {
            assert_eq!(patch_of(entries.clone()), None, "{entries}");
        }
    }

    #[test]
    fn fields_that_are_no_tree_are_as_none() {
        let patch = patch_of(json!([
            entry("helm", "Apply", json!({"f:a": {}})),
            entry("helm", "Update", json!("nonsense")),
            entry("Helm", "Update", Value::Null),
        ]));
        let fields = &patch.unwrap()[0]["value"][0]["fieldsV1"];
        assert_eq!(fields, &json!({"f:a": {}}));
    }
}
