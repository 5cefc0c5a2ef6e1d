//! The dependencies of a chart in a directory: which versions, from where, into `charts/`.
//!
//! In: a directory with `Chart.yaml`, the user's repositories. Out: archives in `charts/` and
//! `Chart.lock`, as Helm leaves them, and what Helm says on the way. Nothing in the directory changes
//! before everything is fetched.
//!
//! Source: Helm `downloader.Manager`, `resolver.Resolver`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use helm::{Chart, Dependency, Lock};
use sha2::{Digest as _, Sha256};
use sprig::semver::{Constraint, Version};

use super::archive::{load, pack, read_files};
use super::index::same_url;
use super::lock::{DependencyError, cleaned, digest, refused, yaml};
use super::{Charts, Error, Index, OciReference, Repository, public, resolve_url};

/// Fetches dependencies into one chart's directory.
pub struct Dependencies<'a> {
    charts: &'a Charts,
    directory: &'a Path,
    /// Use the cached indexes of repositories.
    skip_refresh: bool,
    /// Takes what there is to say, a line at a time.
    say: &'a mut dyn FnMut(&str),
    repositories: Vec<Repository>,
    /// Indexes by the URL of their repository; the error is a text.
    indexes: BTreeMap<String, Result<Index, String>>,
}

impl<'a> Dependencies<'a> {
    /// Prepares for the chart in a directory.
    pub fn new(
        charts: &'a Charts,
        directory: &'a Path,
        skip_refresh: bool,
        say: &'a mut dyn FnMut(&str),
    ) -> Result<Self, DependencyError> {
        Ok(Self {
            charts,
            directory,
            skip_refresh,
            say,
            repositories: charts.repositories()?,
            indexes: BTreeMap::new(),
        })
    }

    /// Chooses versions by `Chart.yaml`, fetches them, and writes the lock file if it changes.
    pub async fn update(&mut self, now: jiff::Timestamp) -> Result<(), DependencyError> {
        let chart = self.load()?;
        let Some(mut wanted) = chart.metadata.dependencies.clone() else {
            return Ok(());
        };
        self.name_repositories(&mut wanted)?;
        self.refresh_unknown(&wanted).await?;
        self.refresh_known().await;
        let mut locked = self.resolve(&wanted).await?;
        self.fetch_all(&mut locked).await?;
        let digest = digest(&(&wanted, &locked))?;
        if chart
            .lock
            .as_ref()
            .is_some_and(|lock| lock.digest == digest)
        {
            return Ok(());
        }
        let lock = Lock {
            generated: now.to_string(),
            digest,
            dependencies: locked,
        };
        self.write_lock(&lock, chart.metadata.api_version == "v1")
    }

    /// Fetches what the lock file says; without one as [`update`](Self::update).
    pub async fn build(&mut self, now: jiff::Timestamp) -> Result<(), DependencyError> {
        let chart = self.load()?;
        let Some(lock) = chart.lock.clone() else {
            return self.update(now).await;
        };
        let mut wanted = chart.metadata.dependencies.clone().unwrap_or_default();
        let old_digest = digest(&BTreeMap::from([("dependencies", &wanted)]))?;
        self.name_repositories(&mut wanted)?;
        if digest(&(&wanted, &lock.dependencies))? != lock.digest {
            if chart.metadata.api_version != "v1" {
                return refused(
                    "the lock file (Chart.lock) is out of sync with the dependencies file (Chart.yaml). Please update the dependencies with 'helm dependency update'",
                );
            }
            if old_digest != lock.digest {
                return refused(
                    "the lock file (requirements.lock) is out of sync with the dependencies file (requirements.yaml). Please update the dependencies",
                );
            }
        }
        let mut locked = lock.dependencies;
        self.check_known(&locked)?;
        self.refresh_known().await;
        self.fetch_all(&mut locked).await
    }

    fn load(&self) -> Result<Chart, DependencyError> {
        match std::fs::metadata(self.directory) {
            Err(error) => {
                let path = self.directory.display();
                let reason = match error.kind() {
                    std::io::ErrorKind::NotFound => "no such file or directory".to_owned(),
                    _ => error.to_string(),
                };
                refused(format!("could not find {path}: stat {path}: {reason}"))
            }
            Ok(about) if !about.is_dir() => refused("only unpacked charts can be updated"),
            Ok(_) => Ok(load(self.directory)?),
        }
    }

    fn say(&mut self, line: &str) {
        (self.say)(line);
    }

    fn known(&self, url: &str) -> Option<&Repository> {
        self.repositories
            .iter()
            .find(|known| same_url(&known.url, url))
    }

    /// Puts URLs in the place of `@name` and `alias:name`, and looks for the directories of `file://`.
    fn name_repositories(&self, wanted: &mut [Dependency]) -> Result<(), DependencyError> {
        let mut missing = Vec::new();
        for dependency in wanted {
            let text = dependency.repository.clone();
            if text.is_empty() || text.starts_with("oci://") {
                continue;
            }
            if text.starts_with("file://") {
                self.local(&text)?;
                continue;
            }
            let name = text
                .strip_prefix('@')
                .or_else(|| text.strip_prefix("alias:"));
            let named = self
                .repositories
                .iter()
                .find(|known| name == Some(&known.name));
            if let Some(named) = named {
                dependency.repository.clone_from(&named.url);
            } else if name.is_some()
                || self.known(&text).is_none() && url::Url::parse(&text).is_err()
            {
                missing.push(text);
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let plain = |text: &String| {
            !text.contains("//") && !text.starts_with('@') && !text.starts_with("alias:")
        };
        let hint = if missing.iter().any(plain) {
            "\nNote that repositories must be URLs or aliases. For example, to refer to the \"example\"\nrepository, use \"https://charts.example.com/\" or \"@example\" instead of\n\"example\". Don't forget to add the repo, too ('helm repo add')."
        } else {
            ""
        };
        refused(format!(
            "no repository definition for {}. Please add them via 'helm repo add'{hint}",
            missing.join(", ")
        ))
    }

    /// All repositories of a lock file have to be in `repositories.yaml`.
    fn check_known(&self, locked: &[Dependency]) -> Result<(), DependencyError> {
        let unknown = |text: &&str| {
            let local =
                text.is_empty() || text.starts_with("file://") || text.starts_with("oci://");
            !local && self.known(text).is_none()
        };
        let missing: Vec<&str> = locked
            .iter()
            .map(|dependency| dependency.repository.as_str())
            .filter(unknown)
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        refused(format!(
            "no repository definition for {}. Please add the missing repos via 'helm repo add'",
            missing.join(", ")
        ))
    }

    /// The directory that `file://` means.
    fn local(&self, repository: &str) -> Result<PathBuf, DependencyError> {
        let path = repository.strip_prefix("file://").unwrap_or(repository);
        // An absolute path takes the place of the directory.
        let path = cleaned(&self.directory.join(path));
        match path.try_exists() {
            Ok(true) => Ok(path),
            _ => refused(format!("directory {} not found", path.display())),
        }
    }

    /// The indexes of repositories that the user has not named.
    async fn refresh_unknown(&mut self, wanted: &[Dependency]) -> Result<(), DependencyError> {
        let mut unknown: Vec<String> = Vec::new();
        for dependency in wanted {
            let url = &dependency.repository;
            let other = url.is_empty() || url.starts_with("file://") || url.starts_with("oci://");
            if !other && self.known(url).is_none() && !unknown.contains(url) {
                unknown.push(url.clone());
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        if !self.skip_refresh {
            self.say("Getting updates for unmanaged Helm repositories...");
        }
        for url in unknown {
            let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
            if !matches!(scheme, "http" | "https") {
                return refused(format!("could not find protocol handler for: {scheme}"));
            }
            let repository = Repository {
                name: format!("helm-manager-{}", hex::encode(Sha256::digest(&url))),
                url,
                ..Repository::default()
            };
            let shown = public(&repository.url);
            self.refresh(&repository, &format!("{shown:?} chart repository"), "")
                .await;
        }
        Ok(())
    }

    /// The indexes of the repositories in `repositories.yaml`.
    async fn refresh_known(&mut self) {
        let known = self.repositories.clone();
        if known.is_empty() {
            return;
        }
        if !self.skip_refresh {
            self.say("Hang tight while we grab the latest from your chart repositories...");
        }
        for repository in &known {
            let title = format!("{:?} chart repository", repository.name);
            let at = format!(" ({})", public(&repository.url));
            self.refresh(repository, &title, &at).await;
        }
        if !self.skip_refresh {
            self.say("Update Complete. ⎈Happy Helming!⎈");
        }
    }

    async fn refresh(&mut self, repository: &Repository, title: &str, at: &str) {
        let cached = || {
            let index = self.charts.cached_index(&repository.name);
            index.map_err(|error| {
                let name = &repository.name;
                format!("no cached repository for {name} found. (try 'helm repo update'): {error}")
            })
        };
        let index = if self.skip_refresh {
            cached()
        } else {
            match self.charts.index(repository).await {
                Ok(index) => {
                    self.say(&format!("...Successfully got an update from the {title}"));
                    Ok(index)
                }
                Err(error) => {
                    let cached = cached();
                    self.say(&format!(
                        "...Unable to get an update from the {title}{at}:\n\t{error}"
                    ));
                    cached
                }
            }
        };
        self.indexes.insert(repository.url.clone(), index);
    }

    fn index(&self, url: &str) -> Result<&Index, DependencyError> {
        let found = self.indexes.iter().find(|(known, _)| same_url(known, url));
        match found {
            Some((_, Ok(index))) => Ok(index),
            Some((_, Err(error))) => refused(error.clone()),
            None => refused(format!("no repository definition for {}", public(url))),
        }
    }

    /// The exact versions, in the order of the dependencies.
    async fn resolve(&self, wanted: &[Dependency]) -> Result<Vec<Dependency>, DependencyError> {
        let mut locked = Vec::new();
        let mut missing = Vec::new();
        for dependency in wanted {
            let Dependency {
                name,
                version,
                repository,
                ..
            } = dependency;
            let constraint = Constraint::parse(version).or_else(|error| {
                refused(format!(
                    "dependency {name:?} has an invalid version/constraint format: {error}"
                ))
            })?;
            match self.version_of(dependency, &constraint).await? {
                Some(version) => locked.push(Dependency {
                    name: name.clone(),
                    version,
                    repository: repository.clone(),
                    ..Dependency::default()
                }),
                None => missing.push(format!(
                    "{name:?} (repository {repository:?}, version {version:?})"
                )),
            }
        }
        if missing.is_empty() {
            return Ok(locked);
        }
        refused(format!(
            "can't get a valid version for {} subchart(s): {}. Make sure a matching chart version exists in the repo, or change the version constraint in Chart.yaml",
            missing.len(),
            missing.join(", ")
        ))
    }

    async fn version_of(
        &self,
        dependency: &Dependency,
        constraint: &Constraint,
    ) -> Result<Option<String>, DependencyError> {
        let Dependency {
            name,
            version,
            repository,
            ..
        } = dependency;
        let meets = |text: &str| Version::parse(text).is_ok_and(|found| constraint.check(&found));
        if repository.is_empty() {
            self.local(&format!("charts/{name}"))?;
            return Ok(Some(version.clone()));
        }
        if repository.starts_with("file://") {
            let found = load(&self.local(repository)?)?.metadata.version;
            return Ok(meets(&found).then_some(found));
        }
        if repository.starts_with("oci://") {
            if Version::parse(version).is_ok() {
                return Ok(Some(version.clone()));
            }
            let reference = format!("{}/{name}", repository.trim_end_matches('/'));
            let reference = OciReference::parse(&reference).map_err(super::RegistryError::from);
            let registries = self.charts.registries()?;
            let versions = registries.versions(&reference.map_err(Error::from)?).await;
            let versions = versions.or_else(|error| {
                refused(format!(
                    "could not retrieve list of tags for repository {repository}: {error}"
                ))
            })?;
            return Ok(versions.into_iter().find(|text| meets(text)));
        }
        let Some(entries) = self.index(repository)?.versions(name) else {
            let repository = public(repository);
            return refused(format!("{name} chart not found in repo {repository}"));
        };
        let found = entries
            .iter()
            .find(|entry| !entry.urls.is_empty() && meets(&entry.version));
        Ok(found.map(|entry| entry.version.clone()))
    }

    /// Fetches everything, then changes `charts/`. The versions of local charts are filled in.
    async fn fetch_all(&mut self, locked: &mut [Dependency]) -> Result<(), DependencyError> {
        let target = self.directory.join("charts");
        if target.exists() && !target.is_dir() {
            return refused(format!(
                "{:?} is not a directory",
                target.display().to_string()
            ));
        }
        self.say(&format!("Saving {} charts", locked.len()));
        let mut archives: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut fetched = BTreeSet::new();
        for dependency in locked.iter_mut() {
            if let Err(error) = self.fetch(dependency, &mut archives, &mut fetched).await {
                self.say(&format!("Save error occurred:  {error}"));
                return Err(error);
            }
        }
        let own: BTreeSet<&str> = locked
            .iter()
            .filter(|dependency| dependency.repository.is_empty())
            .map(|dependency| dependency.name.as_str())
            .collect();
        self.put(&target, &archives, &own)
    }

    async fn fetch(
        &mut self,
        dependency: &mut Dependency,
        archives: &mut BTreeMap<String, Vec<u8>>,
        fetched: &mut BTreeSet<String>,
    ) -> Result<(), DependencyError> {
        let Dependency {
            name,
            version,
            repository,
            ..
        } = &*dependency;
        if repository.is_empty() {
            self.say(&format!(
                "Dependency {name} did not declare a repository. Assuming it exists in the charts directory"
            ));
            return self.check_own(dependency);
        }
        if repository.starts_with("file://") {
            let path = self.local(repository)?;
            let chart = load(&path)?;
            let constraint = Constraint::parse(version);
            let found = Version::parse(&chart.metadata.version);
            if !matches!((constraint, found), (Ok(c), Ok(v)) if c.check(&v)) {
                return refused(format!("can't get a valid version for dependency {name}"));
            }
            let file = format!("{}-{}.tgz", chart.name(), chart.metadata.version);
            archives.insert(file, pack(&chart, read_files(&path)?)?);
            dependency.version = chart.metadata.version;
            return Ok(());
        }
        let (url, file, digest, source) = self.place_of(dependency)?;
        if !fetched.insert(url.clone()) {
            self.say(&format!("Already downloaded {name} from repo {repository}"));
            return Ok(());
        }
        self.say(&format!(
            "Downloading {name} from repo {}",
            public(repository)
        ));
        let download = self.charts.download(&source, &url, &digest).await;
        let download = download.map_err(|error| DependencyError::Download {
            url: public(&url),
            error,
        })?;
        for note in &download.notes {
            self.say(note);
        }
        archives.insert(file, download.data);
        Ok(())
    }

    /// Where the archive of a dependency is: URL, name of the file, digest, how it is reached.
    fn place_of(
        &self,
        dependency: &Dependency,
    ) -> Result<(String, String, String, Repository), DependencyError> {
        let Dependency {
            name,
            version,
            repository,
            ..
        } = dependency;
        if repository.starts_with("oci://") {
            let url = format!("{}/{name}:{version}", repository.trim_end_matches('/'));
            let file = format!("{name}-{version}.tgz");
            return Ok((url, file, String::new(), Repository::default()));
        }
        let same = |text: &str| match (Version::parse(version), Version::parse(text)) {
            (Ok(wanted), Ok(found)) => wanted.compare(&found).is_eq() || text == version,
            _ => text == version,
        };
        let entries = self.index(repository)?.versions(name).unwrap_or_default();
        let entry = entries
            .iter()
            .find(|entry| !entry.urls.is_empty() && same(&entry.version));
        let Some(entry) = entry else {
            return refused(format!("could not find : no matching version of {name}"));
        };
        let url = entry.urls.first().map_or("", String::as_str);
        let url = resolve_url(repository, url).map_err(Error::from)?;
        let path = url.split(['?', '#']).next().unwrap_or_default();
        let file = path.rsplit('/').next().unwrap_or_default();
        if matches!(file, "" | "." | "..") {
            return refused(format!("{} names no file", public(&url)));
        }
        let known = self.known(repository).cloned();
        let source = known.unwrap_or_else(|| Repository {
            url: repository.clone(),
            ..Repository::default()
        });
        Ok((url.clone(), file.to_owned(), entry.digest.clone(), source))
    }

    /// A dependency without repository has to be in `charts/`, in the right version.
    fn check_own(&self, dependency: &Dependency) -> Result<(), DependencyError> {
        let Dependency { name, version, .. } = dependency;
        let path = self.directory.join("charts").join(name);
        let chart = load(&path).or_else(|error| {
            refused(format!(
                "unable to load chart '{}': {error}",
                path.display()
            ))
        })?;
        let constraint = Constraint::parse(version).or_else(|error| {
            refused(format!(
                "dependency {name} has an invalid version/constraint format: {error}"
            ))
        })?;
        let found = &chart.metadata.version;
        match Version::parse(found) {
            Ok(parsed) if constraint.check(&parsed) => Ok(()),
            _ => refused(format!(
                "dependency {name} at version {found} does not satisfy the constraint {version}"
            )),
        }
    }

    /// Writes the archives and removes others that are charts.
    fn put(
        &mut self,
        target: &Path,
        archives: &BTreeMap<String, Vec<u8>>,
        own: &BTreeSet<&str>,
    ) -> Result<(), DependencyError> {
        let failed = |path: &Path, error| DependencyError::Write {
            path: path.display().to_string(),
            error,
        };
        std::fs::create_dir_all(target).map_err(|error| failed(target, error))?;
        let limits = helm::Limits::default();
        for (file, data) in archives {
            let path = target.join(file);
            if let Err(error) = Chart::from_archive(data, &limits) {
                let path = path.display();
                self.say(&format!(
                    "Could not verify {path} for moving: {error} (Skipping)"
                ));
                continue;
            }
            let new = target.join(format!(".{file}.new"));
            std::fs::write(&new, data).map_err(|error| failed(&new, error))?;
            std::fs::rename(&new, &path).map_err(|error| failed(&path, error))?;
        }
        self.say("Deleting outdated charts");
        let entries = std::fs::read_dir(target).map_err(|error| failed(target, error))?;
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            if path.is_dir() || name.is_some_and(|name| archives.contains_key(&name)) {
                continue;
            }
            let chart = std::fs::read(&path).map_err(|error| error.to_string());
            let chart = chart.and_then(|data| {
                Chart::from_archive(&data, &limits).map_err(|error| error.to_string())
            });
            match chart {
                Err(error) => {
                    let path = path.display();
                    self.say(&format!(
                        "Could not verify {path} for deletion: {error} (Skipping)"
                    ));
                }
                Ok(chart) if own.contains(chart.name()) => {}
                Ok(_) => std::fs::remove_file(&path).map_err(|error| failed(&path, error))?,
            }
        }
        Ok(())
    }

    fn write_lock(&self, lock: &Lock, is_old: bool) -> Result<(), DependencyError> {
        let name = if is_old {
            "requirements.lock"
        } else {
            "Chart.lock"
        };
        let path = self.directory.join(name);
        if let Ok(link) = std::fs::read_link(&path) {
            let link = link.display().to_string();
            return refused(format!("the {name} file is a symlink to {link:?}"));
        }
        let text = yaml(lock)?;
        std::fs::write(&path, text).map_err(|error| DependencyError::Write {
            path: path.display().to_string(),
            error,
        })
    }
}
