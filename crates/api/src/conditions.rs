//! Reading and setting conditions by upstream's rules.
//!
//! `lastUpdateTime` moves only when status or message change, so computing a condition again writes
//! nothing (W-2). `lastTransitionTime` is left to whoever wrote it. The time is an argument.

use jiff::Timestamp;

use crate::v1alpha1::Condition;

/// All is well, for the kinds that have it.
pub const READY: &str = "Ready";
/// BundleDeployment: the release is installed.
pub const INSTALLED: &str = "Installed";
/// BundleDeployment: the last deployment succeeded.
pub const DEPLOYED: &str = "Deployed";
/// BundleDeployment: the state of the release could be read.
pub const MONITORED: &str = "Monitored";
/// Cluster: the agent reports. Not upstream's; a cluster that never was offline has none.
pub const CONNECTED: &str = "Connected";
/// Cluster, ClusterGroup: the status was computed.
pub const PROCESSED: &str = "Processed";
/// Cluster: the agent was deployed.
pub const IMPORTED: &str = "Imported";
/// Cluster: the agent's configuration was applied.
pub const RECONCILED: &str = "Reconciled";
/// GitRepo, HelmOp: the object breaks no restriction.
pub const ACCEPTED: &str = "Accepted";
/// GitRepo, HelmOp: work is under way.
pub const RECONCILING: &str = "Reconciling";
/// GitRepo, HelmOp: the last attempt failed.
pub const STALLED: &str = "Stalled";
/// GitRepo, Bundle: some of it stays at an earlier commit. Not upstream's; there is none before the
/// first time.
pub const PINNED: &str = "Pinned";
/// GitRepo: the repository was polled.
pub const GIT_POLLING: &str = "GitPolling";
/// HelmOp: the Helm repository was polled.
pub const POLLED: &str = "Polled";
/// GitRepo: image tags were written back.
pub const IMAGE_SYNCED: &str = "ImageSynced";
/// ImageScan: the image was scanned.
pub const IMAGE_SCANNED: &str = "ImageScanned";

/// Reason of a condition that reports an error and has no better word.
pub const REASON_ERROR: &str = "Error";

/// What a condition says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It holds.
    True,
    /// It does not hold, without an error.
    False,
    /// Nothing is known.
    Unknown,
    /// It does not hold because of an error: status False, reason `Error`.
    Error(String),
    /// Everything given.
    Full {
        /// `True`, `False` or `Unknown`.
        status: &'static str,
        /// A word for the cause.
        reason: String,
        /// The details, for people.
        message: String,
    },
}

impl Finding {
    /// True without an error, else the error.
    pub fn from_error(error: Option<String>) -> Self {
        error
            .filter(|text| !text.is_empty())
            .map_or(Self::True, Self::Error)
    }

    fn into_parts(self) -> (&'static str, String, String) {
        match self {
            Self::True => ("True", String::new(), String::new()),
            Self::False => ("False", String::new(), String::new()),
            Self::Unknown => ("Unknown", String::new(), String::new()),
            Self::Error(message) => ("False", REASON_ERROR.to_owned(), message),
            Self::Full {
                status,
                reason,
                message,
            } => (status, reason, message),
        }
    }
}

/// The condition of a type, if it is set.
pub fn get<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether a condition is set and holds.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    get(conditions, type_).is_some_and(|condition| condition.status == "True")
}

/// Whether a condition is set and does not hold.
pub fn is_false(conditions: &[Condition], type_: &str) -> bool {
    get(conditions, type_).is_some_and(|condition| condition.status == "False")
}

/// Message of a condition; empty when it is not set.
pub fn message<'a>(conditions: &'a [Condition], type_: &str) -> &'a str {
    get(conditions, type_).map_or("", |condition| condition.message.as_str())
}

/// Sets a condition and tells whether anything changed. New conditions go to the end of the list.
///
/// # Source
/// wrangler, `pkg/condition`.
pub fn set(conditions: &mut Vec<Condition>, type_: &str, finding: Finding, now: Timestamp) -> bool {
    let (status, reason, message) = finding.into_parts();
    let at = conditions
        .iter()
        .position(|condition| condition.type_ == type_);
    let found = at.and_then(|at| conditions.get(at)).cloned();
    let mut next = found.clone().unwrap_or_else(|| Condition {
        type_: type_.to_owned(),
        status: "Unknown".to_owned(),
        ..Condition::default()
    });
    if next.status != status || next.message != message || next.last_update_time.is_empty() {
        next.last_update_time = rfc3339(now);
    }
    status.clone_into(&mut next.status);
    next.reason = reason;
    next.message = message;
    if found.as_ref() == Some(&next) {
        return false;
    }
    match at.and_then(|at| conditions.get_mut(at)) {
        Some(slot) => *slot = next,
        None => conditions.push(next),
    }
    true
}

/// A time as conditions carry it: UTC, whole seconds.
pub fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(second)
    }

    #[test]
    fn the_time_moves_with_status_and_message_only() {
        let mut conditions = Vec::new();
        assert!(set(
            &mut conditions,
            READY,
            Finding::Error("x".to_owned()),
            at(1)
        ));
        assert_eq!(conditions[0].last_update_time, "1970-01-01T00:00:01Z");
        assert_eq!(
            (conditions[0].status.as_str(), conditions[0].reason.as_str()),
            ("False", "Error")
        );

        assert!(!set(
            &mut conditions,
            READY,
            Finding::Error("x".to_owned()),
            at(2)
        ));
        let renamed = Finding::Full {
            status: "False",
            reason: "Other".to_owned(),
            message: "x".to_owned(),
        };
        assert!(set(&mut conditions, READY, renamed, at(3)));
        assert_eq!(conditions[0].last_update_time, "1970-01-01T00:00:01Z");

        assert!(set(&mut conditions, READY, Finding::True, at(4)));
        assert_eq!(conditions[0].last_update_time, "1970-01-01T00:00:04Z");
        assert_eq!(
            (
                conditions[0].reason.as_str(),
                conditions[0].message.as_str()
            ),
            ("", "")
        );
    }

    #[test]
    fn other_conditions_and_their_order_stay() {
        let mut conditions = Vec::new();
        set(&mut conditions, READY, Finding::True, at(1));
        set(&mut conditions, ACCEPTED, Finding::False, at(1));
        set(&mut conditions, READY, Finding::Unknown, at(2));
        let types: Vec<_> = conditions
            .iter()
            .map(|condition| condition.type_.as_str())
            .collect();
        assert_eq!(types, [READY, ACCEPTED]);
        assert!(is_false(&conditions, ACCEPTED) && !is_true(&conditions, READY));
    }

    #[test]
    fn an_empty_error_is_none() {
        assert_eq!(Finding::from_error(Some(String::new())), Finding::True);
        assert_eq!(Finding::from_error(None), Finding::True);
    }
}
