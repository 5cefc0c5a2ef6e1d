//! Calling functions and methods: counting, evaluating and checking arguments.

use std::sync::Arc;

use super::builtin::Builtin;
use super::eval::Arguments;
use super::{At, Context, Exec, Operand, Result};
use crate::error::CallError;
use crate::function::{Args, Function};
use crate::node::Expr;
use crate::stack::grow;
use crate::types::{Method, Signature, Type};
use crate::value::Value;

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
        let exprs = args.exprs;
        let operands = self.eval_args(dot, &signature, args)?;
        let mut ctx = Context {
            set: self.set,
            shared: self.shared,
        };
        let result = match callable {
            Callable::Builtin(builtin) => builtin.call(&mut ctx, operands, exprs),
            Callable::Function(function) => {
                let mut args = Args::new(operands.into_iter().map(Operand::into_value).collect());
                (function.body)(&mut ctx, &mut args).map(|value| typed(value, signature.result))
            }
            Callable::Method(method, receiver) => {
                let mut args = Args::new(operands.into_iter().map(Operand::into_value).collect());
                (method.call)(&mut ctx, receiver, &mut args)
                    .map(|value| typed(value, signature.result))
            }
        };
        result.map_err(|cause| self.call_failed(callable.name(), node, cause))
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

    fn eval_args(
        &mut self,
        dot: &Operand,
        signature: &Signature,
        args: Arguments<'a>,
    ) -> Result<Vec<Operand>> {
        let type_at = |index: usize| {
            signature
                .params
                .get(index)
                .copied()
                .or(signature.variadic)
                .unwrap_or(Type::Interface)
        };
        let mut operands = Vec::with_capacity(args.exprs.len() + 1);
        for (index, expr) in args.exprs.iter().enumerate() {
            operands.push(self.eval_arg(dot, Some(type_at(index)), expr)?);
        }
        if let Some(last) = args.last {
            let ty = type_at(operands.len());
            operands.push(self.validate(last, Some(ty))?);
        }
        Ok(operands)
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

/// A result under the static type its signature declares.
fn typed(value: Value, ty: Type) -> Operand {
    Operand::with_interface(value, ty == Type::Interface)
}
