//! What the hub is as a cluster. Pure.

use std::collections::BTreeMap;

use api::config::Bootstrap;
use api::labels::MANAGED;
use api::names::sha256_hex;
use api::v1alpha1::{Cluster, ClusterGroup, GitRepo};
use apiclient::{Kind, ObjectKey};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use crate::cluster_agent::plan::LOCAL;

/// The Secret with the kubeconfig for the hub itself.
const SECRET: &str = "local-cluster";
/// The repository for the hub itself.
const REPOSITORY: &str = "bootstrap";
const GROUP: &str = "default";
/// Annotation: hash of what is configured, so that what is configured no more goes.
const MARK: &str = "fleet.cattle.io/bootstrap-hash";

/// Everything that the objects are made of.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    pub(super) bootstrap: Bootstrap,
    pub(super) server: String,
    /// PEM; empty for the authorities of the system.
    pub(super) ca_pem: String,
    pub(super) kubeconfig: String,
    /// Of the hub's own Deployment; null without any.
    pub(super) tolerations: Value,
}

/// Where the Cluster `local` belongs, if it is wanted.
pub(super) fn namespace(bootstrap: &Bootstrap) -> Option<&str> {
    let namespace = bootstrap.namespace.as_str();
    (!namespace.is_empty() && namespace != "-").then_some(namespace)
}

/// The repository for the hub itself.
pub(super) fn repository(namespace: &str) -> ObjectKey {
    ObjectKey::new(namespace, REPOSITORY)
}

/// The objects, in the order in which they refer to each other, without the namespace.
pub(super) fn objects(namespace: &str, observed: &Observed) -> Vec<(Kind, Value)> {
    let Observed {
        bootstrap,
        server,
        ca_pem,
        kubeconfig,
        tolerations,
    } = observed;
    let bytes = |text: &str| json!(ByteString(text.as_bytes().to_vec()));
    let secret = json!({
        "metadata": { "name": SECRET, "namespace": namespace, "labels": { MANAGED: "true" } },
        "data": { "value": bytes(kubeconfig), "apiServerURL": bytes(server), "apiServerCA": bytes(ca_pem) },
    });
    let mut labels: BTreeMap<&str, &str> = BTreeMap::new();
    let given = bootstrap.cluster_labels.iter();
    labels.extend(given.map(|(name, value)| (name.as_str(), value.as_str())));
    // The group goes by it.
    labels.insert("name", LOCAL);
    let mut spec = json!({ "kubeConfigSecret": SECRET });
    if !bootstrap.agent_namespace.is_empty() {
        spec["agentNamespace"] = bootstrap.agent_namespace.as_str().into();
    }
    if !tolerations.is_null() {
        spec["agentTolerations"] = tolerations.clone();
    }
    let cluster = marked(namespace, LOCAL, &json!(labels), &spec);
    let selector = json!({ "selector": { "matchLabels": { "name": LOCAL } } });
    let group = marked(namespace, GROUP, &json!({}), &selector);
    let mut objects = vec![
        (Kind::of::<Secret>(), secret),
        (Kind::of::<Cluster>(), cluster),
        (Kind::of::<ClusterGroup>(), group),
    ];
    if !bootstrap.repo.is_empty() {
        objects.push((Kind::of::<GitRepo>(), git_repo(namespace, bootstrap)));
    }
    objects
}

fn git_repo(namespace: &str, bootstrap: &Bootstrap) -> Value {
    let mut spec = json!({ "repo": bootstrap.repo });
    if !bootstrap.branch.is_empty() {
        spec["branch"] = bootstrap.branch.as_str().into();
    }
    if !bootstrap.secret.is_empty() {
        spec["clientSecretName"] = bootstrap.secret.as_str().into();
    }
    let paths = bootstrap.paths.split(',').map(str::trim);
    let paths: Vec<&str> = paths.filter(|path| !path.is_empty()).collect();
    if !paths.is_empty() {
        spec["paths"] = json!(paths);
    }
    marked(namespace, REPOSITORY, &json!({}), &spec)
}

fn marked(namespace: &str, name: &str, labels: &Value, spec: &Value) -> Value {
    let mark = sha256_hex(json!([labels, spec]).to_string());
    json!({
        "metadata": { "name": name, "namespace": namespace, "labels": labels, "annotations": { MARK: mark } },
        "spec": spec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(bootstrap: Value) -> Observed {
        Observed {
            bootstrap: serde_json::from_value(bootstrap).unwrap(),
            server: "https://hub".to_owned(),
            ca_pem: String::new(),
            kubeconfig: "{}".to_owned(),
            tolerations: Value::Null,
        }
    }

    fn specs(observed: &Observed) -> Vec<(String, Value)> {
        let objects = objects("fleet-local", observed).into_iter();
        let objects = objects.filter(|(kind, _)| *kind != Kind::of::<Secret>());
        let spec = |(_, object): (Kind, Value)| {
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            (name, object["spec"].clone())
        };
        objects.map(spec).collect()
    }

    #[test]
    fn the_hub_is_a_cluster_where_that_is_configured() {
        for (given, want) in [
            ("", None),
            ("-", None),
            ("fleet-local", Some("fleet-local")),
        ] {
            let bootstrap = observed(json!({ "namespace": given })).bootstrap;
            assert_eq!(namespace(&bootstrap), want);
        }
        let mut given = observed(
            json!({ "repo": "https://git", "paths": " a ,,b/c,", "secret": "s",
            "branch": "main", "agentNamespace": "own" }),
        );
        given.tolerations = json!([{ "key": "k" }]);
        let want = [
            (
                "local",
                json!({ "kubeConfigSecret": "local-cluster", "agentNamespace": "own",
                "agentTolerations": [{ "key": "k" }] }),
            ),
            (
                "default",
                json!({ "selector": { "matchLabels": { "name": "local" } } }),
            ),
            (
                "bootstrap",
                json!({ "repo": "https://git", "branch": "main", "clientSecretName": "s",
                "paths": ["a", "b/c"] }),
            ),
        ];
        let want: Vec<_> = want
            .into_iter()
            .map(|(name, spec)| (name.to_owned(), spec))
            .collect();
        assert_eq!(specs(&given), want);
        // What is not configured is left to whoever sets it.
        let least = specs(&observed(json!({ "paths": "a" })));
        assert_eq!(least.len(), 2);
        assert_eq!(least[0].1, json!({ "kubeConfigSecret": "local-cluster" }));
    }

    #[test]
    fn no_label_that_is_configured_takes_the_cluster_out_of_its_group() {
        let labels = json!({ "clusterLabels": { "name": "other", "env": "x" } });
        let objects = objects("fleet-local", &observed(labels));
        let (_, cluster) = &objects[1];
        assert_eq!(
            cluster["metadata"]["labels"],
            json!({ "name": "local", "env": "x" })
        );
        let (_, secret) = &objects[0];
        assert!(
            secret["metadata"].get("annotations").is_none(),
            "no hash of what is secret"
        );
    }
}
