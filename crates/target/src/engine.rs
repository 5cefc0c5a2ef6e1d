//! The template engine as values use it: delimiters `${` and `}`, missing keys are errors.

use std::sync::Arc;

use api::v1alpha1::Values;
use gotemplate::{Functions, Limits, MissingKey, Renderer, Str, TemplateSet};
use serde_json::Value;

use crate::template::Error;

/// Name of the template in error texts.
const NAME: &str = "values";
/// What stands for the values in the error text when they cannot be read back.
const NO_VALUES: &str = "map[string]interface {}(nil)";

/// A template that gives nothing. The text names template, line and column, and what is missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFailure {
    /// A syntax error or an unknown function.
    #[error("failed to parse template: {0}")]
    Parse(String),
    /// It fails for this cluster.
    #[error("failed to render template: {0}")]
    Render(String),
}

impl TemplateFailure {
    fn text(&self) -> &str {
        match self {
            Self::Parse(text) | Self::Render(text) => text,
        }
    }
}

/// The value that stands on the line of a document which an error text begins with.
fn value_at(document: &str, problem: &str) -> Option<String> {
    let place = problem.strip_prefix("template: ")?.strip_prefix(NAME)?;
    let line = place.strip_prefix(':')?.split(':').next()?;
    let line: u32 = line.parse().ok()?;
    let parsed = goyaml::nodes::parse(document.as_bytes());
    let parsed = parsed.document().ok()?;
    let mut node = parsed.root()?;
    let mut path = Vec::new();
    loop {
        let keys = node.entries().filter(|(key, _)| key.line() <= line);
        let items = node.items().enumerate();
        let items = items.filter(|(_, item)| item.line() <= line);
        if let Some((key, value)) = keys.last() {
            path.push(key.text()?.to_owned());
            node = value;
        } else if let Some((place, item)) = items.last() {
            let name = path.last_mut()?;
            *name = format!("{name}[{place}]");
            node = item;
        } else {
            break;
        }
    }
    (!path.is_empty()).then(|| path.join("."))
}

/// Renders values. Cheap to share; holds no state between calls.
#[derive(Clone)]
pub struct Templates {
    functions: Arc<Functions>,
    limits: Limits,
}

impl Templates {
    /// The functions of upstream, and limits for what a person writes: values, not charts.
    pub fn production() -> Self {
        let limits = Limits {
            // A key or a slow hash takes a million.
            steps_max: 5_000_000,
            output_bytes_max: 4 << 20,
            values_bytes_max: 32 << 20,
            depth_max: 100,
            nested_max: 100,
        };
        Self {
            functions: Arc::new(sprig::sprig_for_values()),
            limits,
        }
    }

    /// Renders values as one document: printed as YAML, executed, read back.
    pub(crate) fn render_values(&self, values: &Values, data: &Value) -> Result<Values, Error> {
        let mut document = Value::Object(values.clone());
        goyaml::numbers_as_float64(&mut document);
        let text = goyaml::to_yaml(&document).map_err(Error::Print)?;
        let rendered = self.execute(NAME, &text, data).map_err(|failure| {
            let value = value_at(&text, failure.text());
            Error::of_values(failure, value)
        })?;
        match interpret(NO_VALUES, &rendered)? {
            Value::Object(values) => Ok(values),
            Value::Null => Ok(Values::new()),
            other => Err(Error::NotAMap {
                found: kind(&other),
            }),
        }
    }

    /// Renders one entry of `templateValues`.
    pub(crate) fn render_entry(&self, key: &str, text: &str, data: &Value) -> Result<Value, Error> {
        let rendered = self
            .execute(NAME, text, data)
            .map_err(|failure| Error::of_values(failure, None))
            .and_then(|rendered| interpret(key, &rendered));
        rendered.map_err(|source| Error::Entry {
            key: key.to_owned(),
            source: Box::new(source),
        })
    }

    /// Renders one text that is no values: an option or a file. `name` stands for it in errors, which end
    /// with its line and what is missing.
    ///
    /// # Errors
    /// If the template is wrong, or fails with this data.
    pub fn render_text(
        &self,
        name: &str,
        text: &str,
        data: &Value,
    ) -> Result<Vec<u8>, TemplateFailure> {
        self.execute(name, text, data)
    }

    fn execute(&self, name: &str, text: &str, data: &Value) -> Result<Vec<u8>, TemplateFailure> {
        let mut set = TemplateSet::new(Arc::clone(&self.functions))
            .with_delims("${", "}")
            .with_missing_key(MissingKey::Error);
        set.parse(name, text)
            .map_err(|error| TemplateFailure::Parse(error.to_string()))?;
        // No host: functions that read a clock or random numbers fail, for what they give would
        // change the deployment each time it is looked at.
        let rendered =
            Renderer::new(self.limits, ()).execute(&Arc::new(set), name, &go_value(data));
        match rendered {
            Ok(text) => Ok(text.as_bytes().to_vec()),
            Err(error) => Err(TemplateFailure::Render(error.to_string())),
        }
    }
}

/// Reads what was rendered. `of` stands for it in the error: the text itself may hold secrets.
fn interpret(of: &str, rendered: &[u8]) -> Result<Value, Error> {
    goyaml::parse_float64(rendered).map_err(|problem| Error::Interpret {
        of: of.to_owned(),
        problem: Box::new(problem),
    })
}

/// JSON as Go decodes it into an interface: all numbers are `float64`.
fn go_value(value: &Value) -> gotemplate::Value {
    use gotemplate::Value as Go;
    match value {
        Value::Null => Go::Nil,
        Value::Bool(truth) => Go::Bool(*truth),
        Value::Number(number) => Go::Float(number.as_f64().unwrap_or_default()),
        Value::String(text) => Go::str(text),
        Value::Array(items) => Go::list(items.iter().map(go_value).collect()),
        Value::Object(map) => {
            let entries = map
                .iter()
                .map(|(name, value)| (Str::from(name), go_value(value)));
            Go::Map(gotemplate::Map::from_entries(entries.collect()))
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "map",
    }
}
