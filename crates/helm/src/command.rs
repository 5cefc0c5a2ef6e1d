//! The decisions of `helm template`: from flags and loaded inputs to the text that is printed.
//!
//! In: a chart, merged values, flags. Out: the text or files to write, warnings, and errors in Helm's
//! words. Reads and writes nothing: the program around it does.

use std::fmt::Write as _;
use std::sync::Arc;

use gotemplate::{Limits, Renderer, TemplateSet};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::capabilities::{Capabilities, KubeVersion, VersionError};
use crate::chart::{Chart, MissingDependencies, NotInstallable};
use crate::log::Record;
use crate::manifest::{self, Hook, HookEvent};
use crate::render::{CompiledChart, RenderFailure, RenderOptions, Rendered, render, section};
use sprig::gopath;
use sprig::{Host, SystemRandom};

/// The flags of `helm template` beside those for values.
#[derive(Debug, Clone, Default)]
pub struct TemplateFlags {
    /// Name of the release.
    pub release_name: String,
    /// `--namespace`
    pub namespace: String,
    /// `--include-crds`
    pub include_crds: bool,
    /// `--no-hooks`
    pub no_hooks: bool,
    /// `--skip-tests`
    pub skip_tests: bool,
    /// `--show-only`: patterns of templates.
    pub show_only: Vec<String>,
    /// `--kube-version`
    pub kube_version: Option<String>,
    /// `--api-versions`, already split at commas.
    pub api_versions: Vec<String>,
    /// `--is-upgrade`
    pub is_upgrade: bool,
    /// `--skip-schema-validation`
    pub skip_schema_validation: bool,
    /// `--debug`: shows what was rendered when it is no YAML.
    pub debug: bool,
    /// `--output-dir` is given: files instead of one text.
    pub to_files: bool,
}

/// A file to write below the output directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFile {
    /// Path below the directory.
    pub path: String,
    /// Whether it is from a `crds` folder; those are not put below the name of the release.
    pub is_crd: bool,
    /// What to append to it, or to start it with.
    pub text: String,
}

/// What the command prints and writes.
#[derive(Debug, Default)]
pub struct TemplateOutput {
    /// For standard output.
    pub text: String,
    /// With `--output-dir`, in the order of writing; a path may come twice.
    pub files: Vec<OutputFile>,
    /// Warnings for standard error.
    pub log: Vec<Record>,
    /// Set when the command fails after it printed.
    pub error: Option<TemplateError>,
}

/// Why the command fails.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// `--kube-version` is no version.
    #[error("invalid kube version '{version}': {error}")]
    KubeVersion {
        /// The text given.
        version: String,
        /// What is wrong.
        error: VersionError,
    },
    /// The chart is a library.
    #[error(transparent)]
    NotInstallable(#[from] NotInstallable),
    /// A dependency is not there.
    #[error(transparent)]
    MissingDependencies(#[from] MissingDependencies),
    /// The chart does not render; warnings come before.
    #[error("{failure}{}", debug_hint(*.hint))]
    Render {
        /// What happened.
        failure: Box<RenderFailure>,
        /// Whether to point at `--debug`.
        hint: bool,
    },
    /// `--show-only` names no template.
    #[error("could not find template {0} in chart")]
    NoSuchTemplate(String),
}

fn debug_hint(hint: bool) -> &'static str {
    if hint {
        "\n\nUse --debug flag to render out invalid YAML"
    } else {
        ""
    }
}

impl TemplateError {
    /// Warnings that came before the error.
    pub fn log(&self) -> &[Record] {
        match self {
            Self::Render { failure, .. } => &failure.log,
            _ => &[],
        }
    }
}

/// Runs the command at the moment `now`.
pub fn template(
    chart: Chart,
    values: Map<String, Value>,
    flags: &TemplateFlags,
    now: Timestamp,
) -> Result<TemplateOutput, TemplateError> {
    let mut capabilities = Capabilities::default();
    if let Some(version) = &flags.kube_version {
        capabilities.kube_version =
            KubeVersion::parse(version).map_err(|error| TemplateError::KubeVersion {
                version: version.clone(),
                error,
            })?;
    }
    capabilities
        .api_versions
        .extend(flags.api_versions.iter().cloned());
    chart.check_installable()?;
    chart.check_dependencies()?;
    let options = RenderOptions {
        release_name: flags.release_name.clone(),
        namespace: flags.namespace.clone(),
        is_upgrade: flags.is_upgrade,
        values: Value::Object(values),
        capabilities,
        skip_schema_validation: flags.skip_schema_validation,
        ..RenderOptions::default()
    };
    let host = Host::new(now, Box::new(SystemRandom));
    match render(&CompiledChart::new(chart), &options, host) {
        Ok(rendered) => output(&rendered, flags),
        Err(failure) => failed(failure, flags),
    }
}

/// The name of a release made by a template, as `--name-template` takes it.
pub fn release_name(template: &str, now: Timestamp) -> Result<String, NameError> {
    let functions = Arc::new(sprig::sprig_for_values());
    let mut set = TemplateSet::new(functions);
    set.parse("name-template", template)
        .map_err(|error| NameError(error.to_string()))?;
    let host = Host::new(now, Box::new(SystemRandom));
    let name = Renderer::new(Limits::default(), host)
        .execute(&Arc::new(set), "name-template", &gotemplate::Value::Nil)
        .map_err(|error| NameError(error.to_string()))?;
    Ok(name.to_string())
}

/// A template for names that does not work.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NameError(String);

/// With `--debug` what was rendered is printed before the error.
fn failed(
    failure: Box<RenderFailure>,
    flags: &TemplateFlags,
) -> Result<TemplateOutput, TemplateError> {
    let from_templates = failure.error.is_from_templates();
    if !flags.debug || !from_templates {
        return Err(TemplateError::Render {
            hint: from_templates,
            failure,
        });
    }
    let files = failure
        .files
        .iter()
        .filter(|(_, text)| !text.trim().is_empty());
    let text: String = files.map(|(path, text)| section(path, text)).collect();
    Ok(TemplateOutput {
        text: format!("{}\n", text.trim()),
        error: Some(TemplateError::Render {
            failure,
            hint: false,
        }),
        ..TemplateOutput::default()
    })
}

fn output(rendered: &Rendered, flags: &TemplateFlags) -> Result<TemplateOutput, TemplateError> {
    let hooks: Vec<&Hook> = rendered
        .hooks
        .iter()
        .filter(|_| !flags.no_hooks)
        .filter(|hook| !(flags.skip_tests && hook.runs_at(HookEvent::Test)))
        .collect();
    if flags.to_files {
        return Ok(TemplateOutput {
            text: "\n".to_owned(),
            files: files(rendered, &hooks, flags.include_crds),
            log: rendered.log.clone(),
            error: None,
        });
    }
    let mut text = rendered.manifest_text(flags.include_crds);
    text = format!("{}\n", text.trim());
    for hook in hooks {
        text.push_str(&section(&hook.path, &hook.manifest));
    }
    if !flags.show_only.is_empty() {
        text = shown(&text, &flags.show_only)?;
    }
    Ok(TemplateOutput {
        text,
        files: Vec::new(),
        log: rendered.log.clone(),
        error: None,
    })
}

fn files(rendered: &Rendered, hooks: &[&Hook], include_crds: bool) -> Vec<OutputFile> {
    let file = |path: &str, text: &str, is_crd: bool| OutputFile {
        path: path.to_owned(),
        is_crd,
        text: section(path, text),
    };
    let crds = rendered.crds.iter().filter(|_| include_crds);
    crds.map(|crd| file(&crd.name, &String::from_utf8_lossy(&crd.data), true))
        .chain(
            rendered
                .manifests
                .iter()
                .map(|m| file(&m.path, &m.text, false)),
        )
        .chain(
            hooks
                .iter()
                .map(|hook| file(&hook.path, &hook.manifest, false)),
        )
        .collect()
}

/// The documents whose template matches one of the patterns, in the order of the patterns.
fn shown(text: &str, patterns: &[String]) -> Result<String, TemplateError> {
    let documents = manifest::split(text);
    let mut out = String::new();
    for pattern in patterns {
        let mut some = false;
        for document in &documents {
            let Some(path) = source(document) else {
                continue;
            };
            if gopath::matches(pattern, path).unwrap_or(false) {
                let _ = write!(out, "---\n{document}\n");
                some = true;
            }
        }
        if !some {
            return Err(TemplateError::NoSuchTemplate(pattern.clone()));
        }
    }
    Ok(out)
}

/// The path inside the chart that the source line of a document names.
fn source(document: &str) -> Option<&str> {
    let start = document.find("# Source: ")? + "# Source: ".len();
    let line = document[start..].lines().next()?;
    let (chart, path) = line.split_once('/')?;
    (!chart.is_empty() && !path.is_empty()).then_some(path)
}
