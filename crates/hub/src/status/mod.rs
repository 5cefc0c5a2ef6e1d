//! Writes what the roll-up and the controllers know into statuses.
//!
//! * **Object**: Bundle, GitRepo, Cluster, ClusterGroup.
//! * **Reads**: the roll-up, the index, the findings of the controllers.
//! * **Writes**: `status`, as far as the hub owns it.
//! * **Woken by**: counters that changed, findings that changed, and the object itself: its stored
//!   status may differ from the computed one for whatever reason.
//!
//! A status is computed from memory, compared with what is stored and written until both are equal
//! (invariant S-1): the comparison runs again when the watch brings the object after our own write.
//! An object is written at most once in [`SETTLE`], a large one less often, because a status write
//! makes etcd store the whole object again.

mod bundle;
mod cluster;
mod git_repo;
mod group;
mod write;

use std::sync::Arc;
use std::time::Duration;

use rollup::{Dirty, Source};
use workqueue::Next;

use crate::Ctx;

/// How long changes of one object are collected before its status is written.
pub(crate) const SETTLE: Duration = Duration::from_secs(1);

/// One run for one object.
pub(crate) async fn reconcile(ctx: Arc<Ctx>, dirty: Dirty) -> Next {
    match &dirty {
        Dirty::Bundle(key) => bundle::reconcile(&ctx, key).await,
        Dirty::Source(Source::GitRepo(key)) => git_repo::reconcile(&ctx, key).await,
        // Its controller is not part of this program yet, so nobody reads its counters.
        Dirty::Source(Source::HelmOp(_)) => Next::Done,
        Dirty::Cluster(key) => cluster::reconcile(&ctx, key).await,
        Dirty::ClusterGroup(key) => group::reconcile(&ctx, key).await,
    }
}
