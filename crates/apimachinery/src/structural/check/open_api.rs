//! What Kubernetes does not allow of OpenAPI v3: keywords without support, list and map types that do not fit their schemas,
//! validation rules without text.
//!
//! Source: apiextensions `apis/apiextensions/validation/validation.go`, `ValidateCustomResourceDefinitionOpenAPISchema`.

use super::{META, type_word};
use crate::field::{FieldError, Path};
use crate::structural::node::{Additional, Node, Rule, Type};

/// What the surroundings of a schema say about it.
#[derive(Clone, Default)]
pub(super) struct Place {
    pub(super) root: bool,
    /// Why defaults are forbidden here, if they are.
    pub(super) no_defaults: Option<String>,
    pub(super) inside_meta: bool,
}

pub(super) fn open_api(node: &Node, path: &Path, place: &Place, errors: &mut Vec<FieldError>) {
    standard(node, path, place, errors);
    let inner = Place {
        root: false,
        ..place.clone()
    };
    if let Some(additional) = &node.additional {
        let at = path.child("additionalProperties");
        if !node.properties.is_empty() && !matches!(additional, Additional::Bool(true)) {
            let why = "additionalProperties and properties are mutual exclusive";
            errors.push(FieldError::forbidden(&at, why));
        }
        if let Additional::Schema(child) = additional {
            let mut inner = inner.clone();
            if place.inside_meta {
                inner.no_defaults =
                    Some("inside additionalProperties applying to object metadata".to_owned());
            }
            open_api(child, &at, &inner, errors);
        }
    }
    for (name, child) in &node.properties {
        let mut inner = inner.clone();
        if (place.root || node.embedded) && META.contains(&name.as_str()) {
            inner.inside_meta = true;
            if place.root {
                inner.no_defaults = Some(format!("in top-level {name}"));
            }
        }
        open_api(child, &path.child("properties").key(name), &inner, errors);
    }
    if let Some(checks) = node.checks.as_deref() {
        if let Some(child) = checks.not.as_deref() {
            open_api(child, &path.child("not"), &inner, errors);
        }
        for (key, nodes) in [
            ("allOf", &checks.all_of),
            ("oneOf", &checks.one_of),
            ("anyOf", &checks.any_of),
        ] {
            for (index, child) in nodes.iter().enumerate() {
                open_api(child, &path.child(key).index(index), &inner, errors);
            }
        }
    }
    if let Some(items) = node.items.as_deref() {
        open_api(items, &path.child("items"), &inner, errors);
    }
    topology(node, path, errors);
    for (index, rule) in node.rules.iter().enumerate() {
        rule_shape(
            rule,
            &path.child("x-kubernetes-validations").index(index),
            errors,
        );
    }
}

fn standard(node: &Node, path: &Path, place: &Place, errors: &mut Vec<FieldError>) {
    const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
    let word = type_word(node);
    if matches!(node.kind, Type::Unknown | Type::Null) {
        errors.push(FieldError::not_supported(&path.child("type"), word, &TYPES));
    }
    if let (Some(_), Some(why)) = (&node.default, &place.no_defaults) {
        errors.push(FieldError::forbidden(
            &path.child("default"),
            format!("must not be set {why}"),
        ));
    }
    let odd = node.oddities.as_deref();
    for key in odd
        .map(|odd| odd.unsupported.as_slice())
        .unwrap_or_default()
    {
        errors.push(FieldError::forbidden(
            &path.child(key),
            format!("{key} is not supported"),
        ));
    }
    if node.kind == Type::Null {
        let why = "type cannot be set to null, use nullable as an alternative";
        errors.push(FieldError::forbidden(&path.child("type"), why));
    }
    if odd.is_some_and(|odd| odd.items_is_list) {
        let why = "items must be a schema object and not an array";
        errors.push(FieldError::forbidden(&path.child("items"), why));
    }
    if place.inside_meta && node.embedded {
        let path = path.child("x-kubernetes-embedded-resource");
        errors.push(FieldError::forbidden(
            &path,
            "must not be used inside of resource meta",
        ));
    }
    if node
        .checks
        .as_deref()
        .is_some_and(|checks| checks.unique_items)
    {
        let why =
            "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(FieldError::forbidden(&path.child("uniqueItems"), why));
    }
    if odd.is_some_and(|odd| odd.preserve_is_false) {
        let path = path.child("x-kubernetes-preserve-unknown-fields");
        errors.push(FieldError::invalid(
            &path,
            false,
            "must be true or undefined",
        ));
    }
}

fn topology(node: &Node, path: &Path, errors: &mut Vec<FieldError>) {
    let Some(topology) = node.topology.as_deref() else {
        return;
    };
    let mut needs_type = |keyword: &str, kind: Type, given: Option<&str>, words: &[&str]| {
        let Some(given) = given else { return };
        if node.kind != kind {
            let why = format!("must be {} if {keyword} is specified", kind.as_str());
            let path = path.child("type");
            errors.push(match type_word(node) {
                "" => FieldError::required(&path, why),
                word => FieldError::invalid(&path, word, why),
            });
        }
        if !words.contains(&given) {
            errors.push(FieldError::not_supported(
                &path.child(keyword),
                given,
                words,
            ));
        }
    };
    needs_type(
        "x-kubernetes-map-type",
        Type::Object,
        topology.map_type.as_deref(),
        &["atomic", "granular"],
    );
    let list_type = topology.list_type.as_deref();
    needs_type(
        "x-kubernetes-list-type",
        Type::Array,
        list_type,
        &["atomic", "set", "map"],
    );
    if !topology.list_map_keys.is_empty() && list_type != Some("map") {
        let path = path.child("x-kubernetes-list-type");
        let why = "must be map if x-kubernetes-list-map-keys is non-empty";
        errors.push(match list_type {
            None => FieldError::required(&path, why),
            Some(word) => FieldError::invalid(&path, word, why),
        });
    }
    match list_type {
        Some("map") => list_map(node, &topology.list_map_keys, path, errors),
        Some("set") => list_set(node, path, errors),
        _ => {}
    }
}

fn not_nullable(items: &Node, list_type: &str, path: &Path, errors: &mut Vec<FieldError>) {
    if items.nullable {
        let why = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        errors.push(FieldError::forbidden(
            &path.child("items").child("nullable"),
            why,
        ));
    }
}

fn list_set(node: &Node, path: &Path, errors: &mut Vec<FieldError>) {
    const WHY: &str = "must be atomic as item of a list with x-kubernetes-list-type=set";
    let Some(items) = node.items.as_deref() else {
        return;
    };
    let topology = items.topology.as_deref();
    let list_type = topology.and_then(|topology| topology.list_type.as_deref());
    let map_type = topology.and_then(|topology| topology.map_type.as_deref());
    match (items.kind, list_type, map_type) {
        (Type::Array, Some(word), _) if word != "atomic" => {
            errors.push(FieldError::invalid(
                &path.child("items").child("x-kubernetes-list-type"),
                word,
                WHY,
            ));
        }
        (Type::Object, _, map_type) if map_type != Some("atomic") => {
            let path = path.child("items").child("x-kubernetes-map-type");
            errors.push(FieldError::invalid(
                &path,
                list_type.map(str::to_owned),
                WHY,
            ));
        }
        _ => {}
    }
    not_nullable(items, "set", path, errors);
}

fn list_map(node: &Node, keys: &[String], path: &Path, errors: &mut Vec<FieldError>) {
    let keys_path = path.child("x-kubernetes-list-map-keys");
    if keys.is_empty() {
        let why = "must not be empty if x-kubernetes-list-type is map";
        errors.push(FieldError::required(&keys_path, why));
    }
    let Some(items) = node.items.as_deref() else {
        let why = "must have a schema if x-kubernetes-list-type is map";
        errors.push(FieldError::required(&path.child("items"), why));
        return;
    };
    if items.kind != Type::Object {
        let why = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(FieldError::invalid(
            &path.child("items").child("type"),
            type_word(items),
            why,
        ));
        return;
    }
    for (index, key) in keys.iter().enumerate() {
        let at = path.child("items").child("properties").key(key);
        match items.properties.get(key) {
            None => {
                let why = "entries must all be names of item properties";
                errors.push(FieldError::invalid(&keys_path, keys.to_vec(), why));
            }
            Some(child) => key_property(items, key, child, &at, errors),
        }
        if keys[..index].contains(key) {
            errors.push(FieldError::invalid(
                &keys_path,
                keys.to_vec(),
                "must not contain duplicate entries",
            ));
        }
    }
    not_nullable(items, "map", path, errors);
}

fn key_property(items: &Node, key: &str, child: &Node, at: &Path, errors: &mut Vec<FieldError>) {
    if matches!(child.kind, Type::Array | Type::Object) {
        let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
        errors.push(FieldError::invalid(
            &at.child("type"),
            type_word(items),
            why,
        ));
    }
    let required = items
        .checks
        .as_deref()
        .is_some_and(|checks| checks.required.iter().any(|name| name == key));
    if !required && child.default.is_none() {
        let why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
        errors.push(FieldError::required(&at.child("default"), why));
    }
    if child.nullable {
        let why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
        errors.push(FieldError::forbidden(&at.child("nullable"), why));
    }
}

fn rule_shape(rule: &Rule, path: &Path, errors: &mut Vec<FieldError>) {
    const REASONS: [&str; 4] = [
        "FieldValueDuplicate",
        "FieldValueForbidden",
        "FieldValueInvalid",
        "FieldValueRequired",
    ];
    let breaks = |text: &str| text.contains(['\n', '\r']);
    let message = rule.message.trim();
    if rule.expression.trim().is_empty() {
        errors.push(FieldError::required(
            &path.child("rule"),
            "rule is not specified",
        ));
    } else if !rule.message.is_empty() && message.is_empty() {
        errors.push(FieldError::invalid(
            &path.child("message"),
            rule.message.as_str(),
            "must be non-empty if specified",
        ));
    } else if breaks(message) {
        errors.push(FieldError::invalid(
            &path.child("message"),
            rule.message.as_str(),
            "must not contain line breaks",
        ));
    } else if breaks(rule.expression.trim()) && message.is_empty() {
        let why = "message must be specified if rule contains line breaks";
        errors.push(FieldError::required(&path.child("message"), why));
    }
    if !rule.message_expression.is_empty() && rule.message_expression.trim().is_empty() {
        let why = "messageExpression must be non-empty if specified";
        errors.push(FieldError::required(&path.child("messageExpression"), why));
    }
    if let Some(reason) = rule
        .reason
        .as_deref()
        .filter(|reason| !REASONS.contains(reason))
    {
        errors.push(FieldError::not_supported(
            &path.child("reason"),
            reason,
            &REASONS,
        ));
    }
    let at = path.child("fieldPath");
    if !rule.field_path.is_empty() && rule.field_path.trim().is_empty() {
        errors.push(FieldError::invalid(
            &at,
            rule.field_path.as_str(),
            "must be non-empty if specified",
        ));
    }
    if breaks(&rule.field_path) {
        errors.push(FieldError::invalid(
            &at,
            rule.field_path.as_str(),
            "must not contain line breaks",
        ));
    }
}
