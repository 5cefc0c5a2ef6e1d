//! Of several processes of an agent one acts: who holds the Lease `fleet-agent`.

use std::time::Duration;

use apiclient::{Class, Client, Error, Kind, ObjectKey};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use lease::{Memory, Step};
use tokio::time::{Instant, sleep, timeout};

/// Name of the Lease.
pub const LEASE: &str = "fleet-agent";

/// How leadership is sought and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// Name of this process; no two have the same.
    pub identity: String,
    /// How long others wait for a leader that is silent; whole seconds, at least one.
    pub lease_duration: Duration,
    /// How long the leader goes on without being able to renew; less than `lease_duration`.
    pub renew_deadline: Duration,
    /// How often the Lease is looked at that somebody else has, or that could not be renewed.
    pub retry_period: Duration,
}

impl Election {
    /// What upstream's charts set.
    pub fn new(identity: impl Into<String>) -> Self {
        Self {
            identity: identity.into(),
            lease_duration: Duration::from_secs(30),
            renew_deadline: Duration::from_secs(25),
            retry_period: Duration::from_secs(10),
        }
    }
}

/// A candidate, or the leader.
pub(super) struct Candidate {
    client: Client,
    key: ObjectKey,
    election: Election,
    memory: Memory,
}

impl Candidate {
    pub(super) fn new(client: Client, namespace: &str, election: Election) -> Self {
        Self {
            client,
            key: ObjectKey::new(namespace, LEASE),
            election,
            memory: Memory::default(),
        }
    }

    /// Waits until this process leads. Failures are logged and tried again.
    pub(super) async fn acquire(&mut self) {
        let mut waited = false;
        loop {
            match self.hold().await {
                Ok(true) => return,
                Ok(false) if !waited => {
                    waited = true;
                    tracing::info!(lease = %self.key, "another process acts, waiting");
                }
                Ok(false) => {}
                Err(error) => {
                    let error = errors::chain(&error);
                    tracing::warn!(lease = %self.key, error, "cannot ask for the lease, trying again");
                }
            }
            sleep(self.election.retry_period).await;
        }
    }

    /// Renews for ever; returns when leadership is lost.
    pub(super) async fn keep(&mut self) {
        let mut renewed = Instant::now();
        // Often enough to fail twice, seldom enough to be no load.
        let calm = (self.election.renew_deadline / 3).max(self.election.retry_period);
        let mut pause = calm;
        loop {
            sleep(pause).await;
            pause = self.election.retry_period;
            let asked = Instant::now();
            let left = (renewed + self.election.renew_deadline).duration_since(asked);
            match timeout(left, self.hold()).await {
                Ok(Ok(true)) => (renewed, pause) = (asked, calm),
                Ok(Ok(false)) => return,
                Ok(Err(error)) => {
                    let error = errors::chain(&error);
                    tracing::warn!(lease = %self.key, error, "cannot renew the lease");
                }
                Err(_) => {}
            }
            if renewed.elapsed() >= self.election.renew_deadline {
                return;
            }
        }
    }

    async fn hold(&mut self) -> Result<bool, Error> {
        let (holder, duration) = (&self.election.identity, self.election.lease_duration);
        match lease::try_hold(&self.client, &self.key, &mut self.memory, holder, duration).await {
            // Somebody else was faster.
            Err(error) if matches!(error.class(), Class::Conflict | Class::AlreadyExists) => {
                Ok(false)
            }
            held => held,
        }
    }

    /// Gives the Lease back, so that the next need not wait. What fails is left to run out.
    pub(super) async fn release(mut self) {
        let kind = Kind::of::<Lease>();
        let read: Result<Option<Lease>, _> = self.client.get(&kind, &self.key).await;
        let Ok(Some(lease)) = read else { return };
        let holder = &self.election.identity;
        if self.memory.step(Some(&lease), holder, Instant::now()) == Step::Renew {
            let spec = lease::released(&lease, Timestamp::now());
            // Nothing is lost: the Lease runs out by itself.
            let _ = lease::replace(&self.client, &self.key, lease, spec).await;
        }
    }
}
