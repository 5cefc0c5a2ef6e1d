//! Calling functions and methods: counting, evaluating and checking arguments.

use std::sync::Arc;

use super::builtin::Builtin;
use super::eval::Arguments;
use super::{At, Context, Exec, Operand, Result};
use crate::error::{CallError, LimitError, TEXT_BYTES_MAX};
use crate::function::{Args, Function};
use crate::node::Expr;
use crate::stack::grow;
use crate::types::{Method, Signature, Type};
use crate::value::Value;

/// Bytes of a text that a function works through in about the time of a step.
const BYTES_PER_STEP: usize = 64;
/// Items of a list or map, likewise.
const ITEMS_PER_STEP: usize = 8;

/// What is called.
pub(super) enum Callable<'v> {
    Builtin(Builtin),
    Function(&'v Arc<Function>),
    Method(&'static Method, &'v Value),
}

impl Callable<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Builtin(builtin) => builtin.name(),
            Self::Function(function) => &function.name,
            Self::Method(method, _) => method.name,
        }
    }

    fn signature(&self) -> Signature {
        match self {
            Self::Builtin(builtin) => builtin.signature(),
            Self::Function(function) => function.signature,
            Self::Method(method, _) => method.signature,
        }
    }
}

impl<'a> Exec<'a, '_> {
    pub(super) fn eval_call(
        &mut self,
        dot: &Operand,
        callable: &Callable<'_>,
        node: At<'a>,
        args: Arguments<'a>,
    ) -> Result<Operand> {
        let signature = callable.signature();
        self.check_count(callable.name(), &signature, &args)?;
        if let Callable::Builtin(builtin @ (Builtin::And | Builtin::Or)) = callable {
            return self.eval_logic(dot, *builtin, args);
        }
        let result = if let Callable::Builtin(builtin) = callable {
            let exprs = args.exprs;
            let operands = self.eval_args(dot, &signature, args, |operand| operand)?;
            self.charge_arguments(operands.iter().map(Operand::value))?;
            builtin.call(&mut self.context(), operands, exprs)
        } else {
            let values = self.eval_args(dot, &signature, args, into_argument)?;
            self.charge_arguments(values.iter())?;
            let result = self.call_host(callable, values);
            result.map(|value| Operand::with_interface(value, signature.result == Type::Interface))
        };
        result
            .and_then(|value| self.charge_result(value))
            .map_err(|cause| self.call_failed(callable.name(), node, cause))
    }

    /// Most functions look at all of their arguments, so that their size tells how long a call takes.
    fn charge_arguments<'v>(&mut self, values: impl Iterator<Item = &'v Value>) -> Result<()> {
        let cost = values.map(|value| match value {
            Value::Str(text) | Value::Bytes(text) => text.len() / BYTES_PER_STEP,
            Value::List(list) => list.len() / ITEMS_PER_STEP,
            Value::Map(map) => map.len() / ITEMS_PER_STEP,
            _ => 0,
        });
        let steps = cost.sum::<usize>() as u64;
        self.shared.step(steps).map_err(|limit| self.limit(limit))
    }

    /// The texts that functions build count as output, written or not: a template could double one in a loop.
    fn charge_result(&mut self, result: Operand) -> std::result::Result<Operand, CallError> {
        self.shared.settle()?;
        if let Value::Str(text) | Value::Bytes(text) = result.value() {
            if text.len() > TEXT_BYTES_MAX {
                return Err(LimitError::TextBytes {
                    max: TEXT_BYTES_MAX,
                }
                .into());
            }
            self.shared.write(text.own_heap_bytes())?;
        }
        Ok(result)
    }

    fn context(&mut self) -> Context<'_> {
        Context {
            set: self.set,
            shared: self.shared,
        }
    }

    fn call_host(
        &mut self,
        callable: &Callable<'_>,
        values: Vec<Value>,
    ) -> std::result::Result<Value, CallError> {
        let mut args = Args::new(values);
        match callable {
            Callable::Function(function) => (function.body)(&mut self.context(), &mut args),
            Callable::Method(method, receiver) => {
                (method.call)(&mut self.context(), receiver, &mut args)
            }
            Callable::Builtin(_) => Ok(Value::Nil),
        }
    }

    fn call_failed(
        &mut self,
        name: &str,
        node: At<'a>,
        cause: CallError,
    ) -> Box<crate::error::ExecError> {
        self.at = Some(node);
        self.exec_error(format!("error calling {name}"), Some(cause))
    }

    fn check_count(&self, name: &str, signature: &Signature, args: &Arguments<'a>) -> Result<()> {
        let (given, wanted) = (args.exprs.len(), signature.params.len());
        let n_in = given + usize::from(args.last.is_some());
        // Quirk: for variadic functions Go's message leaves the piped value out of the count.
        if signature.variadic.is_some() && n_in < wanted {
            let message =
                format!("wrong number of args for {name}: want at least {wanted} got {given}");
            return self.error(message);
        }
        if signature.variadic.is_none() && n_in != wanted {
            return self.error(format!(
                "wrong number of args for {name}: want {wanted} got {n_in}"
            ));
        }
        Ok(())
    }

    /// `and` and `or` evaluate no further than they must, and give back the operand that decided.
    fn eval_logic(
        &mut self,
        dot: &Operand,
        builtin: Builtin,
        args: Arguments<'a>,
    ) -> Result<Operand> {
        let mut value = Operand::Invalid;
        for expr in args.exprs {
            value = self.eval_arg(dot, Some(Type::Reflect), expr)?;
            if value.value().truth() == (builtin == Builtin::Or) {
                return Ok(value);
            }
        }
        Ok(args.last.unwrap_or(value))
    }

    fn eval_args<T>(
        &mut self,
        dot: &Operand,
        signature: &Signature,
        args: Arguments<'a>,
        keep: impl Fn(Operand) -> T,
    ) -> Result<Vec<T>> {
        let type_at = |index: usize| {
            let ty = signature.params.get(index).copied().or(signature.variadic);
            ty.unwrap_or(Type::Interface)
        };
        let mut kept = Vec::with_capacity(args.exprs.len() + 1);
        for (index, expr) in args.exprs.iter().enumerate() {
            kept.push(keep(self.eval_arg(dot, Some(type_at(index)), expr)?));
        }
        if let Some(last) = args.last {
            let ty = type_at(kept.len());
            kept.push(keep(self.validate(last, Some(ty))?));
        }
        Ok(kept)
    }

    /// Evaluates one argument for a parameter of type `ty`; `None` is for what is no parameter.
    pub(super) fn eval_arg(
        &mut self,
        dot: &Operand,
        ty: Option<Type>,
        expr: &'a Expr,
    ) -> Result<Operand> {
        self.at = Some(At::Expr(expr));
        let value = match expr {
            Expr::Dot { .. } => dot.clone(),
            Expr::Nil { .. } => return self.nil_arg(ty.unwrap_or(Type::Interface)),
            Expr::Field { fields, .. } => {
                self.eval_fields(dot, dot, At::Expr(expr), fields, Arguments::NONE)?
            }
            Expr::Variable(_) => self.eval_variable(dot, expr, Arguments::NONE)?,
            Expr::Pipe(pipe) => grow(|| self.eval_pipeline(dot, pipe))?,
            Expr::Identifier(identifier) => {
                self.eval_function(dot, expr, identifier, At::Expr(expr), Arguments::NONE)?
            }
            Expr::Chain(chain) => self.eval_chain(dot, expr, chain, Arguments::NONE)?,
            Expr::Bool { .. } | Expr::Number { .. } | Expr::String { .. } => {
                return self.literal_arg(ty.unwrap_or(Type::Interface), expr);
            }
        };
        self.validate(value, ty)
    }

    fn nil_arg(&self, ty: Type) -> Result<Operand> {
        if ty.can_be_nil() {
            Ok(Operand::zero(ty))
        } else {
            self.error(format!("cannot assign nil to {ty}"))
        }
    }

    /// A literal takes the type of the parameter if it can.
    fn literal_arg(&mut self, ty: Type, expr: &'a Expr) -> Result<Operand> {
        let number = match expr {
            Expr::Number { number, .. } => Some(number),
            _ => None,
        };
        let value = match (ty.underlying(), expr) {
            (Type::Interface | Type::Reflect, Expr::Number { number, .. }) => {
                return self.ideal_constant(expr, number);
            }
            (Type::Interface | Type::Reflect | Type::Bool, Expr::Bool { value, .. }) => {
                Some(Value::Bool(*value))
            }
            (Type::Interface | Type::Reflect | Type::String, Expr::String { text, .. }) => {
                Some(Value::Str(text.clone()))
            }
            (Type::Int(kind), _) if kind.is_signed() => number
                .and_then(|number| number.int)
                .map(|int| Value::Int(kind, kind.wrap(int))),
            (Type::Int(kind), _) => number
                .and_then(|number| number.uint)
                .map(|uint| Value::Int(kind, kind.wrap(uint as i64))),
            (Type::Float64, _) => number.and_then(|number| number.float).map(Value::Float),
            (Type::Complex128, _) => number
                .and_then(|number| number.complex)
                .map(|parts| Value::Complex(Box::new(parts))),
            _ => None,
        };
        if let Some(value) = value {
            return Ok(Operand::Concrete(value));
        }
        let shown = expr.to_text();
        let wanted = match ty.underlying() {
            Type::Bool => "bool",
            Type::String => "string",
            Type::Int(kind) if kind.is_signed() => "integer",
            Type::Int(_) => "unsigned integer",
            Type::Float64 => "float",
            Type::Complex128 => "complex",
            _ => return self.error(format!("can't handle {shown} for arg of type {ty}")),
        };
        self.error(format!("expected {wanted}; found {shown}"))
    }

    /// Makes a value fit a parameter's type, or says why it does not.
    ///
    /// Source: `validateType` in text/template.
    pub(super) fn validate(&self, value: Operand, ty: Option<Type>) -> Result<Operand> {
        let Some(ty) = ty else {
            return Ok(value);
        };
        match value {
            Operand::Invalid if ty.can_be_nil() => Ok(Operand::zero(ty)),
            Operand::Invalid => self.error(format!("invalid value; expected {ty}")),
            value if matches!(ty, Type::Reflect | Type::Interface) => Ok(value),
            Operand::Boxed(Value::Nil) => self.wrong_type(ty, &Type::Interface.to_string()),
            Operand::Concrete(value) | Operand::Boxed(value) => {
                if value.type_of().is_some_and(|own| own.assignable_to(ty)) {
                    Ok(Operand::Concrete(value))
                } else {
                    self.wrong_type(ty, &value.type_name())
                }
            }
        }
    }

    fn wrong_type(&self, expected: Type, got: &str) -> Result<Operand> {
        self.error(format!(
            "wrong type for value; expected {expected}; got {got}"
        ))
    }
}

/// A value as a function gets it: a copy, which loses the methods of its address.
fn into_argument(operand: Operand) -> Value {
    let value = operand.into_value();
    match &value {
        Value::Native(native) => native.detached().unwrap_or(value),
        _ => value,
    }
}
