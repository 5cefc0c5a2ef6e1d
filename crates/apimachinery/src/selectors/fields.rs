//! Field selectors: comma separated terms `path=value`, `path==value`, `path!=value`.
//!
//! In the value `\`, `,` and `=` are written with a backslash before them. Source:
//! k8s.io/apimachinery `pkg/fields`.

/// A field selector text that cannot be understood. The texts are the API server's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// A term without operator.
    #[error("invalid selector: '{selector}'; can't understand '{term}'")]
    Term {
        /// The whole selector.
        selector: String,
        /// The term at fault.
        term: String,
    },
    /// A backslash before a character that needs none, or at the end.
    #[error("invalid field selector: invalid escape sequence: {0}")]
    Escape(String),
    /// A `,` or `=` in a value; carries its code point, as upstream prints it.
    #[error("invalid field selector: unescaped character in value: {0}")]
    Unescaped(u32),
}

/// One comparison of a field selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldTerm {
    /// Field path, such as `metadata.name`. Not checked against any kind.
    pub field: String,
    /// The value, without escapes.
    pub value: String,
    /// True for `=` and `==`, false for `!=`.
    pub equal: bool,
}

/// A parsed field selector: all its terms must hold. No terms match everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<FieldTerm>,
}

impl FieldSelector {
    /// Parses the text of a `fieldSelector` parameter; the empty text matches everything.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let mut parts = split_terms(text);
        parts.sort_unstable();
        let mut terms = Vec::with_capacity(parts.len());
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            let (field, equal, value) = split_term(part).ok_or_else(|| FieldError::Term {
                selector: text.to_owned(),
                term: part.to_owned(),
            })?;
            let (field, value) = (field.to_owned(), unescape(value)?);
            // Quirk: a lone operator, without field and value, asks for nothing.
            if !(field.is_empty() && value.is_empty()) {
                terms.push(FieldTerm {
                    field,
                    value,
                    equal,
                });
            }
        }
        Ok(Self { terms })
    }

    /// The comparisons, sorted by their text.
    pub fn terms(&self) -> &[FieldTerm] {
        &self.terms
    }

    /// Whether nothing is asked, so that everything matches.
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// The one value that `field` must have, if the selector asks for one.
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.terms
            .iter()
            .find(|term| term.equal && term.field == field)
            .map(|term| term.value.as_str())
    }

    /// Tests an object through `get`, which gives a field's text; a missing field counts as empty.
    pub fn matches<S: AsRef<str>>(&self, get: impl Fn(&str) -> Option<S>) -> bool {
        self.terms.iter().all(|term| {
            let found = get(&term.field);
            let found = found.as_ref().map_or("", AsRef::as_ref);
            (found == term.value) == term.equal
        })
    }
}

fn split_terms(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, ch) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if ch == '\\' {
            escaped = true;
        } else if ch == ',' {
            terms.push(&text[start..at]);
            start = at + 1;
        }
    }
    terms.push(&text[start..]);
    terms
}

fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    term.char_indices().find_map(|(at, _)| {
        let rest = &term[at..];
        [("!=", false), ("==", true), ("=", true)]
            .into_iter()
            .find_map(|(operator, equal)| {
                rest.strip_prefix(operator)
                    .map(|value| (&term[..at], equal, value))
            })
    })
}

fn unescape(text: &str) -> Result<String, FieldError> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(ch) = chars.next() {
        match ch {
            '\\' => match chars.next() {
                Some(next @ ('\\' | ',' | '=')) => out.push(next),
                Some(next) => return Err(FieldError::Escape(format!("\\{next}"))),
                None => return Err(FieldError::Escape("\\".to_owned())),
            },
            ',' | '=' => return Err(FieldError::Unescaped(ch as u32)),
            _ => out.push(ch),
        }
    }
    Ok(out)
}
