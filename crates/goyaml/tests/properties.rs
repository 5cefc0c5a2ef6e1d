//! What holds for every input.

use goyaml::{json, nodes, numbers_as_float64, parse, parse_strict, to_yaml, to_yaml_v3};
use proptest::prelude::*;
use serde_json::Value;

/// Strings that are likely to need quotes, folding or escapes.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z]{1,8}",
        2 => prop::sample::select(vec![
            " ", "  ", "\n", "\n\n", "\t", ": ", " #", "- ", "'", "\"", "\\", "{{", "}}", "[", ",", "&", "*", "!", "|", ">", "%",
            "@", "`", "?", "<<", "~", "null", "true", "no", "1", "0x1", "1e3", ".5", "1:30", "2001-01-01", "---", "...", "\r",
            "\u{85}", "\u{2028}", "\u{feff}", "\u{a0}", "\u{1F600}", "é", "\u{7f}", "\0",
        ]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// go-yaml v3 writes a block that starts with a tab, which no reader of YAML 1.1 takes.
fn text_without_tabs() -> BoxedStrategy<String> {
    text().prop_map(|text| text.replace('\t', " ")).boxed()
}

fn value() -> impl Strategy<Value = Value> {
    value_of(text().boxed())
}

fn value_of(text: BoxedStrategy<String>) -> impl Strategy<Value = Value> {
    // Go writes the key `<<` without quotes, and reads it as a merge.
    let key = text
        .clone()
        .prop_filter("a merge key", |text| text != "<<")
        .boxed();
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-100_000i64..100_000).prop_map(|cents| Value::from(cents as f64 / 100.0)),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..5)
                .prop_map(|fields| fields.into_iter().collect::<Value>()),
        ]
    })
}

/// Text that is nearly YAML.
fn yaml_like() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b: ",
        "- ",
        "? ",
        ": ",
        "\n",
        "\n  ",
        "\n    ",
        " ",
        "\t",
        "# c",
        "'",
        "\"",
        "|",
        "|+2\n",
        ">-\n",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&x ",
        "*x",
        "<<: ",
        "!!int ",
        "!!binary ",
        "!<",
        "!e!",
        "---\n",
        "...\n",
        "%TAG ! x\n",
        "%YAML 1.1\n",
        "\\x4",
        "\\\n",
        "\r",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "é",
        "0x",
        "1_0",
        ".inf",
        "~",
        "2001-01-01",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
        let _ = parse_strict(&bytes);
    }

    #[test]
    fn text_that_is_nearly_yaml_never_panics(text in yaml_like()) {
        let _ = parse(text.as_bytes());
        let _ = parse_strict(text.as_bytes());
    }

    #[test]
    fn a_tree_has_the_value_that_parse_gives(text in yaml_like()) {
        let parsed = nodes::parse(text.as_bytes());
        let from_tree = parsed.document().and_then(|document| match document.root() {
            Some(root) => root.to_value(),
            None => Ok(Value::Null),
        });
        prop_assert_eq!(from_tree, parse(text.as_bytes()));
    }

    #[test]
    fn what_strict_reading_accepts_lenient_reading_reads_the_same(text in yaml_like()) {
        if let Ok(value) = parse_strict(text.as_bytes()) {
            prop_assert_eq!(parse(text.as_bytes()), Ok(value));
        }
    }

    #[test]
    fn yaml_reads_back_as_its_json_does(value in value()) {
        let json = json::to_vec(&value).expect("a value has JSON");
        match (to_yaml(&value), parse(&json)) {
            (Ok(text), expected) => prop_assert_eq!(parse(text.as_bytes()), expected),
            (Err(error), expected) => {
                let fault = expected.expect_err("unwritable").to_string();
                prop_assert_eq!(fault, format!("error converting YAML to JSON: {error}"));
            }
        }
    }

    #[test]
    fn yaml_is_the_same_for_integers_held_as_floats(integer in -(1i64 << 53)..(1i64 << 53), cents in any::<i32>()) {
        let value = serde_json::json!({"a": integer, "b": [f64::from(cents) / 100.0]});
        let mut floats = value.clone();
        numbers_as_float64(&mut floats);
        prop_assert_eq!(to_yaml(&floats), to_yaml(&value));
    }

    #[test]
    fn pretty_yaml_reads_back_as_the_value(value in value_of(text_without_tabs())) {
        let text = to_yaml_v3(&value, 2).expect("not deep");
        let mut expected = value;
        numbers_as_float64(&mut expected);
        let mut read = parse(text.as_bytes()).expect("what was written is YAML");
        numbers_as_float64(&mut read);
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn json_reads_back_as_the_value(value in value()) {
        let mut read = serde_json::from_slice(&json::to_vec(&value).expect("a value has JSON")).expect("it is JSON");
        let mut expected = value;
        numbers_as_float64(&mut read);
        numbers_as_float64(&mut expected);
        prop_assert_eq!(read, expected);
    }
}
