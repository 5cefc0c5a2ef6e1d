//! Loose semantic versions and version constraints, as Masterminds' semver 3.5 reads and checks
//! them.
//!
//! In: texts. Out: [`Version`], [`Constraint`], and whether one meets the other. The texts of errors
//! are those of the original, because charts print them. Says nothing about where versions come
//! from.

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

/// Longest text read as a version, in bytes.
const MAX_VERSION_LEN: usize = 256;
/// Longest text read as a constraint, in bytes.
const MAX_CONSTRAINT_LEN: usize = 512;
/// Most alternatives (parts between `||`) in a constraint.
const MAX_CONSTRAINT_GROUPS: usize = 32;

/// Why a text is not a version or not a constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not of the form `major[.minor[.patch]][-pre][+build]`.
    #[error("invalid semantic version")]
    Invalid,
    /// Longer than 256 bytes.
    #[error("version string is too long (max {MAX_VERSION_LEN} bytes)")]
    VersionTooLong,
    /// A number beyond 64 bits.
    #[error("error parsing version segment: strconv.ParseUint: parsing {0:?}: value out of range")]
    Segment(String),
    /// An empty or badly spelled part of the pre-release.
    #[error("invalid prerelease string")]
    Prerelease,
    /// A number with leading zeros in the pre-release.
    #[error("version segment starts with 0")]
    LeadingZero,
    /// An empty or badly spelled part of the build metadata.
    #[error("invalid metadata string")]
    Metadata,
    /// Not a constraint.
    #[error("improper constraint: {}", quote(.0))]
    Constraint(String),
    /// A constraint whose version cannot be read.
    #[error("constraint parser error")]
    ConstraintVersion,
    /// Longer than 512 bytes.
    #[error("constraint string is too long (max {MAX_CONSTRAINT_LEN} bytes)")]
    ConstraintTooLong,
    /// More than 32 alternatives.
    #[error("too many constraint groups (max {MAX_CONSTRAINT_GROUPS})")]
    TooManyGroups,
}

fn quote(text: &str) -> String {
    crate::gotext::quote(text.as_bytes())
}

/// A version: three numbers, pre-release and build metadata, and the text it was read from.
#[derive(Debug, Clone)]
pub struct Version {
    /// First number.
    pub major: u64,
    /// Second number, 0 when absent.
    pub minor: u64,
    /// Third number, 0 when absent.
    pub patch: u64,
    /// What follows `-`, or empty.
    pub pre: String,
    /// What follows `+`, or empty.
    pub metadata: String,
    /// The text as given.
    pub original: String,
}

const LOOSE: &str = r"v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";
const WILD: &str = r"v?([0-9|x|X|\*]+)(\.[0-9|x|X|\*]+)?(\.[0-9|x|X|\*]+)?(-([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?(\+([0-9A-Za-z\-]+(\.[0-9A-Za-z\-]+)*))?";
const OPERATORS: &str = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^";
/// White space as Go's regexp has it.
const SPACE: &str = r"[\t\n\x0C\r ]";

#[expect(
    clippy::expect_used,
    reason = "the patterns are constants and covered by tests"
)]
fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("constant pattern")
}

static VERSION: LazyLock<Regex> = LazyLock::new(|| compiled(&format!("^{LOOSE}$")));
static ONE: LazyLock<Regex> =
    LazyLock::new(|| compiled(&format!("^{SPACE}*({OPERATORS}){SPACE}*({WILD}){SPACE}*$")));
static RANGE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(&format!(
        "{SPACE}*({WILD}){SPACE}+-{SPACE}+({WILD}){SPACE}*"
    ))
});
static FIND: LazyLock<Regex> =
    LazyLock::new(|| compiled(&format!("({OPERATORS}){SPACE}*({WILD})")));
static VALID: LazyLock<Regex> = LazyLock::new(|| {
    let term = format!("({OPERATORS}){SPACE}*({WILD}){SPACE}*");
    compiled(&format!(
        "^({SPACE}*{term})((?:{SPACE}+|,{SPACE}*){term})*$"
    ))
});

impl Version {
    /// Reads a version loosely: a leading `v`, missing minor and patch, and leading zeros are fine.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_VERSION_LEN {
            return Err(Error::VersionTooLong);
        }
        let found = VERSION.captures(text).ok_or(Error::Invalid)?;
        let part = |i: usize| found.get(i).map_or("", |m| m.as_str());
        let number = |i: usize| -> Result<u64, Error> {
            let digits = part(i).trim_start_matches('.');
            if digits.is_empty() {
                return Ok(0);
            }
            digits
                .parse()
                .map_err(|_| Error::Segment(digits.to_owned()))
        };
        let version = Self {
            major: number(1)?,
            minor: number(2)?,
            patch: number(3)?,
            pre: part(5).to_owned(),
            metadata: part(8).to_owned(),
            original: text.to_owned(),
        };
        version.check_prerelease()?;
        Ok(version)
    }

    /// Whether a text is a version to the letter of the standard, as `StrictNewVersion` reads it.
    pub fn is_strict(text: &str) -> bool {
        if text.len() > MAX_VERSION_LEN {
            return false;
        }
        let number = |part: &str| {
            let leading_zero = part.len() > 1 && part.starts_with('0');
            let digits = part.bytes().all(|b| b.is_ascii_digit());
            digits && !leading_zero && part.parse::<u64>().is_ok()
        };
        let word = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let (text, metadata) = match text.split_once('+') {
            Some((text, metadata)) => (text, Some(metadata)),
            None => (text, None),
        };
        let (numbers, pre) = match text.split_once('-') {
            Some((numbers, pre)) => (numbers, Some(pre)),
            None => (text, None),
        };
        let numeric = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        numbers.split('.').count() == 3
            && numbers.split('.').all(number)
            && metadata.is_none_or(|metadata| metadata.split('.').all(word))
            && pre.is_none_or(|pre| {
                let zero = |part: &str| numeric(part) && part.len() > 1 && part.starts_with('0');
                pre.split('.').all(|part| word(part) && !zero(part))
            })
    }

    fn check_prerelease(&self) -> Result<(), Error> {
        if self.pre.is_empty() {
            return Ok(());
        }
        for part in self.pre.split('.') {
            let digits = part.bytes().all(|b| b.is_ascii_digit());
            if digits && part.len() > 1 && part.starts_with('0') {
                return Err(Error::LeadingZero);
            }
        }
        Ok(())
    }

    /// The next patch release; a pre-release loses its suffix instead. None on overflow.
    pub fn next_patch(&self) -> Option<Self> {
        let patch = if self.pre.is_empty() {
            self.patch.checked_add(1)?
        } else {
            self.patch
        };
        Some(self.successor(self.major, self.minor, patch))
    }

    /// The next minor release. None on overflow.
    pub fn next_minor(&self) -> Option<Self> {
        Some(self.successor(self.major, self.minor.checked_add(1)?, 0))
    }

    /// The next major release. None on overflow.
    pub fn next_major(&self) -> Option<Self> {
        Some(self.successor(self.major.checked_add(1)?, 0, 0))
    }

    fn successor(&self, major: u64, minor: u64, patch: u64) -> Self {
        let prefix = if self.original.starts_with('v') {
            "v"
        } else {
            ""
        };
        Self {
            major,
            minor,
            patch,
            pre: String::new(),
            metadata: String::new(),
            original: format!("{prefix}{major}.{minor}.{patch}"),
        }
    }

    /// Precedence; build metadata does not count.
    pub fn compare(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => compare_prerelease(&self.pre, &other.pre),
            })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.pre.is_empty() {
            write!(f, "-{}", self.pre)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

/// Dot-separated parts one by one: numbers by value and before words, a missing part first.
fn compare_prerelease(a: &str, b: &str) -> Ordering {
    let mut left = a.split('.');
    let mut right = b.split('.');
    loop {
        let (l, r) = (left.next(), right.next());
        if l.is_none() && r.is_none() {
            return Ordering::Equal;
        }
        let (l, r) = (l.unwrap_or_default(), r.unwrap_or_default());
        let order = match (
            l.is_empty(),
            r.is_empty(),
            l.parse::<u64>(),
            r.parse::<u64>(),
        ) {
            (true, true, ..) => Ordering::Equal,
            (.., Ok(l), Ok(r)) => l.cmp(&r),
            (true, false, ..) | (false, false, Ok(_), Err(_)) => Ordering::Less,
            (false, true, ..) | (false, false, Err(_), Ok(_)) => Ordering::Greater,
            (.., Err(_), Err(_)) => l.cmp(r),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Alternatives (`||`) of terms that must all hold (space or comma).
#[derive(Debug, Clone)]
pub struct Constraint {
    groups: Vec<Group>,
}

#[derive(Debug, Clone)]
struct Group {
    terms: Vec<Term>,
    /// Pre-releases only count where a term of the group names one.
    prerelease: bool,
}

#[derive(Debug, Clone)]
struct Term {
    operator: Operator,
    version: Version,
    /// Some part is missing or a wildcard.
    dirty: bool,
    minor_dirty: bool,
    patch_dirty: bool,
}

#[derive(Debug, Clone, Copy)]
enum Operator {
    TildeOrEqual,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

impl Constraint {
    /// Reads a constraint such as `>=1.2, <2 || ~3.1` or `1.2 - 1.4`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_CONSTRAINT_LEN {
            return Err(Error::ConstraintTooLong);
        }
        let text = rewrite_ranges(text);
        let alternatives: Vec<&str> = text.split("||").collect();
        if alternatives.len() > MAX_CONSTRAINT_GROUPS {
            return Err(Error::TooManyGroups);
        }
        let groups = alternatives
            .into_iter()
            .map(parse_group)
            .collect::<Result<_, _>>()?;
        Ok(Self { groups })
    }

    /// Whether the version meets the constraint.
    pub fn check(&self, version: &Version) -> bool {
        self.groups.iter().any(|group| {
            group
                .terms
                .iter()
                .all(|term| term.check(version, group.prerelease))
        })
    }
}

fn rewrite_ranges(text: &str) -> String {
    let mut out = text.to_owned();
    for found in RANGE.captures_iter(text) {
        let whole = found.get(0).map_or("", |m| m.as_str());
        let low = found.get(1).map_or("", |m| m.as_str());
        let high = found.get(11).map_or("", |m| m.as_str());
        out = out.replacen(whole, &format!(">= {low}, <= {high} "), 1);
    }
    out
}

fn parse_group(text: &str) -> Result<Group, Error> {
    if !VALID.is_match(text) {
        return Err(Error::Constraint(text.to_owned()));
    }
    let mut terms = FIND
        .find_iter(text)
        .map(|m| parse_term(m.as_str()))
        .collect::<Result<Vec<_>, _>>()?;
    if terms.is_empty() {
        terms.push(parse_term(text)?);
    }
    let prerelease = terms.iter().any(|t| !t.version.pre.is_empty());
    Ok(Group { terms, prerelease })
}

fn is_wild(part: &str) -> bool {
    matches!(part.trim_start_matches('.'), "" | "x" | "X" | "*")
}

fn parse_term(text: &str) -> Result<Term, Error> {
    let found = ONE
        .captures(text)
        .ok_or_else(|| Error::Constraint(text.to_owned()))?;
    let part = |i: usize| found.get(i).map_or("", |m| m.as_str());
    let (mut dirty, mut minor_dirty, mut patch_dirty) = (true, false, false);
    let version = if is_wild(part(3)) {
        format!("0.0.0{}", part(6))
    } else if is_wild(part(4)) {
        minor_dirty = true;
        format!("{}.0.0{}", part(3), part(6))
    } else if is_wild(part(5)) {
        patch_dirty = true;
        format!("{}{}.0{}", part(3), part(4), part(6))
    } else {
        dirty = false;
        part(2).to_owned()
    };
    Ok(Term {
        operator: match part(1) {
            "!=" => Operator::NotEqual,
            ">" => Operator::Greater,
            "<" => Operator::Less,
            ">=" | "=>" => Operator::GreaterEqual,
            "<=" | "=<" => Operator::LessEqual,
            "~" | "~>" => Operator::Tilde,
            "^" => Operator::Caret,
            _ => Operator::TildeOrEqual,
        },
        version: Version::parse(&version).map_err(|_| Error::ConstraintVersion)?,
        dirty,
        minor_dirty,
        patch_dirty,
    })
}

impl Term {
    fn check(&self, v: &Version, prerelease: bool) -> bool {
        if !v.pre.is_empty() && !prerelease {
            return false;
        }
        let order = v.compare(&self.version);
        match self.operator {
            Operator::TildeOrEqual if self.dirty => self.tilde(v),
            Operator::TildeOrEqual => self.equal(v),
            Operator::NotEqual => self.not_equal(v),
            Operator::Greater => self.greater(v),
            Operator::Less => order == Ordering::Less,
            Operator::GreaterEqual => order != Ordering::Less,
            Operator::LessEqual => self.less_equal(v),
            Operator::Tilde => self.tilde(v),
            Operator::Caret => self.caret(v),
        }
    }

    fn equal(&self, v: &Version) -> bool {
        v.compare(&self.version) == Ordering::Equal
    }

    fn not_equal(&self, v: &Version) -> bool {
        let c = &self.version;
        if self.dirty {
            if c.major != v.major {
                return true;
            }
            if c.minor != v.minor && !self.minor_dirty {
                return true;
            }
            if self.minor_dirty {
                return false;
            }
            if c.patch != v.patch && !self.patch_dirty {
                return true;
            }
            if self.patch_dirty {
                let some = !v.pre.is_empty() || !c.pre.is_empty();
                return some && compare_prerelease(&v.pre, &c.pre) != Ordering::Equal;
            }
        }
        !self.equal(v)
    }

    fn greater(&self, v: &Version) -> bool {
        let c = &self.version;
        if !self.dirty {
            return v.compare(c) == Ordering::Greater;
        }
        match v.major.cmp(&c.major) {
            Ordering::Greater => true,
            Ordering::Less => false,
            Ordering::Equal if self.minor_dirty => false,
            Ordering::Equal if self.patch_dirty => v.minor > c.minor,
            Ordering::Equal => v.compare(c) == Ordering::Greater,
        }
    }

    fn less_equal(&self, v: &Version) -> bool {
        let c = &self.version;
        if !self.dirty {
            return v.compare(c) != Ordering::Greater;
        }
        !(v.major > c.major || v.major == c.major && v.minor > c.minor && !self.minor_dirty)
    }

    fn tilde(&self, v: &Version) -> bool {
        let c = &self.version;
        if v.compare(c) == Ordering::Less {
            return false;
        }
        let zero = c.major == 0 && c.minor == 0 && c.patch == 0;
        if zero && !self.minor_dirty && !self.patch_dirty {
            return true;
        }
        v.major == c.major && (v.minor == c.minor || self.minor_dirty)
    }

    fn caret(&self, v: &Version) -> bool {
        let c = &self.version;
        if v.compare(c) == Ordering::Less {
            return false;
        }
        if c.major > 0 || self.minor_dirty {
            return v.major == c.major;
        }
        if v.major > 0 {
            return false;
        }
        if c.minor > 0 || self.patch_dirty {
            return v.minor == c.minor;
        }
        v.minor == 0 && c.patch == v.patch
    }
}

/// Whether `version` is in the range `constraint`; false when either cannot be read, as Helm's
/// `IsCompatibleRange`.
pub fn is_compatible_range(constraint: &str, version: &str) -> bool {
    match (Version::parse(version), Constraint::parse(constraint)) {
        (Ok(version), Ok(constraint)) => constraint.check(&version),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_hold_as_masterminds_has_it() {
        for (constraint, version, want) in [
            ("", "1.0.0", false),
            ("*", "4.5.6", true),
            (">=1.20.0-0", "v1.19.16", false),
            (">=1.20.0-0", "v1.33.0-gke.1", true),
            (">=1.20.0", "v1.33.0-gke.1", false),
            ("^4.0.0", "v4.3", true),
            ("<v3.9.0", "v4.3", false),
            ("~1.2", "1.2.9", true),
            ("~1.2", "1.3.0", false),
            ("^0.2.3", "0.2.9", true),
            ("^0.2.3", "0.3.0", false),
            ("^0.0.3", "0.0.4", false),
            ("1.2 - 1.4.5", "1.4.5", true),
            ("1.2 - 1.4.5", "1.4.6", false),
            (">1.2", "1.2.9", false),
            (">1.2", "1.3.0", true),
            ("<=1.2", "1.2.9", true),
            ("!=1.2.x", "1.2.3", false),
            ("!=1.2.x", "1.3.3", true),
            ("=>1.0, <2 || =>3", "3.1.0", true),
            ("=>1.0, <2 || =>3", "2.1.0", false),
            ("1.x.x", "1.9.9", true),
            ("~0", "0.9.0", true),
            (">1.0 <1.5", "1.4.0", true),
        ] {
            assert_eq!(
                is_compatible_range(constraint, version),
                want,
                "{version:?} in {constraint:?}"
            );
        }
    }

    #[test]
    fn bad_texts_are_refused_by_name() {
        for (text, want) in [
            ("", "invalid semantic version"),
            ("1.2.3.4", "invalid semantic version"),
            ("x", "invalid semantic version"),
            ("1.0.0-01", "version segment starts with 0"),
            (
                "99999999999999999999",
                "error parsing version segment: strconv.ParseUint: parsing \"99999999999999999999\": value out of range",
            ),
        ] {
            let got = Version::parse(text).expect_err(text);
            assert_eq!(got.to_string(), want, "{text:?}");
        }
        for text in [">=x.y", "1.2 3 what", "=>>1"] {
            let got = Constraint::parse(text).expect_err(text);
            assert_eq!(got.to_string(), format!("improper constraint: {text:?}"));
        }
        let long = "1".repeat(513);
        assert_eq!(
            Constraint::parse(&long).expect_err("long"),
            Error::ConstraintTooLong
        );
    }

    #[test]
    fn pre_releases_are_ordered_part_by_part() {
        let ordered = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
        ];
        for pair in ordered.windows(2) {
            let (a, b) = (Version::parse(pair[0]), Version::parse(pair[1]));
            let (a, b) = (a.expect(pair[0]), b.expect(pair[1]));
            assert_eq!(a.compare(&b), Ordering::Less, "{pair:?}");
        }
    }
}
