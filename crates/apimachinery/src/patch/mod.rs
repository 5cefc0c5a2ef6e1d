//! The patches an API server applies: JSON patch, JSON merge patch and strategic merge patch.
//!
//! In: an object and a patch as JSON values. Out: the patched object, or an [`Error`] whose text
//! and [`Error::status`] are the API server's. What the patch does to metadata that the server
//! owns, to field ownership and to validity is for the caller.

mod create;
mod json;
mod lists;
mod merge;
mod strategic;

pub use create::{create_strategic_merge_patch, create_three_way_merge_patch};
pub use json::{OPERATIONS_MAX, json_patch};
pub use merge::{create_merge_patch, merge_patch};
pub use strategic::strategic_merge_patch;

/// A patch that cannot be applied. Texts are the API server's, so that they can go into a
/// `Status` as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The patch itself is malformed.
    #[error("{0}")]
    Decode(String),
    /// The patch does not fit the object.
    #[error("{0}")]
    Apply(String),
    /// The patch does not fit the type; upstream gives these no status of their own.
    #[error("{0}")]
    Internal(String),
    /// More operations than a JSON patch may have.
    #[error("The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {0}")]
    TooManyOperations(usize),
    /// A strategic merge patch for a kind without built-in type.
    #[error(
        "the body of the request was in an unknown format - accepted media types include: \
         application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )]
    NoStrategy,
}

impl Error {
    /// The HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Decode(_) => 400,
            Self::Apply(_) => 422,
            Self::Internal(_) => 500,
            Self::TooManyOperations(_) => 413,
            Self::NoStrategy => 415,
        }
    }
}
