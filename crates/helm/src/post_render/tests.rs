//! What the recorded cases of `tests/charts.rs` do not reach.

use super::*;

fn files(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
    list.iter().map(owned).collect()
}

#[test]
fn an_object_that_would_be_printed_as_json_is_refused() {
    let text = "kind: A\nmetadata:\n  annotations:\n    config.kubernetes.io/path: a.json\n";
    let error = merge(&files(&[("a", text)])).unwrap_err();
    assert_eq!(
        error,
        "writing merged docs: an object with an annotation config.kubernetes.io/path that names a JSON file is not supported"
    );
    // Only one that is alone would be.
    assert!(merge(&files(&[("a", text), ("b", "kind: B\n")])).is_ok());
}

#[test]
fn deep_documents_are_refused_and_not_followed() {
    for text in [
        "[".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
    ] {
        let error = merge(&files(&[("a", &text)])).unwrap_err();
        assert!(error.contains("exceeded max depth of 256"), "{error}");
        let error = split(&text).unwrap_err();
        assert!(error.contains("exceeded max depth of 256"), "{error}");
    }
}

#[test]
fn nothing_in_gives_nothing_out() {
    assert_eq!(
        merge(&files(&[("a", " \n"), ("_b", "kind: B\n")])),
        Ok(String::new())
    );
    assert_eq!(split(""), Ok(BTreeMap::new()));
    assert_eq!(split("# a\n---\n~\n---\n"), Ok(BTreeMap::new()));
}
