//! The status of a Schedule; and the end of one that upstream has held.

use std::sync::Arc;
use std::time::Duration;

use api::conditions::{self, READY};
use api::labels::SCHEDULE_FINALIZER;
use api::limits;
use api::v1alpha1::{Schedule, ScheduleStatus};
use apiclient::{Kind, ObjectKey};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use workqueue::Next;

use super::write;
use crate::Ctx;
use crate::index::ScheduleEntry;

/// How long it takes at most until a clock that was set is noticed.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// One run for the Schedule `key`.
pub(crate) async fn reconcile(ctx: Arc<Ctx>, key: ObjectKey) -> Next {
    let (now, names_max) = (Timestamp::now(), ctx.limits.cluster_names_bytes_max);
    let found = ctx.world.read(|state| {
        let entry = state.index.schedules.get(&key)?;
        let clusters = state.index.scheduled_by(&key, entry);
        Some((Arc::clone(entry), clusters))
    });
    let Some((entry, clusters)) = found else {
        return Next::Done;
    };
    let kind = Kind::of::<Schedule>();
    if entry.meta.deleting {
        return release(&ctx, &kind, &key, &entry).await;
    }
    if !ctx.schedules {
        return Next::Done;
    }
    let (wanted, until) = status(&entry, clusters, names_max, now);
    let answered = |schedule: Schedule| ctx.world.update(|state| state.schedule_applied(schedule));
    let both = (&*entry.status, &wanted);
    match write::differences(&ctx, &kind, &key, both, answered).await {
        Next::Done => until.map_or(Next::Done, |until| Next::After(left(until, now))),
        next => next,
    }
}

/// How long to wait for something that happens at `until`, by a clock that may be set meanwhile.
pub(super) fn left(until: Timestamp, now: Timestamp) -> Duration {
    let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
    // A moment later, so that it has happened then.
    (left + Duration::from_millis(20)).min(LOOK_AGAIN)
}

async fn release(ctx: &Ctx, kind: &Kind, key: &ObjectKey, entry: &ScheduleEntry) -> Next {
    if !entry.meta.has_finalizer(SCHEDULE_FINALIZER) {
        return Next::Done;
    }
    let mut finalizers = entry.meta.finalizers.clone();
    finalizers.retain(|finalizer| finalizer != SCHEDULE_FINALIZER);
    match crate::finalizers::replace(&ctx.client, kind, key, &finalizers).await {
        Ok(()) => Next::Done,
        Err(error) => crate::failure::next("schedule", key, &write::Failed(error)),
    }
}

fn status(
    entry: &ScheduleEntry,
    clusters: Vec<String>,
    names_bytes_max: usize,
    now: Timestamp,
) -> (ScheduleStatus, Option<Timestamp>) {
    let fitted = limits::fit(clusters, usize::MAX, names_bytes_max);
    let mut status = ScheduleStatus {
        conditions: entry.status.conditions.clone(),
        matching_clusters: fitted.kept,
        matching_clusters_omitted: fitted.omitted as i64,
        ..ScheduleStatus::default()
    };
    let (mut until, mut problem) = (None, String::new());
    match &entry.windows {
        Ok(windows) => {
            let moment = windows.at(now);
            status.active = moment.active;
            status.next_start_time = moment.next_start.map(|start| Time(start.timestamp()));
            until = moment.next_change;
        }
        Err(reason) => problem.clone_from(reason),
    }
    // One that was never wrong has no such condition, as upstream.
    if !problem.is_empty() || conditions::get(&status.conditions, READY).is_some() {
        write::set_ready(&mut status.conditions, &problem, now);
    }
    (status, until)
}
