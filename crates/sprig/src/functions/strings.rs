//! Text functions: trimming, cases, quoting, indenting, splitting.
//!
//! In: Go strings, which may hold any bytes. Out: the same. Source: sprig `strings.go`, goutils,
//! xstrings; names and order of arguments are sprig's.

use std::collections::BTreeMap;

use gotemplate::{CallError, Context, Functions, Int, Map, Rest, Str, Type, Value};
use memchr::memmem;

use super::support::{fail, lossy, slice_bytes, strings, strval};
use super::words;
use crate::gotext;

pub(super) fn add(functions: &mut Functions) {
    add_trimming(functions);
    add_cases(functions);
    add_searching(functions);
    add_splitting(functions);
    add_layout(functions);
}

fn add_trimming(functions: &mut Functions) {
    functions
        .add("trim", |text: Str| cut(&text, char::is_whitespace))
        .add("trimall", |cutset: Str, text: Str| trim_all(&cutset, &text))
        .add("trimAll", |cutset: Str, text: Str| trim_all(&cutset, &text))
        .add("trimSuffix", |suffix: Str, text: Str| {
            match text.strip_suffix(&*suffix) {
                Some(rest) => Str::from(rest),
                None => text,
            }
        })
        .add("trimPrefix", |prefix: Str, text: Str| {
            match text.strip_prefix(&*prefix) {
                Some(rest) => Str::from(rest),
                None => text,
            }
        })
        .add("trunc", |Int(n): Int, text: Str| trunc(n, &text))
        .add("abbrev", |Int(width): Int, text: Str| {
            abbreviate(&text, 0, width)
        })
        .add(
            "abbrevboth",
            |Int(left): Int, Int(right): Int, text: Str| {
                if right < 4 || left > 0 && right < 7 {
                    text
                } else {
                    abbreviate(&text, left, right)
                }
            },
        )
        .add("nospace", |text: Str| words::delete_white_space(&text))
        .add("substr", |Int(start): Int, Int(end): Int, text: Str| {
            substring(&text, start, end).map(Str::from)
        });
}

fn add_cases(functions: &mut Functions) {
    functions
        .add("upper", |text: Str| map_characters(&text, gotext::to_upper))
        .add("lower", |text: Str| map_characters(&text, gotext::to_lower))
        .add("title", |text: Str| words::title(&lossy(&text)))
        .add("untitle", |text: Str| words::untitle(&lossy(&text)))
        .add("swapcase", |text: Str| words::swap_case(&lossy(&text)))
        .add("initials", |text: Str| words::initials(&text))
        .add("snakecase", |text: Str| {
            words::separated(&lossy(&text), '_')
        })
        .add("kebabcase", |text: Str| {
            words::separated(&lossy(&text), '-')
        })
        .add("camelcase", |text: Str| words::pascal(&lossy(&text)));
}

fn add_searching(functions: &mut Functions) {
    functions
        .add("contains", |part: Str, text: Str| {
            memmem::find(&text, &part).is_some()
        })
        .add("hasPrefix", |prefix: Str, text: Str| {
            text.starts_with(&prefix)
        })
        .add("hasSuffix", |suffix: Str, text: Str| {
            text.ends_with(&suffix)
        })
        .add_with_context(
            "replace",
            |ctx: &mut Context<'_>, old: Str, new: Str, text: Str| replace(ctx, &old, &new, &text),
        );
}

fn add_splitting(functions: &mut Functions) {
    functions
        .add_with_context(
            "split",
            |ctx: &mut Context<'_>, separator: Str, text: Str| {
                split(ctx, &text, &separator, None).map(numbered)
            },
        )
        .add_with_context(
            "splitn",
            |ctx: &mut Context<'_>, separator: Str, Int(n): Int, text: Str| {
                split(ctx, &text, &separator, Some(n)).map(numbered)
            },
        )
        .add_with_context(
            "splitList",
            |ctx: &mut Context<'_>, separator: Str, text: Str| split(ctx, &text, &separator, None),
        )
        .add_with_context(
            "join",
            |ctx: &mut Context<'_>, separator: Str, value: Value| {
                let parts = strings(&value);
                let parts: Vec<&[u8]> = parts.iter().map(Str::as_bytes).collect();
                join(ctx, &parts, &separator)
            },
        )
        .add("toStrings", |value: Value| strings(&value))
        .add("sortAlpha", |value: Value| match &value {
            Value::List(_) | Value::Bytes(_) => {
                let mut parts = strings(&value);
                parts.sort();
                parts
            }
            other => vec![strval(other)],
        });
}

fn add_layout(functions: &mut Functions) {
    functions
        .add_with_context(
            "quote",
            |ctx: &mut Context<'_>, Rest(values): Rest<Value>| {
                spaced(ctx, &values, |value| {
                    gotext::quote(&strval(value)).into_bytes()
                })
            },
        )
        .add_with_context(
            "squote",
            |ctx: &mut Context<'_>, Rest(values): Rest<Value>| {
                spaced(ctx, &values, |value| {
                    [b"'".as_slice(), &gotext::show(value), b"'"].concat()
                })
            },
        )
        .add_with_context("cat", |ctx: &mut Context<'_>, Rest(values): Rest<Value>| {
            spaced(ctx, &values, gotext::show)
        })
        .add("toString", |value: Value| strval(&value))
        .add(
            "plural",
            |one: Str, many: Str, Int(count): Int| if count == 1 { one } else { many },
        )
        .add_with_context(
            "repeat",
            |ctx: &mut Context<'_>, Int(count): Int, text: Str| repeat(ctx, &text, count),
        )
        .add_with_context(
            "indent",
            |ctx: &mut Context<'_>, Int(spaces): Int, text: Str| indent(ctx, b"", spaces, &text),
        )
        .add_with_context(
            "nindent",
            |ctx: &mut Context<'_>, Int(spaces): Int, text: Str| indent(ctx, b"\n", spaces, &text),
        )
        .add("wrap", |Int(width): Int, text: Str| {
            words::wrap(&text, width, b"", false)
        })
        .add_with_context(
            "wrapWith",
            |ctx: &mut Context<'_>, Int(width): Int, separator: Str, text: Str| {
                let lines = text.len() / usize::try_from(width).unwrap_or_default().max(1) + 1;
                ctx.expect_text(separator.len().saturating_mul(lines))?;
                Ok::<_, CallError>(words::wrap(&text, width, &separator, true))
            },
        );
}

/// Cuts characters off both ends, without touching other bytes.
fn cut(text: &Str, goes: impl Fn(char) -> bool) -> Str {
    if let Some(utf8) = text.as_str() {
        return Str::from(utf8.trim_matches(goes));
    }
    let parts = characters(text);
    let goes = |part: &&[u8]| {
        let c = std::str::from_utf8(part)
            .ok()
            .and_then(|s| s.chars().next());
        goes(c.unwrap_or('\u{FFFD}'))
    };
    let Some(first) = parts.iter().position(|part| !goes(part)) else {
        return Str::EMPTY;
    };
    let last = parts.iter().rposition(|part| !goes(part)).unwrap_or(first);
    parts[first..=last].concat().into()
}

fn trim_all(cutset: &Str, text: &Str) -> Str {
    let cutset: Vec<char> = lossy(cutset).chars().collect();
    cut(text, |c| cutset.contains(&c))
}

fn trunc(n: i64, text: &Str) -> Str {
    let length = text.len() as i64;
    if n < 0 && length.saturating_add(n) > 0 {
        Str::from(&text[(length + n) as usize..])
    } else if n >= 0 && length > n {
        Str::from(&text[..n as usize])
    } else {
        text.clone()
    }
}

/// goutils' `AbbreviateFull` on bytes; widths below 4 leave the text as it is.
fn abbreviate(text: &Str, offset: i64, width: i64) -> Str {
    if width < 4 {
        return text.clone();
    }
    let (width, length) = (width as usize, text.len());
    if length <= width {
        return text.clone();
    }
    let mut offset = usize::try_from(offset).unwrap_or_default().min(length);
    if length - offset < width - 3 {
        offset = length - (width - 3);
    }
    if offset <= 4 {
        return [&text[..width - 3], b"..."].concat().into();
    }
    if width < 7 {
        return Str::EMPTY;
    }
    if offset + width - 3 < length {
        let inner = abbreviate(&Str::from(&text[offset..]), 0, width as i64 - 3);
        return [b"...", &*inner].concat().into();
    }
    [b"...", &text[length - (width - 3)..]].concat().into()
}

fn substring(text: &Str, start: i64, end: i64) -> Result<&[u8], CallError> {
    if start < 0 {
        return slice_bytes(text, None, Some(end));
    }
    if end < 0 || end > text.len() as i64 {
        return slice_bytes(text, Some(start), None);
    }
    slice_bytes(text, Some(start), Some(end))
}

fn map_characters(text: &Str, map: impl Fn(char) -> char) -> Str {
    lossy(text).chars().map(map).collect::<String>().into()
}

fn replace(
    ctx: &mut Context<'_>,
    old: &[u8],
    new: &[u8],
    text: &[u8],
) -> Result<Vec<u8>, CallError> {
    if old.is_empty() {
        let mut out = Vec::with_capacity(text.len() * 2);
        for part in characters(text) {
            out.extend_from_slice(new);
            out.extend_from_slice(part);
            ctx.expect_text(out.len())?;
        }
        out.extend_from_slice(new);
        return Ok(out);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = 0;
    for at in memmem::find_iter(text, old) {
        out.extend_from_slice(&text[rest..at]);
        out.extend_from_slice(new);
        ctx.expect_text(out.len())?;
        rest = at + old.len();
    }
    out.extend_from_slice(&text[rest..]);
    Ok(out)
}

/// The characters of a text; a byte that is no UTF-8 stands alone.
fn characters(text: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    for chunk in text.utf8_chunks() {
        let valid = chunk.valid();
        let ends = valid
            .char_indices()
            .map(|(i, c)| &valid.as_bytes()[i..i + c.len_utf8()]);
        parts.extend(ends);
        parts.extend(chunk.invalid().chunks(1));
    }
    parts
}

/// `strings.SplitN`; without a limit `strings.Split`.
fn split(
    ctx: &mut Context<'_>,
    text: &[u8],
    separator: &[u8],
    limit: Option<i64>,
) -> Result<Vec<Str>, CallError> {
    let limit = match limit {
        Some(0) => return Ok(Vec::new()),
        Some(n) if n > 0 => n as usize,
        _ => usize::MAX,
    };
    let n_parts = match separator {
        b"" => text.len(),
        separator => memmem::find_iter(text, separator).count(),
    };
    ctx.expect_items(n_parts.min(limit))?;
    let mut parts = Vec::new();
    let mut rest = 0;
    if separator.is_empty() {
        for part in characters(text) {
            if parts.len() + 1 == limit {
                break;
            }
            parts.push(Str::from(part));
            rest += part.len();
        }
        if rest < text.len() {
            parts.push(Str::from(&text[rest..]));
        }
        return Ok(parts);
    }
    for at in memmem::find_iter(text, separator) {
        if parts.len() + 1 == limit {
            break;
        }
        parts.push(Str::from(&text[rest..at]));
        rest = at + separator.len();
    }
    parts.push(Str::from(&text[rest..]));
    Ok(parts)
}

/// Parts under the keys `_0`, `_1` and so on.
fn numbered(parts: Vec<Str>) -> Value {
    let entries: BTreeMap<Str, Value> = parts
        .into_iter()
        .enumerate()
        .map(|(i, part)| (Str::from(format!("_{i}")), Value::Str(part)))
        .collect();
    Value::Map(Map::typed(&Type::STRING_MAP, entries))
}

/// The values that are not nil, separated by blanks.
fn spaced(
    ctx: &mut Context<'_>,
    values: &[Value],
    text: impl Fn(&Value) -> Vec<u8>,
) -> Result<Vec<u8>, CallError> {
    let mut out = Vec::new();
    let mut given = values.iter().filter(|v| !matches!(v, Value::Nil));
    if let Some(first) = given.next() {
        out = text(first);
    }
    for value in given {
        ctx.expect_text(out.len())?;
        out.push(b' ');
        out.append(&mut text(value));
    }
    Ok(out)
}

fn join(ctx: &mut Context<'_>, parts: &[&[u8]], separator: &[u8]) -> Result<Vec<u8>, CallError> {
    let n_bytes: usize = parts.iter().map(|part| part.len()).sum();
    ctx.expect_text(n_bytes.saturating_add(separator.len().saturating_mul(parts.len())))?;
    Ok(parts.join(separator))
}

fn repeat(ctx: &mut Context<'_>, text: &[u8], count: i64) -> Result<Vec<u8>, CallError> {
    let Ok(count) = usize::try_from(count) else {
        return fail("strings: negative Repeat count");
    };
    ctx.expect_text(text.len().saturating_mul(count))?;
    Ok(text.repeat(count))
}

fn indent(
    ctx: &mut Context<'_>,
    start: &[u8],
    spaces: i64,
    text: &[u8],
) -> Result<Vec<u8>, CallError> {
    let Ok(spaces) = usize::try_from(spaces) else {
        return fail("strings: negative Repeat count");
    };
    let lines = memchr::memchr_iter(b'\n', text).count() + 1;
    let added = spaces.saturating_mul(lines);
    ctx.expect_text(added)?;
    let mut out = Vec::with_capacity(start.len() + text.len() + added);
    out.extend_from_slice(start);
    for (i, line) in text.split(|b| *b == b'\n').enumerate() {
        if i > 0 {
            out.push(b'\n');
        }
        out.resize(out.len() + spaces, b' ');
        out.extend_from_slice(line);
    }
    Ok(out)
}
