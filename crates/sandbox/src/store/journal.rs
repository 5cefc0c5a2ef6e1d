//! Keeps the store on disk: a writer thread that commits batches of events into one redb file.
//!
//! Writers wait for their revision to be durable before they answer, so what a client was told
//! survives a kill. Batches form by themselves: whatever queued up during one commit is the next
//! one. When a commit fails (disk full), waiting and new writes are refused with its text, and the
//! batch is tried again until it succeeds.
//!
//! File: `objects` maps (cluster, resource, namespace, name) to head bytes and digests of shared
//! segments; `segments` maps a digest to its bytes, once for all clusters; `clusters` maps a cluster
//! name to its number and secret; `counters` holds the revision.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use sha2::{Digest, Sha256};
use tokio::sync::{oneshot, watch as signal};

use super::{Change, ClusterId, Entry, Event, GroupResource, ObjectKey, Payload};
use crate::object;

const OBJECTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("objects");
const SEGMENTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("segments");
const CLUSTERS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("clusters");
const COUNTERS: TableDefinition<'_, &str, u64> = TableDefinition::new("counters");

/// Most events in one commit; bounds its size to what a page cache takes easily.
const BATCH_EVENTS_MAX: usize = 2_048;
/// Pause between attempts to commit a batch that failed.
const RETRY_SECS: u64 = 1;
/// A restart skips this many revisions, so that none that an outside watcher may have seen
/// before a crash is ever used again for something else.
const RESTART_REVISION_GAP: u64 = 100_000;

/// Why a data directory could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory could not be created.
    #[error("cannot create data directory {}", path.display())]
    CreateDirectory {
        /// The directory.
        path: PathBuf,
        /// The system's complaint.
        #[source]
        source: std::io::Error,
    },
    /// The file could not be opened: no such file system, in use by another process, damaged.
    #[error("cannot open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The database's complaint.
        #[source]
        source: Box<redb::Error>,
    },
    /// A record could not be read.
    #[error("cannot read {what} of {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Which record.
        what: &'static str,
        /// The database's complaint.
        #[source]
        source: Box<redb::Error>,
    },
    /// A record has an unknown form.
    #[error("damaged record {record} in {}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its key.
        record: String,
    },
    /// Reading was cut short by the end of the process.
    #[error("reading was interrupted")]
    Interrupted,
    /// The writer thread could not be started.
    #[error("cannot start the journal's thread")]
    Thread(#[source] std::io::Error),
}

/// What a data directory held.
#[derive(Default)]
pub(crate) struct Restored {
    /// The revision to go on from.
    pub(crate) revision: u64,
    /// All objects.
    pub(crate) entries: Vec<(ClusterId, GroupResource, Entry)>,
    /// All clusters: name, number, secret.
    pub(crate) clusters: Vec<(String, ClusterId, Vec<u8>)>,
}

enum Record {
    Event(Arc<Event>),
    Cluster {
        name: String,
        id: ClusterId,
        secret: Vec<u8>,
        done: oneshot::Sender<()>,
    },
}

#[derive(Clone, Default)]
struct Progress {
    revision: u64,
    failure: Option<Arc<str>>,
}

/// Handle to the writer thread. The thread ends when the handle is closed or dropped, after a last
/// commit.
pub(crate) struct Journal {
    writer: Mutex<Option<(mpsc::Sender<Record>, JoinHandle<()>)>>,
    progress: signal::Receiver<Progress>,
}

impl Journal {
    /// Opens or creates the file in `directory` and reads all of it.
    pub(crate) fn open(directory: &Path) -> Result<(Self, Restored), Error> {
        std::fs::create_dir_all(directory).map_err(|source| Error::CreateDirectory {
            path: directory.to_owned(),
            source,
        })?;
        let path = directory.join("sandbox.redb");
        let database = open_database(&path).map_err(|source| Error::Open {
            path: path.clone(),
            source: Box::new(source),
        })?;
        let (restored, uses) = read_all(&database, &path)?;
        let (records, inbox) = mpsc::channel();
        let (report, progress) = signal::channel(Progress {
            revision: restored.revision,
            failure: None,
        });
        let writer = Writer {
            path,
            database: Some(database),
            uses,
            report,
        };
        let thread = std::thread::Builder::new()
            .name("sandbox-journal".to_owned())
            .spawn(move || writer.run(&inbox))
            .map_err(Error::Thread)?;
        Ok((
            Self {
                writer: Mutex::new(Some((records, thread))),
                progress,
            },
            restored,
        ))
    }

    /// Queues a committed event. Never blocks.
    pub(crate) fn append(&self, event: Arc<Event>) {
        self.send(Record::Event(event));
    }

    /// Queues a cluster's registration; the receiver resolves when it is on disk.
    pub(crate) fn add_cluster(
        &self,
        name: &str,
        id: ClusterId,
        secret: Vec<u8>,
    ) -> oneshot::Receiver<()> {
        let (done, wait) = oneshot::channel();
        self.send(Record::Cluster {
            name: name.to_owned(),
            id,
            secret,
            done,
        });
        wait
    }

    fn send(&self, record: Record) {
        if let Some((records, _)) = &*self.writer() {
            // A dead writer shows as a failure to everybody who waits for durability.
            let _ = records.send(record);
        }
    }

    fn writer(&self) -> std::sync::MutexGuard<'_, Option<(mpsc::Sender<Record>, JoinHandle<()>)>> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits what is queued and closes the file; later writes are refused.
    pub(crate) fn close(&self) {
        let Some((records, thread)) = self.writer().take() else {
            return;
        };
        drop(records);
        // A panicked writer has nothing left to save.
        let _ = thread.join();
    }

    /// The text of the last failure while the file cannot be written.
    pub(crate) fn failure(&self) -> Option<Arc<str>> {
        if self.writer().is_none() {
            return Some("the sandbox was stopped".into());
        }
        self.progress.borrow().failure.clone()
    }

    /// Resolves when `revision` is on disk, or with the failure that keeps it off.
    pub(crate) async fn durable(&self, revision: u64) -> Result<(), Arc<str>> {
        let mut progress = self.progress.clone();
        let reached = progress
            .wait_for(|now| now.revision >= revision || now.failure.is_some())
            .await
            .map_err(|_| Arc::from("the journal's thread ended"))?;
        match &reached.failure {
            Some(why) if reached.revision < revision => Err(Arc::clone(why)),
            _ => Ok(()),
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

type Hash = [u8; 32];

struct Writer {
    path: PathBuf,
    /// Absent after a failed commit, until it could be opened again.
    database: Option<Database>,
    /// How many objects use each segment.
    uses: HashMap<Hash, u32>,
    report: signal::Sender<Progress>,
}

impl Writer {
    fn run(mut self, inbox: &mpsc::Receiver<Record>) {
        while let Ok(first) = inbox.recv() {
            let mut batch = vec![first];
            batch.extend(inbox.try_iter().take(BATCH_EVENTS_MAX));
            while let Err(why) = self.commit(&batch) {
                let text: Arc<str> = format!("cannot write {}: {why}", self.path.display()).into();
                tracing::error!(error = %text, "sandbox journal");
                self.report
                    .send_modify(|progress| progress.failure = Some(Arc::clone(&text)));
                self.database = None;
                std::thread::sleep(Duration::from_secs(RETRY_SECS));
            }
            let last = batch.iter().rev().find_map(|record| match record {
                Record::Event(event) => Some(event.entry.revision),
                Record::Cluster { .. } => None,
            });
            self.report.send_modify(|progress| {
                progress.failure = None;
                progress.revision = last.unwrap_or(progress.revision);
            });
            for record in batch {
                if let Record::Cluster { done, .. } = record {
                    let _ = done.send(());
                }
            }
        }
    }

    fn commit(&mut self, batch: &[Record]) -> Result<(), Box<redb::Error>> {
        let database = match self.database.take() {
            Some(database) => database,
            None => open_database(&self.path).map_err(Box::new)?,
        };
        let mut uses = self.uses.clone();
        let write = || -> Result<(), redb::Error> {
            let transaction = database.begin_write()?;
            for record in batch {
                match record {
                    Record::Event(event) => write_event(&transaction, event, &mut uses)?,
                    Record::Cluster {
                        name, id, secret, ..
                    } => {
                        let value = [&id.to_be_bytes()[..], secret].concat();
                        transaction
                            .open_table(CLUSTERS)?
                            .insert(name.as_str(), &value[..])?;
                    }
                }
            }
            transaction.commit()?;
            Ok(())
        };
        let mut write = write;
        write().map_err(Box::new)?;
        self.uses = uses;
        self.database = Some(database);
        Ok(())
    }
}

fn open_database(path: &Path) -> Result<Database, redb::Error> {
    let database = Database::create(path)?;
    let transaction = database.begin_write()?;
    transaction.open_table(OBJECTS)?;
    transaction.open_table(SEGMENTS)?;
    transaction.open_table(CLUSTERS)?;
    transaction.open_table(COUNTERS)?;
    transaction.commit()?;
    Ok(database)
}

fn write_event(
    transaction: &WriteTransaction,
    event: &Event,
    uses: &mut HashMap<Hash, u32>,
) -> Result<(), redb::Error> {
    let key = encode_key(event.cluster, &event.resource, &event.entry.key);
    let mut objects = transaction.open_table(OBJECTS)?;
    let mut segments = transaction.open_table(SEGMENTS)?;
    if event.change == Change::Deleted {
        objects.remove(&key[..])?;
    } else {
        let (head, meta_len, shared) = event.entry.payload.parts();
        let mut value = Vec::with_capacity(head.len() + 16 + 32 * shared.len());
        value.extend_from_slice(&event.entry.revision.to_be_bytes());
        value.extend_from_slice(&(meta_len as u32).to_be_bytes());
        value.extend_from_slice(&(head.len() as u32).to_be_bytes());
        value.extend_from_slice(head);
        for segment in shared {
            let hash: Hash = Sha256::digest(segment).into();
            let count = uses.entry(hash).or_insert(0);
            if *count == 0 {
                segments.insert(&hash[..], &segment[..])?;
            }
            *count += 1;
            value.extend_from_slice(&hash);
        }
        objects.insert(&key[..], &value[..])?;
    }
    if let Some(previous) = &event.previous {
        for segment in previous.payload.parts().2 {
            let hash: Hash = Sha256::digest(segment).into();
            let Some(count) = uses.get_mut(&hash) else {
                continue;
            };
            *count -= 1;
            if *count == 0 {
                uses.remove(&hash);
                segments.remove(&hash[..])?;
            }
        }
    }
    transaction
        .open_table(COUNTERS)?
        .insert("revision", event.entry.revision)?;
    Ok(())
}

fn encode_key(cluster: ClusterId, resource: &GroupResource, key: &ObjectKey) -> Vec<u8> {
    let mut bytes = cluster.to_be_bytes().to_vec();
    for part in [resource.as_str(), &key.namespace, &key.name] {
        bytes.extend_from_slice(part.as_bytes());
        bytes.push(0);
    }
    bytes
}

fn decode_key(bytes: &[u8]) -> Option<(ClusterId, GroupResource, ObjectKey)> {
    let (cluster, rest) = bytes.split_first_chunk::<4>()?;
    let mut parts = rest.split(|byte| *byte == 0).map(std::str::from_utf8);
    let resource = GroupResource(parts.next()?.ok()?.into());
    let key = ObjectKey::new(parts.next()?.ok()?, parts.next()?.ok()?);
    Some((ClusterId::from_be_bytes(*cluster), resource, key))
}

struct Reader<'a> {
    path: &'a Path,
    segments: HashMap<Hash, Arc<[u8]>>,
    uses: HashMap<Hash, u32>,
}

impl Reader<'_> {
    fn damaged(&self, key: &[u8]) -> Error {
        let record = String::from_utf8_lossy(key).replace('\0', "/");
        Error::Damaged {
            path: self.path.to_owned(),
            record,
        }
    }

    fn entry(&mut self, key: &[u8], value: &[u8]) -> Option<(ClusterId, GroupResource, Entry)> {
        let (cluster, resource, object_key) = decode_key(key)?;
        let (revision, rest) = value.split_first_chunk::<8>()?;
        let (meta_len, rest) = rest.split_first_chunk::<4>()?;
        let (head_len, rest) = rest.split_first_chunk::<4>()?;
        let (head, hashes) = rest.split_at_checked(u32::from_be_bytes(*head_len) as usize)?;
        let mut shared = Vec::new();
        for hash in hashes.chunks(32) {
            let hash: Hash = hash.try_into().ok()?;
            shared.push(Arc::clone(self.segments.get(&hash)?));
            *self.uses.entry(hash).or_insert(0) += 1;
        }
        let payload = Payload::from_parts(head, u32::from_be_bytes(*meta_len) as usize, shared);
        let mut partial = Vec::new();
        payload.write_partial(&mut partial, 0);
        let meta = object::extract_meta(&serde_json::from_slice(&partial).ok()?);
        let revision = u64::from_be_bytes(*revision);
        Some((
            cluster,
            resource,
            Entry {
                key: object_key,
                revision,
                meta,
                payload,
            },
        ))
    }
}

fn read_all(database: &Database, path: &Path) -> Result<(Restored, HashMap<Hash, u32>), Error> {
    let fail = |what| {
        move |source: redb::Error| Error::Read {
            path: path.to_owned(),
            what,
            source: Box::new(source),
        }
    };
    let mut reader = Reader {
        path,
        segments: HashMap::new(),
        uses: HashMap::new(),
    };
    let raw = read_raw(database).map_err(fail("the tables"))?;
    for (hash, bytes) in raw.segments {
        let hash: Hash = hash[..].try_into().map_err(|_| reader.damaged(&hash))?;
        reader.segments.insert(hash, bytes.into());
    }
    let mut restored = Restored {
        revision: raw.revision,
        ..Restored::default()
    };
    for (key, value) in raw.objects {
        let record = reader
            .entry(&key, &value)
            .ok_or_else(|| reader.damaged(&key))?;
        restored.entries.push(record);
    }
    for (name, value) in raw.clusters {
        let (id, secret) = value
            .split_first_chunk::<4>()
            .ok_or_else(|| reader.damaged(name.as_bytes()))?;
        restored
            .clusters
            .push((name, ClusterId::from_be_bytes(*id), secret.to_vec()));
    }
    if restored.revision > 0 {
        restored.revision += RESTART_REVISION_GAP;
    }
    Ok((restored, reader.uses))
}

#[derive(Default)]
struct Raw {
    revision: u64,
    segments: Vec<(Vec<u8>, Vec<u8>)>,
    objects: Vec<(Vec<u8>, Vec<u8>)>,
    clusters: Vec<(String, Vec<u8>)>,
}

fn read_raw(database: &Database) -> Result<Raw, redb::Error> {
    let transaction = database.begin_read()?;
    let mut raw = Raw::default();
    if let Some(revision) = transaction.open_table(COUNTERS)?.get("revision")? {
        raw.revision = revision.value();
    }
    for row in transaction.open_table(SEGMENTS)?.iter()? {
        let (key, value) = row?;
        raw.segments
            .push((key.value().to_vec(), value.value().to_vec()));
    }
    for row in transaction.open_table(OBJECTS)?.iter()? {
        let (key, value) = row?;
        raw.objects
            .push((key.value().to_vec(), value.value().to_vec()));
    }
    for row in transaction.open_table(CLUSTERS)?.iter()? {
        let (key, value) = row?;
        raw.clusters
            .push((key.value().to_owned(), value.value().to_vec()));
    }
    Ok(raw)
}
