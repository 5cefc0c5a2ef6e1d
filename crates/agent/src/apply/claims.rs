//! Whose the objects are that a release is about to have.
//!
//! What another deployment of the agent has is refused, by its name: two that write one object would undo
//! each other's work for ever. A first install also refuses what is not of its release, as Helm does; an
//! upgrade takes that over, as upstream's do.

use std::collections::{BTreeMap, BTreeSet};

use api::labels::OBJECT_SET_HASH;
use apiclient::{Client, ObjectKey};
use futures::FutureExt as _;

use super::{Error, Marked, read, together};
use crate::object::{Desired, Id};
use crate::render::{RELEASE_NAME, RELEASE_NAMESPACE};

/// What objects are compared with.
#[derive(Clone, Debug)]
pub(crate) struct Claims<'a> {
    pub(crate) release: &'a ObjectKey,
    /// Names of the other deployments by the label of their objects.
    pub(crate) others: BTreeMap<String, String>,
    /// Objects that are not of the release are refused whosever they are.
    pub(crate) is_install: bool,
}

/// Refuses objects that are not for the release to have. Only `suspects` are read.
pub(crate) async fn check(
    cluster: &Client,
    objects: &[Desired],
    suspects: &BTreeSet<&Id>,
    claims: &Claims<'_>,
) -> Result<(), Error> {
    let suspected = objects.iter().filter(|it| suspects.contains(&it.id));
    together(
        suspected
            .map(|desired| check_one(cluster, &desired.id, claims).boxed())
            .collect(),
    )
    .await
}

async fn check_one(cluster: &Client, id: &Id, claims: &Claims<'_>) -> Result<(), Error> {
    match read::<Marked>(cluster, id).await? {
        Some(found) => claims.refusal(id, &found).map_or(Ok(()), Err),
        None => Ok(()),
    }
}

impl Claims<'_> {
    /// Why an object that is there is not for the release to have; `None` when it is.
    pub(crate) fn refusal(&self, id: &Id, found: &Marked) -> Option<Error> {
        let label = found.metadata.labels.get(OBJECT_SET_HASH);
        if let Some(by) = label.and_then(|hash| self.others.get(hash)) {
            let (id, by) = (id.clone(), by.clone());
            return Some(Error::Claimed { id, by });
        }
        let annotations = &found.metadata.annotations;
        let of = |key: &str| annotations.get(key).map_or("", String::as_str);
        let (name, namespace) = (of(RELEASE_NAME), of(RELEASE_NAMESPACE));
        let is_ours = name == self.release.name && namespace == self.release.namespace;
        (self.is_install && !is_ours).then(|| Error::Foreign {
            id: id.clone(),
            release: self.release.to_string(),
            found: if name.is_empty() {
                String::new()
            } else {
                format!("{namespace}/{name}")
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use apiclient::Kind;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_anothers_is_refused_and_the_rest_only_by_an_install() {
        let release = ObjectKey::new("n", "web");
        let id = Id {
            kind: Arc::new(Kind::new("", "v1", "ConfigMap", "configmaps", true)),
            key: ObjectKey::new("n", "a"),
        };
        let object = |hash: &str, name: &str| -> Marked {
            let annotations = match name {
                "" => Value::Null,
                name => json!({ RELEASE_NAME: name, RELEASE_NAMESPACE: "n" }),
            };
            let annotations = if annotations.is_null() {
                json!({})
            } else {
                annotations
            };
            let labels = if hash.is_empty() {
                json!({})
            } else {
                json!({ OBJECT_SET_HASH: hash })
            };
            let metadata = json!({ "labels": labels, "annotations": annotations });
            serde_json::from_value(json!({ "metadata": metadata })).unwrap()
        };
        for (hash, name, install, upgrade) in [
            ("ours", "web", "", ""),
            ("", "web", "", ""),
            (
                "other",
                "web",
                "belongs to bundle first",
                "belongs to bundle first",
            ),
            (
                "other",
                "x",
                "belongs to bundle first",
                "belongs to bundle first",
            ),
            ("gone", "x", "current value is \"n/x\"", ""),
            ("", "", "current value is \"\"", ""),
        ] {
            for (is_install, expected) in [(true, install), (false, upgrade)] {
                let claims = Claims {
                    release: &release,
                    others: BTreeMap::from([("other".to_owned(), "first".to_owned())]),
                    is_install,
                };
                let refusal = claims.refusal(&id, &object(hash, name));
                let text = refusal.map(|error| error.to_string()).unwrap_or_default();
                let is_expected = if expected.is_empty() {
                    text.is_empty()
                } else {
                    text.contains(expected)
                };
                assert!(is_expected, "{hash} {name} {is_install}: {text}");
            }
        }
    }
}
