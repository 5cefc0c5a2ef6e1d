//! Regular expression functions, in Go's syntax.
//!
//! In: patterns and texts of any bytes. Out: matches. A bad pattern is an error in Go's words, except
//! for `regexMatch`, which is then false. Source: sprig `regex.go`.

use gotemplate::{CallError, Context, Functions, Int, List, Str, Type, Value};

use super::support::fail;
use super::{Host, support::lossy};
use crate::goregex::{self, Pattern, Replacement};

/// How many compiled patterns a render keeps. Each holds states of its engine, up to a few MiB.
const KEPT_MAX: usize = 64;

pub(super) fn add(functions: &mut Functions) {
    functions
        .add_with_context(
            "regexMatch",
            |ctx: &mut Context<'_>, pattern: Str, text: Str| match compile(ctx, &pattern) {
                Err(CallError::Text(_)) => Ok(false),
                pattern => is_match(ctx, &pattern?, &text),
            },
        )
        .add_with_context(
            "mustRegexMatch",
            |ctx: &mut Context<'_>, pattern: Str, text: Str| {
                let pattern = compile(ctx, &pattern)?;
                is_match(ctx, &pattern, &text)
            },
        )
        .add("regexQuoteMeta", |text: Str| goregex::quote_meta(&text));
    for (name, prefix) in [("regexFind", PANIC), ("mustRegexFind", "")] {
        functions.add_with_context(
            name,
            move |ctx: &mut Context<'_>, pattern: Str, text: Str| {
                let regex = compile_or(ctx, &pattern, prefix)?;
                let found = regex.matches(ctx, &text, 1)?.into_iter().next();
                Ok::<_, CallError>(found.map_or(Str::EMPTY, |range| Str::from(&text[range])))
            },
        );
    }
    for (name, prefix) in [("regexFindAll", PANIC), ("mustRegexFindAll", "")] {
        functions.add_with_context(
            name,
            move |ctx: &mut Context<'_>, pattern: Str, text: Str, Int(n): Int| {
                let regex = compile_or(ctx, &pattern, prefix)?;
                find_all(ctx, &regex, &text, n).map(Value::List)
            },
        );
    }
    for (name, prefix) in [("regexSplit", PANIC), ("mustRegexSplit", "")] {
        functions.add_with_context(
            name,
            move |ctx: &mut Context<'_>, pattern: Str, text: Str, Int(n): Int| {
                let regex = compile_or(ctx, &pattern, prefix)?;
                split(ctx, &regex, &pattern, &text, n).map(Value::List)
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
                regex.replace_all(ctx, &text, &Replacement::template(&replacement))
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
                regex.replace_all(ctx, &text, &Replacement::literal(&replacement))
            },
        );
    }
}

fn is_match(ctx: &mut Context<'_>, pattern: &Pattern, text: &Str) -> Result<bool, CallError> {
    ctx.spend_steps(pattern.search_steps(text.len()) as u64)?;
    Ok(pattern.is_match(text))
}

fn compile(ctx: &mut Context<'_>, text: &Str) -> Result<Pattern, CallError> {
    let kept = ctx.host::<Host>().and_then(|host| host.regexes.get(text));
    let compiled = if let Some(kept) = kept {
        kept.clone()
    } else {
        ctx.spend_steps(text.len() as u64)?;
        let compiled = goregex::compile(text);
        ctx.spend_steps(compiled.as_ref().map_or(0, Pattern::compile_steps))?;
        if let Some(host) = ctx.host::<Host>() {
            if host.regexes.len() >= KEPT_MAX {
                host.regexes.clear();
            }
            host.regexes.insert(text.clone(), compiled.clone());
        }
        compiled
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
fn find_all(ctx: &mut Context<'_>, regex: &Pattern, text: &Str, n: i64) -> Result<List, CallError> {
    let limit = usize::try_from(n).unwrap_or(usize::MAX);
    let places = regex.matches(ctx, text, limit)?;
    ctx.expect_items(places.len())?;
    if places.is_empty() {
        return Ok(List::nil(&Type::STRINGS));
    }
    let found = places
        .into_iter()
        .map(|place| Value::Str(Str::from(&text[place])));
    Ok(List::typed(&Type::STRINGS, found.collect()))
}

/// Source: Go `Regexp.Split`.
fn split(
    ctx: &mut Context<'_>,
    regex: &Pattern,
    pattern: &Str,
    text: &Str,
    n: i64,
) -> Result<List, CallError> {
    if n == 0 {
        return Ok(List::nil(&Type::STRINGS));
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
        return Ok(parts(vec![b""]));
    }
    let limit = usize::try_from(n).unwrap_or(usize::MAX);
    let (mut out, mut start, mut end) = (Vec::new(), 0, 0);
    let places = regex.matches(ctx, text, limit)?;
    ctx.expect_items(places.len())?;
    for range in places {
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
    Ok(parts(out))
}
