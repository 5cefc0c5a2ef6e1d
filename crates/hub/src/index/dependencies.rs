//! Bundles that wait for others.

use std::collections::BTreeMap;

use apiclient::ObjectKey;
use target::dependencies::{self, Bundle};

use super::{BundleEntry, Index, Wake};

impl Index {
    /// The way from a bundle back to itself by `dependsOn`, both ends included.
    pub(crate) fn circle_of(&self, key: &ObjectKey) -> Option<Vec<String>> {
        self.bundles
            .get(key)
            .filter(|entry| entry.has_dependencies())?;
        let waiting = self.waiting_bundles(&key.namespace);
        let bundles: BTreeMap<&str, Bundle<'_>> = waiting
            .map(|(key, entry)| {
                let (name, labels) = (key.name.as_str(), &entry.meta.labels);
                let bundle = Bundle::new(&key.namespace, name, labels, &entry.spec.depends_on);
                (name, bundle)
            })
            .collect();
        let way = dependencies::circle(&key.name, &bundles)?;
        Some(way.into_iter().map(str::to_owned).collect())
    }

    /// The bundles of a namespace that a change of one which waits may put into a circle, or free.
    pub(super) fn dependent_bundles(&self, namespace: &str) -> impl Iterator<Item = Wake> {
        self.waiting_bundles(namespace)
            .map(|(key, _)| Wake::Bundle(key.clone()))
    }

    fn waiting_bundles(&self, namespace: &str) -> impl Iterator<Item = (&ObjectKey, &BundleEntry)> {
        self.bundles_of(namespace)
            .filter(|(_, entry)| entry.has_dependencies())
    }
}
