//! Tables: what `kubectl get` prints.

use serde_json::{Value, json};

use crate::rest::Call;

/// A `meta.k8s.io/v1` Table of objects of the call's kind.
pub(crate) fn table(_call: &Call, objects: &[Value], meta: &Value) -> Value {
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let name = crate::object::name(object);
            let created = crate::object::meta_str(object, "creationTimestamp");
            json!({"cells": [name, created], "object": partial(object)})
        })
        .collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta,
        "columnDefinitions": [
            {"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0},
            {"name": "Created At", "type": "date", "format": "", "description": "", "priority": 0},
        ],
        "rows": rows,
    })
}

/// The object reduced to its metadata, as rows carry it.
fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
           "metadata": object.get("metadata")})
}
