//! Which bundles and clusters stay at an earlier commit, and what they need.

use std::collections::BTreeSet;

use api::v1alpha1::GitRepoPin;
use apiclient::ObjectKey;
use target::matching::mentions_groups;
use target::pins;

use super::{BundleEntry, Index, Wake};

impl Index {
    /// The pins that take clusters away from what a bundle is now, in order.
    pub(crate) fn pins_of(&self, key: &ObjectKey, bundle: &BundleEntry) -> Vec<GitRepoPin> {
        let repo = bundle.git_repo();
        let repo = repo.map(|name| ObjectKey::new(key.namespace.clone(), name));
        let Some(repo) = repo.and_then(|repo| self.git_repos.get(&repo)) else {
            return Vec::new();
        };
        pins::of_bundle(&repo.spec.pins, &key.name)
            .cloned()
            .collect()
    }

    /// Whether it makes a difference to a bundle in which groups clusters are.
    pub(crate) fn looks_at_groups(&self, key: &ObjectKey, bundle: &BundleEntry) -> bool {
        mentions_groups(&bundle.spec) || pins::mention_groups(&self.pins_of(key, bundle))
    }

    /// The bundles of a GitRepo.
    pub(super) fn bundles_of_repo(&self, repo: &ObjectKey) -> Vec<Wake> {
        let near = self.bundles_of(&repo.namespace);
        let own = near.filter(|(_, bundle)| bundle.git_repo() == Some(repo.name.as_str()));
        own.map(|(key, _)| Wake::Bundle(key.clone())).collect()
    }

    /// What the pinned commits of a GitRepo have is stored, in these Contents.
    pub(crate) fn pins_stored(
        &mut self,
        repo: &ObjectKey,
        contents: BTreeSet<String>,
    ) -> Vec<Wake> {
        if contents.is_empty() {
            self.pinned_contents.remove(repo);
        } else {
            self.pinned_contents.insert(repo.clone(), contents);
        }
        let mut wakes = self.bundles_of_repo(repo);
        wakes.push(Wake::Contents);
        wakes
    }

    /// Whether a Content is there with all its chunks, and stays.
    pub(crate) fn has_content(&self, id: &str) -> bool {
        self.contents.get(id).is_some_and(|content| {
            let mut chunks = content.chunks.iter();
            !content.deleting && chunks.all(|chunk| self.contents.contains_key(chunk))
        })
    }
}
