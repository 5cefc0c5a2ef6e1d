//! Brings both sides into a form in which equal things look alike.

use apimachinery::builtin;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::rules::Identity;

/// Annotations of this prefix say whose an object is, not what it is.
const OWNERSHIP: &str = "objectset.rio.cattle.io/";
/// A certificate that somebody fills in later, as charts write it.
const LATER: [&str; 4] = ["", "\n", "Cg==", "Cgo="];

/// Groups whose kinds the server knows by heart: their fields have types, defaults and keys.
const BUILTIN: [&str; 18] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Whether a kind is the server's own, or holds pod templates as if it were.
pub(super) fn is_builtin(identity: &Identity) -> bool {
    BUILTIN.contains(&identity.group.as_str())
        || (identity.group == "argoproj.io" && identity.kind == "Rollout")
}

/// Takes away what is no part of the content, and writes the rest as the server does.
pub(super) fn prepare(identity: &Identity, object: &mut Value) {
    let Some(members) = object.as_object_mut() else {
        return;
    };
    for member in ["apiVersion", "kind", "status"] {
        members.remove(member);
    }
    if let Some(metadata) = members.get_mut("metadata").and_then(Value::as_object_mut) {
        meta(metadata);
    }
    match (identity.group.as_str(), identity.kind.as_str()) {
        ("", "Secret") => secret(members),
        ("", "Endpoints") => endpoints(members),
        _ => {}
    }
    if is_builtin(identity) {
        builtin::normalise(&identity.kind, object);
    }
}

fn meta(metadata: &mut Map<String, Value>) {
    metadata.retain(|member, _| {
        matches!(
            member.as_str(),
            "labels" | "annotations" | "finalizers" | "ownerReferences"
        )
    });
    if let Some(annotations) = metadata
        .get_mut("annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.retain(|name, _| !name.starts_with(OWNERSHIP));
    }
    // An empty map is as none.
    metadata.retain(|_, value| value.as_object().is_none_or(|map| !map.is_empty()));
}

/// Plain texts become data; absent values are empty.
fn secret(members: &mut Map<String, Value>) {
    let plain = members.remove("stringData");
    if let Some(data) = members.get_mut("data").and_then(Value::as_object_mut) {
        for value in data.values_mut().filter(|value| value.is_null()) {
            *value = "".into();
        }
    }
    let Some(Value::Object(plain)) = plain else {
        return;
    };
    let data = members.entry("data").or_insert_with(|| json!({}));
    if data.is_null() {
        *data = json!({});
    }
    let Some(data) = data.as_object_mut() else {
        return;
    };
    for (key, value) in plain {
        let text = value
            .as_str()
            .map_or_else(String::new, |text| STANDARD.encode(text));
        data.insert(key, text.into());
    }
}

/// Order counts in no list of addresses.
fn endpoints(members: &mut Map<String, Value>) {
    let Some(subsets) = members.get_mut("subsets").and_then(Value::as_array_mut) else {
        return;
    };
    for subset in subsets.iter_mut() {
        for list in ["addresses", "notReadyAddresses", "ports"] {
            if let Some(list) = subset.get_mut(list).and_then(Value::as_array_mut) {
                list.sort_by_cached_key(ToString::to_string);
            }
        }
    }
    subsets.sort_by_cached_key(ToString::to_string);
}

/// Takes away from both sides what the deployed one leaves to somebody else to fill in: rules of aggregated ClusterRoles,
/// certificates of webhooks.
pub(super) fn leave_to_others(desired: &mut Value, live: &mut Value) {
    if desired
        .get("aggregationRule")
        .is_some_and(|rule| !rule.is_null())
    {
        for side in [&mut *desired, live] {
            if let Some(members) = side.as_object_mut() {
                members.remove("rules");
            }
        }
    }
    certificates(desired);
}

/// What is not in the deployed object is not compared.
fn certificates(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|member, value| {
                member != "caBundle" || !value.as_str().is_some_and(|text| LATER.contains(&text))
            });
            members.values_mut().for_each(certificates);
        }
        Value::Array(elements) => elements.iter_mut().for_each(certificates),
        _ => {}
    }
}
