//! Kinds of Kubernetes that are deprecated.
//!
//! The table is made by `tools/oracle/deprecations`. Source: Helm `lint/rules/deprecations.go`,
//! k8s.io/apiserver `pkg/endpoints/deprecation`.

use std::fmt::Write as _;

use super::documents::Object;
use crate::KubeVersion;

const TABLE: &str = include_str!("deprecated.txt");

/// Refuses an object whose kind is deprecated in a version.
pub(super) fn check(object: &Object, version: &KubeVersion) -> Result<(), String> {
    let Some(row) = TABLE.lines().find_map(|line| row(line, object)) else {
        return Ok(());
    };
    let number = |text: &str| text.parse::<u64>().unwrap_or_default();
    let current = (number(&version.major), number(&version.minor));
    let since = row.since.split_once('.').unwrap_or_default();
    if current != (0, 0) && (number(since.0), number(since.1)) > current {
        return Ok(());
    }
    let mut text = format!(
        "{} {} is deprecated in v{}+",
        object.api_version, object.kind, row.since
    );
    if row.until != "-" {
        let _ = write!(text, ", unavailable in v{}+", row.until);
    }
    if row.instead != "- -" {
        let _ = write!(text, "; use {}", row.instead);
    }
    Err(text)
}

/// A line of the table behind API version and kind.
struct Row<'t> {
    since: &'t str,
    until: &'t str,
    /// API version and kind.
    instead: &'t str,
}

/// The line if it is about an object.
fn row<'t>(line: &'t str, object: &Object) -> Option<Row<'t>> {
    let rest = line.strip_prefix(object.api_version.as_str())?;
    let rest = rest.strip_prefix(' ')?;
    let rest = rest.strip_prefix(object.kind.as_str())?.strip_prefix(' ')?;
    let (since, rest) = rest.split_once(' ')?;
    let (until, instead) = rest.split_once(' ')?;
    Some(Row {
        since,
        until,
        instead,
    })
}
