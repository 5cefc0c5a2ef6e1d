//! Field ownership: which fields a path may own, and the writer of a call.

use std::sync::LazyLock;

use apimachinery::managed::{self, Set, Writer};
use apimachinery::types::TypeRef;
use http::StatusCode;
use serde_json::{Value, json};

use super::Operation;
use crate::rest::Call;
use crate::status::Status;

static NOTHING: LazyLock<Set> = LazyLock::new(Set::default);
static STATUS: LazyLock<Set> = LazyLock::new(|| Set::of_fields(&[&["status"]]));
static SPEC: LazyLock<Set> = LazyLock::new(|| Set::of_fields(&[&["spec"]]));
static SPEC_AND_LABELS: LazyLock<Set> =
    LazyLock::new(|| Set::of_fields(&[&["spec"], &["metadata", "labels"]]));
static SPEC_AND_METADATA: LazyLock<Set> =
    LazyLock::new(|| Set::of_fields(&[&["spec"], &["metadata"]]));

/// Fields that the call's path does not write (`GetResetFields` of the strategies).
fn ignored(call: &Call) -> &'static Set {
    let resource = &call.resource;
    match (call.subresource.as_str(), &resource.custom) {
        ("status", Some(_)) => &SPEC_AND_METADATA,
        ("status", None) if resource.group == "apps" => &SPEC_AND_LABELS,
        ("status", None) => &SPEC,
        _ if resource.has_status() => &STATUS,
        _ => &NOTHING,
    }
}

/// The object that results from applying `config` to `old`, with its managed fields.
pub(super) fn apply(
    call: &Call,
    old: Option<&Value>,
    config: &Value,
    of: TypeRef<'_>,
) -> Result<Value, Status> {
    let now = call.now();
    let writer = writer(call, &now);
    let kind = &call.resource.kind;
    let force = call.options.force;
    managed::apply(old, config, of, kind, &writer, ignored(call), force)
        .map_err(|error| to_status(call, &error))
}

fn writer<'a>(call: &'a Call, now: &'a str) -> Writer<'a> {
    Writer {
        manager: &call.options.manager,
        api_version: &call.resource.api_version,
        subresource: &call.subresource,
        now,
    }
}

fn to_status(call: &Call, error: &managed::Error) -> Status {
    let code = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (reason, details) = match code {
        StatusCode::CONFLICT => ("Conflict", json!({"causes": error.causes()})),
        StatusCode::BAD_REQUEST => ("BadRequest", Value::Null),
        _ => {
            let place = json!({"name": call.name, "kind": call.resource.plural});
            ("", place)
        }
    };
    Status {
        details,
        ..Status::new(code, reason, error.to_string())
    }
}

/// Records which fields of `new` the caller owns now; an apply has done so already.
pub(super) fn record(
    call: &Call,
    old: Option<&Value>,
    new: &mut Value,
    of: TypeRef<'_>,
    operation: Operation,
) {
    if operation == Operation::Apply {
        return;
    }
    let now = call.now();
    let bare = std::mem::take(new);
    *new = managed::update(old, bare, of, &writer(call, &now), ignored(call));
}

/// Whether two states differ in nothing but the times of field ownership.
pub(super) fn only_times_differ(new: &Value, old: &Value) -> bool {
    // Comparing managed fields is dear, and most writes change something else: look there first.
    let (Some(fields), Some(before)) = (new.as_object(), old.as_object()) else {
        return false;
    };
    fields.len() == before.len()
        && fields
            .iter()
            .all(|(name, value)| name == "metadata" || before.get(name) == Some(value))
        && managed::same_but_for_times(old, new)
}
