//! Secrets and ConfigMaps that bundles take along (`downstreamResources`): which bundles name them, and a
//! fingerprint of what they hold. What they hold is not kept.

use std::collections::{BTreeMap, BTreeSet};

use api::copies::Copied;
use apiclient::ObjectKey;

use super::{Digest, Wake};

/// A Secret or ConfigMap with its namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub(crate) struct SourceKey {
    pub(crate) namespace: String,
    pub(crate) object: Copied,
}

impl std::fmt::Display for SourceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Copied { kind, name } = &self.object;
        write!(f, "{} {}/{name}", kind.name(), self.namespace)
    }
}

/// What is known of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum SourceState {
    /// It was not read yet.
    #[default]
    Unknown,
    /// It does not exist.
    Missing,
    /// It must not be copied, for this reason.
    Refused(String),
    /// It is there.
    Known(Digest),
    /// It gives access to a registry; where that is.
    Access { digest: Digest, reference: String },
}

#[derive(Debug, Default)]
struct Entry {
    bundles: BTreeSet<ObjectKey>,
    state: SourceState,
    /// Resource version that was read.
    version: String,
}

/// All sources that bundles name.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    entries: BTreeMap<SourceKey, Entry>,
    of_bundle: BTreeMap<ObjectKey, BTreeSet<SourceKey>>,
}

impl Sources {
    /// What a bundle named when it was planned last.
    pub(crate) fn of(&self, bundle: &ObjectKey) -> BTreeMap<SourceKey, SourceState> {
        let named = self.of_bundle.get(bundle).into_iter().flatten();
        let known =
            named.filter_map(|key| Some((key.clone(), self.entries.get(key)?.state.clone())));
        known.collect()
    }

    /// A bundle names these now. Wakes the reader for new sources, and for those that nobody names any more.
    pub(crate) fn set(&mut self, bundle: &ObjectKey, named: &BTreeSet<SourceKey>) -> Vec<Wake> {
        let before = if named.is_empty() {
            self.of_bundle.remove(bundle).unwrap_or_default()
        } else {
            let before = self.of_bundle.insert(bundle.clone(), named.clone());
            before.unwrap_or_default()
        };
        let mut wakes = Vec::new();
        for key in named.difference(&before) {
            let entry = self.entries.entry(key.clone()).or_default();
            if entry.bundles.is_empty() {
                wakes.push(Wake::Source(key.clone()));
            }
            entry.bundles.insert(bundle.clone());
            // What is known already is new to this bundle.
            if entry.state != SourceState::Unknown {
                wakes.push(Wake::Bundle(bundle.clone()));
            }
        }
        for key in before.difference(named) {
            let Some(entry) = self.entries.get_mut(key) else {
                continue;
            };
            entry.bundles.remove(bundle);
            if entry.bundles.is_empty() {
                self.entries.remove(key);
                wakes.push(Wake::Source(key.clone()));
            }
        }
        wakes
    }

    /// What is known of a source.
    pub(crate) fn get(&self, key: &SourceKey) -> Option<&SourceState> {
        self.entries.get(key).map(|entry| &entry.state)
    }

    /// Whether any bundle names it.
    pub(crate) fn is_named(&self, key: &SourceKey) -> bool {
        self.entries.contains_key(key)
    }

    /// Whether any bundle names a source of this kind in this namespace.
    pub(crate) fn any_like(&self, key: &SourceKey) -> bool {
        let mut entries = self.entries.keys();
        entries
            .any(|other| other.namespace == key.namespace && other.object.kind == key.object.kind)
    }

    /// A watch saw a version of an object; an empty one when it is gone.
    pub(crate) fn seen(&self, key: SourceKey, version: &str) -> Vec<Wake> {
        let is_new = self
            .entries
            .get(&key)
            .is_some_and(|entry| entry.state == SourceState::Unknown || entry.version != version);
        if is_new {
            vec![Wake::Source(key)]
        } else {
            Vec::new()
        }
    }

    /// It was read. Wakes the bundles that name it if it holds something else.
    pub(crate) fn learned(
        &mut self,
        key: &SourceKey,
        state: SourceState,
        version: &str,
    ) -> Vec<Wake> {
        let Some(entry) = self.entries.get_mut(key) else {
            return Vec::new();
        };
        version.clone_into(&mut entry.version);
        if entry.state == state {
            return Vec::new();
        }
        entry.state = state;
        entry.bundles.iter().cloned().map(Wake::Bundle).collect()
    }
}

#[cfg(test)]
mod tests {
    use api::copies::CopiedKind;

    use super::*;

    fn key(name: &str) -> SourceKey {
        SourceKey {
            namespace: "ns".to_owned(),
            object: Copied {
                kind: CopiedKind::Secret,
                name: name.to_owned(),
            },
        }
    }

    #[test]
    fn sources_are_read_once_named_and_again_when_they_change() {
        let mut sources = Sources::default();
        let (one, two) = (ObjectKey::new("ns", "one"), ObjectKey::new("ns", "two"));
        let (named, none) = (BTreeSet::from([key("s")]), BTreeSet::new());
        assert_eq!(sources.seen(key("s"), "1"), []);
        assert_eq!(sources.set(&one, &named), [Wake::Source(key("s"))]);
        assert_eq!(sources.set(&one, &named), []);
        assert_eq!(sources.of(&one)[&key("s")], SourceState::Unknown);
        let known = SourceState::Known(Digest::of("a"));
        assert_eq!(
            sources.learned(&key("s"), known.clone(), "1"),
            [Wake::Bundle(one.clone())]
        );
        assert_eq!(sources.seen(key("s"), "1"), []);
        assert_eq!(sources.seen(key("s"), "2"), [Wake::Source(key("s"))]);
        // Only a label has changed.
        assert_eq!(sources.learned(&key("s"), known, "2"), []);
        assert_eq!(sources.set(&two, &named), [Wake::Bundle(two.clone())]);
        let gone = sources.learned(&key("s"), SourceState::Missing, "");
        assert_eq!(gone, [Wake::Bundle(one.clone()), Wake::Bundle(two.clone())]);
        assert_eq!(sources.set(&one, &none), []);
        assert_eq!(sources.set(&two, &none), [Wake::Source(key("s"))]);
        assert!(!sources.is_named(&key("s")) && !sources.any_like(&key("t")));
        assert_eq!(sources.learned(&key("s"), SourceState::Missing, ""), []);
    }
}
