//! From tokens to a tree: YAML's grammar.
//!
//! One function per production, recursive up to [`DEPTH_MAX`] levels. Only the first document is
//! read; what follows it is looked at no further than one token.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::error::Problem;
use crate::nodes::{Content, Document, Node, NodeId};
use crate::resolve::TAG_PREFIX;
use crate::scan::{DEPTH_MAX, Mark, ScalarStyle, Scanner, Token};

/// Reads the first document of `source`.
pub(crate) fn compose(source: &str, fault: Option<Problem>) -> Result<Document<'_>, Problem> {
    let mut composer = Composer {
        scanner: Scanner::new(source, fault),
        document: Document::empty(),
        anchors: HashMap::new(),
        tag_directives: Vec::new(),
        depth: 0,
    };
    composer.stream()?;
    Ok(composer.document)
}

struct Composer<'a> {
    scanner: Scanner<'a>,
    document: Document<'a>,
    anchors: HashMap<&'a str, NodeId>,
    tag_directives: Vec<(String, String)>,
    depth: usize,
}

/// What stands before a node.
struct Properties<'a> {
    anchor: Option<&'a str>,
    tag: Cow<'static, str>,
    start: Mark,
    found: bool,
}

/// Links children in order.
#[derive(Default)]
struct Chain {
    first: Option<NodeId>,
    last: Option<NodeId>,
}

impl<'a> Composer<'a> {
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
                return Err(Problem::grammar(message, lexeme.start.line, 0));
            }
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
        self.document.root = Some(if empty {
            self.empty_scalar(start)?
        } else {
            self.node(true, false)?
        });
        // Reading the end of the document looks at the token after it.
        self.scanner.peek()?;
        Ok(())
    }

    fn directives(&mut self) -> Result<(), Problem> {
        let mut versions = 0;
        loop {
            let lexeme = self.scanner.peek()?;
            let line = lexeme.start.line;
            match &lexeme.token {
                Token::VersionDirective { major, minor } => {
                    if versions > 0 {
                        return Err(Problem::grammar("found duplicate %YAML directive", line, 0));
                    }
                    if (*major, *minor) != (1, 1) {
                        return Err(Problem::grammar(
                            "found incompatible YAML document",
                            line,
                            0,
                        ));
                    }
                    versions += 1;
                    self.scanner.take()?;
                }
                Token::TagDirective { handle, prefix } => {
                    if self.tag_directives.iter().any(|(known, _)| known == handle) {
                        return Err(Problem::grammar("found duplicate %TAG directive", line, 0));
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

    /// Any node. `block` allows block collections, `indentless` a sequence at its parent's indent.
    fn node(&mut self, block: bool, indentless: bool) -> Result<NodeId, Problem> {
        if let Token::Alias(name) = self.scanner.peek()?.token {
            return self.alias(name);
        }
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(Problem::new(format!("exceeded max depth of {DEPTH_MAX}")));
        }
        let properties = self.properties()?;
        let lexeme = self.scanner.peek()?;
        let here = lexeme.start;
        let start = if properties.found {
            properties.start
        } else {
            here
        };
        let id = match lexeme.token {
            Token::BlockEntry if indentless => {
                let id = self.open(Content::Sequence(None), start, properties)?;
                self.indentless_sequence(id)?;
                id
            }
            Token::Scalar { .. } => self.scalar(start, properties)?,
            Token::FlowSequenceStart => {
                let id = self.open(Content::Sequence(None), start, properties)?;
                self.flow_sequence(id, here)?;
                id
            }
            Token::FlowMappingStart => {
                let id = self.open(Content::Mapping(None), start, properties)?;
                self.flow_mapping(id, here)?;
                id
            }
            Token::BlockSequenceStart if block => {
                let id = self.open(Content::Sequence(None), start, properties)?;
                self.block_sequence(id, here)?;
                id
            }
            Token::BlockMappingStart if block => {
                let id = self.open(Content::Mapping(None), start, properties)?;
                self.block_mapping(id, here)?;
                id
            }
            _ if properties.found => {
                let content = Content::Scalar {
                    value: Cow::Borrowed(""),
                    style: ScalarStyle::Plain,
                    implicit: properties.tag.is_empty(),
                };
                self.open(content, start, properties)?
            }
            _ => {
                let message = "did not find expected node content";
                return Err(Problem::grammar(message, here.line, start.line));
            }
        };
        self.depth -= 1;
        Ok(id)
    }

    fn alias(&mut self, name: &'a str) -> Result<NodeId, Problem> {
        let start = self.scanner.take()?.start;
        let Some(&target) = self.anchors.get(name) else {
            return Err(Problem::new(format!("unknown anchor '{name}' referenced")));
        };
        self.push(Content::Alias { name, target }, start, Cow::Borrowed(""))
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
                    return Err(Problem::grammar(message, mark.line, start.line));
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
    fn open(
        &mut self,
        content: Content<'a>,
        start: Mark,
        properties: Properties<'a>,
    ) -> Result<NodeId, Problem> {
        let id = self.push(content, start, properties.tag)?;
        if let Some(anchor) = properties.anchor {
            self.anchors.insert(anchor, id);
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
                start.line,
                0,
            ));
        };
        let tag: &str = &properties.tag;
        let implicit = (tag.is_empty() && style == ScalarStyle::Plain) || tag == "!";
        self.open(
            Content::Scalar {
                value,
                style,
                implicit,
            },
            start,
            properties,
        )
    }

    /// Hangs `child` below `parent`, behind the ones before it.
    fn append(&mut self, parent: NodeId, chain: &mut Chain, child: NodeId) {
        match chain.last {
            Some(last) => self.document.nodes[last.0 as usize].next = Some(child),
            None => {
                chain.first = Some(child);
                match &mut self.document.nodes[parent.0 as usize].content {
                    Content::Sequence(first) | Content::Mapping(first) => *first = Some(child),
                    Content::Scalar { .. } | Content::Alias { .. } => {}
                }
            }
        }
        chain.last = Some(child);
    }

    fn block_sequence(&mut self, id: NodeId, start: Mark) -> Result<(), Problem> {
        self.scanner.take()?;
        let mut chain = Chain::default();
        loop {
            let lexeme = self.scanner.take()?;
            match lexeme.token {
                Token::BlockEntry => {
                    let empty = matches!(
                        self.scanner.peek()?.token,
                        Token::BlockEntry | Token::BlockEnd
                    );
                    let child = if empty {
                        self.empty_scalar(lexeme.end)?
                    } else {
                        self.node(true, false)?
                    };
                    self.append(id, &mut chain, child);
                }
                Token::BlockEnd => return Ok(()),
                _ => {
                    let message = "did not find expected '-' indicator";
                    return Err(Problem::grammar(message, lexeme.start.line, start.line));
                }
            }
        }
    }

    fn indentless_sequence(&mut self, id: NodeId) -> Result<(), Problem> {
        let mut chain = Chain::default();
        while self.scanner.peek()?.token == Token::BlockEntry {
            let end = self.scanner.take()?.end;
            let empty = matches!(
                self.scanner.peek()?.token,
                Token::BlockEntry | Token::Key | Token::Value | Token::BlockEnd
            );
            let child = if empty {
                self.empty_scalar(end)?
            } else {
                self.node(true, false)?
            };
            self.append(id, &mut chain, child);
        }
        Ok(())
    }

    fn block_mapping(&mut self, id: NodeId, start: Mark) -> Result<(), Problem> {
        self.scanner.take()?;
        let mut chain = Chain::default();
        loop {
            let lexeme = self.scanner.peek()?;
            let here = lexeme.start;
            match lexeme.token {
                Token::Key => {
                    let end = self.scanner.take()?.end;
                    let key = self.block_mapping_part(end)?;
                    self.append(id, &mut chain, key);
                }
                Token::BlockEnd => {
                    self.scanner.take()?;
                    return Ok(());
                }
                // Quirk: a value without a key belongs to no production here.
                _ => {
                    let message = "did not find expected key";
                    return Err(Problem::grammar(message, here.line, start.line));
                }
            }
            let lexeme = self.scanner.peek()?;
            let value = if lexeme.token == Token::Value {
                let end = self.scanner.take()?.end;
                self.block_mapping_part(end)?
            } else {
                let mark = lexeme.start;
                self.empty_scalar(mark)?
            };
            self.append(id, &mut chain, value);
        }
    }

    /// The node after a `Key` or `Value` token that ended at `end`.
    fn block_mapping_part(&mut self, end: Mark) -> Result<NodeId, Problem> {
        match self.scanner.peek()?.token {
            Token::Key | Token::Value | Token::BlockEnd => self.empty_scalar(end),
            _ => self.node(true, true),
        }
    }

    fn flow_sequence(&mut self, id: NodeId, start: Mark) -> Result<(), Problem> {
        self.scanner.take()?;
        let mut chain = Chain::default();
        let mut first = true;
        loop {
            if self.scanner.peek()?.token == Token::FlowSequenceEnd {
                self.scanner.take()?;
                return Ok(());
            }
            if !first {
                let lexeme = self.scanner.take()?;
                if lexeme.token != Token::FlowEntry {
                    let message = "did not find expected ',' or ']'";
                    return Err(Problem::grammar(message, lexeme.start.line, start.line));
                }
                if self.scanner.peek()?.token == Token::FlowSequenceEnd {
                    continue;
                }
            }
            first = false;
            let child = if self.scanner.peek()?.token == Token::Key {
                self.flow_pair()?
            } else {
                self.node(false, false)?
            };
            self.append(id, &mut chain, child);
        }
    }

    /// A mapping of one entry without brackets, as in `[a: b]`.
    fn flow_pair(&mut self) -> Result<NodeId, Problem> {
        let start = self.scanner.take()?.start;
        let id = self.push(Content::Mapping(None), start, Cow::Borrowed(""))?;
        let mut chain = Chain::default();
        let lexeme = self.scanner.peek()?;
        let key = match lexeme.token {
            Token::Value | Token::FlowEntry | Token::FlowSequenceEnd => {
                // Quirk: the token is eaten, even the `:` or the bracket.
                let end = self.scanner.take()?.end;
                self.empty_scalar(end)?
            }
            _ => self.node(false, false)?,
        };
        self.append(id, &mut chain, key);
        let value = self.flow_value(&Token::FlowSequenceEnd)?;
        self.append(id, &mut chain, value);
        Ok(id)
    }

    /// What follows a key in a flow collection that ends with `end`.
    fn flow_value(&mut self, end: &Token<'a>) -> Result<NodeId, Problem> {
        if self.scanner.peek()?.token == Token::Value {
            self.scanner.take()?;
            let token = &self.scanner.peek()?.token;
            if *token != Token::FlowEntry && token != end {
                return self.node(false, false);
            }
        }
        let mark = self.scanner.peek()?.start;
        self.empty_scalar(mark)
    }

    fn flow_mapping(&mut self, id: NodeId, start: Mark) -> Result<(), Problem> {
        self.scanner.take()?;
        let mut chain = Chain::default();
        let mut first = true;
        loop {
            if self.scanner.peek()?.token == Token::FlowMappingEnd {
                self.scanner.take()?;
                return Ok(());
            }
            if !first {
                let lexeme = self.scanner.take()?;
                if lexeme.token != Token::FlowEntry {
                    let message = "did not find expected ',' or '}'";
                    return Err(Problem::grammar(message, lexeme.start.line, start.line));
                }
                if self.scanner.peek()?.token == Token::FlowMappingEnd {
                    continue;
                }
            }
            first = false;
            let (key, value) = self.flow_entry()?;
            self.append(id, &mut chain, key);
            self.append(id, &mut chain, value);
        }
    }

    fn flow_entry(&mut self) -> Result<(NodeId, NodeId), Problem> {
        if self.scanner.peek()?.token != Token::Key {
            let key = self.node(false, false)?;
            let mark = self.scanner.peek()?.start;
            return Ok((key, self.empty_scalar(mark)?));
        }
        self.scanner.take()?;
        let lexeme = self.scanner.peek()?;
        let mark = lexeme.start;
        let key = match lexeme.token {
            Token::Value | Token::FlowEntry | Token::FlowMappingEnd => self.empty_scalar(mark)?,
            _ => self.node(false, false)?,
        };
        Ok((key, self.flow_value(&Token::FlowMappingEnd)?))
    }
}
