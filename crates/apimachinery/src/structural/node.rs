//! The compiled form of `JSONSchemaProps`: what pruning, defaulting and validation walk.
//!
//! In: the JSON of `openAPIV3Schema`. Out: a [`Node`] tree without descriptions. Refuses JSON of the wrong shape as the server's
//! decoder would; whether a well-shaped schema is a permitted one is decided in `check`.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use regex::Regex;
use serde_json::{Map, Value};

use super::pattern::compile_re2;

/// Nesting deeper than this is refused; serde_json stops documents at 128 already.
const DEPTH_MAX: usize = 120;

/// Why a schema could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// A keyword holds JSON of the wrong type.
    #[error(
        "json: cannot unmarshal {found} into Go struct field JSONSchemaProps.{path} of type {expected}"
    )]
    Shape {
        /// Dotted path from the root of the schema.
        path: String,
        /// JSON type that was found.
        found: &'static str,
        /// Go type that was expected.
        expected: &'static str,
    },
    /// The schema is nested too deeply.
    #[error("schema at {path} is nested deeper than {DEPTH_MAX} levels")]
    Depth {
        /// Dotted path from the root of the schema.
        path: String,
    },
}

/// The `type` keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Type {
    /// Keyword absent.
    #[default]
    None,
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    Null,
    /// A word that is none of the above; refused by `check`.
    Unknown,
}

impl Type {
    fn parse(word: &str) -> Self {
        match word {
            "" => Self::None,
            "object" => Self::Object,
            "array" => Self::Array,
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            "null" => Self::Null,
            _ => Self::Unknown,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None | Self::Unknown => "",
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Null => "null",
        }
    }
}

/// What a schema says about a key of an object.
pub(crate) enum Field<'a> {
    /// The key is not specified.
    Unspecified,
    /// The key is allowed, without a schema.
    Unrestricted,
    /// The schema of its value.
    Schema(&'a Node),
}

impl<'a> Field<'a> {
    /// The schema, if there is one.
    pub(crate) fn schema(&self) -> Option<&'a Node> {
        match self {
            Self::Schema(node) => Some(node),
            _ => None,
        }
    }
}

/// `additionalProperties`.
#[derive(Debug)]
pub(crate) enum Additional {
    Bool(bool),
    Schema(Box<Node>),
}

/// A regular expression of a schema, compiled when first needed and shared by all nodes that use it.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) source: String,
    compiled: OnceLock<Result<Regex, String>>,
}

impl Pattern {
    fn new(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            compiled: OnceLock::new(),
        }
    }

    /// The compiled expression, or why it is none.
    pub(crate) fn regex(&self) -> Result<&Regex, &str> {
        self.compiled
            .get_or_init(|| compile_re2(&self.source))
            .as_ref()
            .map_err(String::as_str)
    }
}

/// Keywords that restrict values; kept apart because most nodes have none.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    pub(crate) format: String,
    pub(crate) maximum: Option<f64>,
    pub(crate) exclusive_maximum: bool,
    pub(crate) minimum: Option<f64>,
    pub(crate) exclusive_minimum: bool,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) max_length: Option<i64>,
    pub(crate) min_length: Option<i64>,
    pub(crate) pattern: Option<Arc<Pattern>>,
    pub(crate) max_items: Option<i64>,
    pub(crate) min_items: Option<i64>,
    pub(crate) unique_items: bool,
    pub(crate) max_properties: Option<i64>,
    pub(crate) min_properties: Option<i64>,
    pub(crate) required: Vec<String>,
    pub(crate) enumeration: Vec<Value>,
    pub(crate) all_of: Vec<Node>,
    pub(crate) one_of: Vec<Node>,
    pub(crate) any_of: Vec<Node>,
    pub(crate) not: Option<Box<Node>>,
}

/// `x-kubernetes-list-type` and its kin.
#[derive(Debug, Default)]
pub(crate) struct Topology {
    pub(crate) list_type: Option<String>,
    pub(crate) list_map_keys: Vec<String>,
    pub(crate) map_type: Option<String>,
}

/// One entry of `x-kubernetes-validations`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rule {
    pub(crate) expression: String,
    pub(crate) message: String,
    pub(crate) message_expression: String,
    pub(crate) reason: Option<String>,
    pub(crate) field_path: String,
    pub(crate) optional_old_self: Option<bool>,
}

/// Keywords and facts that only `check` needs.
#[derive(Debug, Default)]
pub(crate) struct Oddities {
    /// Names of keywords that Kubernetes does not support.
    pub(crate) unsupported: Vec<&'static str>,
    pub(crate) has_title: bool,
    pub(crate) has_description: bool,
    pub(crate) items_is_list: bool,
    pub(crate) preserve_is_false: bool,
    pub(crate) unknown_type: String,
}

/// One node of a schema.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) kind: Type,
    pub(crate) nullable: bool,
    pub(crate) preserve_unknown: bool,
    pub(crate) embedded: bool,
    pub(crate) int_or_string: bool,
    pub(crate) default: Option<Box<Value>>,
    pub(crate) properties: BTreeMap<String, Node>,
    pub(crate) additional: Option<Additional>,
    pub(crate) items: Option<Box<Node>>,
    pub(crate) checks: Option<Box<Checks>>,
    pub(crate) topology: Option<Box<Topology>>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) oddities: Option<Box<Oddities>>,
}

impl Node {
    /// The schema below a key of an object, with the rule of `properties` before `additionalProperties`.
    pub(crate) fn field(&self, key: &str) -> Field<'_> {
        if let Some(node) = self.properties.get(key) {
            return Field::Schema(node);
        }
        match &self.additional {
            None => Field::Unspecified,
            Some(Additional::Bool(_)) => Field::Unrestricted,
            Some(Additional::Schema(node)) => Field::Schema(node),
        }
    }

    /// Whether this is a list whose entries are told apart by keys; with those keys.
    pub(crate) fn map_keys(&self) -> Option<&[String]> {
        let topology = self.topology.as_deref()?;
        (topology.list_type.as_deref() == Some("map")).then_some(topology.list_map_keys.as_slice())
    }
}

/// Reads schemas; equal patterns are shared.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    patterns: BTreeMap<String, Arc<Pattern>>,
}

impl Parser {
    /// Reads the schema `value`; `path` is its place, for errors.
    pub(crate) fn node(&mut self, value: &Value, path: &str, depth: usize) -> Result<Node, Error> {
        if depth > DEPTH_MAX {
            return Err(Error::Depth {
                path: path.to_owned(),
            });
        }
        let Value::Object(map) = value else {
            return Err(shape(path, value, "v1.JSONSchemaProps"));
        };
        let reader = Reader { map, path };
        let word = reader.text("type")?;
        let preserve = reader.maybe_flag("x-kubernetes-preserve-unknown-fields")?;
        Ok(Node {
            kind: Type::parse(word),
            nullable: reader.flag("nullable")?,
            preserve_unknown: preserve == Some(true),
            embedded: reader.flag("x-kubernetes-embedded-resource")?,
            int_or_string: reader.flag("x-kubernetes-int-or-string")?,
            default: reader.get("default").map(|value| Box::new(value.clone())),
            properties: self.properties(&reader, depth)?,
            additional: self.additional(&reader, depth)?,
            items: self.items(&reader, depth)?,
            checks: self.checks(&reader, depth)?,
            topology: topology(&reader)?,
            rules: rules(&reader)?,
            oddities: oddities(&reader, word, preserve)?,
        })
    }

    fn properties(
        &mut self,
        reader: &Reader<'_>,
        depth: usize,
    ) -> Result<BTreeMap<String, Node>, Error> {
        let Some(value) = reader.get("properties") else {
            return Ok(BTreeMap::new());
        };
        let path = reader.at("properties");
        let Value::Object(map) = value else {
            return Err(shape(&path, value, "map[string]v1.JSONSchemaProps"));
        };
        map.iter()
            .map(|(name, value)| Ok((name.clone(), self.node(value, &path, depth + 1)?)))
            .collect()
    }

    fn additional(
        &mut self,
        reader: &Reader<'_>,
        depth: usize,
    ) -> Result<Option<Additional>, Error> {
        match reader.get("additionalProperties") {
            None => Ok(None),
            Some(Value::Bool(allowed)) => Ok(Some(Additional::Bool(*allowed))),
            Some(value) => {
                let node = self.node(value, &reader.at("additionalProperties"), depth + 1)?;
                Ok(Some(Additional::Schema(Box::new(node))))
            }
        }
    }

    fn items(&mut self, reader: &Reader<'_>, depth: usize) -> Result<Option<Box<Node>>, Error> {
        match reader.get("items") {
            None | Some(Value::Array(_)) => Ok(None),
            Some(value) => Ok(Some(Box::new(self.node(
                value,
                &reader.at("items"),
                depth + 1,
            )?))),
        }
    }

    fn nodes(&mut self, reader: &Reader<'_>, key: &str, depth: usize) -> Result<Vec<Node>, Error> {
        let path = reader.at(key);
        reader
            .list(key, "[]v1.JSONSchemaProps")?
            .iter()
            .map(|v| self.node(v, &path, depth + 1))
            .collect()
    }

    fn checks(&mut self, reader: &Reader<'_>, depth: usize) -> Result<Option<Box<Checks>>, Error> {
        const KEYS: [&str; 20] = [
            "format",
            "maximum",
            "exclusiveMaximum",
            "minimum",
            "exclusiveMinimum",
            "multipleOf",
            "maxLength",
            "minLength",
            "pattern",
            "maxItems",
            "minItems",
            "uniqueItems",
            "maxProperties",
            "minProperties",
            "required",
            "enum",
            "allOf",
            "oneOf",
            "anyOf",
            "not",
        ];
        if !KEYS.iter().any(|key| reader.map.contains_key(*key)) {
            return Ok(None);
        }
        let pattern = reader.text("pattern")?;
        let not = match reader.get("not") {
            None => None,
            Some(value) => Some(Box::new(self.node(value, &reader.at("not"), depth + 1)?)),
        };
        Ok(Some(Box::new(Checks {
            format: reader.text("format")?.to_owned(),
            maximum: reader.float("maximum")?,
            exclusive_maximum: reader.flag("exclusiveMaximum")?,
            minimum: reader.float("minimum")?,
            exclusive_minimum: reader.flag("exclusiveMinimum")?,
            multiple_of: reader.float("multipleOf")?,
            max_length: reader.int("maxLength")?,
            min_length: reader.int("minLength")?,
            pattern: (!pattern.is_empty()).then(|| self.pattern(pattern)),
            max_items: reader.int("maxItems")?,
            min_items: reader.int("minItems")?,
            unique_items: reader.flag("uniqueItems")?,
            max_properties: reader.int("maxProperties")?,
            min_properties: reader.int("minProperties")?,
            required: reader.texts("required")?,
            enumeration: reader.list("enum", "[]v1.JSON")?.to_vec(),
            all_of: self.nodes(reader, "allOf", depth)?,
            one_of: self.nodes(reader, "oneOf", depth)?,
            any_of: self.nodes(reader, "anyOf", depth)?,
            not,
        })))
    }

    fn pattern(&mut self, source: &str) -> Arc<Pattern> {
        if let Some(pattern) = self.patterns.get(source) {
            return Arc::clone(pattern);
        }
        let pattern = Arc::new(Pattern::new(source));
        self.patterns
            .insert(source.to_owned(), Arc::clone(&pattern));
        pattern
    }
}

fn topology(reader: &Reader<'_>) -> Result<Option<Box<Topology>>, Error> {
    let list_type = reader
        .maybe_text("x-kubernetes-list-type")?
        .map(str::to_owned);
    let list_map_keys = reader.texts("x-kubernetes-list-map-keys")?;
    let map_type = reader
        .maybe_text("x-kubernetes-map-type")?
        .map(str::to_owned);
    if list_type.is_none() && list_map_keys.is_empty() && map_type.is_none() {
        return Ok(None);
    }
    Ok(Some(Box::new(Topology {
        list_type,
        list_map_keys,
        map_type,
    })))
}

fn rules(reader: &Reader<'_>) -> Result<Vec<Rule>, Error> {
    let path = reader.at("x-kubernetes-validations");
    let rule = |value: &Value| {
        let Value::Object(map) = value else {
            return Err(shape(&path, value, "v1.ValidationRule"));
        };
        let reader = Reader { map, path: &path };
        Ok(Rule {
            expression: reader.text("rule")?.to_owned(),
            message: reader.text("message")?.to_owned(),
            message_expression: reader.text("messageExpression")?.to_owned(),
            reason: reader.maybe_text("reason")?.map(str::to_owned),
            field_path: reader.text("fieldPath")?.to_owned(),
            optional_old_self: reader.maybe_flag("optionalOldSelf")?,
        })
    };
    reader
        .list("x-kubernetes-validations", "v1.ValidationRules")?
        .iter()
        .map(rule)
        .collect()
}

fn oddities(
    reader: &Reader<'_>,
    word: &str,
    preserve: Option<bool>,
) -> Result<Option<Box<Oddities>>, Error> {
    const UNSUPPORTED: [&str; 6] = [
        "id",
        "additionalItems",
        "patternProperties",
        "definitions",
        "dependencies",
        "$ref",
    ];
    let unsupported: Vec<&'static str> = UNSUPPORTED
        .into_iter()
        .filter(|key| reader.get(key).is_some())
        .collect();
    let oddities = Oddities {
        unsupported,
        has_title: !reader.text("title")?.is_empty(),
        has_description: !reader.text("description")?.is_empty(),
        items_is_list: matches!(reader.get("items"), Some(Value::Array(_))),
        preserve_is_false: preserve == Some(false),
        unknown_type: if Type::parse(word) == Type::Unknown {
            word.to_owned()
        } else {
            String::new()
        },
    };
    let plain = oddities.unsupported.is_empty()
        && !oddities.has_title
        && !oddities.has_description
        && !oddities.items_is_list
        && !oddities.preserve_is_false
        && oddities.unknown_type.is_empty();
    Ok((!plain).then(|| Box::new(oddities)))
}

/// Typed access to the keywords of one schema object; JSON null counts as absent.
struct Reader<'a> {
    map: &'a Map<String, Value>,
    path: &'a str,
}

impl<'a> Reader<'a> {
    fn at(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn read<T>(
        &self,
        key: &str,
        expected: &'static str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => read(value)
                .map(Some)
                .ok_or_else(|| shape(&self.at(key), value, expected)),
        }
    }

    fn maybe_text(&self, key: &str) -> Result<Option<&'a str>, Error> {
        self.read(key, "string", Value::as_str)
    }

    fn text(&self, key: &str) -> Result<&'a str, Error> {
        Ok(self.maybe_text(key)?.unwrap_or_default())
    }

    fn maybe_flag(&self, key: &str) -> Result<Option<bool>, Error> {
        self.read(key, "bool", Value::as_bool)
    }

    fn flag(&self, key: &str) -> Result<bool, Error> {
        Ok(self.maybe_flag(key)?.unwrap_or_default())
    }

    fn float(&self, key: &str) -> Result<Option<f64>, Error> {
        self.read(key, "float64", Value::as_f64)
    }

    fn int(&self, key: &str) -> Result<Option<i64>, Error> {
        self.read(key, "int64", Value::as_i64)
    }

    fn list(&self, key: &str, expected: &'static str) -> Result<&'a [Value], Error> {
        Ok(self
            .read(key, expected, |value| value.as_array().map(Vec::as_slice))?
            .unwrap_or_default())
    }

    fn texts(&self, key: &str) -> Result<Vec<String>, Error> {
        let text = |value: &Value| {
            value
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| shape(&self.at(key), value, "string"))
        };
        self.list(key, "[]string")?.iter().map(text).collect()
    }
}

fn shape(path: &str, value: &Value, expected: &'static str) -> Error {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    Error::Shape {
        path: path.to_owned(),
        found,
        expected,
    }
}
