//! The invariant catalogue: what always holds, as an id, a sentence and a predicate.
//!
//! The predicates take plain values, so the same one serves the place that decides, the place that
//! writes and the tests. A violation is an error value: whoever finds one refuses that one write, logs
//! it and counts it; everything else goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// An invariant by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// Byte budgets.
    B1,
    /// Sizes of statuses.
    B2,
    /// Nothing is cut silently.
    B3,
    /// Constant work per event.
    W1,
    /// No change, no write.
    W2,
    /// Stored is computed.
    S1,
    /// Faults stay where they are.
    I1,
    /// What may be deleted.
    I2,
    /// Restarts lose nothing.
    I3,
    /// Tenants and secrets.
    T1,
    /// Same inputs, same bytes.
    D1,
}

impl Invariant {
    /// All invariants, in the order of the catalogue.
    pub const ALL: [Self; 11] = [
        Self::B1,
        Self::B2,
        Self::B3,
        Self::W1,
        Self::W2,
        Self::S1,
        Self::I1,
        Self::I2,
        Self::I3,
        Self::T1,
        Self::D1,
    ];

    /// The id that documents, logs and metrics use.
    pub const fn id(self) -> &'static str {
        match self {
            Self::B1 => "B-1",
            Self::B2 => "B-2",
            Self::B3 => "B-3",
            Self::W1 => "W-1",
            Self::W2 => "W-2",
            Self::S1 => "S-1",
            Self::I1 => "I-1",
            Self::I2 => "I-2",
            Self::I3 => "I-3",
            Self::T1 => "T-1",
            Self::D1 => "D-1",
        }
    }

    /// What holds.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::B1 => "no object that is written is larger than its byte budget",
            Self::B2 => "no status grows with the number of clusters times resources",
            Self::B3 => "what does not fit is left out in a fixed order and counted",
            Self::W1 => "the work for one event of a deployment does not grow with their number",
            Self::W2 => "nothing changed means nothing written",
            Self::S1 => "a stored status is the computed one",
            Self::I1 => "one bad cluster, label, template or registry never holds up another",
            Self::I2 => "only what is in the recorded inventory of a release is deleted",
            Self::I3 => "killing any process at any instruction loses nothing",
            Self::T1 => "a secret value appears in Secrets only",
            Self::D1 => "the same inputs give the same bytes",
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invariant {invariant} is violated by {subject}: {detail}")]
pub struct Violation {
    /// Which one.
    pub invariant: Invariant,
    /// What violates it: an object or a place.
    pub subject: String,
    /// By how much. Never contains a secret value.
    pub detail: String,
}

fn check(
    invariant: Invariant,
    subject: &str,
    holds: bool,
    detail: impl FnOnce() -> String,
) -> Result<(), Violation> {
    if holds {
        return Ok(());
    }
    Err(Violation {
        invariant,
        subject: subject.to_owned(),
        detail: detail(),
    })
}

/// B-1: the size of an object's JSON is within its budget.
pub fn within_budget(subject: &str, bytes: usize, bytes_max: usize) -> Result<(), Violation> {
    check(Invariant::B1, subject, bytes <= bytes_max, || {
        format!("{bytes} of {bytes_max} bytes")
    })
}

/// B-2: a status over more clusters or resources is no larger than the sum of its budgets, however
/// many there are. `sizes` are measured sizes by number of clusters times resources.
pub fn status_is_bounded(
    subject: &str,
    sizes: &BTreeMap<u64, usize>,
    bytes_max: usize,
) -> Result<(), Violation> {
    let worst = sizes.iter().find(|(_, bytes)| **bytes > bytes_max);
    check(Invariant::B2, subject, worst.is_none(), || {
        worst.map_or_else(String::new, |(n, bytes)| {
            format!("{bytes} bytes for {n} records")
        })
    })
}

/// B-3: what is listed and what is counted as left out is all there is.
pub fn nothing_is_cut_silently(
    subject: &str,
    listed: usize,
    omitted: usize,
    total: usize,
) -> Result<(), Violation> {
    check(Invariant::B3, subject, listed + omitted == total, || {
        format!("{listed} listed and {omitted} omitted of {total}")
    })
}

/// W-1: an event of one deployment causes at most this many requests, with any number of deployments.
pub fn work_is_constant(
    subject: &str,
    requests: usize,
    requests_max: usize,
) -> Result<(), Violation> {
    check(Invariant::W1, subject, requests <= requests_max, || {
        format!("{requests} requests for one event, {requests_max} allowed")
    })
}

/// W-2: a write changes something.
pub fn write_changes_something<T: PartialEq + ?Sized>(
    subject: &str,
    stored: &T,
    next: &T,
) -> Result<(), Violation> {
    check(Invariant::W2, subject, stored != next, || {
        "the write changes nothing".to_owned()
    })
}

/// S-1: once an object is settled, what is stored is what is computed.
pub fn stored_is_computed<T: PartialEq + ?Sized>(
    subject: &str,
    stored: &T,
    computed: &T,
) -> Result<(), Violation> {
    check(Invariant::S1, subject, stored == computed, || {
        "a stale status is stored".to_owned()
    })
}

/// I-1: only what is faulty itself failed.
pub fn faults_stay_apart(
    subject: &str,
    faulty: &BTreeSet<String>,
    failed: &BTreeSet<String>,
) -> Result<(), Violation> {
    let innocent = failed.difference(faulty).next();
    check(Invariant::I1, subject, innocent.is_none(), || {
        format!(
            "{} failed without a fault",
            innocent.map_or("", String::as_str)
        )
    })
}

/// I-2: everything about to be deleted is in the inventory.
pub fn deletes_own_objects_only(
    subject: &str,
    inventory: &BTreeSet<String>,
    deleted: &BTreeSet<String>,
) -> Result<(), Violation> {
    let foreign = deleted.difference(inventory).next();
    check(Invariant::I2, subject, foreign.is_none(), || {
        format!(
            "{} is not in the inventory",
            foreign.map_or("", String::as_str)
        )
    })
}

/// I-3: after a restart, what is wanted is there once.
pub fn restart_loses_nothing(
    subject: &str,
    wanted: &BTreeSet<String>,
    found: &BTreeMap<String, usize>,
) -> Result<(), Violation> {
    let wrong = wanted.iter().find(|name| found.get(*name) != Some(&1));
    check(Invariant::I3, subject, wrong.is_none(), || {
        let name = wrong.map_or("", String::as_str);
        format!(
            "{name} exists {} times",
            found.get(name).copied().unwrap_or(0)
        )
    })
}

/// T-1: a text for people or for a status contains none of the secret values. Values shorter than four
/// bytes are not searched: they are found everywhere.
pub fn keeps_secrets<'a>(
    subject: &str,
    text: &str,
    secrets: impl IntoIterator<Item = &'a str>,
) -> Result<(), Violation> {
    let leaked = secrets
        .into_iter()
        .any(|secret| secret.len() >= 4 && text.contains(secret));
    check(Invariant::T1, subject, !leaked, || {
        "a secret value is in the text".to_owned()
    })
}

/// D-1: two results for the same input are the same bytes.
pub fn is_deterministic(subject: &str, first: &[u8], second: &[u8]) -> Result<(), Violation> {
    check(Invariant::D1, subject, first == second, || {
        let at = first.iter().zip(second).take_while(|(a, b)| a == b).count();
        format!("the results differ from byte {at} on")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    #[expect(clippy::type_complexity, reason = "a table of good and bad results")]
    fn every_predicate_accepts_the_good_and_refuses_the_bad() {
        let once = |names: &[&str]| names.iter().map(|&name| (name.to_owned(), 1)).collect();
        let (small, large) = (
            BTreeMap::from([(72, 10)]),
            BTreeMap::from([(72, 10), (7_200, 99)]),
        );
        let cases: [(Invariant, Result<(), Violation>, Result<(), Violation>); 11] = [
            (
                Invariant::B1,
                within_budget("x", 10, 10),
                within_budget("x", 11, 10),
            ),
            (
                Invariant::B2,
                status_is_bounded("x", &small, 10),
                status_is_bounded("x", &large, 10),
            ),
            (
                Invariant::B3,
                nothing_is_cut_silently("x", 2, 3, 5),
                nothing_is_cut_silently("x", 2, 0, 5),
            ),
            (
                Invariant::W1,
                work_is_constant("x", 4, 4),
                work_is_constant("x", 72, 4),
            ),
            (
                Invariant::W2,
                write_changes_something("x", &1, &2),
                write_changes_something("x", &1, &1),
            ),
            (
                Invariant::S1,
                stored_is_computed("x", &1, &1),
                stored_is_computed("x", &1, &2),
            ),
            (
                Invariant::I1,
                faults_stay_apart("x", &set(&["a"]), &set(&["a"])),
                faults_stay_apart("x", &set(&["a"]), &set(&["a", "b"])),
            ),
            (
                Invariant::I2,
                deletes_own_objects_only("x", &set(&["a", "b"]), &set(&["b"])),
                deletes_own_objects_only("x", &set(&["a"]), &set(&["b"])),
            ),
            (
                Invariant::I3,
                restart_loses_nothing("x", &set(&["a"]), &once(&["a", "b"])),
                restart_loses_nothing("x", &set(&["a"]), &BTreeMap::from([("a".to_owned(), 2)])),
            ),
            (
                Invariant::T1,
                keeps_secrets("x", "no access", ["hunter2", "no"]),
                keeps_secrets("x", "password hunter2 is wrong", ["hunter2"]),
            ),
            (
                Invariant::D1,
                is_deterministic("x", b"ab", b"ab"),
                is_deterministic("x", b"ab", b"ac"),
            ),
        ];
        assert_eq!(
            cases.iter().map(|(id, ..)| *id).collect::<Vec<_>>(),
            Invariant::ALL
        );
        for (invariant, good, bad) in cases {
            assert_eq!(good, Ok(()), "{invariant}");
            assert_eq!(bad.map_err(|violation| violation.invariant), Err(invariant));
        }
    }

    #[test]
    fn a_leak_is_reported_without_the_secret() {
        let violation = keeps_secrets("log", "token s3cr3t-value", ["s3cr3t-value"]);
        assert!(violation.is_err_and(|violation| !violation.to_string().contains("s3cr3t")));
    }
}
