//! The queue itself: three sets of keys and the instants at which delayed keys are due.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// How long a key that failed has to wait: `base * 2^(failures - 1)`, at most `max`.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// Delay after the first failure.
    pub base: Duration,
    /// The longest delay.
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(200),
            max: Duration::from_mins(2),
        }
    }
}

impl Backoff {
    /// The delay after `failures` failures in a row (at least one).
    pub fn delay(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        self.base.saturating_mul(1_u32 << doublings).min(self.max)
    }
}

/// A work queue shared by its clones. See the crate documentation for the guarantees.
#[derive(Debug)]
pub struct Queue<K> {
    inner: Arc<Inner<K>>,
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

/// When a delayed key is handed out: at `at`, which may be put off up to `latest`.
#[derive(Clone, Copy, Debug)]
struct Delay {
    at: Instant,
    latest: Instant,
}

#[derive(Debug)]
struct Inner<K> {
    state: Mutex<State<K>>,
    /// Wakes one waiting worker whenever a key may have become ready or due earlier.
    wake: Notify,
    backoff: Backoff,
}

/// A key is in at most one of `ready`+`waiting` (to be done), `due` (later) and `working`; a key
/// of `working` may also be in `waiting`, which means "again, when this run is over".
#[derive(Debug)]
struct State<K> {
    /// Keys to hand out, oldest first. Every key here is in `waiting` too.
    ready: VecDeque<K>,
    waiting: BTreeSet<K>,
    working: BTreeSet<K>,
    /// Delayed keys by instant; `delayed` is the same relation by key.
    due: BTreeSet<(Instant, K)>,
    delayed: BTreeMap<K, Delay>,
    failures: BTreeMap<K, u32>,
    closed: bool,
}

impl<K> Default for State<K> {
    fn default() -> Self {
        Self {
            ready: VecDeque::new(),
            waiting: BTreeSet::new(),
            working: BTreeSet::new(),
            due: BTreeSet::new(),
            delayed: BTreeMap::new(),
            failures: BTreeMap::new(),
            closed: false,
        }
    }
}

impl<K: Ord + Clone> State<K> {
    fn add(&mut self, key: K) {
        if let Some(delay) = self.delayed.remove(&key) {
            self.due.remove(&(delay.at, key.clone()));
        }
        if self.waiting.insert(key.clone()) && !self.working.contains(&key) {
            self.ready.push_back(key);
        }
    }

    /// Schedules `key`; the earlier of two instants wins, and a key that already waits stays.
    fn add_at(&mut self, key: K, at: Instant) {
        let known = self.delayed.get(&key);
        if known.is_none_or(|known| at < known.at) {
            self.delay(key, Delay { at, latest: at });
        }
    }

    /// Schedules `key` or puts it off, but never past the latest instant it has.
    fn settle_at(&mut self, key: K, at: Instant, latest: Instant) {
        let known = self.delayed.get(&key);
        let latest = known.map_or(latest, |known| known.latest.min(latest));
        let at = at.min(latest);
        self.delay(key, Delay { at, latest });
    }

    fn delay(&mut self, key: K, delay: Delay) {
        if self.waiting.contains(&key) {
            return;
        }
        if let Some(known) = self.delayed.insert(key.clone(), delay) {
            self.due.remove(&(known.at, key.clone()));
        }
        self.due.insert((delay.at, key));
    }

    fn promote_due(&mut self, now: Instant) {
        while let Some((at, key)) = self.due.first().cloned() {
            if at > now {
                return;
            }
            self.add(key);
        }
    }

    fn take(&mut self) -> Option<K> {
        let key = self.ready.pop_front()?;
        self.waiting.remove(&key);
        self.working.insert(key.clone());
        Some(key)
    }
}

impl<K: Ord + Clone> Default for Queue<K> {
    fn default() -> Self {
        Self::new(Backoff::default())
    }
}

impl<K: Ord + Clone> Queue<K> {
    /// An empty queue.
    pub fn new(backoff: Backoff) -> Self {
        let inner = Inner {
            state: Mutex::new(State::default()),
            wake: Notify::new(),
            backoff,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        // No code that can panic runs under this lock, so a poisoned state is still consistent.
        self.inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds `key` for work as soon as a worker is free. A pending delay of the key is dropped.
    pub fn add(&self, key: K) {
        self.state().add(key);
        self.inner.wake.notify_one();
    }

    /// Adds `key` after `delay`, unless it waits already or is due earlier.
    pub fn add_after(&self, key: K, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        self.state().add_at(key, Instant::now() + delay);
        self.inner.wake.notify_one();
    }

    /// Adds `key` once nobody has asked for it for `quiet`, and at the latest `patience` after it was
    /// first asked for: a burst of changes is one run, and a stream of them a run each `patience`.
    pub fn add_settled(&self, key: K, quiet: Duration, patience: Duration) {
        let now = Instant::now();
        self.state()
            .settle_at(key, now + quiet, now + patience.max(quiet));
        self.inner.wake.notify_one();
    }

    /// Adds `key` after its back-off and counts one more failure. Returns the delay.
    pub fn retry(&self, key: K) -> Duration {
        let delay = {
            let mut state = self.state();
            let failures = state.failures.entry(key.clone()).or_insert(0);
            *failures = failures.saturating_add(1);
            self.inner.backoff.delay(*failures)
        };
        self.add_after(key, delay);
        delay
    }

    /// Forgets the failures of `key`.
    pub fn forget(&self, key: &K) {
        self.state().failures.remove(key);
    }

    /// Waits for the next key. The caller must call [`Queue::done`] with it afterwards.
    /// `None` once the queue is closed; keys still waiting are then not handed out.
    pub async fn next(&self) -> Option<K> {
        self.when_ready(|state| {
            let key = state.take()?;
            if !state.ready.is_empty() || !state.due.is_empty() {
                self.inner.wake.notify_one();
            }
            Some(key)
        })
        .await
    }

    /// Waits until there is a key for [`Queue::next`], or the queue is closed. For a single worker: another may be
    /// faster.
    pub(crate) async fn wait(&self) {
        self.when_ready(|state| (!state.ready.is_empty()).then_some(()))
            .await;
    }

    async fn when_ready<T>(&self, found: impl Fn(&mut State<K>) -> Option<T>) -> Option<T> {
        loop {
            let until = {
                let mut state = self.state();
                if state.closed {
                    // Pass the news on to the next worker.
                    self.inner.wake.notify_one();
                    return None;
                }
                state.promote_due(Instant::now());
                if let Some(found) = found(&mut state) {
                    return Some(found);
                }
                state.due.first().map(|(at, _)| *at)
            };
            match until {
                Some(at) => {
                    tokio::select! {
                        () = self.inner.wake.notified() => {}
                        () = tokio::time::sleep_until(at) => {}
                    }
                }
                None => self.inner.wake.notified().await,
            }
        }
    }

    /// Ends the work on `key`; if it was added meanwhile it becomes ready now.
    pub fn done(&self, key: &K) {
        let mut state = self.state();
        state.working.remove(key);
        if state.waiting.contains(key) {
            state.ready.push_back(key.clone());
            self.inner.wake.notify_one();
        }
    }

    /// Keys that are ready, being worked on or delayed.
    pub fn len(&self) -> usize {
        let state = self.state();
        state.waiting.union(&state.working).count() + state.due.len()
    }

    /// Whether nothing is ready, being worked on or delayed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends all present and future calls of [`Queue::next`].
    pub fn close(&self) {
        self.state().closed = true;
        self.inner.wake.notify_waiters();
        self.inner.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_waits_once_however_often_it_is_added() {
        let queue = Queue::default();
        queue.add("a");
        queue.add("a");
        queue.add("b");
        assert_eq!(queue.next().await, Some("a"));
        assert_eq!(queue.next().await, Some("b"));
        queue.done(&"a");
        queue.done(&"b");
        assert!(queue.is_empty());
    }

    #[tokio::test]
    async fn a_key_added_during_its_run_is_handed_out_only_afterwards() {
        let queue = Queue::default();
        queue.add("a");
        assert_eq!(queue.next().await, Some("a"));
        queue.add("a");
        queue.add("b");
        assert_eq!(queue.next().await, Some("b"));
        queue.done(&"a");
        assert_eq!(queue.next().await, Some("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_earlier_of_two_delays_wins() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.add_after("a", Duration::from_mins(1));
        queue.add_after("a", Duration::from_secs(5));
        queue.add_after("a", Duration::from_secs(30));
        assert_eq!(queue.next().await, Some("a"));
        assert_eq!(start.elapsed().as_secs(), 5);
        queue.done(&"a");
        assert!(queue.is_empty());
    }

    /// Asks for a key each 600 ms and tells after how many milliseconds it was handed out.
    async fn handed_out_after(queue: &Queue<&'static str>, times: u32) -> u128 {
        let (start, asking) = (Instant::now(), queue.clone());
        let asks = tokio::spawn(async move {
            for _ in 0..times {
                asking.add_settled("a", Duration::from_secs(1), Duration::from_secs(3));
                tokio::time::sleep(Duration::from_millis(600)).await;
            }
        });
        assert_eq!(queue.next().await, Some("a"));
        queue.done(&"a");
        asks.abort();
        start.elapsed().as_millis()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_handed_out_once_it_is_over_and_a_stream_each_time_patience_ends() {
        let queue = Queue::default();
        assert_eq!(handed_out_after(&queue, 1).await, 1000);
        assert_eq!(handed_out_after(&queue, 3).await, 2200);
        assert_eq!(handed_out_after(&queue, 1000).await, 3000);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_at_an_instant_is_not_put_off_by_what_settles() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.add_after("a", Duration::from_millis(500));
        queue.add_settled("a", Duration::from_secs(1), Duration::from_secs(3));
        assert_eq!(queue.next().await, Some("a"));
        assert_eq!(start.elapsed().as_millis(), 500);
        queue.done(&"a");
        queue.add_after("a", Duration::from_mins(1));
        queue.add_settled("a", Duration::from_secs(1), Duration::from_secs(3));
        assert_eq!(queue.next().await, Some("a"));
        assert_eq!(start.elapsed().as_millis(), 1500);
    }

    #[tokio::test(start_paused = true)]
    async fn adding_a_delayed_key_drops_the_delay() {
        let queue = Queue::default();
        queue.add_after("a", Duration::from_mins(1));
        queue.add("a");
        assert_eq!(queue.next().await, Some("a"));
        queue.done(&"a");
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_key_waits_twice_as_long_each_time_until_it_is_forgotten() {
        let backoff = Backoff {
            base: Duration::from_secs(1),
            max: Duration::from_secs(3),
        };
        let queue = Queue::new(backoff);
        let delays: Vec<u64> = (0..4).map(|_| queue.retry("a").as_secs()).collect();
        assert_eq!(delays, [1, 2, 3, 3]);
        queue.forget(&"a");
        assert_eq!(queue.retry("a").as_secs(), 1);
    }

    #[tokio::test]
    async fn close_ends_every_waiting_worker() {
        let queue: Queue<u8> = Queue::default();
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move { queue.next().await })
            })
            .collect();
        tokio::task::yield_now().await;
        queue.close();
        for worker in workers {
            assert_eq!(worker.await.unwrap(), None);
        }
    }
}
