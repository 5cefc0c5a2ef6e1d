//! What the agent of a Cluster needs. Pure.

use std::collections::BTreeMap;

use api::config::Config;
use api::v1alpha1::{Cluster, ClusterSpec, ClusterStatus};
use apiclient::ObjectKey;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha224};

use crate::index::{Index, is_managed_elsewhere, label};

/// Name of the Cluster that the hub itself is.
pub(crate) const LOCAL: &str = "local";

/// A Cluster as far as its agent is concerned.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) key: ObjectKey,
    pub(crate) uid: String,
    pub(crate) is_deleting: bool,
    pub(crate) is_managed_elsewhere: bool,
    /// It is the hub itself, and shall have no agent.
    pub(crate) has_no_agent: bool,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) spec: ClusterSpec,
    pub(crate) status: ClusterStatus,
    pub(crate) config: Config,
    pub(crate) system_namespace: String,
    /// Mark of the Bundle that is stored, if there is one.
    pub(crate) bundle: Option<String>,
    /// The Bundle's deployment is there, and an agent may act by it.
    pub(crate) has_deployment: bool,
}

impl Observed {
    /// Reads the index; `None` when the Cluster is gone.
    pub(crate) fn of(
        index: &Index,
        config: &Config,
        key: &ObjectKey,
        system: &str,
    ) -> Option<Self> {
        let entry = index.clusters.get(key)?;
        let bootstrap = &config.bootstrap;
        let is_local = key.name == LOCAL && key.namespace == bootstrap.namespace;
        let own = super::bundle::key(key);
        let bundle = index.bundles.get(&own);
        let deployment = ObjectKey::new(entry.namespace(), own.name.clone());
        Some(Self {
            key: key.clone(),
            uid: entry.meta.uid.clone(),
            is_deleting: entry.meta.deleting,
            is_managed_elsewhere: is_managed_elsewhere(Some(&entry.meta.labels)),
            has_no_agent: is_local && bootstrap.local_agent_disabled,
            labels: entry.meta.labels.clone(),
            spec: entry.cluster.spec.clone(),
            status: entry.cluster.status.clone(),
            config: config.clone(),
            system_namespace: system.to_owned(),
            has_deployment: index.deployments.contains_key(&deployment),
            bundle: bundle.map(|bundle| {
                let mark = label(&bundle.meta.annotations, super::bundle::MARK);
                mark.unwrap_or_default().to_owned()
            }),
        })
    }

    /// Where the agent belongs.
    pub(crate) fn namespace(&self) -> &str {
        match self.spec.agent_namespace.as_str() {
            "" => &self.system_namespace,
            given => given,
        }
    }
}

/// Where an agent runs that has to go before the one that is wanted comes.
///
/// While it does the Bundle is held back: by it the old agent would put back what is taken away, or deploy
/// the new one as its own.
pub(crate) fn moves_from(observed: &Observed) -> Option<&str> {
    let before = observed.status.agent.namespace.as_str();
    let is_elsewhere = !before.is_empty() && before != observed.namespace();
    let is_imported =
        observed.status.agent_migrated && !observed.spec.kube_config_secret.is_empty();
    (is_elsewhere && is_imported).then_some(before)
}

/// Whether something about the agent is different.
pub(crate) fn differs(before: Option<&Cluster>, after: &Cluster) -> bool {
    let Some(before) = before else { return true };
    let of = |cluster: &Cluster| {
        let (meta, status) = (&cluster.metadata, &cluster.status);
        (
            (
                meta.uid.clone(),
                meta.generation,
                meta.labels.clone(),
                meta.deletion_timestamp.is_some(),
            ),
            (status.namespace.clone(), status.agent.namespace.clone()),
            (
                status.agent_config_changed,
                status.agent_deployed_generation,
                status.agent_migrated,
            ),
        )
    };
    of(before) != of(after)
}

/// Hex sha224 of the JSON of a value; empty for none.
fn hash<T: Serialize>(value: Option<&T>) -> String {
    let json = value.and_then(|value| serde_json::to_vec(value).ok());
    json.map_or_else(String::new, |json| hex::encode(Sha224::digest(json)))
}

fn hash_list<T: Serialize>(list: &[T]) -> String {
    hash(Some(&list).filter(|list| !list.is_empty()))
}

/// Hash of the authorities of the hub, as they are stored in a status.
pub(crate) fn ca_hash(ca_pem: &str) -> String {
    hash(Some(&k8s_openapi::ByteString(ca_pem.as_bytes().to_vec())))
}

/// Members of the status that tell of options which are others than those the agent was deployed with. A
/// cluster that the hub imports is imported again; the agents of others follow by their Bundle.
pub(crate) fn option_changes(observed: &Observed) -> Option<Value> {
    let (spec, status) = (&observed.spec, &observed.status);
    let host_network = spec.host_network.unwrap_or_default();
    let texts = [
        (
            "agentEnvVarsHash",
            hash_list(&spec.agent_env_vars),
            &status.agent_env_vars_hash,
        ),
        (
            "agentTolerationsHash",
            hash_list(&spec.agent_tolerations),
            &status.agent_tolerations_hash,
        ),
        (
            "agentAffinityHash",
            hash(spec.agent_affinity.as_ref()),
            &status.agent_affinity_hash,
        ),
        (
            "agentResourcesHash",
            hash(spec.agent_resources.as_ref()),
            &status.agent_resources_hash,
        ),
        (
            "agentSchedulingCustomizationHash",
            hash(spec.agent_scheduling_customization.as_ref()),
            &status.agent_scheduling_customization_hash,
        ),
        (
            "agentPrivateRepoURL",
            spec.private_repo_url.clone(),
            &status.agent_private_repo_url,
        ),
    ];
    let mut changes = json!({});
    for (name, wanted, stored) in &texts {
        if wanted != *stored {
            changes[name] = wanted.as_str().into();
        }
    }
    if host_network != status.agent_host_network {
        changes["agentHostNetwork"] = host_network.into();
    }
    let is_changed = changes
        .as_object()
        .is_some_and(|changes| !changes.is_empty());
    if is_changed && !spec.kube_config_secret.is_empty() {
        changes["agentConfigChanged"] = true.into();
    }
    is_changed.then_some(changes)
}

/// Whether the agent was deployed as it should be.
pub(crate) fn is_deployed(observed: &Observed) -> bool {
    let (spec, status) = (&observed.spec, &observed.status);
    let is_there = match status.agent.namespace.as_str() {
        // It has not reported yet, and was not asked to be anywhere.
        "" => spec.agent_namespace.is_empty(),
        known => known == observed.namespace(),
    };
    status.agent_migrated
        && status.cattle_namespace_migrated
        && status.agent_namespace_migrated
        && !status.agent_config_changed
        && status.agent_deployed_generation == Some(spec.redeploy_agent_generation)
        && is_there
        && !is_reconfigured(observed)
}

/// Whether the agent was told something else than is configured now. Where the hub is may also be told by
/// the kubeconfig Secret, which stands for what is configured: `status` has what was told, so a different
/// configuration is only a reason to look.
fn is_reconfigured(observed: &Observed) -> bool {
    let (config, status) = (&observed.config, &observed.status);
    let interval = config.garbage_collection_interval.as_ref();
    config.agent_tls_mode != status.agent_tls_mode
        || interval != status.garbage_collection_interval.as_ref()
}

/// Whether another place of the hub is configured than the agent was told.
pub(crate) fn has_moved(observed: &Observed) -> bool {
    let (config, status) = (&observed.config, &observed.status);
    let ca = config.api_server_ca.as_ref().map_or(&[][..], |ca| &ca.0);
    !config.api_server_url.is_empty()
        && (config.api_server_url != status.api_server_url
            || ca_hash(&String::from_utf8_lossy(ca)) != status.api_server_ca_hash)
}

/// The Secret that is watched for a Cluster, if the hub imports it.
pub(crate) fn imported_by(observed: &Observed) -> Option<ObjectKey> {
    let is_imported = !observed.spec.kube_config_secret.is_empty()
        && !observed.is_deleting
        && !observed.is_managed_elsewhere
        && !observed.has_no_agent;
    is_imported
        .then(|| kubeconfig_secret(observed).ok())
        .flatten()
}

/// Where the kubeconfig of a Cluster may be.
pub(crate) fn kubeconfig_secret(observed: &Observed) -> Result<ObjectKey, String> {
    let spec = &observed.spec;
    let namespace = match spec.kube_config_secret_namespace.as_str() {
        "" => observed.key.namespace.as_str(),
        given => given,
    };
    let known = [
        "fleet-local",
        "fleet-default",
        "cattle-fleet-system",
        "fleet-system",
        "cattle-fleet-clusters-system",
        "fleet-clusters-system",
    ];
    let is_allowed = namespace == observed.key.namespace
        || known.contains(&namespace)
        || namespace.starts_with("cluster-");
    if !is_allowed {
        return Err(format!(
            "spec.kubeConfigSecretNamespace {namespace} is not allowed: use the namespace of the cluster, or one of {}",
            known.join(", ")
        ));
    }
    Ok(ObjectKey::new(namespace, spec.kube_config_secret.clone()))
}

/// Labels of a Cluster that its agent asks for when it registers again.
pub(crate) fn exported(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    api::labels::allowed_to_agents(labels)
}
