//! Cluster: a downstream cluster that bundles are deployed to.
//!
//! Lives in a workspace. Its BundleDeployments live in `status.namespace`.

use k8s_openapi::api::core::v1::{
    Affinity, EnvVar, LocalObjectReference, ResourceRequirements, Toleration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BundleSummary, Condition, Duration, ResourceCounts, Values};
use crate::json::{is_empty, or_default};

/// Cluster is a Kubernetes cluster that bundles are deployed to.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Cluster {
    /// Standard object metadata. The labels are what selectors match.
    #[serde(deserialize_with = "or_default")]
    pub metadata: ObjectMeta,
    /// How the cluster is reached and how its agent runs.
    #[serde(deserialize_with = "or_default")]
    pub spec: ClusterSpec,
    /// Deployments on the cluster and state of its agent.
    #[serde(deserialize_with = "or_default")]
    pub status: ClusterStatus,
}

/// How the cluster is reached and how its agent runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterSpec {
    /// Stage changes for this cluster but do not roll them out.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub paused: bool,
    /// Identity of the cluster. Given in advance, or generated when the cluster is imported.
    #[serde(
        rename = "clientID",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub client_id: String,
    /// Secret with a kubeconfig for the cluster.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub kube_config_secret: String,
    /// Namespace of that Secret. Empty means the namespace of the Cluster.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub kube_config_secret_namespace: String,
    /// Increase to deploy the agent again.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub redeploy_agent_generation: i64,
    /// Environment variables added to the agent.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub agent_env_vars: Vec<EnvVar>,
    /// Namespace of the agent on the cluster. Empty means the system namespace.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub agent_namespace: String,
    /// Registry that the agent's image is taken from.
    #[serde(
        rename = "privateRepoURL",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub private_repo_url: String,
    /// Values that templates see as `.ClusterValues`.
    #[schemars(schema_with = "crate::crds::schemas::free_form")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_values: Option<Values>,
    /// Tolerations added to the agent.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub agent_tolerations: Vec<Toleration>,
    /// Affinity of the agent, in place of the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_affinity: Option<Affinity>,
    /// Resource requests and limits of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_resources: Option<ResourceRequirements>,
    /// Run the agent in the host network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_network: Option<bool>,
    /// Priority class and disruption budget of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_scheduling_customization: Option<AgentSchedulingCustomization>,
    /// Image pull secrets of the agent. Unset means the global ones; set, even to an empty list, means
    /// exactly these, which must exist on the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_pull_secrets: Option<Vec<LocalObjectReference>>,
}

/// Priority class and disruption budget of an agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct AgentSchedulingCustomization {
    /// The priority class that is created for the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class: Option<PriorityClassSpec>,
    /// The disruption budget that is created for the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_disruption_budget: Option<PodDisruptionBudgetSpec>,
}

/// A priority class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct PriorityClassSpec {
    /// Priority of the agent's pods.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub value: i64,
    /// Whether the pods may preempt others: `PreemptLowerPriority` or `Never`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preemption_policy: Option<String>,
}

/// A disruption budget.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct PodDisruptionBudgetSpec {
    /// Number or percentage of pods that must stay available.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub min_available: String,
    /// Number or percentage of pods that may be unavailable.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub max_unavailable: String,
}

/// Deployments on a cluster and state of its agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterStatus {
    /// Conditions: `Ready`, `Processed`, `Imported`, `Reconciled`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub conditions: Vec<Condition>,
    /// Namespace on the hub that holds the BundleDeployments of this cluster. Written once.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub namespace: String,
    /// Number of deployments by state, and some that are not ready.
    #[serde(deserialize_with = "or_default")]
    pub summary: BundleSummary,
    /// Number of objects by state.
    #[serde(deserialize_with = "or_default")]
    pub resource_counts: ResourceCounts,
    /// Number of GitRepos that are ready on this cluster.
    #[serde(deserialize_with = "or_default")]
    pub ready_git_repos: i64,
    /// Number of GitRepos that deploy to this cluster.
    #[serde(deserialize_with = "or_default")]
    pub desired_ready_git_repos: i64,
    /// Number of HelmOps that are ready on this cluster.
    #[serde(deserialize_with = "or_default")]
    pub ready_helm_ops: i64,
    /// Number of HelmOps that deploy to this cluster.
    #[serde(deserialize_with = "or_default")]
    pub desired_ready_helm_ops: i64,
    /// Hash of the agent's environment variables, to detect changes.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub agent_env_vars_hash: String,
    /// Registry that the agent's image was taken from.
    #[serde(
        rename = "agentPrivateRepoURL",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub agent_private_repo_url: String,
    /// Whether the agent runs in the host network.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub agent_host_network: bool,
    /// `redeployAgentGeneration` of the deployed agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_deployed_generation: Option<i64>,
    /// Always true after an import.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub agent_migrated: bool,
    /// Always true after an import.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub agent_namespace_migrated: bool,
    /// Always true after an import.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub cattle_namespace_migrated: bool,
    /// Hash of the agent's affinity, to detect changes.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub agent_affinity_hash: String,
    /// Hash of the agent's resources, to detect changes.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub agent_resources_hash: String,
    /// Hash of the agent's tolerations, to detect changes.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub agent_tolerations_hash: String,
    /// The configuration of the agent changed; the cluster is imported again.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub agent_config_changed: bool,
    /// URL of the hub that the agent uses.
    #[serde(
        rename = "apiServerURL",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub api_server_url: String,
    /// Hash of the certificate authorities of the hub that the agent uses.
    #[serde(
        rename = "apiServerCAHash",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub api_server_ca_hash: String,
    /// How the agent verifies the hub: `system-store` or `strict`.
    #[serde(
        rename = "agentTLSMode",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub agent_tls_mode: String,
    /// Texts for display.
    #[serde(deserialize_with = "or_default")]
    pub display: ClusterDisplay,
    /// What the agent said last.
    #[serde(deserialize_with = "or_default")]
    pub agent: AgentStatus,
    /// How often the agent looks for releases that nobody wants any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub garbage_collection_interval: Option<Duration>,
    /// Hash of the agent's scheduling customization, to detect changes.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub agent_scheduling_customization_hash: String,
    /// The cluster is part of a Schedule.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub scheduled: bool,
    /// The Schedule allows deployments now.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub active_schedule: bool,
}

/// Texts for display of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ClusterDisplay {
    /// Ready deployments over desired ones, `r/d`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub ready_bundles: String,
    /// Worst state of the deployments, or `WaitCheckIn`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub state: String,
}

/// What an agent said last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct AgentStatus {
    /// When the agent was heard of last.
    pub last_seen: Option<Time>,
    /// Namespace of the agent.
    #[serde(deserialize_with = "or_default")]
    pub namespace: String,
}
