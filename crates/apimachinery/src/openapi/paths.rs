//! The paths of a resource, with what clients look for in them.

use serde_json::{Map, Value, json};

use super::components::{Components, gvk};
use super::{Resource, api_path};

/// Schemas that every document refers to.
pub(super) const COMMON: &[&str] = &[
    "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Patch",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Status",
];

/// Adds the paths of a resource whose kind has a schema.
pub(super) fn add(
    paths: &mut Map<String, Value>,
    resource: &Resource<'_>,
    components: &Components,
) {
    let Some(name) = components.of_kind(resource.kind) else {
        return;
    };
    let operations = Operations {
        resource,
        object: name,
        strategic: components.is_builtin(resource.kind),
    };
    let root = format!(
        "/{}",
        api_path(&resource.kind.group, &resource.kind.version)
    );
    let all = format!("{root}/{}", resource.plural);
    let base = if resource.namespaced {
        paths.insert(all, with_parameters(json!({"get": operations.list()}), &[]));
        format!("{root}/namespaces/{{namespace}}/{}", resource.plural)
    } else {
        all
    };
    let namespace: &[&str] = if resource.namespaced {
        &["namespace"]
    } else {
        &[]
    };
    let collection = json!({
        "get": operations.list(),
        "post": operations.write("post", "create"),
        "delete": operations.delete("deletecollection"),
    });
    paths.insert(base.clone(), with_parameters(collection, namespace));
    let named = [namespace, &["name"]].concat();
    let mut object = operations.object_operations();
    object["delete"] = operations.delete("delete");
    paths.insert(format!("{base}/{{name}}"), with_parameters(object, &named));
    for subresource in resource.subresources {
        let path = format!("{base}/{{name}}/{subresource}");
        // Scales and the like are other kinds, which clients ask discovery about.
        let operations = if *subresource == "status" {
            operations.object_operations()
        } else {
            continue;
        };
        paths.insert(path, with_parameters(operations, &named));
    }
}

struct Operations<'a> {
    resource: &'a Resource<'a>,
    /// Name of the kind's schema.
    object: &'a str,
    /// Whether strategic merge patches are taken.
    strategic: bool,
}

impl Operations<'_> {
    fn object_operations(&self) -> Value {
        json!({
            "get": self.operation("get", "read", self.object, Vec::new()),
            "put": self.write("put", "replace"),
            "patch": self.patch(),
        })
    }

    fn list(&self) -> Value {
        let names = [
            "allowWatchBookmarks",
            "continue",
            "fieldSelector",
            "labelSelector",
            "limit",
            "resourceVersion",
            "resourceVersionMatch",
            "sendInitialEvents",
            "timeoutSeconds",
            "watch",
        ];
        let parameters = names.into_iter().map(query).collect();
        self.operation("list", "list", &format!("{}List", self.object), parameters)
    }

    fn write(&self, action: &str, verb: &str) -> Value {
        let parameters = ["dryRun", "fieldManager", "fieldValidation"]
            .into_iter()
            .map(query)
            .collect();
        let mut operation = self.operation(action, verb, self.object, parameters);
        operation["requestBody"] =
            json!({"required": true, "content": {"*/*": schema(self.object)}});
        operation
    }

    fn patch(&self) -> Value {
        let names = ["dryRun", "fieldManager", "fieldValidation", "force"];
        let parameters = names.into_iter().map(query).collect();
        let mut operation = self.operation("patch", "patch", self.object, parameters);
        let mut content = Map::new();
        for kind in ["apply-patch+yaml", "json-patch+json", "merge-patch+json"] {
            content.insert(format!("application/{kind}"), schema(COMMON[1]));
        }
        if self.strategic {
            content.insert(
                "application/strategic-merge-patch+json".to_owned(),
                schema(COMMON[1]),
            );
        }
        operation["requestBody"] = json!({"required": true, "content": content});
        operation
    }

    fn delete(&self, action: &str) -> Value {
        let names = [
            "dryRun",
            "gracePeriodSeconds",
            "orphanDependents",
            "propagationPolicy",
        ];
        let parameters = names.into_iter().map(query).collect();
        let mut operation = self.operation(action, "delete", COMMON[2], parameters);
        operation["requestBody"] = json!({"content": {"*/*": schema(COMMON[0])}});
        operation
    }

    fn operation(&self, action: &str, verb: &str, answer: &str, parameters: Vec<Value>) -> Value {
        let kind = self.resource.kind;
        let mut operation = json!({
            "description": format!("{verb} objects of kind {}", kind.kind),
            "responses": {
                "200": {"description": "OK", "content": {"application/json": schema(answer)}},
                "401": {"description": "Unauthorized"},
            },
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": gvk(kind),
        });
        if !parameters.is_empty() {
            operation["parameters"] = Value::from(parameters);
        }
        operation
    }
}

fn schema(name: &str) -> Value {
    json!({"schema": {"$ref": format!("#/components/schemas/{name}")}})
}

fn query(name: &str) -> Value {
    let kind = match name {
        "allowWatchBookmarks" | "force" | "orphanDependents" | "sendInitialEvents" | "watch" => {
            "boolean"
        }
        "gracePeriodSeconds" | "limit" | "timeoutSeconds" => "integer",
        _ => "string",
    };
    json!({"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": true}})
}

fn with_parameters(mut item: Value, names: &[&str]) -> Value {
    let path = |name: &&str| {
        json!({"name": name, "in": "path", "required": true,
            "schema": {"type": "string", "uniqueItems": true}})
    };
    let mut parameters: Vec<Value> = names.iter().map(path).collect();
    parameters.push(query("pretty"));
    item["parameters"] = Value::from(parameters);
    item
}
