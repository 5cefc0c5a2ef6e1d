//! Creating objects.

use serde_json::Value;

use super::{Call, Written, admit, generation, metadata};
use crate::machinery::{self, Operation};
use crate::object;
use crate::status::Status;
use crate::store::{self, ObjectKey};

/// Attempts to find a free generated name.
const GENERATE_ATTEMPTS_MAX: usize = 8;

/// Creates `object`; the call's name is empty or, for an apply that creates, the path's.
///
/// # Errors
/// As the API server: bad metadata, a missing or terminating namespace, an invalid object, a taken
/// name.
pub(crate) fn create(call: &mut Call, object: Value) -> Result<Written, Status> {
    let generated =
        object::name(&object).is_empty() && !object::meta_str(&object, "generateName").is_empty();
    if !generated {
        return create_once(call, object);
    }
    let base = object::meta_str(&object, "generateName").to_owned();
    for _ in 0..GENERATE_ATTEMPTS_MAX {
        let mut named = object.clone();
        let name = metadata::generate_name(&base);
        object::metadata_mut(&mut named).insert("name".to_owned(), name.into());
        match create_once(call, named) {
            Err(status) if status.reason == "AlreadyExists" => {}
            done => return done,
        }
    }
    let mut status = Status::already_exists(&call.resource.group_resource, &base);
    status
        .message
        .push_str(", the server was not able to generate a unique name for the object");
    Err(status)
}

fn create_once(call: &mut Call, object: Value) -> Result<Written, Status> {
    call.cluster.check_namespace(call, object::name(&object))?;
    if !object::meta_str(&object, "resourceVersion").is_empty() {
        return Err(Status::new(
            http::StatusCode::INTERNAL_SERVER_ERROR,
            "",
            "resourceVersion should not be set on objects to be created",
        ));
    }
    complete_new(call, object, Operation::Update)
}

/// Completes, admits and stores a new object that is in its namespace.
fn complete_new(
    call: &mut Call,
    mut object: Value,
    operation: Operation,
) -> Result<Written, Status> {
    let now = call.now();
    metadata::fill_new(&mut object, &crate::cluster::new_uid(), &now);
    if call.resource.has_status() && !machinery::keeps_status_on_create(&call.resource) {
        object::as_object_mut(&mut object).remove("status");
    }
    generation::start(&call.resource, &mut object);
    admit(call, &mut object, None)?;
    let errors = metadata::validate(&call.resource, &object);
    if !errors.is_empty() {
        return Err(call.invalid(object::name(&object), &errors));
    }
    machinery::record_owner(call, None, &mut object, operation);
    store_new(call, object)
}

/// Stores an object that is complete.
pub(super) fn store_new(call: &mut Call, mut object: Value) -> Result<Written, Status> {
    let name = object::name(&object).to_owned();
    let key = ObjectKey::new(object::namespace(&object), &name);
    let draft = call.encode(&object)?;
    let (store, resource) = (&call.cluster.store, &call.resource);
    let to_status = |error: store::Error| {
        let mut status = Status::of_store(&error, &resource.group_resource, &name);
        let key = ObjectKey::new(object::namespace(&object), &name);
        let known = store.get(call.cluster.id, &resource.bucket, &key);
        if matches!(error, store::Error::Exists) && known.is_some_and(|known| known.meta.deleting) {
            status.message = format!("object is being deleted: {}", status.message);
        }
        status
    };
    if call.options.dry_run {
        if store.get(call.cluster.id, &resource.bucket, &key).is_some() {
            return Err(to_status(store::Error::Exists));
        }
        return Ok(Written {
            object,
            entry: None,
            created: true,
        });
    }
    let entry = store
        .create(call.cluster.id, &resource.bucket, key, draft)
        .map_err(to_status)?;
    object::metadata_mut(&mut object).insert(
        "resourceVersion".to_owned(),
        entry.revision.to_string().into(),
    );
    Ok(Written {
        object,
        entry: Some(entry),
        created: true,
    })
}

/// Creates the object that a server-side apply describes.
pub(super) fn apply_new(call: &mut Call, config: &Value) -> Result<Written, Status> {
    let mut object = machinery::apply(call, None, config)?;
    if object::name(&object).is_empty() {
        return Err(Status::bad_request(format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            call.name
        )));
    }
    metadata::match_namespace(&mut object, &call.namespace)?;
    call.cluster.check_namespace(call, &call.name.clone())?;
    complete_new(call, object, Operation::Apply)
}
