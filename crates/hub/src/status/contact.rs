//! Whether the agent of a cluster still reports.
//!
//! Only the hub's own clock counts: agents write `lastSeen` by theirs, which may be wrong, and may jump.
//! So a cluster is offline when `lastSeen` did not change for [`patience`], as far as this process has
//! watched. What an earlier process found stays until `lastSeen` changes.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use api::conditions::{self, CONNECTED, Finding};
use api::v1alpha1::ClusterStatus;
use apiclient::ObjectKey;
use jiff::Timestamp;
use tokio::time::Instant;

/// What an offline cluster shows.
pub(crate) const OFFLINE: &str = "Offline";
const OVERDUE: &str = "AgentOverdue";

/// How long an agent may be silent that reports every `interval`: two reports may get lost.
fn patience(interval: Duration) -> Duration {
    interval.saturating_mul(3)
}

/// Since when each cluster's `lastSeen` is what it is.
#[derive(Debug, Default)]
pub(crate) struct Contacts {
    since: Mutex<BTreeMap<ObjectKey, (Timestamp, Instant)>>,
}

/// What is known of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contact {
    /// It never reported.
    Never,
    /// It reports; when it is late unless it reports again.
    Heard { left: Duration },
    /// It is silent.
    Overdue,
}

impl Contacts {
    /// Looks at the stored status of a cluster.
    pub(crate) fn look(
        &self,
        key: &ObjectKey,
        stored: &ClusterStatus,
        interval: Duration,
        now: Instant,
    ) -> Contact {
        let Some(last_seen) = stored.agent.last_seen.as_ref().map(|time| time.0) else {
            self.forget(key);
            return Contact::Never;
        };
        let mut all = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(key).filter(|(seen, _)| *seen == last_seen);
        let since = known.map(|(_, since)| *since);
        if since.is_none() {
            all.insert(key.clone(), (last_seen, now));
        }
        let found = conditions::get(&stored.conditions, CONNECTED);
        let found = found.filter(|condition| condition.status == "False");
        if found.is_some_and(|condition| condition.message == message(last_seen, interval)) {
            return Contact::Overdue;
        }
        let silent = now.saturating_duration_since(since.unwrap_or(now));
        match patience(interval).checked_sub(silent) {
            Some(left) if !left.is_zero() => Contact::Heard { left },
            _ => Contact::Overdue,
        }
    }

    /// The cluster is gone.
    pub(crate) fn forget(&self, key: &ObjectKey) {
        let mut all = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(key);
    }
}

fn message(last_seen: Timestamp, interval: Duration) -> String {
    let seen = conditions::rfc3339(last_seen);
    let interval = api::v1alpha1::Duration::from_secs(interval.as_secs());
    let interval = interval.as_str();
    format!("the agent was last heard of at {seen}, it should report every {interval}")
}

/// Shows it.
pub(crate) fn show(
    status: &mut ClusterStatus,
    contact: Contact,
    interval: Duration,
    now: Timestamp,
) {
    let known = conditions::get(&status.conditions, CONNECTED).is_some();
    let last_seen = status.agent.last_seen.as_ref().map(|time| time.0);
    match (contact, last_seen) {
        (Contact::Overdue, Some(last_seen)) => {
            OFFLINE.clone_into(&mut status.display.state);
            let finding = Finding::Full {
                status: "False",
                reason: OVERDUE.to_owned(),
                message: message(last_seen, interval),
            };
            conditions::set(&mut status.conditions, CONNECTED, finding, now);
        }
        _ if known => {
            conditions::set(&mut status.conditions, CONNECTED, Finding::True, now);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;

    const INTERVAL: Duration = Duration::from_mins(15);

    fn seen(secs: i64) -> ClusterStatus {
        let mut status = ClusterStatus::default();
        status.agent.last_seen = Timestamp::from_second(secs).ok().map(Time);
        status
    }

    fn key() -> ObjectKey {
        ObjectKey::new("fleet-default", "north")
    }

    #[test]
    fn a_cluster_is_offline_when_nothing_was_heard_for_three_intervals() {
        let (contacts, start) = (Contacts::default(), Instant::now());
        let look = |status: &ClusterStatus, minutes: u64| {
            let now = start + Duration::from_mins(minutes);
            contacts.look(&key(), status, INTERVAL, now)
        };
        let left = |minutes| Contact::Heard {
            left: Duration::from_mins(minutes),
        };
        assert_eq!(look(&ClusterStatus::default(), 0), Contact::Never);
        assert_eq!(look(&seen(100), 0), left(45));
        assert_eq!(look(&seen(100), 44), left(1));
        assert_eq!(look(&seen(100), 45), Contact::Overdue);
        // Whatever the agent's clock says: it has spoken.
        assert_eq!(look(&seen(-7_000_000), 46), left(45));
        assert_eq!(look(&seen(i64::from(i32::MAX)), 47), left(45));
    }

    #[test]
    fn what_an_earlier_process_found_stays_until_the_agent_speaks() {
        let (now, time) = (Instant::now(), Timestamp::UNIX_EPOCH);
        let mut status = seen(100);
        show(&mut status, Contact::Overdue, INTERVAL, time);
        assert_eq!(status.display.state, OFFLINE);
        let after_restart = Contacts::default();
        let contact = after_restart.look(&key(), &status, INTERVAL, now);
        assert_eq!(contact, Contact::Overdue);

        status.agent = seen(101).agent;
        let contact = after_restart.look(&key(), &status, INTERVAL, now);
        assert!(matches!(contact, Contact::Heard { .. }), "{contact:?}");
        "Ready".clone_into(&mut status.display.state);
        show(&mut status, contact, INTERVAL, time);
        assert!(conditions::is_true(&status.conditions, CONNECTED));
        assert_eq!(status.display.state, "Ready");
    }

    #[test]
    fn a_cluster_that_was_never_offline_has_no_condition_about_it() {
        let left = Duration::from_mins(1);
        for contact in [Contact::Never, Contact::Heard { left }] {
            let mut status = seen(100);
            show(&mut status, contact, INTERVAL, Timestamp::UNIX_EPOCH);
            assert_eq!(status, seen(100));
        }
    }
}
