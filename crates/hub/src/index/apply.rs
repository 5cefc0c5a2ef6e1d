//! From a changed object to the maps, and to whom it concerns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::v1alpha1::{Bundle, BundleDeployment, Cluster, GitRepo};
use apiclient::ObjectKey;
use kube_core::ResourceExt as _;

use super::{
    BundleEntry, ClusterEntry, ContentEntry, ContentMeta, DeploymentEntry, GitRepoEntry, Index,
    Wake,
};

pub(crate) fn key_of<K: kube_core::Resource>(object: &K) -> ObjectKey {
    ObjectKey::new(object.namespace().unwrap_or_default(), object.name_any())
}

impl Index {
    /// A Cluster is new or has changed.
    pub(crate) fn cluster_applied(&mut self, cluster: Cluster) -> Vec<Wake> {
        let key = key_of(&cluster);
        let mut entry = ClusterEntry::from(cluster);
        let previous = self.clusters.get(&key);
        let targets_differ = previous.is_none_or(|previous| previous.targets_differ(&entry));
        if !targets_differ {
            entry.revision = previous.map_or(0, |previous| previous.revision);
            self.clusters.insert(key, Arc::new(entry));
            return Vec::new();
        }
        let before = previous.map(|previous| {
            let groups = self.memberships.get(&key).cloned().unwrap_or_default();
            (Arc::clone(previous), groups)
        });
        if before
            .as_ref()
            .is_none_or(|(before, _)| before.meta.labels != entry.meta.labels)
        {
            self.join_groups(&key, &entry);
        }
        let mut wakes = vec![Wake::Cluster(key.clone())];
        if !entry.namespace().is_empty() {
            self.cluster_of_namespace
                .insert(entry.namespace().to_owned(), key.clone());
        }
        wakes.extend(self.requests_of(&key, &entry));
        entry.revision = self.next_revision();
        let entry = Arc::new(entry);
        self.clusters.insert(key.clone(), Arc::clone(&entry));
        let now = (
            entry,
            self.memberships.get(&key).cloned().unwrap_or_default(),
        );
        let states: Vec<_> = before.into_iter().chain([now]).collect();
        wakes.extend(self.bundles_meaning(&key, &states));
        wakes
    }

    /// A Cluster is gone.
    pub(crate) fn cluster_deleted(&mut self, key: &ObjectKey) -> Vec<Wake> {
        let Some(entry) = self.clusters.remove(key) else {
            return Vec::new();
        };
        self.cluster_of_namespace.remove(entry.namespace());
        let groups = self.memberships.remove(key).unwrap_or_default();
        let mut wakes = self.requests_of(key, &entry);
        wakes.extend(self.bundles_meaning(key, &[(entry, groups)]));
        wakes
    }

    /// A GitRepo is new or has changed.
    pub(crate) fn git_repo_applied(&mut self, repo: GitRepo) -> Vec<Wake> {
        let key = key_of(&repo);
        let entry = GitRepoEntry::from(repo);
        let differs = self
            .git_repos
            .get(&key)
            .is_none_or(|previous| previous.sync_differs(&entry));
        let none = Vec::new();
        let pins = self.git_repos.get(&key);
        let pins = pins.map_or(&none, |previous| &previous.spec.pins);
        let mut wakes = if *pins == entry.spec.pins {
            Vec::new()
        } else {
            self.bundles_of_repo(&key)
        };
        self.git_repos.insert(key.clone(), Arc::new(entry));
        if differs {
            wakes.push(Wake::GitRepo(key));
        }
        wakes
    }

    /// A GitRepo is gone.
    pub(crate) fn git_repo_deleted(&mut self, key: &ObjectKey) -> Vec<Wake> {
        self.git_repos.remove(key);
        self.pinned_contents.remove(key);
        // Lets the controller drop its timer and its mirror.
        vec![Wake::GitRepo(key.clone())]
    }

    /// A Bundle is new or has changed.
    pub(crate) fn bundle_applied(&mut self, bundle: Bundle) -> Vec<Wake> {
        let key = key_of(&bundle);
        let previous = self.bundles.get(&key);
        let entry = BundleEntry::new(bundle, previous.map(Arc::as_ref));
        let differs = previous.is_none_or(|previous| previous.targets_differ(&entry));
        let deleting = entry.meta.deleting;
        let owner = self.owner_of(&key, &entry);
        let waited = previous.is_some_and(|previous| previous.has_dependencies());
        let waits = waited || entry.has_dependencies();
        self.bundles.insert(key.clone(), Arc::new(entry));
        if !differs {
            return Vec::new();
        }
        let mut wakes = vec![Wake::Bundle(key.clone()), Wake::Contents];
        if waits {
            wakes.extend(self.dependent_bundles(&key.namespace));
        }
        // A bundle that is on its way out, or was edited, is for its GitRepo to put right.
        if let Some(owner) = owner.filter(|_| !deleting) {
            wakes.push(Wake::GitRepo(owner));
        }
        wakes
    }

    /// A Bundle is gone.
    pub(crate) fn bundle_deleted(&mut self, key: &ObjectKey) -> Vec<Wake> {
        let Some(entry) = self.bundles.remove(key) else {
            return Vec::new();
        };
        let mut wakes = vec![Wake::Bundle(key.clone()), Wake::Contents];
        wakes.extend(self.sources.set(key, &BTreeSet::new()));
        wakes.extend(self.owner_of(key, &entry).map(Wake::GitRepo));
        if entry.has_dependencies() {
            wakes.extend(self.dependent_bundles(&key.namespace));
        }
        wakes
    }

    fn owner_of(&self, key: &ObjectKey, entry: &BundleEntry) -> Option<ObjectKey> {
        let owner = ObjectKey::new(key.namespace.clone(), entry.git_repo()?);
        self.git_repos.contains_key(&owner).then_some(owner)
    }

    /// Takes in a BundleDeployment that is new or has changed; `None` when it says nothing new: it
    /// is somebody else's, or a state that the answer to a later write has overtaken.
    ///
    /// A report of the agent wakes the BundleDeployment controller only when the display has to
    /// change, and the Bundle controller only when its roll-out waits for it.
    pub(crate) fn deployment_applied(
        &mut self,
        deployment: &BundleDeployment,
    ) -> Option<Vec<Wake>> {
        let key = key_of(deployment);
        let entry = DeploymentEntry::new(deployment)?;
        let previous = self.deployments.get(&key);
        if previous.is_some_and(|previous| entry.version.is_before(previous.version)) {
            return None;
        }
        let mut wakes = Vec::new();
        if entry.display != entry.display_wanted || entry.deleting {
            wakes.push(Wake::Deployment(key.clone()));
        }
        let moved = previous.is_none_or(|previous| entry.moved_from(previous));
        let settled = previous.is_some_and(|old| {
            // That a promotion makes it unavailable is what the run that wrote it reckons with.
            let is_promoted = old.deployment_id != entry.deployment_id && !entry.is_available();
            old.is_available() != entry.is_available() && !is_promoted
        });
        let makes_room = settled && self.rolling.note(&entry.bundle);
        if moved || makes_room {
            wakes.push(Wake::Bundle(entry.bundle.clone()));
        }
        if self.store_deployment(key, entry) {
            wakes.push(Wake::Contents);
        }
        Some(wakes)
    }

    /// Whether a Content has lost its last user.
    fn store_deployment(&mut self, key: ObjectKey, mut entry: DeploymentEntry) -> bool {
        let previous = self.forget_deployment(&key);
        let kept = entry.revision_after(previous.as_deref());
        entry.revision = kept.unwrap_or_else(|| self.next_revision());
        self.deployments_of
            .entry(entry.bundle.clone())
            .or_default()
            .insert(key.clone());
        for content in entry.contents() {
            *self.content_users.entry(content.to_owned()).or_default() += 1;
        }
        self.deployments.insert(key, Arc::new(entry));
        let before = previous.as_ref().map(|previous| previous.contents());
        let mut before = before.into_iter().flatten();
        before.any(|content| !self.content_users.contains_key(content))
    }

    /// A BundleDeployment is gone.
    pub(crate) fn deployment_deleted(&mut self, key: &ObjectKey) -> Vec<Wake> {
        let Some(entry) = self.forget_deployment(key) else {
            return Vec::new();
        };
        let mut wakes = self.waiting_for(key);
        wakes.extend([Wake::Bundle(entry.bundle.clone()), Wake::Contents]);
        wakes
    }

    fn forget_deployment(&mut self, key: &ObjectKey) -> Option<Arc<DeploymentEntry>> {
        let entry = self.deployments.remove(key)?;
        if let Some(keys) = self.deployments_of.get_mut(&entry.bundle) {
            keys.remove(key);
            if keys.is_empty() {
                self.deployments_of.remove(&entry.bundle);
            }
        }
        for content in entry.contents() {
            release(&mut self.content_users, content);
        }
        Some(entry)
    }

    /// A Content is new or has changed.
    pub(crate) fn content_applied(&mut self, name: String, content: ContentMeta) -> Vec<Wake> {
        self.contents.insert(name, ContentEntry::from(content));
        vec![Wake::Contents]
    }

    /// A Content is gone. Bundles that need it write it again.
    pub(crate) fn content_deleted(&mut self, name: &str) -> Vec<Wake> {
        self.contents.remove(name);
        let needs = |entry: &Arc<BundleEntry>| entry.content.id() == name && !entry.meta.deleting;
        let bundles = self.bundles.iter().filter(|(_, entry)| needs(entry));
        bundles.map(|(key, _)| Wake::Bundle(key.clone())).collect()
    }
}

fn release(users: &mut BTreeMap<String, usize>, content: &str) {
    if let Some(count) = users.get_mut(content) {
        *count -= 1;
        if *count == 0 {
            users.remove(content);
        }
    }
}
