//! Bodies and responses.

use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, VARY, WARNING};
use http::{Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use serde_json::Value;

use super::negotiate::JSON;
use crate::status::Status;

/// Errors of the other side, as bodies carry them.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Requests with larger bodies are refused (`--max-request-body-bytes` of the API server).
pub(super) const REQUEST_BYTES_MAX: usize = 3 << 20;
/// Answers from this size on are compressed if the client can (`APIResponseCompression`).
const GZIP_BYTES_MIN: usize = 128 << 10;
/// All warnings of one answer together, as the API server cuts them.
const WARNINGS_BYTES_MAX: usize = 4 << 10;

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>;

/// A response body: all at once, or the chunks of a watch.
pub struct Body(Inner);

enum Inner {
    Full(Option<Bytes>),
    Chunks(Chunks),
}

impl Body {
    pub(super) fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self(Inner::Full((!bytes.is_empty()).then_some(bytes)))
    }

    pub(super) fn chunks(
        stream: impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static,
    ) -> Self {
        Self(Inner::Chunks(Box::pin(stream)))
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Inner::Full(bytes) => write!(f, "Body({} bytes)", bytes.as_ref().map_or(0, Bytes::len)),
            Inner::Chunks(_) => f.write_str("Body(stream)"),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            Inner::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Inner::Chunks(stream) => stream
                .as_mut()
                .poll_next(cx)
                .map(|next| next.map(|chunk| chunk.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Inner::Full(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Inner::Chunks(_) => SizeHint::default(),
        }
    }
}

/// Reads a request body up to the limit.
pub(super) async fn read<B>(body: B) -> Result<Bytes, Status>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    let too_large = || Status::body_too_large(REQUEST_BYTES_MAX);
    if body.size_hint().lower() > REQUEST_BYTES_MAX as u64 {
        return Err(too_large());
    }
    // The body is dropped half-read when it is too long; the connection is then closed.
    match Limited::new(Box::pin(body), REQUEST_BYTES_MAX)
        .collect()
        .await
    {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Err(error) => Err(Status::bad_request(format!(
            "cannot read the request body: {error}"
        ))),
    }
}

/// A JSON answer; compressed if `gzip` and large.
pub(super) fn json(code: StatusCode, bytes: Vec<u8>, gzip: bool) -> Response<Body> {
    let (bytes, compressed) = if gzip && bytes.len() >= GZIP_BYTES_MIN {
        match compress(&bytes) {
            Ok(smaller) => (smaller, true),
            Err(_) => (bytes, false),
        }
    } else {
        (bytes, false)
    };
    let mut response = Response::new(Body::full(bytes));
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
    headers.insert(
        "cache-control",
        HeaderValue::from_static("no-cache, private"),
    );
    if compressed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    response
}

fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(
        Vec::with_capacity(bytes.len() / 4),
        flate2::Compression::fast(),
    );
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// A JSON answer from a value.
pub(super) fn value(code: StatusCode, value: &Value) -> Response<Body> {
    json(code, value.to_string().into_bytes(), false)
}

/// A plain text answer.
pub(super) fn text(code: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(text));
    *response.status_mut() = code;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// A failure.
pub(super) fn status(status: &Status) -> Response<Body> {
    if status.code == StatusCode::NOT_FOUND && status.reason.is_empty() {
        return text(status.code, format!("{}\n", status.message));
    }
    let mut response = value(status.code, &status.to_value());
    if let Some(seconds) = status
        .details
        .get("retryAfterSeconds")
        .and_then(Value::as_u64)
    {
        response.headers_mut().insert("retry-after", seconds.into());
    }
    response
}

/// Adds `Warning` headers, without repeats, up to a total length.
pub(super) fn warn(response: &mut Response<Body>, warnings: &[String]) {
    let mut left = WARNINGS_BYTES_MAX;
    let mut seen: Vec<&String> = Vec::new();
    for warning in warnings {
        if seen.contains(&warning) || warning.len() > left {
            continue;
        }
        left -= warning.len();
        seen.push(warning);
        let quoted = warning
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace(['\n', '\r'], " ");
        if let Ok(header) = HeaderValue::from_bytes(format!("299 - \"{quoted}\"").as_bytes()) {
            response.headers_mut().append(WARNING, header);
        }
    }
}
