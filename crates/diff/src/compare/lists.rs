//! Which lists are merged element by element, and what tells their elements apart.
//!
//! Source: `x-kubernetes-list-map-keys` and `x-kubernetes-patch-merge-key` of the built-in kinds. Lists that are not named here are
//! compared place by place.

use serde_json::Value;

/// Members that identify an element, as pointers without the first slash, with their defaults.
pub(super) type Keys = &'static [(&'static str, Option<&'static str>)];

const NAME: Keys = &[("name", None)];
const CONTAINER_PORT: Keys = &[("containerPort", None), ("protocol", Some("TCP"))];
const SERVICE_PORT: Keys = &[("port", None), ("protocol", Some("TCP"))];

/// What tells the elements of list `member` of a built-in kind apart; `None` when they are compared place by place.
pub(super) fn keys(kind: &str, member: &str, list: &[Value]) -> Option<Keys> {
    Some(match member {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "resourceClaims"
        | "webhooks"
        | "matchConditions" => NAME,
        "secrets" if kind == "ServiceAccount" => NAME,
        "claims" if kind != "StatefulSet" => NAME,
        "ports" if kind == "Service" => SERVICE_PORT,
        "ports" if list.iter().any(|port| port.get("containerPort").is_some()) => CONTAINER_PORT,
        "volumeMounts" => &[("mountPath", None)],
        "volumeDevices" => &[("devicePath", None)],
        "hostAliases" => &[("ip", None)],
        "topologySpreadConstraints" => &[("topologyKey", None), ("whenUnsatisfiable", None)],
        "volumeClaimTemplates" => &[("metadata/name", None)],
        "ownerReferences" => &[("uid", None)],
        _ => return None,
    })
}

/// Whether the elements of the list are values of which order and number do not count.
pub(super) fn is_set(member: &str) -> bool {
    matches!(
        member,
        "finalizers" | "loadBalancerSourceRanges" | "externalIPs"
    )
}

/// The identifying values of an element; `None` when one is missing.
pub(super) fn identify(element: &Value, keys: Keys) -> Option<Vec<(String, Value)>> {
    keys.iter()
        .map(|(member, default)| {
            let found = element.pointer(&format!("/{member}")).cloned();
            let value = found.or_else(|| default.map(Value::from))?;
            Some(((*member).to_owned(), value))
        })
        .collect()
}
