//! What is an event, and which of them are written. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use api::limits::fit_text;
use apiclient::ObjectKey;
use tokio::time::Instant;

use crate::bundle::Report;
use crate::git_repo::Sync;

const FLEET: &str = api::v1alpha1::API_VERSION;
/// The Bundle controller of upstream.
const BUNDLES: &str = "fleet-bundle-ctrl";
/// Upstream's controllers of GitRepos.
const GITOPS: &str = "fleet-gitops";
const CONTROLLER: &str = "fleet-controller";
const NORMAL: &str = "Normal";
const WARNING: &str = "Warning";
/// What the API server takes of a note.
const NOTE_BYTES_MAX: usize = 1024;

/// Something that people may want to know about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Happening {
    /// The part of the hub that tells it, without the shard.
    pub(crate) component: &'static str,
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) object: ObjectKey,
    pub(crate) uid: String,
    pub(crate) severity: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) action: &'static str,
    pub(crate) note: String,
}

fn about(
    (component, kind): (&'static str, &'static str),
    (object, uid): (&ObjectKey, &str),
    (severity, reason, action): (&'static str, &'static str, &'static str),
    note: &str,
) -> Happening {
    Happening {
        component,
        api_version: FLEET,
        kind,
        object: object.clone(),
        uid: uid.to_owned(),
        severity,
        reason,
        action,
        note: fit_text(note, NOTE_BYTES_MAX).into_owned(),
    }
}

const POLICY: (&str, &str, &str) = (WARNING, "PolicyViolation", "ApplyPolicyRestrictions");

/// What a run for a Bundle found out that the run before did not.
pub(crate) fn about_bundle(
    bundle: (&ObjectKey, &str),
    before: Option<&Report>,
    now: &Report,
) -> Option<Happening> {
    let problem = now.problem.as_deref().filter(|_| now.is_denied)?;
    let is_new = before.is_none_or(|before| before.problem.as_deref() != Some(problem));
    is_new.then(|| about((BUNDLES, "Bundle"), bundle, POLICY, problem))
}

/// What a run for a GitRepo found out that the run before did not. What a process finds in its first run
/// is new to it but for the commit, which the status tells.
pub(crate) fn about_repository(
    repo: (&ObjectKey, &str),
    before: Option<&Sync>,
    stored_commit: &str,
    now: &Sync,
) -> Vec<Happening> {
    let tell = |what, note: &str| about((GITOPS, "GitRepo"), repo, what, note);
    let mut happenings = Vec::new();
    let polled = before.map_or(stored_commit, |before| &before.polling_commit);
    if !now.polling_commit.is_empty() && now.polling_commit != polled {
        let what = (NORMAL, "GotNewCommit", "GetNewCommit");
        happenings.push(tell(what, &now.polling_commit));
    }
    let polling_error = now.polling_error.as_deref();
    if let Some(error) = polling_error
        && before.and_then(|before| before.polling_error.as_deref()) != Some(error)
    {
        let what = (WARNING, "FailedToCheckCommit", "CheckCommit");
        happenings.push(tell(what, error));
    }
    let problem = now.problem();
    if let Some(text) = problem
        && problem != polling_error
        && before.and_then(Sync::problem) != problem
    {
        let failed = (WARNING, "Failed", "Synchronize");
        let what = if now.is_denied { POLICY } else { failed };
        happenings.push(tell(what, text));
    }
    happenings
}

/// A status that had everything leaves something out from now on (invariant B-3).
pub(crate) fn about_omissions(
    (kind, object): (&'static str, (&ObjectKey, &str)),
    before: i64,
    now: i64,
) -> Option<Happening> {
    let component = if kind == "Bundle" { BUNDLES } else { GITOPS };
    let note = format!(
        "the status would be larger than its budget: {now} entries are counted and not listed, those that are ready first"
    );
    let what = (WARNING, "DetailsOmitted", "FitStatus");
    (before == 0 && now > 0).then(|| about((component, kind), object, what, &note))
}

/// An object is larger than its budget and was not written.
pub(crate) fn about_size(
    (kind, object): (&'static str, (&ObjectKey, &str)),
    error: &apiclient::Error,
) -> Option<Happening> {
    let apiclient::Error::OverBudget { .. } = error else {
        return None;
    };
    let what = (WARNING, "ObjectTooLarge", "WriteObject");
    let component = if kind == "GitRepo" { GITOPS } else { BUNDLES };
    Some(about((component, kind), object, what, &error.to_string()))
}

/// A content that nobody needs could not be deleted from its registry, and stays there.
pub(crate) fn about_artifact(bundle: (&ObjectKey, &str), id: &str, problem: &str) -> Happening {
    let what = (WARNING, "FailedToDeleteOCIArtifact", "DeleteOCIArtifact");
    let note = format!("content {id} stays in its registry: {problem}");
    about((BUNDLES, "Bundle"), bundle, what, &note)
}

/// The configuration cannot be read.
pub(crate) fn about_config(map: &ObjectKey, uid: &str, problem: &str) -> Happening {
    let what = (WARNING, "InvalidConfiguration", "ReadConfiguration");
    let note = format!("what was configured before stays: {problem}");
    Happening {
        api_version: "v1",
        ..about((CONTROLLER, "ConfigMap"), (map, uid), what, &note)
    }
}

/// An agent asked to be registered, and is not.
pub(crate) fn about_registration(request: (&ObjectKey, &str), why: &str) -> Happening {
    let what = (WARNING, "NotRegistered", "Register");
    about((CONTROLLER, "ClusterRegistration"), request, what, why)
}

/// How long the same happening counts as one that goes on. Source: client-go `tools/events`.
const SERIES: Duration = Duration::from_mins(6);
/// How often the count of one is written at most.
const COUNT_PAUSE: Duration = Duration::from_mins(1);
/// Events about one object at once, and how long until one more is allowed. Source: client-go's spam filter.
const BURST: u32 = 25;
const REFILL: Duration = Duration::from_mins(5);
/// Happenings and objects that are remembered; the oldest are forgotten.
const REMEMBERED_MAX: usize = 4096;

/// What is to be done about a happening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is counted already, or there are too many about its object.
    Nothing,
    Create,
    /// The same has happened before.
    Count {
        event: ObjectKey,
        n: i32,
    },
}

/// What was written lately.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    series: BTreeMap<String, Series>,
    objects: BTreeMap<String, Tokens>,
}

#[derive(Debug)]
struct Series {
    event: Option<ObjectKey>,
    n: i32,
    last: Instant,
    written: Instant,
}

#[derive(Debug)]
struct Tokens {
    left: u32,
    since: Instant,
}

impl Recent {
    /// Decides about a happening.
    pub(crate) fn step(&mut self, happening: &Happening, now: Instant) -> Step {
        let id = series_id(happening);
        let known = self.series.get_mut(&id);
        if let Some(series) = known.filter(|series| now < series.last + SERIES) {
            series.n = series.n.saturating_add(1);
            series.last = now;
            let is_due = series.n == 2 || now >= series.written + COUNT_PAUSE;
            let (event, n) = (series.event.clone(), series.n);
            return match event {
                Some(event) if is_due && self.take_token(happening, now) => {
                    if let Some(series) = self.series.get_mut(&id) {
                        series.written = now;
                    }
                    Step::Count { event, n }
                }
                _ => Step::Nothing,
            };
        }
        if !self.take_token(happening, now) {
            return Step::Nothing;
        }
        forget_oldest(&mut self.series, |series| series.last);
        let series = Series {
            event: None,
            n: 1,
            last: now,
            written: now,
        };
        self.series.insert(id, series);
        Step::Create
    }

    /// The Event for a happening was created.
    pub(crate) fn created(&mut self, happening: &Happening, event: ObjectKey) {
        if let Some(series) = self.series.get_mut(&series_id(happening)) {
            series.event = Some(event);
        }
    }

    /// How many happenings and objects are remembered.
    #[cfg(test)]
    pub(crate) fn sizes(&self) -> (usize, usize) {
        (self.series.len(), self.objects.len())
    }

    fn take_token(&mut self, happening: &Happening, now: Instant) -> bool {
        let id = format!("{} {}", happening.kind, happening.object);
        if !self.objects.contains_key(&id) {
            forget_oldest(&mut self.objects, |tokens| tokens.since);
        }
        let full = Tokens {
            left: BURST,
            since: now,
        };
        let tokens = self.objects.entry(id).or_insert(full);
        let silent = now.saturating_duration_since(tokens.since);
        let earned = u32::try_from(silent.as_secs() / REFILL.as_secs()).unwrap_or(BURST);
        if earned > 0 {
            tokens.left = tokens.left.saturating_add(earned).min(BURST);
            tokens.since = now;
        }
        let is_allowed = tokens.left > 0;
        tokens.left = tokens.left.saturating_sub(1);
        is_allowed
    }
}

fn series_id(happening: &Happening) -> String {
    let Happening {
        component,
        kind,
        object,
        severity,
        reason,
        action,
        note,
        ..
    } = happening;
    format!("{component} {kind} {object} {severity} {reason} {action} {note}")
}

fn forget_oldest<T>(remembered: &mut BTreeMap<String, T>, age: impl Fn(&T) -> Instant) {
    if remembered.len() < REMEMBERED_MAX {
        return;
    }
    let oldest = remembered.iter().min_by_key(|(_, one)| age(one));
    if let Some(id) = oldest.map(|(id, _)| id.clone()) {
        remembered.remove(&id);
    }
}
