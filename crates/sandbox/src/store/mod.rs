//! The store under every logical cluster: one revision counter, many buckets.
//!
//! In: encoded objects ([`Draft`]) with the revision the writer saw. Out: entries, pages pinned to a
//! revision, ordered watches. It follows etcd where clients can tell: one global revision, compare
//! and swap, a bounded history behind which reads answer "compacted", watches that deliver every
//! event once and in order.
//!
//! It knows no kinds, no validation and no HTTP. It never blocks on a watcher: one that does not
//! keep up is closed and resumes from the history.

mod bucket;
mod intern;
mod journal;
mod model;
mod payload;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch as signal;

use self::bucket::Bucket;
pub(crate) use self::intern::Interner;
pub use self::journal::Error as JournalError;
pub(crate) use self::journal::{Journal, Restored};
pub use self::model::Limits;
pub(crate) use self::model::{
    Change, ClusterId, Draft, Entry, Error, Event, GroupResource, ListRange, Meta, ObjectKey, Page,
};
pub(crate) use self::payload::Payload;
pub(crate) use self::watch::{Feed, FeedError, Scope, Watch};

struct Inner {
    revision: u64,
    /// Every bucket starts out compacted to here: nothing older was ever in this process.
    floor: u64,
    buckets: HashMap<(ClusterId, GroupResource), Bucket>,
    history: VecDeque<Arc<Event>>,
    history_bytes: usize,
}

/// The store of one process. Cheap to share by `Arc`; all methods take `&self`.
pub(crate) struct Store {
    inner: RwLock<Inner>,
    limits: Limits,
    interner: Mutex<Interner>,
    journal: Option<Journal>,
    revisions: signal::Sender<u64>,
}

impl Store {
    /// An empty store in memory.
    pub(crate) fn in_memory(limits: Limits) -> Self {
        Self::build(limits, None, Restored::default())
    }

    /// A store whose writes are kept by `journal`, starting from what it restored.
    pub(crate) fn persistent(limits: Limits, journal: Journal, restored: Restored) -> Self {
        Self::build(limits, Some(journal), restored)
    }

    fn build(limits: Limits, journal: Option<Journal>, restored: Restored) -> Self {
        let revision = restored.revision.max(1);
        let mut interner = Interner::default();
        let mut buckets: HashMap<(ClusterId, GroupResource), Bucket> = HashMap::new();
        for (cluster, resource, mut entry) in restored.entries {
            entry.payload.intern(&mut interner);
            let bucket = buckets
                .entry((cluster, resource))
                .or_insert_with(|| Bucket {
                    compacted: revision,
                    ..Bucket::default()
                });
            bucket.changed = bucket.changed.max(entry.revision);
            bucket.objects.insert(entry.key.clone(), Arc::new(entry));
        }
        let inner = Inner {
            revision,
            floor: revision,
            buckets,
            history: VecDeque::new(),
            history_bytes: 0,
        };
        Self {
            inner: RwLock::new(inner),
            limits,
            interner: Mutex::new(interner),
            journal,
            revisions: signal::Sender::new(revision),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn interner(&self) -> MutexGuard<'_, Interner> {
        self.interner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The newest revision.
    pub(crate) fn revision(&self) -> u64 {
        self.read().revision
    }

    /// The revision of the newest write to a bucket, 0 if there was none.
    pub(crate) fn changed(&self, cluster: ClusterId, resource: &GroupResource) -> u64 {
        self.read()
            .buckets
            .get(&(cluster, resource.clone()))
            .map_or(0, |bucket| bucket.changed)
    }

    /// The object under a key.
    pub(crate) fn get(
        &self,
        cluster: ClusterId,
        resource: &GroupResource,
        key: &ObjectKey,
    ) -> Option<Arc<Entry>> {
        let inner = self.read();
        inner
            .buckets
            .get(&(cluster, resource.clone()))?
            .objects
            .get(key)
            .cloned()
    }

    /// Stores a new object.
    ///
    /// # Errors
    /// [`Error::Exists`] if the key is taken, [`Error::ReadOnly`] if the journal failed.
    pub(crate) fn create(
        &self,
        cluster: ClusterId,
        resource: &GroupResource,
        key: ObjectKey,
        draft: Draft,
    ) -> Result<Arc<Entry>, Error> {
        self.writable()?;
        let draft = self.intern(draft);
        let mut inner = self.write();
        if inner.bucket(cluster, resource).objects.contains_key(&key) {
            return Err(Error::Exists);
        }
        let entry = inner.next(key, draft);
        self.commit(
            &mut inner,
            cluster,
            resource,
            Change::Added,
            Arc::clone(&entry),
            None,
        );
        Ok(entry)
    }

    /// Replaces the object if it is still at `expected`.
    ///
    /// A draft equal to what is stored writes nothing and returns the stored entry, as the real
    /// API server does for updates without change.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Conflict`] with the current revision, [`Error::ReadOnly`].
    pub(crate) fn update(
        &self,
        cluster: ClusterId,
        resource: &GroupResource,
        key: &ObjectKey,
        expected: u64,
        draft: Draft,
    ) -> Result<Arc<Entry>, Error> {
        self.writable()?;
        let draft = self.intern(draft);
        let mut inner = self.write();
        let current = inner.expect(cluster, resource, key, expected)?;
        if current.payload == draft.payload {
            return Ok(current);
        }
        let entry = inner.next(key.clone(), draft);
        let previous = Some(current);
        self.commit(
            &mut inner,
            cluster,
            resource,
            Change::Modified,
            Arc::clone(&entry),
            previous,
        );
        Ok(entry)
    }

    /// Removes the object if it is still at `expected`; returns its last state under the
    /// revision of the deletion.
    ///
    /// # Errors
    /// As [`Store::update`].
    pub(crate) fn delete(
        &self,
        cluster: ClusterId,
        resource: &GroupResource,
        key: &ObjectKey,
        expected: u64,
    ) -> Result<Arc<Entry>, Error> {
        self.writable()?;
        let mut inner = self.write();
        let current = inner.expect(cluster, resource, key, expected)?;
        let last = Draft {
            meta: current.meta.clone(),
            payload: current.payload.clone(),
        };
        let entry = inner.next(key.clone(), last);
        let previous = Some(current);
        self.commit(
            &mut inner,
            cluster,
            resource,
            Change::Deleted,
            Arc::clone(&entry),
            previous,
        );
        Ok(entry)
    }

    /// A page of a bucket.
    ///
    /// # Errors
    /// [`Error::Compacted`] or [`Error::Future`] for a pinned revision out of reach.
    pub(crate) fn list(
        &self,
        cluster: ClusterId,
        resource: &GroupResource,
        range: &ListRange<'_>,
    ) -> Result<Page, Error> {
        let inner = self.read();
        let current = inner.revision;
        let Some(bucket) = inner.buckets.get(&(cluster, resource.clone())) else {
            inner.check_floor(range.revision)?;
            let revision = range.revision.unwrap_or(current);
            return Ok(Page {
                entries: Vec::new(),
                revision,
                remaining: 0,
            });
        };
        let pinned = range.revision.filter(|revision| *revision < bucket.changed);
        let revision = range.revision.unwrap_or(current);
        if revision > current {
            return Err(Error::Future {
                requested: revision,
                current,
            });
        }
        match pinned {
            Some(revision) => bucket.list_at(range, revision),
            None => Ok(bucket.list_now(range, revision)),
        }
    }

    /// The buckets of a cluster that hold at least one object, with their sizes, sorted.
    pub(crate) fn buckets(&self, cluster: ClusterId) -> Vec<(GroupResource, usize)> {
        let inner = self.read();
        let mut found: Vec<_> = inner
            .buckets
            .iter()
            .filter(|((id, _), bucket)| *id == cluster && !bucket.objects.is_empty())
            .map(|((_, resource), bucket)| (resource.clone(), bucket.objects.len()))
            .collect();
        found.sort();
        found
    }

    /// Resolves when `revision` is safe on disk; at once for a store in memory.
    ///
    /// # Errors
    /// [`Error::ReadOnly`] if the data directory cannot take it.
    pub(crate) async fn durable(&self, revision: u64) -> Result<(), Error> {
        match &self.journal {
            Some(journal) => journal.durable(revision).await.map_err(Error::ReadOnly),
            None => Ok(()),
        }
    }

    /// Writes what is queued to disk and closes the file; nothing to do for a store in memory.
    pub(crate) fn close(&self) {
        if let Some(journal) = &self.journal {
            journal.close();
        }
    }

    /// Records a new cluster on disk and waits for it; nothing to do for a store in memory.
    ///
    /// # Errors
    /// [`Error::ReadOnly`] if the data directory cannot take it.
    pub(crate) async fn record_cluster(
        &self,
        name: &str,
        id: ClusterId,
        secret: Vec<u8>,
    ) -> Result<(), Error> {
        self.writable()?;
        let Some(journal) = &self.journal else {
            return Ok(());
        };
        let gone = |_| Error::ReadOnly("the journal's thread ended".into());
        journal.add_cluster(name, id, secret).await.map_err(gone)
    }

    /// Drops history up to and including `revision`, as etcd's compaction does.
    pub(crate) fn compact(&self, revision: u64) {
        let mut inner = self.write();
        while inner
            .history
            .front()
            .is_some_and(|event| event.entry.revision <= revision)
        {
            inner.drop_oldest();
        }
    }

    /// Bytes held by segments that several objects share.
    pub(crate) fn shared_bytes(&self) -> usize {
        self.interner().bytes()
    }

    fn writable(&self) -> Result<(), Error> {
        match self.journal.as_ref().and_then(Journal::failure) {
            Some(why) => Err(Error::ReadOnly(why)),
            None => Ok(()),
        }
    }

    fn intern(&self, mut draft: Draft) -> Draft {
        if draft.payload.has_shared() {
            draft.payload.intern(&mut self.interner());
        }
        draft
    }

    fn commit(
        &self,
        inner: &mut Inner,
        cluster: ClusterId,
        resource: &GroupResource,
        change: Change,
        entry: Arc<Entry>,
        previous: Option<Arc<Entry>>,
    ) {
        let event = Arc::new(Event {
            cluster,
            resource: resource.clone(),
            change,
            entry,
            previous,
        });
        if let Some(journal) = &self.journal {
            journal.append(Arc::clone(&event));
        }
        inner.apply(&event);
        inner.trim(&self.limits);
        self.revisions.send_replace(inner.revision);
    }
}

impl Inner {
    fn bucket(&mut self, cluster: ClusterId, resource: &GroupResource) -> &mut Bucket {
        let floor = self.floor;
        self.buckets
            .entry((cluster, resource.clone()))
            .or_insert_with(|| Bucket {
                compacted: floor,
                ..Bucket::default()
            })
    }

    fn expect(
        &mut self,
        cluster: ClusterId,
        resource: &GroupResource,
        key: &ObjectKey,
        expected: u64,
    ) -> Result<Arc<Entry>, Error> {
        let current = self
            .bucket(cluster, resource)
            .objects
            .get(key)
            .cloned()
            .ok_or(Error::NotFound)?;
        if current.revision == expected {
            Ok(current)
        } else {
            Err(Error::Conflict {
                current: current.revision,
            })
        }
    }

    fn next(&mut self, key: ObjectKey, draft: Draft) -> Arc<Entry> {
        self.revision += 1;
        Arc::new(Entry {
            key,
            revision: self.revision,
            meta: draft.meta,
            payload: draft.payload,
        })
    }

    fn apply(&mut self, event: &Arc<Event>) {
        self.history_bytes += event.weight();
        self.history.push_back(Arc::clone(event));
        let bucket = self.bucket(event.cluster, &event.resource);
        bucket.changed = event.entry.revision;
        if event.change == Change::Deleted {
            bucket.objects.remove(&event.entry.key);
        } else {
            bucket
                .objects
                .insert(event.entry.key.clone(), Arc::clone(&event.entry));
        }
        bucket.history.push_back(Arc::clone(event));
        // Dropping the sender of a full queue closes that watcher behind its last queued event.
        bucket.watchers.retain(|watcher| {
            !watcher.scope.covers(&event.entry.key)
                || watcher.queue.try_send(Arc::clone(event)).is_ok()
        });
    }

    fn trim(&mut self, limits: &Limits) {
        while self.history.len() > limits.history_events_max
            || self.history_bytes > limits.history_bytes_max
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(event) = self.history.pop_front() else {
            return;
        };
        self.history_bytes = self.history_bytes.saturating_sub(event.weight());
        let bucket = self.bucket(event.cluster, &event.resource);
        // The oldest event of the process is the oldest of its bucket.
        bucket.history.pop_front();
        bucket.compacted = event.entry.revision;
    }

    fn check_floor(&self, revision: Option<u64>) -> Result<(), Error> {
        match revision {
            Some(requested) if requested > self.revision => Err(Error::Future {
                requested,
                current: self.revision,
            }),
            Some(requested) if requested < self.floor => Err(Error::Compacted {
                requested,
                oldest: self.floor,
            }),
            _ => Ok(()),
        }
    }
}
