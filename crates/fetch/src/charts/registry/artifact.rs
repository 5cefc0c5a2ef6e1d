//! Contents of bundles in registries: pushed, pulled and deleted as upstream does.
//!
//! A content is an artifact of one layer in a repository of its own, `<reference>/<id>`, with the tag
//! `latest`. Its id names its bytes, so that pushing it twice makes no difference. Source: fleet
//! `internal/ocistorage`, which uses ORAS.

use std::collections::BTreeMap;

use reqwest::{Method, Response, StatusCode, header};
use serde::{Deserialize, Serialize};
use url::Url;

use super::super::http::{self, Http, Tls, send, shown};
use super::super::logins::Logins;
use super::super::reference::OciReference;
use super::{Descriptor, MANIFEST, Registries, RegistryError, answer, digest, refused};
use crate::credentials::{Basic, Secret};

const ARTIFACT: &str = "application/fleet.manifest";
const LAYER: &str = "application/fleet.file";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const EMPTY_DATA: &[u8] = b"{}";
/// Annotation of the layer.
const ID: &str = "id";
const TAG: &str = "latest";

/// What a login is asked for.
const SCOPE_WRITE: &str = "pull,push,delete";

/// Where contents are stored, as a Secret says it.
#[derive(Debug, Clone, Default)]
pub struct Storage {
    /// Host and path below which each content has its repository.
    pub reference: String,
    /// Who writes; nobody where it is not needed.
    pub basic: Option<Basic>,
    /// Who reads; else who writes.
    pub agent: Option<Basic>,
    /// No TLS.
    pub basic_http: bool,
    /// Certificates.
    pub tls: Tls,
}

/// A Secret that says nothing about a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// It is something else.
    #[error("unexpected secret type: got {found:?}, want {wanted:?}")]
    Type {
        /// Its type.
        found: String,
        /// The type of such Secrets.
        wanted: &'static str,
    },
    /// It names no registry.
    #[error("key \"reference\" is missing or empty")]
    NoReference,
    /// A value is no text, or no truth.
    #[error("key {key:?} cannot be read")]
    Value {
        /// The key.
        key: &'static str,
    },
}

impl Storage {
    /// Reads the Secret.
    ///
    /// # Errors
    /// What is wrong with it; values are not quoted.
    pub fn of_secret(kind: &str, data: &BTreeMap<String, Vec<u8>>) -> Result<Self, StorageError> {
        const WANTED: &str = "fleet.cattle.io/bundle-oci-storage/v1alpha1";
        if kind != WANTED {
            return Err(StorageError::Type {
                found: kind.to_owned(),
                wanted: WANTED,
            });
        }
        let text = |key: &'static str| -> Result<String, StorageError> {
            let bytes = data.get(key).cloned().unwrap_or_default();
            String::from_utf8(bytes).map_err(|_| StorageError::Value { key })
        };
        let truth = |key: &'static str| match text(key)?.as_str() {
            "" | "false" => Ok(false),
            "true" => Ok(true),
            _ => Err(StorageError::Value { key }),
        };
        let reference = text("reference")?;
        if reference.is_empty() {
            return Err(StorageError::NoReference);
        }
        let login = |username: String, password: String| {
            let is_given = !(username.is_empty() && password.is_empty());
            let password = Secret::new(password);
            is_given.then_some(Basic { username, password })
        };
        let (username, password) = (text("username")?, text("password")?);
        // Each is replaced by itself.
        let or = |own: String, other: &String| if own.is_empty() { other.clone() } else { own };
        let agent = login(
            or(text("agentUsername")?, &username),
            or(text("agentPassword")?, &password),
        );
        // `insecure` is its older name.
        let is_insecure = truth("insecureSkipTLS")? || truth("insecure")?;
        let ca_bundle = data.get("cacerts").filter(|pem| !pem.is_empty()).cloned();
        Ok(Self {
            reference,
            basic: login(username, password),
            agent,
            basic_http: truth("basicHTTP")?,
            tls: Tls {
                ca_bundle,
                identity: None,
                insecure_skip_verify: is_insecure,
            },
        })
    }
}

#[derive(Debug, Deserialize)]
struct Pulled {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Debug, Deserialize)]
struct Layer {
    #[serde(flatten)]
    descriptor: Descriptor,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Pushed<'a> {
    schema_version: u8,
    media_type: &'a str,
    artifact_type: &'a str,
    config: Blob<'a>,
    layers: [Blob<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob<'a> {
    media_type: &'a str,
    digest: String,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<BTreeMap<&'a str, &'a str>>,
}

impl<'a> Blob<'a> {
    fn of(media_type: &'a str, data: &[u8]) -> Self {
        Self {
            media_type,
            digest: digest(data),
            size: data.len(),
            annotations: None,
        }
    }
}

/// Contents in one registry.
#[derive(Debug)]
pub struct Contents {
    registries: Registries,
    reference: String,
}

impl Contents {
    /// For a writer.
    ///
    /// # Errors
    /// If the certificates cannot be used.
    pub fn to_write(storage: &Storage) -> Result<Self, RegistryError> {
        Self::new(storage, storage.basic.clone())
    }

    /// For a reader.
    ///
    /// # Errors
    /// If the certificates cannot be used.
    pub fn to_read(storage: &Storage) -> Result<Self, RegistryError> {
        Self::new(storage, storage.agent.clone())
    }

    fn new(storage: &Storage, basic: Option<Basic>) -> Result<Self, RegistryError> {
        let http = Http::new(&storage.tls)?;
        let registries = Registries::new(http, Logins::default(), basic, storage.basic_http);
        let reference = storage.reference.trim_start_matches("oci://");
        Ok(Self {
            registries,
            reference: reference.trim_end_matches('/').to_owned(),
        })
    }

    fn reference(&self, id: &str) -> Result<OciReference, RegistryError> {
        Ok(OciReference::parse(&format!(
            "{}/{id}:{TAG}",
            self.reference
        ))?)
    }

    /// The bytes of a content, at most `bytes_max`. Whether they are what the id names is the caller's to see.
    ///
    /// # Errors
    /// If the registry does not give it, or gives something else.
    pub async fn pull(&self, id: &str, bytes_max: u64) -> Result<Vec<u8>, RegistryError> {
        let reference = self.reference(id)?;
        let (data, _) = self.registries.manifest(&reference).await?;
        let manifest: Pulled =
            serde_json::from_slice(&data).map_err(|error| RegistryError::Answer {
                url: reference.to_string(),
                reason: format!("the manifest cannot be read: {error}"),
            })?;
        let odd = |text: String| RegistryError::NoChart(format!("{reference}: {text}"));
        let [layer] = manifest.layers.as_slice() else {
            let n = manifest.layers.len();
            return Err(odd(format!("expected exactly one layer, found {n}")));
        };
        let wanted = BTreeMap::from([(ID.to_owned(), id.to_owned())]);
        if layer.annotations != wanted {
            return Err(odd("the layer is not that of this content".to_owned()));
        }
        self.registries
            .layer(&reference, &layer.descriptor, bytes_max)
            .await
    }

    /// Stores a content under its id.
    ///
    /// # Errors
    /// If the registry does not take it. It may be pushed again.
    pub async fn push(&self, id: &str, data: Vec<u8>) -> Result<(), RegistryError> {
        let reference = self.reference(id)?;
        let mut layer = Blob::of(LAYER, &data);
        layer.annotations = Some(BTreeMap::from([(ID, id)]));
        let manifest = Pushed {
            schema_version: 2,
            media_type: MANIFEST,
            artifact_type: ARTIFACT,
            config: Blob::of(EMPTY, EMPTY_DATA),
            layers: [layer],
        };
        let text = serde_json::to_vec(&manifest).map_err(|error| RegistryError::Answer {
            url: reference.to_string(),
            reason: error.to_string(),
        })?;
        self.blob(&reference, EMPTY_DATA.to_vec()).await?;
        self.blob(&reference, data).await?;
        let url = self
            .registries
            .url(&reference, &format!("manifests/{TAG}"))?;
        let put = self
            .write(&reference, Method::PUT, &url, MANIFEST, text)
            .await?;
        expect(
            Method::PUT,
            &url,
            put,
            &[StatusCode::CREATED, StatusCode::OK],
        )
        .await?;
        Ok(())
    }

    async fn blob(&self, reference: &OciReference, data: Vec<u8>) -> Result<(), RegistryError> {
        let name = digest(&data);
        let known = self.registries.url(reference, &format!("blobs/{name}"))?;
        let head = self
            .write(reference, Method::HEAD, &known, "", Vec::new())
            .await?;
        if head.status() == StatusCode::OK {
            return Ok(());
        }
        let url = self.registries.url(reference, "blobs/uploads/")?;
        let begun = self
            .write(reference, Method::POST, &url, "", Vec::new())
            .await?;
        let begun = expect(Method::POST, &url, begun, &[StatusCode::ACCEPTED]).await?;
        let place = http::text(&begun, header::LOCATION).unwrap_or_default();
        let mut place = url.join(&place).map_err(|error| answer(&url, &error))?;
        if place.origin() != url.origin() {
            // The credentials would go along.
            return Err(answer(&url, &"the upload is on another host"));
        }
        place.query_pairs_mut().append_pair("digest", &name);
        let kind = "application/octet-stream";
        let put = self
            .write(reference, Method::PUT, &place, kind, data)
            .await?;
        expect(Method::PUT, &place, put, &[StatusCode::CREATED]).await?;
        Ok(())
    }

    /// Deletes a content; one that is not there is no error. What its layer takes up is the registry's to free.
    ///
    /// # Errors
    /// If the registry does not do it; not all allow it.
    pub async fn delete(&self, id: &str) -> Result<(), RegistryError> {
        let reference = self.reference(id)?;
        let digest = match self.registries.manifest(&reference).await {
            Ok((_, digest)) => digest,
            Err(RegistryError::NotFound(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let url = self
            .registries
            .url(&reference, &format!("manifests/{digest}"))?;
        let gone = self
            .write(&reference, Method::DELETE, &url, "", Vec::new())
            .await?;
        let fine = [StatusCode::ACCEPTED, StatusCode::OK, StatusCode::NOT_FOUND];
        expect(Method::DELETE, &url, gone, &fine).await?;
        Ok(())
    }

    /// Sends a request that changes something, after logging in if the registry wants that.
    async fn write(
        &self,
        reference: &OciReference,
        method: Method,
        url: &Url,
        kind: &str,
        data: Vec<u8>,
    ) -> Result<Response, RegistryError> {
        let ask = async |authorization: Option<&Secret>| {
            let mut request = self.registries.http.request(method.clone(), url);
            if !kind.is_empty() {
                request = request.header(header::CONTENT_TYPE, kind);
            }
            if let Some(authorization) = authorization {
                request = request.header(header::AUTHORIZATION, authorization.expose());
            }
            if matches!(method, Method::POST | Method::PUT) {
                request = request.body(data.clone());
            }
            send(request, url).await
        };
        let key = format!(
            "{}/{} {SCOPE_WRITE}",
            reference.registry, reference.repository
        );
        let known = self.registries.known(&key);
        let response = ask(known.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let login = self
            .registries
            .log_in(reference, url, &response, SCOPE_WRITE);
        let login = login.await.map_err(|error| RegistryError::LogIn {
            url: shown(url),
            error: Box::new(error),
        })?;
        let Some(authorization) = login else {
            return Ok(response);
        };
        let response = ask(Some(&authorization)).await?;
        self.registries.accept(key, authorization);
        Ok(response)
    }
}

async fn expect(
    method: Method,
    url: &Url,
    response: Response,
    fine: &[StatusCode],
) -> Result<Response, RegistryError> {
    if fine.contains(&response.status()) {
        return Ok(response);
    }
    Err(refused(method, url, response).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(pairs: &[(&str, &str)]) -> Result<Storage, StorageError> {
        let data = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
            .collect();
        Storage::of_secret("fleet.cattle.io/bundle-oci-storage/v1alpha1", &data)
    }

    #[test]
    fn readers_have_a_login_of_their_own_where_the_secret_has_one() {
        let found = secret(&[
            ("reference", "registry.example/fleet"),
            ("username", "writer"),
            ("password", "w"),
            ("agentPassword", "r"),
            ("basicHTTP", "true"),
            ("insecure", "true"),
        ])
        .unwrap();
        let name = |basic: &Option<Basic>| {
            let basic = basic.as_ref().unwrap();
            format!("{}:{}", basic.username, basic.password.expose())
        };
        assert_eq!(
            (name(&found.basic), name(&found.agent)),
            ("writer:w".into(), "writer:r".into())
        );
        assert!(found.basic_http && found.tls.insecure_skip_verify);
        assert!(!format!("{found:?}").contains("\"w\""));
        let open = secret(&[("reference", "r/x"), ("insecureSkipTLS", "false")]).unwrap();
        assert!(open.basic.is_none() && open.agent.is_none() && !open.basic_http);
    }

    #[test]
    fn secrets_that_say_nothing_about_a_registry_are_refused() {
        assert_eq!(secret(&[]).err(), Some(StorageError::NoReference));
        let odd = secret(&[("reference", "r/x"), ("basicHTTP", "maybe")]);
        assert_eq!(odd.err(), Some(StorageError::Value { key: "basicHTTP" }));
        let opaque = Storage::of_secret("Opaque", &BTreeMap::new());
        assert!(matches!(opaque, Err(StorageError::Type { .. })));
    }
}
