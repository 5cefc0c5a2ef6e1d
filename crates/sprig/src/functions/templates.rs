//! Functions that run other templates or look into the cluster: `include`, `tpl`, `lookup`.
//!
//! In: names or texts of templates and their data. Out: what they render. Source: Helm
//! `pkg/engine/engine.go`, `lookup_func.go`.

use std::sync::Arc;

use gotemplate::{CallError, Context, Functions, Map, Str, Type, Value};

use super::Host;
use super::support::{fail, lossy};
use crate::gotext::quote;
use crate::values::to_template;

/// How often one template may be included inside itself.
const INCLUDE_DEPTH_MAX: u32 = 1_000;

/// Most bytes that a byte of a text takes between quotes.
const QUOTED_BYTES: usize = 4;

/// Name of the root of all templates, which texts given to `tpl` are parsed under.
pub const ROOT: &str = "gotpl";

pub(super) fn add_helm(functions: &mut Functions) {
    functions
        .add_with_context(
            "include",
            |ctx: &mut Context<'_>, name: Str, data: Value| include(ctx, &name, &data),
        )
        .add_with_context("tpl", |ctx: &mut Context<'_>, text: Str, data: Value| {
            tpl(ctx, &text, &data)
        })
        .add_with_context(
            "lookup",
            |ctx: &mut Context<'_>, version: Str, kind: Str, namespace: Str, name: Str| {
                lookup(ctx, [version, kind, namespace, name])
            },
        );
}

fn include(ctx: &mut Context<'_>, name: &Str, data: &Value) -> Result<Str, CallError> {
    if let Some(host) = ctx.host::<Host>() {
        let depth = host.included.entry(name.clone()).or_default();
        if *depth > INCLUDE_DEPTH_MAX {
            return fail(format!(
                "rendering template has a nested reference name: {name}: unable to execute template"
            ));
        }
        *depth += 1;
    }
    let text = lossy(name);
    let result = if ctx.set().lookup(&text).is_some() {
        ctx.execute(&text, data).map_err(CallError::from)
    } else {
        let message = format!(
            "template: no template {} associated with template {}",
            quote(name),
            quote(ROOT.as_bytes())
        );
        fail(message)
    };
    if let Some(host) = ctx.host::<Host>()
        && let Some(depth) = host.included.get_mut(name)
    {
        *depth = depth.saturating_sub(1);
    }
    result
}

fn tpl(ctx: &mut Context<'_>, text: &Str, data: &Value) -> Result<Vec<u8>, CallError> {
    ctx.spend_steps(text.len() as u64 / 16)?;
    let mut set = ctx.set().child();
    let template = set.parse(ROOT, text.clone()).map_err(|error| {
        let shown = shown(ctx, text);
        CallError::Parse(error).context(format!("cannot parse template {shown}"))
    })?;
    let rendered = ctx
        .execute_in(&Arc::new(set), &template, data)
        .map_err(|error| {
            let shown = shown(ctx, text);
            CallError::from(error)
                .context(format!("error during tpl function execution for {shown}"))
        })?;
    Ok(without_no_value(&rendered))
}

/// The text of a template as an error shows it: whole, unless errors of templates within templates have shown
/// too much already.
fn shown(ctx: &mut Context<'_>, text: &Str) -> String {
    match ctx.spend_bytes(text.len().saturating_mul(QUOTED_BYTES)) {
        Ok(()) => quote(text),
        Err(_) => format!("\"{} bytes\"", text.len()),
    }
}

/// Go prints this for nothing; Helm takes it out again wherever it stands.
pub fn without_no_value(text: &[u8]) -> Vec<u8> {
    const NO_VALUE: &[u8] = b"<no value>";
    let mut out = Vec::with_capacity(text.len());
    let mut rest = 0;
    for at in memchr::memmem::find_iter(text, NO_VALUE) {
        out.extend_from_slice(&text[rest..at]);
        rest = at + NO_VALUE.len();
    }
    out.extend_from_slice(&text[rest..]);
    out
}

/// An empty map for what is not there, as without a cluster.
fn lookup(ctx: &mut Context<'_>, arguments: [Str; 4]) -> Result<Map, CallError> {
    let [version, kind, namespace, name] = arguments.map(|part| lossy(&part).into_owned());
    let Some(host) = ctx.host::<Host>() else {
        return Ok(Map::new());
    };
    let Some(cluster) = &host.lookup else {
        return Ok(Map::new());
    };
    let found = cluster
        .lookup(&version, &kind, &namespace, &name)
        .map_err(CallError::text)?;
    Ok(match found.map(|object| to_template(&object)) {
        Some(Value::Map(map)) => map.retyped(&Type::MAP),
        _ => Map::new(),
    })
}
