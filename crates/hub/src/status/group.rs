//! The status of a ClusterGroup.

use api::conditions::{self, Finding, PROCESSED};
use api::v1alpha1::{ClusterGroup, ClusterGroupStatus};
use apiclient::Kind;
use jiff::Timestamp;
use rollup::ClusterGroupView;
use workqueue::Next;

use super::write;
use crate::Ctx;
use crate::world::client_key;

pub(super) async fn reconcile(ctx: &Ctx, key: &rollup::ObjectKey) -> Next {
    let now = Timestamp::now();
    let name = client_key(key);
    let Some((stored, view)) = ctx.world.read(|state| {
        let entry = state.index.groups.get(&name)?;
        Some((entry.status().clone(), state.rollup.cluster_group(key)))
    }) else {
        return Next::Done;
    };
    let wanted = status(&stored, view, now);
    let answered = |group: ClusterGroup| ctx.world.update(|state| state.group_applied(group));
    write::differences(
        ctx,
        &Kind::of::<ClusterGroup>(),
        &name,
        (&stored, &wanted),
        answered,
    )
    .await
}

fn status(
    stored: &ClusterGroupStatus,
    view: ClusterGroupView,
    now: Timestamp,
) -> ClusterGroupStatus {
    let mut status = ClusterGroupStatus {
        cluster_count: view.cluster_count,
        non_ready_cluster_count: view.non_ready_cluster_count,
        non_ready_clusters: view.non_ready_clusters,
        conditions: stored.conditions.clone(),
        summary: view.summary,
        display: view.display,
        resource_counts: view.resource_counts,
    };
    write::set_ready(&mut status.conditions, &view.ready_message, now);
    conditions::set(&mut status.conditions, PROCESSED, Finding::True, now);
    status
}
