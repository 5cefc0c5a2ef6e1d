//! Cases of the plan.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use tokio::time::Instant;

use super::{Memory, Step, held, released};

fn lease(holder: &str, secs: i32, version: &str) -> Lease {
    let mut lease = Lease {
        spec: Some(LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(secs),
            lease_transitions: Some(3),
            ..LeaseSpec::default()
        }),
        ..Lease::default()
    };
    lease.metadata.resource_version = Some(version.to_owned());
    lease
}

#[test]
fn a_lease_is_created_renewed_or_taken_when_nobody_has_it() {
    let now = Instant::now();
    for (stored, want) in [
        (None, Step::Create),
        (Some(lease("me", 15, "1")), Step::Renew),
        (Some(lease("", 1, "1")), Step::Take),
        (Some(Lease::default()), Step::Take),
        (Some(lease("other", 15, "1")), Step::Wait),
    ] {
        assert_eq!(
            Memory::default().step(stored.as_ref(), "me", now),
            want,
            "{stored:?}"
        );
    }
}

#[test]
fn a_silent_holder_loses_it_after_its_own_duration_by_our_clock() {
    let (start, secs) = (Instant::now(), Duration::from_secs);
    let mut memory = Memory::default();
    for (after, version, want) in [
        (0, "1", Step::Wait),
        (14, "1", Step::Wait),
        // A renewal starts the time anew.
        (14, "2", Step::Wait),
        (28, "2", Step::Wait),
        (29, "2", Step::Take),
    ] {
        let stored = lease("other", 15, version);
        assert_eq!(
            memory.step(Some(&stored), "me", start + secs(after)),
            want,
            "{after} s"
        );
    }
}

#[test]
fn a_holder_that_promises_nothing_or_nonsense_is_not_waited_for() {
    let now = Instant::now();
    for secs in [0, -1, i32::MIN] {
        let stored = lease("other", secs, "1");
        assert_eq!(Memory::default().step(Some(&stored), "me", now), Step::Take);
    }
}

#[test]
fn what_is_written_counts_transitions_and_keeps_the_time_of_acquisition() {
    let now = Timestamp::UNIX_EPOCH;
    let first = held(None, "me", Duration::from_millis(100), now);
    assert_eq!(first.lease_transitions, Some(0));
    assert_eq!(first.lease_duration_seconds, Some(1));
    let taken = held(
        Some(&lease("other", 15, "1")),
        "me",
        Duration::from_secs(45),
        now,
    );
    assert_eq!(taken.lease_transitions, Some(4));
    assert_eq!(taken.lease_duration_seconds, Some(45));
    assert!(taken.acquire_time.is_some());
    let mine = lease("me", 15, "1");
    let renewed = held(Some(&mine), "me", Duration::from_secs(45), now);
    assert_eq!(renewed.lease_transitions, Some(3));
    assert_eq!(renewed.acquire_time, None);
    let given = released(&mine, now);
    assert_eq!(given.holder_identity.as_deref(), Some(""));
    assert_eq!(given.lease_transitions, Some(3));
}
