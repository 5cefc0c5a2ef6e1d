//! Checking values against the `values.schema.json` files of a chart and its sub-charts.
//!
//! In: the chart tree and the merged values. Out: nothing, or Helm's report. Schemas are compiled once
//! for each loaded chart. A schema cannot read files or the network: what it refers to there is not
//! found. Unknown URNs accept everything, with a warning. Source: Helm `pkg/chart/common/util/jsonschema.go`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use jsonschema::{Compiled, Loader, Location};
use serde_json::{Map, Value};

use crate::log::{Log, Record};
use crate::tree::Place;

/// Values that a schema refuses, as one report over all charts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("values don't meet the specifications of the schema(s) in the following chart(s):\n{0}")]
pub struct SchemaError(String);

/// The address Helm gives a schema.
const ADDRESS: &str = "file:///values.schema.json";
/// What its report of refused values starts with, which Helm leaves out.
const PREFIX: &str = "jsonschema validation failed with 'file:///values.schema.json#'\n";

/// The schema of a chart: its text, and what became of it once it was asked for. Copies share both.
#[derive(Debug, Clone)]
pub struct Schema {
    text: Arc<[u8]>,
    compiled: Arc<OnceLock<Outcome>>,
}

/// A compilation.
#[derive(Debug)]
struct Outcome {
    schema: Result<Compiled, String>,
    /// The URNs that it refers to.
    urns: BTreeSet<String>,
}

impl Schema {
    /// Takes the text of a schema, which is not looked at yet.
    pub fn new(text: Arc<[u8]>) -> Self {
        Self {
            text,
            compiled: Arc::default(),
        }
    }

    /// The text.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Holds values against the schema.
    ///
    /// # Errors
    /// Helm's report: what is wrong with the values, ending in a line feed, or with the schema itself.
    pub fn validate(&self, values: &Map<String, Value>) -> Result<(), String> {
        let compiled = match &self.outcome().schema {
            Ok(compiled) => compiled,
            Err(error) => return Err(error.clone()),
        };
        match compiled.validate(values) {
            Ok(None) => Ok(()),
            Ok(Some(report)) => {
                let report = report.strip_prefix(PREFIX).unwrap_or(&report);
                Err(format!("{report}\n"))
            }
            Err(fault) => Err(format!("unable to validate schema: {fault}")),
        }
    }

    /// Warns of the URNs that the schema refers to, which accept everything.
    pub(crate) fn warn_of_urns(&self, log: &mut Log) {
        warn_of_urns(self.outcome().urns.iter().map(String::as_str), log);
    }

    fn outcome(&self) -> &Outcome {
        self.compiled.get_or_init(|| {
            let loader = Offline::default();
            let schema = Compiled::new(ADDRESS, &self.text, &loader);
            Outcome {
                schema: schema.map_err(|error| error.to_string()),
                urns: loader.urns.into_inner(),
            }
        })
    }
}

/// Finds no file and no host.
#[derive(Default)]
struct Offline {
    urns: RefCell<BTreeSet<String>>,
}

impl Loader for Offline {
    fn load(&self, location: &Location<'_>) -> Result<Option<Vec<u8>>, String> {
        let Location {
            address,
            scheme,
            path,
        } = location;
        match *scheme {
            "urn" => {
                self.urns.borrow_mut().insert((*address).to_owned());
                Ok(Some(b"true".to_vec()))
            }
            "file" => Err(format!("open {path}: no such file or directory")),
            "http" | "https" => Err(format!(
                "HTTP request failed for {address}: schemas are not loaded from the network"
            )),
            _ => Ok(None),
        }
    }
}

/// Checks the values of the chart and of each sub-chart that has some.
pub(crate) fn validate(
    node: Place<'_>,
    values: &Map<String, Value>,
    log: &mut Log,
) -> Result<(), SchemaError> {
    let mut report = String::new();
    let mut urns = BTreeSet::new();
    collect(node, values, &mut report, &mut urns);
    warn_of_urns(urns.into_iter(), log);
    if report.is_empty() {
        Ok(())
    } else {
        Err(SchemaError(report))
    }
}

/// Helm warns of each only once.
fn warn_of_urns<'u>(urns: impl Iterator<Item = &'u str>, log: &mut Log) {
    let message = "unresolved URN reference ignored; using permissive schema";
    for urn in urns {
        let attributes = vec![("urn", urn.to_owned())];
        let has = |record: &Record| record.message == message && record.attributes == attributes;
        if !log.records.iter().any(has) {
            log.warn(message, attributes);
        }
    }
}

fn collect<'a>(
    node: Place<'a>,
    values: &Map<String, Value>,
    report: &mut String,
    urns: &mut BTreeSet<&'a str>,
) {
    if let Some(schema) = &node.chart().schema {
        if let Err(text) = schema.validate(values) {
            let _ = write!(report, "{}:\n{text}", node.name());
        }
        urns.extend(schema.outcome().urns.iter().map(String::as_str));
    }
    for sub in node.dependencies() {
        match values.get(sub.name()) {
            None | Some(Value::Null) => {}
            Some(Value::Object(values)) => collect(sub, values, report, urns),
            Some(other) => {
                let (name, found) = (sub.name(), go_type(other));
                let _ = write!(
                    report,
                    "{name}:\ninvalid type for values: expected object (map), got {found}\n"
                );
            }
        }
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

#[cfg(test)]
mod tests;
