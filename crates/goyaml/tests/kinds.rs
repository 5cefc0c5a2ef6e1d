//! Reading a document that must be a map or a list, in Go's words when it is not.

use goyaml::{parse_array, parse_object};

fn refusal(found: &str, wanted: &str) -> String {
    format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go value of type {wanted}"
    )
}

#[test]
fn a_map_is_asked_for() {
    assert_eq!(parse_object(b"a: 1").map(|fields| fields.len()), Ok(1));
    for empty in ["", "# c", "~", "null", "{}"] {
        assert_eq!(
            parse_object(empty.as_bytes()).map(|fields| fields.len()),
            Ok(0),
            "{empty}"
        );
    }
    for (text, found) in [
        ("a", "string"),
        ("1", "number"),
        ("1.5", "number"),
        ("yes", "bool"),
        ("- 1", "array"),
    ] {
        let message = parse_object(text.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(
            message,
            Err(refusal(found, "map[string]interface {}")),
            "{text}"
        );
    }
    assert!(parse_object(b"a: [").is_err());
}

#[test]
fn a_list_is_asked_for() {
    assert_eq!(parse_array(b"[1, 2]").map(|items| items.len()), Ok(2));
    for empty in ["", "~", "[]"] {
        assert_eq!(
            parse_array(empty.as_bytes()).map(|items| items.len()),
            Ok(0),
            "{empty}"
        );
    }
    for (text, found) in [
        ("a", "string"),
        ("1", "number"),
        ("no", "bool"),
        ("a: 1", "object"),
    ] {
        let message = parse_array(text.as_bytes()).map_err(|error| error.to_string());
        assert_eq!(message, Err(refusal(found, "[]interface {}")), "{text}");
    }
    assert!(parse_array(b"[*x]").is_err());
}
