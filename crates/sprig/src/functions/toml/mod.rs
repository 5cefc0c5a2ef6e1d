//! TOML as BurntSushi's library writes and reads it.
//!
//! In: values, texts. Out: the other, or the library's texts of what is wrong.

mod lex;
mod read;
mod scalars;
mod tables;
mod write;

pub(super) use read::parse;
pub(super) use write::write;
