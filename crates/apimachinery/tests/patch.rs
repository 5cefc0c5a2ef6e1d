//! Patches against answers recorded from the libraries that the API server uses, by
//! `tools/oracle/apimachinery`. Half of the cases are errors, compared by their whole text.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use apimachinery::patch;
use apimachinery::types::{self, Facts, Types};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn check(text: &str, apply: fn(&Value, &Value) -> Result<Value, patch::Error>) {
    let cases: Vec<Map<String, Value>> = serde_json::from_str(text).unwrap();
    for case in cases {
        match apply(&case["object"], &case["patch"]) {
            Ok(got) => assert_eq!(Some(&got), case.get("want"), "{case:?}"),
            Err(error) => {
                let recorded = case.get("error").and_then(Value::as_str);
                assert_eq!(recorded, Some(error.to_string().as_str()), "{case:?}");
                assert!(matches!(error.status(), 400 | 422), "{case:?}");
            }
        }
    }
}

#[test]
fn json_patches_answer_as_recorded() {
    check(include_str!("data/json-patch.json"), patch::json_patch);
}

#[test]
fn merge_patches_answer_as_recorded() {
    check(include_str!("data/merge-patch.json"), patch::merge_patch);
}

fn builtin() -> Types {
    let definitions: Map<String, Value> =
        serde_json::from_str(include_str!("data/definitions.json")).unwrap();
    Types::build(&definitions, &Facts::builtin().unwrap()).unwrap()
}

#[test]
fn strategic_merge_patches_answer_as_recorded() {
    let types = builtin();
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("data/strategic-patch.json")).unwrap();
    let mut failed = Vec::new();
    for case in &cases {
        let part = |index: usize| case["kind"][index].as_str().unwrap();
        let of = types.kind(part(0), part(1), part(2)).unwrap();
        let got = patch::strategic_merge_patch(&case["object"], &case["patch"], Some(of));
        let same = match (&got, case["error"].as_str()) {
            (Ok(got), None) => *got == case["want"],
            // Upstream crashes on a null element where it asks for its type.
            (Err(error), Some("panic")) => error.status() == 500,
            (Err(error), Some(want)) => error.to_string() == want,
            _ => false,
        };
        if !same {
            failed.push(format!("{case}\n  got {got:?}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn strategic_merge_patches_are_created_as_recorded() {
    let types = builtin();
    let cases: Vec<Value> = serde_json::from_str(include_str!("data/create-patch.json")).unwrap();
    let mut failed = Vec::new();
    for case in &cases {
        let part = |index: usize| case["kind"][index].as_str().unwrap();
        let of = types.kind(part(0), part(1), part(2)).unwrap();
        let state = |name: &str| case[name].as_object();
        let (from, to) = (state("from").unwrap(), state("to").unwrap());
        let got = match state("live") {
            None => patch::create_strategic_merge_patch(from, to, of),
            Some(live) => patch::create_three_way_merge_patch(from, to, live, of),
        };
        let same = match (&got, case["error"].as_str()) {
            (Ok(got), None) => *got == case["want"],
            (Err(error), Some("panic")) => error.status() == 500,
            (Err(error), Some(want)) => error.to_string() == want,
            _ => false,
        };
        if !same {
            failed.push(format!("{case}\n  got {got:?}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn custom_resources_have_no_strategic_merge_patch() {
    let error = patch::strategic_merge_patch(&json!({}), &json!({}), None).unwrap_err();
    assert_eq!(error.status(), 415);
}

#[test]
fn too_many_operations_are_refused_before_any_is_applied() {
    let one = json!({"op": "remove", "path": "/missing"});
    let patch = Value::from(vec![one; patch::OPERATIONS_MAX + 1]);
    let error = patch::json_patch(&json!({}), &patch).unwrap_err();
    assert_eq!(error.status(), 413);
    assert_eq!(
        error.to_string(),
        "The allowed maximum operations in a JSON patch is 10000, got 10001"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2i64..3).prop_map(Value::from),
        "[ab/~-]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]{1}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_created_merge_patch_leads_from_one_object_to_the_other(from in any_json(), to in any_json()) {
        let (from, to) = (without_nulls(json!({"x": from})), without_nulls(json!({"x": to})));
        let change = patch::create_merge_patch(from.as_object().unwrap(), to.as_object().unwrap());
        prop_assert_eq!(without_nulls(patch::merge_patch(&from, &change).unwrap()), without_nulls(to.clone()));
        let none = patch::create_merge_patch(to.as_object().unwrap(), to.as_object().unwrap());
        prop_assert_eq!(none, json!({}));
    }

    #[test]
    fn a_merge_patch_applied_twice_is_applied_once(object in any_json(), change in any_json()) {
        if let Ok(once) = patch::merge_patch(&object, &change) {
            let twice = patch::merge_patch(&once, &change).unwrap_or(once.clone());
            // A list that replaces an object keeps nulls that a list over a list loses.
            prop_assert_eq!(without_nulls(twice), without_nulls(once));
        }
    }

    #[test]
    fn arbitrary_json_patches_never_panic(
        object in any_json(),
        op in prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test", "x"]),
        path in "(/[a-c0-9~-]{0,2}){0,4}",
        from in "(/[a-c0-9~-]{0,2}){0,4}",
        value in any_json(),
    ) {
        let patch = json!([{"op": op, "path": path, "from": from, "value": value}]);
        let _ = patch::json_patch(&object, &patch);
        let _ = patch::json_patch(&object, &value);
    }

    #[test]
    fn arbitrary_strategic_patches_never_panic(
        object in any_pod(),
        change in any_pod(),
        live in any_pod(),
    ) {
        TYPES.with(|types| {
            let of = types.kind("", "v1", "Pod").unwrap();
            let _ = patch::strategic_merge_patch(&object, &change, Some(of));
            if let (Some(object), Some(change), Some(live)) =
                (object.as_object(), change.as_object(), live.as_object())
            {
                let _ = patch::create_three_way_merge_patch(object, change, live, of);
                if let Ok(made) = patch::create_strategic_merge_patch(object, live, of) {
                    let _ = patch::strategic_merge_patch(&Value::Object(object.clone()), &made, Some(of));
                }
            }
            let _ = types::check(&object, of);
            let mut decoded = object.clone();
            types::normalize(&mut decoded, of);
        });
    }
}

thread_local! {
    static TYPES: Types = builtin();
}

/// JSON with the fields and directives that strategic merge patches look at, in any place.
fn any_pod() -> impl Strategy<Value = Value> {
    let name = prop::sample::select(vec![
        "spec",
        "metadata",
        "containers",
        "finalizers",
        "name",
        "volumes",
        "labels",
        "ports",
        "$patch",
        "$retainKeys",
        "$setElementOrder/containers",
        "$setElementOrder/finalizers",
        "$deleteFromPrimitiveList/finalizers",
        "$deleteFromPrimitiveList",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(Value::from(1)),
        prop::sample::select(vec!["a", "b", "delete", "replace", "name"]).prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..4).prop_map(|fields| {
                fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            }),
        ]
    })
}
