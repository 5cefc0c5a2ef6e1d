//! Functions that look at texts word by word: letter cases of whole names, wrapping, initials.
//!
//! In: texts. Out: texts. Ports of goutils 1.1 and xstrings 1.5 as sprig uses them; their quirks with
//! bytes taken for characters are kept.

use gotemplate::Str;

use crate::gotext::{
    is_letter, is_lower, is_number, is_punctuation, is_title, is_upper, to_lower, to_title,
    to_upper,
};

/// Go's `strings.Title`: upper case after everything that is no letter, digit or underscore.
pub(super) fn title(text: &str) -> String {
    let mut previous = ' ';
    text.chars()
        .map(|c| {
            let start = is_separator(previous);
            previous = c;
            if start { to_title(c) } else { c }
        })
        .collect()
}

fn is_separator(c: char) -> bool {
    if c.is_ascii() {
        return !(c.is_ascii_alphanumeric() || c == '_');
    }
    !c.is_alphanumeric() && c.is_whitespace()
}

/// Lower case for the first letter of each word.
pub(super) fn untitle(text: &str) -> String {
    let mut first = true;
    text.chars()
        .map(|c| {
            if c.is_whitespace() {
                first = true;
                c
            } else if std::mem::take(&mut first) {
                to_lower(c)
            } else {
                c
            }
        })
        .collect()
}

/// Upper and title case to lower; lower to title case at the start of a word, else to upper.
pub(super) fn swap_case(text: &str) -> String {
    let mut space = true;
    text.chars()
        .map(|c| {
            if is_upper(c) || is_title(c) {
                space = false;
                to_lower(c)
            } else if is_lower(c) {
                if std::mem::take(&mut space) {
                    to_title(c)
                } else {
                    to_upper(c)
                }
            } else {
                space = c.is_whitespace();
                c
            }
        })
        .collect()
}

/// Whether a byte is white space when taken for a character, as goutils does.
fn byte_is_space(byte: u8) -> bool {
    char::from(byte).is_whitespace()
}

/// The first byte of each word, each byte a character of its own.
pub(super) fn initials(text: &[u8]) -> String {
    let mut gap = true;
    let mut out = String::new();
    for byte in text {
        if byte_is_space(*byte) {
            gap = true;
        } else if std::mem::take(&mut gap) {
            out.push(char::from(*byte));
        }
    }
    out
}

/// Without white space.
///
/// Quirk: as soon as there is some, all bytes are taken for characters.
pub(super) fn delete_white_space(text: &Str) -> Str {
    if !text.iter().any(|b| byte_is_space(*b)) {
        return text.clone();
    }
    let kept = text.iter().filter(|b| !byte_is_space(**b));
    kept.map(|b| char::from(*b)).collect::<String>().into()
}

/// goutils' `WrapCustom`, in bytes.
pub(super) fn wrap(text: &[u8], width: i64, separator: &[u8], long_words: bool) -> Vec<u8> {
    let separator: &[u8] = if separator.is_empty() {
        b"\n"
    } else {
        separator
    };
    let width = usize::try_from(width).unwrap_or_default().max(1);
    let mut out = Vec::with_capacity(text.len());
    let mut offset = 0;
    while text.len() - offset > width {
        if text[offset] == b' ' {
            offset += 1;
            continue;
        }
        let end = (offset + width + 1).min(text.len());
        let (line, next) = match text[offset..end].iter().rposition(|b| *b == b' ') {
            Some(space) => (offset + space, offset + space + 1),
            None if long_words => (offset + width, offset + width),
            None => {
                let Some(space) = text[offset + width..].iter().position(|b| *b == b' ') else {
                    break;
                };
                (offset + width + space, offset + width + space + 1)
            }
        };
        out.extend_from_slice(&text[offset..line]);
        out.extend_from_slice(separator);
        offset = next;
    }
    out.extend_from_slice(&text[offset..]);
    out
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || c.is_whitespace()
}

/// xstrings' `ToPascalCase`.
pub(super) fn pascal(text: &str) -> String {
    let mut rest = text.chars();
    let mut out = String::new();
    let mut current = loop {
        match rest.next() {
            // Quirk: a text of connectors only gets its last one twice.
            None => {
                out.extend(out.chars().next_back());
                return out;
            }
            Some(c) if is_connector(c) => out.push(c),
            Some(c) => break c,
        }
    };
    let mut first_upper = is_upper(current);
    current = to_upper(current);
    for next in rest {
        let previous = current;
        current = next;
        if is_connector(current) && is_connector(previous) {
            out.push(previous);
            continue;
        }
        if is_connector(previous) {
            first_upper = is_upper(current);
            current = to_upper(current);
        } else {
            if first_upper {
                if is_upper(current) {
                    current = to_lower(current);
                } else {
                    first_upper = false;
                }
            }
            out.push(previous);
        }
    }
    out.push(current);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    End,
    Number,
    Upper,
    Letters,
    Connector,
    Punctuation,
    Other,
}

/// xstrings' `camelCaseToLowerCase`: words in lower case, separated by `connector`.
pub(super) fn separated(text: &str, connector: char) -> String {
    let mut out = String::new();
    let (mut kind, mut word, mut rest) = next_word(text);
    while !rest.is_empty() {
        if kind != Word::Connector {
            push_lower(&mut out, kind, word, connector);
        }
        let (previous, last) = (kind, word);
        (kind, word, rest) = next_word(rest);
        match previous {
            Word::Number => {
                while matches!(kind, Word::Letters | Word::Number) {
                    push_lower(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                if !matches!(kind, Word::End | Word::Punctuation | Word::Connector) {
                    out.push(connector);
                }
            }
            Word::Connector => push_lower(&mut out, previous, last, connector),
            Word::Punctuation => {}
            _ if kind != Word::Number => {
                if !matches!(kind, Word::Connector | Word::Punctuation) {
                    out.push(connector);
                }
            }
            _ if rest.is_empty() => {}
            _ => (kind, word, rest) = after_number(&mut out, word, rest, connector),
        }
    }
    push_lower(&mut out, kind, word, connector);
    out
}

/// A number that follows letters: part of them, unless lower case letters follow it.
fn after_number<'a>(
    out: &mut String,
    number: &str,
    rest: &'a str,
    connector: char,
) -> (Word, &'a str, &'a str) {
    let (mut kind, mut word, mut rest) = next_word(rest);
    if kind != Word::Letters {
        push_lower(out, Word::Number, number, connector);
        if !matches!(kind, Word::Connector | Word::Punctuation) {
            out.push(connector);
        }
        return (kind, word, rest);
    }
    out.push(connector);
    push_lower(out, Word::Number, number, connector);
    while matches!(kind, Word::Letters | Word::Number) {
        push_lower(out, kind, word, connector);
        (kind, word, rest) = next_word(rest);
    }
    if !matches!(kind, Word::End | Word::Connector | Word::Punctuation) {
        out.push(connector);
    }
    (kind, word, rest)
}

fn push_lower(out: &mut String, kind: Word, word: &str, connector: char) {
    if !matches!(kind, Word::Upper | Word::Connector) {
        out.push_str(word);
        return;
    }
    out.extend(word.chars().map(|c| {
        if is_connector(c) {
            connector
        } else if is_upper(c) {
            to_lower(c)
        } else {
            c
        }
    }));
}

/// Letters of the scripts that xstrings takes for alphabets.
fn is_alphabet(c: char) -> bool {
    if !is_letter(c) {
        return false;
    }
    !matches!(c, '\u{4e00}'..='\u{9fcc}' | '\u{3400}'..='\u{4d85}' | '\u{20000}'..='\u{2b81d}')
}

fn next_word(text: &str) -> (Word, &str, &str) {
    let Some(first) = text.chars().next() else {
        return (Word::End, "", "");
    };
    let second = text.chars().nth(1);
    let run = |test: &dyn Fn(char) -> bool| {
        text.char_indices()
            .skip(1)
            .find(|(_, c)| !test(*c))
            .map_or(text.len(), |(i, _)| i)
    };
    let (kind, end) = if is_connector(first) {
        (Word::Connector, run(&is_connector))
    } else if is_punctuation(first) {
        (Word::Punctuation, run(&is_punctuation))
    } else if is_upper(first) {
        let end = match second {
            Some(c) if is_upper(c) => {
                let end = run(&is_upper);
                // In HTTPStatus the S belongs to the next word.
                let before = text[..end].char_indices().next_back().map_or(0, |(i, _)| i);
                if text[end..].chars().next().is_some_and(is_alphabet) {
                    before
                } else {
                    end
                }
            }
            Some(c) if is_alphabet(c) => run(&|c| is_alphabet(c) && !is_upper(c)),
            _ => first.len_utf8(),
        };
        (Word::Upper, end)
    } else if is_alphabet(first) {
        (Word::Letters, run(&|c| is_alphabet(c) && !is_upper(c)))
    } else if is_number(first) {
        (Word::Number, run(&is_number))
    } else {
        let other =
            |c: char| !(is_connector(c) || is_alphabet(c) || is_number(c) || is_punctuation(c));
        (Word::Other, run(&other))
    };
    (kind, &text[..end], &text[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_as_in_xstrings() {
        for (text, snake, camel) in [
            ("FirstName", "first_name", "FirstName"),
            ("HTTPServer", "http_server", "Httpserver"),
            ("NoHTTPS", "no_https", "NoHTTPS"),
            ("GO_PATH", "go_path", "GoPath"),
            ("GO PATH", "go_path", "GoPath"),
            ("http2xx", "http_2xx", "Http2xx"),
            ("HTTP20xOK", "http_20x_ok", "Http20xOK"),
            ("Duration2m3s", "duration_2m3s", "Duration2m3s"),
            ("Bld4Floor3rd", "bld4_floor_3rd", "Bld4Floor3rd"),
            ("_complex__case_", "_complex__case_", "_Complex_Case_"),
            ("", "", ""),
        ] {
            assert_eq!(separated(text, '_'), snake, "snake of {text:?}");
            assert_eq!(pascal(text), camel, "camel of {text:?}");
        }
    }

    #[test]
    fn words_change_their_case() {
        assert_eq!(title("hello wORLD it's a-b"), "Hello WORLD It'S A-B");
        assert_eq!(untitle("Hello World"), "hello world");
        assert_eq!(swap_case("This Is A.Test"), "tHIS iS a.tEST");
        assert_eq!(initials(b"First Try\tat"), "FTa");
    }

    #[test]
    fn lines_are_wrapped_at_blanks() {
        assert_eq!(wrap(b"Hello World", 5, b"", false), b"Hello\nWorld");
        assert_eq!(wrap(b"Hello World", 3, b"", false), b"Hello\nWorld");
        assert_eq!(wrap(b"Hello World", 4, b"-", true), b"Hell-o-Worl-d");
        assert_eq!(wrap(b"", 0, b"", false), b"");
    }
}
