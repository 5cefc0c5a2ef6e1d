//! Decoding against a type: what the server's typed decoder would refuse or drop.

use apimachinery::types::{self, TypeRef};
use serde_json::Value;

use super::report_unknown;
use crate::rest::Call;
use crate::status::Status;

/// Checks `object` against its type, reports unknown fields and drops them with nulls.
///
/// # Errors
/// `BadRequest` for values of the wrong JSON type, and for unknown fields under strict validation.
pub(super) fn decode(call: &mut Call, object: &mut Value, of: TypeRef<'_>) -> Result<(), Status> {
    let findings = types::check(object, of);
    if let Some(mismatch) = findings.mismatch {
        let resource = &call.resource;
        return Err(Status::bad_request(format!(
            "{} in version \"{}\" cannot be handled as a {}: {mismatch}",
            resource.kind, resource.version, resource.kind
        )));
    }
    if !findings.unknown.is_empty() {
        let texts = findings
            .unknown
            .iter()
            .map(|path| format!("unknown field \"{path}\""));
        report_unknown(call, texts)?;
        prune(object, of);
    }
    types::drop_nulls(object, of);
    Ok(())
}

/// Drops fields that the type does not have.
pub(super) fn prune(value: &mut Value, of: TypeRef<'_>) {
    match value {
        Value::Object(fields) => {
            let Some(object) = of.object() else { return };
            if object.other.is_none() {
                fields.retain(|name, _| object.fields.contains_key(name.as_str()));
            }
            for (name, value) in fields {
                if let Some(field) = of.field(name) {
                    prune(value, field);
                }
            }
        }
        Value::Array(items) => {
            let Some(list) = of.list() else { return };
            for item in items {
                prune(item, of.to(list.element));
            }
        }
        _ => {}
    }
}
