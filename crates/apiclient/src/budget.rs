//! How large an object of a kind may be when we write it (invariant B-1).

use std::collections::BTreeMap;

use crate::kind::Kind;

/// Byte budgets by kind. A kind without an entry has the default.
///
/// They bound the JSON form that is sent, which is what the API server's and etcd's own limits
/// count too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budgets {
    default_bytes_max: usize,
    by_kind: BTreeMap<(String, String), usize>,
}

impl Budgets {
    /// The same budget for every kind.
    pub fn new(default_bytes_max: usize) -> Self {
        Self {
            default_bytes_max,
            by_kind: BTreeMap::new(),
        }
    }

    /// Sets the budget of one kind.
    #[must_use]
    pub fn with(mut self, group: &str, kind: &str, bytes_max: usize) -> Self {
        self.by_kind
            .insert((group.to_owned(), kind.to_owned()), bytes_max);
        self
    }

    /// The budget of `kind`, in bytes.
    pub fn of(&self, kind: &Kind) -> usize {
        if self.by_kind.is_empty() {
            return self.default_bytes_max;
        }
        let key = (kind.group.to_string(), kind.kind.to_string());
        self.by_kind
            .get(&key)
            .copied()
            .unwrap_or(self.default_bytes_max)
    }
}

impl Default for Budgets {
    /// etcd's request limit, for clients that write objects of others, such as an agent's releases.
    fn default() -> Self {
        Self::new(1_572_864)
    }
}
