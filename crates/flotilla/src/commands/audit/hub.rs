//! The hub: what was made for something that is gone.

use std::collections::{BTreeMap, BTreeSet};

use agent::audit::Orphan;
use anyhow::Context as _;
use api::labels::{
    BUNDLE_NAME, BUNDLE_NAMESPACE, CLUSTER, CLUSTER_NAMESPACE, CONTENT_CHUNK, CONTENT_CHUNKS,
    CONTENT_NAME, HELM_OP_NAME, MANAGED, REPO_NAME, SECRET_TYPE_BUNDLE_DEPLOYMENT,
    SECRET_TYPE_BUNDLE_REVISION, SECRET_TYPE_BUNDLE_VALUES,
};
use api::v1alpha1::{Bundle, BundleDeployment, Cluster, Content, GitRepo, HelmOp};
use apiclient::{Client, Kind, ObjectKey, Selector};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use serde::Deserialize;

/// Contents are kept for a while after their last use, and made before their first.
const CONTENT_GRACE: SignedDuration = SignedDuration::from_hours(1);

/// What an object says of itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Object {
    metadata: Meta,
    spec: Spec,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    name: String,
    namespace: String,
    creation_timestamp: Option<Timestamp>,
    deletion_timestamp: Option<Timestamp>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// Of Bundles only; everything else is read by its metadata.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Spec {
    #[serde(rename = "contentsId")]
    contents_id: Option<String>,
}

impl Meta {
    fn key(&self) -> ObjectKey {
        ObjectKey::new(self.namespace.clone(), self.name.clone())
    }

    fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    fn annotation(&self, name: &str) -> &str {
        self.annotations.get(name).map_or("", String::as_str)
    }
}

/// The objects of a hub.
#[derive(Debug, Default)]
pub(super) struct Facts {
    repos: BTreeSet<ObjectKey>,
    helm_ops: BTreeSet<ObjectKey>,
    clusters: BTreeSet<ObjectKey>,
    bundles: Vec<Object>,
    deployments: Vec<Object>,
    contents: Vec<Object>,
    namespaces: Vec<Object>,
    bundle_values: Vec<Object>,
    deployment_values: Vec<Object>,
    /// Bundles as pinned commits have them; they may name Contents, and are not read for their values.
    revisions: usize,
}

async fn list(client: &Client, kind: &Kind, selector: Selector) -> anyhow::Result<Vec<Object>> {
    let mut all = Vec::new();
    match client
        .list(kind, &selector, |object: Object| all.push(object))
        .await
    {
        Ok(_) => Ok(all),
        Err(error) if error.is_not_found() => Ok(all),
        Err(error) => Err(error).with_context(|| format!("read the {kind} of the hub")),
    }
}

/// Reads the hub.
pub(super) async fn read(client: &Client) -> anyhow::Result<Facts> {
    let metadata = || Selector {
        metadata_only: true,
        ..Selector::default()
    };
    let typed = |name: &str| Selector {
        fields: Some(format!("type={name}")),
        ..metadata()
    };
    let managed = Selector {
        metadata_only: true,
        ..Selector::labels(format!("{MANAGED}=true"))
    };
    let keys = |objects: Vec<Object>| objects.iter().map(|object| object.metadata.key()).collect();
    let secrets = Kind::of::<Secret>();
    // What is made for something is read before what it is made for: nothing that comes meanwhile looks lost.
    Ok(Facts {
        namespaces: list(client, &Kind::of::<Namespace>(), managed).await?,
        contents: list(client, &Kind::of::<Content>(), metadata()).await?,
        bundle_values: list(client, &secrets, typed(SECRET_TYPE_BUNDLE_VALUES)).await?,
        deployment_values: list(client, &secrets, typed(SECRET_TYPE_BUNDLE_DEPLOYMENT)).await?,
        revisions: list(client, &secrets, typed(SECRET_TYPE_BUNDLE_REVISION))
            .await?
            .len(),
        deployments: list(client, &Kind::of::<BundleDeployment>(), metadata()).await?,
        bundles: list(client, &Kind::of::<Bundle>(), Selector::default()).await?,
        repos: keys(list(client, &Kind::of::<GitRepo>(), metadata()).await?),
        helm_ops: keys(list(client, &Kind::of::<HelmOp>(), metadata()).await?),
        clusters: keys(list(client, &Kind::of::<Cluster>(), metadata()).await?),
    })
}

impl Facts {
    /// What was looked through, in words.
    pub(super) fn counts(&self) -> String {
        format!(
            "{} bundles, {} deployments, {} contents, {} namespaces and {} secrets of {} clusters",
            self.bundles.len(),
            self.deployments.len(),
            self.contents.len(),
            self.namespaces.len(),
            self.bundle_values.len() + self.deployment_values.len(),
            self.clusters.len(),
        )
    }
}

/// What belongs to nobody, and what was not judged. Objects that are being deleted are left out. Pure.
pub(super) fn orphans(facts: &Facts, now: Timestamp) -> (Vec<Orphan>, Vec<String>) {
    let mut found = Found {
        facts,
        orphans: Vec::new(),
    };
    found.bundles();
    found.deployments();
    found.namespaces();
    found.secrets();
    let mut unread = Vec::new();
    if facts.revisions == 0 {
        found.contents(now);
    } else {
        unread.push(format!(
            "contents, which {} bundles of pinned commits may need",
            facts.revisions
        ));
    }
    found.orphans.sort();
    (found.orphans, unread)
}

struct Found<'a> {
    facts: &'a Facts,
    orphans: Vec<Orphan>,
}

impl Found<'_> {
    fn add(&mut self, kind: &str, meta: &Meta, why: String) {
        if meta.deletion_timestamp.is_none() {
            let name = if meta.namespace.is_empty() {
                meta.name.clone()
            } else {
                meta.key().to_string()
            };
            self.orphans.push(Orphan {
                object: format!("{kind} {name}"),
                why,
            });
        }
    }

    fn bundles(&mut self) {
        for Object { metadata, .. } in &self.facts.bundles {
            let sources = [
                (REPO_NAME, "GitRepo", &self.facts.repos),
                (HELM_OP_NAME, "HelmOp", &self.facts.helm_ops),
            ];
            for (label, kind, known) in sources {
                let name = metadata.label(label);
                if !name.is_empty()
                    && !known.contains(&ObjectKey::new(metadata.namespace.clone(), name))
                {
                    self.add(
                        "Bundle",
                        metadata,
                        format!("of {kind} {name}, which is gone"),
                    );
                }
            }
        }
    }

    fn deployments(&mut self) {
        let bundles: BTreeSet<ObjectKey> = self
            .facts
            .bundles
            .iter()
            .map(|bundle| bundle.metadata.key())
            .collect();
        for Object { metadata, .. } in &self.facts.deployments {
            let named = |namespace: &str, name: &str| {
                ObjectKey::new(metadata.label(namespace), metadata.label(name))
            };
            let (bundle, cluster) = (
                named(BUNDLE_NAMESPACE, BUNDLE_NAME),
                named(CLUSTER_NAMESPACE, CLUSTER),
            );
            if !bundles.contains(&bundle) {
                self.add(
                    "BundleDeployment",
                    metadata,
                    format!("of Bundle {bundle}, which is gone"),
                );
            } else if !self.facts.clusters.contains(&cluster) {
                self.add(
                    "BundleDeployment",
                    metadata,
                    format!("for Cluster {cluster}, which is gone"),
                );
            }
        }
    }

    fn namespaces(&mut self) {
        for Object { metadata, .. } in &self.facts.namespaces {
            let cluster = ObjectKey::new(
                metadata.annotation(CLUSTER_NAMESPACE),
                metadata.annotation(CLUSTER),
            );
            if !cluster.name.is_empty() && !self.facts.clusters.contains(&cluster) {
                self.add(
                    "Namespace",
                    metadata,
                    format!("of Cluster {cluster}, which is gone"),
                );
            }
        }
    }

    fn secrets(&mut self) {
        let facts = self.facts;
        let pairs = [
            (&facts.bundle_values, &facts.bundles, "Bundle"),
            (
                &facts.deployment_values,
                &facts.deployments,
                "BundleDeployment",
            ),
        ];
        for (secrets, owners, kind) in pairs {
            let owners: BTreeSet<ObjectKey> =
                owners.iter().map(|owner| owner.metadata.key()).collect();
            for Object { metadata, .. } in secrets {
                if !owners.contains(&metadata.key()) {
                    self.add(
                        "Secret",
                        metadata,
                        format!("with values of the {kind} of its name, which is gone"),
                    );
                }
            }
        }
    }

    fn contents(&mut self, now: Timestamp) {
        let facts = self.facts;
        let deployed = facts
            .deployments
            .iter()
            .map(|it| it.metadata.label(CONTENT_NAME));
        let named = facts
            .bundles
            .iter()
            .filter_map(|bundle| bundle.spec.contents_id.as_deref());
        let mut used: BTreeSet<&str> = deployed.chain(named).collect();
        let parents = facts.contents.iter().map(|content| &content.metadata);
        let parents = parents.filter(|meta| used.contains(meta.name.as_str()));
        let chunks: Vec<&str> = parents
            .flat_map(|meta| meta.annotation(CONTENT_CHUNKS).split(','))
            .collect();
        used.extend(chunks);
        for Object { metadata, .. } in &facts.contents {
            let age = metadata
                .creation_timestamp
                .map(|created| now.duration_since(created));
            if used.contains(metadata.name.as_str()) || age.is_none_or(|age| age < CONTENT_GRACE) {
                continue;
            }
            let what = if metadata.labels.contains_key(CONTENT_CHUNK) {
                "a part of a content"
            } else {
                "a content"
            };
            self.add(
                "Content",
                metadata,
                format!("{what} that no bundle and no deployment names"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(value: Value) -> Object {
        serde_json::from_value(value).unwrap()
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "literals read best as arguments"
    )]
    fn meta(namespace: &str, name: &str, labels: Value) -> Object {
        object(
            json!({"metadata": {"namespace": namespace, "name": name, "labels": labels,
            "creationTimestamp": "2026-01-01T00:00:00Z"}}),
        )
    }

    fn deployment(name: &str, bundle: &str, cluster: &str, content: &str) -> Object {
        meta(
            "c-ns",
            name,
            json!({BUNDLE_NAME: bundle, BUNDLE_NAMESPACE: "w", CLUSTER: cluster,
            CLUSTER_NAMESPACE: "w", CONTENT_NAME: content}),
        )
    }

    fn healthy() -> Facts {
        let key = |name: &str| BTreeSet::from([ObjectKey::new("w", name)]);
        let mut whole = meta("", "s-whole", json!({}));
        whole
            .metadata
            .annotations
            .insert(CONTENT_CHUNKS.to_owned(), "s-part1,s-part2".to_owned());
        let mut namespace = meta("", "c-ns", json!({}));
        namespace.metadata.annotations = BTreeMap::from([
            (CLUSTER.to_owned(), "c".to_owned()),
            (CLUSTER_NAMESPACE.to_owned(), "w".to_owned()),
        ]);
        Facts {
            repos: key("repo"),
            helm_ops: key("op"),
            clusters: key("c"),
            bundles: vec![
                meta("w", "web", json!({REPO_NAME: "repo"})),
                meta("w", "chart", json!({HELM_OP_NAME: "op"})),
                object(
                    json!({"metadata": {"namespace": "w", "name": "own"}, "spec": {"contentsId": "s-named", "x": 1}}),
                ),
            ],
            deployments: vec![deployment("web", "web", "c", "s-whole")],
            contents: vec![
                whole,
                meta("", "s-part1", json!({CONTENT_CHUNK: "true"})),
                meta("", "s-part2", json!({CONTENT_CHUNK: "true"})),
                meta("", "s-named", json!({})),
            ],
            namespaces: vec![namespace, meta("", "other", json!({}))],
            bundle_values: vec![meta("w", "web", json!({}))],
            deployment_values: vec![meta("c-ns", "web", json!({}))],
            revisions: 0,
        }
    }

    fn names(facts: &Facts, now: &str) -> Vec<String> {
        let (orphans, _) = orphans(facts, now.parse().unwrap());
        orphans.into_iter().map(|orphan| orphan.object).collect()
    }

    const LATER: &str = "2026-01-02T00:00:00Z";

    #[test]
    fn a_hub_whose_objects_all_have_an_owner_has_no_orphans() {
        assert!(names(&healthy(), LATER).is_empty());
    }

    #[test]
    fn what_was_made_for_something_that_is_gone_is_named() {
        let mut facts = healthy();
        facts
            .bundles
            .push(meta("w", "lost", json!({REPO_NAME: "gone"})));
        facts
            .bundles
            .push(meta("w", "lost2", json!({HELM_OP_NAME: "repo"})));
        facts.deployments.push(deployment("a", "gone", "c", ""));
        facts.deployments.push(deployment("b", "web", "gone", ""));
        facts.contents.push(meta("", "s-unused", json!({})));
        facts
            .contents
            .push(meta("", "s-part9", json!({CONTENT_CHUNK: "true"})));
        facts.bundle_values.push(meta("v", "web", json!({})));
        facts
            .deployment_values
            .push(meta("c-ns", "gone", json!({})));
        let mut namespace = facts.namespaces[0].clone();
        namespace
            .metadata
            .annotations
            .insert(CLUSTER.to_owned(), "gone".to_owned());
        namespace.metadata.name = "d-ns".to_owned();
        facts.namespaces.push(namespace);
        let wanted = [
            "Bundle w/lost",
            "Bundle w/lost2",
            "BundleDeployment c-ns/a",
            "BundleDeployment c-ns/b",
            "Content s-part9",
            "Content s-unused",
            "Namespace d-ns",
            "Secret c-ns/gone",
            "Secret v/web",
        ];
        assert_eq!(names(&facts, LATER), wanted);
        // Contents that are new may not be in use yet; those of pinned commits are not judged.
        assert!(
            !names(&facts, "2026-01-01T00:30:00Z")
                .join(" ")
                .contains("Content")
        );
        facts.revisions = 1;
        assert!(!names(&facts, LATER).join(" ").contains("Content"));
        assert_eq!(orphans(&facts, LATER.parse().unwrap()).1.len(), 1);
    }

    #[test]
    fn what_is_being_deleted_is_left_out() {
        let mut facts = healthy();
        facts.clusters.clear();
        for object in facts.deployments.iter_mut().chain(&mut facts.namespaces) {
            object.metadata.deletion_timestamp = Some(Timestamp::UNIX_EPOCH);
        }
        assert!(names(&facts, LATER).is_empty());
    }
}
