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
        let rendered = self.execute(&text, data)?;
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
            .execute(text, data)
            .and_then(|rendered| interpret(key, &rendered));
        rendered.map_err(|source| Error::Entry {
            key: key.to_owned(),
            source: Box::new(source),
        })
    }

    fn execute(&self, text: &str, data: &Value) -> Result<Vec<u8>, Error> {
        let mut set = TemplateSet::new(Arc::clone(&self.functions))
            .with_delims("${", "}")
            .with_missing_key(MissingKey::Error);
        set.parse(NAME, text)
            .map_err(|error| Error::Parse(error.to_string()))?;
        // No host: functions that read a clock or random numbers fail, for what they give would
        // change the deployment each time it is looked at.
        let rendered =
            Renderer::new(self.limits, ()).execute(&Arc::new(set), NAME, &go_value(data));
        match rendered {
            Ok(text) => Ok(text.as_bytes().to_vec()),
            Err(error) => Err(Error::Render(error.to_string())),
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
