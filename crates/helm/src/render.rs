//! Rendering a chart: from values and options to manifests, hooks and notes.
//!
//! In: a [`CompiledChart`], [`RenderOptions`] and a [`Host`]. Out: [`Rendered`]. Parsed templates are
//! kept in the compiled chart, so that further renders with other values do not parse again. Nothing
//! is read or written; what a template may cost is bounded by the options.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gotemplate::{Cost, Limits, Map, TemplateSet, Value as Go};
use serde_json::Value;

use crate::capabilities::Capabilities;
use crate::chart::{API_VERSION_3, Chart, File, Metadata};
use crate::excerpt::Excerpt;
use crate::log::{Log, Record};
use crate::manifest::{self, Hook, Manifest, ManifestError};
use crate::post_render::{self, PostRenderer};
use crate::schema::{self, SchemaError};
use crate::templates::{self, Release, Shared, Template};
use crate::tree::{Place, Tree};
use crate::values::coalesce::{self, Mode, TypeMismatch};
use crate::values::dependencies::DependenciesError;
use crate::values::options::to_template;
use crate::values::{NotText, dependencies};
use sprig::{Host, json};
use sprig::{gopath, semver};

/// How many sets of parsed templates a chart keeps: one for each choice of sub-charts.
const SETS_MAX: usize = 16;
/// Name of the file that becomes the notes.
const NOTES: &str = "NOTES.txt";

/// A chart with its templates parsed as far as renders needed them. Shared by threads.
pub struct CompiledChart {
    chart: Arc<Chart>,
    /// By the paths of the templates in them.
    sets: Mutex<BTreeMap<Vec<String>, Arc<TemplateSet>>>,
}

impl CompiledChart {
    /// Takes a chart; parsing waits for the first render.
    pub fn new(chart: Chart) -> Self {
        Self {
            chart: Arc::new(chart),
            sets: Mutex::default(),
        }
    }

    /// The chart.
    pub fn chart(&self) -> &Arc<Chart> {
        &self.chart
    }

    /// The templates, parsed.
    pub(crate) fn set(&self, templates: &[Template]) -> Result<Arc<TemplateSet>, RenderError> {
        let key: Vec<String> = templates.iter().map(|t| t.path.clone()).collect();
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = sets.get(&key) {
            return Ok(Arc::clone(set));
        }
        let set = Arc::new(templates::parse(templates)?);
        if sets.len() >= SETS_MAX {
            sets.pop_first();
        }
        sets.insert(key, Arc::clone(&set));
        Ok(set)
    }
}

/// What a render needs besides the chart.
#[derive(Debug, Clone)]
pub struct RenderOptions {
    /// Name of the release; at most 53 characters of a DNS name.
    pub release_name: String,
    /// Namespace of the release.
    pub namespace: String,
    /// Number of the release, from 1.
    pub revision: u32,
    /// Sets `.Release.IsUpgrade`, and clears `.Release.IsInstall`.
    pub is_upgrade: bool,
    /// The user's values, an object or null. Integers are `int64` in templates, which in Helm only
    /// `--set` gives; values from YAML or JSON have to be floating (see [`crate::values::as_decoded`]).
    pub values: Value,
    /// What of the values is no UTF-8, which templates see as it is.
    pub not_text: Vec<NotText>,
    /// Version and API versions of the cluster.
    pub capabilities: Capabilities,
    /// Leaves the schemas of the charts unread.
    pub skip_schema_validation: bool,
    /// Adds the notes of sub-charts to the notes.
    pub sub_notes: bool,
    /// What the templates may cost together.
    pub limits: Limits,
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self {
            release_name: "release-name".to_owned(),
            namespace: "default".to_owned(),
            revision: 1,
            is_upgrade: false,
            values: Value::Null,
            not_text: Vec::new(),
            capabilities: Capabilities::default(),
            skip_schema_validation: false,
            sub_notes: false,
            limits: Limits::default(),
        }
    }
}

/// What came out of a render.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// Files of the `crds` folders, names being full paths (`web/crds/a.yaml`), parents first.
    pub crds: Vec<File>,
    /// Objects in the order in which they are installed.
    pub manifests: Vec<Manifest>,
    /// Hooks, sorted by kind; see [`crate::hooks_at`] for the order at an event.
    pub hooks: Vec<Hook>,
    /// The rendered notes.
    pub notes: String,
    /// The merged values that the templates saw, those of sub-charts under their names.
    pub values: Value,
    /// The chart's defaults after imports, as release records keep them.
    pub chart_values: Value,
    /// What the chart says about itself, its dependencies being those that take part, as release records
    /// keep it.
    pub chart_metadata: Metadata,
    /// Warnings, in order.
    pub log: Vec<Record>,
    /// What the templates took of [`RenderOptions::limits`].
    pub cost: Cost,
}

impl Rendered {
    /// The manifests as one text, as Helm keeps it in a release and prints it; with the files of the
    /// `crds` folders in front if wanted.
    pub fn manifest_text(&self, include_crds: bool) -> String {
        let crds = self.crds.iter().filter(|_| include_crds);
        let crds = crds.map(|crd| section(&crd.name, &String::from_utf8_lossy(&crd.data)));
        crds.chain(self.manifests.iter().map(|m| section(&m.path, &m.text)))
            .collect()
    }
}

/// A document with the line that names its source.
pub(crate) fn section(path: &str, text: &str) -> String {
    format!("---\n# Source: {path}\n{text}\n")
}

/// Why a chart does not render.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The chart is of an `apiVersion` that Helm does not install.
    #[error("invalid chart apiVersion")]
    ApiVersion,
    /// The release name is missing, too long or no DNS name.
    #[error("release name check failed: release name {}: {reason}", sprig::gotext::quote(.name.as_bytes()))]
    ReleaseName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The values are neither an object nor null.
    #[error("values must be a map, not {0}")]
    Values(&'static str),
    /// Sub-charts cannot be chosen.
    #[error("chart dependencies processing failed: {0}")]
    Dependencies(DependenciesError),
    /// Values for a sub-chart are no table, found while values are merged.
    #[error(transparent)]
    Coalesce(#[from] TypeMismatch),
    /// A schema refuses the values.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The chart is not for this Kubernetes version.
    #[error("chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {found}")]
    KubeVersion {
        /// The chart's constraint.
        wanted: String,
        /// The cluster's version.
        found: String,
    },
    /// A template does not parse or execute; the text names file, line and column.
    #[error("{text}")]
    Template {
        /// Helm's text.
        text: String,
        /// The line at fault, unless it is in no file.
        excerpt: Option<Box<Excerpt>>,
    },
    /// The program that changes manifests fails, or its output is unusable.
    #[error("{0}")]
    PostRender(String),
    /// A rendered document is no object; all rendered files are kept for a look at them.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl RenderError {
    /// The line of a template at fault, if there is one.
    pub fn excerpt(&self) -> Option<&Excerpt> {
        match self {
            Self::Template { excerpt, .. } => excerpt.as_deref(),
            _ => None,
        }
    }

    /// Whether templates were at work already, so that Helm would show what they rendered.
    pub fn is_from_templates(&self) -> bool {
        matches!(
            self,
            Self::KubeVersion { .. }
                | Self::Template { .. }
                | Self::PostRender(_)
                | Self::Manifest(_)
        )
    }
}

/// A failed render: the error, and what was said before it.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct RenderFailure {
    /// The error.
    pub error: RenderError,
    /// Warnings, in order.
    pub log: Vec<Record>,
    /// Rendered files by path when a document among them is bad, else nothing.
    pub files: BTreeMap<String, String>,
    /// Hooks found before the bad document.
    pub hooks: Vec<Hook>,
}

/// Renders a chart.
pub fn render(
    chart: &CompiledChart,
    options: &RenderOptions,
    host: Host,
) -> Result<Rendered, Box<RenderFailure>> {
    render_through(chart, options, host, None)
}

/// Renders a chart, and has the manifests and hooks changed by a program before they are sorted.
pub fn render_through(
    chart: &CompiledChart,
    options: &RenderOptions,
    host: Host,
    program: Option<PostRenderer<'_>>,
) -> Result<Rendered, Box<RenderFailure>> {
    let mut run = Run {
        chart,
        options,
        log: Log::default(),
        files: manifest::Files::default(),
        hooks: Vec::new(),
    };
    run.all(host, program).map_err(|error| {
        let files = match error {
            RenderError::Manifest(_) => std::mem::take(&mut run.files.texts),
            _ => BTreeMap::new(),
        };
        Box::new(RenderFailure {
            error,
            log: std::mem::take(&mut run.log.records),
            files,
            hooks: std::mem::take(&mut run.hooks),
        })
    })
}

/// One render.
struct Run<'a> {
    chart: &'a CompiledChart,
    options: &'a RenderOptions,
    log: Log,
    files: manifest::Files,
    /// Hooks found before a bad document.
    hooks: Vec<Hook>,
}

impl Run<'_> {
    fn all(
        &mut self,
        host: Host,
        program: Option<PostRenderer<'_>>,
    ) -> Result<Rendered, RenderError> {
        let options = self.options;
        if self.chart.chart.metadata.api_version == API_VERSION_3 {
            return Err(RenderError::ApiVersion);
        }
        if let Err(error) = check_release_name(&options.release_name) {
            let text = error.to_string();
            let reason = text
                .split_once(": ")
                .map_or(text.as_str(), |(_, reason)| reason);
            self.log
                .error("release name check failed", reason.to_owned());
            return Err(error);
        }
        let given = match &options.values {
            Value::Object(map) => to_template(map, &options.not_text),
            Value::Null => Map::new(),
            other => return Err(RenderError::Values(goyaml::json_kind(other))),
        };
        let mut tree = Tree::new(&self.chart.chart);
        if let Err(error) = dependencies::process(&mut tree, &given, &mut self.log) {
            self.log
                .error("chart dependencies processing failed", error.to_string());
            return Err(RenderError::Dependencies(error));
        }
        let tree = tree.root();
        let values = coalesce::coalesce(tree, &given, Mode::Coalesce, &mut self.log)?;
        let values_json = as_json(&values);
        if !options.skip_schema_validation
            && let Value::Object(map) = &values_json
        {
            schema::validate(tree, map, &mut self.log)?;
        }
        check_kube_version(tree, &options.capabilities)?;
        let cost;
        let release = Release {
            name: &options.release_name,
            namespace: &options.namespace,
            revision: options.revision,
            is_install: !options.is_upgrade,
            is_upgrade: options.is_upgrade,
        };
        let shared = Shared::new(&release, &options.capabilities);
        (self.files, cost) =
            templates::execute(self.chart, tree, &values, &shared, options.limits, host)?;
        let notes = self.take_notes(tree);
        if let Some(program) = program {
            let changed = post_render::run(&self.files.texts, program);
            self.files = manifest::Files {
                texts: changed.map_err(RenderError::PostRender)?,
                ..manifest::Files::default()
            };
        }
        let sorted = manifest::sort(&self.files, &mut self.log);
        let (hooks, manifests) = sorted.map_err(|failure| {
            self.hooks = failure.hooks;
            failure.error
        })?;
        let mut crds = Vec::new();
        collect_crds(tree, &mut crds);
        Ok(Rendered {
            crds,
            manifests,
            hooks,
            notes,
            values: values_json,
            chart_values: as_json(&tree.default_values()),
            chart_metadata: tree.metadata().clone(),
            log: std::mem::take(&mut self.log.records),
            cost,
        })
    }

    /// Takes the notes out of the rendered files; those of sub-charts only if they are wanted.
    fn take_notes(&mut self, tree: Place<'_>) -> String {
        let own = gopath::join(&[tree.name(), "templates", NOTES]);
        let (notes, files): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut self.files.texts)
                .into_iter()
                .partition(|(path, _)| path.ends_with(NOTES));
        self.files.texts = files;
        let wanted = notes
            .into_iter()
            .filter(|(path, _)| self.options.sub_notes || *path == own);
        let texts: Vec<String> = wanted.map(|(_, text)| text).collect();
        texts.join("\n")
    }
}

pub(crate) fn as_json(map: &Map) -> Value {
    json::to_value(&Go::Map(map.clone())).unwrap_or_default()
}

/// Source: Helm `ValidateReleaseName`.
fn check_release_name(name: &str) -> Result<(), RenderError> {
    const PATTERN: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |label: &str| {
        label.starts_with(edge)
            && label.ends_with(edge)
            && label.chars().all(|c| edge(c) || c == '-')
    };
    let reason = if name.is_empty() {
        "no name provided".to_owned()
    } else if name.len() > 53 || !name.split('.').all(label) {
        format!(
            "invalid release name, must match regex {PATTERN} and the length must not be longer than 53"
        )
    } else {
        return Ok(());
    };
    Err(RenderError::ReleaseName {
        name: name.to_owned(),
        reason,
    })
}

fn check_kube_version(tree: Place<'_>, capabilities: &Capabilities) -> Result<(), RenderError> {
    let wanted = &tree.metadata().kube_version;
    let version = &capabilities.kube_version;
    if wanted.is_empty() || semver::is_compatible_range(wanted, &version.normalized) {
        return Ok(());
    }
    Err(RenderError::KubeVersion {
        wanted: wanted.clone(),
        found: version.version.clone(),
    })
}

/// The files of `crds` folders, the chart's own first.
fn collect_crds(node: Place<'_>, crds: &mut Vec<File>) {
    let path = node.full_path();
    for file in &node.chart().files {
        if file.is_crd() {
            let name = gopath::join(&[&path, &file.name]);
            crds.push(File {
                name,
                data: Arc::clone(&file.data),
            });
        }
    }
    for sub in node.dependencies() {
        collect_crds(sub, crds);
    }
}
