//! Brings rendered objects onto the cluster, and takes others away.
//!
//! Objects go in Helm's install order, one kind at a time and several objects of a kind at once, by
//! server-side apply. What is deleted is named in a recorded inventory (invariant I-2), and still
//! carries the mark of the deployment or none at all: an object that another deployment has taken
//! over is not ours to delete.

pub(crate) mod claims;
pub(crate) mod definitions;
pub(crate) mod hooks;
pub(crate) mod namespace;
mod takeover;
mod wait;

use std::collections::BTreeSet;
use std::time::Duration;

use api::labels::OBJECT_SET_HASH;
use apiclient::{Client, DeleteOptions, ObjectKey, ObjectMeta, Patch, Propagation, WriteOptions};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use helm::{UNINSTALL_ORDER, kind_rank};
use serde::Deserialize;

use takeover::Owned;
pub(crate) use takeover::{fields_of_deployers, is_deployer};

use crate::object::{Desired, Entry, Id, RESOURCE_POLICY};
use crate::render::{RELEASE_NAME, RELEASE_NAMESPACE};

/// Requests of one deployment at a time.
const CONCURRENCY: usize = 8;
/// How long a definition may take until its kind is served.
const ESTABLISH_TIMEOUT: Duration = Duration::from_mins(1);

/// How long an object may take to go that is created again.
const RECREATE_TIMEOUT: Duration = Duration::from_mins(1);

/// How often the fields of other deployers are taken over again because somebody changed the object
/// meanwhile.
const TAKEOVERS_MAX: u32 = 5;

/// A step failed. Texts name the object; the server's reason is part of them, because the request's
/// own text would name the object a second time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// An object was not applied.
    #[error("apply {id}: {reason}")]
    Apply {
        id: Id,
        reason: String,
        class: apiclient::Class,
    },
    /// Another manager owns fields of an object.
    #[error("apply {id}: {reason}; set helm.force to take the fields over")]
    Conflict { id: Id, reason: String },
    /// A field of an object can never change.
    #[error(
        "apply {id}: {reason}; set helm.force to have it deleted and created again, which may lose data"
    )]
    Immutable { id: Id, reason: String },
    /// An object was not read.
    #[error("read {id}: {reason}")]
    Read {
        id: Id,
        reason: String,
        class: apiclient::Class,
    },
    /// An object was not deleted.
    #[error("delete {id}: {reason}")]
    Delete {
        id: Id,
        reason: String,
        class: apiclient::Class,
    },
    /// An object exists and belongs to somebody else. Helm's text.
    #[error(
        "Unable to continue with install: {id} exists and cannot be imported into the current release: invalid ownership metadata; annotation validation error: key \"meta.helm.sh/release-name\" must equal \"{release}\": current value is {found:?}"
    )]
    Foreign {
        id: Id,
        release: String,
        found: String,
    },
    /// An object is another deployment's.
    #[error(
        "{id} belongs to bundle {by} and is left alone; remove it from one of the two, or set helm.takeOwnership"
    )]
    Claimed { id: Id, by: String },
    /// A definition was not created.
    #[error("create {id}: {reason}")]
    Definition {
        id: Id,
        reason: String,
        class: apiclient::Class,
    },
    /// A definition did not become a kind.
    #[error("{id} is not established after {seconds} s")]
    NotEstablished { id: Id, seconds: u64 },
    /// The release namespace was not made ready.
    #[error("namespace {namespace}: {reason}")]
    Namespace {
        namespace: String,
        reason: String,
        class: apiclient::Class,
    },
    /// The account of the deployment may not label the namespace. Upstream's text.
    #[error(
        "the deployment's service account is not allowed to {verb} namespace {namespace:?}; grant it: {reason}"
    )]
    NotDescribed {
        verb: &'static str,
        namespace: String,
        reason: String,
    },
    /// A hook failed.
    #[error("failed {event}: hook {id}: {reason}")]
    Hook {
        event: &'static str,
        id: Id,
        reason: String,
    },
    /// A hook did not end in time.
    #[error("failed {event}: hook {id}: timed out waiting for the condition after {seconds} s")]
    HookTimeout {
        event: &'static str,
        id: Id,
        seconds: u64,
    },
}

impl Error {
    /// What a failed request was refused for, where the server decides; `None` for the rest.
    pub(crate) fn class(&self) -> Option<apiclient::Class> {
        match self {
            Self::Apply { class, .. }
            | Self::Read { class, .. }
            | Self::Delete { class, .. }
            | Self::Definition { class, .. }
            | Self::Namespace { class, .. } => Some(*class),
            Self::Conflict { .. } => Some(apiclient::Class::Conflict),
            Self::NotDescribed { .. } | Self::Immutable { .. } => Some(apiclient::Class::Permanent),
            Self::Foreign { .. }
            | Self::Claimed { .. }
            | Self::NotEstablished { .. }
            | Self::Hook { .. }
            | Self::HookTimeout { .. } => None,
        }
    }
}

/// Why a request failed, without what it was about.
pub(crate) fn reason(error: &apiclient::Error) -> String {
    match error {
        apiclient::Error::Refused { message, .. } => message.clone(),
        apiclient::Error::NotFound { at } if !at.key.namespace.is_empty() => {
            format!("not found (is there a namespace {:?}?)", at.key.namespace)
        }
        apiclient::Error::NotFound { .. } => "not found".to_owned(),
        apiclient::Error::Transport { source, .. } => {
            format!("no answer from the API server: {source}")
        }
        other => other.to_string(),
    }
}

/// What may be done to objects that are not as they are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Force {
    /// Fields of others are taken over.
    pub(crate) fields: bool,
    /// What cannot be changed is deleted and created again.
    pub(crate) recreate: bool,
}

/// Applies one object.
///
/// Fields that other deployers of the release wrote, Helm by other means than server-side apply or
/// upstream's agent, are taken over: what the chart no longer has of them goes. Fields of anybody else are
/// a conflict.
pub(crate) async fn apply(cluster: &Client, desired: &Desired, force: Force) -> Result<(), Error> {
    let Desired { id, .. } = desired;
    let write = WriteOptions {
        force: force.fields,
        ..WriteOptions::default()
    };
    let mut applied = match apply_once(cluster, desired, write).await {
        Err(Error::Immutable { .. }) if force.recreate => {
            recreate(cluster, id).await?;
            apply_once(cluster, desired, write).await?
        }
        applied => applied?,
    };
    for _ in 0..TAKEOVERS_MAX {
        let Some(patch) = takeover::patch(&applied) else {
            return Ok(());
        };
        let options = WriteOptions::default();
        let patched: Result<ObjectMeta, apiclient::Error> = cluster
            .patch(&id.kind, &id.key, None, Patch::Json(&patch), 0, options)
            .await;
        match patched {
            Err(error) if !error.is_conflict() => {
                return Err(Error::Apply {
                    id: id.clone(),
                    reason: reason(&error),
                    class: error.class(),
                });
            }
            _ => applied = apply_once(cluster, desired, write).await?,
        }
    }
    Ok(())
}

/// Asks the server what it says to an object that exists already. Changes nothing.
pub(crate) async fn rehearse(
    cluster: &Client,
    desired: &Desired,
    force: Force,
) -> Result<(), Error> {
    let write = WriteOptions {
        dry_run: true,
        force: force.fields,
    };
    match apply_once(cluster, desired, write).await {
        Err(Error::Immutable { .. }) if force.recreate => Ok(()),
        said => said.map(drop),
    }
}

/// Deletes an object that is about to be created again, and waits until it is gone.
async fn recreate(cluster: &Client, id: &Id) -> Result<(), Error> {
    tracing::warn!(object = %id, "deleted and created again: it cannot be changed, and force is set");
    let options = DeleteOptions {
        propagation: Propagation::Background,
        ..DeleteOptions::default()
    };
    let deleted = cluster.delete(&id.kind, &id.key, &options).await;
    deleted.map_err(|error| Error::Delete {
        id: id.clone(),
        reason: reason(&error),
        class: error.class(),
    })?;
    if wait::gone(cluster, id, RECREATE_TIMEOUT).await {
        return Ok(());
    }
    Err(Error::Delete {
        id: id.clone(),
        reason: format!("it is still there after {} s", RECREATE_TIMEOUT.as_secs()),
        class: apiclient::Class::Transient,
    })
}

/// Whether the server refuses a change because the field can never change.
fn is_immutable(error: &apiclient::Error, reason: &str) -> bool {
    matches!(error, apiclient::Error::Refused { code: 422, .. })
        && [
            "immutable",
            "updates to ",
            "may not change",
            "primary clusterIP can not be unset",
        ]
        .iter()
        .any(|words| reason.contains(words))
}

async fn apply_once(
    cluster: &Client,
    desired: &Desired,
    mut options: WriteOptions,
) -> Result<Owned, Error> {
    let Desired { id, body, .. } = desired;
    loop {
        let applied = cluster
            .patch(&id.kind, &id.key, None, Patch::Apply(body), 0, options)
            .await;
        let error = match applied {
            Ok(applied) => return Ok(applied),
            Err(error) => error,
        };
        let (id, reason) = (id.clone(), reason(&error));
        if is_immutable(&error, &reason) {
            return Err(Error::Immutable { id, reason });
        }
        if !error.is_conflict() {
            return Err(Error::Apply {
                id,
                reason,
                class: error.class(),
            });
        }
        if options.force || !takeover::is_among_deployers(&reason) {
            return Err(Error::Conflict { id, reason });
        }
        options.force = true;
    }
}

/// Runs requests, a few at a time; the first failure ends it.
async fn together(requests: Vec<BoxFuture<'_, Result<(), Error>>>) -> Result<(), Error> {
    stream::iter(requests)
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await
}

/// Applies objects in their order: kind after kind, and the objects of one kind together. Kinds that
/// are brought along are waited for before anything else is applied.
pub(crate) async fn apply_all(
    cluster: &Client,
    objects: &[Desired],
    force: Force,
) -> Result<(), Error> {
    for group in objects.chunk_by(|a, b| a.id.kind == b.id.kind) {
        together(
            group
                .iter()
                .map(|desired| apply(cluster, desired, force).boxed())
                .collect(),
        )
        .await?;
        if definitions::is_kind(&group[0].id.kind) {
            let waits = group
                .iter()
                .map(|desired| definitions::established(cluster, &desired.id).boxed());
            together(waits.collect()).await?;
        }
    }
    Ok(())
}

/// What tells whose an object is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Marked {
    metadata: MarkedMeta,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MarkedMeta {
    uid: String,
    labels: std::collections::BTreeMap<String, String>,
    annotations: std::collections::BTreeMap<String, String>,
}

/// An object, or `None` when it is not there.
pub(crate) async fn read<T: serde::de::DeserializeOwned>(
    cluster: &Client,
    id: &Id,
) -> Result<Option<T>, Error> {
    let found = cluster.get::<T>(&id.kind, &id.key).await;
    found.map_err(|error| Error::Read {
        id: id.clone(),
        reason: reason(&error),
        class: error.class(),
    })
}

/// What is recorded and no longer wanted, in the order in which it goes. Pure.
pub(crate) fn stale(recorded: &BTreeSet<Entry>, wanted: &[Desired]) -> Vec<Id> {
    let wanted: BTreeSet<&Id> = wanted.iter().map(|desired| &desired.id).collect();
    // The same object in another version is the same object.
    let identity = |id: &Id| (id.kind.group.clone(), id.kind.kind.clone(), id.key.clone());
    let still: BTreeSet<_> = wanted.into_iter().map(identity).collect();
    let mut gone: Vec<Id> = recorded
        .iter()
        .filter(|entry| !entry.keep && !still.contains(&identity(&entry.id)))
        .map(|entry| entry.id.clone())
        .collect();
    gone.sort_by(|a, b| {
        let rank = |id: &Id| kind_rank(&UNINSTALL_ORDER, &id.kind.kind).0;
        rank(a).cmp(&rank(b)).then_with(|| a.cmp(b))
    });
    gone.dedup();
    gone
}

/// Whose objects are: the mark of a deployment, and its release.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    /// Several when the release was handed on from deployment to deployment.
    pub(crate) hashes: Vec<String>,
    pub(crate) release: ObjectKey,
    /// The records that name the objects are known to be the agent's. Others count only for what carries the mark of
    /// a deployment.
    pub(crate) is_vouched: bool,
}

impl Owner {
    /// Whether an object that was recorded is still the owner's to delete.
    ///
    /// Nothing on it may say that it is somebody else's. Outside of the release's namespace it has to say
    /// that it is ours, too: whoever may write Secrets there can write records, and what a record names
    /// must not make the agent delete what the writer could not.
    fn owns(&self, id: &Id, metadata: &MarkedMeta) -> bool {
        let label = metadata.labels.get(OBJECT_SET_HASH);
        let of = |key: &str| metadata.annotations.get(key).map(String::as_str);
        let release = (of(RELEASE_NAME), of(RELEASE_NAMESPACE));
        let (name, namespace) = (&*self.release.name, &*self.release.namespace);
        let is_unmarked = release == (None, None) && id.key.namespace == namespace;
        label.map_or(self.is_vouched, |hash| self.hashes.contains(hash))
            && (is_unmarked || release == (Some(name), Some(namespace)))
    }
}

/// The uid of an object that is there and still the owner's to delete.
pub(crate) async fn deletable(
    cluster: &Client,
    id: &Id,
    owner: &Owner,
) -> Result<Option<String>, Error> {
    let Some(Marked { metadata }) = read(cluster, id).await? else {
        return Ok(None);
    };
    let is_foreign = !owner.owns(id, &metadata);
    let is_kept = metadata
        .annotations
        .get(RESOURCE_POLICY)
        .is_some_and(|policy| policy == "keep");
    if is_foreign || is_kept {
        tracing::info!(object = %id, is_foreign, is_kept, "an object stays");
        return Ok(None);
    }
    Ok(Some(metadata.uid))
}

/// Deletes an object that is still ours; what is gone or has been taken over is left alone.
pub(crate) async fn delete(cluster: &Client, id: &Id, owner: &Owner) -> Result<(), Error> {
    let Some(uid) = deletable(cluster, id, owner).await? else {
        return Ok(());
    };
    let options = DeleteOptions {
        propagation: Propagation::Background,
        uid,
        ..DeleteOptions::default()
    };
    match cluster.delete(&id.kind, &id.key, &options).await {
        Ok(_) => Ok(()),
        // Deleted and created again meanwhile: not the object that was ours.
        Err(error) if error.is_conflict() => Ok(()),
        Err(error) => Err(Error::Delete {
            id: id.clone(),
            reason: reason(&error),
            class: error.class(),
        }),
    }
}

/// Deletes objects in order, kind after kind.
pub(crate) async fn delete_all(cluster: &Client, ids: &[Id], owner: &Owner) -> Result<(), Error> {
    for group in ids.chunk_by(|a, b| a.kind == b.kind) {
        together(
            group
                .iter()
                .map(|id| delete(cluster, id, owner).boxed())
                .collect(),
        )
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use apiclient::Kind;

    use super::*;

    fn id(kind: &'static str, version: &'static str, name: &str) -> Id {
        Id {
            kind: Arc::new(Kind::new("g", version, kind, "x", true)),
            key: ObjectKey::new("n", name),
        }
    }

    fn desired(id: Id) -> Desired {
        Desired {
            id,
            keep: false,
            body: serde_json::value::to_raw_value(&1).unwrap(),
        }
    }

    #[test]
    fn only_what_says_nothing_else_is_the_owners() {
        let owner = Owner {
            hashes: vec!["ours".to_owned(), "before".to_owned()],
            release: ObjectKey::new("n", "web"),
            is_vouched: true,
        };
        let marked = |label: &str, release: &str| {
            let mut metadata = MarkedMeta::default();
            if !label.is_empty() {
                let label = (OBJECT_SET_HASH.to_owned(), label.to_owned());
                metadata.labels.extend([label]);
            }
            if let Some((namespace, name)) = release.split_once('/') {
                let marks = [(RELEASE_NAME, name), (RELEASE_NAMESPACE, namespace)];
                let marks = marks.map(|(key, value)| (key.to_owned(), value.to_owned()));
                metadata.annotations.extend(marks);
            }
            metadata
        };
        for (namespace, label, release, expected) in [
            ("n", "ours", "n/web", true),
            ("n", "before", "n/web", true),
            ("n", "", "n/web", true),
            ("n", "ours", "", true),
            ("n", "", "", true),
            ("n", "theirs", "n/web", false),
            // The same deployment under another name has it now.
            ("n", "ours", "n/new", false),
            ("n", "", "other/web", false),
            ("elsewhere", "ours", "n/web", true),
            ("elsewhere", "", "n/web", true),
            ("elsewhere", "ours", "", false),
            ("elsewhere", "", "", false),
            ("", "ours", "", false),
            ("", "ours", "n/web", true),
        ] {
            let mut id = id("ConfigMap", "v1", "a");
            id.key.namespace = namespace.to_owned();
            let found = owner.owns(&id, &marked(label, release));
            assert_eq!(found, expected, "{namespace:?} {label:?} {release:?}");
        }
    }

    #[test]
    fn only_recorded_objects_that_left_and_are_not_kept_go() {
        let entry = |id: Id, keep: bool| Entry { id, keep };
        let recorded = BTreeSet::from([
            entry(id("ConfigMap", "v1", "stays"), false),
            entry(id("ConfigMap", "v1", "goes"), false),
            entry(id("ConfigMap", "v1", "kept"), true),
            entry(id("Deployment", "v1", "goes"), false),
            entry(id("CronJob", "v1beta1", "newer"), false),
        ]);
        let wanted = [
            desired(id("ConfigMap", "v1", "stays")),
            desired(id("CronJob", "v1", "newer")),
            desired(id("ConfigMap", "v1", "new")),
        ];
        let names = |gone: Vec<Id>| gone.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            names(stale(&recorded, &wanted)),
            ["Deployment n/goes", "ConfigMap n/goes"]
        );
        assert!(stale(&BTreeSet::new(), &wanted).is_empty());
    }
}
