//! OpenAPI documents hold what kubectl looks for in them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use apimachinery::openapi::{self, Components, Resource};
use apimachinery::types::{Facts, Kind};
use serde_json::{Map, Value, json};

fn components() -> Components {
    let definitions: Map<String, Value> =
        serde_json::from_str(include_str!("data/definitions.json")).unwrap();
    Components::builtin(&definitions, &Facts::builtin().unwrap())
}

fn kind(group: &str, version: &str, kind: &str) -> Kind {
    let [group, version, kind] = [group, version, kind].map(str::to_owned);
    Kind {
        group,
        version,
        kind,
    }
}

/// Every `$ref` of a document leads to one of its own schemas.
fn check_references(document: &Value) {
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut stack = vec![document];
    while let Some(value) = stack.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(target)) = fields.get("$ref") {
                    let name = target
                        .strip_prefix("#/components/schemas/")
                        .unwrap_or(target);
                    // The definitions of these tests are an excerpt.
                    let common = ["DeleteOptions", "Status", "ListMeta"]
                        .iter()
                        .any(|one| name.ends_with(one));
                    assert!(common || schemas.contains_key(name), "{target}");
                }
                stack.extend(fields.values());
            }
            Value::Array(items) => stack.extend(items),
            _ => {}
        }
    }
}

#[test]
fn kubectl_finds_kind_and_patch_types_of_a_built_in_resource() {
    let deployment = kind("apps", "v1", "Deployment");
    let resource = Resource {
        kind: &deployment,
        plural: "deployments",
        namespaced: true,
        subresources: &["scale", "status"],
    };
    let document = openapi::document(&[resource], &components());
    check_references(&document);
    let paths = document["paths"].as_object().unwrap();
    let names: Vec<&str> = paths.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "/apis/apps/v1/deployments",
            "/apis/apps/v1/namespaces/{namespace}/deployments",
            "/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
            "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/status",
        ]
    );
    let gvk = json!({"group": "apps", "version": "v1", "kind": "Deployment"});
    assert_eq!(
        paths["/apis/apps/v1/deployments"]["get"]["x-kubernetes-group-version-kind"],
        gvk
    );
    let patch = &paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"], gvk);
    assert_eq!(patch["x-kubernetes-action"], "patch");
    let parameters: Vec<&Value> = patch["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["name"])
        .collect();
    assert_eq!(
        parameters,
        ["dryRun", "fieldManager", "fieldValidation", "force"]
    );
    let content = patch["requestBody"]["content"].as_object().unwrap();
    assert!(content.contains_key("application/strategic-merge-patch+json"));
    let schemas = &document["components"]["schemas"];
    assert_eq!(
        schemas["io.k8s.api.apps.v1.Deployment"]["x-kubernetes-group-version-kind"],
        json!([gvk])
    );
    let containers = &schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
    let strategy = &schemas["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["strategy"];
    assert_eq!(strategy["x-kubernetes-patch-strategy"], "retainKeys");
    assert_eq!(
        strategy["allOf"][0]["$ref"],
        "#/components/schemas/io.k8s.api.apps.v1.DeploymentStrategy"
    );
}

#[test]
fn a_custom_resource_has_a_schema_and_no_strategic_patch() {
    let mut components = components();
    let widget = kind("things.example.com", "v1", "Widget");
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "description": "What."}}});
    components.add_custom(&widget, &schema);
    assert_eq!(
        components.of_kind(&widget),
        Some("com.example.things.v1.Widget")
    );
    let resource = Resource {
        kind: &widget,
        plural: "widgets",
        namespaced: false,
        subresources: &[],
    };
    let document = openapi::document(&[resource], &components);
    check_references(&document);
    let schema = &document["components"]["schemas"]["com.example.things.v1.Widget"];
    assert_eq!(schema["properties"]["spec"]["description"], "What.");
    assert_eq!(schema["properties"]["apiVersion"]["type"], "string");
    let patch = &document["paths"]["/apis/things.example.com/v1/widgets/{name}"]["patch"];
    let content = patch["requestBody"]["content"].as_object().unwrap();
    assert!(!content.contains_key("application/strategic-merge-patch+json"));
    components.remove_custom(&widget);
    assert_eq!(components.of_kind(&widget), None);
    assert_eq!(
        openapi::document(&[resource], &components)["paths"],
        json!({})
    );
}

#[test]
fn the_index_changes_with_the_documents() {
    let (a, b) = (openapi::hash(b"a"), openapi::hash(b"b"));
    assert_ne!(a, b);
    let core = openapi::api_path("", "v1");
    let apps = openapi::api_path("apps", "v1");
    let index = openapi::index([(core.as_str(), a.as_str()), (apps.as_str(), b.as_str())]);
    assert_eq!(
        index["paths"]["api/v1"]["serverRelativeURL"],
        format!("/openapi/v3/api/v1?hash={a}")
    );
    assert_eq!(
        index["paths"]["apis/apps/v1"]["serverRelativeURL"],
        format!("/openapi/v3/apis/apps/v1?hash={b}")
    );
}
