//! The verbs of the API, on decoded values: what happens between HTTP and the store.
//!
//! In: a [`Call`] that has passed authentication and authorization. Out: entries and values, or a
//! [`Status`]. Everything here is synchronous; waiting for disk and watching are `http`'s business.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod generation;
pub(crate) mod local;
pub(crate) mod metadata;
pub(crate) mod scale;
pub(crate) mod select;
mod service;
pub(crate) mod update;
pub(crate) mod versions;

use std::sync::Arc;

use serde_json::Value;

use crate::auth::User;
use crate::cluster::ClusterState;
use crate::object;
use crate::registry::Resource;
use crate::status::Status;
use crate::store::{Draft, Entry, ObjectKey, Payload};

/// How unknown and duplicate fields are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum FieldValidation {
    /// Dropped silently.
    Ignore,
    /// Dropped with a warning header.
    #[default]
    Warn,
    /// Refused.
    Strict,
}

/// The parameters of a write.
#[derive(Debug, Clone, Default)]
pub(crate) struct WriteOptions {
    /// Do everything but store.
    pub(crate) dry_run: bool,
    /// Name under which changed fields are owned; never empty.
    pub(crate) manager: String,
    /// Treatment of unknown fields.
    pub(crate) validation: FieldValidation,
    /// Take fields over from other managers (apply only).
    pub(crate) force: bool,
}

/// One request on one resource.
pub(crate) struct Call {
    /// The logical cluster.
    pub(crate) cluster: Arc<ClusterState>,
    /// The resource.
    pub(crate) resource: Arc<Resource>,
    /// Namespace of the path, empty for cluster scope and for lists over all namespaces.
    pub(crate) namespace: String,
    /// Name of the path, empty for collections.
    pub(crate) name: String,
    /// Subresource of the path, or empty.
    pub(crate) subresource: String,
    /// Who asks.
    pub(crate) user: User,
    /// Parameters of a write.
    pub(crate) options: WriteOptions,
    /// Warnings for the response's headers.
    pub(crate) warnings: Vec<String>,
}

/// What a write did.
pub(crate) struct Written {
    /// The object as the caller's version shows it.
    pub(crate) object: Value,
    /// The stored entry; absent for dry runs.
    pub(crate) entry: Option<Arc<Entry>>,
    /// Whether the object was created.
    pub(crate) created: bool,
}

/// Stored objects larger than this do not fit into an etcd request (`--max-request-bytes`).
pub(crate) const ETCD_REQUEST_BYTES_MAX: usize = 1_572_864;

impl Call {
    /// The key of the object named by the path.
    pub(crate) fn key(&self) -> ObjectKey {
        ObjectKey::new(&self.namespace, &self.name)
    }

    /// The time as `metadata` shows it, whole seconds in UTC.
    pub(crate) fn now(&self) -> String {
        self.cluster.now_text()
    }

    /// The entry named by the path.
    pub(crate) fn entry(&self) -> Result<Arc<Entry>, Status> {
        self.cluster
            .store
            .get(self.cluster.id, &self.resource.bucket, &self.key())
            .ok_or_else(|| Status::not_found(&self.resource.group_resource, &self.name))
    }

    /// An `Invalid` status for an object of this resource.
    pub(crate) fn invalid(&self, name: &str, errors: &[apimachinery::field::FieldError]) -> Status {
        Status::invalid(&self.resource.group, &self.resource.kind, name, errors)
    }

    /// Encodes an object of this call's version for the store.
    pub(crate) fn encode(&self, object: &Value) -> Result<Draft, Status> {
        let draft = if self.resource.serves_stored_bytes() {
            encode(object)?
        } else {
            encode(&versions::to_stored(&self.resource, object))?
        };
        if draft.payload.len() > ETCD_REQUEST_BYTES_MAX {
            return Err(Status::too_large_for_etcd());
        }
        Ok(draft)
    }

    /// Decodes an entry in this call's version.
    pub(crate) fn decode(&self, entry: &Entry) -> Result<Value, Status> {
        decode(&self.resource, entry)
    }
}

fn encode(object: &Value) -> Result<Draft, Status> {
    let payload = Payload::encode(object)
        .map_err(|error| Status::internal(&format!("cannot encode object: {error}")))?;
    Ok(Draft {
        meta: object::extract_meta(object),
        payload,
    })
}

/// Decodes an entry in the version of `resource`.
pub(crate) fn decode(resource: &Resource, entry: &Entry) -> Result<Value, Status> {
    let damaged = |error| Status::internal(&format!("cannot decode stored object: {error}"));
    if resource.serves_stored_bytes() {
        return entry
            .payload
            .decode(&resource.kind, &resource.api_version, entry.revision)
            .map_err(damaged);
    }
    let stored = entry
        .payload
        .decode(&resource.kind, &resource.stored_version, entry.revision)
        .map_err(damaged)?;
    Ok(versions::from_stored(resource, &stored))
}

/// Completes and checks an object on its way to the store.
fn admit(call: &mut Call, new: &mut Value, old: Option<&Value>) -> Result<(), Status> {
    let is_service = call.resource.bucket.as_str() == "services" && call.subresource.is_empty();
    if let Some(old) = old.filter(|_| is_service) {
        service::keep(new, old);
    }
    crate::machinery::admit(call, new, old)?;
    match call.resource.bucket.as_str() {
        _ if is_service => service::allocate(call, new, old),
        _ if call.resource.group == "rbac.authorization.k8s.io" => {
            crate::auth::escalation::check(call, new, old)
        }
        _ => Ok(()),
    }
}
