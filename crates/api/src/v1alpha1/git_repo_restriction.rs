//! GitRepoRestriction: what GitRepos of a namespace may use. Superseded by Policy.

use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::Deserialize;

use super::LabelSelector;
use crate::json::or_default;

/// GitRepoRestriction limits and completes the GitRepos of its namespace. Deprecated: use Policy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct GitRepoRestriction {
    /// Standard object metadata.
    #[serde(deserialize_with = "or_default")]
    pub metadata: ObjectMeta,
    /// Service account for GitRepos that name none.
    #[serde(deserialize_with = "or_default")]
    pub default_service_account: String,
    /// Service accounts that GitRepos may name. Empty allows all.
    #[serde(deserialize_with = "or_default")]
    pub allowed_service_accounts: Vec<String>,
    /// Regular expressions, one of which the repository must match. Empty allows all.
    #[serde(deserialize_with = "or_default")]
    pub allowed_repo_patterns: Vec<String>,
    /// Credential for GitRepos that name none.
    #[serde(deserialize_with = "or_default")]
    pub default_client_secret_name: String,
    /// Credentials that GitRepos may name. Empty allows all.
    #[serde(deserialize_with = "or_default")]
    pub allowed_client_secret_names: Vec<String>,
    /// Namespaces that GitRepos may deploy to. When given, GitRepos must name one.
    #[serde(deserialize_with = "or_default")]
    pub allowed_target_namespaces: Vec<String>,
    /// Labels that the namespaces deployed to must carry. Enforced by the agent.
    pub allowed_target_namespace_selector: Option<LabelSelector>,
}
