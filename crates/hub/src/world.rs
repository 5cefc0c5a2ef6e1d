//! The one place that holds what the controllers know, and wakes them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api::conditions::Finding;
use api::limits::Limits;
use api::v1alpha1::{Bundle, BundleDeployment, Cluster, ClusterGroup, GitRepo, Schedule};
use apiclient::ObjectKey;
use k8s_openapi::api::core::v1::ConfigMap;
use rollup::{Contribution, Dirty, Rollup, Source};
use tokio::time::Instant;
use workqueue::Queue;

use crate::bundle::{Report, Settled, Written};
use crate::config::Live;
use crate::events::{Recorder, about_config};
use crate::git_repo::Sync;
use crate::in_flight::InFlight;
use crate::index::{Index, SourceKey, Wake, key_of};
use crate::sharding::{Gate, Item};

/// Index, roll-up and queues, shared by all controllers.
#[derive(Debug)]
pub(crate) struct World {
    state: Mutex<State>,
    pub(crate) queues: Queues,
}

/// What is guarded by the lock of [`World`]. All operations on it are in memory and short.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) index: Index,
    pub(crate) rollup: Rollup,
    /// What the last run for each Bundle found out.
    pub(crate) reports: BTreeMap<ObjectKey, Report>,
    /// What it found in order.
    pub(crate) settled: BTreeMap<ObjectKey, Arc<Settled>>,
    /// What the last run for each GitRepo found out.
    pub(crate) syncs: BTreeMap<ObjectKey, Sync>,
    /// Deployments that cannot be brought up to date, with the reason and, if they exist, what they
    /// contribute apart from that.
    pub(crate) failed: BTreeMap<ObjectKey, (String, Option<Contribution>)>,
    /// Deployments on their way.
    pub(crate) in_flight: InFlight,
    /// How the last import of each Cluster went.
    pub(crate) imports: BTreeMap<ObjectKey, Finding>,
    /// Deployments of a bundle of which it is not known whether they were written.
    pub(crate) unsure: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
    /// Bundles that another process worked on, whose deployments have to be read before the next run.
    pub(crate) taken_over: BTreeSet<ObjectKey>,
    /// Another process collected unused Contents meanwhile.
    pub(crate) contents_were_lost: bool,
    /// What people configured.
    pub(crate) config: Live,
    /// Tells people what happens.
    pub(crate) events: Arc<Recorder>,
    /// Whose business an object is.
    pub(crate) gate: Arc<Gate>,
    limits: Limits,
}

/// One queue per controller.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    pub(crate) git_repos: Queue<ObjectKey>,
    pub(crate) bundles: Queue<ObjectKey>,
    pub(crate) deployments: Queue<ObjectKey>,
    pub(crate) clusters: Queue<ObjectKey>,
    pub(crate) sources: Queue<SourceKey>,
    pub(crate) schedules: Queue<ObjectKey>,
    pub(crate) contents: Queue<()>,
    pub(crate) registrations: Queue<ObjectKey>,
    pub(crate) tokens: Queue<ObjectKey>,
    pub(crate) agents: Queue<ObjectKey>,
    pub(crate) start_up: Queue<()>,
    pub(crate) bootstrap: Queue<()>,
    pub(crate) clean_up: Queue<()>,
    pub(crate) statuses: Queue<Dirty>,
}

impl Queues {
    fn wake(&self, wake: Wake) {
        match wake {
            Wake::GitRepo(key) => self.git_repos.add(key),
            Wake::Bundle(key) => self.bundles.add(key),
            Wake::Deployment(key) => {
                self.deployments
                    .add_after(key, crate::bundle_deployment::SETTLE);
            }
            Wake::Cluster(key) => self.clusters.add(key),
            Wake::Source(key) => self.sources.add(key),
            Wake::Schedule(key) => self.schedules.add_after(key, crate::status::SETTLE),
            Wake::Contents => self.contents.add_after((), crate::content::SETTLE),
            Wake::Registration(key) => self.registrations.add(key),
            Wake::Token(key) => self.tokens.add(key),
            Wake::Agent(key) => self.agents.add(key),
            Wake::StartUp => {
                self.start_up.add(());
                self.bootstrap.add(());
            }
            Wake::CleanUp => self.clean_up.add(()),
        }
    }

    /// Ends all controllers.
    pub(crate) fn close(&self) {
        let Self {
            git_repos,
            bundles,
            deployments,
            clusters,
            sources,
            schedules,
            contents,
            registrations,
            tokens,
            agents,
            start_up,
            bootstrap,
            clean_up,
            statuses,
        } = self;
        git_repos.close();
        bundles.close();
        deployments.close();
        clusters.close();
        sources.close();
        schedules.close();
        contents.close();
        registrations.close();
        tokens.close();
        agents.close();
        start_up.close();
        bootstrap.close();
        clean_up.close();
        statuses.close();
    }
}

impl World {
    /// A world in which nothing exists yet.
    pub(crate) fn new(limits: Limits, gate: Arc<Gate>) -> Self {
        let state = State {
            index: Index::default(),
            rollup: Rollup::new(limits),
            reports: BTreeMap::new(),
            settled: BTreeMap::new(),
            syncs: BTreeMap::new(),
            failed: BTreeMap::new(),
            in_flight: InFlight::default(),
            imports: BTreeMap::new(),
            unsure: BTreeMap::new(),
            taken_over: BTreeSet::new(),
            contents_were_lost: false,
            config: Live::default(),
            events: Arc::default(),
            gate,
            limits,
        };
        Self {
            state: Mutex::new(state),
            queues: Queues::default(),
        }
    }

    /// Lets the world tell people what happens.
    pub(crate) fn tell(&self, events: &Arc<Recorder>) {
        self.lock().events = Arc::clone(events);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Operations on the state do not panic half way; see their modules.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the state. `read` must be quick and must not wait.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.lock())
    }

    /// Changes the state and wakes whom it concerns.
    pub(crate) fn update(&self, change: impl FnOnce(&mut State) -> Vec<Wake>) {
        let (wakes, dirty) = {
            let mut state = self.lock();
            let wakes = change(&mut state);
            (wakes, state.take_dirty())
        };
        for wake in wakes {
            self.queues.wake(wake);
        }
        for (owner, patience) in dirty {
            let statuses = &self.queues.statuses;
            statuses.add_settled(owner, crate::status::settle(patience), patience);
        }
    }
}

/// The same key in the roll-up's form.
pub(crate) fn rollup_key(key: &ObjectKey) -> rollup::ObjectKey {
    rollup::ObjectKey::new(&key.namespace, &key.name)
}

/// Stands in the roll-up for a deployment that does not exist: apart from those that do, because on one
/// cluster bundles of several namespaces may want one name. No namespace begins with a slash.
pub(crate) fn missing_key(bundle: &ObjectKey, cluster: &ObjectKey) -> rollup::ObjectKey {
    rollup::ObjectKey::new(&format!("/{cluster}"), &bundle.to_string())
}

/// The same key in the client's form.
pub(crate) fn client_key(key: &rollup::ObjectKey) -> ObjectKey {
    ObjectKey::new(key.namespace(), key.name())
}

impl State {
    /// The budgets.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Objects whose status may have to be written, and how long their changes are collected.
    fn take_dirty(&mut self) -> Vec<(Dirty, Duration)> {
        let dirty = self.rollup.take_dirty().into_iter();
        let patience = |owner: &Dirty| crate::status::patience(&self.index, owner);
        dirty
            .map(|owner| {
                let patience = patience(&owner);
                (owner, patience)
            })
            .collect()
    }

    /// The hub's ConfigMap is new, has changed or is gone.
    pub(crate) fn configured(&mut self, stored: Option<&ConfigMap>) -> Vec<Wake> {
        let mut wakes = Vec::new();
        if self.config.follow(stored) {
            // What agents are told is configuration.
            wakes.extend(self.index.clusters.keys().cloned().map(Wake::Agent));
            wakes.push(Wake::StartUp);
            wakes.extend(
                self.index
                    .registrations
                    .tokens
                    .keys()
                    .cloned()
                    .map(Wake::Token),
            );
            // Whether a cluster is offline is a matter of configuration.
            for key in self.index.clusters.keys() {
                self.rollup.mark_dirty(Dirty::Cluster(rollup_key(key)));
            }
        }
        self.tell_of_configuration();
        wakes
    }

    /// Tells that the configuration cannot be read; of several processes one does.
    pub(crate) fn tell_of_configuration(&self) {
        let leads = self.gate.leadership.holds(Instant::now());
        let Some((stored, problem)) = self.config.problem().filter(|_| leads) else {
            return;
        };
        if self.gate.has(&self.index, &Item::Contents) {
            let map = ObjectKey::new(stored.namespace.clone(), stored.name.clone());
            self.events
                .record([about_config(&map, &stored.uid, problem)]);
        }
    }

    /// A Cluster is new or has changed.
    pub(crate) fn cluster_applied(&mut self, cluster: Cluster) -> Vec<Wake> {
        let key = key_of(&cluster);
        let before = self.index.clusters.get(&key).map(|entry| &entry.cluster);
        let is_about_agent = crate::cluster_agent::plan::differs(before, &cluster);
        let mut wakes = self.index.cluster_applied(cluster);
        if !wakes.is_empty() {
            wakes.extend(self.index.wake_schedules(&key.namespace));
        }
        if is_about_agent {
            wakes.push(Wake::Agent(key.clone()));
        }
        self.place_cluster(&key);
        self.rollup.mark_dirty(Dirty::Cluster(rollup_key(&key)));
        wakes
    }

    /// A Cluster is gone.
    pub(crate) fn cluster_deleted(&mut self, key: &ObjectKey) -> Vec<Wake> {
        self.rollup.remove_cluster(&rollup_key(key));
        self.imports.remove(key);
        let mut wakes = self.index.cluster_deleted(key);
        wakes.push(Wake::Agent(key.clone()));
        wakes.extend(self.index.wake_schedules(&key.namespace));
        wakes
    }

    /// A Schedule is new or has changed.
    pub(crate) fn schedule_applied(&mut self, schedule: Schedule) -> Vec<Wake> {
        let key = key_of(&schedule);
        if self.index.schedule_applied(schedule) {
            self.look_at_clusters(&key.namespace);
        }
        vec![Wake::Schedule(key)]
    }

    /// A Schedule is gone.
    pub(crate) fn schedule_deleted(&mut self, key: &ObjectKey) -> Vec<Wake> {
        self.index.schedules.remove(key);
        self.look_at_clusters(&key.namespace);
        Vec::new()
    }

    /// What schedules say about the clusters of a namespace may be something else.
    fn look_at_clusters(&mut self, namespace: &str) {
        let first = ObjectKey::new(namespace, "");
        let clusters = self.index.clusters.range(first..);
        let near = clusters.take_while(|(key, _)| key.namespace == namespace);
        for (key, _) in near {
            self.rollup.mark_dirty(Dirty::Cluster(rollup_key(key)));
        }
    }

    /// The same after a change of groups.
    fn regrouped(&mut self, namespace: &str) -> Vec<Wake> {
        let wakes = self.index.wake_schedules(namespace);
        if !wakes.is_empty() {
            self.look_at_clusters(namespace);
        }
        wakes
    }

    /// A ClusterGroup is new or has changed.
    pub(crate) fn group_applied(&mut self, group: ClusterGroup) -> Vec<Wake> {
        let key = key_of(&group);
        let mut change = self.index.group_applied(group);
        self.place_clusters(&change.moved);
        self.rollup
            .mark_dirty(Dirty::ClusterGroup(rollup_key(&key)));
        if change.matters {
            change.wakes.extend(self.regrouped(&key.namespace));
        }
        change.wakes
    }

    /// A ClusterGroup is gone.
    pub(crate) fn group_deleted(&mut self, key: &ObjectKey) -> Vec<Wake> {
        let mut change = self.index.group_deleted(key);
        self.place_clusters(&change.moved);
        if change.matters {
            change.wakes.extend(self.regrouped(&key.namespace));
        }
        change.wakes
    }

    fn place_clusters(&mut self, clusters: &[ObjectKey]) {
        for cluster in clusters {
            self.place_cluster(cluster);
        }
    }

    fn place_cluster(&mut self, key: &ObjectKey) {
        let groups = self.index.memberships.get(key).cloned().unwrap_or_default();
        let groups = groups.iter();
        let members: BTreeSet<rollup::ObjectKey> = groups
            .map(|name| rollup::ObjectKey::new(&key.namespace, name))
            .collect();
        self.rollup.set_cluster(&rollup_key(key), &members);
    }

    /// A GitRepo is new or has changed.
    pub(crate) fn git_repo_applied(&mut self, repo: GitRepo) -> Vec<Wake> {
        let key = rollup_key(&key_of(&repo));
        self.rollup.mark_dirty(Dirty::Source(Source::GitRepo(key)));
        self.index.git_repo_applied(repo)
    }

    /// A GitRepo is gone.
    pub(crate) fn git_repo_deleted(&mut self, key: &ObjectKey) -> Vec<Wake> {
        self.syncs.remove(key);
        self.index.git_repo_deleted(key)
    }

    /// A run for a GitRepo began or is over.
    pub(crate) fn git_repo_synced(&mut self, key: &ObjectKey, sync: Sync) -> Vec<Wake> {
        if self.index.git_repos.contains_key(key) && self.syncs.get(key) != Some(&sync) {
            self.syncs.insert(key.clone(), sync);
            self.rollup
                .mark_dirty(Dirty::Source(Source::GitRepo(rollup_key(key))));
        }
        Vec::new()
    }

    /// A Bundle is new or has changed.
    pub(crate) fn bundle_applied(&mut self, bundle: Bundle) -> Vec<Wake> {
        let key = key_of(&bundle);
        self.rollup.mark_dirty(Dirty::Bundle(rollup_key(&key)));
        let wakes = self.index.bundle_applied(bundle);
        if self.is_foreign(&key) {
            self.foreign_bundle_applied(&key);
        }
        wakes
    }

    /// A Bundle is gone.
    pub(crate) fn bundle_deleted(&mut self, key: &ObjectKey) -> Vec<Wake> {
        let source = self
            .index
            .bundles
            .get(key)
            .and_then(|bundle| bundle.git_repo().map(str::to_owned));
        self.bundle_planned(key, Report::default());
        self.reports.remove(key);
        self.settled.remove(key);
        self.index.rolling.forget(key);
        self.unsure.remove(key);
        self.taken_over.remove(key);
        if let Some(name) = source {
            let repo = rollup::ObjectKey::new(&key.namespace, &name);
            self.rollup.mark_dirty(Dirty::Source(Source::GitRepo(repo)));
        }
        self.index.bundle_deleted(key)
    }

    /// A run for a Bundle found this in order, or wrote it.
    pub(crate) fn bundle_settled(
        &mut self,
        key: &ObjectKey,
        mut settled: Settled,
        written: &[Written],
    ) {
        let deployments = &self.index.deployments;
        settled.add_written(written, |key| deployments.get(key).map(Arc::as_ref));
        if self.index.bundles.contains_key(key) {
            self.settled.insert(key.clone(), Arc::new(settled));
        }
    }

    /// A run for a Bundle is over.
    pub(crate) fn bundle_planned(&mut self, key: &ObjectKey, report: Report) -> Vec<Wake> {
        let mut wakes = Vec::new();
        if self.index.rolling.end(key, report.is_waiting) {
            wakes.push(Wake::Bundle(key.clone()));
        }
        let old = self.reports.get(key).cloned().unwrap_or_default();
        if old == report {
            return wakes;
        }
        for cluster in old
            .pending
            .keys()
            .filter(|cluster| !report.pending.contains_key(*cluster))
        {
            wakes.extend(self.not_pending(key, cluster));
        }
        for (cluster, reason) in &report.pending {
            if old.pending.get(cluster) != Some(reason) {
                wakes.extend(self.pending(key, cluster, reason));
            }
        }
        self.reports.insert(key.clone(), report);
        self.rollup.mark_dirty(Dirty::Bundle(rollup_key(key)));
        if let Some(name) = self
            .index
            .bundles
            .get(key)
            .and_then(|bundle| bundle.git_repo())
        {
            let repo = rollup::ObjectKey::new(&key.namespace, name);
            self.rollup.mark_dirty(Dirty::Source(Source::GitRepo(repo)));
        }
        wakes
    }

    /// The bundle's deployment on the cluster, if it exists.
    fn existing_deployment(&self, bundle: &ObjectKey, cluster: &ObjectKey) -> Option<ObjectKey> {
        let namespace = self.index.clusters.get(cluster)?.namespace();
        let key = ObjectKey::new(namespace, bundle.name.clone());
        let entry = self.index.deployments.get(&key)?;
        (entry.bundle == *bundle).then_some(key)
    }

    fn pending(&mut self, bundle: &ObjectKey, cluster: &ObjectKey, reason: &str) -> Vec<Wake> {
        let maybe_key = self.existing_deployment(bundle, cluster);
        let maybe_own = maybe_key.and_then(|key| {
            let own = match self.failed.remove(&key) {
                Some((_, own)) => own,
                None => self.rollup.get(&rollup_key(&key)).cloned(),
            };
            own.map(|own| (key, own))
        });
        let Some((key, own)) = maybe_own else {
            self.show_missing(bundle, cluster, reason);
            return Vec::new();
        };
        self.rollup.remove(&missing_key(bundle, cluster));
        if reason.is_empty() {
            self.rollup.set(rollup_key(&key), own);
            return Vec::new();
        }
        let shown = own.clone().failed(reason, &self.limits);
        self.rollup.set(rollup_key(&key), shown);
        let failed = (reason.to_owned(), Some(own));
        self.failed.insert(key.clone(), failed);
        vec![Wake::Deployment(key)]
    }

    /// Counts a deployment that does not exist; an empty reason means that its turn has not come.
    fn show_missing(&mut self, bundle: &ObjectKey, cluster: &ObjectKey, reason: &str) {
        let pending = Contribution::pending(rollup_key(bundle), rollup_key(cluster));
        let shown = if reason.is_empty() {
            pending
        } else {
            pending.failed(reason, &self.limits)
        };
        self.rollup.set(missing_key(bundle, cluster), shown);
    }

    /// What the last run of the bundle said about a cluster that it could not bring up to date.
    fn reason(&self, bundle: &ObjectKey, cluster: &ObjectKey) -> Option<&String> {
        self.reports.get(bundle)?.pending.get(cluster)
    }

    fn not_pending(&mut self, bundle: &ObjectKey, cluster: &ObjectKey) -> Vec<Wake> {
        self.rollup.remove(&missing_key(bundle, cluster));
        let Some(key) = self.existing_deployment(bundle, cluster) else {
            return Vec::new();
        };
        match self.failed.remove(&key) {
            Some((_, Some(own))) => {
                self.rollup.set(rollup_key(&key), own);
                vec![Wake::Deployment(key)]
            }
            _ => Vec::new(),
        }
    }

    /// A BundleDeployment is new or has changed.
    pub(crate) fn deployment_applied(&mut self, deployment: &BundleDeployment) -> Vec<Wake> {
        let key = key_of(deployment);
        let wanted = &deployment.spec.deployment_id;
        let known = self.index.deployments.get(&key);
        let is_promotion = known.is_none_or(|known| *known.deployment_id != **wanted);
        let Some(wakes) = self.index.deployment_applied(deployment) else {
            return Vec::new();
        };
        let (state, now) = (api::state::State::of(deployment), Instant::now());
        self.in_flight.follow(&key, state, is_promotion, now);
        self.contribute(&key, deployment);
        wakes
    }

    /// Our own write of a BundleDeployment was answered: the bundle need not look again.
    pub(crate) fn deployment_written(&mut self, deployment: &BundleDeployment) -> Vec<Wake> {
        let mut wakes = self.deployment_applied(deployment);
        wakes.retain(|wake| !matches!(wake, Wake::Bundle(_)));
        wakes
    }

    fn contribute(&mut self, key: &ObjectKey, deployment: &BundleDeployment) {
        if self.rollup.get(&rollup_key(key)).is_none() {
            self.not_missing(key);
        }
        self.follow_foreign(key, deployment);
        match Contribution::of(deployment, None, &self.limits) {
            Ok(own) => match self.failed.get_mut(key) {
                Some((reason, kept)) => {
                    let shown = own.clone().failed(reason, &self.limits);
                    *kept = Some(own);
                    self.rollup.set(rollup_key(key), shown);
                }
                None => {
                    self.rollup.set(rollup_key(key), own);
                }
            },
            Err(error) => {
                tracing::warn!(deployment = %key, %error, "deployment is left out of all statuses");
                self.rollup.remove(&rollup_key(key));
            }
        }
    }

    /// A deployment is there that was counted as missing before, if at all.
    fn not_missing(&mut self, key: &ObjectKey) {
        let Some(cluster) = self.index.cluster_of_namespace.get(&key.namespace).cloned() else {
            return;
        };
        let Some(entry) = self.index.deployments.get(key).cloned() else {
            return;
        };
        self.rollup.remove(&missing_key(&entry.bundle, &cluster));
        let reason = self.reason(&entry.bundle, &cluster);
        if let Some(reason) = reason.filter(|reason| !reason.is_empty()).cloned() {
            self.failed.insert(key.clone(), (reason, None));
        }
    }

    /// A BundleDeployment is gone.
    pub(crate) fn deployment_deleted(&mut self, key: &ObjectKey) -> Vec<Wake> {
        self.rollup.remove(&rollup_key(key));
        self.failed.remove(key);
        let bundle = self
            .index
            .deployments
            .get(key)
            .map(|entry| entry.bundle.clone());
        let cluster = self.index.cluster_of_namespace.get(&key.namespace).cloned();
        if let (Some(bundle), Some(cluster)) = (bundle, cluster)
            && let Some(reason) = self.reason(&bundle, &cluster).cloned()
        {
            self.show_missing(&bundle, &cluster, &reason);
        }
        self.in_flight.forget(key);
        self.index.deployment_deleted(key)
    }
}
