//! The keywords of arrays.

use super::Run;
use super::path::Token;
use crate::draft::Version;
use crate::equality::duplicates;
use crate::instance::Instance;
use crate::report::Kind;
use crate::schema::{Additional, Id, Items};

impl<'a, N: Instance> Run<'_, 'a, N> {
    pub(super) fn validate_array(&mut self, items: &'a [N]) {
        let schema = self.schema;
        self.check_least("minItems", items.len(), schema.min_items);
        self.check_most("maxItems", items.len(), schema.max_items);
        if schema.unique_items
            && items.len() > 1
            && let Some((a, b)) = duplicates(items, self.check.budget)
        {
            self.add(Kind::Duplicates(a, b));
        }
        if schema.version < Version::V2020 {
            self.check_items(items);
        } else {
            let mut ids = schema.prefix_items.iter();
            for (i, item) in items.iter().enumerate() {
                match ids.next().copied().or(schema.items_after_prefix) {
                    Some(id) => self.check_item(id, i, item),
                    None => break,
                }
            }
        }
        if let Some(id) = schema.contains {
            self.check_contains(id, items);
        }
    }

    fn check_item(&mut self, id: Id, i: usize, item: &'a N) {
        let verdict = self.validate_part(id, item, Token::Index(i));
        self.add_verdict(verdict);
    }

    /// `items` and `additionalItems` before 2020-12.
    fn check_items(&mut self, items: &'a [N]) {
        let mut evaluated = 0;
        match &self.schema.items {
            None => {}
            Some(Items::Each(id)) => {
                for (i, item) in items.iter().enumerate() {
                    self.check_item(*id, i, item);
                }
                evaluated = items.len();
            }
            Some(Items::InOrder(ids)) => {
                for (i, (id, item)) in ids.iter().zip(items).enumerate() {
                    self.check_item(*id, i, item);
                }
                evaluated = items.len().min(ids.len());
            }
        }
        match self.schema.additional_items {
            Some(Additional::Allowed(false)) if evaluated < items.len() => {
                self.add(Kind::AdditionalItems(items.len() - evaluated));
            }
            Some(Additional::Schema(id)) => {
                for (i, item) in items.iter().enumerate().skip(evaluated) {
                    self.check_item(id, i, item);
                }
            }
            _ => {}
        }
    }

    fn check_contains(&mut self, id: Id, items: &'a [N]) {
        let schema = self.schema;
        let mut failures = Vec::new();
        let mut matched = Vec::new();
        for (i, item) in items.iter().enumerate() {
            if let Err(failure) = self.validate_part(id, item, Token::Index(i)) {
                failures.push(*failure);
                continue;
            }
            matched.push(i);
            if schema.version >= Version::V2020 {
                self.unevaluated.items.remove(&i);
            }
        }
        match schema.min_contains {
            Some(least) if (matched.len() as i64) < least => {
                self.add_with(Kind::MinContains(matched.clone(), least), failures);
            }
            None if matched.is_empty() => self.add_with(Kind::Contains, failures),
            _ => {}
        }
        if let Some(most) = schema.max_contains
            && (matched.len() as i64) > most
        {
            self.add(Kind::MaxContains(matched, most));
        }
    }
}
