//! What a commit means for the Bundles of a repository. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::labels::{PINNED_COMMIT, REPO_NAME};
use api::limits::Limits;
use api::v1alpha1::{DeployedCommit, GitRepoSpec};
use apiclient::ObjectKey;
use bundle::content::Stored;
use bundle::write::{Existing, WritePlan, plan_write};
use bundle::{ApplyOptions, DrivenPath, OnError, Outcome, Paths, Targets, Warning};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use target::policy::{Defaults, Rules};

use crate::index::{GitRepoEntry, Index, NotServed};

/// Problems named in one message.
const PROBLEMS_SHOWN: usize = 3;

/// Generation and labels of each Bundle of a repository, by name.
pub(crate) fn bundles_of(
    index: &Index,
    repo: &ObjectKey,
) -> BTreeMap<String, (i64, BTreeMap<String, String>)> {
    let first = ObjectKey::new(repo.namespace.clone(), "");
    let near = index
        .bundles
        .range(first..)
        .take_while(|(key, _)| key.namespace == repo.namespace);
    let own = near.filter(|(_, entry)| entry.git_repo() == Some(repo.name.as_str()));
    own.map(|(key, entry)| {
        (
            key.name.clone(),
            (entry.meta.generation, entry.meta.labels.clone()),
        )
    })
    .collect()
}

/// Uid of each Bundle of a repository that is not on its way out, by name.
pub(crate) fn uids_of(index: &Index, repo: &ObjectKey) -> BTreeMap<String, String> {
    let near = index.bundles_of(&repo.namespace);
    let own = near
        .filter(|(_, entry)| entry.git_repo() == Some(repo.name.as_str()) && !entry.meta.deleting);
    own.map(|(key, entry)| (key.name.clone(), entry.meta.uid.clone()))
        .collect()
}

/// What a GitRepo has to be completed with by the rules of its namespace, or why they deny it.
pub(crate) fn authorize(
    rules: Result<Arc<Rules>, NotServed>,
    spec: &GitRepoSpec,
) -> Result<Defaults, String> {
    let rules = rules.map_err(|missing| missing.to_string())?;
    let authorized = rules.authorize_git_repo(spec);
    authorized.map_err(|denied| errors::chain(&denied))
}

/// What the directories of a repository are read with.
pub(crate) fn options(key: &ObjectKey, repo: &GitRepoEntry, commit: &str) -> ApplyOptions {
    let spec = &repo.spec;
    let mut labels = repo.meta.labels.clone();
    labels.insert(REPO_NAME.to_owned(), key.name.clone());
    labels.extend([bundle::commit_label(commit)]);
    if target::pins::whole(&spec.pins) == Some(commit) {
        labels.insert(PINNED_COMMIT.to_owned(), commit.to_owned());
    }
    ApplyOptions {
        name: key.name.clone(),
        namespace: key.namespace.clone(),
        paths: paths(spec),
        options_file: None,
        targets: Targets::GitRepo(spec.targets.clone()),
        labels,
        service_account: spec.service_account.clone(),
        target_namespace: spec.target_namespace.clone(),
        sync_generation: spec.force_sync_generation,
        paused: spec.paused,
        keep_resources: spec.keep_resources,
        delete_namespace: spec.delete_namespace,
        correct_drift: spec.correct_drift.clone(),
        compress: false,
        on_error: OnError::GoOn,
    }
}

fn paths(spec: &GitRepoSpec) -> Paths {
    if spec.bundles.is_empty() {
        return Paths::Scan(spec.paths.clone());
    }
    let driven = spec.bundles.iter().map(|path| DrivenPath {
        base: path.base.clone(),
        options: Some(path.options.clone()).filter(|options| !options.is_empty()),
    });
    Paths::Driven(driven.collect())
}

/// Commits that are remembered.
const HISTORY_MAX: usize = 20;

/// Puts a commit that was deployed at the front of those that were before.
pub(crate) fn remember(history: &mut Vec<DeployedCommit>, commit: &str, now: Timestamp) {
    if history
        .first()
        .is_some_and(|newest| newest.commit == commit)
    {
        return;
    }
    // As it is stored: what is finer would differ from it for ever.
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    history.retain(|known| known.commit != commit);
    history.insert(
        0,
        DeployedCommit {
            commit: commit.to_owned(),
            time: Some(Time(now)),
        },
    );
    history.truncate(HISTORY_MAX);
}

/// The bundles of a commit, ready to be written.
#[derive(Debug, Default)]
pub(crate) struct Built {
    pub(crate) stored: Vec<Stored>,
    pub(crate) warnings: Vec<String>,
    pub(crate) problems: Vec<String>,
}

/// Builds the bundles of a tree; `None` if that takes files which were left out of it.
///
/// `is_whole`: nothing was left out, so what is not there does not exist.
pub(crate) fn build(
    tree: &fetch::Tree,
    options: &ApplyOptions,
    limits: &Limits,
    is_whole: bool,
) -> Option<Built> {
    let outcome = bundle::read(&tree.files, options);
    if outcome.needs_whole_tree && !is_whole {
        return None;
    }
    let mut built = built(outcome, &options.paths, limits);
    built.warnings.extend(tree.warnings());
    Some(built)
}

/// Decides how each bundle is stored and collects what people should know.
pub(crate) fn built(outcome: Outcome, paths: &Paths, limits: &Limits) -> Built {
    let mut built = Built::default();
    if let Some(nothing) = outcome.nothing_found(paths) {
        built.problems.push(nothing.to_string());
    }
    for failure in outcome.errors {
        built.problems.push(format!(
            "{}: {}",
            failure.path,
            errors::chain(&failure.error)
        ));
    }
    built
        .warnings
        .extend(outcome.warnings.iter().map(Warning::to_string));
    for one in outcome.bundles {
        match bundle::content::store(one.bundle, limits) {
            Ok(stored) => built.stored.push(stored),
            Err(error) => built
                .problems
                .push(format!("{}: {}", one.path, errors::chain(&error))),
        }
    }
    built
}

impl Built {
    /// Names of the bundles.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let names = self
            .stored
            .iter()
            .map(|stored| &stored.bundle.metadata.name);
        names.flatten().cloned().collect()
    }

    /// One text for all problems, or none.
    pub(crate) fn problem(&self, refusals: &[bundle::write::Refusal]) -> Option<String> {
        let refusals = refusals.iter().map(ToString::to_string);
        let all: Vec<String> = self.problems.iter().cloned().chain(refusals).collect();
        if all.is_empty() {
            return None;
        }
        let shown = all
            .iter()
            .take(PROBLEMS_SHOWN)
            .cloned()
            .collect::<Vec<_>>()
            .join("; ");
        Some(match all.len().checked_sub(PROBLEMS_SHOWN) {
            None | Some(0) => shown,
            Some(more) => format!("{shown}; and {more} more"),
        })
    }

    /// The writes that lead from what exists to what the commit gives.
    ///
    /// While anything could not be built, nothing is deleted: what is missing may be what failed.
    pub(crate) fn writes(&mut self, repo: &str, existing: &[Existing]) -> WritePlan {
        let prune = self.problems.is_empty();
        plan_write(repo, existing, std::mem::take(&mut self.stored), prune)
    }
}
