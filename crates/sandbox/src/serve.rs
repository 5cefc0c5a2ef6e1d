//! The TLS port: one certificate authority, one listener, all logical clusters by path prefix.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::http::Body;
use crate::sandbox::{Clusters, answer};

/// Paths of a cluster's requests begin with this and its name.
pub(crate) const PREFIX: &str = "/clusters/";
/// A client that has not finished its handshake by then is dropped.
const HANDSHAKE_SECS: u64 = 10;
/// Concurrent requests on one HTTP/2 connection, as the API server allows.
const STREAMS_MAX: u32 = 250;

/// Why the port could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key or certificate could not be made.
    #[error("cannot create {what}")]
    Certificate {
        /// Which one.
        what: &'static str,
        /// The generator's complaint.
        #[source]
        source: rcgen::Error,
    },
    /// The authority's files could not be read or written.
    #[error("cannot keep the certificate authority in {}", path.display())]
    Keep {
        /// The file.
        path: std::path::PathBuf,
        /// The system's complaint.
        #[source]
        source: std::io::Error,
    },
    /// TLS could not be configured.
    #[error("cannot configure TLS")]
    Tls(#[source] rustls::Error),
    /// The address could not be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's complaint.
        #[source]
        source: std::io::Error,
    },
}

/// The certificate authority of a sandbox.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// The authority kept in `directory`, or a new one, kept there if there is a directory.
    pub(crate) fn open(directory: Option<&Path>) -> Result<Self, Error> {
        let Some(directory) = directory else {
            return Self::create().map(|(authority, _)| authority);
        };
        let (certificate, key) = (directory.join("ca.crt"), directory.join("ca.key"));
        if certificate.exists() && key.exists() {
            let read = |path: &Path| {
                std::fs::read_to_string(path).map_err(|source| Error::Keep {
                    path: path.to_owned(),
                    source,
                })
            };
            return Self::load(read(&certificate)?, &read(&key)?);
        }
        let (authority, key_pem) = Self::create()?;
        for (path, text) in [(&key, &key_pem), (&certificate, &authority.pem)] {
            write_private(path, text).map_err(|source| Error::Keep {
                path: path.clone(),
                source,
            })?;
        }
        Ok(authority)
    }

    fn create() -> Result<(Self, String), Error> {
        let failed = |source| Error::Certificate {
            what: "the certificate authority",
            source,
        };
        let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "sandbox-ca");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(failed)?;
        let key_pem = key.serialize_pem();
        let pem = params.self_signed(&key).map_err(failed)?.pem();
        Ok((
            Self {
                issuer: Issuer::new(params, key),
                pem,
            },
            key_pem,
        ))
    }

    fn load(pem: String, key_pem: &str) -> Result<Self, Error> {
        let failed = |source| Error::Certificate {
            what: "the kept certificate authority",
            source,
        };
        let key = KeyPair::from_pem(key_pem).map_err(failed)?;
        let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "sandbox-ca");
        Ok(Self {
            issuer: Issuer::new(params, key),
            pem,
        })
    }

    /// The certificate as PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    fn acceptor(&self, address: SocketAddr) -> Result<TlsAcceptor, Error> {
        let failed = |source| Error::Certificate {
            what: "the server's certificate",
            source,
        };
        let names = [
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "127.0.0.1",
            "::1",
            "10.96.0.1",
        ];
        let mut names: Vec<String> = names.map(str::to_owned).to_vec();
        names.push(address.ip().to_string());
        let mut params = CertificateParams::new(names).map_err(failed)?;
        params
            .distinguished_name
            .push(DnType::CommonName, "sandbox");
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(Error::Tls)?
            .with_no_client_auth()
            .with_single_cert(chain, key.into())
            .map_err(Error::Tls)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Writes a file that only its owner may read.
fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

/// An open TLS port. Dropping it closes the port and its connections.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Server {
    /// The address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Opens the port.
pub(crate) async fn serve(
    address: SocketAddr,
    authority: &Authority,
    clusters: Arc<Clusters>,
) -> Result<Server, Error> {
    let listen = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let acceptor = authority.acceptor(address)?;
    let mut tasks = JoinSet::new();
    tasks.spawn(accept(listener, acceptor, clusters));
    Ok(Server {
        address,
        _tasks: tasks,
    })
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, clusters: Arc<Clusters>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    // Small answers must not wait for more data to come.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(connection(stream, acceptor.clone(), Arc::clone(&clusters)));
                }
                Err(error) => {
                    // Out of file descriptors, most likely; give connections time to end.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: tokio::net::TcpStream, acceptor: TlsAcceptor, clusters: Arc<Clusters>) {
    let handshake = std::time::Duration::from_secs(HANDSHAKE_SECS);
    let stream = match tokio::time::timeout(handshake, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => return tracing::debug!("TLS handshake timed out"),
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let clusters = Arc::clone(&clusters);
        async move { dispatch(&clusters, request).await }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX);
    if let Err(error) = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await
    {
        tracing::debug!(error, "connection ended");
    }
}

type Answer = Response<Either<Body, Full<bytes::Bytes>>>;

/// Hands a request to the cluster its path names. An error closes the connection, as a server
/// that is not there would.
async fn dispatch(
    clusters: &Clusters,
    mut request: Request<Incoming>,
) -> Result<Answer, std::io::Error> {
    let Some((name, rest)) = split_prefix(request.uri()) else {
        return Ok(plain(
            StatusCode::NOT_FOUND,
            "paths begin with /clusters/<name>\n",
        ));
    };
    let Some(cluster) = clusters.get(&name) else {
        return Ok(plain(StatusCode::NOT_FOUND, "no such cluster\n"));
    };
    *request.uri_mut() = rest;
    answer(cluster, request)
        .await
        .map(|response| response.map(Either::Left))
}

/// The cluster's name and the URI without the prefix.
fn split_prefix(uri: &Uri) -> Option<(String, Uri)> {
    let rest = uri.path().strip_prefix(PREFIX)?;
    let (name, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let rest = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    Some((name.to_owned(), rest.parse().ok()?))
}

fn plain(code: StatusCode, text: &'static str) -> Answer {
    let mut response = Response::new(Either::Right(Full::from(text)));
    *response.status_mut() = code;
    response
}

/// A kubeconfig with one cluster, one user and one context, as YAML.
pub(crate) fn kubeconfig(cluster: &str, server: &str, ca: &str, user: &str, token: &str) -> String {
    let ca = STANDARD.encode(ca);
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let (user, token) = (quoted(user), quoted(token));
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: {cluster}\n  cluster:\n    \
         server: {server}\n    certificate-authority-data: {ca}\nusers:\n- name: {user}\n  \
         user:\n    token: {token}\ncontexts:\n- name: {cluster}\n  context:\n    \
         cluster: {cluster}\n    user: {user}\ncurrent-context: {cluster}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_names_the_cluster() {
        let split = |text: &str| {
            split_prefix(&text.parse().unwrap()).map(|(name, uri)| (name, uri.to_string()))
        };
        let some = |name: &str, rest: &str| Some((name.to_owned(), rest.to_owned()));
        assert_eq!(
            split("/clusters/hub/api/v1/pods?limit=1"),
            some("hub", "/api/v1/pods?limit=1")
        );
        assert_eq!(split("/clusters/hub"), some("hub", "/"));
        assert_eq!(split("/api/v1"), None);
        assert_eq!(
            split("https://h:1/clusters/a/version"),
            some("a", "/version")
        );
    }
}
