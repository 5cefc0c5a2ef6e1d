//! The schemas of documents, from JSON schema definitions, facts and structural schemas.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::types::{Facts, FieldFacts, Kind, TypeFacts};

const PREFIX: &str = "#/components/schemas/";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// Schemas by name, and which of them describe kinds.
#[derive(Debug, Clone, Default)]
pub struct Components {
    schemas: BTreeMap<String, Value>,
    kinds: BTreeMap<Kind, String>,
}

impl Components {
    /// Schemas of the built-in kinds: `definitions` by name, with what `facts` add to them.
    pub fn builtin(definitions: &Map<String, Value>, facts: &Facts) -> Self {
        let mut components = Self::default();
        let nothing = TypeFacts::default();
        for (name, definition) in definitions {
            let facts = facts.types.get(name).unwrap_or(&nothing);
            let mut schema = well_known(name, definition).unwrap_or_else(|| converted(definition));
            add_facts(&mut schema, facts);
            components.schemas.insert(name.clone(), schema);
            if let Some((group, version, kind)) = facts.kind.clone() {
                components.kinds.insert(
                    Kind {
                        group,
                        version,
                        kind,
                    },
                    name.clone(),
                );
            }
        }
        let kinds = components.kinds.clone();
        for (kind, name) in &kinds {
            components.add_list(kind, name);
        }
        components
    }

    /// Adds a version of a custom resource with its structural schema; `Null` stands for none.
    pub fn add_custom(&mut self, kind: &Kind, schema: &Value) {
        let mut parts: Vec<&str> = kind.group.split('.').collect();
        parts.reverse();
        let name = format!("{}.{}.{}", parts.join("."), kind.version, kind.kind);
        let mut schema = if schema.is_object() {
            schema.clone()
        } else {
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
        };
        if let Some(fields) = schema.as_object_mut() {
            let properties = fields.entry("properties").or_insert_with(|| json!({}));
            if let Some(properties) = properties.as_object_mut() {
                properties.extend(object_properties());
            }
            fields.insert(
                "x-kubernetes-group-version-kind".to_owned(),
                json!([gvk(kind)]),
            );
        }
        self.schemas.insert(name.clone(), schema);
        self.add_list(kind, &name);
        self.kinds.insert(kind.clone(), name);
    }

    /// Removes a version of a custom resource.
    pub fn remove_custom(&mut self, kind: &Kind) {
        if let Some(name) = self.kinds.remove(kind) {
            self.schemas.remove(&name);
            self.schemas.remove(&format!("{name}List"));
        }
    }

    /// The name of a kind's schema.
    pub fn of_kind(&self, kind: &Kind) -> Option<&str> {
        self.kinds.get(kind).map(String::as_str)
    }

    /// Whether a kind is built in, so that it can be patched strategically.
    pub(super) fn is_builtin(&self, kind: &Kind) -> bool {
        self.of_kind(kind)
            .is_some_and(|name| name.starts_with("io.k8s."))
    }

    /// The named schemas and all that they refer to; names that do not exist are left out.
    pub(super) fn closure(&self, roots: &[&str]) -> Map<String, Value> {
        let mut found = Map::new();
        let mut names: Vec<String> = roots.iter().map(|name| (*name).to_owned()).collect();
        while let Some(name) = names.pop() {
            let schema = match self.schemas.get(&name) {
                Some(schema) => schema.clone(),
                None if name == format!("{META}.Patch") => {
                    let text = "Patch is provided to give a concrete name and type to the \
                                Kubernetes PATCH request body.";
                    json!({"type": "object", "description": text})
                }
                None => continue,
            };
            if !found.contains_key(&name) {
                references(&schema, &mut names);
                found.insert(name, schema);
            }
        }
        found
    }

    fn add_list(&mut self, kind: &Kind, name: &str) {
        let list = Kind {
            kind: format!("{}List", kind.kind),
            ..kind.clone()
        };
        let list_name = format!("{name}List");
        if kind.kind.ends_with("List") || self.schemas.contains_key(&list_name) {
            return;
        }
        let mut properties = object_properties();
        properties.insert(
            "metadata".to_owned(),
            reference(&format!("{META}.ListMeta"), "Standard list metadata."),
        );
        let items = json!({
            "type": "array",
            "description": format!("Items is the list of {} objects.", kind.kind),
            "items": {"allOf": [{"$ref": format!("{PREFIX}{name}")}]},
        });
        properties.insert("items".to_owned(), items);
        let schema = json!({
            "type": "object",
            "description": format!("{} is a list of {}", list.kind, kind.kind),
            "required": ["items"],
            "properties": properties,
            "x-kubernetes-group-version-kind": [gvk(&list)],
        });
        self.schemas.insert(list_name, schema);
    }
}

pub(super) fn gvk(kind: &Kind) -> Value {
    json!({"group": kind.group, "version": kind.version, "kind": kind.kind})
}

fn reference(name: &str, description: &str) -> Value {
    json!({"description": description, "allOf": [{"$ref": format!("{PREFIX}{name}")}]})
}

fn object_properties() -> Map<String, Value> {
    let version = "APIVersion defines the versioned schema of this representation of an object. \
                   Servers should convert recognized schemas to the latest internal value, and may \
                   reject unrecognized values. More info: https://git.k8s.io/community/contributors/\
                   devel/sig-architecture/api-conventions.md#resources";
    let kind = "Kind is a string value representing the REST resource this object represents. \
                Servers may infer this from the endpoint the client submits requests to. Cannot be \
                updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/\
                sig-architecture/api-conventions.md#types-kinds";
    let meta = "Standard object's metadata. More info: https://git.k8s.io/community/contributors/\
                devel/sig-architecture/api-conventions.md#metadata";
    let mut properties = Map::new();
    properties.insert(
        "apiVersion".into(),
        json!({"type": "string", "description": version}),
    );
    properties.insert(
        "kind".into(),
        json!({"type": "string", "description": kind}),
    );
    properties.insert(
        "metadata".into(),
        reference(&format!("{META}.ObjectMeta"), meta),
    );
    properties
}

/// Schemas of types that read JSON by themselves, as Kubernetes publishes them.
fn well_known(name: &str, definition: &Value) -> Option<Value> {
    let description = definition.get("description").cloned().unwrap_or_default();
    let (package, short) = name.rsplit_once('.')?;
    match (package, short) {
        ("io.k8s.apimachinery.pkg.util.intstr", "IntOrString") => Some(json!({
            "description": description,
            "format": "int-or-string",
            "oneOf": [{"type": "integer"}, {"type": "string"}],
        })),
        ("io.k8s.apimachinery.pkg.api.resource", "Quantity") => Some(json!({
            "description": description,
            "oneOf": [{"type": "string"}, {"type": "number"}],
        })),
        (
            "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1",
            "JSON"
            | "JSONSchemaPropsOrArray"
            | "JSONSchemaPropsOrBool"
            | "JSONSchemaPropsOrStringArray",
        ) => Some(json!({"description": description})),
        _ => None,
    }
}

/// A copy with references in OpenAPI's form; what stands beside a reference is kept by `allOf`.
fn converted(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let mut out = Map::new();
            for (name, value) in fields {
                out.insert(name.clone(), converted(value));
            }
            if let Some(Value::String(target)) = out.get("$ref") {
                let target = target.rsplit('/').next().unwrap_or("");
                let target = json!({"$ref": format!("{PREFIX}{target}")});
                if out.len() == 1 {
                    return target;
                }
                out.remove("$ref");
                out.insert("allOf".to_owned(), json!([target]));
            }
            Value::Object(out)
        }
        Value::Array(items) => items.iter().map(converted).collect(),
        scalar => scalar.clone(),
    }
}

fn add_facts(schema: &mut Value, facts: &TypeFacts) {
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    if let Some(map) = &facts.map {
        fields.insert("x-kubernetes-map-type".to_owned(), json!(map));
    }
    if let Some((group, version, kind)) = &facts.kind {
        let gvk = json!([{"group": group, "version": version, "kind": kind}]);
        fields.insert("x-kubernetes-group-version-kind".to_owned(), gvk);
    }
    let properties = fields.get_mut("properties").and_then(Value::as_object_mut);
    for (name, property) in properties.into_iter().flatten() {
        if let Some(facts) = facts.fields.get(name) {
            add_field_facts(property, facts);
        }
    }
}

fn add_field_facts(property: &mut Value, facts: &FieldFacts) {
    if let Some(target) = property.get("$ref").cloned() {
        *property = json!({"allOf": [{"$ref": target}]});
    }
    let Some(fields) = property.as_object_mut() else {
        return;
    };
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    put(
        "x-kubernetes-list-type",
        facts.list.as_ref().map(|text| json!(text)),
    );
    put(
        "x-kubernetes-list-map-keys",
        Some(json!(facts.keys)).filter(|_| !facts.keys.is_empty()),
    );
    put(
        "x-kubernetes-map-type",
        facts.map.as_ref().map(|text| json!(text)),
    );
    put(
        "x-kubernetes-patch-strategy",
        facts.strategy.as_ref().map(|text| json!(text)),
    );
    put(
        "x-kubernetes-patch-merge-key",
        facts.merge_key.as_ref().map(|text| json!(text)),
    );
    put("default", facts.default.clone());
}

fn references(schema: &Value, names: &mut Vec<String>) {
    let mut found = BTreeSet::new();
    let mut stack = vec![schema];
    while let Some(value) = stack.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(name) = fields.get("$ref").and_then(Value::as_str)
                    && let Some(name) = name.strip_prefix(PREFIX)
                {
                    found.insert(name.to_owned());
                }
                stack.extend(fields.values());
            }
            Value::Array(items) => stack.extend(items),
            _ => {}
        }
    }
    names.extend(found);
}
