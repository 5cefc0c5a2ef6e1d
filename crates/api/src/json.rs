//! Go's rules for reading and leaving out fields, as serde attributes, and Go's JSON encoding.
//!
//! Go reads `null` as the zero value of any type and, under `omitempty`, does not write `false`, 0,
//! "" and empty lists and maps. Both matter here: stored objects contain such nulls, and hashes are
//! taken over what is written.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::ser::{CharEscape, Formatter, Serializer};

/// Reads a value, and `null` as its default.
pub(crate) fn or_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// What Go's `omitempty` leaves out. Structs are never empty in that sense, so they do not implement
/// this.
pub(crate) trait GoEmpty {
    /// Whether the field is left out.
    fn is_go_empty(&self) -> bool;
}

impl GoEmpty for bool {
    fn is_go_empty(&self) -> bool {
        !self
    }
}

impl GoEmpty for i64 {
    fn is_go_empty(&self) -> bool {
        *self == 0
    }
}

impl GoEmpty for String {
    fn is_go_empty(&self) -> bool {
        self.is_empty()
    }
}

impl<T> GoEmpty for Vec<T> {
    fn is_go_empty(&self) -> bool {
        self.is_empty()
    }
}

impl<K, V> GoEmpty for BTreeMap<K, V> {
    fn is_go_empty(&self) -> bool {
        self.is_empty()
    }
}

/// `skip_serializing_if` for `omitempty`.
pub(crate) fn is_empty<T: GoEmpty>(value: &T) -> bool {
    value.is_go_empty()
}

/// Writes JSON as Go's `encoding/json` does: no whitespace, HTML characters escaped, floats in Go's
/// shortest form.
///
/// # Errors
/// If the writer fails, or for a map whose keys are no strings.
pub(crate) fn write<W: io::Write, T: Serialize + ?Sized>(
    to: W,
    value: &T,
) -> Result<(), serde_json::Error> {
    value.serialize(&mut Serializer::with_formatter(to, GoFormatter))
}

/// JSON as Go's `json.Marshal` writes it.
#[expect(
    clippy::expect_used,
    reason = "only a map with other keys than strings fails"
)]
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write(&mut out, value).expect("types of this crate have string keys only");
    out
}

/// The same with a newline at the end, as Go's `json.Encoder` writes it.
pub(crate) fn line<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = encode(value);
    out.push(b'\n');
    out
}

struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_f64<W: ?Sized + io::Write>(&mut self, to: &mut W, value: f64) -> io::Result<()> {
        to.write_all(go_float(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let special = ['<', '>', '&', '\u{2028}', '\u{2029}'];
        let mut rest = fragment;
        while let Some(at) = rest.find(special) {
            let (plain, tail) = rest.split_at(at);
            to.write_all(plain.as_bytes())?;
            let mut tail = tail.chars();
            if let Some(c) = tail.next() {
                write!(to, "\\u{:04x}", u32::from(c))?;
            }
            rest = tail.as_str();
        }
        to.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        let short = match escape {
            CharEscape::Quote => "\\\"",
            CharEscape::ReverseSolidus => "\\\\",
            CharEscape::Solidus => "/",
            CharEscape::Backspace => "\\b",
            CharEscape::FormFeed => "\\f",
            CharEscape::LineFeed => "\\n",
            CharEscape::CarriageReturn => "\\r",
            CharEscape::Tab => "\\t",
            CharEscape::AsciiControl(byte) => return write!(to, "\\u{byte:04x}"),
        };
        to.write_all(short.as_bytes())
    }
}

/// The shortest digits that read back as the same number; with an exponent below 1e-6 and from 1e21 on.
fn go_float(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format!("{value:e}");
        return if magnitude >= 1e21 {
            text.replace('e', "e+")
        } else {
            text
        };
    }
    format!("{value}")
}
