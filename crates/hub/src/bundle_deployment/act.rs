//! Executes the plan for a BundleDeployment.

use api::labels::BUNDLE_DEPLOYMENT_FINALIZER;
use api::v1alpha1::{BundleDeployment, BundleDeploymentDisplay};
use apiclient::{DeleteOptions, Kind, ObjectKey, Patch, WriteOptions};
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

use super::plan::Action;
use crate::Ctx;
use crate::bundle::copies;

/// A step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The display was not written.
    #[error("write the display of deployment {deployment}")]
    Display {
        deployment: ObjectKey,
        source: apiclient::Error,
    },
    /// The Secret was not deleted.
    #[error("delete the options of deployment {deployment}")]
    DeleteOptions {
        deployment: ObjectKey,
        source: apiclient::Error,
    },
    /// Copies were not removed.
    #[error("remove the copies for deployment {deployment}")]
    LetGo {
        deployment: ObjectKey,
        source: Box<copies::Error>,
    },
    /// The finalizer was not removed.
    #[error("release deployment {deployment}")]
    Release {
        deployment: ObjectKey,
        source: apiclient::Error,
    },
}

impl crate::failure::Classified for Error {
    fn request(&self) -> Option<&apiclient::Error> {
        match self {
            Self::Display { source, .. }
            | Self::DeleteOptions { source, .. }
            | Self::Release { source, .. } => Some(source),
            Self::LetGo { source, .. } => source.request(),
        }
    }
}

/// Runs the actions in order and stops at the first failure.
pub(crate) async fn act(ctx: &Ctx, actions: Vec<Action>) -> Result<(), Error> {
    for action in actions {
        match action {
            Action::Display {
                deployment,
                display,
            } => {
                write_display(ctx, deployment, &display).await?;
            }
            Action::DeleteOptions { deployment } => {
                let kind = Kind::of::<Secret>();
                let deleted = ctx
                    .client
                    .delete(&kind, &deployment, &DeleteOptions::default())
                    .await;
                deleted.map_err(|source| Error::DeleteOptions { deployment, source })?;
            }
            Action::LetGo { deployment, copied } => {
                for object in &copied {
                    let gone = copies::let_go(ctx, &deployment, object).await;
                    gone.map_err(|source| Error::LetGo {
                        deployment: deployment.clone(),
                        source: Box::new(source),
                    })?;
                }
            }
            Action::Release { deployment } => release(ctx, deployment).await?,
        }
    }
    Ok(())
}

async fn write_display(
    ctx: &Ctx,
    deployment: ObjectKey,
    display: &BundleDeploymentDisplay,
) -> Result<(), Error> {
    // Every member is named, so that one that became empty is emptied in the store.
    let BundleDeploymentDisplay {
        deployed,
        monitored,
        state,
        pinned,
    } = display;
    let body = json!({ "status": { "display": {
        "deployed": deployed, "monitored": monitored, "state": state, "pinned": pinned_or_none(pinned),
    } } });
    let kind = Kind::of::<BundleDeployment>();
    let patch = Patch::Merge(&body);
    let options = WriteOptions::default();
    let patched = ctx
        .client
        .patch(&kind, &deployment, Some("status"), patch, 0, options)
        .await;
    match patched {
        Ok(object) => {
            ctx.world.update(|state| state.deployment_applied(&object));
            Ok(())
        }
        Err(error) if error.is_not_found() => Ok(()),
        Err(source) => Err(Error::Display { deployment, source }),
    }
}

/// Null where the deployment follows its bundle, so that the member is absent as upstream has it.
fn pinned_or_none(pinned: &str) -> Option<&str> {
    Some(pinned).filter(|commit| !commit.is_empty())
}

async fn release(ctx: &Ctx, deployment: ObjectKey) -> Result<(), Error> {
    let kind = Kind::of::<BundleDeployment>();
    let result = async {
        let Some(object) = ctx
            .client
            .get::<BundleDeployment>(&kind, &deployment)
            .await?
        else {
            return Ok(());
        };
        let mut finalizers = object.metadata.finalizers.unwrap_or_default();
        finalizers.retain(|finalizer| finalizer != BUNDLE_DEPLOYMENT_FINALIZER);
        crate::finalizers::replace(&ctx.client, &kind, &deployment, &finalizers).await
    };
    result
        .await
        .map_err(|source| Error::Release { deployment, source })
}
