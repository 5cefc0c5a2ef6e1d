//! Values on the way from JSON to templates, and copies of them.
//!
//! In: JSON values, where an integer is Go's `int64`. Out: what templates work on.

use gotemplate::{List, Str, Value as Go};
use serde_json::{Map, Value};

use crate::stack::grow;

/// A JSON value as templates see it: integers become `int64`, other numbers `float64`.
pub fn to_template(value: &Value) -> Go {
    match value {
        Value::Null => Go::Nil,
        Value::Bool(b) => Go::Bool(*b),
        Value::Number(number) => match number.as_i64() {
            Some(int) => Go::int64(int),
            None => Go::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => Go::str(text),
        Value::Array(items) => {
            Go::List(List::new(grow(|| items.iter().map(to_template).collect())))
        }
        Value::Object(map) => Go::Map(grow(|| map_to_template(map))),
    }
}

/// A JSON object as a template's map.
pub fn map_to_template(map: &Map<String, Value>) -> gotemplate::Map {
    let entries = map
        .iter()
        .map(|(key, value)| (Str::from(key), to_template(value)));
    gotemplate::Map::from_entries(entries.collect())
}

/// A copy that shares nothing.
pub fn deep_copy(value: &Go) -> Go {
    match value {
        Go::Map(map) => Go::Map(grow(|| deep_copy_map(map))),
        Go::List(list) => {
            let items = grow(|| list.borrow().iter().map(deep_copy).collect());
            Go::List(List::typed(list.type_of(), items))
        }
        Go::Native(native) => native.copied().unwrap_or_else(|| value.clone()),
        other => other.clone(),
    }
}

/// A copy of a map that shares nothing.
pub fn deep_copy_map(map: &gotemplate::Map) -> gotemplate::Map {
    let entries = map
        .borrow()
        .iter()
        .map(|(k, v)| (k.clone(), deep_copy(v)))
        .collect();
    gotemplate::Map::typed(map.type_of(), entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn integers_stay_integers() {
        assert!(matches!(to_template(&json!(1)), Go::Int(..)));
        assert!(matches!(to_template(&json!(1.0)), Go::Float(_)));
    }

    #[test]
    fn copies_share_nothing() {
        let value = to_template(&json!({"a": {"b": [1]}}));
        let copy = deep_copy(&value);
        let (Go::Map(original), Go::Map(copy)) = (&value, &copy) else {
            panic!("maps")
        };
        let inner = |map: &gotemplate::Map| map.get(b"a");
        let (Some(Go::Map(a)), Some(Go::Map(b))) = (inner(original), inner(copy)) else {
            panic!("maps inside")
        };
        a.insert(Str::from("new"), Go::Nil).expect("not frozen");
        assert!(b.get(b"new").is_none());
    }
}
