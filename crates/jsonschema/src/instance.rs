//! What is validated: values of charts, and schemas themselves.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::json::Json;
use crate::number::Decimal;
use crate::schema::Type;

/// A number as its document has it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number<'a> {
    Text(&'a str),
    Float(f64),
    Integer(i64),
    Unsigned(u64),
}

impl Number<'_> {
    /// None for exponents that Go does not read.
    pub(crate) fn decimal(self) -> Option<Decimal> {
        match self {
            Self::Text(text) => Decimal::parse(text),
            Self::Float(float) => Decimal::from_f64(float),
            Self::Integer(integer) => Decimal::parse(&integer.to_string()),
            Self::Unsigned(integer) => Decimal::parse(&integer.to_string()),
        }
    }

    pub(crate) fn is_integer(self) -> bool {
        match self {
            Self::Text(text) => Decimal::parse(text).is_some_and(|number| number.is_integer()),
            Self::Float(float) => float.fract() == 0.0,
            Self::Integer(_) | Self::Unsigned(_) => true,
        }
    }
}

/// A value, one level deep.
pub(crate) enum View<'a, N: Instance> {
    Null,
    Bool(bool),
    Number(Number<'a>),
    String(&'a str),
    Array(&'a [N]),
    Object(&'a N::Members),
}

impl<N: Instance> Clone for View<'_, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<N: Instance> Copy for View<'_, N> {}

impl<N: Instance> View<'_, N> {
    /// Numbers are all [`Type::Number`].
    pub(crate) fn kind(self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Bool(_) => Type::Boolean,
            Self::Number(_) => Type::Number,
            Self::String(_) => Type::String,
            Self::Array(_) => Type::Array,
            Self::Object(_) => Type::Object,
        }
    }
}

/// A tree that can be validated.
pub(crate) trait Instance: Sized {
    type Members;

    fn view(&self) -> View<'_, Self>;
    fn member<'a>(members: &'a Self::Members, name: &str) -> Option<&'a Self>;
    /// In the order of the names.
    fn members<'a>(members: &'a Self::Members) -> impl Iterator<Item = (&'a String, &'a Self)>
    where
        Self: 'a;
    fn count(members: &Self::Members) -> usize;
}

/// The members of maps, which differ in their types only.
macro_rules! members_by_name {
    () => {
        fn member<'a>(members: &'a Self::Members, name: &str) -> Option<&'a Self> {
            members.get(name)
        }

        fn members<'a>(members: &'a Self::Members) -> impl Iterator<Item = (&'a String, &'a Self)>
        where
            Self: 'a,
        {
            members.iter()
        }

        fn count(members: &Self::Members) -> usize {
            members.len()
        }
    };
}

impl Instance for Value {
    type Members = Map<String, Value>;

    fn view(&self) -> View<'_, Self> {
        match self {
            Self::Null => View::Null,
            Self::Bool(boolean) => View::Bool(*boolean),
            Self::Number(number) => View::Number(match (number.as_i64(), number.as_u64()) {
                (Some(integer), _) => Number::Integer(integer),
                (None, Some(integer)) => Number::Unsigned(integer),
                (None, None) => Number::Float(number.as_f64().unwrap_or_default()),
            }),
            Self::String(text) => View::String(text),
            Self::Array(items) => View::Array(items),
            Self::Object(members) => View::Object(members),
        }
    }

    members_by_name!();
}

impl Instance for Json {
    type Members = BTreeMap<String, Json>;

    fn view(&self) -> View<'_, Self> {
        match self {
            Self::Null => View::Null,
            Self::Bool(boolean) => View::Bool(*boolean),
            Self::Number(text) => View::Number(Number::Text(text)),
            Self::String(text) => View::String(text),
            Self::Array(items) => View::Array(items),
            Self::Object(members) => View::Object(members),
        }
    }

    members_by_name!();
}
