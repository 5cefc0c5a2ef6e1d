//! Which bundles reach clusters of namespaces other than their own.
//!
//! In: BundleNamespaceMappings and the labels of namespaces, one by one as they change. Out: the
//! namespaces a bundle reaches, the bundles that reach a namespace, and for every change the bundles it
//! concerns, so that nobody has to look at all of them (W-1).
//!
//! A mapping applies to bundles of its own namespace. One without both selectors maps nothing. One with
//! an invalid selector maps nothing either, but whom it meant is not known, so what is deployed through it
//! must stay (I-2): see [`Reach::unclear`].
//!
//! Source: fleet, `internal/cmd/controller/target/query.go` and `builder.go`.

use std::collections::{BTreeMap, BTreeSet};

use api::v1alpha1::{BundleNamespaceMapping, InvalidSelector, LabelSelector};

/// Labels of an object.
type Labels = BTreeMap<String, String>;
/// Namespace and name.
type Key = (String, String);

/// Bundles that have to look at their targets again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concerned {
    /// Where they are.
    pub namespace: String,
    /// Which of them; `None` is all.
    pub maybe_selector: Option<LabelSelector>,
}

impl Concerned {
    /// Whether a bundle of the namespace is one of them.
    pub fn includes(&self, bundle_labels: &Labels) -> bool {
        self.maybe_selector
            .as_ref()
            .is_none_or(|selector| selector.matches(bundle_labels))
    }
}

/// Where a bundle may go beside its own namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Namespaces of clusters, without its own.
    pub namespaces: BTreeSet<String>,
    /// A mapping that may mean the bundle cannot be read, and why. While there is one, deployments in
    /// other namespaces must not be taken for left over.
    pub unclear: Option<Unclear>,
}

/// A mapping whose selectors mean nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "BundleNamespaceMapping {name} has an invalid selector, deployments through it stay as they are"
)]
pub struct Unclear {
    /// Its name; it is in the namespace of the bundle.
    pub name: String,
    /// What is wrong.
    #[source]
    pub source: InvalidSelector,
}

#[derive(Debug)]
struct Mapping {
    bundles: LabelSelector,
    namespaces: LabelSelector,
    invalid: Option<InvalidSelector>,
    /// Namespaces that are selected now.
    reached: BTreeSet<String>,
}

impl Mapping {
    fn new(bundles: &LabelSelector, namespaces: &LabelSelector) -> Self {
        let invalid = bundles.validate().and_then(|()| namespaces.validate());
        Self {
            bundles: bundles.clone(),
            namespaces: namespaces.clone(),
            invalid: invalid.err(),
            reached: BTreeSet::new(),
        }
    }

    fn selects_namespace(&self, labels: &Labels) -> bool {
        self.invalid.is_none() && self.namespaces.matches(labels)
    }

    fn concerned(&self, namespace: &str) -> Concerned {
        let is_clear = self.bundles.validate().is_ok();
        Concerned {
            namespace: namespace.to_owned(),
            maybe_selector: is_clear.then(|| self.bundles.clone()),
        }
    }
}

/// All mappings and namespaces.
#[derive(Debug, Default)]
pub struct Mappings {
    mappings: BTreeMap<Key, Mapping>,
    namespaces: BTreeMap<String, Labels>,
}

impl Mappings {
    /// A mapping is new or has changed.
    pub fn set_mapping(&mut self, mapping: &BundleNamespaceMapping) -> Vec<Concerned> {
        let metadata = &mapping.metadata;
        let key = (
            metadata.namespace.clone().unwrap_or_default(),
            metadata.name.clone().unwrap_or_default(),
        );
        let (Some(bundles), Some(namespaces)) =
            (&mapping.bundle_selector, &mapping.namespace_selector)
        else {
            return self.remove_mapping(&key.0, &key.1);
        };
        let known = self.mappings.get(&key);
        if known.is_some_and(|known| known.bundles == *bundles && known.namespaces == *namespaces) {
            return Vec::new();
        }
        let mut new = Mapping::new(bundles, namespaces);
        let reached = self
            .namespaces
            .iter()
            .filter(|(_, labels)| new.selects_namespace(labels));
        new.reached = reached.map(|(name, _)| name.clone()).collect();
        let mut concerned = vec![new.concerned(&key.0)];
        let namespace = key.0.clone();
        if let Some(old) = self.mappings.insert(key, new) {
            let before = old.concerned(&namespace);
            if !concerned.contains(&before) {
                concerned.push(before);
            }
        }
        concerned
    }

    /// A mapping is gone.
    pub fn remove_mapping(&mut self, namespace: &str, name: &str) -> Vec<Concerned> {
        let key = (namespace.to_owned(), name.to_owned());
        let old = self.mappings.remove(&key);
        old.map(|old| old.concerned(namespace))
            .into_iter()
            .collect()
    }

    /// A namespace is new or has changed.
    pub fn set_namespace(&mut self, name: &str, labels: Labels) -> Vec<Concerned> {
        if self.namespaces.get(name) == Some(&labels) {
            return Vec::new();
        }
        let concerned = self.select_again(name, Some(&labels));
        self.namespaces.insert(name.to_owned(), labels);
        concerned
    }

    /// A namespace is gone.
    pub fn remove_namespace(&mut self, name: &str) -> Vec<Concerned> {
        self.namespaces.remove(name);
        self.select_again(name, None)
    }

    /// Updates what mappings reach; whom it concerns that a namespace is selected now or not any more.
    fn select_again(&mut self, name: &str, maybe_labels: Option<&Labels>) -> Vec<Concerned> {
        let mut concerned = Vec::new();
        for ((namespace, _), mapping) in &mut self.mappings {
            let is_selected = maybe_labels.is_some_and(|labels| mapping.selects_namespace(labels));
            let differs = if is_selected {
                mapping.reached.insert(name.to_owned())
            } else {
                mapping.reached.remove(name)
            };
            if differs {
                concerned.push(mapping.concerned(namespace));
            }
        }
        concerned
    }

    /// Where a bundle may go beside its own namespace.
    pub fn reach(&self, namespace: &str, bundle_labels: &Labels) -> Reach {
        let first = (namespace.to_owned(), String::new());
        let own = self
            .mappings
            .range(first..)
            .take_while(|((at, _), _)| at == namespace);
        let mut reach = Reach::default();
        for ((_, name), mapping) in own {
            if !mapping.concerned(namespace).includes(bundle_labels) {
                continue;
            }
            reach.namespaces.extend(mapping.reached.iter().cloned());
            if let (Some(source), None) = (&mapping.invalid, &reach.unclear) {
                let (name, source) = (name.clone(), source.clone());
                reach.unclear = Some(Unclear { name, source });
            }
        }
        reach.namespaces.remove(namespace);
        reach
    }

    /// The bundles of other namespaces that may go to clusters of a namespace. One may be named more
    /// than once.
    pub fn reaching(&self, namespace: &str) -> impl Iterator<Item = (&str, &LabelSelector)> {
        self.mappings
            .iter()
            .filter(move |((from, _), mapping)| {
                from != namespace && mapping.reached.contains(namespace)
            })
            .map(|((from, _), mapping)| (from.as_str(), &mapping.bundles))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn labels(value: Value) -> Labels {
        serde_json::from_value(value).expect("labels")
    }

    fn mapping(bundles: &Value, namespaces: &Value) -> BundleNamespaceMapping {
        serde_json::from_value(json!({
            "metadata": { "namespace": "home", "name": "m" },
            "bundleSelector": bundles, "namespaceSelector": namespaces,
        }))
        .expect("a mapping")
    }

    fn to_team_a() -> BundleNamespaceMapping {
        mapping(
            &json!({ "matchLabels": { "share": "yes" } }),
            &json!({ "matchLabels": { "team": "a" } }),
        )
    }

    /// Namespaces `a1` and `a2` of team a, `b` of team b, and `home`, which is of team a too.
    fn mappings() -> Mappings {
        let mut mappings = Mappings::default();
        for (name, team) in [("a1", "a"), ("a2", "a"), ("b", "b"), ("home", "a")] {
            let concerned = mappings.set_namespace(name, labels(json!({ "team": team })));
            assert!(concerned.is_empty());
        }
        mappings
    }

    fn reached(mappings: &Mappings, bundle: Value) -> Vec<String> {
        let reach = mappings.reach("home", &labels(bundle));
        assert_eq!(reach.unclear, None);
        reach.namespaces.into_iter().collect()
    }

    #[test]
    fn a_mapping_opens_the_selected_namespaces_to_the_selected_bundles() {
        let mut mappings = mappings();
        let concerned = mappings.set_mapping(&to_team_a());
        assert_eq!(concerned.len(), 1);
        assert!(concerned[0].includes(&labels(json!({ "share": "yes" }))));
        assert!(!concerned[0].includes(&labels(json!({}))));
        assert_eq!(reached(&mappings, json!({ "share": "yes" })), ["a1", "a2"]);
        assert!(reached(&mappings, json!({})).is_empty());
        let other = mappings.reach("a1", &labels(json!({ "share": "yes" })));
        assert_eq!(
            other,
            Reach::default(),
            "mappings are for bundles beside them"
        );
        let from: Vec<_> = mappings.reaching("a1").map(|(from, _)| from).collect();
        assert_eq!(from, ["home"]);
        assert_eq!(mappings.reaching("b").count(), 0);
        assert_eq!(mappings.reaching("home").count(), 0);
    }

    #[test]
    fn a_mapping_that_stays_the_same_concerns_nobody() {
        let mut mappings = mappings();
        mappings.set_mapping(&to_team_a());
        assert!(mappings.set_mapping(&to_team_a()).is_empty());
        let same = labels(json!({ "team": "a" }));
        assert!(mappings.set_namespace("a1", same).is_empty());
    }

    #[test]
    fn an_edit_concerns_the_bundles_before_and_after() {
        let mut mappings = mappings();
        mappings.set_mapping(&to_team_a());
        let edit = mapping(&json!({ "matchLabels": { "share": "b" } }), &json!({}));
        let concerned = mappings.set_mapping(&edit);
        let includes = |share: &str| {
            let bundle = labels(json!({ "share": share }));
            concerned
                .iter()
                .any(|concerned| concerned.includes(&bundle))
        };
        assert!(includes("yes") && includes("b") && !includes("c"));
        assert!(reached(&mappings, json!({ "share": "yes" })).is_empty());
        assert_eq!(
            reached(&mappings, json!({ "share": "b" })),
            ["a1", "a2", "b"]
        );
    }

    #[test]
    fn a_namespace_concerns_bundles_when_it_enters_or_leaves_a_mapping() {
        let mut mappings = mappings();
        mappings.set_mapping(&to_team_a());
        let into = mappings.set_namespace("b", labels(json!({ "team": "a" })));
        assert_eq!(into.len(), 1);
        let also = labels(json!({ "team": "a", "other": "x" }));
        assert!(mappings.set_namespace("b", also).is_empty());
        assert_eq!(mappings.remove_namespace("a1").len(), 1);
        assert!(mappings.remove_namespace("a1").is_empty());
        assert_eq!(reached(&mappings, json!({ "share": "yes" })), ["a2", "b"]);
    }

    #[test]
    fn a_mapping_without_both_selectors_maps_nothing() {
        let mut mappings = mappings();
        assert!(
            mappings
                .set_mapping(&mapping(&json!({}), &Value::Null))
                .is_empty()
        );
        assert!(
            mappings
                .set_mapping(&mapping(&Value::Null, &json!({})))
                .is_empty()
        );
        assert!(reached(&mappings, json!({ "share": "yes" })).is_empty());
        mappings.set_mapping(&to_team_a());
        let concerned = mappings.set_mapping(&mapping(&json!({}), &Value::Null));
        assert_eq!(concerned.len(), 1, "who was mapped must look");
        assert!(mappings.remove_mapping("home", "m").is_empty());
    }

    #[test]
    fn an_invalid_selector_maps_nothing_and_says_that_it_is_unclear_whom() {
        let mut mappings = mappings();
        let wrong = json!({ "matchExpressions": [{ "key": "k", "operator": "Is" }] });
        let bundle = labels(json!({ "share": "yes" }));
        let of_others = labels(json!({}));
        // The namespaces are unclear: only for those whom the mapping means.
        mappings.set_mapping(&mapping(
            &json!({ "matchLabels": { "share": "yes" } }),
            &wrong,
        ));
        let reach = mappings.reach("home", &bundle);
        assert!(reach.namespaces.is_empty());
        let text = reach.unclear.map(|unclear| errors::chain(&unclear));
        assert_eq!(
            text.as_deref(),
            Some(
                "BundleNamespaceMapping m has an invalid selector, deployments through it stay \
                 as they are: \"Is\" is not a valid label selector operator"
            )
        );
        assert_eq!(mappings.reach("home", &of_others), Reach::default());
        // The bundles are unclear: it may be any.
        let concerned = mappings.set_mapping(&mapping(&wrong, &json!({})));
        assert!(concerned.iter().any(|one| one.includes(&of_others)));
        assert!(mappings.reach("home", &of_others).unclear.is_some());
        assert_eq!(mappings.reaching("a1").count(), 0);
    }
}
