//! Replacing, patching and applying: read, change, check, compare and swap, again on conflict.
//!
//! Source: apiserver `pkg/registry/generic/registry/store.go` (`Update`) and
//! `pkg/endpoints/handlers/{update,patch}.go`.

use std::sync::Arc;

use apimachinery::field::{FieldError, Path};
use serde_json::Value;

use super::{Call, Written, admit, create, generation, metadata};
use crate::machinery::{self, Operation, PatchKind};
use crate::object;
use crate::registry::Resource;
use crate::status::Status;
use crate::store::{self, Entry};

/// Rounds of compare and swap before a patch gives up, as the API server's.
const ATTEMPTS_MAX: usize = 5;

/// A change to an object.
pub(crate) enum Edit<'a> {
    /// A whole new object (PUT).
    Replace(Value),
    /// A JSON, merge or strategic merge patch, decoded.
    Patch(PatchKind, Value),
    /// A server-side apply configuration.
    Apply(Value),
    /// A change made by the server itself; `false` leaves the object as it is.
    Modify(&'a mut dyn FnMut(&mut Value) -> bool),
}

impl Edit<'_> {
    fn operation(&self) -> Operation {
        if matches!(self, Self::Apply(_)) {
            Operation::Apply
        } else {
            Operation::Update
        }
    }
}

/// Applies `edit` to the object named by the call.
///
/// # Errors
/// As the API server; see the module's text.
pub(crate) fn update(call: &mut Call, mut edit: Edit<'_>) -> Result<Written, Status> {
    for _ in 0..ATTEMPTS_MAX {
        let Ok(entry) = call.entry() else {
            return create_missing(call, edit);
        };
        if let Some(written) = attempt(call, &entry, &mut edit)? {
            return Ok(written);
        }
    }
    Err(Status::modified(&call.resource.group_resource, &call.name))
}

/// Changes the status of the object named by the call without decoding its large parts, which a
/// status write cannot change. For the server's own writes on kinds whose checks do not look at
/// status.
///
/// # Errors
/// `NotFound`, `Conflict` after too many rounds.
pub(crate) fn update_own_status(
    call: &mut Call,
    modify: &mut dyn FnMut(&mut Value) -> bool,
) -> Result<(), Status> {
    let resource = Arc::clone(&call.resource);
    for _ in 0..ATTEMPTS_MAX {
        let entry = call.entry()?;
        let old = entry
            .payload
            .decode_own(&resource.kind, &resource.api_version, entry.revision)
            .map_err(|error| Status::internal(&format!("cannot decode stored object: {error}")))?;
        let mut new = old.clone();
        if !modify(&mut new) {
            return Ok(());
        }
        metadata::carry_over(&mut new, &old);
        machinery::record_owner(call, Some(&old), &mut new, Operation::Update);
        let mut draft = call.encode(&new)?;
        draft.payload = draft.payload.with_shared_of(&entry.payload);
        let (cluster, bucket) = (&call.cluster, &resource.bucket);
        match cluster
            .store
            .update(cluster.id, bucket, &entry.key, entry.revision, draft)
        {
            Err(store::Error::Conflict { .. }) => {}
            done => {
                let gr = &resource.group_resource;
                return done
                    .map(|_| ())
                    .map_err(|e| Status::of_store(&e, gr, &call.name));
            }
        }
    }
    Err(Status::modified(&resource.group_resource, &call.name))
}

/// One round; `None` asks for another because the object moved meanwhile.
fn attempt(
    call: &mut Call,
    entry: &Arc<Entry>,
    edit: &mut Edit<'_>,
) -> Result<Option<Written>, Status> {
    let old = call.decode(entry)?;
    let Some(mut new) = edited(call, &old, edit)? else {
        return Ok(Some(Written {
            object: old,
            entry: Some(Arc::clone(entry)),
            created: false,
        }));
    };
    if matches!(edit, Edit::Patch(..)) {
        check_place(call, &new)?;
    }
    let pinned = check_preconditions(call, entry, &old, &new, edit)?;
    let completed = complete(call, &mut new, &old, edit.operation());
    completed.map_err(|status| match edit {
        Edit::Patch(..) => unfit(call, &new, status),
        _ => status,
    })?;
    if object::is_deleting(&new) && object::finalizers(&new).is_empty() && is_finished(call, &new) {
        return finish_deletion(call, entry, new, pinned);
    }
    let draft = call.encode(&new)?;
    if call.options.dry_run {
        return Ok(Some(Written {
            object: new,
            entry: None,
            created: false,
        }));
    }
    if machinery::only_times_differ(&new, &old) {
        return Ok(Some(Written {
            object: old,
            entry: Some(Arc::clone(entry)),
            created: false,
        }));
    }
    let (cluster, bucket) = (&call.cluster, &call.resource.bucket);
    match cluster
        .store
        .update(cluster.id, bucket, &entry.key, entry.revision, draft)
    {
        Ok(entry) => {
            set_revision(&mut new, entry.revision);
            Ok(Some(Written {
                object: new,
                entry: Some(entry),
                created: false,
            }))
        }
        Err(store::Error::Conflict { .. } | store::Error::NotFound) if !pinned => Ok(None),
        Err(error) => Err(Status::of_store(
            &error,
            &call.resource.group_resource,
            &call.name,
        )),
    }
}

/// Refuses a patch that gives the object another name or namespace.
fn check_place(call: &Call, new: &Value) -> Result<(), Status> {
    let name = object::name(new);
    if name.is_empty() {
        return Err(Status::bad_request(format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            call.name
        )));
    }
    if name != call.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            call.name
        )));
    }
    let namespace = object::namespace(new);
    if !namespace.is_empty() && namespace != call.namespace {
        return Err(Status::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    Ok(())
}

/// A patch whose result cannot be decoded is a wrong patch, not a wrong body.
fn unfit(call: &Call, new: &Value, status: Status) -> Status {
    if status.code != http::StatusCode::BAD_REQUEST {
        return status;
    }
    let decoder = format!("cannot be handled as a {}: ", call.resource.kind);
    let why = match status.message.split_once(&decoder) {
        Some((_, why)) => why.to_owned(),
        None => status.message,
    };
    let error = FieldError::invalid(&Path::new("patch"), new.to_string(), why);
    Status::invalid("", "", "", &[error])
}

fn set_revision(object: &mut Value, revision: u64) {
    object::metadata_mut(object).insert("resourceVersion".to_owned(), revision.to_string().into());
}

/// The object with the edit made; `None` if a server's own edit changes nothing.
fn edited(call: &mut Call, old: &Value, edit: &mut Edit<'_>) -> Result<Option<Value>, Status> {
    Ok(match edit {
        Edit::Replace(new) => Some(new.clone()),
        Edit::Patch(kind, patch) => Some(machinery::patch(call, *kind, old, patch)?),
        Edit::Apply(config) => Some(machinery::apply(call, Some(old), config)?),
        Edit::Modify(modify) => {
            let mut new = old.clone();
            modify(&mut new).then_some(new)
        }
    })
}

/// Checks name, uid and resourceVersion of the new object; returns whether the caller insists on
/// the revision, so that a conflict must not be retried.
fn check_preconditions(
    call: &Call,
    entry: &Entry,
    old: &Value,
    new: &Value,
    edit: &Edit<'_>,
) -> Result<bool, Status> {
    let resource = &call.resource;
    let given_uid = object::uid(new);
    if !given_uid.is_empty() && given_uid != object::uid(old) {
        let why = format!(
            "Precondition failed: UID in precondition: {given_uid}, UID in object meta: {}",
            object::uid(old)
        );
        return Err(Status::conflict(&resource.group_resource, &call.name, &why));
    }
    let given = object::meta_str(new, "resourceVersion");
    if given.is_empty() {
        if matches!(edit, Edit::Replace(_)) && !allows_unconditional_update(resource) {
            let error = FieldError::invalid(
                &Path::new("metadata").child("resourceVersion"),
                0,
                "must be specified for an update",
            );
            // Quirk: here a real server names the resource, not the kind.
            let (group, plural) = (&resource.group, &resource.plural);
            return Err(Status::invalid(group, plural, &call.name, &[error]));
        }
        return Ok(false);
    }
    if given != entry.revision.to_string() {
        if given.parse::<u64>().is_err() {
            let error = FieldError::invalid(
                &Path::new("metadata").child("resourceVersion"),
                given,
                "strconv.ParseUint: parsing: invalid syntax",
            );
            return Err(call.invalid(&call.name, &[error]));
        }
        return Err(Status::modified(&resource.group_resource, &call.name));
    }
    Ok(matches!(edit, Edit::Replace(_)))
}

/// Custom resources and a few built-in kinds must name the revision they replace.
fn allows_unconditional_update(resource: &Resource) -> bool {
    resource.custom.is_none()
        && !matches!(
            resource.plural.as_str(),
            "apiservices"
                | "csidrivers"
                | "csinodes"
                | "csistoragecapacities"
                | "customresourcedefinitions"
                | "leases"
                | "mutatingadmissionpolicies"
                | "mutatingadmissionpolicybindings"
                | "mutatingwebhookconfigurations"
                | "poddisruptionbudgets"
                | "runtimeclasses"
                | "validatingadmissionpolicies"
                | "validatingadmissionpolicybindings"
                | "validatingwebhookconfigurations"
                | "volumeattachments"
        )
}

/// Everything between the edited object and the one to store.
fn complete(
    call: &mut Call,
    new: &mut Value,
    old: &Value,
    operation: Operation,
) -> Result<(), Status> {
    let type_meta = [
        ("kind", call.resource.kind.clone()),
        ("apiVersion", call.resource.api_version.clone()),
    ];
    let fields = object::as_object_mut(new);
    for (field, value) in type_meta {
        let given = fields.insert(field.to_owned(), value.clone().into());
        let other = given
            .as_ref()
            .and_then(Value::as_str)
            .filter(|given| *given != value);
        if let Some(other) = other {
            return Err(Status::bad_request(format!(
                "the {field} in the data ({other}) does not match the expected {field} ({value})"
            )));
        }
    }
    metadata::carry_over(new, old);
    separate_status(call, new, old);
    admit(call, new, Some(old))?;
    machinery::record_owner(call, Some(old), new, operation);
    let mut errors = metadata::validate(&call.resource, new);
    errors.extend(metadata::validate_update(new, old));
    if !errors.is_empty() {
        return Err(call.invalid(&call.name, &errors));
    }
    if !writes_status(&call.subresource) {
        generation::advance(&call.resource, new, old);
    }
    Ok(())
}

/// Paths that write status and nothing else; approvals of certificates are conditions.
fn writes_status(subresource: &str) -> bool {
    matches!(subresource, "status" | "approval")
}

/// Keeps what this path may not write: status on the main path, all else on `status`.
fn separate_status(call: &Call, new: &mut Value, old: &Value) {
    if !call.resource.has_status() {
        return;
    }
    if writes_status(&call.subresource) {
        restore(new, old);
        if call.resource.custom.is_some() {
            // Built-in strategies let a status write change metadata, those of CRDs do not.
            let managed = new
                .get("metadata")
                .and_then(|meta| meta.get("managedFields"))
                .cloned();
            let meta = old.get("metadata").cloned().unwrap_or_default();
            object::as_object_mut(new).insert("metadata".to_owned(), meta);
            let meta = object::metadata_mut(new);
            match managed {
                Some(managed) => meta.insert("managedFields".to_owned(), managed),
                None => meta.remove("managedFields"),
            };
        }
    } else {
        let fields = object::as_object_mut(new);
        match old.get("status") {
            Some(status) => fields.insert("status".to_owned(), status.clone()),
            None => fields.remove("status"),
        };
    }
}

/// Puts everything but status and metadata back to what it was. Specs can be large, and a status
/// write rarely brings another one: compare, and copy only what differs.
fn restore(new: &mut Value, old: &Value) {
    let Some(before) = old.as_object() else {
        return;
    };
    let kept = |field: &str| field == "status" || field == "metadata";
    let fields = object::as_object_mut(new);
    fields.retain(|field, _| kept(field) || before.contains_key(field));
    for (field, value) in before.iter().filter(|(field, _)| !kept(field)) {
        if fields.get(field) != Some(value) {
            fields.insert(field.clone(), value.clone());
        }
    }
}

/// Whether a deletion that waited for finalizers may end: namespaces also wait for
/// `spec.finalizers`, pods for their grace period.
fn is_finished(call: &Call, object: &Value) -> bool {
    match call.resource.bucket.as_str() {
        "namespaces" => object::strings_at(object, &["spec", "finalizers"]).is_empty(),
        "pods" => {
            object::at(object, &["metadata", "deletionGracePeriodSeconds"])
                .and_then(Value::as_i64)
                .unwrap_or(0)
                == 0
        }
        _ => true,
    }
}

fn finish_deletion(
    call: &Call,
    entry: &Entry,
    mut new: Value,
    pinned: bool,
) -> Result<Option<Written>, Status> {
    if call.options.dry_run {
        return Ok(Some(Written {
            object: new,
            entry: None,
            created: false,
        }));
    }
    let (cluster, bucket) = (&call.cluster, &call.resource.bucket);
    match cluster
        .store
        .delete(cluster.id, bucket, &entry.key, entry.revision)
    {
        Ok(entry) => {
            set_revision(&mut new, entry.revision);
            Ok(Some(Written {
                object: new,
                entry: Some(entry),
                created: false,
            }))
        }
        Err(store::Error::Conflict { .. }) if !pinned => Ok(None),
        Err(error) => Err(Status::of_store(
            &error,
            &call.resource.group_resource,
            &call.name,
        )),
    }
}

/// An edit of an object that does not exist: an apply creates it, some kinds are created by PUT.
fn create_missing(call: &mut Call, edit: Edit<'_>) -> Result<Written, Status> {
    let missing = Status::not_found(&call.resource.group_resource, &call.name);
    if !call.subresource.is_empty() {
        return Err(missing);
    }
    match edit {
        Edit::Apply(config) => {
            let given = object::meta_str(&config, "resourceVersion");
            if !given.is_empty() {
                return Err(Status::modified(&call.resource.group_resource, &call.name));
            }
            create::apply_new(call, &config)
        }
        Edit::Replace(object) if allows_create_on_update(&call.resource) => {
            create::create(call, object)
        }
        _ => Err(missing),
    }
}

/// Kinds that a PUT creates. Source: `AllowCreateOnUpdate` of the strategies.
fn allows_create_on_update(resource: &Resource) -> bool {
    matches!(
        resource.bucket.as_str(),
        "endpoints"
            | "events"
            | "limitranges"
            | "services"
            | "runtimeclasses.node.k8s.io"
            | "leases.coordination.k8s.io"
            | "roles.rbac.authorization.k8s.io"
            | "clusterroles.rbac.authorization.k8s.io"
            | "rolebindings.rbac.authorization.k8s.io"
            | "clusterrolebindings.rbac.authorization.k8s.io"
    )
}
