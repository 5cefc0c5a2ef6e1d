//! Hostile schemas end with an error, whatever they try.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::{Compiled, Loader, Location};

struct Nothing;

impl Loader for Nothing {
    fn load(&self, _: &Location<'_>) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

/// The report, the error of the schema or the reason to stop; empty for good values.
pub(super) fn outcome(schema: &str, values: &Value) -> String {
    let compiled = match Compiled::new("file:///s.json", schema.as_bytes(), &Nothing) {
        Ok(compiled) => compiled,
        Err(error) => return error.to_string(),
    };
    let empty = Map::new();
    match compiled.validate(values.as_object().unwrap_or(&empty)) {
        Ok(report) => report.unwrap_or_default(),
        Err(fault) => fault.to_string(),
    }
}

/// Each definition mentions the next one twice.
fn doubling(keyword: &str, n: usize) -> String {
    let mut definitions = String::new();
    for i in 0..n {
        let next = i + 1;
        let _ = write!(
            definitions,
            "\"d{i}\": {{\"{keyword}\": [{{\"$ref\": \"#/$defs/d{next}\"}}, {{\"$ref\": \"#/$defs/d{next}\"}}]}},"
        );
    }
    format!(
        "{{\"$ref\": \"#/$defs/d0\", \"$defs\": {{{definitions} \"d{n}\": {{\"minProperties\": 1}}}}}}"
    )
}

#[test]
fn exponential_schemas_stop() {
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let got = outcome(&doubling(keyword, 60), &json!({}));
        assert_eq!(got, "the schema takes too many steps", "{keyword}");
        let got = outcome(&doubling(keyword, 4), &json!({}));
        assert!(got.contains("minProperties"), "{keyword}: {got}");
    }
}

#[test]
fn endless_references_are_cycles() {
    for schema in [
        json!({"$ref": "#"}),
        json!({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$dynamicRef": "#"}}}),
        json!({"$schema": "https://json-schema.org/draft/2019-09/schema", "$recursiveRef": "#"}),
    ] {
        let got = outcome(&schema.to_string(), &json!({}));
        assert!(got.contains("reference cycle") || got.is_empty(), "{got}");
    }
}

#[test]
fn deep_schemas_and_values_stop() {
    let n = 3_000;
    let deep = format!("{}{{}}{}", "{\"not\":".repeat(n), "}".repeat(n));
    let got = outcome(&deep, &json!({}));
    assert_eq!(got, "invalid character '{' exceeded max depth");

    let deep = format!("{}{{}}{}", "{\"not\":".repeat(300), "}".repeat(300));
    assert_eq!(outcome(&deep, &json!({})), "");

    let mut definitions = String::new();
    for i in 0..5_500 {
        let next = i + 1;
        let _ = write!(definitions, "\"d{i}\": {{\"$ref\": \"#/$defs/d{next}\"}},");
    }
    let long =
        format!("{{\"$ref\": \"#/$defs/d0\", \"$defs\": {{{definitions} \"d5500\": true}}}}");
    assert_eq!(
        outcome(&long, &json!({})),
        "the schema is nested too deeply"
    );
}

#[test]
fn deep_values_are_followed() {
    let mut value = json!({});
    for _ in 0..250 {
        value = Value::Object(Map::from_iter([("a".to_owned(), value)]));
    }
    let recursive = r##"{"properties": {"a": {"$ref": "#"}}, "minProperties": 1}"##;
    let got = outcome(recursive, &value);
    assert!(got.contains("/a/a/a"), "{got:.80}");
}

#[test]
fn long_reports_stop() {
    let schema = r#"{"additionalProperties": {"items": {"type": "string"}}}"#;
    let name = "n".repeat(10_000);
    let got = outcome(schema, &json!({ name: vec![1; 10_000] }));
    assert_eq!(got, "the report of what is wrong is too long");
}

#[test]
fn huge_numbers_cost_nothing() {
    for (schema, want) in [
        ("{\"minProperties\": 1e1000000}", ""),
        ("{\"minimum\": 1e999999999}", ""),
        (
            "{\"properties\": {\"a\": {\"multipleOf\": 1e-1000000}}}",
            "",
        ),
        ("{\"properties\": {\"a\": {\"maximum\": 1e1000000}}}", ""),
        (
            "{\"multipleOf\": 1e9999999}",
            "unable to validate schema: runtime error: invalid memory address or nil pointer dereference",
        ),
    ] {
        assert_eq!(outcome(schema, &json!({"a": 3.5})), want, "{schema}");
    }
    let long = format!(
        "{{\"properties\": {{\"a\": {{\"multipleOf\": {}}}}}}}",
        "7".repeat(1 << 20)
    );
    assert_eq!(
        outcome(&long, &json!({"a": 3})),
        "the schema takes too many steps"
    );
}

#[test]
fn many_patterns_and_large_patterns_are_refused() {
    let many: Map<String, Value> = (0..3_000).map(|i| (format!("a{i}"), json!(true))).collect();
    let got = outcome(
        &json!({ "patternProperties": many }).to_string(),
        &json!({}),
    );
    assert!(got.contains("too many patterns"), "{got:.200}");
    let huge = json!({"pattern": "(((a{100}){100}){100}){100}"});
    let got = outcome(&huge.to_string(), &json!({}));
    assert!(got.contains("error parsing regexp"), "{got:.200}");
}

#[test]
fn many_comparisons_stop() {
    let choices: Vec<Value> = (0..3_000).map(|i| json!([vec![0; 1_000], i])).collect();
    let schema = json!({"additionalProperties": {"enum": choices}});
    let value = json!([vec![0; 1_000], -1]);
    let values: Map<String, Value> = (0..100).map(|i| (i.to_string(), value.clone())).collect();
    let got = outcome(&schema.to_string(), &Value::Object(values));
    assert_eq!(got, "the schema takes too many steps");
}
