//! From bytes to text: byte order marks, UTF-16, UTF-8, forbidden characters.
//!
//! Quirk: go-yaml decodes in blocks of 512 bytes, and reports a fault when reading reaches its block.
//! So the text ends where the block of the fault starts, and the fault is handed on.

use std::borrow::Cow;

use crate::error::Problem;

/// Bytes that go-yaml reads at a time.
const BLOCK_BYTES: usize = 512;

/// Decoded text up to the block of the first fault, and that fault.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) problem: Option<Problem>,
}

/// Decodes the bytes of a file.
pub(crate) fn decode(bytes: &[u8]) -> Input<'_> {
    let (text, problem) = match bytes {
        [0xFF, 0xFE, rest @ ..] => decode_utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => decode_utf16(rest, u16::from_be_bytes),
        [0xEF, 0xBB, 0xBF, rest @ ..] => decode_utf8(rest),
        _ => decode_utf8(bytes),
    };
    let (end, message) = match (first_forbidden(&text), problem) {
        (Some(at), _) => (block_start(&text, at), "control characters are not allowed"),
        // A character that the end cuts is no fault before reading asks for what follows.
        (None, Some(message)) if message.starts_with("incomplete") => (text.len(), message),
        (None, Some(message)) => (block_start(&text, text.len()), message),
        (None, None) => {
            return Input {
                text,
                problem: None,
            };
        }
    };
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    };
    Input {
        text,
        problem: Some(Problem::new(message)),
    }
}

/// Where the block with the byte `at` starts. A character that a block would cut is left for the
/// next one.
fn block_start(text: &str, at: usize) -> usize {
    let mut start = 0;
    while start + BLOCK_BYTES <= at {
        start = text.floor_char_boundary(start + BLOCK_BYTES);
    }
    start
}

fn decode_utf8(bytes: &[u8]) -> (Cow<'_, str>, Option<&'static str>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Cow::Borrowed(text), None),
        Err(error) => {
            let (valid, rest) = bytes.split_at(error.valid_up_to());
            // The prefix is valid by what the error says.
            let text = std::str::from_utf8(valid).unwrap_or_default();
            (Cow::Borrowed(text), Some(utf8_fault(rest)))
        }
    }
}

/// go-yaml's words for the malformed sequence at the start of `rest`.
fn utf8_fault(rest: &[u8]) -> &'static str {
    let Some(&lead) = rest.first() else {
        return "incomplete UTF-8 octet sequence";
    };
    let width = match lead {
        0x00..=0x7F => 1,
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF7 => 4,
        _ => return "invalid leading UTF-8 octet",
    };
    let Some(sequence) = rest.get(..width) else {
        return "incomplete UTF-8 octet sequence";
    };
    if sequence[1..].iter().any(|octet| octet & 0xC0 != 0x80) {
        return "invalid trailing UTF-8 octet";
    }
    let bits = u32::from(lead) & (0x7F >> width);
    let value = sequence[1..]
        .iter()
        .fold(bits, |value, octet| value << 6 | u32::from(octet & 0x3F));
    let least = [0, 0x80, 0x800, 0x1_0000][width - 1];
    if value < least {
        "invalid length of a UTF-8 sequence"
    } else {
        "invalid Unicode character"
    }
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> (Cow<'_, str>, Option<&'static str>) {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let mut text = String::with_capacity(bytes.len());
    let mut problem = (bytes.len() % 2 == 1).then_some("incomplete UTF-16 character");
    for decoded in char::decode_utf16(units) {
        match decoded {
            Ok(character) => text.push(character),
            Err(error) if error.unpaired_surrogate() >= 0xDC00 => {
                problem = Some("unexpected low surrogate area");
                break;
            }
            Err(_) => {
                let cut = bytes.len() / 2 == text.encode_utf16().count() + 1;
                problem = Some(if cut {
                    "incomplete UTF-16 surrogate pair"
                } else {
                    "expected low surrogate area"
                });
                break;
            }
        }
    }
    (Cow::Owned(text), problem)
}

/// The position of the first character that YAML forbids.
fn first_forbidden(text: &str) -> Option<usize> {
    // Long enough to be looked at by vector instructions.
    const CHUNK_BYTES: usize = 64;
    let bytes = text.as_bytes();
    let may_be_forbidden =
        |byte: u8| matches!(byte, 0x00..=0x08 | 0x0B | 0x0C | 0x0E..=0x1F | 0x7F | 0xC2 | 0xEF);
    bytes
        .chunks(CHUNK_BYTES)
        .enumerate()
        .filter(|(_, chunk)| {
            let any = |found: bool, byte: &u8| found | may_be_forbidden(*byte);
            chunk.iter().fold(false, any)
        })
        .flat_map(|(n, chunk)| n * CHUNK_BYTES..n * CHUNK_BYTES + chunk.len())
        .find(|at| is_forbidden(&bytes[*at..]))
}

/// Whether the character at the start of `bytes` is forbidden.
fn is_forbidden(bytes: &[u8]) -> bool {
    match bytes {
        [b'\t' | b'\n' | b'\r', ..] => false,
        [0x00..=0x1F | 0x7F, ..] => true,
        // U+0080 to U+009F but for U+0085.
        [0xC2, next, ..] => *next < 0xA0 && *next != 0x85,
        // U+FFFE and U+FFFF.
        [0xEF, 0xBF, last, ..] => *last >= 0xBE,
        _ => false,
    }
}
