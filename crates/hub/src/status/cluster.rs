//! The status of a Cluster, as far as the hub computes it.

use api::conditions::{self, Finding, IMPORTED, PROCESSED};
use api::v1alpha1::{BundleSummary, Cluster, ClusterStatus};
use apiclient::Kind;
use jiff::Timestamp;
use rollup::ClusterView;
use tokio::time::Instant;
use workqueue::Next;

use super::contact::{self, Contact};
use super::{schedule, write};
use crate::Ctx;
use crate::index::Window;
use crate::world::client_key;

/// What a cluster shows whose agent was never heard of.
const WAIT_CHECK_IN: &str = "WaitCheckIn";

pub(super) async fn reconcile(ctx: &Ctx, key: &rollup::ObjectKey) -> Next {
    let now = Timestamp::now();
    let name = client_key(key);
    let instant = Instant::now();
    let Some((stored, view, n_in_flight, window, imported)) = ctx.world.read(|state| {
        let entry = state.index.clusters.get(&name)?;
        let n_in_flight = state.in_flight.n_in(entry.namespace(), instant);
        let window = if ctx.schedules {
            state.index.window(&name, now)
        } else {
            Window::default()
        };
        Some((
            entry.status().clone(),
            state.rollup.cluster(key),
            n_in_flight,
            window,
            state.imports.get(&name).cloned(),
        ))
    }) else {
        ctx.contacts.forget(&name);
        return Next::Done;
    };
    // Until it has a namespace there is nothing to say about deployments.
    if stored.namespace.is_empty() {
        return Next::Done;
    }
    let is_open = (stored.scheduled, stored.active_schedule) == (window.scheduled, window.active);
    let may_wait = is_explained(&stored.summary, &view.summary, n_in_flight as i64) && is_open;
    if let Some(left) = ctx.clusters_held.hold(&name, may_wait, instant) {
        return Next::After(left);
    }
    let interval = ctx.agent_checkin_interval();
    let contact = ctx.contacts.look(&name, &stored, interval, instant);
    let mut wanted = status(&stored, view, now);
    contact::show(&mut wanted, contact, interval, now);
    if let Some(imported) = imported {
        conditions::set(&mut wanted.conditions, IMPORTED, imported, now);
    }
    (wanted.scheduled, wanted.active_schedule) = (window.scheduled, window.active);
    let answered = |cluster: Cluster| ctx.world.update(|state| state.cluster_applied(cluster));
    let next = write::differences(
        ctx,
        &Kind::of::<Cluster>(),
        &name,
        (&stored, &wanted),
        answered,
    )
    .await;
    // Nobody else says when it becomes late, or a window opens or closes.
    let late = match contact {
        Contact::Heard { left } => Some(left),
        Contact::Never | Contact::Overdue => None,
    };
    let turns = window.until.map(|until| schedule::left(until, now));
    match (next, late.into_iter().chain(turns).min()) {
        (Next::Done, Some(left)) => Next::After(left),
        (next, _) => next,
    }
}

/// Whether deployments in flight account for all that is worse than what is stored.
fn is_explained(stored: &BundleSummary, now: &BundleSummary, n_in_flight: i64) -> bool {
    let behind = |summary: &BundleSummary| summary.desired_ready - summary.ready;
    n_in_flight > 0
        && behind(now) <= behind(stored) + n_in_flight
        && now.err_applied <= stored.err_applied
}

/// The stored status with the members replaced that the hub computes; those of the agent and of
/// registration stay as they are.
fn status(stored: &ClusterStatus, view: ClusterView, now: Timestamp) -> ClusterStatus {
    let mut status = ClusterStatus {
        summary: view.summary,
        resource_counts: view.resource_counts,
        ready_git_repos: view.ready_git_repos,
        desired_ready_git_repos: view.desired_ready_git_repos,
        ready_helm_ops: view.ready_helm_ops,
        desired_ready_helm_ops: view.desired_ready_helm_ops,
        display: view.display,
        ..stored.clone()
    };
    if stored.agent.last_seen.is_none() {
        WAIT_CHECK_IN.clone_into(&mut status.display.state);
    }
    write::set_ready(&mut status.conditions, &view.ready_message, now);
    conditions::set(&mut status.conditions, PROCESSED, Finding::True, now);
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(desired_ready: i64, ready: i64, err_applied: i64) -> BundleSummary {
        BundleSummary {
            desired_ready,
            ready,
            err_applied,
            ..BundleSummary::default()
        }
    }

    #[test]
    fn only_what_is_in_flight_may_wait() {
        let stored = summary(5, 4, 1);
        assert!(is_explained(&stored, &summary(6, 4, 1), 1));
        assert!(is_explained(&stored, &summary(5, 2, 1), 2));
        assert!(!is_explained(&stored, &summary(5, 2, 1), 1), "one broke");
        assert!(!is_explained(&stored, &summary(6, 4, 2), 1), "one failed");
        assert!(!is_explained(&stored, &summary(5, 5, 0), 0), "all landed");
    }
}
