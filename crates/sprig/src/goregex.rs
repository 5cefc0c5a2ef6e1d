//! Regular expressions in Go's syntax, run by the `regex` crate.
//!
//! In: a pattern as Go's `regexp` takes it. Out: a compiled matcher with the same meaning, or Go's
//! text of what is wrong. Both engines are automata without backtracking, so a pattern cannot run
//! away. Source: Go `regexp/syntax`, flags `Perl`.

#[cfg(test)]
mod tests;
mod translate;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use gotemplate::{CallError, Context, Str};
use regex::bytes::{Match, Regex, RegexBuilder};

use crate::gotext::{is_digit, is_letter};

/// Bytes a compiled pattern may take, in classes, and how many steps a byte of a text is worth in each. The engine
/// looks at a byte in a nanosecond mostly, but at worst once for every state of the pattern.
const CLASSES: [(usize, usize); 3] = [(16 << 10, 1), (256 << 10, 16), (4 << 20, 256)];
/// What the engine may keep of a pattern's states besides.
const CACHE_BYTES_MAX: usize = 1 << 20;
/// Bytes of a compiled pattern that are built in the time of a step.
const COMPILED_BYTES_PER_STEP: usize = 2;

/// Why a pattern does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {code}: `{part}`")]
pub struct SyntaxError {
    code: &'static str,
    part: String,
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
    /// Names of the groups, the whole match being the first.
    names: Arc<[String]>,
    /// Most bytes it takes, without what searches keep.
    bytes_max: usize,
    steps_per_byte: usize,
}

/// Compiles a pattern.
pub fn compile(pattern: &Str) -> Result<Pattern, SyntaxError> {
    let Some(text) = pattern.as_str() else {
        return Err(SyntaxError {
            code: "invalid UTF-8",
            part: pattern.to_string(),
        });
    };
    let (translated, names) = translate::translate(text)?;
    let mut compiled = CLASSES.iter().filter_map(|(bytes_max, steps_per_byte)| {
        let regex = RegexBuilder::new(&translated)
            .size_limit(*bytes_max)
            .dfa_size_limit(CACHE_BYTES_MAX)
            .build();
        Some(Pattern {
            regex: regex.ok()?,
            names: Arc::clone(&names),
            bytes_max: *bytes_max,
            steps_per_byte: *steps_per_byte,
        })
    });
    compiled.next().ok_or_else(|| SyntaxError {
        code: "expression too large",
        part: text.to_owned(),
    })
}

/// A text in which every byte that is no UTF-8 became a U+FFFD, as Go reads it.
struct Readable<'t> {
    text: Cow<'t, [u8]>,
    /// For each byte of it, and for its end, the place in the original; nothing if they are equal.
    places: Option<Vec<usize>>,
}

impl<'t> Readable<'t> {
    fn new(original: &'t [u8]) -> Self {
        if std::str::from_utf8(original).is_ok() {
            return Self {
                text: Cow::Borrowed(original),
                places: None,
            };
        }
        let (mut text, mut places) = (Vec::new(), Vec::new());
        let mut at = 0;
        for chunk in original.utf8_chunks() {
            text.extend_from_slice(chunk.valid().as_bytes());
            places.extend(at..at + chunk.valid().len());
            at += chunk.valid().len();
            for _ in chunk.invalid() {
                text.extend_from_slice("\u{FFFD}".as_bytes());
                places.extend([at; 3]);
                at += 1;
            }
        }
        places.push(at);
        Self {
            text: Cow::Owned(text),
            places: Some(places),
        }
    }

    fn place(&self, found: Match<'_>) -> Range<usize> {
        let at = |i: usize| match &self.places {
            Some(places) => places.get(i).copied().unwrap_or(i),
            None => i,
        };
        at(found.start())..at(found.end())
    }

    /// Nothing is found between the bytes of one character.
    fn is_whole(&self, found: &Match<'_>) -> bool {
        let inside = self
            .text
            .get(found.start())
            .is_some_and(|b| (0x80..0xC0).contains(b));
        !(found.is_empty() && inside)
    }
}

impl Pattern {
    /// Most bytes it takes, without what searches keep.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// What it was worth to compile, in steps of a template.
    pub(crate) fn compile_steps(&self) -> u64 {
        (self.bytes_max / COMPILED_BYTES_PER_STEP) as u64
    }

    /// What a search of so many bytes is worth, in steps of a template.
    pub fn search_steps(&self, n_bytes: usize) -> usize {
        n_bytes.saturating_mul(self.steps_per_byte)
    }

    /// Charges a search that goes on from where the one before ended. At worst it looks at all that is left.
    fn charge_next(&self, ctx: &mut Context<'_>, n_bytes_left: usize) -> Result<(), CallError> {
        Ok(ctx.spend_steps(self.search_steps(n_bytes_left) as u64 / 64)?)
    }

    /// Whether it matches anywhere.
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.regex.is_match(&Readable::new(text).text)
    }

    /// The places of the first matches that do not overlap.
    pub(crate) fn matches(
        &self,
        ctx: &mut Context<'_>,
        text: &[u8],
        limit: usize,
    ) -> Result<Vec<Range<usize>>, CallError> {
        let readable = Readable::new(text);
        let n_bytes = readable.text.len();
        ctx.spend_steps(self.search_steps(n_bytes) as u64)?;
        let mut places = Vec::new();
        for found in self.regex.find_iter(&readable.text) {
            if places.len() == limit {
                break;
            }
            self.charge_next(ctx, n_bytes - found.end())?;
            if readable.is_whole(&found) {
                places.push(readable.place(found));
            }
        }
        Ok(places)
    }

    /// The text with every match replaced.
    pub(crate) fn replace_all(
        &self,
        ctx: &mut Context<'_>,
        text: &[u8],
        by: &Replacement,
    ) -> Result<Vec<u8>, CallError> {
        let readable = Readable::new(text);
        let n_bytes = readable.text.len();
        ctx.spend_steps(self.search_steps(n_bytes) as u64)?;
        let mut out = Vec::with_capacity(text.len());
        let mut rest = 0;
        for captures in self.regex.captures_iter(&readable.text) {
            let Some(found) = captures.get(0).filter(|found| readable.is_whole(found)) else {
                continue;
            };
            self.charge_next(ctx, n_bytes - found.end())?;
            let place = readable.place(found);
            out.extend_from_slice(&text[rest..place.start]);
            for part in &by.0 {
                ctx.expect_text(out.len())?;
                let group = match part {
                    ReplacementPart::Text(text) => {
                        out.extend_from_slice(text);
                        None
                    }
                    ReplacementPart::Number(group) => captures.get(*group),
                    ReplacementPart::Name(name) => {
                        let groups = self.names.iter().zip(captures.iter());
                        let mut named = groups.filter(|(n, _)| *n == name);
                        named.find_map(|(_, found)| found)
                    }
                };
                if let Some(group) = group {
                    out.extend_from_slice(&text[readable.place(group)]);
                }
            }
            rest = place.end;
        }
        out.extend_from_slice(&text[rest..]);
        Ok(out)
    }
}

/// What matches are replaced with.
pub(crate) struct Replacement(Vec<ReplacementPart>);

enum ReplacementPart {
    Text(Vec<u8>),
    Number(usize),
    Name(String),
}

impl Replacement {
    /// A text as it is.
    pub(crate) fn literal(text: &[u8]) -> Self {
        Self(vec![ReplacementPart::Text(text.to_vec())])
    }

    /// A text in which `$1`, `${1}`, `$name` and `${name}` stand for groups, and `$$` for `$`.
    pub(crate) fn template(template: &[u8]) -> Self {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some(at) = memchr::memchr(b'$', rest) {
            parts.push(ReplacementPart::Text(rest[..at].to_vec()));
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(b"$") {
                parts.push(ReplacementPart::Text(b"$".to_vec()));
                rest = after;
            } else if let Some((name, after)) = group_name(rest) {
                parts.push(group(name));
                rest = after;
            } else {
                parts.push(ReplacementPart::Text(b"$".to_vec()));
            }
        }
        parts.push(ReplacementPart::Text(rest.to_vec()));
        Self(parts)
    }
}

/// A group's name or number at the start, perhaps in braces; and what follows.
fn group_name(text: &[u8]) -> Option<(&str, &[u8])> {
    let (braces, inner) = match text.strip_prefix(b"{") {
        Some(inner) => (true, inner),
        None => (false, text),
    };
    let word = |c: char| c == '_' || is_letter(c) || is_digit(c);
    let length = word_length(inner, word);
    let (name, rest) = inner.split_at_checked(length)?;
    let name = std::str::from_utf8(name).ok()?;
    let rest = if braces {
        rest.strip_prefix(b"}")?
    } else {
        rest
    };
    (length > 0).then_some((name, rest))
}

/// Bytes of the characters at the start that are of a word. Looks no further: a text may have many names.
fn word_length(text: &[u8], word: impl Fn(char) -> bool) -> usize {
    let mut length = 0;
    while let Some(rest) = text.get(length..).filter(|rest| !rest.is_empty()) {
        let head = &rest[..rest.len().min(4)];
        let first = head.utf8_chunks().next();
        match first.and_then(|chunk| chunk.valid().chars().next()) {
            Some(c) if word(c) => length += c.len_utf8(),
            _ => break,
        }
    }
    length
}

fn group(name: &str) -> ReplacementPart {
    let zeros = name.len() > 1 && name.starts_with('0');
    match name.parse() {
        Ok(number) if !zeros && name.len() <= 9 => ReplacementPart::Number(number),
        _ => ReplacementPart::Name(name.to_owned()),
    }
}

/// `regexp.QuoteMeta`.
pub(crate) fn quote_meta(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    for byte in text {
        if br"\.+*?()|[]{}^$".contains(byte) {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}
