//! The objects of one resource in one cluster, with their history and watchers; reading pages of the
//! present and of the past.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::watch::Scope;
use super::{Entry, Error, Event, ListRange, ObjectKey, Page};

#[derive(Default)]
pub(super) struct Bucket {
    pub(super) objects: BTreeMap<ObjectKey, Arc<Entry>>,
    pub(super) history: VecDeque<Arc<Event>>,
    /// Revision of the newest event dropped from `history`: the oldest readable state.
    pub(super) compacted: u64,
    /// Revision of the newest write to this bucket.
    pub(super) changed: u64,
    pub(super) watchers: Vec<WatcherSlot>,
}

pub(super) struct WatcherSlot {
    pub(super) scope: Scope,
    pub(super) queue: mpsc::Sender<Arc<Event>>,
}

impl Bucket {
    pub(super) fn list_now(&self, range: &ListRange<'_>, revision: u64) -> Page {
        let all = self
            .objects
            .range((range.lower(), Bound::Unbounded))
            .take_while(|(key, _)| range.covers(key));
        let mut entries = Vec::new();
        let mut remaining = 0;
        for (_, entry) in all {
            if range.limit == 0 || entries.len() < range.limit {
                entries.push(Arc::clone(entry));
            } else {
                remaining += 1;
            }
        }
        Page {
            entries,
            revision,
            remaining,
        }
    }

    /// The state at an older revision: today's objects with the changes since then undone.
    pub(super) fn list_at(&self, range: &ListRange<'_>, revision: u64) -> Result<Page, Error> {
        if revision < self.compacted {
            return Err(Error::Compacted {
                requested: revision,
                oldest: self.compacted,
            });
        }
        let first_later = self
            .history
            .partition_point(|event| event.entry.revision <= revision);
        let mut state: BTreeMap<&ObjectKey, &Arc<Entry>> = self
            .objects
            .range((range.lower(), Bound::Unbounded))
            .take_while(|(key, _)| range.covers(key))
            .collect();
        for event in self.history.range(first_later..).rev() {
            let key = &event.entry.key;
            if !range.covers(key) || range.after.as_ref().is_some_and(|after| key <= after) {
                continue;
            }
            match &event.previous {
                Some(previous) => state.insert(key, previous),
                None => state.remove(key),
            };
        }
        let total = state.len();
        let limit = if range.limit == 0 { total } else { range.limit };
        let entries: Vec<_> = state.into_values().take(limit).cloned().collect();
        let remaining = total - entries.len();
        Ok(Page {
            entries,
            revision,
            remaining,
        })
    }
}

impl ListRange<'_> {
    fn lower(&self) -> Bound<ObjectKey> {
        match (&self.after, self.namespace) {
            (Some(after), _) => Bound::Excluded(after.clone()),
            (None, Some(namespace)) => Bound::Included(ObjectKey::new(namespace, "")),
            (None, None) => Bound::Unbounded,
        }
    }

    fn covers(&self, key: &ObjectKey) -> bool {
        self.namespace
            .is_none_or(|namespace| *key.namespace == *namespace)
    }
}
