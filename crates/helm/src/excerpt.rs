//! The line of a template that an error points at, with a mark under it.
//!
//! In: the errors of the template engine and the texts of the files. Out: an [`Excerpt`] to show below
//! Helm's own text. A template's source is no secret; what it rendered may be, and is never shown.

use std::fmt;
use std::sync::Arc;

use gotemplate::{CallError, ExecError, Location, ParseError};

/// Most characters of a line that are shown.
const WIDTH_MAX: usize = 160;
/// Characters kept in front of the mark when a long line is cut.
const BEFORE_MARK: usize = 60;

/// A line of a template with the place that failed. Shown as four lines, the last a mark:
///
/// ```text
///   --> web/templates/service.yaml:12:10
///    |
/// 12 |   name: {{ .Values.name | quoote }}
///    |           ^
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Path of the file: `web/templates/service.yaml`.
    pub path: String,
    /// From 1.
    pub line: usize,
    /// Bytes since the start of the line, from 0; None if only the line is known.
    pub column: Option<usize>,
    /// The line without its end.
    pub text: String,
}

impl Excerpt {
    /// The innermost place of a failed execution that lies in a file which `text_of` knows.
    pub(crate) fn of_execution(
        error: &ExecError,
        text_of: impl Fn(&str) -> Option<Arc<[u8]>>,
    ) -> Option<Self> {
        let places = std::iter::successors(Some(error), |error| inner(error.cause.as_ref()?));
        let places = places.filter_map(|error| error.location.as_ref());
        let found = places.filter_map(|place| Self::at(place, &text_of(&place.name)?));
        found.last()
    }

    /// The line of a file at which parsing stopped.
    pub(crate) fn of_parsing(path: &str, error: &ParseError, text: &[u8]) -> Option<Self> {
        Self::new(path, error.line, None, text)
    }

    fn at(place: &Location, text: &[u8]) -> Option<Self> {
        Self::new(&place.name, place.line, Some(place.column), text)
    }

    fn new(path: &str, line: usize, column: Option<usize>, text: &[u8]) -> Option<Self> {
        let text = text
            .split(|byte| *byte == b'\n')
            .nth(line.checked_sub(1)?)?;
        Some(Self {
            path: path.to_owned(),
            line,
            column,
            text: String::from_utf8_lossy(text.strip_suffix(b"\r").unwrap_or(text)).into_owned(),
        })
    }

    /// The part of the line to show, and which of its characters to mark.
    fn window(&self) -> (String, std::ops::Range<usize>) {
        let shown: Vec<char> = self.text.chars().map(visible).collect();
        let marked = if let Some(column) = self.column {
            let before = self.text.char_indices().take_while(|(at, _)| *at < column);
            let first = before.count();
            first..first + 1
        } else {
            let blank = |c: &&char| **c == ' ';
            let first = shown.iter().take_while(blank).count();
            let last = shown.len() - shown.iter().rev().take_while(blank).count();
            first.min(last)..last.max(first.min(last) + 1)
        };
        let start = if shown.len() <= WIDTH_MAX {
            0
        } else {
            marked.start.saturating_sub(BEFORE_MARK)
        };
        let part: String = shown.iter().skip(start).take(WIDTH_MAX).collect();
        let end = marked.end.min(start + WIDTH_MAX);
        (part, marked.start - start..end - start)
    }
}

/// Tabs take one column, so that the mark stands right; control characters must not reach a terminal.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// The execution that a cause stems from.
fn inner(cause: &CallError) -> Option<&ExecError> {
    match cause {
        CallError::Exec(error) => Some(error),
        CallError::Wrapped { source, .. } => inner(source),
        CallError::Text(_) | CallError::Parse(_) | CallError::Limit(_) => None,
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        let (text, mark) = self.window();
        write!(f, "{gutter}--> {}:{number}", self.path)?;
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        let blanks = " ".repeat(mark.start);
        let carets = "^".repeat(mark.len());
        write!(
            f,
            "\n{gutter} |\n{number} | {text}\n{gutter} | {blanks}{carets}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(line: usize, column: Option<usize>, text: &str) -> Option<String> {
        Excerpt::new("c/t.yaml", line, column, text.as_bytes()).map(|e| e.to_string())
    }

    #[test]
    fn the_mark_stands_under_the_byte_column() {
        for (line, column, text, want) in [
            (
                1,
                Some(3),
                "ab {{ x }}",
                "1--> c/t.yaml:1:3\n  |\n1 | ab {{ x }}\n  |    ^",
            ),
            (
                2,
                Some(3),
                "x\n\té{{ x }}\r\n",
                "2--> c/t.yaml:2:3\n  |\n2 |  é{{ x }}\n  |   ^",
            ),
            (
                1,
                None,
                "  {{ end }} ",
                "1--> c/t.yaml:1\n  |\n1 |   {{ end }} \n  |   ^^^^^^^^^",
            ),
            (1, None, "", "1--> c/t.yaml:1\n  |\n1 | \n  | ^"),
            (1, Some(9), "ab", "1--> c/t.yaml:1:9\n  |\n1 | ab\n  |   ^"),
        ] {
            let want = want
                .replacen("1--> ", " --> ", 1)
                .replacen("2--> ", " --> ", 1);
            assert_eq!(excerpt(line, column, text), Some(want));
        }
    }

    #[test]
    fn a_long_line_is_cut_around_the_mark() {
        let text = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let shown = excerpt(1, Some(500), &text).expect("a line");
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[2].len(), "1 | ".len() + WIDTH_MAX);
        assert_eq!(lines[2].find('X'), lines[3].find('^'));
    }

    #[test]
    fn control_characters_are_not_shown() {
        let shown = excerpt(1, Some(0), "a\u{1b}[31mb").expect("a line");
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }

    #[test]
    fn lines_that_are_not_there_give_nothing() {
        assert_eq!(excerpt(0, None, "a"), None);
        assert_eq!(excerpt(3, None, "a\nb"), None);
    }
}
