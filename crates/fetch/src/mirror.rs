//! Bare mirrors below the cache directory: one per repository and credential.
//!
//! ```text
//! <cache>/lock          held by the process that uses the cache
//! <cache>/gitconfig     configuration of every git run
//! <cache>/home          empty home directory
//! <cache>/mirrors/<key> bare repositories
//! <cache>/removed       mirrors on their way out
//! <cache>/secrets       keys and certificates of runs that are going on
//! ```
//!
//! A commit is in a mirror when `refs/flotilla/<commit>` exists there, which is written after all of its
//! objects. Mirrors only grow; one with too many packs, or a damaged one, is removed and made anew.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::RwLock;
use tokio::time::Instant;

use crate::classify::{self, Kind};
use crate::error::Error;
use crate::git::{Access, Bounds, Failure, Git};
use crate::{Commit, Limits, Repository};

/// The cache directory.
#[derive(Debug)]
pub(crate) struct Mirrors {
    root: PathBuf,
    secrets: PathBuf,
    open: Mutex<BTreeMap<String, Weak<Mirror>>>,
    /// Held for as long as the directory is used.
    _lock: File,
}

/// One bare repository.
#[derive(Debug)]
pub(crate) struct Mirror {
    key: String,
    path: PathBuf,
    removed: PathBuf,
    secrets: PathBuf,
    /// Readers read trees; the writer fetches or removes.
    pub(crate) lock: RwLock<()>,
}

impl Repository {
    /// Name of the repository and credential that reveals neither.
    pub(crate) fn key(&self) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        let credentials = &self.credentials;
        add(self.url.for_git().as_bytes());
        if let Some(basic) = credentials.basic.as_ref().or(self.url.basic()) {
            add(b"basic");
            add(basic.username.as_bytes());
            add(basic.password.expose().as_bytes());
        }
        if let Some(key) = &credentials.ssh_private_key {
            add(b"ssh");
            add(key.expose().as_bytes());
        }
        hex::encode(&hash.finalize()[..16])
    }
}

impl Mirrors {
    /// Makes the directory and takes its lock.
    pub(crate) fn open(root: &Path) -> Result<Self, Error> {
        for directory in ["", "home", "mirrors"] {
            let path = root.join(directory);
            std::fs::create_dir_all(&path)
                .map_err(|source| Error::cache(path, "make the directory", source))?;
        }
        let path = root.join("lock");
        let lock =
            File::create(&path).map_err(|source| Error::cache(&path, "make the file", source))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Error::Cache {
                path: root.to_owned(),
                reason: "it is in use by another process".to_owned(),
                source: None,
            },
            TryLockError::Error(source) => Error::cache(&path, "lock the file", source),
        })?;
        // What a killed process left behind.
        for directory in ["removed", "secrets"] {
            empty(&root.join(directory))?;
        }
        Ok(Mirrors {
            root: root.to_owned(),
            secrets: root.join("secrets"),
            open: Mutex::default(),
            _lock: lock,
        })
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Where files with secrets are made for the time of a run.
    pub(crate) fn secrets(&self) -> &Path {
        &self.secrets
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.root.join("gitconfig")
    }

    /// The mirror for a repository key and a length of commit ids: a repository has one kind of hash.
    pub(crate) fn get(&self, key: &str, id_length: usize) -> Arc<Mirror> {
        let key = if id_length == 64 {
            format!("{key}-sha256")
        } else {
            key.to_owned()
        };
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, mirror| mirror.strong_count() > 0);
        if let Some(mirror) = open.get(&key).and_then(Weak::upgrade) {
            return mirror;
        }
        let mirror = Arc::new(Mirror {
            path: self.root.join("mirrors").join(&key),
            removed: self.root.join("removed"),
            secrets: self.secrets.clone(),
            key: key.clone(),
            lock: RwLock::default(),
        });
        open.insert(key, Arc::downgrade(&mirror));
        mirror
    }
}

impl Mirror {
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Makes sure that the commit is in the mirror.
    pub(crate) async fn ensure(
        self: &Arc<Self>,
        git: &Git,
        repo: &Repository,
        commit: &Commit,
        limits: &Limits,
    ) -> Result<(), Error> {
        let end = Instant::now() + limits.fetch_timeout;
        if self.path.join("HEAD").exists() {
            let _reading = self.lock.read().await;
            if self.has(git, repo, commit, end).await? {
                return Ok(());
            }
        }
        let _writing = self.lock.write().await;
        if self.n_packs() >= limits.n_packs_max {
            self.remove_locked().await?;
        }
        if !self.path.join("HEAD").exists() {
            self.init(git, repo, commit, end).await?;
        }
        self.fetch(git, repo, commit, limits, end).await
    }

    /// Deletes the mirror.
    pub(crate) async fn remove(&self) -> Result<(), Error> {
        let _writing = self.lock.write().await;
        self.remove_locked().await
    }

    /// Moves the mirror away first, so that a kill leaves all of it or nothing.
    async fn remove_locked(&self) -> Result<(), Error> {
        let trash = tempfile::Builder::new()
            .prefix(&self.key)
            .tempdir_in(&self.removed)
            .map_err(|source| Error::cache(&self.removed, "make a directory", source))?;
        match std::fs::rename(&self.path, trash.path().join("mirror")) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::cache(&self.path, "remove the mirror", source)),
        }
        let deleted = tokio::task::spawn_blocking(move || trash.close()).await;
        if let Ok(Err(error)) = deleted {
            tracing::warn!(%error, "cannot delete a removed git mirror");
        }
        Ok(())
    }

    /// Packs, each of which came with one fetch.
    fn n_packs(&self) -> usize {
        std::fs::read_dir(self.path.join("objects/pack")).map_or(0, |entries| {
            entries
                .flatten()
                .filter(|entry| entry.path().extension().is_some_and(|end| end == "pack"))
                .count()
        })
    }

    async fn init(
        &self,
        git: &Git,
        repo: &Repository,
        commit: &Commit,
        end: Instant,
    ) -> Result<(), Error> {
        let mut args: Vec<String> = ["init", "--quiet", "--bare", "--template="]
            .map(str::to_owned)
            .into();
        if commit.id.len() == 64 {
            args.push("--object-format=sha256".to_owned());
        }
        args.push(self.path.to_string_lossy().into_owned());
        self.local(git, repo, &args, None, 1 << 16, end)
            .await
            .map(|_| ())
            .map_err(|error| {
                let reason = format!("make the mirror: {error}");
                Error::Cache {
                    path: self.path.clone(),
                    reason,
                    source: None,
                }
            })
    }

    /// Whether the commit arrived completely at some time.
    async fn has(
        &self,
        git: &Git,
        repo: &Repository,
        commit: &Commit,
        end: Instant,
    ) -> Result<bool, Error> {
        let args = ["for-each-ref", "--format=%(objectname)"].map(str::to_owned);
        let args = [&args[..], &[kept(&commit.id)]].concat();
        let found = self.local(git, repo, &args, None, 1 << 16, end).await?;
        Ok(found.trim_ascii() == commit.id.as_bytes())
    }

    /// Asks for exactly the commit; where the server does not do that, for the tip of the reference; and
    /// where that has moved on, for all that leads to the reference.
    async fn fetch(
        &self,
        git: &Git,
        repo: &Repository,
        commit: &Commit,
        limits: &Limits,
        end: Instant,
    ) -> Result<(), Error> {
        let access = Access::of(repo, &self.secrets)?;
        for (depth, refspecs) in attempts(commit) {
            let mut args = self.args(&["fetch", "--quiet", "--force", "--no-tags"]);
            args.extend(["--no-write-fetch-head", "--no-recurse-submodules"].map(str::to_owned));
            args.extend(depth.map(|depth| format!("--depth={depth}")));
            args.extend(["--end-of-options".to_owned(), repo.url.for_git().to_owned()]);
            args.extend(refspecs);
            let bounds = Bounds {
                stdout_bytes_max: 1 << 20,
                timeout: left(end),
                file_bytes_max: Some(limits.pack_bytes_max),
            };
            let outcome = git.run(&args, Some(&access), None, &bounds).await;
            let leftover = self.sweep();
            match outcome {
                Err(_) if leftover >= limits.pack_bytes_max => {
                    return Err(too_large(
                        repo,
                        commit,
                        "the fetched pack",
                        limits.pack_bytes_max,
                    ));
                }
                Ok(_) if self.keep(git, repo, commit, end).await? => return Ok(()),
                Ok(_) => {}
                Err(Failure::Failed(text)) if classify::kind(&text) == Kind::Refused => {
                    tracing::debug!(repository = %repo.url, "fetch was refused, trying another way");
                }
                Err(failure) => return Err(classify::error(failure, repo, "fetching a commit")),
            }
        }
        let (commit, url) = (commit.id.clone(), repo.url.to_string());
        Err(Error::CommitNotFound { commit, url })
    }

    /// Deletes what broken fetches left behind; the size of the largest such file. The writer's lock is
    /// held, so nobody else is fetching.
    fn sweep(&self) -> u64 {
        let Ok(entries) = std::fs::read_dir(self.path.join("objects/pack")) else {
            return 0;
        };
        let mut largest = 0;
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with("tmp_") {
                largest = largest.max(entry.metadata().map_or(0, |metadata| metadata.len()));
                // What stays is swept next time.
                let _ = std::fs::remove_file(entry.path());
            }
        }
        largest
    }

    /// Marks the commit as complete if it arrived.
    async fn keep(
        &self,
        git: &Git,
        repo: &Repository,
        commit: &Commit,
        end: Instant,
    ) -> Result<bool, Error> {
        let object = format!("{}^{{commit}}", commit.id);
        let present = self.args(&["cat-file", "-e", &object]);
        let bounds = local_bounds(1 << 16, end);
        match git.run(&present, None, None, &bounds).await {
            Ok(_) => {}
            Err(Failure::Failed(_)) => return Ok(false),
            Err(failure) => return Err(damaged(failure, repo)),
        }
        let args = ["update-ref", &kept(&commit.id), &commit.id].map(str::to_owned);
        self.local(git, repo, &args, None, 1 << 16, end)
            .await
            .map(|_| true)
    }

    /// Runs git on the mirror without talking to a server.
    pub(crate) async fn local(
        &self,
        git: &Git,
        repo: &Repository,
        args: &[String],
        stdin: Option<Vec<u8>>,
        stdout_bytes_max: u64,
        end: Instant,
    ) -> Result<Vec<u8>, Error> {
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        // `init` makes the directory that the others work on.
        let args = if words.first() == Some(&"init") {
            args.to_vec()
        } else {
            self.args(&words)
        };
        git.run(
            &args,
            None::<&Access>,
            stdin,
            &local_bounds(stdout_bytes_max, end),
        )
        .await
        .map_err(|failure| damaged(failure, repo))
    }

    fn args(&self, words: &[&str]) -> Vec<String> {
        let mut args = vec![format!("--git-dir={}", self.path.to_string_lossy())];
        args.extend(words.iter().map(|&word| word.to_owned()));
        args
    }
}

/// Makes a directory that only this user can enter, without what was in it.
fn empty(path: &Path) -> Result<(), Error> {
    let removed = match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    let mut builder = std::fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    removed
        .and_then(|()| builder.create(path))
        .map_err(|source| Error::cache(path, "empty the directory", source))
}

/// Depth and refspecs of the ways to get a commit, best first.
fn attempts(commit: &Commit) -> Vec<(Option<u32>, Vec<String>)> {
    let id = &commit.id;
    let mut ways = vec![(Some(1), vec![format!("+{id}:{}", kept(id))])];
    if let Some(reference) = &commit.reference {
        let refspec = format!("+{reference}:refs/seen/tip");
        ways.push((Some(1), vec![refspec.clone()]));
        ways.push((None, vec![refspec]));
    } else {
        let all = [
            "+refs/heads/*:refs/seen/heads/*",
            "+refs/tags/*:refs/seen/tags/*",
        ];
        ways.push((None, all.map(str::to_owned).into()));
    }
    ways
}

/// The reference that marks a commit as complete.
fn kept(id: &str) -> String {
    format!("refs/flotilla/{id}")
}

fn left(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now())
}

fn local_bounds(stdout_bytes_max: u64, end: Instant) -> Bounds {
    Bounds {
        stdout_bytes_max,
        timeout: left(end),
        file_bytes_max: None,
    }
}

/// The error for a failed run on the mirror alone.
fn damaged(failure: Failure, repo: &Repository) -> Error {
    match failure {
        Failure::Failed(text) if classify::kind(&text) != Kind::Disk => Error::Damaged {
            url: repo.url.to_string(),
            detail: classify::excerpt(&text),
        },
        other => classify::error(other, repo, "reading the mirror"),
    }
}

pub(crate) fn too_large(
    repo: &Repository,
    commit: &Commit,
    what: &'static str,
    limit: u64,
) -> Error {
    Error::TreeTooLarge {
        url: repo.url.to_string(),
        commit: commit.id.clone(),
        what,
        limit,
    }
}
