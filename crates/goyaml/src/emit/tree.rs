//! Values that are more than JSON, as Go programs hand them to go-yaml v3.

use base64::Engine as _;
use serde_json::Number;

use super::{Source, View};

/// A value for go-yaml v3.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// A nil.
    Null,
    /// A boolean.
    Bool(bool),
    /// A finite number.
    Number(Number),
    /// Printed as it is, never in quotes: `.inf`, a time.
    Word(String),
    /// A string.
    Text(String),
    /// A string that is no UTF-8, printed as base64 behind `!!binary`.
    Binary(Vec<u8>),
    /// A slice.
    List(Vec<Tree>),
    /// A map; the order of its entries means nothing.
    Map(Vec<(String, Tree)>),
    /// The fields of a struct, in their order.
    Fields(Vec<(String, Tree)>),
}

impl Source for Tree {
    fn view(&self) -> View<'_, Self> {
        match self {
            Self::Null => View::Word("null"),
            Self::Bool(true) => View::Word("true"),
            Self::Bool(false) => View::Word("false"),
            Self::Number(number) => View::Number(number),
            Self::Word(word) => View::Word(word),
            Self::Text(text) => View::Text(text),
            Self::Binary(bytes) => View::Tagged("!!binary", base64_lines(bytes)),
            Self::List(items) => View::List(items),
            Self::Map(fields) => View::Map(entries(fields)),
            Self::Fields(fields) => View::Fields(entries(fields)),
        }
    }
}

fn entries(entries: &[(String, Tree)]) -> Vec<(&str, &Tree)> {
    entries.iter().map(|(k, v)| (k.as_str(), v)).collect()
}

/// Base64; what is longer than a line ends in a line feed.
fn base64_lines(bytes: &[u8]) -> String {
    const LINE: usize = 70;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    if text.len() < LINE {
        return text;
    }
    let mut lines = String::with_capacity(text.len() + text.len() / LINE + 1);
    for (at, c) in text.chars().enumerate() {
        if at > 0 && at % LINE == 0 {
            lines.push('\n');
        }
        lines.push(c);
    }
    lines.push('\n');
    lines
}
