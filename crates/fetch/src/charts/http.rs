//! Files over HTTP: bounded, with time limits, and with credentials only for whom they were given.
//!
//! In: a URL, how the server is reached, a bound. Out: the bytes, or an error naming the URL and what
//! failed. URLs in errors have no user part and no query, which may hold secrets.

use std::time::Duration;

use reqwest::{Certificate, Identity, Method, Response, StatusCode, header};
use url::Url;

use crate::credentials::Basic;

/// How servers are reached. The default trusts the system's certificate authorities.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// Certificate authorities in PEM form, instead of the system's.
    pub ca_bundle: Option<Vec<u8>>,
    /// A client certificate and its key in PEM form.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Take any certificate.
    pub insecure_skip_verify: bool,
}

/// Time for one file, headers to last byte, as Helm has it.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(2);
/// Time to reach a server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of an error page that are looked at.
const ERROR_BODY_BYTES_MAX: u64 = 16 << 10;

/// Why a file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The text is no `http` or `https` URL.
    #[error("invalid URL {url:?}: {reason}")]
    Url {
        /// The text without user part and query.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The certificates or the client cannot be used.
    #[error("can't create TLS config for client: {0}")]
    Tls(String),
    /// No answer.
    #[error("{method} {url:?}: {reason}")]
    Request {
        /// `Get`
        method: &'static str,
        /// The URL.
        url: String,
        /// What happened, from the outermost cause to the innermost.
        reason: String,
    },
    /// Another status than 200.
    #[error("failed to fetch {url} : {status}")]
    Status {
        /// The URL.
        url: String,
        /// Number and text.
        status: StatusCode,
    },
    /// The body is longer than allowed.
    #[error("{url} is larger than {bytes_max} bytes")]
    TooLarge {
        /// The URL.
        url: String,
        /// The bound.
        bytes_max: u64,
    },
}

/// A URL as errors show it.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs that cannot have a user part.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.to_string()
}

/// Reads an `http` or `https` URL.
pub(crate) fn parse(text: &str) -> Result<Url, HttpError> {
    let refused = |reason: &str| HttpError::Url {
        url: match text.split_once('@') {
            Some((_, rest)) => rest,
            None => text,
        }
        .split('?')
        .next()
        .unwrap_or_default()
        .to_owned(),
        reason: reason.to_owned(),
    };
    let url = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        "http" | "https" => Err(refused("it names no host")),
        scheme => Err(refused(&format!("scheme {scheme:?} not supported"))),
    }
}

/// A client for one way of reaching servers.
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
}

impl Http {
    /// A client. The process must have installed rustls' default provider.
    pub fn new(tls: &Tls) -> Result<Self, HttpError> {
        let refused = |error: reqwest::Error| HttpError::Tls(chain(&error));
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("flotilla/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .tls_danger_accept_invalid_certs(tls.insecure_skip_verify);
        if let Some(pem) = &tls.ca_bundle {
            let certificates = Certificate::from_pem_bundle(pem).map_err(refused)?;
            if certificates.is_empty() {
                let text = "failed to append certificates from pem block";
                return Err(HttpError::Tls(text.to_owned()));
            }
            builder = builder.tls_certs_only(certificates);
        }
        if let Some((certificate, key)) = &tls.identity {
            let pem = [certificate.as_slice(), b"\n", key.as_slice()].concat();
            builder = builder.identity(Identity::from_pem(&pem).map_err(refused)?);
        }
        let client = builder.build().map_err(refused)?;
        Ok(Self { client })
    }

    /// The file at a URL, at most `bytes_max` long. Redirects are followed; the credentials are not
    /// sent on to another host.
    pub async fn get(
        &self,
        url: &str,
        credentials: Option<&Basic>,
        bytes_max: u64,
    ) -> Result<Vec<u8>, HttpError> {
        let url = parse(url)?;
        let mut request = self.request(Method::GET, &url);
        if let Some(basic) = credentials {
            request = request.basic_auth(&basic.username, Some(basic.password.expose()));
        }
        let response = send(request, &url).await?;
        if response.status() != StatusCode::OK {
            return Err(HttpError::Status {
                url: shown(&url),
                status: response.status(),
            });
        }
        body(response, &url, bytes_max).await
    }

    pub(crate) fn request(&self, method: Method, url: &Url) -> reqwest::RequestBuilder {
        self.client.request(method, url.clone())
    }
}

/// Sends a request.
pub(crate) async fn send(
    request: reqwest::RequestBuilder,
    url: &Url,
) -> Result<Response, HttpError> {
    let sent = request.send().await;
    sent.map_err(|error| failed(&error, url))
}

fn failed(error: &reqwest::Error, url: &Url) -> HttpError {
    HttpError::Request {
        method: "Get",
        url: shown(url),
        reason: refused_connection(error, url).unwrap_or_else(|| innermost(error)),
    }
}

/// A server that is not there, as Go says it.
fn refused_connection(error: &reqwest::Error, url: &Url) -> Option<String> {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|io| io.kind() == std::io::ErrorKind::ConnectionRefused) {
            let port = url.port_or_known_default()?;
            let host = url.host_str()?;
            return Some(format!(
                "dial tcp {host}:{port}: connect: connection refused"
            ));
        }
        cause = error.source();
    }
    None
}

/// The body of an answer.
pub(crate) async fn body(
    mut response: Response,
    url: &Url,
    bytes_max: u64,
) -> Result<Vec<u8>, HttpError> {
    let too_large = || HttpError::TooLarge {
        url: shown(url),
        bytes_max,
    };
    let announced = response.content_length().unwrap_or_default();
    if announced > bytes_max {
        return Err(too_large());
    }
    let mut data = Vec::with_capacity(announced as usize);
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| failed(&error, url))?
    {
        if (data.len() + chunk.len()) as u64 > bytes_max {
            return Err(too_large());
        }
        data.extend_from_slice(&chunk);
    }
    Ok(data)
}

/// The beginning of an error page that is JSON.
pub(crate) async fn error_page(response: Response, url: &Url) -> Option<serde_json::Value> {
    let data = body(response, url, ERROR_BODY_BYTES_MAX).await.ok()?;
    serde_json::from_slice(&data).ok()
}

/// A header as text.
pub(crate) fn text(response: &Response, name: header::HeaderName) -> Option<String> {
    let value = response.headers().get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}

/// The cause at the bottom: reqwest's own texts quote the URL with its query.
fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {} s", REQUEST_TIMEOUT.as_secs());
    }
    let Some(mut cause) = std::error::Error::source(error) else {
        return "the request failed".to_owned();
    };
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
