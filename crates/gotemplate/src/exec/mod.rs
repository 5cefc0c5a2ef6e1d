//! Executing parsed templates.

mod context;

pub(crate) use context::Shared;
pub use context::{Context, Limits};
