//! Deploys agents, and keeps them as they should be.
//!
//! * **Object**: Cluster.
//! * **Reads**: the index, the configuration; for imports the kubeconfig Secret and the values of the token.
//! * **Writes**: `spec.clientID` of a Cluster that is imported and has none; a ClusterRegistrationToken
//!   for the import; on the downstream cluster the objects of the agent; members of `status` about the agent; the
//!   Bundle `fleet-agent-<cluster>` by which agents are updated. Where `bootstrap.localAgentDisabled` says that
//!   the hub itself has no agent, all of it goes.
//! * **Woken by**: changes of the Cluster that concern its agent, and of its kubeconfig Secret; the configuration.
//!
//! The only controller that talks to downstream clusters, and only to those whose `kubeConfigSecret` asks
//! for it. Which condition an import has is told by `crate::status`, the one writer of conditions.

mod bundle;
mod downstream;
mod import;
pub(crate) mod kubeconfig;
pub(crate) mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use api::conditions::Finding;
use apiclient::{Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use rollup::Dirty;
use serde_json::{Value, json};
use workqueue::Next;

use crate::Ctx;
use crate::world::rollup_key;

/// How many imports go on at the same time: they wait for clusters that may be away.
pub(crate) const WORKERS: usize = 50;

/// How long the watch may take to bring what was written.
const SETTLE: Duration = Duration::from_millis(500);

/// A write on the hub failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("write {what} of cluster {cluster}")]
    Write {
        what: &'static str,
        cluster: ObjectKey,
        source: apiclient::Error,
    },
    #[error("print the agent's bundle")]
    Print(#[source] goyaml::WriteError),
    #[error(transparent)]
    Import(#[from] import::Error),
}

impl crate::failure::Classified for Error {
    fn request(&self) -> Option<&apiclient::Error> {
        match self {
            Self::Write { source, .. } => Some(source),
            // Whatever it is, somebody else may mend it without an event.
            Self::Print(_) | Self::Import(_) => None,
        }
    }
}

/// One run for the Cluster `key`.
pub(crate) async fn reconcile(ctx: Arc<Ctx>, key: ObjectKey) -> Next {
    let observed = ctx.world.read(|state| {
        plan::Observed::of(&state.index, state.config.config(), &key, &ctx.namespace)
    });
    let secret = observed.as_ref().and_then(plan::imported_by);
    kubeconfig::follow(&ctx, &key, secret.as_ref());
    let done = match observed {
        None => bundle::remove(&ctx, &key).await.map(|()| Next::Done),
        Some(observed) => run(&ctx, &observed).await,
    };
    match done {
        Ok(next) => next,
        Err(error) => crate::failure::next("clusteragent", &key, &error),
    }
}

async fn run(ctx: &Ctx, observed: &plan::Observed) -> Result<Next, Error> {
    if observed.is_deleting {
        bundle::remove(ctx, &observed.key).await?;
        return Ok(Next::Done);
    }
    if observed.is_managed_elsewhere {
        return Ok(Next::Done);
    }
    if let Some(status) = plan::option_changes(observed) {
        write_status(ctx, observed, "the agent's options", &status).await?;
        return Ok(Next::After(SETTLE));
    }
    if observed.has_no_agent {
        import::retire(ctx, observed).await?;
        return Ok(Next::Done);
    }
    let imported = if observed.spec.kube_config_secret.is_empty() {
        Ok(Next::Done)
    } else {
        import::run(ctx, observed).await
    };
    // An import that fails holds up no update of an agent that is there.
    if plan::moves_from(observed).is_none() {
        bundle::write(ctx, observed).await?;
    }
    Ok(imported?)
}

async fn write_status(
    ctx: &Ctx,
    observed: &plan::Observed,
    what: &'static str,
    status: &Value,
) -> Result<(), Error> {
    let body = json!({ "status": status });
    let (kind, options) = (
        Kind::of::<api::v1alpha1::Cluster>(),
        WriteOptions::default(),
    );
    let patched: Result<ObjectMeta, _> = ctx
        .client
        .patch(
            &kind,
            &observed.key,
            Some("status"),
            Patch::Merge(&body),
            0,
            options,
        )
        .await;
    patched.map(drop).map_err(|source| Error::Write {
        what,
        cluster: observed.key.clone(),
        source,
    })
}

/// Says how an import went; the status follows.
pub(crate) fn tell(ctx: &Ctx, key: &ObjectKey, finding: Finding) {
    ctx.world.update(|state| {
        if state.imports.get(key) != Some(&finding) {
            state.imports.insert(key.clone(), finding);
            state.rollup.mark_dirty(Dirty::Cluster(rollup_key(key)));
        }
        Vec::new()
    });
}
