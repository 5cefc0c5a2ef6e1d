//! The Secrets that hold how the hub is reached. Pure.

use std::collections::BTreeMap;

use apiclient::ObjectKey;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

/// Name of the Secret with the right to ask for a credential.
pub const BOOTSTRAP: &str = "fleet-agent-bootstrap";
/// Name of the Secret with the credential.
pub const CREDENTIAL: &str = "fleet-agent";
/// Key of the bootstrap Secret whose YAML stands for all others.
const VALUES: &str = "values";

/// A Secret does not hold what it should. Values are never quoted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// A key is missing or empty.
    #[error("key {0} is missing or empty")]
    Key(&'static str),
    /// The values are no YAML map.
    #[error("key values is no YAML map")]
    Values,
    /// The authorities are none.
    #[error("key apiServerCA holds no certificate in PEM form")]
    Authority,
}

/// The right to ask for a credential.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Bootstrap {
    pub(crate) server: String,
    /// Authorities of the hub, as PEM; may be empty.
    pub(crate) ca_pem: String,
    /// Where the ClusterRegistration goes.
    pub(crate) cluster_namespace: String,
    pub(crate) token: String,
    /// The ClusterRegistrationToken.
    pub(crate) token_name: String,
    /// Where the answer appears.
    pub(crate) system_registration_namespace: String,
}

/// A credential for the hub.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    /// How the hub is reached.
    pub kubeconfig: String,
    /// Namespace of the cluster's BundleDeployments on the hub.
    pub deployment_namespace: String,
    /// The Cluster on the hub.
    pub cluster: ObjectKey,
}

fn texts(secret: &Secret) -> BTreeMap<String, String> {
    let data = secret.data.iter().flatten();
    data.map(|(key, value)| {
        let text = String::from_utf8_lossy(&value.0).into_owned();
        (key.clone(), text)
    })
    .collect()
}

fn need(texts: &BTreeMap<String, String>, key: &'static str) -> Result<String, Incomplete> {
    match texts.get(key).map(|text| text.trim()) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(Incomplete::Key(key)),
    }
}

impl Bootstrap {
    /// Reads the Secret; texts of its `values` replace what else it holds.
    pub(crate) fn of(secret: &Secret) -> Result<Self, Incomplete> {
        let mut texts = texts(secret);
        if let Some(values) = texts.remove(VALUES).filter(|values| !values.is_empty()) {
            let values = goyaml::parse_object(values.as_bytes()).map_err(|_| Incomplete::Values)?;
            for (key, value) in values {
                if let Value::String(text) = value {
                    texts.insert(key, text);
                }
            }
        }
        let ca_pem = texts.get("apiServerCA").cloned().unwrap_or_default();
        if !ca_pem.trim().is_empty() && !ca_pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(Incomplete::Authority);
        }
        Ok(Self {
            server: need(&texts, "apiServerURL")?,
            ca_pem,
            cluster_namespace: need(&texts, "clusterNamespace")?,
            token: need(&texts, "token")?,
            token_name: texts.get("tokenName").cloned().unwrap_or_default(),
            system_registration_namespace: need(&texts, "systemRegistrationNamespace")?,
        })
    }
}

impl Credential {
    /// Reads the Secret.
    pub(crate) fn of(secret: &Secret) -> Result<Self, Incomplete> {
        let texts = texts(secret);
        Ok(Self {
            kubeconfig: need(&texts, "kubeconfig")?,
            deployment_namespace: need(&texts, "deploymentNamespace")?,
            cluster: ObjectKey::new(
                need(&texts, "clusterNamespace")?,
                need(&texts, "clusterName")?,
            ),
        })
    }

    /// The Secret as it is stored.
    pub(crate) fn secret(&self, key: &ObjectKey) -> Value {
        let data = |text: &str| json!(ByteString(text.as_bytes().to_vec()));
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": key.name, "namespace": key.namespace },
            "data": {
                "kubeconfig": data(&self.kubeconfig),
                "deploymentNamespace": data(&self.deployment_namespace),
                "clusterNamespace": data(&self.cluster.namespace),
                "clusterName": data(&self.cluster.name),
            },
        })
    }
}

/// What the hub answers a registration with: token, deployment namespace and Cluster.
pub(crate) fn answer(secret: &Secret) -> Result<(String, String, ObjectKey), Incomplete> {
    let texts = texts(secret);
    let cluster = ObjectKey::new(
        need(&texts, "clusterNamespace")?,
        need(&texts, "clusterName")?,
    );
    Ok((
        need(&texts, "token")?,
        need(&texts, "deploymentNamespace")?,
        cluster,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(data: &[(&str, &str)]) -> Secret {
        let entry = |(key, value): &(&str, &str)| {
            ((*key).to_owned(), ByteString(value.as_bytes().to_vec()))
        };
        Secret {
            data: Some(data.iter().map(entry).collect()),
            ..Secret::default()
        }
    }

    const CA: &str = "-----BEGIN CERTIFICATE-----\n";
    const PLAIN: [(&str, &str); 6] = [
        ("apiServerURL", "https://hub\n"),
        ("apiServerCA", CA),
        ("clusterNamespace", "fleet-default"),
        ("token", "secret-value"),
        ("tokenName", "import"),
        (
            "systemRegistrationNamespace",
            "cattle-fleet-clusters-system",
        ),
    ];

    #[test]
    fn values_replace_what_else_the_secret_holds() {
        let plain = Bootstrap::of(&secret(&PLAIN)).unwrap_or_else(|error| unreachable!("{error}"));
        assert_eq!(
            (plain.server.as_str(), plain.ca_pem.as_str()),
            ("https://hub", CA)
        );
        let values = "apiServerURL: https://other\ntoken: t\nignored: 1\nlabels: {a: b}\n";
        let mut data = PLAIN.to_vec();
        data.push(("values", values));
        let replaced = Bootstrap::of(&secret(&data)).ok().unwrap();
        assert_eq!(
            (replaced.server.as_str(), replaced.token.as_str()),
            ("https://other", "t")
        );
        assert_eq!(replaced.token_name, "import");
        data.pop();
        data.push(("values", ""));
        assert!(Bootstrap::of(&secret(&data)).ok().unwrap() == plain);
    }

    #[test]
    fn what_is_missing_is_named_and_values_are_not_quoted() {
        for key in [
            "apiServerURL",
            "clusterNamespace",
            "token",
            "systemRegistrationNamespace",
        ] {
            let data: Vec<_> = PLAIN
                .iter()
                .copied()
                .filter(|(name, _)| *name != key)
                .collect();
            let found = Bootstrap::of(&secret(&data)).err();
            assert_eq!(
                found.map(|error| error.to_string()),
                Some(format!("key {key} is missing or empty"))
            );
        }
        for values in ["- secret-value", "{", "secret-value"] {
            let found = Bootstrap::of(&secret(&[("values", values)])).err();
            assert_eq!(found, Some(Incomplete::Values), "{values}");
        }
        let mut data = PLAIN.to_vec();
        data.push(("apiServerCA", "secret-value"));
        let found = Bootstrap::of(&secret(&data)).err();
        assert_eq!(found, Some(Incomplete::Authority));
        assert!(Bootstrap::of(&Secret::default()).is_err());
        assert!(Credential::of(&secret(&[("kubeconfig", " ")])).is_err());
        assert!(answer(&secret(&PLAIN)).is_err());
    }

    #[test]
    fn a_credential_is_read_as_it_was_written() {
        let credential = Credential {
            kubeconfig: "{}".to_owned(),
            deployment_namespace: "cluster-ns".to_owned(),
            cluster: ObjectKey::new("fleet-default", "c"),
        };
        let stored = credential.secret(&ObjectKey::new("ns", CREDENTIAL));
        let stored: Secret = serde_json::from_value(stored).unwrap();
        assert!(Credential::of(&stored).ok().unwrap() == credential);
    }
}
