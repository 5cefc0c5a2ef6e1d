//! What the first look takes, the metaschema takes too.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::compile::Resource;
use crate::draft::Dialect;
use crate::limits::Budget;
use crate::{json, meta};

const KEYWORDS: &str = "$id $schema $ref $anchor $dynamicRef $dynamicAnchor $recursiveRef $recursiveAnchor \
    $vocabulary $comment $defs $other id title description default deprecated readOnly writeOnly examples format \
    contentMediaType contentEncoding contentSchema multipleOf maximum minimum exclusiveMaximum exclusiveMinimum \
    maxLength minLength maxItems minItems maxProperties minProperties maxContains minContains uniqueItems \
    required dependentRequired dependencies dependentSchemas const enum type pattern items prefixItems \
    additionalItems contains properties patternProperties additionalProperties propertyNames definitions if then \
    else not allOf anyOf oneOf unevaluatedItems unevaluatedProperties other";

const VALUES: [&str; 44] = [
    "null",
    "true",
    "false",
    "0",
    "1",
    "-1",
    "1.5",
    "0.0",
    "1.0",
    "1e3",
    "1e-9999999",
    "-0",
    r#""""#,
    r#""text""#,
    r#""string""#,
    r##""#""##,
    r##""#/a b""##,
    r#""a#b#""#,
    r#""http://a/b""#,
    r#""1:b""#,
    r#""(""#,
    r#""%zz""#,
    r#""ünï""#,
    r#""http://json-schema.org/draft-07/schema#""#,
    "[]",
    "[true]",
    "[{}]",
    r#"["a"]"#,
    r#"["a","a"]"#,
    r#"["string","null"]"#,
    r#"["string","word"]"#,
    "[1]",
    "[1,1]",
    "[null,true]",
    "[[]]",
    "{}",
    r#"{"a":true}"#,
    r#"{"a":{}}"#,
    r#"{"a":1}"#,
    r#"{"a":["b"]}"#,
    r#"{"a":["b","b"]}"#,
    r#"{"a":[]}"#,
    r#"{"(":{}}"#,
    r#"{"type":"word"}"#,
];

fn refusal(schema: &Json, version: Version) -> Option<String> {
    let dialect = Dialect {
        version,
        vocabularies: None,
    };
    let root = Resource {
        pointer: String::new(),
        id: String::new(),
        dialect: dialect.clone(),
        anchors: BTreeMap::new(),
        dynamic_anchors: BTreeSet::new(),
    };
    let resources = BTreeMap::from([(String::new(), Arc::new(root))]);
    let (patterns, budget) = (Patterns::default(), Budget::new());
    meta::report(schema, &dialect, &resources, &patterns, &budget).unwrap()
}

fn check(text: &str, version: Version) -> bool {
    let schema = json::parse(text.as_bytes()).unwrap();
    let patterns = Patterns::default();
    let is_good = Quick {
        version,
        patterns: &patterns,
    }
    .is_good(&schema);
    if is_good {
        assert_eq!(refusal(&schema, version), None, "{version:?} {text}");
    }
    is_good
}

#[test]
fn what_is_taken_at_first_sight_is_taken_by_every_metaschema() {
    let mut taken = 0;
    for version in Version::ALL {
        for keyword in KEYWORDS.split_whitespace() {
            for value in VALUES {
                let schema = format!(r#"{{"{keyword}":{value}}}"#);
                taken += usize::from(check(&schema, version));
                if matches!(version, Version::V4 | Version::V2020) {
                    check(&format!(r#"{{"properties":{{"p":{schema}}}}}"#), version);
                }
            }
        }
        for value in VALUES {
            check(value, version);
        }
    }
    // Most good ones are, or it would be of no use.
    assert!(taken > 2_400, "{taken}");
}

#[test]
fn usual_schemas_are_taken_and_wrong_ones_are_not() {
    let usual = r##"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","additionalProperties":false,
        "properties":{"a":{"type":["string","null"],"minLength":1,"pattern":"^a+$","enum":["a","b",null]},
        "b":{"$ref":"#/definitions/b"},"c":{"items":{"type":"integer","minimum":0,"maximum":65535}}},
        "required":["a"],"definitions":{"b":{"oneOf":[{"type":"boolean"},{"not":{"required":["x"]}}]}}}"##;
    assert!(check(usual, Version::V7));
    for wrong in [
        r#"{"type":"objekt"}"#,
        r#"{"properties":{"a":{"pattern":"("}}}"#,
        r#"{"required":"a"}"#,
        r#"{"minLength":-1}"#,
        r#"{"allOf":[]}"#,
        r#"{"properties":{"a":1}}"#,
    ] {
        assert!(!check(wrong, Version::V7), "{wrong}");
        let schema = json::parse(wrong.as_bytes()).unwrap();
        assert!(refusal(&schema, Version::V7).is_some(), "{wrong}");
    }
}
