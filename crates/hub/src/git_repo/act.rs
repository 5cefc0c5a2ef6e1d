//! Reads a commit and writes its Bundles.

use api::labels::{GITREPO_FINALIZER, REPO_NAME, SECRET_TYPE_BUNDLE_VALUES};
use api::v1alpha1::{Bundle, GitRepo};
use apiclient::{DeleteOptions, Kind, ObjectKey, ObjectMeta, Patch, Selector, WriteOptions};
use bundle::write::{Action, Existing};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::json;
use workqueue::Next;

use super::Left;
use super::observe::Observed;
use super::plan::{self, Built};
use crate::Ctx;
use crate::index::{GitRepoEntry, key_of};

/// A step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The finalizer was not written.
    #[error("set the finalizers of gitrepo {repo}")]
    SetFinalizers {
        repo: ObjectKey,
        source: apiclient::Error,
    },
    /// The files of the commit were not read.
    #[error("read commit {commit}")]
    ReadTree {
        commit: String,
        source: fetch::Error,
    },
    /// The work was cut off.
    #[error("build the bundles of commit {commit}")]
    Build {
        commit: String,
        source: tokio::task::JoinError,
    },
    /// What exists was not read.
    #[error("list the bundles of gitrepo {repo}")]
    ListBundles {
        repo: ObjectKey,
        source: apiclient::Error,
    },
    /// An object was not written or deleted.
    #[error("write the bundles of gitrepo {repo}")]
    Write {
        repo: ObjectKey,
        source: apiclient::Error,
    },
}

impl crate::failure::Classified for Error {
    fn request(&self) -> Option<&apiclient::Error> {
        match self {
            Self::SetFinalizers { source, .. }
            | Self::ListBundles { source, .. }
            | Self::Write { source, .. } => Some(source),
            Self::ReadTree { .. } | Self::Build { .. } => None,
        }
    }
}

/// What a run left behind.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) problem: Option<String>,
    pub(crate) warnings: Vec<String>,
    pub(crate) left: Left,
}

/// Adds the finalizer unless it is set.
pub(crate) async fn ensure_finalizer(
    ctx: &Ctx,
    key: &ObjectKey,
    repo: &GitRepoEntry,
) -> Result<(), Error> {
    if repo.meta.has_finalizer(GITREPO_FINALIZER) {
        return Ok(());
    }
    let mut finalizers = repo.meta.finalizers.clone();
    finalizers.push(GITREPO_FINALIZER.to_owned());
    let kind = Kind::of::<GitRepo>();
    let set = crate::finalizers::replace(&ctx.client, &kind, key, &finalizers).await;
    set.map_err(|source| Error::SetFinalizers {
        repo: key.clone(),
        source,
    })
}

/// Deletes the Bundles of a GitRepo that is being deleted and lets it go when they are gone.
pub(crate) async fn delete(ctx: &Ctx, key: &ObjectKey, repo: &GitRepoEntry) -> Next {
    let names = ctx.world.read(|state| plan::bundles_of(&state.index, key));
    let result = async {
        for name in names.keys() {
            let bundle = ObjectKey::new(key.namespace.clone(), name.clone());
            let deleted = ctx
                .client
                .delete(&Kind::of::<Bundle>(), &bundle, &DeleteOptions::default())
                .await;
            deleted.map_err(|source| Error::Write {
                repo: key.clone(),
                source,
            })?;
        }
        if names.is_empty() && repo.meta.has_finalizer(GITREPO_FINALIZER) {
            let mut finalizers = repo.meta.finalizers.clone();
            finalizers.retain(|finalizer| finalizer != GITREPO_FINALIZER);
            let kind = Kind::of::<GitRepo>();
            let set = crate::finalizers::replace(&ctx.client, &kind, key, &finalizers).await;
            set.map_err(|source| Error::SetFinalizers {
                repo: key.clone(),
                source,
            })?;
        }
        Ok::<(), Error>(())
    };
    match result.await {
        // The last Bundle that goes wakes us.
        Ok(()) => Next::Done,
        Err(error) => crate::failure::next("gitrepo", key, &error),
    }
}

/// Brings the Bundles of a repository to those of a commit.
pub(crate) async fn synchronise(
    ctx: &Ctx,
    key: &ObjectKey,
    repo: &GitRepoEntry,
    observed: &Observed,
) -> Result<Done, Error> {
    let commit = &observed.commit.id;
    let tree = ctx
        .fetcher
        .tree(&observed.repository, &observed.commit, None)
        .await;
    let tree = tree.map_err(|source| Error::ReadTree {
        commit: commit.clone(),
        source,
    })?;
    let options = plan::options(key, repo, commit);
    let limits = ctx.limits;
    let building = tokio::task::spawn_blocking(move || {
        let outcome = bundle::read(&tree.files, &options);
        let mut built = plan::built(outcome, &options.paths, &limits);
        let submodule = |path| format!("{path}: submodules are not fetched; its files are missing");
        built
            .warnings
            .extend(tree.submodules.into_iter().map(submodule));
        let unreadable = |path| format!("{path}: the name is not UTF-8; the file is left out");
        built
            .warnings
            .extend(tree.unreadable.into_iter().map(unreadable));
        built
    });
    let mut built: Built = building.await.map_err(|source| Error::Build {
        commit: commit.clone(),
        source,
    })?;
    let existing = existing(ctx, key, &built).await?;
    let plan = built.writes(&key.name, &existing);
    let problem = built.problem(&plan.refusals);
    let mut uids: std::collections::BTreeMap<String, String> = existing
        .iter()
        .map(|existing| {
            (
                key_of(&existing.bundle).name,
                existing.bundle.metadata.uid.clone().unwrap_or_default(),
            )
        })
        .collect();
    for action in plan.actions {
        let written = write(ctx, action, &mut uids).await;
        written.map_err(|source| Error::Write {
            repo: key.clone(),
            source,
        })?;
    }
    let left = ctx.world.read(|state| Left {
        commit: commit.clone(),
        labels: repo.meta.labels.clone(),
        bundles: plan::bundles_of(&state.index, key),
    });
    Ok(Done {
        problem,
        warnings: built.warnings,
        left,
    })
}

/// The Bundles that the repository gave before, and those that have a name it wants.
async fn existing(ctx: &Ctx, key: &ObjectKey, built: &Built) -> Result<Vec<Existing>, Error> {
    let fail = |source| Error::ListBundles {
        repo: key.clone(),
        source,
    };
    let kind = Kind::of::<Bundle>();
    let mut found: Vec<Bundle> = Vec::new();
    let selector = Selector {
        namespace: Some(key.namespace.clone()),
        labels: Some(format!("{REPO_NAME}={}", key.name)),
        ..Selector::default()
    };
    ctx.client
        .list(&kind, &selector, |bundle| found.push(bundle))
        .await
        .map_err(fail)?;
    for stored in &built.stored {
        let wanted = key_of(&stored.bundle);
        let known = found.iter().any(|bundle| key_of(bundle) == wanted);
        if !known
            && ctx
                .world
                .read(|state| state.index.bundles.contains_key(&wanted))
        {
            found.extend(
                ctx.client
                    .get::<Bundle>(&kind, &wanted)
                    .await
                    .map_err(fail)?,
            );
        }
    }
    let mut existing = Vec::with_capacity(found.len());
    for bundle in found {
        let values_hash = values_hash(ctx, &bundle).await.map_err(fail)?;
        existing.push(Existing {
            bundle,
            values_hash,
        });
    }
    Ok(existing)
}

/// The hash of what the values Secret of a Bundle holds, if it should have one.
async fn values_hash(ctx: &Ctx, bundle: &Bundle) -> Result<Option<String>, apiclient::Error> {
    if bundle.spec.values_hash.is_empty() {
        return Ok(None);
    }
    let secret: Option<Secret> = ctx
        .client
        .get(&Kind::of::<Secret>(), &key_of(bundle))
        .await?;
    let ours = secret.filter(|secret| secret.type_.as_deref() == Some(SECRET_TYPE_BUNDLE_VALUES));
    Ok(ours.and_then(|secret| secret.data).map(|data| {
        let data = data
            .into_iter()
            .map(|(key, value)| (key, value.0))
            .collect();
        api::ids::values_hash(&data)
    }))
}

async fn write(
    ctx: &Ctx,
    action: Action,
    uids: &mut std::collections::BTreeMap<String, String>,
) -> Result<(), apiclient::Error> {
    let (kind, once) = (Kind::of::<Bundle>(), WriteOptions::default());
    match action {
        Action::CreateContent(content) => crate::content::store(ctx, vec![*content]).await,
        Action::CreateBundle(bundle) => {
            let key = key_of(&*bundle);
            let answer = ctx.client.create(&kind, &key, &*bundle, once).await?;
            uids.insert(key.name.clone(), answer.metadata.uid.clone());
            note_written(ctx, *bundle, &answer);
            Ok(())
        }
        Action::UpdateBundle(bundle) => {
            let answer = ctx
                .client
                .replace(&kind, &key_of(&*bundle), &*bundle, once)
                .await?;
            note_written(ctx, *bundle, &answer);
            Ok(())
        }
        Action::WriteValues {
            namespace,
            name,
            labels,
            data,
        } => {
            let uid = uids.get(&name).cloned().unwrap_or_default();
            let secret = values_secret(&namespace, &name, labels, data, &uid);
            apply_values(ctx, &ObjectKey::new(namespace, name), &secret).await
        }
        Action::DeleteValues { namespace, name } => {
            let key = ObjectKey::new(namespace, name);
            let options = DeleteOptions::default();
            ctx.client
                .delete(&Kind::of::<Secret>(), &key, &options)
                .await
                .map(drop)
        }
        Action::DeleteBundle { namespace, name } => {
            let key = ObjectKey::new(namespace, name);
            ctx.client
                .delete(&kind, &key, &DeleteOptions::default())
                .await
                .map(drop)
        }
    }
}

/// Lets the index know at once, so that the end of the run finds what it wrote.
fn note_written(ctx: &Ctx, mut bundle: Bundle, answer: &ObjectMeta) {
    let written = &answer.metadata;
    bundle.metadata.uid = Some(written.uid.clone());
    bundle.metadata.resource_version = Some(written.resource_version.clone());
    bundle.metadata.generation = Some(written.generation);
    ctx.world.update(|state| {
        let mut wakes = state.bundle_applied(bundle);
        wakes.retain(|wake| !matches!(wake, crate::index::Wake::GitRepo(_)));
        wakes
    });
}

fn values_secret(
    namespace: &str,
    name: &str,
    labels: std::collections::BTreeMap<String, String>,
    data: std::collections::BTreeMap<String, Vec<u8>>,
    uid: &str,
) -> Secret {
    let mut secret = Secret::default();
    secret.metadata.namespace = Some(namespace.to_owned());
    secret.metadata.name = Some(name.to_owned());
    secret.metadata.labels = Some(labels);
    secret.metadata.owner_references = Some(vec![OwnerReference {
        api_version: api::v1alpha1::API_VERSION.to_owned(),
        kind: "Bundle".to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }]);
    secret.type_ = Some(SECRET_TYPE_BUNDLE_VALUES.to_owned());
    secret.data = Some(
        data.into_iter()
            .map(|(key, value)| (key, ByteString(value)))
            .collect(),
    );
    secret
}

async fn apply_values(ctx: &Ctx, key: &ObjectKey, secret: &Secret) -> Result<(), apiclient::Error> {
    let (kind, once) = (Kind::of::<Secret>(), WriteOptions::default());
    match ctx.client.create(&kind, key, secret, once).await {
        Ok(_) => return Ok(()),
        Err(error) if error.is_already_exists() => {}
        Err(error) => return Err(error),
    }
    // The type of a Secret cannot change; one of another type is not ours to touch.
    let body = json!([
        { "op": "test", "path": "/type", "value": SECRET_TYPE_BUNDLE_VALUES },
        { "op": "add", "path": "/metadata/labels", "value": secret.metadata.labels },
        { "op": "add", "path": "/metadata/ownerReferences", "value": secret.metadata.owner_references },
        { "op": "add", "path": "/data", "value": secret.data },
    ]);
    let patched: Result<ObjectMeta, _> = ctx
        .client
        .patch(&kind, key, None, Patch::Json(&body), 0, once)
        .await;
    patched.map(drop)
}
