//! OpenAPI v3 documents of a logical cluster.
//!
//! Documents of built-in groups are the same everywhere and are made once. Those of CRDs are made when
//! asked for: kubectl asks for one group at a time, and the index needs only something that changes
//! when a document does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use apimachinery::openapi::{self, Components, Resource as Described};
use apimachinery::types::Kind;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::cluster::ClusterState;
use crate::machinery::kinds;
use crate::registry::{Registry, Resource};
use crate::status::Status;

/// Documents of built-in groups by path.
static BUILTIN: Mutex<BTreeMap<String, Arc<[u8]>>> = Mutex::new(BTreeMap::new());

/// Answers a path below `/openapi`.
///
/// # Errors
/// `NotFound` for groups this cluster does not serve.
pub(crate) fn answer(cluster: &ClusterState, path: &[&str]) -> Result<Vec<u8>, Status> {
    let registry = &cluster.registry;
    match path {
        ["v3"] => Ok(index(registry).to_string().into_bytes()),
        ["v3", "api", version] => document(registry, "", version),
        ["v3", "apis", group, version] => document(registry, group, version),
        _ => Err(Status::no_such_path()),
    }
}

/// The OpenAPI v2 document, in JSON or in the protobuf form that kubectl insists on.
///
/// It describes no type at all: kinds are described in v3. kubectl asks for v2 only about kinds
/// that v3 does not have, such as objects whose CRD comes later in the same file, and checks
/// nothing about what the document does not describe.
pub(crate) fn version2(protobuf: bool) -> Vec<u8> {
    if !protobuf {
        let info = serde_json::json!({"title": "Kubernetes", "version": "v1.36.2"});
        return serde_json::json!({"swagger": "2.0", "info": info, "paths": {}, "definitions": {}})
            .to_string()
            .into_bytes();
    }
    // Message openapi.v2.Document: swagger = 1, info = 2, paths = 8, definitions = 9.
    b"\x0a\x032.0\x12\x15\x0a\x0aKubernetes\x12\x07v1.36.2\x42\x00\x4a\x00".to_vec()
}

fn index(registry: &Registry) -> Value {
    let documents: Vec<(String, String)> = registry
        .groups()
        .iter()
        .flat_map(|group| {
            group.versions.iter().map(|(version, resources)| {
                (openapi::api_path(&group.name, version), hash(resources))
            })
        })
        .collect();
    openapi::index(
        documents
            .iter()
            .map(|(path, hash)| (path.as_str(), hash.as_str())),
    )
}

/// Changes when the document of these resources does.
fn hash(resources: &[Arc<Resource>]) -> String {
    let mut hasher = Sha256::new();
    for resource in resources {
        hasher.update(resource.api_version.as_bytes());
        hasher.update(resource.kind.as_bytes());
        if let Some(text) = resource
            .custom
            .as_ref()
            .and_then(|c| c.schema_text.as_ref())
        {
            hasher.update(text.get());
        }
    }
    openapi::hash(&hasher.finalize())
}

fn document(registry: &Registry, group: &str, version: &str) -> Result<Vec<u8>, Status> {
    let groups = registry.groups();
    let resources = groups
        .iter()
        .find(|known| known.name == group)
        .and_then(|known| known.versions.iter().find(|(name, _)| name == version))
        .map(|(_, resources)| resources)
        .ok_or_else(Status::no_such_path)?;
    if resources.iter().any(|resource| resource.custom.is_some()) {
        return Ok(describe(resources, &with_custom(resources)).into_bytes());
    }
    let path = openapi::api_path(group, version);
    let known = BUILTIN
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&path)
        .cloned();
    if let Some(known) = known {
        return Ok(known.to_vec());
    }
    let bytes = describe(resources, kinds::components()).into_bytes();
    let mut all = BUILTIN.lock().unwrap_or_else(PoisonError::into_inner);
    all.insert(path, bytes.as_slice().into());
    Ok(bytes)
}

fn with_custom(resources: &[Arc<Resource>]) -> Components {
    let mut components = kinds::components().clone();
    for resource in resources {
        let text = resource
            .custom
            .as_ref()
            .and_then(|custom| custom.schema_text.as_ref());
        let schema = text.and_then(|text| serde_json::from_str(text.get()).ok());
        components.add_custom(&kind(resource), &schema.unwrap_or_default());
    }
    components
}

fn kind(resource: &Resource) -> Kind {
    Kind {
        group: resource.group.clone(),
        version: resource.version.clone(),
        kind: resource.kind.clone(),
    }
}

fn describe(resources: &[Arc<Resource>], components: &Components) -> String {
    let kinds: Vec<Kind> = resources.iter().map(|resource| kind(resource)).collect();
    let subresources: Vec<Vec<&str>> = resources
        .iter()
        .map(|resource| {
            resource
                .subresources
                .iter()
                .map(|sub| sub.name.as_str())
                .collect()
        })
        .collect();
    let described: Vec<Described<'_>> = resources
        .iter()
        .zip(&kinds)
        .zip(&subresources)
        .map(|((resource, kind), subresources)| Described {
            kind,
            plural: &resource.plural,
            namespaced: resource.namespaced,
            subresources,
        })
        .collect();
    openapi::document(&described, components).to_string()
}
