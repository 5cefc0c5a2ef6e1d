//! JSON Schema as Helm applies it: the verdicts and texts of Go's `jsonschema` v6, to the byte.
//!
//! In: the text of a schema, a [`Loader`] for what it refers to, values. Out: nothing, or the report.
//! Drafts 4, 6, 7, 2019-09 and 2020-12; formats are asserted where the drafts say so, contents are not.
//! Patterns are Go's, numbers are exact. Reads no files and no network by itself; what a schema may
//! cost is bounded, see [`Fault`].
//!
//! Where Go walks a map at random, and so reports in random order, this walks it in the order of its
//! keys: the report is one of those that Go may give.

mod address;
mod compile;
mod draft;
mod equality;
mod error;
mod formats;
mod instance;
mod json;
mod limits;
mod meta;
mod network;
mod number;
mod patterns;
mod print;
mod quick;
mod report;
mod schema;
mod validate;

use serde_json::{Map, Value};

pub use error::Error;
pub use limits::Fault;

use compile::Compiler;
use error::Reason;
use instance::View;
use limits::Budget;
use patterns::Patterns;
use schema::{Id, Schema};
use validate::Checked;

/// Where a document is.
#[derive(Debug, Clone, Copy)]
pub struct Location<'a> {
    /// The whole address, without fragment.
    pub address: &'a str,
    /// In lower case; empty for a relative address.
    pub scheme: &'a str,
    /// The unescaped path; empty for `urn:`.
    pub path: &'a str,
}

/// Gives the documents that a schema refers to. Metaschemas are not asked for.
pub trait Loader {
    /// The text of a document; None for schemes without documents.
    ///
    /// # Errors
    /// The reason, as it is to be read behind `failing loading "...": `.
    fn load(&self, location: &Location<'_>) -> Result<Option<Vec<u8>>, String>;
}

/// A schema, ready for any number of values.
#[derive(Debug)]
pub struct Compiled {
    schemas: Vec<Schema>,
    root: Id,
}

impl Compiled {
    /// Compiles a schema and all it refers to. `address` is absolute, without fragment.
    ///
    /// # Errors
    /// When the text is no JSON or no schema, or when something it refers to is not found.
    pub fn new(address: &str, text: &[u8], loader: &dyn Loader) -> Result<Self, Error> {
        let (budget, patterns) = (Budget::new(), Patterns::default());
        let document = json::parse(text).map_err(Reason::Parse)?;
        let mut compiler = Compiler::new(loader, true, &patterns, &budget);
        compiler.add(address, document);
        let root = compiler.compile(address)?;
        Ok(Self {
            schemas: compiler.into_schemas(),
            root,
        })
    }

    /// The report about values that the schema refuses, None for good ones. The first line names the
    /// schema.
    ///
    /// # Errors
    /// When the schema asks for too much, or for what makes Go panic.
    pub fn validate(&self, values: &Map<String, Value>) -> Result<Option<String>, Fault> {
        let (budget, patterns) = (Budget::new(), Patterns::default());
        let check = Checked {
            schemas: &self.schemas,
            extra: &[],
            resources: None,
            patterns: &patterns,
            budget: &budget,
        };
        let values: View<'_, Value> = View::Object(values);
        validate::report_view(&check, self.root, values)
    }
}

#[cfg(test)]
mod never_panics;
#[cfg(test)]
mod tests;
