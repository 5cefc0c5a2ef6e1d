//! Regular expressions in Go's syntax.

use gotemplate::Str;

use crate::error::{Error, Result};

/// A compiled regular expression.
#[derive(Debug)]
pub(crate) struct Pattern(sprig::goregex::Pattern);

impl Pattern {
    pub(crate) fn new(text: &str) -> Result<Self> {
        let compiled = sprig::goregex::compile(&Str::from(text));
        compiled.map(Self).map_err(|error| Error(error.to_string()))
    }

    /// One that has to match the whole text.
    pub(crate) fn anchored(text: &str) -> Result<Self> {
        Self::new(&format!("^(?:{text})$"))
    }

    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text.as_bytes())
    }
}
