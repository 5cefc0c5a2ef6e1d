//! Helm charts from chart repositories, URLs and registries.
//!
//! [`Charts`] turns what a user writes for a chart into the bytes of an archive: a URL, a name in a
//! repository, `repository/name` of Helm's `repositories.yaml`, or `oci://registry/path/name`. Sizes
//! and times are bounded, credentials stay with the host they were given for, archives are compared
//! with the digest where an index or manifest has one, and errors name the URL without secrets.
//!
//! Not here: what an archive holds (crate `helm`), signatures, Helm's plugins, and Helm's caches:
//! cached indexes are read where Helm reads them, nothing is written there.

mod archive;
mod dependencies;
mod http;
mod index;
mod lock;
mod logins;
mod reference;
mod registry;
mod repositories;
mod status;

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use url::Url;

pub use self::dependencies::Dependencies;
pub use self::http::{Http, HttpError, Tls};
pub use self::index::{Entry, Index, IndexError, resolve as resolve_url, same_url};
pub use self::lock::DependencyError;
pub use self::logins::{Login, LoginError, Logins};
pub use self::reference::{OciReference, ReferenceError, choose_version};
pub use self::registry::{Contents, Registries, RegistryError, Storage, StorageError};
pub use self::repositories::{BadFile, Repository, basic, parse as parse_repositories};
pub use self::status::status as dependency_status;

/// The largest chart archive. Bytes.
pub const ARCHIVE_BYTES_MAX: u64 = 100 << 20;
/// The largest index of a repository. Bytes.
pub const INDEX_BYTES_MAX: u64 = 256 << 20;
/// The largest file of values. Bytes.
pub const FILE_BYTES_MAX: u64 = 32 << 20;

/// Where Helm keeps what a user told it.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// `repositories.yaml`; need not exist.
    pub repository_config: PathBuf,
    /// Directory of cached indexes, `NAME-index.yaml`.
    pub repository_cache: PathBuf,
    /// Files of logins in docker's form, the first being asked first; need not exist.
    pub registry_configs: Vec<PathBuf>,
}

/// An archive with what there is to say about it.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    /// The archive.
    pub data: Vec<u8>,
    /// The version taken where the exact one asked for does not exist.
    pub other_version: Option<String>,
    /// What Helm says of a pull from a registry, line by line.
    pub notes: Vec<String>,
}

/// Why a chart cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// From a server.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// From a registry.
    #[error(transparent)]
    Registry(Box<RegistryError>),
    /// An entry of an index.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The list of repositories.
    #[error(transparent)]
    Repositories(#[from] BadFile),
    /// A local file.
    #[error("open {path}: {reason}")]
    File {
        /// Its path.
        path: String,
        /// What happened.
        reason: String,
    },
    /// A repository without index.
    #[error("looks like {url:?} is not a valid chart repository or cannot be reached: {error}")]
    Repository {
        /// The repository.
        url: String,
        /// What is wrong.
        error: Box<Error>,
    },
    /// No cached index of a repository.
    #[error("no cached repo found. (try 'helm repo update'): {0}")]
    NotCached(Box<Error>),
    /// A repository has no such chart or version.
    #[error("{chart} not found in {url} repository")]
    NoChart {
        /// Chart and version as asked for.
        chart: String,
        /// The repository.
        url: String,
    },
    /// As before, for a repository with a name.
    #[error(
        "chart {chart:?} matching {version} not found in {repository} index. (try 'helm repo update'): {error}"
    )]
    NotInIndex {
        /// The chart.
        chart: String,
        /// The version.
        version: String,
        /// Name of the repository.
        repository: String,
        /// What is wrong.
        error: Box<IndexError>,
    },
    /// A repository that is not on the web.
    #[error("could not find protocol handler for: {0}")]
    Protocol(String),
    /// An entry of an index has no URL.
    #[error("{0} has no downloadable URLs")]
    NoUrl(String),
    /// Neither URL nor `repository/chart`.
    #[error("non-absolute URLs should be in form of repo_name/path_to_chart, got: {0}")]
    Form(String),
    /// No repository of that name.
    #[error("repo {0} not found")]
    NoRepository(String),
    /// An archive is not the one of the index.
    #[error("{url}: digest is sha256:{found}, the index says {wanted}")]
    Digest {
        /// The archive.
        url: String,
        /// Of the index.
        wanted: String,
        /// Of what came.
        found: String,
    },
}

impl From<RegistryError> for Error {
    fn from(error: RegistryError) -> Self {
        Self::Registry(Box::new(error))
    }
}

/// Fetches charts in one user's name.
#[derive(Debug, Clone)]
pub struct Charts {
    places: Places,
    /// What the user said for this fetch; its `url` is ignored.
    access: Repository,
    plain_http: bool,
}

impl Charts {
    /// Fetches with the access given, and with that of the named repositories where those are used.
    pub fn new(places: Places, access: Repository, plain_http: bool) -> Self {
        Self {
            places,
            access,
            plain_http,
        }
    }

    /// The archive of a chart named by URL, `oci://` reference or `repository/chart`; or by its name in
    /// the repository at the URL `repository`, if that is not empty. `version` is a version, a
    /// constraint, or empty for the newest.
    ///
    /// Source: Helm `LocateChart`, `ChartDownloader.ResolveChartVersion`.
    pub async fn archive(
        &self,
        name: &str,
        version: &str,
        repository: &str,
    ) -> Result<Fetched, Error> {
        if !repository.is_empty() {
            let repository = Repository {
                url: repository.to_owned(),
                ..self.access.clone()
            };
            return self.in_repository(&repository, name, version).await;
        }
        if name.starts_with("oci://") {
            return self.pull(name, version).await;
        }
        let repositories = self.repositories()?;
        if let Some((_, rest)) = name.split_once("://") {
            if !rest.contains('/') || rest.starts_with('/') {
                return Err(Error::Form(public(name)));
            }
            let repository = self.owner(&repositories, name)?;
            return self.download(&repository, name, "").await;
        }
        let Some((repository, chart)) = name.split_once('/') else {
            return Err(Error::Form(name.to_owned()));
        };
        self.in_named(&repositories, repository, chart, version)
            .await
    }

    /// Whether the files of the access can be used.
    pub fn check_access(&self) -> Result<(), Error> {
        self.access.http()?;
        Ok(())
    }

    /// A file at an `http` or `https` URL, without credentials beside those of the URL.
    pub async fn file(&self, url: &str) -> Result<Vec<u8>, Error> {
        let http = Http::new(&Tls::default())?;
        Ok(http.get(url, None, FILE_BYTES_MAX).await?)
    }

    /// The chart of a registry.
    async fn pull(&self, name: &str, version: &str) -> Result<Fetched, Error> {
        let registries = self.registries()?;
        let reference = OciReference::parse(name).map_err(RegistryError::from)?;
        let reference = registries.resolve(&reference, version).await?;
        let pulled = registries.pull(&reference, ARCHIVE_BYTES_MAX).await?;
        let mut notes = vec![
            format!("Pulled: {reference}"),
            format!("Digest: {}", pulled.digest),
        ];
        if pulled.is_legacy {
            let warning = "Warning: chart media type application/tar+gzip is deprecated";
            notes.insert(0, warning.to_owned());
        }
        Ok(Fetched {
            data: pulled.data,
            notes,
            ..Fetched::default()
        })
    }

    /// A client of registries with the user's logins.
    pub fn registries(&self) -> Result<Registries, Error> {
        let mut files = Vec::new();
        for path in &self.places.registry_configs {
            match std::fs::read(path) {
                Ok(data) => files.push((path.display().to_string(), data)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(path, &error)),
            }
        }
        let logins = Logins::new(files).map_err(RegistryError::from)?;
        let basic = self.access.basic.clone();
        Ok(Registries::new(
            self.access.http()?,
            logins,
            basic,
            self.plain_http,
        ))
    }

    /// The repositories that the user has named.
    pub fn repositories(&self) -> Result<Vec<Repository>, Error> {
        let path = &self.places.repository_config;
        match std::fs::read(path) {
            Ok(data) => Ok(parse_repositories(path, &data)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(unreadable(path, &error)),
        }
    }

    /// The cached index of a named repository.
    pub fn cached_index(&self, name: &str) -> Result<Index, Error> {
        let path = self
            .places
            .repository_cache
            .join(format!("{name}-index.yaml"));
        let data = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
        Ok(Index::parse(&data)?)
    }

    /// The index that a repository serves now.
    pub async fn index(&self, repository: &Repository) -> Result<Index, Error> {
        let url = resolve_url(&repository.url, "index.yaml")?;
        let http = repository.http()?;
        let data = http
            .get(&url, repository.basic_for(&url), INDEX_BYTES_MAX)
            .await?;
        Ok(Index::parse(&data)?)
    }

    /// A chart of the repository at a URL.
    ///
    /// Source: Helm `FindChartInRepoURL`.
    pub async fn in_repository(
        &self,
        repository: &Repository,
        chart: &str,
        version: &str,
    ) -> Result<Fetched, Error> {
        let scheme = repository.url.split_once("://");
        let scheme = scheme.map_or("", |(scheme, _)| scheme);
        if !matches!(scheme, "http" | "https") {
            return Err(Error::Protocol(scheme.to_owned()));
        }
        let index = self
            .index(repository)
            .await
            .map_err(|error| Error::Repository {
                url: public(&repository.url),
                error: Box::new(error),
            })?;
        let mut named = format!("chart {chart:?}");
        if !version.is_empty() {
            named = format!("{named} version {version:?}");
        }
        let Ok((entry, other)) = index.get(chart, version) else {
            return Err(Error::NoChart {
                chart: named,
                url: public(&repository.url),
            });
        };
        let url = entry.urls.first().ok_or(Error::NoUrl(named))?;
        let url = resolve_url(&repository.url, url)?;
        let mut fetched = self.download(repository, &url, &entry.digest).await?;
        fetched.other_version = other.then(|| entry.version.clone());
        Ok(fetched)
    }

    /// A chart of a repository with a name, by its cached index.
    async fn in_named(
        &self,
        repositories: &[Repository],
        name: &str,
        chart: &str,
        version: &str,
    ) -> Result<Fetched, Error> {
        let found = repositories.iter().find(|known| known.name == name);
        let repository = found.ok_or_else(|| Error::NoRepository(name.to_owned()))?;
        let repository = self.with_flags(repository);
        let index = self.cached_index(name);
        let index = index.map_err(|error| Error::NotCached(Box::new(error)))?;
        let (entry, other) = index
            .get(chart, version)
            .map_err(|error| Error::NotInIndex {
                chart: chart.to_owned(),
                version: version.to_owned(),
                repository: name.to_owned(),
                error: Box::new(error),
            })?;
        let url = entry.urls.first().ok_or_else(|| {
            let named = format!("{name}/{chart}");
            Error::NoUrl(format!("chart {named:?}"))
        })?;
        let url = resolve_url(&repository.url, url)?;
        let mut fetched = self.download(&repository, &url, &entry.digest).await?;
        fetched.other_version = other.then(|| entry.version.clone());
        Ok(fetched)
    }

    /// What the user said for this fetch, where the repository's entry says nothing.
    fn with_flags(&self, repository: &Repository) -> Repository {
        let flags = &self.access;
        let has_tls = repository.cert_file.is_some()
            || repository.key_file.is_some()
            || repository.ca_file.is_some();
        let tls = if has_tls { repository } else { flags };
        Repository {
            name: repository.name.clone(),
            url: repository.url.clone(),
            basic: repository.basic.clone().or_else(|| flags.basic.clone()),
            pass_credentials: repository.pass_credentials || flags.pass_credentials,
            cert_file: tls.cert_file.clone(),
            key_file: tls.key_file.clone(),
            ca_file: tls.ca_file.clone(),
            ca_bundle: tls.ca_bundle.clone(),
            insecure_skip_verify: repository.insecure_skip_verify || flags.insecure_skip_verify,
        }
    }

    /// The repository whose cached index has an archive at that URL; else none but the URL's host.
    ///
    /// Source: Helm `scanReposForURL`.
    fn owner(&self, repositories: &[Repository], url: &str) -> Result<Repository, Error> {
        for repository in repositories {
            let index = self.cached_index(&repository.name);
            let index = index.map_err(|error| Error::NotCached(Box::new(error)))?;
            if index.holds(url) {
                return Ok(self.with_flags(repository));
            }
        }
        Ok(Repository {
            url: url.to_owned(),
            ..self.access.clone()
        })
    }

    /// The archive at a URL of a repository; `oci://` leads to a registry.
    pub async fn download(
        &self,
        repository: &Repository,
        url: &str,
        digest: &str,
    ) -> Result<Fetched, Error> {
        let fetched = if url.starts_with("oci://") {
            self.pull(url, "").await?
        } else {
            let http = repository.http()?;
            let basic = repository.basic_for(url);
            Fetched {
                data: http.get(url, basic, ARCHIVE_BYTES_MAX).await?,
                ..Fetched::default()
            }
        };
        check_digest(&fetched.data, digest, url)?;
        Ok(fetched)
    }
}

fn check_digest(data: &[u8], wanted: &str, url: &str) -> Result<(), Error> {
    let hex = wanted.split_once(':').map_or(wanted, |(_, hex)| hex);
    let found = hex::encode(Sha256::digest(data));
    if hex.is_empty() || hex.eq_ignore_ascii_case(&found) {
        return Ok(());
    }
    Err(Error::Digest {
        url: public(url),
        wanted: wanted.to_owned(),
        found,
    })
}

/// A URL without user part and query.
fn public(url: &str) -> String {
    match Url::parse(url) {
        Ok(parsed) if parsed.username().is_empty() && parsed.query().is_none() => url.to_owned(),
        Ok(parsed) => http::shown(&parsed),
        Err(_) => url
            .rsplit_once('@')
            .map_or(url, |(_, rest)| rest)
            .to_owned(),
    }
}

fn unreadable(path: &std::path::Path, error: &std::io::Error) -> Error {
    let reason = match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
        _ => error.to_string(),
    };
    Error::File {
        path: path.display().to_string(),
        reason,
    }
}
