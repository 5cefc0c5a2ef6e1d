//! JSON bodies, with the duplicate fields that plain decoding hides.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A decoded body.
#[derive(Debug)]
pub(super) struct Decoded {
    /// The value; of duplicate fields the last one counts.
    pub(super) value: Value,
    /// Paths of duplicate fields, such as `spec.containers[0].name`, in order of appearance.
    pub(super) duplicates: Vec<String>,
}

/// Decodes one JSON value.
pub(super) fn decode(bytes: &[u8]) -> serde_json::Result<Decoded> {
    let mut duplicates = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let seed = Seed {
        path: &Step::Root,
        duplicates: &mut duplicates,
    };
    let value = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(Decoded { value, duplicates })
}

/// Where the decoder is; written out only when a duplicate is found.
enum Step<'a> {
    Root,
    Field(&'a Step<'a>, &'a str),
    Index(&'a Step<'a>, usize),
}

impl fmt::Display for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

struct Seed<'a> {
    path: &'a Step<'a>,
    duplicates: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            let path = Step::Index(self.path, list.len());
            let seed = Seed {
                path: &path,
                duplicates: &mut *self.duplicates,
            };
            match access.next_element_seed(seed)? {
                Some(value) => list.push(value),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let path = Step::Field(self.path, &name);
            if fields.contains_key(&name) {
                self.duplicates.push(path.to_string());
            }
            let seed = Seed {
                path: &path,
                duplicates: &mut *self.duplicates,
            };
            let value = access.next_value_seed(seed)?;
            fields.insert(name, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_named_and_the_last_one_counts() {
        let text = br#"{"a":1,"b":[{"c":1,"c":2}],"a":{"x":null}}"#;
        let decoded = decode(text).unwrap();
        assert_eq!(decoded.duplicates, ["b[0].c", "a"]);
        assert_eq!(
            decoded.value,
            serde_json::json!({"a": {"x": null}, "b": [{"c": 2}]})
        );
    }

    #[test]
    fn malformed_bodies_are_errors() {
        for text in ["", "{", "{} x", "nul", "{\"a\":}", "[1,]", "\u{1}"] {
            assert!(decode(text.as_bytes()).is_err(), "{text:?}");
        }
        let deep = "[".repeat(100_000);
        assert!(decode(deep.as_bytes()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn decoding_equals_serde_json(text in "[\\[\\]{}:,\"a-c0-9.eE+ -]{0,40}") {
            let plain = serde_json::from_str::<Value>(&text).ok();
            proptest::prop_assert_eq!(decode(text.as_bytes()).ok().map(|d| d.value), plain);
        }
    }
}
