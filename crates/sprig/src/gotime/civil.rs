//! Dates and hours of Go's calendar: Gregorian at all times, with a year 0.
//!
//! In: seconds since 1970, of any size. Out: date and hour, or the other way round.

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

pub(super) const SECONDS_OF_DAY: i64 = 86_400;

/// Seconds from the year in which Go's calendar starts, -292,277,022,399, to 1970. Earlier moments count as
/// late ones: Go's arithmetic goes round.
const BEFORE_1970: i128 = (730_692_556 * 146_097 + 306) * 86_400 + 62_135_596_800;

/// A date and an hour, in no zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// The year 0 is the one before the year 1.
    pub year: i64,
    /// From 1.
    pub month: i64,
    /// Of the month, from 1.
    pub day: i64,
    /// Of the year, from 1.
    pub year_day: i64,
    /// From 0, which is Sunday.
    pub week_day: i64,
    /// From 0 to 23.
    pub hour: i64,
    /// From 0 to 59.
    pub minute: i64,
    /// From 0 to 59.
    pub second: i64,
}

impl Civil {
    /// The date and hour of seconds since 1970.
    pub fn of_seconds(seconds: i64) -> Self {
        let wrapped = (i128::from(seconds) + BEFORE_1970).rem_euclid(1 << 64) - BEFORE_1970;
        let (days, rest) = (
            wrapped.div_euclid(86_400),
            wrapped.rem_euclid(86_400) as i64,
        );
        // The years start in March here, so that leap days come last.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        let year = (year_of_era + era * 400 + i128::from(month <= 2)) as i64;
        let (month, day) = (month as i64, day as i64);
        Self {
            year,
            month,
            day,
            year_day: days_before(month, year) + day,
            week_day: (days + 4).rem_euclid(7) as i64,
            hour: rest / 3_600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }

    /// The English name of the month.
    pub fn month_name(&self) -> &'static str {
        month_name(self.month).unwrap_or_default()
    }

    /// The English name of the day of the week.
    pub fn day_name(&self) -> &'static str {
        day_name(self.week_day).unwrap_or_default()
    }
}

/// The English name of a month, counted from 1.
pub fn month_name(month: i64) -> Option<&'static str> {
    let at = usize::try_from(month.checked_sub(1)?).ok()?;
    MONTHS.get(at).copied()
}

/// The English name of a day of the week, counted from Sunday, which is 0.
pub fn day_name(day: i64) -> Option<&'static str> {
    DAYS.get(usize::try_from(day).ok()?).copied()
}

pub(super) fn months() -> &'static [&'static str] {
    &MONTHS
}

pub(super) fn days() -> &'static [&'static str] {
    &DAYS
}

pub(super) const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(super) fn days_in(month: i64, year: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of the year before a month.
pub(super) fn days_before(month: i64, year: i64) -> i64 {
    (1..month).map(|m| days_in(m, year)).sum()
}

/// Days since 1970 of a date whose month and day may be beyond their bounds.
pub(super) fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = year.wrapping_add((month - 1).div_euclid(12));
    let month = (month - 1).rem_euclid(12) + 1;
    let y = i128::from(year) - i128::from(month <= 2);
    let (era, year_of_era) = (y.div_euclid(400), y.rem_euclid(400));
    let from_march = i128::from((month + 9) % 12);
    let day_of_year = (153 * from_march + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    (days as i64).wrapping_add(day - 1)
}
