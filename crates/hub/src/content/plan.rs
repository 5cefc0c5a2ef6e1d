//! Which Contents are of no use. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::index::Index;

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Names of Contents that go now.
    pub(crate) delete: Vec<String>,
    /// Names of Contents whose finalizers are stripped.
    pub(crate) strip: Vec<String>,
    /// When the next Content is due.
    pub(crate) next: Option<Instant>,
}

/// Decides by `unused`, which it keeps up to date: since when each Content is of no use.
pub(crate) fn plan(
    index: &Index,
    unused: &mut BTreeMap<String, Instant>,
    now: Instant,
    grace: Duration,
) -> Plan {
    let used = used(index);
    unused.retain(|name, _| !used.contains(name.as_str()) && index.contents.contains_key(name));
    let mut plan = Plan::default();
    for (name, content) in &index.contents {
        if content.finalizers {
            plan.strip.push(name.clone());
        }
        if used.contains(name.as_str()) || content.deleting {
            continue;
        }
        let due = *unused.entry(name.clone()).or_insert(now) + grace;
        if due <= now {
            plan.delete.push(name.clone());
        } else {
            plan.next = Some(plan.next.map_or(due, |next| next.min(due)));
        }
    }
    plan
}

fn used(index: &Index) -> BTreeSet<&str> {
    let mut used: BTreeSet<&str> = index.content_users.keys().map(String::as_str).collect();
    used.extend(index.bundles.values().map(|bundle| bundle.content.id()));
    let pinned = index.pinned_contents.values().flatten();
    used.extend(pinned.map(String::as_str));
    let chunks = index
        .contents
        .iter()
        .filter(|(name, _)| used.contains(name.as_str()));
    let chunks: Vec<&str> = chunks
        .flat_map(|(_, content)| content.chunks.iter().map(String::as_str))
        .collect();
    used.extend(chunks);
    used
}
