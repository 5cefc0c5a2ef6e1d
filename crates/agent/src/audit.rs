//! What carries a Fleet mark on a cluster and belongs to nobody. Changes nothing.
//!
//! An object belongs to a release if a revision that is on the cluster, or was begun after it, records it; a copy of
//! `downstreamResources` to the deployment it names. What another object owns is that object's business.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::copies::COPY_OF_DEPLOYMENT;
use api::labels::{OBJECT_SET_HASH, OBJECT_SET_ID};
use apiclient::{Client, Discovery, Kind, ObjectKey, Selector};
use helm::release::Status;
use k8s_openapi::api::core::v1::Secret;
use serde::{Deserialize, Serialize};

use crate::kinds::{Kinds, Served};
use crate::object::{Id, RESOURCE_POLICY};
use crate::release::{self, Record, SecretMeta, store};
use crate::render;
use crate::render::ownership::is_our_set;
use crate::shared::{Capacity, Shared};

/// Something that nobody owns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Orphan {
    /// Kind, namespace and name.
    pub object: String,
    /// Whose it was, and why it is nobody's now.
    pub why: String,
}

/// What was found on a cluster.
#[derive(Debug, Default, Serialize)]
pub struct Audit {
    /// Objects that carry a mark.
    pub marked: usize,
    /// Releases that Fleet or Flotilla made.
    pub releases: usize,
    /// Sorted.
    pub orphans: Vec<Orphan>,
    /// What could not be read, and so was not judged.
    pub unread: Vec<String>,
}

/// The cluster did not say which kinds or releases it has.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Kinds.
    #[error("ask the cluster which kinds it serves")]
    Kinds(#[source] apiclient::Error),
    /// Releases.
    #[error("list the release records of the cluster")]
    Records(#[source] apiclient::Error),
}

/// Looks through a cluster. `deployments` are the names of its BundleDeployments on the hub, if they are known: releases of
/// others are orphans then.
pub async fn audit(
    cluster: &Client,
    deployments: Option<&BTreeSet<String>>,
) -> Result<Audit, Error> {
    let discovery = Discovery::read(cluster).await.map_err(Error::Kinds)?;
    let mut found = Audit::default();
    let marked = marked(cluster, &discovery, &mut found).await;
    let owners = owners(cluster, discovery, &mut found).await?;
    found.marked = marked.len();
    found.releases = owners.releases.len();
    found.orphans = orphans(&marked, &owners, deployments);
    Ok(found)
}

/// An object that carries a mark.
#[derive(Debug, PartialEq)]
struct Marked {
    id: Id,
    /// The set it was applied with; empty for copies.
    set: String,
    /// The deployment it is a copy for; empty for others.
    copy_of: String,
    /// `namespace/name` of the release that Helm's annotations name.
    release: String,
    is_kept: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Listed {
    metadata: ListedMeta,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListedMeta {
    name: String,
    namespace: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    owner_references: Vec<serde::de::IgnoredAny>,
}

impl Listed {
    fn marked(self, kind: &Arc<Kind>) -> Option<Marked> {
        let ListedMeta {
            name,
            namespace,
            mut labels,
            mut annotations,
            owner_references,
        } = self.metadata;
        let set = annotations.remove(OBJECT_SET_ID).unwrap_or_default();
        let copy_of = labels.remove(COPY_OF_DEPLOYMENT).unwrap_or_default();
        // Kubernetes copies the labels of a Service to its Endpoints.
        let is_derived = kind.group.is_empty() && kind.kind == "Endpoints";
        if !owner_references.is_empty() || is_derived || (copy_of.is_empty() && !is_our_set(&set)) {
            return None;
        }
        let mut helm = |key| annotations.remove(key).unwrap_or_default();
        let (place, release) = (
            helm("meta.helm.sh/release-namespace"),
            helm("meta.helm.sh/release-name"),
        );
        Some(Marked {
            id: Id {
                kind: Arc::clone(kind),
                key: ObjectKey::new(namespace, name),
            },
            set,
            copy_of,
            release: format!("{place}/{release}"),
            is_kept: annotations
                .get(RESOURCE_POLICY)
                .is_some_and(|policy| policy == "keep"),
        })
    }
}

/// All objects with a mark, of all kinds.
async fn marked(cluster: &Client, discovery: &Discovery, found: &mut Audit) -> Vec<Marked> {
    let mut all = Vec::new();
    for kind in discovery.listed() {
        let kind = Arc::new(kind.clone());
        let mut labels = vec![OBJECT_SET_HASH];
        if kind.group.is_empty() && ["Secret", "ConfigMap"].contains(&kind.kind.as_ref()) {
            labels.push(COPY_OF_DEPLOYMENT);
        }
        for label in labels {
            let selector = Selector {
                metadata_only: true,
                ..Selector::labels(label)
            };
            let each = |listed: Listed| all.extend(listed.marked(&kind));
            match cluster.list(&kind, &selector, each).await {
                Ok(_) => {}
                // Served a moment ago, or listed by name only.
                Err(error) if error.is_not_found() || error.code() == 405 => {}
                Err(error) => found
                    .unread
                    .push(format!("{kind}: {}", errors::chain(&error))),
            }
        }
    }
    all
}

/// To whom objects can belong.
#[derive(Debug, Default)]
struct Owners {
    /// Objects that are recorded; kinds in any version.
    objects: BTreeSet<Place>,
    /// Bundle by release, for releases of Fleet's.
    releases: BTreeMap<String, String>,
    /// Releases whose records cannot be read; nothing is said of their objects.
    unreadable: BTreeSet<String>,
}

/// An object, whatever the version it is written in.
type Place = (String, String, ObjectKey);

fn place(id: &Id) -> Place {
    (
        id.kind.group.to_string(),
        id.kind.kind.to_string(),
        id.key.clone(),
    )
}

async fn owners(
    cluster: &Client,
    discovery: Discovery,
    found: &mut Audit,
) -> Result<Owners, Error> {
    let shared = Shared::new(Capacity::default());
    let kinds = Kinds::new(Arc::new(Served::new(discovery, String::new())));
    let mut records: BTreeMap<ObjectKey, Vec<Record>> = BTreeMap::new();
    let each = |secret: SecretMeta| {
        if let Some(record) = Record::of(secret) {
            records
                .entry(record.release.clone())
                .or_default()
                .push(record);
        }
    };
    let listed = cluster
        .list(&Kind::of::<Secret>(), &store::all_records(), each)
        .await;
    listed.map_err(Error::Records)?;
    let mut owners = Owners::default();
    for (name, history) in records {
        for revision in standing(&history) {
            if let Err(error) = owners.add(cluster, &shared, &kinds, &name, revision).await {
                found.unread.push(error);
                owners.unreadable.insert(name.to_string());
            }
        }
    }
    Ok(owners)
}

/// Revisions whose objects may be on the cluster: the one that is deployed and those begun after it. Pure.
fn standing(history: &[Record]) -> Vec<u32> {
    let deployed = history
        .iter()
        .filter(|record| record.status == Status::Deployed);
    let deployed = deployed
        .map(|record| record.revision)
        .max()
        .unwrap_or_default();
    let stands =
        |record: &&Record| record.revision >= deployed && record.status != Status::Uninstalled;
    history
        .iter()
        .filter(stands)
        .map(|record| record.revision)
        .collect()
}

impl Owners {
    async fn add(
        &mut self,
        cluster: &Client,
        shared: &Shared,
        kinds: &Kinds,
        name: &ObjectKey,
        revision: u32,
    ) -> Result<(), String> {
        let text =
            |error: &dyn std::error::Error| format!("release {name}: {}", errors::chain(error));
        let loaded = store::load(cluster, shared, name, revision).await;
        let Some(record) = loaded.map_err(|error| text(&error))? else {
            return Ok(());
        };
        // What cannot be listed is no orphan.
        let mut unknown = BTreeSet::new();
        let inventory = render::inventory(&record.manifest, &record.namespace, kinds, &mut unknown);
        self.objects.extend(
            inventory
                .map_err(|error| text(&error))?
                .iter()
                .map(|entry| place(&entry.id)),
        );
        let hooks = render::recorded_hooks(&record.hooks, &record.namespace, kinds, &mut unknown);
        self.objects.extend(
            hooks
                .map_err(|error| text(&error))?
                .iter()
                .map(|hook| place(&hook.desired.id)),
        );
        let annotations = record
            .chart
            .map(|chart| chart.metadata.annotations)
            .unwrap_or_default();
        if let Some(bundle) = annotations.get(release::BUNDLE_ID) {
            self.releases.insert(name.to_string(), bundle.clone());
        }
        Ok(())
    }
}

/// What nobody owns. Pure.
fn orphans(
    marked: &[Marked],
    owners: &Owners,
    deployments: Option<&BTreeSet<String>>,
) -> Vec<Orphan> {
    let bundles: BTreeSet<&String> = owners.releases.values().collect();
    let mut orphans = Vec::new();
    for object in marked {
        let why = if !object.copy_of.is_empty() {
            if bundles.contains(&object.copy_of) || !owners.unreadable.is_empty() {
                continue;
            }
            format!(
                "a copy for bundle {}, which has no release here",
                object.copy_of
            )
        } else if owners.objects.contains(&place(&object.id))
            || owners.unreadable.contains(&object.release)
        {
            continue;
        } else {
            let kept = if object.is_kept {
                "; it was kept on purpose (helm.sh/resource-policy)"
            } else {
                ""
            };
            format!(
                "of {}, release {}, whose records do not name it{kept}",
                object.set, object.release
            )
        };
        orphans.push(Orphan {
            object: object.id.to_string(),
            why,
        });
    }
    if let Some(deployments) = deployments {
        let gone = owners
            .releases
            .iter()
            .filter(|(_, bundle)| !deployments.contains(*bundle));
        orphans.extend(gone.map(|(release, bundle)| Orphan {
            object: format!("Release {release}"),
            why: format!("of BundleDeployment {bundle}, which is not on the hub"),
        }));
    }
    orphans.sort();
    orphans.dedup();
    orphans
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn kind(group: &'static str, version: &'static str, name: &'static str) -> Arc<Kind> {
        Arc::new(Kind::new(group, version, name, "x", true))
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "literals read best as arguments"
    )]
    fn marked(kind: &Arc<Kind>, metadata: Value) -> Option<Marked> {
        let listed: Listed = serde_json::from_value(json!({ "metadata": metadata })).unwrap();
        listed.marked(kind)
    }

    fn of_set(name: &str, set: &str) -> Value {
        json!({"name": name, "namespace": "n", "annotations": {OBJECT_SET_ID: set,
            "meta.helm.sh/release-namespace": "n", "meta.helm.sh/release-name": "r"}})
    }

    #[test]
    fn only_marks_of_ours_count_and_what_is_owned_is_left_to_its_owner() {
        let pods = kind("", "v1", "Pod");
        assert_eq!(
            marked(&pods, of_set("a", "default-web")).unwrap().release,
            "n/r"
        );
        assert!(marked(&pods, of_set("a", "fleet-agent-bootstrap-x")).is_some());
        assert!(
            marked(
                &pods,
                json!({"name": "a", "labels": {COPY_OF_DEPLOYMENT: "web"}})
            )
            .is_some()
        );
        // Somebody else's set, an owned object, a copy that Kubernetes made, nothing at all.
        let mut owned = of_set("a", "default-web");
        owned["ownerReferences"] = json!([{"name": "x"}]);
        assert!(marked(&pods, of_set("a", "fleet-manage-agent")).is_none());
        assert!(marked(&pods, owned).is_none());
        assert!(marked(&kind("", "v1", "Endpoints"), of_set("a", "default-web")).is_none());
        assert!(marked(&pods, json!({})).is_none());
    }

    #[test]
    fn what_no_standing_revision_records_is_an_orphan() {
        let (old, new) = (
            kind("apps", "v1beta1", "Deployment"),
            kind("apps", "v1", "Deployment"),
        );
        let id = |kind: &Arc<Kind>, name: &str| Id {
            kind: Arc::clone(kind),
            key: ObjectKey::new("n", name),
        };
        let owners = Owners {
            objects: BTreeSet::from([place(&id(&old, "recorded"))]),
            releases: BTreeMap::from([("n/r".to_owned(), "web".to_owned())]),
            unreadable: BTreeSet::new(),
        };
        let all = [
            marked(&new, of_set("recorded", "default-web")).unwrap(),
            marked(&new, of_set("lost", "default-web")).unwrap(),
            marked(
                &new,
                json!({"name": "copy", "labels": {COPY_OF_DEPLOYMENT: "web"}}),
            )
            .unwrap(),
            marked(
                &new,
                json!({"name": "stray", "labels": {COPY_OF_DEPLOYMENT: "gone"}}),
            )
            .unwrap(),
        ];
        let names = |owners: &Owners, deployments: Option<&BTreeSet<String>>| {
            let found = orphans(&all, owners, deployments);
            found
                .into_iter()
                .map(|orphan| orphan.object)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(&owners, None),
            ["Deployment n/lost", "Deployment stray"]
        );
        let none = BTreeSet::new();
        assert_eq!(
            names(&owners, Some(&none)),
            ["Deployment n/lost", "Deployment stray", "Release n/r"]
        );
        let web = BTreeSet::from(["web".to_owned()]);
        assert_eq!(names(&owners, Some(&web)).len(), 2);
        // What cannot be read may own anything of its own.
        let blind = Owners {
            unreadable: BTreeSet::from(["n/r".to_owned()]),
            ..Owners::default()
        };
        assert!(names(&blind, None).is_empty());
    }

    #[test]
    fn the_deployed_revision_and_later_ones_stand() {
        let record = |revision, status| Record {
            release: ObjectKey::new("n", "r"),
            revision,
            status,
            bundle_id: String::new(),
            agent_namespace: String::new(),
            deployment_id: String::new(),
            values_digest: String::new(),
            labels: BTreeMap::new(),
        };
        let history = [
            record(1, Status::Superseded),
            record(2, Status::Deployed),
            record(3, Status::Failed),
        ];
        assert_eq!(standing(&history), [2, 3]);
        assert_eq!(standing(&history[..1]), [1]);
        assert!(standing(&[record(4, Status::Uninstalled)]).is_empty());
    }
}
