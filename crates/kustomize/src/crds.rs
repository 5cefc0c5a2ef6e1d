//! Fields of custom kinds, from definitions in files of `crds`.
//!
//! Source: kustomize `api/internal/accumulator/loadconfigfromcrds.go`.

use serde_json::{Map, Value};

use crate::config::{Config, Referrers};
use crate::error::{Error, Result};
use crate::files::Loader;
use crate::id::Gvk;
use crate::types::{FieldSpec, merge_field_specs};

/// Deepest nesting of definitions.
const DEPTH_MAX: usize = 50;

/// The fields that files of `crds` tell about.
pub(crate) fn load(loader: &Loader<'_>, paths: &[String]) -> Result<Config> {
    let mut config = Config::default();
    for path in paths {
        let content = loader.load(path)?;
        let value = goyaml::parse(&content).map_err(|error| Error(error.to_string()));
        let definitions = value.and_then(|value| match value {
            Value::Object(definitions) => Ok(definitions),
            Value::Null => Ok(Map::new()),
            other => Err(Error(format!(
                "json: cannot unmarshal {} into Go value of type accumulator.nameToApiMap",
                goyaml::json_kind(&other)
            ))),
        });
        let definitions = definitions.map_err(|error| {
            error.within(&format!(
                "unable to parse open API definition from '{path}'"
            ))
        })?;
        for name in definitions.keys() {
            let known = properties(&definitions, name);
            let is_kind = ["kind", "apiVersion", "metadata"]
                .iter()
                .all(|field| known.is_some_and(|known| known.contains_key(*field)));
            if !is_kind {
                continue;
            }
            let kind = name.rsplit('.').next().unwrap_or_default();
            let mut reader = Reader {
                definitions: &definitions,
                gvk: Gvk {
                    kind: kind.to_owned(),
                    ..Gvk::default()
                },
                config: Config::default(),
            };
            reader.read(name, &mut Vec::new())?;
            config.merge(&reader.config)?;
        }
    }
    Ok(config)
}

fn properties<'d>(
    definitions: &'d Map<String, Value>,
    name: &str,
) -> Option<&'d Map<String, Value>> {
    let definition = definitions.get(name)?.as_object()?;
    let mut fields = definition.iter();
    let (_, schema) = fields.find(|(key, _)| key.eq_ignore_ascii_case("schema"))?;
    schema.get("properties")?.as_object()
}

struct Reader<'d> {
    definitions: &'d Map<String, Value>,
    gvk: Gvk,
    config: Config,
}

impl Reader<'_> {
    fn read(&mut self, name: &str, path: &mut Vec<String>) -> Result<()> {
        if path.len() > DEPTH_MAX {
            return Err(Error(format!(
                "definition {name:?} is nested deeper than {DEPTH_MAX}"
            )));
        }
        let definitions = self.definitions;
        for (field, property) in properties(definitions, name).into_iter().flatten() {
            path.push(field.clone());
            self.property(property, path)?;
            if let Some(reference) = property.get("$ref").and_then(Value::as_str) {
                self.read(reference, path)?;
            }
            path.pop();
        }
        Ok(())
    }

    fn spec(&self, path: &[String]) -> FieldSpec {
        FieldSpec {
            gvk: self.gvk.clone(),
            path: path.join("/"),
            create: false,
        }
    }

    fn property(&mut self, property: &Value, path: &[String]) -> Result<()> {
        let extension = |name: &str| {
            let name = format!("x-kubernetes-{name}");
            property.get(name).and_then(Value::as_str)
        };
        let spec = self.spec(path);
        for (name, fields) in [
            ("annotation", &mut self.config.common_annotations),
            ("label-selector", &mut self.config.common_labels),
            ("identity", &mut self.config.name_prefix),
        ] {
            if extension(name).is_some() {
                merge_field_specs(fields, std::slice::from_ref(&spec))?;
            }
        }
        let (Some(version), Some(kind)) = (
            extension("object-ref-api-version"),
            extension("object-ref-kind"),
        ) else {
            return Ok(());
        };
        let key = extension("object-ref-name-key").unwrap_or("name");
        let path = [path, &[key.to_owned()]].concat();
        self.config.add_referrers(&Referrers {
            gvk: Gvk {
                version: version.to_owned(),
                kind: kind.to_owned(),
                ..Gvk::default()
            },
            fields: vec![self.spec(&path)],
        })
    }
}
