//! The drafts of JSON Schema: their names, where their sub-schemas are, their vocabularies.
//!
//! Source: jsonschema v6 `draft.go`. The metaschemas are the published ones.

use std::collections::BTreeMap;

use crate::compile::pointer;
use crate::json::Json;

/// A draft, oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    V4,
    V6,
    V7,
    V2019,
    V2020,
}

/// The draft of schemas that name none.
pub(crate) const LATEST: Version = Version::V2020;

impl Version {
    pub(crate) const ALL: [Self; 5] = [Self::V4, Self::V6, Self::V7, Self::V2019, Self::V2020];

    /// The address of the metaschema.
    pub(crate) fn address(self) -> &'static str {
        match self {
            Self::V4 => "http://json-schema.org/draft-04/schema",
            Self::V6 => "http://json-schema.org/draft-06/schema",
            Self::V7 => "http://json-schema.org/draft-07/schema",
            Self::V2019 => "https://json-schema.org/draft/2019-09/schema",
            Self::V2020 => "https://json-schema.org/draft/2020-12/schema",
        }
    }

    /// The draft that a `$schema` names; None for metaschemas of one's own.
    pub(crate) fn named(address: &str) -> Option<Self> {
        let (address, fragment) = pointer::split(address);
        if !fragment.is_empty() {
            return None;
        }
        let bare = |address: &'static str| address.split_once("://").map_or("", |(_, rest)| rest);
        let address = address
            .strip_prefix("http://")
            .or_else(|| address.strip_prefix("https://"))
            .unwrap_or(address);
        if address == "json-schema.org/schema" {
            return Some(LATEST);
        }
        Self::ALL
            .into_iter()
            .find(|version| bare(version.address()) == address)
    }

    /// The keyword of identifiers.
    pub(crate) fn id_keyword(self) -> &'static str {
        if self == Self::V4 { "id" } else { "$id" }
    }

    /// The identifier of a schema without its fragment; empty if it has none.
    pub(crate) fn id(self, schema: &Json) -> &str {
        let Json::Object(members) = schema else {
            return "";
        };
        // Beside a reference nothing counts in these drafts.
        if self < Self::V2019 && members.contains_key("$ref") {
            return "";
        }
        schema
            .text(self.id_keyword())
            .map_or("", |id| pointer::split(id).0)
    }

    /// The names of the vocabularies.
    pub(crate) fn vocabularies(self) -> &'static [&'static str] {
        match self {
            Self::V4 | Self::V6 | Self::V7 => &[],
            Self::V2019 => &[
                "core",
                "applicator",
                "validation",
                "meta-data",
                "format",
                "content",
            ],
            Self::V2020 => &[
                "core",
                "applicator",
                "unevaluated",
                "validation",
                "meta-data",
                "format-annotation",
                "format-assertion",
                "content",
            ],
        }
    }

    /// What the addresses of vocabularies start with.
    pub(crate) fn vocabulary_prefix(self) -> &'static str {
        match self {
            Self::V4 | Self::V6 | Self::V7 => "",
            Self::V2019 => "https://json-schema.org/draft/2019-09/vocab/",
            Self::V2020 => "https://json-schema.org/draft/2020-12/vocab/",
        }
    }

    /// The address of a vocabulary's metaschema.
    pub(crate) fn vocabulary_address(self, name: &str) -> String {
        let base = self.address().trim_end_matches("schema");
        format!("{base}meta/{name}")
    }

    fn default_vocabularies(self) -> &'static [&'static str] {
        match self {
            Self::V4 | Self::V6 | Self::V7 => &[],
            Self::V2019 => &["core", "applicator", "validation"],
            Self::V2020 => &["core", "applicator", "unevaluated", "validation"],
        }
    }

    /// Calls `found` with the pointer and value of each sub-schema right below a schema.
    pub(crate) fn subschemas<'a>(self, schema: &'a Json, at: &str) -> BTreeMap<String, &'a Json> {
        let mut found = BTreeMap::new();
        let Json::Object(members) = schema else {
            return found;
        };
        for (keyword, holds, since) in PLACES {
            if since > self {
                continue;
            }
            let Some(value) = members.get(keyword) else {
                continue;
            };
            match (holds, value) {
                (Holds::One, value) => {
                    found.insert(pointer::push(at, keyword), value);
                }
                (Holds::Map, Json::Object(members)) => {
                    for (name, value) in members {
                        found.insert(pointer::push2(at, keyword, name), value);
                    }
                }
                (Holds::List, Json::Array(items)) => {
                    for (i, value) in items.iter().enumerate() {
                        found.insert(pointer::push2(at, keyword, &i.to_string()), value);
                    }
                }
                _ => {}
            }
        }
        found
    }
}

/// What stands behind a keyword.
#[derive(Clone, Copy)]
enum Holds {
    One,
    Map,
    List,
}

/// Where sub-schemas are, and since which draft.
const PLACES: [(&str, Holds, Version); 23] = [
    ("definitions", Holds::Map, Version::V4),
    ("not", Holds::One, Version::V4),
    ("allOf", Holds::List, Version::V4),
    ("anyOf", Holds::List, Version::V4),
    ("oneOf", Holds::List, Version::V4),
    ("properties", Holds::Map, Version::V4),
    ("additionalProperties", Holds::One, Version::V4),
    ("patternProperties", Holds::Map, Version::V4),
    ("items", Holds::One, Version::V4),
    ("items", Holds::List, Version::V4),
    ("additionalItems", Holds::One, Version::V4),
    ("dependencies", Holds::Map, Version::V4),
    ("propertyNames", Holds::One, Version::V6),
    ("contains", Holds::One, Version::V6),
    ("if", Holds::One, Version::V7),
    ("then", Holds::One, Version::V7),
    ("else", Holds::One, Version::V7),
    ("$defs", Holds::Map, Version::V2019),
    ("dependentSchemas", Holds::Map, Version::V2019),
    ("unevaluatedProperties", Holds::One, Version::V2019),
    ("unevaluatedItems", Holds::One, Version::V2019),
    ("contentSchema", Holds::One, Version::V2019),
    ("prefixItems", Holds::List, Version::V2020),
];

/// A draft with the vocabularies that a metaschema chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) version: Version,
    /// None for the draft's own choice.
    pub(crate) vocabularies: Option<Vec<&'static str>>,
}

impl Dialect {
    pub(crate) fn has(&self, vocabulary: &str) -> bool {
        if vocabulary == "core" || self.version < Version::V2019 {
            return true;
        }
        match &self.vocabularies {
            Some(chosen) => chosen.contains(&vocabulary),
            None => self.version.default_vocabularies().contains(&vocabulary),
        }
    }

    /// Whether `format` is more than a remark.
    pub(crate) fn asserts_format(&self) -> bool {
        match self.version {
            Version::V2019 => self.has("format"),
            Version::V2020 => self.has("format-assertion"),
            _ => true,
        }
    }
}

/// A published metaschema by its address without fragment, in http or https.
pub(crate) fn metaschema(address: &str) -> Option<Published> {
    let path = address
        .strip_prefix("http://json-schema.org/")
        .or_else(|| address.strip_prefix("https://json-schema.org/"))?;
    let path = match path {
        "schema" => "draft/2020-12/schema",
        other => other,
    };
    if let Some((_, text)) = METASCHEMAS.iter().find(|(known, _)| *known == path) {
        return Some(Published::Schema(text));
    }
    let inside = |known: &str| {
        known
            .strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    METASCHEMAS
        .iter()
        .any(|(known, _)| inside(known))
        .then(|| Published::Directory(format!("metaschemas/{path}/")))
}

/// What the library keeps below `json-schema.org`.
pub(crate) enum Published {
    /// The text of a metaschema.
    Schema(&'static str),
    /// A path with metaschemas below it, which the library fails to read.
    Directory(String),
}

macro_rules! metaschemas {
    ($($path:literal => $file:literal,)*) => {
        [$(($path, include_str!(concat!("metaschemas/", $file))),)*]
    };
}

const METASCHEMAS: [(&str, &str); 19] = metaschemas! {
    "draft-04/schema" => "draft-04.json",
    "draft-06/schema" => "draft-06.json",
    "draft-07/schema" => "draft-07.json",
    "draft/2019-09/schema" => "2019-09/schema.json",
    "draft/2019-09/meta/core" => "2019-09/core.json",
    "draft/2019-09/meta/applicator" => "2019-09/applicator.json",
    "draft/2019-09/meta/validation" => "2019-09/validation.json",
    "draft/2019-09/meta/meta-data" => "2019-09/meta-data.json",
    "draft/2019-09/meta/format" => "2019-09/format.json",
    "draft/2019-09/meta/content" => "2019-09/content.json",
    "draft/2020-12/schema" => "2020-12/schema.json",
    "draft/2020-12/meta/core" => "2020-12/core.json",
    "draft/2020-12/meta/applicator" => "2020-12/applicator.json",
    "draft/2020-12/meta/unevaluated" => "2020-12/unevaluated.json",
    "draft/2020-12/meta/validation" => "2020-12/validation.json",
    "draft/2020-12/meta/meta-data" => "2020-12/meta-data.json",
    "draft/2020-12/meta/format-annotation" => "2020-12/format-annotation.json",
    "draft/2020-12/meta/format-assertion" => "2020-12/format-assertion.json",
    "draft/2020-12/meta/content" => "2020-12/content.json",
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drafts_are_named_in_http_and_https_with_an_empty_fragment() {
        for (name, want) in [
            ("http://json-schema.org/draft-07/schema#", Some(Version::V7)),
            ("https://json-schema.org/draft-04/schema", Some(Version::V4)),
            (
                "http://json-schema.org/draft/2019-09/schema",
                Some(Version::V2019),
            ),
            ("https://json-schema.org/schema#", Some(Version::V2020)),
            ("json-schema.org/draft-06/schema", Some(Version::V6)),
            ("http://json-schema.org/draft-07/schema#x", None),
            ("http://json-schema.org/draft-05/schema", None),
        ] {
            assert_eq!(Version::named(name), want, "{name}");
        }
    }

    #[test]
    fn metaschemas_are_found() {
        for version in Version::ALL {
            assert!(matches!(
                metaschema(version.address()),
                Some(Published::Schema(_))
            ));
            for name in version.vocabularies() {
                let address = version.vocabulary_address(name);
                assert!(matches!(metaschema(&address), Some(Published::Schema(_))));
            }
        }
        assert!(matches!(
            metaschema("https://json-schema.org/draft-07"),
            Some(Published::Directory(_))
        ));
        assert!(metaschema("https://json-schema.org/draft-07/").is_none());
    }
}
