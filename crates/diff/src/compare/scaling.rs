//! Replicas that an autoscaler decides about.

use serde_json::Value;

/// What a HorizontalPodAutoscaler scales, and how far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scaler {
    /// Namespace of both.
    pub namespace: String,
    /// API version of the target; may be empty.
    pub api_version: String,
    /// Kind of the target.
    pub kind: String,
    /// Name of the target.
    pub name: String,
    /// Least replicas, 1 unless given.
    pub min: i64,
    /// Most replicas.
    pub max: i64,
}

impl Scaler {
    /// Whether a kind is one of autoscalers.
    pub fn is_kind(group: &str, kind: &str) -> bool {
        group == "autoscaling" && kind == "HorizontalPodAutoscaler"
    }

    /// Reads an autoscaler; `None` when it names no target.
    pub fn of(object: &Value) -> Option<Self> {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64);
        let name = text("/spec/scaleTargetRef/name");
        (!name.is_empty()).then(|| Self {
            namespace: text("/metadata/namespace"),
            api_version: text("/spec/scaleTargetRef/apiVersion"),
            kind: text("/spec/scaleTargetRef/kind"),
            name,
            min: number("/spec/minReplicas").unwrap_or(1),
            max: number("/spec/maxReplicas").unwrap_or_default(),
        })
    }

    /// Whether the autoscaler may have given `live`, an `apps` Deployment or StatefulSet, the replicas that it has.
    pub fn accounts_for(&self, live: &Value) -> bool {
        let text = |pointer: &str| {
            live.pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (api_version, kind) = (text("/apiVersion"), text("/kind"));
        let replicas = live.pointer("/spec/replicas").and_then(Value::as_i64);
        matches!(kind, "Deployment" | "StatefulSet")
            && api_version.starts_with("apps/")
            && self.kind == kind
            && (self.api_version.is_empty() || self.api_version == api_version)
            && self.name == text("/metadata/name")
            && self.namespace == text("/metadata/namespace")
            && replicas.is_some_and(|replicas| (self.min..=self.max).contains(&replicas))
    }
}

/// Whether the replicas of `live` were last set through its `scale` subresource by the controllers of the cluster, which is what
/// an autoscaler of somebody else does.
pub fn is_scaled_from_outside(live: &Value) -> bool {
    let managers = live
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    managers.into_iter().flatten().any(|entry| {
        entry["subresource"] == "scale"
            && entry["manager"] == "kube-controller-manager"
            && entry.pointer("/fieldsV1/f:spec/f:replicas").is_some()
    })
}
