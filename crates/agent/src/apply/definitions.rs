//! CustomResourceDefinitions: created where they are missing, and waited for.

use std::collections::BTreeSet;
use std::sync::Arc;

use apiclient::{Client, Kind, ObjectKey, Selector, WriteOptions};
use futures::FutureExt as _;
use serde_json::Value;

use super::{ESTABLISH_TIMEOUT, Error, reason, together, wait};
use crate::object::{Id, text};
use crate::release::SecretMeta as AnyMeta;
use crate::source::Definition;

const DEFINITIONS: Kind = Kind::new(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
    false,
);

/// Whether objects of a kind are definitions.
pub(crate) fn is_kind(kind: &Kind) -> bool {
    kind.kind == DEFINITIONS.kind && kind.group == DEFINITIONS.group
}

fn id_of(name: &str) -> Id {
    Id {
        kind: Arc::new(DEFINITIONS),
        key: ObjectKey::new("", name),
    }
}

/// The names of all definitions of the cluster.
async fn existing(own: &Client) -> Result<BTreeSet<String>, Error> {
    let mut existing = BTreeSet::new();
    let selector = Selector {
        metadata_only: true,
        ..Selector::default()
    };
    let each = |meta: AnyMeta| {
        existing.insert(apiclient::Object::key(&meta).name);
    };
    own.list(&DEFINITIONS, &selector, each)
        .await
        .map_err(|error| Error::Read {
            id: id_of("(all)"),
            reason: reason(&error),
            class: error.class(),
        })?;
    Ok(existing)
}

/// Which of the definitions of `crds/` directories exist.
pub(crate) async fn look(
    own: &Client,
    definitions: &[Definition],
) -> Result<Vec<(Id, bool)>, Error> {
    if definitions.is_empty() {
        return Ok(Vec::new());
    }
    let existing = existing(own).await?;
    let one = |it: &Definition| (id_of(&it.name), existing.contains(&it.name));
    Ok(definitions.iter().map(one).collect())
}

/// Creates what is missing of the definitions of `crds/` directories and waits until all are served.
/// Existing ones are never changed, as in Helm. Tells whether any was created. Which exist is `own`
/// business, as for namespaces.
pub(crate) async fn ensure(
    own: &Client,
    cluster: &Client,
    definitions: &[Definition],
) -> Result<bool, Error> {
    if definitions.is_empty() {
        return Ok(false);
    }
    let existing = existing(own).await?;
    let missing: Vec<&Definition> = definitions
        .iter()
        .filter(|definition| !existing.contains(&definition.name))
        .collect();
    together(
        missing
            .iter()
            .map(|definition| create(cluster, definition).boxed())
            .collect(),
    )
    .await?;
    let ids: Vec<Id> = missing
        .iter()
        .map(|definition| id_of(&definition.name))
        .collect();
    together(ids.iter().map(|id| established(own, id).boxed()).collect()).await?;
    Ok(!missing.is_empty())
}

async fn create(cluster: &Client, definition: &Definition) -> Result<(), Error> {
    let id = id_of(&definition.name);
    let created = cluster
        .create(&id.kind, &id.key, &definition.body, WriteOptions::default())
        .await;
    match created {
        Ok(_) => Ok(()),
        Err(error) if error.is_already_exists() => Ok(()),
        Err(error) => Err(Error::Definition {
            id,
            reason: reason(&error),
            class: error.class(),
        }),
    }
}

/// Waits until the kind of a definition is served.
pub(crate) async fn established(cluster: &Client, id: &Id) -> Result<(), Error> {
    let is_established = |object: &Value| {
        let conditions = object
            .pointer("/status/conditions")
            .and_then(Value::as_array);
        let found = conditions.into_iter().flatten().any(|condition| {
            text(condition, "/type") == "Established" && text(condition, "/status") == "True"
        });
        found.then_some(())
    };
    let established = wait::condition(cluster, id, ESTABLISH_TIMEOUT, is_established).await;
    established.ok_or_else(|| Error::NotEstablished {
        id: id.clone(),
        seconds: ESTABLISH_TIMEOUT.as_secs(),
    })
}
