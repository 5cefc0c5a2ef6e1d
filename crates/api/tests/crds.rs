//! The generated CustomResourceDefinitions against the rules an API server applies to them.

#![expect(clippy::expect_used, reason = "what is missing must fail the test")]

use std::fmt::Write as _;

use api::crds::crds;
use serde_json::{Map, Value};

/// An API server refuses a stored object above etcd's limit; a definition must stay far below it.
const CRD_BYTES_MAX: usize = 1024 * 1024;

const KEYWORDS: [&str; 22] = [
    "additionalProperties",
    "anyOf",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "maxLength",
    "maximum",
    "minLength",
    "minimum",
    "nullable",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];

fn schema(definition: &Value) -> &Map<String, Value> {
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        .as_object()
        .expect("a schema")
}

/// Every rule for structural schemas that a node breaks, with its path.
fn faults(path: &str, node: &Map<String, Value>, found: &mut Vec<String>) {
    let mut fault = |text: &str| found.push(format!("{path}: {text}"));
    let int_or_string = node.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true));
    for key in node.keys().filter(|key| !KEYWORDS.contains(&key.as_str())) {
        fault(&format!("keyword {key}"));
    }
    let type_ = node.get("type").and_then(Value::as_str);
    match type_ {
        Some("object" | "array" | "string" | "integer" | "number" | "boolean")
            if !int_or_string => {}
        None if int_or_string => {}
        other => fault(&format!("type {other:?}")),
    }
    // Ways to be valid are allowed, other types are not.
    let is_union = |ways: &Value| {
        let mut ways = ways.as_array().into_iter().flatten();
        ways.any(|way| way.get("type").is_some())
    };
    if node.get("anyOf").is_some_and(is_union) && !int_or_string {
        fault("a union");
    }
    let properties = node.get("properties").and_then(Value::as_object);
    if properties.is_some() && node.contains_key("additionalProperties") {
        fault("properties and additionalProperties");
    }
    if (type_ == Some("array")) != node.get("items").is_some_and(Value::is_object) {
        fault("items belong to an array");
    }
    let open = node.contains_key("x-kubernetes-preserve-unknown-fields")
        || node
            .get("additionalProperties")
            .is_some_and(Value::is_object);
    let is_metadata = path.ends_with(".metadata");
    if type_ == Some("object") && properties.is_none() && !open && !is_metadata {
        fault("an object that would be pruned to nothing");
    }
    for name in node
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if !properties.is_some_and(|all| name.as_str().is_some_and(|name| all.contains_key(name))) {
            fault(&format!("required {name} does not exist"));
        }
    }
    if node.contains_key("default") && node.get("nullable") == Some(&Value::Bool(true)) {
        fault("a default that null would hide");
    }
    for (name, property) in properties.into_iter().flatten() {
        let property = property.as_object().expect("a schema is an object");
        if !property.contains_key("description") && name != "metadata" {
            found.push(format!("{path}.{name}: no description"));
        }
        faults(&format!("{path}.{name}"), property, found);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = node.get(key).and_then(Value::as_object) {
            faults(&format!("{path}[{key}]"), inner, found);
        }
    }
}

#[test]
fn every_schema_is_structural_and_documented() {
    let mut found = Vec::new();
    for definition in crds() {
        let kind = definition["spec"]["names"]["kind"]
            .as_str()
            .expect("a kind");
        faults(kind, schema(&definition), &mut found);
    }
    assert!(
        found.is_empty(),
        "{} faults:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn every_definition_is_small_and_always_the_same() {
    let definitions = crds();
    assert_eq!(definitions.len(), 14);
    assert_eq!(definitions, crds());
    for definition in &definitions {
        let size = definition.to_string().len();
        assert!(
            size < CRD_BYTES_MAX,
            "{} has {size} bytes",
            definition["metadata"]["name"]
        );
    }
}

fn at<'a>(definitions: &'a [Value], kind: &str, path: &str) -> &'a Value {
    let definition = definitions
        .iter()
        .find(|definition| definition["spec"]["names"]["kind"] == kind)
        .expect("the kind exists");
    path.split('.').fold(
        &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"],
        |node, name| {
            if name == "[]" {
                &node["items"]
            } else {
                &node["properties"][name]
            }
        },
    )
}

#[test]
fn fields_are_validated_as_upstream_validates_them() {
    let definitions = crds();
    let at = |kind, path| at(&definitions, kind, path);
    assert_eq!(
        at("GitRepo", "spec")["required"],
        serde_json::json!(["repo"])
    );
    assert_eq!(at("GitRepo", "spec.repo")["minLength"], 1);
    assert_eq!(
        at("ImageScan", "spec")["required"],
        serde_json::json!(["image", "interval"])
    );
    for (kind, path) in [
        ("Bundle", "spec.helm.releaseName"),
        ("Bundle", "spec.targets.[].helm.releaseName"),
        ("HelmOp", "spec.helm.releaseName"),
        ("BundleDeployment", "spec.options.helm.releaseName"),
        ("BundleDeployment", "spec.stagedOptions.helm.releaseName"),
    ] {
        // A name as upstream's, or a template for one.
        let ways = &at(kind, path)["anyOf"];
        assert_eq!(ways[0]["maxLength"], 53, "{kind} {path}");
        assert!(ways[0]["pattern"].is_string(), "{kind} {path}");
        assert_eq!(ways[1]["pattern"], r"\$\{.*\}", "{kind} {path}");
    }
    for (kind, path) in [
        ("GitRepo", "spec.pollingInterval"),
        ("GitRepo", "spec.imageScanInterval"),
        ("HelmOp", "spec.pollingInterval"),
        ("ImageScan", "spec.interval"),
        ("Schedule", "spec.duration"),
        ("ClusterRegistrationToken", "spec.ttl"),
    ] {
        assert_eq!(at(kind, path)["maxLength"], 32, "{kind} {path}");
        assert!(
            at(kind, path)["x-kubernetes-validations"][0]["rule"].is_string(),
            "{kind} {path}"
        );
    }
    for kind in ["Bundle", "HelmOp"] {
        let mode = at(kind, "spec.targetCustomizationMode");
        assert_eq!(
            mode["enum"],
            serde_json::json!(["FirstMatch", "AllMatches"])
        );
        assert_eq!(mode["default"], "FirstMatch");
    }
    for (kind, path) in [
        ("Bundle", "spec.helm.values"),
        ("Cluster", "spec.templateValues"),
    ] {
        assert_eq!(at(kind, path)["x-kubernetes-preserve-unknown-fields"], true);
    }
    for (kind, path) in [
        ("Bundle", "spec.rolloutStrategy.maxUnavailable"),
        (
            "Bundle",
            "spec.rolloutStrategy.partitions.[].maxUnavailable",
        ),
    ] {
        assert_eq!(at(kind, path)["x-kubernetes-int-or-string"], true);
    }
    assert_eq!(
        at("Bundle", "status.conditions.[]")["required"],
        serde_json::json!(["status", "type"])
    );
    let entry = at("GitRepo", "status.resources.[]");
    assert_eq!(entry["required"], serde_json::json!(["perClusterState"]));
    assert_eq!(entry["properties"]["perClusterState"]["nullable"], true);
}

#[test]
fn names_scopes_and_columns_are_upstreams() {
    let mut table = String::new();
    for definition in crds() {
        let spec = &definition["spec"];
        let version = &spec["versions"][0];
        let columns: Vec<&str> = version["additionalPrinterColumns"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|column| column["name"].as_str())
            .collect();
        let _ = writeln!(
            table,
            "{} {} {} status={} categories={} columns={}",
            definition["metadata"]["name"],
            spec["names"]["kind"],
            spec["scope"],
            version["subresources"]["status"].is_object(),
            spec["names"]["categories"],
            columns.join(","),
        );
    }
    insta::assert_snapshot!(table.replace('"', ""));
}
