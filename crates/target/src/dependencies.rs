//! Circles of `dependsOn`.
//!
//! In: the bundles of a namespace. Out: a way from a bundle back to itself. Agents wait for what a
//! bundle depends on; in a circle everybody waits for everybody, and nobody but the hub sees it.

use std::collections::{BTreeMap, BTreeSet};

use api::labels::{BUNDLE_NAME, BUNDLE_NAMESPACE};
use api::state::State;
use api::v1alpha1::BundleRef;

/// Comparisons of a selector with a bundle in one search. A namespace that needs more gets no answer.
const COMPARISONS_MAX: usize = 100_000;

/// A bundle as far as it matters here.
#[derive(Clone, Debug)]
pub struct Bundle<'a> {
    /// Its labels, which selectors match, with those that its deployments get.
    labels: BTreeMap<String, String>,
    depends_on: &'a [BundleRef],
}

impl<'a> Bundle<'a> {
    /// The bundle `namespace/name`.
    pub fn new(
        namespace: &str,
        name: &str,
        labels: &BTreeMap<String, String>,
        depends_on: &'a [BundleRef],
    ) -> Self {
        let mut labels = labels.clone();
        labels.insert(BUNDLE_NAME.to_owned(), name.to_owned());
        labels.insert(BUNDLE_NAMESPACE.to_owned(), namespace.to_owned());
        Self { labels, depends_on }
    }
}

/// The shortest way from a bundle back to itself by what waits for what, both ends included; `None`
/// when there is none. Bundles without dependencies may be left out.
///
/// A dependency that accepts a state from before the first deployment makes nobody wait.
pub fn circle<'a>(start: &'a str, bundles: &BTreeMap<&'a str, Bundle<'a>>) -> Option<Vec<&'a str>> {
    let mut comparisons_left = COMPARISONS_MAX;
    let mut reached: BTreeSet<&str> = BTreeSet::from([start]);
    let mut ways: Vec<Vec<&str>> = vec![vec![start]];
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in &ways {
            let Some(bundle) = way.last().and_then(|last| bundles.get(last)) else {
                continue;
            };
            for next in awaited(bundle, bundles, &mut comparisons_left)? {
                let extended = || way.iter().copied().chain([next]).collect();
                if next == start {
                    return Some(extended());
                }
                if reached.insert(next) {
                    longer.push(extended());
                }
            }
        }
        ways = longer;
    }
    None
}

/// The bundles that one waits for, by name; `None` when finding out takes too much.
fn awaited<'a>(
    bundle: &Bundle<'_>,
    bundles: &BTreeMap<&'a str, Bundle<'_>>,
    comparisons_left: &mut usize,
) -> Option<Vec<&'a str>> {
    let mut found = Vec::new();
    for wanted in bundle.depends_on.iter().filter(|wanted| waits(wanted)) {
        let of_name = bundles.get_key_value(wanted.name.as_str());
        match (&wanted.selector, wanted.name.is_empty()) {
            (None, true) => {}
            (None, false) => found.extend(of_name.map(|(name, _)| *name)),
            (Some(selector), false) => {
                let of_name = of_name.filter(|(_, other)| selector.matches(&other.labels));
                found.extend(of_name.map(|(name, _)| *name));
            }
            (Some(selector), true) => {
                *comparisons_left = comparisons_left.checked_sub(bundles.len())?;
                let matching = bundles
                    .iter()
                    .filter(|(_, other)| selector.matches(&other.labels));
                found.extend(matching.map(|(name, _)| *name));
            }
        }
    }
    Some(found)
}

/// Whether a bundle waits for one that was never deployed, and for one that waits itself.
fn waits(wanted: &BundleRef) -> bool {
    let before = [State::Pending, State::WaitApplied, State::ErrApplied];
    let accepted = wanted.accepted_states.iter();
    !accepted
        .map(String::as_str)
        .any(|accepted| before.iter().any(|state| state.as_str() == accepted))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn found(start: &str, bundles: &Value) -> Option<String> {
        let Value::Object(bundles) = bundles else {
            return Some("a map".to_owned());
        };
        let refs: BTreeMap<&str, Vec<BundleRef>> = bundles
            .iter()
            .map(|(name, refs)| {
                (
                    name.as_str(),
                    serde_json::from_value(refs.clone()).unwrap_or_default(),
                )
            })
            .collect();
        let bundles = refs.iter().map(|(name, refs)| {
            let labels = BTreeMap::from([("tier".to_owned(), format!("of-{name}"))]);
            (*name, Bundle::new("ns", name, &labels, refs))
        });
        circle(start, &bundles.collect()).map(|way| way.join(" -> "))
    }

    #[test]
    fn a_way_back_is_found_by_name_and_by_selector() {
        let by_label =
            |name: &str| json!({ "selector": { "matchLabels": { "tier": format!("of-{name}") } } });
        for (bundles, want) in [
            (json!({ "a": [{ "name": "a" }] }), Some("a -> a")),
            (
                json!({ "a": [{ "name": "b" }], "b": [{ "name": "a" }] }),
                Some("a -> b -> a"),
            ),
            (
                json!({ "a": [by_label("b")], "b": [by_label("c")], "c": [{ "name": "a" }] }),
                Some("a -> b -> c -> a"),
            ),
            // The shorter of two.
            (
                json!({ "a": [{ "name": "b" }, { "name": "d" }], "b": [{ "name": "c" }],
                "c": [{ "name": "a" }], "d": [{ "name": "a" }] }),
                Some("a -> d -> a"),
            ),
            (json!({ "a": [{ "selector": {} }] }), Some("a -> a")),
            (
                json!({ "a": [{ "selector": { "matchLabels": { "fleet.cattle.io/bundle-name": "a" } } }] }),
                Some("a -> a"),
            ),
        ] {
            assert_eq!(found("a", &bundles).as_deref(), want, "{bundles}");
        }
    }

    #[test]
    fn what_does_not_come_back_or_does_not_wait_is_no_circle() {
        let bad_selector =
            json!({ "matchExpressions": [{ "key": "tier", "operator": "Sometimes" }] });
        for bundles in [
            json!({}),
            json!({ "a": [] }),
            json!({ "a": [{ "name": "b" }], "b": [{ "name": "c" }], "c": [{ "name": "b" }] }),
            json!({ "a": [{ "name": "gone" }] }),
            json!({ "a": [{}] }),
            json!({ "a": [{ "name": "a", "selector": { "matchLabels": { "tier": "other" } } }] }),
            json!({ "a": [{ "selector": bad_selector }] }),
            json!({ "a": [{ "name": "b", "acceptedStates": ["Ready", "ErrApplied"] }], "b": [{ "name": "a" }] }),
            json!({ "a": [{ "name": "b", "acceptedStates": ["WaitApplied"] }], "b": [{ "name": "a" }] }),
        ] {
            assert_eq!(found("a", &bundles), None, "{bundles}");
        }
    }

    #[test]
    fn too_many_selectors_give_no_answer_instead_of_a_long_wait() {
        let all = json!([{ "selector": { "matchLabels": { "tier": "none" } } }]);
        let mut bundles: serde_json::Map<String, Value> = (0..2_000)
            .map(|i| {
                (
                    format!("b{i:04}"),
                    json!([{ "name": format!("b{:04}", i + 1) }]),
                )
            })
            .collect();
        bundles.insert("b1999".to_owned(), json!([{ "name": "b0000" }]));
        assert!(found("b0000", &Value::Object(bundles.clone())).is_some());
        for refs in bundles.values_mut() {
            refs.as_array_mut()
                .into_iter()
                .for_each(|refs| refs.extend(all.as_array().cloned().unwrap_or_default()));
        }
        assert_eq!(found("b0000", &Value::Object(bundles)), None);
    }

    proptest! {
        #[test]
        fn a_circle_is_found_exactly_when_there_is_one(edges in prop::collection::vec((0_usize..6, 0_usize..6), 0..14)) {
            let mut bundles = serde_json::Map::new();
            for i in 0..6_usize {
                let of = edges.iter().filter(|(from, _)| *from == i);
                let refs: Vec<Value> = of.map(|(_, to)| json!({ "name": to.to_string() })).collect();
                bundles.insert(i.to_string(), Value::Array(refs));
            }
            let mut reach: BTreeSet<(usize, usize)> = edges.iter().copied().collect();
            for k in 0..6 {
                let through = |(i, j): (usize, usize)| reach.contains(&(i, k)) && reach.contains(&(k, j));
                let pairs = (0..6).flat_map(|i| (0..6).map(move |j| (i, j)));
                let more: Vec<(usize, usize)> = pairs.filter(|pair| through(*pair)).collect();
                reach.extend(more);
            }
            for i in 0..6_usize {
                let way = found(&i.to_string(), &Value::Object(bundles.clone()));
                prop_assert_eq!(way.is_some(), reach.contains(&(i, i)));
                let steps: Vec<usize> = way.iter().flat_map(|way| way.split(" -> ")).filter_map(|s| s.parse().ok()).collect();
                for step in steps.windows(2) {
                    prop_assert!(edges.contains(&(step[0], step[1])));
                }
            }
        }
    }
}
