//! Label and field selectors of lists, watches and collection deletes.

use apimachinery::selectors::{FieldSelector, LabelSelector, Labels};
use serde_json::Value;

use crate::object;
use crate::registry::Resource;
use crate::status::Status;
use crate::store::{Entry, Meta};

impl Labels for Meta {
    fn label(&self, key: &str) -> Option<&str> {
        let index = self
            .labels
            .binary_search_by(|(known, _)| known.as_ref().cmp(key))
            .ok()?;
        Some(&self.labels[index].1)
    }
}

/// What a request selects.
pub(crate) struct Selection {
    labels: LabelSelector,
    fields: FieldSelector,
    /// Whether matching needs the decoded object.
    decodes: bool,
}

impl Selection {
    /// Parses the `labelSelector` and `fieldSelector` parameters.
    ///
    /// # Errors
    /// `BadRequest` for texts that do not parse and for fields the resource does not offer.
    pub(crate) fn parse(resource: &Resource, labels: &str, fields: &str) -> Result<Self, Status> {
        let labels =
            LabelSelector::parse(labels).map_err(|error| Status::bad_request(error.to_string()))?;
        let fields =
            FieldSelector::parse(fields).map_err(|error| Status::bad_request(error.to_string()))?;
        let mut decodes = false;
        for term in fields.terms() {
            if matches!(term.field.as_str(), "metadata.name" | "metadata.namespace") {
                continue;
            }
            if !is_selectable(resource, &term.field) {
                return Err(Status::bad_request(unknown_field(resource, &term.field)));
            }
            decodes = true;
        }
        Ok(Self {
            labels,
            fields,
            decodes,
        })
    }

    /// Whether every object is selected.
    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_everything() && self.fields.is_everything()
    }

    /// The one name selected by `metadata.name=`, if any.
    pub(crate) fn name(&self) -> Option<&str> {
        self.fields.exact("metadata.name")
    }

    /// The one namespace selected by `metadata.namespace=`, if any.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.fields.exact("metadata.namespace")
    }

    /// Whether the entry is selected. Decodes it only for fields outside metadata.
    pub(crate) fn matches(&self, resource: &Resource, entry: &Entry) -> bool {
        if !self.labels.matches(&entry.meta) {
            return false;
        }
        if self.fields.is_everything() {
            return true;
        }
        let decoded = if self.decodes {
            super::decode(resource, entry).ok()
        } else {
            None
        };
        self.fields.matches(|field| match field {
            "metadata.name" => Some(entry.key.name.to_string()),
            "metadata.namespace" => Some(entry.key.namespace.to_string()),
            _ => decoded
                .as_ref()
                .and_then(|object| field_text(object, field)),
        })
    }
}

/// The text of a field for comparison; absent fields compare as empty.
fn field_text(object: &Value, field: &str) -> Option<String> {
    let alias = match field {
        "source" if object.get("source").is_some() => "source.component",
        "source" => "deprecatedSource.component",
        "reportingComponent" if object.get("reportingController").is_some() => {
            "reportingController"
        }
        other => other,
    };
    let path: Vec<&str> = alias.trim_start_matches('.').split('.').collect();
    match object::at(object, &path)? {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

/// Fields beyond name and namespace. Source: the `AddFieldLabelConversionFunc` calls of kubernetes
/// `pkg/apis/*/v1/conversion.go`; for CRDs `selectableFields`.
/// What a real server says of a field that cannot be selected by: kinds without fields of their own
/// share one answer.
fn unknown_field(resource: &Resource, field: &str) -> String {
    if resource.custom.is_some() || !own_fields(resource).is_empty() {
        return format!("field label not supported: {field}");
    }
    let field = apimachinery::names::quote(field);
    format!("{field} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
}

fn is_selectable(resource: &Resource, field: &str) -> bool {
    if let Some(custom) = &resource.custom {
        return custom
            .selectable
            .iter()
            .any(|path| path.trim_start_matches('.') == field);
    }
    own_fields(resource).contains(&field)
}

/// Fields beside name and namespace by which objects of a built-in kind can be selected.
fn own_fields(resource: &Resource) -> &'static [&'static str] {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "nodes") => &["spec.unschedulable"],
        ("", "namespaces") => &["status.phase"],
        ("", "secrets") => &["type"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("", "replicationcontrollers") | ("apps", "replicasets") => &["status.replicas"],
        ("batch", "jobs") => &["status.successful"],
        ("certificates.k8s.io", "certificatesigningrequests") => &["spec.signerName"],
        ("", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("events.k8s.io", "events") => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingController",
            "type",
        ],
        ("resource.k8s.io", "resourceslices") => &["spec.nodeName", "spec.driver"],
        _ => &[],
    }
}
