//! What a BundleDeployment needs from the hub besides its spec. Pure.

use api::copies::Copied;
use api::state::State;
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
    /// Lets go of what was copied for it.
    LetGo {
        deployment: ObjectKey,
        copied: Box<[Copied]>,
    },
    /// Removes the hub's finalizer.
    Release { deployment: ObjectKey },
}

/// The actions for one BundleDeployment; none when nothing is to be done.
///
/// The finalizer goes at once and does not wait for the agent, as upstream does: the agent acts when
/// the object has vanished, and a cluster that is gone must not hold up its deletion.
///
/// `failure` is why the hub could not compute what the deployment must run; it is shown in place of
/// what the agent says.
pub(crate) fn plan(key: &ObjectKey, entry: &DeploymentEntry, failure: Option<&str>) -> Vec<Action> {
    let deployment = key.clone();
    if entry.deleting {
        if !entry.has_finalizer {
            return Vec::new();
        }
        let mut actions = vec![Action::DeleteOptions {
            deployment: deployment.clone(),
        }];
        if !entry.copied.is_empty() {
            actions.push(Action::LetGo {
                deployment: deployment.clone(),
                copied: entry.copied.clone(),
            });
        }
        actions.push(Action::Release { deployment });
        return actions;
    }
    let wanted = failure.map_or_else(
        || (*entry.display_wanted).clone(),
        |reason| failed(reason, &entry.display_wanted.pinned),
    );
    let says_nothing_new = *entry.display == BundleDeploymentDisplay::default()
        && wanted.state == State::Ready.as_str()
        && wanted.pinned.is_empty();
    if *entry.display == wanted || says_nothing_new {
        return Vec::new();
    }
    vec![Action::Display {
        deployment,
        display: wanted,
    }]
}

fn failed(reason: &str, pinned: &str) -> BundleDeploymentDisplay {
    BundleDeploymentDisplay {
        pinned: pinned.to_owned(),
        deployed: format!("Error: {reason}"),
        monitored: String::new(),
        state: State::ErrApplied.to_string(),
    }
}
