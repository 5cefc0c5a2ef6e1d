//! Requests as they go over the wire, and their answers.
//!
//! No types of Kubernetes: a case decides about paths, headers and bodies, right or wrong, and sees
//! all of the answer. Failures of the transport end the case.

use std::time::Duration;

use futures::TryStreamExt;
use futures::stream::BoxStream;
use http::HeaderMap;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http_body_util::{BodyDataStream, BodyExt};
use kube::client::Body;
use serde_json::Value;

/// How long any one answer may take.
const ANSWER_SECS: u64 = 60;

/// A request.
#[derive(Debug, Clone)]
pub struct Request {
    /// The verb of HTTP.
    pub method: String,
    /// Path and query, from the slash.
    pub path: String,
    /// Names and values; `content-type` is JSON where none is given.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, path: impl Into<String>) -> Self {
        Self {
            method: method.to_owned(),
            path: path.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// The same request with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same request with a JSON body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string().into_bytes();
        self
    }
}

/// An answer that was read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The code of HTTP.
    pub code: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The body as JSON; a string of its text if it is none.
    pub body: Value,
}

impl Answer {
    /// The reason of a `Status`, empty for other bodies.
    pub fn reason(&self) -> &str {
        self.text("/reason")
    }

    /// The message of a `Status`, empty for other bodies.
    pub fn message(&self) -> &str {
        self.text("/message")
    }

    /// The string at a JSON pointer, empty if there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    /// The value at a JSON pointer, null if there is none.
    pub fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// `metadata.name` of every item, in order.
    pub fn names(&self) -> Vec<&str> {
        let items = self.at("/items").as_array().map_or(&[][..], Vec::as_slice);
        let names = items.iter().map(|item| &item["metadata"]["name"]);
        names.filter_map(Value::as_str).collect()
    }

    /// The values of a header that may be repeated, in order.
    pub fn header(&self, name: &str) -> Vec<String> {
        let values = self.headers.get_all(name).iter();
        let text = values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        text.collect()
    }

    /// The answer, if its code is `code`.
    #[track_caller]
    pub fn expect(self, code: u16) -> Self {
        assert_eq!(self.code, code, "answer: {}", self.excerpt());
        self
    }

    /// Checks code, reason and a part of the message of a refusal.
    #[track_caller]
    pub fn expect_refusal(self, code: u16, reason: &str, message: &str) -> Self {
        let got = (self.code, self.reason());
        assert_eq!(got, (code, reason), "answer: {}", self.excerpt());
        let says = self.message().contains(message);
        assert!(says, "{message:?} is not in the answer: {}", self.excerpt());
        assert_eq!(self.text("/kind"), "Status");
        assert_eq!(self.text("/status"), "Failure");
        assert_eq!(self.at("/code"), code, "code in the body");
        self
    }

    fn excerpt(&self) -> String {
        let text = self.body.to_string();
        text.chars().take(2_000).collect()
    }
}

/// A server, as one of its users sees it. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    client: kube::Client,
    token: Option<String>,
}

impl Api {
    /// A user who is known by a bearer token.
    pub fn new(client: kube::Client, token: &str) -> Self {
        let token = Some(token.to_owned());
        Self { client, token }
    }

    /// The same server with another bearer token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self::new(self.client.clone(), token)
    }

    /// The same server without credentials.
    #[must_use]
    pub fn anonymous(&self) -> Self {
        Self {
            client: self.client.clone(),
            token: None,
        }
    }

    /// Sends a request and reads its answer to the end.
    pub async fn send(&self, request: Request) -> Answer {
        let what = format!("{} {}", request.method, request.path);
        let answer = async {
            let response = self.start(request).await;
            let (head, body) = response.into_parts();
            let bytes = body
                .collect()
                .await
                .map(http_body_util::Collected::to_bytes);
            let bytes = bytes.unwrap_or_else(|error| panic!("{what}: {error}"));
            let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
            Answer {
                code: head.status.as_u16(),
                headers: head.headers,
                body: serde_json::from_slice(&bytes).unwrap_or_else(|_| text()),
            }
        };
        let answer = tokio::time::timeout(Duration::from_secs(ANSWER_SECS), answer).await;
        answer.unwrap_or_else(|_| panic!("{what}: no answer in {ANSWER_SECS} s"))
    }

    async fn start(&self, request: Request) -> http::Response<Body> {
        let what = format!("{} {}", request.method, request.path);
        let mut raw = http::Request::new(Body::from(request.body));
        *raw.method_mut() = request.method.parse().unwrap();
        *raw.uri_mut() = request.path.parse().unwrap();
        let headers = raw.headers_mut();
        headers.insert(ACCEPT, "application/json".parse().unwrap());
        headers.insert(CONTENT_TYPE, "application/json".parse().unwrap());
        if let Some(token) = &self.token {
            headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        for (name, value) in &request.headers {
            let name: http::HeaderName = name.parse().unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        let response = self.client.send(raw).await;
        response.unwrap_or_else(|error| panic!("{what}: {error}"))
    }

    /// Whether the server says that it is ready; also false if it cannot be reached.
    pub(crate) async fn is_ready(&self) -> bool {
        let mut request = http::Request::new(Body::empty());
        *request.uri_mut() = http::Uri::from_static("/readyz");
        if let Some(token) = &self.token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let answer = self.client.send(request).await;
        answer.is_ok_and(|answer| answer.status() == 200)
    }

    /// Reads.
    pub async fn get(&self, path: impl Into<String>) -> Answer {
        self.send(Request::new("GET", path)).await
    }

    /// Creates.
    pub async fn post(&self, path: impl Into<String>, body: &Value) -> Answer {
        self.send(Request::new("POST", path).json(body)).await
    }

    /// Replaces.
    pub async fn put(&self, path: impl Into<String>, body: &Value) -> Answer {
        self.send(Request::new("PUT", path).json(body)).await
    }

    /// Deletes, with default options.
    pub async fn delete(&self, path: impl Into<String>) -> Answer {
        self.send(Request::new("DELETE", path)).await
    }

    /// Applies a merge patch.
    pub async fn merge(&self, path: impl Into<String>, body: &Value) -> Answer {
        let request = Request::new("PATCH", path).json(body);
        let media = "application/merge-patch+json";
        self.send(request.header("content-type", media)).await
    }

    /// Reads until the answer pleases, for at most `secs` seconds.
    pub async fn until(
        &self,
        path: &str,
        secs: u64,
        what: &str,
        done: impl Fn(&Answer) -> bool,
    ) -> Answer {
        let begin = std::time::Instant::now();
        loop {
            let answer = self.get(path).await;
            if done(&answer) {
                return answer;
            }
            let late = begin.elapsed() > Duration::from_secs(secs);
            assert!(!late, "not {what} after {secs} s: {}", answer.excerpt());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Starts a watch, which must be granted.
    pub async fn watch(&self, path: impl Into<String>) -> Watch {
        let path = path.into();
        let response = self.start(Request::new("GET", path.as_str())).await;
        assert_eq!(response.status(), 200, "watch {path}");
        let frames = BodyDataStream::new(response.into_body());
        let frames = frames.map_ok(|bytes| bytes.to_vec());
        let frames = frames.map_err(|error| error.to_string());
        Watch {
            frames: Box::pin(frames),
            buffer: Vec::new(),
        }
    }
}

/// Events of a watch that runs.
pub struct Watch {
    frames: BoxStream<'static, Result<Vec<u8>, String>>,
    buffer: Vec<u8>,
}

impl Watch {
    /// The next event; `None` when the server ended the watch. Waiting is bounded.
    pub async fn next(&mut self) -> Option<Value> {
        let next = tokio::time::timeout(Duration::from_secs(ANSWER_SECS), self.line()).await;
        let line = next.unwrap_or_else(|_| panic!("no event in {ANSWER_SECS} s"))?;
        let event = serde_json::from_slice(&line);
        Some(event.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&line))))
    }

    /// The next event, reduced to its type and its object's name.
    pub async fn next_name(&mut self) -> (String, String) {
        let event = self.next().await.expect_event();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = text(&event["object"]["metadata"]["name"]);
        (text(&event["type"]), name)
    }

    async fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let rest = self.buffer.split_off(end + 1);
                return Some(std::mem::replace(&mut self.buffer, rest));
            }
            let frame = self.frames.try_next().await;
            let frame = frame.unwrap_or_else(|error| panic!("watch: {error}"))?;
            self.buffer.extend_from_slice(&frame);
        }
    }
}

/// What an event that must come says if it does not.
trait ExpectEvent {
    fn expect_event(self) -> Value;
}

impl ExpectEvent for Option<Value> {
    fn expect_event(self) -> Value {
        self.unwrap_or_else(|| panic!("the server ended the watch"))
    }
}
