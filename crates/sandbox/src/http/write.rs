//! Writing: bodies in, objects out.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response, StatusCode};
use serde_json::Value;

use super::body::{self, Body};
use super::decode::{self, Decoded};
use super::negotiate::{Form, JSON};
use super::protobuf;
use super::query::Query;
use super::read;
use crate::machinery::{self, PatchKind};
use crate::object;
use crate::rest::delete::{self, DeleteOptions};
use crate::rest::metadata::match_namespace;
use crate::rest::select::Selection;
use crate::rest::{Call, FieldValidation, WriteOptions, Written, create, scale, update};
use crate::status::Status;
use crate::tables;

const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC_PATCH: &str = "application/strategic-merge-patch+json";
const APPLY_PATCH: &str = "application/apply-patch+yaml";

/// Longest name of a field manager.
const MANAGER_BYTES_MAX: usize = 128;

/// The essence of the body's media type, JSON if none is given.
pub(super) fn media_type(headers: &HeaderMap) -> &str {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .map_or(JSON, str::trim)
}

/// Reads the parameters that all writes share. `kind` names the options in errors.
pub(super) fn options(
    query: &Query,
    headers: &HeaderMap,
    kind: &str,
) -> Result<WriteOptions, Status> {
    let manager = query.get("fieldManager");
    if manager.len() > MANAGER_BYTES_MAX {
        let at = apimachinery::field::Path::new("fieldManager");
        let error = apimachinery::field::FieldError::too_long(&at, MANAGER_BYTES_MAX as i64);
        return Err(Status::invalid("meta.k8s.io", kind, "", &[error]));
    }
    let odd = manager
        .chars()
        .enumerate()
        .find(|(_, char)| char.is_control());
    if let Some((at, char)) = odd {
        let why = format!(
            "invalid character U+{:04X} (at position {at})",
            u32::from(char)
        );
        let path = apimachinery::field::Path::new("fieldManager");
        let error = apimachinery::field::FieldError::invalid(&path, manager, why);
        return Err(Status::invalid("meta.k8s.io", kind, "", &[error]));
    }
    let manager = if manager.is_empty() {
        agent_name(headers)
    } else {
        manager.to_owned()
    };
    Ok(WriteOptions {
        dry_run: query.dry_run(kind)?,
        manager,
        validation: query.field_validation(kind)?,
        force: query.is_set("force"),
    })
}

/// The manager of a client that names none: the first part of its user agent.
fn agent_name(headers: &HeaderMap) -> String {
    let agent = headers
        .get("user-agent")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let name: String = agent
        .split('/')
        .next()
        .unwrap_or_default()
        .chars()
        .take(MANAGER_BYTES_MAX)
        .collect();
    if name.is_empty() {
        "unknown".to_owned()
    } else {
        name
    }
}

/// Decodes a JSON body and reports duplicate fields as the request asked.
fn decode_body(call: &mut Call, bytes: &Bytes) -> Result<Value, Status> {
    let Decoded { value, duplicates } = decode::decode(bytes)
        .map_err(|error| Status::bad_request(format!("error decoding request body: {error}")))?;
    if call.options.validation != FieldValidation::Ignore {
        let findings = duplicates
            .iter()
            .map(|path| format!("duplicate field \"{path}\""));
        machinery::report_unknown(call, findings)?;
    }
    Ok(value)
}

/// Decodes a patch that is no apply configuration.
fn decode_patch(call: &mut Call, kind: PatchKind, bytes: &Bytes) -> Result<Value, Status> {
    if call.options.force {
        let at = apimachinery::field::Path::new("force");
        let why = "may not be specified for non-apply patch";
        let error = apimachinery::field::FieldError::forbidden(&at, why);
        return Err(Status::invalid("meta.k8s.io", "PatchOptions", "", &[error]));
    }
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(bytes)
        && error.is_eof()
    {
        let why = "error decoding patch: unexpected end of JSON input";
        return Err(Status::bad_request(why));
    }
    let patch = decode_body(call, bytes)?;
    let mismatch = match kind {
        PatchKind::Merge if patch.is_array() => ("array", "map[string]interface {}"),
        PatchKind::Json if patch.is_object() => ("object", "[]handlers.jsonPatchOp"),
        _ => return Ok(patch),
    };
    let (found, wanted) = mismatch;
    Err(Status::bad_request(format!(
        "error decoding patch: json: cannot unmarshal {found} into Go value of type {wanted}"
    )))
}

/// Decodes a protobuf body. Kinds that are not understood in that form are a matter of media type.
pub(super) fn decode_protobuf(bytes: &Bytes) -> Result<Value, Status> {
    protobuf::decode(bytes).map_err(|error| match error {
        protobuf::Error::Kind(_) => {
            let mut status = Status::unsupported_media_type(&[JSON, YAML]);
            status.message = format!("{}: {error}", status.message);
            status
        }
        _ => Status::bad_request(format!("error decoding request body: {error}")),
    })
}

/// Decodes a body that is not stored: options, reviews, evictions.
pub(super) fn decode_plain(headers: &HeaderMap, bytes: &Bytes) -> Result<Value, Status> {
    match media_type(headers) {
        JSON => serde_json::from_slice(bytes)
            .map_err(|error| Status::bad_request(format!("error decoding request body: {error}"))),
        YAML => machinery::decode_yaml(bytes),
        PROTOBUF => decode_protobuf(bytes),
        _ => Err(Status::unsupported_media_type(&[JSON, YAML, PROTOBUF])),
    }
}

/// Decodes an object of the call's kind and checks its type.
fn decode_object(call: &mut Call, headers: &HeaderMap, bytes: &Bytes) -> Result<Value, Status> {
    let mut object = match media_type(headers) {
        JSON => decode_body(call, bytes)?,
        YAML => machinery::decode_yaml(bytes)?,
        PROTOBUF => decode_protobuf(bytes)?,
        _ => return Err(Status::unsupported_media_type(&[JSON, YAML, PROTOBUF])),
    };
    if !object.is_object() {
        return Err(Status::bad_request(
            "the body of the request is not an object",
        ));
    }
    check_type(call, &mut object)?;
    match_namespace(&mut object, &call.namespace)?;
    Ok(object)
}

fn check_type(call: &Call, object: &mut Value) -> Result<(), Status> {
    let (wanted_kind, wanted_version) = expected_type(call);
    let kind = object::str_at(object, &["kind"]).to_owned();
    let api_version = object::str_at(object, &["apiVersion"]).to_owned();
    if call.resource.custom.is_some() {
        for (field, value) in [("Kind", &kind), ("apiVersion", &api_version)] {
            if value.is_empty() {
                return Err(Status::bad_request(format!(
                    "Object '{field}' is missing in '{object}'"
                )));
            }
        }
    }
    if !api_version.is_empty() && api_version != wanted_version {
        return Err(Status::bad_request(format!(
            "the API version in the data ({api_version}) does not match the expected API version \
             ({wanted_version})"
        )));
    }
    if !kind.is_empty() && kind != wanted_kind {
        return Err(Status::bad_request(format!(
            "{kind} in version \"{}\" cannot be handled as a {wanted_kind}: the kind in the data \
             ({kind}) does not match the expected kind ({wanted_kind})",
            call.resource.version
        )));
    }
    let fields = object::as_object_mut(object);
    fields.insert("kind".to_owned(), wanted_kind.into());
    fields.insert("apiVersion".to_owned(), wanted_version.into());
    Ok(())
}

fn expected_type(call: &Call) -> (String, String) {
    match call.resource.subresource(&call.subresource) {
        Some(sub) => {
            let api_version = sub.group_version.as_ref().map_or_else(
                || call.resource.api_version.clone(),
                |(group, version)| crate::registry::join_api_version(group, version),
            );
            (sub.kind.clone(), api_version)
        }
        None => (
            call.resource.kind.clone(),
            call.resource.api_version.clone(),
        ),
    }
}

/// The answer to a write in the form asked for.
fn respond(call: &Call, written: &Written, form: Form) -> Result<Response<Body>, Status> {
    let code = if written.created {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    if call.subresource != "scale"
        && let (Some(entry), Form::Object | Form::Partial) = (&written.entry, form)
    {
        return Ok(body::json(
            code,
            read::encode_one(call, entry, form)?,
            false,
        ));
    }
    let value = match form {
        Form::Object => written.object.clone(),
        Form::Partial => serde_json::json!({
            "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
            "metadata": written.object.get("metadata")}),
        Form::Table(include) => {
            let options = tables::Options {
                include,
                ..tables::Options::default()
            };
            let version = object::meta_str(&written.object, "resourceVersion");
            let meta = serde_json::json!({"resourceVersion": version});
            tables::table(call, std::slice::from_ref(&written.object), &meta, options)
        }
    };
    Ok(body::value(code, &value))
}

/// What a write leaves for the caller: the answer, and the revision to wait for.
pub(super) struct Done {
    pub(super) response: Response<Body>,
    pub(super) revision: Option<u64>,
}

fn done(call: &Call, written: &Written, form: Form) -> Result<Done, Status> {
    let response = respond(call, written, form)?;
    Ok(Done {
        response,
        revision: written.entry.as_ref().map(|entry| entry.revision),
    })
}

/// `POST` on a collection.
pub(super) fn post(
    call: &mut Call,
    headers: &HeaderMap,
    bytes: &Bytes,
    form: Form,
) -> Result<Done, Status> {
    let object = decode_object(call, headers, bytes)?;
    let written = create::create(call, object)?;
    done(call, &written, form)
}

/// `PUT` on an object or subresource.
pub(super) fn put(
    call: &mut Call,
    headers: &HeaderMap,
    bytes: &Bytes,
    form: Form,
) -> Result<Done, Status> {
    let object = decode_object(call, headers, bytes)?;
    let name = object::name(&object);
    if name != call.name {
        if name.is_empty() {
            return Err(Status::bad_request(format!(
                "the name of the object ({} based on URL) was undeterminable: name must be provided",
                call.name
            )));
        }
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            call.name
        )));
    }
    let written = if call.subresource == "scale" {
        scale::update(call, &scale::Edit::Replace(object))?
    } else {
        update::update(call, update::Edit::Replace(object))?
    };
    done(call, &written, form)
}

/// `PATCH` on an object or subresource.
pub(super) fn patch(
    call: &mut Call,
    headers: &HeaderMap,
    query: &Query,
    bytes: &Bytes,
    form: Form,
) -> Result<Done, Status> {
    let media = media_type(headers);
    let kind = match media {
        JSON_PATCH => Some(PatchKind::Json),
        MERGE_PATCH => Some(PatchKind::Merge),
        STRATEGIC_PATCH => Some(PatchKind::Strategic),
        APPLY_PATCH => None,
        _ => {
            let all = [JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH];
            return Err(Status::unsupported_media_type(&all));
        }
    };
    let Some(kind) = kind else {
        if call.subresource == "scale" {
            return Err(Status::not_implemented("server-side apply to scale"));
        }
        let config = decode_apply(call, query, bytes)?;
        let written = update::update(call, update::Edit::Apply(config))?;
        return done(call, &written, form);
    };
    let patch = decode_patch(call, kind, bytes)?;
    let written = if call.subresource == "scale" {
        scale::update(call, &scale::Edit::Patch(kind, patch))?
    } else {
        update::update(call, update::Edit::Patch(kind, patch))?
    };
    done(call, &written, form)
}

/// An apply configuration must say what it is: owners are recorded by version.
fn check_applied_type(call: &Call, config: &Value) -> Result<(), Status> {
    let (kind, api_version) = expected_type(call);
    let text = |field| object::str_at(config, &[field]);
    if (text("kind"), text("apiVersion")) == (kind.as_str(), api_version.as_str()) {
        return Ok(());
    }
    let version = match text("apiVersion") {
        group_version if group_version.contains('/') => group_version.to_owned(),
        version => format!("/{version}"),
    };
    let kind = text("kind");
    Err(Status::bad_request(format!(
        "invalid object type: {version}, Kind={kind}"
    )))
}

/// Decodes and checks an apply configuration.
fn decode_apply(call: &mut Call, query: &Query, bytes: &Bytes) -> Result<Value, Status> {
    let at = apimachinery::field::Path::new("fieldManager");
    if query.get("fieldManager").is_empty() {
        let why = "is required for apply patch";
        let error = apimachinery::field::FieldError::required(&at, why);
        return Err(Status::invalid("meta.k8s.io", "PatchOptions", "", &[error]));
    }
    let mut config = machinery::decode_yaml(bytes)?;
    if !config.is_object() {
        return Err(Status::bad_request(
            "the body of the request is not an object",
        ));
    }
    check_applied_type(call, &config)?;
    let name = object::name(&config);
    if !name.is_empty() && name != call.name {
        return Err(Status::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            call.name
        )));
    }
    // Objects and field owners are checked as they were sent: without name and namespace they are
    // refused further on, without namespace they get that of the path.
    let namespace = object::namespace(&config);
    if !namespace.is_empty() {
        match_namespace(&mut config, &call.namespace)?;
    }
    Ok(config)
}

fn decode_delete(
    headers: &HeaderMap,
    query: &Query,
    bytes: &Bytes,
) -> Result<DeleteOptions, Status> {
    if !bytes.is_empty() {
        let options = decode_plain(headers, bytes)?;
        let kind = object::str_at(&options, &["kind"]);
        if !matches!(kind, "" | "DeleteOptions") {
            let version = object::str_at(&options, &["apiVersion"]);
            return Err(Status::bad_request(format!(
                "no kind \"{kind}\" is registered for version \"{version}\" in scheme \
                 \"pkg/runtime/scheme.go:111\""
            )));
        }
        return serde_json::from_value(options).map_err(|error| {
            Status::bad_request(format!("error decoding DeleteOptions: {error}"))
        });
    }
    let mut options = DeleteOptions::default();
    let seconds = query.get("gracePeriodSeconds");
    if !seconds.is_empty() {
        let parsed = seconds.parse::<i64>().map_err(|_| {
            let text = apimachinery::names::quote(seconds);
            Status::bad_request(format!("strconv.ParseInt: parsing {text}: invalid syntax"))
        })?;
        options.grace_period_seconds = Some(parsed);
    }
    if !query.get("propagationPolicy").is_empty() {
        options.propagation_policy = Some(query.get("propagationPolicy").to_owned());
    }
    if !query.get("orphanDependents").is_empty() {
        options.orphan_dependents = Some(query.is_set("orphanDependents"));
    }
    Ok(options)
}

/// `DELETE` on an object.
pub(super) fn delete(
    call: &mut Call,
    headers: &HeaderMap,
    query: &Query,
    bytes: &Bytes,
) -> Result<Done, Status> {
    let options = decode_delete(headers, query, bytes)?;
    let deleted = delete::delete(call, &options)?;
    Ok(Done {
        response: body::value(StatusCode::OK, &deleted.body),
        revision: deleted.revision,
    })
}

/// `DELETE` on a collection.
pub(super) fn delete_collection(
    call: &mut Call,
    headers: &HeaderMap,
    query: &Query,
    bytes: &Bytes,
) -> Result<Done, Status> {
    let options = decode_delete(headers, query, bytes)?;
    let selection = Selection::parse(
        &call.resource,
        query.get("labelSelector"),
        query.get("fieldSelector"),
    )?;
    let (entries, revision) = delete::delete_collection(call, &selection, &options)?;
    let kind = (
        call.resource.list_kind.as_str(),
        call.resource.api_version.as_str(),
    );
    let meta = serde_json::json!({"resourceVersion": call.cluster.store.revision().to_string()});
    let with_type = call.resource.custom.is_some();
    let bytes = read::encode_list(kind, &meta, &entries, |entry, out| {
        read::write_object(call, entry, out, with_type)
    })?;
    Ok(Done {
        response: body::json(StatusCode::OK, bytes, false),
        revision,
    })
}
