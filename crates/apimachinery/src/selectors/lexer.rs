//! Tokens of the label selector language.
//!
//! In: a selector text. Out: its tokens, ended by [`Kind::End`]. Source: k8s.io/apimachinery
//! `pkg/labels`, `Lexer`. Quirk: a NUL byte separates tokens after one, and ends the text elsewhere.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Invalid,
    End,
    Close,
    Comma,
    Not,
    DoubleEquals,
    Equals,
    Greater,
    Identifier,
    In,
    Less,
    NotEquals,
    NotIn,
    Open,
}

/// A token with the text it was read from; the text of an invalid one says what is wrong.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// Splits a text into tokens; the last one is always [`Kind::End`].
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches(is_space);
    while !rest.is_empty() && !rest.starts_with('\0') {
        let (token, length) = if rest.starts_with(is_symbol) {
            symbol(rest)
        } else {
            word(rest)
        };
        tokens.push(token);
        rest = &rest[length..];
        rest = rest
            .strip_prefix('\0')
            .unwrap_or(rest)
            .trim_start_matches(is_space);
    }
    tokens.push(Token {
        kind: Kind::End,
        text: String::new(),
    });
    tokens
}

fn is_space(ch: char) -> bool {
    matches!(ch, ' ' | '\t' | '\r' | '\n')
}

fn is_symbol(ch: char) -> bool {
    matches!(ch, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

fn word(rest: &str) -> (Token, usize) {
    let length = rest
        .find(|ch| is_space(ch) || is_symbol(ch) || ch == '\0')
        .unwrap_or(rest.len());
    let text = rest[..length].to_owned();
    let kind = match text.as_str() {
        "in" => Kind::In,
        "notin" => Kind::NotIn,
        _ => Kind::Identifier,
    };
    (Token { kind, text }, length)
}

/// Every symbol is a token by itself, so at least one character is always taken.
fn symbol(rest: &str) -> (Token, usize) {
    let two = match rest.get(..2) {
        Some("==") => Some(Kind::DoubleEquals),
        Some("!=") => Some(Kind::NotEquals),
        _ => None,
    };
    if let Some(kind) = two {
        return (
            Token {
                kind,
                text: rest[..2].to_owned(),
            },
            2,
        );
    }
    let kind = match rest.as_bytes()[0] {
        b'=' => Kind::Equals,
        b'!' => Kind::Not,
        b'(' => Kind::Open,
        b')' => Kind::Close,
        b',' => Kind::Comma,
        b'>' => Kind::Greater,
        b'<' => Kind::Less,
        _ => Kind::Invalid,
    };
    (
        Token {
            kind,
            text: rest[..1].to_owned(),
        },
        1,
    )
}
