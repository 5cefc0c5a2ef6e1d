//! Bundle: a set of resources, the options to deploy them with and the clusters to deploy them to.
//!
//! A Bundle is written by the GitRepo or HelmOp pipeline, by the command line or by hand, and read by
//! the controller, which creates one BundleDeployment for every cluster that a target matches.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BundleDeploymentOptions, BundleSummary, Condition, LabelSelector, Values};
use crate::json::{is_empty, or_default};

/// Bundle holds the resources of an application and its deployment options. It becomes a Helm
/// release on each of its target clusters.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Bundle {
    /// Standard object metadata.
    #[serde(deserialize_with = "or_default")]
    pub metadata: ObjectMeta,
    /// Resources, options and targets.
    #[serde(deserialize_with = "or_default")]
    pub spec: BundleSpec,
    /// Roll-out and readiness over all target clusters.
    #[serde(deserialize_with = "or_default")]
    pub status: BundleStatus,
}

/// Resources, options and targets of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BundleSpec {
    /// Options for all clusters.
    #[serde(flatten)]
    pub options: BundleDeploymentOptions,
    /// Stage changes but do not roll them out.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub paused: bool,
    /// How changes are rolled out over the clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout_strategy: Option<RolloutStrategy>,
    /// Files of the bundle, including those of fetched charts. Empty when the content is stored
    /// elsewhere or, for a HelmOp, fetched by the agent.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub resources: Vec<BundleResource>,
    /// Which of the matching target customizations apply to a cluster: `FirstMatch` or `AllMatches`.
    #[schemars(extend("enum" = ["FirstMatch", "AllMatches"], "x-default" = "FirstMatch"))]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub target_customization_mode: String,
    /// Clusters to deploy to, and customizations for some of them. Evaluated in order; the first match
    /// is used.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub targets: Vec<BundleTarget>,
    /// Set internally: an allow list. A target deploys to a cluster only if one of these matches too.
    /// When present, all but the last `len(targetRestrictions)` targets are customizations.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub target_restrictions: Vec<BundleTargetRestriction>,
    /// Bundles that must have reached a state before this one is deployed.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub depends_on: Vec<BundleRef>,
    /// Set internally: id of the content when it is stored outside of the bundle.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub contents_id: String,
    /// Set internally for bundles of a HelmOp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helm_op_options: Option<BundleHelmOptions>,
    /// Set internally: hash of the Helm values, which are stored in the Secret named as the bundle.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub values_hash: String,
}

/// Options of a HelmOp that its bundle and BundleDeployments carry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BundleHelmOptions {
    /// Secret with credentials for the Helm repository.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub helm_op_secret_name: String,
    /// Do not verify the certificate of the repository.
    #[serde(
        rename = "helmOpInsecureSkipTLSVerify",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub helm_op_insecure_skip_tls_verify: bool,
    /// Certificate authorities, PEM, to verify the repository with.
    #[schemars(schema_with = "crate::crds::schemas::bytes")]
    #[serde(rename = "helmOpCABundle", skip_serializing_if = "Option::is_none")]
    pub helm_op_ca_bundle: Option<ByteString>,
}

/// A reference to other bundles.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BundleRef {
    /// Name of a bundle in the same namespace.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub name: String,
    /// Selects bundles by their labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// States of the referenced bundle's deployment that count as fulfilled. Empty means `Ready`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub accepted_states: Vec<String>,
}

/// One file of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BundleResource {
    /// Path of the file, relative to the bundle.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub name: String,
    /// Content of the file.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub content: String,
    /// How `content` is encoded: empty for text, `base64+gz` for compressed bytes.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub encoding: String,
}

/// How changes are rolled out over the clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct RolloutStrategy {
    /// Number or percentage of clusters that may be unavailable before the roll-out waits.
    /// Default 100%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
    /// Number or percentage of partitions that may be unavailable before the roll-out waits.
    /// Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable_partitions: Option<IntOrString>,
    /// Number or percentage of clusters that may be offline without counting as unavailable.
    /// Default 100%. Not upstream's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_offline: Option<IntOrString>,
    /// Number or percentage of clusters in a partition when `partitions` is empty. Default 25%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_partition_size: Option<IntOrString>,
    /// Number of clusters from which on partitions are made automatically. Default 200; 0 or less
    /// disables them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_partition_threshold: Option<i64>,
    /// Number of deployments that are created in one pass. Default 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_new: Option<i64>,
    /// Partitions, in order. A cluster that matches none is not updated.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub partitions: Vec<Partition>,
}

/// A set of clusters that is rolled out together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Partition {
    /// Name for display.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub name: String,
    /// Number or percentage of this partition's clusters that may be unavailable. Defaults to the
    /// strategy's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
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

/// An entry of the allow list of targets. All given criteria must hold; without any it matches
/// nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BundleTargetRestriction {
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

/// Clusters to deploy to and the options that differ for them. All given criteria must hold; without
/// any it matches nothing.
///
/// `namespaceLabels` and `namespaceAnnotations` exist once in the serialized form and belong to the
/// target: those of the embedded `options` stay empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BundleTarget {
    /// Options that are merged over those of the bundle.
    #[serde(flatten)]
    pub options: BundleDeploymentOptions,
    /// Name for display, and key of this target's values in the bundle's Secret. `target000` and so
    /// on when empty.
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
    /// Do not deploy to the clusters that this target matches.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub do_not_deploy: bool,
    /// Labels for the release namespace.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub namespace_labels: BTreeMap<String, String>,
    /// Annotations for the release namespace.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub namespace_annotations: BTreeMap<String, String>,
    /// Options that replace those of the bundle whatever they are, as a JSON merge patch (RFC 7396) with the
    /// form of the options: `false`, 0, empty texts and empty lists count, null takes an option away. Applied
    /// before the other options of the target are merged. Below `helm.values` only null is of use: values
    /// themselves belong to the target's own `helm.values`.
    #[schemars(schema_with = "crate::crds::schemas::free_form")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overrides: Option<Values>,
}

/// Roll-out and readiness of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BundleStatus {
    /// Conditions of the bundle: `Ready`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub conditions: Vec<Condition>,
    /// Number of deployments by state, and some that are not ready.
    #[serde(deserialize_with = "or_default")]
    pub summary: BundleSummary,
    /// Number of deployments that were created in the last pass.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub newly_created: i64,
    /// Number of deployments that are not ready or not up to date.
    #[serde(deserialize_with = "or_default")]
    pub unavailable: i64,
    /// Number of partitions with more unavailable deployments than allowed.
    #[serde(deserialize_with = "or_default")]
    pub unavailable_partitions: i64,
    /// Number of deployments that may be unavailable.
    #[serde(deserialize_with = "or_default")]
    pub max_unavailable: i64,
    /// Number of partitions that may be unavailable.
    #[serde(deserialize_with = "or_default")]
    pub max_unavailable_partitions: i64,
    /// Obsolete: number of deployments that may be created in one pass.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub max_new: i64,
    /// State of each partition.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub partitions: Vec<PartitionStatus>,
    /// Number of partitions that are not listed because the list is full.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub partitions_omitted: i64,
    /// Texts for display.
    #[serde(deserialize_with = "or_default")]
    pub display: BundleDisplay,
    /// Obsolete and always cleared: objects the bundle is going to deploy.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub resource_key: Vec<ResourceKey>,
    /// Reference of the content in an OCI registry, for display.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub oci_reference: String,
    /// Generation of the bundle that this status describes.
    #[serde(deserialize_with = "or_default")]
    pub observed_generation: i64,
    /// Checksum of the manifest made from `spec.resources`.
    #[serde(
        rename = "resourcesSha256Sum",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub resources_sha256_sum: String,
}

/// Texts for display of a bundle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BundleDisplay {
    /// Ready deployments over desired ones, `r/d`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub ready_clusters: String,
    /// Worst state of the deployments; empty if all are ready.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub state: String,
    /// Commits that clusters stay at. Not upstream's.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub pinned: String,
}

/// State of one partition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct PartitionStatus {
    /// Name of the partition.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub name: String,
    /// Number of clusters.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub count: i64,
    /// Number of clusters that may be unavailable.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub max_unavailable: i64,
    /// Number of unavailable clusters.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub unavailable: i64,
    /// Number of deployments by state, and some that are not ready.
    #[serde(deserialize_with = "or_default")]
    pub summary: BundleSummary,
}

/// Identity of an object that a bundle is going to deploy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ResourceKey {
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
}
