//! Labels, annotations, finalizers, condition types and Secret types that objects carry, and the rules
//! by which labels are handed on.

use std::collections::BTreeMap;

/// Name of the GitRepo a Bundle, BundleDeployment or ImageScan comes from.
pub const REPO_NAME: &str = "fleet.cattle.io/repo-name";
/// Name of the HelmOp a Bundle or BundleDeployment comes from.
pub const HELM_OP_NAME: &str = "fleet.cattle.io/fleet-helm-name";
/// Commit a Bundle or BundleDeployment comes from.
pub const COMMIT: &str = "fleet.cattle.io/commit";
/// Commit that a Bundle or BundleDeployment stays at, whatever is current. Not upstream's.
pub const PINNED_COMMIT: &str = "fleet.cattle.io/pinned-commit";
/// Name of the Bundle that owns a BundleDeployment.
pub const BUNDLE_NAME: &str = "fleet.cattle.io/bundle-name";
/// Namespace of the Bundle that owns a BundleDeployment.
pub const BUNDLE_NAMESPACE: &str = "fleet.cattle.io/bundle-namespace";
/// Name of the Cluster: a label of BundleDeployments, an annotation of cluster namespaces.
pub const CLUSTER: &str = "fleet.cattle.io/cluster";
/// Namespace of the Cluster: a label of BundleDeployments, an annotation of cluster namespaces.
pub const CLUSTER_NAMESPACE: &str = "fleet.cattle.io/cluster-namespace";
/// `true` on objects that are cleaned up when they are orphaned.
pub const MANAGED: &str = "fleet.cattle.io/managed";
/// Name of the Content a BundleDeployment uses.
pub const CONTENT_NAME: &str = "fleet.cattle.io/content-name";
/// Copies of credentials.
pub const BUNDLE_INTERNAL_SECRET: &str = "fleet.cattle.io/bundle-internal-secret";
/// The user who created a GitRepo, HelmOp or Bundle.
pub const CREATED_BY_USER_ID: &str = "fleet.cattle.io/created-by-user-id";
/// Obsolete; removed where it is found.
pub const CREATED_BY_DISPLAY_NAME: &str = "fleet.cattle.io/created-by-display-name";
/// Generation of the GitRepo that a sync was made for.
pub const GITREPO_GENERATION: &str = "fleet.cattle.io/gitrepo-generation";
/// `forceSyncGeneration` that a sync was made for.
pub const FORCE_SYNC_GENERATION: &str = "fleet.cattle.io/force-sync-generation";
/// Token that a ClusterRegistration was made with.
pub const REGISTRATION_TOKEN: &str = "fleet.cattle.io/registration-token";
/// The only label under `fleet.cattle.io/` that an agent may ask for.
pub const CREATED_BY_AGENT_POD: &str = "fleet.cattle.io/created-by-agent-pod";
/// Not empty: somebody else manages the agent of the cluster.
pub const CLUSTER_MANAGEMENT: &str = "fleet.cattle.io/cluster-management";
/// The agent's bundle does not target the cluster.
pub const NON_MANAGED_AGENT: &str = "fleet.cattle.io/non-managed-agent";
/// On the local cluster: run no agent there.
pub const LOCAL_AGENT_DISABLED: &str = "fleet.cattle.io/local-agent-disabled";
/// The shard that handles an object.
pub const SHARD_REF: &str = "fleet.cattle.io/shard-ref";
/// The shard a controller's pod belongs to.
pub const SHARD_ID: &str = "fleet.cattle.io/shard-id";
/// On the pods of the unnamed shard.
pub const SHARD_DEFAULT: &str = "fleet.cattle.io/shard-default";
/// On the Leases of controllers that share the work of a shard: its name, empty for the default.
pub const REPLICA_OF: &str = "fleet.cattle.io/replica-of";
/// Annotation of such a Lease: among whom its holder takes the work to be shared.
pub const REPLICAS: &str = "fleet.cattle.io/replicas";
/// A second name by which targets may name a Cluster.
pub const CLUSTER_DISPLAY_NAME: &str = "management.cattle.io/cluster-display-name";
/// On objects that upstream applies as a set.
pub const OBJECT_SET_HASH: &str = "objectset.rio.cattle.io/hash";

/// Annotation: the set an object was applied with.
pub const OBJECT_SET_ID: &str = "objectset.rio.cattle.io/id";
/// Value of `OBJECT_SET_ID` on the bundles of agents.
pub const OBJECT_SET_ID_AGENT: &str = "fleet-manage-agent";
/// Annotation of the account an agent registers with: its ClusterRegistration.
pub const CLUSTER_REGISTRATION: &str = "fleet.cattle.io/cluster-registration";
/// Annotation of the account an agent registers with: the namespace of its ClusterRegistration.
pub const CLUSTER_REGISTRATION_NAMESPACE: &str = "fleet.cattle.io/cluster-registration-namespace";
/// Annotation of a GitRepo: hash of its git credential.
pub const CLIENT_SECRET_HASH: &str = "fleet.cattle.io/client-secret-hash";
/// Annotation of a GitRepo: hash of its Helm credential.
pub const HELM_SECRET_HASH: &str = "fleet.cattle.io/helm-secret-hash";
/// Annotation of a GitRepo: hash of its Helm credentials by path.
pub const HELM_SECRET_FOR_PATHS_HASH: &str = "fleet.cattle.io/helm-secret-for-paths-hash";
/// Annotation of a GitRepo whose `helmRepoURLRegex` was set by a migration.
pub const HELM_REGEX_AUTO_MIGRATED: &str = "fleet.cattle.io/helm-regex-auto-migrated";
/// Annotation of the controller's config map: version of the chart.
pub const VERSION: &str = "fleet.cattle.io/version";

/// Finalizer of a GitRepo.
pub const GITREPO_FINALIZER: &str = "fleet.cattle.io/gitrepo-finalizer";
/// Finalizer of a HelmOp.
pub const HELMOP_FINALIZER: &str = "fleet.cattle.io/helmop-finalizer";
/// Finalizer of a Bundle.
pub const BUNDLE_FINALIZER: &str = "fleet.cattle.io/bundle-finalizer";
/// Finalizer of a BundleDeployment.
pub const BUNDLE_DEPLOYMENT_FINALIZER: &str = "fleet.cattle.io/bundle-deployment-finalizer";
/// Finalizer of a Cluster.
pub const CLUSTER_FINALIZER: &str = "fleet.cattle.io/cluster-finalizer";
/// Finalizer of a Schedule.
pub const SCHEDULE_FINALIZER: &str = "fleet.cattle.io/schedule-finalizer";

/// Type of the Secret with the Helm values of a Bundle.
pub const SECRET_TYPE_BUNDLE_VALUES: &str = "fleet.cattle.io/bundle-values/v1alpha1";
/// Key of the bundle's own values in that Secret; the other keys are names of targets.
pub const BUNDLE_VALUES_KEY: &str = "values.yaml";
/// Type of the Secret with the Helm values of a BundleDeployment.
pub const SECRET_TYPE_BUNDLE_DEPLOYMENT: &str = "fleet.cattle.io/bundle-deployment/v1alpha1";
/// Key of the current values in that Secret.
pub const DEPLOYMENT_VALUES_KEY: &str = "values";
/// Key of the staged values in that Secret.
pub const DEPLOYMENT_STAGED_VALUES_KEY: &str = "stagedValues";
/// Type of the Secret with a Bundle as an earlier commit gave it, for clusters that stay at it. Not
/// upstream's.
pub const SECRET_TYPE_BUNDLE_REVISION: &str = "fleet.cattle.io/bundle-revision/v1alpha1";
/// Key of the Bundle in that Secret: its labels and spec as JSON, with Helm values.
pub const BUNDLE_REVISION_KEY: &str = "bundle";
/// Type of the Secret with access to contents in an OCI registry.
pub const SECRET_TYPE_OCI_STORAGE: &str = "fleet.cattle.io/bundle-oci-storage/v1alpha1";
/// Type of the Secret with access to the Helm repository of a HelmOp.
pub const SECRET_TYPE_HELM_OPS_ACCESS: &str = "fleet.cattle.io/bundle-helmops-access/v1alpha1";
/// Type of the Secret with the credential of an agent.
pub const SECRET_TYPE_AGENT_CREDENTIAL: &str = "fleet.cattle.io/agent-credential";
/// Type of the Secret with the values of a registration token.
pub const SECRET_TYPE_REGISTRATION_VALUES: &str = "fleet.cattle.io/cluster-registration-values";

/// Label on a Content that is one chunk of a larger content and of no use by itself.
pub const CONTENT_CHUNK: &str = "fleet.cattle.io/content-chunk";
/// Annotation on a Content in chunks: their names, separated by commas. It repeats `chunks` where a
/// reader of metadata sees it, so that collecting unused contents needs no payload.
pub const CONTENT_CHUNKS: &str = "fleet.cattle.io/content-chunks";

const KUBECTL_PREFIX: &str = "kubectl.kubernetes.io/";

fn is_internal(key: &str) -> bool {
    key.starts_with(KUBECTL_PREFIX) || key.contains("cattle.io/")
}

fn keep(
    labels: &BTreeMap<String, String>,
    kept: impl Fn(&str) -> bool,
) -> BTreeMap<String, String> {
    labels
        .iter()
        .filter(|(key, _)| kept(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Labels of a Bundle that its BundleDeployments inherit: the user's own and those under
/// `fleet.cattle.io/`.
pub fn inherited_by_deployments(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    keep(labels, |key| {
        !is_internal(key) || key.starts_with("fleet.cattle.io/")
    })
}

/// Labels of a Cluster that templates of values see.
pub fn visible_to_templates(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    keep(labels, |key| {
        !is_internal(key)
            || key.starts_with("fleet.cattle.io/")
            || key.starts_with("management.cattle.io/")
    })
}

/// Labels that an agent may ask for at its registration.
pub fn allowed_to_agents(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_reserved =
        |key: &str| key.starts_with("fleet.cattle.io/") || key.starts_with("management.cattle.io/");
    keep(labels, |key| {
        key == CREATED_BY_AGENT_POD || !is_reserved(key)
    })
}

/// Annotations of a Cluster that templates of values see.
pub fn annotations_visible_to_templates(
    annotations: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    keep(annotations, |key| !is_internal(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(labels: &BTreeMap<String, String>) -> Vec<&str> {
        labels.keys().map(String::as_str).collect()
    }

    #[test]
    fn internal_labels_are_handed_on_only_where_upstream_does() {
        let labels: BTreeMap<String, String> = [
            "env",
            "fleet.cattle.io/commit",
            "kubectl.kubernetes.io/last-applied-configuration",
            "management.cattle.io/cluster-name",
            "objectset.rio.cattle.io/hash",
            "x.fleet.cattle.io/y",
        ]
        .map(|key| (key.to_owned(), String::new()))
        .into();

        assert_eq!(
            keys(&inherited_by_deployments(&labels)),
            ["env", "fleet.cattle.io/commit"]
        );
        assert_eq!(
            keys(&visible_to_templates(&labels)),
            [
                "env",
                "fleet.cattle.io/commit",
                "management.cattle.io/cluster-name"
            ]
        );
        assert_eq!(keys(&annotations_visible_to_templates(&labels)), ["env"]);
    }
}
