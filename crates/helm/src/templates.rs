//! The templates of a chart tree: what they see, the order in which they are parsed and run, and what
//! comes out.
//!
//! In: a tree with its values. Out: texts by path, or the first error. Source: Helm
//! `pkg/engine/engine.go`.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use gotemplate::{
    Cost, ExecError, Functions, Limits, Map, MissingKey, Renderer, Str, TemplateSet, Value as Go,
};
use sprig::{Host, gopath, without_no_value};

use crate::capabilities::Capabilities;
use crate::excerpt::Excerpt;
use crate::manifest::Files;
use crate::render::{CompiledChart, RenderError};
use crate::tree::Place;
use crate::{objects, report};

static FUNCTIONS: LazyLock<Arc<Functions>> = LazyLock::new(|| Arc::new(sprig::helm()));

/// A template with the data of its chart.
pub(crate) struct Template {
    /// `web/charts/db/templates/a.yaml`
    pub(crate) path: String,
    /// `web/templates`
    base: String,
    text: Arc<[u8]>,
    data: Map,
}

/// What templates see as `.Release`.
pub(crate) struct Release<'a> {
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) revision: u32,
    pub(crate) is_install: bool,
    pub(crate) is_upgrade: bool,
}

/// What all charts of a render see alike.
pub(crate) struct Shared {
    release: Go,
    capabilities: Go,
}

impl Shared {
    pub(crate) fn new(release: &Release<'_>, capabilities: &Capabilities) -> Self {
        let entries = [
            ("Name", Go::str(release.name)),
            ("Namespace", Go::str(release.namespace)),
            ("IsUpgrade", Go::Bool(release.is_upgrade)),
            ("IsInstall", Go::Bool(release.is_install)),
            ("Revision", Go::int(i64::from(release.revision))),
            ("Service", Go::str("Helm")),
        ];
        Self {
            release: Go::Map(entries.into_iter().collect()),
            capabilities: objects::capabilities(capabilities),
        }
    }
}

/// Where a chart's values come from.
enum Scope<'a> {
    Root(&'a Map),
    /// The values of the parent.
    Parent(&'a Map),
}

/// Renders the files of a chart tree.
pub(crate) fn execute(
    chart: &CompiledChart,
    tree: Place<'_>,
    values: &Map,
    shared: &Shared,
    limits: Limits,
    host: Host,
) -> Result<(Files, Cost), RenderError> {
    let mut templates = BTreeMap::new();
    scope(tree, &Scope::Root(values), shared, &mut templates);
    let mut templates: Vec<Template> = templates.into_values().collect();
    templates.sort_by(|a, b| parse_order(&b.path).cmp(&parse_order(&a.path)));
    let set = chart.set(&templates)?;
    let mut renderer = Renderer::new(limits, host);
    let mut outputs = Files::default();
    for template in &templates {
        if gopath::base_str(&template.path).starts_with('_') {
            continue;
        }
        let about: Map = [("Name", &template.path), ("BasePath", &template.base)]
            .into_iter()
            .map(|(name, text)| (name, Go::str(text)))
            .collect();
        // The data are shared by the templates of a chart, as in Helm.
        let _ = template.data.insert("Template", objects::values(&about));
        let output = renderer
            .execute(&set, &template.path, &objects::values(&template.data))
            .map_err(|error| execution_failed(&template.path, &error, &templates))?;
        outputs.insert(template.path.clone(), without_no_value(&output));
    }
    Ok((outputs, renderer.cost()))
}

/// Collects the templates of a chart and its sub-charts, and gives the data they see.
///
/// Source: Helm `recAllTpls`.
fn scope(
    node: Place<'_>,
    scope_of: &Scope<'_>,
    shared: &Shared,
    templates: &mut BTreeMap<String, Template>,
) -> Map {
    let values = match scope_of {
        Scope::Root(values) => (*values).clone(),
        Scope::Parent(values) => match values.get(node.name().as_bytes()) {
            Some(Go::Map(values)) => values,
            _ => Map::new(),
        },
    };
    let subcharts = Map::new();
    let data: Map = [
        (
            "Chart",
            Go::Map(objects::chart(node.metadata(), node.is_root())),
        ),
        ("Files", objects::files(&node.chart().files)),
        ("Release", shared.release.clone()),
        ("Capabilities", shared.capabilities.clone()),
        ("Values", objects::values(&values)),
        ("Subcharts", Go::Map(subcharts.clone())),
    ]
    .into_iter()
    .collect();
    let path = node.full_path();
    for sub in node.dependencies() {
        let inner = scope(sub, &Scope::Parent(&values), shared, templates);
        let _ = subcharts.insert(sub.name(), Go::Map(inner));
    }
    for file in &node.chart().templates {
        if node.chart().is_library() && !gopath::base_str(&file.name).starts_with('_') {
            continue;
        }
        let template = Template {
            path: gopath::join(&[&path, &file.name]),
            base: gopath::join(&[&path, "templates"]),
            text: Arc::clone(&file.data),
            data: data.clone(),
        };
        templates.insert(template.path.clone(), template);
    }
    data
}

/// Deeper files first, then names backwards: definitions nearer to the root win.
fn parse_order(path: &str) -> (usize, &str) {
    (path.matches('/').count(), path)
}

/// Parses the templates of a chart tree, in their order.
pub(crate) fn parse(templates: &[Template]) -> Result<TemplateSet, RenderError> {
    let mut set = TemplateSet::new(Arc::clone(&FUNCTIONS)).with_missing_key(MissingKey::Zero);
    let texts = templates
        .iter()
        .map(|template| (template.path.as_str(), Arc::clone(&template.text).into()));
    let texts: Vec<(&str, Str)> = texts.collect();
    set.parse_all(&texts).map_err(|(index, error)| {
        let Template { path, text, .. } = &templates[index];
        RenderError::Template {
            text: report::parse_error(path, &error),
            excerpt: Excerpt::of_parsing(path, &error, text).map(Box::new),
        }
    })?;
    Ok(set)
}

fn execution_failed(path: &str, error: &ExecError, templates: &[Template]) -> RenderError {
    let text_of = |path: &str| {
        let template = templates.iter().find(|template| template.path == path)?;
        Some(Arc::clone(&template.text))
    };
    RenderError::Template {
        text: report::exec_error(path, error),
        excerpt: Excerpt::of_execution(error, text_of).map(Box::new),
    }
}
