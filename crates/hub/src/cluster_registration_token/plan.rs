//! What a ClusterRegistrationToken needs. Pure.

use api::config::Config;
use api::labels::{MANAGED, SECRET_TYPE_REGISTRATION_VALUES};
use api::names::{safe_concat, system_registration_namespace};
use api::v1alpha1::{ClusterRegistrationToken, ClusterRegistrationTokenStatus};
use apiclient::{Kind, ObjectKey};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use serde_json::{Value, json};

/// Where agents are unless somebody says otherwise.
const SYSTEM_NAMESPACE: &str = "cattle-fleet-system";

/// A token as far as its controller is concerned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Observed {
    pub(crate) key: ObjectKey,
    pub(crate) uid: String,
    pub(crate) created: Option<Timestamp>,
    pub(crate) is_deleting: bool,
    /// How long it is valid; `None` for ever.
    pub(crate) ttl: Option<SignedDuration>,
    /// Tokens that are valid for ever are not wanted.
    pub(crate) ttl_required: bool,
    pub(crate) status: ClusterRegistrationTokenStatus,
    /// Of the hub, as agents reach it.
    pub(crate) server: String,
    pub(crate) ca_pem: String,
    pub(crate) system_namespace: String,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    Nothing,
    Delete { why: &'static str },
    Provide { expires: Option<Timestamp> },
}

impl Observed {
    pub(crate) fn of(
        token: &ClusterRegistrationToken,
        config: &Config,
        system_namespace: &str,
        ttl_required: bool,
    ) -> Self {
        let meta = &token.metadata;
        let ttl = token.spec.ttl.as_ref().and_then(|ttl| ttl.to_std().ok());
        let ttl = ttl.filter(|ttl| !ttl.is_zero());
        let ca = config.api_server_ca.clone().unwrap_or_default();
        Self {
            key: crate::index::key_of(token),
            uid: meta.uid.clone().unwrap_or_default(),
            created: meta.creation_timestamp.as_ref().map(|time| time.0),
            is_deleting: meta.deletion_timestamp.is_some(),
            ttl: ttl.and_then(|ttl| SignedDuration::try_from(ttl).ok()),
            ttl_required,
            status: token.status.clone(),
            server: config.api_server_url.clone(),
            ca_pem: String::from_utf8_lossy(&ca.0).into_owned(),
            system_namespace: system_namespace.to_owned(),
        }
    }
}

/// Decides.
pub(crate) fn plan(observed: &Observed, now: Timestamp) -> Plan {
    if observed.is_deleting {
        return Plan::Nothing;
    }
    if observed.ttl_required && observed.ttl.is_none() {
        let why = "has no time to live, which is required";
        return Plan::Delete { why };
    }
    let expires = observed
        .created
        .zip(observed.ttl)
        .map(|(created, ttl)| created.saturating_add(ttl).unwrap_or(Timestamp::MAX));
    match expires {
        Some(expires) if expires <= now => Plan::Delete { why: "has expired" },
        expires => Plan::Provide { expires },
    }
}

/// The account of a token.
pub(crate) fn account(token: &str, uid: &str) -> String {
    safe_concat(&[token, uid])
}

fn meta(namespace: &str, name: &str) -> Value {
    json!({ "name": name, "namespace": namespace, "labels": { MANAGED: "true" } })
}

/// The account, and the Secret in which Kubernetes puts its token.
pub(crate) fn account_objects(observed: &Observed) -> [(Kind, Value); 2] {
    let account = account(&observed.key.name, &observed.uid);
    let namespace = &observed.key.namespace;
    [
        (
            Kind::of::<ServiceAccount>(),
            json!({ "metadata": meta(namespace, &account) }),
        ),
        (Kind::of::<Secret>(), token_secret(namespace, &account)),
    ]
}

/// The Secret in which Kubernetes puts the token of an account.
pub(crate) fn token_secret(namespace: &str, account: &str) -> Value {
    let mut meta = meta(namespace, &format!("{account}-token"));
    meta["annotations"] = json!({ "kubernetes.io/service-account.name": account });
    json!({ "metadata": meta, "type": "kubernetes.io/service-account-token" })
}

/// The right to ask for registration, and what an agent is installed with.
pub(crate) fn objects(
    observed: &Observed,
    token: &str,
) -> Result<[(Kind, Value); 3], goyaml::WriteError> {
    let namespace = &observed.key.namespace;
    let account = account(&observed.key.name, &observed.uid);
    let role = safe_concat(&[account.as_str(), "role"]);
    let rules = json!([{
        "apiGroups": [api::v1alpha1::GROUP], "resources": ["clusterregistrations"], "verbs": ["create"],
    }]);
    let secret_meta = meta(namespace, &observed.key.name);
    let values = goyaml::to_yaml(&values(observed, token))?;
    Ok([
        (
            Kind::of::<Role>(),
            json!({ "metadata": meta(namespace, &role), "rules": rules }),
        ),
        (
            Kind::of::<RoleBinding>(),
            json!({
                "metadata": meta(namespace, &safe_concat(&[account.as_str(), "to", "role"])),
                "subjects": [{ "kind": "ServiceAccount", "name": account, "namespace": namespace }],
                "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role },
            }),
        ),
        (
            Kind::of::<Secret>(),
            json!({
                "metadata": secret_meta, "type": SECRET_TYPE_REGISTRATION_VALUES,
                "data": { "values": ByteString(values.into_bytes()) },
            }),
        ),
    ])
}

/// What an agent is installed with: values of upstream's chart `fleet-agent`.
fn values(observed: &Observed, token: &str) -> Value {
    let mut values = json!({
        "apiServerURL": observed.server,
        "apiServerCA": observed.ca_pem,
        "clusterNamespace": observed.key.namespace,
        "systemRegistrationNamespace": system_registration_namespace(&observed.system_namespace),
        "token": token,
        "tokenName": observed.key.name,
    });
    if observed.system_namespace != SYSTEM_NAMESPACE {
        values["internal"] = json!({ "systemNamespace": observed.system_namespace });
    }
    values
}
