//! The seam to `apimachinery`: which pure function serves which kind.
//!
//! Everything that depends on what a kind looks like inside passes through here: pruning,
//! defaulting, validation, patches, field ownership.

pub(crate) mod kinds;
mod ownership;
mod typed;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use apimachinery::types::{Kind, TypeRef, Types};
use apimachinery::{builtin, crd, patch as patches, structural};
use http::StatusCode;
use serde_json::Value;

use crate::object;
use crate::registry::{CRDS, Resource};
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

/// Schemas of CRDs, compiled once for all clusters.
static SCHEMAS: LazyLock<structural::SchemaCache> = LazyLock::new(structural::SchemaCache::default);

/// The compiled schema of one version of a custom resource.
#[derive(Debug)]
pub(crate) struct Schema {
    structural: Arc<structural::Schema>,
    types: Types,
    kind: Kind,
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
    /// It makes no type graph.
    #[error("schema has no types")]
    Types(#[source] apimachinery::types::Error),
    /// The built-in types are not there.
    #[error("built-in types are missing")]
    NoBuiltin,
}

impl Schema {
    /// Compiles the text of `openAPIV3Schema` of a kind.
    pub(crate) fn compile(text: &str, kind: Kind) -> Result<Self, SchemaError> {
        let schema: Value = serde_json::from_str(text).map_err(SchemaError::Decode)?;
        let builtin = kinds::types().ok_or(SchemaError::NoBuiltin)?;
        let structural = SCHEMAS.compile(&schema).map_err(SchemaError::Compile)?;
        let types = Types::custom(kind.clone(), &schema, builtin).map_err(SchemaError::Types)?;
        Ok(Self {
            structural,
            types,
            kind,
        })
    }

    fn root(&self) -> TypeRef<'_> {
        let Kind {
            group,
            version,
            kind,
        } = &self.kind;
        self.types
            .kind(group, version, kind)
            .unwrap_or_else(|| self.types.deduced())
    }
}

/// Runs `read` with the type of a resource; untyped if nothing is known about it.
fn with_type<T>(resource: &Resource, read: impl FnOnce(TypeRef<'_>) -> T) -> Option<T> {
    if let Some(custom) = &resource.custom {
        return match custom.schema() {
            Some(schema) => Some(read(schema.root())),
            None => kinds::types().map(|types| read(types.deduced())),
        };
    }
    let types = kinds::types()?;
    let of = types.kind(&resource.group, &resource.version, &resource.kind);
    Some(read(of.unwrap_or_else(|| types.deduced())))
}

/// Prunes, defaults and checks an object on its way to the store.
///
/// # Errors
/// `Invalid` with a cause for each wrong field; `BadRequest` for unknown fields under strict
/// validation.
pub(crate) fn admit(call: &mut Call, new: &mut Value, old: Option<&Value>) -> Result<(), Status> {
    let resource = Arc::clone(&call.resource);
    let Some(custom) = &resource.custom else {
        return admit_builtin(call, new, old);
    };
    if let Some(warning) = &custom.deprecation {
        call.warnings.push(warning.clone());
    }
    let Some(schema) = custom.schema() else {
        return Ok(());
    };
    if let Some(meta) = schema.root().field("metadata")
        && let Some(value) = new.get_mut("metadata")
    {
        typed::decode(call, value, meta)?;
    }
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
        Ok(())
    } else {
        Err(call.invalid(object::name(new), &errors))
    }
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
    let resource = Arc::clone(&call.resource);
    let (group, kind) = (resource.group.as_str(), resource.kind.as_str());
    with_type(&resource, |of| typed::decode(call, new, of)).transpose()?;
    if let Some(error) = builtin::bad_quantity(kind, new) {
        let version = &resource.version;
        return Err(Status::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {kind}: {error}"
        )));
    }
    if let Some(error) = builtin::bad_bytes(group, kind, new) {
        let version = &resource.version;
        return Err(Status::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {kind}: {error}"
        )));
    }
    builtin::apply_defaults(group, kind, new);
    if old.is_none() {
        builtin::prepare_create(group, kind, new);
    }
    if resource.bucket.as_str() == "namespaces" {
        namespace_fields(call, new, old);
    }
    let errors = if resource.bucket == *CRDS {
        warn_of_rules(call, new, old);
        admit_crd(call, new, old)?
    } else {
        match old {
            Some(old) => builtin::validate_update(group, kind, new, old),
            None => builtin::validate(group, kind, new),
        }
    };
    if errors.is_empty() {
        Ok(())
    } else {
        Err(call.invalid(object::name(new), &errors))
    }
}

/// CRDs that were found valid: hundreds of clusters get the same ones, and checking a large schema
/// takes longer than all the rest of a write.
#[derive(Default)]
struct ValidCrds {
    hasher: RandomState,
    hashes: Mutex<HashSet<u64>>,
}

/// More different CRDs than this start the memory of valid ones anew.
const VALID_CRDS_MAX: usize = 10_000;

static VALID_CRDS: LazyLock<ValidCrds> = LazyLock::new(ValidCrds::default);

impl ValidCrds {
    fn hash(&self, crd: &Value) -> u64 {
        let annotations = crd.get("metadata").and_then(|meta| meta.get("annotations"));
        let parts = (object::name(crd), annotations, crd.get("spec"));
        // The hash is keyed at random, so nobody can make two CRDs share one on purpose.
        self.hasher.hash_one(parts)
    }

    fn knows(&self, crd: &Value) -> bool {
        let hash = self.hash(crd);
        self.hashes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&hash)
    }

    fn add(&self, crd: &Value) {
        let hash = self.hash(crd);
        let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        if hashes.len() >= VALID_CRDS_MAX {
            hashes.clear();
        }
        hashes.insert(hash);
    }
}

/// Defaults and checks of a CRD.
/// Rules in CEL are stored but not evaluated; whoever writes them is told.
fn warn_of_rules(call: &mut Call, new: &Value, old: Option<&Value>) {
    let spec = new.get("spec");
    let is_new = old.is_none_or(|old| old.get("spec") != spec);
    if is_new && spec.is_some_and(|spec| has_member(spec, RULES)) {
        call.warnings
            .push(format!("the sandbox does not evaluate {RULES}"));
    }
}

const RULES: &str = "x-kubernetes-validations";

fn has_member(value: &Value, name: &str) -> bool {
    match value {
        Value::Object(map) => {
            map.contains_key(name) || map.values().any(|inner| has_member(inner, name))
        }
        Value::Array(list) => list.iter().any(|inner| has_member(inner, name)),
        _ => false,
    }
}

fn admit_crd(
    call: &Call,
    new: &mut Value,
    old: Option<&Value>,
) -> Result<Vec<apimachinery::field::FieldError>, Status> {
    if object::str_at(new, &["spec", "conversion", "strategy"]) == "Webhook" {
        let at = apimachinery::field::Path::new("spec")
            .child("conversion")
            .child("strategy");
        let why = "the sandbox does not implement conversion webhooks";
        return Ok(vec![apimachinery::field::FieldError::forbidden(&at, why)]);
    }
    crd::apply_defaults(new);
    if old.is_some_and(|old| old.get("spec") != new.get("spec")) {
        crd::add_stored_version(new);
    }
    let errors = match old {
        // Nothing of a status can make the rest invalid, and schemas are dear to check.
        Some(old) if old.get("spec") == new.get("spec") => Ok(Vec::new()),
        Some(old) => crd::validate_update(new, old, &SCHEMAS),
        None if VALID_CRDS.knows(new) => Ok(Vec::new()),
        None => crd::validate(new, &SCHEMAS).inspect(|errors| {
            if errors.is_empty() {
                VALID_CRDS.add(new);
            }
        }),
    };
    errors.map_err(|error| {
        Status::bad_request(format!(
            "{} in version \"v1\" cannot be handled as a {}: {error}",
            call.resource.kind, call.resource.kind
        ))
    })
}

/// What the strategy of namespaces sets: finalizers change by `finalize` only, a label repeats
/// the name.
fn namespace_fields(call: &Call, new: &mut Value, old: Option<&Value>) {
    let name = object::name(new).to_owned();
    let labels = object::metadata_mut(new)
        .entry("labels")
        .or_insert(Value::Null);
    object::as_object_mut(labels).insert("kubernetes.io/metadata.name".to_owned(), name.into());
    match old {
        None => {
            let finalizers = object::member_mut(new, "spec")
                .entry("finalizers")
                .or_insert(Value::Array(Vec::new()));
            if let Value::Array(list) = finalizers
                && !list.iter().any(|finalizer| finalizer == "kubernetes")
            {
                list.push("kubernetes".into());
            }
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
    // Clients send JSON under the name of YAML; it is a subset, but decodes faster on its own.
    serde_json::from_slice(bytes)
        .or_else(|_| goyaml::parse(bytes))
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
    if kind != PatchKind::Strategic {
        return patch_untyped(kind, old, patch);
    }
    let patched = if call.resource.custom.is_some() {
        patches::strategic_merge_patch(old, patch, None)
    } else {
        with_type(&call.resource, |of| {
            patches::strategic_merge_patch(old, patch, Some(of))
        })
        .unwrap_or(Err(patches::Error::NoStrategy))
    };
    patched.map_err(|error| to_status(&error))
}

/// Applies a patch where no type is known.
///
/// # Errors
/// As [`patch`].
pub(crate) fn patch_untyped(kind: PatchKind, old: &Value, patch: &Value) -> Result<Value, Status> {
    if kind != PatchKind::Json {
        return patches::merge_patch(old, patch).map_err(|error| to_status(&error));
    }
    patches::json_patch(old, patch).map_err(|error| match error {
        // A real server keeps to itself which operation did not fit.
        patches::Error::Apply(_) => Status::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Invalid",
            "the server rejected our request due to an error in our request",
        ),
        error => to_status(&error),
    })
}

fn to_status(error: &patches::Error) -> Status {
    let (code, reason) = match error.status() {
        400 => (StatusCode::BAD_REQUEST, "BadRequest"),
        413 => (StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge"),
        415 => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType"),
        500 => (StatusCode::INTERNAL_SERVER_ERROR, ""),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, "Invalid"),
    };
    Status::new(code, reason, error.to_string())
}

/// The object that results from applying `config` to `old`.
///
/// # Errors
/// `Conflict` naming the managers that own fields the configuration changes.
pub(crate) fn apply(call: &Call, old: Option<&Value>, config: &Value) -> Result<Value, Status> {
    with_type(&call.resource, |of| ownership::apply(call, old, config, of))
        .unwrap_or_else(|| Err(Status::internal("built-in types are missing")))
}

/// Records in `managedFields` which fields of `new` the caller owns now.
pub(crate) fn record_owner(
    call: &Call,
    old: Option<&Value>,
    new: &mut Value,
    operation: Operation,
) {
    with_type(&call.resource, |of| {
        ownership::record(call, old, new, of, operation);
    });
}

/// Whether two states differ in nothing but the times of field ownership.
pub(crate) fn only_times_differ(new: &Value, old: &Value) -> bool {
    ownership::only_times_differ(new, old)
}
