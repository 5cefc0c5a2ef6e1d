//! ClusterGroup: a named label selector over the clusters of a workspace.

use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BundleSummary, Condition, LabelSelector, ResourceCounts};
use crate::json::{is_empty, or_default};

/// ClusterGroup is a re-usable selector of clusters.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterGroup {
    /// Standard object metadata. The labels are what `clusterGroupSelector` matches.
    #[serde(deserialize_with = "or_default")]
    pub metadata: ObjectMeta,
    /// Which clusters are in the group.
    #[serde(deserialize_with = "or_default")]
    pub spec: ClusterGroupSpec,
    /// Deployments on the clusters of the group.
    #[serde(deserialize_with = "or_default")]
    pub status: ClusterGroupStatus,
}

/// Which clusters are in the group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterGroupSpec {
    /// Selects clusters by their labels. Unset selects none, empty selects all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// Deployments on the clusters of a group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterGroupStatus {
    /// Number of clusters in the group.
    #[serde(deserialize_with = "or_default")]
    pub cluster_count: i64,
    /// Number of clusters that are not ready.
    #[serde(deserialize_with = "or_default")]
    pub non_ready_cluster_count: i64,
    /// Names of clusters that are not ready, at most ten.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub non_ready_clusters: Vec<String>,
    /// Conditions: `Ready`, `Processed`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub conditions: Vec<Condition>,
    /// Number of deployments by state, and some that are not ready.
    #[serde(deserialize_with = "or_default")]
    pub summary: BundleSummary,
    /// Texts for display.
    #[serde(deserialize_with = "or_default")]
    pub display: ClusterGroupDisplay,
    /// Number of objects by state.
    #[serde(deserialize_with = "or_default")]
    pub resource_counts: ResourceCounts,
}

/// Texts for display of a cluster group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterGroupDisplay {
    /// Ready clusters over all clusters, `r/d`, and the names of those that are not ready.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub ready_clusters: String,
    /// Ready deployments over desired ones, `r/d`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub ready_bundles: String,
    /// Worst state of the deployments.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub state: String,
}
