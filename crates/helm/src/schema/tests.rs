use super::*;
use serde_json::json;

fn report(schema: &Value) -> Result<(), String> {
    let schema = Schema::new(schema.to_string().into_bytes().into());
    schema.validate(&Map::new())
}

#[test]
fn schemas_from_elsewhere_are_not_loaded() {
    for (reference, want) in [
        (
            "file:///etc/passwd",
            "failing loading \"file:///etc/passwd\": open /etc/passwd: no such file or directory",
        ),
        (
            "defs/a%20b.json#/x",
            "failing loading \"file:///defs/a%20b.json\": open /defs/a b.json: no such file or directory",
        ),
        (
            "https://example.com/x.json#/y",
            "failing loading \"https://example.com/x.json\": HTTP request failed for https://example.com/x.json: schemas are not loaded from the network",
        ),
        (
            "ftp://example.com/x",
            "failing loading \"ftp://example.com/x\": no URLLoader registered for \"ftp://example.com/x\"",
        ),
    ] {
        let got = report(&json!({"$ref": reference}));
        assert_eq!(got, Err(want.to_owned()));
        let got = report(&json!({"$schema": reference}));
        assert!(got.is_err(), "{reference}");
    }
}

#[test]
fn unknown_urns_accept_everything_and_are_noted_once() {
    let text = json!({"allOf": [{"$ref": "urn:a:b"}, {"$ref": "urn:a:b#"}, {"$ref": "urn:c"}]});
    let schema = Schema::new(text.to_string().into_bytes().into());
    assert_eq!(schema.validate(&Map::new()), Ok(()));
    let urns: Vec<&str> = schema.outcome().urns.iter().map(String::as_str).collect();
    assert_eq!(urns, ["urn:a:b", "urn:c"]);
}

#[test]
fn copies_share_what_was_compiled() {
    let schema = Schema::new(b"{\"required\": [\"a\"]}".to_vec().into());
    let copy = schema.clone();
    assert!(schema.validate(&Map::new()).is_err());
    assert!(copy.compiled.get().is_some());
}

#[test]
fn types_are_named_as_in_go() {
    for (value, want) in [
        (json!(1.0), "float64"),
        (json!(1), "int64"),
        (json!("x"), "string"),
        (json!([]), "[]interface {}"),
        (json!(false), "bool"),
    ] {
        assert_eq!(go_type(&value), want);
    }
}
