//! Policy: what GitRepos, HelmOps and Bundles of a namespace may use.

use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::json::{is_empty, or_default};

/// Policy limits and completes the GitRepos, HelmOps and Bundles of its namespace. Several policies
/// of a namespace add up.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Policy {
    /// Standard object metadata.
    #[serde(deserialize_with = "or_default")]
    pub metadata: ObjectMeta,
    /// Every GitRepo, HelmOp and Bundle must name a service account.
    #[serde(deserialize_with = "or_default")]
    pub require_service_account: bool,
    /// Service accounts that may be named. Empty allows all.
    #[serde(deserialize_with = "or_default")]
    pub allowed_service_accounts: Vec<String>,
    /// With `requireServiceAccount`: release namespaces may be created nevertheless.
    #[serde(deserialize_with = "or_default")]
    pub allow_namespace_creation: bool,
    /// Rules for GitRepos.
    pub git_repo: Option<GitRepoPolicySpec>,
    /// Rules for HelmOps.
    pub helm_op: Option<HelmOpPolicySpec>,
}

/// Rules for GitRepos.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct GitRepoPolicySpec {
    /// Service account for GitRepos that name none.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub default_service_account: String,
    /// Credential for GitRepos that name none.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub default_client_secret_name: String,
    /// Credentials that GitRepos may name. Empty allows all.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub allowed_client_secret_names: Vec<String>,
    /// Regular expressions, one of which must match the whole repository URL. Empty allows all.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub allowed_repo_patterns: Vec<String>,
}

/// Rules for HelmOps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct HelmOpPolicySpec {
    /// Service account for HelmOps that name none.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub default_service_account: String,
    /// Credential for HelmOps that name none.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub default_helm_secret_name: String,
    /// Credentials that HelmOps may name. Empty allows all.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub allowed_helm_secret_names: Vec<String>,
    /// Regular expressions, one of which must match the whole repository URL. Empty allows all.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub allowed_helm_repo_patterns: Vec<String>,
    /// Regular expressions, one of which must match the whole chart name. Empty allows all.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub allowed_chart_patterns: Vec<String>,
}
