//! Copies of Secrets and ConfigMaps that a bundle takes along (`downstreamResources`): from the bundle's
//! namespace to those of clusters on the hub, and from there to the release namespace downstream.
//!
//! What is copied, what of an object counts, and who holds a copy. Several deployments may name one object;
//! each is a label on the copy, and the last one to let go takes the copy away. Objects are JSON here: their
//! values are handed through and never looked at (invariant T-1).

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::labels::SECRET_TYPE_OCI_STORAGE;
use crate::names::sha256_hex;
use crate::v1alpha1::BundleDeploymentOptions;

/// Prefix of the labels that name the deployments a copy is for.
const HELD_PREFIX: &str = "downstream.fleet.cattle.io/";
/// Label of copies downstream, with the name of the deployment that wrote them last.
pub const COPY_OF_DEPLOYMENT: &str = "fleet.cattle.io/bundledeployment";
/// Members of an object that are copied.
const PAYLOAD: [&str; 3] = ["type", "data", "binaryData"];

/// Kinds that can be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum CopiedKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

impl CopiedKind {
    /// As the API calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
        }
    }

    /// In paths of the API.
    pub fn plural(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmaps",
            Self::Secret => "secrets",
        }
    }
}

/// An object that a deployment names, without its namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Copied {
    /// Its kind.
    pub kind: CopiedKind,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.name)
    }
}

/// `downstreamResources` names something that cannot be copied. The text is upstream's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown resource type for copy to downstream cluster: {kind:?}")]
pub struct UnknownKind {
    /// The kind as it is given.
    pub kind: String,
}

/// What options name, each once.
///
/// # Errors
/// The first kind that is neither Secret nor ConfigMap, without regard to case.
pub fn named(options: &BundleDeploymentOptions) -> Result<BTreeSet<Copied>, UnknownKind> {
    let copied = options.downstream_resources.iter().map(|resource| {
        let kind = match resource.kind.to_lowercase().as_str() {
            "secret" => CopiedKind::Secret,
            "configmap" => CopiedKind::ConfigMap,
            _ => {
                let kind = resource.kind.clone();
                return Err(UnknownKind { kind });
            }
        };
        let name = resource.name.clone();
        Ok(Copied { kind, name })
    });
    copied.collect()
}

/// Why an object must not be copied: it belongs to Fleet or is a credential of the cluster it is on.
pub fn refusal(object: &Value) -> Option<String> {
    let kind = object.get("type").and_then(Value::as_str)?;
    let is_internal =
        kind.starts_with("fleet.cattle.io/") || kind == "kubernetes.io/service-account-token";
    is_internal.then(|| format!("a secret of type {kind} is never copied"))
}

/// Whether an object is a Secret with access to a registry. The hub copies the one that is named as a content for
/// the agents that need the content; bundles cannot name it.
pub fn is_access(object: &Value) -> bool {
    object.get("type").and_then(Value::as_str) == Some(SECRET_TYPE_OCI_STORAGE)
}

/// The Secret with access to a content in a registry.
pub fn access_to(content_id: &str) -> Copied {
    Copied {
        kind: CopiedKind::Secret,
        name: content_id.to_owned(),
    }
}

/// What is copied of an object. Its metadata is not.
pub fn payload(object: &Value) -> Map<String, Value> {
    let members = PAYLOAD.iter().filter_map(|member| {
        let value = object.get(*member).filter(|value| !value.is_null())?;
        Some(((*member).to_owned(), value.clone()))
    });
    members.collect()
}

/// The label of a copy that says that a deployment needs it.
pub fn holder_label(deployment: &str) -> String {
    let digest = sha256_hex(deployment);
    format!("{HELD_PREFIX}{}", digest.get(..32).unwrap_or(&digest))
}

/// Whether a copy is for any deployment, or for any but this one.
pub fn is_held(object: &Value, but: Option<&str>) -> bool {
    let but = but.map(holder_label);
    let labels = object
        .pointer("/metadata/labels")
        .and_then(Value::as_object);
    let mut labels = labels.into_iter().flatten();
    labels.any(|(label, _)| label.starts_with(HELD_PREFIX) && Some(label) != but.as_ref())
}

/// Whether a copy is for this deployment.
pub fn is_held_by(object: &Value, deployment: &str) -> bool {
    let labels = object.pointer("/metadata/labels");
    labels.is_some_and(|labels| labels.get(holder_label(deployment)).is_some())
}

/// Notes on a copy whether it is for a deployment.
pub fn hold(object: &mut Value, deployment: &str, holds: bool) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    let labels = metadata.entry("labels").or_insert(Value::Null);
    if labels.is_null() {
        *labels = Value::Object(Map::new());
    }
    let Some(labels) = labels.as_object_mut() else {
        return;
    };
    if holds {
        labels.insert(holder_label(deployment), "true".into());
    } else {
        labels.remove(&holder_label(deployment));
    }
}

/// Puts what is copied of an object into a copy.
pub fn fill(copy: &mut Value, payload: &Map<String, Value>) {
    let Some(members) = copy.as_object_mut() else {
        return;
    };
    members.retain(|member, _| !PAYLOAD.contains(&member.as_str()));
    members.extend(payload.clone());
}

/// How a changed copy reaches the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// It is as it should be, and so is what is stored.
    Nothing,
    /// By replacing it.
    Replace,
    /// By deleting it and creating it anew: the type of a Secret cannot change.
    Recreate,
}

/// Gives a stored copy what is copied of its source, for a deployment. What is to be created anew keeps its name
/// and labels only.
pub fn renew(copy: &mut Value, payload: &Map<String, Value>, deployment: &str) -> Renewal {
    let before = self::payload(copy);
    if before == *payload && is_held_by(copy, deployment) {
        return Renewal::Nothing;
    }
    hold(copy, deployment, true);
    fill(copy, payload);
    if before.get("type") == payload.get("type") {
        return Renewal::Replace;
    }
    if let Some(metadata) = copy.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|member, _| ["name", "namespace", "labels"].contains(&member.as_str()));
    }
    Renewal::Recreate
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds_are_read_without_regard_to_case_and_others_refused() {
        let options = |resources: Value| -> BundleDeploymentOptions {
            serde_json::from_value(json!({ "downstreamResources": resources })).expect("options")
        };
        let found = named(&options(json!([
            { "kind": "SECRET", "name": "b" }, { "kind": "configmap", "name": "a" },
            { "kind": "Secret", "name": "b" },
        ])));
        let texts: Vec<String> = found.iter().flatten().map(ToString::to_string).collect();
        assert_eq!(texts, ["ConfigMap a", "Secret b"]);
        for kind in ["Pod", ""] {
            let error = named(&options(json!([{ "kind": kind, "name": "x" }])));
            let kind = kind.to_owned();
            assert_eq!(error, Err(UnknownKind { kind }));
        }
    }

    #[test]
    fn a_copy_is_held_until_the_last_deployment_lets_go() {
        let mut copy =
            json!({ "metadata": { "name": "s" }, "type": "Opaque", "data": { "a": "MQ==" } });
        assert!(!is_held(&copy, None));
        hold(&mut copy, "one", true);
        hold(&mut copy, "two", true);
        assert!(is_held_by(&copy, "one") && is_held(&copy, Some("one")));
        hold(&mut copy, "two", false);
        assert!(is_held(&copy, None) && !is_held(&copy, Some("one")));
        hold(&mut copy, "one", false);
        assert!(!is_held(&copy, None));
        fill(
            &mut copy,
            &payload(&json!({ "data": { "b": "Mg==" }, "immutable": true })),
        );
        assert_eq!(copy["data"], json!({ "b": "Mg==" }));
        assert!(copy.get("type").is_none() && copy.get("immutable").is_none());
    }

    #[test]
    fn a_copy_is_renewed_in_place_unless_its_type_changes() {
        let mut copy = json!({ "metadata": { "name": "s", "uid": "u" }, "type": "Opaque" });
        let opaque = payload(&json!({ "type": "Opaque", "data": { "a": "MQ==" } }));
        assert_eq!(renew(&mut copy, &opaque, "one"), Renewal::Replace);
        assert_eq!(renew(&mut copy, &opaque, "one"), Renewal::Nothing);
        assert_eq!(renew(&mut copy, &opaque, "two"), Renewal::Replace);
        assert_eq!(copy["metadata"]["uid"], "u");
        let tls = payload(&json!({ "type": "kubernetes.io/tls" }));
        assert_eq!(renew(&mut copy, &tls, "one"), Renewal::Recreate);
        assert!(is_held_by(&copy, "one") && is_held_by(&copy, "two"));
        assert!(copy["metadata"].get("uid").is_none() && copy.get("data").is_none());
    }

    #[test]
    fn credentials_of_fleet_are_never_copied() {
        for (kind, refused) in [
            ("Opaque", false),
            ("kubernetes.io/tls", false),
            ("fleet.cattle.io/agent-credential", true),
            ("fleet.cattle.io/bundle-deployment/v1alpha1", true),
            ("kubernetes.io/service-account-token", true),
        ] {
            assert_eq!(
                refusal(&json!({ "type": kind })).is_some(),
                refused,
                "{kind}"
            );
        }
        assert_eq!(refusal(&json!({ "data": {} })), None);
    }
}
