//! The members and items that no keyword has looked at yet.

use std::collections::BTreeSet;

use crate::instance::{Instance, View};
use crate::limits::Budget;
use crate::schema::Schema;

/// Empty as well where nobody asks.
#[derive(Debug, Default)]
pub(crate) struct Unevaluated<'a> {
    pub(crate) names: BTreeSet<&'a str>,
    pub(crate) items: BTreeSet<usize>,
}

impl<'a> Unevaluated<'a> {
    /// What a schema starts with; `needed` when the schema around it will ask.
    pub(crate) fn of<N: Instance>(
        value: View<'a, N>,
        schema: &Schema,
        needed: bool,
        budget: &Budget,
    ) -> Self {
        let mut out = Self::default();
        match value {
            View::Object(members) => {
                let asked = needed || schema.unevaluated_properties.is_some();
                if asked && !schema.evaluates_all_properties() && budget.spend(N::count(members)) {
                    out.names = N::members(members).map(|(name, _)| name.as_str()).collect();
                }
            }
            View::Array(items) => {
                let asked = needed || schema.unevaluated_items.is_some();
                if asked
                    && let Some(first) = schema.evaluated_items()
                    && budget.spend(items.len())
                {
                    out.items = (first..items.len()).collect();
                }
            }
            _ => {}
        }
        out
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.items.is_empty()
    }

    /// Keeps what another schema for the same value has not looked at either.
    pub(crate) fn keep(&mut self, other: &Self) {
        self.names.retain(|name| other.names.contains(name));
        self.items.retain(|item| other.items.contains(item));
    }
}
