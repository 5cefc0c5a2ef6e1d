//! What an agent may do on the hub, and the credential it does it with.
//!
//! [`grant`] gives one cluster's agent exactly what upstream's registration gives (least privilege,
//! invariant T-1): read the BundleDeployments of its cluster namespace and patch their status, read
//! Secrets and ConfigMaps there by name, read any Content by name, patch the status of its own Cluster.
//!
//! The exchange by which an agent asks for this (ClusterRegistration, tokens) is not here.

use std::time::Duration;

use api::labels::MANAGED;
use api::names::safe_concat;
use api::v1alpha1::Cluster;
use apiclient::{Client, Kind, ObjectKey, ObjectMeta, WriteOptions};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use serde_json::{Value, json};

/// ClusterRole for BundleDeployments and what belongs to them, bound in each cluster namespace.
const DEPLOYMENT_ROLE: &str = "fleet-bundle-deployment";
/// ClusterRole for Contents.
const CONTENT_ROLE: &str = "fleet-content";
const TOKEN_POLLS: u32 = 150;
const TOKEN_POLL_PAUSE: Duration = Duration::from_millis(200);

/// An agent's access to the hub.
#[derive(Clone)]
pub struct AgentAccess {
    /// Bearer token.
    pub token: String,
    /// Namespace of its BundleDeployments.
    pub deployment_namespace: String,
}

/// An agent could not be given access.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An object was not written.
    #[error("grant agent of cluster {cluster} its rights")]
    Write {
        /// The cluster.
        cluster: ObjectKey,
        /// Why.
        source: apiclient::Error,
    },
    /// Nobody filled the token Secret; on a real cluster that is the controller manager's work.
    #[error("token secret {secret} of cluster {cluster} stays empty")]
    NoToken {
        /// The cluster.
        cluster: ObjectKey,
        /// The Secret.
        secret: ObjectKey,
    },
    /// The Cluster has no namespace yet.
    #[error("cluster {cluster} has no namespace yet")]
    NoNamespace {
        /// The cluster.
        cluster: ObjectKey,
    },
}

/// Creates account, roles, bindings and token of a cluster's agent, and returns the token. May be
/// repeated.
pub async fn grant(client: &Client, cluster: &Cluster) -> Result<AgentAccess, Error> {
    let meta = &cluster.metadata;
    let key = ObjectKey::new(
        meta.namespace.clone().unwrap_or_default(),
        meta.name.clone().unwrap_or_default(),
    );
    let namespace = cluster.status.namespace.clone();
    if namespace.is_empty() {
        return Err(Error::NoNamespace { cluster: key });
    }
    for (kind, object) in objects(&key, &namespace) {
        let target = ObjectKey::new(
            text(&object, "/metadata/namespace"),
            text(&object, "/metadata/name"),
        );
        let created = client
            .create(&kind, &target, &object, WriteOptions::default())
            .await;
        match created {
            Ok(ObjectMeta { .. }) => {}
            Err(error) if error.is_already_exists() => {}
            Err(source) => {
                return Err(Error::Write {
                    cluster: key,
                    source,
                });
            }
        }
    }
    let token = token(client, &key, &namespace).await?;
    Ok(AgentAccess {
        token,
        deployment_namespace: namespace,
    })
}

async fn token(client: &Client, cluster: &ObjectKey, namespace: &str) -> Result<String, Error> {
    let secret = ObjectKey::new(namespace, format!("{}-token", account(cluster)));
    for _ in 0..TOKEN_POLLS {
        let found = client.get::<Secret>(&Kind::of::<Secret>(), &secret).await;
        let found = found.map_err(|source| Error::Write {
            cluster: cluster.clone(),
            source,
        })?;
        let data = found.and_then(|secret| secret.data);
        if let Some(token) = data.as_ref().and_then(|data| data.get("token")) {
            return Ok(String::from_utf8_lossy(&token.0).into_owned());
        }
        tokio::time::sleep(TOKEN_POLL_PAUSE).await;
    }
    Err(Error::NoToken {
        cluster: cluster.clone(),
        secret,
    })
}

fn text(object: &Value, pointer: &str) -> String {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn account(cluster: &ObjectKey) -> String {
    safe_concat(&["fleet-agent", &cluster.name])
}

/// The objects, in the order in which they refer to each other.
fn objects(cluster: &ObjectKey, namespace: &str) -> Vec<(Kind, Value)> {
    let account = account(cluster);
    let subjects = json!([{ "kind": "ServiceAccount", "name": account, "namespace": namespace }]);
    let meta = |name: &str, namespace: &str| {
        let mut meta = json!({ "name": name, "labels": { MANAGED: "true" } });
        if !namespace.is_empty() {
            meta["namespace"] = namespace.into();
        }
        meta
    };
    let role_ref = |kind: &str, name: &str| json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name });
    let patch_cluster = safe_concat(&["fleet-agent", &cluster.name, "status"]);
    vec![
        (
            Kind::of::<ClusterRole>(),
            json!({ "metadata": meta(DEPLOYMENT_ROLE, ""), "rules": [
            rule("fleet.cattle.io", "bundledeployments", &["get", "list", "watch"]),
            rule("fleet.cattle.io", "bundledeployments/status", &["get", "update", "patch"]),
            rule("", "secrets", &["get"]),
            rule("", "configmaps", &["get"]),
        ] }),
        ),
        (
            Kind::of::<ClusterRole>(),
            json!({ "metadata": meta(CONTENT_ROLE, ""), "rules": [
            rule("fleet.cattle.io", "contents", &["get"]),
        ] }),
        ),
        (
            Kind::of::<ServiceAccount>(),
            json!({ "metadata": meta(&account, namespace) }),
        ),
        (
            Kind::of::<RoleBinding>(),
            json!({
                "metadata": meta(&account, namespace), "subjects": subjects,
                "roleRef": role_ref("ClusterRole", DEPLOYMENT_ROLE),
            }),
        ),
        (
            Kind::of::<ClusterRoleBinding>(),
            json!({
                "metadata": meta(&safe_concat(&[namespace, "content"]), ""), "subjects": subjects,
                "roleRef": role_ref("ClusterRole", CONTENT_ROLE),
            }),
        ),
        (
            Kind::of::<Role>(),
            json!({ "metadata": meta(&patch_cluster, &cluster.namespace), "rules": [{
            "apiGroups": ["fleet.cattle.io"], "resources": ["clusters/status"], "verbs": ["patch"],
            "resourceNames": [cluster.name],
        }] }),
        ),
        (
            Kind::of::<RoleBinding>(),
            json!({
                "metadata": meta(&patch_cluster, &cluster.namespace), "subjects": subjects,
                "roleRef": role_ref("Role", &patch_cluster),
            }),
        ),
        (Kind::of::<Secret>(), {
            let mut meta = meta(&format!("{account}-token"), namespace);
            meta["annotations"] = json!({ "kubernetes.io/service-account.name": account });
            json!({ "metadata": meta, "type": "kubernetes.io/service-account-token" })
        }),
    ]
}

fn rule(group: &str, resource: &str, verbs: &[&str]) -> Value {
    json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_granted_nothing_outside_of_its_cluster_but_contents() {
        let cluster = ObjectKey::new("fleet-default", "c-1");
        for (kind, object) in objects(&cluster, "cluster-ns") {
            let namespace = text(&object, "/metadata/namespace");
            match kind.kind.as_ref() {
                "ClusterRoleBinding" => {
                    assert_eq!(text(&object, "/roleRef/name"), CONTENT_ROLE);
                }
                "Role" => {
                    assert_eq!(
                        object.pointer("/rules/0/resourceNames"),
                        Some(&json!(["c-1"]))
                    );
                }
                "RoleBinding" => {
                    assert!(["cluster-ns", "fleet-default"].contains(&namespace.as_str()));
                }
                _ => {}
            }
            let rules = object
                .get("rules")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            for verb in rules
                .iter()
                .flat_map(|rule| rule["verbs"].as_array().cloned().unwrap())
            {
                assert!(
                    ["get", "list", "watch", "update", "patch"].contains(&verb.as_str().unwrap())
                );
            }
        }
    }
}
