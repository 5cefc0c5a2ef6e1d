//! OpenAPI v3 documents, one per group and version, as kubectl reads them.
//!
//! In: JSON schema definitions of the built-in kinds with their facts, structural schemas of custom
//! resources, and the resources that are served. Out: [`Components`], documents and their index.
//! Good for `kubectl explain`, for kubectl's choice of patch type and for its question whether the
//! server validates fields; responses and parameters are described no further than that. OpenAPI
//! v2 is not made.

mod components;
mod paths;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::types::Kind;

pub use components::Components;

/// A resource that is served.
#[derive(Debug, Clone, Copy)]
pub struct Resource<'a> {
    /// Its group, version and kind.
    pub kind: &'a Kind,
    /// Its name in URLs, such as `deployments`.
    pub plural: &'a str,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Names of its subresources, such as `status`.
    pub subresources: &'a [&'a str],
}

/// Where a group and version is served: `api/v1` or `apis/apps/v1`. Documents lie at the same path
/// below `/openapi/v3/`.
pub fn api_path(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("api/{version}")
    } else {
        format!("apis/{group}/{version}")
    }
}

/// The document of one group and version: the paths of its resources and the schemas they need.
pub fn document(resources: &[Resource<'_>], components: &Components) -> Value {
    let mut paths = Map::new();
    for resource in resources {
        paths::add(&mut paths, resource, components);
    }
    let mut roots: Vec<&str> = paths::COMMON.to_vec();
    let names: Vec<String> = resources
        .iter()
        .filter_map(|resource| components.of_kind(resource.kind).map(str::to_owned))
        .flat_map(|name| [format!("{name}List"), name])
        .collect();
    roots.extend(names.iter().map(String::as_str));
    let token = json!({
        "description": "Bearer Token authentication",
        "in": "header", "name": "authorization", "type": "apiKey",
    });
    json!({
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": paths,
        "components": {
            "schemas": components.closure(&roots),
            "securitySchemes": {"BearerToken": token},
        },
    })
}

/// The hash by which clients cache a document, from its bytes.
pub fn hash(document: &[u8]) -> String {
    Sha256::digest(document)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect::<Vec<_>>()
        .concat()
}

/// The index at `/openapi/v3`, from path ([`api_path`]) and hash of each document.
pub fn index<'a>(documents: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let entry = |(path, hash): (&str, &str)| {
        let url = format!("/openapi/v3/{path}?hash={hash}");
        (path.to_owned(), json!({"serverRelativeURL": url}))
    };
    let paths: Map<String, Value> = documents.into_iter().map(entry).collect();
    json!({"paths": paths})
}
