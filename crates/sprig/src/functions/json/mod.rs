//! JSON of template values: reading with the texts of Go's errors, writing with Go's escapes.
//!
//! In: texts and values. Out: values and texts. Source: Go `encoding/json`.

mod read;
mod write;

pub(super) use read::parse_in_part;
pub use read::{JsonError, StreamError, parse, parse_next};
pub(super) use write::{bounded, check_size, unsupported, with_json, write_pretty, write_raw};
pub use write::{to_value, write};

/// Nesting beyond which values are neither read nor written: deeper ones contain themselves or want to
/// exhaust the stack. Go reads ten times as deep.
const DEPTH_MAX: usize = 1_000;
/// Values in one text.
const PARTS_MAX: usize = 2_000_000;
