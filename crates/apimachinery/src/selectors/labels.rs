//! Label selectors, from text and from `LabelSelector` objects.
//!
//! Source: k8s.io/apimachinery `pkg/labels` (`Parse`, `NewRequirement`) and
//! `pkg/apis/meta/v1/helpers.go` (`LabelSelectorAsSelector`); error texts are upstream's.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

use super::lexer::{Kind, Token, tokens};
use crate::names;

/// Where a selector looks labels up.
pub trait Labels {
    /// The value of a label; `None` when it is not set.
    fn label(&self, key: &str) -> Option<&str>;
}

impl Labels for Map<String, Value> {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str)
    }
}

impl Labels for BTreeMap<String, String> {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

impl<L: Labels> Labels for Option<&L> {
    fn label(&self, key: &str) -> Option<&str> {
        self.and_then(|labels| labels.label(key))
    }
}

/// A label selector that cannot be used. The texts are the API server's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A token where another was expected.
    #[error("found '{found}'{colon} expected: {expected}", colon = if *.comma { "," } else { "" })]
    Unexpected {
        /// The token's text, empty at the end.
        found: String,
        /// What could have stood there.
        expected: String,
        /// Whether upstream writes a comma before "expected".
        comma: bool,
    },
    /// Keys or values that labels cannot have, or values that do not fit the operator.
    #[error("{}", .0.join_errors())]
    Requirement(Vec<String>),
    /// Any of the above within one requirement of a selector text.
    #[error("unable to parse requirement: {0}")]
    InRequirement(Box<Error>),
    /// An operator that `LabelSelector` objects do not have.
    #[error("{} is not a valid label selector operator", names::quote(.0))]
    Operator(String),
    /// A `LabelSelector` object of the wrong shape; carries the path within the selector.
    #[error("{path}: must be {expected}")]
    Shape {
        /// Path within the selector, such as `matchExpressions[0].key`.
        path: String,
        /// What was expected there.
        expected: &'static str,
    },
}

trait JoinErrors {
    fn join_errors(&self) -> String;
}

impl JoinErrors for [String] {
    /// Upstream's aggregate of errors: one is itself, several stand in brackets, each once.
    fn join_errors(&self) -> String {
        let mut unique: Vec<&str> = Vec::new();
        for text in self {
            if !unique.contains(&text.as_str()) {
                unique.push(text);
            }
        }
        match unique.as_slice() {
            [one] => (*one).to_owned(),
            many => format!("[{}]", many.join(", ")),
        }
    }
}

/// How a requirement compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `key=value`; object selectors' `matchLabels` too.
    Equals,
    /// `key==value`
    DoubleEquals,
    /// `key!=value`; a missing label matches.
    NotEquals,
    /// `key in (a,b)`
    In,
    /// `key notin (a,b)`; a missing label matches.
    NotIn,
    /// `key`
    Exists,
    /// `!key`
    DoesNotExist,
    /// `key>1`, integers only
    GreaterThan,
    /// `key<1`, integers only
    LessThan,
}

/// One condition of a selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

impl Requirement {
    /// Checks and builds one condition; path texts in errors are upstream's for no parent path.
    pub fn new(key: &str, operator: Operator, values: Vec<String>) -> Result<Self, Error> {
        use Operator::{
            DoesNotExist, DoubleEquals, Equals, Exists, GreaterThan, In, LessThan, NotEquals, NotIn,
        };
        let mut errors = Vec::new();
        if let Some(error) = invalid("key", key, &names::check_label_key(key)) {
            errors.push(error);
        }
        let shape = match operator {
            In | NotIn if values.is_empty() => {
                Some("for 'in', 'notin' operators, values set can't be empty")
            }
            Equals | DoubleEquals | NotEquals if values.len() != 1 => {
                Some("exact-match compatibility requires one single value")
            }
            Exists | DoesNotExist if !values.is_empty() => {
                Some("values set must be empty for exists and does not exist")
            }
            GreaterThan | LessThan if values.len() != 1 => {
                Some("for 'Gt', 'Lt' operators, exactly one value is required")
            }
            _ => None,
        };
        if let Some(detail) = shape {
            // Go prints the nil slice that an absent list becomes.
            let shown = if values.is_empty() {
                Value::Null
            } else {
                Value::from(values.clone())
            };
            errors.push(format!("values: Invalid value: {shown}: {detail}"));
        }
        for (index, value) in values.iter().enumerate() {
            if matches!(operator, GreaterThan | LessThan) && value.parse::<i64>().is_err() {
                let value = names::quote(value);
                errors.push(format!(
                    "values[{index}]: Invalid value: {value}: for 'Gt', 'Lt' operators, the value \
                     must be an integer"
                ));
            }
        }
        for (index, value) in values.iter().enumerate() {
            let path = format!("values[{index}][{key}]");
            errors.extend(invalid(&path, value, &names::check_label_value(value)));
        }
        if errors.is_empty() {
            Ok(Self {
                key: key.to_owned(),
                operator,
                values,
            })
        } else {
            Err(Error::Requirement(errors))
        }
    }

    /// The label's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The comparison.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The values compared with: one, several or none, as the operator wants.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// Tests one set of labels.
    pub fn matches(&self, labels: &impl Labels) -> bool {
        let label = labels.label(&self.key);
        let listed = |value: &str| self.values.iter().any(|one| one == value);
        let compare = |wanted: std::cmp::Ordering| {
            let number = label.and_then(|value| value.parse::<i64>().ok());
            let bound = self
                .values
                .first()
                .and_then(|value| value.parse::<i64>().ok());
            number
                .zip(bound)
                .is_some_and(|(number, bound)| number.cmp(&bound) == wanted)
        };
        match self.operator {
            Operator::Equals | Operator::DoubleEquals | Operator::In => label.is_some_and(listed),
            Operator::NotEquals | Operator::NotIn => !label.is_some_and(listed),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::GreaterThan => compare(std::cmp::Ordering::Greater),
            Operator::LessThan => compare(std::cmp::Ordering::Less),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut values = self.values.clone();
        values.sort_unstable();
        let (key, values) = (&self.key, values.join(","));
        match self.operator {
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Exists => write!(f, "{key}"),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

/// A parsed label selector: all its requirements, sorted by key, must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
    nothing: bool,
}

impl LabelSelector {
    /// Matches every object, as the empty selector does.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Matches no object, as an absent `LabelSelector` does.
    pub fn nothing() -> Self {
        Self {
            requirements: Vec::new(),
            nothing: true,
        }
    }

    /// Parses the text of a `labelSelector` parameter; the empty text matches everything.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut parser = Parser {
            tokens: tokens(text),
            at: 0,
        };
        Ok(Self::of(parser.selector()?))
    }

    /// Every label of `labels` must be set to its value, as `matchLabels` and Services'
    /// selectors ask. Keys and values are not checked.
    pub fn from_labels<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let requirements = labels.into_iter().map(|(key, value)| Requirement {
            key: key.to_owned(),
            operator: Operator::Equals,
            values: vec![value.to_owned()],
        });
        Self::of(requirements.collect())
    }

    /// Reads a `LabelSelector` object (`matchLabels`, `matchExpressions`). `null` matches nothing,
    /// an empty object everything. Unknown fields are left to schema validation.
    pub fn from_object(object: &Value) -> Result<Self, Error> {
        let shape = |path: &str, expected| Error::Shape {
            path: path.to_owned(),
            expected,
        };
        let Some(fields) = object.as_object() else {
            return if object.is_null() {
                Ok(Self::nothing())
            } else {
                Err(shape("selector", "an object"))
            };
        };
        let mut requirements = Vec::new();
        match fields.get("matchLabels") {
            None | Some(Value::Null) => {}
            Some(Value::Object(labels)) => {
                for (key, value) in labels {
                    let value = value.as_str().ok_or_else(|| Error::Shape {
                        path: format!("matchLabels[{key}]"),
                        expected: "a string",
                    })?;
                    let values = vec![value.to_owned()];
                    requirements.push(Requirement::new(key, Operator::Equals, values)?);
                }
            }
            Some(_) => return Err(shape("matchLabels", "an object")),
        }
        match fields.get("matchExpressions") {
            None | Some(Value::Null) => {}
            Some(Value::Array(expressions)) => {
                for (index, expression) in expressions.iter().enumerate() {
                    requirements.push(expression_requirement(index, expression)?);
                }
            }
            Some(_) => return Err(shape("matchExpressions", "a list")),
        }
        Ok(Self::of(requirements))
    }

    fn of(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Self {
            requirements,
            nothing: false,
        }
    }

    /// The conditions, sorted by key.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether every object matches.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty() && !self.nothing
    }

    /// Tests one set of labels; `None::<&Map<..>>` stands for no labels at all.
    pub fn matches(&self, labels: &impl Labels) -> bool {
        !self.nothing
            && self
                .requirements
                .iter()
                .all(|requirement| requirement.matches(labels))
    }

    /// Tests the labels in an object's metadata.
    pub fn matches_object(&self, object: &Value) -> bool {
        let labels = object.get("metadata").and_then(|meta| meta.get("labels"));
        self.matches(&labels.and_then(Value::as_object))
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{requirement}")?;
        }
        Ok(())
    }
}

fn expression_requirement(index: usize, expression: &Value) -> Result<Requirement, Error> {
    let shape = |field: &str, expected| Error::Shape {
        path: format!("matchExpressions[{index}]{field}"),
        expected,
    };
    let fields = expression
        .as_object()
        .ok_or_else(|| shape("", "an object"))?;
    let text = |field: &'static str, path: &str| match fields.get(field) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(shape(path, "a string")),
    };
    let operator = match text("operator", ".operator")? {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        other => return Err(Error::Operator(other.to_owned())),
    };
    let values = match fields.get("values") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(values)) => values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| shape(".values", "a list of strings"))?,
        Some(_) => return Err(shape(".values", "a list")),
    };
    Requirement::new(text("key", ".key")?, operator, values)
}

fn invalid(path: &str, value: &str, complaints: &[String]) -> Option<String> {
    (!complaints.is_empty()).then(|| {
        format!(
            "{path}: Invalid value: {}: {}",
            names::quote(value),
            complaints.join("; ")
        )
    })
}

fn unexpected(found: &Token, expected: &str) -> Error {
    Error::Unexpected {
        found: found.text.clone(),
        expected: expected.to_owned(),
        comma: true,
    }
}

/// Recursive descent over the tokens. `in` and `notin` are identifiers except as operators.
struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> (Kind, Token) {
        let token = &self.tokens[self.at.min(self.tokens.len() - 1)];
        let kind = match token.kind {
            Kind::In | Kind::NotIn => Kind::Identifier,
            other => other,
        };
        (kind, token.clone())
    }

    fn next(&mut self) -> (Kind, Token) {
        let next = self.peek();
        self.at += 1;
        next
    }

    fn selector(&mut self) -> Result<Vec<Requirement>, Error> {
        let mut requirements = Vec::new();
        loop {
            let (kind, token) = self.peek();
            match kind {
                Kind::Identifier | Kind::Not => {}
                Kind::End => return Ok(requirements),
                _ => return Err(unexpected(&token, "!, identifier, or 'end of string'")),
            }
            let requirement = self
                .requirement()
                .map_err(|error| Error::InRequirement(Box::new(error)))?;
            requirements.push(requirement);
            match self.next() {
                (Kind::End, _) => return Ok(requirements),
                (Kind::Comma, _) => {
                    let (kind, token) = self.peek();
                    if !matches!(kind, Kind::Identifier | Kind::Not) {
                        return Err(unexpected(&token, "identifier after ','"));
                    }
                }
                (_, token) => return Err(unexpected(&token, "',' or 'end of string'")),
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, Error> {
        let (mut kind, mut token) = self.next();
        let negated = kind == Kind::Not;
        if negated {
            (kind, token) = self.next();
        }
        if kind != Kind::Identifier {
            return Err(unexpected(&token, "identifier"));
        }
        let key = token.text;
        if let Some(error) = invalid("<nil>", &key, &names::check_label_key(&key)) {
            return Err(Error::Requirement(vec![error]));
        }
        if negated {
            return Requirement::new(&key, Operator::DoesNotExist, Vec::new());
        }
        if matches!(self.peek().0, Kind::End | Kind::Comma) {
            return Requirement::new(&key, Operator::Exists, Vec::new());
        }
        let operator = self.operator()?;
        let mut values = match operator {
            Operator::In | Operator::NotIn => self.values()?,
            _ => vec![self.exact_value()?],
        };
        values.sort_unstable();
        values.dedup();
        Requirement::new(&key, operator, values)
    }

    fn operator(&mut self) -> Result<Operator, Error> {
        let (_, token) = self.next();
        Ok(match token.kind {
            Kind::In => Operator::In,
            Kind::NotIn => Operator::NotIn,
            Kind::Equals => Operator::Equals,
            Kind::DoubleEquals => Operator::DoubleEquals,
            Kind::NotEquals => Operator::NotEquals,
            Kind::Greater => Operator::GreaterThan,
            Kind::Less => Operator::LessThan,
            _ => return Err(unexpected(&token, "in, notin, =, ==, !=, gt, lt")),
        })
    }

    /// `(a,b)`; an empty place between commas or parentheses is the empty value.
    fn values(&mut self) -> Result<Vec<String>, Error> {
        let (kind, token) = self.next();
        if kind != Kind::Open {
            let expected = "'('".to_owned();
            return Err(Error::Unexpected {
                found: token.text,
                expected,
                comma: false,
            });
        }
        let (kind, token) = self.peek();
        match kind {
            Kind::Identifier | Kind::Comma => {
                let values = self.identifiers()?;
                let (kind, _) = self.next();
                if kind != Kind::Close {
                    return Err(unexpected(&token, "')'"));
                }
                Ok(values)
            }
            Kind::Close => {
                self.next();
                Ok(vec![String::new()])
            }
            _ => Err(unexpected(&token, "',', ')' or identifier")),
        }
    }

    fn identifiers(&mut self) -> Result<Vec<String>, Error> {
        let mut values = Vec::new();
        loop {
            let (kind, token) = self.next();
            match kind {
                Kind::Identifier => {
                    values.push(token.text);
                    match self.peek() {
                        (Kind::Comma, _) => {}
                        (Kind::Close, _) => return Ok(values),
                        (_, token) => return Err(unexpected(&token, "',' or ')'")),
                    }
                }
                Kind::Comma => {
                    if values.is_empty() {
                        values.push(String::new());
                    }
                    match self.peek().0 {
                        Kind::Close => {
                            values.push(String::new());
                            return Ok(values);
                        }
                        Kind::Comma => values.push(String::new()),
                        _ => {}
                    }
                }
                _ => return Err(unexpected(&token, "',', or identifier")),
            }
        }
    }

    fn exact_value(&mut self) -> Result<String, Error> {
        if matches!(self.peek().0, Kind::End | Kind::Comma) {
            return Ok(String::new());
        }
        let (kind, token) = self.next();
        if kind == Kind::Identifier {
            Ok(token.text)
        } else {
            Err(unexpected(&token, "identifier"))
        }
    }
}
