//! Selectors against answers recorded from Kubernetes' own `labels` and `fields` packages by
//! `tools/oracle/apimachinery`. Half of the cases are errors, compared by their whole text.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use apimachinery::selectors::{FieldSelector, LabelSelector};
use proptest::prelude::*;
use serde_json::{Map, Value};

fn cases(text: &str) -> Vec<Map<String, Value>> {
    serde_json::from_str(text).unwrap()
}

fn check_error<E: std::fmt::Display>(case: &Map<String, Value>, error: &E) {
    assert_eq!(
        Some(error.to_string().as_str()),
        case.get("error").and_then(Value::as_str),
        "{case:?}"
    );
}

#[test]
fn label_selectors_answer_as_recorded() {
    for case in cases(include_str!("data/label-selectors.json")) {
        let parsed = match case.get("text").and_then(Value::as_str) {
            Some(text) => LabelSelector::parse(text),
            None => LabelSelector::from_object(&case["object"]),
        };
        let selector = match parsed {
            Ok(selector) => selector,
            Err(error) => {
                check_error(&case, &error);
                continue;
            }
        };
        let want = case
            .get("want")
            .unwrap_or_else(|| panic!("no error for {case:?}"));
        assert_eq!(
            selector.to_string(),
            want["text"].as_str().unwrap(),
            "{case:?}"
        );
        let sets = case["labels"].as_array().unwrap();
        let matches: Vec<bool> = sets
            .iter()
            .map(|set| selector.matches(set.as_object().unwrap()))
            .collect();
        assert_eq!(Value::from(matches), want["matches"], "{case:?}");
    }
}

#[test]
fn field_selectors_answer_as_recorded() {
    for case in cases(include_str!("data/field-selectors.json")) {
        let selector = match FieldSelector::parse(case["text"].as_str().unwrap()) {
            Ok(selector) => selector,
            Err(error) => {
                check_error(&case, &error);
                continue;
            }
        };
        let want = case
            .get("want")
            .unwrap_or_else(|| panic!("no error for {case:?}"));
        let sets = case["fields"].as_array().unwrap();
        let matches: Vec<bool> = sets
            .iter()
            .map(|set| selector.matches(|field| set.get(field).and_then(Value::as_str)))
            .collect();
        assert_eq!(Value::from(matches), want["matches"], "{case:?}");
    }
}

#[test]
fn selector_objects_of_the_wrong_shape_name_the_place() {
    for (object, error) in [
        ("[]", "selector: must be an object"),
        (r#"{"matchLabels": []}"#, "matchLabels: must be an object"),
        (
            r#"{"matchLabels": {"a": 1}}"#,
            "matchLabels[a]: must be a string",
        ),
        (
            r#"{"matchExpressions": {}}"#,
            "matchExpressions: must be a list",
        ),
        (
            r#"{"matchExpressions": [1]}"#,
            "matchExpressions[0]: must be an object",
        ),
        (
            r#"{"matchExpressions": [{"key": "a", "operator": "In", "values": [1]}]}"#,
            "matchExpressions[0].values: must be a list of strings",
        ),
    ] {
        let object: Value = serde_json::from_str(object).unwrap();
        assert_eq!(
            LabelSelector::from_object(&object).unwrap_err().to_string(),
            error
        );
    }
}

#[test]
fn an_object_without_labels_matches_what_asks_for_none() {
    let object = serde_json::json!({"metadata": {"name": "a"}});
    assert!(LabelSelector::parse("!a").unwrap().matches_object(&object));
    assert!(!LabelSelector::parse("a").unwrap().matches_object(&object));
    assert!(!LabelSelector::nothing().matches_object(&object));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_parses_or_is_refused_and_prints_back(text in "[a-c!=<>(), inot./\\\\\"é\u{0}-]{0,24}") {
        if let Ok(selector) = LabelSelector::parse(&text) {
            let printed = selector.to_string();
            prop_assert_eq!(LabelSelector::parse(&printed).unwrap().to_string(), printed);
        }
        let _ = FieldSelector::parse(&text);
    }
}
