//! From a CustomResourceDefinition to the resources it adds.
//!
//! Schemas stay undecoded until an object of the kind is written: a cluster may hold megabytes of
//! CRDs and use a few.

use std::sync::{Arc, OnceLock};

use apimachinery::types::Kind;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Resource, Subresource, join_api_version};
use crate::machinery::Schema;
use crate::store::{Entry, GroupResource};

/// Why a CRD cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Its spec does not have the required shape.
    #[error("spec cannot be read")]
    Spec(#[source] serde_json::Error),
    /// No version is marked as storage version.
    #[error("no storage version")]
    NoStorageVersion,
}

/// What a CRD adds to a resource.
#[derive(Debug)]
pub(crate) struct CustomKind {
    /// Name of the CRD.
    pub(crate) crd: String,
    /// Text of `openAPIV3Schema`.
    pub(crate) schema_text: Option<Box<RawValue>>,
    /// `additionalPrinterColumns`.
    pub(crate) columns: Vec<Value>,
    /// JSON paths that field selectors may name, such as `.spec.color`.
    pub(crate) selectable: Vec<String>,
    /// Paths of the scale subresource.
    pub(crate) scale: Option<ScalePaths>,
    /// Warning for requests to a deprecated version.
    pub(crate) deprecation: Option<String>,
    kind: Kind,
    schema: OnceLock<Option<Arc<Schema>>>,
}

impl CustomKind {
    /// The compiled schema, compiled at first use; `None` if there is none or it is unusable,
    /// which creation of the CRD has ruled out.
    pub(crate) fn schema(&self) -> Option<&Arc<Schema>> {
        self.schema
            .get_or_init(|| {
                let text = self.schema_text.as_ref()?;
                match Schema::compile(text.get(), self.kind.clone()) {
                    Ok(schema) => Some(Arc::new(schema)),
                    Err(error) => {
                        tracing::warn!(crd = %self.crd, %error, "schema is not enforced");
                        None
                    }
                }
            })
            .as_ref()
    }
}

/// Where the scale subresource finds its numbers, as JSON paths such as `.spec.replicas`.
#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
pub(crate) struct ScalePaths {
    /// Wanted replicas.
    #[serde(rename = "specReplicasPath")]
    pub(crate) wanted: String,
    /// Present replicas.
    #[serde(rename = "statusReplicasPath")]
    pub(crate) present: String,
    /// Label selector in text form.
    #[serde(rename = "labelSelectorPath", default)]
    pub(crate) selector: Option<String>,
}

#[derive(Deserialize)]
struct Crd {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    group: String,
    scope: String,
    names: Naming,
    versions: Vec<Version>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Naming {
    plural: String,
    #[serde(default)]
    singular: String,
    kind: String,
    #[serde(default)]
    list_kind: String,
    #[serde(default)]
    short_names: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    name: String,
    served: bool,
    storage: bool,
    #[serde(default)]
    schema: Option<SchemaHolder>,
    #[serde(default)]
    subresources: Option<Subresources>,
    #[serde(default)]
    additional_printer_columns: Vec<Value>,
    #[serde(default)]
    selectable_fields: Vec<SelectableField>,
    #[serde(default)]
    deprecated: bool,
    #[serde(default)]
    deprecation_warning: Option<String>,
}

#[derive(Deserialize)]
struct SchemaHolder {
    #[serde(rename = "openAPIV3Schema")]
    schema: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct Subresources {
    status: Option<Value>,
    scale: Option<ScalePaths>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SelectableField {
    json_path: String,
}

/// The served resources of a stored CRD, one for each served version.
pub(super) fn resources(entry: &Entry) -> Result<Arc<[Arc<Resource>]>, Error> {
    let mut bytes = Vec::new();
    entry.payload.write(&mut bytes, None, 0);
    let crd: Crd = serde_json::from_slice(&bytes).map_err(Error::Spec)?;
    let Spec {
        group,
        scope,
        names,
        versions,
    } = crd.spec;
    let storage = versions
        .iter()
        .find(|version| version.storage)
        .ok_or(Error::NoStorageVersion)?;
    let stored_version = join_api_version(&group, &storage.name);
    Ok(versions
        .into_iter()
        .filter(|version| version.served)
        .map(|version| Arc::new(resource(&group, &scope, &names, version, &stored_version)))
        .collect())
}

fn resource(
    group: &str,
    scope: &str,
    names: &Naming,
    version: Version,
    stored_version: &str,
) -> Resource {
    let group_resource = GroupResource::new(group, &names.plural);
    let or = |text: &str, other: String| {
        if text.is_empty() {
            other
        } else {
            text.to_owned()
        }
    };
    let verbs = [
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "create",
        "update",
        "watch",
    ];
    let api_version = join_api_version(group, &version.name);
    let deprecation = version.deprecated.then(|| {
        version
            .deprecation_warning
            .clone()
            .unwrap_or_else(|| format!("{api_version} {} is deprecated", names.kind))
    });
    let version_name = version.name.clone();
    let scale = version
        .subresources
        .as_ref()
        .and_then(|subs| subs.scale.clone());
    Resource {
        group: group.to_owned(),
        version: version.name.clone(),
        plural: names.plural.clone(),
        singular: or(&names.singular, names.kind.to_lowercase()),
        kind: names.kind.clone(),
        list_kind: or(&names.list_kind, format!("{}List", names.kind)),
        namespaced: scope == "Namespaced",
        verbs: verbs.map(str::to_owned).to_vec(),
        short_names: names.short_names.clone(),
        categories: names.categories.clone(),
        subresources: subresources(&names.kind, version.subresources.as_ref()),
        bucket: group_resource.clone(),
        group_resource,
        api_version,
        stored_version: stored_version.to_owned(),
        custom: Some(CustomKind {
            crd: format!("{}.{group}", names.plural),
            schema_text: version.schema.and_then(|holder| holder.schema),
            columns: version.additional_printer_columns,
            selectable: version
                .selectable_fields
                .into_iter()
                .map(|f| f.json_path)
                .collect(),
            scale,
            deprecation,
            kind: Kind {
                group: group.to_owned(),
                version: version_name,
                kind: names.kind.clone(),
            },
            schema: OnceLock::new(),
        }),
    }
}

fn subresources(kind: &str, declared: Option<&Subresources>) -> Vec<Subresource> {
    let verbs = || ["get", "patch", "update"].map(str::to_owned).to_vec();
    let mut found = Vec::new();
    if declared.is_some_and(|subs| subs.scale.is_some()) {
        found.push(Subresource {
            name: "scale".to_owned(),
            kind: "Scale".to_owned(),
            group_version: Some(("autoscaling".to_owned(), "v1".to_owned())),
            verbs: verbs(),
        });
    }
    if declared.is_some_and(|subs| subs.status.is_some()) {
        found.push(Subresource {
            name: "status".to_owned(),
            kind: kind.to_owned(),
            group_version: None,
            verbs: verbs(),
        });
    }
    found
}
