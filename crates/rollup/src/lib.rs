//! From the states of deployments to the statuses of Bundles, GitRepos, HelmOps, Clusters and
//! ClusterGroups, incrementally.
//!
//! The hub holds one `Rollup`. Each event of a deployment takes away what it contributed before and adds
//! what it contributes now; nothing is scanned again (W-1). Statuses are made when they are asked for,
//! within the budgets of `api::limits` (B-1, B-2), with what was left out counted (B-3). An event that
//! changes nothing leaves nothing dirty (W-2). The result depends on what is in the roll-up, never on the
//! order in which it came (S-1).
//!
//! Not here: conditions (they need a time), the numbers of a roll-out in progress (crate `target`), and
//! when statuses are written (the hub).

mod cluster;
mod contribution;
mod failed;
mod intern;
mod key;
mod source;
mod tally;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::limits::Limits;
use api::v1alpha1::{
    BundleDisplay, BundleSummary, ClusterDisplay, ClusterGroupDisplay, ResourceCounts, StatusBase,
};

use cluster::{ClusterTally, GroupTally};
pub use contribution::{Contribution, MissingLabel};
use intern::Interner;
pub use key::{Dirty, ObjectKey, Source};
use source::SourceTally;
use tally::{Deployments, Tally, View};

/// What a Bundle's status says about its deployments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BundleView {
    /// Deployments by state, and the worst of them.
    pub summary: BundleSummary,
    /// Texts for display.
    pub display: BundleDisplay,
    /// Deployments that are not ready or not up to date.
    pub unavailable: i64,
    /// Message of the Ready condition; empty means ready.
    pub ready_message: String,
}

/// What a GitRepo's or HelmOp's status says about its deployments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceView {
    /// The status without conditions.
    pub status: StatusBase,
    /// Message of the Ready condition; empty means ready.
    pub ready_message: String,
}

/// What a Cluster's status says about its deployments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterView {
    /// Deployments by state, and the worst of them.
    pub summary: BundleSummary,
    /// Objects by state.
    pub resource_counts: ResourceCounts,
    /// GitRepos all of whose deployments here are ready.
    pub ready_git_repos: i64,
    /// GitRepos with deployments here.
    pub desired_ready_git_repos: i64,
    /// HelmOps all of whose deployments here are ready.
    pub ready_helm_ops: i64,
    /// HelmOps with deployments here.
    pub desired_ready_helm_ops: i64,
    /// Texts for display. The hub puts `WaitCheckIn` over the state of a cluster it never heard of.
    pub display: ClusterDisplay,
    /// Message of the Ready condition; empty means ready.
    pub ready_message: String,
}

/// What a ClusterGroup's status says about its clusters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterGroupView {
    /// Clusters in the group.
    pub cluster_count: i64,
    /// Clusters that are not ready.
    pub non_ready_cluster_count: i64,
    /// Names of some of them, sorted.
    pub non_ready_clusters: Vec<String>,
    /// Deployments by state, and the worst of them.
    pub summary: BundleSummary,
    /// Objects by state.
    pub resource_counts: ResourceCounts,
    /// Texts for display.
    pub display: ClusterGroupDisplay,
    /// Message of the Ready condition; empty means ready.
    pub ready_message: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct BundleTally {
    tally: Tally,
    unavailable: i64,
}

impl BundleTally {
    fn new() -> Self {
        Self {
            tally: Tally::new(View::Bundle),
            unavailable: 0,
        }
    }
}

/// The counters of an object, or those of one without deployments.
fn or_empty<T: Clone>(found: Option<&T>, empty: impl FnOnce() -> T) -> Cow<'_, T> {
    found.map_or_else(|| Cow::Owned(empty()), Cow::Borrowed)
}

/// All counters.
#[derive(Debug)]
pub struct Rollup {
    limits: Limits,
    interner: Interner,
    deployments: Deployments,
    bundles: BTreeMap<ObjectKey, BundleTally>,
    sources: BTreeMap<Source, SourceTally>,
    clusters: BTreeMap<ObjectKey, ClusterTally>,
    groups: BTreeMap<ObjectKey, GroupTally>,
    dirty: BTreeSet<Dirty>,
}

impl Rollup {
    /// Empty counters.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            interner: Interner::default(),
            deployments: Deployments::new(),
            bundles: BTreeMap::new(),
            sources: BTreeMap::new(),
            clusters: BTreeMap::new(),
            groups: BTreeMap::new(),
            dirty: BTreeSet::new(),
        }
    }

    /// Sets what a deployment contributes, in place of what it contributed before. The key of a
    /// deployment is its own namespace and name, also while it is only pending. Tells whether anything
    /// changed.
    pub fn set(&mut self, mut deployment: ObjectKey, mut contribution: Contribution) -> bool {
        self.interner.share(&mut contribution);
        let old = self.deployments.get(&deployment).cloned();
        if old.as_deref() == Some(&contribution) {
            return false;
        }
        self.interner.share_key(&mut deployment);
        self.replace(&deployment, old, Some(Arc::new(contribution)));
        true
    }

    /// Takes away what a deployment contributed. Tells whether there was anything.
    pub fn remove(&mut self, deployment: &ObjectKey) -> bool {
        let old = self.deployments.get(deployment).cloned();
        let existed = old.is_some();
        if existed {
            self.replace(deployment, old, None);
        }
        existed
    }

    /// What a deployment contributes now.
    pub fn get(&self, deployment: &ObjectKey) -> Option<&Contribution> {
        self.deployments.get(deployment).map(AsRef::as_ref)
    }

    /// Number of deployments, pending ones included.
    pub fn len(&self) -> usize {
        self.deployments.len()
    }

    /// Whether there are no deployments.
    pub fn is_empty(&self) -> bool {
        self.deployments.is_empty()
    }

    /// Says that a cluster exists and which groups it is in now. Costs as much as the cluster has
    /// deployments, for each group that changed.
    pub fn set_cluster(&mut self, cluster: &ObjectKey, groups: &BTreeSet<ObjectKey>) {
        let tally = self
            .clusters
            .entry(cluster.clone())
            .or_insert_with(ClusterTally::new);
        let old = tally.maybe_groups.replace(groups.clone());
        if old.as_ref() == Some(groups) {
            return;
        }
        if old.is_none() {
            self.dirty.insert(Dirty::Cluster(cluster.clone()));
        }
        self.move_cluster(cluster, &old.unwrap_or_default(), groups);
    }

    /// Says that a cluster does not exist any more. Its deployments stay until they are removed.
    pub fn remove_cluster(&mut self, cluster: &ObjectKey) {
        let Some(tally) = self.clusters.get_mut(cluster) else {
            return;
        };
        let old = tally.maybe_groups.take().unwrap_or_default();
        self.move_cluster(cluster, &old, &BTreeSet::new());
        if self
            .clusters
            .get(cluster)
            .is_some_and(ClusterTally::is_empty)
        {
            self.clusters.remove(cluster);
        }
    }

    fn move_cluster(
        &mut self,
        cluster: &ObjectKey,
        old: &BTreeSet<ObjectKey>,
        new: &BTreeSet<ObjectKey>,
    ) {
        let Some(tally) = self.clusters.get(cluster) else {
            return;
        };
        for key in old.difference(new) {
            if let Some(group) = self.groups.get_mut(key) {
                group.remove_cluster(cluster, tally, &self.deployments);
                if group.is_empty() {
                    self.groups.remove(key);
                }
            }
            self.dirty.insert(Dirty::ClusterGroup(key.clone()));
        }
        for key in new.difference(old) {
            let group = self
                .groups
                .entry(key.clone())
                .or_insert_with(GroupTally::new);
            group.add_cluster(cluster, tally, &self.deployments);
            self.dirty.insert(Dirty::ClusterGroup(key.clone()));
        }
    }

    /// The objects whose status may have changed since the last call, sorted.
    pub fn take_dirty(&mut self) -> BTreeSet<Dirty> {
        std::mem::take(&mut self.dirty)
    }

    /// Marks an object, so that its status is looked at again.
    pub fn mark_dirty(&mut self, object: Dirty) {
        self.dirty.insert(object);
    }

    fn replace(
        &mut self,
        deployment: &ObjectKey,
        old: Option<Arc<Contribution>>,
        new: Option<Arc<Contribution>>,
    ) {
        self.replace_in_bundles(deployment, old.as_deref(), new.as_deref());
        self.replace_in_sources(deployment, old.as_deref(), new.as_deref());
        self.replace_in_clusters(deployment, old.as_deref(), new.as_deref());
        match new {
            Some(new) => self.deployments.insert(deployment.clone(), new),
            None => self.deployments.remove(deployment),
        };
        drop(old);
        self.interner.changed();
    }

    fn replace_in_bundles(
        &mut self,
        deployment: &ObjectKey,
        old: Option<&Contribution>,
        new: Option<&Contribution>,
    ) {
        if let Some(old) = old {
            if let Some(bundle) = self.bundles.get_mut(&old.bundle) {
                bundle.tally.remove(deployment, old);
                bundle.unavailable -= i64::from(old.is_unavailable);
                if bundle.tally.total() == 0 {
                    self.bundles.remove(&old.bundle);
                }
            }
            self.dirty.insert(Dirty::Bundle(old.bundle.clone()));
        }
        if let Some(new) = new {
            let bundle = self
                .bundles
                .entry(new.bundle.clone())
                .or_insert_with(BundleTally::new);
            bundle.tally.add(deployment, new);
            bundle.unavailable += i64::from(new.is_unavailable);
            self.dirty.insert(Dirty::Bundle(new.bundle.clone()));
        }
    }

    fn replace_in_sources(
        &mut self,
        deployment: &ObjectKey,
        old: Option<&Contribution>,
        new: Option<&Contribution>,
    ) {
        let old_source = old.and_then(|old| old.maybe_source.as_ref());
        let new_source = new.and_then(|new| new.maybe_source.as_ref());
        if let Some(source) = old_source {
            let new = new.filter(|_| new_source == old_source);
            if let Some(tally) = self.sources.get_mut(source) {
                tally.replace(deployment, old, new);
                if tally.is_empty() {
                    self.sources.remove(source);
                }
            }
            self.dirty.insert(Dirty::Source(source.clone()));
        }
        if let Some(source) = new_source.filter(|_| new_source != old_source) {
            let tally = self
                .sources
                .entry(source.clone())
                .or_insert_with(SourceTally::new);
            tally.replace(deployment, None, new);
            self.dirty.insert(Dirty::Source(source.clone()));
        }
    }

    fn replace_in_clusters(
        &mut self,
        deployment: &ObjectKey,
        old: Option<&Contribution>,
        new: Option<&Contribution>,
    ) {
        for (contribution, is_new) in [(old, false), (new, true)] {
            // What only a Bundle counts is nothing to a cluster.
            let Some(contribution) = contribution.filter(|c| c.maybe_state.is_some()) else {
                continue;
            };
            let key = &contribution.cluster;
            let cluster = self
                .clusters
                .entry(key.clone())
                .or_insert_with(ClusterTally::new);
            if is_new {
                cluster.add(deployment, contribution);
            } else {
                cluster.remove(deployment, contribution);
            }
            self.dirty.insert(Dirty::Cluster(key.clone()));
            for group_key in cluster.maybe_groups.iter().flatten() {
                let Some(group) = self.groups.get_mut(group_key) else {
                    continue;
                };
                if is_new {
                    group.tally.add(deployment, contribution);
                } else {
                    group.tally.remove(deployment, contribution);
                }
                group.set_ready(key, cluster.is_ready());
                self.dirty.insert(Dirty::ClusterGroup(group_key.clone()));
            }
            if cluster.is_empty() {
                self.clusters.remove(key);
            }
        }
    }

    /// What the status of a Bundle says. Empty for one without deployments.
    pub fn bundle(&self, key: &ObjectKey) -> BundleView {
        let bundle = or_empty(self.bundles.get(key), BundleTally::new);
        let tally = &bundle.tally;
        BundleView {
            summary: tally.summary(&self.deployments, &self.limits),
            display: BundleDisplay {
                ready_clusters: tally.ready_of_total(),
                state: self.worst_word(tally),
                ..BundleDisplay::default()
            },
            unavailable: bundle.unavailable,
            ready_message: tally.ready_message(&self.deployments, &self.limits),
        }
    }

    /// What the status of a GitRepo or HelmOp says.
    pub fn source(&self, source: &Source) -> SourceView {
        let tally = or_empty(self.sources.get(source), SourceTally::new);
        SourceView {
            status: tally.status(&self.deployments, &self.limits),
            ready_message: tally.ready_message(&self.deployments, &self.limits),
        }
    }

    /// What the status of a Cluster says.
    pub fn cluster(&self, key: &ObjectKey) -> ClusterView {
        let cluster = or_empty(self.clusters.get(key), ClusterTally::new);
        let tally = &cluster.tally;
        let [
            ready_git_repos,
            desired_ready_git_repos,
            ready_helm_ops,
            desired_ready_helm_ops,
        ] = cluster.n_sources();
        ClusterView {
            summary: tally.summary(&self.deployments, &self.limits),
            resource_counts: tally.counts,
            ready_git_repos,
            desired_ready_git_repos,
            ready_helm_ops,
            desired_ready_helm_ops,
            display: ClusterDisplay {
                ready_bundles: tally.ready_of_total(),
                state: self.worst_word(tally),
            },
            ready_message: tally.ready_message(&self.deployments, &self.limits),
        }
    }

    /// What the status of a ClusterGroup says.
    pub fn cluster_group(&self, key: &ObjectKey) -> ClusterGroupView {
        let group = or_empty(self.groups.get(key), GroupTally::new);
        let tally = &group.tally;
        let names = group.non_ready_names(&self.limits);
        let n_ready = group.n_clusters - group.non_ready.len();
        let listed = if names.is_empty() {
            String::new()
        } else {
            format!(" ({})", names.join(","))
        };
        let ready_clusters = format!("{n_ready}/{}{listed}", group.n_clusters);
        ClusterGroupView {
            cluster_count: i64::try_from(group.n_clusters).unwrap_or(i64::MAX),
            non_ready_cluster_count: i64::try_from(group.non_ready.len()).unwrap_or(i64::MAX),
            non_ready_clusters: names,
            summary: tally.summary(&self.deployments, &self.limits),
            resource_counts: tally.counts,
            display: ClusterGroupDisplay {
                ready_clusters,
                ready_bundles: tally.ready_of_total(),
                state: self.worst_word(tally),
            },
            ready_message: tally.ready_message(&self.deployments, &self.limits),
        }
    }

    fn worst_word(&self, tally: &Tally) -> String {
        tally
            .worst(&self.deployments)
            .map_or_else(String::new, |(state, _)| state.to_string())
    }
}
