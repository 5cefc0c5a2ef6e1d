//! Whose a live object is. Pure.

use std::fmt;

use api::labels::{OBJECT_SET_HASH, OBJECT_SET_ID};
use serde::Serialize;
use serde_json::Value;

use crate::object::{annotation, text};
use crate::render::{RELEASE_NAME, RELEASE_NAMESPACE};

/// Annotation of `kubectl apply`.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// What set ids of upstream's agents and ours begin with.
const SET_PREFIX: &str = "default-";

/// Who made an object or a release, as far as it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "camelCase")]
pub enum Owner {
    /// An agent of Fleet or Flotilla.
    Fleet {
        /// Name of the BundleDeployment; where agents share a cluster, with the scope of the agent.
        bundle: String,
        /// Namespace and name of the release; empty when the object does not say.
        #[serde(skip_serializing_if = "String::is_empty")]
        release: String,
    },
    /// Helm.
    Helm {
        /// Namespace and name of the release.
        release: String,
    },
    /// `kubectl apply`, `create` or `edit`.
    Kubectl,
    /// A controller that made it for another object.
    Object {
        /// Kind and name.
        owner: String,
    },
    /// Some other program.
    Manager {
        /// The name under which it owns fields.
        name: String,
    },
    /// It does not say.
    Unknown,
}

impl Owner {
    /// By its marks, else by who owns it, else by who wrote it first.
    pub(super) fn of(live: &Value) -> Self {
        let release = match (
            annotation(live, RELEASE_NAMESPACE),
            annotation(live, RELEASE_NAME),
        ) {
            (Some(namespace), Some(name)) => format!("{namespace}/{name}"),
            _ => String::new(),
        };
        let labels = live.pointer("/metadata/labels");
        let is_marked = labels.is_some_and(|labels| labels.get(OBJECT_SET_HASH).is_some());
        if let Some(set) = annotation(live, OBJECT_SET_ID).filter(|_| is_marked) {
            let bundle = set.strip_prefix(SET_PREFIX).unwrap_or(set).to_owned();
            return Self::Fleet { bundle, release };
        }
        if !release.is_empty() {
            return Self::Helm { release };
        }
        let owners = live.pointer("/metadata/ownerReferences");
        if let Some(owner) = owners.and_then(|owners| owners.get(0)) {
            let owner = format!("{} {}", text(owner, "/kind"), text(owner, "/name"));
            return Self::Object { owner };
        }
        if annotation(live, LAST_APPLIED).is_some() {
            return Self::Kubectl;
        }
        let entries = live
            .pointer("/metadata/managedFields")
            .and_then(Value::as_array);
        let mut managers = entries.into_iter().flatten();
        let first = managers.find(|entry| text(entry, "/subresource").is_empty());
        match first.map_or("", |entry| text(entry, "/manager")) {
            "" => Self::Unknown,
            name if name == "kubectl" || name.starts_with("kubectl-") => Self::Kubectl,
            name => Self::Manager {
                name: name.to_owned(),
            },
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fleet { bundle, release } if release.is_empty() => write!(f, "bundle {bundle}"),
            Self::Fleet { bundle, release } => write!(f, "bundle {bundle}, release {release}"),
            Self::Helm { release } => write!(f, "Helm, release {release}"),
            Self::Kubectl => f.write_str("kubectl"),
            Self::Object { owner } => f.write_str(owner),
            Self::Manager { name } => f.write_str(name),
            Self::Unknown => f.write_str("nobody who says so"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_says_whose_it_is_by_marks_owners_and_writers() {
        let helm = json!({RELEASE_NAME: "web", RELEASE_NAMESPACE: "n"});
        let mut fleet = helm.clone();
        fleet[OBJECT_SET_ID] = "default-shop".into();
        let applied = json!({LAST_APPLIED: "{}"});
        let field = |manager: &str| json!([{"manager": manager}]);
        let set = json!({OBJECT_SET_ID: "fleet-agent-bootstrap"});
        let mark = json!({OBJECT_SET_HASH: "h"});
        for (metadata, expected) in [
            (
                json!({"annotations": fleet, "labels": mark}),
                "bundle shop, release n/web",
            ),
            // The annotation alone was copied from somewhere.
            (json!({"annotations": fleet}), "Helm, release n/web"),
            (
                json!({"annotations": set, "labels": mark}),
                "bundle fleet-agent-bootstrap",
            ),
            (json!({"annotations": helm}), "Helm, release n/web"),
            (
                json!({"annotations": {RELEASE_NAME: "web"}, "managedFields": field("x")}),
                "x",
            ),
            (
                json!({"annotations": applied, "ownerReferences": [{"kind": "App", "name": "a"}]}),
                "App a",
            ),
            (
                json!({"annotations": applied, "managedFields": field("x")}),
                "kubectl",
            ),
            (json!({"managedFields": field("kubectl-create")}), "kubectl"),
            (json!({"managedFields": field("operator")}), "operator"),
            (
                json!({"managedFields": [{"subresource": "status", "manager": "x"}]}),
                "nobody who says so",
            ),
            (json!({}), "nobody who says so"),
            (
                json!({"managedFields": 3, "ownerReferences": "x", "labels": []}),
                "nobody who says so",
            ),
        ] {
            let live = json!({ "metadata": metadata });
            assert_eq!(Owner::of(&live).to_string(), expected, "{live}");
        }
        assert_eq!(Owner::of(&Value::Null), Owner::Unknown);
    }
}
