//! Taking the fields of a Go struct out of a value that was read for it.
//!
//! In: what [`goyaml::parse_into`] gave, so that every value has the kind its field wants. Out: the
//! fields. Names match without regard to case; what is null counts as absent.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The fields of one object.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(&'a Map<String, Value>);

static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);

impl<'a> Fields<'a> {
    /// The fields of a value; of anything but an object there are none.
    pub(crate) fn of(value: &'a Value) -> Self {
        Self(value.as_object().unwrap_or(&EMPTY))
    }

    fn get(self, name: &str) -> Option<&'a Value> {
        // Keys are sorted, so the last one that fits is the one Go assigns last.
        self.0
            .iter()
            .rev()
            .find(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_null())
            .map(|(_, value)| value)
    }

    /// A text.
    pub(crate) fn text(self, name: &str) -> Option<String> {
        self.get(name).map(text)
    }

    /// A boolean.
    pub(crate) fn boolean(self, name: &str) -> Option<bool> {
        self.get(name).and_then(Value::as_bool)
    }

    /// A list of anything.
    pub(crate) fn list(self, name: &str) -> Option<&'a [Value]> {
        self.get(name).and_then(Value::as_array).map(Vec::as_slice)
    }

    /// A list of texts; null items are empty.
    pub(crate) fn texts(self, name: &str) -> Option<Vec<String>> {
        Some(self.list(name)?.iter().map(text).collect())
    }

    /// An object; without fields when absent.
    pub(crate) fn object(self, name: &str) -> Self {
        self.get(name).map_or(Self(&EMPTY), Self::of)
    }

    /// A map of texts; null values are empty.
    pub(crate) fn text_map(self, name: &str) -> Option<BTreeMap<String, String>> {
        let entries = self.get(name)?.as_object()?;
        Some(
            entries
                .iter()
                .map(|(key, value)| (key.clone(), text(value)))
                .collect(),
        )
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_match_without_case_and_the_last_one_wins() {
        let document = json!({
            "FLAG": true, "NAME": "a", "flag": null, "list": ["x", null], "map": {"a": null},
            "name": "b",
        });
        let fields = Fields::of(&document);
        assert_eq!(fields.text("Name"), Some("b".to_owned()));
        assert_eq!(fields.boolean("flag"), Some(true));
        assert_eq!(
            fields.texts("list"),
            Some(vec!["x".to_owned(), String::new()])
        );
        let map = [("a".to_owned(), String::new())].into_iter().collect();
        assert_eq!(fields.text_map("map"), Some(map));
        assert_eq!(fields.text("absent"), None);
        assert_eq!(fields.object("absent").text("name"), None);
    }
}
