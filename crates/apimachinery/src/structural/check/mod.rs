//! Whether a schema is one that a CustomResourceDefinition may have.
//!
//! In: a parsed schema and its place in the CRD. Out: field errors, sorted within each group as the server sorts them: first what
//! makes the schema non-structural, then bad defaults, then what OpenAPI v3 in Kubernetes does not allow. CEL rules are checked for
//! their surroundings only.
//!
//! Source: apiextensions `schema/validation.go`, `schema/complete.go`, `schema/defaulting/validation.go`,
//! `apis/apiextensions/validation/validation.go`.

mod open_api;

use serde_json::Value;

use self::open_api::{Place, open_api};
use crate::field::{FieldError, Path};
use crate::structural::node::{Additional, Checks, Node, Oddities, Type};
use crate::structural::prune::{prune_below, prune_root};
use crate::structural::validate::{lists, validate};

const META: [&str; 3] = ["metadata", "kind", "apiVersion"];

/// All errors of the schema at `path` (`spec.validation.openAPIV3Schema`).
pub(crate) fn check(node: &Node, path: &Path) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if node.nullable {
        errors.push(FieldError::forbidden(
            &path.child("nullable"),
            "nullable cannot be true at the root",
        ));
    }
    let mut structural = Vec::new();
    invariants(node, Level::Root, path, &mut structural);
    completeness(
        node.checks.as_deref(),
        Some(node),
        path,
        path,
        &mut structural,
    );
    if structural.is_empty() {
        defaults(node, path, true, false, &mut structural);
    }
    structural.sort_by_cached_key(ToString::to_string);
    errors.append(&mut structural);
    let mut openapi = Vec::new();
    open_api(
        node,
        path,
        &Place {
            root: true,
            ..Place::default()
        },
        &mut openapi,
    );
    errors.append(&mut openapi);
    errors
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

fn invariants(node: &Node, level: Level, path: &Path, errors: &mut Vec<FieldError>) {
    let items_path = path.child("items");
    match node.items.as_deref() {
        Some(items) => invariants(items, Level::Item, &items_path, errors),
        None if node.kind == Type::Array => {
            errors.push(FieldError::required(&items_path, "must be specified"));
        }
        None => {}
    }
    for (name, child) in &node.properties {
        invariants(
            child,
            Level::Field,
            &path.child("properties").key(name),
            errors,
        );
    }
    let additional = path.child("additionalProperties");
    if let Some(value) = &node.additional {
        if level == Level::Root {
            errors.push(FieldError::forbidden(
                &additional,
                "must not be used at the root",
            ));
        }
        if let Additional::Schema(child) = value {
            invariants(child, Level::Field, &additional, errors);
        }
        if node.embedded {
            let why = "must not be used if x-kubernetes-embedded-resource is set";
            errors.push(FieldError::forbidden(&additional, why));
        }
    }
    extensions(node, path, errors);
    if let Some(checks) = node.checks.as_deref() {
        let skip_any = is_int_or_string(&checks.any_of);
        let skip_first_all = checks
            .all_of
            .first()
            .and_then(|first| first.checks.as_deref())
            .is_some_and(|first| is_int_or_string(&first.any_of));
        value_validation(checks, skip_any, skip_first_all, path, errors);
    }
    type_rules(node, level, path, errors);
    meta_rules(node, level, path, errors);
}

fn extensions(node: &Node, path: &Path, errors: &mut Vec<FieldError>) {
    const WHY: &str = "must be false if x-kubernetes-int-or-string is true";
    if node.int_or_string && node.preserve_unknown {
        errors.push(FieldError::invalid(
            &path.child("x-kubernetes-preserve-unknown-fields"),
            true,
            WHY,
        ));
    }
    if node.int_or_string && node.embedded {
        errors.push(FieldError::invalid(
            &path.child("x-kubernetes-embedded-resource"),
            true,
            WHY,
        ));
    }
}

fn type_rules(node: &Node, level: Level, path: &Path, errors: &mut Vec<FieldError>) {
    let path = path.child("type");
    let word = type_word(node);
    if node.embedded && node.kind != Type::Object {
        let why = "must be object if x-kubernetes-embedded-resource is true";
        errors.push(if word.is_empty() {
            FieldError::required(&path, why)
        } else {
            FieldError::invalid(&path, word, why)
        });
    } else if word.is_empty() && !node.int_or_string && !node.preserve_unknown {
        let why = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.push(FieldError::required(&path, why));
    }
    if level == Level::Root && !word.is_empty() && node.kind != Type::Object {
        errors.push(FieldError::invalid(
            &path,
            word,
            "must be object at the root",
        ));
    }
}

fn meta_rules(node: &Node, level: Level, path: &Path, errors: &mut Vec<FieldError>) {
    let properties = path.child("properties");
    if level == Level::Root || node.embedded {
        for (name, kind, why) in [
            ("kind", Type::String, "must be string"),
            ("apiVersion", Type::String, "must be string"),
            ("metadata", Type::Object, "must be object"),
        ] {
            if let Some(child) = node.properties.get(name).filter(|child| child.kind != kind) {
                errors.push(FieldError::invalid(
                    &properties.key(name).child("type"),
                    type_word(child),
                    why,
                ));
            }
        }
    }
    if level == Level::Root
        && let Some(metadata) = node.properties.get("metadata")
        && !is_bare_metadata(metadata)
    {
        let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.push(FieldError::forbidden(&properties.key("metadata"), why));
    }
    if node.embedded && !node.preserve_unknown && node.properties.is_empty() {
        let why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.push(FieldError::required(&properties, why));
    }
}

fn is_bare_metadata(node: &Node) -> bool {
    node.properties
        .keys()
        .all(|name| matches!(name.as_str(), "name" | "generateName"))
        && !node.nullable
        && !node.preserve_unknown
        && !node.embedded
        && !node.int_or_string
        && node.additional.is_none()
        && node.items.is_none()
        && node.checks.is_none()
        && node.topology.is_none()
        && node.rules.is_empty()
        && node
            .oddities
            .as_deref()
            .is_none_or(|odd| !odd.has_title && !odd.has_description)
}

fn type_word(node: &Node) -> &str {
    match node.oddities.as_deref() {
        Some(Oddities { unknown_type, .. }) if node.kind == Type::Unknown => unknown_type,
        _ => node.kind.as_str(),
    }
}

/// The two alternatives that stand for `x-kubernetes-int-or-string`.
fn is_int_or_string(nodes: &[Node]) -> bool {
    let bare = |node: &Node, kind| {
        node.kind == kind && node.checks.is_none() && node.properties.is_empty()
    };
    matches!(nodes, [first, second] if bare(first, Type::Integer) && bare(second, Type::String))
}

fn value_validation(
    checks: &Checks,
    skip_any: bool,
    skip_first_all: bool,
    path: &Path,
    errors: &mut Vec<FieldError>,
) {
    for (key, nodes) in [
        ("anyOf", &checks.any_of),
        ("allOf", &checks.all_of),
        ("oneOf", &checks.one_of),
    ] {
        if key == "anyOf" && skip_any {
            continue;
        }
        for (index, node) in nodes.iter().enumerate() {
            let skip = key == "allOf" && index == 0 && skip_first_all;
            nested(node, skip, &path.child(key).index(index), errors);
        }
    }
    if let Some(node) = checks.not.as_deref() {
        nested(node, false, &path.child("not"), errors);
    }
    if let Some(pattern) = checks.pattern.as_deref()
        && let Err(why) = pattern.regex()
    {
        let why = format!("must be a valid regular expression, but isn't: {why}");
        errors.push(FieldError::invalid(
            &path.child("pattern"),
            pattern.source.as_str(),
            why,
        ));
    }
}

/// Below a combination only value validations may stand.
fn nested(node: &Node, skip_any: bool, path: &Path, errors: &mut Vec<FieldError>) {
    if let Some(checks) = node.checks.as_deref() {
        value_validation(checks, skip_any, false, path, errors);
    }
    if let Some(items) = node.items.as_deref() {
        nested(items, false, &path.child("items"), errors);
    }
    for (name, child) in &node.properties {
        nested(child, false, &path.child("properties").key(name), errors);
    }
    let mut forbid = |key: &str, found: bool, why: &str| {
        if found {
            errors.push(FieldError::forbidden(
                &path.child(key),
                format!("must be {why} to be structural"),
            ));
        }
    };
    let odd = node.oddities.as_deref();
    let topology = node.topology.as_deref();
    forbid("type", !type_word(node).is_empty(), "empty");
    forbid(
        "additionalProperties",
        node.additional.is_some(),
        "undefined",
    );
    forbid("default", node.default.is_some(), "undefined");
    forbid("title", odd.is_some_and(|odd| odd.has_title), "empty");
    forbid(
        "description",
        odd.is_some_and(|odd| odd.has_description),
        "empty",
    );
    forbid("nullable", node.nullable, "false");
    forbid(
        "x-kubernetes-preserve-unknown-fields",
        node.preserve_unknown,
        "false",
    );
    forbid("x-kubernetes-embedded-resource", node.embedded, "false");
    forbid("x-kubernetes-int-or-string", node.int_or_string, "false");
    forbid(
        "x-kubernetes-list-map-keys",
        topology.is_some_and(|t| !t.list_map_keys.is_empty()),
        "empty",
    );
    forbid(
        "x-kubernetes-list-type",
        topology.is_some_and(|t| t.list_type.is_some()),
        "undefined",
    );
    forbid(
        "x-kubernetes-map-type",
        topology.is_some_and(|t| t.map_type.is_some()),
        "undefined",
    );
    forbid("x-kubernetes-validations", !node.rules.is_empty(), "empty");
    if node.properties.contains_key("metadata") {
        let path = path.child("properties").key("metadata");
        errors.push(FieldError::forbidden(
            &path,
            "must not be specified in a nested context",
        ));
    }
}

/// Every field that a combination speaks of must be specified outside of it.
fn completeness(
    checks: Option<&Checks>,
    node: Option<&Node>,
    path: &Path,
    from: &Path,
    errors: &mut Vec<FieldError>,
) {
    let Some(checks) = checks else { return };
    if let Some(inner) = checks.not.as_deref() {
        nested_completeness(inner, node, path, &from.child("not"), errors);
    }
    for (key, nodes) in [
        ("allOf", &checks.all_of),
        ("anyOf", &checks.any_of),
        ("oneOf", &checks.one_of),
    ] {
        for (index, inner) in nodes.iter().enumerate() {
            nested_completeness(inner, node, path, &from.child(key).index(index), errors);
        }
    }
}

fn nested_completeness(
    inner: &Node,
    node: Option<&Node>,
    path: &Path,
    from: &Path,
    errors: &mut Vec<FieldError>,
) {
    let Some(node) = node else {
        errors.push(FieldError::required(
            path,
            format!("because it is defined in {from}"),
        ));
        return;
    };
    completeness(inner.checks.as_deref(), Some(node), path, from, errors);
    if let Some(items) = inner.items.as_deref() {
        nested_completeness(
            items,
            node.items.as_deref(),
            &path.child("items"),
            &from.child("items"),
            errors,
        );
    }
    for (name, child) in &inner.properties {
        let (path, from) = (
            path.child("properties").key(name),
            from.child("properties").key(name),
        );
        nested_completeness(child, node.properties.get(name), &path, &from, errors);
    }
}

/// Defaults must be pruned and valid themselves.
fn defaults(node: &Node, path: &Path, root: bool, inside_meta: bool, errors: &mut Vec<FieldError>) {
    if let (Some(default), false) = (&node.default, inside_meta) {
        default_errors(node, default, &path.child("default"), errors);
    }
    if let Some(items) = node.items.as_deref() {
        defaults(
            items,
            &path.child("items"),
            false,
            inside_meta && !node.embedded,
            errors,
        );
    }
    for (name, child) in &node.properties {
        let meta = (root || node.embedded) && META.contains(&name.as_str());
        let inside = meta || (inside_meta && !node.embedded);
        defaults(
            child,
            &path.child("properties").key(name),
            false,
            inside,
            errors,
        );
    }
}

fn default_errors(node: &Node, default: &Value, path: &Path, errors: &mut Vec<FieldError>) {
    let mut pruned = default.clone();
    let mut removed = Vec::new();
    if node.embedded {
        prune_root(&mut pruned, node, &mut removed);
    } else {
        prune_below(&mut pruned, node, &mut removed);
    }
    if !removed.is_empty() {
        errors.push(FieldError::invalid(
            path,
            default.clone(),
            "must not have unknown fields",
        ));
    }
    let mut found = validate(node, default, None, &Path::new(""));
    lists(node, default, &Path::new(""), &mut found);
    errors.extend(found.into_iter().map(|mut error| {
        error.field = match error.field.as_str() {
            "" | "<nil>" => path.to_string(),
            field => path.child(field).to_string(),
        };
        error
    }));
}
