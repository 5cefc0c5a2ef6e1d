//! Keys with due times: one queue for everything that waits.
//!
//! In: keys, and how long each is to wait. Out: the keys whose time has come, earliest first. A key is in
//! the queue once; pushing it again changes nothing, so that frequent updates cannot put it off.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// Keys by due time.
#[derive(Debug)]
pub(super) struct Queue<K> {
    due: BTreeMap<(Instant, u64), K>,
    /// When each key was first pushed.
    since: HashMap<K, Instant>,
    /// Tells keys that are due at one instant apart.
    sequence: u64,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self {
            due: BTreeMap::new(),
            since: HashMap::new(),
            sequence: 0,
        }
    }
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// Adds a key that is due after `delay`; nothing happens if it is waiting already.
    pub(super) fn push(&mut self, key: K, now: Instant, delay: Duration) {
        if !self.since.contains_key(&key) {
            self.again(key, now, now + delay);
        }
    }

    /// Puts back a key that was popped; `since` is when it was first pushed.
    pub(super) fn again(&mut self, key: K, since: Instant, due: Instant) {
        self.sequence += 1;
        self.since.insert(key.clone(), since);
        self.due.insert((due, self.sequence), key);
    }

    /// Takes the earliest key whose time has come, and when it was first pushed.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(K, Instant)> {
        let first = self.due.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let key = first.remove();
        let since = self.since.remove(&key).unwrap_or(now);
        Some((key, since))
    }

    /// When the next key is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.first_key_value().map(|((due, _), _)| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_out_when_due_in_order_and_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut queue = Queue::default();
        queue.push("b", start, Duration::from_secs(2));
        queue.push("a", start, Duration::from_secs(1));
        queue.push("b", at(1), Duration::from_secs(9));
        assert_eq!(queue.next_due(), Some(at(1)));
        assert_eq!(queue.pop(start), None);
        assert_eq!(queue.pop(at(5)), Some(("a", start)));
        assert_eq!(queue.pop(at(5)), Some(("b", start)));
        assert_eq!(queue.pop(at(5)), None);
        queue.again("b", start, at(7));
        assert_eq!(queue.pop(at(6)), None);
        assert_eq!(queue.pop(at(7)), Some(("b", start)));
        assert_eq!(queue.next_due(), None);
    }
}
