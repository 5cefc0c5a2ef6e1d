//! `Chart.yaml` and `Chart.lock`: what a chart says about itself and its dependencies.
//!
//! In: decoded YAML. Out: [`Metadata`] and [`Lock`], validated and with control characters removed as
//! Helm does. Reads no files.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::read::Item;
use sprig::semver;

/// The contents of `Chart.yaml`. Texts are empty when absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    /// Name; required, one path element.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Home page.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub home: String,
    /// Addresses of sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// Version; required, a loose semantic version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// One sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Words to search for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Who looks after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintainers: Vec<Maintainer>,
    /// Address of a picture.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icon: String,
    /// `v1` or `v2`; `v1` when absent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Unused by Helm itself, but shown to templates.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// Unused by Helm itself, but shown to templates.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tags: String,
    /// Version of what the chart installs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub app_version: String,
    /// Whether the chart should no longer be used.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
    /// Free annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Constraint on the Kubernetes version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    /// Charts it depends on; None when the file names none at all.
    #[serde(skip_serializing_if = "no_dependencies")]
    pub dependencies: Option<Vec<Dependency>>,
    /// `application`, `library` or empty.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
}

#[expect(clippy::ref_option, reason = "the signature serde asks for")]
fn no_dependencies(dependencies: &Option<Vec<Dependency>>) -> bool {
    dependencies.as_ref().is_none_or(Vec::is_empty)
}

/// Who looks after a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Maintainer {
    /// A person or an organisation.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Address for mail.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
    /// Address of a page.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

/// A chart that another one depends on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dependency {
    /// Name in the `Chart.yaml` of the dependency; the alias after dependencies were processed.
    pub name: String,
    /// Constraint on its version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Where it comes from.
    pub repository: String,
    /// Comma separated paths into the values; the first that is a boolean decides.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// Names below `tags` in the values that switch it on or off.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Set while dependencies are processed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub enabled: bool,
    /// Texts, or objects with `child` and `parent`.
    #[serde(rename = "import-values", skip_serializing_if = "Vec::is_empty")]
    pub import_values: Vec<Value>,
    /// Name to use in its place.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alias: String,
}

/// The contents of `Chart.lock`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lock {
    /// When it was written, RFC 3339.
    pub generated: String,
    /// Hash over the dependencies.
    pub digest: String,
    /// The exact versions.
    pub dependencies: Vec<Dependency>,
}

/// What is wrong with what a chart says about itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("validation: {0}")]
pub struct ValidationError(pub(crate) String);

fn invalid<T>(message: impl Into<String>) -> Result<T, ValidationError> {
    Err(ValidationError(message.into()))
}

fn quote(text: &str) -> String {
    sprig::gotext::quote(text.as_bytes())
}

impl Metadata {
    /// Removes control characters and checks the required fields, as Helm's `Metadata.Validate`.
    pub(crate) fn validate(&mut self) -> Result<(), ValidationError> {
        self.sanitize();
        if self.api_version.is_empty() {
            return invalid("chart.metadata.apiVersion is required");
        }
        if self.name.is_empty() {
            return invalid("chart.metadata.name is required");
        }
        if self.name == "." || self.name == ".." {
            return invalid(format!(
                "chart.metadata.name {} is not allowed",
                quote(&self.name)
            ));
        }
        if self.name != sprig::gopath::base_str(&self.name) {
            return invalid(format!(
                "chart.metadata.name {} is invalid",
                quote(&self.name)
            ));
        }
        if self.version.is_empty() {
            return invalid("chart.metadata.version is required");
        }
        if semver::Version::parse(&self.version).is_err() {
            return invalid(format!(
                "chart.metadata.version {} is invalid",
                quote(&self.version)
            ));
        }
        if !matches!(self.kind.as_str(), "" | "application" | "library") {
            return invalid("chart.metadata.type must be application or library");
        }
        if self.maintainers.iter().any(Maintainer::is_null) {
            return invalid("maintainers must not contain empty or null nodes");
        }
        self.validate_dependencies()
    }

    fn validate_dependencies(&self) -> Result<(), ValidationError> {
        let mut seen = BTreeSet::new();
        for dependency in self.dependencies.iter().flatten() {
            if dependency.is_null() {
                return invalid("dependencies must not contain empty or null nodes");
            }
            if !dependency
                .alias
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
            {
                return invalid(format!(
                    "dependency {} has disallowed characters in the alias",
                    quote(&dependency.name)
                ));
            }
            let key = dependency.effective_name();
            if !seen.insert(key) {
                return invalid(format!(
                    "more than one dependency with name or alias {}",
                    quote(key)
                ));
            }
        }
        Ok(())
    }

    fn sanitize(&mut self) {
        let texts = [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ];
        for text in texts
            .into_iter()
            .chain(&mut self.sources)
            .chain(&mut self.keywords)
        {
            sanitize(text);
        }
        for maintainer in &mut self.maintainers {
            if !maintainer.is_null() {
                sanitize(&mut maintainer.name);
                sanitize(&mut maintainer.email);
                sanitize(&mut maintainer.url);
            }
        }
        for dependency in self.dependencies.iter_mut().flatten() {
            if dependency.is_null() {
                continue;
            }
            sanitize(&mut dependency.name);
            sanitize(&mut dependency.version);
            sanitize(&mut dependency.repository);
            sanitize(&mut dependency.condition);
            dependency.tags.iter_mut().for_each(sanitize);
        }
    }
}

impl Dependency {
    /// The alias if there is one, else the name.
    pub fn effective_name(&self) -> &str {
        if self.alias.is_empty() {
            &self.name
        } else {
            &self.alias
        }
    }
}

/// White space becomes blanks, what cannot be printed is dropped.
fn sanitize(text: &mut String) {
    let clean = |c: &char| c.is_whitespace() || sprig::gotext::is_print(*c);
    if text
        .chars()
        .all(|c| c == ' ' || clean(&c) && !c.is_whitespace())
    {
        return;
    }
    *text = text
        .chars()
        .filter(clean)
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(document: &Value, want: Result<(), &str>) {
        let mut metadata = Metadata::default();
        let text = document.to_string();
        let read = metadata.read(text.as_bytes()).map_err(|e| e.to_string());
        let got = read.and_then(|()| metadata.validate().map_err(|e| e.to_string()));
        assert_eq!(got, want.map_err(str::to_owned), "{document}");
    }

    #[test]
    fn a_chart_must_say_what_it_is() {
        check(
            &json!({"apiVersion": "v2", "name": "a", "version": "1.0"}),
            Ok(()),
        );
        for (document, want) in [
            (
                json!({}),
                "validation: chart.metadata.apiVersion is required",
            ),
            (
                json!({"apiVersion": "v2"}),
                "validation: chart.metadata.name is required",
            ),
            (
                json!({"apiVersion": "v2", "name": "../x"}),
                "validation: chart.metadata.name \"../x\" is invalid",
            ),
            (
                json!({"apiVersion": "v2", "name": ".."}),
                "validation: chart.metadata.name \"..\" is not allowed",
            ),
            (
                json!({"apiVersion": "v2", "name": "a"}),
                "validation: chart.metadata.version is required",
            ),
            (
                json!({"apiVersion": "v2", "name": "a", "version": "one"}),
                "validation: chart.metadata.version \"one\" is invalid",
            ),
            (
                json!({"apiVersion": "v2", "name": "a", "version": "1", "type": "thing"}),
                "validation: chart.metadata.type must be application or library",
            ),
            (
                json!({"apiVersion": "v2", "name": "a", "version": "1", "maintainers": [null]}),
                "validation: maintainers must not contain empty or null nodes",
            ),
            (
                json!({"apiVersion": "v2", "name": "a", "version": "1", "dependencies": [null]}),
                "validation: dependencies must not contain empty or null nodes",
            ),
            (
                json!({"apiVersion": "v2", "name": "a", "version": "1", "dependencies": [{"name": "b"}, {"name": "c", "alias": "b"}]}),
                "validation: more than one dependency with name or alias \"b\"",
            ),
            (
                json!({"apiVersion": "v2", "name": "a", "version": "1", "dependencies": [{"name": "b", "alias": "b.c"}]}),
                "validation: dependency \"b\" has disallowed characters in the alias",
            ),
        ] {
            check(&document, Err(want));
        }
    }

    #[test]
    fn control_characters_are_removed() {
        let mut metadata = Metadata::default();
        let document =
            json!({"apiVersion": "v2", "name": "a", "version": "1", "description": "x\ty\u{7}z"});
        let text = document.to_string();
        metadata.read(text.as_bytes()).expect("reads");
        metadata.validate().expect("valid");
        assert_eq!(metadata.description, "x yz");
    }
}
