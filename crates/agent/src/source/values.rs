//! The Helm values of a deployment: those of its Secret on the hub, then `valuesFrom`.
//!
//! Neither values nor parts of them occur in errors (invariant T-1).

use std::collections::BTreeSet;

use api::copies::{Copied, CopiedKind};
use api::ids::options_secret_hash;
use api::labels::{DEPLOYMENT_STAGED_VALUES_KEY, DEPLOYMENT_VALUES_KEY};
use api::v1alpha1::{HelmOptions, KeySelector, Values};
use apiclient::{Client, Kind, ObjectKey};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};

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

/// Merges what `valuesFrom` names on the downstream cluster over `values`, in order; in one entry the
/// ConfigMap first.
pub(crate) async fn with_references(
    cluster: &Client,
    mut values: Values,
    helm: &HelmOptions,
    copied: &BTreeSet<Copied>,
    namespace: &str,
) -> Result<Values, Error> {
    // Copies are in the release namespace, whatever the reference says.
    let place = |kind, selector: &KeySelector| {
        let name = selector.name.clone();
        let (mut object, key) = target(selector, namespace);
        if copied.contains(&Copied { kind, name }) {
            namespace.clone_into(&mut object.namespace);
        }
        (object, key)
    };
    for from in &helm.values_from {
        if let Some(selector) = &from.config_map_key_ref {
            let (object, key) = place(CopiedKind::ConfigMap, selector);
            let found: Option<ConfigMap> = read(cluster, "configmap", &object).await?;
            let data = found.unwrap_or_default().data.unwrap_or_default();
            let text = data.get(&key).map(String::as_bytes);
            helm::values::merge(&mut values, parse("configmap", object, key, text)?);
        }
        if let Some(selector) = &from.secret_key_ref {
            let (object, key) = place(CopiedKind::Secret, selector);
            let found: Option<Secret> = read(cluster, "secret", &object).await?;
            let data = found.unwrap_or_default().data.unwrap_or_default();
            let text = data.get(&key).map(|bytes| bytes.0.as_slice());
            helm::values::merge(&mut values, parse("secret", object, key, text)?);
        }
    }
    Ok(values)
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

async fn read<K>(
    cluster: &Client,
    what: &'static str,
    object: &ObjectKey,
) -> Result<Option<K>, Error>
where
    K: kube::Resource<DynamicType = ()> + serde::de::DeserializeOwned,
    K::Scope: apiclient::Scope,
{
    match cluster.get::<K>(&Kind::of::<K>(), object).await {
        Ok(Some(found)) => Ok(Some(found)),
        Ok(None) => Err(Error::NotFound {
            what,
            object: object.clone(),
        }),
        Err(error) => Err(Error::Reference {
            what,
            object: object.clone(),
            source: Box::new(error),
        }),
    }
}

fn parse(
    what: &'static str,
    object: ObjectKey,
    key: String,
    text: Option<&[u8]>,
) -> Result<Values, Error> {
    let Some(text) = text else {
        return Err(Error::NoKey { what, object, key });
    };
    helm::values::load(text).map_err(|_| Error::NoMap { what, object, key })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(text: Option<&str>) -> Result<Values, String> {
        let object = ObjectKey::new("ns", "cm");
        parse("configmap", object, "k".to_owned(), text.map(str::as_bytes))
            .map_err(|e| e.to_string())
    }

    #[test]
    fn an_entry_is_a_yaml_map() {
        assert_eq!(
            parsed(Some("a: {b: x}")).map(serde_json::Value::Object),
            Ok(json!({"a": {"b": "x"}}))
        );
        assert_eq!(parsed(Some("")), Ok(Values::new()));
    }

    #[test]
    fn bad_entries_are_named_without_their_text() {
        assert_eq!(
            parsed(None).unwrap_err(),
            "key k is missing from configmap ns/cm, can't use it in valuesFrom"
        );
        for text in ["[hunter2]", "a: [hunter2", "hunter2"] {
            assert_eq!(
                parsed(Some(text)).unwrap_err(),
                "values from configmap ns/cm, key k: no YAML map"
            );
        }
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
