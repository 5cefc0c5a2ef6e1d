//! Small texts in Go's form: quoting, `%v` and friends, letter cases, what can be printed.
//!
//! In: bytes, values, characters. Out: texts. The real work is the template crate's; this names the
//! parts the rest of this crate needs.

use std::sync::LazyLock;

use gotemplate::{Value, gofmt, meter, strconv};
use regex::Regex;

/// `strconv.Quote`.
pub fn quote(text: &[u8]) -> String {
    strconv::quote(text)
}

/// `fmt.Sprintf`; bytes that are no UTF-8 become U+FFFD.
pub fn format(layout: &str, arguments: &[Value]) -> String {
    let text = print(layout.as_bytes(), arguments);
    String::from_utf8(text).unwrap_or_else(|e| gotemplate::lossy(e.as_bytes()).into_owned())
}

/// `fmt.Sprint` of one value.
pub fn show(value: &Value) -> Vec<u8> {
    print(b"%v", std::slice::from_ref(value))
}

/// What is too large to print, such as a map that contains itself, fails the function that asked.
fn print(layout: &[u8], arguments: &[Value]) -> Vec<u8> {
    gofmt::sprintf(layout, arguments).unwrap_or_else(|limit| {
        meter::exceed(limit);
        Vec::new()
    })
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

/// `unicode.ToTitle`: upper case, but for letters that are two and for scripts whose names start small.
pub fn to_title(c: char) -> char {
    match c {
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        '\u{10d0}'..='\u{10fa}' | '\u{10fd}'..='\u{10ff}' => c,
        _ => to_upper(c),
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

/// `unicode.IsUpper`: the category Lu.
pub fn is_upper(c: char) -> bool {
    static CLASS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\p{Lu}").ok());
    is_of(c, char::is_ascii_uppercase, &CLASS)
}

/// `unicode.IsLower`: the category Ll.
pub fn is_lower(c: char) -> bool {
    static CLASS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\p{Ll}").ok());
    is_of(c, char::is_ascii_lowercase, &CLASS)
}

/// `unicode.IsTitle`: the category Lt.
pub fn is_title(c: char) -> bool {
    static CLASS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\p{Lt}").ok());
    is_of(c, |_| false, &CLASS)
}

/// `unicode.IsLetter`: the category L.
pub fn is_letter(c: char) -> bool {
    static CLASS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\p{L}").ok());
    is_of(c, char::is_ascii_alphabetic, &CLASS)
}

/// `unicode.IsDigit`: the category Nd.
pub fn is_digit(c: char) -> bool {
    static CLASS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\p{Nd}").ok());
    is_of(c, char::is_ascii_digit, &CLASS)
}

/// `unicode.IsNumber`: the category N.
pub fn is_number(c: char) -> bool {
    static CLASS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\p{N}").ok());
    is_of(c, char::is_ascii_digit, &CLASS)
}

/// `unicode.IsPunct`: the category P.
pub fn is_punctuation(c: char) -> bool {
    static CLASS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\p{P}").ok());
    is_of(
        c,
        |c| c.is_ascii_punctuation() && !"$+<=>^`|~".contains(*c),
        &CLASS,
    )
}

/// Whether a class has a character. ASCII goes without the class, which takes a millisecond to build.
fn is_of(c: char, ascii: impl Fn(&char) -> bool, class: &LazyLock<Option<Regex>>) -> bool {
    if c.is_ascii() {
        return ascii(&c);
    }
    let mut buffer = [0; 4];
    class
        .as_ref()
        .is_some_and(|class| class.is_match(c.encode_utf8(&mut buffer)))
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
    fn ascii_characters_are_of_the_classes_that_unicode_has_for_them() {
        for (is_of, class) in [
            (is_upper as fn(char) -> bool, "Lu"),
            (is_lower, "Ll"),
            (is_title, "Lt"),
            (is_letter, "L"),
            (is_digit, "Nd"),
            (is_number, "N"),
            (is_punctuation, "P"),
        ] {
            let class = Regex::new(&format!(r"\p{{{class}}}")).expect("a class");
            for c in (0..=0x2ff).filter_map(char::from_u32) {
                assert_eq!(is_of(c), class.is_match(&c.to_string()), "{c:?} {class}");
            }
        }
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
