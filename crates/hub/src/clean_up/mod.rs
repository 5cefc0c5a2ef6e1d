//! Removes what registration left behind: answers that nobody needs any more, and what belongs to requests,
//! tokens and Clusters that went while no hub was there to see it.
//!
//! * **Reads**: objects with the label `fleet.cattle.io/managed`, their reasons.
//! * **Writes**: deletes them.
//! * **Woken by**: the start, and every [`PAUSE`].
//!
//! Nothing is deleted because a watch says nothing: that the reason is gone is asked of the API server right
//! before (invariant I-2).

mod act;
pub(crate) mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use apiclient::ObjectKey;
use workqueue::Next;

use crate::Ctx;

/// Between two looks.
pub(crate) const PAUSE: Duration = Duration::from_mins(20);

/// One look.
pub(crate) async fn reconcile(ctx: Arc<Ctx>, (): ()) -> Next {
    match act::look(&ctx).await {
        Ok(()) => Next::After(PAUSE),
        Err(error) => {
            let key = ObjectKey::new("", ctx.namespace.clone());
            crate::failure::next("cleanup", &key, &error)
        }
    }
}
