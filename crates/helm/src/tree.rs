//! The chart tree of one render: the loaded charts with aliases, switched-off sub-charts removed and
//! imported values applied.
//!
//! In: a loaded chart. Out: nodes that later steps change freely, because the chart itself is shared
//! between renders and is not.

use std::sync::Arc;

use gotemplate::Map;

use crate::chart::{Chart, Metadata};
use sprig::values::{deep_copy_map, map_to_template};

/// A chart at its place in the tree.
#[derive(Clone)]
pub(crate) struct Node {
    /// What was loaded.
    pub(crate) chart: Arc<Chart>,
    /// What it says about itself here: an alias replaces the name, dependencies are the chosen ones.
    pub(crate) metadata: Metadata,
    /// The sub-charts chosen so far.
    pub(crate) dependencies: Vec<Node>,
    /// Replaces the defaults once imports were applied.
    pub(crate) values: Option<Map>,
}

impl Node {
    pub(crate) fn new(chart: &Arc<Chart>) -> Self {
        Self {
            chart: Arc::clone(chart),
            metadata: chart.metadata.clone(),
            dependencies: chart.dependencies.iter().map(Node::new).collect(),
            values: None,
        }
    }

    /// Name or alias.
    pub(crate) fn name(&self) -> &str {
        &self.metadata.name
    }

    /// A fresh copy of the default values.
    pub(crate) fn default_values(&self) -> Map {
        match &self.values {
            Some(values) => deep_copy_map(values),
            None => map_to_template(&self.chart.values),
        }
    }

    /// The path of the chart inside the render: `web`, `web/charts/db`.
    pub(crate) fn full_path(&self, parent: Option<&str>) -> String {
        match parent {
            None => self.name().to_owned(),
            Some(parent) => format!("{parent}/charts/{}", self.name()),
        }
    }
}
