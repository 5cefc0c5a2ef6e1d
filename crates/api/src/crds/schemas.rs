//! Schemas of fields whose Rust type does not say what the API server should check.

use schemars::{Schema, SchemaGenerator, json_schema};

/// An object with any members.
pub(crate) fn free_form(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// The name of a Helm release, or a template for one.
pub(crate) fn release_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "x-any-of": [
            {
                "maxLength": 53,
                "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
            },
            { "pattern": r"\$\{.*\}" },
        ],
    })
}

/// Bytes, base64 in JSON.
pub(crate) fn bytes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "byte"})
}
