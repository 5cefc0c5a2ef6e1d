//! The Go template language (text/template of Go 1.26): lexer, parser, value model, fmt and an evaluator with fuel.
//!
//! In: template texts, functions and values. Out: bytes, or errors with Go's texts and positions.
//! It knows nothing of Helm, reads no files and no clock, and never panics or overflows the stack on bad input:
//! recursion that a template controls takes fresh stack when the thread's runs out, so any thread will do.
//!
//! A host builds [`Functions`] once, parses its files into a [`TemplateSet`], which threads share by `Arc`, and
//! executes templates with a [`Renderer`] per rendering:
//!
//! ```
//! use std::sync::Arc;
//! use gotemplate::{Functions, Limits, Renderer, Str, TemplateSet, Value};
//!
//! let mut functions = Functions::new();
//! functions.add("upper", |text: Str| text.to_ascii_uppercase());
//! let mut set = TemplateSet::new(Arc::new(functions));
//! set.parse("greeting", "Hello, {{ .name | upper }}!")?;
//! let data = Value::from_json(&serde_json::json!({"name": "fleet"}));
//! let out = Renderer::new(Limits::PRODUCTION, ()).execute(&Arc::new(set), "greeting", &data)?;
//! assert_eq!(out, "Hello, FLEET!");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Where Go is not followed:
//! * [`Limits`] end what would go on for ever; parentheses and control structures nest at most 1,000 deep.
//! * Addresses are never printed: `%p` is refused like an unknown verb, and a pointer inside another value prints
//!   what it points to.
//! * `slice` of a list copies: it has no capacity beyond its length, and a later change in place is not seen.
//! * Maps have string keys; channels and iterator functions do not exist.

pub mod gofmt;
pub mod meter;
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

pub use bytestr::{Str, lossy};
pub use container::{List, Map};
pub use error::{CallError, ExecError, LimitError, Location, ParseError, TEXT_BYTES_MAX};
pub use exec::{Context, Cost, Limits};
pub use function::{
    Arg, Args, Body, Callable, Function, Functions, Int, Rest, Return, WithContext,
};
pub use node::Template;
pub use parse::Delims;
pub use set::{MissingKey, Renderer, TemplateSet};
pub use types::{IntKind, Method, MethodBody, NamedType, Signature, Type};
pub use value::{Native, Value};
