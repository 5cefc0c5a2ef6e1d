//! YAML as go-yaml v3 writes Go's own values, without a way through JSON.
//!
//! In: values. Out: text. Source: go-yaml v3 `encode.go`.

use gotemplate::{CallError, Value};
use goyaml::Tree;
use serde_json::Number;

use super::json::{bounded, unsupported};
use super::moments::Duration;
use super::semver::SemverObject;
use super::support::{as_time, fail};
use crate::gotime;
use crate::stack::grow;

/// Blanks that a level is indented by.
const INDENT: usize = 2;

/// Writes a value.
pub(super) fn write(value: &Value) -> Result<String, CallError> {
    bounded(value, || {
        goyaml::tree_to_yaml_v3(&tree(value)?, INDENT)
            .map_err(|error| CallError::text(error.to_string()))
    })
}

fn tree(value: &Value) -> Result<Tree, CallError> {
    Ok(match value {
        Value::Nil => Tree::Null,
        Value::Bool(b) => Tree::Bool(*b),
        Value::Int(kind, int) if kind.is_signed() => Tree::Number((*int).into()),
        Value::Int(_, bits) => Tree::Number(bits.cast_unsigned().into()),
        Value::Float(float) => match Number::from_f64(*float) {
            Some(number) => Tree::Number(number),
            None if float.is_nan() => Tree::Word(".nan".to_owned()),
            None if *float < 0.0 => Tree::Word("-.inf".to_owned()),
            None => Tree::Word(".inf".to_owned()),
        },
        Value::Str(text) => match text.as_str() {
            Some(text) => Tree::Text(text.to_owned()),
            None => Tree::Binary(text.to_vec()),
        },
        Value::Bytes(bytes) => Tree::List(
            bytes
                .iter()
                .map(|byte| Tree::Number((*byte).into()))
                .collect(),
        ),
        Value::List(list) => grow(|| {
            let items = list.borrow();
            let items = items.iter().map(tree).collect::<Result<_, _>>();
            items.map(Tree::List)
        })?,
        Value::Map(map) => grow(|| {
            let entries = map.borrow();
            let entries = entries.iter();
            let entries = entries.map(|(key, v)| Ok((key.to_str_lossy().into_owned(), tree(v)?)));
            entries.collect::<Result<_, CallError>>().map(Tree::Map)
        })?,
        Value::Native(native) => {
            if let Some(time) = as_time(value) {
                Tree::Word(time.rfc3339())
            } else if let Some(duration) = value.as_native::<Duration>() {
                Tree::Text(gotime::duration_text(duration.0))
            } else if let Some(object) = value.as_native::<SemverObject>() {
                Tree::Text(object.version.to_string())
            } else if let Some((_, integer)) = native.integer() {
                Tree::Number(integer.into())
            } else {
                let fields = native.fields().into_iter();
                let fields = fields.filter(|(name, _)| name.starts_with(char::is_uppercase));
                let fields = fields.map(|(name, v)| Ok((name.to_lowercase(), tree(&v)?)));
                Tree::Fields(fields.collect::<Result<_, CallError>>()?)
            }
        }
        Value::Complex(_) | Value::Func(_) => return fail(unsupported(value)),
    })
}
