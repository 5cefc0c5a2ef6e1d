//! The form in which the server stores built-in kinds: values that its types leave out when they are zero, quantities in canonical form.
//!
//! In: an object with defaults. Out: the same, changed in place. Go's types say `omitempty` on most fields; the lists here name those
//! that people write. Free-form parts (metadata, ConfigMaps, revisions) are left alone.

use serde_json::{Map, Value};

use super::quantity::{Quantity, canonical};

/// Lists that are written even when they are empty.
const LISTS_KEPT: [&str; 7] = [
    "containers",
    "paths",
    "endpoints",
    "verbs",
    "versions",
    "rules",
    "ports",
];
/// Maps that are not written when they are empty.
const MAPS: [&str; 7] = [
    "labels",
    "annotations",
    "matchLabels",
    "nodeSelector",
    "limits",
    "requests",
    "overhead",
];
/// Booleans that are not written when they are false.
const FLAGS: [&str; 11] = [
    "hostNetwork",
    "hostPID",
    "hostIPC",
    "readOnly",
    "publishNotReadyAddresses",
    "globalDefault",
    "stdin",
    "stdinOnce",
    "tty",
    "paused",
    "unschedulable",
];
/// Numbers that are not written when they are zero.
const NUMBERS: [&str; 4] = [
    "initialDelaySeconds",
    "minReadySeconds",
    "hostPort",
    "nodePort",
];
/// Texts that are not written when they are empty.
const TEXTS: [&str; 12] = [
    "subPath",
    "subPathExpr",
    "workingDir",
    "clusterIP",
    "caBundle",
    "loadBalancerIP",
    "externalName",
    "hostname",
    "subdomain",
    "priorityClassName",
    "nodeName",
    "volumeName",
];
/// Maps of resource names to quantities.
const AMOUNTS: [&str; 4] = ["limits", "requests", "capacity", "hard"];

/// Kinds whose fields are the user's own text or schemas, in which no name means anything here.
pub(super) fn is_free_form(kind: &str) -> bool {
    [
        "ConfigMap",
        "Secret",
        "ControllerRevision",
        "CustomResourceDefinition",
        "Event",
    ]
    .contains(&kind)
}

/// Brings an object of a built-in kind into stored form; idempotent. Fills in no defaults.
pub fn normalise(kind: &str, object: &mut Value) {
    let Some(fields) = object.as_object_mut() else {
        return;
    };
    match kind {
        "ConfigMap" | "Secret" => {
            let is_empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
            fields.retain(|key, value| {
                !matches!(key.as_str(), "data" | "binaryData") || !is_empty(value)
            });
            return;
        }
        kind if is_free_form(kind) => return,
        _ => {}
    }
    fields.retain(|key, value| key == "metadata" || !is_left_out("", key, value));
    for (key, value) in fields.iter_mut().filter(|(key, _)| *key != "metadata") {
        walk(key, value);
    }
    if kind == "RoleBinding" || kind == "ClusterRoleBinding" {
        for subject in fields
            .get_mut("subjects")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            if let Some(subject) = subject.as_object_mut() {
                subject.retain(|key, value| key != "apiGroup" || value != "");
            }
        }
    }
}

fn walk(key: &str, value: &mut Value) {
    match value {
        Value::Object(fields) if AMOUNTS.contains(&key) => amounts(fields),
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                walk(key, value);
            }
            fields.retain(|field, value| !is_left_out(key, field, value));
        }
        Value::Array(list) => list.iter_mut().for_each(|item| walk(key, item)),
        // The size of a volume in memory or on disk.
        Value::String(text) if key == "sizeLimit" => {
            if let Some(form) = canonical(text) {
                *text = form;
            }
        }
        _ => {}
    }
}

/// Whether the server leaves the field out; `parent` is the key under which the object stands.
fn is_left_out(parent: &str, key: &str, value: &Value) -> bool {
    match value {
        Value::Array(list) => list.is_empty() && !LISTS_KEPT.contains(&key),
        Value::Object(map) => map.is_empty() && MAPS.contains(&key),
        Value::Bool(false) => FLAGS.contains(&key),
        Value::Number(number) => number.as_i64() == Some(0) && NUMBERS.contains(&key),
        Value::String(text) if key == "value" => {
            text.is_empty() && matches!(parent, "env" | "tolerations")
        }
        Value::String(text) => text.is_empty() && TEXTS.contains(&key),
        _ => false,
    }
}

fn amounts(fields: &mut Map<String, Value>) {
    for amount in fields.values_mut() {
        let text = match amount {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => continue,
        };
        if Quantity::parse(&text).is_ok()
            && let Some(form) = canonical(&text)
        {
            *amount = form.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_server_leaves_out_is_left_out() {
        let mut pod = json!({
            "metadata": {"labels": {}},
            "spec": {
                "hostNetwork": false, "hostUsers": false, "tolerations": [], "nodeSelector": {}, "securityContext": {},
                "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1024Mi"}}],
                "containers": [{
                    "env": [{"name": "e", "value": ""}], "args": [], "volumeMounts": [{"readOnly": false, "subPath": ""}],
                    "livenessProbe": {"initialDelaySeconds": 0, "httpGet": {"httpHeaders": [{"name": "h", "value": ""}]}},
                    "resources": {"limits": {"cpu": 1.5, "memory": "1024Mi", "odd": "x"}, "requests": {}},
                }],
            },
        });
        normalise("Pod", &mut pod);
        let stored = json!({
            "metadata": {"labels": {}},
            "spec": {
                "hostUsers": false, "securityContext": {},
                "volumes": [{"name": "v", "emptyDir": {"sizeLimit": "1Gi"}}],
                "containers": [{
                    "env": [{"name": "e"}], "volumeMounts": [{}],
                    "livenessProbe": {"httpGet": {"httpHeaders": [{"name": "h", "value": ""}]}},
                    "resources": {"limits": {"cpu": "1500m", "memory": "1Gi", "odd": "x"}},
                }],
            },
        });
        assert_eq!(pod, stored);
        normalise("Pod", &mut pod);
        assert_eq!(pod, stored);
    }

    #[test]
    fn free_form_parts_are_left_alone() {
        for (kind, object, stored) in [
            (
                "ConfigMap",
                json!({"data": {"limits": ""}, "binaryData": {}}),
                json!({"data": {"limits": ""}}),
            ),
            (
                "ControllerRevision",
                json!({"data": {"args": []}}),
                json!({"data": {"args": []}}),
            ),
            (
                "PriorityClass",
                json!({"globalDefault": false, "value": 0}),
                json!({"value": 0}),
            ),
            ("Role", json!({"rules": []}), json!({"rules": []})),
            ("Other", json!(3), json!(3)),
        ] {
            let mut found = object;
            normalise(kind, &mut found);
            assert_eq!(found, stored, "{kind}");
        }
    }
}
