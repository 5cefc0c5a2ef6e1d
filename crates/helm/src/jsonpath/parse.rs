//! From text to the parts of a template.

use super::{Bound, Node};

/// Templates inside of one another: a filter or a union holds templates of its own.
const DEPTH_MAX: usize = 16;

pub(super) fn parse(text: &str) -> Result<Vec<Node>, String> {
    parse_at(text, 0)
}

fn parse_at(text: &str, depth: usize) -> Result<Vec<Node>, String> {
    if depth > DEPTH_MAX {
        return Err(format!("template is nested more than {DEPTH_MAX} deep"));
    }
    let mut parser = Parser { text, at: 0, depth };
    parser.template()
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

/// Whether a character ends a name; the end of the text does.
fn is_terminator(c: Option<char>) -> bool {
    c.is_none_or(|c| {
        matches!(
            c,
            ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}'
        )
    })
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphabetic() || c.is_numeric()
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += c.map_or(0, char::len_utf8);
        c
    }

    fn eat(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        if found {
            self.at += prefix.len();
        }
        found
    }

    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn template(&mut self) -> Result<Vec<Node>, String> {
        let mut nodes = Vec::new();
        loop {
            let rest = self.rest();
            let text = rest.split_once('{').map_or(rest, |(text, _)| text);
            if !text.is_empty() {
                nodes.push(Node::Text(text.as_bytes().to_vec()));
            }
            self.at += text.len();
            if !self.eat("{") {
                return Ok(nodes);
            }
            let mut inner = Vec::new();
            while !self.eat("}") {
                self.action(&mut inner)?;
            }
            nodes.push(Node::List(inner));
        }
    }

    /// What one action in braces makes: its first list.
    fn inner(&self, text: &str) -> Result<Vec<Node>, String> {
        let nodes = parse_at(&format!("{{{text}}}"), self.depth + 1)?;
        match nodes.into_iter().next() {
            Some(Node::List(nodes)) => Ok(nodes),
            _ => Ok(Vec::new()),
        }
    }

    /// The next part of an action.
    fn action(&mut self, nodes: &mut Vec<Node>) -> Result<(), String> {
        if self.eat("[?(") {
            return self.filter(nodes);
        }
        if self.eat("..") {
            return self.recursive(nodes);
        }
        let start = self.at;
        match self.next() {
            None | Some('\r' | '\n') => return Err("unclosed action".to_owned()),
            Some(' ' | '@' | '$') => {}
            Some('[') => return self.array(nodes),
            Some(quote @ ('"' | '\'')) => nodes.push(self.quoted(start, quote)?),
            Some('.') => nodes.push(self.field()),
            Some(c) if matches!(c, '+' | '-') || c.is_numeric() => {
                self.at = start;
                nodes.push(self.number()?);
            }
            Some(c) if is_word(c) => {
                while !is_terminator(self.peek()) {
                    self.next();
                }
                nodes.push(match self.since(start) {
                    "true" => Node::Bool(true),
                    "false" => Node::Bool(false),
                    name => Node::Identifier(name.to_owned()),
                });
            }
            Some(c) => {
                let code = u32::from(c);
                let shown = if c.is_control() || c.is_whitespace() {
                    String::new()
                } else {
                    format!(" '{c}'")
                };
                return Err(format!(
                    "unrecognized character in action: U+{code:04X}{shown}"
                ));
            }
        }
        Ok(())
    }

    fn recursive(&mut self, nodes: &mut Vec<Node>) -> Result<(), String> {
        if matches!(nodes.last(), Some(Node::Recursive)) {
            return Err("invalid multiple recursive descent".to_owned());
        }
        nodes.push(Node::Recursive);
        if self.peek().is_some_and(is_word) {
            nodes.push(self.field());
        }
        Ok(())
    }

    /// A name up to what ends it; a backslash takes the character behind it.
    fn field(&mut self) -> Node {
        let start = self.at;
        while !is_terminator(self.peek()) {
            if self.next() == Some('\\') {
                self.next();
            }
        }
        match self.since(start) {
            "*" => Node::Wildcard,
            name => Node::Field(name.replace('\\', "")),
        }
    }

    fn number(&mut self) -> Result<Node, String> {
        let start = self.at;
        if matches!(self.peek(), Some('+' | '-')) {
            self.next();
        }
        while self.peek().is_some_and(|c| c == '.' || c.is_numeric()) {
            self.next();
        }
        let text = self.since(start);
        if let Ok(number) = text.parse() {
            return Ok(Node::Int(number));
        }
        // Digits and points are all there is, which Go and Rust read alike, but for numbers too large.
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Node::Float(number)),
            _ => Err(format!("cannot parse number {text}")),
        }
    }

    fn quoted(&mut self, start: usize, quote: char) -> Result<Node, String> {
        loop {
            match self.next() {
                None | Some('\n') => return Err("unterminated quoted string".to_owned()),
                Some(c) if c == quote => {
                    if self.text.as_bytes().get(self.at - 2) != Some(&b'\\') {
                        break;
                    }
                }
                Some(_) => {}
            }
        }
        let text = self.since(start);
        match unquote(text) {
            Some(text) => Ok(Node::Text(text)),
            None => Err(format!("unquote string {text} error invalid syntax")),
        }
    }

    /// What follows `[`.
    fn array(&mut self, nodes: &mut Vec<Node>) -> Result<(), String> {
        let start = self.at;
        loop {
            match self.next() {
                None | Some('\n') => return Err("unterminated array".to_owned()),
                Some(']') => break,
                Some(_) => {}
            }
        }
        let text = self.text.get(start..self.at - 1).unwrap_or_default();
        let text = if text == "*" { ":" } else { text };
        if text.contains(',') {
            let parts = text
                .split(',')
                .map(|part| self.inner(&format!("[{}]", part.trim_matches(' '))));
            nodes.push(Node::Union(parts.collect::<Result<_, _>>()?));
            return Ok(());
        }
        let key = text
            .strip_prefix('\'')
            .and_then(|text| text.strip_suffix('\''));
        if let Some(key) = key.filter(|key| !key.contains('\'')) {
            nodes.extend(self.inner(&format!(".{key}"))?);
            return Ok(());
        }
        nodes.push(Node::Array(slice(text)?));
        Ok(())
    }

    /// What follows `[?(`.
    fn filter(&mut self, nodes: &mut Vec<Node>) -> Result<(), String> {
        let start = self.at;
        let (mut quote, mut ended) = (None, false);
        loop {
            match self.next() {
                None | Some('\n') => return Err("unterminated filter".to_owned()),
                Some(c @ ('"' | '\'')) => match quote {
                    None => quote = Some(c),
                    Some(open) => {
                        let before = self.text.as_bytes().get(self.at - 2);
                        ended |= before != Some(&b'\\') && c == open;
                    }
                },
                Some(')') if quote.is_some() == ended => break,
                Some(_) => {}
            }
        }
        let text = self.text.get(start..self.at - 1).unwrap_or_default();
        if self.next() != Some(']') {
            return Err("unclosed array expect ]".to_owned());
        }
        let node = match comparison(text) {
            Some((left, operator, right)) => Node::Filter {
                left: self.inner(left)?,
                right: self.inner(right)?,
                operator: operator.to_owned(),
            },
            None => Node::Filter {
                left: self.inner(text)?,
                right: Vec::new(),
                operator: "exists".to_owned(),
            },
        };
        nodes.push(node);
        Ok(())
    }
}

/// The two sides of a comparison and what is between them.
fn comparison(text: &str) -> Option<(&str, &str, &str)> {
    let is_operator = |c: char| matches!(c, '!' | '<' | '>' | '=');
    let start = text.find(is_operator).filter(|start| *start > 0)?;
    let length = text[start..].find(|c| !is_operator(c));
    // The right side has a character at least, if need be the operator's last.
    let end = match length {
        Some(length) => start + length,
        None if text.len() - start > 1 => text.len() - 1,
        None => return None,
    };
    Some((&text[..start], &text[start..end], &text[end..]))
}

/// `start:end:step`, where all may be missing; one number alone is an index.
fn slice(text: &str) -> Result<[Bound; 3], String> {
    let parts = text.split(':').collect::<Vec<_>>();
    let is_number = |part: &&str| {
        let digits = part.strip_prefix('-').unwrap_or(part);
        digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if parts.len() > 3 || !parts.iter().all(is_number) {
        return Err(format!("invalid array index {text}"));
    }
    let mut bounds = [Bound::default(); 3];
    for (at, part) in parts
        .iter()
        .enumerate()
        .filter(|(_, part)| !part.is_empty())
    {
        let value = part
            .parse()
            .map_err(|_| format!("array index {part} is not a number"))?;
        bounds[at] = Bound {
            value,
            known: true,
            derived: false,
        };
    }
    if parts.len() == 1 {
        bounds[1] = Bound {
            value: bounds[0].value.wrapping_add(1),
            known: true,
            derived: true,
        };
    }
    Ok(bounds)
}

/// A string in either quotes, with Go's escapes.
fn unquote(text: &str) -> Option<Vec<u8>> {
    let quote = text.chars().next()?;
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => escape(&mut rest, quote, &mut out)?,
            c if c == quote => return None,
            c => push(&mut out, c),
        }
    }
    Some(out)
}

fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// What follows a backslash. `\x` and octals are bytes, the others characters.
fn escape(rest: &mut std::str::Chars<'_>, quote: char, out: &mut Vec<u8>) -> Option<()> {
    let c = rest.next()?;
    let byte = match c {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0C,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0B,
        '\\' => b'\\',
        '"' | '\'' if c == quote => quote as u8,
        'x' => u8::try_from(digits(rest, 2, 16, 0)?).ok()?,
        '0'..='7' => u8::try_from(digits(rest, 2, 8, c.to_digit(8)?)?).ok()?,
        'u' | 'U' => {
            let count = if c == 'u' { 4 } else { 8 };
            push(out, char::from_u32(digits(rest, count, 16, 0)?)?);
            return Some(());
        }
        _ => return None,
    };
    out.push(byte);
    Some(())
}

fn digits(rest: &mut std::str::Chars<'_>, count: usize, radix: u32, first: u32) -> Option<u32> {
    (0..count).try_fold(first, |value, _| {
        let digit = rest.next()?.to_digit(radix)?;
        value.checked_mul(radix)?.checked_add(digit)
    })
}
