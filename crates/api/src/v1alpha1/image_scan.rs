//! ImageScan: finds the newest tag of a container image, to be written back to git.

use k8s_openapi::api::core::v1::LocalObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Condition, Duration};
use crate::json::{is_empty, or_default};

/// ImageScan finds the newest tag of a container image that a policy allows.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ImageScan {
    /// Standard object metadata.
    #[serde(deserialize_with = "or_default")]
    pub metadata: ObjectMeta,
    /// The image and the policy.
    #[serde(deserialize_with = "or_default")]
    pub spec: ImageScanSpec,
    /// The tag that was found last.
    #[serde(deserialize_with = "or_default")]
    pub status: ImageScanStatus,
}

/// The image and the policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ImageScanSpec {
    /// Name of the marker in manifests that is replaced.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub tag_name: String,
    /// GitRepo that the tag is written to.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub gitrepo_name: String,
    /// Name of the image.
    #[schemars(extend("x-required" = true))]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub image: String,
    /// Time between two scans.
    #[schemars(extend("x-required" = true))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// Secret of the kind `kubernetes.io/dockerconfigjson` with the credential for the registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// Do not scan.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub suspend: bool,
    /// How the newest tag is found.
    #[serde(deserialize_with = "or_default")]
    pub policy: ImagePolicyChoice,
}

/// How the newest tag is found. Only one is used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ImagePolicyChoice {
    /// The greatest semantic version in a range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semver: Option<SemVerPolicy>,
    /// The last tag in alphabetical order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alphabetical: Option<AlphabeticalPolicy>,
}

/// The greatest semantic version in a range.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct SemVerPolicy {
    /// Range of semantic versions.
    #[serde(deserialize_with = "or_default")]
    pub range: String,
}

/// The last tag in alphabetical order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct AlphabeticalPolicy {
    /// `ASC` takes the last tag of the alphabet, `DESC` the first. Default `DESC`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub order: String,
}

/// The tag that was found last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ImageScanStatus {
    /// Conditions: `ImageScanned`, `Stalled`, `Reconciling`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub conditions: Vec<Condition>,
    /// When the image was scanned last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_scan_time: Option<Time>,
    /// The image with the newest tag.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub latest_image: String,
    /// The newest tag.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub latest_tag: String,
    /// Digest of the newest tag.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub latest_digest: String,
    /// Not used.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub observed_generation: i64,
    /// Full name of the image, such as `docker.io/library/alpine`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub canonical_image_name: String,
}
