//! Ordered reading of events: watches of one bucket and feeds of the whole store.
//!
//! A watch first replays history, then follows a bounded queue; it ends when the queue overflowed,
//! and a client resumes from the last revision it saw. A feed is a cursor over the history of all
//! clusters, for the controllers inside the process; it is told when it fell behind and then lists.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{mpsc, watch as signal};

use super::bucket::WatcherSlot;
use super::{ClusterId, Error, Event, GroupResource, ObjectKey, Store};

/// Which objects of a bucket a watch covers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    /// One namespace, or all.
    pub(crate) namespace: Option<Arc<str>>,
    /// One name, or all.
    pub(crate) name: Option<Arc<str>>,
}

impl Scope {
    pub(super) fn covers(&self, key: &ObjectKey) -> bool {
        self.namespace
            .as_ref()
            .is_none_or(|namespace| *namespace == key.namespace)
            && self.name.as_ref().is_none_or(|name| *name == key.name)
    }
}

/// An open watch. Dropping it closes it.
pub(crate) struct Watch {
    backlog: VecDeque<Arc<Event>>,
    queue: mpsc::Receiver<Arc<Event>>,
}

impl Watch {
    /// The next event in revision order; `None` when the watcher fell behind and was closed.
    pub(crate) async fn next(&mut self) -> Option<Arc<Event>> {
        match self.backlog.pop_front() {
            Some(event) => Some(event),
            None => self.queue.recv().await,
        }
    }

    /// The next event if one is waiting.
    pub(crate) fn try_next(&mut self) -> Option<Arc<Event>> {
        self.backlog
            .pop_front()
            .or_else(|| self.queue.try_recv().ok())
    }
}

/// Why a feed cannot go on where it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FeedError {
    /// Events were dropped before they were read; list everything and go on from now.
    #[error("feed fell behind the history")]
    Lagged,
    /// The store is gone.
    #[error("store is closed")]
    Closed,
}

/// A cursor over the events of all clusters, in revision order.
pub(crate) struct Feed {
    store: Arc<Store>,
    seen: u64,
    revisions: signal::Receiver<u64>,
}

/// Events handed out at once; bounds the time the store is locked for a feed.
const FEED_BATCH_MAX: usize = 512;

impl Feed {
    /// The next events, at least one. Cancelling it loses nothing.
    ///
    /// # Errors
    /// [`FeedError::Lagged`] once if events were lost; the feed then goes on from now.
    pub(crate) async fn next(&mut self) -> Result<Vec<Arc<Event>>, FeedError> {
        loop {
            self.revisions.borrow_and_update();
            let batch = self.store.events_after(self.seen, FEED_BATCH_MAX);
            match batch {
                Err(current) => {
                    self.seen = current;
                    return Err(FeedError::Lagged);
                }
                Ok(events) => {
                    if let Some(last) = events.last() {
                        self.seen = last.entry.revision;
                        return Ok(events);
                    }
                }
            }
            self.revisions
                .changed()
                .await
                .map_err(|_| FeedError::Closed)?;
        }
    }
}

impl Store {
    /// Watches a bucket from behind `from`.
    ///
    /// # Errors
    /// [`Error::Compacted`] if events behind `from` are no longer known; [`Error::Future`].
    pub(crate) fn watch(
        &self,
        cluster: ClusterId,
        resource: &GroupResource,
        from: u64,
        scope: Scope,
    ) -> Result<Watch, Error> {
        let mut inner = self.write();
        let current = inner.revision;
        if from > current {
            return Err(Error::Future {
                requested: from,
                current,
            });
        }
        let (sender, queue) = mpsc::channel(self.limits.watcher_queue_max);
        let bucket = inner.bucket(cluster, resource);
        if from < bucket.compacted {
            return Err(Error::Compacted {
                requested: from,
                oldest: bucket.compacted,
            });
        }
        let first = bucket
            .history
            .partition_point(|event| event.entry.revision <= from);
        let backlog = bucket
            .history
            .range(first..)
            .filter(|event| scope.covers(&event.entry.key))
            .cloned()
            .collect();
        bucket.watchers.retain(|watcher| !watcher.queue.is_closed());
        bucket.watchers.push(WatcherSlot {
            scope,
            queue: sender,
        });
        Ok(Watch { backlog, queue })
    }

    /// A cursor that starts behind `revision`.
    pub(crate) fn feed(self: &Arc<Self>, revision: u64) -> Feed {
        Feed {
            store: Arc::clone(self),
            seen: revision,
            revisions: self.revisions.subscribe(),
        }
    }

    /// Events of one bucket behind `revision`, for caches that catch up before each use.
    ///
    /// # Errors
    /// [`Error::Compacted`] if the cache has to be rebuilt.
    pub(crate) fn changes(
        &self,
        cluster: ClusterId,
        resource: &GroupResource,
        revision: u64,
    ) -> Result<Vec<Arc<Event>>, Error> {
        let inner = self.read();
        let Some(bucket) = inner.buckets.get(&(cluster, resource.clone())) else {
            return Ok(Vec::new());
        };
        if revision < bucket.compacted {
            return Err(Error::Compacted {
                requested: revision,
                oldest: bucket.compacted,
            });
        }
        let first = bucket
            .history
            .partition_point(|event| event.entry.revision <= revision);
        Ok(bucket.history.range(first..).cloned().collect())
    }

    /// Up to `max` events behind `revision`, or the current revision if some were dropped.
    fn events_after(&self, revision: u64, max: usize) -> Result<Vec<Arc<Event>>, u64> {
        let inner = self.read();
        let oldest = inner
            .history
            .front()
            .map_or(inner.revision + 1, |event| event.entry.revision);
        if revision + 1 < oldest && revision < inner.revision {
            return Err(inner.revision);
        }
        let first = inner
            .history
            .partition_point(|event| event.entry.revision <= revision);
        Ok(inner.history.range(first..).take(max).cloned().collect())
    }
}
