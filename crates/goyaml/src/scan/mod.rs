//! From YAML text to tokens: indentation, simple keys, flow brackets.
//!
//! The rules, the lookahead of 1024 characters for a key and the wording of the errors are those
//! of the scanner that go-yaml inherited from libyaml. Tokens borrow from the text wherever a
//! scalar needs no unescaping or folding. Work is linear in the text; nesting is bounded by
//! [`DEPTH_MAX`].

mod comments;
mod scalars;
mod tags;
mod text;

use std::borrow::Cow;
use std::collections::VecDeque;

pub(crate) use self::comments::Pending;
use self::comments::{Comments, TOKENS_AHEAD};
pub(crate) use self::text::Mark;
use self::text::Text;
use crate::error::Problem;

/// Deepest nesting of collections that is read or written. Go allows 10,000; no Kubernetes object
/// comes near either, serde_json reads no more than 128, and this one fits half the stack of any
/// thread even in a debug build.
pub const DEPTH_MAX: usize = 256;

/// A key must end within this many characters, on one line.
const SIMPLE_KEY_CHARS_MAX: u32 = 1024;

/// How far the scanner looks ahead, for an indicator such as `--- `.
const LOOKAHEAD_BYTES: usize = 4;

/// How a scalar was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScalarStyle {
    /// Without quotes.
    #[default]
    Plain,
    /// In `'`.
    SingleQuoted,
    /// In `"`.
    DoubleQuoted,
    /// After `|`.
    Literal,
    /// After `>`.
    Folded,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Token<'a> {
    StreamStart,
    StreamEnd,
    VersionDirective {
        major: u8,
        minor: u8,
    },
    TagDirective {
        handle: String,
        prefix: String,
    },
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'a str),
    Anchor(&'a str),
    Tag {
        handle: String,
        suffix: String,
    },
    Scalar {
        value: Cow<'a, str>,
        style: ScalarStyle,
    },
}

/// A token and where it stands.
#[derive(Debug)]
pub(crate) struct Lexeme<'a> {
    pub(crate) token: Token<'a>,
    pub(crate) start: Mark,
    pub(crate) end: Mark,
}

/// A token that turns out to be a key if `:` follows in time.
#[derive(Clone, Copy, Debug, Default)]
struct SimpleKey {
    possible: bool,
    required: bool,
    /// Whether the queue waits for it.
    awaited: bool,
    token_number: usize,
    mark: Mark,
}

/// The token source of one text.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    text: Text<'a>,
    /// What is wrong with the bytes after the text, if they could not be decoded.
    reader_problem: Option<Problem>,
    tokens: VecDeque<Lexeme<'a>>,
    /// Tokens handed out so far.
    n_taken: usize,
    /// Whether the first token of the queue is known to be the next one.
    head_is_settled: bool,
    started: bool,
    ended: bool,
    indent: i64,
    indents: Vec<i64>,
    flow_level: usize,
    simple_key_allowed: bool,
    /// One for the block context and one per open bracket.
    simple_keys: Vec<SimpleKey>,
    /// Where comments go, if they are kept.
    comments: Option<Box<Comments>>,
    /// The start of what is being read, for errors that name it.
    context: Option<Mark>,
}

impl<'a> Scanner<'a> {
    /// Scans `source`; `reader_problem` is reported when the scanner reaches its end.
    pub(crate) fn new(source: &'a str, reader_problem: Option<Problem>) -> Self {
        Self {
            text: Text::new(source),
            reader_problem,
            tokens: VecDeque::new(),
            n_taken: 0,
            head_is_settled: false,
            started: false,
            ended: false,
            indent: -1,
            indents: Vec::new(),
            flow_level: 0,
            simple_key_allowed: true,
            simple_keys: vec![SimpleKey::default()],
            comments: None,
            context: None,
        }
    }

    /// As [`Scanner::new`], and comments are kept for [`Scanner::pending`].
    pub(crate) fn with_comments(source: &'a str, reader_problem: Option<Problem>) -> Self {
        Self {
            comments: Some(Box::default()),
            ..Self::new(source, reader_problem)
        }
    }

    /// The next token, left in place. After the end it stays at `StreamEnd`.
    pub(crate) fn peek(&mut self) -> Result<&Lexeme<'a>, Problem> {
        self.fill()?;
        self.unfold_comments();
        // `fill` leaves a token or fails; the text's end is the answer that keeps callers total.
        self.tokens
            .front()
            .ok_or_else(|| Problem::new("no token at the end of the stream"))
    }

    /// Takes the token that was peeked.
    pub(crate) fn take(&mut self) -> Result<Lexeme<'a>, Problem> {
        self.fill()?;
        self.head_is_settled = false;
        self.n_taken += 1;
        self.tokens
            .pop_front()
            .ok_or_else(|| Problem::new("no token at the end of the stream"))
    }

    /// Reads on until the first token in the queue cannot become a key any more.
    fn fill(&mut self) -> Result<(), Problem> {
        if self.head_is_settled {
            return Ok(());
        }
        let needed = if self.comments.is_some() {
            TOKENS_AHEAD
        } else {
            1
        };
        while self.tokens.len() < needed || self.head_may_become_key()? {
            if self.ended {
                while self.tokens.len() < needed {
                    self.push_here(Token::StreamEnd);
                }
                // A key that is still waited for will not come.
                self.head_may_become_key()?;
                break;
            }
            self.fetch()?;
        }
        self.head_is_settled = true;
        Ok(())
    }

    fn head_may_become_key(&mut self) -> Result<bool, Problem> {
        let head = self.n_taken;
        match self
            .simple_keys
            .iter()
            .rposition(|key| key.awaited && key.possible && key.token_number == head)
        {
            Some(index) => self.simple_key_is_valid(index),
            None => Ok(false),
        }
    }

    /// The scanner's error: the position of the text counts, not the start of the token.
    fn problem(&self, message: impl Into<Cow<'static, str>>) -> Problem {
        self.problem_in(self.context.unwrap_or(self.text.mark), message)
    }

    /// As [`Scanner::problem`], in something that starts at `context`.
    fn problem_in(&self, context: Mark, message: impl Into<Cow<'static, str>>) -> Problem {
        self.reader_problem_at_end()
            .unwrap_or_else(|| Problem::scanner(message, self.text.mark, context))
    }

    /// The fault in the bytes if go-yaml's lookahead has met it here.
    fn reader_problem_at_end(&self) -> Option<Problem> {
        let lookahead = self.text.rest().len() < LOOKAHEAD_BYTES;
        if lookahead {
            self.reader_problem.clone()
        } else {
            None
        }
    }

    fn fetch(&mut self) -> Result<(), Problem> {
        if !self.started {
            self.started = true;
            self.push_here(Token::StreamStart);
            return Ok(());
        }
        let before = self.text.mark;
        self.skip_to_next_token();
        if let Some(problem) = self.reader_problem_at_end() {
            return Err(problem);
        }
        self.unroll_indent(i64::from(self.text.mark.column), before);
        if self.comments.is_some() {
            return self.fetch_with_comment();
        }
        self.fetch_here()
    }

    /// Queues the token that starts here.
    fn fetch_here(&mut self) -> Result<(), Problem> {
        let byte = self.text.byte(0);
        let spaced = self.text.is_blankz(1);
        let flow = self.flow_level > 0;
        match byte {
            0 => self.fetch_stream_end(),
            b'%' if self.text.mark.column == 0 => self.fetch_directive(),
            b'-' if self.text.at_indicator(b'-') => {
                self.fetch_document_indicator(Token::DocumentStart)
            }
            b'.' if self.text.at_indicator(b'.') => {
                self.fetch_document_indicator(Token::DocumentEnd)
            }
            b'[' => self.fetch_flow_start(Token::FlowSequenceStart),
            b'{' => self.fetch_flow_start(Token::FlowMappingStart),
            b']' => self.fetch_flow_end(Token::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(Token::FlowMappingEnd),
            b',' => self.fetch_flow_entry(),
            b'-' if spaced => self.fetch_block_entry(),
            b'?' if flow || spaced => self.fetch_key(),
            b':' if flow || spaced => self.fetch_value(),
            b'*' => self.fetch_anchor(false),
            b'&' => self.fetch_anchor(true),
            b'!' => self.fetch_tag(),
            b'|' if !flow => self.fetch_block_scalar(true),
            b'>' if !flow => self.fetch_block_scalar(false),
            b'\'' => self.fetch_quoted(true),
            b'"' => self.fetch_quoted(false),
            b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b'\t' => {
                Err(self.problem("found character that cannot start any token"))
            }
            _ => self.fetch_plain(),
        }
    }

    /// Steps over blanks, comments and line breaks. Tabs may not indent a block.
    fn skip_to_next_token(&mut self) {
        // Quirk: a byte order mark is skipped where the text starts, behind the one that was the
        // encoding's, and nowhere else.
        if self.text.position() == 0 && self.text.rest().starts_with('\u{FEFF}') {
            self.text.advance('\u{FEFF}'.len_utf8(), 1);
        }
        let before = self.text.mark;
        loop {
            while self.text.byte(0) == b' '
                || (self.text.byte(0) == b'\t' && (self.flow_level > 0 || !self.simple_key_allowed))
            {
                self.text.step();
            }
            if self.comments.is_some() {
                self.scan_comments(before);
            }
            self.text.skip_comment();
            if self.text.break_width(0) == 0 {
                return;
            }
            self.text.skip_break();
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    fn push_here(&mut self, token: Token<'a>) {
        let mark = self.text.mark;
        self.tokens.push_back(Lexeme {
            token,
            start: mark,
            end: mark,
        });
    }

    /// Steps over an indicator of `width` characters and queues its token.
    fn push_indicator(&mut self, token: Token<'a>, width: usize) {
        let start = self.text.mark;
        (0..width).for_each(|_| self.text.step());
        self.tokens.push_back(Lexeme {
            token,
            start,
            end: self.text.mark,
        });
    }

    fn simple_key_is_valid(&mut self, index: usize) -> Result<bool, Problem> {
        let key = self.simple_keys[index];
        if !key.possible {
            return Ok(false);
        }
        let here = self.text.mark;
        // Characters on the same line are columns.
        if key.mark.line < here.line || key.mark.column + SIMPLE_KEY_CHARS_MAX < here.column {
            if key.required {
                return Err(self.problem_in(key.mark, "could not find expected ':'"));
            }
            self.simple_keys[index].possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn current_key(&self) -> usize {
        self.simple_keys.len() - 1
    }

    fn save_simple_key(&mut self) -> Result<(), Problem> {
        if !self.simple_key_allowed {
            return Ok(());
        }
        let mark = self.text.mark;
        let required = self.flow_level == 0 && self.indent == i64::from(mark.column);
        self.remove_simple_key()?;
        let index = self.current_key();
        let token_number = self.n_taken + self.tokens.len();
        self.simple_keys[index] = SimpleKey {
            possible: true,
            required,
            awaited: true,
            token_number,
            mark,
        };
        Ok(())
    }

    fn remove_simple_key(&mut self) -> Result<(), Problem> {
        let index = self.current_key();
        let key = self.simple_keys[index];
        if key.possible && key.required {
            return Err(self.problem_in(key.mark, "could not find expected ':'"));
        }
        self.simple_keys[index].possible = false;
        Ok(())
    }

    /// Opens a block collection at `column` if it is further in; its token goes to place `number`
    /// of the stream, or to the end of the queue.
    fn roll_indent(
        &mut self,
        mark: Mark,
        number: Option<usize>,
        token: Token<'a>,
    ) -> Result<(), Problem> {
        let column = i64::from(mark.column);
        if self.flow_level > 0 || self.indent >= column {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column;
        if self.indents.len() > DEPTH_MAX {
            return Err(self.problem(format!("exceeded max depth of {DEPTH_MAX}")));
        }
        let lexeme = Lexeme {
            token,
            start: mark,
            end: mark,
        };
        match number {
            Some(number) => self.insert(number, lexeme),
            None => self.tokens.push_back(lexeme),
        }
        Ok(())
    }

    /// Queues a token at place `number` of the stream, at the end if that was handed out already.
    fn insert(&mut self, number: usize, lexeme: Lexeme<'a>) {
        match number.checked_sub(self.n_taken) {
            Some(index) if index < self.tokens.len() => self.tokens.insert(index, lexeme),
            _ => self.tokens.push_back(lexeme),
        }
    }

    /// Closes the block collections that are further in than `column`. `before` is where the white
    /// space before this place starts.
    fn unroll_indent(&mut self, column: i64, before: Mark) {
        if self.flow_level > 0 {
            return;
        }
        let mut end = self.block_end(before);
        while self.indent > column {
            self.move_before_comments(&mut end);
            self.tokens.push_back(Lexeme {
                token: Token::BlockEnd,
                start: end,
                end,
            });
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn fetch_stream_end(&mut self) -> Result<(), Problem> {
        if self.text.mark.column != 0 {
            self.text.mark = Mark {
                at: self.text.mark.at,
                line: self.text.mark.line + 1,
                column: 0,
            };
        }
        self.unroll_indent(-1, self.text.mark);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.ended = true;
        self.push_here(Token::StreamEnd);
        Ok(())
    }

    fn fetch_document_indicator(&mut self, token: Token<'a>) -> Result<(), Problem> {
        self.unroll_indent(-1, self.text.mark);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.push_indicator(token, 3);
        Ok(())
    }

    fn fetch_flow_start(&mut self, token: Token<'a>) -> Result<(), Problem> {
        self.save_simple_key()?;
        let token_number = self.n_taken + self.tokens.len();
        self.simple_keys.push(SimpleKey {
            token_number,
            ..SimpleKey::default()
        });
        self.flow_level += 1;
        if self.flow_level > DEPTH_MAX {
            return Err(self.problem(format!("exceeded max depth of {DEPTH_MAX}")));
        }
        self.simple_key_allowed = true;
        self.push_indicator(token, 1);
        Ok(())
    }

    fn fetch_flow_end(&mut self, token: Token<'a>) -> Result<(), Problem> {
        self.remove_simple_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            let closed = self.simple_keys.pop().unwrap_or_default();
            // Quirk: an empty collection is registered under the number of its own bracket, and go-yaml
            // forgets with it that the bracket may start a key: `[]: x` is the document `[]`.
            for key in &mut self.simple_keys {
                key.awaited &= key.token_number != closed.token_number;
            }
        }
        self.simple_key_allowed = false;
        self.push_indicator(token, 1);
        Ok(())
    }

    fn fetch_flow_entry(&mut self) -> Result<(), Problem> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.push_indicator(Token::FlowEntry, 1);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<(), Problem> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.problem("block sequence entries are not allowed in this context"));
            }
            self.roll_indent(self.text.mark, None, Token::BlockSequenceStart)?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.push_indicator(Token::BlockEntry, 1);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), Problem> {
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.problem("mapping keys are not allowed in this context"));
            }
            self.roll_indent(self.text.mark, None, Token::BlockMappingStart)?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.push_indicator(Token::Key, 1);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), Problem> {
        let index = self.current_key();
        if self.simple_key_is_valid(index)? {
            let key = self.simple_keys[index];
            self.simple_keys[index].possible = false;
            self.insert(
                key.token_number,
                Lexeme {
                    token: Token::Key,
                    start: key.mark,
                    end: key.mark,
                },
            );
            self.roll_indent(key.mark, Some(key.token_number), Token::BlockMappingStart)?;
            self.simple_key_allowed = false;
        } else {
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    return Err(self.problem("mapping values are not allowed in this context"));
                }
                self.roll_indent(self.text.mark, None, Token::BlockMappingStart)?;
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.push_indicator(Token::Value, 1);
        Ok(())
    }

    fn fetch_block_scalar(&mut self, literal: bool) -> Result<(), Problem> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        let lexeme = self.scan_block_scalar(literal)?;
        self.tokens.push_back(lexeme);
        Ok(())
    }

    fn fetch_quoted(&mut self, single: bool) -> Result<(), Problem> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let lexeme = self.scan_quoted(single)?;
        self.tokens.push_back(lexeme);
        Ok(())
    }

    fn fetch_plain(&mut self) -> Result<(), Problem> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let lexeme = self.scan_plain()?;
        self.tokens.push_back(lexeme);
        Ok(())
    }
}
