//! Answers agents that ask to be registered.
//!
//! * **Object**: ClusterRegistration.
//! * **Reads**: the index, the configuration, the Secret with the account's token.
//! * **Writes**: the Cluster, if nobody announced it; account, token and rights of the agent; the Secret that
//!   answers; owner and status of the ClusterRegistration. Deletes older requests of the cluster once this
//!   one is granted, and what a request was granted once it is gone.
//! * **Woken by**: changes of the object; a Cluster with its `clientID` that comes or changes; a token that
//!   comes.
//!
//! What an agent may do is in `plan::grants`, and nowhere else.

mod act;
pub(crate) mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use apiclient::ObjectKey;
use workqueue::Next;

use crate::Ctx;
use crate::events::about_registration;
use crate::object_set::ObjectSet;

/// When a request is looked at again that was refused for something no event tells of.
const REFUSED_RETRY: Duration = Duration::from_mins(5);

/// Name of the set of what is granted.
pub(crate) fn set(key: &ObjectKey) -> ObjectSet {
    ObjectSet::of("cluster-registration", "ClusterRegistration", key)
}

/// One run for the request `key`.
pub(crate) async fn reconcile(ctx: Arc<Ctx>, key: ObjectKey) -> Next {
    let observed = ctx.world.read(|state| {
        plan::Observed::of(&state.index, state.config.config(), &key, &ctx.namespace)
    });
    let done = match observed {
        None => act::sweep(&ctx, &key).await,
        Some(observed) => match plan::plan(&observed) {
            plan::Plan::Nothing => Ok(Next::Done),
            plan::Plan::Refuse(why) => {
                tracing::warn!(registration = %key, why, "not registered");
                ctx.events
                    .record([about_registration((&key, &observed.uid), &why)]);
                Ok(Next::After(REFUSED_RETRY))
            }
            plan::Plan::CreateCluster(cluster) => {
                act::create_cluster(&ctx, &observed, &cluster).await
            }
            plan::Plan::Await(cluster) => act::name_cluster(&ctx, &observed, &cluster, false).await,
            plan::Plan::Grant(grant) => act::grant(&ctx, &observed, &grant).await,
        },
    };
    match done {
        Ok(next) => next,
        Err(error) => crate::failure::next("clusterregistration", &key, &error),
    }
}
