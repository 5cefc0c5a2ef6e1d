//! Input made to hurt: it ends in a clear error, soon, and never in a panic.

#![expect(
    clippy::expect_used,
    reason = "an answer of the wrong kind fails the test"
)]

use std::fmt::Write as _;

use goyaml::{DEPTH_MAX, WriteError, parse, parse_strict, to_yaml, to_yaml_v3};
use serde_json::{Value, json};

fn error(text: impl AsRef<[u8]>) -> String {
    parse(text.as_ref())
        .expect_err("hostile text was read")
        .to_string()
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, level| {
        if level % 2 == 0 {
            json!([inner])
        } else {
            json!({"a": inner})
        }
    })
}

#[test]
fn nesting_is_refused_beyond_the_limit_in_every_notation() {
    let n = 100_000;
    let mut indented = String::new();
    for level in 0..600 {
        let _ = writeln!(indented, "{}a:", " ".repeat(level));
    }
    for text in [
        "[".repeat(n),
        "{".repeat(n),
        "- ".repeat(n),
        "? ".repeat(n),
        "{a: ".repeat(n),
        "[a: ".repeat(n),
        "-\n".repeat(3) + &"[{".repeat(n),
        "!!seq [".repeat(n),
        "[".repeat(n) + &"]".repeat(n),
        indented,
    ] {
        let message = error(&text);
        assert!(
            message.ends_with(&format!("exceeded max depth of {DEPTH_MAX}")),
            "{message}"
        );
    }
}

#[test]
fn the_deepest_document_allowed_is_read_and_written() {
    // Half of what a thread has by default.
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let check = || {
        for (open, close) in [("[", "]"), ("{a: ", "}")] {
            let text = open.repeat(DEPTH_MAX) + "x" + &close.repeat(DEPTH_MAX);
            let value = parse(text.as_bytes()).expect("the limit itself is allowed");
            let written = to_yaml(&value).expect("what can be read can be written");
            assert_eq!(parse(written.as_bytes()).expect("and be read again"), value);
        }
        let text = "[a: ".repeat(DEPTH_MAX / 2) + &"]".repeat(DEPTH_MAX / 2);
        assert!(parse(text.as_bytes()).is_ok());
    };
    small
        .spawn(check)
        .expect("a thread")
        .join()
        .expect("the stack was enough");
}

#[test]
fn values_nested_too_deep_are_not_written() {
    let value = nested(DEPTH_MAX + 1);
    assert_eq!(to_yaml(&value), Err(WriteError::TooDeep));
    assert_eq!(to_yaml_v3(&value, 2), Err(WriteError::TooDeep));
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        let _ = writeln!(text, "a{level}: &a{level} [{aliases}]");
    }
    assert!(error(&text).ends_with("document contains excessive aliasing"));
}

#[test]
fn aliases_of_a_big_text_are_refused_by_the_bytes_they_copy() {
    let text = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(1 << 20),
        vec!["*a"; 90].join(", ")
    );
    assert!(error(&text).ends_with("document contains excessive aliasing"));
}

#[test]
fn merges_that_multiply_are_refused() {
    let mut text = String::from("a0: &a0 {k: v}\n");
    for level in 1..24 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        let _ = writeln!(text, "a{level}: &a{level}\n  <<: [{aliases}]");
    }
    assert!(error(&text).ends_with("document contains excessive aliasing"));
}

#[test]
fn aliases_that_deepen_are_refused() {
    let mut text = format!("a0: &a0 {}x{}\n", "[".repeat(150), "]".repeat(150));
    for level in 1..4 {
        let (open, close) = ("[".repeat(150), "]".repeat(150));
        let _ = writeln!(text, "a{level}: &a{level} {open}*a{}{close}", level - 1);
    }
    assert!(error(&text).ends_with(&format!("exceeded max depth of {DEPTH_MAX}")));
}

#[test]
fn documents_with_too_many_nodes_are_refused() {
    let want = "error converting YAML to JSON: yaml: document has more than 2000000 nodes";
    for text in [
        format!("[{}]", "[],".repeat(2_000_000)),
        "- \n".repeat(2_000_000),
        "a: \n".repeat(1_000_000),
    ] {
        assert_eq!(error(&text), want);
    }
    assert!(parse("- \n".repeat(1_999_999).as_bytes()).is_ok());
}

#[test]
fn an_anchor_inside_of_itself_is_named() {
    for text in [
        "a: &me [*me]",
        "&me {a: *me}",
        "&me {*me : a}",
        "a: &me\n  <<: *me\n",
    ] {
        let message = error(text);
        assert!(
            message.ends_with("anchor 'me' value contains itself"),
            "{text}: {message}"
        );
    }
}

#[test]
fn a_collection_as_a_key_is_shown_in_part() {
    let message = error(format!("? [{}]\n: b", vec!["abcdefgh"; 100_000].join(", ")));
    assert!(message.contains("invalid map key"));
    assert!(message.len() < 50_000, "{} bytes", message.len());
}

#[test]
fn a_map_as_a_key_shows_its_keys_in_the_order_of_go() {
    let keys = "s: 1, a: 1, 10: 1, 9: 1, -3: 2, true: 1, false: 1, 1.5: 1, 10.5: 2, ~: 1";
    let want = r#"map[interface {}]interface {}{interface {}(nil):1, "a":1, "s":1, -3:2, 9:1, 10:1, 1.5:1, 10.5:2, false:1, true:1}"#;
    let message = error(format!("? {{{keys}}}\n: b"));
    assert!(message.ends_with(want), "{message}");
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    for (bytes, fault) in [
        (&b"a: \0"[..], "control characters are not allowed"),
        (b"a: \x1b[0m", "control characters are not allowed"),
        (b"a: \xff", "invalid leading UTF-8 octet"),
        (b"a: \xc3(", "invalid trailing UTF-8 octet"),
        (b"a: \xe2\x82", "incomplete UTF-8 octet sequence"),
        (b"a: \xc0\x80", "invalid length of a UTF-8 sequence"),
        (b"a: \xed\xa0\x80", "invalid Unicode character"),
        (b"\xff\xfea\0:\0 ", "incomplete UTF-16 character"),
        (b"\xfe\xff\xdc\x00", "unexpected low surrogate area"),
    ] {
        assert_eq!(
            error(bytes),
            format!("error converting YAML to JSON: yaml: {fault}")
        );
    }
}

#[test]
fn big_scalars_are_read_in_full() {
    let big = "word ".repeat(2 << 20);
    for text in [
        format!("a: \"{big}\""),
        format!("a: |\n  {big}\n"),
        format!("a: '{big}'"),
        format!("a: {big}"),
    ] {
        let value = parse(text.as_bytes()).expect("a big scalar is no fault");
        let length = value["a"].as_str().map_or(0, |text| text.trim_end().len());
        assert_eq!(length, big.len() - 1);
    }
}

#[test]
fn many_duplicate_keys_are_all_named_with_their_lines() {
    let text = "a: 1\n".repeat(3);
    let message = parse_strict(text.as_bytes())
        .expect_err("duplicates are refused")
        .to_string();
    assert!(message.ends_with(
        "\n  line 2: key \"a\" already set in map\n  line 3: key \"a\" already set in map"
    ));
}

#[test]
fn strings_that_yaml_cannot_carry_are_refused_by_the_v2_writer_only() {
    for text in ["a\u{7f}", "\u{80}", "a\u{fffe}"] {
        let fault = to_yaml(&json!(text))
            .expect_err("YAML has no such character")
            .to_string();
        assert_eq!(fault, "yaml: control characters are not allowed");
        assert!(to_yaml_v3(&json!(text), 2).is_ok());
    }
    let fault = to_yaml(&json!({"k".repeat(1100): 1}))
        .expect_err("the key is too long")
        .to_string();
    assert_eq!(fault, "yaml: did not find expected ',' or '}'");
}

#[test]
fn keys_whose_order_is_a_circle_are_written_all_the_same() {
    // a10 < a1b by the letter rule, a1b < a01 by length, a01 < a2 < a10 by value.
    let value =
        json!({"a10": 1, "a1b": 2, "a01": 3, "a2": 4, "a1": 5, "a001": 6, "a10b": 7, "a0": 8});
    let written = to_yaml(&value).expect("any order will do");
    assert_eq!(
        parse(written.as_bytes()).expect("what was written is YAML"),
        value
    );
}
