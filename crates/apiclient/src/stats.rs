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

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It was granted.
    Ok,
    /// The object or its kind does not exist.
    NotFound,
    /// It does not go with what is stored (409, 410, 412).
    Conflict,
    /// It was refused otherwise, for what it is or for who asks.
    Refused,
    /// The server could not answer it now (429 and from 500 on).
    Failed,
    /// There was no answer.
    Unanswered,
}

impl Outcome {
    pub(crate) fn of(status: http::StatusCode) -> Self {
        match status.as_u16() {
            200..400 => Self::Ok,
            404 => Self::NotFound,
            409 | 410 | 412 => Self::Conflict,
            429 | 500.. => Self::Failed,
            _ => Self::Refused,
        }
    }

    /// The word for labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unanswered => "unanswered",
        }
    }
}

/// Counters of one client and its clones. Cheap enough to be always on.
#[derive(Debug, Default)]
pub struct Stats {
    calls: Mutex<BTreeMap<Call, u64>>,
    answers: Mutex<Answers>,
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
struct Answers {
    outcomes: BTreeMap<(&'static str, Outcome), u64>,
    granted: Option<Instant>,
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

    pub(crate) fn answered(&self, verb: &'static str, outcome: Outcome) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.outcomes.entry((verb, outcome)).or_insert(0) += 1;
        if outcome == Outcome::Ok {
            answers.granted = Some(Instant::now());
        }
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

    /// Requests that have ended, by verb and outcome. Watches count when they are opened.
    pub fn outcomes(&self) -> BTreeMap<(&'static str, Outcome), u64> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.outcomes.clone()
    }

    /// How long ago the server last granted a request; `None` before the first.
    pub fn granted_ago(&self) -> Option<Duration> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.granted.map(|at| at.elapsed())
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
    async fn only_what_is_granted_counts_as_contact() {
        let (stats, minute) = (Stats::default(), Duration::from_mins(1));
        let of = |code: u16| Outcome::of(http::StatusCode::from_u16(code).unwrap());
        stats.answered("get", of(403));
        stats.answered("get", Outcome::Unanswered);
        assert_eq!(stats.granted_ago(), None);
        stats.answered("apply", of(200));
        tokio::time::advance(minute).await;
        for code in [401, 404, 409, 410, 422, 429, 503] {
            stats.answered("apply", of(code));
        }
        assert_eq!(stats.granted_ago(), Some(minute));
        let counts = stats.outcomes().into_iter();
        let counts: Vec<_> = counts
            .map(|((verb, it), n)| (verb, it.as_str(), n))
            .collect();
        assert_eq!(
            counts,
            [
                ("apply", "ok", 1),
                ("apply", "not_found", 1),
                ("apply", "conflict", 2),
                ("apply", "refused", 2),
                ("apply", "failed", 2),
                ("get", "refused", 1),
                ("get", "unanswered", 1),
            ]
        );
    }

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
