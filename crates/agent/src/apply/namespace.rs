//! The namespace of a release: created if need be, labelled and annotated as the options say.

use std::collections::{BTreeMap, BTreeSet};

use api::v1alpha1::BundleDeploymentOptions;
use apiclient::{Client, Kind, ObjectKey, WriteOptions};
use k8s_openapi::api::core::v1::Namespace;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Error, reason};

/// Labels of namespaces that the options neither set nor remove.
const POD_SECURITY: &str = "pod-security.kubernetes.io/";
/// The label every namespace has from the API server.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Start of annotations that note which labels and annotations a deployment gave a namespace.
const GIVEN_BY: &str = "given.fleet.cattle.io/";
/// How often a namespace is changed that somebody else changes at the same time.
const DESCRIBE_TRIES: u32 = 5;

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

/// There is no such namespace, and it may not be created.
pub(crate) fn not_created(name: &str) -> Error {
    Error::Namespace {
        namespace: name.to_owned(),
        reason: "it does not exist, and createNamespace is false".to_owned(),
        class: apiclient::Class::NotFound,
    }
}

/// Creates the namespace if it is missing and may be created.
///
/// Whether it exists is `own` business: an account that may do what it likes in its namespace usually may
/// not read the namespace, and needs no right to create what is there. Helm tries to create it in any case.
pub(crate) async fn ensure(
    own: &Client,
    cluster: &Client,
    name: &str,
    may_create: bool,
) -> Result<(), Error> {
    if read(own, name).await?.is_some() {
        return Ok(());
    }
    if !may_create {
        return Err(not_created(name));
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

/// Gives the namespace the labels and annotations of the options, and takes back those that the same
/// deployment gave it before. What others put there stays.
///
/// `owner` is the mark of the deployment.
pub(crate) async fn describe(
    cluster: &Client,
    name: &str,
    owner: &str,
    options: &BundleDeploymentOptions,
) -> Result<(), Error> {
    let key = ObjectKey::new("", name);
    for _ in 0..DESCRIBE_TRIES {
        let read = cluster.get::<Value>(&Kind::of::<Namespace>(), &key).await;
        let found = read.map_err(|error| undescribed("get", name, &error))?;
        let Some(mut namespace) = found.filter(Value::is_object) else {
            return Ok(());
        };
        if !describe_one(&mut namespace, owner, options) {
            return Ok(());
        }
        let written = cluster
            .replace(
                &Kind::of::<Namespace>(),
                &key,
                &namespace,
                WriteOptions::default(),
            )
            .await;
        match written {
            Ok(_) => return Ok(()),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(undescribed("update", name, &error)),
        }
    }
    Err(Error::Namespace {
        namespace: name.to_owned(),
        reason: "others keep changing it".to_owned(),
        class: apiclient::Class::Conflict,
    })
}

fn undescribed(verb: &'static str, namespace: &str, error: &apiclient::Error) -> Error {
    if error.is_forbidden() {
        return Error::NotDescribed {
            verb,
            namespace: namespace.to_owned(),
            reason: reason(error),
        };
    }
    failed(namespace, error)
}

/// Changes labels and annotations of a namespace as [`describe`] says; tells whether anything did change.
///
/// What was given is noted in an annotation, so that it can be taken back: [`GIVEN_BY`] and the start of
/// the deployment's mark. Source of which labels are left alone: fleet
/// `internal/cmd/agent/deployer`, `setNamespaceLabelsAndAnnotations`; agent.md 6.6.
fn describe_one(namespace: &mut Value, owner: &str, options: &BundleDeploymentOptions) -> bool {
    let note = format!("{GIVEN_BY}{}", owner.get(..16).unwrap_or(owner));
    let labels: Texts = options
        .namespace_labels
        .iter()
        .filter(|(key, _)| !key.starts_with(POD_SECURITY))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let annotations: Texts = options
        .namespace_annotations
        .iter()
        .filter(|(key, _)| !key.starts_with(GIVEN_BY))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let metadata = &mut namespace["metadata"];
    let before = (metadata["labels"].clone(), metadata["annotations"].clone());
    let notes = notes_of(&metadata["annotations"]);
    let given = notes.get(&note).cloned().unwrap_or_default();
    let others = || notes.iter().filter(|(key, _)| **key != note);
    for (member, wanted, given) in [
        ("labels", &labels, &given.labels),
        ("annotations", &annotations, &given.annotations),
    ] {
        for key in given.iter().filter(|key| !wanted.contains_key(*key)) {
            let is_others = others().any(|(_, given)| given.of(member).contains(key));
            let is_protected = key.starts_with(POD_SECURITY) || key == NAME_LABEL;
            if let Some(texts) = metadata[member].as_object_mut()
                && !is_others
                && !is_protected
            {
                texts.remove(key);
            }
        }
        for (key, value) in wanted {
            set_text(metadata, member, key, value);
        }
    }
    let keys = |texts: &Texts| texts.keys().cloned().collect();
    let now = Given {
        labels: keys(&labels),
        annotations: keys(&annotations),
    };
    if now == Given::default() {
        if let Some(texts) = metadata["annotations"].as_object_mut() {
            texts.remove(&note);
        }
    } else if let Ok(text) = serde_json::to_string(&now) {
        set_text(metadata, "annotations", &note, &text);
    }
    let is_same = |before: &Value, now: &Value| {
        let empty = Map::new();
        before.as_object().unwrap_or(&empty) == now.as_object().unwrap_or(&empty)
    };
    !(is_same(&before.0, &metadata["labels"]) && is_same(&before.1, &metadata["annotations"]))
}

fn set_text(metadata: &mut Value, member: &str, key: &str, value: &str) {
    if !metadata[member].is_object() {
        metadata[member] = Value::Object(Map::new());
    }
    metadata[member][key] = value.into();
}

/// Keys that a deployment gave a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Given {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    labels: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    annotations: BTreeSet<String>,
}

impl Given {
    fn of(&self, member: &str) -> &BTreeSet<String> {
        if member == "labels" {
            &self.labels
        } else {
            &self.annotations
        }
    }
}

/// What deployments noted; a note that somebody broke is none.
fn notes_of(annotations: &Value) -> BTreeMap<String, Given> {
    let annotations = annotations.as_object().into_iter().flatten();
    annotations
        .filter(|(key, _)| key.starts_with(GIVEN_BY))
        .filter_map(|(key, text)| {
            let given = serde_json::from_str(text.as_str()?).ok()?;
            Some((key.clone(), given))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "literals read best as arguments"
    )]
    fn options(labels: Value, annotations: Value) -> BundleDeploymentOptions {
        serde_json::from_value(
            json!({ "namespaceLabels": labels, "namespaceAnnotations": annotations }),
        )
        .unwrap()
    }

    fn texts(namespace: &Value, member: &str) -> Value {
        let mut texts = namespace["metadata"][member].clone();
        if let Some(texts) = texts.as_object_mut() {
            texts.retain(|key, _| !key.starts_with(GIVEN_BY));
        }
        texts
    }

    #[test]
    fn labels_are_merged_and_those_of_pod_security_and_the_server_left_alone() {
        let mut namespace = json!({"metadata": {"name": "n", "labels": {
            NAME_LABEL: "n", "pod-security.kubernetes.io/enforce": "restricted", "istio": "on", "team": "b"}}});
        let wanted = options(
            json!({"team": "a", "pod-security.kubernetes.io/enforce": "privileged"}),
            json!({"note": "1"}),
        );
        assert!(describe_one(&mut namespace, "h", &wanted));
        assert_eq!(
            texts(&namespace, "labels"),
            json!({NAME_LABEL: "n", "pod-security.kubernetes.io/enforce": "restricted", "istio": "on", "team": "a"})
        );
        assert_eq!(texts(&namespace, "annotations"), json!({"note": "1"}));
        let done = namespace.clone();
        assert!(!describe_one(&mut namespace, "h", &wanted));
        assert_eq!(namespace, done);
    }

    #[test]
    fn what_was_given_and_is_not_wanted_any_more_goes() {
        let mut namespace = json!({"metadata": {"labels": {"theirs": "x"}}});
        let both = options(json!({"a": "1", "b": "1"}), json!({"c": "1"}));
        assert!(describe_one(&mut namespace, "h", &both));
        // Another deployment wants one of them too.
        let other = options(json!({"b": "1"}), json!(null));
        assert!(describe_one(&mut namespace, "other", &other));
        assert!(describe_one(
            &mut namespace,
            "h",
            &options(json!({"a": "2"}), json!(null))
        ));
        assert_eq!(
            texts(&namespace, "labels"),
            json!({"theirs": "x", "a": "2", "b": "1"})
        );
        assert_eq!(texts(&namespace, "annotations"), json!({}));
        let nothing = BundleDeploymentOptions::default();
        assert!(describe_one(&mut namespace, "h", &nothing));
        assert!(describe_one(&mut namespace, "other", &nothing));
        assert_eq!(
            namespace["metadata"],
            json!({"labels": {"theirs": "x"}, "annotations": {}})
        );
        assert!(!describe_one(&mut namespace, "h", &nothing));
    }

    #[test]
    fn notes_that_somebody_broke_remove_nothing_of_others() {
        let note = format!("{GIVEN_BY}h");
        for broken in [
            json!("{"),
            json!(3),
            json!("[1]"),
            json!("{\"labels\":[\"kubernetes.io/metadata.name\"]}"),
        ] {
            let mut namespace = json!({"metadata": {
                "labels": {NAME_LABEL: "n", "theirs": "x"}, "annotations": {&note: broken}}});
            describe_one(
                &mut namespace,
                "h",
                &options(json!({"a": "1"}), json!(null)),
            );
            assert_eq!(
                texts(&namespace, "labels"),
                json!({NAME_LABEL: "n", "theirs": "x", "a": "1"})
            );
        }
        let mut nonsense = json!({"metadata": {"labels": [], "annotations": "x"}});
        assert!(describe_one(
            &mut nonsense,
            "h",
            &options(json!({"a": "1"}), json!(null))
        ));
        assert_eq!(texts(&nonsense, "labels"), json!({"a": "1"}));
    }
}
