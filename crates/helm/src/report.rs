//! Errors of templates in the form Helm 4 shows them.
//!
//! In: the errors of the template engine. Out: texts: the chain of places for most, the bare message
//! for `fail` and `required`, Go's raw text where a link of the chain is of neither form. Source: Helm
//! `pkg/engine/engine.go`.

use gotemplate::{CallError, ExecError, ParseError};
use std::fmt::Write as _;

use sprig::{WARN_END, WARN_START};

/// `parse error at (FILE:LINE): MESSAGE`
pub(crate) fn parse_error(file: &str, error: &ParseError) -> String {
    let text = error.to_string();
    let parts: Vec<&str> = text.split(": ").collect();
    match parts.as_slice() {
        [_, location, .., message] => format!("parse error at ({location}): {message}"),
        [_, message] => format!("parse error at ({message}): {message}"),
        _ => format!("parse error in ({file}): {text}"),
    }
}

/// The error of executing a file, reshaped.
pub(crate) fn exec_error(file: &str, error: &ExecError) -> String {
    if let Some(limit) = error.limit() {
        // The chain of what led there may be thousands of links long.
        let place = error
            .location
            .as_ref()
            .map_or_else(|| file.to_owned(), ToString::to_string);
        return format!("execution error at ({place}): {limit}");
    }
    let raw = error.to_string();
    let mut parts = raw.splitn(3, ": ");
    let (Some(_), Some(location), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return format!("execution error in ({file}): {raw}");
    };
    if let Some(start) = rest.find(WARN_START)
        && let Some(end) = rest.rfind(WARN_END)
        && start + WARN_START.len() <= end
    {
        let message = &rest[start + WARN_START.len()..end];
        return format!("execution error at ({location}): {message}");
    }
    let mut places: Vec<Place> = Vec::new();
    for text in chain(error) {
        match Place::parse(&text) {
            Some(place) if places.last() == Some(&place) => {}
            Some(place) => places.push(place),
            None => return raw,
        }
    }
    let shown: String = places.iter().map(Place::text).collect();
    shown.trim().to_owned()
}

/// The texts of an error and of everything it wraps, one at a time: each holds all that follow it.
fn chain(error: &ExecError) -> impl Iterator<Item = String> {
    let causes = std::iter::successors(error.cause.as_ref(), |cause| match cause {
        CallError::Exec(inner) => inner.cause.as_ref(),
        CallError::Wrapped { source, .. } => Some(source),
        CallError::Text(_) | CallError::Parse(_) | CallError::Limit(_) => None,
    });
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string))
}

/// One link: where, while executing what, and why.
#[derive(PartialEq, Eq)]
struct Place {
    location: String,
    executing: String,
    message: String,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("template: ")?;
        if rest.starts_with("no template ") {
            return Some(Self {
                location: String::new(),
                executing: String::new(),
                message: text.to_owned(),
            });
        }
        if let Some(place) = Self::executing(rest) {
            return Some(place);
        }
        let (location, message) = rest.rsplit_once(": ")?;
        Some(Self {
            location: location.to_owned(),
            executing: String::new(),
            message: before_next(message).to_owned(),
        })
    }

    fn executing(text: &str) -> Option<Self> {
        let (location, after) = text.split_once(": executing ")?;
        let after = after.strip_prefix('"')?;
        let (function, after) = after.split_once('"')?;
        let after = after.strip_prefix(" at <")?;
        let (node, message) = after.split_once(">: ")?;
        Some(Self {
            location: location.to_owned(),
            executing: format!("executing \"{function}\" at <{node}>:"),
            message: before_next(message).to_owned(),
        })
    }

    fn text(&self) -> String {
        let mut out = String::new();
        if !self.location.is_empty() {
            let _ = write!(out, "{}\n  ", self.location);
        }
        if !self.executing.is_empty() {
            let _ = write!(out, "{}\n    ", self.executing);
        }
        if !self.message.is_empty() {
            let _ = writeln!(out, "{}", self.message);
        }
        out
    }
}

/// The message without the errors chained to it.
fn before_next(message: &str) -> &str {
    message
        .find(" template:")
        .map_or(message, |cut| &message[..cut])
}
