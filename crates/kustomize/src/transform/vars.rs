//! Texts such as `$(NAME)` that stand for fields.
//!
//! Source: kustomize `api/filters/refvar`, `api/internal/accumulator`.

use std::collections::BTreeMap;

use goyaml::v3::ScalarStyle;
use serde_json::Value;

use super::fieldspec;
use crate::error::{Error, Result};
use crate::node::{BOOLEAN, FLOAT, INTEGER, Kind, Node, STRING, Style};
use crate::path;
use crate::resources::Resources;
use crate::types::{FieldSpec, Var};

/// Puts the values of vars in their places, and gives the names of those that nothing uses.
pub(crate) fn resolve_vars(
    all: &mut Resources,
    vars: &BTreeMap<String, Var>,
    fields: &[FieldSpec],
) -> Result<Vec<String>> {
    if vars.is_empty() {
        return Ok(Vec::new());
    }
    let mut values = BTreeMap::new();
    for (name, var) in vars {
        values.insert(name.as_str(), value_of(all, var)?);
    }
    let mut replacer = Replacer {
        values: &values,
        used: std::collections::BTreeSet::new(),
    };
    for resource in all.iter_mut() {
        for spec in fields {
            fieldspec::visit(&mut resource.node, spec, None, &mut |node| {
                replacer.set(node)
            })?;
            resource.settle();
        }
    }
    let used = replacer.used;
    let unused = vars.keys().filter(|name| !used.contains(name.as_str()));
    Ok(unused.cloned().collect())
}

fn value_of(all: &Resources, var: &Var) -> Result<Value> {
    for resource in all.iter() {
        if !resource.vars.contains(&var.name) {
            continue;
        }
        return field_value(&resource.node, &var.fieldref.field_path).map_err(|_| {
            Error(format!(
                "field specified in var '{var}' not found in corresponding resource"
            ))
        });
    }
    Err(Error(format!(
        "var '{var}' cannot be mapped to a field in the set of known resources"
    )))
}

/// The value at a path, in which places of lists may be `[0]`.
fn field_value(node: &Node, text: &str) -> Result<Value> {
    let mut parts = Vec::new();
    for part in path::split_smartly(text) {
        let index = part
            .strip_suffix(']')
            .and_then(|rest| rest.rsplit_once('['));
        match index {
            Some((name, index))
                if !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                if !name.is_empty() {
                    parts.push(name.to_owned());
                }
                parts.push(index.to_owned());
            }
            _ => parts.push(part),
        }
    }
    let missing = || Error(format!("no field named '{text}'"));
    let found = node.lookup(&parts)?.ok_or_else(missing)?;
    if found.kind != Kind::Scalar {
        return found.decode();
    }
    let invalid = |_| Error(format!("invalid value {:?}", found.value));
    Ok(match found.tag.as_ref() {
        INTEGER => found
            .value
            .parse::<i64>()
            .map_err(|error| invalid(error.to_string()))?
            .into(),
        FLOAT => found
            .value
            .parse::<f64>()
            .map_err(|error| invalid(error.to_string()))?
            .into(),
        BOOLEAN => match found.value.as_str() {
            "true" | "True" | "TRUE" => true.into(),
            _ => false.into(),
        },
        _ => found.value.clone().into(),
    })
}

struct Replacer<'v> {
    values: &'v BTreeMap<&'v str, Value>,
    used: std::collections::BTreeSet<&'v str>,
}

impl Replacer<'_> {
    fn set(&mut self, node: &mut Node) -> Result<()> {
        if node.is_null() {
            return Ok(());
        }
        match node.kind {
            Kind::Scalar => self.replace(node),
            Kind::Mapping => {
                for (key, value) in node.entries_mut() {
                    if !key.is_string() {
                        return Err(Error(format!(
                            "invalid map key: value='{}', tag='{}'",
                            key.value, key.tag
                        )));
                    }
                    self.replace(value)?;
                }
                Ok(())
            }
            Kind::Sequence => {
                for item in &mut node.content {
                    if !item.is_string() {
                        return Err(Error::new("invalid value type expect a string"));
                    }
                    self.replace(item)?;
                }
                Ok(())
            }
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "one of several of its kind")]
    fn replace(&mut self, node: &mut Node) -> Result<()> {
        if !node.is_string() {
            return Ok(());
        }
        let (text, tag) = match self.expand(&node.value) {
            Value::String(text) => (text, STRING),
            Value::Bool(value) => (value.to_string(), BOOLEAN),
            Value::Number(number) if number.is_f64() => (plain_float(&number), FLOAT),
            Value::Number(number) => (number.to_string(), INTEGER),
            _ => return Ok(()),
        };
        if node.value != text {
            node.set_value(text);
        }
        // Go sets several lines as a block and takes the style away again.
        node.tag = tag.into();
        node.style = Style {
            scalar: ScalarStyle::Plain,
            ..Style::default()
        };
        Ok(())
    }

    fn expand(&mut self, text: &str) -> Value {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let after = &rest[at + 1..];
            let Some(next) = after.chars().next() else {
                break;
            };
            expanded.push_str(&rest[..at]);
            match next {
                '$' => {
                    expanded.push('$');
                    rest = &after[1..];
                }
                '(' => {
                    if let Some(end) = after.find(')') {
                        let name = &after[1..end];
                        let value = self.value(name);
                        if text.len() == name.len() + 3 {
                            return value;
                        }
                        expanded.push_str(&go_text(&value));
                        rest = &after[end + 1..];
                    } else {
                        expanded.push_str("$(");
                        rest = &after[1..];
                    }
                }
                other => {
                    expanded.push('$');
                    expanded.push(other);
                    rest = &after[other.len_utf8()..];
                }
            }
        }
        expanded.push_str(rest);
        expanded.into()
    }

    fn value(&mut self, name: &str) -> Value {
        match self.values.get_key_value(name) {
            Some((name, value)) if !value.is_object() && !value.is_array() && !value.is_null() => {
                self.used.insert(name);
                value.clone()
            }
            _ => format!("$({name})").into(),
        }
    }
}

fn plain_float(number: &serde_json::Number) -> String {
    number.as_f64().unwrap_or_default().to_string()
}

/// Go's `%v` of a scalar.
fn go_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => goyaml::to_yaml_v3(value, 2)
            .map_or_else(|_| number.to_string(), |text| text.trim().to_owned()),
        other => other.to_string(),
    }
}
