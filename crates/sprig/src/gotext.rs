//! Small texts in Go's form: quoting, `%v` and friends, letter cases, what can be printed.
//!
//! In: bytes, values, characters. Out: texts. The real work is the template crate's; this names the
//! parts the rest of this crate needs.

use gotemplate::{Value, gofmt, strconv};

/// `strconv.Quote`.
pub fn quote(text: &[u8]) -> String {
    strconv::quote(text)
}

/// `fmt.Sprintf`; bytes that are no UTF-8 become U+FFFD.
pub fn format(layout: &str, arguments: &[Value]) -> String {
    let text = print(layout.as_bytes(), arguments);
    String::from_utf8(text).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// `fmt.Sprint` of one value.
pub fn show(value: &Value) -> Vec<u8> {
    print(b"%v", std::slice::from_ref(value))
}

/// What is too large to print, such as a map that contains itself, is said to be so.
fn print(layout: &[u8], arguments: &[Value]) -> Vec<u8> {
    gofmt::sprintf(layout, arguments).unwrap_or_else(|limit| format!("<{limit}>").into_bytes())
}

/// `unicode.IsPrint`: graphic characters and the blank, no other white space.
pub fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return c == ' ' || c.is_ascii_graphic();
    }
    let mut buffer = [0; 4];
    // What Go prints as itself between quotes is what it calls printable.
    strconv::quote(c.encode_utf8(&mut buffer).as_bytes())
        .chars()
        .nth(1)
        == Some(c)
}

/// `unicode.ToUpper`: one character for one.
pub fn to_upper(c: char) -> char {
    match c {
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => {
            char::from_u32(c as u32 + 8).unwrap_or(c)
        }
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => char::from_u32(c as u32 + 9).unwrap_or(c),
        _ => only(c.to_uppercase()).unwrap_or(c),
    }
}

/// `unicode.ToLower`: one character for one.
pub fn to_lower(c: char) -> char {
    if c == '\u{130}' {
        'i'
    } else {
        only(c.to_lowercase()).unwrap_or(c)
    }
}

/// `unicode.IsUpper`.
pub fn is_upper(c: char) -> bool {
    c.is_uppercase()
}

fn only(mut characters: impl Iterator<Item = char>) -> Option<char> {
    let first = characters.next()?;
    characters.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_change_one_character_for_one() {
        for (c, upper) in [
            ('a', 'A'),
            ('\u{df}', '\u{df}'),
            ('\u{1f80}', '\u{1f88}'),
            ('1', '1'),
        ] {
            assert_eq!(to_upper(c), upper);
        }
        assert_eq!(to_lower('\u{130}'), 'i');
    }

    #[test]
    fn control_and_format_characters_are_not_printed() {
        for (c, want) in [
            ('a', true),
            (' ', true),
            ('\t', false),
            ('\u{e9}', true),
            ('\u{200b}', false),
            ('\u{a0}', false),
        ] {
            assert_eq!(is_print(c), want, "{c:?}");
        }
    }
}
