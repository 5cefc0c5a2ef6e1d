//! Checking values against the `values.schema.json` files of a chart and its sub-charts.
//!
//! In: the chart tree and the merged values. Out: nothing, or Helm's report. Schemas are self-contained:
//! references to files and addresses are refused, unknown URNs accept everything.

use std::error::Error as StdError;
use std::fmt::Write as _;

use boon::{Compiler, ErrorKind, Schemas, UrlLoader, ValidationError};
use serde_json::{Map, Number, Value};

use crate::tree::Node;
use sprig::gotext;

/// Values that a schema refuses, as one report over all charts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("values don't meet the specifications of the schema(s) in the following chart(s):\n{0}")]
pub struct SchemaError(String);

/// The address Helm gives a schema.
const LOCATION: &str = "file:///values.schema.json";

/// Checks the values of the chart and of each sub-chart that has some.
pub(crate) fn validate(node: &Node, values: &Map<String, Value>) -> Result<(), SchemaError> {
    let mut report = String::new();
    collect(node, values, &mut report);
    if report.is_empty() {
        Ok(())
    } else {
        Err(SchemaError(report))
    }
}

fn collect(node: &Node, values: &Map<String, Value>, report: &mut String) {
    if let Some(schema) = &node.chart.schema
        && let Err(text) = validate_one(schema, values)
    {
        let _ = write!(report, "{}:\n{text}", node.name());
    }
    for sub in &node.dependencies {
        match values.get(sub.name()) {
            None | Some(Value::Null) => {}
            Some(Value::Object(values)) => collect(sub, values, report),
            Some(other) => {
                let (name, found) = (sub.name(), go_type(other));
                let _ = write!(
                    report,
                    "{name}:\ninvalid type for values: expected object (map), got {found}\n"
                );
            }
        }
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// Loads nothing from anywhere.
struct NoLoader;

impl UrlLoader for NoLoader {
    fn load(&self, url: &str) -> Result<Value, Box<dyn StdError>> {
        if url.starts_with("urn:") {
            return Ok(Value::Bool(true));
        }
        Err(format!("schema refers to {url}, which is not loaded").into())
    }
}

fn validate_one(schema: &[u8], values: &Map<String, Value>) -> Result<(), String> {
    let schema: Value = serde_json::from_slice(schema).map_err(|e| e.to_string())?;
    let mut compiler = Compiler::new();
    compiler.use_loader(Box::new(NoLoader));
    compiler
        .add_resource(LOCATION, schema)
        .map_err(|e| e.to_string())?;
    let mut schemas = Schemas::new();
    let index = compiler
        .compile(LOCATION, &mut schemas)
        .map_err(|e| e.to_string())?;
    let values = Value::Object(values.clone());
    match schemas.validate(&values, index) {
        Ok(()) => Ok(()),
        Err(error) => {
            let mut text = String::new();
            display(&error, 0, &mut text);
            Err(text.trim_start_matches('\n').to_owned() + "\n")
        }
    }
}

/// One line for each error, nested ones indented; the line of the whole is left out as Helm does.
fn display(error: &ValidationError<'_, '_>, indent: usize, out: &mut String) {
    let skipped = error.causes.len() == 1 && matches!(error.kind, ErrorKind::Reference { .. });
    let mut indent = indent;
    if !skipped {
        if indent > 0 {
            out.push('\n');
            out.push_str(&"  ".repeat(indent - 1));
            out.push_str("- ");
            let location = quote(&error.instance_location.to_string());
            let _ = write!(out, "at {location}: {}", message(&error.kind));
        }
        indent += 1;
    }
    for cause in &error.causes {
        display(cause, indent, out);
    }
}

/// Source: jsonschema 6 `kind/kind.go`.
fn message(kind: &ErrorKind<'_, '_>) -> String {
    match kind {
        ErrorKind::Group | ErrorKind::Reference { .. } | ErrorKind::Schema { .. } => {
            "validation failed".to_owned()
        }
        ErrorKind::ContentSchema => "'contentSchema' failed".to_owned(),
        ErrorKind::PropertyName { prop } => format!("invalid propertyName {}", quote(prop)),
        ErrorKind::RefCycle {
            url,
            kw_loc1,
            kw_loc2,
        } => {
            let url = gotext::quote(url.as_bytes());
            format!("both {kw_loc1} and {kw_loc2} resolve to {url} causing reference cycle")
        }
        ErrorKind::FalseSchema => "false schema".to_owned(),
        ErrorKind::Type { got, want } => {
            let want: Vec<String> = want.iter().map(|t| t.to_string()).collect();
            format!("got {got}, want {}", want.join(" or "))
        }
        ErrorKind::Enum { want } => enumeration(want),
        ErrorKind::Const {
            want: Value::Array(_) | Value::Object(_),
        } => "'const' failed".to_owned(),
        ErrorKind::Const { want } => format!("value must be {}", shown(want)),
        ErrorKind::Format { got, want, err } => {
            format!("{} is not valid {want}: {err}", shown(got))
        }
        ErrorKind::Not => "'not' failed".to_owned(),
        ErrorKind::AllOf => "'allOf' failed".to_owned(),
        ErrorKind::AnyOf => "'anyOf' failed".to_owned(),
        ErrorKind::OneOf(None) => "'oneOf' failed, none matched".to_owned(),
        ErrorKind::OneOf(Some((a, b))) => format!("'oneOf' failed, subschemas {a}, {b} matched"),
        ErrorKind::ContentEncoding { want, err } => {
            format!("value is not {} encoded: {err}", quote(want))
        }
        ErrorKind::ContentMediaType { want, err, .. } => {
            format!("value is not of mediatype {}: {err}", quote(want))
        }
        ErrorKind::Pattern { got, want } => {
            format!("{} does not match pattern {}", quote(got), quote(want))
        }
        other => bound(other),
    }
}

/// Errors about properties, counts and sizes.
fn bound(kind: &ErrorKind<'_, '_>) -> String {
    let sizes = |name: &str, got: &usize, want: &usize| {
        format!(
            "{name}: got {}, want {}",
            grouped(&got.to_string()),
            grouped(&want.to_string())
        )
    };
    let numbers = |name: &str, got: &Number, want: &Number| {
        format!("{name}: got {}, want {}", number(got), number(want))
    };
    match kind {
        ErrorKind::Required { want } if want.len() == 1 => {
            format!("missing property {}", quote(want[0]))
        }
        ErrorKind::Required { want } => format!("missing properties {}", joined(want)),
        ErrorKind::AdditionalProperties { got } => {
            format!("additional properties {} not allowed", joined(got))
        }
        ErrorKind::Dependency { prop, missing }
        | ErrorKind::DependentRequired { prop, missing } => {
            format!(
                "properties {} required, if {} exists",
                joined(missing),
                quote(prop)
            )
        }
        ErrorKind::MinProperties { got, want } => sizes("minProperties", got, want),
        ErrorKind::MaxProperties { got, want } => sizes("maxProperties", got, want),
        ErrorKind::MinItems { got, want } => sizes("minItems", got, want),
        ErrorKind::MaxItems { got, want } => sizes("maxItems", got, want),
        ErrorKind::MinLength { got, want } => sizes("minLength", got, want),
        ErrorKind::MaxLength { got, want } => sizes("maxLength", got, want),
        ErrorKind::Minimum { got, want } => numbers("minimum", got, want),
        ErrorKind::Maximum { got, want } => numbers("maximum", got, want),
        ErrorKind::ExclusiveMinimum { got, want } => numbers("exclusiveMinimum", got, want),
        ErrorKind::ExclusiveMaximum { got, want } => numbers("exclusiveMaximum", got, want),
        ErrorKind::MultipleOf { got, want } => numbers("multipleOf", got, want),
        ErrorKind::Contains => "no items match contains schema".to_owned(),
        ErrorKind::MinContains { got, want } if got.is_empty() => {
            format!("min {want} items required to match contains schema, but none matched")
        }
        ErrorKind::MinContains { got, want } => matched("min", *want, got),
        ErrorKind::MaxContains { got, want } => matched("max", *want, got),
        ErrorKind::UniqueItems { got: [a, b] } => format!("items at {a} and {b} are equal"),
        ErrorKind::AdditionalItems { got } => format!("last {got} additionalItem(s) not allowed"),
        _ => "validation failed".to_owned(),
    }
}

fn matched(which: &str, want: usize, got: &[usize]) -> String {
    let places: Vec<String> = got.iter().map(ToString::to_string).collect();
    format!(
        "{which} {want} items required to match contains schema, but matched {} items at {}",
        got.len(),
        places.join(" ")
    )
}

fn enumeration(want: &[Value]) -> String {
    if want.iter().any(|v| v.is_array() || v.is_object()) {
        return "'enum' failed".to_owned();
    }
    let parts: Vec<String> = want.iter().map(shown).collect();
    match parts.as_slice() {
        [one] => format!("value must be {one}"),
        all => format!("value must be one of {}", all.join(", ")),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => quote(text),
        Value::Array(_) | Value::Object(_) => "value".to_owned(),
        other => other.to_string(),
    }
}

/// Single quotes around Go's escapes.
fn quote(text: &str) -> String {
    let quoted = gotext::quote(text.as_bytes());
    let inner = quoted[1..quoted.len() - 1]
        .replace("\\\"", "\"")
        .replace('\'', "\\'");
    format!("'{inner}'")
}

fn joined<S: AsRef<str>>(texts: &[S]) -> String {
    let quoted: Vec<String> = texts.iter().map(|t| quote(t.as_ref())).collect();
    quoted.join(", ")
}

/// A number as an English text has it.
fn number(number: &Number) -> String {
    grouped(&goyaml::json::encode_f64(
        number.as_f64().unwrap_or_default(),
    ))
}

/// Thousands separated by commas.
fn grouped(text: &str) -> String {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let end = digits
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(digits.len());
    let (whole, rest) = digits.split_at(end);
    let mut out = String::from(sign);
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(schema: &Value, values: &Value, want: &str) {
        let Value::Object(values) = values else {
            unreachable!("values are an object")
        };
        let got = validate_one(schema.to_string().as_bytes(), values)
            .err()
            .unwrap_or_default();
        assert_eq!(got, want, "{schema}");
    }

    #[test]
    fn reports_are_in_the_words_of_the_go_library() {
        let property = |schema: &Value| json!({"properties": {"a": schema}});
        for (schema, value, want) in [
            (
                json!({"type": "string"}),
                json!(1.5),
                "- at '/a': got number, want string\n",
            ),
            (
                json!({"type": ["string", "null"]}),
                json!(true),
                "- at '/a': got boolean, want null or string\n",
            ),
            (
                json!({"maximum": 65535}),
                json!(70000.0),
                "- at '/a': maximum: got 70,000, want 65,535\n",
            ),
            (
                json!({"enum": ["x", "y'"]}),
                json!("z"),
                "- at '/a': value must be one of 'x', 'y\\''\n",
            ),
            (
                json!({"pattern": "^[a-z]+$"}),
                json!("A"),
                "- at '/a': 'A' does not match pattern '^[a-z]+$'\n",
            ),
            (
                json!({"required": ["b", "c"]}),
                json!({}),
                "- at '/a': missing properties 'b', 'c'\n",
            ),
            (
                json!({"additionalProperties": false}),
                json!({"q": 1.0}),
                "- at '/a': additional properties 'q' not allowed\n",
            ),
            (
                json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
                json!(1.0),
                "- at '/a': 'anyOf' failed\n  - at '/a': got number, want string\n  - at '/a': got number, want null\n",
            ),
            (json!({"type": "integer"}), json!(3.0), ""),
            (json!({"$ref": "urn:example:x"}), json!(3.0), ""),
        ] {
            check(&property(&schema), &json!({"a": value}), want);
        }
    }

    #[test]
    fn schemas_from_elsewhere_are_not_loaded() {
        let schema = json!({"$ref": "file:///etc/passwd"});
        let got = validate_one(schema.to_string().as_bytes(), &Map::new());
        assert!(got.is_err_and(|text| text.contains("/etc/passwd")));
        assert!(validate_one(b"{", &Map::new()).is_err());
    }
}
