//! What can be wrong with a text, in go-yaml's words.

use std::borrow::Cow;
use std::fmt;

use crate::scan::Mark;

/// A fault in the text, with the line that go-yaml would name.
///
/// Quirk: go-yaml counts lines from one in what its scanner finds and from zero in what its
/// grammar finds, and names none on the first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    message: Cow<'static, str>,
    line: Option<u32>,
    /// The line that v3 names: that of what the fault is in.
    outer_line: Option<u32>,
    place: Option<Mark>,
}

impl Problem {
    /// A fault without a place.
    pub(crate) fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: message.into(),
            line: None,
            outer_line: None,
            place: None,
        }
    }

    /// A fault at a place that go-yaml does not name.
    pub(crate) fn at(message: impl Into<Cow<'static, str>>, place: Mark) -> Self {
        Self {
            place: Some(place),
            ..Self::new(message)
        }
    }

    /// A fault that the scanner finds, inside of something that started at `context`.
    pub(crate) fn scanner(
        message: impl Into<Cow<'static, str>>,
        place: Mark,
        context: Mark,
    ) -> Self {
        let line = |mark: Mark| (mark.line > 0).then_some(mark.line + 1);
        Self {
            line: line(place),
            outer_line: line(context).or(line(place)),
            ..Self::at(message, place)
        }
    }

    /// A fault of the grammar at a token, inside of something that started at `context`.
    pub(crate) fn grammar(
        message: impl Into<Cow<'static, str>>,
        place: Mark,
        context: Mark,
    ) -> Self {
        let line = |mark: Mark| (mark.line > 0).then_some(mark.line);
        Self {
            line: line(place).or(line(context)),
            outer_line: line(context).or(line(place)),
            ..Self::at(message, place)
        }
    }

    /// The same fault as go-yaml v3 reports it.
    pub(crate) fn for_v3(self) -> Self {
        Self {
            line: self.outer_line,
            ..self
        }
    }

    /// The line as go-yaml reports it, which may be off by one.
    pub fn line(&self) -> Option<u32> {
        self.line
    }

    /// Where the fault is: line and column, both counted from one, the column in characters.
    /// `None` for faults of the whole text, such as bytes that are no UTF-8.
    pub fn place(&self) -> Option<(u32, u32)> {
        self.place.map(|mark| (mark.line + 1, mark.column + 1))
    }

    /// The text without the line.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "yaml: line {line}: {}", self.message),
            None => write!(formatter, "yaml: {}", self.message),
        }
    }
}

impl std::error::Error for Problem {}

/// Why a text gave no value, or not of the kind that was asked for. The texts are those of
/// `sigs.k8s.io/yaml`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is no YAML, or uses what YAML allows and this reader refuses.
    #[error("error converting YAML to JSON: {0}")]
    Syntax(Problem),
    /// Strict reading found keys that occur twice, one text per key.
    #[error("error converting YAML to JSON: yaml: unmarshal errors:\n  {}", .0.join("\n  "))]
    DuplicateKeys(Vec<String>),
    /// A float that JSON cannot carry: `+Inf`, `-Inf` or `NaN`.
    #[error("error converting YAML to JSON: json: unsupported value: {0}")]
    UnsupportedValue(&'static str),
    /// A key that is null or an integer above `i64::MAX`. Go adds the value, which may be secret.
    #[error("error converting YAML to JSON: unsupported map key of type: {go_type}, key: {key}")]
    UnsupportedKey {
        /// The key's type as Go prints it.
        go_type: &'static str,
        /// The key as Go prints it.
        key: String,
    },
    /// The document is no map, or no list, where one was asked for.
    #[error(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go value of type {wanted}"
    )]
    WrongKind {
        /// What JSON calls it.
        found: &'static str,
        /// What Go calls the wanted type.
        wanted: &'static str,
    },
    /// Strict reading found a key that no field takes, which stands here as Go quotes it.
    #[error("error unmarshaling JSON: while decoding JSON: json: unknown field {0}")]
    UnknownField(String),
    /// A field of a struct has the wrong kind.
    #[error(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go struct field {owner}.{path} of type {wanted}"
    )]
    WrongField {
        /// What JSON calls it.
        found: &'static str,
        /// The name of the innermost struct around it, empty for one without a name.
        owner: &'static str,
        /// The fields from the outermost struct on, with dots.
        path: String,
        /// What Go calls the wanted type.
        wanted: &'static str,
    },
}

impl Error {
    /// The line as go-yaml reports it, for faults of syntax.
    pub fn line(&self) -> Option<u32> {
        match self {
            Self::Syntax(problem) => problem.line(),
            _ => None,
        }
    }

    /// Where the fault is, for faults of syntax: see [`Problem::place`].
    pub fn place(&self) -> Option<(u32, u32)> {
        match self {
            Self::Syntax(problem) => problem.place(),
            _ => None,
        }
    }
}
