//! Counts of what a client did, for metrics, benchmarks and tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

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
    /// By kind's display form.
    sizes: Mutex<BTreeMap<String, Size>>,
    /// When each running watch last did something, by a number of its own.
    watches: Mutex<Watches>,
}

/// How large objects of a kind are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Largest object seen in a write or its answer, in bytes.
    pub largest: usize,
    /// Budget of the kind, in bytes.
    pub bytes_max: usize,
}

#[derive(Debug, Default)]
struct Watches {
    last: u64,
    running: BTreeMap<u64, (String, Instant)>,
}

impl Stats {
    pub(crate) fn count(&self, verb: &'static str, resource: String) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        *calls.entry(Call { verb, resource }).or_insert(0) += 1;
    }

    /// `bytes_max` is asked once for each kind.
    pub(crate) fn size(&self, kind: &str, bytes: usize, bytes_max: impl FnOnce() -> usize) {
        let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = sizes.get_mut(kind) {
            seen.largest = bytes.max(seen.largest);
        } else {
            let size = Size {
                largest: bytes,
                bytes_max: bytes_max(),
            };
            sizes.insert(kind.to_owned(), size);
        }
    }

    /// Notes a watch that begins; the number names it.
    pub(crate) fn watch_began(&self, kind: &str) -> u64 {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.last += 1;
        let number = watches.last;
        watches
            .running
            .insert(number, (kind.to_owned(), Instant::now()));
        number
    }

    /// Notes that a watch lists, connects or fails: it is not stuck.
    pub(crate) fn watch_moves(&self, number: u64) {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, moved)) = watches.running.get_mut(&number) {
            *moved = Instant::now();
        }
    }

    pub(crate) fn watch_ended(&self, number: u64) {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.running.remove(&number);
    }

    /// Kinds with a watch that did nothing for this long, sorted. A watch that works is made anew every
    /// few minutes, however quiet the kind is.
    pub fn silent_watches(&self, longer_than: Duration) -> Vec<String> {
        let watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let running = watches.running.values();
        let silent = running.filter(|(_, moved)| moved.elapsed() > longer_than);
        let mut kinds: Vec<String> = silent.map(|(kind, _)| kind.clone()).collect();
        kinds.sort();
        kinds.dedup();
        kinds
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

    /// Sizes of what was written so far, by kind (`plural.group`).
    pub fn sizes(&self) -> BTreeMap<String, Size> {
        self.sizes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_does_nothing_for_too_long_is_named_until_it_moves_or_ends() {
        let (stats, minute) = (Stats::default(), Duration::from_mins(1));
        let (bundles, secrets) = (stats.watch_began("bundles"), stats.watch_began("secrets"));
        tokio::time::advance(minute * 2).await;
        stats.watch_moves(secrets);
        assert_eq!(stats.silent_watches(minute * 2), Vec::<String>::new());
        assert_eq!(stats.silent_watches(minute), ["bundles"]);
        stats.watch_moves(bundles);
        assert_eq!(stats.silent_watches(minute), Vec::<String>::new());
        tokio::time::advance(minute * 2).await;
        stats.watch_ended(bundles);
        assert_eq!(stats.silent_watches(minute), ["secrets"]);
        // A late word of a watch that is gone brings nothing back.
        stats.watch_moves(bundles);
        stats.watch_ended(secrets);
        tokio::time::advance(minute * 2).await;
        assert_eq!(stats.silent_watches(minute), Vec::<String>::new());
    }
}
