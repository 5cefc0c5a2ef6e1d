//! `Str`, a Go string: any bytes, cheap to clone, equal and ordered by bytes.
//!
//! Go strings need not be UTF-8 (`trunc 2 "héllo"` cuts through a character), so nothing here assumes it.
//! Up to 22 bytes live in the value itself; longer ones are shared. Sharing is atomic because string literals of
//! a parsed template, which many threads may execute, are handed out without copying.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

const INLINE_BYTES_MAX: usize = 22;

#[derive(Clone)]
enum Repr {
    Inline(u8, [u8; INLINE_BYTES_MAX]),
    Static(&'static [u8]),
    Shared(Arc<[u8]>),
}

/// An immutable byte string with Go's semantics: length, order and equality are of bytes.
#[derive(Clone)]
pub struct Str(Repr);

impl Str {
    /// The empty string.
    pub const EMPTY: Self = Self(Repr::Static(b""));

    /// A string that lives as long as the program; costs nothing.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Repr::Static(text.as_bytes()))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(len, buffer) => &buffer[..usize::from(*len)],
            Repr::Static(bytes) => bytes,
            Repr::Shared(bytes) => bytes,
        }
    }

    /// The bytes on the heap that nothing else shares.
    pub(crate) fn own_heap_bytes(&self) -> usize {
        match &self.0 {
            Repr::Shared(bytes) if Arc::strong_count(bytes) == 1 => bytes.len(),
            _ => 0,
        }
    }

    /// The text, if the bytes are UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()).ok()
    }

    /// The text with every invalid sequence replaced by U+FFFD.
    pub fn to_str_lossy(&self) -> Cow<'_, str> {
        lossy(self.as_bytes())
    }
}

/// The bytes as text: as in Go, each byte that is no part of UTF-8 becomes a U+FFFD of its own.
pub fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    let mut chunks = bytes.utf8_chunks();
    match chunks.next() {
        None => return Cow::Borrowed(""),
        Some(first) if first.invalid().is_empty() => return Cow::Borrowed(first.valid()),
        Some(_) => {}
    }
    let mut text = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '\u{FFFD}'));
    }
    Cow::Owned(text)
}

impl Default for Str {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Deref for Str {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for Str {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Borrow<[u8]> for Str {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl From<&[u8]> for Str {
    fn from(bytes: &[u8]) -> Self {
        if bytes.len() > INLINE_BYTES_MAX {
            return Self(Repr::Shared(Arc::from(bytes)));
        }
        let mut buffer = [0; INLINE_BYTES_MAX];
        buffer[..bytes.len()].copy_from_slice(bytes);
        Self(Repr::Inline(bytes.len() as u8, buffer))
    }
}

/// Shares the bytes instead of copying them.
impl From<Arc<[u8]>> for Str {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self(Repr::Shared(bytes))
    }
}

impl From<Vec<u8>> for Str {
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.len() > INLINE_BYTES_MAX {
            Self(Repr::Shared(Arc::from(bytes)))
        } else {
            Self::from(bytes.as_slice())
        }
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<&String> for Str {
    fn from(text: &String) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<Cow<'_, str>> for Str {
    fn from(text: Cow<'_, str>) -> Self {
        Self::from(text.as_bytes())
    }
}

impl PartialEq for Str {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Str {}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialOrd for Str {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Str {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl std::hash::Hash for Str {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

/// Invalid UTF-8 shows as U+FFFD.
impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_str_lossy())
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_strings_compare_by_bytes() {
        for text in [
            "",
            "a",
            "exactly twenty-two byt",
            "longer than twenty-two bytes",
            "h\u{e9}",
        ] {
            let copied = Str::from(text);
            assert_eq!(copied.as_bytes(), text.as_bytes());
            assert_eq!(copied, Str::from(text.as_bytes().to_vec()));
            assert_eq!(copied, text);
        }
        let (small, large) = (Str::from("abc"), Str::from("b"));
        assert!(large > small);
        let (small, large) = (Str::from("\u{10ffff}"), Str::from(&b"\xff"[..]));
        assert!(large > small);
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_and_shown_replaced() {
        let cut = Str::from(&b"h\xc3"[..]);
        assert_eq!(cut.len(), 2);
        assert_eq!(cut.as_str(), None);
        assert_eq!(cut.to_string(), "h\u{fffd}");
    }
}
