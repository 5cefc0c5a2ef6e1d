//! Compiled patterns, each text once.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use gotemplate::Str;
use sprig::goregex::{self, Pattern};

/// Patterns of one schema.
const PATTERNS_MAX: usize = 2_000;
/// Bytes that they may take together.
const BYTES_MAX: usize = 64 << 20;

/// Patterns by their texts, or what is wrong with them in Go's words.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    known: RefCell<HashMap<String, Result<Pattern, String>>>,
    bytes: Cell<usize>,
}

impl Patterns {
    pub(crate) fn compile(&self, text: &str) -> Result<Pattern, String> {
        let mut known = self.known.borrow_mut();
        if let Some(known) = known.get(text) {
            return known.clone();
        }
        if known.len() >= PATTERNS_MAX || self.bytes.get() >= BYTES_MAX {
            return Err("the schema has too many patterns".to_owned());
        }
        let compiled = goregex::compile(&Str::from(text)).map_err(|error| error.to_string());
        if let Ok(pattern) = &compiled {
            self.bytes.update(|bytes| bytes + pattern.bytes_max());
        }
        known.insert(text.to_owned(), compiled.clone());
        compiled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_compiled_once_and_bounded_together() {
        let patterns = Patterns::default();
        for _ in 0..2 {
            assert!(patterns.compile("^a+$").is_ok_and(|p| p.is_match(b"aa")));
            let wrong = patterns.compile("(").err();
            assert_eq!(
                wrong.as_deref(),
                Some("error parsing regexp: missing closing ): `(`")
            );
        }
        let many = |i: usize| patterns.compile(&i.to_string());
        assert_eq!(
            (0..PATTERNS_MAX).filter(|i| many(*i).is_ok()).count(),
            PATTERNS_MAX - 2
        );
        let patterns = Patterns::default();
        let large = |i: usize| patterns.compile(&format!(r"(\pL{{100}}){{9}}{i}"));
        assert!((0..100).filter(|i| large(*i).is_ok()).count() < 50);
    }
}
