//! The namespace of a release that goes with its bundle (`deleteNamespace`).
//!
//! It goes when nothing is in it that somebody could miss: after the release's own objects, and only if no
//! other release, no other deployment's object and nothing that people or programs put there is left.
//! Namespaces of Kubernetes, of Fleet and of the agent never go.

use std::collections::BTreeMap;

use api::copies::{COPY_OF_DEPLOYMENT, holder_label};
use apiclient::{Client, DeleteOptions, Discovery, Kind, ObjectKey, Propagation, Selector};
use k8s_openapi::api::core::v1::Namespace;
use serde::Deserialize;

use crate::agent::Agent;
use crate::apply::{Error, namespace, reason};
use crate::release::release_of;

/// Namespaces that stay whatever a bundle says. Those that begin with `kube-` stay too. Source: agent.md 7.12.
const PROTECTED: [&str; 6] = [
    "default",
    "fleet-local",
    "fleet-default",
    "cattle-system",
    "cattle-fleet-system",
    "cattle-fleet-clusters-system",
];

/// Kinds that the cluster, or those who run on it, make by themselves and nobody misses.
const MADE_BY_THEMSELVES: [&str; 6] = [
    "Event",
    "Endpoints",
    "EndpointSlice",
    "Lease",
    "PodMetrics",
    "ControllerRevision",
];

/// How many of the objects that are left are named.
const NAMED_MAX: usize = 3;

/// Metadata of an object in the namespace.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Found {
    metadata: Meta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    name: String,
    namespace: String,
    resource_version: String,
    deletion_timestamp: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    owner_references: Vec<Reference>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Reference {
    api_version: String,
    kind: String,
}

impl apiclient::Object for Found {
    fn key(&self) -> ObjectKey {
        ObjectKey::new(self.metadata.namespace.clone(), self.metadata.name.clone())
    }

    fn resource_version(&self) -> &str {
        &self.metadata.resource_version
    }
}

/// Whether a namespace never goes.
pub(super) fn is_protected(name: &str, agent_namespace: &str) -> bool {
    name.is_empty()
        || name == agent_namespace
        || name.starts_with("kube-")
        || PROTECTED.contains(&name)
}

/// Deletes the namespace of a release whose objects are gone, if nothing else is in it. `cluster` is the
/// cluster, as whom the release acts: what its account may not delete stays.
pub(super) async fn delete(
    agent: &Agent,
    cluster: &Client,
    release: &ObjectKey,
    bundle: &str,
) -> Result<(), Error> {
    let name = release.namespace.as_str();
    let stays = |why: &str| {
        tracing::warn!(
            namespace = name,
            bundle,
            why,
            "a namespace stays that was to go"
        );
    };
    if is_protected(name, &agent.options.agent_namespace) {
        stays("it is never deleted");
        return Ok(());
    }
    let Some(found) = namespace::read(&agent.cluster, name).await? else {
        return Ok(());
    };
    let wanted_by = agent.world(|world| {
        let mut others = world.deployments.iter();
        let other = others
            .find(|(other, known)| *other != bundle && release_of(&known.object).namespace == name);
        other.map(|(other, _)| other.clone())
    });
    if let Some(other) = wanted_by {
        stays(&format!("bundle {other} is deployed to it"));
        return Ok(());
    }
    let left = left_in(&agent.cluster, release, bundle).await?;
    if !left.is_empty() {
        let named = left[..left.len().min(NAMED_MAX)].join(", ");
        stays(&format!("{} objects are left in it: {named}", left.len()));
        return Ok(());
    }
    let options = DeleteOptions {
        propagation: Propagation::Background,
        uid: found.metadata.uid.unwrap_or_default(),
        ..DeleteOptions::default()
    };
    let key = ObjectKey::new("", name);
    match cluster
        .delete(&Kind::of::<Namespace>(), &key, &options)
        .await
    {
        Ok(_) => {
            tracing::info!(namespace = name, bundle, "deleted with its bundle");
            Ok(())
        }
        Err(error) if error.is_forbidden() => {
            stays("the account of the bundle may not delete it");
            Ok(())
        }
        // Deleted and created again meanwhile: another one.
        Err(error) if error.is_conflict() => Ok(()),
        Err(error) => Err(failed(name, &error)),
    }
}

fn failed(namespace: &str, error: &apiclient::Error) -> Error {
    Error::Namespace {
        namespace: namespace.to_owned(),
        reason: reason(error),
        class: error.class(),
    }
}

/// What is in the namespace and somebody could miss, as kind and name.
async fn left_in(
    cluster: &Client,
    release: &ObjectKey,
    bundle: &str,
) -> Result<Vec<String>, Error> {
    let name = release.namespace.as_str();
    let discovery = Discovery::read(cluster).await;
    let discovery = discovery.map_err(|error| failed(name, &error))?;
    let mut left = Vec::new();
    for kind in discovery.listed() {
        if !kind.namespaced || MADE_BY_THEMSELVES.contains(&kind.kind.as_ref()) {
            continue;
        }
        let selector = Selector {
            metadata_only: true,
            ..Selector::namespace(name)
        };
        let is_namespaced = |owner: &Reference| {
            let found = discovery.find(&owner.api_version, &owner.kind);
            found.is_ok_and(|kind| kind.namespaced)
        };
        let each = |found: Found| {
            if is_missed(&kind.kind, &found.metadata, release, bundle, is_namespaced) {
                left.push(format!("{} {}", kind.kind, found.metadata.name));
            }
        };
        match cluster.list(kind, &selector, each).await {
            Ok(_) => {}
            // Served a moment ago, or listed by name only.
            Err(error) if error.is_not_found() || error.code() == 405 => {}
            Err(error) => return Err(failed(name, &error)),
        }
    }
    Ok(left)
}

/// Whether somebody could miss an object. Pure.
fn is_missed(
    kind: &str,
    object: &Meta,
    release: &ObjectKey,
    bundle: &str,
    is_namespaced: impl Fn(&Reference) -> bool,
) -> bool {
    // It goes anyway, or with its owner, which is looked at by itself.
    let is_owned =
        !object.owner_references.is_empty() && object.owner_references.iter().all(is_namespaced);
    if object.deletion_timestamp.is_some() || is_owned {
        return false;
    }
    let label = |key: &str| object.labels.get(key).map(String::as_str);
    let is_copy = label(COPY_OF_DEPLOYMENT) == Some(bundle)
        || object.labels.contains_key(&holder_label(bundle));
    match kind {
        "ServiceAccount" => object.name != "default",
        "ConfigMap" => object.name != "kube-root-ca.crt" && !is_copy,
        "Secret" => {
            let is_record = label("owner") == Some("helm") && label("name") == Some(&release.name);
            let of_default = object.annotations.get("kubernetes.io/service-account.name");
            let is_token = of_default.is_some_and(|account| account == "default");
            !is_record && !is_token && !is_copy
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn namespaces_of_the_cluster_and_of_agents_never_go() {
        for name in [
            "",
            "default",
            "kube-system",
            "kube-public",
            "kube-node-lease",
            "kube-x",
            "cattle-fleet-system",
            "fleet-local",
            "agents",
        ] {
            assert!(is_protected(name, "agents"), "{name}");
        }
        assert!(!is_protected("shop", "agents") && !is_protected("kubernetes-dashboard", ""));
    }

    #[test]
    fn only_what_goes_by_itself_is_not_missed() {
        let owner = |kind: &str| json!([{"apiVersion": "v1", "kind": kind}]);
        let copy = json!({ COPY_OF_DEPLOYMENT: "web" });
        let record = |name: &str| json!({"owner": "helm", "name": name});
        let token = |name: &str| json!({"kubernetes.io/service-account.name": name});
        for (kind, metadata, expected) in [
            ("ConfigMap", json!({"name": "theirs"}), true),
            ("ConfigMap", json!({"name": "kube-root-ca.crt"}), false),
            ("ConfigMap", json!({"name": "c", "labels": copy}), false),
            (
                "ConfigMap",
                json!({"name": "c", "deletionTimestamp": "2026-01-01T00:00:00Z"}),
                false,
            ),
            (
                "Pod",
                json!({"name": "p", "ownerReferences": owner("ReplicaSet")}),
                false,
            ),
            (
                "Secret",
                json!({"name": "s", "ownerReferences": owner("ClusterThing")}),
                true,
            ),
            (
                "Secret",
                json!({"name": "r", "labels": record("web")}),
                false,
            ),
            ("Secret", json!({"name": "r", "labels": record("db")}), true),
            (
                "Secret",
                json!({"name": "t", "annotations": token("default")}),
                false,
            ),
            (
                "Secret",
                json!({"name": "t", "annotations": token("team")}),
                true,
            ),
            ("ServiceAccount", json!({"name": "default"}), false),
            ("ServiceAccount", json!({"name": "team"}), true),
            ("PersistentVolumeClaim", json!({"name": "data"}), true),
            ("Pod", json!({"name": "p"}), true),
        ] {
            let object: Meta = serde_json::from_value::<Meta>(metadata.clone()).unwrap();
            let release = ObjectKey::new("shop", "web");
            let is_namespaced = |owner: &Reference| owner.kind != "ClusterThing";
            let found = is_missed(kind, &object, &release, "web", is_namespaced);
            assert_eq!(found, expected, "{kind} {metadata}");
        }
    }
}
