//! Decoding as the API server does it for built-in kinds: unknown fields and wrong JSON types.
//!
//! In: an object and its type. Out: [`Findings`], worded like the server's decoder
//! (sigs.k8s.io/json). Limits of values, required fields and enumerations are validation, not
//! decoding, and are not looked at. Objects are walked in order of their field names, which is not
//! always the order of the request; Go names of text types (`v1.Protocol`) are not known.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Scalar, TypeRef};
use crate::quantity;

/// What decoding an object found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Paths of fields that the type does not have, such as `spec.template.spec.containers[0].foo`.
    pub unknown: Vec<String>,
    /// The first value that cannot be decoded at all, as the decoder's sentence.
    pub mismatch: Option<String>,
}

impl Findings {
    /// The texts of unknown fields, one each, as in `Warning` headers.
    pub fn warnings(&self) -> Vec<String> {
        self.unknown
            .iter()
            .map(|path| format!("unknown field {path:?}"))
            .collect()
    }

    /// The error of `fieldValidation=Strict`; `None` when there are no unknown fields.
    pub fn strict_error(&self) -> Option<String> {
        let texts = self.warnings();
        (!texts.is_empty()).then(|| format!("strict decoding error: {}", texts.join(", ")))
    }
}

/// Decodes `object` as a value of the type.
pub fn check(object: &Value, of: TypeRef<'_>) -> Findings {
    let mut walk = Walk::default();
    walk.value(object, of);
    walk.findings
}

/// Removes what decoding drops: nulls of declared fields. Null texts of maps become empty texts.
pub fn drop_nulls(object: &mut Value, of: TypeRef<'_>) {
    match object {
        Value::Object(fields) if of.object().is_some() => {
            fields.retain(|name, value| !value.is_null() || of.declared(name).is_none());
            for (name, value) in fields.iter_mut() {
                let Some(field) = of.field(name) else {
                    continue;
                };
                if value.is_null() && field.scalar() == Some(Scalar::String) {
                    *value = Value::from("");
                }
                drop_nulls(value, field);
            }
        }
        Value::Array(items) => {
            if let Some(list) = of.list() {
                for item in items {
                    drop_nulls(item, of.to(list.element));
                }
            }
        }
        _ => {}
    }
}

/// What decoding makes of an object that [`check`] finds nothing wrong with: [`drop_nulls`], and
/// quantities in their canonical form, as text.
pub fn normalize(object: &mut Value, of: TypeRef<'_>) {
    drop_nulls(object, of);
    canonicalize(object, of);
}

fn canonicalize(value: &mut Value, of: TypeRef<'_>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if let Some(field) = of.field(name) {
                    canonicalize(value, field);
                }
            }
        }
        Value::Array(items) => {
            if let Some(list) = of.list() {
                for item in items {
                    canonicalize(item, of.to(list.element));
                }
            }
        }
        Value::String(text) if of.scalar() == Some(Scalar::Quantity) => {
            if let Some(canonical) = quantity::canonical(text) {
                *text = canonical;
            }
        }
        Value::Number(number) if of.scalar() == Some(Scalar::Quantity) => {
            if let Some(canonical) = quantity::canonical(&number.to_string()) {
                *value = Value::from(canonical);
            }
        }
        _ => {}
    }
}

#[derive(Default)]
struct Walk {
    findings: Findings,
    /// The path with indexes and map keys, for unknown fields.
    path: String,
    /// Struct fields only, for mismatches.
    fields: Vec<String>,
    /// The innermost struct's name.
    holder: Option<String>,
}

impl Walk {
    fn value(&mut self, value: &Value, of: TypeRef<'_>) {
        let node = of.get();
        match value {
            Value::Null => {}
            Value::Object(fields) if node.object.is_some() => {
                for (name, value) in fields {
                    self.field(name, value, of);
                }
            }
            Value::Array(items) if node.list.is_some() => {
                if let Some(list) = of.list() {
                    for (index, item) in items.iter().enumerate() {
                        let length = self.path.len();
                        let _ = write!(self.path, "[{index}]");
                        self.value(item, of.to(list.element));
                        self.path.truncate(length);
                    }
                }
            }
            Value::Object(_) | Value::Array(_) => self.mismatch(value, of),
            scalar => match node.scalar {
                Some(expected) => self.scalar(scalar, expected),
                None => self.mismatch(scalar, of),
            },
        }
    }

    fn field(&mut self, name: &str, value: &Value, of: TypeRef<'_>) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path += name;
        if let Some(field) = of.declared(name) {
            let outer = self.holder.replace(struct_name(of));
            self.fields.push(name.to_owned());
            self.value(value, of.to(field.of));
            self.fields.pop();
            self.holder = outer;
        } else if let Some(other) = of.field(name) {
            self.value(value, other);
        } else {
            self.findings.unknown.push(self.path.clone());
        }
        self.path.truncate(length);
    }

    fn scalar(&mut self, value: &Value, expected: Scalar) {
        let integer = |least: i64, most: i64| {
            value
                .as_i64()
                .is_some_and(|number| (least..=most).contains(&number))
        };
        let fits = match expected {
            Scalar::Untyped => true,
            Scalar::String | Scalar::Bytes | Scalar::Time => value.is_string(),
            Scalar::Boolean => value.is_boolean(),
            Scalar::Double => value.is_number(),
            Scalar::Int64 => value.as_i64().is_some(),
            Scalar::Int32 => integer(i64::from(i32::MIN), i64::from(i32::MAX)),
            Scalar::Quantity => value.is_string() || value.is_number(),
            Scalar::IntOrString => {
                value.is_string() || integer(i64::from(i32::MIN), i64::from(i32::MAX))
            }
        };
        if !fits {
            self.report(value, Some(expected), go_scalar(expected));
        }
    }

    fn mismatch(&mut self, value: &Value, of: TypeRef<'_>) {
        self.report(value, of.scalar(), &go_type(of));
    }

    fn report(&mut self, value: &Value, expected: Option<Scalar>, target: &str) {
        let found = match value {
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            Value::String(_) => "string".to_owned(),
            Value::Array(_) => "array".to_owned(),
            Value::Object(_) => "object".to_owned(),
            Value::Number(number) if matches!(target, "int32" | "int64") => {
                format!("number {number}")
            }
            Value::Number(_) => "number".to_owned(),
        };
        let sentence = match (expected, &self.holder) {
            (Some(Scalar::Quantity), _) => "quantities must match the regular expression \
                '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                .to_owned(),
            (Some(Scalar::Time | Scalar::IntOrString), _) | (_, None) => {
                format!("json: cannot unmarshal {found} into Go value of type {target}")
            }
            (_, Some(holder)) => {
                let path = self.fields.join(".");
                format!(
                    "json: cannot unmarshal {found} into Go struct field {holder}.{path} of type \
                     {target}"
                )
            }
        };
        self.findings.mismatch.get_or_insert(sentence);
    }
}

fn go_scalar(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::Untyped => "interface {}",
        Scalar::String | Scalar::Time => "string",
        Scalar::Bytes => "[]uint8",
        Scalar::Int32 | Scalar::IntOrString => "int32",
        Scalar::Int64 => "int64",
        Scalar::Double => "float64",
        Scalar::Boolean => "bool",
        Scalar::Quantity => "resource.Quantity",
    }
}

/// `v1.PodSpec` of `io.k8s.api.core.v1.PodSpec`.
fn go_type(of: TypeRef<'_>) -> String {
    let node = of.get();
    if let Some(name) = node.name.as_deref() {
        let start = name.rmatch_indices('.').nth(1).map_or(0, |(at, _)| at + 1);
        return name[start..].to_owned();
    }
    if let Some(list) = &node.list {
        return format!("[]{}", go_type(of.to(list.element)));
    }
    if let Some(other) = node.object.as_ref().and_then(|object| object.other) {
        return format!("map[string]{}", go_type(of.to(other)));
    }
    node.scalar.map_or("struct {}", go_scalar).to_owned()
}

fn struct_name(of: TypeRef<'_>) -> String {
    let name = of.get().name.as_deref().unwrap_or("");
    name.rsplit('.').next().unwrap_or("").to_owned()
}
