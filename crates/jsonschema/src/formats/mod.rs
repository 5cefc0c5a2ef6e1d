//! What `format` asserts.
//!
//! In: a name, a text. Out: whether the text has the format, or what is wrong with it in the words of
//! jsonschema v6 (`format.go`) and of the parts of Go's library it uses. Whether a draft asserts formats
//! at all is decided elsewhere.

mod identifiers;
mod moments;
mod places;

use sprig::gotext;

/// A format by name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Format {
    /// A regular expression in Go's syntax.
    Regex,
    Text {
        name: &'static str,
        check: fn(&str) -> Result<(), String>,
    },
}

impl Format {
    /// None for names that assert nothing.
    pub(crate) fn named(name: &str) -> Option<Self> {
        if name == "regex" {
            return Some(Self::Regex);
        }
        let found = TEXTS.iter().find(|(known, _)| *known == name);
        found.map(|(name, check)| Self::Text {
            name,
            check: *check,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Regex => "regex",
            Self::Text { name, .. } => name,
        }
    }
}

type Check = fn(&str) -> Result<(), String>;

const TEXTS: [(&str, Check); 18] = [
    ("json-pointer", identifiers::json_pointer),
    ("relative-json-pointer", identifiers::relative_json_pointer),
    ("uuid", identifiers::uuid),
    ("semver", identifiers::semver),
    ("duration", moments::duration),
    ("period", moments::period),
    ("date", moments::date),
    ("time", moments::time),
    ("date-time", moments::date_time),
    ("ipv4", places::ipv4),
    ("ipv6", places::ipv6),
    ("hostname", places::hostname),
    ("email", places::email),
    ("uri", places::uri),
    ("iri", places::uri),
    ("uri-reference", places::uri_reference),
    ("iri-reference", places::uri_reference),
    ("uri-template", places::uri_template),
];

fn flaw<T>(text: &str) -> Result<T, String> {
    Err(text.to_owned())
}

/// A character as `%q` prints it.
fn shown(character: char) -> String {
    if character == '"' {
        return "'\"'".to_owned();
    }
    let quoted = gotext::quote(character.to_string().as_bytes());
    let inner = quoted[1..quoted.len() - 1].replace('\'', "\\'");
    format!("'{inner}'")
}

/// `strconv.Atoi`.
fn integer(text: &str) -> Result<i64, String> {
    gotemplate::strconv::parse_int(text.as_bytes(), 10).map_err(|error| {
        format!(
            "strconv.Atoi: parsing {}: {error}",
            gotext::quote(text.as_bytes())
        )
    })
}

/// How many ASCII digits the text starts with.
fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_assert_nothing() {
        assert!(Format::named("idn-email").is_none());
        assert_eq!(Format::named("iri").map(Format::name), Some("iri"));
        assert_eq!(Format::named("regex").map(Format::name), Some("regex"));
    }

    #[test]
    fn characters_are_quoted_as_in_go() {
        for (character, want) in [
            ('a', "'a'"),
            ('\'', "'\\''"),
            ('"', "'\"'"),
            ('\n', "'\\n'"),
            ('\u{e9}', "'\u{e9}'"),
            ('\u{a0}', "'\\u00a0'"),
        ] {
            assert_eq!(shown(character), want);
        }
    }
}
