//! Writes what people see of a BundleDeployment, and lets deleted ones go.
//!
//! * **Object**: BundleDeployment.
//! * **Reads**: the index; the object itself when it has finalizers of others.
//! * **Writes**: `status.display`; on deletion the Secret with its options, then the finalizer.
//! * **Woken by**: a display that its status no longer agrees with, [`SETTLE`] later or, while it is
//!   in flight, when it should have landed; a deletion timestamp.
//!
//! A deployment goes through several states in seconds; waiting a moment writes the display once, or
//! not at all when it ends where it began (invariant W-2). Agents that send it along with their report
//! leave nothing to write. Of others a display that nobody wrote stays empty while the deployment is
//! Ready: a request per deployment of a roll-out would tell what the conditions tell already.

mod act;
mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use apiclient::ObjectKey;
use tokio::time::Instant;
use workqueue::Next;

use crate::Ctx;

/// How long a display may lag behind its status.
pub(crate) const SETTLE: Duration = Duration::from_secs(2);

/// One run for the BundleDeployment `key`.
pub(crate) async fn reconcile(ctx: Arc<Ctx>, key: ObjectKey) -> Next {
    let planned = ctx.world.read(|state| {
        let entry = state.index.deployments.get(&key)?;
        let failure = state.failed.get(&key).map(|(reason, _)| reason.as_str());
        let in_flight = state.in_flight.left(&key, Instant::now());
        let hold = in_flight.filter(|_| !entry.deleting && failure.is_none());
        Some((hold, plan::plan(&key, entry, failure)))
    });
    let Some((hold, actions)) = planned else {
        return Next::Done;
    };
    if let Some(left) = hold {
        return Next::After(left);
    }
    match act::act(&ctx, actions).await {
        Ok(()) => Next::Done,
        Err(error) => crate::failure::next("bundledeployment", &key, &error),
    }
}
