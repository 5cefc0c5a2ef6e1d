//! Parts of a status that several kinds share: summaries, resource lists and counts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::Condition;
use crate::json::{is_empty, or_default};

/// Number of deployments in each state, and some of those that are not ready.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BundleSummary {
    /// Deployed, but some objects are not ready.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub not_ready: i64,
    /// Known to the cluster, not applied yet.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub wait_applied: i64,
    /// Could not be applied.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub err_applied: i64,
    /// A newer version is staged.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub out_of_sync: i64,
    /// Deployed and ready, but some objects were changed on the cluster.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub modified: i64,
    /// Deployed, and all objects are ready.
    #[serde(deserialize_with = "or_default")]
    pub ready: i64,
    /// Not created yet.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub pending: i64,
    /// Number of all deployments.
    #[serde(deserialize_with = "or_default")]
    pub desired_ready: i64,
    /// Deployments that are not ready, at most ten.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub non_ready_resources: Vec<NonReadyResource>,
    /// Number of deployments that are not ready and not listed because the list is full.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub non_ready_resources_omitted: i64,
}

/// A deployment that is not ready.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct NonReadyResource {
    /// In a Bundle the cluster, `namespace/name`; elsewhere the bundle.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub name: String,
    /// State of the deployment.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub bundle_state: String,
    /// Why it is not ready.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub message: String,
    /// Objects that differ from what was deployed.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub modified_status: Vec<ModifiedStatus>,
    /// Objects that are not ready.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub non_ready_status: Vec<NonReadyStatus>,
    /// Number of objects that are in neither list because they are full.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub omitted: i64,
}

/// An object that differs from what was deployed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ModifiedStatus {
    /// Kind of the object.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub kind: String,
    /// API version of the object.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub api_version: String,
    /// Namespace of the object; empty for cluster-scoped objects.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub namespace: String,
    /// Name of the object.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub name: String,
    /// The object is missing, or belongs to somebody else if `exist` is set.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub missing: bool,
    /// With `missing`: an object of this name exists but belongs to somebody else.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub exist: bool,
    /// The object should not exist.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub delete: bool,
    /// JSON merge patch from the deployed to the live object.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub patch: String,
}

/// An object that is not ready.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct NonReadyStatus {
    /// UID of the object.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub uid: String,
    /// Kind of the object.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub kind: String,
    /// API version of the object.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub api_version: String,
    /// Namespace of the object; empty for cluster-scoped objects.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub namespace: String,
    /// Name of the object.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub name: String,
    /// Why it is not ready.
    #[serde(deserialize_with = "or_default")]
    pub summary: Summary,
}

/// State of one object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Summary {
    /// State, such as `in-progress`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub state: String,
    /// The object is in error.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub error: bool,
    /// The object is changing.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub transitioning: bool,
    /// Explanations.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub message: Vec<String>,
}

/// Number of objects in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ResourceCounts {
    /// Ready objects.
    #[serde(deserialize_with = "or_default")]
    pub ready: i64,
    /// All objects.
    #[serde(deserialize_with = "or_default")]
    pub desired_ready: i64,
    /// Objects of deployments that are not applied yet.
    #[serde(deserialize_with = "or_default")]
    pub wait_applied: i64,
    /// Objects that were changed on the cluster.
    #[serde(deserialize_with = "or_default")]
    pub modified: i64,
    /// Objects that should not exist.
    #[serde(deserialize_with = "or_default")]
    pub orphaned: i64,
    /// Objects that do not exist.
    #[serde(deserialize_with = "or_default")]
    pub missing: i64,
    /// Objects in unknown state.
    #[serde(deserialize_with = "or_default")]
    pub unknown: i64,
    /// Objects that are not ready.
    #[serde(deserialize_with = "or_default")]
    pub not_ready: i64,
}

/// The part of the status that GitRepo and HelmOp have in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct StatusBase {
    /// Number of clusters all of whose deployments of this source are ready.
    #[serde(deserialize_with = "or_default")]
    pub ready_clusters: i64,
    /// Number of clusters with deployments of this source.
    #[serde(deserialize_with = "or_default")]
    pub desired_ready_clusters: i64,
    /// Number of deployments by state, and some that are not ready.
    #[serde(deserialize_with = "or_default")]
    pub summary: BundleSummary,
    /// Texts for display.
    #[serde(deserialize_with = "or_default")]
    pub display: StatusDisplay,
    /// Conditions of the source.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub conditions: Vec<Condition>,
    /// Objects of all deployments, each with the clusters it is on.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub resources: Vec<Resource>,
    /// Number of objects that are not listed because the list is full.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub resources_omitted: i64,
    /// Number of objects by state, over all clusters.
    #[serde(deserialize_with = "or_default")]
    pub resource_counts: ResourceCounts,
    /// Number of objects by state for each cluster, by `namespace/name` of the cluster.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    // Written as a whole, so that the API server keeps no list of who wrote which number.
    #[schemars(extend("x-kubernetes-map-type" = "atomic"))]
    pub per_cluster_resource_counts: BTreeMap<String, ResourceCounts>,
    /// Number of clusters that are not listed in `perClusterResourceCounts` because it is full.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub per_cluster_resource_counts_omitted: i64,
}

/// Texts for display of a GitRepo or HelmOp.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct StatusDisplay {
    /// Ready deployments over desired ones, `r/d`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub ready_bundle_deployments: String,
    /// Worst state of the deployments; empty if all are ready.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub state: String,
    /// Message of the first deployment in that state.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub message: String,
    /// There is a message.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub error: bool,
    /// Commits that clusters stay at. Not upstream's.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub pinned: String,
}

/// An object that is deployed to one or more clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Resource {
    /// API version of the object.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub api_version: String,
    /// Kind of the object.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub kind: String,
    /// Group and kind, such as `apps.deployment`; the kind alone in the core group.
    #[serde(
        rename = "type",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub type_: String,
    /// `namespace/name`, or the name of a cluster-scoped object.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub id: String,
    /// Namespace of the object; empty for cluster-scoped objects.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub namespace: String,
    /// Name of the object.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub name: String,
    /// Some states are unknown because a list they come from was cut.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub incomplete_state: bool,
    /// State: that of the first cluster where the object is not ready, or `Ready`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub state: String,
    /// Not used.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub error: bool,
    /// Not used.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub transitioning: bool,
    /// Not used.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub message: String,
    /// Clusters, `namespace/name`, by state.
    #[serde(deserialize_with = "per_cluster_state")]
    #[schemars(extend("x-required" = true, "x-nullable" = true))]
    pub per_cluster_state: PerClusterState,
}

/// Clusters, `namespace/name`, by the state an object is in there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct PerClusterState {
    /// Clusters where the object is ready.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub ready: Vec<String>,
    /// Clusters where the deployment is not applied yet.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub wait_applied: Vec<String>,
    /// Clusters where the deployment is not created yet.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub pending: Vec<String>,
    /// Clusters where the object was changed.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub modified: Vec<String>,
    /// Clusters where the object should not exist.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub orphaned: Vec<String>,
    /// Clusters where the object does not exist.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub missing: Vec<String>,
    /// Clusters where the state of the object is unknown.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub unknown: Vec<String>,
    /// Clusters where the object is not ready.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub not_ready: Vec<String>,
    /// Number of clusters that are in none of the lists because they are full.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub omitted: i64,
}

/// Reads `perClusterState`, and the list of objects that stood there before February 2025 as empty:
/// a status is computed anew, so an old form must not keep its object from being read.
fn per_cluster_state<'de, D: Deserializer<'de>>(from: D) -> Result<PerClusterState, D::Error> {
    match Value::deserialize(from)? {
        map @ Value::Object(_) => serde_json::from_value(map).map_err(D::Error::custom),
        _ => Ok(PerClusterState::default()),
    }
}
