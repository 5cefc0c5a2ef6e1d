//! What a cluster does by itself: the controllers that a kube-controller-manager and the API server run
//! for namespaces, garbage, service accounts, CRDs and aggregated roles.
//!
//! One task per controller serves all logical clusters of the process. Each follows the store's feed
//! and is level-based: it looks at the present objects, never at what an event says, and lists
//! everything again when it fell behind.

mod aggregation;
pub(crate) mod bootstrap;
mod crds;
pub(crate) mod eviction;
mod expiry;
mod garbage;
mod namespaces;
pub(crate) mod service_accounts;

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use tokio::task::JoinSet;

use crate::cluster::ClusterState;
use crate::rest::local::Local;
use crate::sandbox::Clusters;
use crate::store::{ClusterId, Event, Feed, FeedError, ObjectKey, Store};

/// A controller over the objects of some buckets.
pub(crate) trait Controller: Send + 'static {
    /// Name under which it writes.
    const NAME: &'static str;

    /// The keys to look at because of an event.
    fn keys(&mut self, event: &Event) -> Vec<ObjectKey>;

    /// All keys of a cluster, for the start and after falling behind.
    fn all(&mut self, local: &Local) -> Vec<ObjectKey>;

    /// Brings one key to where it should be; `false` asks to try again a little later.
    fn reconcile(&mut self, local: &Local, key: &ObjectKey) -> bool;
}

/// Pause before keys are tried again that could not be finished.
const RETRY_MILLIS: u64 = 200;

/// Starts all controllers on the current runtime; dropping the set stops them.
pub(crate) fn start(store: &Arc<Store>, clusters: &Arc<Clusters>, revision: u64) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let clusters = || Arc::downgrade(clusters);
    let feed = || store.feed(revision);
    tasks.spawn(run(namespaces::Namespaces::default(), feed(), clusters()));
    tasks.spawn(run(service_accounts::ServiceAccounts, feed(), clusters()));
    tasks.spawn(run(crds::Crds, feed(), clusters()));
    tasks.spawn(run(aggregation::Aggregation, feed(), clusters()));
    tasks.spawn(expiry::run(clusters()));
    tasks.spawn(run(garbage::Garbage::default(), feed(), clusters()));
    tasks
}

/// Runs one controller until the store or the sandbox is gone.
async fn run<C: Controller>(mut controller: C, mut feed: Feed, clusters: Weak<Clusters>) {
    let mut queue: BTreeSet<(ClusterId, ObjectKey)> = BTreeSet::new();
    let mut listed: BTreeSet<ClusterId> = BTreeSet::new();
    loop {
        let Some(known) = clusters.upgrade() else {
            return;
        };
        for cluster in known.all() {
            if listed.insert(cluster.id) {
                let local = Local::new(Arc::clone(&cluster), C::NAME);
                queue.extend(
                    controller
                        .all(&local)
                        .into_iter()
                        .map(|key| (cluster.id, key)),
                );
            }
        }
        work(&mut controller, &known, &mut queue);
        drop(known);
        let retry = std::time::Duration::from_millis(RETRY_MILLIS);
        let events = if queue.is_empty() {
            feed.next().await
        } else {
            match tokio::time::timeout(retry, feed.next()).await {
                Ok(events) => events,
                Err(_) => continue,
            }
        };
        match events {
            Ok(events) => {
                for event in events {
                    let keys = controller.keys(&event);
                    queue.extend(keys.into_iter().map(|key| (event.cluster, key)));
                }
            }
            Err(FeedError::Lagged) => listed.clear(),
            Err(FeedError::Closed) => return,
        }
    }
}

/// Goes through the queue once; what could not be finished stays in it.
fn work<C: Controller>(
    controller: &mut C,
    clusters: &Clusters,
    queue: &mut BTreeSet<(ClusterId, ObjectKey)>,
) {
    for (id, key) in std::mem::take(queue) {
        let Some(cluster): Option<Arc<ClusterState>> = clusters.by_id(id) else {
            continue;
        };
        let local = Local::new(cluster, C::NAME);
        if !controller.reconcile(&local, &key) {
            queue.insert((id, key));
        }
    }
}
