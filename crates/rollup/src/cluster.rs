//! Counters of a Cluster and of a ClusterGroup.

use std::collections::{BTreeMap, BTreeSet};

use api::limits::Limits;
use api::state::State;

use crate::contribution::Contribution;
use crate::key::{ObjectKey, Source};
use crate::tally::{Deployments, Tally, View};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClusterTally {
    pub(crate) tally: Tally,
    pub(crate) deployments: BTreeSet<ObjectKey>,
    /// Deployments of each source, and how many of them are ready.
    sources: BTreeMap<Source, (usize, usize)>,
    /// Groups that the cluster is in; `None` while nobody said that the cluster exists.
    pub(crate) maybe_groups: Option<BTreeSet<ObjectKey>>,
}

impl ClusterTally {
    pub(crate) fn new() -> Self {
        Self {
            tally: Tally::new(View::Other),
            deployments: BTreeSet::new(),
            sources: BTreeMap::new(),
            maybe_groups: None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.deployments.is_empty() && self.maybe_groups.is_none()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.tally.ready() == self.tally.total()
    }

    pub(crate) fn add(&mut self, deployment: &ObjectKey, contribution: &Contribution) {
        self.tally.add(deployment, contribution);
        self.deployments.insert(deployment.clone());
        if let Some(source) = &contribution.maybe_source {
            let (n, n_ready) = self.sources.entry(source.clone()).or_default();
            *n += 1;
            *n_ready += usize::from(contribution.maybe_state == Some(State::Ready));
        }
    }

    pub(crate) fn remove(&mut self, deployment: &ObjectKey, contribution: &Contribution) {
        self.tally.remove(deployment, contribution);
        self.deployments.remove(deployment);
        let Some(source) = &contribution.maybe_source else {
            return;
        };
        if let Some((n, n_ready)) = self.sources.get_mut(source) {
            *n -= 1;
            *n_ready -= usize::from(contribution.maybe_state == Some(State::Ready));
            if *n == 0 {
                self.sources.remove(source);
            }
        }
    }

    /// Ready and all GitRepos, then ready and all HelmOps. A source is ready when all its deployments
    /// on the cluster are.
    pub(crate) fn n_sources(&self) -> [i64; 4] {
        let mut numbers = [0; 4];
        for (source, (n, n_ready)) in &self.sources {
            let at = if matches!(source, Source::GitRepo(_)) {
                0
            } else {
                2
            };
            numbers[at] += i64::from(n == n_ready);
            numbers[at + 1] += 1;
        }
        numbers
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GroupTally {
    pub(crate) tally: Tally,
    pub(crate) n_clusters: usize,
    pub(crate) non_ready: BTreeSet<ObjectKey>,
}

impl GroupTally {
    pub(crate) fn new() -> Self {
        Self {
            tally: Tally::new(View::Other),
            n_clusters: 0,
            non_ready: BTreeSet::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.n_clusters == 0
    }

    pub(crate) fn set_ready(&mut self, cluster: &ObjectKey, is_ready: bool) {
        if is_ready {
            self.non_ready.remove(cluster);
        } else {
            self.non_ready.insert(cluster.clone());
        }
    }

    pub(crate) fn add_cluster(
        &mut self,
        key: &ObjectKey,
        cluster: &ClusterTally,
        all: &Deployments,
    ) {
        self.n_clusters += 1;
        self.set_ready(key, cluster.is_ready());
        for deployment in &cluster.deployments {
            if let Some(contribution) = all.get(deployment) {
                self.tally.add(deployment, contribution);
            }
        }
    }

    pub(crate) fn remove_cluster(
        &mut self,
        key: &ObjectKey,
        cluster: &ClusterTally,
        all: &Deployments,
    ) {
        self.n_clusters = self.n_clusters.saturating_sub(1);
        self.non_ready.remove(key);
        for deployment in &cluster.deployments {
            if let Some(contribution) = all.get(deployment) {
                self.tally.remove(deployment, contribution);
            }
        }
    }

    /// Names of clusters that are not ready, as many as a list of examples holds.
    pub(crate) fn non_ready_names(&self, limits: &Limits) -> Vec<String> {
        self.non_ready
            .iter()
            .take(limits.details_max)
            .map(|key| key.name().to_owned())
            .collect()
    }
}
