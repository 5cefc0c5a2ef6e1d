//! A small HTTP server for answers that are made in memory.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections answered at the same time; more wait.
const CONNECTIONS_MAX: usize = 64;
/// How long the head of a request may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Status, content type and text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    content_type: &'static str,
    pub(super) text: String,
}

impl Answer {
    fn text(status: StatusCode, text: String) -> Self {
        Self {
            status,
            content_type: TEXT,
            text,
        }
    }

    pub(super) fn ok() -> Self {
        Self::text(StatusCode::OK, "ok".to_owned())
    }

    pub(super) fn metrics(text: String) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: OPEN_METRICS,
            text,
        }
    }

    pub(super) fn failed(text: String) -> Self {
        Self::text(StatusCode::INTERNAL_SERVER_ERROR, text)
    }

    pub(super) fn unavailable(text: String) -> Self {
        Self::text(StatusCode::SERVICE_UNAVAILABLE, text)
    }

    pub(super) fn not_found() -> Self {
        Self::text(StatusCode::NOT_FOUND, "not found".to_owned())
    }

    fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.text)));
        *response.status_mut() = self.status;
        let content_type = hyper::header::HeaderValue::from_static(self.content_type);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}

/// Answers every GET by its path, for ever.
pub(super) async fn run(
    listener: TcpListener,
    answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
) {
    let (answer, free) = (Arc::new(answer), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, mostly: others end meanwhile.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let answer = Arc::clone(&answer);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let response = respond(&request, &*answer).response();
                std::future::ready(Ok::<_, Infallible>(response))
            });
            let mut server = hyper::server::conn::http1::Builder::new();
            server
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT);
            // A client that goes away is its own business.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
            drop(permit);
        });
    }
}

fn respond(request: &Request<Incoming>, answer: &dyn Fn(&str) -> Answer) -> Answer {
    match *request.method() {
        Method::GET | Method::HEAD => answer(request.uri().path()),
        _ => Answer::text(StatusCode::METHOD_NOT_ALLOWED, "only GET".to_owned()),
    }
}
