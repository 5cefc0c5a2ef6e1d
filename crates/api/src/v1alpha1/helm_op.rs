//! HelmOp: a Helm chart that is deployed without a git repository.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BundleSpec, Duration, StatusBase};
use crate::json::{is_empty, or_default};

/// HelmOp is a Helm chart that is deployed to clusters.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct HelmOp {
    /// Standard object metadata.
    #[serde(deserialize_with = "or_default")]
    pub metadata: ObjectMeta,
    /// The chart and where to deploy it.
    #[serde(deserialize_with = "or_default")]
    pub spec: HelmOpSpec,
    /// The version that was deployed last and the state of its deployments.
    #[serde(deserialize_with = "or_default")]
    pub status: HelmOpStatus,
}

/// The chart and where to deploy it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct HelmOpSpec {
    /// Everything that a bundle has.
    #[serde(flatten)]
    pub bundle: BundleSpec,
    /// Labels for the bundle.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub labels: BTreeMap<String, String>,
    /// How often to look for new versions of the chart. Unset, or 0, means never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub polling_interval: Option<Duration>,
    /// Secret with the credential for the Helm repository.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub helm_secret_name: String,
    /// Do not verify the certificate of the repository.
    #[serde(
        rename = "insecureSkipTLSVerify",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub insecure_skip_tls_verify: bool,
}

/// The version that was deployed last and the state of its deployments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct HelmOpStatus {
    /// What GitRepo and HelmOp report alike.
    #[serde(flatten)]
    pub base: StatusBase,
    /// When the repository was polled last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_polling_triggered: Option<Time>,
    /// The version of the chart that is deployed.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub version: String,
}
