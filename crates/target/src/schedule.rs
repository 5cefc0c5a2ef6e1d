//! When clusters may be deployed to: windows of time that begin as a cron expression says.
//!
//! Whether a window is open follows from the schedule and the time alone, so that it does not matter when
//! anybody looked before. A window is as long as its duration says in elapsed time, also where clocks are
//! changed while it is open. Where they are changed at its beginning:
//!
//! | the beginning | it begins |
//! |---|---|
//! | does not exist, clocks are set forward | with the first second after the gap, if hour and minute are fixed |
//! | exists twice, clocks are set back | the first time, if hour and minute are fixed; else each time |
//!
//! Source: fleet, `internal/cmd/controller/reconciler/schedule_controller.go`, which uses go-quartz:
//! seconds come first, the year is optional, weekdays are 1 (Sunday) to 7, `?`, `L`, `W`, `#` and names are
//! allowed.

use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use api::v1alpha1::ScheduleSpec;

/// Windows that are looked at to find out whether they overlap.
const N_COMPARED: usize = 50;
/// Where that begins: any time will do, as long as it is always the same.
const COMPARED_FROM: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// A schedule that means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The expression cannot be read.
    #[error("schedule {schedule:?} is no cron expression with seconds: {reason}")]
    Cron {
        /// The expression.
        schedule: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no such time zone.
    #[error("location {location:?} is no time zone such as Europe/Berlin")]
    Location {
        /// Its name.
        location: String,
    },
    /// No duration is given, or it is no time.
    #[error("duration must be given and longer than zero")]
    NoDuration,
    /// A window begins before the one before it ends.
    #[error("duration is too long and overlaps with the next window of schedule {schedule:?}")]
    Overlap {
        /// The expression.
        schedule: String,
    },
}

/// The windows of a schedule.
#[derive(Clone, Debug)]
pub struct Windows {
    cron: Cron,
    duration: SignedDuration,
    zone: TimeZone,
}

/// What a schedule says at some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// A window is open.
    pub active: bool,
    /// When the next window begins; none if there is no further one.
    pub next_start: Option<Zoned>,
    /// When something else is said; none if never.
    pub next_change: Option<Timestamp>,
}

impl Windows {
    /// Reads a schedule. Without a location, `local` is its time zone.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn of(spec: &ScheduleSpec, local: &TimeZone) -> Result<Self, Error> {
        let cron = parse(&spec.schedule)?;
        let zone = if spec.location.is_empty() {
            local.clone()
        } else {
            TimeZone::get(&spec.location).map_err(|_| Error::Location {
                location: spec.location.clone(),
            })?
        };
        let duration = spec.duration.as_ref();
        let duration = duration.and_then(|duration| duration.to_std().ok());
        let duration = duration.and_then(|duration| SignedDuration::try_from(duration).ok());
        let duration = duration
            .filter(SignedDuration::is_positive)
            .ok_or(Error::NoDuration)?;
        if overlaps(&cron, duration) {
            let schedule = spec.schedule.clone();
            return Err(Error::Overlap { schedule });
        }
        Ok(Self {
            cron,
            duration,
            zone,
        })
    }

    /// What the schedule says at `now`.
    pub fn at(&self, now: Timestamp) -> Moment {
        let here = now.to_zoned(self.zone.clone());
        // An error says that there is none.
        let last = self.cron.find_previous_occurrence(&here, true).ok();
        let next_start = self.cron.find_next_occurrence(&here, false).ok();
        let end = last.and_then(|start| start.timestamp().checked_add(self.duration).ok());
        let end = end.filter(|end| *end > now);
        let next = next_start.as_ref().map(Zoned::timestamp);
        Moment {
            active: end.is_some(),
            next_change: end.into_iter().chain(next).min(),
            next_start,
        }
    }
}

fn parse(schedule: &str) -> Result<Cron, Error> {
    let fail = |reason: String| Error::Cron {
        schedule: schedule.to_owned(),
        reason,
    };
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    let is_given = |place: usize| {
        fields
            .get(place)
            .is_some_and(|field| !matches!(*field, "*" | "?"))
    };
    if is_given(3) && is_given(5) {
        return Err(fail("day field set twice".to_owned()));
    }
    if schedule.contains('+') {
        return Err(fail("+ has no meaning".to_owned()));
    }
    let parser = CronParser::builder()
        .alternative_weekdays(true)
        .seconds(Seconds::Required)
        .year(Year::Optional)
        .sloppy_ranges(true)
        .build();
    parser
        .parse(schedule)
        .map_err(|error| fail(error.to_string()))
}

/// Whether windows overlap where no clocks are changed.
fn overlaps(cron: &Cron, duration: SignedDuration) -> bool {
    let from = COMPARED_FROM.to_zoned(TimeZone::UTC);
    let starts: Vec<Timestamp> = cron
        .iter_after(from)
        .take(N_COMPARED)
        .map(|start| start.timestamp())
        .collect();
    let mut pairs = starts.iter().zip(starts.iter().skip(1));
    pairs.any(|(one, next)| next.duration_since(*one) <= duration)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn windows(schedule: &str, duration: &str, location: &str) -> Result<Windows, Error> {
        let spec = json!({ "schedule": schedule, "duration": duration, "location": location });
        Windows::of(&serde_json::from_value(spec).unwrap(), &TimeZone::UTC)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Whether a window is open, and when the next one begins.
    fn says(windows: &Windows, now: &str) -> (bool, String) {
        let moment = windows.at(at(now));
        let next = moment
            .next_start
            .map_or_else(String::new, |next| next.timestamp().to_string());
        (moment.active, next)
    }

    #[test]
    fn a_window_is_open_from_its_beginning_and_closed_at_its_end() {
        let nightly = windows("0 30 22 * * ?", "2h", "").unwrap();
        for (now, active, change) in [
            ("2026-03-01T22:29:59Z", false, "2026-03-01T22:30:00Z"),
            ("2026-03-01T22:30:00Z", true, "2026-03-02T00:30:00Z"),
            ("2026-03-02T00:29:59.999Z", true, "2026-03-02T00:30:00Z"),
            ("2026-03-02T00:30:00Z", false, "2026-03-02T22:30:00Z"),
        ] {
            let moment = nightly.at(at(now));
            assert_eq!(
                (moment.active, moment.next_change),
                (active, Some(at(change))),
                "{now}"
            );
        }
    }

    #[test]
    fn expressions_are_read_as_quartz_reads_them() {
        // 1 March 2026 is a Sunday.
        let now = "2026-03-01T12:10:00Z";
        for (schedule, next) in [
            ("0 0 10 ? * 2", "2026-03-02T10:00:00Z"),
            ("0 0 10 ? * MON-FRI", "2026-03-02T10:00:00Z"),
            ("0 0 10 ? * SUN", "2026-03-08T10:00:00Z"),
            ("0 0 10 ? * 1", "2026-03-08T10:00:00Z"),
            ("0 0 10 ? * 6L", "2026-03-27T10:00:00Z"),
            ("0 0 10 ? * 3#2", "2026-03-10T10:00:00Z"),
            ("0 0 10 L * ?", "2026-03-31T10:00:00Z"),
            ("0 0/20 * * * ?", "2026-03-01T12:20:00Z"),
            ("15 0 10 1 JAN ? 2027", "2027-01-01T10:00:15Z"),
            ("0 0 10 1 1 ? 2020", ""),
        ] {
            let windows = windows(schedule, "1m", "").unwrap();
            assert_eq!(says(&windows, now), (false, next.to_owned()), "{schedule}");
        }
    }

    #[test]
    fn what_means_nothing_is_named() {
        for (schedule, duration, location, wanted) in [
            ("", "1h", "", "no cron expression"),
            ("0 22 * * *", "1h", "", "no cron expression"),
            ("0 0 22 * * ? 2030 1", "1h", "", "no cron expression"),
            ("0 0 25 * * ?", "1h", "", "no cron expression"),
            ("0 0 22 1 * 2", "1h", "", "day field set twice"),
            ("0 0 22 * * +MON", "1h", "", "no meaning"),
            ("0 0 22 * * BAD", "1h", "", "no cron expression"),
            ("0 0 22 * * ?", "1h", "Mars/Base", "Mars/Base"),
            ("0 0 22 * * ?", "0s", "", "duration must be given"),
            ("0 0 22 * * ?", "24h", "", "overlaps"),
            ("0 0 22,23 * * ?", "1h30m", "", "overlaps"),
        ] {
            let error = windows(schedule, duration, location)
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(wanted),
                "{schedule} {duration} {location}: {error}"
            );
        }
        let none = ScheduleSpec {
            schedule: "0 0 22 * * ?".to_owned(),
            ..ScheduleSpec::default()
        };
        let error = Windows::of(&none, &TimeZone::UTC).unwrap_err();
        assert_eq!(error, Error::NoDuration);
    }

    #[test]
    fn windows_begin_by_the_clocks_of_their_location_before_and_after_these_change() {
        let berlin = windows("0 0 4 * * ?", "1h", "Europe/Berlin").unwrap();
        assert_eq!(
            says(&berlin, "2026-03-28T00:00:00Z").1,
            "2026-03-28T03:00:00Z"
        );
        assert_eq!(
            says(&berlin, "2026-03-29T00:00:00Z").1,
            "2026-03-29T02:00:00Z"
        );
        assert_eq!(
            says(&berlin, "2026-10-25T00:00:00Z").1,
            "2026-10-25T03:00:00Z"
        );
    }

    #[test]
    fn a_beginning_that_does_not_exist_comes_with_the_end_of_the_gap() {
        // Clocks went from 2:00 to 3:00 at 1:00 UTC.
        let berlin = windows("0 30 2 * * ?", "1h", "Europe/Berlin").unwrap();
        assert_eq!(
            says(&berlin, "2026-03-29T00:00:00Z"),
            (false, "2026-03-29T01:00:00Z".to_owned())
        );
        assert!(says(&berlin, "2026-03-29T01:00:00Z").0);
        assert!(says(&berlin, "2026-03-29T01:59:59Z").0);
        assert!(!says(&berlin, "2026-03-29T02:00:00Z").0);
    }

    #[test]
    fn a_beginning_that_comes_twice_counts_once_and_the_window_keeps_its_length() {
        // Clocks went from 3:00 to 2:00 at 1:00 UTC.
        let berlin = windows("0 30 2 * * ?", "1h", "Europe/Berlin").unwrap();
        assert_eq!(
            says(&berlin, "2026-10-25T00:00:00Z"),
            (false, "2026-10-25T00:30:00Z".to_owned())
        );
        assert!(says(&berlin, "2026-10-25T00:30:00Z").0);
        assert!(says(&berlin, "2026-10-25T01:29:59Z").0);
        assert!(
            !says(&berlin, "2026-10-25T01:30:00Z").0,
            "the second half past two"
        );
        // One that is open over the change lasts as long as it says.
        let over = windows("0 0 1 * * ?", "3h", "Europe/Berlin").unwrap();
        assert!(says(&over, "2026-10-25T01:59:59Z").0);
        assert!(!says(&over, "2026-10-25T02:00:00Z").0);
    }
}
