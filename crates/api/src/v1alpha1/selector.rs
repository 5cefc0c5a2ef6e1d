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
}

impl LabelSelector {
    /// Checks what the API server of older versions did not.
    ///
    /// # Errors
    /// The first requirement with an unknown operator or the wrong number of values.
    pub fn validate(&self) -> Result<(), InvalidSelector> {
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
            ("In" | "NotIn", false) | ("Exists" | "DoesNotExist", true) => Ok(()),
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
