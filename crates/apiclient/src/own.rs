//! How this process reaches its API server, told to somebody else who is to reach the same one.

use std::path::PathBuf;

use k8s_openapi::ByteString;
use kube::config::AuthInfo;
use serde_json::{Value, json};

use crate::Access;

/// Server, authorities and credential of a connection of this process.
#[derive(Clone)]
pub struct Own {
    server: String,
    /// DER.
    authorities: Vec<Vec<u8>>,
    /// PEM, which may be written anew at any time; in place of `authorities`.
    authority_file: Option<PathBuf>,
    trusts_anything: bool,
    user: AuthInfo,
}

/// What the process reaches its API server with cannot be handed on.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// A file that the kubeconfig or the pod's service account names.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A credential that a program makes is of no use to others.
    #[error(
        "the own kubeconfig gets its credential by {name}, which cannot be handed on: make the service account fleet-controller-bootstrap"
    )]
    Program {
        /// The member of the kubeconfig.
        name: &'static str,
    },
}

impl Own {
    pub(crate) fn of(config: &kube::Config) -> Self {
        Self {
            server: server(config),
            authorities: config.root_cert.clone().unwrap_or_default(),
            authority_file: config.root_cert_file.clone(),
            trusts_anything: config.accept_invalid_certs,
            user: config.auth_info.clone(),
        }
    }

    /// A connection by a token.
    pub fn of_token(access: &Access) -> Self {
        let user = AuthInfo {
            token: Some(access.token.clone().into()),
            ..AuthInfo::default()
        };
        Self {
            server: access.server.clone(),
            authorities: pem_to_der(&access.ca_pem),
            authority_file: None,
            trusts_anything: false,
            user,
        }
    }

    /// URL of the API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Authorities of the API server as PEM; empty for those of the system.
    ///
    /// # Errors
    /// When the pod's file cannot be read.
    pub fn ca_pem(&self) -> Result<String, OwnError> {
        match &self.authority_file {
            Some(path) => read(path.clone()),
            None => Ok(self.authorities.iter().map(|der| pem(der)).collect()),
        }
    }

    /// Whether the credential may be another one in a while.
    pub fn is_short_lived(&self) -> bool {
        self.user.token_file.is_some()
    }

    /// A kubeconfig that holds everything it needs, with this bearer token in place of the own credential.
    /// As JSON, which is YAML too.
    ///
    /// # Errors
    /// When a file cannot be read, or the own credential is made by a program.
    pub fn kubeconfig(&self, token: Option<&str>, namespace: &str) -> Result<String, OwnError> {
        let mut cluster = json!({ "server": self.server });
        let authorities = self.ca_pem()?;
        if !authorities.is_empty() {
            cluster["certificate-authority-data"] = encoded(&authorities);
        } else if self.trusts_anything {
            cluster["insecure-skip-tls-verify"] = true.into();
        }
        let user = match token {
            Some(token) => json!({ "token": token }),
            None => self.user()?,
        };
        Ok(json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "default",
            "clusters": [{ "name": "cluster", "cluster": cluster }],
            "users": [{ "name": "user", "user": user }],
            "contexts": [{ "name": "default", "context": {
                "cluster": "cluster", "user": "user", "namespace": namespace,
            } }],
        })
        .to_string())
    }

    /// The own credential, without names of files.
    fn user(&self) -> Result<Value, OwnError> {
        let programs = [
            (self.user.exec.is_some(), "exec"),
            (self.user.auth_provider.is_some(), "auth-provider"),
        ];
        if let Some((_, name)) = programs.into_iter().find(|(is_there, _)| *is_there) {
            return Err(OwnError::Program { name });
        }
        let mut user = json!(self.user);
        for (file, member, is_encoded) in [
            ("tokenFile", "token", false),
            ("client-certificate", "client-certificate-data", true),
            ("client-key", "client-key-data", true),
        ] {
            let Some(path) = user.as_object_mut().and_then(|user| user.remove(file)) else {
                continue;
            };
            let is_given = user.get(member).is_some_and(|given| !given.is_null());
            if is_given {
                continue;
            }
            let text = read(path.as_str().unwrap_or_default().into())?;
            user[member] = if is_encoded {
                encoded(&text)
            } else {
                text.trim().into()
            };
        }
        Ok(user)
    }
}

/// Tells nothing of the credential.
impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Own")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// In a pod by the address that pods are given, as upstream: it is reached without a name service.
fn server(config: &kube::Config) -> String {
    let url = config.cluster_url.to_string();
    let url = url.trim_end_matches('/');
    let text = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let address = || {
        config.root_cert_file.as_ref()?;
        let (host, port) = (
            text("KUBERNETES_SERVICE_HOST")?,
            text("KUBERNETES_SERVICE_PORT")?,
        );
        Some(if host.contains(':') {
            format!("https://[{host}]:{port}")
        } else {
            format!("https://{host}:{port}")
        })
    };
    address().unwrap_or_else(|| url.to_owned())
}

fn read(path: PathBuf) -> Result<String, OwnError> {
    std::fs::read_to_string(&path).map_err(|source| OwnError::Read { path, source })
}

fn encoded(text: &str) -> Value {
    json!(ByteString(text.as_bytes().to_vec()))
}

fn pem(der: &[u8]) -> String {
    let text = json!(ByteString(der.to_vec()));
    let text = text.as_str().unwrap_or_default();
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

fn pem_to_der(text: &str) -> Vec<Vec<u8>> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let found = CertificateDer::pem_slice_iter(text.as_bytes());
    found
        .filter_map(Result::ok)
        .map(|der| der.to_vec())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTIFICATE: &str =
        "-----BEGIN CERTIFICATE-----\nAAECAwQFBgcICQoLDA0ODw==\n-----END CERTIFICATE-----\n";

    fn own(user: Value) -> Own {
        Own {
            server: "https://hub:6443".to_owned(),
            authorities: pem_to_der(CERTIFICATE),
            authority_file: None,
            trusts_anything: false,
            user: serde_json::from_value(user).unwrap(),
        }
    }

    #[test]
    fn what_is_handed_on_holds_everything_it_needs() {
        let dir = std::env::temp_dir().join(format!("own-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("file");
        std::fs::write(&file, "from a file\n").unwrap();
        let path = file.to_str().unwrap();
        for (user, want) in [
            (json!({ "token": "t" }), json!({ "token": "t" })),
            (
                json!({ "tokenFile": path }),
                json!({ "token": "from a file" }),
            ),
            (
                json!({ "token": "t", "tokenFile": "/none" }),
                json!({ "token": "t" }),
            ),
            (
                json!({ "client-certificate": path, "client-key": path }),
                json!({ "client-certificate-data": "ZnJvbSBhIGZpbGUK", "client-key-data": "ZnJvbSBhIGZpbGUK" }),
            ),
        ] {
            let text = own(user).kubeconfig(None, "ns").unwrap();
            assert_eq!(crate::reaches_out(&text), None);
            let config: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(config["users"][0]["user"], want);
            let authority = &config["clusters"][0]["cluster"]["certificate-authority-data"];
            assert_eq!(*authority, encoded(CERTIFICATE));
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_cannot_be_handed_on_is_named_unless_there_is_a_token() {
        for (user, want) in [
            (json!({ "exec": { "command": "sh" } }), "exec"),
            (
                json!({ "auth-provider": { "name": "gcp", "config": {} } }),
                "auth-provider",
            ),
            (json!({ "tokenFile": "/does/not/exist" }), "/does/not/exist"),
        ] {
            let own = own(user);
            let error = own.kubeconfig(None, "").unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
            let text = own.kubeconfig(Some("t"), "").unwrap();
            assert!(text.contains(r#""user":{"token":"t"}"#), "{text}");
        }
        let secret = own(json!({ "token": "secret-value" }));
        assert!(!format!("{secret:?}").contains("secret-value"));
    }
}
