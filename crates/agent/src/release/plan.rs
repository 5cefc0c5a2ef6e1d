//! Which revision comes next, and which ones go. Pure.

use std::collections::BTreeMap;

use helm::release::Status;

use super::Record;

/// What to do about a release, given its history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The revision is what is wanted, completely: a process ended before it could say so.
    Adopt(u32),
    /// The revision is what is wanted and was begun: go on with it.
    Resume(u32),
    /// Begin this revision.
    Create(u32),
    /// An uninstall was begun: finish it first.
    Uninstall,
}

/// What a release is to be made of, and by which bundle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) bundle: &'a str,
    pub(crate) deployment_id: &'a str,
    /// What is deployed is wanted once more, because something changed that it was rendered with.
    pub(crate) is_forced: bool,
}

/// Decides by the newest revision. `history` is in no particular order.
///
/// What another bundle deployed is gone over even if it is made of the same: its objects are marked as
/// the other's.
pub(crate) fn next(history: &[Record], wanted: Wanted<'_>) -> Next {
    let Some(newest) = newest(history) else {
        return Next::Create(1);
    };
    let is_wanted =
        newest.deployment_id == wanted.deployment_id && newest.bundle_id == wanted.bundle;
    match newest.status {
        Status::Uninstalling => Next::Uninstall,
        Status::Deployed if is_wanted && !wanted.is_forced => Next::Adopt(newest.revision),
        Status::PendingInstall | Status::PendingUpgrade | Status::Failed if is_wanted => {
            Next::Resume(newest.revision)
        }
        Status::Unknown
        | Status::Deployed
        | Status::Uninstalled
        | Status::Superseded
        | Status::Failed
        | Status::PendingInstall
        | Status::PendingUpgrade
        | Status::PendingRollback => Next::Create(newest.revision.saturating_add(1)),
    }
}

/// The newest revision.
pub(crate) fn newest(history: &[Record]) -> Option<&Record> {
    history.iter().max_by_key(|record| record.revision)
}

/// The revision before `revision`.
fn last_before(history: &[Record], revision: u32) -> Option<&Record> {
    let before = history.iter().filter(|record| record.revision < revision);
    before.max_by_key(|record| record.revision)
}

/// Whether `revision` is an install: nothing, or nothing but records, is there before it.
pub(crate) fn is_install(history: &[Record], revision: u32) -> bool {
    last_before(history, revision).is_none_or(|last| last.status == Status::Uninstalled)
}

/// Labels that the user gave the release; each revision takes them over from the one before.
pub(crate) fn labels(history: &[Record], revision: u32) -> BTreeMap<String, String> {
    last_before(history, revision).map_or_else(BTreeMap::new, |last| last.labels.clone())
}

/// Revisions before `revision` whose objects may be on the cluster: from the last that was deployed
/// on. Newest first.
pub(crate) fn applied_before(history: &[Record], revision: u32) -> Vec<u32> {
    let mut before: Vec<&Record> = history
        .iter()
        .filter(|record| record.revision < revision)
        .collect();
    before.sort_by_key(|record| std::cmp::Reverse(record.revision));
    let last = before
        .iter()
        .position(|record| record.status == Status::Deployed);
    let n = last.map_or(before.len(), |at| at + 1);
    before
        .iter()
        .take(n)
        .map(|record| record.revision)
        .collect()
}

/// The revision to go back to when `revision` failed: the newest before it that was deployed.
pub(crate) fn to_return_to(history: &[Record], revision: u32) -> Option<&Record> {
    let was_deployed =
        |record: &&Record| matches!(record.status, Status::Deployed | Status::Superseded);
    let before = history.iter().filter(|record| record.revision < revision);
    before
        .filter(was_deployed)
        .max_by_key(|record| record.revision)
}

/// Revisions before `revision` that still claim to be what is deployed, or to be on their way.
pub(crate) fn to_supersede(history: &[Record], revision: u32) -> Vec<(u32, Status)> {
    let becomes = |record: &Record| match record.status {
        Status::Deployed => Some((record.revision, Status::Superseded)),
        Status::PendingInstall | Status::PendingUpgrade | Status::PendingRollback => {
            Some((record.revision, Status::Failed))
        }
        _ => None,
    };
    history
        .iter()
        .filter(|record| record.revision < revision)
        .filter_map(becomes)
        .collect()
}

/// Revisions to forget so that `max` are left, oldest first; `revision` stays, and so does `kept`, which is
/// what is deployed while `revision` is not.
pub(crate) fn to_forget(
    history: &[Record],
    revision: u32,
    kept: Option<u32>,
    max: usize,
) -> Vec<u32> {
    let mut others: Vec<u32> = history
        .iter()
        .map(|record| record.revision)
        .filter(|known| *known != revision && Some(*known) != kept)
        .collect();
    others.sort_unstable();
    let n_kept = 1 + usize::from(kept.is_some_and(|kept| kept != revision));
    let n = (others.len() + n_kept).saturating_sub(max.max(1));
    others.truncate(n);
    others
}

#[cfg(test)]
mod tests {
    use apiclient::ObjectKey;

    use super::*;

    fn record(revision: u32, status: Status, deployment_id: &str) -> Record {
        Record {
            release: ObjectKey::new("ns", "web"),
            revision,
            status,
            bundle_id: "web".to_owned(),
            agent_namespace: "sys".to_owned(),
            deployment_id: deployment_id.to_owned(),
            values_digest: String::new(),
            labels: BTreeMap::from([("at".to_owned(), revision.to_string())]),
        }
    }

    #[test]
    fn the_revision_before_tells_install_from_upgrade_and_hands_its_labels_on() {
        let history = [
            record(3, Status::Uninstalled, "b"),
            record(1, Status::Superseded, "a"),
            record(2, Status::Failed, "b"),
        ];
        for (revision, is_first, at) in [
            (1, true, None),
            (2, false, Some("1")),
            (3, false, Some("2")),
            (4, true, Some("3")),
        ] {
            assert_eq!(is_install(&history, revision), is_first, "{revision}");
            let labels = labels(&history, revision);
            assert_eq!(labels.get("at").map(String::as_str), at, "{revision}");
        }
        assert!(is_install(&[], 1));
    }

    #[test]
    fn the_newest_revision_decides() {
        use Status::{
            Deployed, Failed, PendingInstall, PendingRollback, PendingUpgrade, Superseded,
            Uninstalled, Uninstalling, Unknown,
        };
        for (history, expected) in [
            (vec![], Next::Create(1)),
            (vec![(1, Deployed, "a")], Next::Adopt(1)),
            (vec![(1, Deployed, "b")], Next::Create(2)),
            (vec![(1, PendingInstall, "a")], Next::Resume(1)),
            (vec![(1, PendingInstall, "b")], Next::Create(2)),
            (
                vec![(2, PendingUpgrade, "a"), (1, Deployed, "b")],
                Next::Resume(2),
            ),
            (vec![(1, Deployed, "a"), (2, Failed, "b")], Next::Create(3)),
            (vec![(1, Failed, "a")], Next::Resume(1)),
            (
                vec![(1, Superseded, "a"), (2, Deployed, "b")],
                Next::Create(3),
            ),
            (vec![(3, PendingRollback, "a")], Next::Create(4)),
            (vec![(3, Unknown, "a")], Next::Create(4)),
            (vec![(1, Uninstalled, "a")], Next::Create(2)),
            (vec![(1, Uninstalling, "a")], Next::Uninstall),
            (vec![(1, Uninstalling, "b")], Next::Uninstall),
            (vec![(1, Deployed, "")], Next::Create(2)),
        ] {
            let records: Vec<Record> = history
                .iter()
                .map(|(revision, status, id)| record(*revision, *status, id))
                .collect();
            let wanted = Wanted {
                bundle: "web",
                deployment_id: "a",
                is_forced: false,
            };
            assert_eq!(next(&records, wanted), expected, "{history:?}");
            // Under another name nothing of it is as it should be.
            let renamed = Wanted {
                bundle: "shop",
                ..wanted
            };
            let newest = history.iter().map(|row| row.0).max().unwrap_or_default();
            let expected = match expected {
                Next::Uninstall => Next::Uninstall,
                _ => Next::Create(newest + 1),
            };
            assert_eq!(next(&records, renamed), expected, "{history:?}");
        }
    }

    #[test]
    fn everything_since_the_last_deployed_revision_may_be_on_the_cluster() {
        let history = [
            record(5, Status::Failed, "c"),
            record(2, Status::Superseded, "a"),
            record(3, Status::Deployed, "b"),
            record(4, Status::PendingUpgrade, "c"),
        ];
        assert_eq!(applied_before(&history, 6), [5, 4, 3]);
        assert_eq!(applied_before(&history, 3), [2]);
        assert_eq!(applied_before(&history[..1], 6), [5]);
        assert!(applied_before(&[], 1).is_empty());
        assert_eq!(
            to_supersede(&history, 6),
            [(3, Status::Superseded), (4, Status::Failed)]
        );
    }

    #[test]
    fn a_failed_upgrade_goes_back_to_the_newest_that_was_deployed() {
        use Status::{Deployed, Failed, PendingUpgrade, Superseded, Uninstalled};
        for (history, expected) in [
            (vec![(1, Deployed)], Some(1)),
            (vec![(1, Superseded), (2, Deployed), (3, Failed)], Some(2)),
            (vec![(2, Superseded), (3, Failed), (1, Superseded)], Some(2)),
            (
                vec![(1, Uninstalled), (2, Failed), (3, PendingUpgrade)],
                None,
            ),
            (vec![(4, Deployed), (5, Deployed)], None),
            (vec![], None),
        ] {
            let records: Vec<Record> = history
                .iter()
                .map(|(revision, status)| record(*revision, *status, "a"))
                .collect();
            let found = to_return_to(&records, 4).map(|record| record.revision);
            assert_eq!(found, expected, "{history:?}");
        }
    }

    #[test]
    fn the_oldest_revisions_are_forgotten() {
        let history: Vec<Record> = (1..=4)
            .map(|revision| record(revision, Status::Superseded, ""))
            .collect();
        assert_eq!(to_forget(&history, 4, None, 2), [1, 2]);
        assert_eq!(to_forget(&history, 4, None, 0), [1, 2, 3]);
        assert_eq!(to_forget(&history, 5, None, 2), [1, 2, 3]);
        assert!(to_forget(&history, 4, None, 10).is_empty());
        assert!(to_forget(&[], 1, None, 2).is_empty());
        // What is deployed stays while what follows fails.
        assert_eq!(to_forget(&history, 4, Some(1), 2), [2, 3]);
        assert_eq!(to_forget(&history, 4, Some(1), 1), [2, 3]);
        assert_eq!(to_forget(&history, 4, Some(1), 3), [2]);
        assert_eq!(to_forget(&history, 4, Some(4), 2), [1, 2]);
    }
}
