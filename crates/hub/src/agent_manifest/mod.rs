//! The objects an agent is on its cluster: one generator for imports, the agents' bundles and administrators
//! who install an agent themselves. Pure.
//!
//! Source: hub specification 10.4; the shape is upstream's, but for the probes.

#[cfg(test)]
mod tests;

use api::names::safe_concat;
use api::v1alpha1::{AgentSchedulingCustomization, ClusterSpec};
use apiclient::Kind;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{
    Affinity, ConfigMap, EnvVar, LocalObjectReference, Namespace, ResourceRequirements, Secret,
    ServiceAccount, Toleration,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use serde_json::{Value, json};

/// Name of the agent's Deployment, account, ConfigMap and credential.
pub const NAME: &str = "fleet-agent";
/// Name of the Secret with the right to ask for a credential.
pub const BOOTSTRAP: &str = "fleet-agent-bootstrap";
const PRIORITY_CLASS: &str = "fleet-agent-priority-class";
const DISRUPTION_BUDGET: &str = "fleet-agent-pod-disruption-budget";
/// Port of the probes.
const PROBES: u16 = 8081;

/// How an agent runs, apart from what a Cluster says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// `CATTLE_ELECTION_LEASE_DURATION` of agents, as Go writes durations.
    pub lease_duration: String,
    /// `CATTLE_ELECTION_RENEW_DEADLINE`.
    pub renew_deadline: String,
    /// `CATTLE_ELECTION_RETRY_PERIOD`.
    pub retry_period: String,
    /// How many pods an agent has, of which one acts.
    pub replicas: i32,
    /// `--debug-level` of agents; `None` without `--debug`.
    pub debug: Option<i32>,
    /// Pods have no security context.
    pub disable_security_context: bool,
}

impl Default for Defaults {
    /// What upstream's chart sets.
    fn default() -> Self {
        Self {
            lease_duration: "30s".to_owned(),
            renew_deadline: "25s".to_owned(),
            retry_period: "10s".to_owned(),
            replicas: 1,
            debug: None,
            disable_security_context: false,
        }
    }
}

/// An agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Agent {
    /// Where it runs.
    pub namespace: String,
    /// Tells it apart from others on the cluster; usually empty.
    pub scope: String,
    /// Its image.
    pub image: String,
    /// `imagePullPolicy`; empty for Kubernetes' own.
    pub image_pull_policy: String,
    /// Secrets that the image is pulled with.
    pub image_pull_secrets: Vec<LocalObjectReference>,
    /// How often it reports, as Go writes durations; empty for its own default.
    pub checkin_interval: String,
    /// BundleDeployments at a time; empty for its own default.
    pub deployment_workers: String,
    /// Checks for drift at a time; empty for its own default.
    pub drift_workers: String,
    /// Further variables.
    pub env: Vec<EnvVar>,
    /// Further tolerations.
    pub tolerations: Vec<Toleration>,
    /// In place of the preference for nodes with `fleet.cattle.io/agent=true`.
    pub affinity: Option<Affinity>,
    /// Requests and limits.
    pub resources: Option<ResourceRequirements>,
    /// Whether it uses the network of its node.
    pub host_network: bool,
    /// Whether it has the priority class of [`scheduling`].
    pub has_priority_class: bool,
    /// The rest.
    pub defaults: Defaults,
}

/// What a Cluster asks for cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Kubernetes takes one of the two.
    #[error(
        "agentSchedulingCustomization.podDisruptionBudget has both minAvailable and maxUnavailable: leave one out"
    )]
    DisruptionBudget,
}

/// The image of an agent: of the cluster's own registry, if it has one.
pub fn image(image: &str, system_registry: &str, private_registry: &str) -> String {
    let private = private_registry.trim_end_matches('/');
    if private.is_empty() {
        return image.to_owned();
    }
    let system = system_registry.trim_end_matches('/');
    let plain = if system.is_empty() {
        image
    } else {
        let stripped = image.strip_prefix(system);
        stripped
            .and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(image)
    };
    let is_there = plain
        .strip_prefix(private)
        .is_some_and(|rest| rest.starts_with('/'));
    if is_there {
        plain.to_owned()
    } else {
        format!("{private}/{plain}")
    }
}

impl Agent {
    /// The agent of a Cluster: what it says over what is configured.
    pub fn of(
        spec: &ClusterSpec,
        config: &api::config::Config,
        defaults: &Defaults,
        system_namespace: &str,
    ) -> Self {
        let pull = spec.agent_pull_secrets.as_ref();
        let scheduling = spec.agent_scheduling_customization.as_ref();
        let namespace = match spec.agent_namespace.as_str() {
            "" => system_namespace,
            given => given,
        };
        let interval = config.agent_checkin_interval.as_ref();
        Self {
            namespace: namespace.to_owned(),
            scope: spec.agent_namespace.clone(),
            image: image(
                &config.agent_image,
                &config.system_default_registry,
                &spec.private_repo_url,
            ),
            image_pull_policy: config.agent_image_pull_policy.clone(),
            image_pull_secrets: pull.unwrap_or(&config.image_pull_secrets).clone(),
            checkin_interval: interval
                .map(|interval| interval.as_str().to_owned())
                .unwrap_or_default(),
            deployment_workers: config.agent_workers.bundledeployment.clone(),
            drift_workers: config.agent_workers.drift.clone(),
            env: spec.agent_env_vars.clone(),
            tolerations: spec.agent_tolerations.clone(),
            affinity: spec.agent_affinity.clone(),
            resources: spec.agent_resources.clone(),
            host_network: spec.host_network == Some(true),
            has_priority_class: scheduling.is_some_and(|custom| custom.priority_class.is_some()),
            defaults: defaults.clone(),
        }
    }
}

/// The objects that the agent's bundle holds: rights, accounts, network policy and Deployment.
pub fn objects(agent: &Agent) -> Vec<(Kind, Value)> {
    let namespace = agent.namespace.as_str();
    let role = safe_concat(&[namespace, NAME, "role"]);
    let meta = |name: &str| json!({ "name": name, "namespace": namespace });
    let everything = json!(["*"]);
    let pull = json!(agent.image_pull_secrets);
    let mut account = json!({ "metadata": meta(NAME) });
    if !agent.image_pull_secrets.is_empty() {
        account["imagePullSecrets"] = pull;
    }
    vec![
        (
            Kind::of::<ClusterRole>(),
            json!({ "metadata": { "name": role }, "rules": [
                { "apiGroups": everything, "resources": everything, "verbs": everything },
                { "nonResourceURLs": everything, "verbs": everything },
            ] }),
        ),
        (
            Kind::of::<ClusterRoleBinding>(),
            json!({ "metadata": { "name": safe_concat(&[namespace, NAME, "role", "binding"]) },
                "subjects": [{ "kind": "ServiceAccount", "name": NAME, "namespace": namespace }],
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role } }),
        ),
        (Kind::of::<ServiceAccount>(), account),
        (
            Kind::of::<ServiceAccount>(),
            json!({ "metadata": meta("default"), "automountServiceAccountToken": false }),
        ),
        (
            Kind::of::<NetworkPolicy>(),
            json!({ "metadata": meta("default-allow-all"), "spec": {
                "podSelector": {}, "ingress": [{}], "egress": [{}], "policyTypes": ["Ingress", "Egress"],
            } }),
        ),
        (Kind::of::<Deployment>(), deployment(agent)),
    ]
}

fn deployment(agent: &Agent) -> Value {
    let labels = json!({ "app": NAME });
    let mut spec = json!({
        "replicas": agent.defaults.replicas,
        "selector": { "matchLabels": labels },
        "template": { "metadata": { "labels": labels }, "spec": pod(agent) },
    });
    if agent.host_network {
        // Two pods of one node would fight for ports.
        spec["strategy"] = json!({ "type": "Recreate" });
    }
    json!({
        "metadata": { "name": NAME, "namespace": agent.namespace, "labels": labels },
        "spec": spec,
    })
}

fn pod(agent: &Agent) -> Value {
    let preferred = json!({ "nodeAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{
        "weight": 1, "preference": { "matchExpressions": [
            { "key": "fleet.cattle.io/agent", "operator": "In", "values": ["true"] },
        ] },
    }] } });
    let mut tolerations = vec![
        json!({ "key": "node.cloudprovider.kubernetes.io/uninitialized", "operator": "Equal",
            "value": "true", "effect": "NoSchedule" }),
        json!({ "key": "cattle.io/os", "operator": "Equal", "value": "linux", "effect": "NoSchedule" }),
    ];
    tolerations.extend(agent.tolerations.iter().map(|toleration| json!(toleration)));
    let mut pod = json!({
        "serviceAccountName": NAME,
        "nodeSelector": { "kubernetes.io/os": "linux" },
        "affinity": agent.affinity.as_ref().map_or(preferred, |affinity| json!(affinity)),
        "tolerations": tolerations,
        "containers": [container(agent)],
        "volumes": [{ "name": "kube", "emptyDir": {} }, { "name": "tmp", "emptyDir": {} }],
    });
    if !agent.defaults.disable_security_context {
        pod["securityContext"] =
            json!({ "runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 1000 });
    }
    if agent.host_network {
        pod["hostNetwork"] = true.into();
    }
    if agent.has_priority_class {
        pod["priorityClassName"] = PRIORITY_CLASS.into();
    }
    if !agent.image_pull_secrets.is_empty() {
        pod["imagePullSecrets"] = json!(agent.image_pull_secrets);
    }
    pod
}

fn container(agent: &Agent) -> Value {
    let mut command = vec!["fleetagent".to_owned()];
    if let Some(level) = agent.defaults.debug {
        command.extend([
            "--debug".to_owned(),
            "--debug-level".to_owned(),
            level.to_string(),
        ]);
    }
    let probe = |path: &str, period: u32| json!({ "httpGet": { "path": path, "port": PROBES }, "periodSeconds": period });
    let mut container = json!({
        "name": NAME,
        "image": agent.image,
        "command": command,
        "env": env(agent),
        "livenessProbe": probe("/healthz", 30),
        "readinessProbe": probe("/readyz", 10),
        "volumeMounts": [{ "name": "kube", "mountPath": "/.kube" }, { "name": "tmp", "mountPath": "/tmp" }],
    });
    if !agent.image_pull_policy.is_empty() {
        container["imagePullPolicy"] = agent.image_pull_policy.as_str().into();
    }
    if !agent.defaults.disable_security_context {
        container["securityContext"] = json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "privileged": false,
            "capabilities": { "drop": ["ALL"] },
        });
    }
    if let Some(resources) = &agent.resources {
        container["resources"] = json!(resources);
    }
    container
}

/// Variables, of which a later one of a name stands for an earlier one.
fn env(agent: &Agent) -> Vec<Value> {
    let own = [
        (
            "BUNDLEDEPLOYMENT_RECONCILER_WORKERS",
            agent.deployment_workers.as_str(),
        ),
        ("DRIFT_RECONCILER_WORKERS", &agent.drift_workers),
        ("AGENT_SCOPE", &agent.scope),
        ("CHECKIN_INTERVAL", &agent.checkin_interval),
        (
            "CATTLE_ELECTION_LEASE_DURATION",
            &agent.defaults.lease_duration,
        ),
        (
            "CATTLE_ELECTION_RENEW_DEADLINE",
            &agent.defaults.renew_deadline,
        ),
        ("CATTLE_ELECTION_RETRY_PERIOD", &agent.defaults.retry_period),
    ];
    let is_given = |name: &str| agent.env.iter().any(|given| given.name == name);
    let mut env = vec![json!({ "name": "NAMESPACE",
        "valueFrom": { "fieldRef": { "fieldPath": "metadata.namespace" } } })];
    let own = own
        .iter()
        .filter(|(name, value)| !value.is_empty() && !is_given(name));
    env.extend(own.map(|(name, value)| json!({ "name": name, "value": value })));
    env.extend(agent.env.iter().map(|given| json!(given)));
    env
}

/// Priority class and disruption budget.
///
/// # Errors
/// When both limits of the budget are given.
pub fn scheduling(
    namespace: &str,
    custom: Option<&AgentSchedulingCustomization>,
) -> Result<Vec<(Kind, Value)>, Error> {
    let mut objects = Vec::new();
    let Some(custom) = custom else {
        return Ok(objects);
    };
    if let Some(class) = &custom.priority_class {
        let mut object = json!({
            "metadata": { "name": PRIORITY_CLASS }, "value": class.value,
            "description": "Priority class of agents",
        });
        if let Some(policy) = class
            .preemption_policy
            .as_ref()
            .filter(|policy| !policy.is_empty())
        {
            object["preemptionPolicy"] = policy.as_str().into();
        }
        objects.push((Kind::of::<PriorityClass>(), object));
    }
    if let Some(budget) = &custom.pod_disruption_budget {
        let mut spec = json!({ "selector": { "matchLabels": { "app": NAME } } });
        let is_set = |text: &str| !text.is_empty() && text != "0";
        let (name, value) = match (
            is_set(&budget.min_available),
            is_set(&budget.max_unavailable),
        ) {
            (true, true) => return Err(Error::DisruptionBudget),
            (true, false) => ("minAvailable", budget.min_available.as_str()),
            (false, true) => ("maxUnavailable", budget.max_unavailable.as_str()),
            (false, false) => ("maxUnavailable", "0"),
        };
        spec[name] = value
            .parse::<i32>()
            .map_or_else(|_| value.into(), Value::from);
        let meta = json!({ "name": DISRUPTION_BUDGET, "namespace": namespace });
        objects.push((
            Kind::of::<PodDisruptionBudget>(),
            json!({ "metadata": meta, "spec": spec }),
        ));
    }
    Ok(objects)
}

/// The namespace of an agent.
pub fn namespace(name: &str) -> (Kind, Value) {
    (
        Kind::of::<Namespace>(),
        json!({ "metadata": { "name": name } }),
    )
}

/// The ConfigMap of an agent. What is empty is left out.
pub fn config(
    namespace: &str,
    client_id: &str,
    labels: &std::collections::BTreeMap<String, String>,
    config: &api::config::Config,
) -> (Kind, Value) {
    let mut document = json!({});
    if !client_id.is_empty() {
        document["clientID"] = client_id.into();
    }
    if !labels.is_empty() {
        document["labels"] = json!(labels);
    }
    if !config.agent_tls_mode.is_empty() {
        document["agentTLSMode"] = config.agent_tls_mode.as_str().into();
    }
    if let Some(interval) = &config.garbage_collection_interval {
        document["garbageCollectionInterval"] = interval.as_str().into();
    }
    let meta = json!({ "name": NAME, "namespace": namespace });
    let data = json!({ api::config::KEY: document.to_string() });
    (
        Kind::of::<ConfigMap>(),
        json!({ "metadata": meta, "data": data }),
    )
}

/// The bootstrap Secret, from texts.
pub fn bootstrap<'a>(
    namespace: &str,
    texts: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> (Kind, Value) {
    let encode = |text: &str| json!(k8s_openapi::ByteString(text.as_bytes().to_vec()));
    let data: serde_json::Map<String, Value> = texts
        .into_iter()
        .map(|(key, text)| (key.to_owned(), encode(text)))
        .collect();
    let meta = json!({ "name": BOOTSTRAP, "namespace": namespace });
    (
        Kind::of::<Secret>(),
        json!({ "metadata": meta, "data": data }),
    )
}

/// Objects as YAML documents.
///
/// # Errors
/// When an object cannot be printed, which numbers alone could be the reason for.
pub fn yaml(objects: &[(Kind, Value)]) -> Result<String, goyaml::WriteError> {
    let mut text = String::new();
    for (kind, object) in objects {
        let mut object = object.clone();
        object["apiVersion"] = kind.api_version().into();
        object["kind"] = kind.kind.as_ref().into();
        text.push_str("---\n");
        text.push_str(&goyaml::to_yaml(&object)?);
    }
    Ok(text)
}
