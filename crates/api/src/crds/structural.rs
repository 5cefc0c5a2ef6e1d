//! From a derived JSON schema to a structural one.
//!
//! An API server wants every node typed, no references, no unions, and `nullable` where null is
//! allowed. Markers of this crate (`x-required`, `x-default`, `x-any-of`) say what an attribute on a field cannot
//! say in the derived form.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

/// Members of a schema that an API server has no use for or refuses.
const DROPPED: [&str; 3] = ["$schema", "title", "default"];

/// What a Kubernetes quantity looks like.
const QUANTITY_PATTERN: &str = r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";

/// The schema of a root object.
pub(super) fn root<K: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft07().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
        settings.transforms.clear();
    });
    let mut schema = Schema::to_value(settings.into_generator().into_root_schema_for::<K>());
    if let Some(node) = schema.as_object_mut() {
        make_structural(node);
        node.remove("nullable");
    }
    if let Some(properties) = schema["properties"].as_object_mut() {
        properties.insert("metadata".to_owned(), json!({"type": "object"}));
        for (name, description) in [
            ("apiVersion", "Version of the schema of this object."),
            ("kind", "Kind of this object."),
        ] {
            properties.insert(
                name.to_owned(),
                json!({"type": "string", "description": description}),
            );
        }
    }
    // The parts of a root object may be left out, but they are objects.
    for part in ["spec", "status"] {
        if let Some(part) = schema.pointer_mut(&format!("/properties/{part}")) {
            part.as_object_mut().map(|part| part.remove("nullable"));
        }
    }
    schema
}

fn make_structural(node: &mut Map<String, Value>) {
    unwrap_union(node);
    for key in DROPPED {
        node.remove(key);
    }
    if let Some(default) = node.remove("x-default") {
        node.insert("default".to_owned(), default);
    }
    if let Some(ways) = node.remove("x-any-of") {
        node.insert("anyOf".to_owned(), ways);
    }
    // schemars writes a type list for optional plain types.
    if let Some(types) = node.get("type").and_then(Value::as_array) {
        let plain = types
            .iter()
            .find(|type_| *type_ != "null")
            .cloned()
            .unwrap_or(Value::Null);
        node.insert("type".to_owned(), plain);
    }
    if node.get("additionalProperties") == Some(&Value::Bool(false)) {
        node.remove("additionalProperties");
    }
    match_quantity(node);
    tidy_description(node);

    let mut required: Vec<String> = node
        .get("required")
        .and_then(Value::as_array)
        .map(|names| {
            names
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        })
        .unwrap_or_default();
    if let Some(Value::Object(properties)) = node.get_mut("properties") {
        for (name, property) in properties {
            let Some(property) = property.as_object_mut() else {
                continue;
            };
            make_structural(property);
            if property.remove("x-required").is_some() {
                required.push(name.clone());
            }
            let may_be_null = property.remove("x-nullable").is_some()
                || (!required.contains(name)
                    && !property.contains_key("default")
                    && !property.contains_key("enum"));
            if may_be_null {
                property.insert("nullable".to_owned(), Value::Bool(true));
            }
        }
    }
    if !required.is_empty() {
        required.sort_unstable();
        node.insert("required".to_owned(), json!(required));
    }
    for key in ["items", "additionalProperties"] {
        if let Some(Value::Object(inner)) = node.get_mut(key) {
            make_structural(inner);
        }
    }
}

/// Replaces `anyOf: [x, null]` and `allOf: [x]` by x; what stands beside it wins.
fn unwrap_union(node: &mut Map<String, Value>) {
    for key in ["anyOf", "allOf", "oneOf"] {
        let Some(Value::Array(options)) = node.remove(key) else {
            continue;
        };
        let mut options = options
            .into_iter()
            .filter(|option| option["type"] != "null");
        if let (Some(Value::Object(only)), None) = (options.next(), options.next()) {
            for (key, value) in only {
                node.entry(key).or_insert(value);
            }
        }
    }
}

fn match_quantity(node: &mut Map<String, Value>) {
    let is_quantity = node.contains_key("x-kubernetes-int-or-string")
        && node
            .get("description")
            .and_then(Value::as_str)
            .is_some_and(|text| text.starts_with("Quantity is"));
    if is_quantity {
        node.insert(
            "description".to_owned(),
            json!("An amount, such as 500m or 1Gi."),
        );
        node.insert("pattern".to_owned(), json!(QUANTITY_PATTERN));
    }
    if node.contains_key("x-kubernetes-int-or-string") {
        node.insert(
            "anyOf".to_owned(),
            json!([{"type": "integer"}, {"type": "string"}]),
        );
        node.remove("type");
    }
}

/// Joins the lines of a paragraph: line breaks of the source mean nothing to a reader of `kubectl
/// explain`.
fn tidy_description(node: &mut Map<String, Value>) {
    if let Some(Value::String(text)) = node.get_mut("description") {
        let paragraphs: Vec<String> = text
            .split("\n\n")
            .map(|lines| lines.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        *text = paragraphs.join("\n\n");
    }
}
