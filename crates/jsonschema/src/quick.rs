//! Schemas that any metaschema takes: a first look that spares most schemas the long one.
//!
//! In: a schema and its draft. Out: whether it is good beyond doubt. "No" means nothing but that the
//! metaschema has to be asked. Each keyword is held to what the strictest draft that knows it wants,
//! even where a draft does not know it.

use std::collections::BTreeSet;

use sprig::stack;

use crate::draft::Version;
use crate::formats::Format;
use crate::json::Json;
use crate::patterns::Patterns;

const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];

/// Members of lists that must differ from each other; longer ones are left to the metaschema.
const LIST_MAX: usize = 500;

/// A first look at schemas of one draft.
pub(crate) struct Quick<'a> {
    pub(crate) version: Version,
    pub(crate) patterns: &'a Patterns,
}

impl Quick<'_> {
    /// Whether a schema is good beyond doubt.
    pub(crate) fn is_good(&self, schema: &Json) -> bool {
        match schema {
            Json::Bool(_) => self.version > Version::V4,
            Json::Object(members) => stack::grow(|| {
                members
                    .iter()
                    .all(|(keyword, value)| self.is_good_member(keyword, value))
            }),
            _ => false,
        }
    }

    fn is_good_member(&self, keyword: &str, value: &Json) -> bool {
        match keyword {
            "title" | "description" | "$comment" | "format" | "contentMediaType"
            | "contentEncoding" => matches!(value, Json::String(_)),
            "uniqueItems" | "readOnly" | "writeOnly" | "deprecated" => {
                matches!(value, Json::Bool(_))
            }
            "examples" => matches!(value, Json::Array(_)),
            "maximum" | "minimum" => is_number(value),
            "exclusiveMaximum" | "exclusiveMinimum" => {
                self.version > Version::V4 && is_number(value)
            }
            "multipleOf" => is_number(value) && is_positive(value),
            "maxLength" | "minLength" | "maxItems" | "minItems" | "maxProperties"
            | "minProperties" | "maxContains" | "minContains" => is_count(value),
            "type" => is_type(value),
            "required" => self.are_names(value),
            "enum" => matches!(value, Json::Array(items) if !items.is_empty() && are_unique(items)),
            "pattern" => matches!(value, Json::String(text) if self.is_pattern(text)),
            "$ref" | "$schema" | "$id" => is_address(keyword, value),
            _ => self.is_good_below(keyword, value),
        }
    }

    /// Keywords that hold schemas, and those that this look does not know.
    fn is_good_below(&self, keyword: &str, value: &Json) -> bool {
        match keyword {
            "additionalProperties" | "additionalItems" => {
                matches!(value, Json::Bool(_)) || self.is_good(value)
            }
            "contains"
            | "propertyNames"
            | "if"
            | "then"
            | "else"
            | "not"
            | "contentSchema"
            | "unevaluatedItems"
            | "unevaluatedProperties" => self.is_good(value),
            "items" => match value {
                Json::Array(_) => self.version < Version::V2020 && self.are_good(value),
                _ => self.is_good(value),
            },
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => self.are_good(value),
            "properties" | "definitions" | "$defs" | "dependentSchemas" => {
                matches!(value, Json::Object(map) if map.values().all(|schema| self.is_good(schema)))
            }
            "patternProperties" => matches!(value, Json::Object(map) if map
                .iter()
                .all(|(name, schema)| self.is_pattern(name) && self.is_good(schema))),
            "dependencies" => matches!(value, Json::Object(map) if map
                .values()
                .all(|part| self.are_names(part) || self.is_good(part))),
            "dependentRequired" => {
                matches!(value, Json::Object(map) if map.values().all(|part| self.are_names(part)))
            }
            "id" => self.version > Version::V4,
            _ => !keyword.starts_with('$'),
        }
    }

    fn are_good(&self, value: &Json) -> bool {
        matches!(value, Json::Array(items) if !items.is_empty() && items.iter().all(|item| self.is_good(item)))
    }

    fn is_pattern(&self, text: &str) -> bool {
        self.patterns.compile(text).is_ok()
    }

    /// A list of different texts.
    fn are_names(&self, value: &Json) -> bool {
        let Json::Array(items) = value else {
            return false;
        };
        let are_texts = items.iter().all(|item| matches!(item, Json::String(_)));
        are_texts && are_unique(items) && !(items.is_empty() && self.version == Version::V4)
    }
}

fn is_address(keyword: &str, value: &Json) -> bool {
    let Json::String(text) = value else {
        return false;
    };
    let format = if keyword == "$schema" {
        "uri"
    } else {
        "uri-reference"
    };
    let has_inner_fragment = text.trim_end_matches('#').contains('#') || text.ends_with("##");
    match Format::named(format) {
        _ if keyword == "$id" && has_inner_fragment => false,
        Some(Format::Text { check, .. }) => check(text).is_ok(),
        _ => false,
    }
}

fn is_type(value: &Json) -> bool {
    let is_known = |item: &Json| matches!(item, Json::String(name) if TYPES.contains(&&**name));
    match value {
        Json::Array(items) => !items.is_empty() && items.iter().all(is_known) && are_unique(items),
        item => is_known(item),
    }
}

/// Whether the texts, booleans and nulls of a list differ from each other; no for other lists.
fn are_unique(items: &[Json]) -> bool {
    let mut seen = BTreeSet::new();
    items.len() <= LIST_MAX
        && items.iter().all(|item| match item {
            Json::String(text) => seen.insert((0, text.as_str())),
            Json::Bool(true) => seen.insert((1, "")),
            Json::Bool(false) => seen.insert((2, "")),
            Json::Null => seen.insert((3, "")),
            _ => false,
        })
}

/// A number of everyday size, without an exponent.
fn is_number(value: &Json) -> bool {
    const DIGITS_MAX: usize = 30;
    let plain = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    matches!(value, Json::Number(text) if text.len() <= DIGITS_MAX && text.bytes().all(plain))
}

/// Not negative, and more than zero.
fn is_positive(value: &Json) -> bool {
    matches!(value, Json::Number(text) if !text.starts_with('-') && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)))
}

/// A whole number that is not negative.
fn is_count(value: &Json) -> bool {
    is_number(value)
        && matches!(value, Json::Number(text) if text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
