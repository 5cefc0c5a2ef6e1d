//! What the index keeps of a GitRepo.

use std::sync::Arc;

use api::limits::json_len;
use api::v1alpha1::{GitRepo, GitRepoSpec, GitRepoStatus};

use super::meta::Meta;

/// A GitRepo, whole: there are few of them, and their status has a budget.
#[derive(Clone, Debug)]
pub(crate) struct GitRepoEntry {
    pub(crate) meta: Meta,
    pub(crate) spec: Arc<GitRepoSpec>,
    pub(crate) status: Arc<GitRepoStatus>,
    /// Bytes of the status as JSON.
    pub(crate) status_bytes: usize,
}

impl From<GitRepo> for GitRepoEntry {
    fn from(repo: GitRepo) -> Self {
        Self {
            meta: Meta::from(&repo.metadata),
            spec: Arc::new(repo.spec),
            status_bytes: json_len(&repo.status),
            status: Arc::new(repo.status),
        }
    }
}

impl GitRepoEntry {
    /// Whether a sync could come out differently than for `other`. Status changes do not count.
    pub(crate) fn sync_differs(&self, other: &Self) -> bool {
        self.meta.uid != other.meta.uid
            || self.meta.generation != other.meta.generation
            || self.meta.labels != other.meta.labels
            || self.meta.deleting != other.meta.deleting
    }
}
