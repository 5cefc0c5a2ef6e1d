//! Base64 and base32 with the texts of Go's errors.
//!
//! In: bytes. Out: bytes, or `illegal base64 data at input byte N`. Source: Go `encoding/base64`,
//! `encoding/base32`, both with their standard alphabet and padding.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const ALPHABET_32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

pub(crate) fn encode64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Line breaks are skipped, as in Go; the error is a whole text.
pub fn decode64(text: &[u8]) -> Result<Vec<u8>, String> {
    decode(text, 6, 4, digit64).map_err(|at| format!("illegal base64 data at input byte {at}"))
}

pub(crate) fn encode32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut block = [0_u8; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        let digits = (chunk.len() * 8).div_ceil(5);
        for i in 0..8 {
            let digit = (bits >> (35 - 5 * i)) & 31;
            out.push(if i < digits {
                char::from(ALPHABET_32[digit as usize])
            } else {
                '='
            });
        }
    }
    out
}

pub(crate) fn decode32(text: &[u8]) -> Result<Vec<u8>, String> {
    decode(text, 5, 8, digit32).map_err(|at| format!("illegal base32 data at input byte {at}"))
}

fn digit64(byte: u8) -> Option<u64> {
    Some(u64::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

fn digit32(byte: u8) -> Option<u64> {
    Some(u64::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'2'..=b'7' => byte - b'2' + 26,
        _ => return None,
    }))
}

/// Decodes groups of `group` digits of `bits` bits; the error is the place Go names.
fn decode(
    text: &[u8],
    bits: u32,
    group: usize,
    digit: fn(u8) -> Option<u64>,
) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(text.len() * bits as usize / 8);
    let mut at = 0;
    let next = |at: &mut usize| {
        while text.get(*at).is_some_and(|b| matches!(b, b'\r' | b'\n')) {
            *at += 1;
        }
        let byte = text.get(*at).copied();
        *at += usize::from(byte.is_some());
        byte
    };
    loop {
        let mut block = 0_u64;
        let mut count = 0;
        while count < group {
            match next(&mut at) {
                None if count == 0 => return Ok(out),
                None => return Err(at - count),
                Some(b'=') => {
                    let place = at - 1;
                    padding(count, bits, group, place, &mut at, next)?;
                    block <<= bits as usize * (group - count);
                    push(
                        &mut out,
                        block,
                        bits as usize * count / 8,
                        bits as usize * group / 8,
                    );
                    return if next(&mut at).is_none() {
                        Ok(out)
                    } else {
                        Err(at - 1)
                    };
                }
                Some(byte) => match digit(byte) {
                    Some(value) => {
                        block = block << bits | value;
                        count += 1;
                    }
                    None => return Err(at - 1),
                },
            }
        }
        push(
            &mut out,
            block,
            bits as usize * group / 8,
            bits as usize * group / 8,
        );
    }
}

/// Checks the padding after `count` digits, the first `=` of which is read already.
fn padding(
    count: usize,
    bits: u32,
    group: usize,
    place: usize,
    at: &mut usize,
    next: impl Fn(&mut usize) -> Option<u8>,
) -> Result<(), usize> {
    let whole = (bits as usize * count) / 8;
    let needed = (whole * 8).div_ceil(bits as usize);
    if whole == 0 || needed != count {
        return Err(place);
    }
    for _ in count + 1..group {
        match next(at) {
            Some(b'=') => {}
            // Quirk: Go names the byte before the one that is wrong.
            Some(_) => return Err(*at - 2),
            None => return Err(*at),
        }
    }
    Ok(())
}

/// The first `count` of the `total` bytes in a block.
fn push(out: &mut Vec<u8>, block: u64, count: usize, total: usize) {
    let bytes = block.to_be_bytes();
    out.extend_from_slice(&bytes[8 - total..8 - total + count]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for text in ["", "f", "fo", "foo", "foob", "fooba", "foobar"] {
            assert_eq!(
                decode64(encode64(text.as_bytes()).as_bytes()),
                Ok(text.into()),
                "{text}"
            );
            assert_eq!(
                decode32(encode32(text.as_bytes()).as_bytes()),
                Ok(text.into()),
                "{text}"
            );
        }
        assert_eq!(encode32(b"fooba"), "MZXW6YTB");
        assert_eq!(encode32(b"foo"), "MZXW6===");
        assert_eq!(decode64(b"Zm9v\nYmFy"), Ok(b"foobar".to_vec()));
    }

    #[test]
    fn what_is_no_code_is_refused_where_go_refuses_it() {
        for (text, at) in [
            ("!", 0),
            ("Zm9vY", 4),
            ("Zm9v!", 4),
            ("Zm=v", 2),
            ("=", 0),
            ("Zg==x", 4),
        ] {
            let want = Err(format!("illegal base64 data at input byte {at}"));
            assert_eq!(decode64(text.as_bytes()), want, "{text:?}");
        }
    }
}
