//! What is on a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use apiclient::{Client, Discovery, Kind, Selector};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;

use crate::clusters::Clusters;

/// Come and go by themselves.
const VOLATILE: &[&str] = &[
    "ControllerRevision",
    "Endpoints",
    "EndpointSlice",
    "Event",
    "IPAddress",
    "Lease",
];
/// Every namespace has them, or the agent's own.
const OF_NAMESPACES: &[&str] = &[
    "ConfigMap/kube-root-ca.crt",
    "Secret/fleet-agent-seal",
    "ServiceAccount/default",
];
/// Releases leave them behind: definitions never go with their objects, namespaces and volumes hold what
/// others put there.
const KEPT: &[&str] = &[
    "CustomResourceDefinition",
    "Namespace",
    "PersistentVolume",
    "PersistentVolumeClaim",
];

/// An object, as `group/kind namespace/name`, and whether a removed release may leave it behind.
pub(crate) type Objects = BTreeMap<String, bool>;

#[derive(Deserialize)]
struct Listed {
    #[serde(default)]
    metadata: ObjectMeta,
}

/// Every object of every kind.
pub(crate) async fn objects(client: &Client) -> Objects {
    let mut kinds: BTreeMap<(String, String), Kind> = BTreeMap::new();
    let discovery = Discovery::read(client).await.unwrap();
    for version in discovery.api_versions() {
        if let Some((api_version, kind)) = version.rsplit_once('/')
            && let Ok(kind) = discovery.find(api_version, kind)
            && !VOLATILE.contains(&kind.kind.as_ref())
        {
            let key = (kind.group.to_string(), kind.kind.to_string());
            kinds.insert(key, kind.clone());
        }
    }
    let mut listed = Vec::new();
    for ((group, name), kind) in kinds {
        let selector = Selector {
            metadata_only: true,
            ..Selector::default()
        };
        let each = |object: Listed| listed.push((group.clone(), name.clone(), object.metadata));
        // Reviews and the like cannot be listed.
        let _ = client.list(&kind, &selector, each).await;
    }
    reduce(listed)
}

fn reduce(listed: Vec<(String, String, ObjectMeta)>) -> Objects {
    let by_policy = |kind: &str, meta: &ObjectMeta| {
        let annotations = meta.annotations.iter().flatten();
        let mut annotations = annotations.map(|(key, value)| (key.as_str(), value.as_str()));
        let says_so = |(key, value)| {
            key == "helm.sh/hook" || (key, value) == ("helm.sh/resource-policy", "keep")
        };
        KEPT.contains(&kind) || annotations.any(says_so)
    };
    let kept = listed
        .iter()
        .filter(|(_, kind, meta)| by_policy(kind, meta));
    let mut kept: BTreeSet<String> = kept.filter_map(|(.., meta)| meta.uid.clone()).collect();
    // What belongs to such an object stays as long.
    for _ in 0..3 {
        for (.., meta) in &listed {
            let mut owners = meta.owner_references.iter().flatten();
            if owners.any(|owner| kept.contains(&owner.uid)) {
                kept.extend(meta.uid.clone());
            }
        }
    }
    let mut found = Objects::new();
    for (group, kind, meta) in listed {
        let name = meta.name.unwrap_or_default();
        // The API server has an APIService for each version that a definition serves.
        let mut labels = meta.labels.iter().flatten();
        if labels.any(|(key, _)| key == "kube-aggregator.kubernetes.io/automanaged") {
            continue;
        }
        if !OF_NAMESPACES.contains(&format!("{kind}/{name}").as_str()) {
            let is_kept = kept.contains(&meta.uid.unwrap_or_default());
            let namespace = meta.namespace.unwrap_or_default();
            found.insert(format!("{group}/{kind} {namespace}/{name}"), is_kept);
        }
    }
    found
}

/// Waits until nothing is gone that was there before, and nothing more is there than what releases may leave
/// behind; that is returned.
pub(crate) async fn nothing_left(client: &Client, before: &Objects) -> Result<Vec<String>, String> {
    let mut wrong = Vec::new();
    for _ in 0..120 {
        let now = objects(client).await;
        let more = now
            .iter()
            .filter(|(object, _)| !before.contains_key(*object));
        let (kept, left): (Vec<_>, Vec<_>) = more.partition(|(_, is_kept)| **is_kept);
        let gone = before.keys().filter(|object| !now.contains_key(*object));
        wrong = left
            .iter()
            .map(|(object, _)| format!("+ {object}"))
            .collect();
        wrong.extend(gone.map(|object| format!("- {object}")));
        if wrong.is_empty() {
            return Ok(kept.into_iter().map(|(object, _)| object.clone()).collect());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Err(format!("left behind:\n{}", wrong.join("\n")))
}

/// Removes the namespaces, definitions and cluster-wide hooks that came since.
pub(crate) async fn sweep(clusters: &Clusters, before: &Objects) -> Result<(), String> {
    let side = &clusters.downstream;
    let now = objects(&side.client).await;
    let more = now
        .into_keys()
        .filter(|object| !before.contains_key(object));
    let cluster_wide = more.filter_map(|object| {
        let (kind, name) = object.split_once(" /")?;
        let (group, kind) = kind.split_once('/')?;
        Some(format!("{kind}.{group}/{name}").replace("./", "/"))
    });
    let targets: Vec<String> = cluster_wide
        .filter(|target| !target.starts_with("PersistentVolume/"))
        .collect();
    if targets.is_empty() {
        return Ok(());
    }
    let mut args = vec!["delete", "--ignore-not-found", "--wait=false"];
    args.extend(targets.iter().map(String::as_str));
    clusters.kubectl(side, &args).await?;
    let mut left = Vec::new();
    for _ in 0..180 {
        let now = objects(&side.client).await.into_keys();
        left = now.filter(|it| !before.contains_key(it)).collect();
        if left.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Err(format!("cannot be swept:\n{}", left.join("\n")))
}
