//! One logical cluster: its part of the store, its kinds, its users.

use std::sync::Arc;

use tokio::sync::watch as signal;

use crate::auth::rbac::Rbac;
use crate::auth::{User, token};
use crate::metrics::Metrics;
use crate::object;
use crate::registry::{CrdCache, Registry};
use crate::rest::Call;
use crate::status::Status;
use crate::store::{ClusterId, GroupResource, ObjectKey, Store};

/// Where time comes from.
pub type Clock = Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;

/// What all logical clusters of a process share.
pub(crate) struct Shared {
    pub(crate) store: Arc<Store>,
    pub(crate) crds: Arc<CrdCache>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    /// PEM of the certificate authority, as published in `kube-root-ca.crt`.
    pub(crate) ca_pem: String,
    /// `host:port` once the TLS port is open.
    pub(crate) address: std::sync::OnceLock<String>,
}

/// A logical cluster.
pub(crate) struct ClusterState {
    pub(crate) id: ClusterId,
    pub(crate) name: String,
    pub(crate) store: Arc<Store>,
    pub(crate) registry: Registry,
    pub(crate) rbac: Rbac,
    pub(crate) metrics: Arc<Metrics>,
    /// Whether requests fail as if nobody listened.
    pub(crate) down: signal::Sender<bool>,
    pub(crate) shared: Arc<Shared>,
    secret: Vec<u8>,
    admin_token: String,
}

impl ClusterState {
    pub(crate) fn new(shared: &Arc<Shared>, id: ClusterId, name: &str, secret: Vec<u8>) -> Self {
        let store = Arc::clone(&shared.store);
        Self {
            id,
            name: name.to_owned(),
            registry: Registry::new(id, Arc::clone(&store), Arc::clone(&shared.crds)),
            rbac: Rbac::new(id, Arc::clone(&store)),
            store,
            metrics: Arc::clone(&shared.metrics),
            down: signal::Sender::new(false),
            shared: Arc::clone(shared),
            admin_token: token::admin(&secret),
            secret,
        }
    }

    /// The time.
    pub(crate) fn now(&self) -> jiff::Timestamp {
        (self.shared.clock)()
    }

    /// The time as objects show it: RFC 3339, whole seconds.
    pub(crate) fn now_text(&self) -> String {
        text_of(self.now())
    }

    /// `host:port` of the TLS port, empty while it is closed.
    pub(crate) fn address(&self) -> String {
        self.shared.address.get().cloned().unwrap_or_default()
    }

    /// The administrator's bearer token.
    pub(crate) fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// Signs a service account's token.
    pub(crate) fn sign(&self, claims: &token::Claims) -> Result<String, Status> {
        token::sign(&self.secret, claims)
            .map_err(|error| Status::internal(&format!("cannot sign a token: {error}")))
    }

    /// The claims of a token of this cluster, whatever became of its service account.
    pub(crate) fn verify(&self, text: &str) -> Option<token::Claims> {
        token::verify(&self.secret, text, self.now().as_second())
    }

    /// The user a bearer token belongs to: the administrator, or a service account that still
    /// exists, together with the secret and the pod the token is bound to.
    pub(crate) fn authenticate(&self, text: &str) -> Option<User> {
        if token::equal(text.as_bytes(), self.admin_token.as_bytes()) {
            return Some(User::admin());
        }
        let bound = self.verify(text)?.kubernetes;
        let lives = |plural: &str, reference: &token::Reference| {
            let key = ObjectKey::new(&bound.namespace, &reference.name);
            let bucket = GroupResource::new("", plural);
            self.store
                .get(self.id, &bucket, &key)
                .is_some_and(|entry| *entry.meta.uid == *reference.uid && !entry.meta.deleting)
        };
        let account = &bound.serviceaccount;
        let valid = lives("serviceaccounts", account)
            && bound
                .secret
                .as_ref()
                .is_none_or(|secret| lives("secrets", secret))
            && bound.pod.as_ref().is_none_or(|pod| lives("pods", pod));
        valid.then(|| User::service_account(&bound.namespace, &account.name, &account.uid))
    }

    /// Refuses to create objects in namespaces that do not exist or are being deleted.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden`. Source: the NamespaceLifecycle admission plugin.
    pub(crate) fn check_namespace(&self, call: &Call, name: &str) -> Result<(), Status> {
        if !call.resource.namespaced {
            return Ok(());
        }
        let bucket = GroupResource::new("", "namespaces");
        let key = ObjectKey::new("", &call.namespace);
        let Some(entry) = self.store.get(self.id, &bucket, &key) else {
            return Err(Status::not_found(&bucket, &call.namespace));
        };
        if !entry.meta.deleting {
            return Ok(());
        }
        let why = format!(
            "unable to create new content in namespace {} because it is being terminated",
            call.namespace
        );
        let mut status = Status::forbidden(&call.resource.group_resource, name, &why);
        status.details["causes"] = serde_json::json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {} is being terminated", call.namespace),
            "field": "metadata.namespace"}]);
        Err(status)
    }
}

/// A fresh uid.
pub(crate) fn new_uid() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// RFC 3339 in UTC with whole seconds, as `metav1.Time` is written.
pub(crate) fn text_of(time: jiff::Timestamp) -> String {
    let seconds = jiff::Timestamp::from_second(time.as_second()).unwrap_or(time);
    seconds.to_string()
}

/// The uid in an object's metadata, for claims and references.
pub(crate) fn reference(object: &serde_json::Value) -> token::Reference {
    token::Reference {
        name: object::name(object).to_owned(),
        uid: object::uid(object).to_owned(),
    }
}
