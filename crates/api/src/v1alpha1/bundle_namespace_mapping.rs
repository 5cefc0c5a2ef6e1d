//! BundleNamespaceMapping: lets bundles reach the clusters of other namespaces.

use kube_core::ObjectMeta;
use schemars::JsonSchema;
use serde::Deserialize;

use super::LabelSelector;
use crate::json::or_default;

/// BundleNamespaceMapping lets the selected bundles of its namespace be deployed to clusters of the
/// selected namespaces.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BundleNamespaceMapping {
    /// Standard object metadata.
    #[serde(deserialize_with = "or_default")]
    pub metadata: ObjectMeta,
    /// Selects bundles of this namespace by their labels. Unset selects none.
    pub bundle_selector: Option<LabelSelector>,
    /// Selects namespaces by their labels. Unset selects none.
    pub namespace_selector: Option<LabelSelector>,
}
