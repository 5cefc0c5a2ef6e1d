//! Leader election: of several hubs on one API server one acts.
//!
//! * **Object**: Leases in the system namespace.
//! * **Reads, writes**: these Leases; the namespace if it is missing.
//!
//! The names are upstream's, so that a controller of upstream that still runs is waited for. The
//! others keep their watches warm and take over within the duration of a Lease, or at once when the
//! leader stops in an orderly way.

use std::time::Duration;

use apiclient::{Class, Client, Kind, ObjectKey, Validity};
use futures::future::BoxFuture;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::{Instant, sleep, timeout};

use lease::{Memory, Step};

/// The Leases of the processes of upstream that this one stands for. Everybody asks for them in this
/// order, so that nobody waits for what a waiting one holds. Those of a shard end in its name.
pub const LEASES: [&str; 2] = [
    "fleet-controller-leader-election-shard",
    "fleet-gitops-leader-election-shard",
];

/// The holder that processes name which lead together.
pub const TOGETHER: &str = "flotilla-replicas";

/// How often a Lease is asked for anew that another process of the same holder wrote just then.
const CONFLICTS_MAX: usize = 8;

/// Name of a Lease in a shard, of which the one without a name is the default.
pub fn lease_name(lease: &str, shard: &str) -> String {
    if shard.is_empty() {
        lease.to_owned()
    } else {
        format!("{lease}-{shard}")
    }
}

/// How leadership is sought and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Election {
    /// Where the Leases are; created when it is missing.
    pub namespace: String,
    /// Name of this candidate; no two have the same.
    pub identity: String,
    /// How long others wait for a leader that is silent; whole seconds, at least one.
    pub lease_duration: Duration,
    /// How long the leader goes on without being able to renew; less than `lease_duration`.
    pub renew_deadline: Duration,
    /// How often Leases are looked at that somebody else has, or that could not be renewed.
    pub retry_period: Duration,
    /// The shard whose leadership is sought; empty for the default.
    pub shard: String,
    /// Several processes lead together and share the work (`crate::sharding`): the Leases keep out those
    /// that do not.
    pub together: bool,
}

impl Election {
    /// Upstream's durations.
    pub fn new(namespace: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            identity: identity.into(),
            lease_duration: Duration::from_secs(45),
            renew_deadline: Duration::from_secs(30),
            retry_period: Duration::from_secs(2),
            shard: String::new(),
            together: false,
        }
    }

    /// What the Leases name as their holder.
    fn holder(&self) -> &str {
        if self.together {
            TOGETHER
        } else {
            &self.identity
        }
    }
}

/// Leadership that was won.
pub(crate) struct Leadership {
    client: Client,
    election: Election,
    candidates: Vec<Candidate>,
    /// Until when this process leads, whatever happens.
    validity: Validity,
}

#[derive(Debug)]
struct Candidate {
    key: ObjectKey,
    memory: Memory,
}

/// Waits until this process leads, and tells `validity` until when. Failures are logged and tried again.
pub(crate) async fn acquire(
    client: &Client,
    election: &Election,
    validity: &Validity,
) -> Leadership {
    let candidate = |name: &&str| Candidate {
        key: ObjectKey::new(
            election.namespace.clone(),
            lease_name(name, &election.shard),
        ),
        memory: Memory::default(),
    };
    let mut leadership = Leadership {
        client: client.clone(),
        election: election.clone(),
        candidates: LEASES.iter().map(candidate).collect(),
        validity: validity.clone(),
    };
    let mut waited = false;
    loop {
        match leadership.hold_all().await {
            Ok(true) => {
                tracing::info!(identity = election.identity, "this process leads");
                return leadership;
            }
            Ok(false) if !waited => {
                waited = true;
                tracing::info!(
                    namespace = election.namespace,
                    "another process leads, waiting"
                );
            }
            Ok(false) => {}
            Err(error) => {
                let error = errors::chain(&error);
                tracing::warn!(error, "cannot ask for leadership, trying again");
            }
        }
        sleep(election.retry_period).await;
    }
}

impl Leadership {
    /// Renews for ever; returns when leadership is lost.
    pub(crate) async fn keep(&mut self) {
        let mut renewed = Instant::now();
        // Often enough to fail twice, seldom enough to be no load.
        let calm = (self.election.renew_deadline / 3).max(self.election.retry_period);
        let mut pause = calm;
        loop {
            sleep(pause).await;
            pause = self.election.retry_period;
            let left = (renewed + self.election.renew_deadline).duration_since(Instant::now());
            let asked = Instant::now();
            match timeout(left, self.hold_all()).await {
                Ok(Ok(true)) => (renewed, pause) = (asked, calm),
                Ok(Ok(false)) => return,
                Ok(Err(error)) => {
                    let error = errors::chain(&error);
                    tracing::warn!(error, "cannot renew leadership");
                }
                Err(_) => {}
            }
            if renewed.elapsed() >= self.election.renew_deadline {
                return;
            }
        }
    }

    /// Renews at once, so that who gives the Leases back just now fails.
    ///
    /// # Errors
    /// When leadership is lost.
    pub(crate) async fn confirm(&mut self) -> Result<(), crate::Error> {
        let end = Instant::now() + self.election.renew_deadline;
        loop {
            match timeout(
                end.saturating_duration_since(Instant::now()),
                self.hold_all(),
            )
            .await
            {
                Ok(Ok(true)) => return Ok(()),
                Ok(Err(_)) => sleep(self.election.retry_period).await,
                Ok(Ok(false)) | Err(_) => return Err(crate::Error::LeadershipLost),
            }
        }
    }

    /// Gives the Leases back unless `is_shared` finds others who lead together with this process. What
    /// fails is left to run out.
    ///
    /// `is_shared` is asked between reading and writing a Lease. Who joins renews it afterwards: either
    /// it is seen here, or its renewal meets ours and is repeated.
    pub(crate) async fn release<'a>(mut self, is_shared: impl Fn() -> BoxFuture<'a, bool> + Send) {
        self.validity.end();
        let kind = Kind::of::<Lease>();
        for candidate in &mut self.candidates {
            let read: Result<Option<Lease>, _> = self.client.get(&kind, &candidate.key).await;
            let Ok(Some(lease)) = read else { continue };
            let step = candidate
                .memory
                .step(Some(&lease), self.election.holder(), Instant::now());
            if step == Step::Renew && !is_shared().await {
                let spec = lease::released(&lease, Timestamp::now());
                // Nothing is lost: the Lease runs out by itself.
                let _ = lease::replace(&self.client, &candidate.key, lease, spec).await;
            }
        }
    }

    /// Takes or renews every Lease, in order; false at the first one that somebody else has.
    async fn hold_all(&mut self) -> Result<bool, apiclient::Error> {
        // Others count from when they see the renewal, which is later.
        let asked = Instant::now();
        for candidate in &mut self.candidates {
            if !hold(&self.client, &self.election, candidate).await? {
                self.validity.end();
                return Ok(false);
            }
        }
        self.validity.extend(asked + self.election.renew_deadline);
        Ok(true)
    }
}

async fn hold(
    client: &Client,
    election: &Election,
    candidate: &mut Candidate,
) -> Result<bool, apiclient::Error> {
    for _ in 0..CONFLICTS_MAX {
        let Candidate { key, memory } = &mut *candidate;
        let tried = lease::try_hold(
            client,
            key,
            memory,
            election.holder(),
            election.lease_duration,
        );
        match tried.await {
            Ok(held) => return Ok(held),
            // Another process of the same holder may have been faster.
            Err(error) if is_overtaken(&error) && election.together => {}
            // Somebody else was faster.
            Err(error) if is_overtaken(&error) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

fn is_overtaken(error: &apiclient::Error) -> bool {
    matches!(error.class(), Class::Conflict | Class::AlreadyExists)
}
