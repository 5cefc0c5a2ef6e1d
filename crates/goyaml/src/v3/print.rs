//! From a tree to text.
//!
//! A node is announced first, with what stands before its content, then its comments come where they
//! may, then its content. Comments wait in the printer until a place takes them; one that comes while
//! another waits takes its place.
//!
//! Source: go-yaml v3 `encode.go` and `emitterc.go`, with `CompactSeqIndent` and no bound for lines.

use super::analysis::{Allowed, analyze, is_break};
use super::{Document, Kind, Node, STRING_TAG, is_plain_string};
use crate::resolve::TAG_PREFIX;
use crate::scan::ScalarStyle;

/// Columns of an indent.
const INDENT: usize = 2;

/// Longest key on one line with its `:`. Bytes, of value, tag and anchor.
const SIMPLE_KEY_BYTES_MAX: usize = 128;

/// Where a node stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Root,
    /// After `- `.
    BlockItem,
    FlowItem,
    Value,
    /// A key after `? `.
    ComplexKey,
    /// A key on one line with its `:`.
    SimpleKey,
}

/// Comments that no place has taken yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    head: String,
    pub(super) line: String,
    foot: String,
    /// The foot of the key before.
    tail: String,
    /// Behind a key, until its value is there.
    key_line: String,
}

/// Prints documents one after the other, divided by `---`.
#[derive(Debug)]
pub struct Printer {
    pub(super) out: String,
    pub(super) column: usize,
    /// The last character was white space.
    pub(super) whitespace: bool,
    /// The line holds nothing but indentation and indicators such as `- `.
    pub(super) indention: bool,
    /// `None` outside of any collection.
    pub(super) indent: Option<usize>,
    /// The indent of a foot that was just written, which an empty line follows there.
    foot_indent: Option<usize>,
    pub(super) flow_level: usize,
    pub(super) waiting: Waiting,
    is_first: bool,
    /// Whether items of a list stand at the column of its key.
    is_compact: bool,
}

impl Default for Printer {
    fn default() -> Self {
        Self {
            out: String::new(),
            column: 0,
            whitespace: true,
            indention: true,
            indent: None,
            foot_indent: None,
            flow_level: 0,
            waiting: Waiting::default(),
            is_first: true,
            is_compact: true,
        }
    }
}

/// A comment takes the place of one that waits.
fn load(slot: &mut String, comment: &str) {
    if !comment.is_empty() {
        comment.clone_into(slot);
    }
}

impl Printer {
    /// The text of all documents.
    pub fn finish(self) -> String {
        self.out
    }

    /// Prints a document. With `is_compact` items of a list stand at the column of its key, else
    /// further in.
    pub fn document(&mut self, document: &Document, is_compact: bool) {
        self.is_compact = is_compact;
        load(&mut self.waiting.head, &document.head);
        if !std::mem::take(&mut self.is_first) {
            self.write_indent();
            self.indicator("---", true, false, false);
            self.write_indent();
        }
        if !self.waiting.head.is_empty() {
            self.process_head();
            self.put_break();
        }
        self.load(&document.root, "");
        self.process_head();
        self.announce(&document.root, Place::Root);
        self.process_line();
        self.process_foot();
        self.content(&document.root, Place::Root);
        load(&mut self.waiting.foot, &document.foot);
        self.foot_indent = Some(0);
        self.process_foot();
        self.foot_indent = None;
        self.write_indent();
    }

    /// Takes the comments of a node that are due at its start.
    fn load(&mut self, node: &Node, tail: &str) {
        load(&mut self.waiting.head, &node.head);
        if matches!(node.kind, Kind::Scalar | Kind::Alias) {
            load(&mut self.waiting.line, &node.line);
            load(&mut self.waiting.foot, &node.foot);
        }
        if matches!(node.kind, Kind::Scalar | Kind::Mapping) {
            load(&mut self.waiting.tail, tail);
        }
    }

    /// Takes the comments of a collection that are due at its end. The foot of a key waits for its
    /// value.
    fn load_end(&mut self, node: &Node, place: Place) {
        load(&mut self.waiting.line, &node.line);
        if !matches!(place, Place::ComplexKey | Place::SimpleKey) {
            load(&mut self.waiting.foot, &node.foot);
        }
    }

    /// Writes what stands before the content of a node: all of a scalar or an alias.
    fn announce(&mut self, node: &Node, place: Place) {
        if node.kind == Kind::Alias {
            self.indicator("*", true, false, false);
            self.word(&node.value);
            return;
        }
        if !node.anchor.is_empty() {
            self.indicator("&", true, false, false);
            self.word(&node.anchor);
        }
        let (tag, force_quotes) = shown_tag(node);
        self.tag(tag);
        if node.kind == Kind::Scalar {
            let allowed = analyze(&node.value);
            let style = self.style(node, place, force_quotes, allowed);
            let saved = self.indent;
            self.increase_indent(place, true, false);
            self.scalar(&node.value, style);
            self.indent = saved;
        }
    }

    /// Writes the content of a collection that was announced.
    fn content(&mut self, node: &Node, place: Place) {
        let flow = self.flow_level > 0 || node.flow || node.content.is_empty();
        let saved = self.indent;
        match (node.kind, flow) {
            (Kind::Sequence, true) => self.flow_sequence(node, place, saved),
            (Kind::Sequence, false) => self.block_sequence(node, place),
            (Kind::Mapping, true) => self.flow_mapping(node, place, saved),
            (Kind::Mapping, false) => self.block_mapping(node, place),
            (Kind::Scalar | Kind::Alias, _) => {}
        }
        self.indent = saved;
    }

    fn block_sequence(&mut self, node: &Node, place: Place) {
        let in_mapping = matches!(place, Place::Value | Place::ComplexKey);
        let compact = in_mapping && (self.column == 0 || !self.indention) && self.is_compact;
        for (at, item) in node.content.iter().enumerate() {
            self.load(item, "");
            if at == 0 {
                self.increase_indent(place, false, compact);
            }
            self.process_head();
            self.write_indent();
            self.indicator("-", true, false, true);
            self.announce(item, Place::BlockItem);
            self.process_line();
            self.process_foot();
            self.content(item, Place::BlockItem);
        }
        self.load_end(node, place);
    }

    fn block_mapping(&mut self, node: &Node, place: Place) {
        let mut tail = "";
        for (at, (key, value)) in node.entries().enumerate() {
            self.load_key(key, tail);
            tail = &key.foot;
            if at == 0 {
                self.increase_indent(place, false, false);
            }
            self.process_head();
            self.write_indent();
            if !self.waiting.line.is_empty() {
                self.waiting.key_line = std::mem::take(&mut self.waiting.line);
            }
            let simple = is_simple_key(key);
            if simple {
                self.announce(key, Place::SimpleKey);
                self.content(key, Place::SimpleKey);
            } else {
                self.indicator("?", true, false, true);
                self.announce(key, Place::ComplexKey);
                self.content(key, Place::ComplexKey);
            }
            self.load(value, "");
            if simple {
                self.indicator(":", false, false, false);
            } else {
                self.write_indent();
                self.indicator(":", true, false, true);
            }
            self.place_key_line(value);
            self.announce(value, Place::Value);
            self.process_line();
            self.process_foot();
            self.content(value, Place::Value);
        }
        load(&mut self.waiting.tail, tail);
        self.load_end(node, place);
        self.process_head();
    }

    /// As [`Printer::load`]; the foot of a key comes after its value, as a tail.
    fn load_key(&mut self, key: &Node, tail: &str) {
        load(&mut self.waiting.head, &key.head);
        if matches!(key.kind, Kind::Scalar | Kind::Alias) {
            load(&mut self.waiting.line, &key.line);
        }
        if matches!(key.kind, Kind::Scalar | Kind::Mapping) {
            load(&mut self.waiting.tail, tail);
        }
    }

    /// Writes the comment behind a key before a block, or leaves it to the value.
    fn place_key_line(&mut self, value: &Node) {
        if self.waiting.key_line.is_empty() {
            return;
        }
        match value.kind {
            Kind::Scalar if self.waiting.line.is_empty() => {
                self.waiting.line = std::mem::take(&mut self.waiting.key_line);
            }
            Kind::Sequence | Kind::Mapping if !value.flow => {
                std::mem::swap(&mut self.waiting.line, &mut self.waiting.key_line);
                self.process_line();
                std::mem::swap(&mut self.waiting.line, &mut self.waiting.key_line);
            }
            _ => {}
        }
    }

    fn flow_sequence(&mut self, node: &Node, place: Place, outer: Option<usize>) {
        let mut separated = false;
        for (at, item) in node.content.iter().enumerate() {
            self.load(item, "");
            if at == 0 {
                self.open("[", place);
            } else if !separated {
                self.indicator(",", false, false, false);
            }
            self.process_head();
            if self.column == 0 {
                self.write_indent();
            }
            separated = self.has_waiting();
            self.announce(item, Place::FlowItem);
            self.end_flow_entry();
            self.content(item, Place::FlowItem);
        }
        self.load_end(node, place);
        if node.content.is_empty() {
            self.open("[", place);
        }
        self.flow_level -= 1;
        self.indent = outer;
        if self.column == 0 {
            self.write_indent();
        }
        self.indicator("]", false, false, false);
        self.process_line();
        self.process_foot();
    }

    fn flow_mapping(&mut self, node: &Node, place: Place, outer: Option<usize>) {
        let (mut separated, mut tail) = (false, "");
        for (at, (key, value)) in node.entries().enumerate() {
            self.load_key(key, tail);
            tail = &key.foot;
            if at == 0 {
                self.open("{", place);
            } else if !separated {
                self.indicator(",", false, false, false);
            }
            self.process_head();
            if self.column == 0 {
                self.write_indent();
            }
            if is_simple_key(key) {
                self.announce(key, Place::SimpleKey);
                self.content(key, Place::SimpleKey);
                self.load(value, "");
                self.indicator(":", false, false, false);
            } else {
                self.indicator("?", true, false, false);
                self.announce(key, Place::ComplexKey);
                self.content(key, Place::ComplexKey);
                self.load(value, "");
                self.indicator(":", true, false, false);
            }
            separated = self.has_waiting();
            self.announce(value, Place::Value);
            self.end_flow_entry();
            self.content(value, Place::Value);
        }
        load(&mut self.waiting.tail, tail);
        self.load_end(node, place);
        if node.content.is_empty() {
            self.open("{", place);
        } else if !separated && self.has_comment_before_end() {
            self.indicator(",", false, false, false);
        }
        self.process_head();
        self.flow_level -= 1;
        self.indent = outer;
        self.indicator("}", false, false, false);
        self.process_line();
        self.process_foot();
    }

    fn open(&mut self, bracket: &str, place: Place) {
        self.indicator(bracket, true, true, false);
        self.increase_indent(place, true, false);
        self.flow_level += 1;
    }

    fn has_waiting(&self) -> bool {
        let waiting = &self.waiting;
        !(waiting.line.is_empty() && waiting.foot.is_empty() && waiting.tail.is_empty())
    }

    fn has_comment_before_end(&self) -> bool {
        let waiting = &self.waiting;
        !(waiting.head.is_empty() && waiting.foot.is_empty() && waiting.tail.is_empty())
    }

    /// A comment behind an entry comes after its comma.
    fn end_flow_entry(&mut self) {
        if self.has_waiting() {
            self.indicator(",", false, false, false);
        }
        self.process_line();
        self.process_foot();
    }

    /// Goes one level in.
    fn increase_indent(&mut self, place: Place, flow: bool, compact: bool) {
        self.indent = Some(match self.indent {
            None if flow => INDENT,
            None => 0,
            Some(indent) if place == Place::BlockItem => indent + 2,
            Some(indent) => {
                let next = INDENT * ((indent + INDENT) / INDENT);
                next - if compact { 2 } else { 0 }
            }
        });
    }

    fn process_head(&mut self) {
        if !self.waiting.tail.is_empty() {
            let tail = std::mem::take(&mut self.waiting.tail);
            self.write_indent();
            self.comment(&tail);
            self.foot_indent = Some(self.indent.unwrap_or(0));
        }
        if !self.waiting.head.is_empty() {
            let head = std::mem::take(&mut self.waiting.head);
            self.write_indent();
            self.comment(&head);
        }
    }

    pub(super) fn process_line(&mut self) {
        if self.waiting.line.is_empty() {
            return;
        }
        let line = std::mem::take(&mut self.waiting.line);
        if !self.whitespace {
            self.put(' ');
        }
        self.comment(&line);
    }

    fn process_foot(&mut self) {
        if self.waiting.foot.is_empty() {
            return;
        }
        let foot = std::mem::take(&mut self.waiting.foot);
        self.write_indent();
        self.comment(&foot);
        self.foot_indent = Some(self.indent.unwrap_or(0));
    }

    fn comment(&mut self, text: &str) {
        let (mut breaks, mut pound) = (false, false);
        for c in text.chars() {
            if is_break(c) {
                self.put_break_as(c);
                breaks = true;
                pound = false;
                continue;
            }
            if breaks {
                self.write_indent();
            }
            if !pound {
                if c != '#' {
                    self.put('#');
                    self.put(' ');
                }
                pound = true;
            }
            self.put(c);
            self.indention = false;
            breaks = false;
        }
        if !breaks {
            self.put_break();
        }
        self.whitespace = true;
    }

    /// `-`, `?`, `:`, brackets and the like.
    pub(super) fn indicator(
        &mut self,
        text: &str,
        needs_whitespace: bool,
        is_whitespace: bool,
        is_indention: bool,
    ) {
        if needs_whitespace && !self.whitespace {
            self.put(' ');
        }
        self.push(text);
        self.whitespace = is_whitespace;
        self.indention = self.indention && is_indention;
    }

    /// Text right behind what is there.
    fn word(&mut self, text: &str) {
        self.push(text);
        self.whitespace = false;
        self.indention = false;
    }

    /// A tag in its long form, in the shortest way to write it.
    fn tag(&mut self, tag: Option<String>) {
        let Some(tag) = tag else {
            return;
        };
        if !self.whitespace {
            self.put(' ');
        }
        let (before, rest, after) = match tag.strip_prefix(TAG_PREFIX) {
            _ if tag.starts_with('!') => ("!", &tag[1..], ""),
            Some(rest) => ("!!", rest, ""),
            None => ("!<", tag.as_str(), ">"),
        };
        self.push(before);
        for byte in rest.bytes() {
            if byte.is_ascii_alphanumeric() || b"_-;/?:@&=+$,.~*'()[]".contains(&byte) {
                self.put(char::from(byte));
            } else {
                self.push(&format!("%{byte:02X}"));
            }
        }
        self.push(after);
        self.whitespace = false;
        self.indention = false;
    }

    pub(super) fn push(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += text.chars().count();
    }

    pub(super) fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    pub(super) fn put_break(&mut self) {
        self.put_break_as('\n');
    }

    /// Ends a line with this character.
    pub(super) fn put_break_as(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
        self.indention = true;
    }

    /// Starts a line at the current indent, unless there is one that holds indentation only.
    pub(super) fn write_indent(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break();
        }
        if self.foot_indent == Some(indent) {
            self.put_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.foot_indent = None;
    }

    /// How a scalar is written.
    fn style(&self, node: &Node, place: Place, force: bool, allowed: Allowed) -> ScalarStyle {
        let simple_key = place == Place::SimpleKey;
        let mut style = match node.style {
            ScalarStyle::Plain if node.value.contains('\n') => ScalarStyle::Literal,
            ScalarStyle::Plain if force => ScalarStyle::DoubleQuoted,
            style => style,
        };
        if simple_key && allowed.multiline {
            style = ScalarStyle::DoubleQuoted;
        }
        let flow = self.flow_level > 0;
        let plain = if flow {
            allowed.plain_in_brackets
        } else {
            allowed.plain
        };
        let no_text = node.value.is_empty() && (flow || simple_key);
        if style == ScalarStyle::Plain && (!plain || no_text) {
            style = ScalarStyle::SingleQuoted;
        }
        if style == ScalarStyle::SingleQuoted && !allowed.single_quoted {
            style = ScalarStyle::DoubleQuoted;
        }
        let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        if is_block && (!allowed.block || flow || simple_key) {
            style = ScalarStyle::DoubleQuoted;
        }
        style
    }
}

/// The long form of the tag that a node is written with, and whether quotes have to say instead that
/// it is a string.
fn shown_tag(node: &Node) -> (Option<String>, bool) {
    let long = || match node.tag.strip_prefix("!!") {
        Some(name) => format!("{TAG_PREFIX}{name}"),
        None => node.tag.clone(),
    };
    if node.is_tagged {
        return (Some(long()), false);
    }
    let is_merge = node.kind == Kind::Scalar && node.tag == super::MERGE_TAG;
    let is_string = node.kind == Kind::Scalar && node.tag == STRING_TAG;
    let force = is_string && node.style == ScalarStyle::Plain && !is_plain_string(&node.value);
    (is_merge.then(long), force)
}

/// Whether a key fits on one line with its `:`.
fn is_simple_key(key: &Node) -> bool {
    let (tag, _) = shown_tag(key);
    // The prefix `tag:yaml.org,2002:` counts as `!!`.
    let tag = tag.map_or(0, |tag| match tag.strip_prefix(TAG_PREFIX) {
        Some(name) => name.len() + 2,
        None => tag.len(),
    });
    let length = match key.kind {
        Kind::Alias => key.value.len(),
        Kind::Scalar if analyze(&key.value).multiline => return false,
        Kind::Scalar => key.anchor.len() + tag + key.value.len(),
        Kind::Sequence | Kind::Mapping if !key.content.is_empty() => return false,
        Kind::Sequence | Kind::Mapping => key.anchor.len() + tag,
    };
    length <= SIMPLE_KEY_BYTES_MAX
}
