//! What a request of an agent leads to. Pure.

use std::collections::BTreeMap;

use api::config::Config;
use api::labels::{
    self, CLUSTER, CLUSTER_REGISTRATION, CLUSTER_REGISTRATION_NAMESPACE, MANAGED,
    REGISTRATION_TOKEN, SECRET_TYPE_AGENT_CREDENTIAL,
};
use api::names::{
    registered_cluster_name, registration_secret_name, safe_concat, system_registration_namespace,
};
use api::v1alpha1::Cluster;
use apiclient::{Kind, ObjectKey};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use serde_json::{Value, json};

use crate::cluster_registration_token::account as token_account;
use crate::index::{Index, is_managed_elsewhere};

/// ClusterRole for BundleDeployments and what belongs to them, bound in each cluster namespace.
pub(crate) const DEPLOYMENT_ROLE: &str = "fleet-bundle-deployment";
/// ClusterRole for Contents.
pub(crate) const CONTENT_ROLE: &str = "fleet-content";

/// A request as far as its controller is concerned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Observed {
    pub(crate) key: ObjectKey,
    pub(crate) uid: String,
    pub(crate) is_deleting: bool,
    pub(crate) is_managed_elsewhere: bool,
    pub(crate) granted: bool,
    pub(crate) cluster_name: String,
    pub(crate) client_id: String,
    pub(crate) client_random: String,
    /// Labels that the agent asks for and may have.
    pub(crate) labels: BTreeMap<String, String>,
    /// Clusters of the namespace with this `clientID`.
    pub(crate) clusters: Vec<Known>,
    /// `clientID` of the Cluster that has the name a new one would get.
    pub(crate) holder: Option<String>,
    /// Accounts of tokens of the namespace, by token.
    pub(crate) tokens: BTreeMap<String, String>,
    /// The token that the request says it was made with.
    pub(crate) token: String,
    pub(crate) system_namespace: String,
    /// Older requests of the same agent.
    pub(crate) older: Vec<ObjectKey>,
}

/// A Cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) uid: String,
    /// Empty until it is assigned.
    pub(crate) namespace: String,
    pub(crate) is_deleting: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    Nothing,
    /// Why nothing is granted before something changes.
    Refuse(String),
    /// A Cluster of this name.
    CreateCluster(String),
    /// It has no namespace yet.
    Await(String),
    Grant(Grant),
}

/// What an agent is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) cluster: Known,
    /// The account that may read the answer.
    pub(crate) asker: String,
    /// Name of Role and RoleBinding for that.
    pub(crate) answer_role: String,
}

impl Observed {
    /// Reads the index; `None` when the request is gone.
    pub(crate) fn of(
        index: &Index,
        config: &Config,
        key: &ObjectKey,
        system: &str,
    ) -> Option<Self> {
        let request = index.registrations.requests.get(key)?;
        let (meta, spec) = (&request.metadata, &request.spec);
        let known = |entry: &crate::index::ClusterEntry| Known {
            name: entry.cluster.metadata.name.clone().unwrap_or_default(),
            uid: entry.meta.uid.clone(),
            namespace: entry.namespace().to_owned(),
            is_deleting: entry.meta.deleting,
        };
        let clusters = if request.status.granted || spec.client_id.is_empty() {
            Vec::new()
        } else {
            let found = index.clusters_of_client(&key.namespace, &spec.client_id);
            found.iter().map(|entry| known(entry)).collect()
        };
        let name = ObjectKey::new(
            key.namespace.clone(),
            registered_cluster_name(&spec.client_id),
        );
        let holder = index.clusters.get(&name);
        let first = ObjectKey::new(key.namespace.clone(), "");
        let tokens = index.registrations.tokens.range(first.clone()..);
        let tokens = tokens
            .take_while(|(token, _)| token.namespace == key.namespace)
            .filter(|(_, token)| token.metadata.deletion_timestamp.is_none())
            .map(|(token, found)| {
                let uid = found.metadata.uid.as_deref().unwrap_or_default();
                (token.name.clone(), token_account(&token.name, uid))
            });
        let asked = meta
            .labels
            .as_ref()
            .and_then(|labels| labels.get(REGISTRATION_TOKEN));
        let labels = if config.ignore_cluster_registration_labels {
            BTreeMap::new()
        } else {
            labels::allowed_to_agents(&spec.cluster_labels)
        };
        Some(Self {
            key: key.clone(),
            uid: meta.uid.clone().unwrap_or_default(),
            is_deleting: meta.deletion_timestamp.is_some(),
            is_managed_elsewhere: is_managed_elsewhere(meta.labels.as_ref()),
            granted: request.status.granted,
            cluster_name: request.status.cluster_name.clone(),
            client_id: spec.client_id.clone(),
            client_random: spec.client_random.clone(),
            labels,
            clusters,
            holder: holder.map(|entry| entry.cluster.spec.client_id.clone()),
            tokens: tokens.collect(),
            token: asked.cloned().unwrap_or_default(),
            system_namespace: system.to_owned(),
            older: older(index, key, &first),
        })
    }

    /// Where answers are.
    fn answers(&self) -> String {
        system_registration_namespace(&self.system_namespace)
    }

    /// The account of the agent, in the cluster namespace.
    pub(crate) fn account(&self) -> String {
        safe_concat(&[self.key.name.as_str(), self.uid.as_str()])
    }
}

/// Requests of the same agent that were made before this one with another random text.
fn older(index: &Index, key: &ObjectKey, first: &ObjectKey) -> Vec<ObjectKey> {
    let requests = &index.registrations.requests;
    let Some(this) = requests.get(key).filter(|this| !this.status.granted) else {
        return Vec::new();
    };
    let age = |of: &api::v1alpha1::ClusterRegistration| {
        of.metadata.creation_timestamp.as_ref().map(|time| time.0)
    };
    requests
        .range(first.clone()..)
        .take_while(|(other, _)| other.namespace == key.namespace)
        .filter(|(other, found)| {
            *other != key
                && found.spec.client_id == this.spec.client_id
                && found.spec.client_random != this.spec.client_random
                && (age(found), *other) < (age(this), key)
        })
        .map(|(other, _)| other.clone())
        .collect()
}

/// Decides.
pub(crate) fn plan(observed: &Observed) -> Plan {
    if observed.is_deleting || observed.is_managed_elsewhere || observed.granted {
        return Plan::Nothing;
    }
    if observed.client_id.is_empty() || observed.client_random.is_empty() {
        return Plan::Refuse("spec.clientID and spec.clientRandom must be set".to_owned());
    }
    let cluster = match &observed.clusters[..] {
        [] => return plan_cluster(observed),
        [cluster] => cluster,
        several => {
            let names: Vec<&str> = several
                .iter()
                .map(|cluster| cluster.name.as_str())
                .collect();
            return Plan::Refuse(format!(
                "clusters {} have the same spec.clientID: give all but one another",
                names.join(", ")
            ));
        }
    };
    if cluster.is_deleting {
        return Plan::Refuse(format!("cluster {} is being deleted", cluster.name));
    }
    if cluster.namespace.is_empty() {
        return Plan::Await(cluster.name.clone());
    }
    let Some((asker, answer_role)) = asker(observed, &cluster.name) else {
        return Plan::Refuse(if observed.token.is_empty() {
            format!("label {REGISTRATION_TOKEN} is missing")
        } else {
            format!("there is no cluster registration token {}", observed.token)
        });
    };
    Plan::Grant(Grant {
        cluster: cluster.clone(),
        asker,
        answer_role,
    })
}

fn plan_cluster(observed: &Observed) -> Plan {
    // Who has no token gets no Cluster either.
    if !observed.tokens.contains_key(&observed.token) {
        return Plan::Refuse(if observed.token.is_empty() {
            format!("label {REGISTRATION_TOKEN} is missing")
        } else {
            format!("there is no cluster registration token {}", observed.token)
        });
    }
    let name = registered_cluster_name(&observed.client_id);
    if observed.holder.is_some() {
        return Plan::Refuse(format!("cluster {name} exists with another spec.clientID"));
    }
    Plan::CreateCluster(name)
}

/// The account that asked, and the name of its right to the answer: of the token of the import, or of the
/// token that the request names.
fn asker(observed: &Observed, cluster: &str) -> Option<(String, String)> {
    let import = import_token(cluster);
    if let Some(account) = observed.tokens.get(&import) {
        let role = safe_concat(&[account.as_str(), "creds"]);
        return Some((account.clone(), role));
    }
    let account = observed.tokens.get(&observed.token)?;
    let role = safe_concat(&[observed.key.name.as_str(), "creds"]);
    Some((account.clone(), role))
}

/// The token that the hub makes for a cluster that it imports.
pub(crate) fn import_token(cluster: &str) -> String {
    safe_concat(&[format!("import-token-{cluster}")])
}

/// The Cluster of an agent that nobody announced.
pub(crate) fn cluster(observed: &Observed, name: &str) -> Value {
    let mut labels = observed.labels.clone();
    labels.insert(CLUSTER.to_owned(), name.to_owned());
    json!({
        "apiVersion": api::v1alpha1::API_VERSION, "kind": "Cluster",
        "metadata": { "name": name, "namespace": observed.key.namespace, "labels": labels },
        "spec": { "clientID": observed.client_id },
    })
}

/// The two ClusterRoles that every agent has part of.
pub(crate) fn roles() -> [(Kind, Value); 2] {
    let rule = |group: &str, resource: &str, verbs: &[&str]| json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs });
    let meta = |name: &str| json!({ "name": name, "labels": { MANAGED: "true" } });
    let fleet = api::v1alpha1::GROUP;
    [
        (
            Kind::of::<ClusterRole>(),
            json!({ "metadata": meta(DEPLOYMENT_ROLE), "rules": [
                rule(fleet, "bundledeployments", &["get", "list", "watch"]),
                rule(fleet, "bundledeployments/status", &["get", "update", "patch"]),
                rule("", "secrets", &["get"]),
                rule("", "configmaps", &["get"]),
            ] }),
        ),
        (
            Kind::of::<ClusterRole>(),
            json!({ "metadata": meta(CONTENT_ROLE), "rules": [rule(fleet, "contents", &["get"])] }),
        ),
    ]
}

fn role_ref(kind: &str, name: &str) -> Value {
    json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name })
}

fn subject(name: &str, namespace: &str) -> Value {
    json!([{ "kind": "ServiceAccount", "name": name, "namespace": namespace }])
}

fn meta(namespace: &str, name: &str) -> Value {
    let mut meta = json!({ "name": name, "labels": { MANAGED: "true" } });
    if !namespace.is_empty() {
        meta["namespace"] = namespace.into();
    }
    meta
}

/// The account of the agent.
pub(crate) fn account(observed: &Observed, cluster: &Known) -> (Kind, Value) {
    let mut meta = meta(&cluster.namespace, &observed.account());
    meta["annotations"] = json!({
        CLUSTER: cluster.name,
        CLUSTER_REGISTRATION: observed.key.name,
        CLUSTER_REGISTRATION_NAMESPACE: observed.key.namespace,
    });
    (Kind::of::<ServiceAccount>(), json!({ "metadata": meta }))
}

/// Everything an agent may do on the hub: with the BundleDeployments of its cluster, by name with the Secrets
/// and ConfigMaps beside them and with Contents, and with the status of its own Cluster.
pub(crate) fn grants(observed: &Observed, cluster: &Known) -> Vec<(Kind, Value)> {
    let (name, namespace) = (&observed.key.name, &observed.key.namespace);
    let subjects = subject(&observed.account(), &cluster.namespace);
    vec![
        (
            Kind::of::<RoleBinding>(),
            json!({ "metadata": meta(&cluster.namespace, name), "subjects": subjects,
                "roleRef": role_ref("ClusterRole", DEPLOYMENT_ROLE) }),
        ),
        (
            Kind::of::<ClusterRoleBinding>(),
            json!({ "metadata": meta("", &safe_concat(&[name.as_str(), "content"])), "subjects": subjects,
                "roleRef": role_ref("ClusterRole", CONTENT_ROLE) }),
        ),
        (
            Kind::of::<Role>(),
            json!({ "metadata": meta(namespace, name), "rules": [{
                "apiGroups": [api::v1alpha1::GROUP], "resources": ["clusters/status"],
                "verbs": ["patch"], "resourceNames": [cluster.name],
            }] }),
        ),
        (
            Kind::of::<RoleBinding>(),
            json!({ "metadata": meta(namespace, name), "subjects": subjects,
                "roleRef": role_ref("Role", name) }),
        ),
    ]
}

/// The answer, and the right of who asked to read it and no other.
pub(crate) fn answer(observed: &Observed, grant: &Grant, token: &str) -> Vec<(Kind, Value)> {
    let namespace = observed.answers();
    let name = registration_secret_name(&observed.client_id, &observed.client_random);
    let data = |text: &str| json!(ByteString(text.as_bytes().to_vec()));
    let mut secret_meta = meta(&namespace, &name);
    secret_meta["labels"][CLUSTER] = grant.cluster.name.as_str().into();
    vec![
        (
            Kind::of::<Secret>(),
            json!({ "metadata": secret_meta, "type": SECRET_TYPE_AGENT_CREDENTIAL, "data": {
                "token": data(token),
                "deploymentNamespace": data(&grant.cluster.namespace),
                "clusterNamespace": data(&observed.key.namespace),
                "clusterName": data(&grant.cluster.name),
                "systemNamespace": data(&observed.system_namespace),
            } }),
        ),
        (
            Kind::of::<Role>(),
            json!({ "metadata": meta(&namespace, &grant.answer_role), "rules": [{
                "apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": [name],
            }] }),
        ),
        (
            Kind::of::<RoleBinding>(),
            json!({ "metadata": meta(&namespace, &grant.answer_role),
                "subjects": subject(&grant.asker, &observed.key.namespace),
                "roleRef": role_ref("Role", &grant.answer_role) }),
        ),
    ]
}

/// The Cluster as the owner of its request.
pub(crate) fn owner(cluster: &Known) -> Value {
    let kind = Kind::of::<Cluster>();
    json!([{ "apiVersion": kind.api_version(), "kind": kind.kind, "name": cluster.name, "uid": cluster.uid }])
}
