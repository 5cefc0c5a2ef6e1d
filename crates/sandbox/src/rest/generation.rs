//! When `metadata.generation` counts up: on changes of what a user wants, never of status.
//!
//! Source: the strategies in kubernetes `pkg/registry` (built-in kinds, each its own rule) and
//! apiextensions `pkg/registry/customresource/strategy.go`.

use serde_json::{Map, Value};

use crate::object;
use crate::registry::Resource;

/// Built-in kinds whose strategy counts generations.
const COUNTED: [(&str, &str); 27] = [
    ("", "pods"),
    ("", "podtemplates"),
    ("", "replicationcontrollers"),
    ("admissionregistration.k8s.io", "mutatingadmissionpolicies"),
    (
        "admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings",
    ),
    (
        "admissionregistration.k8s.io",
        "mutatingwebhookconfigurations",
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
    ),
    (
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
    ),
    (
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
    ),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("apps", "daemonsets"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
    ("discovery.k8s.io", "endpointslices"),
    ("flowcontrol.apiserver.k8s.io", "flowschemas"),
    (
        "flowcontrol.apiserver.k8s.io",
        "prioritylevelconfigurations",
    ),
    ("networking.k8s.io", "ingressclasses"),
    ("networking.k8s.io", "ingresses"),
    ("networking.k8s.io", "networkpolicies"),
    ("policy", "poddisruptionbudgets"),
    ("resource.k8s.io", "deviceclasses"),
    ("resource.k8s.io", "resourceslices"),
    ("scheduling.k8s.io", "priorityclasses"),
    ("storage.k8s.io", "csidrivers"),
];

/// Whether objects of this resource carry a generation.
pub(crate) fn is_counted(resource: &Resource) -> bool {
    resource.custom.is_some()
        || COUNTED.contains(&(resource.group.as_str(), resource.plural.as_str()))
}

/// Sets the generation of a new object.
pub(crate) fn start(resource: &Resource, object: &mut Value) {
    if is_counted(resource) {
        object::metadata_mut(object).insert("generation".to_owned(), 1.into());
    }
}

/// Counts up if `new` differs from `old` outside metadata and (where it is separate) status.
pub(crate) fn advance(resource: &Resource, new: &mut Value, old: &Value) {
    if is_counted(resource) && differs(resource, new, old) {
        let next = object::generation(old) + 1;
        object::metadata_mut(new).insert("generation".to_owned(), next.into());
    }
}

/// Counts up because deletion began, which is a change of what the user wants.
pub(crate) fn deletion(object: &mut Value) {
    if object::generation(object) > 0 {
        let next = object::generation(object) + 1;
        object::metadata_mut(object).insert("generation".to_owned(), next.into());
    }
}

fn differs(resource: &Resource, new: &Value, old: &Value) -> bool {
    let skipped = |field: &str| {
        matches!(field, "metadata" | "kind" | "apiVersion")
            || (field == "status" && resource.has_status())
    };
    let (Some(new), Some(old)) = (new.as_object(), old.as_object()) else {
        return true;
    };
    let wanted = |fields: &Map<String, Value>| fields.keys().filter(|f| !skipped(f)).count();
    wanted(new) != wanted(old)
        || new
            .iter()
            .any(|(field, value)| !skipped(field) && old.get(field) != Some(value))
}
