//! CustomResourceDefinitions: created where they are missing, replaced where that is asked for, and waited for.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::v1alpha1::BundleDeploymentOptions;
use apiclient::{Client, Kind, ObjectKey, Selector, WriteOptions};
use futures::FutureExt as _;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{ESTABLISH_TIMEOUT, Error, Force, apply, reason, together, wait};
use crate::object::{Desired, Id, text};
use crate::release::SecretMeta as AnyMeta;
use crate::source::Definition;

/// What happens to the definitions of `crds/` directories. None is ever deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Policy {
    /// They are left alone.
    Skip,
    /// Those that are missing are created, as by Helm.
    #[default]
    Create,
    /// Those that exist become what the chart has, too.
    CreateReplace,
}

/// No policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("helm.crds is {0:?}, which is none of Skip, Create and CreateReplace")]
pub(crate) struct UnknownPolicy(String);

impl Policy {
    /// Of the options of a deployment; empty is the default.
    pub(crate) fn of(options: &BundleDeploymentOptions) -> Result<Self, UnknownPolicy> {
        let text = options.helm.as_ref().map_or("", |helm| helm.crds.as_str());
        match text {
            "" | "Create" => Ok(Self::Create),
            "Skip" => Ok(Self::Skip),
            "CreateReplace" => Ok(Self::CreateReplace),
            _ => Err(UnknownPolicy(text.to_owned())),
        }
    }
}

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

/// Creates what is missing of the definitions of `crds/` directories and waits until all are served. What
/// becomes of existing ones is up to the policy. Tells whether any was created or replaced. Which exist is
/// `own` business, as for namespaces.
pub(crate) async fn ensure(
    own: &Client,
    cluster: &Client,
    definitions: &[Definition],
    policy: Policy,
) -> Result<bool, Error> {
    if definitions.is_empty() || policy == Policy::Skip {
        return Ok(false);
    }
    let existing = existing(own).await?;
    let (there, missing): (Vec<&Definition>, Vec<&Definition>) = definitions
        .iter()
        .partition(|definition| existing.contains(&definition.name));
    let create = missing.iter().map(|it| create(cluster, it).boxed());
    together(create.collect()).await?;
    let mut changed = missing;
    if policy == Policy::CreateReplace {
        let replace = there.iter().map(|it| replace(cluster, it).boxed());
        together(replace.collect()).await?;
        changed.extend(there);
    }
    let ids: Vec<Id> = changed.iter().map(|it| id_of(&it.name)).collect();
    together(ids.iter().map(|id| established(own, id).boxed()).collect()).await?;
    Ok(!changed.is_empty())
}

/// Brings an existing definition to the chart's version. What others added, such as the authority of a
/// conversion webhook, stays.
async fn replace(cluster: &Client, definition: &Definition) -> Result<(), Error> {
    let desired = Desired {
        id: id_of(&definition.name),
        keep: true,
        body: RawValue::to_owned(&definition.body),
    };
    let force = Force {
        fields: true,
        recreate: false,
    };
    apply(cluster, &desired, force).await
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
