//! An API server that fails in every way an API server and a network can, by a seed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use hyper::{Method, Request, Response};
use kube::client::Body;
use serde_json::json;

/// Passes requests on to the sandbox, most of the time.
#[derive(Clone)]
pub(crate) struct Flaky {
    inner: sandbox::Service,
    shared: Arc<Shared>,
}

struct Shared {
    luck: Mutex<u64>,
    fails: AtomicBool,
    /// Paths that hold this are always refused, unless it is empty.
    refused: Mutex<String>,
    failures: AtomicU64,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Served,
    /// Answered with a code and a reason, without effect.
    Refused(u16, &'static str),
    /// The server never sees it.
    NeverSent,
    /// The server carries it out; the answer gets lost.
    AnswerLost,
    /// The answer ends in the middle of this chunk.
    Cut(usize),
    /// Each chunk comes this many milliseconds late: what is known is old by then. Other reads are
    /// never old, which an API server promises.
    Late(u64),
}

impl Flaky {
    /// Fails about every fifth request, in an order that the seed decides.
    pub(crate) fn new(inner: sandbox::Service, seed: u64) -> Self {
        let shared = Shared {
            luck: Mutex::new(seed | 1),
            fails: AtomicBool::new(true),
            refused: Mutex::default(),
            failures: AtomicU64::new(0),
        };
        Self {
            inner,
            shared: Arc::new(shared),
        }
    }

    /// How many requests failed so far.
    pub(crate) fn failures(&self) -> u64 {
        self.shared.failures.load(Ordering::Relaxed)
    }

    /// Everything is served from now on.
    pub(crate) fn heal(&self) {
        self.shared.fails.store(false, Ordering::Relaxed);
    }

    /// Refuses all requests for paths that hold `part`, healed or not.
    pub(crate) fn refuse(&self, part: &str) {
        let mut refused = self.shared.refused.lock();
        let refused = refused.as_deref_mut();
        if let Ok(refused) = refused {
            part.clone_into(refused);
        }
    }

    fn is_refused(&self, path: &str) -> bool {
        let refused = self.shared.refused.lock();
        refused.is_ok_and(|part| !part.is_empty() && path.contains(part.as_str()))
    }

    /// A number below `bound`.
    fn draw(&self, bound: u64) -> u64 {
        let mut luck = self
            .shared
            .luck
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *luck ^= *luck << 13;
        *luck ^= *luck >> 7;
        *luck ^= *luck << 17;
        *luck % bound
    }

    fn fate(&self, request: &Request<Body>) -> Fate {
        if self.is_refused(request.uri().path()) {
            return Fate::Refused(403, "Forbidden");
        }
        if !self.shared.fails.load(Ordering::Relaxed) {
            return Fate::Served;
        }
        let is_watch = request
            .uri()
            .query()
            .is_some_and(|query| query.contains("watch=true"));
        let is_write = request.method() != Method::GET;
        let fate = match self.draw(100) {
            0..4 => Fate::Refused(500, "InternalError"),
            4..6 => Fate::Refused(503, "ServiceUnavailable"),
            6..9 => Fate::Refused(429, "TooManyRequests"),
            9..11 => Fate::NeverSent,
            11..16 if is_write => Fate::Refused(409, "Conflict"),
            16..22 if is_write => Fate::AnswerLost,
            22..30 if is_watch => Fate::Refused(410, "Expired"),
            30..60 if is_watch => Fate::Cut(usize::try_from(self.draw(6)).unwrap_or(0)),
            60..90 if is_watch => Fate::Late(self.draw(1_000)),
            22..25 => Fate::Cut(0),
            _ => Fate::Served,
        };
        if fate != Fate::Served {
            self.shared.failures.fetch_add(1, Ordering::Relaxed);
        }
        fate
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, sandbox::BoxError>>;

impl tower::Service<Request<Body>> for Flaky {
    type Response = Answer;
    type Error = sandbox::BoxError;
    type Future = BoxFuture<'static, Result<Answer, sandbox::BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), sandbox::BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (fate, mut inner) = (self.fate(&request), self.inner.clone());
        async move {
            match fate {
                Fate::Refused(code, reason) => refusal(code, reason),
                Fate::NeverSent => Err("connection refused".into()),
                Fate::AnswerLost => {
                    inner.call(request).await?;
                    Err("connection reset".into())
                }
                Fate::Served => Ok(inner
                    .call(request)
                    .await?
                    .map(|body| body.map_err(Into::into).boxed_unsync())),
                Fate::Cut(at) => Ok(inner.call(request).await?.map(|body| cut(body, at))),
                Fate::Late(millis) => Ok(inner.call(request).await?.map(|body| late(body, millis))),
            }
        }
        .boxed()
    }
}

fn refusal(code: u16, reason: &str) -> Result<Answer, sandbox::BoxError> {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": code, "reason": reason, "message": "not today" });
    let body = Full::new(Bytes::from(status.to_string()));
    Ok(Response::builder()
        .status(code)
        .header("content-type", "application/json")
        .body(body.map_err(|never| match never {}).boxed_unsync())?)
}

/// The body up to the middle of a chunk.
fn cut(body: sandbox::Body, at: usize) -> UnsyncBoxBody<Bytes, sandbox::BoxError> {
    let chunks = body.into_data_stream().take(at + 1).enumerate();
    let chunks = chunks.map(move |(place, chunk)| {
        let chunk: Bytes = chunk?;
        let half = if place == at {
            chunk.len() / 2
        } else {
            chunk.len()
        };
        Ok::<_, sandbox::BoxError>(Frame::data(chunk.slice(..half)))
    });
    StreamBody::new(chunks).boxed_unsync()
}

/// The body, each chunk after a while.
fn late(body: sandbox::Body, millis: u64) -> UnsyncBoxBody<Bytes, sandbox::BoxError> {
    let chunks = body.into_data_stream().then(move |chunk| async move {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        Ok::<_, sandbox::BoxError>(Frame::data(chunk?))
    });
    StreamBody::new(chunks).boxed_unsync()
}
