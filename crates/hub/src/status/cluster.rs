//! The status of a Cluster, as far as the hub computes it.

use api::conditions::{self, Finding, PROCESSED};
use api::v1alpha1::{Cluster, ClusterStatus};
use apiclient::Kind;
use jiff::Timestamp;
use rollup::ClusterView;
use tokio::time::Instant;
use workqueue::Next;

use super::write;
use crate::Ctx;
use crate::world::client_key;

/// What a cluster shows whose agent was never heard of.
const WAIT_CHECK_IN: &str = "WaitCheckIn";

pub(super) async fn reconcile(ctx: &Ctx, key: &rollup::ObjectKey) -> Next {
    let now = Timestamp::now();
    let name = client_key(key);
    let Some((stored, view)) = ctx.world.read(|state| {
        let entry = state.index.clusters.get(&name)?;
        Some((entry.status().clone(), state.rollup.cluster(key)))
    }) else {
        return Next::Done;
    };
    // Until it has a namespace there is nothing to say about deployments.
    if stored.namespace.is_empty() {
        return Next::Done;
    }
    let waits = view.summary.wait_applied > 0 && view.summary.err_applied == 0;
    if let Some(left) = ctx.clusters_in_flight.hold(&name, waits, Instant::now()) {
        return Next::After(left);
    }
    let wanted = status(&stored, view, now);
    let answered = |cluster: Cluster| ctx.world.update(|state| state.cluster_applied(cluster));
    write::differences(
        ctx,
        &Kind::of::<Cluster>(),
        &name,
        (&stored, &wanted),
        answered,
    )
    .await
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
