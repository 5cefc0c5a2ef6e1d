//! From tokens to a tree: YAML's grammar.
//!
//! One function per production and an explicit stack of open collections, at most [`DEPTH_MAX`].
//! Only the first document is read; what follows it is looked at no further than one token.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::Problem;
use crate::nodes::{Content, Document, Node, NodeId};
use crate::resolve::TAG_PREFIX;
use crate::scan::{DEPTH_MAX, Mark, Pending, ScalarStyle, Scanner, Token};
use crate::v3::notes::Notes;

/// Reads the first document of `source`.
pub(crate) fn compose(source: &str, fault: Option<Problem>) -> Result<Document<'_>, Problem> {
    let mut composer = Composer::new(Scanner::new(source, fault));
    composer.stream()?;
    Ok(composer.document)
}

/// As [`compose`], with comments, anchors and brackets, as go-yaml v3 reads.
pub(crate) fn compose_with_notes(
    source: &str,
    fault: Option<Problem>,
) -> Result<(Document<'_>, Notes), Problem> {
    let mut composer = Composer::new(Scanner::with_comments(source, fault));
    composer.notes = Some(Box::default());
    composer.stream().map_err(Problem::for_v3)?;
    let notes = composer.notes.take().unwrap_or_default();
    Ok((composer.document, *notes))
}

struct Composer<'a> {
    scanner: Scanner<'a>,
    document: Document<'a>,
    anchors: HashMap<&'a str, NodeId>,
    tag_directives: Vec<(String, String)>,
    open: Vec<Open>,
    /// What is kept besides values, if it is asked for.
    notes: Option<Box<Notes>>,
}

/// What stands before a node.
struct Properties<'a> {
    anchor: Option<&'a str>,
    tag: Cow<'static, str>,
    start: Mark,
    found: bool,
}

/// A collection that is not closed yet.
struct Open {
    id: NodeId,
    start: Mark,
    /// Its last child so far.
    last: Option<NodeId>,
    next: Next,
}

/// What an open collection expects.
#[derive(Clone, Copy)]
enum Next {
    BlockItem,
    IndentlessItem,
    BlockKey,
    BlockValue,
    FlowItem {
        first: bool,
    },
    FlowKey {
        first: bool,
    },
    FlowValue,
    /// The value of a key that had no `Key` token.
    FlowNoValue,
    PairKey,
    PairValue,
    PairEnd,
}

impl<'a> Composer<'a> {
    fn new(scanner: Scanner<'a>) -> Self {
        Self {
            scanner,
            document: Document::empty(),
            anchors: HashMap::new(),
            tag_directives: Vec::new(),
            open: Vec::new(),
            notes: None,
        }
    }

    /// Hands the notes what they need to know.
    fn note(&mut self, take: impl FnOnce(&mut Notes, &mut Pending)) {
        if let (Some(notes), Some(pending)) = (&mut self.notes, self.scanner.pending()) {
            take(notes, pending);
        }
    }

    fn stream(&mut self) -> Result<(), Problem> {
        self.scanner.take()?;
        let (explicit, ends) = match self.scanner.peek()?.token {
            Token::StreamEnd => (false, true),
            Token::VersionDirective { .. } | Token::TagDirective { .. } | Token::DocumentStart => {
                (true, false)
            }
            _ => (false, false),
        };
        if ends {
            return Ok(());
        }
        self.directives()?;
        if explicit {
            let lexeme = self.scanner.take()?;
            if lexeme.token != Token::DocumentStart {
                let message = "did not find expected <document start>";
                return Err(Problem::grammar(message, lexeme.start, Mark::default()));
            }
        } else {
            self.note(Notes::start_document);
        }
        let lexeme = self.scanner.peek()?;
        let start = lexeme.start;
        let empty = explicit
            && matches!(
                lexeme.token,
                Token::VersionDirective { .. }
                    | Token::TagDirective { .. }
                    | Token::DocumentStart
                    | Token::DocumentEnd
                    | Token::StreamEnd
            );
        let root = if empty {
            self.empty_scalar(start)?
        } else {
            self.node(true, false)?
        };
        self.document.root = Some(root);
        while let Some(open) = self.open.last() {
            let (next, start) = (open.next, open.start);
            self.step(next, start)?;
        }
        // Reading the end of the document looks at the token after it.
        self.scanner.peek()?;
        self.note(Notes::end_document);
        Ok(())
    }

    fn directives(&mut self) -> Result<(), Problem> {
        let mut versions = 0;
        loop {
            let lexeme = self.scanner.peek()?;
            let mark = lexeme.start;
            match &lexeme.token {
                Token::VersionDirective { major, minor } => {
                    if versions > 0 {
                        return Err(Problem::grammar(
                            "found duplicate %YAML directive",
                            mark,
                            Mark::default(),
                        ));
                    }
                    if (*major, *minor) != (1, 1) {
                        return Err(Problem::grammar(
                            "found incompatible YAML document",
                            mark,
                            Mark::default(),
                        ));
                    }
                    versions += 1;
                    self.scanner.take()?;
                }
                Token::TagDirective { handle, prefix } => {
                    if self.tag_directives.iter().any(|(known, _)| known == handle) {
                        return Err(Problem::grammar(
                            "found duplicate %TAG directive",
                            mark,
                            Mark::default(),
                        ));
                    }
                    self.tag_directives.push((handle.clone(), prefix.clone()));
                    self.scanner.take()?;
                }
                _ => break,
            }
        }
        for (handle, prefix) in [("!", "!"), ("!!", TAG_PREFIX)] {
            if !self.tag_directives.iter().any(|(known, _)| known == handle) {
                self.tag_directives
                    .push((handle.to_owned(), prefix.to_owned()));
            }
        }
        Ok(())
    }

    /// Any node; a collection is left open. `block` allows block collections, `indentless` a
    /// sequence at its parent's indent.
    fn node(&mut self, block: bool, indentless: bool) -> Result<NodeId, Problem> {
        if let Token::Alias(name) = self.scanner.peek()?.token {
            return self.alias(name);
        }
        let properties = self.properties()?;
        let lexeme = self.scanner.peek()?;
        let here = lexeme.start;
        let start = if properties.found {
            properties.start
        } else {
            here
        };
        let sequence = Content::Sequence(None);
        let mapping = Content::Mapping(None);
        let (content, next) = match lexeme.token {
            Token::Scalar { .. } => return self.scalar(start, properties),
            // Its first entry stays in the queue.
            Token::BlockEntry if indentless => {
                let id = self.add(sequence, start, properties)?;
                return self.enter(id, here, Next::IndentlessItem);
            }
            Token::FlowSequenceStart => (sequence, Next::FlowItem { first: true }),
            Token::FlowMappingStart => (mapping, Next::FlowKey { first: true }),
            Token::BlockSequenceStart if block => (sequence, Next::BlockItem),
            Token::BlockMappingStart if block => (mapping, Next::BlockKey),
            _ if properties.found => {
                let content = Content::Scalar {
                    value: Cow::Borrowed(""),
                    style: ScalarStyle::Plain,
                    implicit: properties.tag.is_empty(),
                };
                return self.add(content, start, properties);
            }
            _ => {
                let message = "did not find expected node content";
                return Err(Problem::grammar(message, here, start));
            }
        };
        let is_flow = matches!(next, Next::FlowItem { .. } | Next::FlowKey { .. });
        self.scanner.take()?;
        let id = self.add(content, start, properties)?;
        self.note(|notes, pending| notes.start(id, is_flow, pending));
        self.enter(id, here, next)
    }

    fn enter(&mut self, id: NodeId, start: Mark, next: Next) -> Result<NodeId, Problem> {
        if self.open.len() >= DEPTH_MAX {
            return Err(Problem::at(
                format!("exceeded max depth of {DEPTH_MAX}"),
                start,
            ));
        }
        self.open.push(Open {
            id,
            start,
            last: None,
            next,
        });
        Ok(id)
    }

    fn alias(&mut self, name: &'a str) -> Result<NodeId, Problem> {
        let start = self.scanner.take()?.start;
        let Some(&target) = self.anchors.get(name) else {
            return Err(Problem::at(
                format!("unknown anchor '{name}' referenced"),
                start,
            ));
        };
        let id = self.push(Content::Alias { name, target }, start, Cow::Borrowed(""))?;
        self.note(|notes, pending| notes.set(id, pending));
        Ok(id)
    }

    /// An anchor and a tag, in either order.
    fn properties(&mut self) -> Result<Properties<'a>, Problem> {
        let start = self.scanner.peek()?.start;
        let mut anchor = None;
        let mut tag = None;
        loop {
            match self.scanner.peek()?.token {
                Token::Anchor(name) if anchor.is_none() => {
                    anchor = Some(name);
                    self.scanner.take()?;
                }
                Token::Tag { .. } if tag.is_none() => {
                    let lexeme = self.scanner.take()?;
                    if let Token::Tag { handle, suffix } = lexeme.token {
                        tag = Some((handle, suffix, lexeme.start));
                    }
                }
                _ => break,
            }
        }
        let found = anchor.is_some() || tag.is_some();
        let tag = match tag {
            None => Cow::Borrowed(""),
            Some((handle, suffix, _)) if handle.is_empty() => Cow::Owned(suffix),
            Some((handle, suffix, mark)) => {
                let prefix = self
                    .tag_directives
                    .iter()
                    .find(|(known, _)| *known == handle);
                let Some((_, prefix)) = prefix else {
                    let message = "found undefined tag handle";
                    return Err(Problem::grammar(message, mark, start));
                };
                Cow::Owned(format!("{prefix}{suffix}"))
            }
        };
        Ok(Properties {
            anchor,
            tag,
            start,
            found,
        })
    }

    /// Adds a node and registers its anchor, which is known inside of it already.
    fn add(
        &mut self,
        content: Content<'a>,
        start: Mark,
        properties: Properties<'a>,
    ) -> Result<NodeId, Problem> {
        let id = self.push(content, start, properties.tag)?;
        if let Some(anchor) = properties.anchor {
            self.anchors.insert(anchor, id);
            self.note(|notes, _| notes.anchor(id, anchor));
        }
        Ok(id)
    }

    fn push(
        &mut self,
        content: Content<'a>,
        start: Mark,
        tag: Cow<'static, str>,
    ) -> Result<NodeId, Problem> {
        self.document.push(Node {
            content,
            line: start.line,
            column: start.column,
            tag,
            next: None,
        })
    }

    fn empty_scalar(&mut self, mark: Mark) -> Result<NodeId, Problem> {
        let content = Content::Scalar {
            value: Cow::Borrowed(""),
            style: ScalarStyle::Plain,
            implicit: true,
        };
        self.push(content, mark, Cow::Borrowed(""))
    }

    fn scalar(&mut self, start: Mark, properties: Properties<'a>) -> Result<NodeId, Problem> {
        let lexeme = self.scanner.take()?;
        let Token::Scalar { value, style } = lexeme.token else {
            return Err(Problem::grammar(
                "did not find expected node content",
                start,
                start,
            ));
        };
        let tag: &str = &properties.tag;
        let implicit = (tag.is_empty() && style == ScalarStyle::Plain) || tag == "!";
        let id = self.add(
            Content::Scalar {
                value,
                style,
                implicit,
            },
            start,
            properties,
        )?;
        self.note(|notes, pending| notes.set(id, pending));
        Ok(id)
    }

    /// Moves the innermost collection, which started at `start`, one child on.
    fn step(&mut self, next: Next, start: Mark) -> Result<(), Problem> {
        match next {
            Next::BlockItem => self.block_item(start),
            Next::IndentlessItem => self.indentless_item(),
            Next::BlockKey => self.block_key(start),
            Next::BlockValue => self.block_value(),
            Next::FlowItem { first } => self.flow_item(first, start),
            Next::FlowKey { first } => self.flow_key(first, start),
            Next::FlowValue => {
                self.expect(Next::FlowKey { first: false });
                self.flow_value(&Token::FlowMappingEnd)
            }
            Next::FlowNoValue => {
                self.expect(Next::FlowKey { first: false });
                let mark = self.scanner.peek()?.start;
                self.empty_child(mark)
            }
            Next::PairKey => self.pair_key(),
            Next::PairValue => {
                self.expect(Next::PairEnd);
                self.flow_value(&Token::FlowSequenceEnd)
            }
            Next::PairEnd => {
                self.open.pop();
                Ok(())
            }
        }
    }

    fn expect(&mut self, next: Next) {
        if let Some(open) = self.open.last_mut() {
            open.next = next;
        }
    }

    /// Takes the token that ends the innermost collection.
    fn close(&mut self) -> Result<(), Problem> {
        let token = self.scanner.take()?.token;
        if let Some(open) = self.open.pop() {
            // The end of a block sequence takes no comments.
            let is_sequence = matches!(open.next, Next::BlockItem);
            if !(is_sequence && token == Token::BlockEnd) {
                self.note(|notes, pending| notes.end(open.id, pending));
            }
        }
        Ok(())
    }

    /// Takes the `-` of an entry, gives where it ends.
    fn entry(&mut self) -> Result<Mark, Problem> {
        let head = self
            .scanner
            .pending()
            .map_or(0, |pending| pending.head.len());
        let end = self.scanner.take()?.end;
        let is_block = matches!(
            self.scanner.peek()?.token,
            Token::BlockSequenceStart | Token::BlockMappingStart
        );
        if is_block && head > 0 {
            self.note(|notes, pending| notes.split_stem(head, pending));
        }
        Ok(end)
    }

    fn child(&mut self, block: bool, indentless: bool) -> Result<(), Problem> {
        let parent = self.open.len() - 1;
        let child = self.node(block, indentless)?;
        self.append(parent, child);
        Ok(())
    }

    fn empty_child(&mut self, mark: Mark) -> Result<(), Problem> {
        let child = self.empty_scalar(mark)?;
        self.append(self.open.len() - 1, child);
        Ok(())
    }

    /// Hangs `child` below an open collection, behind the ones before it.
    fn append(&mut self, parent: usize, child: NodeId) {
        let open = &mut self.open[parent];
        let nodes = &mut self.document.nodes;
        if let Some(last) = open.last.replace(child) {
            nodes[last.0 as usize].next = Some(child);
        } else if let Content::Sequence(first) | Content::Mapping(first) =
            &mut nodes[open.id.0 as usize].content
        {
            *first = Some(child);
        }
    }

    fn block_item(&mut self, start: Mark) -> Result<(), Problem> {
        let lexeme = self.scanner.peek()?;
        match lexeme.token {
            Token::BlockEnd => return self.close(),
            Token::BlockEntry => {}
            _ => {
                let message = "did not find expected '-' indicator";
                return Err(Problem::grammar(message, lexeme.start, start));
            }
        }
        let end = self.entry()?;
        match self.scanner.peek()?.token {
            Token::BlockEntry | Token::BlockEnd => self.empty_child(end),
            _ => self.child(true, false),
        }
    }

    fn indentless_item(&mut self) -> Result<(), Problem> {
        if self.scanner.peek()?.token != Token::BlockEntry {
            self.open.pop();
            return Ok(());
        }
        let end = self.entry()?;
        match self.scanner.peek()?.token {
            Token::BlockEntry | Token::Key | Token::Value | Token::BlockEnd => {
                self.empty_child(end)
            }
            _ => self.child(true, false),
        }
    }

    fn block_key(&mut self, start: Mark) -> Result<(), Problem> {
        let lexeme = self.scanner.peek()?;
        match lexeme.token {
            Token::BlockEnd => return self.close(),
            Token::Key => {}
            // Quirk: a value without a key belongs to no production here.
            _ => {
                let message = "did not find expected key";
                return Err(Problem::grammar(message, lexeme.start, start));
            }
        }
        let end = self.scanner.take()?.end;
        self.expect(Next::BlockValue);
        self.block_mapping_part(end)
    }

    fn block_value(&mut self) -> Result<(), Problem> {
        self.expect(Next::BlockKey);
        let lexeme = self.scanner.peek()?;
        if lexeme.token != Token::Value {
            let mark = lexeme.start;
            return self.empty_child(mark);
        }
        let end = self.scanner.take()?.end;
        self.block_mapping_part(end)
    }

    /// The node after a `Key` or `Value` token that ended at `end`.
    fn block_mapping_part(&mut self, end: Mark) -> Result<(), Problem> {
        match self.scanner.peek()?.token {
            Token::Key | Token::Value | Token::BlockEnd => self.empty_child(end),
            _ => self.child(true, true),
        }
    }

    /// Takes the comma before all but the first entry. Gives whether the collection ended instead,
    /// before or after it.
    fn flow_separator(
        &mut self,
        first: bool,
        start: Mark,
        end: &Token<'a>,
        message: &'static str,
    ) -> Result<bool, Problem> {
        if !first && self.scanner.peek()?.token != *end {
            let lexeme = self.scanner.take()?;
            if lexeme.token != Token::FlowEntry {
                return Err(Problem::grammar(message, lexeme.start, start));
            }
        }
        if self.scanner.peek()?.token != *end {
            return Ok(false);
        }
        self.close()?;
        Ok(true)
    }

    fn flow_item(&mut self, first: bool, start: Mark) -> Result<(), Problem> {
        let message = "did not find expected ',' or ']'";
        if self.flow_separator(first, start, &Token::FlowSequenceEnd, message)? {
            return Ok(());
        }
        self.expect(Next::FlowItem { first: false });
        if self.scanner.peek()?.token != Token::Key {
            return self.child(false, false);
        }
        // A mapping of one entry without brackets, as in `[a: b]`.
        let start = self.scanner.take()?.start;
        let id = self.push(Content::Mapping(None), start, Cow::Borrowed(""))?;
        self.note(|notes, _| notes.set_flow(id));
        self.append(self.open.len() - 1, id);
        self.enter(id, start, Next::PairKey)?;
        Ok(())
    }

    fn pair_key(&mut self) -> Result<(), Problem> {
        self.expect(Next::PairValue);
        match self.scanner.peek()?.token {
            Token::Value | Token::FlowEntry | Token::FlowSequenceEnd => {
                // Quirk: the token is eaten, even the `:` or the bracket.
                let end = self.scanner.take()?.end;
                self.empty_child(end)
            }
            _ => self.child(false, false),
        }
    }

    /// What follows a key in a flow collection that ends with `end`.
    fn flow_value(&mut self, end: &Token<'a>) -> Result<(), Problem> {
        if self.scanner.peek()?.token == Token::Value {
            self.scanner.take()?;
            let token = &self.scanner.peek()?.token;
            if *token != Token::FlowEntry && token != end {
                return self.child(false, false);
            }
        }
        let mark = self.scanner.peek()?.start;
        self.empty_child(mark)
    }

    fn flow_key(&mut self, first: bool, start: Mark) -> Result<(), Problem> {
        let message = "did not find expected ',' or '}'";
        if self.flow_separator(first, start, &Token::FlowMappingEnd, message)? {
            return Ok(());
        }
        if self.scanner.peek()?.token != Token::Key {
            self.expect(Next::FlowNoValue);
            return self.child(false, false);
        }
        self.scanner.take()?;
        self.expect(Next::FlowValue);
        let lexeme = self.scanner.peek()?;
        let mark = lexeme.start;
        match lexeme.token {
            Token::Value | Token::FlowEntry | Token::FlowMappingEnd => self.empty_child(mark),
            _ => self.child(false, false),
        }
    }
}
