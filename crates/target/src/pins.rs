//! Which bundles stay at an earlier commit, and on which clusters.
//!
//! A GitRepo lists pins; the first that concerns a bundle on a cluster counts. A pin for all bundles and all
//! clusters makes its commit the current one of the repository, so that bundles come back and go as they
//! would with a new commit; pins after it never count. The others leave the current commit alone: their
//! clusters get the bundle as their commit has it.

use api::v1alpha1::{GitRepoPin, GitTarget, InvalidSelector, LabelSelector};

use crate::matching::{ClusterFacts, Criteria};

/// Pins of one GitRepo that count.
pub const PINS_MAX: usize = 64;

/// A pin that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It names no commit.
    #[error(
        "pins[{index}]: {commit:?} is no full commit id, which has 40 or 64 hexadecimal digits"
    )]
    NoCommit {
        /// Place in the list.
        index: usize,
        /// What it names.
        commit: String,
    },
    /// Nobody knows which clusters it is for.
    #[error("pins[{index}].targets[{target}] has an invalid selector")]
    Selector {
        /// Place in the list.
        index: usize,
        /// Place in its targets.
        target: usize,
        /// What is wrong.
        #[source]
        source: InvalidSelector,
    },
    /// There are more than count.
    #[error("there are {n} pins, at most {PINS_MAX} count; take back what is not needed")]
    TooMany {
        /// How many there are.
        n: usize,
    },
}

/// Whether a text is a full commit id.
pub fn is_commit(text: &str) -> bool {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    matches!(text.len(), 40 | 64) && text.bytes().all(is_hex)
}

/// Checks all pins of a GitRepo.
///
/// # Errors
/// The first one that means nothing.
pub fn validate(pins: &[GitRepoPin]) -> Result<(), Error> {
    if pins.len() > PINS_MAX {
        return Err(Error::TooMany { n: pins.len() });
    }
    for (index, pin) in pins.iter().enumerate() {
        if !is_commit(&pin.commit) {
            let commit = pin.commit.clone();
            return Err(Error::NoCommit { index, commit });
        }
        for (target, of) in pin.targets.iter().enumerate() {
            let valid = Criteria::from(of).validate();
            valid.map_err(|source| Error::Selector {
                index,
                target,
                source,
            })?;
        }
    }
    Ok(())
}

/// Whether a pin is for all bundles and all clusters.
pub fn is_whole(pin: &GitRepoPin) -> bool {
    pin.bundles.is_empty() && pin.targets.is_empty()
}

/// The commit that all of the repository stays at, but for what [`partial`] says.
pub fn whole(pins: &[GitRepoPin]) -> Option<&str> {
    let found = pins.iter().find(|pin| is_whole(pin));
    found.map(|pin| pin.commit.as_str())
}

/// The pins that take some bundles or clusters away from the current commit, in order.
pub fn partial(pins: &[GitRepoPin]) -> impl Iterator<Item = &GitRepoPin> {
    pins.iter().take(PINS_MAX).take_while(|pin| !is_whole(pin))
}

/// Those of them that concern a bundle.
pub fn of_bundle<'a>(
    pins: &'a [GitRepoPin],
    bundle: &'a str,
) -> impl Iterator<Item = &'a GitRepoPin> {
    let concerns = move |pin: &&GitRepoPin| {
        pin.bundles.is_empty() || pin.bundles.iter().any(|name| name == bundle)
    };
    partial(pins).filter(concerns)
}

/// Whether a pin is for a cluster.
pub fn matches(pin: &GitRepoPin, cluster: &ClusterFacts<'_>) -> bool {
    pin.targets.is_empty()
        || pin
            .targets
            .iter()
            .any(|target| Criteria::from(target).matches(cluster))
}

/// The first digits of a commit id, for people.
pub fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}

/// The commits of pins, for people; empty without pins.
pub fn commits(pins: &[GitRepoPin]) -> String {
    let mut commits: Vec<&str> = pins.iter().map(|pin| short(&pin.commit)).collect();
    commits.dedup();
    commits.join(", ")
}

/// What pins mean, for people; empty without pins.
pub fn describe(pins: &[GitRepoPin]) -> String {
    let pins: Vec<String> = pins.iter().map(describe_one).collect();
    pins.join("; ")
}

fn describe_one(pin: &GitRepoPin) -> String {
    let bundles = match pin.bundles.as_slice() {
        [] => "all bundles".to_owned(),
        [one] => format!("bundle {one}"),
        some => format!("bundles {}", some.join(", ")),
    };
    let clusters: Vec<String> = pin.targets.iter().map(describe_target).collect();
    let clusters = match clusters.as_slice() {
        [] => "all clusters".to_owned(),
        some => some.join(", "),
    };
    format!("commit {} for {bundles} on {clusters}", short(&pin.commit))
}

fn describe_target(target: &GitTarget) -> String {
    let selector = |selector: &LabelSelector| serde_json::to_string(selector).unwrap_or_default();
    let parts = [
        ("cluster ", target.cluster_name.clone()),
        ("group ", target.cluster_group.clone()),
        (
            "clusters with ",
            target
                .cluster_selector
                .as_ref()
                .map_or_else(String::new, selector),
        ),
        (
            "groups with ",
            target
                .cluster_group_selector
                .as_ref()
                .map_or_else(String::new, selector),
        ),
    ];
    let parts = parts.into_iter().filter(|(_, text)| !text.is_empty());
    let parts: Vec<String> = parts.map(|(what, text)| format!("{what}{text}")).collect();
    parts.join(" and ")
}

/// Whether it makes a difference to pins in which groups clusters are.
pub fn mention_groups(pins: &[GitRepoPin]) -> bool {
    let mut targets = partial(pins).flat_map(|pin| &pin.targets);
    targets
        .any(|target| !target.cluster_group.is_empty() || target.cluster_group_selector.is_some())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::matching::GroupFacts;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const C: &str = "cccccccccccccccccccccccccccccccccccccccc";

    fn pins(value: serde_json::Value) -> Vec<GitRepoPin> {
        serde_json::from_value(value).unwrap()
    }

    fn commits<'a>(pins: impl Iterator<Item = &'a GitRepoPin>) -> Vec<&'a str> {
        pins.map(|pin| pin.commit.as_str()).collect()
    }

    #[test]
    fn a_pin_for_everything_ends_the_list() {
        let pins = pins(json!([
            { "commit": A, "bundles": ["one"] },
            { "commit": B },
            { "commit": C, "bundles": ["two"] },
        ]));
        assert_eq!(whole(&pins), Some(B));
        assert_eq!(commits(partial(&pins)), [A]);
        assert_eq!(commits(of_bundle(&pins, "one")), [A]);
        assert_eq!(commits(of_bundle(&pins, "two")), [""; 0]);
    }

    #[test]
    fn a_pin_is_for_the_clusters_of_any_of_its_targets() {
        let pins = pins(json!([{ "commit": A, "targets": [
            { "clusterName": "north" },
            { "clusterSelector": { "matchLabels": { "env": "dev" } } },
            { "clusterGroup": "edge" },
        ] }]));
        assert!(mention_groups(&pins));
        let (none, dev) = (
            BTreeMap::new(),
            BTreeMap::from([("env".to_owned(), "dev".to_owned())]),
        );
        let edge = [GroupFacts {
            name: "edge",
            labels: &none,
        }];
        let cases = [
            ("north", &none, &[][..], true),
            ("south", &none, &[][..], false),
            ("south", &dev, &[][..], true),
            ("south", &none, &edge[..], true),
        ];
        for (name, labels, groups, wanted) in cases {
            let facts = ClusterFacts {
                name,
                labels,
                groups,
            };
            assert_eq!(matches(&pins[0], &facts), wanted, "{name} {labels:?}");
        }
    }

    #[test]
    fn pins_that_mean_nothing_are_named() {
        for (wrong, said) in [
            (json!([{ "commit": "main" }]), "pins[0]: \"main\""),
            (json!([{ "commit": A }, { "commit": "abc123" }]), "pins[1]"),
            (json!([{ "commit": A.to_uppercase() }]), "pins[0]"),
            (json!([{}]), "pins[0]: \"\""),
            (
                json!([{ "commit": A, "targets": [{ "clusterSelector": { "matchExpressions": [
                    { "key": "a", "operator": "Sometimes" },
                ] } }] }]),
                "pins[0].targets[0]",
            ),
            (json!(vec![json!({ "commit": A }); 65]), "65 pins"),
        ] {
            let error = validate(&pins(wrong)).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        assert_eq!(validate(&pins(json!([{ "commit": A }]))), Ok(()));
    }
}
