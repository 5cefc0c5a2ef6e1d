//! The keywords of one schema.
//!
//! Keywords of the wrong kind, which metaschemas refuse anyway, count as absent. Source: jsonschema v6
//! `objcompiler.go`; the order in which sub-schemas are queued is its order.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::pointer::{self, located};
use super::{Compiler, Resource};
use crate::draft::Version;
use crate::error::Reason;
use crate::formats::Format;
use crate::json::Json;
use crate::number::Decimal;
use crate::schema::{
    Additional, Choices, Dependency, DynamicRef, Id, Items, Pattern, Schema, Types,
};

/// A schema in its document.
pub(super) struct Place<'a> {
    pub(super) members: &'a BTreeMap<String, Json>,
    pub(super) address: &'a Arc<str>,
    pub(super) pointer: &'a str,
    pub(super) resource: &'a Resource,
}

impl Place<'_> {
    pub(super) fn compile(&self, to: &mut Compiler<'_>, out: &mut Schema) -> Result<(), Reason> {
        let version = out.version;
        if version < Version::V2019 {
            let id = self.text(self.resource.dialect.version.id_keyword());
            if let Some(id) = id
                && pointer::split_fragment(id).is_err()
            {
                return Err(Reason::Anchor(out.location()));
            }
        }
        out.reference = self.reference(to, "$ref")?;
        let alone = version < Version::V2019 && out.reference.is_some();
        if !alone {
            self.compile_oldest(to, out)?;
        }
        if version >= Version::V6 {
            self.compile_v6(to, out);
        }
        if version >= Version::V7 {
            self.compile_v7(to, out);
        }
        if version >= Version::V2019 {
            self.compile_v2019(to, out)?;
        }
        if version >= Version::V2020 {
            self.compile_v2020(to, out)?;
        }
        Ok(())
    }

    fn compile_oldest(&self, to: &mut Compiler<'_>, out: &mut Schema) -> Result<(), Reason> {
        if self.has("applicator") {
            out.all_of = self.list(to, "allOf").unwrap_or_default();
            out.any_of = self.list(to, "anyOf").unwrap_or_default();
            out.one_of = self.list(to, "oneOf").unwrap_or_default();
            out.not = self.one(to, "not");
            if out.version < Version::V2020 {
                if let Some(items) = self.list(to, "items") {
                    out.items = Some(Items::InOrder(items));
                    out.additional_items = self.additional(to, "additionalItems");
                } else {
                    out.items = self.one(to, "items").map(Items::Each);
                }
            }
            out.properties = self.map(to, "properties");
            self.compile_patterns(to, out)?;
            out.additional_properties = self.additional(to, "additionalProperties");
            for (name, value) in self.object("dependencies").into_iter().flatten() {
                let dependency = if let Json::Array(names) = value {
                    Dependency::Required(texts(names))
                } else {
                    let pointer = pointer::push2(self.pointer, "dependencies", name);
                    Dependency::Schema(to.place(self.address, &pointer))
                };
                out.dependencies.insert(name.clone(), dependency);
            }
        }
        if self.has("validation") {
            self.compile_assertions(to, out)?;
        }
        if !to.checks || self.resource.dialect.asserts_format() {
            out.format = self.text("format").and_then(Format::named);
        }
        Ok(())
    }

    fn compile_patterns(&self, to: &mut Compiler<'_>, out: &mut Schema) -> Result<(), Reason> {
        let found = self.map(to, "patternProperties");
        for (pattern, id) in found {
            let pattern = self.pattern(to, "patternProperties", &pattern)?;
            out.pattern_properties.push((pattern, id));
        }
        Ok(())
    }

    fn compile_assertions(&self, to: &Compiler<'_>, out: &mut Schema) -> Result<(), Reason> {
        out.types = match self.members.get("type") {
            Some(Json::String(name)) => Types::named(std::iter::once(name.as_str())),
            Some(Json::Array(names)) => {
                let names = texts(names);
                Types::named(names.iter().map(String::as_str))
            }
            _ => Types::default(),
        };
        if let Some(Json::Array(values)) = self.members.get("enum") {
            out.choices = Some(Choices::new(values));
        }
        out.multiple_of = self.number("multipleOf");
        out.maximum = self.number("maximum");
        if self.is_true("exclusiveMaximum") {
            out.exclusive_maximum = out.maximum.take();
        } else {
            out.exclusive_maximum = self.number("exclusiveMaximum");
        }
        out.minimum = self.number("minimum");
        if self.is_true("exclusiveMinimum") {
            out.exclusive_minimum = out.minimum.take();
        } else {
            out.exclusive_minimum = self.number("exclusiveMinimum");
        }
        out.min_length = self.integer("minLength");
        out.max_length = self.integer("maxLength");
        if let Some(pattern) = self.text("pattern") {
            out.pattern = Some(self.pattern(to, "pattern", pattern)?);
        }
        out.min_items = self.integer("minItems");
        out.max_items = self.integer("maxItems");
        out.unique_items = self.is_true("uniqueItems");
        out.max_properties = self.integer("maxProperties");
        out.min_properties = self.integer("minProperties");
        if let Some(Json::Array(names)) = self.members.get("required") {
            out.required = texts(names);
        }
        Ok(())
    }

    fn compile_v6(&self, to: &mut Compiler<'_>, out: &mut Schema) {
        if self.has("applicator") {
            out.contains = self.one(to, "contains");
            out.property_names = self.one(to, "propertyNames");
        }
        if self.has("validation") {
            out.constant = self.members.get("const").cloned();
        }
    }

    fn compile_v7(&self, to: &mut Compiler<'_>, out: &mut Schema) {
        if !self.has("applicator") {
            return;
        }
        out.condition = self.one(to, "if");
        if out.condition.is_none() {
            return;
        }
        let condition = self.members.get("if");
        if condition != Some(&Json::Bool(false)) {
            out.then = self.one(to, "then");
        }
        if condition != Some(&Json::Bool(true)) {
            out.otherwise = self.one(to, "else");
        }
    }

    fn compile_v2019(&self, to: &mut Compiler<'_>, out: &mut Schema) -> Result<(), Reason> {
        out.recursive_ref = self.reference(to, "$recursiveRef")?;
        out.recursive_anchor = self.is_true("$recursiveAnchor");
        if self.has("validation") {
            if out.contains.is_some() {
                out.min_contains = self.integer("minContains");
                out.max_contains = self.integer("maxContains");
            }
            for (name, value) in self.object("dependentRequired").into_iter().flatten() {
                if let Json::Array(names) = value {
                    out.dependent_required.insert(name.clone(), texts(names));
                }
            }
        }
        if self.has("applicator") {
            out.dependent_schemas = self.map(to, "dependentSchemas");
        }
        let vocabulary = match out.version {
            Version::V2019 => "applicator",
            _ => "unevaluated",
        };
        if self.has(vocabulary) {
            out.unevaluated_items = self.one(to, "unevaluatedItems");
            out.unevaluated_properties = self.one(to, "unevaluatedProperties");
        }
        Ok(())
    }

    fn compile_v2020(&self, to: &mut Compiler<'_>, out: &mut Schema) -> Result<(), Reason> {
        if let Some(target) = self.reference(to, "$dynamicRef")? {
            let reference = self.text("$dynamicRef").unwrap_or_default();
            let (_, fragment) = pointer::split_fragment(reference)?;
            let anchor = if pointer::is_pointer(&fragment) {
                String::new()
            } else {
                fragment
            };
            out.dynamic_ref = Some(DynamicRef { target, anchor });
        }
        if let Some(anchor) = self.text("$dynamicAnchor") {
            anchor.clone_into(&mut out.dynamic_anchor);
        }
        if self.has("applicator") {
            out.prefix_items = self.list(to, "prefixItems").unwrap_or_default();
            out.items_after_prefix = self.one(to, "items");
        }
        Ok(())
    }

    fn has(&self, vocabulary: &str) -> bool {
        self.resource.dialect.has(vocabulary)
    }

    fn reference(&self, to: &mut Compiler<'_>, keyword: &str) -> Result<Option<Id>, Reason> {
        match self.text(keyword) {
            None => Ok(None),
            Some(reference) => to
                .follow(self.address, &self.resource.id, reference)
                .map(Some),
        }
    }

    fn one(&self, to: &mut Compiler<'_>, keyword: &str) -> Option<Id> {
        self.members.get(keyword)?;
        Some(to.place(self.address, &pointer::push(self.pointer, keyword)))
    }

    fn list(&self, to: &mut Compiler<'_>, keyword: &str) -> Option<Vec<Id>> {
        let Json::Array(items) = self.members.get(keyword)? else {
            return None;
        };
        let place = |i: usize| pointer::push2(self.pointer, keyword, &i.to_string());
        let ids = (0..items.len()).map(|i| to.place(self.address, &place(i)));
        Some(ids.collect())
    }

    fn map(&self, to: &mut Compiler<'_>, keyword: &str) -> BTreeMap<String, Id> {
        let mut found = BTreeMap::new();
        for name in self.object(keyword).into_iter().flat_map(BTreeMap::keys) {
            let pointer = pointer::push2(self.pointer, keyword, name);
            found.insert(name.clone(), to.place(self.address, &pointer));
        }
        found
    }

    fn additional(&self, to: &mut Compiler<'_>, keyword: &str) -> Option<Additional> {
        if let Some(Json::Bool(allowed)) = self.members.get(keyword) {
            return Some(Additional::Allowed(*allowed));
        }
        self.one(to, keyword).map(Additional::Schema)
    }

    fn pattern(&self, to: &Compiler<'_>, keyword: &str, text: &str) -> Result<Pattern, Reason> {
        match to.patterns.compile(text) {
            Ok(regex) => Ok(Pattern {
                text: text.to_owned(),
                regex,
            }),
            Err(reason) => Err(Reason::Regex {
                pattern: text.to_owned(),
                place: located(self.address, &pointer::push(self.pointer, keyword)),
                reason,
            }),
        }
    }

    fn text(&self, keyword: &str) -> Option<&str> {
        match self.members.get(keyword)? {
            Json::String(text) => Some(text),
            _ => None,
        }
    }

    fn object(&self, keyword: &str) -> Option<&BTreeMap<String, Json>> {
        self.members.get(keyword)?.object()
    }

    fn is_true(&self, keyword: &str) -> bool {
        self.members.get(keyword) == Some(&Json::Bool(true))
    }

    fn number(&self, keyword: &str) -> Option<Decimal> {
        match self.members.get(keyword)? {
            Json::Number(text) => Decimal::parse(text),
            _ => None,
        }
    }

    fn integer(&self, keyword: &str) -> Option<i64> {
        self.number(keyword)?.to_i64_wrapping()
    }
}

fn texts(values: &[Json]) -> Vec<String> {
    let texts = values.iter().filter_map(|value| match value {
        Json::String(text) => Some(text.clone()),
        _ => None,
    });
    texts.collect()
}
