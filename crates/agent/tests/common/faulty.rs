//! Ways to the downstream cluster on which requests go wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use kube::client::Body;
use tokio::sync::Notify;
use tower::Service as _;

use crate::world::World;

/// What happens to the write, and to what comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not reach the server, and nothing after it does.
    DiesBefore,
    /// It reaches the server; its answer does not come back, and nothing reaches it after.
    DiesAfter,
    /// It is answered with this status; what follows goes on.
    Answers(u16),
    /// It reaches the server, and the connection breaks before its answer is there; what follows goes on.
    LosesAnswer,
}

/// Counts writes up to the one that goes wrong.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    writes: AtomicUsize,
    /// The write has gone wrong.
    pub(crate) struck: Notify,
}

impl Counter {
    /// Writes up to now.
    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }
}

/// A client whose `at`-th write, counted from 1, goes wrong.
pub(crate) fn client(world: &World, at: usize, fault: Fault) -> (kube::Client, Arc<Counter>) {
    let counter = Arc::new(Counter::default());
    let cluster = world.sandbox.cluster("north").unwrap();
    let service = cluster.service(cluster.admin_token());
    let counting = Arc::clone(&counter);
    let faulty = tower::service_fn(move |request: Request<Body>| {
        let (mut service, counter) = (service.clone(), Arc::clone(&counting));
        async move {
            let number = if request.method() == Method::GET {
                counter.writes()
            } else {
                counter.writes.fetch_add(1, Ordering::SeqCst) + 1
            };
            let is_it = number == at && request.method() != Method::GET;
            let dies = matches!(fault, Fault::DiesBefore | Fault::DiesAfter);
            if dies && number >= at && !(is_it && fault == Fault::DiesAfter) {
                counter.struck.notify_one();
                std::future::pending::<()>().await;
            }
            if is_it && let Fault::Answers(code) = fault {
                counter.struck.notify_one();
                return Ok(refusal(code));
            }
            let answer = service.call(request).await?;
            if is_it && matches!(fault, Fault::DiesAfter | Fault::LosesAnswer) {
                counter.struck.notify_one();
                if fault == Fault::DiesAfter {
                    std::future::pending::<()>().await;
                }
                return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
            }
            Ok(answer.map(|body| body.map_err(Into::into).boxed_unsync()))
        }
    });
    (kube::Client::new(faulty, "default"), counter)
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verdict {
    /// It is answered by the server.
    Pass,
    /// It does not reach the server, and is refused.
    Refuse {
        code: u16,
        reason: &'static str,
        message: &'static str,
    },
    /// It is never answered.
    Hang,
}

/// A client of the cluster of whose requests `rule` decides, by method and path. Counts writes.
pub(crate) fn ruled(
    world: &World,
    rule: impl Fn(&Method, &str) -> Verdict + Send + Sync + 'static,
) -> (kube::Client, Arc<Counter>) {
    let cluster = world.sandbox.cluster("north").unwrap();
    ruled_by(cluster.service(cluster.admin_token()), rule)
}

/// The same of the hub, with the rights of the agent.
pub(crate) fn ruled_hub(
    world: &World,
    rule: impl Fn(&Method, &str) -> Verdict + Send + Sync + 'static,
) -> kube::Client {
    let hub = world.sandbox.cluster("hub").unwrap();
    ruled_by(hub.service(&world.token), rule).0
}

fn ruled_by(
    service: sandbox::Service,
    rule: impl Fn(&Method, &str) -> Verdict + Send + Sync + 'static,
) -> (kube::Client, Arc<Counter>) {
    let counter = Arc::new(Counter::default());
    let (counting, rule) = (Arc::clone(&counter), Arc::new(rule));
    let ruled = tower::service_fn(move |request: Request<Body>| {
        let (mut service, counter) = (service.clone(), Arc::clone(&counting));
        let verdict = rule(request.method(), request.uri().path());
        async move {
            if request.method() != Method::GET {
                counter.writes.fetch_add(1, Ordering::SeqCst);
            }
            match verdict {
                Verdict::Pass => {}
                Verdict::Refuse {
                    code,
                    reason,
                    message,
                } => return Ok(answer(code, reason, message)),
                Verdict::Hang => std::future::pending().await,
            }
            let answer = service.call(request).await?;
            Ok::<_, std::io::Error>(answer.map(|body| body.map_err(Into::into).boxed_unsync()))
        }
    });
    (kube::Client::new(ruled, "default"), counter)
}

type AnyBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

fn refusal(code: u16) -> Response<AnyBody> {
    let reason = match code {
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "InternalError",
    };
    answer(code, reason, "injected by a test")
}

fn answer(code: u16, reason: &str, message: &str) -> Response<AnyBody> {
    let status = serde_json::json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure",
        "code": code, "reason": reason, "message": message });
    let body = Full::from(status.to_string().into_bytes());
    let body = body.map_err(Into::into).boxed_unsync();
    Response::builder()
        .status(code)
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body)
        .unwrap()
}
