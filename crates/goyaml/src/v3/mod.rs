//! YAML with all that is not its value: the trees of go-yaml v3, read and printed to the byte.
//!
//! Text goes in and a [`Document`] of [`Node`]s comes out that keeps comments, styles, tags, anchors and
//! aliases; a [`Printer`] makes text of it. Indentation, blank lines and the places of comments are not
//! kept: they come out as go-yaml v3 puts them. Nothing is resolved or checked beyond that.
//!
//! ```
//! let document = goyaml::v3::parse("a:   1 # one\n\n\nb: [ x ]\n")?.unwrap_or_default();
//! let mut printer = goyaml::v3::Printer::default();
//! printer.document(&document, true);
//! assert_eq!(printer.finish(), "a: 1 # one\nb: [x]\n");
//! # Ok::<(), goyaml::v3::Problem>(())
//! ```

mod analysis;
pub(crate) mod notes;
mod print;
mod read;
mod scalar;

pub use self::print::Printer;
pub use self::read::parse;
pub use crate::error::Problem;
pub use crate::scan::ScalarStyle;

use crate::resolve::{Scalar, resolve_plain};

/// A document and the comments that belong to none of its nodes.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The node that it is.
    pub root: Node,
    /// The comment above it, with an empty line between.
    pub head: String,
    /// The comment below it, with an empty line between.
    pub foot: String,
}

/// What a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A text with a style.
    #[default]
    Scalar,
    /// A list: its items are the node's content.
    Sequence,
    /// A map: keys and values by turns are the node's content.
    Mapping,
    /// The name of an anchor, as the node's value.
    Alias,
}

/// A node of a document.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// The short form of its tag (`!!str`), of a plain scalar without a tag what it resolves to as far
    /// as null, merge keys and texts go, else empty.
    pub tag: String,
    /// Whether the tag was written.
    pub is_tagged: bool,
    /// The text of a scalar, the name of an alias.
    pub value: String,
    /// How a scalar is written, if it has a style of its own; plain otherwise.
    pub style: ScalarStyle,
    /// Whether a collection is in brackets.
    pub flow: bool,
    /// The name that aliases use, empty for none.
    pub anchor: String,
    /// The comment above it; lines are joined by line feeds, without the last.
    pub head: String,
    /// The comment behind it.
    pub line: String,
    /// The comment below it.
    pub foot: String,
    /// What is inside of it.
    pub content: Vec<Node>,
}

/// The tag of null.
pub const NULL_TAG: &str = "!!null";
/// The tag of a string.
pub const STRING_TAG: &str = "!!str";
/// The tag of a merge key.
pub(crate) const MERGE_TAG: &str = "!!merge";

impl Node {
    /// A scalar with a tag of its own, written in a style.
    pub fn string(value: &str, style: ScalarStyle) -> Self {
        Self {
            tag: STRING_TAG.to_owned(),
            value: value.to_owned(),
            style,
            ..Self::default()
        }
    }

    /// A plain scalar without a tag.
    pub fn plain(value: &str) -> Self {
        Self {
            value: value.to_owned(),
            ..Self::default()
        }
    }

    /// An empty map.
    pub fn mapping() -> Self {
        Self {
            kind: Kind::Mapping,
            ..Self::default()
        }
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        self.tag == NULL_TAG
    }

    /// The keys and values of a map.
    pub fn entries(&self) -> impl Iterator<Item = (&Self, &Self)> {
        self.content
            .chunks_exact(2)
            .map(|pair| (&pair[0], &pair[1]))
    }

    /// The value of the first entry with this key, of a map.
    pub fn get(&self, key: &str) -> Option<&Self> {
        if self.kind != Kind::Mapping {
            return None;
        }
        let mut entries = self.entries();
        entries
            .find(|(name, _)| name.value == key)
            .map(|(_, value)| value)
    }

    /// As [`Node::get`].
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        if self.kind != Kind::Mapping {
            return None;
        }
        let mut entries = self.content.chunks_exact_mut(2);
        entries
            .find(|pair| pair[0].value == key)
            .map(|pair| &mut pair[1])
    }
}

/// What a plain scalar without a tag means to go-yaml v3.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Meaning {
    /// Nothing, or a word for it.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer above `i64::MAX`.
    Uint(u64),
    /// A float; may be infinite or NaN.
    Float(f64),
    /// A date, with or without a time.
    Timestamp,
    /// `<<`.
    Merge,
    /// Its text.
    Text,
}

impl Meaning {
    /// The short tag, `!!int`.
    pub fn tag(self) -> &'static str {
        match self {
            Self::Null => NULL_TAG,
            Self::Bool(_) => "!!bool",
            Self::Int(_) | Self::Uint(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Timestamp => "!!timestamp",
            Self::Merge => MERGE_TAG,
            Self::Text => STRING_TAG,
        }
    }
}

/// Resolves a plain scalar without a tag. The words of YAML 1.1 (`yes`, `off`) are texts.
pub fn resolve(text: &str) -> Meaning {
    match resolve_plain(text) {
        _ if text == "<<" => Meaning::Merge,
        Scalar::Null => Meaning::Null,
        Scalar::Bool(value) if matches!(text.to_ascii_lowercase().as_str(), "true" | "false") => {
            Meaning::Bool(value)
        }
        Scalar::Int(value) => Meaning::Int(value),
        Scalar::Uint(value) => Meaning::Uint(value),
        Scalar::Float(value) => Meaning::Float(value),
        Scalar::Timestamp => Meaning::Timestamp,
        Scalar::Bool(_) | Scalar::Text => Meaning::Text,
    }
}

/// Whether a plain scalar without a tag is a string for go-yaml v3, which knows the words of YAML 1.2
/// only.
fn is_plain_string(value: &str) -> bool {
    match resolve_plain(value) {
        Scalar::Text => true,
        Scalar::Bool(_) => !matches!(value.to_ascii_lowercase().as_str(), "true" | "false"),
        _ => false,
    }
}
