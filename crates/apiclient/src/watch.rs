//! List, then watch, for ever: a stream of differences.

use std::collections::BTreeMap;
use std::io;
use std::pin::pin;
use std::time::Duration;

use futures::{AsyncBufReadExt as _, StreamExt as _, TryStreamExt as _};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::answer::{log_undecodable, position};
use crate::client::Client;
use crate::error::{Class, Error, Target};
use crate::kind::{Kind, Object, ObjectKey, ObjectMeta};
use crate::options::Selector;

/// How long one watch request lasts. Load balancers drop connections that are silent for longer.
const WATCH_SECS: u32 = 200;
/// A server that neither sends nor closes for this long after the deadline is gone.
const WATCH_GRACE: Duration = Duration::from_secs(15);
const RETRY_MIN: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Events between the reading task and the consumer; a slow consumer slows the reading down, which
/// the API server bounds by closing the watch, after which the world is listed again.
const EVENTS_BUFFERED: usize = 256;

/// A difference between what the consumer knows and the stored world.
#[derive(Debug)]
pub enum Event<T> {
    /// The object is new or has changed.
    Applied(T),
    /// The object is gone.
    Deleted(ObjectKey),
    /// Everything that existed when the watch began has been reported. Sent once, and again after
    /// [`Event::NotServed`].
    Synced,
    /// The API server does not know the kind: its definition is missing or was deleted. The watch goes
    /// on trying.
    NotServed,
}

/// A running watch; dropping it ends it.
#[derive(Debug)]
pub struct Watch<T> {
    events: mpsc::Receiver<Event<T>>,
}

impl<T: Object> Watch<T> {
    pub(crate) fn start(client: Client, kind: Kind, selector: Selector) -> Self {
        let (sender, events) = mpsc::channel(EVENTS_BUFFERED);
        let known = BTreeMap::new();
        let number = client.stats().watch_began(&kind.to_string());
        let reader = Reader {
            client,
            kind,
            selector,
            known,
            sender,
            synced: false,
            not_served: false,
            number,
        };
        tokio::spawn(reader.run());
        Self { events }
    }

    /// The next difference. Ends only when the runtime shuts down. Cancel safe.
    pub async fn next(&mut self) -> Option<Event<T>> {
        self.events.recv().await
    }
}

struct Reader<T> {
    client: Client,
    kind: Kind,
    selector: Selector,
    /// Resource version of every object that was reported, to tell differences after a new list.
    known: BTreeMap<ObjectKey, Box<str>>,
    sender: mpsc::Sender<Event<T>>,
    synced: bool,
    not_served: bool,
    /// Its name among the watches of the client.
    number: u64,
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        self.client.stats().watch_ended(self.number);
    }
}

/// The consumer is gone.
struct Closed;

enum Stop {
    Closed,
    Failed(Error),
}

impl From<Closed> for Stop {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    r#type: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
    reason: String,
    message: String,
}

impl<T: Object> Reader<T> {
    async fn run(mut self) {
        let consumer = self.sender.clone();
        tokio::select! {
            () = consumer.closed() => {}
            () = self.read() => {}
        }
    }

    async fn read(&mut self) {
        let mut version: Option<String> = None;
        let mut failures = 0_u32;
        loop {
            self.client.stats().watch_moves(self.number);
            let step = match version.take() {
                None => self.relist().await,
                Some(version) => self.follow(version).await,
            };
            match step {
                Ok(reached) => {
                    failures = 0;
                    version = Some(reached);
                }
                Err(Stop::Closed) => return,
                Err(Stop::Failed(error)) if error.class() == Class::Expired => {
                    tracing::debug!(kind = %self.kind, "watch expired, listing again");
                }
                Err(Stop::Failed(error)) => {
                    failures = failures.saturating_add(1);
                    if error.is_not_found() && self.stopped_serving().await.is_err() {
                        return;
                    }
                    self.wait(failures, &error).await;
                }
            }
        }
    }

    async fn wait(&self, failures: u32, error: &Error) {
        let delay = RETRY_MIN
            .saturating_mul(1 << failures.min(10))
            .min(RETRY_MAX);
        // The first failures are ordinary: servers restart, connections drop.
        if failures > 2 {
            let error = errors::chain(error);
            tracing::warn!(kind = %self.kind, failures, error, "watch failed, trying again");
        }
        tokio::time::sleep(delay).await;
    }

    /// Says once that the kind is not there; what comes after is a new beginning.
    async fn stopped_serving(&mut self) -> Result<(), Closed> {
        self.synced = false;
        if self.not_served {
            return Ok(());
        }
        self.not_served = true;
        self.send(Event::NotServed).await
    }

    /// Lists everything and reports what differs from what was reported before.
    async fn relist(&mut self) -> Result<String, Stop> {
        let mut gone = std::mem::take(&mut self.known);
        let version = match self.list(&mut gone).await {
            Ok(version) => version,
            Err(stop) => {
                // Nobody knows about what was not listed: it stays as it was.
                self.known.append(&mut gone);
                return Err(stop);
            }
        };
        for key in gone.into_keys() {
            self.send(Event::Deleted(key)).await?;
        }
        if !self.synced {
            self.synced = true;
            self.send(Event::Synced).await?;
        }
        Ok(version)
    }

    /// Reports each page before it asks for the next, so that never more than one is in memory. What
    /// is listed is taken out of `gone`.
    async fn list(&mut self, gone: &mut BTreeMap<ObjectKey, Box<str>>) -> Result<String, Stop> {
        let mut next = String::new();
        loop {
            let mut page = Vec::new();
            let mut each = |object: T| page.push(object);
            let (version, after) = self
                .client
                .page(&self.kind, &self.selector, &next, &mut each)
                .await
                .map_err(Stop::Failed)?;
            for object in page {
                let key = object.key();
                let unchanged = gone
                    .remove(&key)
                    .is_some_and(|seen| *seen == *object.resource_version());
                if unchanged {
                    self.known.insert(key, object.resource_version().into());
                } else {
                    self.applied(object).await?;
                }
            }
            if after.is_empty() {
                return Ok(version);
            }
            next = after;
        }
    }

    /// Follows the watch from `version` until it ends; the version it reached.
    async fn follow(&mut self, mut version: String) -> Result<String, Stop> {
        let body = self
            .client
            .open_watch(&self.kind, &self.selector, &version, WATCH_SECS)
            .await
            .map_err(Stop::Failed)?;
        let data = body.into_data_stream().map_err(io::Error::other);
        let mut lines = pin!(data.into_async_read().lines());
        let deadline =
            tokio::time::Instant::now() + Duration::from_secs(u64::from(WATCH_SECS)) + WATCH_GRACE;
        loop {
            match tokio::time::timeout_at(deadline, lines.next()).await {
                Ok(Some(Ok(line))) => self.line(&line, &mut version).await?,
                // The end, a broken connection and a silent one are alike: go on from here.
                Ok(Some(Err(_)) | None) | Err(_) => return Ok(version),
            }
        }
    }

    async fn line(&mut self, line: &str, version: &mut String) -> Result<(), Stop> {
        let Ok(Line { r#type, object }) = serde_json::from_str::<Line<'_>>(line) else {
            // A connection that breaks inside a line leaves a part of one.
            return Ok(());
        };
        let object = object.get();
        match r#type {
            "ADDED" | "MODIFIED" => match serde_json::from_str::<T>(object) {
                Ok(object) => {
                    object.resource_version().clone_into(version);
                    self.applied(object).await?;
                }
                Err(error) => {
                    advance(version, object);
                    log_undecodable(&self.kind, object, &error);
                }
            },
            "DELETED" => {
                let meta = advance(version, object);
                let key = ObjectKey::new(meta.metadata.namespace, meta.metadata.name);
                self.known.remove(&key);
                self.send(Event::Deleted(key)).await?;
            }
            "BOOKMARK" => {
                advance(version, object);
            }
            "ERROR" => return Err(Stop::Failed(self.failure(object))),
            other => tracing::warn!(kind = %self.kind, event = other, "unknown watch event"),
        }
        Ok(())
    }

    fn failure(&self, object: &str) -> Error {
        let status: Status = match serde_json::from_str(object) {
            Ok(status) => status,
            Err(error) => Status {
                message: position(&error),
                ..Status::default()
            },
        };
        Error::Refused {
            at: Target::new("watch", &self.kind, &ObjectKey::default()),
            code: status.code,
            reason: status.reason,
            message: status.message,
            retry_after_secs: 0,
        }
    }

    async fn applied(&mut self, mut object: T) -> Result<(), Closed> {
        object.trim();
        self.known
            .insert(object.key(), object.resource_version().into());
        self.send(Event::Applied(object)).await
    }

    async fn send(&self, event: Event<T>) -> Result<(), Closed> {
        self.sender.send(event).await.map_err(|_| Closed)
    }
}

fn advance(version: &mut String, object: &str) -> ObjectMeta {
    let meta: ObjectMeta = serde_json::from_str(object).unwrap_or_default();
    if !meta.metadata.resource_version.is_empty() {
        version.clone_from(&meta.metadata.resource_version);
    }
    meta
}
