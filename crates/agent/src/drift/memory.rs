//! What is remembered about the objects of one deployment: how they were deployed, and what was last
//! found out about each.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use api::v1alpha1::DiffOptions;
use diff::compare::Rules;
use serde_json::json;
use tokio::time::Instant;

use super::packed::Packed;
use crate::monitor::LiveObject;
use crate::object::Id;
use crate::world::{Applied, digest, is_older};

/// A change that comes back sooner than this after it was corrected is somebody's who does not give in.
const HELD: Duration = Duration::from_secs(1);
/// So often it is corrected at once all the same: people can be quick.
const QUICK_MAX: u32 = 10;
/// Between two corrections that do not hold: from a second to five minutes.
const BACKOFF_MAX: Duration = Duration::from_mins(5);

/// Of one deployment.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// What it is about: release and moment of the deployment.
    of: Option<(String, Instant)>,
    rules: Arc<Rules>,
    rules_digest: u64,
    /// In the order of the inventory.
    pub(crate) objects: Vec<Checked>,
    /// Live objects of ours that the revision before had and this one has not.
    pub(crate) extra: Vec<Id>,
    /// Kinds and names of the revision before, once somebody asked.
    pub(crate) before: Option<Arc<BTreeSet<(String, String)>>>,
    /// Why nothing is known.
    pub(crate) trouble: Option<String>,
}

/// One object.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checked {
    /// As it was deployed; absent when the record does not have it.
    pub(crate) deployed: Option<Packed>,
    /// Resource version of the live object that the state is about.
    pub(crate) version: Box<str>,
    /// Of what counts in that object.
    pub(crate) digest: u64,
    pub(crate) state: State,
    /// The last correction.
    pub(crate) attempt: Option<Box<Attempt>>,
}

/// What is known about an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum State {
    /// Nothing.
    #[default]
    Unknown,
    /// It is as it was deployed.
    InSync,
    /// It is not.
    Differs(Box<Drift>),
    /// There is none of ours.
    Missing {
        /// Somebody else's, or one without a mark.
        exists: bool,
        /// It carries the mark of another deployment.
        foreign: bool,
    },
    /// There is none, and that does not matter.
    Excused,
}

impl State {
    /// Whether the object is not as it was deployed.
    pub(crate) fn is_drift(&self) -> bool {
        matches!(self, Self::Differs(_) | Self::Missing { .. })
    }
}

/// How an object differs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Drift {
    /// Bounded; holds no secret.
    pub(crate) patch: String,
    /// Tells changes apart, also by what is live.
    pub(crate) fingerprint: u64,
    /// Something is not as it was deployed; else something was added, which no deployment takes away.
    pub(crate) can_be_corrected: bool,
}

/// A correction that was tried.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attempt {
    /// Of the change; 0 for a missing object.
    pub(crate) fingerprint: u64,
    /// Corrections of the same change that did not hold, one after the other.
    pub(crate) streak: u32,
    pub(crate) at: Instant,
    /// Not before then.
    pub(crate) next: Instant,
    /// Why it failed, or that it does not hold.
    pub(crate) message: Option<String>,
}

impl Memory {
    /// Whether this is about what is deployed.
    pub(crate) fn is_of(&self, applied: &Applied) -> bool {
        self.of
            .as_ref()
            .is_some_and(|(release, at)| *release == applied.release && *at == applied.at)
    }

    /// Begins anew with what was deployed. Attempts stay where the objects are the same.
    pub(crate) fn begin(&mut self, applied: &Applied, deployed: Vec<Option<Packed>>) {
        let old = std::mem::take(self);
        self.of = Some((applied.release.clone(), applied.at));
        (self.rules, self.rules_digest) = (old.rules, old.rules_digest);
        let checked = |deployed| Checked {
            deployed,
            ..Checked::default()
        };
        self.objects = deployed.into_iter().map(checked).collect();
    }

    /// Takes the rules over; with other rules everything is looked at again.
    pub(crate) fn follow(&mut self, options: Option<&DiffOptions>) {
        let digest = options.map_or(0, |options| digest(&json!(options)));
        if digest == self.rules_digest {
            return;
        }
        self.rules_digest = digest;
        self.rules = Arc::new(Rules::new(options));
        for checked in &mut self.objects {
            checked.forget();
        }
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules)
    }
}

impl Checked {
    /// Has the object looked at again. What is known stays until then.
    pub(crate) fn forget(&mut self) {
        self.version = Box::default();
        self.digest = 0;
        if matches!(self.state, State::Missing { .. } | State::Excused) {
            self.state = State::Unknown;
        }
    }

    /// Whether the object has to be looked at; `live` is what the watch has of it.
    pub(crate) fn is_due(&self, live: Option<&LiveObject>) -> bool {
        match (live, &self.state) {
            (None, State::Missing { .. } | State::Excused) => false,
            (None, _) | (Some(_), State::Unknown | State::Missing { .. } | State::Excused) => true,
            // The watch may be behind what was read.
            (Some(live), _) => {
                live.version != self.version && !is_older(&live.version, &self.version)
            }
        }
    }

    /// A correction of the present state begins at `now`; when it may at the earliest.
    pub(crate) fn may_be_corrected_at(&self, now: Instant) -> Instant {
        self.attempt.as_ref().map_or(now, |attempt| {
            if attempt.fingerprint == self.fingerprint() {
                attempt.next.max(now)
            } else {
                now
            }
        })
    }

    fn fingerprint(&self) -> u64 {
        match &self.state {
            State::Differs(drift) => drift.fingerprint,
            _ => 0,
        }
    }

    /// Remembers that the present state is corrected at `now`.
    pub(crate) fn corrected(&mut self, now: Instant) {
        let fingerprint = self.fingerprint();
        let before = self.attempt.take();
        let quick = before.filter(|it| it.fingerprint == fingerprint && now < it.next + HELD);
        let streak = quick.map_or(0, |attempt| attempt.streak + 1);
        self.attempt = Some(Box::new(Attempt {
            fingerprint,
            streak,
            at: now,
            next: now + backoff(streak.saturating_sub(QUICK_MAX)),
            message: None,
        }));
    }

    /// The correction failed, or the object is as it was before. It is not tried again at once.
    pub(crate) fn not_corrected(&mut self, now: Instant, message: String) {
        let fingerprint = self.fingerprint();
        let attempt = self.attempt.get_or_insert_with(|| {
            Box::new(Attempt {
                fingerprint,
                streak: 0,
                at: now,
                next: now,
                message: None,
            })
        });
        // People's ten quick changes do not count here.
        attempt.streak = attempt.streak.max(QUICK_MAX) + 1;
        attempt.next = now + backoff(attempt.streak - QUICK_MAX);
        attempt.message = Some(message);
    }

    /// Why the last correction of what is wrong now did not help.
    pub(crate) fn refusal(&self) -> Option<&str> {
        let is_wrong = self.state.is_drift();
        let attempt = self.attempt.as_ref().filter(|_| is_wrong)?;
        attempt.message.as_deref()
    }
}

fn backoff(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        n => Duration::from_secs(1_u64 << (n - 1).min(16)).min(BACKOFF_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs(fingerprint: u64) -> State {
        State::Differs(Box::new(Drift {
            patch: "{}".to_owned(),
            fingerprint,
            can_be_corrected: true,
        }))
    }

    /// Corrects as often as it may for an hour, each time the same change coming back at once.
    fn corrections(mut fingerprint: impl FnMut(u64) -> u64, holds: bool) -> u64 {
        let start = Instant::now();
        let (mut now, mut count) = (start, 0);
        let mut checked = Checked::default();
        while now < start + Duration::from_hours(1) && count < 10_000 {
            checked.state = differs(fingerprint(count));
            now = checked.may_be_corrected_at(now);
            checked.corrected(now);
            now += Duration::from_millis(50);
            if !holds {
                checked.not_corrected(now, "does not hold".to_owned());
            }
            count += 1;
        }
        count
    }

    #[test]
    fn whoever_does_not_give_in_is_corrected_less_and_less_often() {
        assert!(corrections(|_| 1, true) < 40);
        assert!(corrections(|_| 1, false) < 30);
    }

    #[test]
    fn changes_that_alternate_are_corrected_at_once() {
        assert_eq!(corrections(|n| n % 2, true), 10_000);
    }

    #[test]
    fn changes_by_hand_are_corrected_at_once_each_time() {
        let mut checked = Checked::default();
        let mut now = Instant::now();
        for _ in 0..1_000 {
            checked.state = differs(1);
            assert_eq!(checked.may_be_corrected_at(now), now);
            checked.corrected(now);
            checked.state = State::InSync;
            now += HELD;
        }
    }

    #[test]
    fn what_went_wrong_is_said_while_it_is_wrong() {
        let mut checked = Checked {
            state: differs(1),
            ..Checked::default()
        };
        let now = Instant::now();
        checked.corrected(now);
        assert_eq!(checked.refusal(), None);
        checked.not_corrected(now, "no".to_owned());
        assert_eq!(checked.refusal(), Some("no"));
        assert!(checked.may_be_corrected_at(now) > now);
        // Another change is another matter.
        checked.state = differs(2);
        assert_eq!(checked.may_be_corrected_at(now), now);
        checked.state = State::InSync;
        assert_eq!(checked.refusal(), None);
    }

    #[test]
    fn back_off_is_bounded() {
        assert_eq!(backoff(0), Duration::ZERO);
        assert_eq!(backoff(1), Duration::from_secs(1));
        assert_eq!(backoff(u32::MAX), BACKOFF_MAX);
    }
}
