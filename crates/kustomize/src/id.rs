//! Kinds and ids of objects.
//!
//! Source: kyaml `resid/gvk.go`, `resid/resid.go`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::node::Node;
use crate::schema::Schemas;

/// Group, version and kind; empty for any where it selects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Gvk {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) kind: String,
}

/// Kinds that come first in order.
pub(crate) const ORDER_FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];
/// Kinds that come last.
pub(crate) const ORDER_LAST: [&str; 2] = [
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// Where a kind is among those that come first and last, zero for the others between.
pub(crate) fn rank<S: AsRef<str>>(kind: &str, first: &[S], last: &[S]) -> i64 {
    let in_last = last.iter().rposition(|name| name.as_ref() == kind);
    if let Some(at) = in_last {
        return 1 + at as i64;
    }
    let in_first = first.iter().rposition(|name| name.as_ref() == kind);
    in_first.map_or(0, |at| at as i64 - first.len() as i64)
}

fn or<'t>(text: &'t str, other: &'t str) -> &'t str {
    if text.is_empty() { other } else { text }
}

/// Group and version of an apiVersion.
pub(crate) fn group_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

impl Gvk {
    pub(crate) fn of(node: &Node) -> Self {
        Self::new(node.api_version(), node.kind_text())
    }

    pub(crate) fn new(api_version: &str, kind: &str) -> Self {
        let (group, version) = group_version(api_version);
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
        }
    }

    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            return self.version.clone();
        }
        format!("{}/{}", self.group, self.version)
    }

    pub(crate) fn is_selected(&self, selector: &Self) -> bool {
        let fits = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        fits(&selector.group, &self.group)
            && fits(&selector.version, &self.version)
            && fits(&selector.kind, &self.kind)
    }

    /// The text that orders kinds of one rank.
    pub(crate) fn sort_text(&self) -> String {
        format!(
            "{}_{}_{}",
            or(&self.group, "~G"),
            or(&self.version, "~V"),
            or(&self.kind, "~K")
        )
    }
}

impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}",
            or(&self.kind, "[noKind]"),
            or(&self.version, "[noVer]"),
            or(&self.group, "[noGrp]")
        )
    }
}

/// Namespace of objects that have none in the file.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";
/// Stands for the namespace of objects that cannot have one.
pub(crate) const NO_NAMESPACE: &str = "_non_namespaceable_";

/// What an object is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    pub(crate) gvk: Gvk,
    pub(crate) is_cluster_scoped: bool,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

impl Id {
    pub(crate) fn new(schemas: &Schemas, gvk: Gvk, name: &str, namespace: &str) -> Self {
        let is_cluster_scoped = schemas.is_cluster_scoped(&gvk.api_version(), &gvk.kind);
        Self {
            gvk,
            is_cluster_scoped,
            name: name.to_owned(),
            namespace: namespace.to_owned(),
        }
    }

    pub(crate) fn effective_namespace(&self) -> &str {
        if self.is_cluster_scoped {
            return NO_NAMESPACE;
        }
        or(&self.namespace, DEFAULT_NAMESPACE)
    }

    /// Kind and name are the same.
    pub(crate) fn has_kind_and_name_of(&self, other: &Self) -> bool {
        self.name == other.name && self.gvk == other.gvk
    }

    pub(crate) fn is_in_namespace_of(&self, other: &Self) -> bool {
        self.effective_namespace() == other.effective_namespace()
    }

    pub(crate) fn equals(&self, other: &Self) -> bool {
        self.has_kind_and_name_of(other) && self.is_in_namespace_of(other)
    }

    /// A text that is the same for ids that are equal.
    pub(crate) fn key(&self) -> (Gvk, String, String) {
        (
            self.gvk.clone(),
            self.name.clone(),
            self.effective_namespace().to_owned(),
        )
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}.{}",
            self.gvk,
            or(&self.name, "[noName]"),
            or(&self.namespace, "[noNs]")
        )
    }
}
