//! From a git repository to Bundles.
//!
//! * **Object**: GitRepo.
//! * **Reads**: the index; the repository; the Secret with its credential; the Bundles it gave
//!   before, when something changed.
//! * **Writes**: Bundles, their Contents and values Secrets; what clusters need that stay at an earlier
//!   commit; the GitRepo's finalizer; its service account
//!   and the name of its credential where it has none and the rules of the namespace give one.
//! * **Woken by**: changes of the GitRepo's spec, labels or deletion timestamp; a Bundle of it that
//!   somebody else changed or deleted; GitRepoRestrictions and Policies of its namespace; the polling
//!   interval.
//!
//! The status is written elsewhere (`crate::status`), from what a run leaves in [`Sync`]. A poll
//! that finds nothing new writes nothing (invariant W-2). Bundles are deleted only after a commit was
//! read completely and gave at least one other Bundle (invariant I-2).

mod act;
mod credentials;
mod observe;
mod pins;
mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::v1alpha1::DeployedCommit;
use apiclient::ObjectKey;
use jiff::Timestamp;
use workqueue::Next;

use crate::Ctx;
use crate::events::about_repository;
use crate::index::{GitRepoEntry, Index};

/// What the last run for a GitRepo found out: what the status shows, and what the next run compares.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sync {
    /// The commit whose bundles are on the hub, or being written.
    pub(crate) commit: String,
    /// The commit that polling saw last.
    pub(crate) polling_commit: String,
    /// Generation of the GitRepo that was used.
    pub(crate) generation: i64,
    /// `forceSyncGeneration` that was used.
    pub(crate) force_sync_generation: i64,
    /// Why the repository could not be polled.
    pub(crate) polling_error: Option<String>,
    /// Why the bundles are not those of the commit.
    pub(crate) problem: Option<String>,
    /// The problem is that the rules of the namespace do not allow the GitRepo.
    pub(crate) is_denied: bool,
    /// Why clusters that stay at an earlier commit do not have what it has.
    pub(crate) pin_problem: Option<String>,
    /// What is kept for them.
    pub(crate) pins: Option<pins::Left>,
    /// Commits that were deployed, newest first.
    pub(crate) history: Vec<DeployedCommit>,
    /// What should be seen but hinders nothing.
    pub(crate) warnings: Vec<String>,
    /// Bundles are being made.
    pub(crate) is_running: bool,
    /// The Bundles as they were left: if they still are, the same commit gives nothing to do. `None`
    /// when that is not known, such as after a restart or a failure.
    pub(crate) left: Option<Left>,
}

/// The Bundles of a repository after a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Left {
    /// The commit.
    pub(crate) commit: String,
    /// Labels of the GitRepo, which its Bundles inherit.
    pub(crate) labels: BTreeMap<String, String>,
    /// Generation and labels of each Bundle, by name.
    pub(crate) bundles: BTreeMap<String, (i64, BTreeMap<String, String>)>,
}

impl Sync {
    /// What stands in the way.
    pub(crate) fn problem(&self) -> Option<&str> {
        let problem = self.problem.as_deref();
        problem.or(self.pin_problem.as_deref())
    }
}

impl Left {
    /// Whether nothing changed since: neither commit nor GitRepo nor any of the Bundles.
    fn is_current(
        &self,
        index: &Index,
        key: &ObjectKey,
        repo: &GitRepoEntry,
        commit: &str,
    ) -> bool {
        let now = plan::bundles_of(index, key);
        self.commit == commit && self.labels == repo.meta.labels && self.bundles == now
    }
}

/// One run for the GitRepo `key`.
pub(crate) async fn reconcile(ctx: Arc<Ctx>, key: ObjectKey) -> Next {
    let Some(repo) = ctx
        .world
        .read(|state| state.index.git_repos.get(&key).cloned())
    else {
        return Next::Done;
    };
    if repo.meta.deleting {
        return act::delete(&ctx, &key, &repo).await;
    }
    if let Err(error) = act::ensure_finalizer(&ctx, &key, &repo).await {
        return crate::failure::next("gitrepo", &key, &error);
    }
    let interval = interval(&ctx, &repo);
    let (mut sync, rules) = ctx.world.read(|state| {
        let sync = previous(state.syncs.get(&key), &repo);
        (sync, state.index.rules.of(&key.namespace))
    });
    sync.is_denied = false;
    match plan::authorize(rules, &repo.spec) {
        Ok(defaults) if defaults.is_empty() => {}
        Ok(defaults) => return act::complete(&ctx, &key, &defaults).await,
        Err(reason) => {
            sync.is_denied = true;
            sync.problem = Some(reason);
            sync.left = None;
            record(&ctx, &key, sync);
            // An edit of the GitRepo or of the rules wakes us.
            return Next::Done;
        }
    }
    let next = match observe::commit(&ctx, &key, &repo, &sync).await {
        Err(problem) => {
            sync.polling_error = Some(problem.text.clone());
            sync.problem = Some(problem.text);
            Next::After(interval)
        }
        Ok(observed) => {
            sync.polling_error = None;
            sync.polling_commit.clone_from(&observed.commit.id);
            synchronise_all(&ctx, &key, &repo, observed, &mut sync).await;
            Next::After(interval)
        }
    };
    record(&ctx, &key, sync);
    next
}

/// What is known from before; after a restart what the status says.
fn previous(known: Option<&Sync>, repo: &GitRepoEntry) -> Sync {
    known.cloned().unwrap_or_else(|| Sync {
        commit: repo.status.commit.clone(),
        polling_commit: repo.status.polling_commit.clone(),
        history: repo.status.history.clone(),
        generation: repo.status.observed_generation,
        force_sync_generation: repo.status.update_generation,
        ..Sync::default()
    })
}

/// The current commit, or the one that all stays at; then what some clusters stay at.
async fn synchronise_all(
    ctx: &Ctx,
    key: &ObjectKey,
    repo: &GitRepoEntry,
    mut observed: observe::Observed,
    sync: &mut Sync,
) {
    if let Err(error) = target::pins::validate(&repo.spec.pins) {
        sync.problem = Some(errors::chain(&error));
        sync.left = None;
        return;
    }
    if let Some(commit) = target::pins::whole(&repo.spec.pins) {
        commit.clone_into(&mut observed.commit.id);
    }
    let (repository, reference) = (
        observed.repository.clone(),
        observed.commit.reference.clone(),
    );
    synchronise(ctx, key, repo, observed, sync).await;
    let pinned = pins::synchronise(ctx, key, repo, &repository, reference.as_ref(), sync).await;
    sync.pin_problem = pinned.err().map(|error| errors::chain(&error));
}

async fn synchronise(
    ctx: &Ctx,
    key: &ObjectKey,
    repo: &GitRepoEntry,
    observed: observe::Observed,
    sync: &mut Sync,
) {
    let commit = observed.commit.id.clone();
    let same_spec = sync.generation == repo.meta.generation;
    let current = same_spec
        && ctx.world.read(|state| {
            sync.left
                .as_ref()
                .is_some_and(|left| left.is_current(&state.index, key, repo, &commit))
        });
    if current {
        // It was left in order; that the repository could not be reached since is over.
        sync.problem = None;
        return;
    }
    if commit != sync.commit || !same_spec {
        record(
            ctx,
            key,
            Sync {
                is_running: true,
                ..sync.clone()
            },
        );
    }
    sync.left = None;
    match act::synchronise(ctx, key, repo, &observed).await {
        Ok(done) => {
            sync.problem = done.problem;
            sync.warnings = done.warnings;
            // A run that left something undone looks at everything again.
            sync.left = sync.problem.is_none().then_some(done.left);
            if sync.problem.is_none() {
                plan::remember(&mut sync.history, &commit, Timestamp::now());
            }
            sync.commit = commit;
            sync.generation = repo.meta.generation;
            sync.force_sync_generation = repo.spec.force_sync_generation;
        }
        Err(error) => sync.problem = Some(errors::chain(&error)),
    }
}

fn record(ctx: &Ctx, key: &ObjectKey, sync: Sync) {
    if let Some(problem) = sync.problem() {
        let known = ctx.world.read(|state| {
            state
                .syncs
                .get(key)
                .is_some_and(|known| known.problem() == Some(problem))
        });
        if !known {
            tracing::warn!(gitrepo = %key, error = problem, "synchronising failed");
        }
    }
    ctx.world.update(|state| {
        if let Some(repo) = state.index.git_repos.get(key) {
            let (before, stored) = (state.syncs.get(key), &repo.status.commit);
            let about = (key, repo.meta.uid.as_str());
            ctx.events
                .record(about_repository(about, before, stored, &sync));
        }
        state.git_repo_synced(key, sync)
    });
}

fn interval(ctx: &Ctx, repo: &GitRepoEntry) -> Duration {
    let given = repo
        .spec
        .polling_interval
        .as_ref()
        .and_then(|interval| interval.to_std().ok());
    let interval = given
        .filter(|interval| !interval.is_zero())
        .unwrap_or(ctx.polling_interval);
    // Repositories that were added together should not be polled together for ever: up to a tenth
    // more, fixed for each object so that a run can be repeated.
    let share = repo
        .meta
        .uid
        .bytes()
        .fold(0_u32, |sum, byte| sum.wrapping_mul(31) + u32::from(byte));
    interval + interval * (share % 100) / 1000
}
