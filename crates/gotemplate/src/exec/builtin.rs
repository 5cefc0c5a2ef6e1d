//! Go's predefined functions.
//!
//! Source: text/template/funcs.go.

use super::{Context, Operand, compare, escape, index};
use crate::error::CallError;
use crate::gofmt;
use crate::node::Expr;
use crate::types::{Signature, Type};
use crate::value::Value;

/// A predefined function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    And,
    Call,
    Eq,
    Ge,
    Gt,
    Html,
    Index,
    Js,
    Le,
    Len,
    Lt,
    Ne,
    Not,
    Or,
    Print,
    Printf,
    Println,
    Slice,
    Urlquery,
}

impl Builtin {
    const ALL: [Self; 19] = [
        Self::And,
        Self::Call,
        Self::Eq,
        Self::Ge,
        Self::Gt,
        Self::Html,
        Self::Index,
        Self::Js,
        Self::Le,
        Self::Len,
        Self::Lt,
        Self::Ne,
        Self::Not,
        Self::Or,
        Self::Print,
        Self::Printf,
        Self::Println,
        Self::Slice,
        Self::Urlquery,
    ];

    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|builtin| builtin.name() == name)
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::And => "and",
            Self::Call => "call",
            Self::Eq => "eq",
            Self::Ge => "ge",
            Self::Gt => "gt",
            Self::Html => "html",
            Self::Index => "index",
            Self::Js => "js",
            Self::Le => "le",
            Self::Len => "len",
            Self::Lt => "lt",
            Self::Ne => "ne",
            Self::Not => "not",
            Self::Or => "or",
            Self::Print => "print",
            Self::Printf => "printf",
            Self::Println => "println",
            Self::Slice => "slice",
            Self::Urlquery => "urlquery",
        }
    }

    pub(crate) const fn signature(self) -> Signature {
        const ONE: &[Type] = &[Type::Reflect];
        const TWO: &[Type] = &[Type::Reflect, Type::Reflect];
        let (params, variadic, result): (&'static [Type], _, _) = match self {
            Self::And | Self::Or | Self::Call | Self::Index | Self::Slice => {
                (ONE, Some(Type::Reflect), Type::Reflect)
            }
            Self::Eq => (ONE, Some(Type::Reflect), Type::Bool),
            Self::Ge | Self::Gt | Self::Le | Self::Lt | Self::Ne => (TWO, None, Type::Bool),
            Self::Not => (ONE, None, Type::Bool),
            Self::Len => (ONE, None, Type::INT),
            Self::Html | Self::Js | Self::Urlquery | Self::Print | Self::Println => {
                (&[], Some(Type::Interface), Type::String)
            }
            Self::Printf => (&[Type::String], Some(Type::Interface), Type::String),
        };
        Signature {
            params,
            variadic,
            result,
        }
    }

    /// Runs the function on arguments that fit its signature. `and` and `or` are the evaluator's own.
    pub(super) fn call(
        self,
        ctx: &mut Context<'_>,
        args: Vec<Operand>,
        exprs: &[Expr],
    ) -> Result<Operand, CallError> {
        let text = |text: Vec<u8>| Ok(Operand::Concrete(Value::Str(text.into())));
        let truth = |truth: bool| Ok(Operand::Concrete(Value::Bool(truth)));
        let (first, rest) = match args.split_first() {
            Some((first, rest)) => (first, rest),
            None => (&Operand::Invalid, &[][..]),
        };
        let second = rest.first().unwrap_or(&Operand::Invalid);
        match self {
            Self::And | Self::Or => Ok(first.clone()),
            Self::Not => truth(!first.value().truth()),
            Self::Eq => truth(compare::eq(first, rest)?),
            Self::Ne => truth(!compare::eq(first, &rest[..rest.len().min(1)])?),
            Self::Lt => truth(compare::lt(first, second)?),
            Self::Le => truth(compare::le(first, second)?),
            Self::Gt => truth(!compare::le(first, second)?),
            Self::Ge => truth(!compare::lt(first, second)?),
            Self::Len => Ok(Operand::Concrete(Value::int(index::len(first)?))),
            Self::Index => index::index(first, rest),
            Self::Slice => index::slice(first, rest),
            Self::Call => call_value(ctx, first, rest, exprs),
            Self::Print => text(gofmt::sprint(&values(args))?),
            Self::Println => text(gofmt::sprintln(&values(args))?),
            Self::Printf => {
                let values = values(args);
                let format = values
                    .first()
                    .and_then(Value::as_str)
                    .cloned()
                    .unwrap_or_default();
                text(gofmt::sprintf(
                    &format,
                    values.get(1..).unwrap_or_default(),
                )?)
            }
            Self::Html => text(escape::html(&escape::text_of(values(args))?)),
            Self::Js => text(escape::js(&escape::text_of(values(args))?)),
            Self::Urlquery => text(escape::url_query(&escape::text_of(values(args))?)),
        }
    }
}

fn values(args: Vec<Operand>) -> Vec<Value> {
    args.into_iter().map(Operand::into_value).collect()
}

/// `call f args`: the arguments are checked here, with other words than those of an ordinary call.
fn call_value(
    ctx: &mut Context<'_>,
    callee: &Operand,
    args: &[Operand],
    exprs: &[Expr],
) -> Result<Operand, CallError> {
    let name = exprs
        .first()
        .map_or_else(|| reflect_text(callee.value()), Expr::to_text);
    let function = match callee.value() {
        Value::Nil => return Err(CallError::text("call of nil")),
        Value::Func(function) => function,
        other => {
            let ty = other.type_name();
            return Err(CallError::text(format!("non-function {name} of type {ty}")));
        }
    };
    let Signature {
        params,
        variadic,
        result,
    } = function.signature;
    let (given, wanted) = (args.len(), params.len());
    if variadic.is_some() && given < wanted {
        return Err(CallError::text(format!(
            "wrong number of args for {name}: got {given} want at least {wanted}"
        )));
    }
    if variadic.is_none() && given != wanted {
        return Err(CallError::text(format!(
            "wrong number of args for {name}: got {given} want {wanted}"
        )));
    }
    let types = params.iter().copied().chain(variadic.into_iter().cycle());
    let mut values = Vec::with_capacity(given);
    for (index, (arg, ty)) in args.iter().zip(types).enumerate() {
        let value = index::prepare_arg(arg, ty)
            .map_err(|error| CallError::text(format!("arg {index}: {error}")))?;
        values.push(value);
    }
    let value = ctx.call(function, values)?;
    Ok(Operand::with_interface(value, result == Type::Interface))
}

/// `reflect.Value.String`: what `call` takes for the name of a function that was piped into it.
fn reflect_text(value: &Value) -> String {
    match value {
        Value::Str(text) => text.to_string(),
        Value::Nil => "<invalid Value>".to_owned(),
        other => format!("<{} Value>", other.type_name()),
    }
}
