//! Keeps what clusters need that stay at an earlier commit: for each bundle and commit a Secret with the
//! bundle as the commit has it, and its Contents.
//!
//! It is built from the repository again, so that one can go back to any commit that is still there. What
//! was kept stays usable while the repository is away.

use std::collections::{BTreeMap, BTreeSet};

use api::conditions::{self, PINNED};
use api::labels::{PINNED_COMMIT, REPO_NAME, SECRET_TYPE_BUNDLE_REVISION};
use api::v1alpha1::Content;
use apiclient::{DeleteOptions, Kind, ObjectKey, Selector};
use bundle::content::Stored;
use fetch::{Commit, Repository};
use k8s_openapi::api::core::v1::Secret;

use super::Sync;
use super::act::{self, Error};
use super::observe::Observed;
use crate::Ctx;
use crate::bundle::revision::{self, Kept};
use crate::index::GitRepoEntry;

/// What the last run kept, and for what.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Left {
    generation: i64,
    /// Uid of each Bundle, by name.
    bundles: BTreeMap<String, String>,
    contents: BTreeSet<String>,
}

/// Brings what is kept to what the pins of a GitRepo need.
///
/// # Errors
/// The first failure; the other commits are kept all the same.
pub(super) async fn synchronise(
    ctx: &Ctx,
    key: &ObjectKey,
    repo: &GitRepoEntry,
    repository: &Repository,
    maybe_reference: Option<&String>,
    sync: &mut Sync,
) -> Result<(), Error> {
    let pins = target::pins::partial(&repo.spec.pins);
    let commits: BTreeSet<&str> = pins.map(|pin| pin.commit.as_str()).collect();
    let was_pinned =
        sync.pins.is_some() || conditions::is_true(&repo.status.base.conditions, PINNED);
    if commits.is_empty() {
        if was_pinned {
            forget(ctx, key, &commits).await?;
            ctx.world
                .update(|state| state.index.pins_stored(key, BTreeSet::new()));
        }
        sync.pins = None;
        return Ok(());
    }
    let mut left = Left {
        generation: repo.meta.generation,
        bundles: ctx
            .world
            .read(|state| super::plan::uids_of(&state.index, key)),
        contents: BTreeSet::new(),
    };
    if sync
        .pins
        .as_ref()
        .is_some_and(|known| is_current(ctx, known, &left))
    {
        return Ok(());
    }
    let mut outcome = Ok(());
    for commit in &commits {
        let commit = Commit {
            id: (*commit).to_owned(),
            reference: maybe_reference.cloned(),
        };
        let observed = Observed {
            repository: repository.clone(),
            commit,
        };
        match keep(ctx, key, repo, &observed, &left.bundles).await {
            Ok(contents) => left.contents.extend(contents),
            Err(error) if outcome.is_ok() => outcome = Err(error),
            Err(_) => {}
        }
    }
    // Contents of a commit that could not be read are in use by the deployments that run them.
    let contents = left.contents.clone();
    ctx.world
        .update(|state| state.index.pins_stored(key, contents));
    forget(ctx, key, &commits).await?;
    sync.pins = outcome.is_ok().then_some(left);
    outcome
}

fn is_current(ctx: &Ctx, known: &Left, now: &Left) -> bool {
    let has = |content: &String| ctx.world.read(|state| state.index.has_content(content));
    known.generation == now.generation
        && known.bundles == now.bundles
        && known.contents.iter().all(has)
}

/// Keeps what a commit has of the bundles. Returns names of Contents.
async fn keep(
    ctx: &Ctx,
    key: &ObjectKey,
    repo: &GitRepoEntry,
    observed: &Observed,
    bundles: &BTreeMap<String, String>,
) -> Result<Vec<String>, Error> {
    let commit = observed.commit.id.as_str();
    let built = act::build(ctx, key, repo, observed).await?;
    let problem = built.problem(&[]);
    let write = async |name: &String, uid: &String, kept: Option<&Kept>| {
        let bundle = ObjectKey::new(key.namespace.clone(), name.clone());
        let written = revision::write(ctx, &key.name, (&bundle, uid), commit, kept).await;
        written.map_err(|source| Error::Write {
            repo: key.clone(),
            source,
        })
    };
    let (mut contents, mut found) = (Vec::new(), BTreeSet::new());
    for stored in built.stored {
        let name = stored.bundle.metadata.name.clone().unwrap_or_default();
        let Some(uid) = bundles.get(&name) else {
            continue;
        };
        let fail = |reason: String| Error::Pin {
            commit: commit.to_owned(),
            reason: format!("bundle {name}: {reason}"),
        };
        let (stored, content) =
            elsewhere(ctx, stored).map_err(|error| fail(errors::chain(&error)))?;
        let storing = crate::content::store(ctx, content).await;
        storing.map_err(|source| Error::Write {
            repo: key.clone(),
            source,
        })?;
        contents.push(stored.bundle.spec.contents_id.clone());
        let kept = Kept::of(stored.bundle, stored.values, commit);
        let kept = kept.map_err(|error| fail(errors::chain(&error)))?;
        write(&name, uid, Some(&kept)).await?;
        found.insert(name);
    }
    if let Some(reason) = problem {
        // What is missing may be what failed.
        return Err(Error::Pin {
            commit: commit.to_owned(),
            reason,
        });
    }
    for (name, uid) in bundles.iter().filter(|(name, _)| !found.contains(*name)) {
        write(name, uid, None).await?;
    }
    Ok(contents)
}

/// A bundle whose files are all in Contents.
fn elsewhere(
    ctx: &Ctx,
    mut stored: Stored,
) -> Result<(Stored, Vec<Content>), bundle::content::StoreError> {
    let mut contents = std::mem::take(&mut stored.contents);
    let resources = std::mem::take(&mut stored.bundle.spec.resources);
    if stored.bundle.spec.contents_id.is_empty() {
        let name = stored.bundle.metadata.name.as_deref().unwrap_or_default();
        contents = bundle::content::pack(name, &resources, &ctx.limits)?;
        let root = contents.last();
        stored.bundle.spec.contents_id = root
            .and_then(|root| root.metadata.name.clone())
            .unwrap_or_default();
    }
    Ok((stored, contents))
}

/// Deletes what is kept of other commits.
async fn forget(ctx: &Ctx, key: &ObjectKey, commits: &BTreeSet<&str>) -> Result<(), Error> {
    let kind = Kind::of::<Secret>();
    let fail = |source| Error::Write {
        repo: key.clone(),
        source,
    };
    let selector = Selector {
        namespace: Some(key.namespace.clone()),
        labels: Some(format!("{REPO_NAME}={},{PINNED_COMMIT}", key.name)),
        ..Selector::default()
    };
    let mut old = Vec::new();
    let each = |secret: Secret| {
        let labels = secret.metadata.labels.unwrap_or_default();
        let is_kept = labels
            .get(PINNED_COMMIT)
            .is_some_and(|commit| commits.contains(commit.as_str()));
        let is_ours = secret.type_.as_deref() == Some(SECRET_TYPE_BUNDLE_REVISION);
        old.extend(secret.metadata.name.filter(|_| is_ours && !is_kept));
    };
    ctx.client
        .list(&kind, &selector, each)
        .await
        .map_err(fail)?;
    for name in old {
        let secret = ObjectKey::new(key.namespace.clone(), name);
        let options = DeleteOptions::default();
        ctx.client
            .delete(&kind, &secret, &options)
            .await
            .map_err(fail)?;
    }
    Ok(())
}
