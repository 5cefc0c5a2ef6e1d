//! What the index keeps of a Cluster and of a ClusterGroup: all of it.

use api::v1alpha1::{Cluster, ClusterGroup, ClusterGroupStatus, ClusterStatus};
use target::rollout::Access;

use super::meta::Meta;

/// A Cluster.
#[derive(Clone, Debug)]
pub(crate) struct ClusterEntry {
    pub(crate) meta: Meta,
    /// Another number for each state that targeting could tell apart, groups included. Zero outside of
    /// the index.
    pub(crate) revision: u64,
    pub(crate) cluster: Cluster,
}

impl From<Cluster> for ClusterEntry {
    fn from(cluster: Cluster) -> Self {
        Self {
            meta: Meta::from(&cluster.metadata),
            revision: 0,
            cluster,
        }
    }
}

impl ClusterEntry {
    /// The stored status.
    pub(crate) fn status(&self) -> &ClusterStatus {
        &self.cluster.status
    }

    /// The namespace of this cluster's BundleDeployments; empty until it is assigned.
    pub(crate) fn namespace(&self) -> &str {
        &self.cluster.status.namespace
    }

    /// Whether targeting or the roll-out could come out differently than for `other`. Heartbeats and
    /// summaries do not count; that they stop does.
    pub(crate) fn targets_differ(&self, other: &Self) -> bool {
        let access = |status: &ClusterStatus| Access::of(false, status);
        self.meta.uid != other.meta.uid
            || self.meta.labels != other.meta.labels
            || self.meta.annotations != other.meta.annotations
            || self.meta.deleting != other.meta.deleting
            || self.meta.generation != other.meta.generation
            || self.namespace() != other.namespace()
            || access(self.status()) != access(other.status())
            || self.status().scheduled != other.status().scheduled
            || self.status().active_schedule != other.status().active_schedule
    }
}

/// A ClusterGroup.
#[derive(Clone, Debug)]
pub(crate) struct GroupEntry {
    pub(crate) group: ClusterGroup,
}

impl From<ClusterGroup> for GroupEntry {
    fn from(group: ClusterGroup) -> Self {
        Self { group }
    }
}

impl GroupEntry {
    /// The stored status.
    pub(crate) fn status(&self) -> &ClusterGroupStatus {
        &self.group.status
    }

    /// Whether membership or matching could come out differently than for `other`.
    pub(crate) fn targets_differ(&self, other: &Self) -> bool {
        self.group.spec.selector != other.group.spec.selector
            || self.group.metadata.labels != other.group.metadata.labels
    }
}
