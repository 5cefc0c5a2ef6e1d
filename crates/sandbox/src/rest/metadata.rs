//! The rules of `metadata`, the same for every kind.
//!
//! Source: apiserver `pkg/registry/rest/{create,update}.go`, `meta.go` and apimachinery
//! `pkg/api/validation/objectmeta.go`.

use apimachinery::field::{FieldError, Path};
use apimachinery::names;
use rand::RngExt;
use serde_json::Value;

use crate::object;
use crate::registry::Resource;
use crate::status::Status;

/// Annotations of one object, keys and values together.
const ANNOTATIONS_BYTES_MAX: usize = 256 << 10;
/// Longest base of a generated name; five characters follow.
const GENERATE_BASE_BYTES_MAX: usize = 58;
/// Characters of generated suffixes: no vowels, no digits that look like letters.
const SUFFIX_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Sets the object's namespace from the path, or refuses another one.
pub(crate) fn match_namespace(object: &mut Value, namespace: &str) -> Result<(), Status> {
    let given = object::namespace(object);
    if given.is_empty() {
        if !namespace.is_empty() {
            object::metadata_mut(object).insert("namespace".to_owned(), namespace.into());
        }
        return Ok(());
    }
    if given == namespace {
        return Ok(());
    }
    if namespace.is_empty() {
        // Cluster-scoped kinds: the field does not exist there.
        return Err(Status::bad_request(
            "namespace may not be set on cluster-scoped objects",
        ));
    }
    Err(Status::bad_request(
        "the namespace of the provided object does not match the namespace sent on the request",
    ))
}

/// A name for `generateName`: the base cut to fit and five random characters.
pub(crate) fn generate_name(base: &str) -> String {
    let mut end = base.len().min(GENERATE_BASE_BYTES_MAX);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    let mut name = base[..end].to_owned();
    let mut random = rand::rng();
    for _ in 0..5 {
        name.push(char::from(
            SUFFIX_ALPHABET[random.random_range(0..SUFFIX_ALPHABET.len())],
        ));
    }
    name
}

/// Fills what the server sets on a new object and drops what a client may not set.
pub(crate) fn fill_new(object: &mut Value, uid: &str, now: &str) {
    let meta = object::metadata_mut(object);
    // Quirk: a generation that a client gives stays, for kinds that do not count their own.
    for field in [
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
    ] {
        meta.remove(field);
    }
    meta.insert("uid".to_owned(), uid.into());
    meta.insert("creationTimestamp".to_owned(), now.into());
    drop_empty(object);
}

/// Carries over what only the server changes, as `rest.BeforeUpdate` does.
pub(crate) fn carry_over(new: &mut Value, old: &Value) {
    let kept: Vec<(&str, Option<Value>)> = [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ]
    .into_iter()
    .map(|field| {
        (
            field,
            old.get("metadata").and_then(|m| m.get(field)).cloned(),
        )
    })
    .collect();
    let generation = old
        .get("metadata")
        .and_then(|meta| meta.get("generation"))
        .cloned();
    let meta = object::metadata_mut(new);
    meta.remove("selfLink");
    // What a client says about the time of creation is not even compared.
    meta.remove("creationTimestamp");
    for (field, value) in kept {
        let unset = meta
            .get(field)
            .is_none_or(|v| v.is_null() || v.as_str() == Some(""));
        match value {
            Some(value) if unset => {
                meta.insert(field.to_owned(), value);
            }
            None if unset => {
                meta.remove(field);
            }
            _ => {}
        }
    }
    match generation {
        Some(generation) => meta.insert("generation".to_owned(), generation),
        None => meta.remove("generation"),
    };
    drop_empty(new);
}

/// Drops null and empty members of metadata, as Go's `omitempty` does.
fn drop_empty(object: &mut Value) {
    object::metadata_mut(object).retain(|_, value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    });
}

/// Checks the metadata of any object.
pub(crate) fn validate(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let at = Path::new("metadata");
    let mut errors = Vec::new();
    let generate = object::meta_str(object, "generateName");
    if !generate.is_empty() {
        for why in check_name(resource, &format!("{}a", generate.trim_end_matches('-'))) {
            errors.push(FieldError::invalid(
                &at.child("generateName"),
                generate,
                why,
            ));
        }
    }
    let name = object::name(object);
    if name.is_empty() {
        errors.push(FieldError::required(
            &at.child("name"),
            "name or generateName is required",
        ));
    } else {
        for why in check_name(resource, name) {
            errors.push(FieldError::invalid(&at.child("name"), name, why));
        }
    }
    let namespace = object::namespace(object);
    if resource.namespaced && !namespace.is_empty() {
        for why in names::check_dns_label(namespace) {
            errors.push(FieldError::invalid(&at.child("namespace"), namespace, why));
        }
    }
    check_types(object, &at, &mut errors);
    check_labels(object, &at, &mut errors);
    check_annotations(object, &at, &mut errors);
    check_owners(object, &at, &mut errors);
    check_finalizers(resource, object, &at, &mut errors);
    errors
}

/// Finalizers that built-in kinds may have without a domain.
const STANDARD_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];

fn check_finalizers(resource: &Resource, object: &Value, at: &Path, errors: &mut Vec<FieldError>) {
    let at = at.child("finalizers");
    let finalizers = object::finalizers(object);
    for finalizer in &finalizers {
        for why in names::check_label_key(finalizer) {
            errors.push(FieldError::invalid(&at, *finalizer, why));
        }
    }
    if finalizers.contains(&"orphan") && finalizers.contains(&"foregroundDeletion") {
        let why = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.push(FieldError::invalid(&at, finalizers.clone(), why));
    }
    // Servers beside the main one do not ask for a domain.
    let beside = ["apiextensions.k8s.io", "apiregistration.k8s.io"];
    if resource.custom.is_some() || beside.contains(&resource.group.as_str()) {
        return;
    }
    for (index, finalizer) in finalizers.iter().enumerate() {
        if !finalizer.contains('/') && !STANDARD_FINALIZERS.contains(finalizer) {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(&at.index(index), *finalizer, why));
        }
    }
}

fn check_name(resource: &Resource, name: &str) -> Vec<String> {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("rbac.authorization.k8s.io", _) => names::check_path_segment(name),
        ("", "namespaces" | "services") => names::check_dns_label(name),
        _ => {
            let complaints = names::check_dns_subdomain(name).into_iter();
            // Of names a real server counts characters, of everything else bytes.
            let reworded = complaints.map(|why| why.replace("253 bytes", "253 characters"));
            reworded.collect()
        }
    }
}

/// Members of metadata that must be lists or maps.
fn check_types(object: &Value, at: &Path, errors: &mut Vec<FieldError>) {
    let Some(meta) = object::metadata(object) else {
        return;
    };
    for (field, wants_list) in [
        ("labels", false),
        ("annotations", false),
        ("finalizers", true),
        ("ownerReferences", true),
    ] {
        let Some(value) = meta.get(field) else {
            continue;
        };
        if value.is_null() || (wants_list && value.is_array()) || (!wants_list && value.is_object())
        {
            continue;
        }
        let wanted = if wants_list {
            "must be an array"
        } else {
            "must be an object"
        };
        errors.push(FieldError::type_invalid(
            &at.child(field),
            value.clone(),
            wanted,
        ));
    }
}

fn check_labels(object: &Value, at: &Path, errors: &mut Vec<FieldError>) {
    let at = at.child("labels");
    let labels = object::at(object, &["metadata", "labels"]).and_then(Value::as_object);
    for (key, value) in labels.into_iter().flatten() {
        for why in names::check_label_key(key) {
            errors.push(FieldError::invalid(&at, key.as_str(), why));
        }
        match value.as_str() {
            Some(text) => {
                for why in names::check_label_value(text) {
                    errors.push(FieldError::invalid(&at, text, why));
                }
            }
            None => errors.push(FieldError::type_invalid(
                &at.child(key),
                value.clone(),
                "must be a string",
            )),
        }
    }
}

fn check_annotations(object: &Value, at: &Path, errors: &mut Vec<FieldError>) {
    let at = at.child("annotations");
    let annotations = object::at(object, &["metadata", "annotations"]).and_then(Value::as_object);
    let mut bytes = 0;
    for (key, value) in annotations.into_iter().flatten() {
        for why in names::check_label_key(&key.to_lowercase()) {
            errors.push(FieldError::invalid(&at, key.as_str(), why));
        }
        match value.as_str() {
            Some(text) => bytes += key.len() + text.len(),
            None => errors.push(FieldError::type_invalid(
                &at.child(key),
                value.clone(),
                "must be a string",
            )),
        }
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        errors.push(FieldError::too_long(&at, ANNOTATIONS_BYTES_MAX as i64));
    }
}

fn check_owners(object: &Value, at: &Path, errors: &mut Vec<FieldError>) {
    let at = at.child("ownerReferences");
    let owners = object::list_at(object, &["metadata", "ownerReferences"]);
    for owner in owners {
        check_owner(owner, &at, errors);
    }
    let mut controllers = owners
        .iter()
        .filter(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))
        .map(|owner| {
            let text = |field| object::str_at(owner, &[field]);
            format!("{}/{}", text("kind"), text("name"))
        });
    if let (Some(one), Some(other)) = (controllers.next(), controllers.next()) {
        let why = format!(
            "Only one reference can have Controller set to true. Found \"true\" in references for \
             {one} and {other}"
        );
        errors.push(FieldError::invalid(&at, owners.to_vec(), why));
    }
}

fn check_owner(owner: &Value, at: &Path, errors: &mut Vec<FieldError>) {
    let text = |field| object::str_at(owner, &[field]);
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    // A version that cannot be parsed counts as none.
    if api_version.is_empty() || api_version.matches('/').count() > 1 {
        let why = "version must not be empty";
        errors.push(FieldError::invalid(
            &at.child("apiVersion"),
            api_version,
            why,
        ));
    }
    for field in ["kind", "name", "uid"] {
        if text(field).is_empty() {
            let why = "must not be empty";
            errors.push(FieldError::invalid(&at.child(field), "", why));
        }
    }
    if (api_version, kind) == ("v1", "Event") {
        let why = "/v1, Kind=Event is disallowed from being an owner";
        errors.push(FieldError::invalid(at, owner.clone(), why));
    }
}

/// Checks what an update may change in metadata.
pub(crate) fn validate_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let at = Path::new("metadata");
    let mut errors = Vec::new();
    for field in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
    ] {
        let value = object::meta_str(new, field);
        if value != object::meta_str(old, field) {
            errors.push(FieldError::invalid(
                &at.child(field),
                value,
                "field is immutable",
            ));
        }
    }
    let grace = |object| object::at(object, &["metadata", "deletionGracePeriodSeconds"]).cloned();
    if grace(new) != grace(old) {
        let value = grace(new).unwrap_or_default();
        errors.push(FieldError::invalid(
            &at.child("deletionGracePeriodSeconds"),
            value,
            "field is immutable",
        ));
    }
    if object::is_deleting(old) {
        let before = object::finalizers(old);
        let added: Vec<String> = object::finalizers(new)
            .into_iter()
            .filter(|finalizer| !before.contains(finalizer))
            .map(names::quote)
            .collect();
        if !added.is_empty() {
            errors.push(FieldError::forbidden(
                &at.child("finalizers"),
                format!(
                    "no new finalizers can be added if the object is being deleted, found new \
                     finalizers []string{{{}}}",
                    added.join(", ")
                ),
            ));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn generated_names_keep_the_base_and_fit() {
        let name = generate_name("web-");
        assert_eq!(name.len(), 9);
        assert!(name.starts_with("web-"));
        assert_eq!(generate_name(&"x".repeat(100)).len(), 63);
        assert_eq!(generate_name(&"ü".repeat(40)).chars().count(), 29 + 5);
    }

    #[test]
    fn the_time_of_creation_stays_whatever_a_client_says() {
        let old = json!({"metadata": {"name": "a", "uid": "u", "creationTimestamp": "t",
            "generation": 3}});
        let mut new = json!({"metadata": {"name": "a", "labels": {}, "generation": 9}});
        carry_over(&mut new, &old);
        assert_eq!(new, old);
        let mut new = json!({"metadata": {"name": "a", "creationTimestamp": "later"}});
        carry_over(&mut new, &old);
        assert_eq!(new, old);
    }

    #[test]
    fn an_object_being_deleted_takes_no_new_finalizer() {
        let old = json!({"metadata": {"deletionTimestamp": "t", "finalizers": ["a/b"]}});
        let new = json!({"metadata": {"deletionTimestamp": "t", "finalizers": ["a/b", "c/d"]}});
        assert_eq!(
            validate_update(&new, &old)[0].to_string(),
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is \
             being deleted, found new finalizers []string{\"c/d\"}"
        );
        assert!(validate_update(&old, &new).is_empty());
    }
}
