//! Counts of what a client did, for metrics, benchmarks and tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A verb on a kind, with the subresource if any: `patch clusters.fleet.cattle.io/status`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `apply` or `delete`.
    pub verb: &'static str,
    /// Plural and group, then `/subresource`.
    pub resource: String,
}

impl Call {
    /// Whether the call changes the stored world.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb, "get" | "list" | "watch")
    }
}

/// Counters of one client and its clones. Cheap enough to be always on.
#[derive(Debug, Default)]
pub struct Stats {
    calls: Mutex<BTreeMap<Call, u64>>,
    /// Largest object seen in a write or its answer, by kind's display form.
    largest: Mutex<BTreeMap<String, usize>>,
}

impl Stats {
    pub(crate) fn count(&self, verb: &'static str, resource: String) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry(Call { verb, resource }).or_insert(0) += 1;
    }

    pub(crate) fn size(&self, kind: &str, bytes: usize) {
        let mut largest = self.largest.lock().unwrap_or_else(PoisonError::into_inner);
        match largest.get_mut(kind) {
            Some(seen) => *seen = bytes.max(*seen),
            None => {
                largest.insert(kind.to_owned(), bytes);
            }
        }
    }

    /// All calls so far.
    pub fn calls(&self) -> BTreeMap<Call, u64> {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// All calls so far that change the stored world.
    pub fn writes(&self) -> u64 {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls
            .iter()
            .filter(|(call, _)| call.is_write())
            .map(|(_, n)| n)
            .sum()
    }

    /// Largest object written so far by kind (`plural.group`), in bytes.
    pub fn largest(&self) -> BTreeMap<String, usize> {
        self.largest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
