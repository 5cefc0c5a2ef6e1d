//! Flags by which several processes agree on one that acts.

use std::time::Duration;

use anyhow::bail;

use super::duration;

/// Durations as Go writes them, such as `30s`.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ElectionTimes {
    /// How long a process that is silent is waited for; else 45s, and 30s for agents
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "CATTLE_ELECTION_LEASE_DURATION")]
    lease_duration: Option<Duration>,
    /// How long the one that acts goes on without being able to renew, less than the lease duration; else 30s,
    /// and 25s for agents
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "CATTLE_ELECTION_RENEW_DEADLINE")]
    renew_deadline: Option<Duration>,
    /// How often Leases are looked at; else 2s, and 10s for agents
    #[arg(long, value_name = "DURATION", value_parser = duration, env = "CATTLE_ELECTION_RETRY_PERIOD")]
    retry_period: Option<Duration>,
}

/// Lease duration, renew deadline and retry period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) lease_duration: Duration,
    pub(crate) renew_deadline: Duration,
    pub(crate) retry_period: Duration,
}

impl ElectionTimes {
    /// What is given, and else a default, in seconds.
    ///
    /// # Errors
    /// When the durations do not leave the leader time to renew.
    pub(crate) fn or(&self, [lease, renew, retry]: [u64; 3]) -> anyhow::Result<Times> {
        let times = Times {
            lease_duration: self.lease_duration.unwrap_or(Duration::from_secs(lease)),
            renew_deadline: self.renew_deadline.unwrap_or(Duration::from_secs(renew)),
            retry_period: self.retry_period.unwrap_or(Duration::from_secs(retry)),
        };
        if times.lease_duration <= times.renew_deadline {
            bail!("--lease-duration must be greater than --renew-deadline");
        }
        if times.renew_deadline <= times.retry_period {
            bail!("--renew-deadline must be greater than --retry-period");
        }
        Ok(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_has_time_to_renew() {
        let given = |lease: Option<u64>, renew: Option<u64>, retry: Option<u64>| {
            let secs = |secs: Option<u64>| secs.map(Duration::from_secs);
            let times = ElectionTimes {
                lease_duration: secs(lease),
                renew_deadline: secs(renew),
                retry_period: secs(retry),
            };
            times
                .or([30, 25, 10])
                .map(|times| times.renew_deadline.as_secs())
        };
        assert_eq!(given(None, None, None).ok(), Some(25));
        assert_eq!(given(Some(60), Some(50), None).ok(), Some(50));
        assert!(given(Some(25), None, None).is_err());
        assert!(given(None, Some(30), None).is_err());
        assert!(given(None, None, Some(25)).is_err());
    }
}
