//! Typed reading of YAML values with the habits of Go's `encoding/json` behind `sigs.k8s.io/yaml`.
//!
//! A value and a [`Type`] go in; out comes the value in canonical form (declared spelling of keys, no
//! unknown keys, no nulls), which serde then takes without surprises, or Go's error text. The tables of
//! types are in [`tables`]; unknown and duplicate keys are found by [`lint`].
//!
//! Go's habits that matter here:
//! * keys match without regard to case; of equal keys the later one (in byte order) wins, maps merge;
//! * the YAML reader turns numbers and booleans into texts where it knows that a text is wanted. It knows
//!   that only for fields that are declared directly in a struct, not for those of embedded structs;
//! * null leaves a field as it was;
//! * the first wrong type (in key order) is the error, and reading goes on.

pub(crate) mod lint;
pub(crate) mod tables;

use serde_json::{Map, Number, Value};

/// What a value is read into.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Type {
    Text,
    /// A text that is one of these or empty; anything else is no error here.
    Word(&'static [&'static str]),
    /// A text type with a name of its own.
    NamedText(&'static str),
    Bool,
    /// `int` or `int64`.
    Int(&'static str),
    IntOrText,
    /// Anything, taken as it is.
    Any,
    /// A map with any content; numbers become 64-bit floats, as Go reads them.
    FreeMap,
    Map(&'static Type),
    List(&'static Type),
    Struct(&'static Struct),
    /// A JSON merge patch for a struct: nulls count. Upstream has none.
    Patch(&'static Struct),
}

/// A Go struct.
#[derive(Debug)]
pub(crate) struct Struct {
    /// Name with package, as Go prints the type.
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [(&'static str, Type)],
    /// Structs whose fields count as fields of this one, unless it declares them itself.
    pub(crate) embedded: &'static [&'static Struct],
}

/// A value of the wrong type, in Go's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go {place} of type {wanted}"
)]
pub struct WrongType {
    found: String,
    place: String,
    wanted: String,
}

impl Struct {
    /// Name without package.
    fn short_name(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }

    /// The declared spelling, the type, and the embedded structs on the way to the field that a key
    /// means: an exact match first, else without regard to case.
    pub(crate) fn field(&self, key: &str) -> Option<(&'static str, Type, Vec<&'static Struct>)> {
        self.find(&|name| name == key)
            .or_else(|| self.find(&|name| same_folded(name, key)))
    }

    fn find(
        &self,
        is_it: &dyn Fn(&str) -> bool,
    ) -> Option<(&'static str, Type, Vec<&'static Struct>)> {
        if let Some((name, kind)) = self.fields.iter().find(|(name, _)| is_it(name)) {
            return Some((name, *kind, Vec::new()));
        }
        self.embedded.iter().find_map(|inner| {
            let (name, kind, mut way) = inner.find(is_it)?;
            way.insert(0, inner);
            Some((name, kind, way))
        })
    }

    /// Every key, in order of declaration.
    pub(crate) fn keys(&self) -> Vec<&'static str> {
        let mut keys: Vec<&'static str> = self.fields.iter().map(|(name, _)| *name).collect();
        keys.extend(self.embedded.iter().flat_map(|inner| inner.keys()));
        keys
    }
}

/// Equality under simple case folding, which for the ASCII names of fields concerns two more letters.
fn same_folded(name: &str, key: &str) -> bool {
    let fold = |c: char| match c {
        'ſ' => 's',
        'K' => 'k',
        c => c.to_ascii_lowercase(),
    };
    name.chars().map(fold).eq(key.chars().map(fold))
}

/// Reads a document.
///
/// # Errors
/// The first value of the wrong type.
pub(crate) fn decode(kind: Type, value: &Value) -> Result<Value, WrongType> {
    let mut reader = Reader {
        path: Vec::new(),
        structs: Vec::new(),
        wrong: None,
    };
    let read = reader.read(kind, value, true, None).unwrap_or(Value::Null);
    match reader.wrong {
        None => Ok(read),
        Some(wrong) => Err(wrong),
    }
}

/// Numbers as Go's 64-bit floats hold them: whole ones stay whole, large ones lose digits.
pub(crate) fn as_go_floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(as_go_float(number)),
        Value::Array(items) => items.iter().map(as_go_floats).collect(),
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(key, value)| (key.clone(), as_go_floats(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// The largest power of two up to which every whole float has an exact integer form that serde writes
/// without a fraction.
const WHOLE_MAX: f64 = 9_223_372_036_854_774_784.0;

fn as_go_float(number: &Number) -> Number {
    let Some(float) = number.as_f64() else {
        return number.clone();
    };
    if float.fract() == 0.0 && float.abs() <= WHOLE_MAX {
        return Number::from(float as i64);
    }
    Number::from_f64(float).unwrap_or_else(|| number.clone())
}

struct Reader {
    /// Keys and embedded structs from the root.
    path: Vec<&'static str>,
    structs: Vec<&'static Struct>,
    wrong: Option<WrongType>,
}

impl Reader {
    /// Reads a value; `None` if it leaves the field as it was. `converts`: whether numbers and booleans
    /// become texts here. `before`: what an equal key gave already.
    fn read(
        &mut self,
        kind: Type,
        value: &Value,
        converts: bool,
        before: Option<Value>,
    ) -> Option<Value> {
        if value.is_null() {
            return before;
        }
        match (kind, value) {
            (Type::Any, value) => Some(value.clone()),
            (
                Type::Text | Type::Word(_) | Type::NamedText(_) | Type::IntOrText,
                Value::String(_),
            )
            | (Type::Bool, Value::Bool(_)) => Some(value.clone()),
            (
                Type::Text | Type::Word(_) | Type::NamedText(_),
                Value::Bool(_) | Value::Number(_),
            ) if converts => Some(Value::String(scalar_text(value))),
            (Type::Int(name), Value::Number(number)) => {
                let whole = whole(number);
                if whole.is_none() {
                    self.fail(format!("number {}", scalar_text(value)), name.to_owned());
                }
                whole.map(Value::from)
            }
            (Type::IntOrText, Value::Number(number)) => match whole(number) {
                Some(whole) if i32::try_from(whole).is_ok() => Some(Value::from(whole)),
                _ => self.fail_alone(format!("number {}", scalar_text(value))),
            },
            (Type::IntOrText, other) => self.fail_alone(goyaml::json_kind(other).to_owned()),
            (Type::FreeMap, Value::Object(_)) => Some(as_go_floats(value)),
            (Type::Map(inner), Value::Object(members)) => {
                Some(self.read_map(*inner, members, converts, before))
            }
            (Type::List(inner), Value::Array(items)) => {
                Some(self.read_list(*inner, items, converts))
            }
            (Type::Struct(inner), Value::Object(members)) => {
                Some(self.read_struct(inner, members, converts, before))
            }
            (Type::Patch(inner), Value::Object(_)) => {
                Some(self.read_patch(Type::Struct(inner), value))
            }
            (kind, value) => {
                self.fail(goyaml::json_kind(value).to_owned(), kind.go_name());
                before
            }
        }
    }

    fn read_map(
        &mut self,
        inner: Type,
        members: &Map<String, Value>,
        converts: bool,
        before: Option<Value>,
    ) -> Value {
        let mut out = as_object(before);
        for (key, value) in members {
            let read = self
                .read(inner, value, converts, None)
                .unwrap_or_else(|| inner.zero());
            out.insert(key.clone(), read);
        }
        Value::Object(out)
    }

    fn read_list(&mut self, inner: Type, items: &[Value], converts: bool) -> Value {
        items
            .iter()
            .map(|item| {
                self.read(inner, item, converts, None)
                    .unwrap_or_else(|| inner.zero())
            })
            .collect()
    }

    fn read_struct(
        &mut self,
        inner: &'static Struct,
        members: &Map<String, Value>,
        converts: bool,
        before: Option<Value>,
    ) -> Value {
        let mut out = as_object(before);
        self.structs.push(inner);
        for (key, value) in members {
            let Some((name, kind, way)) = inner.field(key) else {
                continue;
            };
            let depth = self.path.len();
            self.path
                .extend(way.iter().map(|embedded| embedded.short_name()));
            self.path.push(name);
            // The YAML reader takes the embedded struct itself for the target of an embedded field.
            let read = self.read(kind, value, converts && way.is_empty(), out.remove(name));
            self.path.truncate(depth);
            if let Some(read) = read {
                out.insert(name.to_owned(), read);
            }
        }
        self.structs.pop();
        Value::Object(out)
    }

    /// Reads what is to change of a value: as the value itself, but null stays.
    fn read_patch(&mut self, kind: Type, patch: &Value) -> Value {
        match (kind, patch) {
            (_, Value::Null) => Value::Null,
            (Type::Struct(inner), Value::Object(members)) => {
                let mut out = Map::new();
                self.structs.push(inner);
                for (key, value) in members {
                    let Some((name, kind, _)) = inner.field(key) else {
                        continue;
                    };
                    self.path.push(name);
                    out.insert(name.to_owned(), self.read_patch(kind, value));
                    self.path.pop();
                }
                self.structs.pop();
                Value::Object(out)
            }
            (Type::Map(inner), Value::Object(members)) => {
                let read =
                    |(key, value): (&String, &Value)| (key.clone(), self.read_patch(*inner, value));
                Value::Object(members.iter().map(read).collect())
            }
            (kind, value) => self.read(kind, value, true, None).unwrap_or(Value::Null),
        }
    }

    fn fail(&mut self, found: String, wanted: String) {
        let place = match self.structs.last() {
            Some(inner) => format!(
                "struct field {}.{}",
                inner.short_name(),
                self.path.join(".")
            ),
            None => "value".to_owned(),
        };
        self.wrong.get_or_insert(WrongType {
            found,
            place,
            wanted,
        });
    }

    /// For types that read themselves and know nothing of their place.
    fn fail_alone(&mut self, found: String) -> Option<Value> {
        let place = "value".to_owned();
        self.wrong.get_or_insert(WrongType {
            found,
            place,
            wanted: "int32".to_owned(),
        });
        None
    }
}

impl Type {
    fn go_name(self) -> String {
        match self {
            Type::Text | Type::Word(_) => "string".to_owned(),
            Type::NamedText(name) | Type::Int(name) => name.to_owned(),
            Type::Bool => "bool".to_owned(),
            Type::IntOrText => "int32".to_owned(),
            Type::Any => "interface {}".to_owned(),
            Type::FreeMap => "map[string]interface {}".to_owned(),
            Type::Map(inner) => format!("map[string]{}", inner.go_name()),
            Type::List(inner) => format!("[]{}", inner.go_name()),
            Type::Struct(inner) | Type::Patch(inner) => inner.name.to_owned(),
        }
    }

    /// What null gives inside a list or map.
    fn zero(self) -> Value {
        match self {
            Type::Text | Type::Word(_) | Type::NamedText(_) => Value::String(String::new()),
            Type::Bool => Value::Bool(false),
            Type::Int(_) | Type::IntOrText => Value::from(0),
            Type::Any => Value::Null,
            Type::FreeMap | Type::Map(_) | Type::Struct(_) | Type::Patch(_) => {
                Value::Object(Map::new())
            }
            Type::List(_) => Value::Array(Vec::new()),
        }
    }
}

fn as_object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn whole(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        // The YAML reader prints 2.0 as 2 before JSON is read.
        let float = number.as_f64()?;
        (float.fract() == 0.0 && float.abs() < 1e15).then_some(float as i64)
    })
}

/// A number or boolean as the text that the YAML reader makes of it.
fn scalar_text(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => number
            .as_f64()
            .map(goyaml::json::encode_f64)
            .unwrap_or_default(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    static INNER: Struct = Struct {
        name: "v1.Inner",
        fields: &[("text", Type::Text), ("number", Type::Int("int"))],
        embedded: &[],
    };
    static BASE: Struct = Struct {
        name: "v1.Base",
        fields: &[
            ("deep", Type::Struct(&INNER)),
            ("text", Type::Text),
            ("size", Type::IntOrText),
        ],
        embedded: &[],
    };
    static OUTER: Struct = Struct {
        name: "v1.Outer",
        fields: &[
            ("name", Type::Text),
            ("list", Type::List(&Type::Struct(&INNER))),
            ("labels", Type::Map(&Type::Text)),
            ("values", Type::FreeMap),
        ],
        embedded: &[&BASE],
    };

    fn read(value: &Value) -> Result<Value, String> {
        decode(Type::Struct(&OUTER), value).map_err(|wrong| {
            wrong
                .to_string()
                .replace("error unmarshaling JSON: while decoding JSON: json: ", "")
        })
    }

    #[test]
    fn keys_match_in_any_case_and_unknown_ones_are_left_out() {
        assert_eq!(
            read(&json!({"NAME": "a", "other": 1})),
            Ok(json!({"name": "a"}))
        );
        assert_eq!(
            read(&json!({"Deep": {"teXt": "a"}})),
            Ok(json!({"deep": {"text": "a"}}))
        );
        // Byte order: upper case comes first.
        assert_eq!(
            read(&json!({"LABELS": {"a": "1", "b": "1"}, "labels": {"b": "2"}})),
            Ok(json!({"labels": {"a": "1", "b": "2"}}))
        );
        assert_eq!(
            read(&json!({"NAME": "a", "name": "b"})),
            Ok(json!({"name": "b"}))
        );
        assert_eq!(read(&json!({"deſk": 1, "ſize": 3})), Ok(json!({"size": 3})));
    }

    #[test]
    fn texts_are_made_of_numbers_only_in_fields_of_the_struct_itself() {
        assert_eq!(read(&json!({"name": 1.5})), Ok(json!({"name": "1.5"})));
        assert_eq!(
            read(&json!({"labels": {"a": true}})),
            Ok(json!({"labels": {"a": "true"}}))
        );
        assert_eq!(
            read(&json!({"list": [{"text": 7}]})),
            Ok(json!({"list": [{"text": "7"}]}))
        );
        assert_eq!(
            read(&json!({"text": 1})),
            Err(
                "cannot unmarshal number into Go struct field Outer.Base.text of type string"
                    .into()
            )
        );
        assert_eq!(
            read(&json!({"deep": {"text": true}})),
            Err(
                "cannot unmarshal bool into Go struct field Inner.Base.deep.text of type string"
                    .into()
            )
        );
    }

    #[test]
    fn wrong_types_are_told_in_gos_words() {
        let cases = [
            (json!([]), "array into Go value of type v1.Outer"),
            (json!("x"), "string into Go value of type v1.Outer"),
            (
                json!({"name": []}),
                "array into Go struct field Outer.name of type string",
            ),
            (
                json!({"list": {}}),
                "object into Go struct field Outer.list of type []v1.Inner",
            ),
            (
                json!({"list": [3]}),
                "number into Go struct field Outer.list of type v1.Inner",
            ),
            (
                json!({"labels": []}),
                "array into Go struct field Outer.labels of type map[string]string",
            ),
            (
                json!({"values": 1}),
                "number into Go struct field Outer.values of type map[string]interface {}",
            ),
            (
                json!({"deep": {"number": "1"}}),
                "string into Go struct field Inner.Base.deep.number of type int",
            ),
            (
                json!({"deep": {"number": 1.5}}),
                "number 1.5 into Go struct field Inner.Base.deep.number of type int",
            ),
            (json!({"size": true}), "bool into Go value of type int32"),
            (
                json!({"size": 1.5}),
                "number 1.5 into Go value of type int32",
            ),
            (
                json!({"text": 1, "deep": {"text": 1}}),
                "number into Go struct field Inner.Base.deep.text of type string",
            ),
        ];
        for (value, wanted) in cases {
            assert_eq!(read(&value), Err(format!("cannot unmarshal {wanted}")));
        }
    }

    #[test]
    fn null_leaves_things_as_they_are() {
        assert_eq!(read(&json!(null)), Ok(json!(null)));
        assert_eq!(read(&json!({"name": null, "deep": null})), Ok(json!({})));
        assert_eq!(
            read(&json!({"labels": {"a": null}})),
            Ok(json!({"labels": {"a": ""}}))
        );
        assert_eq!(
            read(&json!({"values": {"a": null}})),
            Ok(json!({"values": {"a": null}}))
        );
    }

    #[test]
    fn nulls_of_patches_count() {
        let read = |value: &Value| decode(Type::Patch(&OUTER), value).map_err(|e| e.to_string());
        assert_eq!(
            read(
                &json!({"NAME": null, "labels": {"a": null, "b": 1}, "deep": {"text": null},
                "values": {"x": {"y": null}}, "list": [], "size": null, "other": 1})
            ),
            Ok(
                json!({"name": null, "labels": {"a": null, "b": "1"}, "deep": {"text": null},
                "values": {"x": {"y": null}}, "list": [], "size": null})
            )
        );
        assert_eq!(read(&json!(null)), Ok(json!(null)));
        for wrong in [
            json!({"deep": {"number": "x"}}),
            json!({"list": {}}),
            json!([]),
        ] {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_of_free_maps_become_floats() {
        let big = 12_345_678_901_234_567_890_u64;
        let values = json!({"a": 9_007_199_254_740_993_i64, "b": 2.0, "c": big, "d": 0.5});
        let read = as_go_floats(&values);
        assert_eq!(read["a"], json!(9_007_199_254_740_992_i64));
        assert_eq!(read["b"], json!(2));
        assert_eq!(read["c"].as_f64(), Some(1.234_567_890_123_456_8e19));
        assert_eq!(read["d"], json!(0.5));
    }
}
