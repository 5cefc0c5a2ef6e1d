//! The Go template language (text/template of Go 1.26): lexer, parser, value model, fmt and an evaluator with fuel.
//!
//! In: template texts, functions and values. Out: bytes, or errors with Go's texts and positions.
//! It knows nothing of Helm, reads no files and no clock, and never panics or overflows the stack on bad input.

pub mod gofmt;
pub mod strconv;

mod bytestr;
mod container;
mod error;
mod exec;
mod function;
mod json;
mod node;
mod parse;
mod set;
mod stack;
mod types;
mod value;

pub use bytestr::Str;
pub use container::{List, Map};
pub use error::{CallError, ExecError, LimitError, Location, ParseError};
pub use exec::{Context, Limits};
pub use function::{
    Arg, Args, Body, Callable, Function, Functions, Int, Rest, Return, WithContext,
};
pub use node::Template;
pub use parse::Delims;
pub use set::{MissingKey, Renderer, TemplateSet};
pub use types::{IntKind, Method, MethodBody, NamedType, Signature, Type};
pub use value::{Native, Value};
