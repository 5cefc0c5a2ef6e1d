//! What callers say about a request: selection, options of writes, patches.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

/// What is left as it is in a path segment or query value.
pub(crate) const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':');

/// Restricts a list or watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Label selector in its string form.
    pub labels: Option<String>,
    /// Field selector in its string form.
    pub fields: Option<String>,
    /// Ask for metadata only; the type that is decoded must be content with that.
    pub metadata_only: bool,
}

impl Selector {
    /// Everything of a namespace.
    pub fn namespace(namespace: impl Into<String>) -> Self {
        Self {
            namespace: Some(namespace.into()),
            ..Self::default()
        }
    }

    /// Everything with these labels, in all namespaces.
    pub fn labels(labels: impl Into<String>) -> Self {
        Self {
            labels: Some(labels.into()),
            ..Self::default()
        }
    }

    pub(crate) fn query(&self) -> Query {
        let mut query = Query::default();
        query.add_some("labelSelector", self.labels.as_deref());
        query.add_some("fieldSelector", self.fields.as_deref());
        query
    }
}

/// Options of a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Run everything but the storing.
    pub dry_run: bool,
    /// Take fields from other managers (server-side apply only).
    pub force: bool,
}

/// How dependents of a deleted object are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// The garbage collector removes them afterwards.
    #[default]
    Background,
    /// They go first.
    Foreground,
    /// They stay.
    Orphan,
}

/// Options of a delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// What happens to dependents.
    pub propagation: Propagation,
    /// Delete only this incarnation; empty means any.
    pub uid: String,
    /// Delete only in this state; empty means any.
    pub resource_version: String,
}

/// The change a patch makes. The value is serialised as it is.
#[derive(Debug)]
pub enum Patch<'a, T: ?Sized> {
    /// JSON merge patch (RFC 7396).
    Merge(&'a T),
    /// JSON patch (RFC 6902).
    Json(&'a T),
    /// Strategic merge patch; built-in kinds only.
    Strategic(&'a T),
    /// Server-side apply under the client's field manager.
    Apply(&'a T),
}

impl<T: Serialize + ?Sized> Patch<'_, T> {
    pub(crate) fn parts(&self) -> (&'static str, &'static str, &T) {
        match self {
            Self::Merge(body) => ("patch", "application/merge-patch+json", body),
            Self::Json(body) => ("patch", "application/json-patch+json", body),
            Self::Strategic(body) => ("patch", "application/strategic-merge-patch+json", body),
            Self::Apply(body) => ("apply", "application/apply-patch+yaml", body),
        }
    }
}

/// A query string under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(String);

impl Query {
    /// Empty, or starting with `?`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn add(&mut self, name: &str, value: &str) {
        let separator = if self.0.is_empty() { '?' } else { '&' };
        // Writing to a string cannot fail.
        let _ = write!(
            self.0,
            "{separator}{name}={}",
            utf8_percent_encode(value, PLAIN)
        );
    }

    pub(crate) fn add_some(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }
}
