//! The namespace of a release: created if need be, labelled and annotated as the options say.

use std::collections::BTreeMap;

use api::v1alpha1::BundleDeploymentOptions;
use apiclient::{Client, Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use k8s_openapi::api::core::v1::Namespace;
use serde_json::{Map, Value, json};

use super::{Error, reason};

/// Labels of namespaces that the options neither set nor remove.
const POD_SECURITY: &str = "pod-security.kubernetes.io/";
/// The label every namespace has from the API server.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

type Texts = BTreeMap<String, String>;

fn failed(namespace: &str, error: &apiclient::Error) -> Error {
    Error::Namespace {
        namespace: namespace.to_owned(),
        reason: reason(error),
        class: error.class(),
    }
}

/// The namespace, or `None`.
pub(crate) async fn read(cluster: &Client, name: &str) -> Result<Option<Namespace>, Error> {
    let found = cluster
        .get(&Kind::of::<Namespace>(), &ObjectKey::new("", name))
        .await;
    found.map_err(|error| failed(name, &error))
}

/// Creates the namespace if it is missing and may be created.
pub(crate) async fn ensure(cluster: &Client, name: &str, may_create: bool) -> Result<(), Error> {
    if read(cluster, name).await?.is_some() {
        return Ok(());
    }
    if !may_create {
        return Err(Error::Namespace {
            namespace: name.to_owned(),
            reason: "it does not exist, and createNamespace is false".to_owned(),
            class: apiclient::Class::NotFound,
        });
    }
    let body = json!({ "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": name, "labels": { "name": name } } });
    let key = ObjectKey::new("", name);
    match cluster
        .create(
            &Kind::of::<Namespace>(),
            &key,
            &body,
            WriteOptions::default(),
        )
        .await
    {
        Ok(_) => Ok(()),
        Err(error) if error.is_already_exists() => Ok(()),
        Err(error) => Err(failed(name, &error)),
    }
}

/// Gives the namespace the labels and annotations of the options, if there are any.
pub(crate) async fn describe(
    cluster: &Client,
    name: &str,
    options: &BundleDeploymentOptions,
) -> Result<(), Error> {
    if options.namespace_labels.is_empty() && options.namespace_annotations.is_empty() {
        return Ok(());
    }
    let Some(found) = read(cluster, name).await? else {
        return Ok(());
    };
    let meta = found.metadata;
    let labels = meta.labels.unwrap_or_default();
    let annotations = meta.annotations.unwrap_or_default();
    let Some(change) = change(&labels, &annotations, options) else {
        return Ok(());
    };
    let key = ObjectKey::new("", name);
    let patched: Result<ObjectMeta, apiclient::Error> = cluster
        .patch(
            &Kind::of::<Namespace>(),
            &key,
            None,
            Patch::Merge(&change),
            0,
            WriteOptions::default(),
        )
        .await;
    patched.map(|_| ()).map_err(|error| failed(name, &error))
}

/// The merge patch that makes labels and annotations what the options say; `None` when they are.
///
/// Source: fleet `internal/cmd/agent/deployer`, `setNamespaceLabelsAndAnnotations`; agent.md 6.6.
fn change(labels: &Texts, annotations: &Texts, options: &BundleDeploymentOptions) -> Option<Value> {
    let is_ours = |key: &str| !key.starts_with(POD_SECURITY) && key != NAME_LABEL;
    let mut metadata = Map::new();
    if !options.namespace_labels.is_empty() {
        let wanted: Texts = options
            .namespace_labels
            .iter()
            .filter(|(key, _)| !key.starts_with(POD_SECURITY))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        difference(labels, &wanted, is_ours, "labels", &mut metadata);
    }
    if !options.namespace_annotations.is_empty() {
        difference(
            annotations,
            &options.namespace_annotations,
            |_| true,
            "annotations",
            &mut metadata,
        );
    }
    (!metadata.is_empty()).then(|| json!({ "metadata": metadata }))
}

fn difference(
    found: &Texts,
    wanted: &Texts,
    may_remove: impl Fn(&str) -> bool,
    name: &str,
    metadata: &mut Map<String, Value>,
) {
    let set = wanted
        .iter()
        .filter(|(key, value)| found.get(*key) != Some(value));
    let set = set.map(|(key, value)| (key.clone(), value.as_str().into()));
    let removed = found
        .keys()
        .filter(|key| !wanted.contains_key(*key) && may_remove(key));
    let changes: Map<String, Value> = set
        .chain(removed.map(|key| (key.clone(), Value::Null)))
        .collect();
    if !changes.is_empty() {
        metadata.insert(name.to_owned(), changes.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn labels_are_replaced_but_for_those_of_pod_security_and_the_server() {
        let options = BundleDeploymentOptions {
            namespace_labels: texts(&[
                ("team", "a"),
                ("pod-security.kubernetes.io/enforce", "privileged"),
            ]),
            ..BundleDeploymentOptions::default()
        };
        let found = texts(&[
            (NAME_LABEL, "n"),
            ("pod-security.kubernetes.io/enforce", "restricted"),
            ("old", "x"),
            ("team", "b"),
        ]);
        let annotations = texts(&[("stays", "y")]);
        assert_eq!(
            change(&found, &annotations, &options),
            Some(json!({"metadata": {"labels": {"team": "a", "old": null}}}))
        );
        let done = texts(&[(NAME_LABEL, "n"), ("team", "a")]);
        assert_eq!(change(&done, &annotations, &options), None);
    }

    #[test]
    fn annotations_become_exactly_those_of_the_options() {
        let options = BundleDeploymentOptions {
            namespace_annotations: texts(&[("a", "1")]),
            ..BundleDeploymentOptions::default()
        };
        let found = texts(&[("b", "2")]);
        assert_eq!(
            change(&found, &found, &options),
            Some(json!({"metadata": {"annotations": {"a": "1", "b": null}}}))
        );
        assert_eq!(
            change(&found, &found, &BundleDeploymentOptions::default()),
            None
        );
    }
}
