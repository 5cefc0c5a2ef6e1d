//! Reads a commit and writes its Bundles.

use std::sync::Arc;

use api::labels::GITREPO_FINALIZER;
use api::v1alpha1::{Bundle, GitRepo};
use apiclient::{DeleteOptions, Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use bundle::write::{Action, Existing};
use bundlewriter::registry::{self, Registry};
use bundlewriter::{Writer, Written};
use serde_json::{Value, json};
use target::policy::Defaults;
use workqueue::Next;

use super::Left;
use super::observe::Observed;
use super::plan::{self, Built};
use crate::Ctx;
use crate::index::GitRepoEntry;

/// A step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The finalizer was not written.
    #[error("set the finalizers of gitrepo {repo}")]
    SetFinalizers {
        repo: ObjectKey,
        source: apiclient::Error,
    },
    /// The defaults of the namespace were not written.
    #[error("complete gitrepo {repo} with the defaults of its namespace")]
    Complete {
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
    /// What a pinned commit has cannot be used.
    #[error("commit {commit}, to which clusters are pinned: {reason}")]
    Pin { commit: String, reason: String },
    /// The registry for contents cannot be used.
    #[error("store the contents of gitrepo {repo}")]
    Registry {
        repo: ObjectKey,
        source: bundlewriter::registry::Problem,
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
            | Self::Complete { source, .. }
            | Self::ListBundles { source, .. }
            | Self::Write { source, .. } => Some(source),
            Self::Registry { source, .. } => source.request(),
            Self::ReadTree { .. } | Self::Build { .. } | Self::Pin { .. } => None,
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

/// Writes what the GitRepo leaves open and the rules of its namespace say. The new generation wakes us.
pub(crate) async fn complete(ctx: &Ctx, key: &ObjectKey, defaults: &Defaults) -> Next {
    let given = [
        ("serviceAccount", &defaults.service_account),
        ("clientSecretName", &defaults.client_secret_name),
    ];
    let given = given.into_iter().filter(|(_, value)| !value.is_empty());
    let spec: serde_json::Map<String, Value> = given
        .map(|(name, value)| (name.to_owned(), Value::from(value.as_str())))
        .collect();
    let body = json!({ "spec": spec });
    let (kind, options) = (Kind::of::<GitRepo>(), WriteOptions::default());
    let patch = Patch::Merge(&body);
    let patched: Result<ObjectMeta, _> =
        ctx.client.patch(&kind, key, None, patch, 0, options).await;
    match patched {
        Ok(_) => Next::Done,
        Err(source) => {
            let repo = key.clone();
            crate::failure::next("gitrepo", key, &Error::Complete { repo, source })
        }
    }
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
    let mut built = build(ctx, key, repo, observed).await?;
    let names = built.names();
    let existing = bundlewriter::existing(&ctx.client, key, &names, |bundle| {
        ctx.world
            .read(|state| state.index.bundles.contains_key(bundle))
    });
    let existing = existing.await.map_err(|source| Error::ListBundles {
        repo: key.clone(),
        source,
    })?;
    store_in_registry(ctx, key, repo, &existing, &mut built).await?;
    let plan = built.writes(&key.name, &existing);
    let problem = built.problem(&plan.refusals);
    built
        .warnings
        .extend(plan.warnings.iter().map(ToString::to_string));
    let mut writer = Writer::new(ctx.client.clone(), &existing);
    for action in plan.actions {
        if matches!(&action, Action::CreateContent(content) if crate::content::is_stored(ctx, content))
        {
            continue;
        }
        let written = writer.write(action).await;
        let written = written.map_err(|source| Error::Write {
            repo: key.clone(),
            source,
        })?;
        match written {
            Written::Created(bundle) | Written::Updated(bundle) => note_written(ctx, *bundle),
            Written::Deleted(_) | Written::Other => {}
        }
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

/// Moves files of bundles to the registry that the GitRepo names, or its namespace has.
async fn store_in_registry(
    ctx: &Ctx,
    key: &ObjectKey,
    repo: &GitRepoEntry,
    existing: &[Existing],
    built: &mut Built,
) -> Result<(), Error> {
    let variable = std::env::var("OCI_STORAGE").ok();
    if built.stored.is_empty() || !registry::is_enabled(variable.as_deref()) {
        return Ok(());
    }
    let named = &repo.spec.oci_registry_secret;
    let stored = async {
        let found = Registry::find(&ctx.client, &key.namespace, named).await?;
        match found {
            Some(found) => found.store(&ctx.client, existing, &mut built.stored).await,
            None => Ok(Vec::new()),
        }
    };
    let fallbacks = stored.await.map_err(|source| Error::Registry {
        repo: key.clone(),
        source,
    })?;
    let texts = fallbacks.iter().map(|fallback| errors::chain(fallback));
    built.warnings.extend(texts);
    Ok(())
}

/// Builds the bundles of a commit.
///
/// Only the directories that the GitRepo names are read, of which a large repository may have a few;
/// all of it when a bundle turns out to need a file elsewhere.
pub(super) async fn build(
    ctx: &Ctx,
    key: &ObjectKey,
    repo: &GitRepoEntry,
    observed: &Observed,
) -> Result<Built, Error> {
    let commit = &observed.commit;
    let options = Arc::new(plan::options(key, repo, &commit.id));
    let mut roots = options.paths.roots();
    loop {
        let tree = ctx
            .fetcher
            .tree(&observed.repository, commit, roots.as_deref())
            .await;
        let tree = tree.map_err(|source| Error::ReadTree {
            commit: commit.id.clone(),
            source,
        })?;
        let (options, limits, is_whole) = (Arc::clone(&options), ctx.limits, roots.is_none());
        let building =
            tokio::task::spawn_blocking(move || plan::build(&tree, &options, &limits, is_whole));
        let built = building.await.map_err(|source| Error::Build {
            commit: commit.id.clone(),
            source,
        })?;
        match built {
            Some(built) => return Ok(built),
            None => roots = None,
        }
    }
}

/// Lets the index know at once, so that the end of the run finds what it wrote.
fn note_written(ctx: &Ctx, bundle: Bundle) {
    ctx.world.update(|state| {
        let mut wakes = state.bundle_applied(bundle);
        wakes.retain(|wake| !matches!(wake, crate::index::Wake::GitRepo(_)));
        wakes
    });
}
