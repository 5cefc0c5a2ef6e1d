//! The wire format of protobuf: numbers, tags, fields.

use super::Error;

/// The content of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Datum<'a> {
    /// A varint.
    Number(u64),
    /// Eight bytes.
    Fixed(u64),
    /// Text, bytes, a message or packed numbers.
    Bytes(&'a [u8]),
}

/// A varint and what follows it.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((number, &bytes[index + 1..]));
        }
    }
    None
}

/// The fields of a message in order; ends behind the first malformed one.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn read(&mut self) -> Option<(u32, Datum<'a>)> {
        let (tag, rest) = varint(self.rest)?;
        let number = u32::try_from(tag >> 3).ok()?;
        let (datum, rest) = match tag & 7 {
            0 => {
                let (value, rest) = varint(rest)?;
                (Datum::Number(value), rest)
            }
            1 => {
                let (bytes, rest) = rest.split_first_chunk::<8>()?;
                (Datum::Fixed(u64::from_le_bytes(*bytes)), rest)
            }
            2 => {
                let (len, rest) = varint(rest)?;
                let (bytes, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
                (Datum::Bytes(bytes), rest)
            }
            5 => {
                let (bytes, rest) = rest.split_first_chunk::<4>()?;
                (Datum::Fixed(u64::from(u32::from_le_bytes(*bytes))), rest)
            }
            _ => return None,
        };
        self.rest = rest;
        Some((number, datum))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Datum<'a>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field.ok_or(Error::Malformed))
    }
}
