//! BundleDeployment: one bundle on one cluster.
//!
//! Named as the bundle, in the namespace of the cluster. The hub writes `spec` and `status.display`,
//! the agent of that cluster everything else in `status`. Helm values never appear here; they live in
//! the Secret of the same name.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    BundleDeploymentOptions, BundleHelmOptions, BundleRef, Condition, CorrectDrift, ModifiedStatus,
    NonReadyStatus, ResourceCounts,
};
use crate::json::{is_empty, or_default};

/// BundleDeployment is used internally. It holds what one cluster must run of one Bundle, with the
/// options for that cluster, and what the agent reports about it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BundleDeployment {
    /// Standard object metadata.
    #[serde(deserialize_with = "or_default")]
    pub metadata: ObjectMeta,
    /// What the agent must deploy.
    #[serde(deserialize_with = "or_default")]
    pub spec: BundleDeploymentSpec,
    /// What the agent reports.
    #[serde(deserialize_with = "or_default")]
    pub status: BundleDeploymentStatus,
}

/// What the agent must deploy, now and next.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BundleDeploymentSpec {
    /// The bundle or the cluster is paused: nothing is promoted.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub paused: bool,
    /// Options of the next deployment.
    #[serde(deserialize_with = "or_default")]
    pub staged_options: BundleDeploymentOptions,
    /// Id of the next deployment.
    #[serde(
        rename = "stagedDeploymentID",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub staged_deployment_id: String,
    /// Options of the current deployment.
    #[serde(deserialize_with = "or_default")]
    pub options: BundleDeploymentOptions,
    /// Id of the current deployment: content id, colon, hash of the options.
    #[serde(
        rename = "deploymentID",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub deployment_id: String,
    /// Bundles that must have reached a state before this one is deployed.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub depends_on: Vec<BundleRef>,
    /// Whether and how objects that were changed on the cluster are reset. Takes effect at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correct_drift: Option<CorrectDrift>,
    /// The content is stored in an OCI registry.
    #[serde(
        rename = "ociContents",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub oci_contents: bool,
    /// Set for deployments of a HelmOp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helm_chart_options: Option<BundleHelmOptions>,
    /// Hash of the Helm values in the Secret of the same name. Empty if there are none.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub values_hash: String,
    /// Changes when a copied Secret or ConfigMap changed.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub downstream_resources_generation: i64,
    /// The cluster is outside of its schedule: the agent waits.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub off_schedule: bool,
    /// The Secret with the values is not there yet: the agent waits.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub waiting_for_values: bool,
}

/// What the agent reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BundleDeploymentStatus {
    /// Conditions: `Installed`, `Deployed`, `Monitored`, `Ready`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub conditions: Vec<Condition>,
    /// Id of the deployment that was applied last.
    #[serde(
        rename = "appliedDeploymentID",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub applied_deployment_id: String,
    /// The Helm release, `namespace/name:revision`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub release: String,
    /// All objects are ready.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub ready: bool,
    /// No object differs from what was deployed.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub non_modified: bool,
    /// Objects that are not ready, at most ten.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub non_ready_status: Vec<NonReadyStatus>,
    /// Objects that differ from what was deployed, at most ten.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub modified_status: Vec<ModifiedStatus>,
    /// One of the two lists above was cut.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub incomplete_state: bool,
    /// Texts for display, written by the agent with its report, and by the hub where it knows better.
    #[serde(deserialize_with = "or_default")]
    pub display: BundleDeploymentDisplay,
    /// `forceSyncGeneration` of the last deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_generation: Option<i64>,
    /// Objects of the release, worst state first where the list is cut.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub resources: Vec<BundleDeploymentResource>,
    /// Number of objects of the release that are not listed because the list is full.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub resources_omitted: i64,
    /// Number of objects by state.
    #[serde(deserialize_with = "or_default")]
    pub resource_counts: ResourceCounts,
    /// `downstreamResourcesGeneration` of the last deployment.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub downstream_resources_generation: i64,
}

/// Texts for display of a BundleDeployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BundleDeploymentDisplay {
    /// Status of condition `Deployed`, or its error.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub deployed: String,
    /// Status of condition `Monitored`, or its error.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub monitored: String,
    /// State of the deployment.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub state: String,
    /// The commit it stays at. Not upstream's.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub pinned: String,
}

/// Identity of a deployed object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BundleDeploymentResource {
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
    /// When the object was created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Time>,
}
