//! What a BundleDeployment needs from the hub besides its spec. Pure.

use api::v1alpha1::BundleDeploymentDisplay;
use apiclient::ObjectKey;

use crate::index::DeploymentEntry;

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Writes `status.display`.
    Display {
        deployment: ObjectKey,
        display: BundleDeploymentDisplay,
    },
    /// Deletes the Secret with the options.
    DeleteOptions { deployment: ObjectKey },
    /// Removes the hub's finalizer.
    Release { deployment: ObjectKey },
}

/// The actions for one BundleDeployment; none when nothing is to be done.
///
/// The finalizer goes at once and does not wait for the agent, as upstream does: the agent acts when
/// the object has vanished, and a cluster that is gone must not hold up its deletion.
pub(crate) fn plan(key: &ObjectKey, entry: &DeploymentEntry) -> Vec<Action> {
    let deployment = key.clone();
    if entry.deleting {
        if !entry.has_finalizer {
            return Vec::new();
        }
        return vec![
            Action::DeleteOptions {
                deployment: deployment.clone(),
            },
            Action::Release { deployment },
        ];
    }
    if entry.display == entry.display_wanted {
        return Vec::new();
    }
    vec![Action::Display {
        deployment,
        display: (*entry.display_wanted).clone(),
    }]
}
