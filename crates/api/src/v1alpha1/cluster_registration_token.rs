//! ClusterRegistrationToken: the right to register clusters in a namespace, for a limited time.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;
use crate::json::{is_empty, or_default};

/// ClusterRegistrationToken lets agents register clusters in its namespace.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterRegistrationToken {
    /// Standard object metadata.
    #[serde(deserialize_with = "or_default")]
    pub metadata: ObjectMeta,
    /// How long the token is valid.
    #[serde(deserialize_with = "or_default")]
    pub spec: ClusterRegistrationTokenSpec,
    /// Where the credential is.
    #[serde(deserialize_with = "or_default")]
    pub status: ClusterRegistrationTokenStatus,
}

/// How long a token is valid.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterRegistrationTokenSpec {
    /// Time after which the token is deleted. Unset, or 0, means never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
}

/// Where the credential of a token is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterRegistrationTokenStatus {
    /// When the token is deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// Name of the Secret with the values for the agent.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub secret_name: String,
}
