//! JSON pointers and the addresses they complete.
//!
//! Pointers are kept as written below a document's root: empty, or `/properties/a~1b`.

use crate::address::{self, Address};
use crate::error::Reason;
use crate::json::Json;

fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

/// One more token of a location or pointer, with its slash.
pub(crate) fn token(token: &str) -> String {
    format!("/{}", escape(token))
}

/// The pointer to a member.
pub(crate) fn push(at: &str, token: &str) -> String {
    format!("{at}/{}", escape(token))
}

/// The pointer to a member of a member.
pub(crate) fn push2(at: &str, first: &str, second: &str) -> String {
    format!("{at}/{}/{}", escape(first), escape(second))
}

fn unescape(token: &str) -> Option<String> {
    let mut out = String::with_capacity(token.len());
    let mut characters = token.chars();
    while let Some(character) = characters.next() {
        out.push(match (character, character == '~') {
            (_, true) => match characters.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return None,
            },
            (plain, false) => plain,
        });
    }
    Some(out)
}

/// Escaped for an address, slashes apart.
fn encode(pointer: &str) -> String {
    let tokens: Vec<String> = pointer.split('/').map(address::escape_segment).collect();
    tokens.join("/")
}

/// `address#/pointer`
pub(crate) fn located(address: &str, fragment: &str) -> String {
    format!("{address}#{}", encode(fragment))
}

/// What is before and after the first `#`.
pub(crate) fn split(text: &str) -> (&str, &str) {
    text.split_once('#').unwrap_or((text, ""))
}

/// As [`split`], with the fragment unescaped.
pub(crate) fn split_fragment(text: &str) -> Result<(&str, String), Reason> {
    let (before, fragment) = split(text);
    match address::unescape_segment(fragment) {
        Ok(fragment) => Ok((before, fragment)),
        Err(flaw) => Err(Reason::Address {
            address: text.to_owned(),
            flaw,
        }),
    }
}

/// A fragment: a pointer, or the name of an anchor.
pub(crate) fn is_pointer(fragment: &str) -> bool {
    fragment.is_empty() || fragment.starts_with('/')
}

/// An address without fragment relative to another, and the fragment.
pub(crate) fn join(base: &str, reference: &str) -> Result<(String, String), Reason> {
    let parse = |text: &str| {
        Address::parse(text).map_err(|flaw| Reason::Address {
            address: text.to_owned(),
            flaw,
        })
    };
    let base = parse(base)?;
    let (reference, fragment) = split_fragment(reference)?;
    let reference = parse(reference)?;
    Ok((base.resolve(&reference).text(), fragment))
}

/// The value that a pointer leads to.
pub(crate) fn lookup<'a>(
    document: &'a Json,
    address: &str,
    pointer: &str,
) -> Result<&'a Json, Reason> {
    let mut value = document;
    for token in pointer.split('/').skip(1) {
        let Some(token) = unescape(token) else {
            return Err(Reason::Pointer(located(address, pointer)));
        };
        let next = match value {
            Json::Object(members) => members.get(&token),
            Json::Array(items) => index(&token).and_then(|i| items.get(i)),
            _ => None,
        };
        value = next.ok_or_else(|| Reason::NoPointer(located(address, pointer)))?;
    }
    Ok(value)
}

/// As `strconv.Atoi` reads it: signs and leading zeros count as digits do.
fn index(token: &str) -> Option<usize> {
    let number = gotemplate::strconv::parse_int(token.as_bytes(), 10).ok()?;
    usize::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_lead_to_values() {
        let document = crate::json::parse(br#"{"a/b": [1, {"~": 2}], "": 3}"#).expect("JSON");
        for (pointer, want) in [
            ("/a~1b/0", "1"),
            ("/a~1b/1/~0", "2"),
            ("/", "3"),
            ("/a~1b/+0", "1"),
        ] {
            let got = lookup(&document, "u", pointer);
            assert_eq!(got, Ok(&Json::Number(want.into())), "{pointer}");
        }
        for (pointer, want) in [
            ("/a~1b/2", "json-pointer in \"u#/a~1b/2\" not found"),
            ("/a~1b/-1", "json-pointer in \"u#/a~1b/-1\" not found"),
            ("/b c", "json-pointer in \"u#/b%20c\" not found"),
            ("/~2", "invalid json-pointer \"u#/~2\""),
            ("/~", "invalid json-pointer \"u#/~\""),
        ] {
            let got = lookup(&document, "u", pointer).map_err(|e| e.to_string());
            assert_eq!(got, Err(want.to_owned()), "{pointer}");
        }
    }
}
