//! What can be wrong with a schema.

use sprig::gotext;

use crate::address::Flaw;
use crate::json::ParseError;
use crate::limits::Fault;

fn quoted(text: &str) -> String {
    gotext::quote(text.as_bytes())
}

/// Why a schema does not compile, in the words of jsonschema v6.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Reason>);

impl From<Reason> for Error {
    fn from(reason: Reason) -> Self {
        Self(Box::new(reason))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reason {
    #[error(transparent)]
    Parse(ParseError),
    #[error("failing loading {}: {reason}", quoted(.address))]
    Load { address: String, reason: String },
    #[error("read {0}: is a directory")]
    Directory(String),
    #[error("error in parsing {}: {flaw}", quoted(.address))]
    Address { address: String, flaw: Flaw },
    #[error("invalid $schema in {}: {flaw}", quoted(.place))]
    SchemaAddress { place: String, flaw: Flaw },
    #[error("draft {} is not supported", quoted(.0))]
    Draft(String),
    #[error("cycle in resolving $schema in {}", quoted(.0))]
    MetaschemaCycle(String),
    #[error("unsupported vocabulary {} in {}", quoted(.vocabulary), quoted(.address))]
    Vocabulary { address: String, vocabulary: String },
    #[error("error in parsing id at {}", quoted(.0))]
    Id(String),
    #[error("error in parsing anchor at {}", quoted(.0))]
    Anchor(String),
    #[error("duplicate id {} in {} at {} and {}", quoted(.id), quoted(.address), quoted(.at), quoted(.before))]
    DuplicateId {
        id: String,
        address: String,
        at: String,
        before: String,
    },
    #[error("duplicate anchor {} in {} at {} and {}", quoted(.anchor), quoted(.address), quoted(.before), quoted(.at))]
    DuplicateAnchor {
        anchor: String,
        address: String,
        before: String,
        at: String,
    },
    #[error("anchor in {} not found in schema {}", quoted(.reference), quoted(.address))]
    NoAnchor { reference: String, address: String },
    #[error("invalid json-pointer {}", quoted(.0))]
    Pointer(String),
    #[error("json-pointer in {} not found", quoted(.0))]
    NoPointer(String),
    #[error("invalid regex {} at {}: {reason}", quoted(.pattern), quoted(.place))]
    Regex {
        pattern: String,
        place: String,
        reason: String,
    },
    #[error("{} is not valid against metaschema: {report}", quoted(.address))]
    Invalid { address: String, report: String },
    #[error("unable to validate schema: {0}")]
    Fault(Fault),
}
