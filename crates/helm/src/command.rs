//! The decisions of `helm template`: from flags and loaded inputs to the text that is printed.
//!
//! In: a chart, merged values, flags. Out: the text or files to write, warnings, and errors in Helm's
//! words. Reads and writes nothing: the program around it does.

use std::fmt::Write as _;
use std::sync::Arc;

use gotemplate::{Limits, Renderer, TemplateSet};
use jiff::Timestamp;
use serde_json::Value;

use crate::capabilities::{Capabilities, KubeVersion, VersionError};
use crate::chart::{API_VERSION_3, Chart, MissingDependencies, NotInstallable};
use crate::excerpt::Excerpt;
use crate::log::{Log, Record};
use crate::manifest::{self, Hook, HookEvent};
use crate::post_render::PostRenderer;
use crate::render::{
    CompiledChart, RenderFailure, RenderOptions, Rendered, render_through, section,
};
use crate::values::Given;
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
    /// `--kube-version`; none if empty.
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
    /// What it is from.
    pub origin: Origin,
    /// What to append to it, or to start it with.
    pub text: String,
}

/// What a file is from, which decides where it goes and what becomes of one that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A `crds` folder; not put below the name of the release.
    Crd,
    /// A template.
    Manifest,
    /// A hook; appended to whatever lies at its path, also to what an earlier run left.
    Hook,
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
    /// A chart of an `apiVersion` that Helm does not install has sub-charts.
    #[error(
        "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to fetch missing dependencies: unsupported chart dependency type"
    )]
    UnsupportedDependency,
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
    /// The line of a template at fault, to show below the error.
    pub fn excerpt(&self) -> Option<&Excerpt> {
        match self {
            Self::Render { failure, .. } => failure.error.excerpt(),
            _ => None,
        }
    }
}

/// Runs the command at the moment `now`. Errors that may come with warnings or output are in the
/// output.
pub fn template(
    chart: Chart,
    values: impl Into<Given>,
    flags: &TemplateFlags,
    now: Timestamp,
) -> Result<TemplateOutput, TemplateError> {
    template_through(chart, values, flags, None, now)
}

/// Runs the command, and has the manifests and hooks changed by a program.
pub fn template_through(
    chart: Chart,
    values: impl Into<Given>,
    flags: &TemplateFlags,
    post_renderer: Option<PostRenderer<'_>>,
    now: Timestamp,
) -> Result<TemplateOutput, TemplateError> {
    let Given { values, not_text } = values.into();
    let mut capabilities = Capabilities::default();
    if let Some(version) = flags.kube_version.as_ref().filter(|text| !text.is_empty()) {
        capabilities.kube_version =
            KubeVersion::parse(version).map_err(|error| TemplateError::KubeVersion {
                version: version.clone(),
                error,
            })?;
    }
    capabilities
        .api_versions
        .extend(flags.api_versions.iter().cloned());
    let options = RenderOptions {
        release_name: flags.release_name.clone(),
        namespace: flags.namespace.clone(),
        is_upgrade: flags.is_upgrade,
        values: Value::Object(values),
        not_text,
        capabilities,
        skip_schema_validation: flags.skip_schema_validation,
        ..RenderOptions::default()
    };
    let host = Host::new(now, Box::new(SystemRandom));
    let mut log = Log {
        records: chart.log.clone(),
    };
    if let Err(error) = check(&chart, &mut log) {
        return Ok(TemplateOutput {
            log: log.records,
            error: Some(error),
            ..TemplateOutput::default()
        });
    }
    let mut output = match render_through(&CompiledChart::new(chart), &options, host, post_renderer)
    {
        Ok(rendered) => output(&rendered, flags),
        Err(failure) => failed(failure, flags),
    };
    log.records.append(&mut output.log);
    output.log = log.records;
    Ok(output)
}

/// What Helm looks at between loading and rendering.
fn check(chart: &Chart, log: &mut Log) -> Result<(), TemplateError> {
    chart.check_installable()?;
    if chart.metadata.deprecated {
        log.warn("this chart is deprecated", Vec::new());
    }
    if chart.metadata.api_version == API_VERSION_3 && !chart.dependencies.is_empty() {
        return Err(TemplateError::UnsupportedDependency);
    }
    Ok(chart.check_dependencies()?)
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
fn failed(mut failure: Box<RenderFailure>, flags: &TemplateFlags) -> TemplateOutput {
    let from_templates = failure.error.is_from_templates();
    let mut output = TemplateOutput {
        log: std::mem::take(&mut failure.log),
        ..TemplateOutput::default()
    };
    if flags.debug && from_templates {
        let files = failure
            .files
            .iter()
            .filter(|(_, text)| !text.trim().is_empty());
        let text: String = files.map(|(path, text)| section(path, text)).collect();
        let hooks = chosen(&failure.hooks, flags);
        let text = if flags.to_files {
            output.files = hooks.map(hook_file).collect();
            with_hooks(&text, std::iter::empty())
        } else {
            with_hooks(&text, hooks)
        };
        // A template that is missing here may be the one that is bad.
        output.text = shown(text, &flags.show_only).unwrap_or_default();
    }
    output.error = Some(TemplateError::Render {
        hint: from_templates && !flags.debug,
        failure,
    });
    output
}

/// The hooks that the flags leave.
fn chosen<'h>(hooks: &'h [Hook], flags: &TemplateFlags) -> impl Iterator<Item = &'h Hook> {
    let (no_hooks, skip_tests) = (flags.no_hooks, flags.skip_tests);
    hooks
        .iter()
        .filter(move |hook| !(no_hooks || skip_tests && hook.runs_at(HookEvent::Test)))
}

fn with_hooks<'h>(manifests: &str, hooks: impl Iterator<Item = &'h Hook>) -> String {
    let mut text = format!("{}\n", manifests.trim());
    for hook in hooks {
        text.push_str(&section(&hook.path, &hook.manifest));
    }
    text
}

fn output(rendered: &Rendered, flags: &TemplateFlags) -> TemplateOutput {
    let hooks = chosen(&rendered.hooks, flags);
    let mut output = TemplateOutput {
        log: rendered.log.clone(),
        ..TemplateOutput::default()
    };
    let text = if flags.to_files {
        output.files = files(rendered, hooks, flags.include_crds);
        "\n".to_owned()
    } else {
        with_hooks(&rendered.manifest_text(flags.include_crds), hooks)
    };
    match shown(text, &flags.show_only) {
        Ok(text) => output.text = text,
        Err(error) => output.error = Some(error),
    }
    output
}

fn files<'h>(
    rendered: &Rendered,
    hooks: impl Iterator<Item = &'h Hook>,
    include_crds: bool,
) -> Vec<OutputFile> {
    let crds = rendered.crds.iter().filter(|_| include_crds);
    crds.map(|crd| file(&crd.name, &String::from_utf8_lossy(&crd.data), Origin::Crd))
        .chain(
            rendered
                .manifests
                .iter()
                .map(|m| file(&m.path, &m.text, Origin::Manifest)),
        )
        .chain(hooks.map(hook_file))
        .collect()
}

fn hook_file(hook: &Hook) -> OutputFile {
    file(&hook.path, &hook.manifest, Origin::Hook)
}

fn file(path: &str, text: &str, origin: Origin) -> OutputFile {
    OutputFile {
        path: path.to_owned(),
        origin,
        text: section(path, text),
    }
}

/// The documents whose template matches one of the patterns, in the order of the patterns; without
/// patterns all of the text.
fn shown(text: String, patterns: &[String]) -> Result<String, TemplateError> {
    if patterns.is_empty() {
        return Ok(text);
    }
    let documents = manifest::split(&text);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::Limits as ChartLimits;
    use serde_json::Map;

    #[test]
    fn a_failed_render_writes_the_hooks_before_the_bad_document_to_files() {
        let hook = "kind: Pod\nmetadata: {name: h, annotations: {helm.sh/hook: test}}\n";
        let files = [
            ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
            ("templates/a.yaml", &format!("{hook}---\nx: [\n")),
        ];
        let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
        let chart = Chart::from_files(files.to_vec(), &ChartLimits::default()).expect("loads");
        let flags = TemplateFlags {
            release_name: "rel".to_owned(),
            debug: true,
            to_files: true,
            ..TemplateFlags::default()
        };
        let output = template(chart, Map::new(), &flags, Timestamp::UNIX_EPOCH).expect("runs");
        assert!(output.error.is_some());
        let paths: Vec<&str> = output.files.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(paths, ["c/templates/a.yaml"]);
        assert_eq!(
            output.text,
            format!("---\n# Source: c/templates/a.yaml\n{hook}---\nx: [\n")
        );
    }
}
