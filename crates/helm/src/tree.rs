//! The chart tree of one render: the loaded charts with aliases, switched-off sub-charts removed and
//! imported values applied.
//!
//! In: a loaded chart. Out: nodes that later steps change freely, because the chart itself is shared
//! between renders and is not.
//!
//! Helm copies charts where `Chart.yaml` names them, and no deeper than one level: copies share what
//! is said about their sub-charts, and the sub-charts of these as a whole. What one copy changes there
//! the other one sees. So nodes stand in a table here and refer to each other by their places in it.

use std::sync::Arc;

use gotemplate::Map;

use crate::chart::{Chart, Dependency, Metadata};
use sprig::values::{deep_copy_map, map_to_template};

/// Charts that aliases may make of a chart with its sub-charts: aliases in aliases multiply.
const CHARTS_MAX: usize = 5_000;

/// Aliases that make too many charts. Helm has no such bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("aliases make more than {CHARTS_MAX} charts")]
pub struct TooManyCharts;

/// The place of a node in its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id(usize);

/// All charts of a render, those that were copied from included. The first one is the root.
pub(crate) struct Tree {
    nodes: Vec<Node>,
    about: Vec<About>,
    /// Charts made by copying.
    n_copied: usize,
}

/// A chart.
#[derive(Clone)]
struct Node {
    /// What was loaded.
    chart: Arc<Chart>,
    /// Place of what it says about itself.
    about: usize,
    /// The sub-charts chosen so far.
    dependencies: Vec<Id>,
    /// Replaces the defaults once imports were applied.
    values: Option<Map>,
    parent: Option<Id>,
}

/// What one chart, or several copies of one, say about themselves.
#[derive(Clone)]
pub(crate) struct About {
    /// An alias replaces the name, dependencies are the chosen ones.
    pub(crate) metadata: Metadata,
    /// Whether `import-values` have been applied, after which they mean nothing.
    pub(crate) is_imported: bool,
}

impl Tree {
    /// The charts as loaded.
    pub(crate) fn new(chart: &Arc<Chart>) -> Self {
        let mut tree = Self {
            nodes: Vec::new(),
            about: Vec::new(),
            n_copied: 0,
        };
        tree.add(chart, None);
        tree
    }

    fn add(&mut self, chart: &Arc<Chart>, parent: Option<Id>) -> Id {
        let id = self.push(Node {
            chart: Arc::clone(chart),
            about: self.about.len(),
            dependencies: Vec::new(),
            values: None,
            parent,
        });
        self.about.push(About {
            metadata: chart.metadata.clone(),
            is_imported: false,
        });
        let below = chart.dependencies.iter();
        self.nodes[id.0].dependencies = below.map(|below| self.add(below, Some(id))).collect();
        id
    }

    fn push(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        Id(self.nodes.len() - 1)
    }

    /// The chart that is rendered.
    pub(crate) fn root(&self) -> Place<'_> {
        self.at(Id(0))
    }

    /// The chart at a place.
    pub(crate) fn at(&self, id: Id) -> Place<'_> {
        Place { tree: self, id }
    }

    /// What a chart says about itself, and others that share that with it.
    pub(crate) fn about(&mut self, id: Id) -> &mut About {
        &mut self.about[self.nodes[id.0].about]
    }

    /// Makes these the sub-charts of a chart.
    pub(crate) fn set_dependencies(&mut self, id: Id, dependencies: Vec<Id>) {
        for below in &dependencies {
            self.nodes[below.0].parent = Some(id);
        }
        self.nodes[id.0].dependencies = dependencies;
    }

    /// Replaces the defaults of a chart.
    pub(crate) fn set_values(&mut self, id: Id, values: Map) {
        self.nodes[id.0].values = Some(values);
    }

    /// A copy of a chart and of its sub-charts, under the alias if there is one. The sub-charts share
    /// what they say about themselves, and their own sub-charts, with those they are copied from.
    pub(crate) fn copy(&mut self, id: Id, wanted: &Dependency) -> Result<Id, TooManyCharts> {
        self.n_copied += 1 + self.nodes[id.0].dependencies.len();
        if self.n_copied > CHARTS_MAX {
            return Err(TooManyCharts);
        }
        let mut node = self.nodes[id.0].clone();
        let mut about = self.about[node.about].clone();
        if !wanted.alias.is_empty() {
            about.metadata.name.clone_from(&wanted.alias);
        }
        node.about = self.about.len();
        self.about.push(about);
        let below = std::mem::take(&mut node.dependencies);
        let copy = self.push(node);
        let below = below
            .into_iter()
            .map(|id| self.push(self.nodes[id.0].clone()));
        let below = below.collect();
        self.set_dependencies(copy, below);
        Ok(copy)
    }
}

/// A chart at its place in the tree.
#[derive(Clone, Copy)]
pub(crate) struct Place<'t> {
    tree: &'t Tree,
    id: Id,
}

impl<'t> Place<'t> {
    fn node(self) -> &'t Node {
        &self.tree.nodes[self.id.0]
    }

    /// Where it is.
    pub(crate) fn id(self) -> Id {
        self.id
    }

    /// What was loaded.
    pub(crate) fn chart(self) -> &'t Arc<Chart> {
        &self.node().chart
    }

    /// What it says about itself here.
    pub(crate) fn metadata(self) -> &'t Metadata {
        &self.tree.about[self.node().about].metadata
    }

    /// Name or alias.
    pub(crate) fn name(self) -> &'t str {
        &self.metadata().name
    }

    /// The sub-charts chosen so far.
    pub(crate) fn dependencies(self) -> impl Iterator<Item = Place<'t>> {
        let ids = self.node().dependencies.iter();
        ids.map(move |id| self.tree.at(*id))
    }

    /// Whether it is the chart that is rendered.
    pub(crate) fn is_root(self) -> bool {
        self.node().parent.is_none()
    }

    /// A fresh copy of the default values.
    pub(crate) fn default_values(self) -> Map {
        match &self.node().values {
            Some(values) => deep_copy_map(values),
            None => map_to_template(&self.chart().values),
        }
    }

    /// The path of the chart inside the render: `web`, `web/charts/db`.
    ///
    /// Quirk: of a chart that copies share it leads through the chart they were copied from.
    pub(crate) fn full_path(self) -> String {
        match self.node().parent {
            None => self.name().to_owned(),
            Some(parent) => {
                let parent = self.tree.at(parent).full_path();
                format!("{parent}/charts/{}", self.name())
            }
        }
    }
}
