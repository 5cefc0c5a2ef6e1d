//! The seam to `apimachinery`: which pure function serves which kind.
//!
//! Everything that depends on what a kind looks like inside passes through here: pruning,
//! defaulting, validation, patches, field ownership.

use std::fmt;

use apimachinery::{patch as patches, structural};
use http::StatusCode;
use serde_json::Value;

use crate::object;
use crate::registry::Resource;
use crate::rest::{Call, FieldValidation};
use crate::status::Status;

/// Form of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatchKind {
    /// RFC 6902.
    Json,
    /// RFC 7396.
    Merge,
    /// Kubernetes' own, by merge keys.
    Strategic,
}

/// How a write counts for field ownership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Create, update, patch.
    Update,
    /// Server-side apply.
    Apply,
}

/// The compiled schema of one version of a custom resource.
#[derive(Debug)]
pub(crate) struct Schema {
    structural: structural::Schema,
}

/// A schema that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaError {
    /// It is no JSON.
    #[error("schema is not JSON")]
    Decode(#[source] serde_json::Error),
    /// A keyword has the wrong type.
    #[error("schema cannot be compiled")]
    Compile(#[source] structural::Error),
}

impl Schema {
    /// Compiles the text of `openAPIV3Schema`.
    pub(crate) fn compile(text: &str) -> Result<Self, SchemaError> {
        let schema: Value = serde_json::from_str(text).map_err(SchemaError::Decode)?;
        let structural = structural::Schema::compile(&schema).map_err(SchemaError::Compile)?;
        Ok(Self { structural })
    }
}

/// Prunes, defaults and checks an object on its way to the store.
///
/// # Errors
/// `Invalid` with a cause for each wrong field; `BadRequest` for unknown fields under strict
/// validation.
pub(crate) fn admit(call: &mut Call, new: &mut Value, old: Option<&Value>) -> Result<(), Status> {
    let resource = std::sync::Arc::clone(&call.resource);
    let Some(custom) = &resource.custom else {
        return admit_builtin(call, new, old);
    };
    if let Some(warning) = &custom.deprecation {
        call.warnings.push(warning.clone());
    }
    let Some(schema) = custom.schema() else {
        return Ok(());
    };
    let unknown = schema.structural.prune(new);
    report_unknown(
        call,
        unknown
            .iter()
            .map(|path| format!("unknown field \"{path}\"")),
    )?;
    schema.structural.apply_defaults(new);
    let errors = match old {
        Some(old) => schema.structural.validate_update(new, old),
        None => schema.structural.validate(new),
    };
    if errors.is_empty() {
        return Ok(());
    }
    Err(call.invalid(crate::object::name(new), &errors))
}

/// Turns findings of strict decoding into warnings or a refusal, as the request asked.
pub(crate) fn report_unknown(
    call: &mut Call,
    findings: impl Iterator<Item = String>,
) -> Result<(), Status> {
    match call.options.validation {
        FieldValidation::Ignore => {}
        FieldValidation::Warn => call.warnings.extend(findings),
        FieldValidation::Strict => {
            let findings: Vec<String> = findings.collect();
            if !findings.is_empty() {
                return Err(Status::bad_request(format!(
                    "{} in version \"{}\" cannot be handled as a {}: strict decoding error: {}",
                    call.resource.kind,
                    call.resource.version,
                    call.resource.kind,
                    findings.join(", ")
                )));
            }
        }
    }
    Ok(())
}

fn admit_builtin(call: &mut Call, new: &mut Value, old: Option<&Value>) -> Result<(), Status> {
    if call.resource.bucket.as_str() == "namespaces" {
        namespace_fields(call, new, old);
    }
    Ok(())
}

/// What the strategy of namespaces sets: finalizers change by `finalize` only, the phase follows
/// deletion, a label repeats the name.
fn namespace_fields(call: &Call, new: &mut Value, old: Option<&Value>) {
    let name = object::name(new).to_owned();
    let labels = object::metadata_mut(new)
        .entry("labels")
        .or_insert(Value::Null);
    object::as_object_mut(labels).insert("kubernetes.io/metadata.name".to_owned(), name.into());
    match old {
        None => {
            let spec = object::member_mut(new, "spec");
            spec.insert("finalizers".to_owned(), serde_json::json!(["kubernetes"]));
            object::member_mut(new, "status").insert("phase".to_owned(), "Active".into());
        }
        Some(old) if call.subresource != "finalize" => {
            let spec = old.get("spec").cloned().unwrap_or_default();
            object::as_object_mut(new).insert("spec".to_owned(), spec);
        }
        Some(_) => {}
    }
}

/// Kinds whose strategy does not clear `status` on creation.
pub(crate) fn keeps_status_on_create(resource: &Resource) -> bool {
    matches!(resource.bucket.as_str(), "nodes" | "services")
}

/// Decodes a YAML or JSON body.
///
/// # Errors
/// `BadRequest` for text that is neither.
pub(crate) fn decode_yaml(bytes: &[u8]) -> Result<Value, Status> {
    serde_json::from_slice(bytes)
        .map_err(|error| Status::bad_request(format!("error decoding YAML: {error}")))
}

/// Applies a patch to an object of the call's kind.
///
/// # Errors
/// The API server's statuses for malformed and unfitting patches.
pub(crate) fn patch(
    call: &Call,
    kind: PatchKind,
    old: &Value,
    patch: &Value,
) -> Result<Value, Status> {
    if kind == PatchKind::Strategic && call.resource.custom.is_some() {
        return Err(to_status(&patches::Error::NoStrategy));
    }
    patch_untyped(kind, old, patch)
}

/// Applies a patch where no type is known.
///
/// # Errors
/// As [`patch`].
pub(crate) fn patch_untyped(kind: PatchKind, old: &Value, patch: &Value) -> Result<Value, Status> {
    let patched = match kind {
        PatchKind::Json => patches::json_patch(old, patch),
        PatchKind::Merge | PatchKind::Strategic => patches::merge_patch(old, patch),
    };
    patched.map_err(|error| to_status(&error))
}

fn to_status(error: &patches::Error) -> Status {
    let (code, reason) = match error.status() {
        400 => (StatusCode::BAD_REQUEST, "BadRequest"),
        413 => (StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
        415 => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType"),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, "Invalid"),
    };
    Status::new(code, reason, error.to_string())
}

/// The object that results from applying `config` to `old`.
///
/// # Errors
/// `Conflict` naming the managers that own fields the configuration changes.
pub(crate) fn apply(_call: &Call, _old: Option<&Value>, _config: &Value) -> Result<Value, Status> {
    Err(Status::not_implemented("server-side apply"))
}

/// Records in `managedFields` which fields of `new` the caller owns now.
pub(crate) fn record_owner(
    _call: &Call,
    _old: Option<&Value>,
    _new: &mut Value,
    _operation: Operation,
) -> Result<(), Status> {
    Ok(())
}

/// Whether two states differ in nothing but the times of field ownership.
pub(crate) fn only_times_differ(_new: &Value, _old: &Value) -> bool {
    false
}

impl fmt::Display for PatchKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "json",
            Self::Merge => "merge",
            Self::Strategic => "strategic merge",
        })
    }
}
