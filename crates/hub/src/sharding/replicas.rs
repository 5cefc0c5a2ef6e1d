//! Replicas that share the work: who is there, and what each has said it works on.
//!
//! Each has a Lease of its own, with the view it has published as an annotation. Whoever does not renew
//! for the duration of its Lease is gone for the others; it has ended itself well before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::labels::{REPLICA_OF, REPLICAS};
use apiclient::WriteOptions;
use apiclient::{Class, Client, DeleteOptions, Kind, ObjectKey, ObjectMeta, Patch, Selector};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::{Instant, sleep, timeout};

use super::gate::Gate;
use super::plan::{Peer, Share, View};
use crate::leader::{self, Election};
use crate::world::World;

/// Names of the Leases begin like this, and end in a number that follows from the identity.
pub(crate) const LEASE_PREFIX: &str = "fleet-controller-replica-shard";
/// How long the others wait for a silent replica at most: with finding out and handing over it stays
/// below half a minute.
const LEASE_MAX: Duration = Duration::from_secs(20);
/// How long a replica works that cannot renew.
const DEADLINE_MAX: Duration = Duration::from_secs(13);
/// After so many durations the Lease of a replica that is gone is removed.
const KEPT_DURATIONS: u32 = 10;

/// How a replica takes part.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    namespace: String,
    shard: String,
    identity: String,
    lease_duration: Duration,
    renew_deadline: Duration,
    retry_period: Duration,
}

impl Settings {
    /// Those of an election, with durations that let others take over in half a minute.
    pub(crate) fn of(election: &Election) -> Self {
        let shorten = |duration: Duration, max: Duration| duration.min(max);
        Self {
            namespace: election.namespace.clone(),
            shard: election.shard.clone(),
            // Separates the members of a view.
            identity: election.identity.replace(',', "_"),
            lease_duration: shorten(election.lease_duration, LEASE_MAX),
            renew_deadline: shorten(election.renew_deadline, DEADLINE_MAX),
            retry_period: election.retry_period,
        }
    }

    fn key(&self) -> ObjectKey {
        // Identities are no names of objects.
        let number = api::names::sha256_hex(&self.identity);
        let number = &number[..16];
        let prefix = leader::lease_name(LEASE_PREFIX, &self.shard);
        ObjectKey::new(self.namespace.clone(), format!("{prefix}-{number}"))
    }
}

/// This process among the replicas.
pub(crate) struct Replica {
    client: Client,
    settings: Settings,
    gate: Arc<Gate>,
    /// Which version of each other Lease was seen, and since when, by our own clock.
    seen: BTreeMap<String, (String, Instant)>,
    published: Option<Published>,
}

/// What the others read of us, at least since `asked`.
#[derive(Clone, Debug)]
struct Published {
    view: View,
    asked: Instant,
}

impl Replica {
    /// One that has no Lease yet and works on nothing.
    pub(crate) fn new(client: Client, settings: Settings, gate: Arc<Gate>) -> Self {
        drop(gate.set(Share::Nothing));
        Self {
            client,
            settings,
            gate,
            seen: BTreeMap::new(),
            published: None,
        }
    }

    /// Tells the others that we are here. Tried until it succeeds.
    pub(crate) async fn join(&mut self) {
        loop {
            if let Some(peers) = self.look().await
                && self.publish(self.view_with(&peers)).await
            {
                tracing::info!(
                    identity = self.settings.identity,
                    "shares the work with others"
                );
                return;
            }
            sleep(self.settings.retry_period).await;
        }
    }

    /// Takes part for ever.
    pub(crate) async fn keep(&mut self, world: &World) {
        loop {
            self.tick(world).await;
            sleep(self.settings.retry_period).await;
        }
    }

    /// Whether others share the work, as far as can be told.
    pub(crate) async fn has_peers(&self) -> bool {
        let mut n_others = 0;
        let me = self.settings.key().name;
        let (kind, selector) = (Kind::of::<Lease>(), self.selector());
        let count = |lease: Lease| {
            n_others += usize::from(lease.metadata.name.as_deref() != Some(me.as_str()));
        };
        let listed = self.client.list(&kind, &selector, count).await;
        // Who cannot be asked is not cut off.
        listed.is_err() || n_others > 0
    }

    /// Works on nothing more, and tells the others so that they need not wait.
    pub(crate) async fn leave(&mut self) {
        let (_, over) = self.gate.set(Share::Nothing);
        // What is not over in time ends before the others count us out.
        let is_over = timeout(self.settings.renew_deadline, over).await.is_ok();
        if is_over && self.published.take().is_some() {
            let (kind, options) = (Kind::of::<Lease>(), DeleteOptions::default());
            // Nothing is lost: the Lease runs out by itself.
            let _ = self
                .client
                .delete(&kind, &self.settings.key(), &options)
                .await;
        }
        self.gate.membership.end();
    }

    /// Looks who is there, and follows.
    async fn tick(&mut self, world: &World) {
        if self.published.is_some() && !self.gate.membership.holds(Instant::now()) {
            self.lapse(world, "the Lease could not be renewed in time");
        }
        let Some(mut peers) = self.look().await else {
            self.renew_if_due(world).await;
            return;
        };
        let wanted = self.view_with(&peers);
        if self.published.as_ref().map(|published| &published.view) != Some(&wanted) {
            // What we lose, we give up before we say so.
            let over = self.take(world, wanted.clone(), peers);
            if timeout(self.settings.retry_period, over).await.is_err() {
                self.renew_if_due(world).await;
                return;
            }
            if !self.publish(wanted).await {
                return;
            }
            // Whoever claims what we claim published before this, or sees us.
            match self.look().await {
                Some(now) => peers = now,
                None => return,
            }
        }
        self.renew_if_due(world).await;
        let Some(published) = &self.published else {
            return;
        };
        let view = published.view.clone();
        // Nothing is lost by this that another has not claimed against the rules.
        drop(self.take(world, view, peers));
    }

    /// Works on what the views leave from now on.
    fn take(
        &self,
        world: &World,
        next: View,
        peers: Vec<Peer>,
    ) -> impl Future<Output = ()> + use<> {
        let share = match &self.published {
            None => Share::Nothing,
            Some(Published { view, .. }) => Share::Part {
                me: self.settings.identity.clone(),
                published: view.clone(),
                next,
                peers,
            },
        };
        let (old, over) = self.gate.set(share.clone());
        if old != share {
            world.share_changed(&old, &share);
        }
        over
    }

    /// The others count us out, or soon will: everything begins anew.
    fn lapse(&mut self, world: &World, reason: &str) {
        tracing::warn!(
            reason,
            "this process works on nothing until it has joined the others again"
        );
        self.gate.membership.end();
        // They may have given up the leadership too.
        self.gate.leadership.end();
        self.published = None;
        drop(self.take(world, View::default(), Vec::new()));
    }

    fn view_with(&self, peers: &[Peer]) -> View {
        let peers = peers.iter().map(|peer| peer.identity.as_str());
        View::of(peers.chain([self.settings.identity.as_str()]))
    }

    fn selector(&self) -> Selector {
        Selector {
            namespace: Some(self.settings.namespace.clone()),
            labels: Some(format!("{REPLICA_OF}={}", self.settings.shard)),
            ..Selector::default()
        }
    }

    /// The others that are alive; `None` when that cannot be told, or when they have counted us out.
    async fn look(&mut self) -> Option<Vec<Peer>> {
        let mut leases = Vec::new();
        let (kind, selector) = (Kind::of::<Lease>(), self.selector());
        let listed = self
            .client
            .list(&kind, &selector, |lease: Lease| leases.push(lease));
        match timeout(self.settings.renew_deadline, listed).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                let error = errors::chain(&error);
                tracing::warn!(error, "cannot list the Leases of the replicas");
                return None;
            }
            Err(_) => return None,
        }
        let now = Instant::now();
        let me = self.settings.key().name;
        let mut peers = Vec::new();
        let mut seen = BTreeMap::new();
        let mut is_listed = false;
        for lease in leases {
            let name = lease.metadata.name.clone().unwrap_or_default();
            if name == me {
                is_listed = true;
                continue;
            }
            let version = lease.metadata.resource_version.clone().unwrap_or_default();
            let known = self.seen.get(&name).filter(|(known, _)| *known == version);
            let since = known.map_or(now, |(_, since)| *since);
            seen.insert(name, (version, since));
            let silent = now.saturating_duration_since(since);
            let duration = duration(&lease);
            if silent < duration {
                peers.push(peer(&lease));
            } else if silent >= duration * KEPT_DURATIONS {
                self.remove(&lease).await;
            }
        }
        self.seen = seen;
        if self.published.is_some() && !is_listed {
            // The next tick joins again.
            self.gate.membership.end();
            return None;
        }
        Some(peers)
    }

    async fn remove(&self, lease: &Lease) {
        let meta = &lease.metadata;
        let name = meta.name.clone().unwrap_or_default();
        let options = DeleteOptions {
            uid: meta.uid.clone().unwrap_or_default(),
            resource_version: meta.resource_version.clone().unwrap_or_default(),
            ..DeleteOptions::default()
        };
        let key = ObjectKey::new(self.settings.namespace.clone(), name);
        // Another replica may have done it, and the next tick tries again.
        let _ = self
            .client
            .delete(&Kind::of::<Lease>(), &key, &options)
            .await;
    }

    async fn renew_if_due(&mut self, world: &World) {
        let Some(Published { view, asked }) = self.published.clone() else {
            return;
        };
        // Often enough to fail twice.
        if asked.elapsed() >= self.settings.renew_deadline / 4 {
            self.publish(view).await;
        }
        if !self.gate.membership.holds(Instant::now()) {
            self.lapse(world, "the Lease could not be renewed in time");
        }
    }

    /// Writes our Lease with a view; false when that failed.
    async fn publish(&mut self, view: View) -> bool {
        let asked = Instant::now();
        // What is answered later is of no use: the others count from when they see it.
        let until = self
            .published
            .as_ref()
            .map_or(asked, |published| published.asked)
            + self.settings.renew_deadline;
        let left = until.saturating_duration_since(asked);
        match timeout(left, self.write(&view)).await {
            Ok(Ok(())) => {
                self.gate
                    .membership
                    .extend(asked + self.settings.renew_deadline);
                self.published = Some(Published { view, asked });
                true
            }
            Ok(Err(error)) => {
                let error = errors::chain(&error);
                tracing::warn!(error, "cannot write the Lease of this replica");
                false
            }
            Err(_) => false,
        }
    }

    async fn write(&self, view: &View) -> Result<(), apiclient::Error> {
        let (kind, key) = (Kind::of::<Lease>(), self.settings.key());
        let identity = &self.settings.identity;
        let spec = lease::held(
            None,
            identity,
            self.settings.lease_duration,
            Timestamp::now(),
        );
        let metadata = kube_core::ObjectMeta {
            name: Some(key.name.clone()),
            namespace: Some(key.namespace.clone()),
            labels: Some([(REPLICA_OF.to_owned(), self.settings.shard.clone())].into()),
            annotations: Some([(REPLICAS.to_owned(), view.to_string())].into()),
            ..kube_core::ObjectMeta::default()
        };
        let lease = Lease {
            metadata: metadata.clone(),
            spec: Some(spec.clone()),
        };
        // A Lease that others have removed is not written anew before everything begins anew.
        if self.published.is_none() {
            match lease::create(&self.client, &key, metadata, spec).await {
                // Ours, from before everything began anew.
                Err(error) if error.class() == Class::AlreadyExists => {}
                created => return created,
            }
        }
        let (patch, options) = (Patch::Merge(&lease), WriteOptions::default());
        let written: Result<ObjectMeta, _> = self
            .client
            .patch(&kind, &key, None, patch, 0, options)
            .await;
        written.map(drop)
    }
}

/// How long the holder of a Lease may be silent.
fn duration(lease: &Lease) -> Duration {
    let secs = lease
        .spec
        .as_ref()
        .and_then(|spec| spec.lease_duration_seconds);
    Duration::from_secs(u64::try_from(secs.unwrap_or_default()).unwrap_or_default())
}

fn peer(lease: &Lease) -> Peer {
    let identity = lease
        .spec
        .as_ref()
        .and_then(|spec| spec.holder_identity.clone());
    let annotations = lease.metadata.annotations.as_ref();
    let view = annotations.and_then(|all| View::parse(all.get(REPLICAS)?));
    if view.is_none() {
        let name = lease.metadata.name.as_deref().unwrap_or_default();
        tracing::warn!(
            lease = name,
            "the Lease of a replica cannot be read: it is waited for"
        );
    }
    Peer {
        identity: identity.unwrap_or_default(),
        view,
    }
}
