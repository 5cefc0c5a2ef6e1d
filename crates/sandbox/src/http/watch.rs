//! Watches: present state, changes, bookmarks, as one chunked stream of JSON lines.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use tokio::sync::watch as signal;
use tokio::time::Instant;

use super::body::{Body, BoxError};
use super::negotiate::{Form, JSON};
use super::query::{Query, WatchStart, watch_start};
use super::read;
use crate::registry::CRDS;
use crate::rest::Call;
use crate::rest::select::Selection;
use crate::status::Status;
use crate::store::{self, Change, Entry, Event, ListRange, Scope, Watch};
use crate::tables;

/// Time between bookmarks.
const BOOKMARK_SECS: u64 = 60;
/// Watches without a timeout of their own end after 30 to 60 minutes (`--min-request-timeout`).
const TIMEOUT_SECS_MIN: u64 = 1_800;
/// Events are written in one chunk up to about this size.
const CHUNK_BYTES: usize = 64 << 10;
/// Annotation of the bookmark that ends the present state.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// Parameters of a watch.
pub(super) struct Options {
    form: Form,
    selection: Selection,
    bookmarks: bool,
    timeout: Duration,
    start: WatchStart,
}

impl Options {
    pub(super) fn read(query: &Query, form: Form, selection: Selection) -> Result<Self, Status> {
        let timeout_secs = match query.timeout_secs()? {
            0 => TIMEOUT_SECS_MIN + rand::random_range(0..TIMEOUT_SECS_MIN),
            secs => secs,
        };
        Ok(Self {
            form,
            selection,
            bookmarks: query.is_set("allowWatchBookmarks"),
            timeout: Duration::from_secs(timeout_secs),
            start: watch_start(query)?,
        })
    }
}

/// Answers a watch.
pub(super) fn watch(call: Call, options: Options) -> Result<Response<Body>, Status> {
    let down = call.cluster.down.subscribe();
    let begun = begin(&call, &options);
    let (watch, initial, revision) = match begun {
        Ok(begun) => begun,
        // The watch cache answers 200 and then tells of the error.
        Err(error @ store::Error::Compacted { .. }) => {
            let status = Status::of_store(&error, &call.resource.group_resource, "");
            let line = format!("{{\"type\":\"ERROR\",\"object\":{}}}\n", status.to_value());
            return Ok(respond(Body::full(line)));
        }
        Err(error) => return Err(Status::of_store(&error, &call.resource.group_resource, "")),
    };
    let deadline = Instant::now() + options.timeout;
    let stream = Stream {
        definition: watch_definition(&call),
        ends_initial: matches!(options.start, WatchStart::Streaming(_)),
        next_bookmark: Instant::now() + Duration::from_secs(BOOKMARK_SECS),
        headers_sent: false,
        call,
        options,
        watch,
        initial,
        revision,
        deadline,
        down,
    };
    let chunks = futures::stream::unfold(stream, |mut stream| async move {
        stream.next_chunk().await.map(|chunk| (chunk, stream))
    });
    Ok(respond(Body::chunks(chunks)))
}

/// Follows the definition of a custom kind, whose end ends all its watches.
fn watch_definition(call: &Call) -> Option<Watch> {
    let scope = Scope {
        namespace: None,
        name: Some(call.resource.custom.as_ref()?.crd.as_str().into()),
    };
    let store = &call.cluster.store;
    store
        .watch(call.cluster.id, &CRDS, store.revision(), scope)
        .ok()
}

/// Waits until the definition is deleted; for ever where there is none.
async fn deleted(definition: &mut Option<Watch>) {
    if let Some(watch) = definition {
        while let Some(event) = watch.next().await {
            if event.change == Change::Deleted {
                return;
            }
        }
    }
    std::future::pending::<()>().await;
}

fn respond(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    headers.insert(
        "cache-control",
        HeaderValue::from_static("no-cache, private"),
    );
    response
}

type Begun = (Watch, VecDeque<Arc<Entry>>, u64);

/// Opens the watch; the entries are the present state to send first.
fn begin(call: &Call, options: &Options) -> Result<Begun, store::Error> {
    let scope = Scope {
        namespace: (!call.namespace.is_empty()).then(|| call.namespace.as_str().into()),
        name: options.selection.name().map(Into::into),
    };
    let store = &call.cluster.store;
    let (cluster, bucket) = (call.cluster.id, &call.resource.bucket);
    let wanted = match options.start {
        WatchStart::Changes(revision) => {
            let watch = store.watch(cluster, bucket, revision, scope)?;
            return Ok((watch, VecDeque::new(), revision));
        }
        WatchStart::Now => {
            let revision = store.revision();
            let watch = store.watch(cluster, bucket, revision, scope)?;
            return Ok((watch, VecDeque::new(), revision));
        }
        WatchStart::State(revision) | WatchStart::Streaming(revision) => revision,
    };
    let namespace = (!call.namespace.is_empty()).then_some(call.namespace.as_str());
    let page = store.list(
        cluster,
        bucket,
        &ListRange {
            namespace,
            ..ListRange::default()
        },
    )?;
    if wanted > page.revision {
        return Err(store::Error::Future {
            requested: wanted,
            current: page.revision,
        });
    }
    let watch = store.watch(cluster, bucket, page.revision, scope)?;
    let selected = page
        .entries
        .into_iter()
        .filter(|entry| options.selection.matches(&call.resource, entry))
        .collect();
    Ok((watch, selected, page.revision))
}

struct Stream {
    call: Call,
    options: Options,
    watch: Watch,
    /// Events of the definition of a custom kind.
    definition: Option<Watch>,
    initial: VecDeque<Arc<Entry>>,
    /// Whether a bookmark has to end the present state.
    ends_initial: bool,
    /// Newest revision the client has been told of, or that the watch is known to have reached.
    revision: u64,
    next_bookmark: Instant,
    deadline: Instant,
    down: signal::Receiver<bool>,
    /// Whether a table's columns have been sent.
    headers_sent: bool,
}

impl Stream {
    /// The next chunk; `None` ends the watch.
    async fn next_chunk(&mut self) -> Option<Result<Bytes, BoxError>> {
        let mut out = Vec::new();
        while let Some(entry) = self.initial.pop_front() {
            self.line(&mut out, "ADDED", &entry);
            if out.len() >= CHUNK_BYTES {
                return Some(Ok(out.into()));
            }
        }
        if std::mem::take(&mut self.ends_initial) && self.options.bookmarks {
            self.bookmark(&mut out, true);
        }
        while out.is_empty() {
            let event = tokio::select! {
                biased;
                _ = self.down.wait_for(|down| *down) => {
                    let gone = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
                    return Some(Err(gone.into()));
                }
                event = self.watch.next() => Some(event?),
                () = deleted(&mut self.definition) => return None,
                () = tokio::time::sleep_until(self.deadline.min(self.next_bookmark)) => None,
            };
            match event {
                Some(event) => self.drain(&mut out, &event),
                None if Instant::now() >= self.deadline => return None,
                None => {
                    self.next_bookmark = Instant::now() + Duration::from_secs(BOOKMARK_SECS);
                    self.catch_up(&mut out);
                    if self.options.bookmarks {
                        self.bookmark(&mut out, false);
                    }
                }
            }
        }
        Some(Ok(out.into()))
    }

    /// Writes an event and those already waiting behind it.
    fn drain(&mut self, out: &mut Vec<u8>, first: &Event) {
        self.event(out, first);
        while out.len() < CHUNK_BYTES {
            let Some(event) = self.watch.try_next() else {
                return;
            };
            self.event(out, &event);
        }
    }

    /// Brings `revision` to the store's: every event up to there was queued before it was read.
    fn catch_up(&mut self, out: &mut Vec<u8>) {
        let reached = self.call.cluster.store.revision();
        while let Some(event) = self.watch.try_next() {
            self.event(out, &event);
        }
        self.revision = self.revision.max(reached);
    }

    fn event(&mut self, out: &mut Vec<u8>, event: &Event) {
        self.revision = event.entry.revision;
        let resource = &self.call.resource;
        let matches = |entry: &Entry| self.options.selection.matches(resource, entry);
        let now = event.change != Change::Deleted && matches(&event.entry);
        let before = event.previous.as_deref().is_some_and(matches);
        match (before, now) {
            (false, true) => self.line(out, "ADDED", &event.entry),
            (true, true) => self.line(out, "MODIFIED", &event.entry),
            (true, false) => {
                // What leaves the selection is shown as it was, at the revision it left.
                let last = event.previous.as_deref().unwrap_or(&event.entry);
                let last = Entry {
                    revision: event.entry.revision,
                    ..last.clone()
                };
                self.line(out, "DELETED", &last);
            }
            (false, false) => {}
        }
    }

    fn line(&mut self, out: &mut Vec<u8>, kind: &str, entry: &Entry) {
        let start = out.len();
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"object\":");
        if let Err(status) = self.object(out, entry) {
            out.truncate(start);
            let line = format!("{{\"type\":\"ERROR\",\"object\":{}", status.to_value());
            out.extend_from_slice(line.as_bytes());
        }
        out.extend_from_slice(b"}\n");
    }

    fn object(&mut self, out: &mut Vec<u8>, entry: &Entry) -> Result<(), Status> {
        match self.options.form {
            Form::Object => read::write_object(&self.call, entry, out, true),
            Form::Partial => {
                entry.payload.write_partial(out, entry.revision);
                Ok(())
            }
            Form::Table(include) => {
                let object = self.call.decode(entry)?;
                let meta = serde_json::json!({"resourceVersion": entry.revision.to_string()});
                let without_headers = std::mem::replace(&mut self.headers_sent, true);
                let options = tables::Options {
                    include,
                    without_headers,
                };
                let objects = std::slice::from_ref(&object);
                let table = tables::table(&self.call, objects, &meta, options);
                serde_json::to_writer(out, &table)
                    .map_err(|error| Status::internal(&error.to_string()))
            }
        }
    }

    fn bookmark(&self, out: &mut Vec<u8>, ends_initial: bool) {
        let (kind, api_version) = match self.options.form {
            Form::Object => (
                self.call.resource.kind.as_str(),
                self.call.resource.api_version.as_str(),
            ),
            Form::Partial => ("PartialObjectMetadata", "meta.k8s.io/v1"),
            Form::Table(_) => ("Table", "meta.k8s.io/v1"),
        };
        let mut meta = serde_json::json!({"resourceVersion": self.revision.to_string()});
        if ends_initial {
            meta["annotations"] = serde_json::json!({INITIAL_EVENTS_END: "true"});
        }
        let line = serde_json::json!({"type": "BOOKMARK", "object": {
            "kind": kind, "apiVersion": api_version, "metadata": meta}});
        out.extend_from_slice(line.to_string().as_bytes());
        out.push(b'\n');
    }
}
