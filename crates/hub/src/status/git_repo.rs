//! The status of a GitRepo.

use api::conditions::{self, ACCEPTED, Finding, GIT_POLLING, RECONCILING, STALLED};
use api::limits;
use api::v1alpha1::{Condition, GitRepo, GitRepoPin, GitRepoStatus, StatusBase};
use apiclient::{Kind, ObjectKey};
use jiff::Timestamp;
use rollup::{Source, SourceView};
use target::pins;
use workqueue::Next;

use super::write;
use crate::Ctx;
use crate::events::about_omissions;
use crate::git_repo::Sync;
use crate::world::{State, client_key};

/// What a GitRepo shows while its bundles are being made.
const GIT_UPDATING: &str = "GitUpdating";
/// Condition that is False when files have keys without effect and the like; not upstream's.
const LINTED: &str = "Linted";
const WARNINGS: &str = "Warnings";

pub(super) async fn reconcile(ctx: &Ctx, key: &rollup::ObjectKey) -> Next {
    let now = Timestamp::now();
    let name = client_key(key);
    let Some((uid, stored, wanted)) = ctx.world.read(|state| {
        let entry = state.index.git_repos.get(&name)?;
        let view = state.rollup.source(&Source::GitRepo(key.clone()));
        let problem = bundle_problem(state, &name);
        let sync = state.syncs.get(&name);
        let bytes_max = state.limits().message_bytes_max;
        let mut wanted = status(&entry.status, view, sync, problem, bytes_max, now);
        pinned(&mut wanted.base, &entry.spec.pins, bytes_max, now);
        Some((entry.meta.uid.clone(), entry.status.clone(), wanted))
    }) else {
        return Next::Done;
    };
    let answered = |repo: GitRepo| ctx.world.update(|state| state.git_repo_applied(repo));
    let next = write::differences(
        ctx,
        &Kind::of::<GitRepo>(),
        &name,
        (&*stored, &wanted),
        answered,
    )
    .await;
    if next == Next::Done {
        let (before, now) = (omitted(&stored), omitted(&wanted));
        let about = ("GitRepo", (&name, uid.as_str()));
        ctx.events.record(about_omissions(about, before, now));
    }
    next
}

/// Entries that are counted and not listed.
fn omitted(status: &GitRepoStatus) -> i64 {
    status.base.resources_omitted + status.base.per_cluster_resource_counts_omitted
}

/// The first problem that concerns a whole bundle of the repository, by name of the bundle.
fn bundle_problem(state: &State, repo: &ObjectKey) -> Option<String> {
    let first = ObjectKey::new(repo.namespace.clone(), "");
    let bundles = state.index.bundles.range(first..);
    let bundles = bundles.take_while(|(bundle, _)| bundle.namespace == repo.namespace);
    let mut own = bundles.filter(|(_, entry)| entry.git_repo() == Some(&repo.name));
    own.find_map(|(bundle, _)| {
        let problem = match state.reports.get(bundle) {
            Some(report) => report.problem.as_deref(),
            None => state.foreign_problem(bundle),
        };
        problem.map(|problem| format!("bundle {}: {problem}", bundle.name))
    })
}

fn status(
    stored: &GitRepoStatus,
    view: SourceView,
    sync: Option<&Sync>,
    problem: Option<String>,
    message_bytes_max: usize,
    now: Timestamp,
) -> GitRepoStatus {
    let fit = |text: &str| limits::fit_text(text, message_bytes_max).into_owned();
    let mut status = GitRepoStatus {
        base: view.status,
        ..stored.clone()
    };
    status.base.conditions.clone_from(&stored.base.conditions);
    let conditions = &mut status.base.conditions;
    let mut ready = problem.unwrap_or(view.ready_message);
    if let Some(sync) = sync {
        status.commit.clone_from(&sync.commit);
        status.observed_generation = sync.generation;
        status.update_generation = sync.force_sync_generation;
        status.polling_commit.clone_from(&sync.polling_commit);
        status.history.clone_from(&sync.history);
        let job = if sync.problem().is_some() {
            "Failed"
        } else if sync.is_running {
            "InProgress"
        } else {
            "Current"
        };
        job.clone_into(&mut status.git_job_status);
        let polling = sync.polling_error.as_deref().map(fit);
        let mut set = |type_, finding| conditions::set(conditions, type_, finding, now);
        set(GIT_POLLING, Finding::from_error(polling));
        let denied = sync.problem.as_deref().filter(|_| sync.is_denied).map(fit);
        set(ACCEPTED, Finding::from_error(denied));
        set(
            RECONCILING,
            if sync.is_running {
                Finding::True
            } else {
                Finding::False
            },
        );
        set(STALLED, stalled(sync.problem().map(fit)));
        lint(conditions, &sync.warnings, message_bytes_max, now);
        if let Some(problem) = sync.problem() {
            problem.clone_into(&mut ready);
        }
        if sync.is_running {
            GIT_UPDATING.clone_into(&mut status.base.display.state);
        }
    }
    if let Some(sync) = sync.and_then(Sync::problem) {
        status.base.display.message = fit(sync);
        status.base.display.error = true;
    }
    write::set_ready(&mut status.base.conditions, &fit(&ready), now);
    status
}

/// A repository that never had a pin has no such condition.
fn pinned(base: &mut StatusBase, pins: &[GitRepoPin], bytes_max: usize, now: Timestamp) {
    base.display.pinned = limits::fit_text(&pins::commits(pins), bytes_max).into_owned();
    let message = limits::fit_text(&pins::describe(pins), bytes_max).into_owned();
    write::set_pinned(&mut base.conditions, &message, now);
}

fn stalled(problem: Option<String>) -> Finding {
    match problem {
        None => Finding::False,
        Some(message) => Finding::Full {
            status: "True",
            reason: conditions::REASON_ERROR.to_owned(),
            message,
        },
    }
}

/// Warnings are shown while there are any; a repository that never had one has no such condition.
fn lint(conditions: &mut Vec<Condition>, warnings: &[String], bytes_max: usize, now: Timestamp) {
    if warnings.is_empty() {
        if conditions::get(conditions, LINTED).is_some() {
            conditions::set(conditions, LINTED, Finding::True, now);
        }
        return;
    }
    let message = limits::fit_text(&warnings.join("\n"), bytes_max).into_owned();
    let finding = Finding::Full {
        status: "False",
        reason: WARNINGS.to_owned(),
        message,
    };
    conditions::set(conditions, LINTED, finding, now);
}
