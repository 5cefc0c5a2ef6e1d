//! Bundles as text for a person or another program.

use api::v1alpha1::{API_VERSION, Bundle};
use serde_json::{Value, json};

/// A Bundle that has no YAML text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to encode {API_VERSION}, Kind=Bundle")]
pub struct Unprintable {
    /// A character that YAML does not allow.
    #[source]
    pub source: goyaml::WriteError,
}

/// A Bundle as upstream's `apply -o` prints it: without status and what an API server fills in.
///
/// # Errors
/// When a file or value holds a character that YAML does not allow.
pub fn to_yaml(bundle: &Bundle) -> Result<String, Unprintable> {
    let mut metadata = json!({});
    let fields = &bundle.metadata;
    for (key, value) in [
        ("name", json!(fields.name)),
        ("namespace", json!(fields.namespace)),
        ("labels", json!(fields.labels)),
        ("annotations", json!(fields.annotations)),
    ] {
        if !value.is_null() {
            metadata[key] = value;
        }
    }
    let value = json!({
        "apiVersion": API_VERSION,
        "kind": "Bundle",
        "metadata": metadata,
        // Structs of text, numbers and maps with text keys: always a value.
        "spec": serde_json::to_value(&bundle.spec).unwrap_or(Value::Null),
    });
    goyaml::to_yaml(&value).map_err(|source| Unprintable { source })
}
