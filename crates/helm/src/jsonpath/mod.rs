//! Templates in kubectl's JSONPath, as `helm show values --jsonpath` takes them.
//!
//! In: a template such as `{range .items[*]}{.name}{"\n"}{end}` and values. Out: text. Numbers of values
//! are floating, as Helm reads them: 1 is not the 1 of a template, which has to say 1.0.
//!
//! The paths of custom resources are another, smaller language: `apimachinery::jsonpath`.
//!
//! Source: `client-go/util/jsonpath`.

mod eval;
mod parse;

use serde_json::Value;

/// Why a text is no template, in the words of client-go.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// A parsed template.
#[derive(Clone, Debug)]
pub struct Template {
    nodes: Vec<Node>,
}

/// A part of a template.
#[derive(Clone, Debug)]
enum Node {
    /// What stands between braces.
    List(Vec<Node>),
    /// Text, which an escape may make something that is no UTF-8.
    Text(Vec<u8>),
    Field(String),
    Array([Bound; 3]),
    Filter {
        left: Vec<Node>,
        right: Vec<Node>,
        operator: String,
    },
    Int(i64),
    Float(f64),
    Bool(bool),
    Wildcard,
    Recursive,
    Union(Vec<Vec<Node>>),
    Identifier(String),
}

/// Start, end or step of a slice.
#[derive(Clone, Copy, Debug, Default)]
struct Bound {
    value: i64,
    known: bool,
    /// The end of a single index.
    derived: bool,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// Where client-go fails too.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let nodes = parse::parse(text).map_err(Error)?;
        Ok(Self { nodes })
    }

    /// What the template makes of values; nothing when it fails, as Helm ignores why. Entries of maps come
    /// in the order of their keys, where Helm's is random.
    pub fn execute(&self, values: &Value) -> Vec<u8> {
        eval::execute(&self.nodes, values)
    }
}

#[cfg(test)]
mod tests;
