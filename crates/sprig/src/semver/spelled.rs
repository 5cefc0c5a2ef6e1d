//! How versions and constraints are written, as far as that needs no patterns.

/// How a version is written: each part with the mark before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spelled<'a> {
    /// All of it.
    pub(super) text: &'a str,
    pub(super) major: &'a str,
    pub(super) minor: &'a str,
    pub(super) patch: &'a str,
    pub(super) pre: &'a str,
    pub(super) metadata: &'a str,
}

impl<'a> Spelled<'a> {
    /// Reads the longest version at the start of a text: `v?N(.N)?(.N)?(-words)?(+words)?`, where a number
    /// is made of what `is_part` takes. Gives what follows it, too.
    pub(super) fn read(text: &'a str, is_part: fn(u8) -> bool) -> Option<(Self, &'a str)> {
        let rest = text.strip_prefix('v').unwrap_or(text);
        let (major, rest) = split_run(rest, is_part);
        if major.is_empty() {
            return None;
        }
        let (minor, rest) = marked(rest, '.', is_part);
        let (patch, rest) = if minor.is_empty() {
            ("", rest)
        } else {
            marked(rest, '.', is_part)
        };
        let (pre, rest) = words(rest, '-');
        let (metadata, rest) = words(rest, '+');
        let spelled = Self {
            text: &text[..text.len() - rest.len()],
            major,
            minor,
            patch,
            pre,
            metadata,
        };
        Some((spelled, rest))
    }
}

fn split_run(text: &str, is_part: impl Fn(u8) -> bool) -> (&str, &str) {
    // Only ASCII is taken, so that this is a border of characters.
    let end = text.bytes().position(|byte| !is_part(byte));
    text.split_at(end.unwrap_or(text.len()))
}

/// A mark and a part of at least one character, or nothing.
fn marked(text: &str, mark: char, is_part: impl Fn(u8) -> bool) -> (&str, &str) {
    let run = text.strip_prefix(mark).map(|rest| split_run(rest, is_part));
    match run {
        Some((part, rest)) if !part.is_empty() => text.split_at(text.len() - rest.len()),
        _ => ("", text),
    }
}

/// A mark and words with points between them, or nothing.
fn words(text: &str, mark: char) -> (&str, &str) {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let (first, mut rest) = marked(text, mark, is_word);
    if first.is_empty() {
        return ("", text);
    }
    loop {
        let (word, after) = marked(rest, '.', is_word);
        if word.is_empty() {
            return text.split_at(text.len() - rest.len());
        }
        rest = after;
    }
}

/// The terms of a group that is written in the usual way; `None` leaves it to the patterns, which cost
/// more to build than all that a render does with versions.
pub(super) fn usual_terms(text: &str) -> Option<Vec<(&str, Spelled<'_>)>> {
    const OPERATORS: [&str; 11] = ["=>", ">=", "<=", "=<", "!=", "~>", "=", ">", "<", "~", "^"];
    let is_space = |c| matches!(c, '\t' | '\n' | '\x0C' | '\r' | ' ');
    let is_part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'x' | b'X' | b'*');
    let mut terms = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    loop {
        let operator = OPERATORS.into_iter().find(|o| rest.starts_with(o));
        let operator = operator.unwrap_or_default();
        let version = rest[operator.len()..].trim_start_matches(is_space);
        let (version, after) = Spelled::read(version, is_part)?;
        terms.push((operator, version));
        rest = after.trim_start_matches(is_space);
        if rest.is_empty() {
            return Some(terms);
        }
        match rest.strip_prefix(',') {
            Some(next) => rest = next.trim_start_matches(is_space),
            None if rest.len() == after.len() => return None,
            None => {}
        }
    }
}
