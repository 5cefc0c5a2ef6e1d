//! Removes Contents that nothing refers to any more.
//!
//! * **Object**: all Contents together.
//! * **Reads**: the index, which knows Contents by their metadata only.
//! * **Writes**: deletes Contents; strips finalizers that older versions of upstream set.
//! * **Woken by**: changes of Contents, and Bundles and BundleDeployments that come or go,
//!   [`SETTLE`] later.
//!
//! A Content is in use while a BundleDeployment has its name as a label or runs or stages what is in it,
//! while a Bundle has it as its content, now or at a commit that clusters stay at, or while a Content in
//! use lists it as a chunk. What is not in use is kept for
//! [`GRACE`]: it is written before the Bundle that will refer to it, and a roll-back soon after a
//! commit finds it still there. Payloads are never rewritten for counting.

mod plan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api::v1alpha1::Content;
use apiclient::{DeleteOptions, Kind, ObjectKey};
use tokio::time::Instant;
use workqueue::Next;

use crate::Ctx;

/// How long changes are collected before looking.
pub(crate) const SETTLE: Duration = Duration::from_secs(5);
/// How long a Content stays that is not in use.
const GRACE: Duration = Duration::from_mins(10);

/// Since when a Content is known to be of no use, by name. Lost on restart, which only prolongs.
pub(crate) type Unused = Mutex<BTreeMap<String, Instant>>;

/// One look at all Contents.
pub(crate) async fn reconcile(ctx: Arc<Ctx>, (): ()) -> Next {
    let now = Instant::now();
    let plan = {
        let mut unused = ctx
            .unused_contents
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut plan = plan::Plan::default();
        ctx.world.update(|state| {
            if std::mem::take(&mut state.contents_were_lost) {
                unused.clear();
            }
            plan = plan::plan(&state.index, &mut unused, now, GRACE);
            Vec::new()
        });
        plan
    };
    let kind = Kind::of::<Content>();
    for name in plan.strip {
        let key = ObjectKey::new("", name);
        if let Err(error) = crate::finalizers::replace(&ctx.client, &kind, &key, &[]).await {
            return failed(&key, &error);
        }
    }
    for name in plan.delete {
        let key = ObjectKey::new("", name);
        if let Err(error) = ctx
            .client
            .delete(&kind, &key, &DeleteOptions::default())
            .await
        {
            return failed(&key, &error);
        }
    }
    plan.next.map_or(Next::Done, |at| {
        Next::After(at.saturating_duration_since(now))
    })
}

/// Writes Contents unless they are there already: what they hold follows from their names.
pub(crate) async fn store(ctx: &Ctx, contents: Vec<Content>) -> Result<(), apiclient::Error> {
    for content in contents {
        if !is_stored(ctx, &content) {
            bundlewriter::store_content(&ctx.client, &content).await?;
        }
    }
    Ok(())
}

/// Whether a Content is known to be there and to stay.
pub(crate) fn is_stored(ctx: &Ctx, content: &Content) -> bool {
    let name = content.metadata.name.as_deref().unwrap_or_default();
    ctx.world.read(|state| {
        let known = state.index.contents.get(name);
        known.is_some_and(|known| !known.deleting)
    })
}

fn failed(key: &ObjectKey, error: &apiclient::Error) -> Next {
    let error = errors::chain(error);
    tracing::warn!(content = %key, error, "collecting unused contents failed, trying again");
    Next::Retry
}
