//! Places, kinds and duplicates in a parsed tree.

use serde_json::json;

use super::*;

fn with_root<T>(text: &str, check: impl FnOnce(NodeRef<'_, '_>) -> T) -> T {
    let parsed = parse(text.as_bytes());
    let document = parsed.document().expect("the text is YAML");
    check(document.root().expect("the text has a document"))
}

#[test]
fn every_node_knows_its_line_and_column() {
    let text = "# head\na: 1\nlist:\n- x: é y\n  z: [p, {q: r}]\n? k\n: v\n";
    with_root(text, |root| {
        assert_eq!((root.line(), root.column()), (2, 1));
        let list = root.get("list").expect("it is there");
        assert_eq!(
            (list.kind(), list.line(), list.column()),
            (Kind::Sequence, 4, 1)
        );
        let item = list.items().next().expect("one item");
        let places = item
            .entries()
            .map(|(key, value)| ((key.line(), key.column()), (value.line(), value.column())));
        assert_eq!(
            places.collect::<Vec<_>>(),
            [((4, 3), (4, 6)), ((5, 3), (5, 6))]
        );
        let flow = item
            .get("z")
            .expect("it is there")
            .items()
            .last()
            .expect("two items");
        assert_eq!((flow.kind(), flow.column()), (Kind::Mapping, 10));
        let (key, value) = root.entries().last().expect("three entries");
        assert_eq!((key.text(), value.line()), (Some("k"), 7));
    });
}

#[test]
fn scalars_keep_text_style_and_tag() {
    with_root(
        "- 010\n- '010'\n- \"0\\x31\"\n- |\n  a\n- >-\n  b\n- !!str 1\n- !x y\n",
        |root| {
            let scalars = root
                .items()
                .map(|item| (item.text(), item.style(), item.tag()));
            let expected = [
                (Some("010"), Some(ScalarStyle::Plain), ""),
                (Some("010"), Some(ScalarStyle::SingleQuoted), ""),
                (Some("01"), Some(ScalarStyle::DoubleQuoted), ""),
                (Some("a\n"), Some(ScalarStyle::Literal), ""),
                (Some("b"), Some(ScalarStyle::Folded), ""),
                (Some("1"), Some(ScalarStyle::Plain), "tag:yaml.org,2002:str"),
                (Some("y"), Some(ScalarStyle::Plain), "!x"),
            ];
            assert_eq!(scalars.collect::<Vec<_>>(), expected);
        },
    );
}

#[test]
fn an_alias_shows_its_target_at_its_own_place() {
    with_root("a: &m {k: 1}\nb: *m\n", |root| {
        let alias = root.get("b").expect("it is there");
        assert_eq!(
            (alias.alias(), alias.kind(), alias.line()),
            (Some("m"), Kind::Mapping, 2)
        );
        assert_eq!(alias.get("k").and_then(|node| node.text()), Some("1"));
        assert_eq!(alias.to_value(), Ok(json!({"k": 1})));
    });
}

#[test]
fn part_of_a_tree_has_a_value_of_its_own() {
    with_root("a:\n  b: [1, yes]\nc: .inf\n", |root| {
        assert_eq!(
            root.get("a").map(|node| node.to_value()),
            Some(Ok(json!({"b": [1, true]})))
        );
        let fault = root.to_value().expect_err("JSON has no infinity");
        assert_eq!(fault, Error::UnsupportedValue("+Inf"));
    });
}

#[test]
fn duplicate_keys_are_found_at_every_depth() {
    let text =
        "a: 1\nb:\n- c: 1\n  c: 2\n  'c': 3\na: 2\nd: {x: 1, y: 2, x: 3}\n<<: {q: 1}\n<<: {q: 2}\n";
    with_root(text, |root| {
        let found = root.duplicate_keys().into_iter();
        let found = found.map(|duplicate| {
            (
                duplicate.key.text().unwrap_or_default(),
                duplicate.key.line(),
                duplicate.first_line,
            )
        });
        assert_eq!(
            found.collect::<Vec<_>>(),
            [("c", 4, 3), ("c", 5, 3), ("a", 6, 1), ("x", 7, 7)]
        );
    });
}

#[test]
fn documents_without_duplicates_report_none() {
    for text in [
        "a",
        "[]",
        "{a: 1, b: {a: 1}}",
        "- a: 1\n- a: 1\n",
        "x: &x {a: 1}\ny: *x\nz: *x\n",
    ] {
        assert!(
            with_root(text, |root| root.duplicate_keys().is_empty()),
            "{text}"
        );
    }
}

#[test]
fn string_fields_take_numbers_and_booleans() {
    for (text, expected) in [
        ("1.10", Some("1.1")),
        ("1", Some("1")),
        ("0x10", Some("16")),
        ("1e3", Some("1000")),
        ("1e7", Some("1e+07")),
        ("0.1", Some("0.1")),
        ("1e39", Some("+Inf")),
        ("yes", Some("true")),
        ("'yes'", Some("yes")),
        ("2001-01-01", Some("2001-01-01")),
        ("~", None),
        ("[a]", None),
        ("!!binary aGk=", Some("hi")),
    ] {
        let found = with_root(text, |root| root.to_field_text().expect("it is a value"));
        assert_eq!(found.as_deref(), expected, "{text}");
    }
    assert!(with_root("!!int x", |root| root.to_field_text()).is_err());
}

#[test]
fn a_text_without_a_document_has_no_root() {
    for text in ["", "\n", "# only a comment\n"] {
        let parsed = parse(text.as_bytes());
        assert!(
            parsed.document().expect("no fault").root().is_none(),
            "{text:?}"
        );
    }
}

#[test]
fn faults_name_the_place_in_the_text() {
    for (text, place) in [
        ("a: 1\nb: @c\n", Some((2, 4))),
        ("a: b: c", Some((1, 5))),
        ("a:\n- b\n c: d\n", Some((3, 3))),
        ("a: 1\nb: *none\n", Some((2, 4))),
        ("a: [b\nc: d\n", Some((2, 2))),
        ("a: \u{1}", None),
    ] {
        let parsed = parse(text.as_bytes());
        let fault = parsed.document().expect_err("the text is no YAML");
        assert_eq!(fault.place(), place, "{text:?}: {fault}");
    }
}
