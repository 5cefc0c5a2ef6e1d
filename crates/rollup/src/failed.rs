//! Deployments that the hub itself could not bring up to date.

use api::limits::{Limits, fit_text};
use api::state::State;
use api::v1alpha1::NonReadyResource;

use crate::Contribution;

impl Contribution {
    /// The same deployment, but the hub could not compute what it must run: `ErrApplied` with the
    /// reason in place of what the agent reports. Objects and counts stay what they are.
    #[must_use]
    pub fn failed(mut self, reason: &str, limits: &Limits) -> Self {
        let entry = NonReadyResource {
            message: fit_text(reason, limits.message_bytes_max).into_owned(),
            ..NonReadyResource::default()
        };
        self.maybe_state = self.maybe_state.map(|_| State::ErrApplied);
        self.wanted_state = State::ErrApplied;
        // Serializing strings into memory cannot fail.
        self.details = serde_json::to_vec(&entry).unwrap_or_default().into();
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::{Contribution, ObjectKey, Rollup};
    use api::limits::Limits;

    #[test]
    fn a_failed_target_is_counted_with_its_reason_and_can_recover() {
        let (bundle, cluster) = (ObjectKey::new("ns", "app"), ObjectKey::new("ns", "edge-7"));
        let key = ObjectKey::new("cluster-ns-edge-7", "app");
        let limits = Limits::PRODUCTION;
        let mut rollup = Rollup::new(limits);
        let pending = Contribution::pending(bundle.clone(), cluster);
        rollup.set(
            key.clone(),
            pending.clone().failed("label zone is missing", &limits),
        );
        let view = rollup.bundle(&bundle);
        assert_eq!(view.summary.err_applied, 1);
        assert_eq!(
            view.ready_message,
            "ErrApplied(1) [Cluster ns/edge-7: label zone is missing]"
        );
        rollup.set(key, pending);
        assert_eq!(rollup.bundle(&bundle).summary.pending, 1);
    }
}
