//! Label selectors and field selectors: parse once, match often.
//!
//! In: the text of a `labelSelector` or `fieldSelector` query parameter, or a `LabelSelector`
//! object of an API type. Out: a [`LabelSelector`] or [`FieldSelector`] that tests labels or fields
//! without allocating. It does not know which fields a kind can be selected by; the server asks
//! [`FieldSelector::terms`] and refuses what it cannot serve.

mod fields;
mod labels;
mod lexer;

pub use fields::{FieldError, FieldSelector, FieldTerm};
pub use labels::{Error, LabelSelector, Labels, Operator, Requirement};
