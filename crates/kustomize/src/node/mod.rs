//! Trees of objects: what kyaml's `RNode` is, without comments.
//!
//! A scalar keeps its text, its tag and its style, since all three decide what it means once it is
//! printed. Source: kyaml `yaml/rnode.go`, `yaml/fns.go`, `yaml/types.go`.

mod edit;
mod matcher;
mod merge;
mod meta;
mod read;
mod value;

use std::borrow::Cow;

use goyaml::v3::ScalarStyle;

pub(crate) use matcher::visit_matches;
pub(crate) use merge::merge;
pub(crate) use read::{from_json, from_value, parse, parse_stream};

use crate::error::{Error, Result, quoted};

pub(crate) const NULL: &str = "!!null";
pub(crate) const STRING: &str = "!!str";
pub(crate) const INTEGER: &str = "!!int";
pub(crate) const BOOLEAN: &str = "!!bool";
pub(crate) const FLOAT: &str = "!!float";
pub(crate) const MAP: &str = "!!map";
pub(crate) const SEQUENCE: &str = "!!seq";
const MERGE: &str = "!!merge";

/// What a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Scalar,
    Sequence,
    Mapping,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Scalar => "ScalarNode",
            Self::Sequence => "SequenceNode",
            Self::Mapping => "MappingNode",
        }
    }
}

/// How a node is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) scalar: ScalarStyle,
    pub(crate) flow: bool,
    /// Its tag was written.
    pub(crate) tagged: bool,
}

impl Style {
    pub(crate) const DOUBLE_QUOTED: Self = Self::of(ScalarStyle::DoubleQuoted);
    pub(crate) const SINGLE_QUOTED: Self = Self::of(ScalarStyle::SingleQuoted);
    pub(crate) const LITERAL: Self = Self::of(ScalarStyle::Literal);

    const fn of(scalar: ScalarStyle) -> Self {
        Self {
            scalar,
            flow: false,
            tagged: false,
        }
    }
}

/// A node of a tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Short; empty for none.
    pub(crate) tag: Cow<'static, str>,
    pub(crate) value: String,
    pub(crate) style: Style,
    /// Items of a sequence; keys and values by turns of a mapping.
    pub(crate) content: Vec<Node>,
    /// Nodes of an object with the same number that is not zero are one node in kustomize.
    pub(crate) link: Link,
}

/// Which nodes of an object are one and the same: labels and annotations that one transformer added
/// in several places of an object change together ever after.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Link {
    pub(crate) number: u32,
    /// Changed, and the others not yet.
    pub(crate) is_changed: bool,
}

/// Links say nothing about what a node is.
impl PartialEq for Link {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Node {
    /// A plain scalar without a tag.
    pub(crate) fn plain(value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            ..Self::default()
        }
    }

    /// A scalar with the tag of strings, in a block if it has several lines.
    pub(crate) fn string(value: impl Into<String>) -> Self {
        let value = value.into();
        let style = if value.contains('\n') {
            Style::LITERAL
        } else {
            Style::default()
        };
        Self {
            tag: Cow::Borrowed(STRING),
            style,
            ..Self::plain(value)
        }
    }

    pub(crate) fn tagged(value: impl Into<String>, tag: &'static str) -> Self {
        Self {
            tag: Cow::Borrowed(tag),
            ..Self::plain(value)
        }
    }

    pub(crate) fn of_kind(kind: Kind) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    /// A deep copy, whose nodes are its own.
    pub(crate) fn copy(&self) -> Self {
        let mut copy = self.clone();
        copy.unlink();
        copy
    }

    pub(crate) fn unlink(&mut self) {
        self.link = Link::default();
        self.content.iter_mut().for_each(Self::unlink);
    }

    /// Becomes another node, in its place.
    pub(crate) fn assign(&mut self, other: Self) {
        let link = self.link;
        *self = other;
        self.link = Link {
            is_changed: link.number != 0,
            ..link
        };
    }

    pub(crate) fn set_value(&mut self, value: impl Into<String>) {
        self.value = value.into();
        self.link.is_changed = self.link.number != 0;
    }

    pub(crate) fn is_null(&self) -> bool {
        self.tag == NULL
    }

    pub(crate) fn is_nil_or_empty(&self) -> bool {
        self.is_null() || (self.kind != Kind::Scalar && self.content.is_empty())
    }

    pub(crate) fn is_empty_map(&self) -> bool {
        self.is_null() || (self.kind == Kind::Mapping && self.content.is_empty())
    }

    pub(crate) fn is_string(&self) -> bool {
        self.kind == Kind::Scalar && (self.tag == STRING || self.tag.is_empty())
    }

    /// The text of a scalar, nothing for null.
    pub(crate) fn text(&self) -> &str {
        if self.is_null() { "" } else { &self.value }
    }

    /// The keys and values of a map.
    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = (&Self, &Self)> {
        self.content
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[key, value]| (key, value))
    }

    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = (&mut Self, &mut Self)> {
        self.content
            .as_chunks_mut::<2>()
            .0
            .iter_mut()
            .map(|[key, value]| (key, value))
    }

    /// The value of the first entry with this key; nothing of what is no map.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        if self.kind != Kind::Mapping {
            return None;
        }
        let mut entries = self.entries();
        entries
            .find(|(key, _)| key.value == name)
            .map(|(_, value)| value)
    }

    /// As [`Node::field`].
    pub(crate) fn field_mut(&mut self, name: &str) -> Option<&mut Self> {
        if self.kind != Kind::Mapping {
            return None;
        }
        let mut entries = self.entries_mut();
        entries
            .find(|(key, _)| key.value == name)
            .map(|(_, value)| value)
    }

    /// Refuses a node of another kind; null is of every kind.
    pub(crate) fn expect(&self, kind: Kind) -> Result<()> {
        if self.is_null() || self.kind == kind {
            return Ok(());
        }
        Err(Error(format!(
            "wrong node kind: expected {} but got {}: node contents:\n{}",
            kind.name(),
            self.kind.name(),
            quoted(&self.print())
        )))
    }
}
