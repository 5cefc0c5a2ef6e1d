//! Deployment options: how the resources of a bundle are rendered and applied on one cluster.
//!
//! The same options are embedded in a Bundle, in each of its targets, in a HelmOp and, twice, in a
//! BundleDeployment. Their fields stand in the order in which upstream declares them, because the
//! deployment id is a hash over their canonical JSON (`ids::options_hash`): moving a field redeploys
//! every bundle of every user. This module does not merge options; that is the `target` crate's work.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LabelSelector, Values};
use crate::json::{is_empty, or_default};

/// Options for rendering and applying a bundle on a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BundleDeploymentOptions {
    /// Options for bundles of plain manifests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yaml: Option<YamlOptions>,
    /// Options for bundles that are built with Kustomize.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<KustomizeOptions>,
    /// Namespace for objects that name none. It does not confine the deployment: objects may still
    /// name another namespace, and cluster-scoped objects are allowed.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub default_namespace: String,
    /// Namespace that every object is forced into. A cluster-scoped object in the bundle makes the
    /// deployment fail.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub namespace: String,
    /// Helm options. All kinds of bundles are installed as a Helm release, so several of them, like
    /// the release name, apply to every bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helm: Option<HelmOptions>,
    /// Service account in the agent's namespace of the downstream cluster that the agent
    /// impersonates for this deployment.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub service_account: String,
    /// Whether the release namespace may be created. Unset means it is created when missing; set to
    /// false by the controller where a Policy demands it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub create_namespace: Option<bool>,
    /// Increase to force a redeployment.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub force_sync_generation: i64,
    /// Differences that do not count as drift.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diff: Option<DiffOptions>,
    /// Keep the deployed objects when the deployment is removed.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub keep_resources: bool,
    /// Delete the release namespace on the cluster when the deployment is removed, if nothing else is in it.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub delete_namespace: bool,
    /// What to ignore when judging whether objects are ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore: Option<IgnoreOptions>,
    /// When objects of certain kinds are ready, in the Common Expression Language. The first rule for a
    /// kind replaces what is known of it.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub health_check_exprs: Vec<HealthCheckExpr>,
    /// Whether and how objects that were changed on the cluster are reset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correct_drift: Option<CorrectDrift>,
    /// Labels for the release namespace.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub namespace_labels: BTreeMap<String, String>,
    /// Annotations for the release namespace.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub namespace_annotations: BTreeMap<String, String>,
    /// Also delete the CustomResourceDefinitions of the bundle, and with them all their objects, when
    /// the deployment is removed.
    #[serde(
        rename = "deleteCRDResources",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub delete_crd_resources: bool,
    /// Secrets and ConfigMaps of the bundle's namespace that are copied to the downstream cluster.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub downstream_resources: Vec<DownstreamResource>,
    /// Set internally: objects taken over from a bundle that was removed in the same update.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub overwrites: Vec<OverwrittenResource>,
    /// Set internally from the restrictions of the workspace: labels that the release namespace must
    /// carry. Enforced by the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_target_namespace_selector: Option<LabelSelector>,
    /// Where `${ }` templates are rendered for each cluster besides Helm values. Unset, which is the
    /// default, everything but Helm values is taken as it is. A target replaces the whole of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub templating: Option<Templating>,
}

/// Where `${ }` templates are rendered for each cluster besides Helm values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Templating {
    /// In the texts of all options: namespaces, release name, directory of Kustomize, names of overlays
    /// and so on. Rendered by the controller.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub options: bool,
    /// In files of bundles without a chart, by shell patterns for their paths: `*.yaml`, `config/*`. A
    /// pattern without a slash is one for names. Rendered by the agent, before overlays are applied.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub files: Vec<String>,
    /// Set internally: what the templates of files see on the cluster.
    #[schemars(schema_with = "crate::crds::schemas::free_form")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Values>,
}

/// Options for bundles of plain manifests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct YamlOptions {
    /// Names of directories below `overlays/`, applied in order. A file replaces the file of the
    /// same path; `name_patch.yaml` patches `name.yaml`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub overlays: Vec<String>,
}

/// Options for bundles that are built with Kustomize.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct KustomizeOptions {
    /// Directory that holds the kustomization file, relative to the bundle.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub dir: String,
}

/// Helm options of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct HelmOptions {
    /// Files with values, relative to the bundle, merged in order over `values`. Read when the bundle
    /// is built.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub values_files: Vec<String>,
    /// Chart to install: a directory of the bundle, the name of a chart in `repo`, or a URL.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub chart: String,
    /// Helm repository (https) or the full reference of a chart in an OCI registry (oci).
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub repo: String,
    /// Name of the Helm release. Derived from the bundle's name when empty.
    #[schemars(schema_with = "crate::crds::schemas::release_name")]
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub release_name: String,
    /// Version of the chart, or a semantic version constraint. Empty means the newest stable version.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub version: String,
    /// Seconds to wait for the objects to become ready. 0 does not wait. A negative number in a target
    /// resets it to 0.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub timeout_seconds: i64,
    /// Values for the chart. Strings may hold `${ }` templates that are rendered for each cluster.
    #[schemars(schema_with = "crate::crds::schemas::free_form")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Values>,
    /// Templates by top-level key. Each is rendered for the cluster, read as YAML and set over `values`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub template_values: BTreeMap<String, String>,
    /// ConfigMaps and Secrets of the downstream cluster that hold further values.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub values_from: Vec<ValuesFrom>,
    /// Replace objects that cannot be updated. This may delete data.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub force: bool,
    /// Adopt objects that exist already and belong to no release.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub take_ownership: bool,
    /// Number of release revisions that are kept. 0 means 2.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub max_history: i64,
    /// With `timeoutSeconds`, wait for Jobs to complete too.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub wait_for_jobs: bool,
    /// Roll back when an upgrade fails, uninstall when an installation fails.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub atomic: bool,
    /// Do not render `${ }` templates in values.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub disable_pre_process: bool,
    /// Do not let templates look up host names.
    #[serde(
        rename = "disableDNS",
        deserialize_with = "or_default",
        skip_serializing_if = "is_empty"
    )]
    pub disable_dns: bool,
    /// Do not validate the values against the schema of the chart.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub skip_schema_validation: bool,
    /// Do not fetch the dependencies of charts when the bundle is built.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub disable_dependency_update: bool,
    /// What happens to the CustomResourceDefinitions in the `crds/` directories of the chart, at every
    /// deployment: `Create`, the default, creates those that are missing; `CreateReplace` also brings those
    /// that exist to the chart's version; `Skip` leaves them alone. None is ever deleted.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub crds: String,
}

impl HelmOptions {
    /// What [`Self::crds`] may say; empty means `Create`.
    pub const CRD_POLICIES: &[&str] = &["Skip", "Create", "CreateReplace"];
}

/// A source of values on the downstream cluster. Only one of the references is used; the ConfigMap
/// wins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ValuesFrom {
    /// Key of a ConfigMap that holds values as YAML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeySelector>,
    /// Key of a Secret that holds values as YAML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeySelector>,
}

/// One key of a ConfigMap or Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct KeySelector {
    /// Name of the object.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// Namespace of the object. Empty means the release namespace.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub namespace: String,
    /// Key in the object's data. Empty means `values.yaml`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub key: String,
}

/// Differences that do not count as drift.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct DiffOptions {
    /// Exceptions by object.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub compare_patches: Vec<ComparePatch>,
    /// Count fields as drift that somebody added to a live object and that were not deployed. They are
    /// reported and, even with `correctDrift`, never taken away.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub report_additions: bool,
}

/// Selects objects and names the fields of them that are not compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ComparePatch {
    /// Kind of the objects.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub kind: String,
    /// API version of the objects.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub api_version: String,
    /// Namespace of the objects. Empty matches any.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub namespace: String,
    /// Name of the objects. Empty matches any; a regular expression is allowed.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub name: String,
    /// JSON patch operations applied to both sides before they are compared.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub operations: Vec<Operation>,
    /// JSON pointers to fields that are not compared.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub json_pointers: Vec<String>,
}

/// One operation of a compare patch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Operation {
    /// The operation: `remove`, `add`, `replace`, or `ignore`, which ignores the whole object, also
    /// when it is missing.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub op: String,
    /// JSON pointer to the field.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub path: String,
    /// Value for `add` and `replace`.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub value: String,
}

/// What to ignore when judging whether objects are ready.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct IgnoreOptions {
    /// Conditions to ignore; every given member must be equal to the one in the condition.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub conditions: Vec<BTreeMap<String, String>>,
}

/// When objects of a kind are ready: expressions in the Common Expression Language over the members of the
/// object (`metadata`, `spec`, `status`, `data`, ...), each of which is true or false. A missing member makes an
/// expression false.
///
/// `inProgress` is asked first, then `failed`, then `current`; an object of which none is true is in progress.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct HealthCheckExpr {
    /// Group and version, as in manifests; `GROUP/*` means all versions.
    pub api_version: String,
    /// Kind, as in manifests. Not Secret: what is in Secrets is not read.
    pub kind: String,
    /// The object is ready.
    pub current: String,
    /// The object is on its way.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub in_progress: String,
    /// The object will not become ready by itself.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub failed: String,
}

/// Drift correction.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CorrectDrift {
    /// Reset objects that were changed on the cluster.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub enabled: bool,
    /// Recreate objects that cannot be patched back.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub force: bool,
    /// Keep failed attempts in the release history.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub keep_fail_history: bool,
}

/// A Secret or ConfigMap of the bundle's namespace that is copied to the downstream cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct DownstreamResource {
    /// `Secret` or `ConfigMap`; upper and lower case are equal.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub kind: String,
    /// Name of the object.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub name: String,
}

/// An object taken over from another bundle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct OverwrittenResource {
    /// Name of the object.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub name: String,
    /// Namespace of the object; empty for cluster-scoped objects.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub namespace: String,
    /// Kind of the object.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub kind: String,
}
