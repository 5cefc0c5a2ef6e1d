//! Charts of HelmOps, which the agent downloads itself: from a chart repository, a registry or a URL, with
//! the credentials of a Secret on the hub.
//!
//! Out: the chart's files under the names that they have in a bundle. Source: fleet
//! `internal/cmd/agent/deployer`, agent.md 6.4; `internal/bundlereader`, `ReadHelmAuthFromSecret`.

use api::names::chart_prefix;
use api::v1alpha1::{BundleHelmOptions, BundleResource, HelmOptions};
use apiclient::{Client, Kind, ObjectKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fetch::charts::{Charts, Places, Repository, basic};
use helm::Limits;
use k8s_openapi::api::core::v1::Secret;

/// Why there is no chart.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The options name none.
    #[error("a HelmOp without helm options names no chart")]
    NoOptions,
    /// The Secret was not read.
    #[error("read secret {secret} from the hub, with the access to chart {chart}")]
    Read {
        chart: String,
        secret: ObjectKey,
        source: apiclient::Error,
    },
    /// The hub has not copied it yet.
    #[error("secret {secret}, with the access to chart {chart}, is not on the hub")]
    Missing { chart: String, secret: ObjectKey },
    /// It was not given.
    #[error("download chart {chart}")]
    Fetch {
        chart: String,
        source: Box<fetch::charts::Error>,
    },
    /// What was given is no chart.
    #[error("read chart {chart}")]
    Archive {
        chart: String,
        source: helm::ArchiveError,
    },
}

impl Error {
    /// Whether trying again could help.
    pub(super) fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Read { .. } | Self::Missing { .. } | Self::Fetch { .. }
        )
    }
}

/// What is downloaded, and with which access. Part of the cache's key.
#[derive(Clone, Debug)]
pub(crate) struct Download {
    /// Namespace of the Secret.
    pub(crate) namespace: String,
    pub(crate) access: BundleHelmOptions,
}

/// The files of the chart.
pub(super) async fn files(
    hub: &Client,
    download: &Download,
    helm: Option<&HelmOptions>,
) -> Result<Vec<BundleResource>, Error> {
    let helm = helm.ok_or(Error::NoOptions)?;
    let (name, repository) = place(helm);
    let shown = shown(&name);
    let charts = charts(hub, download, &shown).await?;
    let fetched = charts.archive(&name, &helm.version, &repository).await;
    let fetched = fetched.map_err(|source| Error::Fetch {
        chart: shown.clone(),
        source: Box::new(source),
    })?;
    let files = helm::archive_files(&fetched.data, &Limits::default());
    let files = files.map_err(|source| Error::Archive {
        chart: shown,
        source,
    })?;
    let prefix = chart_prefix(&helm.chart, &helm.repo, &helm.version);
    let resource = |(name, data): (String, std::sync::Arc<[u8]>)| {
        let name = format!("{prefix}/{name}");
        match std::str::from_utf8(&data) {
            Ok(text) => BundleResource {
                name,
                content: text.to_owned(),
                ..BundleResource::default()
            },
            Err(_) => BundleResource {
                name,
                content: STANDARD.encode(&data),
                encoding: "base64".to_owned(),
            },
        }
    };
    Ok(files.into_iter().map(resource).collect())
}

/// Name of a chart, and the repository it is in; empty when the name says it all.
fn place(helm: &HelmOptions) -> (String, String) {
    let (chart, repo) = (helm.chart.as_str(), helm.repo.as_str());
    match (repo.starts_with("oci://"), chart) {
        (true, "") => (repo.to_owned(), String::new()),
        (true, chart) => {
            let repo = repo.trim_end_matches('/');
            (format!("{repo}/{chart}"), String::new())
        }
        (false, chart) => (chart.to_owned(), repo.to_owned()),
    }
}

/// A name without user part and query, which may hold secrets.
fn shown(name: &str) -> String {
    let name = name.split('?').next().unwrap_or(name);
    match name.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let host = rest[..end].rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{}", &rest[end..])
        }
        None => name.to_owned(),
    }
}

async fn charts(hub: &Client, download: &Download, chart: &str) -> Result<Charts, Error> {
    let access = &download.access;
    let mut repository = Repository {
        insecure_skip_verify: access.helm_op_insecure_skip_tls_verify,
        ca_bundle: access
            .helm_op_ca_bundle
            .as_ref()
            .map(|bytes| bytes.0.clone()),
        ..Repository::default()
    };
    let mut plain_http = false;
    if !access.helm_op_secret_name.is_empty() {
        let secret = ObjectKey::new(&*download.namespace, &*access.helm_op_secret_name);
        let read = hub.get::<Secret>(&Kind::of::<Secret>(), &secret).await;
        let found = read.map_err(|source| Error::Read {
            chart: chart.to_owned(),
            secret: secret.clone(),
            source,
        })?;
        let found = found.ok_or_else(|| Error::Missing {
            chart: chart.to_owned(),
            secret,
        })?;
        let data = found.data.unwrap_or_default();
        let text = |key: &str| {
            let bytes = data.get(key).map(|bytes| String::from_utf8_lossy(&bytes.0));
            bytes.unwrap_or_default().into_owned()
        };
        repository.basic = basic(&text("username"), &text("password"));
        if let Some(bundle) = data.get("cacerts").filter(|bytes| !bytes.0.is_empty()) {
            repository.ca_bundle = Some(bundle.0.clone());
        }
        repository.insecure_skip_verify |= text("insecureSkipVerify") == "true";
        plain_http = text("basicHTTP") == "true";
    }
    Ok(Charts::new(Places::default(), repository, plain_http))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_is_named_by_repository_and_name_or_by_one_of_them() {
        for (repo, chart, expected) in [
            (
                "https://a.example/charts",
                "web",
                ("web", "https://a.example/charts"),
            ),
            (
                "",
                "https://a.example/web-1.tgz",
                ("https://a.example/web-1.tgz", ""),
            ),
            ("oci://a.example/web", "", ("oci://a.example/web", "")),
            (
                "oci://a.example/charts/",
                "web",
                ("oci://a.example/charts/web", ""),
            ),
            ("", "oci://a.example/web", ("oci://a.example/web", "")),
        ] {
            let helm = HelmOptions {
                repo: repo.to_owned(),
                chart: chart.to_owned(),
                ..HelmOptions::default()
            };
            let (name, repository) = place(&helm);
            assert_eq!((name.as_str(), repository.as_str()), expected);
        }
    }

    #[test]
    fn names_are_shown_without_what_may_be_secret() {
        assert_eq!(shown("https://u:p@h/c.tgz?token=1"), "https://h/c.tgz");
        assert_eq!(shown("oci://h/c"), "oci://h/c");
        assert_eq!(shown("web"), "web");
    }
}
