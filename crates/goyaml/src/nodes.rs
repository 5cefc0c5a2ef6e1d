//! The tree of one YAML document, with the place of every key and value.
//!
//! Text goes in; a [`Document`] comes out that keeps what a plain value loses: lines, columns,
//! tags, styles, duplicate keys and their order. Messages and warnings about a user's file are
//! made from it. [`NodeRef::to_value`] gives what [`parse`](crate::parse) gives. Comments are not
//! kept.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::Value;

use crate::error::{Error, Problem};
pub use crate::scan::ScalarStyle;
use crate::{compose, decode, input};

/// The first document of a text.
#[derive(Debug)]
pub struct Document<'a> {
    pub(crate) nodes: Vec<Node<'a>>,
    pub(crate) root: Option<NodeId>,
}

/// The place of a node in its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(pub(crate) u32);

/// A node; children are a chain of siblings, keys and values by turns in a mapping.
#[derive(Debug)]
pub(crate) struct Node<'a> {
    pub(crate) content: Content<'a>,
    /// Counted from zero.
    pub(crate) line: u32,
    pub(crate) column: u32,
    /// The long form of the tag, empty for none.
    pub(crate) tag: Cow<'static, str>,
    pub(crate) next: Option<NodeId>,
}

#[derive(Debug)]
pub(crate) enum Content<'a> {
    Scalar {
        value: Cow<'a, str>,
        style: ScalarStyle,
        /// Whether the text may resolve to something else than a string.
        implicit: bool,
    },
    Sequence(Option<NodeId>),
    Mapping(Option<NodeId>),
    Alias {
        name: &'a str,
        target: NodeId,
    },
}

/// What a node is. An alias shows what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, a number, a boolean or null.
    Scalar,
    /// A list.
    Sequence,
    /// A map.
    Mapping,
}

/// Decodes a text; [`ParsedText::document`] reads it.
pub fn parse(text: &[u8]) -> ParsedText<'_> {
    ParsedText {
        input: input::decode(text),
    }
}

/// Decoded text that a [`Document`] borrows from.
#[derive(Debug)]
pub struct ParsedText<'a> {
    input: input::Input<'a>,
}

impl ParsedText<'_> {
    /// The tree of the first document; it has no root when the text has no document.
    ///
    /// # Errors
    /// [`Error::Syntax`]; duplicate keys and odd values are no faults here.
    pub fn document(&self) -> Result<Document<'_>, Error> {
        compose::compose(&self.input.text, self.input.problem.clone()).map_err(Error::Syntax)
    }
}

impl<'a> Document<'a> {
    /// The document's node.
    pub fn root(&self) -> Option<NodeRef<'_, 'a>> {
        self.root.map(|id| NodeRef { document: self, id })
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node<'a> {
        &self.nodes[id.0 as usize]
    }

    pub(crate) fn children(&self, first: Option<NodeId>) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(first, |id| self.node(*id).next)
    }

    /// The children of a mapping in pairs.
    pub(crate) fn pairs(
        &self,
        first: Option<NodeId>,
    ) -> impl Iterator<Item = (NodeId, NodeId)> + '_ {
        let mut children = self.children(first);
        std::iter::from_fn(move || Some((children.next()?, children.next()?)))
    }
}

/// A key that its mapping has already.
#[derive(Clone, Copy, Debug)]
pub struct DuplicateKey<'d, 'a> {
    /// The later key.
    pub key: NodeRef<'d, 'a>,
    /// The line of the earliest, counted from one.
    pub first_line: u32,
}

/// A node of a document.
#[derive(Clone, Copy, Debug)]
pub struct NodeRef<'d, 'a> {
    document: &'d Document<'a>,
    id: NodeId,
}

impl<'d, 'a> NodeRef<'d, 'a> {
    fn node(&self) -> &'d Node<'a> {
        self.document.node(self.id)
    }

    /// The node behind an alias, else the node. An alias never points to an alias.
    fn resolved(&self) -> &'d Node<'a> {
        match self.node().content {
            Content::Alias { target, .. } => self.document.node(target),
            _ => self.node(),
        }
    }

    /// What the node is.
    pub fn kind(&self) -> Kind {
        match self.resolved().content {
            Content::Sequence(_) => Kind::Sequence,
            Content::Mapping(_) => Kind::Mapping,
            Content::Scalar { .. } | Content::Alias { .. } => Kind::Scalar,
        }
    }

    /// The line where it starts, counted from one.
    pub fn line(&self) -> u32 {
        self.node().line + 1
    }

    /// The column where it starts, in characters counted from one.
    pub fn column(&self) -> u32 {
        self.node().column + 1
    }

    /// The tag in its long form (`tag:yaml.org,2002:str`), empty when the text has none.
    pub fn tag(&self) -> &'d str {
        &self.resolved().tag
    }

    /// The name of the anchor if the node is an alias.
    pub fn alias(&self) -> Option<&'a str> {
        match self.node().content {
            Content::Alias { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The text of a scalar after unescaping and folding, before resolution.
    pub fn text(&self) -> Option<&'d str> {
        match &self.resolved().content {
            Content::Scalar { value, .. } => Some(value),
            _ => None,
        }
    }

    /// How a scalar was written.
    pub fn style(&self) -> Option<ScalarStyle> {
        match self.resolved().content {
            Content::Scalar { style, .. } => Some(style),
            _ => None,
        }
    }

    /// The items of a sequence, nothing for another kind.
    pub fn items(&self) -> impl Iterator<Item = NodeRef<'d, 'a>> + use<'d, 'a> {
        let document = self.document;
        let first = match self.resolved().content {
            Content::Sequence(first) => first,
            _ => None,
        };
        std::iter::successors(first, move |id| document.node(*id).next)
            .map(move |id| NodeRef { document, id })
    }

    /// The keys and values of a mapping as written: in order, duplicates and `<<` included.
    /// Nothing for another kind.
    pub fn entries(
        &self,
    ) -> impl Iterator<Item = (NodeRef<'d, 'a>, NodeRef<'d, 'a>)> + use<'d, 'a> {
        let document = self.document;
        let first = match self.resolved().content {
            Content::Mapping(first) => first,
            _ => None,
        };
        let mut children = std::iter::successors(first, move |id| document.node(*id).next)
            .map(move |id| NodeRef { document, id });
        std::iter::from_fn(move || Some((children.next()?, children.next()?)))
    }

    /// The value of the last entry whose key is written as `key`.
    pub fn get(&self, key: &str) -> Option<NodeRef<'d, 'a>> {
        self.entries()
            .filter(|(name, _)| name.text() == Some(key))
            .map(|(_, value)| value)
            .last()
    }

    /// The text that a scalar gives where Go decodes it into a string field: numbers and booleans
    /// are printed, floats after rounding to `float32` (`1.10` is `1.1`). `None` for null, lists
    /// and maps.
    ///
    /// Source: sigs.k8s.io/yaml, `convertToJSONableObject`.
    ///
    /// # Errors
    /// As [`parse`](crate::parse).
    pub fn to_field_text(&self) -> Result<Option<String>, Error> {
        match self.kind() {
            Kind::Scalar => decode::field_text(self.resolved()),
            Kind::Sequence | Kind::Mapping => Ok(None),
        }
    }

    /// The keys of this mapping and of everything below it that were set before in the same
    /// mapping, in the order of the text. Written text counts (`1` and `"1"` are the same), merge
    /// keys and aliases do not.
    pub fn duplicate_keys(&self) -> Vec<DuplicateKey<'d, 'a>> {
        let mut found = Vec::new();
        let mut open = vec![*self];
        while let Some(node) = open.pop() {
            if node.alias().is_some() {
                continue;
            }
            let mut first = HashMap::new();
            for (key, value) in node.entries() {
                if let (Some(text), None) = (key.text(), key.alias()) {
                    match first.entry(text) {
                        Entry::Vacant(entry) => {
                            entry.insert(key.line());
                        }
                        Entry::Occupied(entry) if text != "<<" => {
                            let first_line = *entry.get();
                            found.push(DuplicateKey { key, first_line });
                        }
                        Entry::Occupied(_) => {}
                    }
                }
                open.push(value);
            }
            open.extend(node.items());
        }
        found.sort_by_key(|duplicate| (duplicate.key.line(), duplicate.key.column()));
        found
    }

    /// The value, as [`parse`](crate::parse) would give it.
    ///
    /// # Errors
    /// As [`parse`](crate::parse).
    pub fn to_value(&self) -> Result<Value, Error> {
        decode::decode(self.document, Some(self.id), false)
    }
}

/// Nodes of one document: a hundred times what people write, and some hundred MiB of memory.
pub const NODES_MAX: usize = 2_000_000;

impl<'a> Document<'a> {
    /// A document without nodes.
    pub(crate) fn empty() -> Self {
        Self {
            nodes: Vec::new(),
            root: None,
        }
    }

    /// Adds a node.
    pub(crate) fn push(&mut self, node: Node<'a>) -> Result<NodeId, Problem> {
        if self.nodes.len() >= NODES_MAX {
            return Err(Problem::new(format!(
                "document has more than {NODES_MAX} nodes"
            )));
        }
        let id = self.nodes.len() as u32;
        self.nodes.push(node);
        Ok(NodeId(id))
    }
}

#[cfg(test)]
mod tests;
