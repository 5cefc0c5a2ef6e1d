//! Go's `strconv` as far as templates and printing need it: quoting, unquoting, numbers.

mod float;
mod parse;
mod quote;
pub(crate) mod unicode;

pub use float::append_float;
pub use parse::{NumberError, parse_float, parse_int, parse_uint};
pub(crate) use quote::{append_quoted, append_quoted_rune, can_backquote, unquote_char};
pub use quote::{quote, unquote};
