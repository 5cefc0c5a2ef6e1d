//! Git repositories into in-memory file trees, with size caps; directories as file trees; Helm charts
//! from repositories and registries ([`charts`]).
//!
//! [`Fetcher`] answers two questions: which commit a branch, tag or revision is at now
//! ([`Fetcher::resolve`]), and which files a commit holds ([`Fetcher::tree`]). It keeps one bare mirror
//! per repository and credential below its cache directory; everybody who asks for the same thing at
//! the same time shares one answer.
//!
//! The `git` program does the work as a subprocess, cut off from every configuration, hook, prompt and
//! credential of the surrounding system, with time limits, and killed with its children when the
//! question is dropped. Secrets go to it by environment or by files only the user can read, never as
//! arguments; error texts carry neither secrets nor the user part of a URL. Git 2.31 or newer is needed.
//!
//! Not here: what the files mean (crate `bundle`), when to ask (the hub), submodules (named in
//! [`Tree::submodules`]), Git LFS (pointer files are what they are), attributes such as line end
//! conversion (files are read as they are stored).

pub mod charts;
mod checkout;
mod classify;
mod credentials;
mod directory;
mod error;
mod flight;
mod git;
mod mirror;
mod objects;
mod reference;
mod tree;
mod url;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bundle::tree::FileTree;

pub use crate::checkout::head;
pub use crate::credentials::{Basic, Credentials, HostKeys, Secret};
pub use crate::directory::Directory;
pub use crate::error::{Class, Error};
pub use crate::reference::Reference;
pub use crate::url::{Protocol, RepoUrl};

use crate::flight::Flights;
use crate::git::{Access, Git};
use crate::mirror::{Mirror, Mirrors};

/// Bounds on what a repository may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Files above this size are listed but not read. Bytes.
    pub file_bytes_max: u64,
    /// Sum of the files that are read for one tree. Bytes.
    pub tree_bytes_max: u64,
    /// Files, links and submodules of one tree.
    pub n_files_max: usize,
    /// The largest pack that is accepted from a server. Bytes.
    pub pack_bytes_max: u64,
    /// Time to find out which commit a reference is at.
    pub resolve_timeout: Duration,
    /// Time to bring a commit into the mirror, over all attempts, or to read a tree out of it.
    pub fetch_timeout: Duration,
    /// Fetches into a mirror before it is made anew, which is what keeps it from growing for ever.
    pub n_packs_max: usize,
    /// `git` programs running at the same time.
    pub n_processes_max: usize,
}

impl Limits {
    /// What the controller uses.
    pub const PRODUCTION: Limits = Limits {
        file_bytes_max: 8 << 20,
        tree_bytes_max: 128 << 20,
        n_files_max: 100_000,
        pack_bytes_max: 2 << 30,
        resolve_timeout: Duration::from_secs(30),
        fetch_timeout: Duration::from_mins(10),
        n_packs_max: 50,
        n_processes_max: 8,
    };
}

/// How a [`Fetcher`] works.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where mirrors are kept. Made if missing; used by one process at a time. Everything in it may be
    /// deleted while no process uses it.
    pub cache: PathBuf,
    /// Which kinds of URLs are allowed. [`Protocol::File`] gives every GitRepo the right to read every
    /// repository on the disk of this process.
    pub protocols: BTreeSet<Protocol>,
    /// Proxy variables handed to git (`https_proxy`, `no_proxy`, …).
    pub proxies: Vec<(String, String)>,
    /// Bounds.
    pub limits: Limits,
}

impl Options {
    /// All remote protocols, no proxies, production limits.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Options {
            cache: cache.into(),
            protocols: BTreeSet::from([Protocol::Https, Protocol::Http, Protocol::Ssh]),
            proxies: Vec::new(),
            limits: Limits::PRODUCTION,
        }
    }
}

/// A repository and how to be let in. Equal ones share a mirror.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Repository {
    /// Where it is.
    pub url: RepoUrl,
    /// How to be let in; a user and password in the URL count when there is no basic auth here.
    pub credentials: Credentials,
}

/// A commit and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// 40 or 64 lower case hex digits.
    pub id: String,
    /// Full name of the reference that pointed to it (`refs/heads/main`); `None` for a revision that
    /// was given as a commit id.
    pub reference: Option<String>,
}

/// The files of one commit.
#[derive(Debug, Clone)]
pub struct Tree {
    /// All files; those above the limit for one file, and those outside of the wanted paths, are
    /// listed without content.
    pub files: FileTree,
    /// Paths of submodules, whose files are missing here. A person should hear of them.
    pub submodules: Vec<String>,
    /// Paths that are not UTF-8 and therefore left out, in a readable form. A person should hear of
    /// them.
    pub unreadable: Vec<String>,
}

impl Tree {
    /// What is missing from the files, for a person.
    pub fn warnings(&self) -> Vec<String> {
        let submodules = self.submodules.iter().map(|path| {
            format!("the files of submodule {path} are missing: submodules are not supported yet")
        });
        let unreadable = self
            .unreadable
            .iter()
            .map(|path| format!("file {path} is left out: its name is not UTF-8"));
        submodules.chain(unreadable).collect()
    }
}

/// Fetches from git repositories. Cheap to share behind an `Arc`; every method may be called
/// concurrently, and dropping a future ends what it started unless another caller waits for the same.
#[derive(Debug)]
pub struct Fetcher {
    git: Git,
    limits: Limits,
    protocols: BTreeSet<Protocol>,
    mirrors: Mirrors,
    resolving: Flights<(String, Reference), Result<Commit, Error>>,
    fetching: Flights<(String, String), Result<(), Error>>,
}

impl Fetcher {
    /// Takes possession of the cache directory.
    ///
    /// # Errors
    /// [`Error::Cache`] if it cannot be made or written, or if another process uses it.
    pub fn new(options: Options) -> Result<Self, Error> {
        let mirrors = Mirrors::open(&options.cache)?;
        let git = Git::new(&options, &mirrors.home(), &mirrors.config())?;
        Ok(Fetcher {
            git,
            limits: options.limits,
            protocols: options.protocols,
            mirrors,
            resolving: Flights::default(),
            fetching: Flights::default(),
        })
    }

    /// The commit a reference is at now. Asks the server, except for a revision that is a full commit
    /// id, which is taken as it is.
    ///
    /// # Errors
    /// [`Error::ReferenceNotFound`] if the repository has no such branch or tag, else why the
    /// repository could not be asked.
    pub async fn resolve(&self, repo: &Repository, reference: &Reference) -> Result<Commit, Error> {
        self.allow(repo)?;
        if let Some(id) = reference.as_commit() {
            return Ok(Commit {
                id,
                reference: None,
            });
        }
        let key = (repo.key(), reference.clone());
        self.resolving.run(&key, || self.ask(repo, reference)).await
    }

    /// The files of a commit, from the mirror if it is there, else after one fetch of that commit.
    ///
    /// `paths`: read only files below these directories or equal to these files; the others are listed
    /// with their size only. `None` reads everything.
    ///
    /// # Errors
    /// [`Error::TreeTooLarge`] when a limit is exceeded; [`Error::CommitNotFound`] when no branch or tag
    /// leads to the commit (any more); else why it could not be fetched. Never an empty tree instead of
    /// an error: a tree without files comes from a commit without files.
    pub async fn tree(
        &self,
        repo: &Repository,
        commit: &Commit,
        paths: Option<&[String]>,
    ) -> Result<Tree, Error> {
        self.allow(repo)?;
        if Reference::Revision(commit.id.clone())
            .as_commit()
            .as_deref()
            != Some(&commit.id)
        {
            return Err(Error::InvalidReference {
                reference: commit.id.clone(),
                reason: "a commit id has 40 or 64 lower case hex digits",
            });
        }
        let mirror = self.mirrors.get(&repo.key(), commit.id.len());
        let first = self.fetch_and_read(repo, &mirror, commit, paths).await;
        match first {
            // A mirror can be damaged by a kill or a full disk; it is only a cache, so start over once.
            Err(Error::Damaged { .. }) => {
                tracing::warn!(repository = %repo.url, "git mirror is damaged, fetching it again");
                mirror.remove().await?;
                self.fetch_and_read(repo, &mirror, commit, paths).await
            }
            other => other,
        }
    }

    async fn fetch_and_read(
        &self,
        repo: &Repository,
        mirror: &Arc<Mirror>,
        commit: &Commit,
        paths: Option<&[String]>,
    ) -> Result<Tree, Error> {
        let key = (mirror.key().to_owned(), commit.id.clone());
        self.fetching
            .run(&key, || {
                mirror.ensure(&self.git, repo, commit, &self.limits)
            })
            .await?;
        mirror
            .read(&self.git, repo, commit, paths, &self.limits)
            .await
    }

    async fn ask(&self, repo: &Repository, reference: &Reference) -> Result<Commit, Error> {
        let access = Access::of(repo, self.mirrors.secrets())?;
        let mut args = vec![
            "ls-remote".to_owned(),
            "--quiet".to_owned(),
            "--end-of-options".to_owned(),
        ];
        args.push(repo.url.for_git().to_owned());
        args.extend(reference.candidates());
        let bounds = git::Bounds {
            stdout_bytes_max: 1 << 20,
            timeout: self.limits.resolve_timeout,
            file_bytes_max: None,
        };
        let answer = self
            .git
            .run(&args, Some(&access), None, &bounds)
            .await
            .map_err(|failure| classify::error(failure, repo, "listing references"))?;
        reference
            .pick(&answer)
            .ok_or_else(|| reference.not_found(&repo.url))
    }

    fn allow(&self, repo: &Repository) -> Result<(), Error> {
        if self.protocols.contains(&repo.url.protocol()) {
            return Ok(());
        }
        Err(Error::InvalidUrl {
            url: repo.url.to_string(),
            reason: repo.url.protocol().refusal(),
        })
    }
}
