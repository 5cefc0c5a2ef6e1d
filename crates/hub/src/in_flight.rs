//! Patience with what is about to pass.
//!
//! Between a promotion and the agent's report a deployment is `WaitApplied`, mostly for a second or
//! two. Writing that into the status of each cluster and deployment would double the hub's writes of
//! a roll-out without telling anybody anything, so such a status is held back for a while
//! (invariant W-2). Bundle and GitRepo show it at once; the cluster that does not answer shows it
//! itself when the while is over.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use apiclient::ObjectKey;
use tokio::time::Instant;

/// How long a status may be held back.
const PATIENCE: Duration = Duration::from_secs(30);

/// Since when objects wait for an agent.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    since: Mutex<BTreeMap<ObjectKey, Instant>>,
}

impl InFlight {
    /// Whether the status of `key` is to be held back, and for how long at most. `waits` tells
    /// whether it waits for an agent now.
    pub(crate) fn hold(&self, key: &ObjectKey, waits: bool, now: Instant) -> Option<Duration> {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if !waits {
            since.remove(key);
            return None;
        }
        let began = *since.entry(key.clone()).or_insert(now);
        PATIENCE
            .checked_sub(now.saturating_duration_since(began))
            .filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_held_back_until_patience_ends() {
        let (in_flight, key, start) = (
            InFlight::default(),
            ObjectKey::new("n", "c"),
            Instant::now(),
        );
        assert_eq!(in_flight.hold(&key, true, start), Some(PATIENCE));
        let later = start + Duration::from_secs(2);
        assert_eq!(
            in_flight.hold(&key, true, later),
            Some(Duration::from_secs(28))
        );
        assert_eq!(in_flight.hold(&key, true, start + PATIENCE), None);
    }

    #[test]
    fn what_no_longer_waits_is_told_at_once_and_starts_anew() {
        let (in_flight, key, start) = (
            InFlight::default(),
            ObjectKey::new("n", "c"),
            Instant::now(),
        );
        in_flight.hold(&key, true, start);
        assert_eq!(in_flight.hold(&key, false, start), None);
        let later = start + 2 * PATIENCE;
        assert_eq!(in_flight.hold(&key, true, later), Some(PATIENCE));
    }
}
