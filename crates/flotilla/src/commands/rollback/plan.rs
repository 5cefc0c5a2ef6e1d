//! What the pins of a GitRepo become. Pure.

use api::v1alpha1::{
    DeployedCommit, GitRepoPin, GitTarget, LabelSelector, LabelSelectorRequirement,
};
use apimachinery::selectors::{self, Operator, Requirement};
use target::pins::{self, is_whole};

/// Fewest digits by which a commit may be named.
const ABBREVIATION_MIN: usize = 4;

/// What goes back: bundles on clusters. Empty means all.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Scope {
    pub(super) bundles: Vec<String>,
    pub(super) targets: Vec<GitTarget>,
}

/// Something that was asked for makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// Nothing is pinned that way.
    #[error("nothing is pinned with this scope; pinned is: {pinned}")]
    NotPinned { pinned: String },
    /// Too short, or no commit at all.
    #[error(
        "{given:?} is no commit: give the full id, or the first digits of one that --list shows"
    )]
    NoCommit { given: String },
    /// Nothing that was deployed begins so.
    #[error(
        "no commit that was deployed begins with {given}: give the full id, or one that --list shows"
    )]
    UnknownCommit { given: String },
    /// Several do.
    #[error("several commits that were deployed begin with {given}: give more digits")]
    AmbiguousCommit { given: String },
    /// The selector cannot be read.
    #[error("read the selector {given:?}")]
    Selector {
        given: String,
        source: selectors::Error,
    },
    /// The API has no such operator.
    #[error("the selector {given:?} compares with > or <, which selects no clusters")]
    Operator { given: String },
    /// There is no room.
    #[error("{source}")]
    Pins { source: pins::Error },
}

/// The full id of a commit that is given in full or by its first digits.
pub(super) fn commit(given: &str, history: &[DeployedCommit]) -> Result<String, Error> {
    let given = given.to_ascii_lowercase();
    if pins::is_commit(&given) {
        return Ok(given);
    }
    let is_hex = given.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex || given.len() < ABBREVIATION_MIN {
        return Err(Error::NoCommit { given });
    }
    let mut found = history
        .iter()
        .filter(|known| known.commit.starts_with(&given));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one.commit.clone()),
        (None, _) => Err(Error::UnknownCommit { given }),
        (Some(_), Some(_)) => Err(Error::AmbiguousCommit { given }),
    }
}

/// A selector in kubectl's words.
pub(super) fn selector(given: &str) -> Result<LabelSelector, Error> {
    let parsed = selectors::LabelSelector::parse(given).map_err(|source| Error::Selector {
        given: given.to_owned(),
        source,
    })?;
    let expressions = parsed
        .requirements()
        .iter()
        .map(|one| requirement(one, given));
    Ok(LabelSelector {
        match_expressions: expressions.collect::<Result<_, _>>()?,
        ..LabelSelector::default()
    })
}

fn requirement(of: &Requirement, given: &str) -> Result<LabelSelectorRequirement, Error> {
    let operator = match of.operator() {
        Operator::Equals | Operator::DoubleEquals | Operator::In => "In",
        Operator::NotEquals | Operator::NotIn => "NotIn",
        Operator::Exists => "Exists",
        Operator::DoesNotExist => "DoesNotExist",
        Operator::GreaterThan | Operator::LessThan => {
            let given = given.to_owned();
            return Err(Error::Operator { given });
        }
    };
    Ok(LabelSelectorRequirement {
        key: of.key().to_owned(),
        operator: operator.to_owned(),
        values: of.values().to_vec(),
    })
}

/// The pins once `scope` stays at `commit`: what was pinned of it before is not any more.
pub(super) fn add(
    existing: &[GitRepoPin],
    scope: &Scope,
    commit: &str,
) -> Result<Vec<GitRepoPin>, Error> {
    let pin = GitRepoPin {
        commit: commit.to_owned(),
        bundles: scope.bundles.clone(),
        targets: scope.targets.clone(),
    };
    let mut all = vec![pin];
    if !is_whole(&all[0]) {
        all.extend(without(existing, scope));
    }
    pins::validate(&all).map_err(|source| Error::Pins { source })?;
    Ok(all)
}

/// The pins once `scope` follows again.
pub(super) fn remove(existing: &[GitRepoPin], scope: &Scope) -> Result<Vec<GitRepoPin>, Error> {
    let left = without(existing, scope);
    if left == existing && !existing.is_empty() {
        let pinned = pins::describe(existing);
        return Err(Error::NotPinned { pinned });
    }
    Ok(left)
}

/// Takes a scope out of pins, as far as they name it in the same words.
fn without(existing: &[GitRepoPin], scope: &Scope) -> Vec<GitRepoPin> {
    let mut left = Vec::new();
    for pin in existing {
        let mut pin = pin.clone();
        let all_bundles = scope.bundles.is_empty();
        let all_clusters = scope.targets.is_empty();
        let same_bundles = pin.bundles == scope.bundles;
        let is_gone = match (all_bundles, all_clusters) {
            (true, true) => true,
            (true, false) => take(&mut pin.targets, &scope.targets),
            (false, true) => take(&mut pin.bundles, &scope.bundles),
            (false, false) => same_bundles && take(&mut pin.targets, &scope.targets),
        };
        if !is_gone {
            left.push(pin);
        }
    }
    left
}

/// Takes `some` out of a list that names something; true if nothing is left of it.
fn take<T: PartialEq>(list: &mut Vec<T>, some: &[T]) -> bool {
    if list.is_empty() {
        // It names nothing because it means all.
        return false;
    }
    list.retain(|one| !some.contains(one));
    list.is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    fn pins(value: Value) -> Vec<GitRepoPin> {
        serde_json::from_value(value).unwrap()
    }

    fn scope(bundles: &[&str], clusters: &[&str]) -> Scope {
        let target = |name: &&str| GitTarget {
            cluster_name: (*name).to_owned(),
            ..GitTarget::default()
        };
        Scope {
            bundles: bundles.iter().map(|name| (*name).to_owned()).collect(),
            targets: clusters.iter().map(target).collect(),
        }
    }

    fn text(pins: &[GitRepoPin]) -> Value {
        json!(pins)
    }

    #[test]
    fn a_roll_back_of_everything_replaces_all_pins() {
        let before = pins(json!([{ "commit": B, "bundles": ["x"] }, { "commit": B }]));
        let after = add(&before, &scope(&[], &[]), A).unwrap();
        assert_eq!(text(&after), json!([{ "commit": A }]));
    }

    #[test]
    fn a_scope_moves_from_the_pins_it_was_in_to_the_front() {
        let before = pins(json!([
            { "commit": B, "targets": [{ "clusterName": "a" }, { "clusterName": "b" }] },
            { "commit": B, "bundles": ["x"], "targets": [{ "clusterName": "a" }] },
        ]));
        let after = add(&before, &scope(&[], &["a"]), A).unwrap();
        let wanted = json!([
            { "commit": A, "targets": [{ "clusterName": "a" }] },
            { "commit": B, "targets": [{ "clusterName": "b" }] },
        ]);
        assert_eq!(text(&after), wanted);
        let again = add(&after, &scope(&[], &["a"]), A).unwrap();
        assert_eq!(text(&again), wanted);
    }

    #[test]
    fn what_is_taken_back_follows_and_the_rest_stays() {
        let before = pins(json!([
            { "commit": A, "bundles": ["x", "y"] },
            { "commit": A, "targets": [{ "clusterName": "a" }] },
        ]));
        let after = remove(&before, &scope(&["x"], &[])).unwrap();
        assert_eq!(after[0].bundles, ["y"]);
        assert_eq!(after.len(), 2);
        assert_eq!(remove(&before, &scope(&[], &["a"])).unwrap().len(), 1);
        assert_eq!(remove(&before, &scope(&[], &[])).unwrap(), []);
        assert_eq!(remove(&[], &scope(&[], &["a"])).unwrap(), []);
        let error = remove(&before, &scope(&[], &["other"])).unwrap_err();
        assert!(error.to_string().contains("bundles x, y"), "{error}");
        let whole = pins(json!([{ "commit": A }]));
        assert!(remove(&whole, &scope(&[], &["a"])).is_err());
    }

    #[test]
    fn a_commit_is_named_in_full_or_by_digits_of_one_that_was_deployed() {
        let known = |commit: &str| DeployedCommit {
            commit: commit.to_owned(),
            time: None,
        };
        let other = format!("aaaab{}", &A[5..]);
        let history = [known(A), known(&other), known(B)];
        assert_eq!(commit(&"C".repeat(40), &[]).unwrap(), "c".repeat(40));
        assert_eq!(commit("bbbb", &history).unwrap(), B);
        assert_eq!(commit("AAAAB", &history).unwrap(), other);
        for (given, wanted) in [
            ("aaaa", "several"),
            ("dddd", "no commit that was deployed"),
            ("bbb", "is no commit"),
            ("main", "is no commit"),
            ("", "is no commit"),
        ] {
            let error = commit(given, &history).unwrap_err().to_string();
            assert!(error.contains(wanted), "{given}: {error}");
        }
    }

    #[test]
    fn selectors_are_read_as_kubectl_reads_them() {
        let read = selector("env=prod,tier!=db,zone in (a,b),x,!y").unwrap();
        let wanted = json!({ "matchExpressions": [
            { "key": "env", "operator": "In", "values": ["prod"] },
            { "key": "tier", "operator": "NotIn", "values": ["db"] },
            { "key": "zone", "operator": "In", "values": ["a", "b"] },
            { "key": "x", "operator": "Exists" },
            { "key": "y", "operator": "DoesNotExist" },
        ] });
        let mut got = json!(read);
        let sort = |value: &mut Value| {
            let list = value["matchExpressions"].as_array_mut().unwrap();
            list.sort_by_key(|one| one["key"].to_string());
        };
        let mut wanted = wanted;
        sort(&mut got);
        sort(&mut wanted);
        assert_eq!(got, wanted);
        for wrong in ["a in", "a=b=c", "n>1"] {
            assert!(selector(wrong).is_err(), "{wrong}");
        }
    }
}
