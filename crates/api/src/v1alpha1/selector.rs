//! Label selectors, as in `metav1.LabelSelector`, with serialization in Go's field order and matching.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::json::{is_empty, or_default};

/// Selects objects by their labels. All requirements must hold; an empty selector matches everything.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(default, rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels that must have exactly these values.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Further requirements.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub match_expressions: Vec<LabelSelectorRequirement>,
}

/// A requirement on one label.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(default, rename_all = "camelCase")]
pub struct LabelSelectorRequirement {
    /// Key of the label.
    #[schemars(extend("x-required" = true))]
    #[serde(deserialize_with = "or_default")]
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    #[schemars(extend("x-required" = true))]
    #[serde(deserialize_with = "or_default")]
    pub operator: String,
    /// Values for `In` and `NotIn`; empty for the others.
    #[serde(deserialize_with = "or_default", skip_serializing_if = "is_empty")]
    pub values: Vec<String>,
}

/// A selector that the API's rules do not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSelector {
    /// The operator is none of the four.
    #[error("{operator:?} is not a valid label selector operator")]
    Operator {
        /// The operator.
        operator: String,
    },
    /// `In` and `NotIn` need values.
    #[error("values must not be empty for operator {operator} on label {key:?}")]
    NoValues {
        /// The operator.
        operator: String,
        /// Key of the label.
        key: String,
    },
    /// `Exists` and `DoesNotExist` take none.
    #[error("values must be empty for operator {operator} on label {key:?}")]
    Values {
        /// The operator.
        operator: String,
        /// Key of the label.
        key: String,
    },
    /// No label can have that key.
    #[error(
        "{key:?} is not a label key: [PREFIX/]NAME, the name of letters, digits, '-', '_' and '.', at \
         most {NAME_BYTES_MAX} bytes, which begins and ends with a letter or digit"
    )]
    Key {
        /// The key.
        key: String,
    },
    /// No label can have that value.
    #[error(
        "{value:?} is no value of label {key:?}: letters, digits, '-', '_' and '.', at most \
         {NAME_BYTES_MAX} bytes, beginning and ending with a letter or digit"
    )]
    Value {
        /// Key of the label.
        key: String,
        /// The value.
        value: String,
    },
}

/// The longest value of a label, and the longest name in its key.
const NAME_BYTES_MAX: usize = 63;

impl LabelSelector {
    /// Checks what an API server does not check in a custom resource. A selector that no label can
    /// fulfil is a mistake to tell of: taken as it stands it would select nothing, and what is not
    /// selected is removed.
    ///
    /// # Errors
    /// The first requirement with an unknown operator, the wrong number of values, or a key or value
    /// that labels cannot have.
    ///
    /// # Source
    /// apimachinery, `metav1.LabelSelectorAsSelector` and `labels.NewRequirement`.
    pub fn validate(&self) -> Result<(), InvalidSelector> {
        for (key, value) in &self.match_labels {
            check_key(key)?;
            check_value(key, value)?;
        }
        self.match_expressions
            .iter()
            .try_for_each(LabelSelectorRequirement::validate)
    }

    /// Whether the labels fulfil all requirements. `NotIn` and `DoesNotExist` hold for a missing
    /// label. A selector that `validate` refuses matches nothing.
    ///
    /// # Source
    /// apimachinery, `labels.Requirement.Matches`.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.validate().is_ok()
            && self
                .match_labels
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
            && self
                .match_expressions
                .iter()
                .all(|requirement| requirement.holds(labels))
    }
}

impl LabelSelectorRequirement {
    fn validate(&self) -> Result<(), InvalidSelector> {
        let (key, operator) = (self.key.clone(), self.operator.clone());
        match (operator.as_str(), self.values.is_empty()) {
            ("In" | "NotIn", false) | ("Exists" | "DoesNotExist", true) => {
                check_key(&self.key)?;
                let mut values = self.values.iter();
                values.try_for_each(|value| check_value(&self.key, value))
            }
            ("In" | "NotIn", true) => Err(InvalidSelector::NoValues { operator, key }),
            ("Exists" | "DoesNotExist", false) => Err(InvalidSelector::Values { operator, key }),
            _ => Err(InvalidSelector::Operator { operator }),
        }
    }

    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let listed = value.is_some_and(|value| self.values.contains(value));
        match self.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    }
}

fn check_key(key: &str) -> Result<(), InvalidSelector> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let is_domain = |prefix: &str| prefix.len() <= 253 && prefix.split('.').all(is_domain_label);
    if prefix.is_none_or(is_domain) && !name.is_empty() && is_name(name) {
        Ok(())
    } else {
        let key = key.to_owned();
        Err(InvalidSelector::Key { key })
    }
}

fn check_value(key: &str, value: &str) -> Result<(), InvalidSelector> {
    if is_name(value) {
        Ok(())
    } else {
        let (key, value) = (key.to_owned(), value.to_owned());
        Err(InvalidSelector::Value { key, value })
    }
}

/// Whether a text can be the value of a label: empty ones can.
fn is_name(text: &str) -> bool {
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    text.len() <= NAME_BYTES_MAX
        && text.bytes().all(|byte| is_inner(&byte))
        && !text.starts_with(['-', '_', '.'])
        && !text.ends_with(['-', '_', '.'])
}

fn is_domain_label(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.bytes().all(is_inner) && !text.starts_with('-') && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_no_label_can_be_is_refused() {
        let good = [
            json!({}),
            json!({ "matchLabels": { "a": "", "example.com/a-b_c.d": "1.2-3_x" } }),
            json!({ "matchExpressions": [{ "key": "a", "operator": "In", "values": ["b", ""] }] }),
            json!({ "matchExpressions": [{ "key": "x.io/a", "operator": "Exists" }] }),
        ];
        let bad = [
            json!({ "matchLabels": { "": "a" } }),
            json!({ "matchLabels": { "a/b/c": "d" } }),
            json!({ "matchLabels": { "/a": "d" } }),
            json!({ "matchLabels": { "Upper.io/a": "d" } }),
            json!({ "matchLabels": { "a": "not/a value" } }),
            json!({ "matchLabels": { "a": "-b" } }),
            json!({ "matchLabels": { "a": "x".repeat(64) } }),
            json!({ "matchExpressions": [{ "key": "a", "operator": "NotIn", "values": ["b", "c d"] }] }),
            json!({ "matchExpressions": [{ "key": "a b", "operator": "Exists" }] }),
            json!({ "matchExpressions": [{ "key": "a", "operator": "Exists", "values": ["b"] }] }),
            json!({ "matchExpressions": [{ "key": "a", "operator": "In" }] }),
            json!({ "matchExpressions": [{ "key": "a", "operator": "in", "values": ["b"] }] }),
        ];
        let selector = |json| serde_json::from_value::<LabelSelector>(json).expect("a selector");
        for json in good {
            assert_eq!(selector(json.clone()).validate(), Ok(()), "{json}");
        }
        for json in bad {
            let selector = selector(json.clone());
            assert!(selector.validate().is_err(), "{json}");
            assert!(!selector.matches(&BTreeMap::new()), "{json}");
        }
    }
}
