//! Looks for what is left behind, and deletes it.

use std::collections::BTreeMap;

use api::labels::{CLUSTER, MANAGED, SECRET_TYPE_AGENT_CREDENTIAL};
use api::names::system_registration_namespace;
use api::v1alpha1::Cluster;
use apiclient::{DeleteOptions, Kind, ObjectKey, ObjectMeta, Selector};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube_core::PartialObjectMeta;

use super::plan;
use crate::Ctx;
use crate::object_set::kinds;

/// A step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("look for {what}")]
    List {
        what: &'static str,
        source: apiclient::Error,
    },
    #[error("ask whether {object} exists")]
    Ask {
        object: ObjectKey,
        source: apiclient::Error,
    },
    #[error("delete {kind} {object}, which is left behind")]
    Delete {
        kind: String,
        object: ObjectKey,
        source: apiclient::Error,
    },
}

impl crate::failure::Classified for Error {
    fn request(&self) -> Option<&apiclient::Error> {
        match self {
            Self::List { source, .. } | Self::Ask { source, .. } | Self::Delete { source, .. } => {
                Some(source)
            }
        }
    }
}

type Partial = PartialObjectMeta<kube_core::DynamicObject>;

pub(crate) async fn look(ctx: &Ctx) -> Result<(), Error> {
    answers(ctx).await?;
    orphans(ctx).await?;
    namespaces(ctx).await
}

async fn list(
    ctx: &Ctx,
    kind: &Kind,
    what: &'static str,
    selector: Selector,
) -> Result<Vec<kube_core::ObjectMeta>, Error> {
    let mut found = Vec::new();
    let selector = Selector {
        metadata_only: true,
        ..selector
    };
    let each = |object: Partial| found.push(object.metadata);
    let listed = ctx.client.list(kind, &selector, each).await;
    listed.map_err(|source| Error::List { what, source })?;
    found.retain(|meta| meta.deletion_timestamp.is_none());
    Ok(found)
}

async fn delete(ctx: &Ctx, kind: &Kind, meta: &kube_core::ObjectMeta) -> Result<(), Error> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let object = ObjectKey::new(text(&meta.namespace), text(&meta.name));
    let options = DeleteOptions {
        uid: text(&meta.uid),
        ..DeleteOptions::default()
    };
    match ctx.client.delete(kind, &object, &options).await {
        Ok(_) => {
            tracing::info!(%kind, %object, "deleted, it was left behind");
            Ok(())
        }
        // It is another one now.
        Err(error) if error.is_conflict() => Ok(()),
        Err(source) => Err(Error::Delete {
            kind: kind.to_string(),
            object,
            source,
        }),
    }
}

/// Answers to agents that have read them, or never will.
async fn answers(ctx: &Ctx) -> Result<(), Error> {
    let selector = Selector {
        labels: Some(format!("{CLUSTER},{MANAGED}=true")),
        fields: Some(format!("type={SECRET_TYPE_AGENT_CREDENTIAL}")),
        ..Selector::namespace(system_registration_namespace(&ctx.namespace))
    };
    let kind = Kind::of::<Secret>();
    for meta in list(ctx, &kind, "answers to agents", selector).await? {
        if plan::is_stale(&meta, Timestamp::now()) {
            delete(ctx, &kind, &meta).await?;
        }
    }
    Ok(())
}

/// What belongs to requests and tokens that are gone.
async fn orphans(ctx: &Ctx) -> Result<(), Error> {
    let mut known = BTreeMap::new();
    for kind in kinds() {
        let managed = Selector::labels(format!("{MANAGED}=true"));
        for meta in list(ctx, &kind, "what belongs to registrations", managed).await? {
            let Some((reason, key)) = plan::reason(&meta) else {
                continue;
            };
            let exists = match known.get(&(reason.clone(), key.clone())) {
                Some(exists) => *exists,
                None => exists(ctx, &reason, &key).await?,
            };
            known.insert((reason, key), exists);
            if !exists {
                delete(ctx, &kind, &meta).await?;
            }
        }
    }
    Ok(())
}

/// Namespaces of Clusters that are gone.
async fn namespaces(ctx: &Ctx) -> Result<(), Error> {
    let (kind, clusters) = (Kind::of::<Namespace>(), Kind::of::<Cluster>());
    let managed = Selector::labels(format!("{MANAGED}=true"));
    for meta in list(ctx, &kind, "namespaces of clusters", managed).await? {
        let Some(cluster) = plan::cluster(&meta) else {
            continue;
        };
        let is_known = ctx
            .world
            .read(|state| state.index.clusters.contains_key(&cluster));
        if !is_known && !exists(ctx, &clusters, &cluster).await? {
            delete(ctx, &kind, &meta).await?;
        }
    }
    Ok(())
}

/// Whether an object exists. An API server that does not know its kind does not know that either.
async fn exists(ctx: &Ctx, kind: &Kind, key: &ObjectKey) -> Result<bool, Error> {
    let is_known = ctx.world.read(|state| {
        let all = &state.index.registrations;
        all.requests.contains_key(key) && kind.kind == "ClusterRegistration"
            || all.tokens.contains_key(key) && kind.kind == "ClusterRegistrationToken"
    });
    if is_known {
        return Ok(true);
    }
    let mut n_found = 0;
    let selector = Selector {
        fields: Some(format!("metadata.name={}", key.name)),
        metadata_only: true,
        ..Selector::namespace(key.namespace.clone())
    };
    // A list fails where the kind is not served; a get of what is not there does not tell.
    let each = |_: ObjectMeta| n_found += 1;
    let listed = ctx.client.list(kind, &selector, each).await;
    listed.map_err(|source| Error::Ask {
        object: key.clone(),
        source,
    })?;
    Ok(n_found > 0)
}
