//! The Helm values of a deployment: those of its Secret on the hub, then `valuesFrom`.
//!
//! Neither values nor parts of them occur in errors (invariant T-1).

use std::collections::{BTreeMap, BTreeSet};

use api::copies::{Copied, CopiedKind};
use api::ids::options_secret_hash;
use api::labels::{DEPLOYMENT_STAGED_VALUES_KEY, DEPLOYMENT_VALUES_KEY};
use api::v1alpha1::{HelmOptions, KeySelector, Values, ValuesFrom};
use apiclient::{Client, Kind, ObjectKey};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use sha1::{Digest as _, Sha1};

/// Key of `valuesFrom` when none is given.
const DEFAULT_KEY: &str = "values.yaml";

/// Why the values are not known.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The Secret with the values was not read.
    #[error("read values secret {secret} from the hub")]
    Read {
        secret: ObjectKey,
        source: apiclient::Error,
    },
    /// The Secret is not there.
    #[error("values secret {secret} is not on the hub")]
    Missing { secret: ObjectKey },
    /// The Secret is older or newer than the deployment.
    #[error(
        "retrying, hash mismatch between secret and bundledeployment: actual {actual} != expected {expected}"
    )]
    Hash { actual: String, expected: String },
    /// The Secret holds no values.
    #[error("values secret {secret} holds no JSON object")]
    NoObject { secret: ObjectKey },
    /// A reference of `valuesFrom` was not read.
    #[error("read values from {what} {object}")]
    Reference {
        what: &'static str,
        object: ObjectKey,
        source: Box<apiclient::Error>,
    },
    /// A reference of `valuesFrom` names nothing.
    #[error("values from {what} {object}: not found")]
    NotFound {
        what: &'static str,
        object: ObjectKey,
    },
    /// The object lacks the key.
    #[error("key {key} is missing from {what} {object}, can't use it in valuesFrom")]
    NoKey {
        what: &'static str,
        object: ObjectKey,
        key: String,
    },
    /// The entry is no map in YAML.
    #[error("values from {what} {object}, key {key}: no YAML map")]
    NoMap {
        what: &'static str,
        object: ObjectKey,
        key: String,
    },
}

/// The values of the Secret of a BundleDeployment, after its hash has been checked.
pub(crate) async fn from_hub(
    hub: &Client,
    deployment: &ObjectKey,
    expected: &str,
) -> Result<Values, Error> {
    let read = hub.get::<Secret>(&Kind::of::<Secret>(), deployment).await;
    let found = read.map_err(|source| Error::Read {
        secret: deployment.clone(),
        source,
    })?;
    let secret = found.ok_or_else(|| Error::Missing {
        secret: deployment.clone(),
    })?;
    let data = secret.data.unwrap_or_default();
    let entry = |key: &str| data.get(key).map_or(&[][..], |bytes| bytes.0.as_slice());
    let values = entry(DEPLOYMENT_VALUES_KEY);
    let actual = options_secret_hash(values, entry(DEPLOYMENT_STAGED_VALUES_KEY));
    if actual != expected {
        return Err(Error::Hash {
            actual,
            expected: expected.to_owned(),
        });
    }
    if values.is_empty() {
        return Ok(Values::new());
    }
    serde_json::from_slice(values).map_err(|_| Error::NoObject {
        secret: deployment.clone(),
    })
}

/// An object on the downstream cluster that values come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Reference {
    pub(crate) kind: CopiedKind,
    pub(crate) object: ObjectKey,
}

impl Reference {
    /// As errors call its kind.
    fn what(&self) -> &'static str {
        match self.kind {
            CopiedKind::ConfigMap => "configmap",
            CopiedKind::Secret => "secret",
        }
    }
}

/// What `valuesFrom` names, with the key in each, in the order in which it is merged; in one entry the
/// ConfigMap first. Pure.
pub(crate) fn references(
    helm: &HelmOptions,
    copied: &BTreeSet<Copied>,
    namespace: &str,
) -> Vec<(Reference, String)> {
    // Copies are in the release namespace, whatever the reference says.
    let place = |kind, selector: &KeySelector| {
        let name = selector.name.clone();
        let (mut object, key) = target(selector, namespace);
        if copied.contains(&Copied { kind, name }) {
            namespace.clone_into(&mut object.namespace);
        }
        (Reference { kind, object }, key)
    };
    let of = |from: &ValuesFrom| {
        let config_map = from.config_map_key_ref.as_ref();
        let secret = from.secret_key_ref.as_ref();
        let config_map = config_map.map(|selector| place(CopiedKind::ConfigMap, selector));
        let secret = secret.map(|selector| place(CopiedKind::Secret, selector));
        config_map.into_iter().chain(secret)
    };
    helm.values_from.iter().flat_map(of).collect()
}

/// Values of references, and what they were read from.
#[derive(Debug, Default)]
pub(crate) struct Referenced {
    pub(crate) values: Values,
    /// Of the texts as they are, in hexadecimal digits. It is as secret as they are.
    pub(crate) digest: String,
    /// Resource versions.
    pub(crate) versions: BTreeMap<Reference, String>,
}

/// Merges what references name over `values`, in order.
pub(crate) async fn with_references(
    cluster: &Client,
    values: Values,
    references: &[(Reference, String)],
) -> Result<Referenced, Error> {
    let mut merged = Referenced {
        values,
        ..Referenced::default()
    };
    let mut digest = Sha1::new();
    for (reference, key) in references {
        let (version, text) = read(cluster, reference, key).await?;
        let (what, object) = (reference.what(), reference.object.clone());
        let Some(text) = text else {
            let key = key.clone();
            return Err(Error::NoKey { what, object, key });
        };
        digest.update(text.len().to_be_bytes());
        digest.update(&text);
        helm::values::merge(&mut merged.values, parse(what, object, key, &text)?);
        merged.versions.insert(reference.clone(), version);
    }
    if !references.is_empty() {
        merged.digest = hex::encode(digest.finalize());
    }
    Ok(merged)
}

fn target(selector: &KeySelector, namespace: &str) -> (ObjectKey, String) {
    let or = |given: &str, default: &str| {
        if given.is_empty() {
            default.to_owned()
        } else {
            given.to_owned()
        }
    };
    let object = ObjectKey::new(or(&selector.namespace, namespace), selector.name.clone());
    (object, or(&selector.key, DEFAULT_KEY))
}

/// The resource version of an object, and the text under a key of it.
async fn read(
    cluster: &Client,
    reference: &Reference,
    key: &str,
) -> Result<(String, Option<Vec<u8>>), Error> {
    let object = &reference.object;
    let (version, text) = match reference.kind {
        CopiedKind::ConfigMap => {
            let found: ConfigMap = read_one(cluster, reference).await?;
            let mut data = found.data.unwrap_or_default();
            (
                found.metadata.resource_version,
                data.remove(key).map(String::into_bytes),
            )
        }
        CopiedKind::Secret => {
            let found: Secret = read_one(cluster, reference).await?;
            let mut data = found.data.unwrap_or_default();
            (
                found.metadata.resource_version,
                data.remove(key).map(|bytes| bytes.0),
            )
        }
    };
    tracing::debug!(%object, "values are read");
    Ok((version.unwrap_or_default(), text))
}

async fn read_one<K>(cluster: &Client, reference: &Reference) -> Result<K, Error>
where
    K: kube::Resource<DynamicType = ()> + serde::de::DeserializeOwned,
    K::Scope: apiclient::Scope,
{
    let (what, object) = (reference.what(), reference.object.clone());
    match cluster.get::<K>(&Kind::of::<K>(), &object).await {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(Error::NotFound { what, object }),
        Err(error) => Err(Error::Reference {
            what,
            object,
            source: Box::new(error),
        }),
    }
}

fn parse(what: &'static str, object: ObjectKey, key: &str, text: &[u8]) -> Result<Values, Error> {
    let key = key.to_owned();
    helm::values::load(text).map_err(|_| Error::NoMap { what, object, key })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(text: &str) -> Result<Values, String> {
        let object = ObjectKey::new("ns", "cm");
        parse("configmap", object, "k", text.as_bytes()).map_err(|e| e.to_string())
    }

    #[test]
    fn an_entry_is_a_yaml_map() {
        assert_eq!(
            parsed("a: {b: x}").map(serde_json::Value::Object),
            Ok(json!({"a": {"b": "x"}}))
        );
        assert_eq!(parsed(""), Ok(Values::new()));
    }

    #[test]
    fn bad_entries_are_named_without_their_text() {
        for text in ["[hunter2]", "a: [hunter2", "hunter2"] {
            assert_eq!(
                parsed(text).unwrap_err(),
                "values from configmap ns/cm, key k: no YAML map"
            );
        }
    }

    #[test]
    fn copies_are_where_the_release_is() {
        let helm: HelmOptions = serde_json::from_value(json!({"valuesFrom": [
            {"secretKeyRef": {"name": "a", "namespace": "x"}, "configMapKeyRef": {"name": "a", "key": "k"}},
            {"configMapKeyRef": {"name": "b", "namespace": "x"}}]}))
        .unwrap();
        let copied = Copied {
            kind: CopiedKind::Secret,
            name: "a".to_owned(),
        };
        let found = references(&helm, &BTreeSet::from([copied]), "rel");
        let found: Vec<String> = found
            .iter()
            .map(|(it, key)| format!("{} {} {key}", it.what(), it.object))
            .collect();
        assert_eq!(
            found,
            [
                "configmap rel/a k",
                "secret rel/a values.yaml",
                "configmap x/b values.yaml"
            ]
        );
    }

    #[test]
    fn references_have_defaults() {
        let bare = KeySelector {
            name: "cm".to_owned(),
            ..KeySelector::default()
        };
        assert_eq!(
            target(&bare, "rel"),
            (ObjectKey::new("rel", "cm"), "values.yaml".to_owned())
        );
        let full = KeySelector {
            namespace: "n".to_owned(),
            key: "k".to_owned(),
            ..bare
        };
        assert_eq!(
            target(&full, "rel"),
            (ObjectKey::new("n", "cm"), "k".to_owned())
        );
    }
}
