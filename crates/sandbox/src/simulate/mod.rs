//! Workloads that become ready without a kubelet: what the controllers of a real cluster and its nodes
//! would report, after a delay.
//!
//! In: committed writes of the whole store, [`Settings`]. Out: statuses of Deployments, StatefulSets,
//! DaemonSets, ReplicaSets, ReplicationControllers, Jobs, Pods, claims (with a volume), Services of type
//! LoadBalancer, Ingresses, autoscalers, disruption budgets and APIServices. Nothing runs: a Deployment
//! gets no ReplicaSet and no Pods, a CronJob makes no Jobs.
//!
//! What an object's status should be is decided by [`plan::plan`], a pure function; when, by a queue of
//! due times; one task does the writing for all logical clusters. It is level-based: it looks at the
//! present object when its time has come, whatever happened in between.

mod conditions;
mod outcome;
mod plan;
mod pods;
mod queue;
mod volumes;
mod workloads;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

pub use self::outcome::{Outcome, Rule, Settings};
use self::plan::{Kind, Step};
use self::queue::Queue;
use crate::object;
use crate::rest::local::Local;
use crate::sandbox::Clusters;
use crate::status::Status;
use crate::store::{Change, ClusterId, Event, Feed, FeedError, ObjectKey};

/// Name under which statuses are written.
const MANAGER: &str = "sandbox-simulation";
/// Pause before a write that was refused is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// Writes in one go, before other tasks get their turn.
const BATCH_MAX: usize = 64;

/// An object of a simulated kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    cluster: ClusterId,
    kind: Kind,
    object: ObjectKey,
}

/// Runs the simulation until the store or the sandbox is gone. `feed` starts where the process did;
/// what was there before is listed.
pub(crate) async fn run(settings: Settings, mut feed: Feed, clusters: Weak<Clusters>) {
    if !settings.enabled {
        return;
    }
    let mut simulation = Simulation::new(settings);
    loop {
        let Some(known) = clusters.upgrade() else {
            return;
        };
        simulation.list_new(&known);
        let wrote = simulation.work(&known, Instant::now());
        drop(known);
        if wrote == BATCH_MAX {
            tokio::task::yield_now().await;
            continue;
        }
        let events = match simulation.queue.next_due() {
            None => feed.next().await,
            Some(due) => match tokio::time::timeout_at(due, feed.next()).await {
                Ok(events) => events,
                Err(_) => continue,
            },
        };
        match events {
            Ok(events) => {
                let now = Instant::now();
                let Some(known) = clusters.upgrade() else {
                    return;
                };
                for event in events {
                    simulation.note(&known, &event, now);
                }
            }
            Err(FeedError::Lagged) => simulation.forget(),
            Err(FeedError::Closed) => return,
        }
    }
}

struct Simulation {
    settings: Settings,
    queue: Queue<Key>,
    /// Clusters whose objects have been listed.
    listed: BTreeSet<ClusterId>,
    /// Revisions of own writes whose events are still to come.
    own: HashMap<Key, u64>,
}

impl Simulation {
    fn new(settings: Settings) -> Self {
        Self {
            settings,
            queue: Queue::default(),
            listed: BTreeSet::new(),
            own: HashMap::new(),
        }
    }

    /// Events were lost: all clusters are listed again, and own writes no longer waited for.
    fn forget(&mut self) {
        self.listed.clear();
        self.own.clear();
    }

    /// Queues the objects of clusters not seen before.
    fn list_new(&mut self, clusters: &Clusters) {
        for cluster in clusters.all() {
            if !self.listed.insert(cluster.id) {
                continue;
            }
            let local = Local::new(Arc::clone(&cluster), MANAGER);
            for kind in Kind::ALL {
                let (api_version, name) = kind.api();
                let Ok(resource) = local.resource(api_version, name) else {
                    continue;
                };
                for entry in local.entries(&resource, None) {
                    let key = Key {
                        cluster: cluster.id,
                        kind,
                        object: entry.key.clone(),
                    };
                    self.push(key, Instant::now());
                }
            }
        }
    }

    fn push(&mut self, key: Key, now: Instant) {
        let delay = self
            .settings
            .delay_of(&key.object.namespace, &key.object.name);
        self.queue.push(key, now, delay);
    }

    /// Takes in one committed write.
    fn note(&mut self, clusters: &Clusters, event: &Event, now: Instant) {
        let Some(kind) = Kind::of(event.resource.as_str()) else {
            return;
        };
        let key = Key {
            cluster: event.cluster,
            kind,
            object: event.entry.key.clone(),
        };
        if event.change == Change::Deleted {
            self.own.remove(&key);
            if kind == Kind::PersistentVolumeClaim
                && let Some(cluster) = clusters.by_id(event.cluster)
            {
                volumes::release(&Local::new(cluster, MANAGER), &event.entry.meta.uid);
            }
            return;
        }
        match self.own.get(&key) {
            Some(revision) if *revision == event.entry.revision => {
                self.own.remove(&key);
            }
            _ if event.entry.meta.deleting => {}
            _ => self.push(key, now),
        }
    }

    /// Writes what is due; returns how many objects were looked at.
    fn work(&mut self, clusters: &Clusters, now: Instant) -> usize {
        let mut done = 0;
        while done < BATCH_MAX
            && let Some((key, since)) = self.queue.pop(now)
        {
            done += 1;
            let Some(cluster) = clusters.by_id(key.cluster) else {
                continue;
            };
            let local = Local::new(cluster, MANAGER);
            match self.settle(&local, &key, now - since) {
                Ok(None) => {}
                Ok(Some(wait)) => self.queue.again(key, since, now + wait),
                Err(status) => {
                    tracing::debug!(kind = ?key.kind, name = %key.object.name, %status, "cannot simulate");
                    self.queue.again(key, since, now + RETRY);
                }
            }
        }
        done
    }

    /// Brings one object to where it should be. `Some`: it wants to wait longer than it has.
    ///
    /// # Errors
    /// When the server refuses the write.
    fn settle(
        &mut self,
        local: &Local,
        key: &Key,
        waited: Duration,
    ) -> Result<Option<Duration>, Status> {
        let (api_version, kind) = key.kind.api();
        let Ok(resource) = local.resource(api_version, kind) else {
            return Ok(None);
        };
        let (namespace, name) = (&*key.object.namespace, &*key.object.name);
        let Some(present) = local.get(&resource, namespace, name) else {
            return Ok(None);
        };
        if let Some(more) = self
            .settings
            .delay_wanted(&present)
            .and_then(|wanted| wanted.checked_sub(waited))
            && !more.is_zero()
        {
            return Ok(Some(more));
        }
        let now = local.now();
        let Some(step) = plan::plan(key.kind, &present, &self.settings, &now) else {
            return Ok(None);
        };
        let written = match step {
            Step::Status => {
                let settings = &self.settings;
                let mut modify = |object: &mut serde_json::Value| {
                    // Conflicts bring a newer object, which may want another status.
                    let Some(status) = plan::status(key.kind, object, settings, &now) else {
                        return false;
                    };
                    object::as_object_mut(object).insert("status".to_owned(), status);
                    true
                };
                local.modify(&resource, (namespace, name), "status", &mut modify)
            }
            Step::Bind(volume) => volumes::bind(local, &resource, &present, *volume, &now),
        };
        match written {
            Ok(object) => {
                if let Some(revision) = object::revision(&object) {
                    self.own.insert(key.clone(), revision);
                }
                Ok(None)
            }
            Err(status) if status.code == 404 => Ok(None),
            Err(status) => Err(status),
        }
    }
}
