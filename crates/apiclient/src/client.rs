//! Reads and measured writes.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use percent_encoding::utf8_percent_encode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use crate::answer::{Page, decode, decode_borrowed, log_undecodable, refusal};
use crate::budget::Budgets;
use crate::error::{Error, Target};
use crate::kind::{Kind, ObjectKey, ObjectMeta};
use crate::options::{DeleteOptions, PLAIN, Patch, Propagation, Query, Selector, WriteOptions};
use crate::stats::{Outcome, Stats};
use crate::watch::Watch;

/// How long any request but a watch may take. The API server itself ends requests after a minute.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(65);
/// Objects per page of a list.
const PAGE_LIMIT: u32 = 500;
/// Header with the name of the user that a request is made as.
const IMPERSONATE_USER: &str = "impersonate-user";
const JSON: &str = "application/json";
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// Talks to one API server as one identity. Clones share connections, budgets and counters.
#[derive(Clone)]
pub struct Client {
    kube: kube::Client,
    shared: Arc<Shared>,
    /// Whom requests are made as; `None` for the owner of the credentials.
    maybe_user: Option<Arc<str>>,
}

struct Shared {
    field_manager: String,
    budgets: Budgets,
    stats: Stats,
    troubled: Arc<Notify>,
}
/// A serialised object, measured once.
#[derive(Clone, Debug)]
pub struct Body(Bytes);

impl Body {
    /// Serialises `value`, which is (part of) object `key`.
    pub fn of<T: Serialize + ?Sized>(
        kind: &Kind,
        key: &ObjectKey,
        value: &T,
    ) -> Result<Self, Error> {
        match serde_json::to_vec(value) {
            Ok(bytes) => Ok(Self(bytes.into())),
            Err(source) => Err(Error::Serialise {
                at: Target::new("serialise", kind, key),
                source,
            }),
        }
    }

    /// Size in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was serialised.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One request before it is sent.
struct Call<'a> {
    verb: &'static str,
    method: http::Method,
    kind: &'a Kind,
    key: &'a ObjectKey,
    subresource: Option<&'a str>,
    accept: &'static str,
    query: Query,
    content_type: Option<&'static str>,
    body: Bytes,
}

impl Client {
    /// A client over `kube`, writing as `field_manager` within `budgets`.
    pub fn new(kube: kube::Client, field_manager: impl Into<String>, budgets: Budgets) -> Self {
        Self::telling(kube, field_manager, budgets, Arc::default())
    }

    /// The same; `troubled` is notified when a request has no answer, or is refused for who asks (401, 403).
    pub fn telling(
        kube: kube::Client,
        field_manager: impl Into<String>,
        budgets: Budgets,
        troubled: Arc<Notify>,
    ) -> Self {
        let field_manager = field_manager.into();
        Self {
            kube,
            shared: Arc::new(Shared {
                field_manager,
                budgets,
                stats: Stats::default(),
                troubled,
            }),
            maybe_user: None,
        }
    }

    /// The same server, asked as another user. To be allowed to, ours needs the right to impersonate.
    ///
    /// No groups are named: then the API server gives a service account its own
    /// (`system:serviceaccounts`, `system:serviceaccounts:<namespace>`), and ours needs no right to
    /// impersonate groups.
    #[must_use]
    pub fn impersonating(&self, user: impl Into<Arc<str>>) -> Self {
        Self {
            maybe_user: Some(user.into()),
            ..self.clone()
        }
    }

    /// Whether requests are made as another user than the owner of the credentials.
    pub fn is_impersonating(&self) -> bool {
        self.maybe_user.is_some()
    }

    /// The counters of this client and its clones.
    pub fn stats(&self) -> &Stats {
        &self.shared.stats
    }

    /// The budgets writes are measured against.
    pub fn budgets(&self) -> &Budgets {
        &self.shared.budgets
    }

    /// The object, or `None` when it (or its kind) does not exist.
    pub async fn get<T: DeserializeOwned>(
        &self,
        kind: &Kind,
        key: &ObjectKey,
    ) -> Result<Option<T>, Error> {
        let call = call("get", http::Method::GET, kind, key);
        match self.send(call).await {
            Ok(bytes) => decode("get", kind, key, &bytes).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Hands every selected object to `each`, page by page, and returns the resource version of
    /// the list. Objects that do not decode are logged by name and left out (invariant I-1).
    pub async fn list<T, F>(
        &self,
        kind: &Kind,
        selector: &Selector,
        mut each: F,
    ) -> Result<String, Error>
    where
        T: DeserializeOwned,
        F: FnMut(T),
    {
        let mut next = String::new();
        loop {
            let (version, after) = self.page(kind, selector, &next, &mut each).await?;
            if after.is_empty() {
                return Ok(version);
            }
            next = after;
        }
    }

    /// One page of a list from `next` on (empty: the first): the resource version, and where the next
    /// page begins (empty: nowhere).
    pub(crate) async fn page<T, F>(
        &self,
        kind: &Kind,
        selector: &Selector,
        next: &str,
        each: &mut F,
    ) -> Result<(String, String), Error>
    where
        T: DeserializeOwned,
        F: FnMut(T),
    {
        let key = ObjectKey::new(selector.namespace.as_deref().unwrap_or_default(), "");
        let mut call = call("list", http::Method::GET, kind, &key);
        call.query = selector.query();
        if selector.metadata_only {
            call.accept = METADATA_LIST;
        }
        call.query.add("limit", &PAGE_LIMIT.to_string());
        if !next.is_empty() {
            call.query.add("continue", next);
        }
        let bytes = self.send(call).await?;
        let page: Page<'_> = decode_borrowed("list", kind, &key, &bytes)?;
        for item in page.items.unwrap_or_default() {
            match serde_json::from_str(item.get()) {
                Ok(object) => each(object),
                Err(error) => log_undecodable(kind, item.get(), &error),
            }
        }
        Ok((page.metadata.resource_version, page.metadata.next))
    }

    /// Watches the selected objects until the returned handle is dropped.
    pub fn watch<T: crate::Object>(&self, kind: &Kind, selector: Selector) -> Watch<T> {
        Watch::start(self.clone(), kind.clone(), selector)
    }

    /// Creates the object; its namespace and name are those of `key`, except that `key.name` may be
    /// empty when the body has a `generateName`.
    pub async fn create<T: Serialize + ?Sized>(
        &self,
        kind: &Kind,
        key: &ObjectKey,
        object: &T,
        options: WriteOptions,
    ) -> Result<ObjectMeta, Error> {
        let body = self.measured("create", kind, key, 0, object)?;
        let collection = ObjectKey::new(key.namespace.clone(), "");
        let mut call = call("create", http::Method::POST, kind, &collection);
        call.query = self.write_query(options);
        call.content_type = Some(JSON);
        call.body = body.0;
        let bytes = self.send(call).await.map_err(|error| error.named(key))?;
        self.written("create", kind, key, &bytes)
    }

    /// Replaces the whole object; a resource version in the body is a precondition.
    pub async fn replace<T: Serialize + ?Sized>(
        &self,
        kind: &Kind,
        key: &ObjectKey,
        object: &T,
        options: WriteOptions,
    ) -> Result<ObjectMeta, Error> {
        let body = self.measured("update", kind, key, 0, object)?;
        let mut call = call("update", http::Method::PUT, kind, key);
        call.query = self.write_query(options);
        call.content_type = Some(JSON);
        call.body = body.0;
        let bytes = self.send(call).await?;
        self.written("update", kind, key, &bytes)
    }

    /// Patches the object, or its `subresource`.
    ///
    /// `stored_bytes` is the size of what the patch leaves in place, as far as the caller knows it
    /// (zero is allowed for small objects); it is added to the patch when it is measured.
    pub async fn patch<T, R>(
        &self,
        kind: &Kind,
        key: &ObjectKey,
        subresource: Option<&str>,
        patch: Patch<'_, T>,
        stored_bytes: usize,
        options: WriteOptions,
    ) -> Result<R, Error>
    where
        T: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        let (verb, content_type, value) = patch.parts();
        let body = self.measured(verb, kind, key, stored_bytes, value)?;
        let mut call = call(verb, http::Method::PATCH, kind, key);
        call.subresource = subresource;
        call.query = self.write_query(options);
        if options.force {
            call.query.add("force", "true");
        }
        call.content_type = Some(content_type);
        call.body = body.0;
        let bytes = self.send(call).await?;
        self.written(verb, kind, key, &bytes)
    }

    /// Deletes the object; `false` when there was none.
    pub async fn delete(
        &self,
        kind: &Kind,
        key: &ObjectKey,
        options: &DeleteOptions,
    ) -> Result<bool, Error> {
        let propagation = match options.propagation {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        };
        let mut body = serde_json::json!({
            "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation,
        });
        if !options.uid.is_empty() {
            body["preconditions"]["uid"] = options.uid.as_str().into();
        }
        if !options.resource_version.is_empty() {
            body["preconditions"]["resourceVersion"] = options.resource_version.as_str().into();
        }
        let mut call = call("delete", http::Method::DELETE, kind, key);
        call.content_type = Some(JSON);
        call.body = Body::of(kind, key, &body)?.0;
        match self.send(call).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The answer to a GET of any path, such as `/version`.
    pub async fn get_path<T: DeserializeOwned>(
        &self,
        path: &'static str,
        accept: &'static str,
    ) -> Result<T, Error> {
        let kind = Kind::new("", "", "", path, false);
        let key = ObjectKey::default();
        let request = self.addressed(http::Request::get(path), accept);
        let request = request.body(kube::client::Body::empty());
        let request = request.map_err(|source| Error::Address {
            at: Target::new("get", &kind, &key),
            source,
        })?;
        let bytes = self.exchange("get", &kind, &key, request).await?;
        decode("get", &kind, &key, &bytes)
    }

    fn write_query(&self, options: WriteOptions) -> Query {
        let mut query = Query::default();
        query.add("fieldManager", &self.shared.field_manager);
        if options.dry_run {
            query.add("dryRun", "All");
        }
        query
    }

    fn measured<T: Serialize + ?Sized>(
        &self,
        verb: &'static str,
        kind: &Kind,
        key: &ObjectKey,
        stored_bytes: usize,
        value: &T,
    ) -> Result<Body, Error> {
        let body = Body::of(kind, key, value)?;
        let (bytes, bytes_max) = (body.len() + stored_bytes, self.shared.budgets.of(kind));
        if bytes > bytes_max {
            return Err(Error::OverBudget {
                at: Target::new(verb, kind, key),
                bytes,
                bytes_max,
            });
        }
        Ok(body)
    }

    fn written<R: DeserializeOwned>(
        &self,
        verb: &'static str,
        kind: &Kind,
        key: &ObjectKey,
        bytes: &Bytes,
    ) -> Result<R, Error> {
        let Shared { stats, budgets, .. } = &*self.shared;
        stats.size(&kind.to_string(), bytes.len(), || budgets.of(kind));
        decode(verb, kind, key, bytes)
    }

    async fn send(&self, call: Call<'_>) -> Result<Bytes, Error> {
        let (verb, kind, key) = (call.verb, call.kind, call.key);
        let is_write = call.method != http::Method::GET;
        let pass = is_write.then(crate::fence::pass);
        if matches!(pass, Some(None)) {
            let at = Target::new(verb, kind, key);
            return Err(Error::Fenced { at });
        }
        let request = self.request(call)?;
        self.exchange(verb, kind, key, request).await
    }

    fn request(&self, call: Call<'_>) -> Result<http::Request<kube::client::Body>, Error> {
        let Call {
            verb,
            method,
            kind,
            key,
            subresource,
            accept,
            query,
            content_type,
            body,
        } = call;
        let mut path = kind.path(key.ns());
        let mut resource = kind.to_string();
        if !key.name.is_empty() {
            let _ = write!(path, "/{}", utf8_percent_encode(&key.name, PLAIN));
        }
        if let Some(subresource) = subresource {
            let _ = write!(path, "/{subresource}");
            let _ = write!(resource, "/{subresource}");
        }
        path.push_str(query.as_str());
        self.shared.stats.count(verb, resource);
        let mut request = self.addressed(http::Request::builder().method(method).uri(path), accept);
        if let Some(content_type) = content_type {
            request = request.header(http::header::CONTENT_TYPE, content_type);
        }
        request
            .body(kube::client::Body::from(body))
            .map_err(|source| Error::Address {
                at: Target::new(verb, kind, key),
                source,
            })
    }

    /// Adds what all requests have.
    fn addressed(
        &self,
        request: http::request::Builder,
        accept: &'static str,
    ) -> http::request::Builder {
        let request = request.header(http::header::ACCEPT, accept);
        match &self.maybe_user {
            Some(user) => request.header(IMPERSONATE_USER, &**user),
            None => request,
        }
    }

    async fn exchange(
        &self,
        verb: &'static str,
        kind: &Kind,
        key: &ObjectKey,
        request: http::Request<kube::client::Body>,
    ) -> Result<Bytes, Error> {
        let transport = |source| {
            self.unanswered(verb);
            let at = Target::new(verb, kind, key);
            Error::Transport { at, source }
        };
        let answer = async {
            let response = self.kube.send(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            Ok::<_, kube::Error>((status, body))
        };
        let (status, body) = match tokio::time::timeout(REQUEST_TIMEOUT, answer).await {
            Ok(answer) => answer.map_err(transport)?,
            Err(elapsed) => return Err(transport(kube::Error::Service(elapsed.into()))),
        };
        self.note(verb, status);
        if status.is_success() {
            Ok(body)
        } else {
            Err(refusal(verb, kind, key, status, &body))
        }
    }

    /// Notes that there is no answer, and tells of it.
    fn unanswered(&self, verb: &'static str) {
        self.shared.stats.answered(verb, Outcome::Unanswered);
        self.shared.troubled.notify_one();
    }

    /// Notes an answer, and tells of a refusal for who asks.
    fn note(&self, verb: &'static str, status: http::StatusCode) {
        self.shared.stats.answered(verb, Outcome::of(status));
        if matches!(status.as_u16(), 401 | 403) {
            self.shared.troubled.notify_one();
        }
    }

    /// Opens a watch; the body streams one JSON event a line.
    pub(crate) async fn open_watch(
        &self,
        kind: &Kind,
        selector: &Selector,
        version: &str,
        timeout_secs: u32,
    ) -> Result<kube::client::Body, Error> {
        let key = ObjectKey::new(selector.namespace.as_deref().unwrap_or_default(), "");
        let mut call = call("watch", http::Method::GET, kind, &key);
        call.query = selector.query();
        if selector.metadata_only {
            call.accept = METADATA;
        }
        call.query.add("watch", "true");
        call.query.add("allowWatchBookmarks", "true");
        call.query.add("resourceVersion", version);
        call.query.add("timeoutSeconds", &timeout_secs.to_string());
        let mut request = self.request(call)?;
        // A compressed watch is flushed when a block is full, not when an event is complete.
        let identity = http::HeaderValue::from_static("identity");
        request
            .headers_mut()
            .insert(http::header::ACCEPT_ENCODING, identity);
        let transport = |source| {
            self.unanswered("watch");
            let at = Target::new("watch", kind, &key);
            Error::Transport { at, source }
        };
        let opened = tokio::time::timeout(REQUEST_TIMEOUT, self.kube.send(request)).await;
        let response = match opened {
            Ok(response) => response.map_err(transport)?,
            Err(elapsed) => return Err(transport(kube::Error::Service(elapsed.into()))),
        };
        let status = response.status();
        self.note("watch", status);
        if status.is_success() {
            return Ok(response.into_body());
        }
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(transport)?
            .to_bytes();
        Err(refusal("watch", kind, &key, status, &body))
    }
}

fn call<'a>(
    verb: &'static str,
    method: http::Method,
    kind: &'a Kind,
    key: &'a ObjectKey,
) -> Call<'a> {
    Call {
        verb,
        method,
        kind,
        key,
        subresource: None,
        accept: JSON,
        query: Query::default(),
        content_type: None,
        body: Bytes::new(),
    }
}
