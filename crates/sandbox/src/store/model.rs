//! The store's vocabulary: keys, entries, events, errors, bounds.

use std::sync::Arc;

use super::Payload;

/// Number of a logical cluster inside one store.
pub(crate) type ClusterId = u32;

/// Which bucket an object lives in: `plural.group`, or only `plural` in the core group.
///
/// The form equals `schema.GroupResource.String()`, so it is also what error texts name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct GroupResource(pub Arc<str>);

impl GroupResource {
    /// Joins a group (empty for core) and a plural.
    pub(crate) fn new(group: &str, plural: &str) -> Self {
        if group.is_empty() {
            Self(plural.into())
        } else {
            Self(format!("{plural}.{group}").into())
        }
    }

    /// `plural.group`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The group, empty for core.
    pub(crate) fn group(&self) -> &str {
        self.0.split_once('.').map_or("", |(_, group)| group)
    }

    /// The plural name.
    pub(crate) fn plural(&self) -> &str {
        self.0.split_once('.').map_or(&self.0, |(plural, _)| plural)
    }
}

/// Name of an object inside its bucket; the namespace is empty for cluster-scoped kinds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ObjectKey {
    /// Namespace, or empty.
    pub namespace: Arc<str>,
    /// Object name.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// A key from its two parts.
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// What the store and its readers need of an object without decoding it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    /// `metadata.uid`.
    pub uid: Arc<str>,
    /// Labels, sorted by key.
    pub labels: Box<[(Box<str>, Box<str>)]>,
    /// Uids of the owners, in the order of `ownerReferences`.
    pub owners: Box<[Box<str>]>,
    /// Whether any finalizer is set.
    pub has_finalizers: bool,
    /// Whether `deletionTimestamp` is set.
    pub deleting: bool,
    /// `metadata.generation`, 0 where the kind has none.
    pub generation: i64,
}

/// A stored object at one revision.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Where it is stored.
    pub key: ObjectKey,
    /// The revision of the write that produced it: its resourceVersion.
    pub revision: u64,
    /// Extracted metadata.
    pub meta: Meta,
    /// The object itself.
    pub payload: Payload,
}

/// An object about to be written.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// Extracted metadata.
    pub meta: Meta,
    /// The encoded object.
    pub payload: Payload,
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It did not exist before.
    Added,
    /// It existed and differs now.
    Modified,
    /// It is gone; the event carries its last state under the revision of the deletion.
    Deleted,
}

/// One committed write. Revisions are dense: each write takes exactly one.
#[derive(Debug)]
pub(crate) struct Event {
    /// The logical cluster.
    pub cluster: ClusterId,
    /// The bucket.
    pub resource: GroupResource,
    /// What happened.
    pub change: Change,
    /// State after the write (last state for a deletion).
    pub entry: Arc<Entry>,
    /// State before the write, absent for an addition.
    pub previous: Option<Arc<Entry>>,
}

impl Event {
    /// Bytes this event keeps alive in the history, roughly; shared segments are not counted.
    pub(super) fn weight(&self) -> usize {
        self.entry.payload.own_bytes() + 256
    }
}

/// Why the store refused a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// The key is taken.
    #[error("object exists")]
    Exists,
    /// No object under the key.
    #[error("object not found")]
    NotFound,
    /// The object is at another revision than the writer saw.
    #[error("object is at revision {current}")]
    Conflict {
        /// Where the object is now.
        current: u64,
    },
    /// The history no longer reaches back to the requested revision.
    #[error("revision {requested} is compacted, oldest is {oldest}")]
    Compacted {
        /// The revision asked for.
        requested: u64,
        /// The oldest revision that can still be read.
        oldest: u64,
    },
    /// The revision lies ahead of the store.
    #[error("revision {requested} is in the future, current is {current}")]
    Future {
        /// The revision asked for.
        requested: u64,
        /// The store's revision.
        current: u64,
    },
    /// The data directory cannot be written to; nothing was changed.
    #[error("store is read-only: {0}")]
    ReadOnly(Arc<str>),
}

/// Bounds of the store's memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Events kept for watches and pinned lists, over all clusters.
    pub history_events_max: usize,
    /// Bytes those events may keep alive.
    pub history_bytes_max: usize,
    /// Events queued for one watcher before it is closed.
    pub watcher_queue_max: usize,
}

impl Limits {
    /// For serving: a minute or more of history of a busy store.
    pub const PRODUCTION: Self = Self {
        history_events_max: 65_536,
        history_bytes_max: 256 << 20,
        watcher_queue_max: 4_096,
    };
    /// For tests that need to reach the bounds.
    pub const TINY: Self = Self {
        history_events_max: 16,
        history_bytes_max: 1 << 20,
        watcher_queue_max: 8,
    };
}

/// Which part of a bucket a list wants.
#[derive(Clone, Debug, Default)]
pub(crate) struct ListRange<'a> {
    /// One namespace, or all.
    pub namespace: Option<&'a str>,
    /// Only keys behind this one.
    pub after: Option<ObjectKey>,
    /// At most so many entries; 0 is no limit.
    pub limit: usize,
    /// The state at this revision, or the newest.
    pub revision: Option<u64>,
}

/// A page of a list, ordered by namespace and name.
#[derive(Debug)]
pub(crate) struct Page {
    /// The entries.
    pub entries: Vec<Arc<Entry>>,
    /// The revision the page shows.
    pub revision: u64,
    /// How many entries follow this page.
    pub remaining: usize,
}
