//! Which objects this process works on: those of its shard, and of these its share.
//!
//! * **Object**: Leases in the system namespace, one for each replica.
//! * **Reads**: these Leases; the label `fleet.cattle.io/shard-ref` of GitRepos, Bundles, Clusters and
//!   ClusterGroups.
//! * **Writes**: its own Lease; removes those of replicas that are long gone.
//!
//! A shard is what a person cuts out: a controller that is started for a shard works on the objects that
//! name it, one that is started for none on those that name none. Replicas of a shard either elect one
//! that works (`crate::leader`), or lead together and share its objects among them ([`plan`]).
//!
//! Every process knows all objects, so that it can take over at once and statuses count everything. What
//! only the owner of a Bundle knows, others read from what it has stored: its Ready condition, and the
//! display of BundleDeployments that the hub could not bring up to date.
//!
//! Nothing is worked on by two: runs begin through a [`Gate`], and each write of a run asks a fence
//! right before it is sent, so that a process that was suspended writes nothing when it wakes up too late.

mod gate;
pub(crate) mod owners;
pub(crate) mod plan;
pub(crate) mod replicas;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use apiclient::ObjectKey;
use rollup::{Dirty, Source};
use workqueue::Next;

pub(crate) use gate::Gate;
pub(crate) use plan::{Item, Share};

use crate::Ctx;
use crate::index::Index;
use crate::world::client_key;

/// All that exists.
pub(crate) fn items(index: &Index) -> impl Iterator<Item = Item> {
    let git_repos = index.git_repos.keys().cloned().map(Item::GitRepo);
    let bundles = index.bundles.keys().cloned().map(Item::Bundle);
    let clusters = index.clusters.keys().cloned().map(Item::Cluster);
    let groups = index.groups.keys().cloned().map(Item::ClusterGroup);
    let schedules = index.schedules.keys().cloned().map(Item::Schedule);
    let all = git_repos.chain(bundles).chain(clusters).chain(groups);
    let all = all.chain(schedules);
    all.chain([Item::Contents])
}

/// A key of a queue.
pub(crate) trait Key: Clone + Send + 'static {
    /// The item it is about; `None` when that is gone.
    fn item(&self, kind: Kind, index: &Index) -> Option<Item>;
}

/// Which queue a key is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    GitRepo,
    Bundle,
    Deployment,
    Cluster,
    Schedule,
    Contents,
    Registration,
    Token,
    Status,
}

impl Key for ObjectKey {
    fn item(&self, kind: Kind, index: &Index) -> Option<Item> {
        match kind {
            Kind::GitRepo => Some(Item::GitRepo(self.clone())),
            Kind::Bundle => Some(Item::Bundle(self.clone())),
            Kind::Cluster => Some(Item::Cluster(self.clone())),
            Kind::Schedule => Some(Item::Schedule(self.clone())),
            Kind::Deployment => {
                let entry = index.deployments.get(self)?;
                Some(Item::Bundle(entry.bundle.clone()))
            }
            // Few, and about accounts: one process does them all.
            Kind::Registration | Kind::Token => Some(Item::Contents),
            Kind::Contents | Kind::Status => None,
        }
    }
}

impl Key for () {
    fn item(&self, _: Kind, _: &Index) -> Option<Item> {
        Some(Item::Contents)
    }
}

impl Key for Dirty {
    fn item(&self, _: Kind, _: &Index) -> Option<Item> {
        match self {
            Self::Bundle(key) => Some(Item::Bundle(client_key(key))),
            Self::Source(Source::GitRepo(key)) => Some(Item::GitRepo(client_key(key))),
            Self::Source(Source::HelmOp(_)) => None,
            Self::Cluster(key) => Some(Item::Cluster(client_key(key))),
            Self::ClusterGroup(key) => Some(Item::ClusterGroup(client_key(key))),
        }
    }
}

/// Runs `reconcile` for a key if it is this process's to do, and lets it write only while that is so.
/// What is not is forgotten: whoever gets it looks at everything anew.
pub(crate) async fn guard<K, F>(
    ctx: Arc<Ctx>,
    kind: Kind,
    key: K,
    reconcile: impl FnOnce(Arc<Ctx>, K) -> F,
) -> Next
where
    K: Key,
    F: Future<Output = Next>,
{
    let permit = ctx.world.read(|state| {
        let item = key.item(kind, &state.index)?;
        ctx.gate.enter(&state.index, item)
    });
    let Some(permit) = permit else {
        return Next::Done;
    };
    let fence = permit.fence.clone();
    let next = fence
        .clone()
        .scope(reconcile(Arc::clone(&ctx), key.clone()))
        .await;
    if !fence.is_closed() {
        return next;
    }
    let item = ctx.world.read(|state| key.item(kind, &state.index));
    if let Some(item) = item {
        ctx.world.forget_foreign(&item);
    }
    Next::Done
}
