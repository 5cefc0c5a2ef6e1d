//! What the index keeps of ClusterRegistrations and ClusterRegistrationTokens: all of it, they are small.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::labels::CLUSTER_MANAGEMENT;
use api::v1alpha1::{ClusterRegistration, ClusterRegistrationToken};
use apiclient::ObjectKey;

use super::{ClusterEntry, Index, Wake, key_of, label};

/// Requests of agents, and the right to make them.
#[derive(Debug, Default)]
pub(crate) struct Registrations {
    pub(crate) requests: BTreeMap<ObjectKey, Arc<ClusterRegistration>>,
    pub(crate) tokens: BTreeMap<ObjectKey, Arc<ClusterRegistrationToken>>,
    /// Requests that wait, by namespace and `clientID`.
    waiting: BTreeMap<(String, String), BTreeSet<ObjectKey>>,
}

impl Registrations {
    /// All that a process has to look at which takes them over.
    pub(crate) fn all(&self) -> Vec<Wake> {
        let waiting = self.waiting.values().flatten().cloned();
        let tokens = self.tokens.keys().cloned().map(Wake::Token);
        waiting.map(Wake::Registration).chain(tokens).collect()
    }
}

fn who(request: &ClusterRegistration, key: &ObjectKey) -> (String, String) {
    (key.namespace.clone(), request.spec.client_id.clone())
}

impl Index {
    /// A ClusterRegistration is new or has changed.
    pub(crate) fn registration_applied(&mut self, request: ClusterRegistration) -> Vec<Wake> {
        let key = key_of(&request);
        self.no_longer_waiting(&key);
        if !request.status.granted {
            let waiting = self.registrations.waiting.entry(who(&request, &key));
            waiting.or_default().insert(key.clone());
        }
        let requests = &mut self.registrations.requests;
        let old = requests.insert(key.clone(), Arc::new(request));
        let new = &requests[&key];
        let is_news = old.is_none_or(|old| {
            old.spec != new.spec
                || old.status != new.status
                || old.metadata.labels != new.metadata.labels
                || old.metadata.uid != new.metadata.uid
        });
        if is_news {
            vec![Wake::Registration(key)]
        } else {
            Vec::new()
        }
    }

    /// A ClusterRegistration is gone.
    pub(crate) fn registration_deleted(&mut self, key: &ObjectKey) -> Vec<Wake> {
        self.no_longer_waiting(key);
        self.registrations.requests.remove(key);
        vec![Wake::Registration(key.clone())]
    }

    fn no_longer_waiting(&mut self, key: &ObjectKey) {
        let Some(old) = self.registrations.requests.get(key) else {
            return;
        };
        let who = who(old, key);
        if let Some(waiting) = self.registrations.waiting.get_mut(&who) {
            waiting.remove(key);
            if waiting.is_empty() {
                self.registrations.waiting.remove(&who);
            }
        }
    }

    /// Requests that a change of a Cluster may let go on.
    pub(crate) fn requests_of(&self, key: &ObjectKey, cluster: &ClusterEntry) -> Vec<Wake> {
        let who = (
            key.namespace.clone(),
            cluster.cluster.spec.client_id.clone(),
        );
        let waiting = self.registrations.waiting.get(&who).into_iter().flatten();
        waiting.cloned().map(Wake::Registration).collect()
    }

    /// A ClusterRegistrationToken is new or has changed.
    pub(crate) fn token_applied(&mut self, token: ClusterRegistrationToken) -> Vec<Wake> {
        let key = key_of(&token);
        let old = self
            .registrations
            .tokens
            .insert(key.clone(), Arc::new(token));
        let mut wakes = vec![Wake::Token(key.clone())];
        if old.is_none() {
            // Requests may have come before it.
            let near =
                |(who, _): &(&(String, String), &BTreeSet<ObjectKey>)| who.0 == key.namespace;
            let waiting = self.registrations.waiting.iter().filter(near);
            let waiting = waiting.flat_map(|(_, requests)| requests);
            wakes.extend(waiting.cloned().map(Wake::Registration));
        }
        wakes
    }

    /// A ClusterRegistrationToken is gone.
    pub(crate) fn token_deleted(&mut self, key: &ObjectKey) -> Vec<Wake> {
        self.registrations.tokens.remove(key);
        vec![Wake::Token(key.clone())]
    }

    /// Clusters of a namespace with this identity.
    pub(crate) fn clusters_of_client(
        &self,
        namespace: &str,
        client_id: &str,
    ) -> Vec<Arc<ClusterEntry>> {
        let near = self.clusters.range(ObjectKey::new(namespace, "")..);
        near.take_while(|(key, _)| key.namespace == namespace)
            .filter(|(_, entry)| entry.cluster.spec.client_id == client_id)
            .map(|(_, entry)| Arc::clone(entry))
            .collect()
    }
}

/// Whether somebody else manages the agent that an object is about.
pub(crate) fn is_managed_elsewhere(labels: Option<&BTreeMap<String, String>>) -> bool {
    labels.is_some_and(|labels| label(labels, CLUSTER_MANAGEMENT).is_some())
}
