//! What the objects of a bundle's chart go through: a kustomization among its files. Pure.
//!
//! Source: fleet `internal/helmdeployer/kustomize`.

use kustomize::Tree;
use serde_json::Value;

/// The file that holds the objects of the chart, beside the kustomization.
const MANIFESTS: &str = "fleet-manifests.yaml";

/// The files of a bundle that has a kustomization.
pub(crate) struct Kustomization {
    /// Of the kustomization, empty for the root of the bundle.
    pub(crate) directory: String,
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

/// Why there are no objects.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The kustomization does not build; the text is kustomize's, with file and field, without what it
    /// quotes.
    #[error("build kustomization {directory:?}: {reason}")]
    Build { directory: String, reason: String },
    /// The kustomization file is no YAML.
    #[error("{file}: {reason}")]
    File { file: String, reason: String },
    /// The chart's objects cannot be printed.
    #[error("write {MANIFESTS}: {reason}")]
    Manifests { reason: String },
}

impl Kustomization {
    /// Where a file beside the kustomization is.
    fn path(&self, file: &str) -> String {
        match self.directory.as_str() {
            "" => file.to_owned(),
            directory => format!("{directory}/{file}"),
        }
    }

    /// Builds it over the objects of the chart, which come first among its resources.
    pub(crate) fn build<'o>(
        &self,
        objects: impl IntoIterator<Item = &'o Value>,
    ) -> Result<Vec<Value>, Error> {
        let manifests = print(objects)?;
        let mut tree = Tree::default();
        for (name, data) in &self.files {
            tree.insert(name, data.as_slice());
        }
        if !manifests.is_empty() {
            for name in kustomize::FILE_NAMES {
                let file = self.path(name);
                if let Some(content) = tree.get(&file) {
                    let content = with_manifests(content).map_err(|reason| Error::File {
                        file: file.clone(),
                        reason,
                    })?;
                    tree.insert(&file, content.into_bytes());
                }
            }
        }
        tree.insert(&self.path(MANIFESTS), manifests.into_bytes());
        let root = format!("/{}", self.directory);
        let built = kustomize::build(&tree, &root).map_err(|error| Error::Build {
            directory: self.directory.clone(),
            reason: error.without_values(),
        })?;
        Ok(built.objects)
    }
}

/// A stream of documents.
fn print<'o>(objects: impl IntoIterator<Item = &'o Value>) -> Result<String, Error> {
    let mut text = String::new();
    for object in objects {
        let yaml = goyaml::to_yaml(object).map_err(|error| Error::Manifests {
            reason: error.to_string(),
        })?;
        text.push_str("---\n");
        text.push_str(&yaml);
    }
    Ok(text)
}

/// The kustomization file with the chart's objects before its resources, unless it lists them.
fn with_manifests(content: &[u8]) -> Result<String, String> {
    let mut fields = goyaml::parse_object(content).map_err(|error| error.to_string())?;
    let resources = fields
        .entry("resources")
        .or_insert_with(|| Value::Array(Vec::new()));
    if resources.is_null() {
        *resources = Value::Array(Vec::new());
    }
    let Some(resources) = resources.as_array_mut() else {
        return Err("resources is no list".to_owned());
    };
    if !resources.iter().any(|name| name == MANIFESTS) {
        resources.insert(0, MANIFESTS.into());
    }
    goyaml::to_yaml(&Value::Object(fields)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kustomization(directory: &str, files: &[(&str, &str)]) -> Kustomization {
        let file = |(name, text): &(&str, &str)| ((*name).to_owned(), text.as_bytes().to_vec());
        Kustomization {
            directory: directory.to_owned(),
            files: files.iter().map(file).collect(),
        }
    }

    fn config(name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
    }

    fn names(built: &[Value]) -> Vec<&str> {
        let names = built.iter();
        names
            .filter_map(|object| object["metadata"]["name"].as_str())
            .collect()
    }

    #[test]
    fn objects_of_a_chart_are_resources_of_the_kustomization() {
        let own = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\n";
        for (text, expected) in [
            ("namePrefix: x-\n", vec!["x-chart"]),
            ("namePrefix: x-\nresources:\n", vec!["x-chart"]),
            ("resources: [own.yaml]\n", vec!["chart", "own"]),
            (
                "resources: [own.yaml, fleet-manifests.yaml]\n",
                vec!["chart", "own"],
            ),
        ] {
            for file in kustomize::FILE_NAMES {
                let path = format!("k/{file}");
                let bundle =
                    kustomization("k", &[(&path, text), ("k/own.yaml", own), ("z.yaml", own)]);
                let built = bundle.build([&config("chart")]).unwrap();
                assert_eq!(names(&built), expected, "{text}");
            }
        }
    }

    #[test]
    fn without_a_chart_only_what_the_kustomization_lists_is_there() {
        let own = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: own}\n";
        let text = "resources: [own.yaml]\n";
        let bundle = kustomization(
            "",
            &[
                ("kustomization.yaml", text),
                ("own.yaml", own),
                ("b.yaml", own),
            ],
        );
        assert_eq!(names(&bundle.build([]).unwrap()), ["own"]);
    }

    #[test]
    fn what_is_quoted_of_files_is_in_no_error() {
        for patch in [
            "nonsense hidden",
            "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {a: [hidden]}}",
            "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: [hidden]}",
        ] {
            let text = format!("resources: [s.yaml]\npatches:\n- patch: \"{patch}\"\n");
            let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: hidden}\ndata: {a: hidden}\n";
            let bundle = kustomization("", &[("kustomization.yaml", &text), ("s.yaml", secret)]);
            let error = bundle.build([]).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hidden"), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (files, expected) in [
            (
                vec![("kustomization.yaml", "resources: [gone.yaml]\n")],
                "'/gone.yaml' doesn't exist",
            ),
            (
                vec![("kustomization.yaml", "resources: [../gone.yaml]\n")],
                "'/gone.yaml' doesn't exist",
            ),
            (
                vec![("kustomization.yaml", "resource: []\nnamePrefix: a\n")],
                "unknown field \"resource\"",
            ),
            (
                vec![
                    ("kustomization.yaml", "namePrefix: a\n"),
                    ("Kustomization", "namePrefix: b\n"),
                ],
                "Found multiple kustomization files",
            ),
            (
                vec![("kustomization.yaml", "helmCharts: [{name: a}]\n")],
                "helmCharts is not supported",
            ),
            (
                vec![(
                    "kustomization.yaml",
                    "resources: ['https://example.com/a']\n",
                )],
                "remote file 'https://example.com/a' is not supported",
            ),
        ] {
            let error = kustomization("", &files).build([]).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(expected), "{text}");
        }
        for text in ["resources: {}\n", "- a\n", "a: [\n"] {
            let error = kustomization("", &[("kustomization.yaml", text)]).build([&config("a")]);
            assert!(matches!(error, Err(Error::File { .. })), "{text}");
        }
    }
}
