//! Cases in `tests/data/structural*.json`, with texts of a real API server, and properties on arbitrary input.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str::<Vec<Value>>(text).unwrap()
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn objects_are_pruned_defaulted_and_checked_as_by_the_server() {
    for case in cases(include_str!("../../tests/data/structural.json")) {
        let name = &case["name"];
        let schema = Schema::compile(&case["schema"]).unwrap();
        let mut object = case["object"].clone();
        let removed = schema.prune(&mut object);
        assert_eq!(removed, texts(&case["removed"]), "{name}");
        if case["keep_nulls"].is_null() {
            schema.apply_defaults(&mut object);
        }
        if let Some(after) = case.get("after") {
            assert_eq!(&object, after, "{name}");
        }
        let errors = match case.get("old") {
            None => schema.validate(&object),
            Some(old) => schema.validate_update(&object, old),
        };
        let mut found: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let mut expected = texts(&case["errors"]);
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn schemas_are_refused_as_by_the_server() {
    for case in cases(include_str!("../../tests/data/structural-schemas.json")) {
        let name = &case["name"];
        let schema = Schema::compile(&case["schema"]).unwrap();
        let mut found: Vec<String> = schema
            .check(&Path::new("S"))
            .iter()
            .map(ToString::to_string)
            .collect();
        let mut expected = texts(&case["errors"]);
        if !case["prefix"].is_null() {
            assert!(
                found.len() == 1 && found[0].starts_with(&expected[0]),
                "{name}: {found:?}"
            );
            continue;
        }
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn err_keywords_of_the_wrong_type_do_not_compile() {
    let cases = [
        (
            json!("x"),
            "json: cannot unmarshal string into Go struct field JSONSchemaProps.spec.versions.schema.openAPIV3Schema of type v1.JSONSchemaProps",
        ),
        (
            json!({"type": 5}),
            "json: cannot unmarshal number into Go struct field JSONSchemaProps.spec.versions.schema.openAPIV3Schema.type of type string",
        ),
        (
            json!({"properties": {"a": {"maximum": "3"}}}),
            "json: cannot unmarshal string into Go struct field JSONSchemaProps.spec.versions.schema.openAPIV3Schema.properties.maximum of type float64",
        ),
        (
            json!({"items": {"required": [1]}}),
            "json: cannot unmarshal number into Go struct field JSONSchemaProps.spec.versions.schema.openAPIV3Schema.items.required of type string",
        ),
        (
            json!({"x-kubernetes-validations": [1]}),
            "json: cannot unmarshal number into Go struct field JSONSchemaProps.spec.versions.schema.openAPIV3Schema.x-kubernetes-validations of type v1.ValidationRule",
        ),
    ];
    for (schema, text) in cases {
        assert_eq!(Schema::compile(&schema).unwrap_err().to_string(), text);
    }
    let mut deep = json!({"type": "object"});
    for _ in 0..130 {
        deep = json!({"type": "array", "items": deep});
    }
    assert!(matches!(Schema::compile(&deep), Err(Error::Depth { .. })));
}

#[test]
fn equal_schemas_are_compiled_once() {
    let cache = SchemaCache::default();
    let one = cache
        .compile(&json!({"type": "object", "description": "a"}))
        .unwrap();
    let same = cache
        .compile(&json!({"description": "a", "type": "object"}))
        .unwrap();
    let other = cache.compile(&json!({"type": "object"})).unwrap();
    assert!(Arc::ptr_eq(&one, &same));
    assert!(!Arc::ptr_eq(&one, &other));
    drop((one, same));
    cache
        .compile(&json!({"type": "object", "title": "x"}))
        .unwrap();
    assert_eq!(cache.lock().len(), 2);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]|metadata|kind", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = (
        prop::sample::select(vec!["string", "integer", "number", "boolean", "object", ""]),
        any::<[bool; 4]>(),
        any_json(),
    )
        .prop_map(|(kind, flags, default)| {
            let mut schema = json!({"type": kind, "nullable": flags[0]});
            if flags[1] {
                schema["default"] = default;
            }
            if flags[2] {
                schema["maxLength"] = json!(1);
                schema["maximum"] = json!(3.5);
                schema["enum"] = json!(["a", 1, null]);
                schema["pattern"] = json!("^a");
                schema["format"] = json!("date-time");
            }
            if flags[3] {
                schema["x-kubernetes-preserve-unknown-fields"] = json!(true);
            }
            schema
        });
    leaf.prop_recursive(3, 16, 3, |inner| {
        (prop::collection::vec(inner.clone(), 3), any_json(), 0..5_u8).prop_map(
            |(children, default, form)| match form {
                0 => json!({"type": "array", "items": children[0], "x-kubernetes-list-type": "map",
                            "x-kubernetes-list-map-keys": ["a"]}),
                1 => json!({"type": "array", "items": children[0], "x-kubernetes-list-type": "set"}),
                2 => json!({"type": "object", "additionalProperties": children[0], "minProperties": 1}),
                3 => json!({"type": "object", "properties": {"a": children[0], "b": children[1]},
                            "default": default, "required": ["a"], "oneOf": [children[2]], "not": children[1]}),
                _ => json!({"type": "object", "properties": {"a": children[0], "b": children[1], "c": children[2]},
                            "x-kubernetes-embedded-resource": true}),
            },
        )
    })
}

proptest! {
    #[test]
    fn arbitrary_objects_never_panic_and_steps_are_idempotent(
        schema in any_schema(),
        object in any_json(),
        old in any_json(),
    ) {
        let schema = Schema::compile(&schema).unwrap();
        schema.check(&Path::new("S"));
        let mut pruned = object;
        schema.prune(&mut pruned);
        let mut again = pruned.clone();
        prop_assert!(schema.prune(&mut again).is_empty());
        prop_assert_eq!(&again, &pruned);
        let mut defaulted = pruned;
        schema.apply_defaults(&mut defaulted);
        let mut again = defaulted.clone();
        schema.apply_defaults(&mut again);
        prop_assert_eq!(&again, &defaulted);
        schema.validate(&defaulted);
        prop_assert!(schema.validate_update(&defaulted, &defaulted).is_empty());
        schema.validate_update(&defaulted, &old);
    }

    #[test]
    fn arbitrary_json_never_panics_as_a_schema(schema in any_json()) {
        if let Ok(schema) = Schema::compile(&schema) {
            schema.check(&Path::new("S"));
        }
    }
}
