//! ClusterRegistration: the request of an agent to become a Cluster.

use std::collections::BTreeMap;

use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::json::{is_empty, or_default};

/// ClusterRegistration is created by an agent that asks to be registered.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterRegistration {
    /// Standard object metadata.
    #[serde(deserialize_with = "or_default")]
    pub metadata: ObjectMeta,
    /// Who asks.
    #[serde(deserialize_with = "or_default")]
    pub spec: ClusterRegistrationSpec,
    /// What was granted.
    #[serde(deserialize_with = "or_default")]
    pub status: ClusterRegistrationStatus,
}

/// Who asks to be registered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterRegistrationSpec {
    /// Identity of the cluster, which stays the same over registrations.
    #[serde(
        rename = "clientID",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub client_id: String,
    /// Random text that makes the name of the credential unguessable.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub client_random: String,
    /// Labels for the Cluster.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub cluster_labels: BTreeMap<String, String>,
}

/// What was granted to an agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterRegistrationStatus {
    /// Name of the Cluster.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub cluster_name: String,
    /// The credential exists.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub granted: bool,
}
