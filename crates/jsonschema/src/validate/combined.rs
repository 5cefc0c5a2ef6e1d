//! References, and the keywords that combine schemas for one value.

use super::path::Token;
use super::{Run, SCOPES_PER_STEP, Scope, ungrouped};
use crate::instance::{Instance, View};
use crate::report::{Failure, Kind};
use crate::schema::Id;

impl<'a, N: Instance> Run<'_, 'a, N> {
    pub(super) fn validate_combined(&mut self) {
        let schema = self.schema;
        if let Some(not) = schema.not
            && self.validate_self(not, "", true).is_ok()
        {
            self.add(Kind::Not);
        }
        if !schema.all_of.is_empty() {
            self.check_all(&schema.all_of);
        }
        if !schema.any_of.is_empty() {
            self.check_any(&schema.any_of);
        }
        if !schema.one_of.is_empty() {
            self.check_one(&schema.one_of);
        }
        if let Some(condition) = schema.condition {
            let next = match self.validate_self(condition, "", true) {
                Ok(()) => schema.then,
                Err(_) => schema.otherwise,
            };
            if let Some(next) = next {
                let verdict = self.validate_self(next, "", false);
                self.add_verdict(verdict);
            }
        }
    }

    fn check_all(&mut self, ids: &[Id]) {
        let mut failures = Vec::new();
        for id in ids {
            if let Err(failure) = self.validate_self(*id, "", false) {
                failures.push(*failure);
                if self.mode.silent {
                    break;
                }
            }
        }
        if !failures.is_empty() {
            self.add_with(Kind::AllOf, failures);
        }
    }

    fn check_any(&mut self, ids: &[Id]) {
        let mut failures = Vec::new();
        let mut matched = false;
        for id in ids {
            if let Err(failure) = self.validate_self(*id, "", false) {
                failures.push(*failure);
                continue;
            }
            matched = true;
            // What is unevaluated depends on all that match.
            if self.unevaluated.is_empty() {
                break;
            }
        }
        if !matched {
            self.add_with(Kind::AnyOf, failures);
        }
    }

    fn check_one(&mut self, ids: &[Id]) {
        let mut failures = Vec::new();
        let mut matched = None;
        for (i, id) in ids.iter().enumerate() {
            match (self.validate_self(*id, "", matched.is_some()), matched) {
                (Err(failure), None) => failures.push(*failure),
                (Err(_), Some(_)) => {}
                (Ok(()), None) => matched = Some(i),
                (Ok(()), Some(first)) => {
                    self.add(Kind::OneOf(Some((first, i))));
                    break;
                }
            }
        }
        if matched.is_none() {
            self.add_with(Kind::OneOf(None), failures);
        }
    }

    pub(super) fn validate_unevaluated(&mut self) {
        match self.value {
            View::Object(members) => {
                if let Some(id) = self.schema.unevaluated_properties {
                    for name in std::mem::take(&mut self.unevaluated.names) {
                        if let Some(value) = N::member(members, name) {
                            let verdict = self.validate_part(id, value, Token::Name(name));
                            self.add_verdict(verdict);
                        }
                    }
                }
            }
            View::Array(items) => {
                if let Some(id) = self.schema.unevaluated_items {
                    for i in std::mem::take(&mut self.unevaluated.items) {
                        if let Some(item) = items.get(i) {
                            let verdict = self.validate_part(id, item, Token::Index(i));
                            self.add_verdict(verdict);
                        }
                    }
                }
            }
            _ => {}
        }
    }

    pub(super) fn validate_ref(
        &mut self,
        id: Id,
        keyword: &'static str,
    ) -> Result<(), Box<Failure<'a>>> {
        self.validate_self(id, keyword, false).map_err(|failure| {
            let mut reference = self.boxed(Kind::Reference);
            reference.causes = ungrouped(*failure);
            reference
        })
    }

    /// References whose target depends on the schemas around.
    pub(super) fn validate_refs(&mut self) {
        let schema = self.schema;
        if let Some(target) = schema.recursive_ref {
            let mut id = target;
            if self.check.schema(target).recursive_anchor {
                id = self.outermost(id, |scope| {
                    let home = self.check.schema(scope.schema).resource;
                    self.check
                        .schema(home)
                        .recursive_anchor
                        .then_some(scope.schema)
                });
            }
            let verdict = self.validate_ref(id, "$recursiveRef");
            self.add_verdict(verdict);
        }
        if let Some(reference) = &schema.dynamic_ref {
            let mut id = reference.target;
            let anchor = &reference.anchor;
            if !anchor.is_empty() && self.check.schema(id).dynamic_anchor == *anchor {
                id = self.outermost(id, |scope| {
                    let home = self.check.schema(scope.schema).resource;
                    self.check.schema(home).dynamic_anchors.get(anchor).copied()
                });
            }
            let verdict = self.validate_ref(id, "$dynamicRef");
            self.add_verdict(verdict);
        }
    }

    /// What the outermost scope says that says anything.
    fn outermost(&self, fallback: Id, target: impl Fn(&Scope<'_>) -> Option<Id>) -> Id {
        self.check.budget.spend(self.mode.depth / SCOPES_PER_STEP);
        let mut found = fallback;
        let mut scope = Some(self.scope);
        while let Some(here) = scope {
            found = target(here).unwrap_or(found);
            scope = here.parent;
        }
        found
    }
}
