//! The JSON entry points, with the texts that Go prints.

#![expect(clippy::unwrap_used, reason = "a value without JSON fails the test")]

use std::collections::BTreeMap;

use goyaml::json::{encode_f64, to_string_indent, to_vec, to_vec_line, to_vec_raw};
use serde::Serialize;
use serde_json::json;

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[derive(Serialize)]
struct Record {
    zone: &'static str,
    area: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
    by_number: BTreeMap<u8, bool>,
}

const RECORD: Record = Record {
    zone: "<b> & \u{2028}\u{2029}",
    area: 0.1,
    note: None,
    by_number: BTreeMap::new(),
};

#[test]
fn fields_come_as_declared_and_maps_by_their_bytes() {
    let record = Record {
        by_number: [(9, true), (10, false)].into(),
        ..RECORD
    };
    assert_eq!(
        text(to_vec(&record).unwrap()),
        r#"{"zone":"\u003cb\u003e \u0026 \u2028\u2029","area":0.1,"by_number":{"9":true,"10":false}}"#
    );
    assert_eq!(
        text(to_vec(&json!({"b": 1, "B": 2, "é": 3, "a-b": 4})).unwrap()),
        r#"{"B":2,"a-b":4,"b":1,"é":3}"#
    );
}

#[test]
fn the_raw_form_escapes_line_separators_only() {
    assert_eq!(
        text(to_vec_raw(&RECORD.zone).unwrap()),
        r#""<b> & \u2028\u2029""#
    );
}

#[test]
fn the_line_form_ends_with_one_line_feed() {
    assert_eq!(
        text(to_vec_line(&json!(["a<b"])).unwrap()),
        "[\"a\\u003cb\"]\n"
    );
}

#[test]
fn control_characters_have_gos_escapes() {
    assert_eq!(
        text(to_vec("\0\u{8}\t\n\u{b}\u{c}\r\u{1f}\"\\/\u{7f}\u{85}\u{1F600}").unwrap()),
        "\"\\u0000\\b\\t\\n\\u000b\\f\\r\\u001f\\\"\\\\/\u{7f}\u{85}\u{1F600}\""
    );
}

#[test]
fn floats_have_gos_form() {
    for (value, expected) in [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-1.25e22, "-1.25e+22"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (1.5e-10, "1.5e-10"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        // Half way between two shortest texts: the even one.
        (2_225_298_351_789_203.2, "2225298351789203.2"),
    ] {
        assert_eq!(encode_f64(value), expected);
        assert_eq!(text(to_vec(&value).unwrap()), expected);
    }
    for (value, expected) in [
        (0.1f32, "0.1"),
        (1e-7, "1e-7"),
        (1e21, "1e+21"),
        (16_777_216.0, "16777216"),
    ] {
        assert_eq!(text(to_vec(&value).unwrap()), expected);
    }
}

#[test]
fn floats_that_are_no_numbers_become_null() {
    assert_eq!(
        text(to_vec(&[f64::NAN, f64::INFINITY]).unwrap()),
        "[null,null]"
    );
}

#[test]
fn keys_that_are_no_strings_are_refused() {
    let keyed_by_list: BTreeMap<Vec<u8>, u8> = [(vec![1], 1)].into();
    assert!(to_vec(&keyed_by_list).is_err());
    assert!(to_string_indent(&keyed_by_list, "", "  ").is_err());
}
