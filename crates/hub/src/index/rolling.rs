//! Which roll-outs wait for deployments to become available.
//!
//! A run for a Bundle looks at its deployments, writes for a while, and only then is it known whether
//! its roll-out waits. What agents report meanwhile must not be missed: they may not report again.

use std::collections::BTreeMap;

use apiclient::ObjectKey;

/// Bundles by key; one that is not there waits for nothing.
#[derive(Debug, Default)]
pub(crate) struct Rolling(BTreeMap<ObjectKey, State>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A run is under way; whether a deployment changed since it looked.
    Running { is_stale: bool },
    /// It waits.
    Waiting,
}

impl Rolling {
    /// A run looks at the deployments of a bundle now.
    pub(crate) fn look(&mut self, bundle: &ObjectKey) {
        let fresh = State::Running { is_stale: false };
        self.0.insert(bundle.clone(), fresh);
    }

    /// The run is over. True if the bundle waits and has to look again, because something changed that it
    /// did not see.
    pub(crate) fn end(&mut self, bundle: &ObjectKey, is_waiting: bool) -> bool {
        let was = self.0.remove(bundle);
        if is_waiting {
            self.0.insert(bundle.clone(), State::Waiting);
        }
        is_waiting && was == Some(State::Running { is_stale: true })
    }

    /// A deployment of a bundle became available or unavailable by itself. True if the bundle has to look
    /// at once.
    pub(crate) fn note(&mut self, bundle: &ObjectKey) -> bool {
        match self.0.get_mut(bundle) {
            None => false,
            Some(State::Waiting) => true,
            Some(State::Running { is_stale }) => {
                *is_stale = true;
                false
            }
        }
    }

    /// The bundle is gone.
    pub(crate) fn forget(&mut self, bundle: &ObjectKey) {
        self.0.remove(bundle);
    }
}
