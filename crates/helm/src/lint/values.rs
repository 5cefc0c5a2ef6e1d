//! The rule about `values.yaml`: it is there, it is YAML, and its schema takes it with the user's values
//! over it. Sub-charts are not looked at.
//!
//! Source: Helm `lint/rules/values.go`.

use gotemplate::Map;
use goyaml::Target;
use serde_json::Value;
use sprig::values::map_to_template;

use super::Severity::{Error, Info};
use super::{Entry, Linter};
use crate::render::as_json;
use crate::schema::Schema;
use crate::values::coalesce::{self, Mode};
use crate::values::options::to_template;

const PATH: &str = "values.yaml";
const VALUES: Target = Target::Map {
    go_type: "common.Values",
    value: &Target::Any,
};

/// Applies the rule.
pub(super) fn check(linter: &mut Linter<'_>) {
    let there = match linter.folder.values {
        Entry::Missing => Err("file does not exist".to_owned()),
        _ => Ok(()),
    };
    if linter.rule(Info, PATH, there).is_some() {
        let result = check_values(linter);
        linter.rule(Error, PATH, result);
    }
}

fn check_values(linter: &mut Linter<'_>) -> Result<(), String> {
    let (folder, options) = (linter.folder, linter.options);
    let bad = |error: String| format!("unable to parse YAML: {error}");
    let text = folder.read(&folder.values, PATH).map_err(bad)?;
    let mut values = goyaml::parse_into(text, &VALUES).map_err(|error| bad(error.to_string()))?;
    goyaml::numbers_as_float64(&mut values);
    let own = match &values {
        Value::Object(own) => map_to_template(own),
        _ => Map::new(),
    };
    let all = Map::new();
    let given = to_template(&options.values.values, &options.values.not_text);
    coalesce::tables(&all, &given, Mode::Coalesce, &mut linter.log);
    coalesce::tables(&all, &own, Mode::Coalesce, &mut linter.log);
    let Entry::File(schema) = &folder.schema else {
        return Ok(());
    };
    if schema.is_empty() || options.skip_schema_validation {
        return Ok(());
    }
    let Value::Object(all) = as_json(&all) else {
        return Ok(());
    };
    let schema = Schema::new(schema.clone());
    let result = schema.validate(&all);
    schema.warn_of_urns(&mut linter.log);
    result
}
