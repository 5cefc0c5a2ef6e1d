//! Executes the plan for a Cluster.

use std::collections::BTreeMap;

use api::labels;
use api::v1alpha1::Cluster;
use apiclient::{DeleteOptions, Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use k8s_openapi::api::core::v1::Namespace;
use serde_json::json;

use super::plan::Action;
use crate::Ctx;

/// A step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The finalizers were not written.
    #[error("set the finalizers of cluster {cluster}")]
    SetFinalizers {
        cluster: ObjectKey,
        source: apiclient::Error,
    },
    /// The namespace was not created.
    #[error("create namespace {namespace} of cluster {cluster}")]
    CreateNamespace {
        cluster: ObjectKey,
        namespace: String,
        source: apiclient::Error,
    },
    /// The status was not written.
    #[error("assign namespace {namespace} to cluster {cluster}")]
    AssignNamespace {
        cluster: ObjectKey,
        namespace: String,
        source: apiclient::Error,
    },
    /// The namespace was not deleted.
    #[error("delete namespace {namespace} of cluster {cluster}")]
    DeleteNamespace {
        cluster: ObjectKey,
        namespace: String,
        source: apiclient::Error,
    },
}

impl crate::failure::Classified for Error {
    fn request(&self) -> Option<&apiclient::Error> {
        match self {
            Self::SetFinalizers { source, .. }
            | Self::CreateNamespace { source, .. }
            | Self::AssignNamespace { source, .. }
            | Self::DeleteNamespace { source, .. } => Some(source),
        }
    }
}

/// Runs the actions in order and stops at the first failure; the next run plans anew.
pub(crate) async fn act(ctx: &Ctx, actions: Vec<Action>) -> Result<(), Error> {
    for action in actions {
        match action {
            Action::SetFinalizers {
                cluster,
                finalizers,
            } => {
                set_finalizers(ctx, cluster, finalizers).await?;
            }
            Action::CreateNamespace { cluster, namespace } => {
                create_namespace(ctx, cluster, namespace).await?;
            }
            Action::AssignNamespace { cluster, namespace } => {
                assign_namespace(ctx, cluster, namespace).await?;
            }
            Action::DeleteNamespace { cluster, namespace } => {
                let key = ObjectKey::new("", namespace.clone());
                let kind = Kind::of::<Namespace>();
                let deleted = ctx
                    .client
                    .delete(&kind, &key, &DeleteOptions::default())
                    .await;
                deleted.map_err(|source| Error::DeleteNamespace {
                    cluster,
                    namespace,
                    source,
                })?;
            }
        }
    }
    Ok(())
}

async fn set_finalizers(
    ctx: &Ctx,
    cluster: ObjectKey,
    finalizers: Vec<String>,
) -> Result<(), Error> {
    match crate::finalizers::replace(&ctx.client, &Kind::of::<Cluster>(), &cluster, &finalizers)
        .await
    {
        Ok(()) => Ok(()),
        Err(source) => Err(Error::SetFinalizers { cluster, source }),
    }
}

async fn create_namespace(ctx: &Ctx, cluster: ObjectKey, namespace: String) -> Result<(), Error> {
    let object = namespace_object(&cluster, &namespace);
    let key = ObjectKey::new("", namespace.clone());
    let kind = Kind::of::<Namespace>();
    match ctx
        .client
        .create(&kind, &key, &object, WriteOptions::default())
        .await
    {
        Ok(_) => {}
        Err(error) if error.is_already_exists() => {}
        Err(source) => {
            return Err(Error::CreateNamespace {
                cluster,
                namespace,
                source,
            });
        }
    }
    ctx.world.update(|state| {
        if state.index.namespace_missing.remove(&cluster) {
            state.index.bundles_near(&cluster.namespace)
        } else {
            Vec::new()
        }
    });
    Ok(())
}

fn namespace_object(cluster: &ObjectKey, namespace: &str) -> Namespace {
    let mut object = Namespace::default();
    object.metadata.name = Some(namespace.to_owned());
    object.metadata.labels = Some(BTreeMap::from([(
        labels::MANAGED.to_owned(),
        "true".to_owned(),
    )]));
    object.metadata.annotations = Some(BTreeMap::from([
        (
            labels::CLUSTER_NAMESPACE.to_owned(),
            cluster.namespace.clone(),
        ),
        (labels::CLUSTER.to_owned(), cluster.name.clone()),
    ]));
    object
}

async fn assign_namespace(ctx: &Ctx, cluster: ObjectKey, namespace: String) -> Result<(), Error> {
    let body = json!({ "status": { "namespace": namespace } });
    let kind = Kind::of::<Cluster>();
    let patch = Patch::Merge(&body);
    let options = WriteOptions::default();
    let patched: Result<ObjectMeta, _> = ctx
        .client
        .patch(&kind, &cluster, Some("status"), patch, 0, options)
        .await;
    match patched {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::AssignNamespace {
            cluster,
            namespace,
            source,
        }),
    }
}
