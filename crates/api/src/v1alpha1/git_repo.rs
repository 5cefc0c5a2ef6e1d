//! GitRepo: a git repository whose directories become bundles.

use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CorrectDrift, Duration, LabelSelector, StatusBase};
use crate::json::{is_empty, or_default};

/// GitRepo is a git repository that is watched and deployed to clusters.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct GitRepo {
    /// Standard object metadata.
    #[serde(deserialize_with = "or_default")]
    pub metadata: ObjectMeta,
    /// The repository, what to take from it and where to deploy it.
    #[serde(deserialize_with = "or_default")]
    pub spec: GitRepoSpec,
    /// The commit that was deployed last and the state of its deployments.
    #[serde(deserialize_with = "or_default")]
    pub status: GitRepoStatus,
}

/// The repository, what to take from it and where to deploy it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct GitRepoSpec {
    /// URL of the repository: https, ssh or scp-like.
    #[schemars(length(min = 1), extend("x-required" = true))]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub repo: String,
    /// Branch to follow. `master` when branch and revision are empty.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub branch: String,
    /// Commit or tag to deploy.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub revision: String,
    /// Namespace that every object is forced into. It is created when missing; cluster-scoped objects
    /// are refused.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub target_namespace: String,
    /// Secret with the credential for the repository. Empty means `gitcredential`, if it exists.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub client_secret_name: String,
    /// Secret with the credential for Helm repositories.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub helm_secret_name: String,
    /// Secret with credentials for Helm repositories by path.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub helm_secret_name_for_paths: String,
    /// Regular expression: the Helm credential is sent only to repositories that match it.
    #[serde(
        rename = "helmRepoURLRegex",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub helm_repo_url_regex: String,
    /// Certificate authorities, PEM, to verify the repository with.
    #[schemars(schema_with = "crate::crds::schemas::bytes")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<ByteString>,
    /// Do not verify the certificate of the repository.
    #[serde(
        rename = "insecureSkipTLSVerify",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub insecure_skip_tls_verify: bool,
    /// Directories to deploy; `*` is allowed. Empty means the root of the repository.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub paths: Vec<String>,
    /// Stage changes but do not roll them out.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub paused: bool,
    /// Service account on the downstream cluster to deploy with.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub service_account: String,
    /// Clusters to deploy to. Empty means the cluster group `default`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub targets: Vec<GitTarget>,
    /// How often to look for new commits. Unset, or 0, means 15 seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub polling_interval: Option<Duration>,
    /// Increase to deploy everything again.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub force_sync_generation: i64,
    /// How often to write new image tags back to the repository. Unset means 15 minutes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_scan_interval: Option<Duration>,
    /// Commits that write image tags back.
    #[serde(deserialize_with = "or_default")]
    pub image_scan_commit: CommitSpec,
    /// Keep the deployed objects when the GitRepo is deleted.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub keep_resources: bool,
    /// Delete the release namespaces when the GitRepo is deleted.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub delete_namespace: bool,
    /// Whether and how objects that were changed on a cluster are reset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correct_drift: Option<CorrectDrift>,
    /// Do not look for new commits; rely on webhooks.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub disable_polling: bool,
    /// Secret with an OCI registry to store contents in. Empty means `ocistorage`, if it exists.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub oci_registry_secret: String,
    /// Secret to verify webhooks with. Empty means the global one.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub webhook_secret: String,
    /// Bundles to make, each from a directory and an options file. When given, `paths` is ignored.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub bundles: Vec<BundlePath>,
    /// Commits that bundles or clusters stay at, whatever is current. The first that concerns a bundle
    /// on a cluster counts. Not upstream's; `flotilla rollback` writes it.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub pins: Vec<GitRepoPin>,
}

/// A commit that bundles or clusters stay at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct GitRepoPin {
    /// Full id of the commit.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub commit: String,
    /// Names of the bundles. Empty means all of the repository.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub bundles: Vec<String>,
    /// The clusters. A cluster is taken if one entry matches; empty means all.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub targets: Vec<GitTarget>,
}

/// Clusters to deploy to. All given criteria must hold; without any it matches nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct GitTarget {
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

/// A commit that writes image tags back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CommitSpec {
    /// Name of the author.
    #[serde(deserialize_with = "or_default")]
    pub author_name: String,
    /// Mail address of the author.
    #[serde(deserialize_with = "or_default")]
    pub author_email: String,
    /// Template of the commit message.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub message_template: String,
}

/// A bundle made from a directory and an options file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BundlePath {
    /// Directory of the bundle, relative to the repository.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub base: String,
    /// Options file, relative to the directory. Empty means `fleet.yaml`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub options: String,
}

/// The commit that was deployed last and the state of its deployments.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct GitRepoStatus {
    /// What GitRepo and HelmOp report alike.
    #[serde(flatten)]
    pub base: StatusBase,
    /// Generation of the GitRepo that this status describes.
    #[serde(deserialize_with = "or_default")]
    pub observed_generation: i64,
    /// `forceSyncGeneration` that was deployed last.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub update_generation: i64,
    /// The commit that is deployed.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub commit: String,
    /// The commit that a webhook announced last.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub webhook_commit: String,
    /// When a webhook announced a commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_webhook_time: Option<Time>,
    /// The commit that polling found last.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub polling_commit: String,
    /// State of the last sync: `Current`, `InProgress`, `Failed`, `Terminating`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub git_job_status: String,
    /// When image tags were written back last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_synced_image_scan_time: Option<Time>,
    /// When the repository was polled last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_polling_triggered: Option<Time>,
    /// Commits that were deployed, newest first, at most twenty: what one can go back to. Not upstream's.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub history: Vec<DeployedCommit>,
}

/// A commit that was deployed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct DeployedCommit {
    /// Its id.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub commit: String,
    /// When its bundles were written to the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
}
