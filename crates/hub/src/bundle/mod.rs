//! From a Bundle to one BundleDeployment per cluster it is for.
//!
//! * **Object**: Bundle.
//! * **Reads**: the index; the Secret with the bundle's Helm values; the Bundle itself when its
//!   files have to be stored as a Content; a BundleDeployment whose promotion is held back.
//! * **Writes**: BundleDeployments and their Secrets, copies of what they take along; the Content of a Bundle with inline files; the
//!   Bundle's finalizer.
//! * **Woken by**: changes of the Bundle's spec, labels or deletion timestamp; changes of Clusters
//!   and ClusterGroups, of its namespace and of those it is mapped to, that targeting looks at;
//!   BundleNamespaceMappings and labels of namespaces that change where it is mapped to;
//!   GitRepoRestrictions and Policies of its namespace; Secrets and ConfigMaps that it takes along;
//!   BundleDeployments that somebody else changed or deleted; deployments that become available while
//!   its roll-out waits for them.
//!
//! One cluster's error stays that cluster's (invariant I-1): its BundleDeployment keeps what it has
//! and the error is shown in the status. An error of the whole bundle, such as a selector that cannot
//! be read, changes nothing on any cluster (invariant I-2).

mod act;
mod artifact;
pub(crate) mod copies;
#[cfg(test)]
mod interleavings;
mod observe;
mod options;
mod plan;
pub(crate) mod revision;
mod settled;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use apiclient::ObjectKey;
use workqueue::Next;

use crate::Ctx;
use crate::events::{self, about_size};
use crate::failure::Classified as _;

pub(crate) use plan::Report;
pub(crate) use settled::{Settled, Written};

/// One run for the Bundle `key`.
pub(crate) async fn reconcile(ctx: Arc<Ctx>, key: ObjectKey) -> Next {
    let observed = match observe::observe(&ctx, &key).await {
        Ok(Some(observed)) => observed,
        Ok(None) => return Next::Done,
        Err(error) => return crate::failure::next("bundle", &key, &error),
    };
    let uid = observed.bundle.meta.uid.clone();
    let planned = plan::in_background(&ctx, observed).await;
    let outcome = Box::pin(act::act(&ctx, &key, planned.actions)).await;
    ctx.world.update(|state| {
        let before = state.reports.get(&key);
        let denied = events::about_bundle((&key, &uid), before, &planned.report);
        ctx.events.record(denied);
        if let Some(settled) = planned.settled {
            state.bundle_settled(&key, settled, &planned.written);
        }
        let mut wakes = state.bundle_planned(&key, planned.report);
        if let Some(sources) = planned
            .sources
            .filter(|_| state.index.bundles.contains_key(&key))
        {
            wakes.extend(state.index.sources.set(&key, &sources));
        }
        wakes
    });
    match outcome {
        Ok(()) => planned.next,
        Err(error) => {
            let too_large = error.request();
            let too_large = too_large.and_then(|error| about_size(("Bundle", (&key, &uid)), error));
            ctx.events.record(too_large);
            crate::failure::next("bundle", &key, &error)
        }
    }
}
