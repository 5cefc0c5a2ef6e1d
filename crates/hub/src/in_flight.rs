//! Patience with what is about to pass.
//!
//! A deployment that was just promoted waits for its agent and then for its objects, mostly for
//! seconds. Writing each step into the status of its cluster and of itself would triple the hub's
//! writes of a roll-out without telling anybody anything, so these statuses are held back for a while
//! (invariant W-2). Bundle and GitRepo show each step at once; what takes longer than usual is shown
//! by cluster and deployment too.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use api::state::State;
use apiclient::ObjectKey;
use tokio::time::Instant;

/// How long a status may be held back.
const PATIENCE: Duration = Duration::from_secs(30);

/// Deployments between their promotion and where it leads them, and when they were promoted.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    promoted: BTreeMap<ObjectKey, Instant>,
}

impl InFlight {
    /// Follows a deployment. `is_promotion`: what it has to run has just changed.
    pub(crate) fn follow(
        &mut self,
        key: &ObjectKey,
        state: State,
        is_promotion: bool,
        now: Instant,
    ) {
        match state {
            State::WaitApplied if is_promotion => {
                self.promoted.insert(key.clone(), now);
            }
            State::WaitApplied | State::NotReady => {}
            _ => self.forget(key),
        }
    }

    /// A deployment is gone.
    pub(crate) fn forget(&mut self, key: &ObjectKey) {
        self.promoted.remove(key);
    }

    /// How long the status of a deployment may be held back still.
    pub(crate) fn left(&self, key: &ObjectKey, now: Instant) -> Option<Duration> {
        left(*self.promoted.get(key)?, now)
    }

    /// Number of deployments in a cluster namespace whose status may be held back.
    pub(crate) fn n_in(&self, namespace: &str, now: Instant) -> usize {
        let first = ObjectKey::new(namespace, "");
        let near = self.promoted.range(first..);
        let near = near.take_while(|(key, _)| key.namespace == namespace);
        near.filter(|(_, promoted)| left(**promoted, now).is_some())
            .count()
    }
}

fn left(since: Instant, now: Instant) -> Option<Duration> {
    PATIENCE
        .checked_sub(now.saturating_duration_since(since))
        .filter(|left| !left.is_zero())
}

/// Clusters whose status is held back, and since when.
#[derive(Debug, Default)]
pub(crate) struct Held {
    since: Mutex<BTreeMap<ObjectKey, Instant>>,
}

impl Held {
    /// Whether the status of `key` is to be held back, and for how long at most. `may_wait` tells
    /// whether it differs by what is in flight only. However promotions follow each other, it is shown
    /// each time patience ends.
    pub(crate) fn hold(&self, key: &ObjectKey, may_wait: bool, now: Instant) -> Option<Duration> {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if !may_wait {
            since.remove(key);
            return None;
        }
        let left = left(*since.entry(key.clone()).or_insert(now), now);
        if left.is_none() {
            since.remove(key);
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("cluster-a", name)
    }

    #[test]
    fn a_promoted_deployment_is_in_flight_until_it_lands_or_patience_ends() {
        let (mut flying, start) = (InFlight::default(), Instant::now());
        let later = start + Duration::from_secs(2);
        flying.follow(&key("a"), State::WaitApplied, true, start);
        flying.follow(&key("a"), State::NotReady, false, later);
        assert_eq!(flying.left(&key("a"), later), Some(Duration::from_secs(28)));
        assert_eq!(flying.left(&key("a"), start + PATIENCE), None);
        assert_eq!(flying.n_in("cluster-a", later), 1);
        assert_eq!(flying.n_in("cluster-a", start + PATIENCE), 0);
        for landed in [State::Ready, State::ErrApplied, State::Modified] {
            flying.follow(&key("a"), State::WaitApplied, true, start);
            flying.follow(&key("a"), landed, false, later);
            assert_eq!(flying.left(&key("a"), later), None, "{landed}");
        }
    }

    #[test]
    fn a_deployment_that_breaks_by_itself_is_not_in_flight() {
        let (mut flying, start) = (InFlight::default(), Instant::now());
        flying.follow(&key("a"), State::NotReady, false, start);
        flying.follow(&key("b"), State::WaitApplied, false, start);
        assert_eq!(flying.n_in("cluster-a", start), 0);
        flying.follow(&key("c"), State::WaitApplied, true, start);
        flying.follow(
            &ObjectKey::new("cluster-b", "d"),
            State::WaitApplied,
            true,
            start,
        );
        assert_eq!(flying.n_in("cluster-a", start), 1);
        flying.forget(&key("c"));
        assert_eq!(flying.n_in("cluster-a", start), 0);
    }

    #[test]
    fn a_cluster_is_held_back_until_patience_ends_and_then_anew() {
        let (held, start) = (Held::default(), Instant::now());
        assert_eq!(held.hold(&key("a"), true, start), Some(PATIENCE));
        let later = start + Duration::from_secs(2);
        assert_eq!(
            held.hold(&key("a"), true, later),
            Some(Duration::from_secs(28))
        );
        assert_eq!(held.hold(&key("a"), true, start + PATIENCE), None);
        assert_eq!(held.hold(&key("a"), true, start + PATIENCE), Some(PATIENCE));
        assert_eq!(held.hold(&key("a"), false, start + PATIENCE), None);
    }
}
