//! Random schemas and texts end in a verdict.

use proptest::prelude::*;
use serde_json::Map;

use crate::tests::outcome;
use crate::{address, formats, json, network, number};

/// Pieces of schemas in any order.
const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"$ref\"",
    "\"#\"",
    "\"#/a\"",
    "\"$id\"",
    "\"allOf\"",
    "\"a\"",
    "\"type\"",
    "\"items\"",
    "\"properties\"",
    "\"$schema\"",
    "\"http://json-schema.org/draft-07/schema#\"",
    "1e5",
    "-0.5",
    "true",
    "null",
    "\"pattern\"",
    "\"(\"",
    "\"multipleOf\"",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn schemas_of_random_pieces(pieces in prop::collection::vec(0..PIECES.len(), 0..40)) {
        let schema: String = pieces.iter().map(|i| PIECES[*i]).collect();
        outcome(&schema, &Map::new().into());
    }

    #[test]
    fn keywords_with_random_values(
        keywords in prop::collection::vec((0..KEYWORDS.len(), 0..VALUES.len()), 0..8),
        version in 0..5_usize,
        wrapped: bool,
    ) {
        let mut members: Vec<String> = keywords
            .iter()
            .map(|(keyword, value)| format!("\"{}\": {}", KEYWORDS[*keyword], VALUES[*value]))
            .collect();
        let draft = crate::draft::Version::ALL[version].address();
        if !wrapped {
            members.push(format!("\"$schema\": \"{draft}\""));
        }
        let mut schema = format!("{{{}}}", members.join(","));
        if wrapped {
            schema = format!("{{\"$schema\": \"{draft}\", \"$defs\": {{\"a\": {schema}}}, \"$ref\": \"#/$defs/a\"}}");
        }
        outcome(&schema, &serde_json::json!({"a": [1, "x", null], "b": {"a": -0.5}}));
    }

    #[test]
    fn texts(text in "\\PC{0,24}", bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        for name in ["date-time", "time", "duration", "uri-template", "email", "semver", "uuid", "period"] {
            if let Some(formats::Format::Text { check, .. }) = formats::Format::named(name) {
                let _ = check(&text);
            }
        }
        let _ = json::parse(&bytes);
        let _ = json::parse(text.as_bytes());
        let _ = network::parse_address(&text);
        let _ = number::Decimal::parse(&text);
        if let Ok(address) = address::Address::parse(&text) {
            let resolved = address.resolve(&address);
            let _ = resolved.text();
        }
    }
}

const KEYWORDS: [&str; 40] = [
    "type",
    "enum",
    "const",
    "multipleOf",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "minLength",
    "pattern",
    "items",
    "prefixItems",
    "additionalItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "minContains",
    "maxProperties",
    "required",
    "properties",
    "patternProperties",
    "additionalProperties",
    "dependencies",
    "propertyNames",
    "if",
    "then",
    "else",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "format",
    "$ref",
    "$id",
    "id",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "$recursiveRef",
    "unevaluatedItems",
    "unevaluatedProperties",
];

const VALUES: [&str; 24] = [
    "true",
    "false",
    "null",
    "0",
    "1",
    "-1.5",
    "1e400",
    "\"#\"",
    "\"#a\"",
    "\"a\"",
    "\"#/$defs/a\"",
    "\"object\"",
    "\"array\"",
    "[]",
    "[true]",
    "[false, {}]",
    "{}",
    "{\"a\": true}",
    "{\"a\": {\"$ref\": \"#\"}}",
    "{\"b\": [\"a\"]}",
    "[\"a\", \"c\"]",
    "{\"not\": {}}",
    "\"é/~%\"",
    "{\"$id\": \"x\", \"a\": {\"maximum\": 0}}",
];
