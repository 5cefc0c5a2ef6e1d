//! Functions that templates can call, with the Go signatures that decide which arguments they take.
//!
//! Arguments are checked against the signature before the body runs, because the text and position of that
//! error are visible to users. A body written as a closure over Rust types gets its signature from them:
//!
//! ```
//! use gotemplate::{Functions, Int, Rest, Str, Value};
//!
//! let mut functions = Functions::new();
//! functions.add("trunc", |n: Int, text: Str| Str::from(&text[..text.len().min(n.0 as usize)]));
//! functions.add("first", |items: Rest<Value>| items.0.into_iter().next().unwrap_or(Value::Nil));
//! ```
//!
//! | Rust | Go |
//! |---|---|
//! | `Value` | `interface {}`; nil is `Value::Nil` |
//! | `Str`, `bool`, `f64` | `string`, `bool`, `float64` |
//! | `Int`, `i64` | `int`, `int64` |
//! | `List`, `Map` | `[]interface {}`, `map[string]interface {}`; nil ones have `is_nil()` |
//! | `Rest<T>` as the last parameter | `...T` |

use std::collections::HashMap;
use std::sync::Arc;

use crate::bytestr::Str;
use crate::container::{List, Map};
use crate::error::CallError;
use crate::exec::Context;
use crate::types::{Signature, Type};
use crate::value::Value;

/// A Go `int`, as opposed to `i64`, which is `int64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Int(pub i64);

/// The variadic arguments; only as the last parameter.
#[derive(Clone, Debug)]
pub struct Rest<T>(pub Vec<T>);

/// Checked arguments, handed out one after the other.
pub struct Args(std::vec::IntoIter<Value>);

impl Args {
    pub(crate) fn new(values: Vec<Value>) -> Self {
        Self(values.into_iter())
    }

    /// The next argument. What the signature promised is there; past it, the zero value.
    pub fn take<T: Arg>(&mut self) -> T {
        T::take(self)
    }
}

/// A Rust type that stands for a Go parameter type.
pub trait Arg: Sized {
    /// The parameter's type; the element type if it is variadic.
    const TYPE: Type;
    /// Whether this takes all remaining arguments.
    const VARIADIC: bool = false;
    /// Takes this parameter's value out of checked arguments.
    fn take(args: &mut Args) -> Self;
}

impl Arg for Value {
    const TYPE: Type = Type::Interface;
    fn take(args: &mut Args) -> Self {
        args.0.next().unwrap_or_default()
    }
}

impl Arg for Str {
    const TYPE: Type = Type::String;
    fn take(args: &mut Args) -> Self {
        match args.0.next() {
            Some(Value::Str(text)) => text,
            _ => Self::EMPTY,
        }
    }
}

impl Arg for bool {
    const TYPE: Type = Type::Bool;
    fn take(args: &mut Args) -> Self {
        matches!(args.0.next(), Some(Value::Bool(true)))
    }
}

impl Arg for Int {
    const TYPE: Type = Type::INT;
    fn take(args: &mut Args) -> Self {
        match args.0.next() {
            Some(Value::Int(_, value)) => Self(value),
            _ => Self(0),
        }
    }
}

impl Arg for i64 {
    const TYPE: Type = Type::INT64;
    fn take(args: &mut Args) -> Self {
        match args.0.next() {
            Some(Value::Int(_, value)) => value,
            _ => 0,
        }
    }
}

impl Arg for f64 {
    const TYPE: Type = Type::Float64;
    fn take(args: &mut Args) -> Self {
        match args.0.next() {
            Some(Value::Float(value)) => value,
            _ => 0.0,
        }
    }
}

/// Comes as the unnamed type, whatever the caller's value was called.
impl Arg for List {
    const TYPE: Type = Type::LIST;
    fn take(args: &mut Args) -> Self {
        match args.0.next() {
            Some(Value::List(list)) => list.retyped(&Type::LIST),
            _ => Self::nil(&Type::LIST),
        }
    }
}

/// Comes as the unnamed type, whatever the caller's value was called.
impl Arg for Map {
    const TYPE: Type = Type::MAP;
    fn take(args: &mut Args) -> Self {
        match args.0.next() {
            Some(Value::Map(map)) => map.retyped(&Type::MAP),
            _ => Self::nil(&Type::MAP),
        }
    }
}

impl<T: Arg> Arg for Rest<T> {
    const TYPE: Type = T::TYPE;
    const VARIADIC: bool = true;
    fn take(args: &mut Args) -> Self {
        Self((0..args.0.len()).map(|_| T::take(args)).collect())
    }
}

/// A Rust type that stands for a Go result type.
pub trait Return {
    /// The result's type.
    const TYPE: Type;
    /// The result as a value, or the error the function returned (or panicked with).
    fn into_result(self) -> Result<Value, CallError>;
}

macro_rules! returns {
    ($($rust:ty, $go:expr, $value:ident => $into:expr;)+) => {$(
        impl Return for $rust {
            const TYPE: Type = $go;
            fn into_result(self) -> Result<Value, CallError> {
                let $value = self;
                Ok($into)
            }
        }
    )+};
}

returns! {
    Value, Type::Interface, value => value;
    Str, Type::String, text => Value::Str(text);
    String, Type::String, text => Value::Str(text.into());
    Vec<u8>, Type::String, text => Value::Str(text.into());
    &'static str, Type::String, text => Value::Str(Str::from_static(text));
    bool, Type::Bool, value => Value::Bool(value);
    Int, Type::INT, value => Value::int(value.0);
    i64, Type::INT64, value => Value::int64(value);
    f64, Type::Float64, value => Value::Float(value);
    List, Type::LIST, list => Value::List(list);
    Map, Type::MAP, map => Value::Map(map);
    Vec<Value>, Type::LIST, items => Value::list(items);
    Vec<Str>, Type::STRINGS, items => Value::strings(items);
}

impl<T: Return> Return for Result<T, CallError> {
    const TYPE: Type = T::TYPE;
    fn into_result(self) -> Result<Value, CallError> {
        self.and_then(T::into_result)
    }
}

/// The body of a function: checked arguments in, result out.
pub type Body = Box<dyn Fn(&mut Context<'_>, &mut Args) -> Result<Value, CallError> + Send + Sync>;

/// A named function with its signature.
pub struct Function {
    /// The name templates use.
    pub name: String,
    /// What it takes and gives.
    pub signature: Signature,
    pub(crate) body: Body,
}

impl Function {
    /// A function whose signature no Rust type stands for.
    pub fn new(name: impl Into<String>, signature: Signature, body: Body) -> Self {
        Self {
            name: name.into(),
            signature,
            body,
        }
    }

    /// The function's type as `%T` prints it, without a second `error` result.
    pub(crate) fn type_text(&self) -> String {
        let Signature {
            params,
            variadic,
            result,
        } = &self.signature;
        let mut parts: Vec<String> = params.iter().map(ToString::to_string).collect();
        parts.extend(variadic.map(|element| format!("...{element}")));
        format!("func({}) {result}", parts.join(", "))
    }
}

/// A closure over [`Arg`] types. `Marker` tells the parameter lists apart; it is always inferred.
pub trait Callable<Marker>: Send + Sync + 'static {
    /// The signature that follows from the types.
    const SIGNATURE: Signature;
    /// Takes the arguments apart and calls the closure.
    fn call(&self, ctx: &mut Context<'_>, args: &mut Args) -> Result<Value, CallError>;
}

/// Marks closures that take the [`Context`] first.
pub struct WithContext<P>(std::marker::PhantomData<P>);

const fn signature(
    all: &'static [Type],
    fixed: &'static [Type],
    variadic: bool,
    result: Type,
) -> Signature {
    if variadic && !all.is_empty() {
        Signature {
            params: fixed,
            variadic: Some(all[all.len() - 1]),
            result,
        }
    } else {
        Signature {
            params: all,
            variadic: None,
            result,
        }
    }
}

macro_rules! callable {
    ([$($fixed:ident)*] $($last:ident)?) => {
        impl<F, R, $($fixed: Arg,)* $($last: Arg)?> Callable<($($fixed,)* $($last,)?)> for F
        where
            F: Fn($($fixed,)* $($last)?) -> R + Send + Sync + 'static,
            R: Return,
        {
            const SIGNATURE: Signature = signature(
                &[$($fixed::TYPE,)* $($last::TYPE)?],
                &[$($fixed::TYPE),*],
                false $(|| $last::VARIADIC)?,
                R::TYPE,
            );

            fn call(&self, _: &mut Context<'_>, _args: &mut Args) -> Result<Value, CallError> {
                self($($fixed::take(_args),)* $($last::take(_args))?).into_result()
            }
        }

        impl<F, R, $($fixed: Arg,)* $($last: Arg)?>
            Callable<WithContext<($($fixed,)* $($last,)?)>> for F
        where
            F: Fn(&mut Context<'_>, $($fixed,)* $($last)?) -> R + Send + Sync + 'static,
            R: Return,
        {
            const SIGNATURE: Signature = signature(
                &[$($fixed::TYPE,)* $($last::TYPE)?],
                &[$($fixed::TYPE),*],
                false $(|| $last::VARIADIC)?,
                R::TYPE,
            );

            fn call(&self, ctx: &mut Context<'_>, _args: &mut Args) -> Result<Value, CallError> {
                self(ctx, $($fixed::take(_args),)* $($last::take(_args))?).into_result()
            }
        }
    };
}

callable!([]);
callable!([] A);
callable!([A] B);
callable!([A B] C);
callable!([A B C] D);
callable!([A B C D] E);

/// The functions known to a set of templates, beside Go's builtins, which a function of the same name replaces.
///
/// Build it once, share it by `Arc`: parsed templates refer to functions by their place in it.
#[derive(Default)]
pub struct Functions {
    functions: Vec<Arc<Function>>,
    by_name: HashMap<String, u32>,
}

impl Functions {
    /// No functions but the builtins.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a closure over [`Arg`] types. A later one of the same name replaces the earlier.
    pub fn add<M>(&mut self, name: &str, body: impl Callable<M>) -> &mut Self {
        self.insert(with_body(name, body))
    }

    /// Adds a closure over the [`Context`] and [`Arg`] types, for functions that call templates or need the host.
    pub fn add_with_context<M>(
        &mut self,
        name: &str,
        body: impl Callable<WithContext<M>>,
    ) -> &mut Self {
        self.insert(with_body(name, body))
    }

    /// Adds a function made by hand. A later one of the same name replaces the earlier.
    pub fn insert(&mut self, function: Function) -> &mut Self {
        let next = self.functions.len() as u32;
        let slot = *self.by_name.entry(function.name.clone()).or_insert(next);
        if slot == next {
            self.functions.push(Arc::new(function));
        } else {
            self.functions[slot as usize] = Arc::new(function);
        }
        self
    }

    /// The function of that name, builtins not included.
    pub fn get(&self, name: &str) -> Option<&Arc<Function>> {
        self.slot(name).map(|slot| &self.functions[slot as usize])
    }

    /// All names, sorted, builtins not included.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.functions.iter().map(|f| f.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn slot(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn at(&self, slot: u32) -> Option<&Arc<Function>> {
        self.functions.get(slot as usize)
    }
}

fn with_body<M, C: Callable<M>>(name: &str, body: C) -> Function {
    Function::new(
        name,
        C::SIGNATURE,
        Box::new(move |ctx, args| body.call(ctx, args)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_follow_from_the_closure() {
        let mut functions = Functions::new();
        functions
            .add("now", || Int(1))
            .add("trunc", |_n: Int, text: Str| text)
            .add("list", |items: Rest<Value>| items.0)
            .add(
                "merge",
                |_target: Map, _sources: Rest<Map>| -> Result<Value, CallError> {
                    Err(CallError::text("no"))
                },
            )
            .add_with_context("tpl", |_ctx: &mut Context<'_>, text: Str, _data: Value| {
                text
            });
        let type_text = |name: &str| functions.get(name).map(|function| function.type_text());
        for (name, text) in [
            ("now", "func() int"),
            ("trunc", "func(int, string) string"),
            ("list", "func(...interface {}) []interface {}"),
            (
                "merge",
                "func(map[string]interface {}, ...map[string]interface {}) interface {}",
            ),
            ("tpl", "func(string, interface {}) string"),
        ] {
            assert_eq!(type_text(name).as_deref(), Some(text));
        }
        assert_eq!(functions.names(), ["list", "merge", "now", "tpl", "trunc"]);
    }

    #[test]
    fn a_later_function_takes_the_place_of_an_earlier_one() {
        let mut functions = Functions::new();
        functions
            .add("f", || "old")
            .add("g", || "g")
            .add("f", || true);
        assert_eq!(functions.slot("f"), Some(0));
        assert_eq!(
            functions.get("f").map(|function| function.signature.result),
            Some(Type::Bool)
        );
    }
}
