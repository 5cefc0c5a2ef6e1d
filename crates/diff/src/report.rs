//! What a BundleDeployment reports about its objects: bounded lists, counts, and the sentence of its Ready condition.
//!
//! In: the live objects of a deployment, what differs from what was deployed. Out: `nonReadyStatus`, `modifiedStatus`,
//! `resourceCounts`, the message of `Ready`. Finding differences is not done here.
//!
//! Source: fleet `internal/cmd/agent/deployer/monitor/updatestatus.go`.

use std::collections::{BTreeMap, BTreeSet};

use api::state::{describe_modified, describe_non_ready};
use api::v1alpha1::{ModifiedStatus, NonReadyStatus, ResourceCounts};
use jiff::Timestamp;
use serde_json::Value;

use crate::readiness::{ErrorMapping, ignore_conditions, is_ready, summarize};

/// Entries of `nonReadyStatus` and of `modifiedStatus`, each.
pub const ENTRIES_MAX: usize = 10;

/// A list cut to [`ENTRIES_MAX`], with the number of entries left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounded<T> {
    /// The entries that are kept, in the order in which they are reported.
    pub entries: Vec<T>,
    /// How many entries are not among them.
    pub omitted: usize,
}

/// The entries of all objects that are not ready, sorted by uid; not cut.
///
/// `ignored` is `options.ignore.conditions`.
pub fn non_ready<'a>(
    live: impl IntoIterator<Item = &'a Value>,
    ignored: &[BTreeMap<String, String>],
    mapping: &ErrorMapping,
    now: Timestamp,
) -> Vec<NonReadyStatus> {
    let mut entries: Vec<NonReadyStatus> = live
        .into_iter()
        .filter_map(|object| entry(object, ignored, mapping, now))
        .collect();
    entries.sort_by(|left, right| left.uid.cmp(&right.uid));
    entries
}

fn entry(
    object: &Value,
    ignored: &[BTreeMap<String, String>],
    mapping: &ErrorMapping,
    now: Timestamp,
) -> Option<NonReadyStatus> {
    let summary = if ignored.is_empty() {
        summarize(object, mapping, now)
    } else {
        let mut copy = object.clone();
        ignore_conditions(&mut copy, ignored);
        summarize(&copy, mapping, now)
    };
    if is_ready(&summary) {
        return None;
    }
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    Some(NonReadyStatus {
        uid: text("/metadata/uid"),
        kind: text("/kind"),
        api_version: text("/apiVersion"),
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name"),
        summary,
    })
}

/// At most [`ENTRIES_MAX`] entries: those in error before those in transition, then by uid; reported by uid.
pub fn fit_non_ready(entries: Vec<NonReadyStatus>) -> Bounded<NonReadyStatus> {
    let mut bounded = fit(entries, |entry| (!entry.summary.error, entry.uid.clone()));
    bounded
        .entries
        .sort_by(|left, right| left.uid.cmp(&right.uid));
    bounded
}

/// At most [`ENTRIES_MAX`] entries: what is missing or not ours first, then what is left over, then what is modified; reported by
/// API version, kind, namespace and name.
pub fn fit_modified(entries: Vec<ModifiedStatus>) -> Bounded<ModifiedStatus> {
    let rank = |entry: &ModifiedStatus| match (entry.missing, entry.delete) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    };
    let key = |entry: &ModifiedStatus| {
        format!(
            "{}/{}/{}/{}",
            entry.api_version, entry.kind, entry.namespace, entry.name
        )
    };
    let mut bounded = fit(entries, |entry| (rank(entry), key(entry)));
    bounded.entries.sort_by_cached_key(key);
    bounded
}

fn fit<T, K: Ord>(mut entries: Vec<T>, worst_first: impl Fn(&T) -> K) -> Bounded<T> {
    let omitted = entries.len().saturating_sub(ENTRIES_MAX);
    if omitted > 0 {
        entries.sort_by_cached_key(worst_first);
        entries.truncate(ENTRIES_MAX);
    }
    Bounded { entries, omitted }
}

/// The message of the Ready condition; `None` when the deployment is ready and unmodified.
///
/// Both lists are those that are reported.
pub fn ready_message(non_ready: &[NonReadyStatus], modified: &[ModifiedStatus]) -> Option<String> {
    let first_modified = || modified.first().map(describe_modified);
    non_ready
        .first()
        .map(describe_non_ready)
        .or_else(first_modified)
}

/// Kind, API version, namespace and name: what tells objects of a deployment apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Kind.
    pub kind: String,
    /// Group and version.
    pub api_version: String,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ObjectKey {
    /// The key of a live object; missing fields are empty.
    pub fn of(object: &Value) -> Self {
        let text = |pointer: &str| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            kind: text("/kind"),
            api_version: text("/apiVersion"),
            namespace: text("/metadata/namespace"),
            name: text("/metadata/name"),
        }
    }
}

/// Counts the objects of a deployment. All three lists are whole, not cut.
///
/// An object counts once: as missing, orphaned or modified before not ready, and as ready if it is none of these.
pub fn resource_counts(
    live: impl IntoIterator<Item = ObjectKey>,
    modified: &[ModifiedStatus],
    non_ready: &[NonReadyStatus],
) -> ResourceCounts {
    let mut left: BTreeSet<ObjectKey> = live.into_iter().collect();
    let mut counts = ResourceCounts {
        desired_ready: left.len() as i64,
        ..ResourceCounts::default()
    };
    for entry in modified {
        let key = ObjectKey {
            kind: entry.kind.clone(),
            api_version: entry.api_version.clone(),
            namespace: entry.namespace.clone(),
            name: entry.name.clone(),
        };
        let was_live = left.remove(&key);
        if entry.missing {
            counts.missing += 1;
            counts.desired_ready += i64::from(!was_live);
        } else if entry.delete {
            counts.orphaned += 1;
        } else {
            counts.modified += 1;
        }
    }
    for entry in non_ready {
        let key = ObjectKey {
            kind: entry.kind.clone(),
            api_version: entry.api_version.clone(),
            namespace: entry.namespace.clone(),
            name: entry.name.clone(),
        };
        counts.not_ready += i64::from(left.remove(&key));
    }
    counts.ready = left.len() as i64;
    counts
}

#[cfg(test)]
mod tests {
    use api::v1alpha1::Summary;
    use serde_json::json;

    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey {
            kind: "K".into(),
            api_version: "v1".into(),
            namespace: "n".into(),
            name: name.into(),
        }
    }

    fn modified(name: &str) -> ModifiedStatus {
        ModifiedStatus {
            kind: "K".into(),
            api_version: "v1".into(),
            namespace: "n".into(),
            name: name.into(),
            ..ModifiedStatus::default()
        }
    }

    fn unready(name: &str, error: bool) -> NonReadyStatus {
        NonReadyStatus {
            uid: name.into(),
            kind: "K".into(),
            api_version: "v1".into(),
            namespace: "n".into(),
            name: name.into(),
            summary: Summary {
                error,
                transitioning: !error,
                ..Summary::default()
            },
        }
    }

    #[test]
    fn an_object_counts_once_and_worst_first() {
        let missing = ModifiedStatus {
            missing: true,
            ..modified("gone")
        };
        let foreign = ModifiedStatus {
            missing: true,
            exist: true,
            ..modified("a")
        };
        let extra = ModifiedStatus {
            delete: true,
            ..modified("old")
        };
        let live = ["a", "b", "c", "d"].map(key);
        let counts = resource_counts(
            live,
            &[missing, foreign, extra, modified("b")],
            &[
                unready("b", true),
                unready("c", true),
                unready("elsewhere", true),
            ],
        );
        let expected = ResourceCounts {
            desired_ready: 5,
            ready: 1,
            missing: 2,
            orphaned: 1,
            modified: 1,
            not_ready: 1,
            ..ResourceCounts::default()
        };
        assert_eq!(counts, expected);
        assert_eq!(resource_counts([], &[], &[]), ResourceCounts::default());
    }

    #[test]
    fn lists_are_cut_worst_first_and_reported_in_their_order() {
        let entries: Vec<NonReadyStatus> = (0..12)
            .map(|i| unready(&format!("u{i:02}"), i > 9))
            .collect();
        let bounded = fit_non_ready(entries);
        let uids: Vec<&str> = bounded
            .entries
            .iter()
            .map(|entry| entry.uid.as_str())
            .collect();
        assert_eq!(
            uids,
            [
                "u00", "u01", "u02", "u03", "u04", "u05", "u06", "u07", "u10", "u11"
            ]
        );
        assert_eq!(bounded.omitted, 2);
        let mut entries: Vec<ModifiedStatus> =
            (0..10).map(|i| modified(&format!("m{i}"))).collect();
        entries.push(ModifiedStatus {
            missing: true,
            ..modified("z")
        });
        let bounded = fit_modified(entries);
        assert_eq!(
            bounded.entries.last().map(|entry| entry.name.as_str()),
            Some("z")
        );
        assert_eq!((bounded.entries.len(), bounded.omitted), (10, 1));
        assert_eq!(
            fit_modified(Vec::new()),
            Bounded {
                entries: Vec::new(),
                omitted: 0
            }
        );
    }

    #[test]
    fn live_objects_are_listed_when_not_ready_with_what_is_ignored_left_out() {
        let now = Timestamp::UNIX_EPOCH;
        let object = json!({"apiVersion": "x/v1", "kind": "X", "metadata": {"uid": "2", "namespace": "n", "name": "x"},
            "status": {"conditions": [{"type": "Active", "status": "False", "message": "off"}]}});
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"uid": "1", "name": "c"}});
        let ready =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"uid": "0", "name": "m"}});
        let mapping = ErrorMapping::default();
        let found = non_ready([&object, &claim, &ready], &[], &mapping, now);
        let names: Vec<&str> = found.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["c", "x"]);
        assert_eq!(
            ready_message(&found[1..], &[]).as_deref(),
            Some("x.x n/x error] off, Resource is current")
        );
        let ignored = [BTreeMap::from([
            ("type".to_owned(), "Active".to_owned()),
            ("status".to_owned(), "False".to_owned()),
        ])];
        assert_eq!(non_ready([&object], &ignored, &mapping, now), vec![]);
        let other = [BTreeMap::from([
            ("type".to_owned(), "Active".to_owned()),
            ("status".to_owned(), "True".to_owned()),
        ])];
        assert_eq!(non_ready([&object], &other, &mapping, now).len(), 1);
    }

    #[test]
    fn the_ready_message_is_that_of_the_first_entry() {
        let changed = ModifiedStatus {
            patch: "{}".into(),
            ..modified("m")
        };
        assert_eq!(ready_message(&[], &[]), None);
        assert_eq!(
            ready_message(&[], std::slice::from_ref(&changed)).as_deref(),
            Some("k.v1 n/m modified {}")
        );
        assert_eq!(
            ready_message(&[unready("u", false)], &[changed]).as_deref(),
            Some("k.v1 n/u [progressing]")
        );
    }
}
