//! Schedule: when clusters may be deployed to.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, Duration, LabelSelector};
use crate::json::{is_empty, or_default};

/// Schedule limits deployments on its clusters to windows of time.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Schedule {
    /// Standard object metadata.
    #[serde(deserialize_with = "or_default")]
    pub metadata: ObjectMeta,
    /// The windows and the clusters.
    #[serde(deserialize_with = "or_default")]
    pub spec: ScheduleSpec,
    /// Whether a window is open.
    #[serde(deserialize_with = "or_default")]
    pub status: ScheduleStatus,
}

/// The windows of time and the clusters they apply to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ScheduleSpec {
    /// Start of the windows: a cron expression with seconds.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub schedule: String,
    /// Length of a window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// Time zone, such as `Europe/Berlin`. Empty means the zone of the controller.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub location: String,
    /// The clusters.
    #[serde(deserialize_with = "or_default")]
    pub targets: ScheduleTargets,
}

/// What a schedule applies to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ScheduleTargets {
    /// The clusters. A cluster is taken if one entry matches.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub clusters: Vec<ScheduleTarget>,
}

/// Clusters of a schedule. All given criteria must hold; without any it matches nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ScheduleTarget {
    /// Name for display.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub name: String,
    /// Name of a cluster.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub cluster_name: String,
    /// Selects clusters by their labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_selector: Option<LabelSelector>,
    /// Name of a cluster group.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub cluster_group: String,
    /// Selects cluster groups by their labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_group_selector: Option<LabelSelector>,
}

/// Whether a window is open.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ScheduleStatus {
    /// A window is open.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub active: bool,
    /// Start of the next window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_start_time: Option<Time>,
    /// Conditions: `Ready`, in case of an error.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub conditions: Vec<Condition>,
    /// Names of the clusters.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub matching_clusters: Vec<String>,
    /// Number of clusters that are not listed because the list is full.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub matching_clusters_omitted: i64,
}
