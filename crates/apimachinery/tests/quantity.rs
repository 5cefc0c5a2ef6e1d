//! Canonical quantities against Kubernetes' own, recorded by `tools/oracle/apimachinery`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use apimachinery::quantity::canonical;
use proptest::prelude::*;
use serde_json::Value;

#[test]
fn quantities_are_written_as_recorded() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("data/quantities.json")).unwrap();
    let wrong: Vec<String> = cases
        .iter()
        .filter(|case| {
            canonical(case["text"].as_str().unwrap()).as_deref() != case["want"].as_str()
        })
        .map(|case| format!("{case} got {:?}", canonical(case["text"].as_str().unwrap())))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn canonical_texts_are_canonical(text in "[+-]?[0-9]{0,20}\\.?[0-9]{0,12}(|n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|e[0-9]{1,2}|e-[0-9]{1,12})") {
        if let Some(once) = canonical(&text) {
            prop_assert_eq!(canonical(&once), Some(once));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,12}") {
        let _ = canonical(&text);
    }
}
