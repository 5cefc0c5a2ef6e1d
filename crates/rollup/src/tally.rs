//! The counters that all kinds have: deployments by state, objects by state, and the deployments that
//! are not ready, worst first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::limits::{Limits, fit, fit_text};
use api::state::{self, State};
use api::v1alpha1::{BundleSummary, NonReadyResource, ResourceCounts};

use crate::contribution::Contribution;
use crate::key::ObjectKey;

/// All contributions by the deployment's key.
pub(crate) type Deployments = BTreeMap<ObjectKey, Arc<Contribution>>;

/// Adds (`sign` 1) or takes away (`sign` -1) one count from another.
pub(crate) fn add_counts(to: &mut ResourceCounts, counts: &ResourceCounts, sign: i64) {
    to.ready += sign * counts.ready;
    to.desired_ready += sign * counts.desired_ready;
    to.wait_applied += sign * counts.wait_applied;
    to.modified += sign * counts.modified;
    to.orphaned += sign * counts.orphaned;
    to.missing += sign * counts.missing;
    to.unknown += sign * counts.unknown;
    to.not_ready += sign * counts.not_ready;
}

/// A deployment that is not ready: worst state first, then by name, then by its own key.
type Troubled = (Reverse<State>, ObjectKey, ObjectKey);

/// Which side of a contribution a counter looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// A Bundle: what it wants, listed by cluster.
    Bundle,
    /// Everything else: what is deployed, listed by bundle.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    view: View,
    by_state: [i64; State::ALL.len()],
    pub(crate) counts: ResourceCounts,
    troubled: BTreeSet<Troubled>,
}

impl Tally {
    pub(crate) fn new(view: View) -> Self {
        Self {
            view,
            by_state: [0; State::ALL.len()],
            counts: ResourceCounts::default(),
            troubled: BTreeSet::new(),
        }
    }

    /// Adds a contribution.
    pub(crate) fn add(&mut self, deployment: &ObjectKey, contribution: &Contribution) {
        let Some(state) = self.state_of(contribution) else {
            return;
        };
        self.by_state[state as usize] += 1;
        add_counts(&mut self.counts, &contribution.counts, 1);
        if state != State::Ready {
            self.troubled
                .insert(self.troubled_key(state, deployment, contribution));
        }
    }

    /// Takes away a contribution that was added.
    pub(crate) fn remove(&mut self, deployment: &ObjectKey, contribution: &Contribution) {
        let Some(state) = self.state_of(contribution) else {
            return;
        };
        self.by_state[state as usize] -= 1;
        add_counts(&mut self.counts, &contribution.counts, -1);
        if state != State::Ready {
            self.troubled
                .remove(&self.troubled_key(state, deployment, contribution));
        }
    }

    fn state_of(&self, contribution: &Contribution) -> Option<State> {
        match self.view {
            View::Bundle => Some(contribution.wanted_state),
            View::Other => contribution.maybe_state,
        }
    }

    fn troubled_key(
        &self,
        state: State,
        deployment: &ObjectKey,
        contribution: &Contribution,
    ) -> Troubled {
        let name = match self.view {
            View::Bundle => &contribution.cluster,
            View::Other => &contribution.bundle,
        };
        (Reverse(state), name.clone(), deployment.clone())
    }

    /// Number of deployments.
    pub(crate) fn total(&self) -> i64 {
        self.by_state.iter().sum()
    }

    /// Number of deployments that are ready.
    pub(crate) fn ready(&self) -> i64 {
        self.by_state[State::Ready as usize]
    }

    /// `ready/desired`.
    pub(crate) fn ready_of_total(&self) -> String {
        format!("{}/{}", self.ready(), self.total())
    }

    /// The worst state, and the message of the first deployment in it.
    pub(crate) fn worst(&self, all: &Deployments) -> Option<(State, String)> {
        let (Reverse(state), _, deployment) = self.troubled.first()?;
        let message = all
            .get(deployment)
            .map(|c| read_details(c).message)
            .unwrap_or_default();
        Some((*state, message))
    }

    /// Deployments that are not ready, worst first.
    pub(crate) fn troubled_deployments(&self) -> impl Iterator<Item = &ObjectKey> {
        self.troubled.iter().map(|(_, _, deployment)| deployment)
    }

    /// The summary, within its budgets: the worst deployments, listed by name.
    pub(crate) fn summary(&self, all: &Deployments, limits: &Limits) -> BundleSummary {
        let mut summary = self.numbers();
        let worst = self.troubled.iter().take(limits.details_max);
        let entries = worst.map(|troubled| self.entry(troubled, all));
        let mut fitted = fit(entries, limits.details_max, limits.details_bytes_max);
        fitted.kept.sort_by(|a, b| a.name.cmp(&b.name));
        let n_omitted = self.troubled.len() - fitted.kept.len();
        summary.non_ready_resources_omitted = i64::try_from(n_omitted).unwrap_or(i64::MAX);
        summary.non_ready_resources = fitted.kept;
        summary
    }

    /// Message of the Ready condition, within its budget; empty when all are ready.
    pub(crate) fn ready_message(&self, all: &Deployments, limits: &Limits) -> String {
        let kind_word = match self.view {
            View::Bundle => "Cluster",
            View::Other => "Bundle",
        };
        let mut summary = self.numbers();
        summary.non_ready_resources = self
            .first_of_each_state()
            .map(|troubled| self.entry(troubled, all))
            .collect();
        let message = state::ready_message(&summary, kind_word);
        fit_text(&message, limits.ready_message_bytes_max).into_owned()
    }

    fn first_of_each_state(&self) -> impl Iterator<Item = &Troubled> {
        let nobody = || ObjectKey("".into());
        State::ALL.into_iter().filter_map(move |state| {
            let first = self
                .troubled
                .range((Reverse(state), nobody(), nobody())..)
                .next()?;
            (first.0 == Reverse(state)).then_some(first)
        })
    }

    fn numbers(&self) -> BundleSummary {
        let mut summary = BundleSummary {
            desired_ready: self.total(),
            ..BundleSummary::default()
        };
        for state in State::ALL {
            *state::counter(&mut summary, state) = self.by_state[state as usize];
        }
        summary
    }

    fn entry(
        &self,
        (Reverse(state), name, deployment): &Troubled,
        all: &Deployments,
    ) -> NonReadyResource {
        let details = all
            .get(deployment)
            .map(|c| read_details(c))
            .unwrap_or_default();
        let name = match self.view {
            View::Bundle => name.as_str(),
            View::Other => name.name(),
        };
        NonReadyResource {
            name: name.to_owned(),
            bundle_state: state.as_str().to_owned(),
            ..details
        }
    }
}

/// The description that a contribution carries.
fn read_details(contribution: &Contribution) -> NonReadyResource {
    // Written by this crate; an empty one is no JSON and means there is nothing to say.
    serde_json::from_slice(&contribution.details).unwrap_or_default()
}
