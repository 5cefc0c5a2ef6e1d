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
//! A burst of changes is written once it is over ([`SETTLE`]); a stream of them is cut ([`patience`]),
//! for large objects less often, because a status write makes etcd store the whole object again.

mod bundle;
mod cluster;
pub(crate) mod contact;
mod git_repo;
mod group;
pub(crate) mod schedule;
mod write;

use std::sync::Arc;
use std::time::Duration;

use rollup::{Dirty, Source};
use workqueue::Next;

use crate::Ctx;
use crate::index::Index;
use crate::world::client_key;

/// How long an object has to be left alone before its status is written.
pub(crate) const SETTLE: Duration = Duration::from_secs(1);
/// How long it is waited for that at most: the larger the object, the longer.
const PATIENCE: Duration = Duration::from_secs(2);
const PATIENCE_MAX: Duration = Duration::from_secs(30);
/// What etcd may have to store of one object in a second of a stream of changes.
const BYTES_PER_SEC: usize = 16 * 1024;

/// How long changes of an object are collected at most.
pub(crate) fn patience(index: &Index, object: &Dirty) -> Duration {
    let bytes = match object {
        Dirty::Bundle(key) => {
            let entry = index.bundles.get(&client_key(key));
            entry.map_or(0, |entry| entry.bytes)
        }
        Dirty::Source(Source::GitRepo(key)) => {
            let entry = index.git_repos.get(&client_key(key));
            entry.map_or(0, |entry| entry.status_bytes)
        }
        // Their statuses hold numbers and a few examples.
        Dirty::Source(Source::HelmOp(_)) | Dirty::Cluster(_) | Dirty::ClusterGroup(_) => 0,
    };
    let secs = u64::try_from(bytes / BYTES_PER_SEC).unwrap_or(u64::MAX);
    Duration::from_secs(secs).clamp(PATIENCE, PATIENCE_MAX)
}

/// How long an object that is given this patience has to be left alone: a second, but for the largest.
pub(crate) fn settle(patience: Duration) -> Duration {
    (patience / 10).max(SETTLE)
}

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

#[cfg(test)]
mod tests {
    use api::v1alpha1::{Bundle, BundleResource};

    use super::*;

    #[test]
    fn a_bundle_with_many_bytes_of_files_is_written_less_often() {
        let mut index = Index::default();
        let key = rollup::ObjectKey::new("ns", "app");
        let dirty = Dirty::Bundle(key.clone());
        assert_eq!(patience(&index, &dirty), PATIENCE);
        let mut bundle = Bundle::default();
        bundle.metadata.namespace = Some("ns".to_owned());
        bundle.metadata.name = Some("app".to_owned());
        index.bundle_applied(bundle.clone());
        assert_eq!(patience(&index, &dirty), PATIENCE);
        bundle.metadata.generation = Some(2);
        bundle.spec.resources = vec![BundleResource {
            content: "x".repeat(5 * BYTES_PER_SEC),
            ..BundleResource::default()
        }];
        index.bundle_applied(bundle.clone());
        assert_eq!(patience(&index, &dirty), Duration::from_secs(5));
        bundle.metadata.generation = Some(3);
        bundle.spec.resources[0].content = "x".repeat(100 * BYTES_PER_SEC);
        index.bundle_applied(bundle);
        assert_eq!(patience(&index, &dirty), PATIENCE_MAX);
        assert_eq!(settle(PATIENCE_MAX), 3 * SETTLE);
        assert_eq!(settle(PATIENCE), SETTLE);
        assert_eq!(patience(&index, &Dirty::Cluster(key)), PATIENCE);
    }
}
