//! The order of the result.

use crate::error::{Error, Result};
use crate::id::{Gvk, Id, ORDER_FIRST, ORDER_LAST, rank};
use crate::resources::Resources;
use crate::schema::Schemas;
use crate::types::{LegacySortOptions, SortOptions};

/// Sorts objects as the kustomization says, by kinds if it says nothing.
pub(crate) fn sort(
    schemas: &Schemas,
    all: &mut Resources,
    options: Option<&SortOptions>,
) -> Result<()> {
    let legacy = match options {
        None => None,
        Some(options) => match (options.order.as_str(), &options.legacy_sort_options) {
            ("legacy", legacy) => legacy.as_ref(),
            ("fifo", None) => return Ok(()),
            ("fifo", Some(_)) => {
                return Err(Error::new(
                    "the field 'sortOptions.legacySortOptions' is set but the selected sort order is 'fifo', not 'legacy'",
                ));
            }
            _ => {
                return Err(Error::new(
                    "the field 'sortOptions.order' must be one of [fifo, legacy]",
                ));
            }
        },
    };
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let default = LegacySortOptions {
        order_first: owned(&ORDER_FIRST),
        order_last: owned(&ORDER_LAST),
    };
    let LegacySortOptions {
        order_first,
        order_last,
    } = legacy.unwrap_or(&default);
    all.sort_by(|resource| {
        let id = resource.current_id(schemas);
        let rank = rank(&id.gvk.kind, order_first, order_last);
        Key {
            rank,
            kind: id.gvk.sort_text(),
            id: id_text(&id),
            is_core_namespace: id.gvk.kind == "Namespace" && id.gvk.group.is_empty(),
            gvk: id.gvk,
        }
    });
    Ok(())
}

#[derive(PartialEq, Eq)]
struct Key {
    rank: i64,
    kind: String,
    id: String,
    is_core_namespace: bool,
    gvk: Gvk,
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        if self.gvk == other.gvk {
            return self.id.cmp(&other.id);
        }
        // Namespaces come before what else is called so.
        let are_namespaces = self.gvk.kind == "Namespace"
            && other.gvk.kind == "Namespace"
            && (self.is_core_namespace || other.is_core_namespace);
        let by_kind = self.kind.cmp(&other.kind);
        self.rank.cmp(&other.rank).then(if are_namespaces {
            by_kind.reverse()
        } else {
            by_kind
        })
    }
}

fn id_text(id: &Id) -> String {
    let or = |text: &str, other: &str| {
        let text = if text.is_empty() { other } else { text };
        text.to_owned()
    };
    format!(
        "{}|{}|{}",
        id.gvk,
        or(&id.namespace, "~X"),
        or(&id.name, "~N")
    )
}
