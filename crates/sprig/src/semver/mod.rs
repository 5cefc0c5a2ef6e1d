//! Loose semantic versions and version constraints, as Masterminds' semver 3.5 reads and checks
//! them.
//!
//! In: texts. Out: [`Version`], [`Constraint`], and whether one meets the other. The texts of errors
//! are those of the original, because charts print them. Says nothing about where versions come
//! from.

mod spelled;

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

use self::spelled::{Spelled, usual_terms};

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
        let found = Spelled::read(text, |byte| byte.is_ascii_digit());
        let (found, rest) = found.ok_or(Error::Invalid)?;
        if !rest.is_empty() {
            return Err(Error::Invalid);
        }
        let number = |part: &str| -> Result<u64, Error> {
            let digits = part.trim_start_matches('.');
            if digits.is_empty() {
                return Ok(0);
            }
            digits
                .parse()
                .map_err(|_| Error::Segment(digits.to_owned()))
        };
        let version = Self {
            major: number(found.major)?,
            minor: number(found.minor)?,
            patch: number(found.patch)?,
            pre: found.pre.get(1..).unwrap_or_default().to_owned(),
            metadata: found.metadata.get(1..).unwrap_or_default().to_owned(),
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
    // What the pattern cannot do without.
    let has_range = text
        .split('-')
        .skip(1)
        .any(|part| part.starts_with(char::is_whitespace));
    if !has_range {
        return out;
    }
    for found in RANGE.captures_iter(text) {
        let whole = found.get(0).map_or("", |m| m.as_str());
        let low = found.get(1).map_or("", |m| m.as_str());
        let high = found.get(11).map_or("", |m| m.as_str());
        out = out.replacen(whole, &format!(">= {low}, <= {high} "), 1);
    }
    out
}

fn parse_group(text: &str) -> Result<Group, Error> {
    if let Some(terms) = usual_terms(text) {
        let terms = terms
            .into_iter()
            .map(|(operator, version)| term(operator, version))
            .collect::<Result<Vec<_>, _>>()?;
        return Ok(Group::new(terms));
    }
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
    Ok(Group::new(terms))
}

impl Group {
    fn new(terms: Vec<Term>) -> Self {
        let prerelease = terms.iter().any(|t| !t.version.pre.is_empty());
        Self { terms, prerelease }
    }
}

fn is_wild(part: &str) -> bool {
    matches!(part.trim_start_matches('.'), "" | "x" | "X" | "*")
}

fn parse_term(text: &str) -> Result<Term, Error> {
    let found = ONE
        .captures(text)
        .ok_or_else(|| Error::Constraint(text.to_owned()))?;
    let part = |i: usize| found.get(i).map_or("", |m| m.as_str());
    let version = Spelled {
        text: part(2),
        major: part(3),
        minor: part(4),
        patch: part(5),
        pre: part(6),
        metadata: part(9),
    };
    term(part(1), version)
}

fn term(operator: &str, spelled: Spelled<'_>) -> Result<Term, Error> {
    let Spelled {
        text,
        major,
        minor,
        patch,
        pre,
        metadata: _,
    } = spelled;
    let (mut dirty, mut minor_dirty, mut patch_dirty) = (true, false, false);
    let version = if is_wild(major) {
        format!("0.0.0{pre}")
    } else if is_wild(minor) {
        minor_dirty = true;
        format!("{major}.0.0{pre}")
    } else if is_wild(patch) {
        patch_dirty = true;
        format!("{major}{minor}.0{pre}")
    } else {
        dirty = false;
        text.to_owned()
    };
    Ok(Term {
        operator: match operator {
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
mod tests;
