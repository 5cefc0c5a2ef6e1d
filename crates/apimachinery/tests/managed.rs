//! Field ownership against recordings of Kubernetes' own field manager, by
//! `tools/oracle/apimachinery`: each case is a series of writes to one object; after each, the
//! whole stored object or the whole error is compared. Times are only present ("T") or absent.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use apimachinery::managed::{self, Set, Writer};
use apimachinery::types::{Facts, Kind, TypeRef, Types};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn builtin() -> Types {
    with_facts(&Facts::builtin().unwrap())
}

/// The built-in types for objects that were not decoded into Go's structs.
fn undecoded() -> Types {
    let mut facts = Facts::builtin().unwrap();
    for facts in facts.types.values_mut() {
        facts
            .fields
            .values_mut()
            .for_each(|field| field.zero = None);
    }
    with_facts(&facts)
}

fn with_facts(facts: &Facts) -> Types {
    let definitions: Map<String, Value> =
        serde_json::from_str(include_str!("data/definitions.json")).unwrap();
    Types::build(&definitions, facts).unwrap()
}

/// Go's structs come with nulls and empty values, or lose them; ownership is compared as it is.
fn without_empty(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(fields) => {
            let fields: Map<String, Value> = fields
                .iter()
                .filter_map(|(name, value)| {
                    let kept = if name == "managedFields" {
                        Some(value.clone())
                    } else {
                        without_empty(value)
                    };
                    Some((name.clone(), kept?))
                })
                .collect();
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        Value::Array(items) => {
            let items: Vec<Value> = items.iter().filter_map(without_empty).collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        scalar => Some(scalar.clone()),
    }
}

fn kind_of(case: &Value) -> Kind {
    let part = |index: usize| case["kind"][index].as_str().unwrap().to_owned();
    Kind {
        group: part(0),
        version: part(1),
        kind: part(2),
    }
}

fn api_version(kind: &Kind) -> String {
    if kind.group.is_empty() {
        kind.version.clone()
    } else {
        format!("{}/{}", kind.group, kind.version)
    }
}

fn ignored(step: &Value) -> Set {
    let paths: Vec<Vec<&str>> = step["ignored"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|path| path.as_str().unwrap().split('.').collect())
        .collect();
    Set::of_fields(&paths.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn play(
    live: Option<&Value>,
    step: &Value,
    kind: &Kind,
    of: TypeRef<'_>,
) -> Result<Value, managed::Error> {
    let api_version = api_version(kind);
    let writer = Writer {
        manager: step["manager"].as_str().unwrap(),
        api_version: &api_version,
        subresource: step["subresource"].as_str().unwrap_or(""),
        now: "T",
    };
    let force = step["force"].as_bool().unwrap_or(false);
    let ignored = ignored(step);
    let mut object = if step["op"] == "apply" {
        managed::apply(
            live,
            &step["object"],
            of,
            &kind.kind,
            &writer,
            &ignored,
            force,
        )?
    } else {
        let mut new = step["object"].clone();
        if live.is_some() {
            new["metadata"]["uid"] = json!("uid");
        }
        managed::update(live, new, of, &writer, &ignored)
    };
    object["metadata"]["uid"] = json!("uid");
    Ok(object)
}

fn check(case: &Value, types: &Types) {
    let kind = kind_of(case);
    let custom = |schema: &Value| Types::custom(kind.clone(), schema, types).unwrap();
    let mut graph = case
        .get("schema")
        .filter(|schema| schema.is_object())
        .map(custom);
    let mut live: Option<Value> = None;
    for (index, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        let want = &case["want"][index];
        if let Some(schema) = step.get("schema") {
            graph = Some(custom(schema));
        }
        let of = match (&graph, case.get("schema")) {
            (None, Some(_)) => types.deduced(),
            (graph, _) => {
                let types = graph.as_ref().unwrap_or(types);
                types.kind(&kind.group, &kind.version, &kind.kind).unwrap()
            }
        };
        let place = format!("{} step {index}", case["name"]);
        match play(live.as_ref(), step, &kind, of) {
            Ok(object) => {
                let decoded = case["typed"] == true;
                let shown = |object: &Value| {
                    let object = if decoded {
                        without_empty(object)
                    } else {
                        Some(object.clone())
                    };
                    serde_json::to_string_pretty(&object).unwrap()
                };
                let got = shown(&object);
                assert_eq!(got, shown(want), "{place}");
                live = Some(object);
            }
            Err(error) => {
                assert_eq!(
                    Some(error.to_string().as_str()),
                    want["error"].as_str(),
                    "{place}"
                );
                let status = want["status"].as_u64().unwrap_or(500);
                assert_eq!(u64::from(error.status()), status, "{place}");
            }
        }
    }
}

#[test]
fn ownership_follows_the_recordings() {
    let (decoded, undecoded) = (builtin(), undecoded());
    let cases: Vec<Value> = serde_json::from_str(include_str!("data/managed.json")).unwrap();
    let mut failed = Vec::new();
    for case in &cases {
        let types = if case["typed"] == true {
            &decoded
        } else {
            &undecoded
        };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(case, types)));
        if result.is_err() {
            failed.push(case["name"].to_string());
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2i64..3).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "size", "text", "plain", "set", "rows", "a", "b", "v", "map", "deep", "x", "free", "any",
        "nodef", "id",
    ]);
    leaf.prop_recursive(4, 32, 4, move |inner| {
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

fn widgets() -> Types {
    let cases: Vec<Value> = serde_json::from_str(include_str!("data/managed.json")).unwrap();
    let case = cases
        .iter()
        .find(|case| case["schema"].is_object())
        .unwrap();
    Types::custom(kind_of(case), &case["schema"], &builtin()).unwrap()
}

fn widget(spec: &Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec})
}

fn writer<'a>(manager: &'a str, now: &'a str) -> Writer<'a> {
    Writer {
        manager,
        api_version: "example.com/v1",
        subresource: "",
        now,
    }
}

thread_local! {
    static WIDGETS: Types = widgets();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn applying_the_same_twice_changes_nothing(start in any_json(), spec in any_json()) {
        WIDGETS.with(|types| {
            let of = types.kind("example.com", "v1", "Widget").unwrap();
            let none = Set::default();
            let live = managed::update(None, widget(&start), of, &writer("u", "1"), &none);
            let apply = |live: &Value, now| {
                managed::apply(Some(live), &widget(&spec), of, "Widget", &writer("m", now), &none, true)
            };
            if let Ok(once) = apply(&live, "2") {
                let twice = apply(&once, "3").unwrap();
                prop_assert!(managed::same_but_for_times(&once, &twice), "{once}\n{twice}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn writes_of_anything_never_panic(live in any_json(), new in any_json(), entries in any_json()) {
        WIDGETS.with(|types| {
            let of = types.kind("example.com", "v1", "Widget").unwrap();
            let none = Set::default();
            for live in [&live, &widget(&live)] {
                let mut live = live.clone();
                if live.is_object() {
                    live["metadata"] = json!({"managedFields": entries});
                }
                let updated = managed::update(Some(&live), new.clone(), of, &writer("u", "1"), &none);
                let _ = managed::apply(Some(&live), &updated, of, "Widget", &writer("m", "2"), &none, false);
                let _ = managed::check_entries(&new);
            }
        });
    }

    #[test]
    fn a_create_owns_what_created_entries_says(spec in any_json()) {
        WIDGETS.with(|types| {
            let of = types.kind("example.com", "v1", "Widget").unwrap();
            let ignored = Set::of_fields(&[&["status"]]);
            let created = managed::update(None, widget(&spec), of, &writer("u", "1"), &ignored);
            let entries = managed::created_entries(&widget(&spec), of, &writer("u", "1"), &ignored);
            prop_assert_eq!(created["metadata"].get("managedFields"), entries.as_ref());
            Ok(())
        })?;
    }
}

#[test]
fn only_times_differ_between_equal_writes() {
    let object = |time: &str, value: u8| json!({"metadata": {"name": "a", "managedFields": [{"manager": "m", "time": time}]}, "x": value});
    assert!(managed::same_but_for_times(
        &object("1", 1),
        &object("2", 1)
    ));
    assert!(!managed::same_but_for_times(
        &object("1", 1),
        &object("1", 2)
    ));
    let mut other = object("1", 1);
    other["metadata"]["managedFields"][0]["manager"] = json!("n");
    assert!(!managed::same_but_for_times(&object("1", 1), &other));
    other["metadata"] = json!({"name": "a"});
    assert!(!managed::same_but_for_times(&object("1", 1), &other));
}

#[test]
fn entries_that_cannot_be_read_say_why() {
    let entry = |change: Value| {
        let mut entry = json!({"manager": "m", "operation": "Update", "apiVersion": "v1",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:a": {}}});
        for (name, value) in change.as_object().unwrap() {
            entry[name] = value.clone();
        }
        json!([entry])
    };
    for (change, error) in [
        (
            json!({"operation": "Delete"}),
            "operation must be `Apply` or `Update`",
        ),
        (json!({"apiVersion": ""}), "apiVersion must not be empty"),
        (
            json!({"fieldsType": ""}),
            "missing fieldsType in managed fields entry 0",
        ),
        (
            json!({"fieldsType": "V2"}),
            "invalid fieldsType \"V2\" in managed fields entry 0",
        ),
        (
            json!({"fieldsV1": {"x": {}}}),
            "error decoding set: key must be 2 characters long:",
        ),
        (
            json!({"fieldsV1": {"xy": {}}}),
            "error decoding set: missing colon: xy",
        ),
        (
            json!({"manager": 1}),
            "metadata.managedFields[0] is malformed",
        ),
    ] {
        assert_eq!(
            managed::check_entries(&entry(change))
                .unwrap_err()
                .to_string(),
            error
        );
    }
    assert_eq!(
        managed::check_entries(&entry(json!({"fieldsV1": {"z:later": {}}}))),
        Ok(())
    );
}
