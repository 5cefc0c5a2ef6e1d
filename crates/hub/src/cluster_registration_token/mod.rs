//! Makes the credential by which agents ask to be registered.
//!
//! * **Object**: ClusterRegistrationToken.
//! * **Reads**: the index, the configuration, the Secret with the account's token.
//! * **Writes**: account, token, Role and RoleBinding in its namespace, and the Secret with what an agent is
//!   installed with; the status. Deletes tokens that have expired, and these objects once the token is gone.
//! * **Woken by**: changes of the object and of the configuration; the moment of its expiry.

mod act;
mod plan;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use apiclient::ObjectKey;
use jiff::Timestamp;
use workqueue::Next;

use crate::Ctx;
use crate::object_set::ObjectSet;

pub(crate) use act::{Error, token};
pub(crate) use plan::{account, token_secret};

/// How often the token of a new account is looked for.
const POLL: Duration = Duration::from_secs(2);

/// Name of the set of its objects.
pub(crate) fn set(key: &ObjectKey) -> ObjectSet {
    ObjectSet::of("cluster-group-token", "ClusterRegistrationToken", key)
}

/// One run for the token `key`.
pub(crate) async fn reconcile(ctx: Arc<Ctx>, key: ObjectKey) -> Next {
    let observed = ctx.world.read(|state| {
        let token = state.index.registrations.tokens.get(&key)?;
        let config = state.config.config();
        Some(plan::Observed::of(
            token,
            config,
            &ctx.namespace,
            ctx.agents.token_ttl_required,
        ))
    });
    let done = match observed {
        None => set(&key)
            .sweep(&ctx.client)
            .await
            .map(|()| Next::Done)
            .map_err(act::Error::Sweep),
        Some(observed) => match plan::plan(&observed, Timestamp::now()) {
            plan::Plan::Nothing => Ok(Next::Done),
            plan::Plan::Delete { why } => {
                act::delete(&ctx, &observed, why).await.map(|()| Next::Done)
            }
            plan::Plan::Provide { expires } => act::provide(&ctx, &observed, expires).await,
        },
    };
    match done {
        Ok(next) => next,
        Err(error) => crate::failure::next("clusterregistrationtoken", &key, &error),
    }
}
