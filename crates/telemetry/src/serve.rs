//! A small HTTP server for answers that are made in memory.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections answered at the same time; more wait.
const CONNECTIONS_MAX: usize = 64;
/// How long the head of a request may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// After which pause a connection is accepted again when one could not be.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// An address is taken or not ours.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address}")]
pub struct Listen {
    address: SocketAddr,
    source: std::io::Error,
}

/// Status, content type and text.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status of the response.
    pub status: StatusCode,
    content_type: &'static str,
    /// Body of the response.
    pub text: String,
}

impl Answer {
    fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            content_type: TEXT,
            text: text.into(),
        }
    }

    /// All is well.
    pub fn ok() -> Self {
        Self::new(StatusCode::OK, "ok")
    }

    /// What [`crate::text`] gave.
    pub fn metrics(text: Result<String, std::fmt::Error>) -> Self {
        match text {
            Ok(text) => Self {
                status: StatusCode::OK,
                content_type: OPEN_METRICS,
                text,
            },
            Err(error) => Self::failed(format!("metrics cannot be printed: {error}")),
        }
    }

    /// Something is wrong that a restart helps against.
    pub fn failed(text: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, text)
    }

    /// Something is wrong that has to be waited for.
    pub fn unavailable(text: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text)
    }

    /// There is nothing under that path.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not found")
    }

    fn response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.text)));
        *response.status_mut() = self.status;
        let content_type = HeaderValue::from_static(self.content_type);
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}

/// Opens an address.
///
/// # Errors
/// When it is taken or not ours.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, Listen> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| Listen { address, source })
}

/// Answers every GET by its path, for ever. A connection that fails ends alone.
pub async fn serve(listener: TcpListener, answer: impl Fn(&str) -> Answer + Send + Sync + 'static) {
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
                tokio::time::sleep(ACCEPT_PAUSE).await;
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

fn respond<B>(request: &Request<B>, answer: &dyn Fn(&str) -> Answer) -> Answer {
    match *request.method() {
        Method::GET | Method::HEAD => answer(request.uri().path()),
        _ => Answer::new(StatusCode::METHOD_NOT_ALLOWED, "only GET"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    async fn ask(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn only_get_is_answered_and_garbage_ends_alone() {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener, |path| match path {
            "/ok" => Answer::ok(),
            "/metrics" => Answer::metrics(Ok("# EOF\n".to_owned())),
            "/failed" => Answer::failed("broken"),
            "/unavailable" => Answer::unavailable("not yet"),
            _ => Answer::not_found(),
        }));
        let unreadable = ask(address, b"\x16\x03\x01\x00 garbage\r\n\r\n").await;
        assert!(unreadable.starts_with("HTTP/1.1 400"), "{unreadable}");
        for (method, path, code, body) in [
            ("GET", "/ok", 200, "ok"),
            ("GET", "/ok?verbose", 200, "ok"),
            ("HEAD", "/ok", 200, ""),
            ("GET", "/metrics", 200, "# EOF\n"),
            ("GET", "/failed", 500, "broken"),
            ("GET", "/unavailable", 503, "not yet"),
            ("GET", "/metrics/../ok", 404, "not found"),
            ("POST", "/ok", 405, "only GET"),
            ("DELETE", "/metrics", 405, "only GET"),
        ] {
            let request =
                format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let answer = ask(address, request.as_bytes()).await;
            let (head, found) = answer.split_once("\r\n\r\n").unwrap();
            assert!(
                head.starts_with(&format!("HTTP/1.1 {code} ")),
                "{path}: {head}"
            );
            assert_eq!(found, body, "{method} {path}");
        }
        let taken = listen(address).await.unwrap_err();
        assert_eq!(taken.to_string(), format!("listen on {address}"));
        serving.abort();
    }
}
