//! What a candidate does about a Lease. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use tokio::time::Instant;

/// What is to be done with a Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is none.
    Create,
    /// Nobody has it, or whoever had it is gone.
    Take,
    /// It is ours and is kept.
    Renew,
    /// Somebody else has it.
    Wait,
}

/// What a candidate remembers of a Lease: which version it has seen, and since when.
///
/// How old a Lease is, is told by the candidate's own clock alone, so that clocks which differ do no
/// harm. Source: client-go `leaderelection`.
#[derive(Clone, Debug, Default)]
pub struct Memory(Option<(String, Instant)>);

impl Memory {
    /// Decides about a Lease that was read just now.
    pub fn step(&mut self, lease: Option<&Lease>, me: &str, now: Instant) -> Step {
        let Some(lease) = lease else {
            return Step::Create;
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let since = match &self.0 {
            Some((seen, since)) if *seen == version => *since,
            _ => now,
        };
        self.0 = Some((version, since));
        let spec = lease.spec.clone().unwrap_or_default();
        match spec.holder_identity.as_deref().unwrap_or_default() {
            "" => Step::Take,
            holder if holder == me => Step::Renew,
            _ if now >= since + duration(&spec) => Step::Take,
            _ => Step::Wait,
        }
    }
}

/// How long the holder may be silent. A Lease that does not say was not written by a candidate.
fn duration(spec: &LeaseSpec) -> Duration {
    let secs = spec.lease_duration_seconds.unwrap_or_default();
    Duration::from_secs(u64::try_from(secs).unwrap_or_default())
}

/// The spec with which `me` takes or keeps a Lease.
pub fn held(old: Option<&Lease>, me: &str, duration: Duration, now: Timestamp) -> LeaseSpec {
    let old = old.and_then(|lease| lease.spec.clone());
    let is_new = old.is_none();
    let old = old.unwrap_or_default();
    let is_mine = old.holder_identity.as_deref() == Some(me);
    let transitions = old.lease_transitions.unwrap_or_default();
    LeaseSpec {
        holder_identity: Some(me.to_owned()),
        // Zero would be refused, and would be taken at once.
        lease_duration_seconds: Some(i32::try_from(duration.as_secs().max(1)).unwrap_or(i32::MAX)),
        acquire_time: if is_mine {
            old.acquire_time
        } else {
            Some(MicroTime(now))
        },
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(if is_mine || is_new {
            transitions
        } else {
            transitions.saturating_add(1)
        }),
        ..old
    }
}

/// The spec that gives a Lease back, so that the next candidate need not wait.
pub fn released(old: &Lease, now: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(String::new()),
        lease_duration_seconds: Some(1),
        renew_time: Some(MicroTime(now)),
        ..old.spec.clone().unwrap_or_default()
    }
}
