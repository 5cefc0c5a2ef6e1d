//! What can go wrong with a repository, and whether waiting helps.
//!
//! Texts name the repository without its user part and never hold a secret. They are cut to a few
//! hundred bytes, so that a status can carry them.

use std::path::PathBuf;
use std::sync::Arc;

/// Why a repository, reference or commit could not be had.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The URL cannot be used.
    #[error("invalid repository URL {url:?}: {reason}")]
    InvalidUrl {
        /// The URL without its user part.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The branch, revision or commit id is not well formed.
    #[error("invalid git reference {reference:?}: {reason}")]
    InvalidReference {
        /// As given.
        reference: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The server answers, but has no such repository, or does not show it to this user.
    #[error("repository {url:?} not found: {detail}")]
    RepositoryNotFound {
        /// The URL.
        url: String,
        /// What git said.
        detail: String,
    },
    /// The repository has no such branch or tag.
    #[error("{reference} not found in repository {url:?}")]
    ReferenceNotFound {
        /// What was looked for: `branch "x"`, `revision "v1" (tag or branch)`.
        reference: String,
        /// The URL.
        url: String,
    },
    /// The commit is not in the repository, or nothing leads to it any more.
    #[error("commit {commit} not found in repository {url:?}")]
    CommitNotFound {
        /// The commit id.
        commit: String,
        /// The URL.
        url: String,
    },
    /// The credential is missing, wrong, or not allowed to read.
    #[error("authentication failed for repository {url:?}: {detail}")]
    Authentication {
        /// The URL.
        url: String,
        /// What git said.
        detail: String,
    },
    /// The server's certificate or host key is not trusted.
    #[error("server of repository {url:?} is not trusted: {detail}")]
    Untrusted {
        /// The URL.
        url: String,
        /// What git said.
        detail: String,
    },
    /// The server cannot be reached, hangs up or reports an outage.
    #[error("repository {url:?} cannot be reached while {step}: {detail}")]
    Unreachable {
        /// The URL.
        url: String,
        /// What was being done.
        step: &'static str,
        /// What git said.
        detail: String,
    },
    /// The server answers something that is not git, or damaged data.
    #[error("repository {url:?} gave an answer that git cannot use while {step}: {detail}")]
    Protocol {
        /// The URL.
        url: String,
        /// What was being done.
        step: &'static str,
        /// What git said.
        detail: String,
    },
    /// The commit is larger than allowed.
    #[error(
        "repository {url:?} at commit {commit} is too large: {what} exceeds the limit of {limit}"
    )]
    TreeTooLarge {
        /// The URL.
        url: String,
        /// The commit id.
        commit: String,
        /// What is too large.
        what: &'static str,
        /// The limit, in bytes or files as `what` says.
        limit: u64,
    },
    /// The cache directory cannot be used: full, not writable, in use.
    #[error("git cache {path:?}: {reason}")]
    Cache {
        /// The directory or file.
        path: PathBuf,
        /// What was tried or said.
        reason: String,
        /// The error of the operating system, where there is one.
        #[source]
        source: Option<Arc<std::io::Error>>,
    },
    /// The mirror of the repository is broken; it is fetched anew by the next call.
    #[error("git mirror of repository {url:?} is damaged: {detail}")]
    Damaged {
        /// The URL.
        url: String,
        /// What git said.
        detail: String,
    },
    /// The `git` program is missing or cannot be started.
    #[error("run the git program")]
    Program {
        /// The error of the operating system.
        #[source]
        source: Arc<std::io::Error>,
    },
}

/// Whether trying again helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Try again with growing pauses.
    Transient,
    /// Something in the repository, its credential or the GitRepo has to change first; polling will
    /// notice.
    Waiting,
    /// The GitRepo itself has to change.
    Terminal,
}

impl Error {
    /// Whether trying again helps.
    pub fn class(&self) -> Class {
        match self {
            Error::InvalidUrl { .. } | Error::InvalidReference { .. } => Class::Terminal,
            Error::RepositoryNotFound { .. }
            | Error::ReferenceNotFound { .. }
            | Error::CommitNotFound { .. }
            | Error::Authentication { .. }
            | Error::Untrusted { .. }
            | Error::TreeTooLarge { .. } => Class::Waiting,
            Error::Unreachable { .. }
            | Error::Protocol { .. }
            | Error::Cache { .. }
            | Error::Damaged { .. }
            | Error::Program { .. } => Class::Transient,
        }
    }

    /// A failed file operation in the cache.
    pub(crate) fn cache(path: impl Into<PathBuf>, step: &str, source: std::io::Error) -> Self {
        Error::Cache {
            path: path.into(),
            reason: step.to_owned(),
            source: Some(Arc::new(source)),
        }
    }
}
