//! What can be wrong with a text, in go-yaml's words.

use std::borrow::Cow;
use std::fmt;

/// A fault in the text, with the line that go-yaml would name.
///
/// Quirk: go-yaml counts lines from one in what its scanner finds and from zero in what its
/// grammar finds, and names none on the first line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    message: Cow<'static, str>,
    line: Option<u32>,
}

impl Problem {
    /// A fault without a place.
    pub(crate) fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            message: message.into(),
            line: None,
        }
    }

    /// A fault that the scanner finds on `line`, counted from zero.
    pub(crate) fn scanner(message: impl Into<Cow<'static, str>>, line: u32) -> Self {
        Self {
            message: message.into(),
            line: (line > 0).then_some(line + 1),
        }
    }

    /// A fault of the grammar at a token on `line`, counted from zero, inside of something that
    /// started on `context`.
    pub(crate) fn grammar(message: impl Into<Cow<'static, str>>, line: u32, context: u32) -> Self {
        let line = if line > 0 { line } else { context };
        Self {
            message: message.into(),
            line: (line > 0).then_some(line),
        }
    }

    /// The line as go-yaml reports it.
    pub fn line(&self) -> Option<u32> {
        self.line
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

/// Why a text gave no value. The texts are those of `sigs.k8s.io/yaml`.
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
}

impl Error {
    /// The line as go-yaml reports it, for faults of syntax.
    pub fn line(&self) -> Option<u32> {
        match self {
            Self::Syntax(problem) => problem.line(),
            _ => None,
        }
    }
}
