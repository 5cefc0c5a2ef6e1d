//! `html`, `js` and `urlquery`.

use crate::bytestr::Str;
use crate::error::LimitError;
use crate::gofmt;
use crate::strconv::unicode::{decode_rune, is_print};
use crate::value::Value;

/// The arguments as `print` shows them, except that nil is `<no value>`.
pub(super) fn text_of(mut args: Vec<Value>) -> Result<Str, LimitError> {
    if let [Value::Str(text)] = args.as_slice() {
        return Ok(text.clone());
    }
    for arg in &mut args {
        if matches!(arg, Value::Nil) {
            *arg = Value::Str(Str::from_static("<no value>"));
        }
    }
    Ok(gofmt::sprint_indirect(&args)?.into())
}

pub(super) fn html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            _ => out.push(byte),
        }
    }
    out
}

pub(super) fn js(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        let (rune, width) = decode_rune(rest);
        match byte {
            b'\\' => out.extend_from_slice(br"\\"),
            b'\'' => out.extend_from_slice(br"\'"),
            b'"' => out.extend_from_slice(br#"\""#),
            b'<' | b'>' | b'&' | b'=' | 0..0x20 => {
                out.extend_from_slice(format!("\\u00{byte:02X}").as_bytes());
            }
            0x20..0x80 => out.push(byte),
            _ if is_print(rune) => out.extend_from_slice(&rest[..width]),
            _ => out.extend_from_slice(format!("\\u{rune:04X}").as_bytes()),
        }
        rest = &rest[width..];
    }
    out
}

/// `url.QueryEscape`
pub(super) fn url_query(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(byte),
            b' ' => out.push(b'+'),
            _ => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    out
}
