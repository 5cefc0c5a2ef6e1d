//! Regular expression functions, in Go's syntax.
//!
//! In: patterns and texts of any bytes. Out: matches. A bad pattern is an error in Go's words, except
//! for `regexMatch`, which is then false. Source: sprig `regex.go`.

use gotemplate::{CallError, Context, Functions, Int, List, Str, Type, Value};

use super::support::fail;
use super::{Host, support::lossy};
use crate::goregex::{self, Pattern, Replacement};

pub(super) fn add(functions: &mut Functions) {
    functions
        .add_with_context(
            "regexMatch",
            |ctx: &mut Context<'_>, pattern: Str, text: Str| {
                Ok::<_, CallError>(compile(ctx, &pattern).is_ok_and(|r| r.is_match(&text)))
            },
        )
        .add_with_context(
            "mustRegexMatch",
            |ctx: &mut Context<'_>, pattern: Str, text: Str| {
                Ok::<_, CallError>(compile(ctx, &pattern)?.is_match(&text))
            },
        )
        .add("regexQuoteMeta", |text: Str| goregex::quote_meta(&text));
    for (name, prefix) in [("regexFind", PANIC), ("mustRegexFind", "")] {
        functions.add_with_context(
            name,
            move |ctx: &mut Context<'_>, pattern: Str, text: Str| {
                let regex = compile_or(ctx, &pattern, prefix)?;
                let found = regex.matches(&text, 1).into_iter().next();
                Ok::<_, CallError>(found.map_or(Str::EMPTY, |range| Str::from(&text[range])))
            },
        );
    }
    for (name, prefix) in [("regexFindAll", PANIC), ("mustRegexFindAll", "")] {
        functions.add_with_context(
            name,
            move |ctx: &mut Context<'_>, pattern: Str, text: Str, Int(n): Int| {
                let regex = compile_or(ctx, &pattern, prefix)?;
                Ok::<_, CallError>(Value::List(find_all(&regex, &text, n)))
            },
        );
    }
    for (name, prefix) in [("regexSplit", PANIC), ("mustRegexSplit", "")] {
        functions.add_with_context(
            name,
            move |ctx: &mut Context<'_>, pattern: Str, text: Str, Int(n): Int| {
                let regex = compile_or(ctx, &pattern, prefix)?;
                Ok::<_, CallError>(Value::List(split(&regex, &pattern, &text, n)))
            },
        );
    }
    add_replacing(functions);
}

/// What `regexp.MustCompile` puts in front when it panics; the pattern follows.
const PANIC: &str = "regexp: Compile";

fn add_replacing(functions: &mut Functions) {
    for (name, prefix) in [("regexReplaceAll", PANIC), ("mustRegexReplaceAll", "")] {
        functions.add_with_context(
            name,
            move |ctx: &mut Context<'_>, pattern: Str, text: Str, replacement: Str| {
                let regex = compile_or(ctx, &pattern, prefix)?;
                let out = regex.replace_all(&text, &Replacement::template(&replacement));
                ctx.spend_bytes(out.len())?;
                Ok::<_, CallError>(out)
            },
        );
    }
    for (name, prefix) in [
        ("regexReplaceAllLiteral", PANIC),
        ("mustRegexReplaceAllLiteral", ""),
    ] {
        functions.add_with_context(
            name,
            move |ctx: &mut Context<'_>, pattern: Str, text: Str, replacement: Str| {
                let regex = compile_or(ctx, &pattern, prefix)?;
                let out = regex.replace_all(&text, &Replacement::literal(&replacement));
                ctx.spend_bytes(out.len())?;
                Ok::<_, CallError>(out)
            },
        );
    }
}

fn compile(ctx: &mut Context<'_>, pattern: &Str) -> Result<Pattern, CallError> {
    ctx.spend_steps(pattern.len() as u64)?;
    let compiled = match ctx.host::<Host>() {
        Some(host) => host
            .regexes
            .entry(pattern.clone())
            .or_insert_with(|| goregex::compile(pattern))
            .clone(),
        None => goregex::compile(pattern),
    };
    compiled.map_err(|error| CallError::text(error.to_string()))
}

fn compile_or(ctx: &mut Context<'_>, pattern: &Str, prefix: &str) -> Result<Pattern, CallError> {
    match compile(ctx, pattern) {
        Err(CallError::Text(error)) if !prefix.is_empty() => {
            fail(format!("{prefix}({}): {error}", quoted(&lossy(pattern))))
        }
        other => other,
    }
}

/// As Go shows a pattern: between backquotes where it can be.
fn quoted(pattern: &str) -> String {
    if pattern
        .chars()
        .any(|c| c == '`' || c.is_control() && c != '\t')
    {
        crate::gotext::quote(pattern.as_bytes())
    } else {
        format!("`{pattern}`")
    }
}

/// Nothing found is the nil list.
fn find_all(regex: &Pattern, text: &Str, n: i64) -> List {
    let limit = usize::try_from(n).unwrap_or(usize::MAX);
    let found: Vec<Value> = regex
        .matches(text, limit)
        .into_iter()
        .map(|range| Value::Str(Str::from(&text[range])))
        .collect();
    if found.is_empty() {
        List::nil(&Type::STRINGS)
    } else {
        List::typed(&Type::STRINGS, found)
    }
}

/// Source: Go `Regexp.Split`.
fn split(regex: &Pattern, pattern: &Str, text: &Str, n: i64) -> List {
    if n == 0 {
        return List::nil(&Type::STRINGS);
    }
    let parts = |parts: Vec<&[u8]>| {
        List::typed(
            &Type::STRINGS,
            parts
                .into_iter()
                .map(|p| Value::Str(Str::from(p)))
                .collect(),
        )
    };
    if !pattern.is_empty() && text.is_empty() {
        return parts(vec![b""]);
    }
    let limit = usize::try_from(n).unwrap_or(usize::MAX);
    let (mut out, mut start, mut end) = (Vec::new(), 0, 0);
    for range in regex.matches(text, limit) {
        if n > 0 && out.len() + 1 == limit {
            break;
        }
        end = range.start;
        if range.end != 0 {
            out.push(&text[start..end]);
        }
        start = range.end;
    }
    if end != text.len() {
        out.push(&text[start..]);
    }
    parts(out)
}
