//! Evaluating pipelines, commands, variables and fields.

use super::call::Callable;
use super::{At, Exec, Operand, Result, Var};
use crate::container::Map;
use crate::node::{Callee, Chain, Command, Expr, Identifier, Name, Number, Pipe};
use crate::set::MissingKey;
use crate::stack::grow;
use crate::strconv::quote;
use crate::types::{NamedType, Type};
use crate::value::{Native, Value};

/// Arguments of a field or function: the expressions after it, and the value piped into it.
#[derive(Clone)]
pub(super) struct Arguments<'a> {
    pub(super) exprs: &'a [Expr],
    pub(super) last: Option<Operand>,
}

impl Arguments<'_> {
    pub(super) const NONE: Self = Self {
        exprs: &[],
        last: None,
    };

    fn is_empty(&self) -> bool {
        self.exprs.is_empty() && self.last.is_none()
    }
}

impl<'a> Exec<'a, '_> {
    pub(super) fn eval_pipeline(&mut self, dot: &Operand, pipe: &'a Pipe) -> Result<Operand> {
        self.at = Some(At::Pipe(pipe));
        let mut value = None;
        for command in &pipe.cmds {
            value = Some(self.eval_command(dot, command, value)?.unboxed());
        }
        let value = value.unwrap_or(Operand::Invalid);
        for variable in &pipe.decl {
            if pipe.is_assign {
                self.set_var(&variable.name, value.clone())?;
            } else {
                self.vars.push(Var {
                    name: variable.name.clone(),
                    value: value.clone(),
                });
            }
        }
        Ok(value)
    }

    fn eval_command(
        &mut self,
        dot: &Operand,
        command: &'a Command,
        last: Option<Operand>,
    ) -> Result<Operand> {
        self.step()?;
        let first = &command.args[0];
        let args = Arguments {
            exprs: &command.args[1..],
            last,
        };
        match first {
            Expr::Field { fields, .. } => {
                self.at = Some(At::Expr(first));
                return self.eval_fields(dot, dot, At::Expr(first), fields, args);
            }
            Expr::Chain(chain) => return self.eval_chain(dot, first, chain, args),
            Expr::Identifier(identifier) => {
                return self.eval_function(dot, first, identifier, At::Command(command), args);
            }
            Expr::Pipe(pipe) => {
                self.refuse_arguments(first, &args)?;
                return grow(|| self.eval_pipeline(dot, pipe));
            }
            Expr::Variable(_) => return self.eval_variable(dot, first, args),
            _ => {}
        }
        self.at = Some(At::Expr(first));
        self.refuse_arguments(first, &args)?;
        match first {
            Expr::Bool { value, .. } => Ok(Operand::Concrete(Value::Bool(*value))),
            Expr::Dot { .. } => Ok(dot.clone()),
            Expr::Nil { .. } => self.error("nil is not a command"),
            Expr::Number { number, .. } => self.ideal_constant(first, number),
            Expr::String { text, .. } => Ok(Operand::Concrete(Value::Str(text.clone()))),
            other => {
                let shown = quote(other.to_text().as_bytes());
                self.error(format!("can't evaluate command {shown}"))
            }
        }
    }

    fn refuse_arguments(&self, first: &Expr, args: &Arguments<'a>) -> Result<()> {
        if args.is_empty() {
            return Ok(());
        }
        self.error(format!(
            "can't give argument to non-function {}",
            first.to_text()
        ))
    }

    /// The value of a number where nothing says which type it must have: its syntax decides.
    pub(super) fn ideal_constant(&mut self, expr: &'a Expr, number: &Number) -> Result<Operand> {
        self.at = Some(At::Expr(expr));
        let text = number.text.as_bytes();
        let is_hex =
            text.len() > 2 && matches!(text, [b'0', b'x' | b'X', ..]) && !contains_any(text, b"pP");
        let is_char = text.starts_with(b"'");
        if let Some(parts) = number.complex {
            return Ok(Operand::Concrete(Value::Complex(Box::new(parts))));
        }
        match (number.float, number.int) {
            (Some(float), _) if !is_hex && !is_char && contains_any(text, b".eEpP") => {
                Ok(Operand::Concrete(Value::Float(float)))
            }
            (_, Some(int)) => Ok(Operand::Concrete(Value::int(int))),
            _ if number.uint.is_some() => self.error(format!("{} overflows int", number.text)),
            _ => Ok(Operand::Invalid),
        }
    }

    pub(super) fn eval_variable(
        &mut self,
        dot: &Operand,
        expr: &'a Expr,
        args: Arguments<'a>,
    ) -> Result<Operand> {
        let Expr::Variable(variable) = expr else {
            return self.error("internal error: not a variable");
        };
        self.at = Some(At::Expr(expr));
        let value = self.var(&variable.name)?;
        if variable.fields.is_empty() {
            self.refuse_arguments(expr, &args)?;
            return Ok(value);
        }
        self.eval_fields(dot, &value, At::Expr(expr), &variable.fields, args)
    }

    pub(super) fn eval_chain(
        &mut self,
        dot: &Operand,
        expr: &'a Expr,
        chain: &'a Chain,
        args: Arguments<'a>,
    ) -> Result<Operand> {
        self.at = Some(At::Expr(expr));
        let receiver = self.eval_arg(dot, None, &chain.node)?;
        self.eval_fields(dot, &receiver, At::Expr(expr), &chain.fields, args)
    }

    pub(super) fn eval_function(
        &mut self,
        dot: &Operand,
        expr: &'a Expr,
        identifier: &'a Identifier,
        node: At<'a>,
        args: Arguments<'a>,
    ) -> Result<Operand> {
        self.at = Some(At::Expr(expr));
        let callable = match identifier.callee {
            Callee::Builtin(builtin) => Callable::Builtin(builtin),
            Callee::Host(slot) => {
                let Some(function) = self.set.functions().at(slot) else {
                    let name = quote(&identifier.name);
                    return self.error(format!("{name} is not a defined function"));
                };
                Callable::Function(function)
            }
        };
        self.eval_call(dot, &callable, node, args)
    }

    /// `.X.Y.Z` from `receiver`; only the last may be a method with arguments.
    pub(super) fn eval_fields(
        &mut self,
        dot: &Operand,
        receiver: &Operand,
        node: At<'a>,
        fields: &'a [Name],
        args: Arguments<'a>,
    ) -> Result<Operand> {
        let Some((last, path)) = fields.split_last() else {
            return Ok(receiver.clone());
        };
        let mut reached = None;
        for field in path {
            let from = reached.as_ref().unwrap_or(receiver);
            reached = Some(self.eval_field(dot, field, node, Arguments::NONE, from)?);
        }
        self.eval_field(dot, last, node, args, reached.as_ref().unwrap_or(receiver))
    }

    fn eval_field(
        &mut self,
        dot: &Operand,
        field: &'a Name,
        node: At<'a>,
        args: Arguments<'a>,
        receiver: &Operand,
    ) -> Result<Operand> {
        let value = match receiver {
            Operand::Invalid => {
                if self.set.missing_key() == MissingKey::Error {
                    let key = quote(&field.0);
                    return self.error(format!("nil data; no entry for key {key}"));
                }
                return Ok(Operand::Invalid);
            }
            Operand::Concrete(value) | Operand::Boxed(value) => value,
        };
        if let Some(method) = named_type(value).and_then(|named| named.method(field.text())) {
            let callable = Callable::Method(method, value);
            return self.eval_call(dot, &callable, node, args);
        }
        match value {
            Value::Map(map) => {
                if !args.is_empty() {
                    let name = &field.0;
                    return self.error(format!("{name} is not a method but has arguments"));
                }
                self.eval_key(map, field)
            }
            Value::Native(native) => {
                self.eval_native_field(native.as_ref(), field, &args, receiver)
            }
            Value::Nil => {
                let ty = receiver.type_name();
                self.error(format!("nil pointer evaluating {ty}.{}", field.0))
            }
            _ => self.no_such_field(field, receiver),
        }
    }

    fn eval_key(&self, map: &Map, field: &Name) -> Result<Operand> {
        if let Some(value) = map.get(&field.0) {
            return Ok(Operand::with_interface(value, map.holds_interfaces()));
        }
        match self.set.missing_key() {
            MissingKey::Default => Ok(Operand::Invalid),
            MissingKey::Zero => Ok(Operand::zero(
                map.type_of().element().unwrap_or(Type::Interface),
            )),
            MissingKey::Error => {
                self.error(format!("map has no entry for key {}", quote(&field.0)))
            }
        }
    }

    fn eval_native_field(
        &self,
        native: &dyn Native,
        field: &Name,
        args: &Arguments<'a>,
        receiver: &Operand,
    ) -> Result<Operand> {
        let Some(value) = native.field(field.text()) else {
            return self.no_such_field(field, receiver);
        };
        if !field.text().starts_with(char::is_uppercase) {
            let (name, ty) = (&field.0, receiver.type_name());
            let message = format!("{name} is an unexported field of struct type {ty}");
            return self.error(message);
        }
        if !args.is_empty() {
            let name = &field.0;
            return self.error(format!(
                "{name} has arguments but cannot be invoked as function"
            ));
        }
        Ok(Operand::with_interface(
            value,
            native.field_is_interface(field.text()),
        ))
    }

    fn no_such_field(&self, field: &Name, receiver: &Operand) -> Result<Operand> {
        let ty = receiver.type_name();
        self.error(format!("can't evaluate field {} in type {ty}", field.0))
    }
}

/// The named type of a value, which may have methods.
fn named_type(value: &Value) -> Option<&'static NamedType> {
    let ty = match value {
        Value::Map(map) => *map.type_of(),
        Value::List(list) => *list.type_of(),
        Value::Native(native) => return Some(native.named_type()),
        _ => return None,
    };
    match ty {
        Type::Named(named) => Some(named),
        _ => None,
    }
}

fn contains_any(text: &[u8], bytes: &[u8]) -> bool {
    text.iter().any(|byte| bytes.contains(byte))
}
