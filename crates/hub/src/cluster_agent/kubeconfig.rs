//! Has clusters looked at again when somebody writes the Secrets with their kubeconfigs.
//!
//! Metadata is watched in the namespaces in which a Cluster names a Secret; of what is seen there only versions
//! of such Secrets are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use apiclient::{Event, Kind, Object as _, ObjectKey, ObjectMeta, Selector, Watch};
use k8s_openapi::api::core::v1::Secret;
use tokio::task::AbortHandle;

use crate::Ctx;
use crate::index::Wake;

/// The Secrets that Clusters name. The watches end with the hub.
#[derive(Debug, Default)]
pub(crate) struct Kubeconfigs(Mutex<Named>);

#[derive(Debug, Default)]
struct Named {
    watches: BTreeMap<String, AbortHandle>,
    of_cluster: BTreeMap<ObjectKey, ObjectKey>,
    clusters: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
    versions: BTreeMap<ObjectKey, String>,
    /// Clusters whose Secret was written since it was read.
    news: BTreeSet<ObjectKey>,
}

impl Drop for Kubeconfigs {
    fn drop(&mut self) {
        let named = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        named.watches.values().for_each(AbortHandle::abort);
    }
}

impl Kubeconfigs {
    fn lock(&self) -> MutexGuard<'_, Named> {
        // Nothing in it panics half way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the Secret of a Cluster was written since this was asked last.
    pub(super) fn take_news(&self, cluster: &ObjectKey) -> bool {
        self.lock().news.remove(cluster)
    }

    /// What was taken is still to be heeded.
    pub(super) fn put_back(&self, cluster: &ObjectKey) {
        self.lock().news.insert(cluster.clone());
    }
}

impl Named {
    /// A Cluster names this Secret now.
    fn name(&mut self, cluster: &ObjectKey, secret: Option<&ObjectKey>) {
        if self.of_cluster.get(cluster) == secret {
            return;
        }
        self.news.remove(cluster);
        let before = match secret {
            Some(secret) => {
                let clusters = self.clusters.entry(secret.clone()).or_default();
                clusters.insert(cluster.clone());
                self.of_cluster.insert(cluster.clone(), secret.clone())
            }
            None => self.of_cluster.remove(cluster),
        };
        let Some(before) = before else { return };
        let Some(clusters) = self.clusters.get_mut(&before) else {
            return;
        };
        clusters.remove(cluster);
        if clusters.is_empty() {
            self.clusters.remove(&before);
            self.versions.remove(&before);
        }
        let is_named = self
            .clusters
            .keys()
            .any(|it| it.namespace == before.namespace);
        if !is_named && let Some(watch) = self.watches.remove(&before.namespace) {
            watch.abort();
        }
    }

    /// A watch saw a version of a Secret; before it is `synced` all that exists is told. Gives the clusters
    /// for which that is news.
    fn seen(&mut self, secret: &ObjectKey, version: &str, synced: bool) -> Vec<ObjectKey> {
        let Some(clusters) = self.clusters.get(secret) else {
            return Vec::new();
        };
        let before = self.versions.insert(secret.clone(), version.to_owned());
        let is_news = before.map_or(synced, |before| before != version);
        if !is_news {
            return Vec::new();
        }
        self.news.extend(clusters.iter().cloned());
        clusters.iter().cloned().collect()
    }
}

/// Takes in which Secret a Cluster names, and watches it.
pub(super) fn follow(ctx: &Arc<Ctx>, cluster: &ObjectKey, secret: Option<&ObjectKey>) {
    let mut named = ctx.kubeconfigs.lock();
    named.name(cluster, secret);
    let Some(secret) = secret else { return };
    let namespace = secret.namespace.clone();
    named.watches.entry(namespace.clone()).or_insert_with(|| {
        let selector = Selector {
            metadata_only: true,
            ..Selector::namespace(namespace)
        };
        let mut watch: Watch<ObjectMeta> = ctx.client.watch(&Kind::of::<Secret>(), selector);
        // The watches are part of the context: a strong reference would keep it for ever.
        let ctx = Arc::downgrade(ctx);
        let task = async move {
            let mut synced = false;
            while let Some(event) = watch.next().await {
                let Some(ctx) = ctx.upgrade() else { return };
                let clusters = match event {
                    Event::Applied(meta) => {
                        let mut named = ctx.kubeconfigs.lock();
                        named.seen(&meta.key(), meta.resource_version(), synced)
                    }
                    Event::Deleted(key) => {
                        ctx.kubeconfigs.lock().versions.remove(&key);
                        continue;
                    }
                    Event::Synced => {
                        synced = true;
                        continue;
                    }
                    Event::NotServed => continue,
                };
                let wakes = clusters.into_iter().map(Wake::Agent).collect();
                ctx.world.update(|_| wakes);
            }
        };
        tokio::spawn(task).abort_handle()
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_anew_is_news_for_the_clusters_that_name_it() {
        let mut named = Named::default();
        let (one, two) = (ObjectKey::new("ws", "one"), ObjectKey::new("ws", "two"));
        let (secret, other) = (ObjectKey::new("ws", "s"), ObjectKey::new("ws", "other"));
        named.name(&one, Some(&secret));
        named.name(&two, Some(&secret));
        assert!(
            named.seen(&secret, "1", false).is_empty(),
            "it was there before"
        );
        assert!(named.seen(&other, "1", true).is_empty());
        assert_eq!(named.seen(&secret, "2", true), [one.clone(), two.clone()]);
        assert!(
            named.seen(&secret, "2", true).is_empty(),
            "told again after an outage"
        );
        assert!(named.news.contains(&one));
        named.name(&one, Some(&other));
        assert!(!named.news.contains(&one));
        assert_eq!(
            named.seen(&other, "1", true),
            std::slice::from_ref(&one),
            "it has come to be"
        );
        assert_eq!(named.seen(&secret, "3", true), std::slice::from_ref(&two));
        named.name(&one, None);
        named.name(&two, None);
        assert!(
            named.clusters.is_empty() && named.versions.is_empty() && named.of_cluster.is_empty()
        );
        assert!(named.seen(&secret, "4", true).is_empty());
    }
}
