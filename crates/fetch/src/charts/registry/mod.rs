//! Charts in registries of the distribution specification: tags, manifests, layers, logins.
//!
//! In: references. Out: archives whose digests and sizes are what the manifest says. Charts are only read;
//! contents of bundles ([`Contents`]) are written too. Our own
//! client, because what a server sends has to be bounded everywhere, tokens and manifests among it.

mod artifact;
mod challenge;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use reqwest::{Method, Response, StatusCode, header};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use url::Url;

pub use self::artifact::{Contents, Storage, StorageError};

use super::http::{self, Http, HttpError, body, error_page, send, shown};
use super::logins::{LoginError, Logins};
use super::reference::{OciReference, ReferenceError, choose_version, is_digest, versions_of_tags};
use crate::credentials::Secret;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const LEGACY_CHART: &str = "application/tar+gzip";

/// As the specification advises.
const MANIFEST_BYTES_MAX: u64 = 4 << 20;
/// One page of tags.
const TAGS_BYTES_MAX: u64 = 4 << 20;
/// Pages of tags; registries send 100 to 1,000 a page.
const TAG_PAGES_MAX: usize = 1_000;

/// Why a chart cannot be had from a registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// No answer, or one that is too long.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The reference or the version.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The credentials.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The registry has no such repository, tag or layer.
    #[error("{0}: not found")]
    NotFound(String),
    /// Another answer than success.
    #[error("{method} \"{url}\": response status code {status}{detail}")]
    Status {
        /// `GET` or `POST`.
        method: Method,
        /// The URL without its query.
        url: String,
        /// Number and text.
        status: String,
        /// The registry's own code and message, or empty.
        detail: String,
    },
    /// The registry wants a password and there is none.
    #[error("basic credential not found")]
    NoBasic,
    /// Logging in failed on the way to a URL.
    #[error("GET \"{url}\": {error}")]
    LogIn {
        /// What was asked for.
        url: String,
        /// What went wrong.
        error: Box<RegistryError>,
    },
    /// A step of pulling an archive failed.
    #[error("failed to perform \"{step}\" on source: {error}")]
    Step {
        /// `FetchReference` for the manifest, `Fetch` for the layer.
        step: &'static str,
        /// What went wrong.
        error: Box<RegistryError>,
    },
    /// The answer of the registry or of its token server is not what the specification says.
    #[error("{url}: {reason}")]
    Answer {
        /// The URL without its query.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The manifest is no chart's.
    #[error("{0}")]
    NoChart(String),
    /// Bytes are not those that the digest names.
    #[error("{what}: digest is {found}, not {wanted}")]
    Digest {
        /// The manifest or layer.
        what: String,
        /// The digest wanted.
        wanted: String,
        /// The digest of what came.
        found: String,
    },
}

/// A chart of a registry.
#[derive(Debug, Clone, Default)]
pub struct Pulled {
    /// The archive.
    pub data: Vec<u8>,
    /// Digest of the manifest.
    pub digest: String,
    /// Whether the layer has the media type that Helm no longer writes.
    pub is_legacy: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    size: u64,
}

#[derive(Debug, Deserialize)]
struct Manifest {
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

/// A client of registries.
#[derive(Debug)]
pub struct Registries {
    http: Http,
    logins: Logins,
    /// Used at every registry instead of the logins.
    basic: Option<crate::Basic>,
    plain_http: bool,
    /// `Authorization` headers that were accepted, by repository.
    accepted: Mutex<BTreeMap<String, Secret>>,
}

impl Registries {
    /// A client; `basic` is used instead of the logins where it is given.
    pub fn new(http: Http, logins: Logins, basic: Option<crate::Basic>, plain_http: bool) -> Self {
        Self {
            http,
            logins,
            basic,
            plain_http,
            accepted: Mutex::default(),
        }
    }

    /// The reference with the tag of the version that is wanted: a version as it is, the newest one
    /// that meets a constraint, the tag or digest of the reference, or the newest of all.
    ///
    /// Source: Helm `Client.ValidateReference`.
    pub async fn resolve(
        &self,
        reference: &OciReference,
        version: &str,
    ) -> Result<OciReference, RegistryError> {
        let tag = reference.tag.replace('_', "+");
        if !version.is_empty() && !tag.is_empty() && tag != version {
            let version = version.to_owned();
            return Err(ReferenceError::Mismatch { version, tag }.into());
        }
        let wanted = if version.is_empty() { &tag } else { version };
        if !reference.digest.is_empty() {
            return self.pinned(reference, wanted).await;
        }
        if sprig::semver::Version::parse(wanted).is_ok() {
            return Ok(reference.at_version(wanted));
        }
        let versions = self.versions(reference).await?;
        if versions.is_empty() {
            let name = format!("oci://{reference}");
            return Err(ReferenceError::NoTags(name).into());
        }
        Ok(reference.at_version(choose_version(&versions, wanted)?))
    }

    /// A tag beside a digest has to lead to it, if the registry knows the tag.
    async fn pinned(
        &self,
        reference: &OciReference,
        version: &str,
    ) -> Result<OciReference, RegistryError> {
        if !version.is_empty()
            && let Ok((_, digest)) = self.manifest(&reference.at_version(version)).await
            && digest != reference.digest
        {
            return Err(RegistryError::NoChart(format!(
                "chart reference digest mismatch: {digest} is not {}",
                reference.digest
            )));
        }
        Ok(reference.clone())
    }

    /// The versions among the tags of a repository, newest first.
    pub async fn versions(&self, reference: &OciReference) -> Result<Vec<String>, RegistryError> {
        #[derive(Deserialize)]
        struct Page {
            tags: Option<Vec<String>>,
        }
        let mut tags = Vec::new();
        let mut url = self.url(reference, "tags/list")?;
        for _ in 0..TAG_PAGES_MAX {
            let response = self.get(reference, &url, "application/json").await?;
            let next = http::text(&response, header::LINK);
            let data = body(response, &url, TAGS_BYTES_MAX).await?;
            let page: Page = serde_json::from_slice(&data).map_err(|error| answer(&url, &error))?;
            tags.extend(page.tags.unwrap_or_default());
            match next.as_deref().and_then(next_page) {
                Some(next) => url = below_same_host(&url, next)?,
                None => return Ok(versions_of_tags(&tags)),
            }
        }
        Err(answer(
            &url,
            &format!("more than {TAG_PAGES_MAX} pages of tags"),
        ))
    }

    /// The archive of a chart, at most `bytes_max` long.
    ///
    /// Source: Helm `Client.Pull`.
    pub async fn pull(
        &self,
        reference: &OciReference,
        bytes_max: u64,
    ) -> Result<Pulled, RegistryError> {
        let in_step = |step: &'static str| {
            move |error| RegistryError::Step {
                step,
                error: Box::new(error),
            }
        };
        let (data, digest) = self
            .manifest(reference)
            .await
            .map_err(in_step("FetchReference"))?;
        let manifest: Manifest =
            serde_json::from_slice(&data).map_err(|error| RegistryError::Answer {
                url: reference.to_string(),
                reason: format!("the manifest cannot be read: {error}"),
            })?;
        let layer = chart_layer(&manifest).map_err(RegistryError::NoChart)?;
        let data = self.layer(reference, layer, bytes_max).await;
        Ok(Pulled {
            data: data.map_err(in_step("Fetch"))?,
            digest,
            is_legacy: layer.media_type == LEGACY_CHART,
        })
    }

    async fn layer(
        &self,
        reference: &OciReference,
        layer: &Descriptor,
        bytes_max: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        if layer.size > bytes_max {
            return Err(HttpError::TooLarge {
                url: reference.to_string(),
                bytes_max,
            }
            .into());
        }
        if !is_digest(&layer.digest) {
            let digest = &layer.digest;
            let text = format!("layer of {reference} has digest {digest:?}, which is no SHA-256");
            return Err(RegistryError::NoChart(text));
        }
        let url = self.url(reference, &format!("blobs/{}", layer.digest))?;
        let response = self.get(reference, &url, "*/*").await?;
        let data = body(response, &url, layer.size).await?;
        if data.len() as u64 != layer.size {
            let reason = format!(
                "{} bytes came, the manifest says {}",
                data.len(),
                layer.size
            );
            return Err(answer(&url, &reason));
        }
        check_digest(&data, &layer.digest, || format!("layer of {reference}"))?;
        Ok(data)
    }

    /// A manifest with its digest.
    async fn manifest(&self, reference: &OciReference) -> Result<(Vec<u8>, String), RegistryError> {
        let url = self.url(reference, &format!("manifests/{}", reference.target()))?;
        let response = self.get(reference, &url, MANIFEST).await?;
        let data = body(response, &url, MANIFEST_BYTES_MAX).await?;
        if !reference.digest.is_empty() {
            check_digest(&data, &reference.digest, || reference.to_string())?;
        }
        let digest = digest(&data);
        Ok((data, digest))
    }

    fn url(&self, reference: &OciReference, rest: &str) -> Result<Url, RegistryError> {
        let scheme = if self.plain_http { "http" } else { "https" };
        let host = match reference.registry.as_str() {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            other => other,
        };
        let text = format!("{scheme}://{host}/v2/{}/{rest}", reference.repository);
        Ok(http::parse(&text)?)
    }

    /// Asks, logs in if the registry wants that, and asks again.
    async fn get(
        &self,
        reference: &OciReference,
        url: &Url,
        accept: &str,
    ) -> Result<Response, RegistryError> {
        let key = format!("{}/{}", reference.registry, reference.repository);
        let known = self.known(&key);
        let mut response = self.ask(url, accept, known.as_ref()).await?;
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(authorization) = self
                .log_in(reference, url, &response, "pull")
                .await
                .map_err(|error| RegistryError::LogIn {
                    url: shown(url),
                    error: Box::new(error),
                })?
        {
            response = self.ask(url, accept, Some(&authorization)).await?;
            self.accept(key, authorization);
        }
        match response.status() {
            StatusCode::OK => Ok(response),
            StatusCode::NOT_FOUND if !url.path().ends_with("/tags/list") => {
                Err(RegistryError::NotFound(reference.to_string()))
            }
            _ => Err(refused(Method::GET, url, response).await),
        }
    }

    /// The `Authorization` header that was accepted for a key.
    fn known(&self, key: &str) -> Option<Secret> {
        let accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.get(key).cloned()
    }

    fn accept(&self, key: String, authorization: Secret) {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        accepted.insert(key, authorization);
    }

    async fn ask(
        &self,
        url: &Url,
        accept: &str,
        authorization: Option<&Secret>,
    ) -> Result<Response, RegistryError> {
        let mut request = self
            .http
            .request(Method::GET, url)
            .header(header::ACCEPT, accept);
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization.expose());
        }
        Ok(send(request, url).await?)
    }
}

/// A page of the same registry; credentials would go along to another one.
fn below_same_host(url: &Url, next: &str) -> Result<Url, RegistryError> {
    let joined = url.join(next).map_err(|error| answer(url, &error))?;
    if joined.origin() == url.origin() {
        Ok(joined)
    } else {
        Err(answer(url, &"the next page of tags is on another host"))
    }
}

/// Source: Helm `processChartPull`.
fn chart_layer(manifest: &Manifest) -> Result<&Descriptor, String> {
    let known = |descriptor: &&Descriptor| {
        matches!(
            descriptor.media_type.as_str(),
            CONFIG | CHART | LEGACY_CHART
        )
    };
    let config = manifest.config.iter().filter(known);
    // The manifest itself counts.
    let found = 1 + config.count() + manifest.layers.iter().filter(known).count();
    if found < 2 {
        return Err(format!(
            "manifest does not contain minimum number of descriptors (2), descriptors found: {found}"
        ));
    }
    let config = manifest.config.as_ref();
    if config.is_none_or(|config| config.media_type != CONFIG) {
        return Err(format!("could not load config with mediatype {CONFIG}"));
    }
    let layer = manifest
        .layers
        .iter()
        .rfind(|layer| matches!(layer.media_type.as_str(), CHART | LEGACY_CHART));
    layer.ok_or_else(|| format!("manifest does not contain a layer with mediatype {CHART}"))
}

fn digest(data: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(data)))
}

fn check_digest(data: &[u8], wanted: &str, what: impl Fn() -> String) -> Result<(), RegistryError> {
    let found = digest(data);
    if found == wanted {
        return Ok(());
    }
    Err(RegistryError::Digest {
        what: what(),
        wanted: wanted.to_owned(),
        found,
    })
}

fn answer(url: &Url, reason: &dyn std::fmt::Display) -> RegistryError {
    RegistryError::Answer {
        url: shown(url),
        reason: reason.to_string(),
    }
}

/// The answer of a registry that refuses, with its own words if it has some.
async fn refused(method: Method, url: &Url, response: Response) -> RegistryError {
    let status = response.status();
    let page = error_page(response, url).await.unwrap_or_default();
    let problem = &page["errors"][0];
    let code = problem["code"].as_str().unwrap_or_default();
    let code = code.to_ascii_lowercase().replace('_', " ");
    let detail = match problem["message"].as_str().unwrap_or_default() {
        "" if code.is_empty() => {
            let reason = status.canonical_reason().unwrap_or_default();
            format!(": {reason}")
        }
        "" => format!(": {code}"),
        message => format!(": {code}: {message}"),
    };
    RegistryError::Status {
        method,
        url: shown(url),
        status: status.as_u16().to_string(),
        detail,
    }
}

/// The next page of a `Link` header: `</v2/x/tags/list?n=1&last=a>; rel="next"`.
fn next_page(link: &str) -> Option<&str> {
    let (target, rest) = link.trim_start().strip_prefix('<')?.split_once('>')?;
    rest.contains("next").then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_next_page() {
        assert_eq!(
            next_page("</v2/a/tags/list?n=1>; rel=\"next\""),
            Some("/v2/a/tags/list?n=1")
        );
        assert_eq!(next_page("</v2/a>; rel=\"prev\""), None);
        assert_eq!(next_page("garbage"), None);
    }

    #[test]
    fn manifests_of_other_things_are_refused() {
        let layer =
            |kind: &str| format!("{{\"mediaType\": \"{kind}\", \"digest\": \"d\", \"size\": 1}}");
        for (config, layers, want) in [
            (CONFIG, vec![CHART], Ok("d")),
            (CONFIG, vec!["x", LEGACY_CHART], Ok("d")),
            (
                "other",
                vec!["other"],
                Err(
                    "manifest does not contain minimum number of descriptors (2), descriptors found: 1",
                ),
            ),
            (
                "other",
                vec![CHART],
                Err(
                    "could not load config with mediatype application/vnd.cncf.helm.config.v1+json",
                ),
            ),
            (
                CONFIG,
                vec!["other"],
                Err(
                    "manifest does not contain a layer with mediatype application/vnd.cncf.helm.chart.content.v1.tar+gzip",
                ),
            ),
        ] {
            let layers: Vec<String> = layers.into_iter().map(layer).collect();
            let text = format!(
                "{{\"config\": {}, \"layers\": [{}]}}",
                layer(config),
                layers.join(",")
            );
            let manifest: Manifest = serde_json::from_str(&text).unwrap();
            let found = chart_layer(&manifest).map(|layer| layer.digest.as_str());
            assert_eq!(
                found.map_err(|error| error.clone()),
                want.map_err(str::to_owned)
            );
        }
    }
}
