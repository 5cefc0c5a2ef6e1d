//! The keywords of objects.

use super::path::Token;
use super::{Mode, Run, validate_root, whole};
use crate::draft::Version;
use crate::instance::{Instance, View};
use crate::report::{Kind, Place};
use crate::schema::{Additional, Dependency, Id};

impl<'a, N: Instance> Run<'_, 'a, N> {
    pub(super) fn validate_object(&mut self, members: &'a N::Members) {
        let schema = self.schema;
        let count = N::count(members);
        self.check_least("minProperties", count, schema.min_properties);
        self.check_most("maxProperties", count, schema.max_properties);
        if let Some(missing) = self.missing(members, &schema.required) {
            self.add(Kind::Required(missing));
        }
        if self.is_settled() {
            return;
        }
        self.check_dependencies(members);
        if count > 0 && self.is_settled() || !self.check_members(members) {
            return;
        }
        if schema.version == Version::V4 {
            return;
        }
        if let Some(names) = schema.property_names {
            for (name, _) in N::members(members) {
                self.check_name(names, name);
            }
        }
        if schema.version == Version::V6 {
            return;
        }
        for (name, id) in &schema.dependent_schemas {
            if N::member(members, name).is_some() {
                let verdict = self.validate_self(*id, "", false);
                self.add_verdict(verdict);
            }
        }
        for (name, wanted) in &schema.dependent_required {
            self.check_dependent(members, name, wanted);
        }
    }

    /// Whether the verdict is clear and nothing else is asked for.
    fn is_settled(&self) -> bool {
        self.mode.silent && !self.failures.is_empty()
    }

    fn check_dependencies(&mut self, members: &'a N::Members) {
        for (name, dependency) in &self.schema.dependencies {
            match dependency {
                Dependency::Required(wanted) => self.check_dependent(members, name, wanted),
                Dependency::Schema(id) => {
                    if N::member(members, name).is_some() {
                        let verdict = self.validate_self(*id, "", false);
                        self.add_verdict(verdict);
                    }
                }
            }
        }
    }

    fn check_dependent(&mut self, members: &'a N::Members, name: &'a str, wanted: &'a [String]) {
        if N::member(members, name).is_some()
            && let Some(missing) = self.missing(members, wanted)
        {
            self.add(Kind::Dependent {
                property: name,
                missing,
            });
        }
    }

    /// The wanted names that are not there; None if all are.
    fn missing(&self, members: &'a N::Members, wanted: &'a [String]) -> Option<Vec<&'a str>> {
        if !self.check.budget.spend(wanted.len()) {
            return None;
        }
        let mut missing = wanted
            .iter()
            .map(String::as_str)
            .filter(|name| N::member(members, name).is_none());
        let first = missing.next()?;
        Some(if self.mode.silent {
            Vec::new()
        } else {
            std::iter::once(first).chain(missing).collect()
        })
    }

    /// Each member against what is said about it; false if the verdict is clear before the end.
    fn check_members(&mut self, members: &'a N::Members) -> bool {
        let schema = self.schema;
        if !schema.looks_at_properties() {
            return true;
        }
        let mut additional = Vec::new();
        for (name, value) in N::members(members) {
            if self.is_settled() || !self.check.budget.spend(1) {
                return false;
            }
            let mut evaluated = false;
            if let Some(id) = schema.properties.get(name) {
                evaluated = true;
                self.check_member(*id, name, value);
            }
            for (pattern, id) in &schema.pattern_properties {
                let steps = 1 + pattern.regex.search_steps(name.len());
                if !self.check.budget.spend(steps) {
                    return false;
                }
                if pattern.regex.is_match(name.as_bytes()) {
                    evaluated = true;
                    self.check_member(*id, name, value);
                }
            }
            if !evaluated && let Some(rest) = schema.additional_properties {
                evaluated = true;
                match rest {
                    Additional::Allowed(true) => {}
                    Additional::Allowed(false) => additional.push(name.as_str()),
                    Additional::Schema(id) => self.check_member(id, name, value),
                }
            }
            if evaluated {
                self.unevaluated.names.remove(name.as_str());
            }
        }
        if !additional.is_empty() {
            self.add(Kind::AdditionalProperties(additional));
        }
        true
    }

    fn check_member(&mut self, id: Id, name: &'a str, value: &'a N) {
        let verdict = self.validate_part(id, value, Token::Name(name));
        self.add_verdict(verdict);
    }

    /// A name is a value of its own.
    fn check_name(&mut self, names: Id, name: &'a str) {
        let mut mode = Mode {
            depth: self.mode.depth + 1,
            ..self.mode
        };
        let mut id = names;
        if let Some(metaschema) = self.metaschema_at(names, &self.path) {
            id = metaschema;
            mode.meta = Some(metaschema);
        }
        let value: View<'a, N> = View::String(name);
        if let Some(causes) = validate_root(self.check, id, value, mode) {
            let place = Place::Shared(self.path.clone());
            self.failures
                .push(whole(Kind::PropertyName(name), place, causes));
        }
    }
}
