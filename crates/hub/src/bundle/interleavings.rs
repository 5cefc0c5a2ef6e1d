//! What holds of a roll-out while runs for a Bundle, writes, agents, late watches and restarts take turns
//! in any order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use api::limits::Limits;
use api::v1alpha1::{Bundle, BundleDeployment, BundleDeploymentSpec, Cluster};
use apiclient::ObjectKey;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;
use target::template::Templates;

use super::observe::look;
use super::plan::{Action, Plan, Write, plan};
use crate::index::{Wake, key_of};
use crate::world::{State, World};

#[derive(Clone, Copy, Debug)]
enum Event {
    /// The controller begins a run, if it was woken, or carries out one more action of it.
    Step,
    /// The agent applies what is stored; whether that is ready at once.
    Apply(Index, bool),
    /// It becomes ready.
    Ready(Index),
    /// The watch brings one more event.
    Hear,
    /// The agent falls silent, or speaks.
    Silent(Index, bool),
    Commit(u8),
    /// The process is killed and started.
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => Just(Event::Step),
        4 => (any::<Index>(), any::<bool>()).prop_map(|(who, ready)| Event::Apply(who, ready)),
        3 => any::<Index>().prop_map(Event::Ready),
        6 => Just(Event::Hear),
        1 => (any::<Index>(), any::<bool>()).prop_map(|(who, silent)| Event::Silent(who, silent)),
        1 => (1..4_u8).prop_map(Event::Commit),
        1 => Just(Event::Restart),
    ]
}

/// An API server with its watch, and a controller with its queue.
struct Hub {
    world: World,
    store: BTreeMap<ObjectKey, BundleDeployment>,
    clusters: Vec<Cluster>,
    bundle: Bundle,
    version: u64,
    watch: VecDeque<BundleDeployment>,
    is_woken: bool,
    run: Option<(Plan, VecDeque<Action>)>,
}

fn bundle(max_unavailable: usize) -> Bundle {
    serde_json::from_value(json!({
        "metadata": { "name": "app", "namespace": "ns", "uid": "u", "generation": 1,
            "finalizers": ["fleet.cattle.io/bundle-finalizer"] },
        "spec": { "targets": [{ "clusterSelector": {} }], "defaultNamespace": "v0",
            "rolloutStrategy": { "maxUnavailable": max_unavailable } },
    }))
    .unwrap()
}

fn cluster(place: usize) -> Cluster {
    serde_json::from_value(json!({
        "metadata": { "name": format!("c{place}"), "namespace": "ns", "uid": place.to_string() },
        "status": { "namespace": format!("cluster-{place}") },
    }))
    .unwrap()
}

impl Hub {
    /// A bundle that is deployed and ready on every cluster.
    fn new(n_clusters: usize, max_unavailable: usize) -> Self {
        let mut hub = Self {
            world: World::new(Limits::PRODUCTION, Arc::default()),
            store: BTreeMap::new(),
            clusters: (0..n_clusters).map(cluster).collect(),
            bundle: bundle(max_unavailable),
            version: 0,
            watch: VecDeque::new(),
            is_woken: false,
            run: None,
        };
        hub.restart();
        hub.settle();
        hub
    }

    fn update(&mut self, change: impl FnOnce(&mut State) -> Vec<Wake>) {
        let mut is_woken = false;
        self.world.update(|state| {
            let wakes = change(state);
            is_woken = wakes.iter().any(|wake| matches!(wake, Wake::Bundle(_)));
            wakes
        });
        self.is_woken |= is_woken;
    }

    fn restart(&mut self) {
        self.world = World::new(Limits::PRODUCTION, Arc::default());
        self.watch.clear();
        self.run = None;
        for cluster in self.clusters.clone() {
            self.update(|state| state.cluster_applied(cluster));
        }
        for deployment in self.store.clone().into_values() {
            self.update(|state| state.deployment_applied(&deployment));
        }
        let bundle = self.bundle.clone();
        self.update(|state| state.bundle_applied(bundle));
    }

    fn step(&mut self) {
        let key = key_of(&self.bundle);
        let Some((plan, mut actions)) = self.run.take() else {
            if std::mem::take(&mut self.is_woken) {
                let mut observed = None;
                self.world.update(|state| {
                    observed = look(state, &key);
                    Vec::new()
                });
                let plan = plan(&observed.unwrap(), &Templates::production());
                let actions = plan.actions.iter().cloned().collect();
                self.run = Some((plan, actions));
            }
            return;
        };
        if let Some(action) = actions.pop_front() {
            self.act(action);
            self.run = Some((plan, actions));
            return;
        }
        self.update(|state| {
            if let Some(settled) = plan.settled {
                state.bundle_settled(&key, settled, &plan.written);
            }
            state.bundle_planned(&key, plan.report)
        });
    }

    fn act(&mut self, action: Action) {
        let Action::Deploy {
            deployment, write, ..
        } = action
        else {
            return;
        };
        let mut object = self.store.get(&deployment).cloned().unwrap_or_default();
        let now = object.spec.clone();
        match *write {
            Write::Create { object: new, .. } => {
                object = *new;
                object.metadata.uid = Some(deployment.to_string());
            }
            Write::Promote { spec, labels, .. } => {
                object.spec = spec;
                object.metadata.labels = Some(labels);
            }
            Write::Stage { spec, labels, .. } => {
                object.spec = BundleDeploymentSpec {
                    options: now.options,
                    deployment_id: now.deployment_id,
                    ..spec
                };
                object.metadata.labels = Some(labels);
            }
            Write::Flags { .. } => {}
        }
        let written = self.put(deployment, object);
        self.update(|state| state.deployment_written(&written));
    }

    fn put(&mut self, key: ObjectKey, mut object: BundleDeployment) -> BundleDeployment {
        self.version += 1;
        object.metadata.resource_version = Some(self.version.to_string());
        self.watch.push_back(object.clone());
        self.store.insert(key, object.clone());
        object
    }

    fn hear(&mut self) {
        if let Some(deployment) = self.watch.pop_front() {
            self.update(|state| state.deployment_applied(&deployment));
        }
    }

    fn report(&mut self, who: Index, change: impl FnOnce(&mut BundleDeployment)) {
        let place = who.index(self.clusters.len());
        let key = ObjectKey::new(format!("cluster-{place}"), "app");
        if let Some(mut object) = self.store.get(&key).cloned() {
            change(&mut object);
            if self.store.get(&key) != Some(&object) {
                self.put(key, object);
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Step => self.step(),
            Event::Apply(who, ready) => self.report(who, |object| {
                if object.status.applied_deployment_id != object.spec.deployment_id {
                    object
                        .status
                        .applied_deployment_id
                        .clone_from(&object.spec.deployment_id);
                    object.status.ready = ready;
                }
            }),
            Event::Ready(who) => self.report(who, |object| object.status.ready = true),
            Event::Hear => self.hear(),
            Event::Silent(who, is_silent) => {
                let place = who.index(self.clusters.len());
                self.silence(place, is_silent);
            }
            Event::Commit(to) => {
                let generation = self.bundle.metadata.generation.unwrap_or_default();
                self.bundle.metadata.generation = Some(generation + 1);
                self.bundle.spec.options.default_namespace = format!("v{to}");
                let bundle = self.bundle.clone();
                self.update(|state| state.bundle_applied(bundle));
            }
            Event::Restart => self.restart(),
        }
    }

    fn silence(&mut self, place: usize, is_silent: bool) {
        let status = if is_silent { "False" } else { "True" };
        let conditions = json!([{ "type": "Connected", "status": status }]);
        self.clusters[place].status.conditions = serde_json::from_value(conditions).unwrap();
        let cluster = self.clusters[place].clone();
        self.update(|state| state.cluster_applied(cluster));
    }

    /// Agents do what they can, watches bring everything, and the controller does what it was woken for.
    fn settle(&mut self) {
        loop {
            while self.is_woken || self.run.is_some() {
                self.step();
            }
            while !self.watch.is_empty() {
                self.hear();
            }
            let keys: Vec<ObjectKey> = self.store.keys().cloned().collect();
            for key in keys {
                let mut object = self.store[&key].clone();
                object
                    .status
                    .applied_deployment_id
                    .clone_from(&object.spec.deployment_id);
                object.status.ready = true;
                if self.store[&key] != object {
                    self.put(key, object);
                }
            }
            if self.watch.is_empty() && !self.is_woken {
                return;
            }
        }
    }

    fn n_unavailable(&self) -> usize {
        let is_unavailable = |object: &&BundleDeployment| {
            let status = &object.status;
            status.applied_deployment_id != object.spec.deployment_id || !status.ready
        };
        self.store.values().filter(is_unavailable).count()
    }

    fn default_namespaces(&self) -> BTreeSet<&str> {
        let options = self.store.values().map(|object| &object.spec.options);
        options
            .map(|options| options.default_namespace.as_str())
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Nothing fails by itself here, so that all that is unavailable is so by the roll-out.
    #[test]
    fn unavailable_never_exceeds_max_unavailable(
        (n, max) in (1..7_usize, 1..4_usize),
        events in prop::collection::vec(event(), 0..150),
    ) {
        let mut hub = Hub::new(n, max);
        for event in events {
            if matches!(event, Event::Silent(..)) {
                continue;
            }
            hub.happen(event);
            let now = hub.n_unavailable();
            prop_assert!(now <= max, "{now} of {max}");
        }
    }

    #[test]
    fn a_roll_out_ends_without_being_woken_by_chance(
        (n, max) in (1..7_usize, 1..4_usize),
        events in prop::collection::vec(event(), 0..150),
    ) {
        let mut hub = Hub::new(n, max);
        for event in events {
            hub.happen(event);
        }
        for place in 0..n {
            hub.silence(place, false);
        }
        hub.settle();
        let wanted = hub.bundle.spec.options.default_namespace.as_str();
        prop_assert_eq!(hub.default_namespaces(), BTreeSet::from([wanted]));
        prop_assert_eq!(hub.store.len(), n);
    }
}
