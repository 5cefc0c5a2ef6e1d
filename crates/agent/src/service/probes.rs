//! `/healthz` and `/readyz`.
//!
//! Healthy is an agent whose watches live: one that hears nothing any more is helped by a restart. Ready
//! is one that does its work, or waits for another process to end. An outage of the hub makes an agent
//! unready, never unhealthy: no restart ends an outage.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::State;

/// Connections answered at the same time; more wait.
const CONNECTIONS_MAX: usize = 16;
/// How long the head of a request may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers for ever.
pub(super) async fn run(listener: TcpListener, state: Arc<State>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
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
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                std::future::ready(Ok::<_, Infallible>(respond(&request, &state)))
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

fn respond<B>(request: &Request<B>, state: &State) -> Response<Full<Bytes>> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/healthz") => {
            answer(state.sickness(), StatusCode::INTERNAL_SERVER_ERROR)
        }
        (&Method::GET | &Method::HEAD, "/readyz") => {
            answer(state.problem(), StatusCode::SERVICE_UNAVAILABLE)
        }
        (&Method::GET | &Method::HEAD, _) => (StatusCode::NOT_FOUND, "not found".to_owned()),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "only GET".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response
}

fn answer(problem: Option<String>, code: StatusCode) -> (StatusCode, String) {
    problem.map_or((StatusCode::OK, "ok".to_owned()), |problem| (code, problem))
}
