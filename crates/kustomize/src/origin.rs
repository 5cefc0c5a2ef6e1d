//! Where objects are from, as `buildMetadata` writes it into annotations.

use goyaml::v3::{Document, Node, Printer, ScalarStyle};
use serde::Deserialize;

use crate::error::{Error, Result};

/// Where an object is from, or what changed it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Origin {
    /// From the folder that is built.
    pub(crate) path: String,
    /// The file of the generator or transformer.
    pub(crate) configured_in: String,
    /// The generator or transformer.
    pub(crate) configured_by: Configurer,
}

/// A generator or transformer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Configurer {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

impl Origin {
    /// A built-in generator or transformer.
    pub(crate) fn of_builtin(file: String, kind: &str) -> Self {
        Self {
            configured_in: file,
            configured_by: Configurer {
                api_version: "builtin".to_owned(),
                kind: kind.to_owned(),
                ..Configurer::default()
            },
            ..Self::default()
        }
    }

    /// With more of the path.
    pub(crate) fn append(&self, path: &str) -> Self {
        Self {
            path: sprig::gopath::join(&[&self.path, path]),
            ..self.clone()
        }
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        let value = goyaml::parse(text.as_bytes()).map_err(|error| Error(error.to_string()))?;
        if value.is_null() {
            return Ok(Self::default());
        }
        serde_json::from_value(value).map_err(|error| {
            Error(format!(
                "error unmarshaling JSON: while decoding JSON: json: {error}"
            ))
        })
    }

    fn node(&self) -> Node {
        let by = &self.configured_by;
        let configurer = map(&[
            ("apiVersion", &by.api_version),
            ("kind", &by.kind),
            ("name", &by.name),
            ("namespace", &by.namespace),
        ]);
        let mut node = map(&[("path", &self.path), ("configuredIn", &self.configured_in)]);
        if !configurer.content.is_empty() {
            node.content
                .extend([Node::plain("configuredBy"), configurer]);
        }
        node
    }

    pub(crate) fn to_yaml(&self) -> String {
        print(self.node())
    }

    /// As an item of a list.
    pub(crate) fn to_yaml_item(&self) -> String {
        let text = self.to_yaml();
        let mut lines = String::with_capacity(text.len() + 32);
        for (n, line) in text.lines().enumerate() {
            lines.push_str(if n == 0 { "- " } else { "  " });
            lines.push_str(line);
            lines.push('\n');
        }
        lines
    }
}

fn map(fields: &[(&str, &String)]) -> Node {
    let mut node = Node::mapping();
    for (name, value) in fields {
        if !value.is_empty() {
            // Go's encoder puts the words of YAML 1.1 in quotes too.
            let is_quoted = goyaml::to_yaml_v3(&value.as_str().into(), 2)
                .is_ok_and(|text| text.starts_with('"'));
            let style = if is_quoted {
                ScalarStyle::DoubleQuoted
            } else {
                ScalarStyle::Plain
            };
            let value = Node::string(value, style);
            node.content.extend([Node::plain(name), value]);
        }
    }
    node
}

fn print(root: Node) -> String {
    let mut printer = Printer::default();
    printer.document(
        &Document {
            root,
            ..Document::default()
        },
        true,
    );
    printer.finish()
}
