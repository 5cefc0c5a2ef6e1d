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

use super::style::{Style, detect};
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
    /// Not implemented.
    #[error("{file}: kustomize is not supported yet")]
    Kustomize { file: String },
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
pub(super) fn build(resources: &[BundleResource], recipe: &Recipe) -> Result<Built, Error> {
    let style = detect(
        resources.iter().map(|resource| resource.name.as_str()),
        &recipe.options,
    );
    if let Style {
        kustomization: Some(file),
        ..
    } = style
    {
        return Err(Error::Kustomize { file });
    }
    let mut files = decode(resources)?;
    if let Some(templating) = &recipe.options.templating {
        if let Some(directory) = style.chart {
            return Err(Error::TemplatedChart { directory });
        }
        fill_files(&mut files, templating)?;
    }
    let bytes = files.iter().map(|(_, data)| data.len()).sum();
    let (directory, chart) = if let Some(directory) = style.chart {
        let inside = below(files, &directory);
        (directory, Chart::from_directory(inside, &Limits::default()))
    } else if let Some(chart) = named_chart(recipe) {
        return Err(Error::NoChart { chart });
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

fn decode(resources: &[BundleResource]) -> Result<Files, Error> {
    let mut files = Vec::with_capacity(resources.len());
    for (index, resource) in resources.iter().enumerate() {
        let data =
            decode_resource(resource, FILE_BYTES_MAX).map_err(|source| Error::Decode { source })?;
        let name = if resource.name.is_empty() {
            format!("manifests/file{index:03}.yaml")
        } else {
            resource.name.clone()
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
mod tests {
    use api::v1alpha1::BundleDeploymentOptions;
    use serde_json::json;

    use super::*;

    fn recipe() -> Recipe {
        Recipe {
            content_id: "s-abc".to_owned(),
            registry_access: None,
            bundle_id: "shop".to_owned(),
            commit: "0123456789abcdef".to_owned(),
            options: BundleDeploymentOptions::default(),
        }
    }

    fn resources(files: &[(&str, &str)]) -> Vec<BundleResource> {
        let resource = |(name, content): &(&str, &str)| BundleResource {
            name: (*name).to_owned(),
            content: (*content).to_owned(),
            ..BundleResource::default()
        };
        files.iter().map(resource).collect()
    }

    fn names(built: &Built) -> Vec<&str> {
        built
            .raw
            .iter()
            .map(|raw| text(&raw.object, "/metadata/name"))
            .collect()
    }

    fn config(name: &str) -> String {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
    }

    fn templated(files: &[&str], data: &Value) -> Recipe {
        let mut recipe = recipe();
        recipe.options.templating = Some(Templating {
            options: false,
            files: files.iter().map(|file| (*file).to_owned()).collect(),
            data: data.as_object().cloned(),
        });
        recipe
    }

    #[test]
    fn templates_of_named_files_are_rendered_before_overlays() {
        let config = |name: &str| {
            format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n  num: ${{ .ClusterValues.num }}\n"
            )
        };
        let (a, b, c, patch) = (
            config("a"),
            config("b"),
            config("c"),
            "data: {p: ${ .ClusterName }}\n",
        );
        let mut recipe = templated(
            &["a.yaml", "deep/*.yaml", "*_patch.yaml"],
            &json!({"ClusterName": "here", "ClusterValues": {"num": 7}}),
        );
        recipe.options.yaml = Some(api::v1alpha1::YamlOptions {
            overlays: vec!["o".to_owned()],
        });
        let files = [
            ("a.yaml", a.as_str()),
            ("b.yaml", &b),
            ("deep/c.yaml", &c),
            ("overlays/o/a_patch.yaml", patch),
        ];
        let built = build(&resources(&files), &recipe).unwrap();
        let data: Vec<&Value> = built.raw.iter().map(|raw| &raw.object["data"]).collect();
        assert_eq!(
            data,
            [
                &json!({"num": 7, "p": "here"}),
                &json!({"num": "${ .ClusterValues.num }"}),
                &json!({"num": 7}),
            ]
        );
    }

    #[test]
    fn templates_of_files_fail_with_file_line_and_what_is_missing() {
        let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n";
        for (line, wanted) in [
            (
                "  zone: ${ .ClusterLabels.zone }",
                "deep/a.yaml: failed to render template: template: deep/a.yaml:5:25: executing \
                 \"deep/a.yaml\" at <.ClusterLabels.zone>: map has no entry for key \"zone\"",
            ),
            (
                "  shell: ${HOME}",
                "deep/a.yaml: failed to parse template: template: deep/a.yaml:5: function \"HOME\" not defined",
            ),
            (
                "  time: ${ now }",
                "deep/a.yaml: failed to render template: template: deep/a.yaml:5:11: executing",
            ),
        ] {
            let text = format!("{config}{line}\n");
            let recipe = templated(&["*.yaml"], &json!({"ClusterLabels": {}}));
            let found = build(&resources(&[("deep/a.yaml", &text)]), &recipe);
            let error = errors::chain(&found.err().unwrap());
            assert!(error.starts_with(wanted), "{error}");
        }
        let error = |files: &[&str], resource: (&str, &str)| {
            let found = build(&resources(&[resource]), &templated(files, &json!({})));
            errors::chain(&found.err().unwrap())
        };
        assert_eq!(
            error(&["[a"], ("a.yaml", config)),
            "templating.files: \"[a\" is no pattern for files"
        );
        assert!(
            error(
                &["*"],
                ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n")
            )
            .starts_with("templating.files is for bundles without a chart")
        );
    }

    #[test]
    fn plain_manifests_become_a_chart_without_what_belongs_elsewhere() {
        let (a, b, c) = (config("a"), config("b"), config("c"));
        let list = format!(
            "kind: List\napiVersion: v1\nitems:\n- {{apiVersion: v1, kind: Secret, metadata: {{name: d}}}}\n---\n{}",
            config("e")
        );
        let built = build(
            &resources(&[
                ("a.yaml", &a),
                ("fleet.yaml", "namespace: x\n"),
                ("inner/fleet.yaml", "{}"),
                ("inner/b.yaml", &b),
                ("notes.txt", "hello"),
                ("templates/c.yaml", &c),
                ("z/list.json", &list),
                ("values.yml", "just: data\n"),
            ]),
            &recipe(),
        )
        .unwrap();
        assert_eq!(names(&built), ["a", "d", "e"]);
        let chart = built.chart.chart();
        assert_eq!(
            (chart.name(), chart.metadata.version.as_str()),
            ("shop", "v0.0.0+git-0123456789ab")
        );
        let templates: Vec<&str> = chart
            .templates
            .iter()
            .map(|file| file.name.as_str())
            .collect();
        assert_eq!(templates, ["templates/c.yaml"]);
    }

    #[test]
    fn a_short_commit_gives_way_to_the_content_id() {
        let recipe = Recipe {
            commit: "abc".to_owned(),
            ..recipe()
        };
        assert!(chart_yaml(&recipe, &recipe.commit).contains("v0.0.0+s-abc"));
    }

    #[test]
    fn bad_manifests_name_file_and_document() {
        for (name, content, expected) in [
            (
                "a.yaml",
                "a: [1,\n",
                "a.yaml: document 1, which starts on line 1: error converting YAML to JSON: yaml: line",
            ),
            (
                "a.yaml",
                "kind: X\n---\napiVersion: v1\nkind: Z\n",
                "a.yaml: document 1 has no apiVersion",
            ),
            (
                "a.yaml",
                "apiVersion: v1\nkind: Z\n---\napiVersion: v1\nmetadata: {name: x}\n",
                "a.yaml: document 2 has no kind",
            ),
            ("a.yaml", "- 1\n- 2\n", "a.yaml: document 1 is no object"),
            ("a.yaml", "just text", "a.yaml: document 1 is no object"),
            (
                "kustomization.yaml",
                "resources: []\n",
                "kustomization.yaml: kustomize is not supported yet",
            ),
        ] {
            let error = build(&resources(&[(name, content)]), &recipe())
                .err()
                .unwrap();
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_chart_that_is_named_must_be_there() {
        for helm in [
            json!({"chart": "web"}),
            json!({"repo": "https://charts.example", "version": "1"}),
        ] {
            let options = serde_json::from_value(json!({ "helm": helm })).unwrap();
            let recipe = Recipe {
                options,
                ..recipe()
            };
            let error = build(&resources(&[("a.yaml", &config("a"))]), &recipe)
                .err()
                .unwrap();
            assert!(
                error.to_string().ends_with(" is not in the bundle"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_broken_chart_is_refused_with_its_directory() {
        let missing = "name: web\nversion: 1.0.0\napiVersion: v2\ndependencies:\n- {name: db, version: 1, repository: 'https://r'}\n";
        for (content, expected) in [
            ("name: [", "load chart \"\": cannot load Chart.yaml"),
            ("apiVersion: v2\nversion: 1.0.0\n", "load chart \"\": "),
            (
                "apiVersion: v2\nname: l\nversion: 1.0.0\ntype: library\n",
                "load chart \"\": library charts are not installable",
            ),
            (
                missing,
                "load chart \"\": an error occurred while checking for chart dependencies",
            ),
        ] {
            let error = build(&resources(&[("Chart.yaml", content)]), &recipe())
                .err()
                .unwrap();
            assert!(
                errors::chain(&error).starts_with(expected),
                "{}",
                errors::chain(&error)
            );
        }
    }
}
