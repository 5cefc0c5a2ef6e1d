//! Field ownership: server-side apply, and who owns which field after any other write.
//!
//! In: the live object, the written or applied one, its type, and who writes when. Out: the object
//! to store, with `metadata.managedFields`. Defaulting, validation and everything the server sets
//! by itself happen outside. One version per kind: entries of other versions are compared as if
//! they were of this one, and kept.
//!
//! Source: k8s.io/apimachinery `pkg/util/managedfields` over
//! sigs.k8s.io/structured-merge-diff; texts of errors are theirs.

mod apply;
mod compare;
mod element;
mod entries;
mod merge;
mod set;
mod typed;
mod update;

use serde_json::Value;

pub use apply::apply;
pub use element::{Element, ElementError};
pub use entries::{Conflict, DecodeError, check_entries};
pub use set::Set;
pub use update::{created_entries, same_but_for_times, update};

/// Annotation in which client-side apply keeps what it applied last.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Who writes, and when.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// Field manager; `unknown` stands in for an empty one.
    pub manager: &'a str,
    /// Group and version of the request, such as `apps/v1`.
    pub api_version: &'a str,
    /// Subresource written to, such as `status`; empty for the object itself.
    pub subresource: &'a str,
    /// The time as it is to be stored: RFC 3339 in UTC, whole seconds.
    pub now: &'a str,
}

/// An apply that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The applied object is of another kind or version than the request.
    #[error("invalid object type: {found}")]
    Kind {
        /// Group, version and kind of the applied object.
        found: String,
    },
    /// The applied object brings managed fields of its own.
    #[error("metadata.managedFields must be nil")]
    ManagedFields,
    /// The applied object does not fit its type.
    #[error("failed to create typed patch object ({object}): {problems}")]
    Typed {
        /// Namespace, name and kind.
        object: String,
        /// What is wrong, one problem or a list.
        problems: String,
    },
    /// The live object's managed fields cannot be read.
    #[error("failed to decode managed fields: {0}")]
    Decode(DecodeError),
    /// Others own fields that the applied object sets to other values.
    #[error("{}", entries::conflict_text(.0))]
    Conflicts(Vec<Conflict>),
}

impl Error {
    /// The HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Kind { .. } | Self::ManagedFields => 400,
            Self::Typed { .. } | Self::Decode(_) => 500,
            Self::Conflicts(_) => 409,
        }
    }

    /// The `details.causes` of a conflict's `Status`; empty for other errors.
    pub fn causes(&self) -> Vec<Value> {
        match self {
            Self::Conflicts(conflicts) => conflicts.iter().map(Conflict::cause).collect(),
            _ => Vec::new(),
        }
    }
}
