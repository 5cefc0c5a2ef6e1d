//! Which statuses of which conditions mean an error, by kind.
//!
//! In: the built-in table, and what `CATTLE_WRANGLER_CHECK_GVK_ERROR_MAPPING` says (as text: reading the environment is the agent's
//! business). Out: a look-up. Source: wrangler `pkg/summary/gvk.go`, `summarizers.go`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// Why a mapping cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// It is not the JSON it should be.
    #[error("condition mapping is not valid JSON")]
    Decode(#[source] serde_json::Error),
    /// A kind is not written as `group/version, Kind=kind`.
    #[error("{gvk:?} in the condition mapping is not of the form \"group/version, Kind=kind\"")]
    Kind {
        /// The text.
        gvk: String,
    },
}

type Statuses = BTreeMap<String, BTreeSet<String>>;

/// The statuses of conditions that mean an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorMapping {
    /// By `apiVersion` and kind.
    by_kind: BTreeMap<(String, String), Statuses>,
    fallback: Statuses,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    gvk: String,
    #[serde(default)]
    condition_mappings: Vec<ConditionMapping>,
}

#[derive(Deserialize)]
struct ConditionMapping {
    r#type: String,
    #[serde(default)]
    status: Option<Vec<String>>,
}

const TRUE: &[&str] = &["True"];
const FALSE: &[&str] = &["False"];

fn table(rows: &[(&str, &[&str])]) -> Statuses {
    let row = |(kind, statuses): &(&str, &[&str])| {
        (
            (*kind).to_owned(),
            statuses.iter().map(|status| (*status).to_owned()).collect(),
        )
    };
    rows.iter().map(row).collect()
}

impl Default for ErrorMapping {
    fn default() -> Self {
        let kinds = [
            (
                "helm.cattle.io/v1",
                "HelmChart",
                table(&[("JobCreated", &[]), ("Failed", TRUE)]),
            ),
            (
                "v1",
                "Node",
                table(&[
                    ("OutOfDisk", TRUE),
                    ("MemoryPressure", TRUE),
                    ("DiskPressure", TRUE),
                    ("NetworkUnavailable", TRUE),
                ]),
            ),
            (
                "apps/v1",
                "Deployment",
                table(&[("ReplicaFailure", TRUE), ("Progressing", FALSE)]),
            ),
            ("apps/v1", "ReplicaSet", table(&[("ReplicaFailure", TRUE)])),
        ];
        Self {
            by_kind: kinds
                .into_iter()
                .map(|(version, kind, statuses)| ((version.to_owned(), kind.to_owned()), statuses))
                .collect(),
            fallback: table(&[("Stalled", TRUE), ("Failed", TRUE)]),
        }
    }
}

impl ErrorMapping {
    /// The built-in mapping with more on top: for each condition that `json` lists, its statuses replace those known.
    ///
    /// `json` is a list such as `[{"gvk": "group/v1, Kind=K", "conditionMappings": [{"type": "T", "status": ["True"]}]}]`.
    pub fn with(json: &str) -> Result<Self, MappingError> {
        let entries: Vec<Entry> = serde_json::from_str(json).map_err(MappingError::Decode)?;
        let mut mapping = Self::default();
        for entry in entries {
            let (version, kind) =
                entry
                    .gvk
                    .split_once(", Kind=")
                    .ok_or_else(|| MappingError::Kind {
                        gvk: entry.gvk.clone(),
                    })?;
            // The core group is written with its slash.
            let version = version.strip_prefix('/').unwrap_or(version);
            let known = mapping
                .by_kind
                .entry((version.to_owned(), kind.to_owned()))
                .or_default();
            for condition in entry.condition_mappings {
                known.insert(
                    condition.r#type,
                    condition.status.into_iter().flatten().collect(),
                );
            }
        }
        Ok(mapping)
    }

    /// Whether the condition with this status is an error on the kind.
    pub(super) fn is_error(
        &self,
        api_version: &str,
        kind: &str,
        condition: &str,
        status: &str,
    ) -> bool {
        let key = (api_version.to_owned(), kind.to_owned());
        let statuses = self.by_kind.get(&key).unwrap_or(&self.fallback);
        statuses
            .get(condition)
            .is_some_and(|statuses| statuses.contains(status))
    }
}
