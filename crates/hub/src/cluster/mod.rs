//! Gives each Cluster the namespace its BundleDeployments live in.
//!
//! * **Object**: Cluster.
//! * **Reads**: the index.
//! * **Writes**: the cluster namespace; `metadata.finalizers` and `status.namespace` of the Cluster.
//! * **Woken by**: changes of the Cluster's spec, labels, annotations or deletion timestamp; a write
//!   that found the namespace missing.
//!
//! Summaries of the status are written elsewhere (`crate::status`), registration and agents too.

mod act;
mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use apiclient::ObjectKey;
use workqueue::Next;

use crate::Ctx;

/// Creates the namespace of a cluster that another process works on, if it is gone.
pub(crate) async fn restore_namespace(ctx: &Ctx, key: &ObjectKey) -> Result<(), act::Error> {
    let observed = ctx
        .world
        .read(|state| plan::Observed::of(&state.index, key));
    let actions = observed.map_or_else(Vec::new, |observed| plan::restore(&observed));
    act::act(ctx, actions).await
}

/// One run for the Cluster `key`.
pub(crate) async fn reconcile(ctx: Arc<Ctx>, key: ObjectKey) -> Next {
    let Some(observed) = ctx
        .world
        .read(|state| plan::Observed::of(&state.index, &key))
    else {
        return Next::Done;
    };
    let actions = plan::plan(&observed);
    match act::act(&ctx, actions).await {
        Ok(()) => Next::Done,
        Err(error) => crate::failure::next("cluster", &key, &error),
    }
}
