//! Tokens of the template language.

use crate::strconv::quote;
use crate::strconv::unicode::decode_rune;

/// What a token is. Keywords are those after `Variable`; their text is shown in angle brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    /// The text is the message.
    Error,
    Bool,
    /// A printable ASCII character with no meaning of its own, such as a comma.
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

impl Kind {
    fn is_keyword(self) -> bool {
        self as u8 > Self::Variable as u8
    }

    pub(super) fn of_word(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"." => Self::Dot,
            b"block" => Self::Block,
            b"break" => Self::Break,
            b"continue" => Self::Continue,
            b"define" => Self::Define,
            b"else" => Self::Else,
            b"end" => Self::End,
            b"if" => Self::If,
            b"range" => Self::Range,
            b"nil" => Self::Nil,
            b"template" => Self::Template,
            b"with" => Self::With,
            _ => return None,
        })
    }
}

/// A token; `text` borrows from the template. Of an error it is empty: the lexer has the message.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Token<'t> {
    pub(in super::super) kind: Kind,
    pub(in super::super) pos: usize,
    pub(in super::super) line: usize,
    pub(in super::super) text: &'t [u8],
}

impl Token<'_> {
    /// How error messages show the token, which is no error.
    pub(in super::super) fn describe(&self) -> String {
        match self.kind {
            Kind::Eof => "EOF".to_owned(),
            kind if kind.is_keyword() => format!("<{}>", crate::lossy(self.text)),
            _ if self.text.len() > 10 => {
                let mut end = 0;
                for _ in 0..10 {
                    end += decode_rune(&self.text[end..]).1;
                }
                format!("{}...", quote(&self.text[..end]))
            }
            _ => quote(self.text),
        }
    }
}
