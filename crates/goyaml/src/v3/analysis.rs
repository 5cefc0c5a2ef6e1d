//! Which styles the characters of a scalar allow.

/// What may be done with a scalar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    pub(super) plain_in_brackets: bool,
    pub(super) plain: bool,
    pub(super) single_quoted: bool,
    pub(super) block: bool,
    pub(super) multiline: bool,
}

/// What was seen of a scalar.
#[derive(Default)]
struct Seen {
    /// A character that means something in brackets, and one that does outside too.
    flow_indicator: bool,
    block_indicator: bool,
    line_break: bool,
    special: bool,
    tab: bool,
    break_space: bool,
    space_break: bool,
}

/// Looks at each character once.
///
/// Source: go-yaml v3 `yaml_emitter_analyze_scalar`.
pub(super) fn analyze(text: &str) -> Allowed {
    if text.is_empty() {
        return Allowed {
            plain_in_brackets: false,
            plain: true,
            single_quoted: true,
            block: false,
            multiline: false,
        };
    }
    let mut seen = Seen::default();
    if text.starts_with("---") || text.starts_with("...") {
        seen.flow_indicator = true;
        seen.block_indicator = true;
    }
    let mut previous = None;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let before_blank = matches!(characters.peek(), None | Some(' ' | '\t'));
        seen.indicator(c, previous, before_blank);
        seen.character(c, previous);
        previous = Some(c);
    }
    let edge = |c: Option<char>| c.is_some_and(|c| c == ' ' || is_break(c));
    let ends_in_space = text.ends_with(' ');
    let has_edge = edge(text.chars().next()) || edge(previous);
    let odd = seen.space_break || seen.special;
    let plain = !(has_edge || seen.break_space || odd || seen.tab || seen.line_break);
    Allowed {
        plain_in_brackets: plain && !seen.flow_indicator,
        plain: plain && !seen.block_indicator,
        single_quoted: !(seen.break_space || odd || seen.tab),
        block: !(ends_in_space || odd),
        multiline: seen.line_break,
    }
}

impl Seen {
    fn indicator(&mut self, c: char, previous: Option<char>, before_blank: bool) {
        let first = previous.is_none();
        let after_blank = previous.is_none_or(|c| is_break(c) || matches!(c, ' ' | '\t' | '\0'));
        let (flow, block) = match c {
            '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => (first, first),
            ',' | '[' | ']' | '{' | '}' => (true, first),
            '?' => (true, first && before_blank),
            ':' => (true, before_blank),
            '-' => (first && before_blank, first && before_blank),
            '#' => (after_blank, after_blank),
            _ => (false, false),
        };
        self.flow_indicator |= flow;
        self.block_indicator |= block;
    }

    fn character(&mut self, c: char, previous: Option<char>) {
        self.tab |= c == '\t';
        self.special |= c != '\t' && !is_printable(c);
        self.line_break |= is_break(c);
        self.break_space |= c == ' ' && previous.is_some_and(is_break);
        self.space_break |= is_break(c) && previous == Some(' ');
    }
}

/// Whether a character ends a line.
pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether a character is written as it is. Those of four bytes are not.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{A0}'..='\u{FFFD}') && c != '\u{FEFF}'
}
