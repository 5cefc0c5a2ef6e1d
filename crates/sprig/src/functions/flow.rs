//! Defaults, choices and failures.
//!
//! In: anything. Out: one of the arguments, a boolean, or the error the chart asks for. Source: sprig
//! `defaults.go`; `required` and `fail` are Helm's.

use gotemplate::{CallError, Context, Functions, Rest, Str, Value};

use super::Host;
use super::support::{empty, lossy};

/// Marks the text of `fail` and `required` inside an error, so that the report can show it alone.
pub const WARN_START: &str = "HELM_ERR_START";
/// Ends what [`WARN_START`] starts.
pub const WARN_END: &str = "HELM_ERR_END";

pub(super) fn add(functions: &mut Functions) {
    functions
        .add("default", |default: Value, Rest(given): Rest<Value>| {
            given
                .into_iter()
                .next()
                .filter(|given| !empty(given))
                .unwrap_or(default)
        })
        .add("empty", |value: Value| empty(&value))
        .add("coalesce", |Rest(values): Rest<Value>| {
            values
                .into_iter()
                .find(|value| !empty(value))
                .unwrap_or_default()
        })
        .add("all", |Rest(values): Rest<Value>| !values.iter().any(empty))
        .add("any", |Rest(values): Rest<Value>| !values.iter().all(empty))
        .add(
            "ternary",
            |yes: Value, no: Value, choice: bool| if choice { yes } else { no },
        )
        .add("fail", |text: Str| failed::<Str>(lossy(&text).into_owned()))
        .add("hello", || "Hello!");
}

/// Helm's versions, whose texts stand alone in the report.
pub(super) fn add_helm(functions: &mut Functions) {
    functions
        .add_with_context("fail", |ctx: &mut Context<'_>, text: Str| {
            if excused(ctx, Excused::Fail, &text) {
                return Ok(Str::EMPTY);
            }
            failed(wrapped(&lossy(&text)))
        })
        .add_with_context(
            "required",
            |ctx: &mut Context<'_>, warning: Str, value: Value| {
                let excuse = match &value {
                    Value::Nil => Excused::Missing,
                    Value::Str(text) if text.is_empty() => Excused::Empty,
                    _ => return Ok(value),
                };
                if excused(ctx, excuse, &warning) {
                    return Ok(Value::str(""));
                }
                failed(wrapped(&lossy(&warning)))
            },
        );
}

/// What a chart asked to fail for while its host excuses that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excused {
    /// `fail` was called.
    Fail,
    /// `required` was given nothing.
    Missing,
    /// `required` was given an empty text.
    Empty,
}

/// Whether the host lets it pass, which it is told.
fn excused(ctx: &mut Context<'_>, what: Excused, text: &Str) -> bool {
    let excuse = ctx.host::<Host>().and_then(|host| host.excuse.as_mut());
    if let Some(excuse) = excuse {
        excuse(what, &lossy(text));
        return true;
    }
    false
}

fn wrapped(text: &str) -> String {
    format!("{WARN_START}{text}{WARN_END}")
}

fn failed<T>(text: String) -> Result<T, CallError> {
    Err(CallError::Text(text))
}
