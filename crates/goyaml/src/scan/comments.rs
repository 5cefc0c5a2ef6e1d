//! Comments on their way from the text to the nodes they are about, as go-yaml v3 sees them.
//!
//! A comment is a *head* above something, a *line* behind something, or a *foot* below something. The
//! scanner decides which, and names the token it belongs to by a place in the text: the comment is
//! handed out when the reader of tokens arrives there. That takes two tokens of lookahead.
//!
//! Source: go-yaml v3 `scannerc.go` and `parserc.go`, whose choices can only be followed one by one.

use std::collections::VecDeque;

use super::text::Mark;
use super::{Scanner, Token};

/// Tokens in the queue before one is handed out.
pub(super) const TOKENS_AHEAD: usize = 3;

/// How far white space is looked through for a comment. Bytes.
const LOOKAHEAD_BYTES: usize = 512;

/// Where a comment stands to what it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Head,
    Line,
    Foot,
}

/// A comment of one or more lines; places are counted in bytes.
#[derive(Debug)]
struct Comment {
    kind: Kind,
    text: String,
    /// Where the white space around it starts.
    scan: usize,
    /// The token it belongs to starts here or before.
    token: usize,
    start: Mark,
    end: usize,
}

/// The comments that no node has taken yet.
#[derive(Debug, Default)]
pub(super) struct Comments {
    queue: VecDeque<Comment>,
    pending: Pending,
}

/// The comments before the token that is peeked at, joined by line feeds.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    pub(crate) head: String,
    pub(crate) line: String,
    pub(crate) foot: String,
}

/// State of the search for comments in a stretch of white space.
struct Search {
    scan: usize,
    token: usize,
    start: Mark,
    text: String,
    /// The line and the column of the byte that is looked at, the column counted from one.
    line: i64,
    column: i64,
    /// Least column of what is not less indented than the open block.
    indent: i64,
    /// The line where a comment still belongs to what is above.
    foot_line: i64,
    after_value: bool,
    first_empty: bool,
    recent_empty: bool,
}

impl Search {
    fn is_dedented(&self) -> bool {
        i64::from(self.start.column) - 1 < self.indent
    }

    /// Whether an empty line now makes what was read a foot.
    fn ends_foot(&self) -> bool {
        let below = i64::from(self.start.line) == self.foot_line && !self.after_value;
        self.first_empty && (below || self.is_dedented())
    }

    /// Gives what was read as a foot that ends at `end`.
    fn take_foot(&mut self, end: usize) -> Comment {
        let comment = Comment {
            kind: Kind::Foot,
            text: std::mem::take(&mut self.text),
            scan: self.scan,
            token: self.token,
            start: self.start,
            end,
        };
        self.scan = end;
        self.token = end;
        comment
    }
}

impl Scanner<'_> {
    /// The comments before the token that was peeked at last.
    pub(crate) fn pending(&mut self) -> Option<&mut Pending> {
        self.comments.as_mut().map(|comments| &mut comments.pending)
    }

    /// Hands out the comments up to the next token.
    pub(super) fn unfold_comments(&mut self) {
        let (Some(comments), Some(token)) = (&mut self.comments, self.tokens.front()) else {
            return;
        };
        while let Some(comment) = comments.queue.front() {
            let is_head = comment.kind == Kind::Head;
            // An end has no head: it waits for the token after it.
            if token.start.at < comment.token || (is_head && token.token == Token::BlockEnd) {
                return;
            }
            let pending = &mut comments.pending;
            let text = match comment.kind {
                Kind::Head => &mut pending.head,
                Kind::Line => &mut pending.line,
                Kind::Foot => &mut pending.foot,
            };
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&comment.text);
            comments.queue.pop_front();
        }
    }

    /// Queues the token that starts here and the comment behind it.
    pub(super) fn fetch_with_comment(&mut self) -> Result<(), crate::error::Problem> {
        let byte = self.text.byte(0);
        let here = self.text.mark;
        let is_mark =
            self.text.at_document_indicator() || byte == 0 || (byte == b'%' && here.column == 0);
        // What follows `:`, or `,` in brackets, is about the token before.
        let about_last = byte == if self.flow_level > 0 { b',' } else { b':' };
        let token = match self.tokens.back() {
            Some(last) if about_last => last.start.at,
            _ => here.at,
        };
        self.context = Some(here);
        let fetched = self.fetch_here();
        self.context = None;
        fetched?;
        let is_entry = |last: &super::Lexeme<'_>| last.token == Token::BlockEntry;
        if !is_mark && !self.tokens.back().is_some_and(is_entry) {
            self.scan_line_comment(token);
        }
        Ok(())
    }

    /// The comment on the rest of the line, about the token at `token`.
    pub(super) fn scan_line_comment(&mut self, token: usize) {
        if self.comments.is_none() || self.text.newlines_before() > 0 {
            return;
        }
        let blanks = (0..LOOKAHEAD_BYTES).find(|offset| !self.text.is_blank(*offset));
        let Some(blanks) = blanks.filter(|offset| self.text.byte(*offset) == b'#') else {
            return;
        };
        (0..blanks).for_each(|_| self.text.step());
        let start = self.text.mark;
        self.text.skip_comment();
        let text = self.text.since(start.at).to_owned();
        self.queue(Comment {
            kind: Kind::Line,
            text,
            scan: 0,
            token,
            start,
            end: 0,
        });
    }

    fn queue(&mut self, comment: Comment) {
        if let Some(comments) = &mut self.comments {
            comments.queue.push_back(comment);
        }
    }

    /// Reads the comments ahead, if the text goes on with one; `before` is where the white space
    /// before them starts.
    pub(super) fn scan_comments(&mut self, before: Mark) {
        self.lift_line_comment();
        if self.text.byte(0) != b'#' {
            return;
        }
        let mut search = self.search(before);
        let mut peek = 0;
        while peek < LOOKAHEAD_BYTES {
            search.column += 1;
            let byte = self.text.byte(peek);
            if self.text.is_blank(peek) {
                peek += 1;
                continue;
            }
            let end = self.text.position() + peek;
            let closes = self.flow_level > 0 && matches!(byte, b']' | b'}');
            if closes || self.text.is_breakz(peek) {
                self.empty_line(&mut search, closes, end, byte == 0);
                if self.text.break_width(peek) == 0 {
                    break;
                }
                peek += 1;
                continue;
            }
            let moved_out = search.column - 1 < search.indent
                && search.column != i64::from(search.start.column);
            if !search.text.is_empty() && moved_out {
                let foot = search.take_foot(end);
                self.queue(foot);
            }
            if byte != b'#' {
                break;
            }
            self.read_comment(&mut search, peek);
            // The line feed behind it is not looked at.
            peek = 1;
        }
        if !search.text.is_empty() {
            let end = (self.text.position() + peek).saturating_sub(1);
            let head = Comment {
                kind: Kind::Head,
                token: search.start.at,
                ..search.take_foot(end)
            };
            self.queue(head);
        }
    }

    fn search(&self, before: Mark) -> Search {
        // A comma stands between a comment and what it is about.
        let mut tokens = self.tokens.iter().rev();
        let last = tokens.next();
        let token = match last.map(|last| &last.token) {
            Some(Token::FlowEntry) => tokens.next().or(last),
            _ => last,
        };
        let here = self.text.mark;
        let newlines = self.text.newlines_before();
        let line = i64::from(here.line);
        let shift = i64::from(newlines == 0 && here.column > 1);
        Search {
            scan: before.at,
            token: token.map_or(0, |token| token.start.at),
            start: Mark::default(),
            text: String::new(),
            line,
            column: i64::from(here.column),
            indent: self.indent.max(0),
            foot_line: if before.line > 0 {
                line - newlines as i64 + 1 + shift
            } else {
                -1
            },
            after_value: token.is_some_and(|token| token.token == Token::Value),
            first_empty: newlines <= 1,
            recent_empty: false,
        }
    }

    /// The end of a line without content, or of brackets.
    fn empty_line(&mut self, search: &mut Search, closes: bool, end: usize, at_end: bool) {
        if closes || !search.recent_empty {
            let has_text = !search.text.is_empty();
            if closes || search.ends_foot() {
                if has_text {
                    if search.is_dedented() {
                        search.token = search.start.at;
                    }
                    let foot = search.take_foot(end);
                    self.queue(foot);
                }
            } else if has_text && !at_end {
                search.text.push('\n');
            }
        }
        search.first_empty = false;
        search.recent_empty = true;
        search.column = 0;
        search.line += 1;
    }

    /// Reads the line of a comment that starts `peek` bytes ahead.
    fn read_comment(&mut self, search: &mut Search, peek: usize) {
        let at = self.text.position() + peek;
        if search.text.is_empty() {
            search.start = Mark {
                at,
                line: u32::try_from(search.line).unwrap_or_default(),
                column: u32::try_from(search.column).unwrap_or_default(),
            };
        } else {
            search.text.push('\n');
        }
        search.recent_empty = false;
        while self.text.position() < at {
            if self.text.break_width(0) > 0 {
                self.text.skip_break();
            } else {
                self.text.step();
            }
        }
        self.text.skip_comment();
        search.text.push_str(self.text.since(at));
        search.column = 0;
        search.line = i64::from(self.text.mark.line);
        search.indent = self.indent.max(0);
    }

    /// A comment behind `- ` is the head of what follows.
    fn lift_line_comment(&mut self) {
        let mut tokens = self.tokens.iter().rev().map(|lexeme| &lexeme.token);
        let (Some(Token::BlockEntry), Some(Token::BlockSequenceStart)) =
            (tokens.next(), tokens.next())
        else {
            return;
        };
        let (here, breaks) = (self.text.mark, self.text.break_width(0) > 0);
        let comments = self.comments.as_mut();
        let Some(comment) = comments.and_then(|comments| comments.queue.back_mut()) else {
            return;
        };
        if comment.kind == Kind::Line && !breaks {
            comment.kind = Kind::Head;
            if comment.start.line + 1 == here.line {
                comment.token = here.at;
            }
        }
    }

    /// Where blocks end that end before the white space at `before`.
    pub(super) fn block_end(&self, before: Mark) -> Mark {
        if self.comments.is_none() {
            return self.text.mark;
        }
        Mark {
            at: self.text.char_before(before.at),
            ..before
        }
    }

    /// Moves the end of the innermost block before the comments at its own indentation, which are
    /// feet of it.
    pub(super) fn move_before_comments(&self, end: &mut Mark) {
        let Some(comments) = &self.comments else {
            return;
        };
        let mut stop = end.at;
        for comment in comments.queue.iter().rev() {
            if comment.end < stop {
                return;
            }
            if i64::from(comment.start.column) == self.indent + 1 {
                *end = comment.start;
            }
            stop = comment.scan;
        }
    }
}
