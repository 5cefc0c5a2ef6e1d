//! From the files of a bundle to a chart and its plain manifests. Pure.
//!
//! A bundle without a chart becomes one: `templates/` is rendered, every other manifest is taken as it
//! is. Source: fleet `internal/helmdeployer/render`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use api::v1alpha1::{BundleResource, Templating};
use bundle::content::decode_resource;
use bundle::path;
use helm::{Chart, CompiledChart, Limits};
use serde_json::Value;
use serde_json::value::RawValue;
use target::template::Templates;

use super::kustomization::Kustomization;
use super::style::detect;
use super::{Recipe, overlays};
use crate::object::text;

/// Largest single file of a bundle.
const FILE_BYTES_MAX: usize = 64 << 20;
/// Directory of a chart whose files are never templated.
const RAW: &str = "raw-yaml/";

/// Why files make no chart.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file cannot be decoded.
    #[error("read the files of the bundle")]
    Decode {
        source: bundle::content::AssembleError,
    },
    /// A file whose templates fail on this cluster; the text has file, line and what is missing.
    #[error("{file}")]
    Template {
        file: String,
        source: target::template::TemplateFailure,
    },
    /// A pattern of `templating.files` is none.
    #[error("templating.files: {pattern:?} is no pattern for files")]
    Pattern { pattern: String },
    /// Charts have values.
    #[error(
        "templating.files is for bundles without a chart, and {directory:?} is one; use helm.values"
    )]
    TemplatedChart { directory: String },
    /// The chart that the options name is not among the files.
    #[error("chart {chart:?} is not in the bundle")]
    NoChart { chart: String },
    /// An overlay does not fit.
    #[error(transparent)]
    Overlay(overlays::Error),
    /// The files are no chart.
    #[error("load chart {directory:?}")]
    Chart {
        directory: String,
        source: helm::LoadFailure,
    },
    /// The chart cannot be installed by itself.
    #[error("load chart {directory:?}: {reason}")]
    NotInstallable { directory: String, reason: String },
    /// A plain manifest is no YAML.
    #[error("{file}: {reason}")]
    Yaml { file: String, reason: String },
    /// A document of a plain manifest lacks something.
    #[error("{file}: document {number} has no {what}")]
    Incomplete {
        file: String,
        number: usize,
        what: &'static str,
    },
}

/// A chart and what goes with it.
pub(crate) struct Built {
    pub(crate) chart: CompiledChart,
    /// Objects of plain manifests, in order of files.
    pub(crate) raw: Vec<RawObject>,
    /// What the chart's objects go through.
    pub(crate) kustomization: Option<Kustomization>,
    /// The files' bytes together.
    pub(crate) bytes: usize,
    /// Parsed files of `crds/` directories, by path; filled by renders.
    definitions: Mutex<BTreeMap<String, Arc<[Definition]>>>,
}

/// An object of a plain manifest.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RawObject {
    pub(crate) path: String,
    pub(crate) object: Value,
}

/// A CustomResourceDefinition of a `crds/` directory. These can be large; all agents share them.
#[derive(Debug, Clone)]
pub(crate) struct Definition {
    pub(crate) name: String,
    /// What is needed to know its kinds: everything but the schemas.
    pub(crate) outline: Value,
    pub(crate) body: Arc<RawValue>,
}

impl Built {
    /// The definitions in a file of a `crds/` directory, parsed once.
    pub(crate) fn definitions(&self, file: &helm::File) -> Result<Arc<[Definition]>, Error> {
        let cache = || {
            self.definitions
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(known) = cache().get(&file.name) {
            return Ok(Arc::clone(known));
        }
        let objects = documents(&file.name, &file.data)?;
        let found: Result<Vec<Definition>, Error> = objects
            .into_iter()
            .map(|object| definition(&file.name, object))
            .collect();
        let found: Arc<[Definition]> = found?.into();
        cache().insert(file.name.clone(), Arc::clone(&found));
        Ok(found)
    }
}

fn definition(file: &str, mut object: Value) -> Result<Definition, Error> {
    let yaml = |reason: String| Error::Yaml {
        file: file.to_owned(),
        reason,
    };
    let body = serde_json::value::to_raw_value(&object).map_err(|error| yaml(error.to_string()))?;
    let versions = object
        .pointer_mut("/spec/versions")
        .and_then(Value::as_array_mut);
    for version in versions
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        version.retain(|key, _| key == "name" || key == "served");
    }
    Ok(Definition {
        name: text(&object, "/metadata/name").to_owned(),
        outline: object,
        body: Arc::from(body),
    })
}

/// Builds the chart of a bundle.
pub(super) fn build(resources: Vec<BundleResource>, recipe: &Recipe) -> Result<Built, Error> {
    let style = detect(
        resources.iter().map(|resource| resource.name.as_str()),
        &recipe.options,
    );
    let mut files = decode(resources)?;
    if let Some(templating) = &recipe.options.templating {
        if let Some(directory) = style.chart {
            return Err(Error::TemplatedChart { directory });
        }
        fill_files(&mut files, templating)?;
    }
    let bytes = files.iter().map(|(_, data)| data.len()).sum();
    let kustomization = style.kustomization.map(|directory| Kustomization {
        directory,
        files: files.clone(),
    });
    let (directory, chart) = if let Some(directory) = style.chart {
        let inside = below(files, &directory);
        (directory, Chart::from_directory(inside, &Limits::default()))
    } else if let Some(chart) = named_chart(recipe) {
        return Err(Error::NoChart { chart });
    } else if kustomization.is_some() {
        // Only what the kustomization lists is deployed.
        let chart = chart_yaml(recipe, &recipe.commit).into_bytes();
        let chart = Chart::from_files(vec![("Chart.yaml".to_owned(), chart)], &Limits::default());
        (recipe.bundle_id.clone(), chart)
    } else {
        (recipe.bundle_id.clone(), around_manifests(files, recipe)?)
    };
    let named = directory.clone();
    let chart = chart.map_err(|source| Error::Chart {
        directory: named,
        source,
    })?;
    let not_installable = |reason: String| Error::NotInstallable {
        directory: directory.clone(),
        reason,
    };
    chart
        .check_installable()
        .map_err(|error| not_installable(error.to_string()))?;
    chart
        .check_dependencies()
        .map_err(|error| not_installable(error.to_string()))?;
    let mut raw = Vec::new();
    for file in chart.files.iter().filter(|file| file.name.starts_with(RAW)) {
        let path = file.name.trim_start_matches(RAW);
        raw.extend(
            documents(path, &file.data)?
                .into_iter()
                .map(|object| RawObject {
                    path: path.to_owned(),
                    object,
                }),
        );
    }
    Ok(Built {
        chart: CompiledChart::new(chart),
        raw,
        kustomization,
        bytes,
        definitions: Mutex::default(),
    })
}

/// The chart that the options name; what they name and the bundle lacks is not left out silently.
fn named_chart(recipe: &Recipe) -> Option<String> {
    let helm = recipe.options.helm.as_ref()?;
    [&helm.chart, &helm.repo]
        .into_iter()
        .find(|name| !name.is_empty())
        .cloned()
}

type Files = Vec<(String, Vec<u8>)>;

fn decode(resources: Vec<BundleResource>) -> Result<Files, Error> {
    let mut files = Vec::with_capacity(resources.len());
    for (index, resource) in resources.into_iter().enumerate() {
        let data = if resource.encoding.is_empty() && resource.content.len() <= FILE_BYTES_MAX {
            resource.content.into_bytes()
        } else {
            decode_resource(&resource, FILE_BYTES_MAX).map_err(|source| Error::Decode { source })?
        };
        let name = if resource.name.is_empty() {
            format!("manifests/file{index:03}.yaml")
        } else {
            resource.name
        };
        files.push((name, data));
    }
    Ok(files)
}

/// Renders the templates in files that the bundle names, for this cluster.
fn fill_files(files: &mut Files, templating: &Templating) -> Result<(), Error> {
    let templates = Templates::production();
    let data = Value::Object(templating.data.clone().unwrap_or_default());
    for (name, content) in files {
        let mut is_named = false;
        for pattern in &templating.files {
            let place = if pattern.contains('/') {
                name.as_str()
            } else {
                path::base(name)
            };
            is_named |= path::matches(pattern, place).map_err(|_| Error::Pattern {
                pattern: pattern.clone(),
            })?;
        }
        let text = std::str::from_utf8(content).unwrap_or_default();
        if !is_named || !text.contains("${") {
            continue;
        }
        let rendered = templates.render_text(name, text, &data);
        *content = rendered.map_err(|source| Error::Template {
            file: name.clone(),
            source,
        })?;
    }
    Ok(())
}

fn below(files: Files, directory: &str) -> Files {
    if directory.is_empty() {
        return files;
    }
    let prefix = format!("{directory}/");
    let inside =
        |(name, data): (String, Vec<u8>)| Some((name.strip_prefix(&prefix)?.to_owned(), data));
    files.into_iter().filter_map(inside).collect()
}

/// A chart around plain manifests.
fn around_manifests(
    files: Files,
    recipe: &Recipe,
) -> Result<Result<Chart, helm::LoadFailure>, Error> {
    let overlays = recipe
        .options
        .yaml
        .as_ref()
        .map_or(&[][..], |yaml| &yaml.overlays);
    let mut files = overlays::apply(files, overlays).map_err(Error::Overlay)?;
    let foreign: Vec<String> = files
        .iter()
        .filter_map(|(name, _)| foreign_directory(name))
        .collect();
    files.retain(|(name, _)| {
        let is_manifest = ["yaml", "yml", "json"]
            .iter()
            .any(|end| path::has_extension(name, end));
        let is_ours = !foreign
            .iter()
            .any(|directory| name.starts_with(directory.as_str()));
        is_manifest && is_ours && name != "fleet.yaml" && name != "fleet.yml"
    });
    let place = |name: String| match name.strip_prefix("templates/") {
        Some(_) => name,
        None => format!("{RAW}{name}"),
    };
    let mut chart: Files = files
        .into_iter()
        .map(|(name, data)| (place(name), data))
        .collect();
    // Overlays are not part of the commit.
    let commit = if overlays.is_empty() {
        recipe.commit.as_str()
    } else {
        ""
    };
    chart.push((
        "Chart.yaml".to_owned(),
        chart_yaml(recipe, commit).into_bytes(),
    ));
    Ok(Chart::from_files(chart, &Limits::default()))
}

/// The directory, with a slash, of a bundle or chart inside this bundle.
fn foreign_directory(name: &str) -> Option<String> {
    let directory = ["/fleet.yaml", "/fleet.yml", "/Chart.yaml"]
        .iter()
        .find_map(|file| name.strip_suffix(file))?;
    (!directory.is_empty()).then(|| format!("{directory}/"))
}

fn chart_yaml(recipe: &Recipe, commit: &str) -> String {
    let name = recipe.bundle_id.rsplit('/').next().unwrap_or_default();
    let version = match commit.get(..12) {
        Some(short) if commit.len() > 12 => format!("v0.0.0+git-{short}"),
        _ => format!("v0.0.0+{}", recipe.content_id),
    };
    format!(
        "apiVersion: v2\nname: {}\nversion: {}\n",
        Value::from(name),
        Value::from(version)
    )
}

/// The objects of a manifest. Lists are taken apart, empty documents left out.
///
/// A document that has nothing of an object (`apiVersion`, `kind`, `metadata`) is left out as upstream
/// does. One that has some of it is a mistake; upstream leaves that out too, silently.
fn documents(file: &str, data: &[u8]) -> Result<Vec<Value>, Error> {
    let yaml = |reason: String| Error::Yaml {
        file: file.to_owned(),
        reason,
    };
    let stream =
        std::str::from_utf8(data).map_err(|_| yaml("the file is no UTF-8 text".to_owned()))?;
    let mut objects = Vec::new();
    for (index, part) in goyaml::documents::split(stream).enumerate() {
        let number = index + 1;
        let document = goyaml::parse(part.text.as_bytes()).map_err(|error| {
            yaml(format!(
                "document {number}, which starts on line {}: {error}",
                part.line
            ))
        })?;
        let is_object = |value: &Value| {
            ["apiVersion", "kind", "metadata"]
                .iter()
                .any(|key| value.get(key).is_some())
        };
        match document {
            Value::Null => {}
            document if !document.is_object() => {
                return Err(yaml(format!("document {number} is no object")));
            }
            document if is_object(&document) => {
                for what in ["apiVersion", "kind"] {
                    if text(&document, &format!("/{what}")).is_empty() {
                        return Err(Error::Incomplete {
                            file: file.to_owned(),
                            number,
                            what,
                        });
                    }
                }
                expand(document, &mut objects);
            }
            _ => {}
        }
    }
    Ok(objects)
}

/// Takes a List apart.
pub(crate) fn expand(object: Value, objects: &mut Vec<Value>) {
    match object {
        Value::Object(mut fields)
            if fields
                .get("kind")
                .and_then(Value::as_str)
                .is_some_and(|kind| kind.ends_with("List"))
                && fields.get("items").is_some_and(Value::is_array) =>
        {
            if let Some(Value::Array(items)) = fields.remove("items") {
                objects.extend(items);
            }
        }
        other => objects.push(other),
    }
}

#[cfg(test)]
mod tests;
