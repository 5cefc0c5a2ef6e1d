//! JSON text as Go's `encoding/json` writes it.
//!
//! Any `Serialize` goes in, the bytes of `json.Marshal` (or of an `Encoder`, or of
//! `json.MarshalIndent`) come out: `<`, `>`, `&`, U+2028 and U+2029 escaped, floats in Go's form.
//! Order is the serializer's own: fields as declared, `serde_json` maps sorted by bytes, which is
//! also Go's order. A NaN or an infinity, an error in Go, becomes `null` as serde_json decides
//! before the text is made; `serde_json::Value` cannot hold one.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

use crate::numbers::encode_f32;
pub use crate::numbers::encode_f64;

/// The bytes of `json.Marshal(value)`.
///
/// # Errors
/// When the value's own `Serialize` fails or a map key is no string.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    write(value, Layout::compact(true))
}

/// As [`to_vec`], with the line feed that a `json.Encoder` ends with.
///
/// # Errors
/// As [`to_vec`].
pub fn to_vec_line<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut out = to_vec(value)?;
    out.push(b'\n');
    Ok(out)
}

/// As [`to_vec`] without escaping `<`, `>` and `&`: an encoder with `SetEscapeHTML(false)`.
///
/// U+2028 and U+2029 stay escaped, as in Go.
///
/// # Errors
/// As [`to_vec`].
pub fn to_vec_raw<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Vec<u8>> {
    write(value, Layout::compact(false))
}

/// The text of `json.MarshalIndent(value, prefix, indent)`: each line but the first starts with
/// `prefix` and one `indent` per level; empty objects and lists stay `{}` and `[]`.
///
/// # Errors
/// As [`to_vec`].
pub fn to_string_indent<T: Serialize + ?Sized>(
    value: &T,
    prefix: &str,
    indent: &str,
) -> serde_json::Result<String> {
    let lines = Lines {
        prefix,
        indent,
        depth: 0,
        has_value: false,
    };
    let bytes = write(
        value,
        Layout {
            escape_html: true,
            lines: Some(lines),
        },
    )?;
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

fn write<T: Serialize + ?Sized>(value: &T, layout: Layout<'_>) -> serde_json::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(128);
    value.serialize(&mut Serializer::with_formatter(&mut out, layout))?;
    Ok(out)
}

/// Go's choices for `serde_json`'s serializer.
struct Layout<'a> {
    escape_html: bool,
    lines: Option<Lines<'a>>,
}

/// The state of indented output.
struct Lines<'a> {
    prefix: &'a str,
    indent: &'a str,
    depth: usize,
    has_value: bool,
}

impl Layout<'_> {
    fn compact(escape_html: bool) -> Self {
        Self {
            escape_html,
            lines: None,
        }
    }

    fn open<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        if let Some(lines) = &mut self.lines {
            lines.depth += 1;
            lines.has_value = false;
        }
        writer.write_all(bracket)
    }

    fn close<W: ?Sized + Write>(&mut self, writer: &mut W, bracket: &[u8]) -> io::Result<()> {
        if let Some(lines) = &mut self.lines {
            lines.depth -= 1;
            if lines.has_value {
                lines.start(writer)?;
            }
            lines.has_value = true;
        }
        writer.write_all(bracket)
    }

    fn item<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        match &self.lines {
            Some(lines) => lines.start(writer),
            None => Ok(()),
        }
    }

    fn value_written(&mut self) {
        if let Some(lines) = &mut self.lines {
            lines.has_value = true;
        }
    }

    /// The escape of the character that starts at `rest`, and its length in bytes, when Go writes
    /// one that serde_json does not.
    fn escape_at(&self, rest: &[u8]) -> Option<(&'static str, usize)> {
        match rest {
            [b'<', ..] if self.escape_html => Some(("\\u003c", 1)),
            [b'>', ..] if self.escape_html => Some(("\\u003e", 1)),
            [b'&', ..] if self.escape_html => Some(("\\u0026", 1)),
            [0xE2, 0x80, 0xA8, ..] => Some(("\\u2028", 3)),
            [0xE2, 0x80, 0xA9, ..] => Some(("\\u2029", 3)),
            _ => None,
        }
    }
}

impl Lines<'_> {
    fn start<W: ?Sized + Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b"\n")?;
        writer.write_all(self.prefix.as_bytes())?;
        (0..self.depth).try_for_each(|_| writer.write_all(self.indent.as_bytes()))
    }
}

impl Formatter for Layout<'_> {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(encode_f64(value).as_bytes())
    }

    fn write_f32<W: ?Sized + Write>(&mut self, writer: &mut W, value: f32) -> io::Result<()> {
        writer.write_all(encode_f32(value).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let bytes = fragment.as_bytes();
        let (mut written, mut at) = (0, 0);
        while at < bytes.len() {
            if !matches!(bytes[at], b'<' | b'>' | b'&' | 0xE2) {
                at += 1;
                continue;
            }
            let Some((escape, width)) = self.escape_at(&bytes[at..]) else {
                at += 1;
                continue;
            };
            writer.write_all(&bytes[written..at])?;
            writer.write_all(escape.as_bytes())?;
            at += width;
            written = at;
        }
        writer.write_all(&bytes[written..])
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"[")
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"]")
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.item(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.value_written();
        Ok(())
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open(writer, b"{")
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.close(writer, b"}")
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.item(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(if self.lines.is_some() {
            b": ".as_slice()
        } else {
            b":"
        })
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.value_written();
        Ok(())
    }
}
