//! What the world does about objects that another process works on.
//!
//! Their reports are not known here. What they say is read from what their owner has stored.

use api::conditions::{self, READY};
use api::state::State as DeploymentState;
use api::v1alpha1::BundleDeployment;
use apiclient::ObjectKey;
use rollup::{Dirty, Source};

use crate::index::Wake;
use crate::sharding::{Item, Share, items};
use crate::world::{State, World, missing_key, rollup_key};

/// What the display of a deployment begins with that could not be brought up to date.
const ERROR: &str = "Error: ";

impl World {
    /// This process works on something else from now on: what it gained it looks at anew, of what it
    /// lost it keeps nothing that only an owner knows.
    pub(crate) fn share_changed(&self, old: &Share, new: &Share) {
        self.update(|state| state.share_changed(old, new));
    }

    /// A run for an item went on after the item was lost.
    pub(crate) fn forget_foreign(&self, item: &Item) {
        self.update(|state| {
            if !state.gate.has(&state.index, item) {
                state.lost(item);
            }
            Vec::new()
        });
    }
}

impl State {
    /// Whether another process works on a Bundle.
    pub(crate) fn is_foreign(&self, bundle: &ObjectKey) -> bool {
        !self.gate.has(&self.index, &Item::Bundle(bundle.clone()))
    }

    fn share_changed(&mut self, old: &Share, new: &Share) -> Vec<Wake> {
        let index = &self.index;
        let moved: Vec<(Item, bool)> = items(index)
            .filter(|item| self.gate.is_of_shard(index, item))
            .filter_map(|item| {
                let is_ours = new.has(&item);
                (old.has(&item) != is_ours).then_some((item, is_ours))
            })
            .collect();
        let mut wakes = Vec::new();
        for (item, is_ours) in &moved {
            if *is_ours {
                wakes.extend(self.gained(item));
            } else {
                self.lost(item);
            }
        }
        wakes
    }

    fn gained(&mut self, item: &Item) -> Vec<Wake> {
        match item {
            Item::GitRepo(key) => {
                let source = Source::GitRepo(rollup_key(key));
                self.rollup.mark_dirty(Dirty::Source(source));
                vec![Wake::GitRepo(key.clone())]
            }
            Item::Bundle(key) => {
                self.rollup.mark_dirty(Dirty::Bundle(rollup_key(key)));
                self.taken_over.insert(key.clone());
                let mut wakes = self.gained_deployments(key);
                wakes.push(Wake::Bundle(key.clone()));
                wakes
            }
            Item::Cluster(key) => {
                self.rollup.mark_dirty(Dirty::Cluster(rollup_key(key)));
                vec![Wake::Cluster(key.clone()), Wake::Agent(key.clone())]
            }
            Item::ClusterGroup(key) => {
                self.rollup.mark_dirty(Dirty::ClusterGroup(rollup_key(key)));
                Vec::new()
            }
            Item::Schedule(key) => vec![Wake::Schedule(key.clone())],
            Item::Contents => {
                self.tell_of_configuration();
                let mut wakes = self.index.registrations.all();
                wakes.extend([Wake::Contents, Wake::StartUp, Wake::CleanUp]);
                wakes
            }
        }
    }

    /// What another process said about the deployments of a bundle, the next run says anew.
    fn gained_deployments(&mut self, bundle: &ObjectKey) -> Vec<Wake> {
        let keys = self.index.deployments_of.get(bundle);
        let keys: Vec<ObjectKey> = keys.into_iter().flatten().cloned().collect();
        let mut wakes = Vec::new();
        for key in keys {
            if let Some((_, Some(own))) = self.failed.remove(&key) {
                self.rollup.set(rollup_key(&key), own);
            }
            let entry = self.index.deployments.get(&key);
            if entry.is_some_and(|entry| entry.deleting || entry.display != entry.display_wanted) {
                wakes.push(Wake::Deployment(key));
            }
        }
        wakes
    }

    fn lost(&mut self, item: &Item) {
        match item {
            Item::GitRepo(key) => {
                self.syncs.remove(key);
            }
            Item::Bundle(key) => self.bundle_lost(key),
            Item::Contents => self.contents_were_lost = true,
            Item::Cluster(_) | Item::ClusterGroup(_) | Item::Schedule(_) => {}
        }
    }

    fn bundle_lost(&mut self, key: &ObjectKey) {
        self.settled.remove(key);
        self.unsure.remove(key);
        self.taken_over.remove(key);
        self.index.rolling.forget(key);
        let Some(report) = self.reports.remove(key) else {
            return;
        };
        for cluster in report.pending.keys() {
            self.rollup.remove(&missing_key(key, cluster));
        }
        self.mark_source_of(key);
    }

    /// A Bundle of another process is new or has changed: its Ready condition is part of the status of
    /// its GitRepo.
    pub(crate) fn foreign_bundle_applied(&mut self, key: &ObjectKey) {
        self.bundle_lost(key);
        self.mark_source_of(key);
    }

    fn mark_source_of(&mut self, bundle: &ObjectKey) {
        let entry = self.index.bundles.get(bundle);
        if let Some(name) = entry.and_then(|entry| entry.git_repo()) {
            let repo = rollup::ObjectKey::new(&bundle.namespace, name);
            self.rollup.mark_dirty(Dirty::Source(Source::GitRepo(repo)));
        }
    }

    /// Learns from the display of another process's deployment whether the hub could bring it up to date.
    pub(crate) fn follow_foreign(&mut self, key: &ObjectKey, deployment: &BundleDeployment) {
        let entry = self.index.deployments.get(key);
        if !entry.is_some_and(|entry| self.is_foreign(&entry.bundle)) {
            return;
        }
        match error_of_hub(deployment) {
            Some(reason) => {
                self.failed.insert(key.clone(), (reason.to_owned(), None));
            }
            None => {
                self.failed.remove(key);
            }
        }
    }

    /// Why another process's Bundle is not ready, if its deployments do not show it.
    pub(crate) fn foreign_problem(&self, bundle: &ObjectKey) -> Option<&str> {
        if !self.is_foreign(bundle) {
            return None;
        }
        let stored = &self.index.bundles.get(bundle)?.status.conditions;
        let is_shown = || {
            !self
                .rollup
                .bundle(&rollup_key(bundle))
                .ready_message
                .is_empty()
        };
        let message = conditions::message(stored, READY);
        (conditions::is_false(stored, READY) && !message.is_empty() && !is_shown())
            .then_some(message)
    }
}

/// Why the hub could not bring a deployment up to date, if its display says so and its agent does not.
fn error_of_hub(deployment: &BundleDeployment) -> Option<&str> {
    let display = &deployment.status.display;
    let is_error = display.state == DeploymentState::ErrApplied.as_str();
    let reason = display.deployed.strip_prefix(ERROR).filter(|_| is_error)?;
    (DeploymentState::of(deployment) != DeploymentState::ErrApplied).then_some(reason)
}
