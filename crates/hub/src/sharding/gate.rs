//! Lets runs begin that are this process's to do, and ends those that are not any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apiclient::{Fence, Validity};
use futures::future::join_all;

use super::plan::{Item, Share, is_for_shard};
use crate::index::Index;

/// Which items this process works on, and what is being worked on.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Objects of other shards are none of this process's business; empty for the default.
    shard: String,
    /// Rights that every write depends on.
    pub(crate) leadership: Validity,
    pub(crate) membership: Validity,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    share: Share,
    running: BTreeMap<u64, (Item, Fence)>,
    last: u64,
}

/// A run that may be going on. Dropping it ends it.
pub(crate) struct Permit {
    gate: Arc<Gate>,
    number: u64,
    pub(crate) fence: Fence,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.gate.lock().running.remove(&self.number);
    }
}

impl Default for Gate {
    /// The gate of the only process, which nobody can take anything from.
    fn default() -> Self {
        let right = Validity::unlimited;
        Self::new(String::new(), right(), right())
    }
}

impl Gate {
    /// A gate for a shard, through which everything of it goes until a share is set.
    pub(crate) fn new(shard: String, leadership: Validity, membership: Validity) -> Self {
        let state = State {
            share: Share::All,
            running: BTreeMap::new(),
            last: 0,
        };
        Self {
            shard,
            leadership,
            membership,
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The share as it is now.
    pub(crate) fn share(&self) -> Share {
        self.lock().share.clone()
    }

    /// Whether an item is for this process's shard.
    pub(crate) fn is_of_shard(&self, index: &Index, item: &Item) -> bool {
        is_for_shard(label_of(index, item), &self.shard)
    }

    /// Whether this process works on an item.
    pub(crate) fn has(&self, index: &Index, item: &Item) -> bool {
        self.is_of_shard(index, item) && self.lock().share.has(item)
    }

    /// How many objects of each kind this process works on.
    pub(crate) fn owned(&self, index: &Index) -> BTreeMap<&'static str, u64> {
        let share = self.share();
        let mut owned = BTreeMap::new();
        for item in super::items(index) {
            let is_ours = self.is_of_shard(index, &item) && share.has(&item);
            *owned.entry(item.kind()).or_default() += u64::from(is_ours);
        }
        owned
    }

    /// Begins a run for an item; `None` when it is another process's.
    pub(crate) fn enter(self: &Arc<Self>, index: &Index, item: Item) -> Option<Permit> {
        if !self.is_of_shard(index, &item) {
            return None;
        }
        let mut state = self.lock();
        if !state.share.has(&item) {
            return None;
        }
        let fence = Fence::new(vec![self.leadership.clone(), self.membership.clone()]);
        state.last += 1;
        let number = state.last;
        state.running.insert(number, (item, fence.clone()));
        Some(Permit {
            gate: Arc::clone(self),
            number,
            fence,
        })
    }

    /// Sets the share. Runs that it does not hold write nothing more from now on; returned are the share
    /// as it was, and a future that is over when their last writes are.
    pub(crate) fn set(&self, share: Share) -> (Share, impl Future<Output = ()> + use<>) {
        let mut state = self.lock();
        let lost = state.running.values();
        let lost = lost.filter(|(item, _)| !share.has(item));
        let lost: Vec<Fence> = lost.map(|(_, fence)| fence.clone()).collect();
        for fence in &lost {
            fence.close();
        }
        let old = std::mem::replace(&mut state.share, share);
        let over = async move {
            join_all(lost.iter().map(Fence::idle)).await;
        };
        (old, over)
    }
}

/// The label that names an item's shard.
fn label_of<'a>(index: &'a Index, item: &Item) -> Option<&'a str> {
    let label = |labels: &'a BTreeMap<String, String>| {
        labels.get(api::labels::SHARD_REF).map(String::as_str)
    };
    match item {
        Item::GitRepo(key) => label(&index.git_repos.get(key)?.meta.labels),
        Item::Bundle(key) => label(&index.bundles.get(key)?.meta.labels),
        Item::Cluster(key) => label(&index.clusters.get(key)?.meta.labels),
        Item::ClusterGroup(key) => label(index.groups.get(key)?.group.metadata.labels.as_ref()?),
        Item::Schedule(key) => label(&index.schedules.get(key)?.meta.labels),
        Item::Contents => None,
    }
}
