//! A schema in the form that validation reads: keywords resolved, sub-schemas as places in a list.

use std::collections::BTreeMap;
use std::sync::Arc;

use sprig::goregex;

use crate::compile::pointer;
use crate::draft::Version;
use crate::formats::Format;
use crate::json::Json;
use crate::number::Decimal;

/// The place of a sub-schema in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(pub(crate) u32);

/// A pattern with its text.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    pub(crate) text: String,
    pub(crate) regex: goregex::Pattern,
}

/// `additionalProperties` and `additionalItems`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Additional {
    Allowed(bool),
    Schema(Id),
}

/// A value of `dependencies`.
#[derive(Debug, Clone)]
pub(crate) enum Dependency {
    Required(Vec<String>),
    Schema(Id),
}

/// `items` before 2020-12.
#[derive(Debug, Clone)]
pub(crate) enum Items {
    Each(Id),
    InOrder(Vec<Id>),
}

/// `$dynamicRef`: its first target, and the anchor that may lead elsewhere, if any.
#[derive(Debug, Clone)]
pub(crate) struct DynamicRef {
    pub(crate) target: Id,
    pub(crate) anchor: String,
}

/// Where a schema stands. Compilation only counts on these, so their text is made when it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Without fragment.
    pub(crate) address: Arc<str>,
    pub(crate) pointer: Arc<str>,
}

/// A compiled schema. Empty lists and maps are absent keywords.
#[derive(Debug, Clone)]
pub(crate) struct Schema {
    /// None for a metaschema put together from vocabularies.
    pub(crate) place: Option<Place>,
    pub(crate) version: Version,
    /// The schema with the identifier that this one belongs to.
    pub(crate) resource: Id,
    pub(crate) dynamic_anchors: BTreeMap<String, Id>,

    pub(crate) boolean: Option<bool>,
    pub(crate) reference: Option<Id>,
    pub(crate) recursive_ref: Option<Id>,
    pub(crate) recursive_anchor: bool,
    pub(crate) dynamic_ref: Option<DynamicRef>,
    pub(crate) dynamic_anchor: String,
    pub(crate) types: Types,
    pub(crate) constant: Option<Json>,
    pub(crate) choices: Option<Choices>,
    pub(crate) format: Option<Format>,
    pub(crate) not: Option<Id>,
    pub(crate) all_of: Vec<Id>,
    pub(crate) any_of: Vec<Id>,
    pub(crate) one_of: Vec<Id>,
    pub(crate) condition: Option<Id>,
    pub(crate) then: Option<Id>,
    pub(crate) otherwise: Option<Id>,

    pub(crate) min_properties: Option<i64>,
    pub(crate) max_properties: Option<i64>,
    pub(crate) required: Vec<String>,
    pub(crate) property_names: Option<Id>,
    pub(crate) properties: BTreeMap<String, Id>,
    pub(crate) pattern_properties: Vec<(Pattern, Id)>,
    pub(crate) additional_properties: Option<Additional>,
    pub(crate) dependencies: BTreeMap<String, Dependency>,
    pub(crate) dependent_required: BTreeMap<String, Vec<String>>,
    pub(crate) dependent_schemas: BTreeMap<String, Id>,
    pub(crate) unevaluated_properties: Option<Id>,

    pub(crate) min_items: Option<i64>,
    pub(crate) max_items: Option<i64>,
    pub(crate) unique_items: bool,
    pub(crate) contains: Option<Id>,
    pub(crate) min_contains: Option<i64>,
    pub(crate) max_contains: Option<i64>,
    pub(crate) items: Option<Items>,
    pub(crate) additional_items: Option<Additional>,
    pub(crate) prefix_items: Vec<Id>,
    pub(crate) items_after_prefix: Option<Id>,
    pub(crate) unevaluated_items: Option<Id>,

    pub(crate) min_length: Option<i64>,
    pub(crate) max_length: Option<i64>,
    pub(crate) pattern: Option<Pattern>,

    pub(crate) minimum: Option<Decimal>,
    pub(crate) maximum: Option<Decimal>,
    pub(crate) exclusive_minimum: Option<Decimal>,
    pub(crate) exclusive_maximum: Option<Decimal>,
    pub(crate) multiple_of: Option<Decimal>,
}

impl Schema {
    pub(crate) fn new(place: Option<Place>, version: Version, resource: Id) -> Self {
        Self {
            place,
            version,
            resource,
            dynamic_anchors: BTreeMap::new(),
            boolean: None,
            reference: None,
            recursive_ref: None,
            recursive_anchor: false,
            dynamic_ref: None,
            dynamic_anchor: String::new(),
            types: Types::default(),
            constant: None,
            choices: None,
            format: None,
            not: None,
            all_of: Vec::new(),
            any_of: Vec::new(),
            one_of: Vec::new(),
            condition: None,
            then: None,
            otherwise: None,
            min_properties: None,
            max_properties: None,
            required: Vec::new(),
            property_names: None,
            properties: BTreeMap::new(),
            pattern_properties: Vec::new(),
            additional_properties: None,
            dependencies: BTreeMap::new(),
            dependent_required: BTreeMap::new(),
            dependent_schemas: BTreeMap::new(),
            unevaluated_properties: None,
            min_items: None,
            max_items: None,
            unique_items: false,
            contains: None,
            min_contains: None,
            max_contains: None,
            items: None,
            additional_items: None,
            prefix_items: Vec::new(),
            items_after_prefix: None,
            unevaluated_items: None,
            min_length: None,
            max_length: None,
            pattern: None,
            minimum: None,
            maximum: None,
            exclusive_minimum: None,
            exclusive_maximum: None,
            multiple_of: None,
        }
    }

    /// `file:///values.schema.json#/properties/a`
    pub(crate) fn location(&self) -> String {
        match &self.place {
            Some(place) => pointer::located(&place.address, &place.pointer),
            None => "urn:mem:metaschema".to_owned(),
        }
    }

    /// Whether each property is taken care of before `unevaluatedProperties` is asked.
    pub(crate) fn evaluates_all_properties(&self) -> bool {
        self.additional_properties.is_some()
    }

    /// The number of items at the start that are taken care of; None for all.
    pub(crate) fn evaluated_items(&self) -> Option<usize> {
        if self.version >= Version::V2020 {
            return match self.items_after_prefix {
                Some(_) => None,
                None => Some(self.prefix_items.len()),
            };
        }
        match (&self.items, &self.additional_items) {
            (Some(Items::Each(_)), _) | (_, Some(_)) => None,
            (Some(Items::InOrder(items)), None) => Some(items.len()),
            (None, None) => Some(0),
        }
    }

    /// Whether a property by itself can be wrong.
    pub(crate) fn looks_at_properties(&self) -> bool {
        !self.properties.is_empty()
            || !self.pattern_properties.is_empty()
            || self.additional_properties.is_some()
    }
}

/// A type of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Null,
    Boolean,
    Number,
    Integer,
    String,
    Array,
    Object,
}

impl Type {
    const ALL: [Self; 7] = [
        Self::Null,
        Self::Boolean,
        Self::Number,
        Self::Integer,
        Self::String,
        Self::Array,
        Self::Object,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    pub(crate) fn of(value: &Json) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(_) => Self::Boolean,
            Json::Number(_) => Self::Number,
            Json::String(_) => Self::String,
            Json::Array(_) => Self::Array,
            Json::Object(_) => Self::Object,
        }
    }
}

/// A set of types; the empty one allows all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Types(u8);

impl Types {
    pub(crate) fn add(&mut self, kind: Type) {
        self.0 |= 1 << kind as u8;
    }

    /// The types of these names; others are skipped.
    pub(crate) fn named<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut types = Self::default();
        for name in names {
            if let Some(kind) = Type::ALL.into_iter().find(|kind| kind.name() == name) {
                types.add(kind);
            }
        }
        types
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn contains(self, kind: Type) -> bool {
        self.0 & (1 << kind as u8) != 0
    }

    pub(crate) fn names(self) -> Vec<&'static str> {
        let present = Type::ALL.into_iter().filter(|kind| self.contains(*kind));
        present.map(Type::name).collect()
    }
}

/// `enum`
#[derive(Debug, Clone)]
pub(crate) struct Choices {
    pub(crate) values: Vec<Json>,
    pub(crate) types: Types,
}

impl Choices {
    pub(crate) fn new(values: &[Json]) -> Self {
        let mut types = Types::default();
        for value in values {
            types.add(Type::of(value));
        }
        Self {
            values: values.to_vec(),
            types,
        }
    }
}
