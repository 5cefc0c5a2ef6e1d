//! What goes wrong while parsing and executing, as data and as the text Go gives.
//!
//! `Display` of each error is Go's text to the byte (bytes that are no UTF-8 show as U+FFFD). The parts are there
//! for hosts that report errors in another shape.

use std::fmt;

use crate::stack::grow;
use crate::strconv::quote;

/// A template that does not parse: `template: NAME:LINE: MESSAGE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Name under which the text was parsed.
    pub name: String,
    /// Line of the token at which parsing stopped, from 1.
    pub line: usize,
    /// Go's message.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "template: {}:{}: {}", self.name, self.line, self.message)
    }
}

impl std::error::Error for ParseError {}

/// Where in a template's text something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Name under which the text was parsed; for a `define`, that of the file it is in.
    pub name: String,
    /// From 1.
    pub line: usize,
    /// Bytes since the start of the line, from 0.
    pub column: usize,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.name, self.line, self.column)
    }
}

/// A template that fails while it is executed:
/// `template: LOCATION: executing "TEMPLATE" at <CONTEXT>: MESSAGE: CAUSE`.
#[derive(Debug)]
pub struct ExecError {
    /// Name of the template being executed.
    pub template: String,
    /// Where it failed; absent for errors about the template as a whole.
    pub location: Option<Location>,
    /// The failing node, printed as Go prints it, in full.
    pub context: String,
    /// Go's message; with a cause, what comes before it (`error calling include`).
    pub message: String,
    /// The error of the function that was called.
    pub cause: Option<CallError>,
}

/// Errors of templates within templates form a chain as long as the templates were deep, so it is taken apart by a
/// loop: recursion would overflow the stack.
impl Drop for ExecError {
    fn drop(&mut self) {
        let mut link = self.cause.take();
        while let Some(error) = link {
            link = match error {
                CallError::Exec(mut error) => error.cause.take(),
                CallError::Wrapped { source, .. } => Some(*source),
                CallError::Text(_) | CallError::Parse(_) | CallError::Limit(_) => None,
            };
        }
    }
}

impl ExecError {
    /// The exhausted limit at the end of the chain of causes, if that is what stopped the execution.
    pub fn limit(&self) -> Option<&LimitError> {
        self.cause.as_ref()?.limit()
    }
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(location) => write!(
                f,
                "template: {location}: executing {} at <{}>: {}",
                quote(self.template.as_bytes()),
                self.context,
                self.message
            )?,
            None => write!(f, "template: {}", self.message)?,
        }
        match &self.cause {
            Some(cause) if self.message.is_empty() => write!(f, "{cause}"),
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

/// The source is part of the text already, as in Go, so [`std::error::Error::source`] stays empty.
impl std::error::Error for ExecError {}

/// What a function returns when it fails, or what it panics with in Go.
#[derive(Debug)]
pub enum CallError {
    /// Any other error, by its text.
    Text(String),
    /// The error of a template the function executed, passed on unchanged.
    Exec(Box<ExecError>),
    /// The error of a text the function parsed, passed on unchanged.
    Parse(Box<ParseError>),
    /// An error with words before it, as `fmt.Errorf("…: %w", err)` makes it.
    Wrapped {
        /// The words, without the colon.
        context: String,
        /// The error itself.
        source: Box<CallError>,
    },
    /// A limit of the execution is exhausted.
    Limit(LimitError),
}

impl CallError {
    /// An error that is only a text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// This error with words before it.
    #[must_use]
    pub fn context(self, context: impl Into<String>) -> Self {
        Self::Wrapped {
            context: context.into(),
            source: Box::new(self),
        }
    }

    /// The exhausted limit at the end of the chain of causes, if there is one.
    pub fn limit(&self) -> Option<&LimitError> {
        let mut link = self;
        loop {
            link = match link {
                Self::Limit(limit) => return Some(limit),
                Self::Exec(error) => error.cause.as_ref()?,
                Self::Wrapped { source, .. } => source,
                Self::Text(_) | Self::Parse(_) => return None,
            };
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Exec(error) => grow(|| error.fmt(f)),
            Self::Parse(error) => error.fmt(f),
            Self::Wrapped { context, source } => write!(f, "{context}: {source}"),
            Self::Limit(limit) => limit.fmt(f),
        }
    }
}

impl std::error::Error for CallError {}

impl From<ExecError> for CallError {
    fn from(error: ExecError) -> Self {
        Self::Exec(Box::new(error))
    }
}

impl From<Box<ExecError>> for CallError {
    fn from(error: Box<ExecError>) -> Self {
        Self::Exec(error)
    }
}

impl From<ParseError> for CallError {
    fn from(error: ParseError) -> Self {
        Self::Parse(Box::new(error))
    }
}

impl From<LimitError> for CallError {
    fn from(error: LimitError) -> Self {
        Self::Limit(error)
    }
}

/// Bytes that one text made by a function may have, far above what anybody renders.
pub const TEXT_BYTES_MAX: usize = 32 << 20;

/// A limit that an execution ran into. Go has none of these; they end what would go on for ever.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Too many steps.
    #[error("template needs more than {max} steps")]
    Steps {
        /// The limit.
        max: u64,
    },
    /// Too much output, counting what included templates write each time.
    #[error("template writes more than {max} bytes")]
    OutputBytes {
        /// The limit.
        max: u64,
    },
    /// One text that is too long.
    #[error("text is longer than {max} bytes")]
    TextBytes {
        /// The limit.
        max: usize,
    },
    /// Lists and maps that hold too much at a time.
    #[error("template holds more than {max} bytes in lists and maps")]
    ValueBytes {
        /// The limit.
        max: u64,
    },
    /// A value that is too large to be written, copied or read as a whole.
    #[error("value has more than {max} parts")]
    ValueParts {
        /// The limit.
        max: usize,
    },
    /// A value with too many levels, or one that contains itself.
    #[error("value nests deeper than {max} levels")]
    Nesting {
        /// The limit.
        max: u32,
    },
    /// Templates that call templates, too deep. Go's text for its own bound.
    #[error("exceeded maximum template depth ({max})")]
    Depth {
        /// The limit.
        max: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_print_as_go_prints_them_through_every_level() {
        let inner = ExecError {
            template: "in\"ner".to_owned(),
            location: Some(Location {
                name: "a.tpl".to_owned(),
                line: 2,
                column: 7,
            }),
            context: ".a.b".to_owned(),
            message: "nil pointer evaluating interface {}.b".to_owned(),
            cause: None,
        };
        let outer = ExecError {
            template: "x".to_owned(),
            location: Some(Location {
                name: "x".to_owned(),
                line: 1,
                column: 3,
            }),
            context: "include \"in\\\"ner\" .".to_owned(),
            message: "error calling include".to_owned(),
            cause: Some(CallError::from(inner).context("deep")),
        };
        assert_eq!(
            outer.to_string(),
            "template: x:1:3: executing \"x\" at <include \"in\\\"ner\" .>: error calling include: deep: \
             template: a.tpl:2:7: executing \"in\\\"ner\" at <.a.b>: nil pointer evaluating interface {}.b"
        );
        assert_eq!(outer.limit(), None);
    }

    #[test]
    fn an_exhausted_limit_is_found_through_the_chain() {
        let limit = LimitError::Steps { max: 5 };
        let error = ExecError {
            template: "x".to_owned(),
            location: None,
            context: String::new(),
            message: "error calling tpl".to_owned(),
            cause: Some(CallError::from(limit.clone()).context("deep")),
        };
        assert_eq!(error.limit(), Some(&limit));
        assert_eq!(
            error.to_string(),
            "template: error calling tpl: deep: template needs more than 5 steps"
        );
    }
}
