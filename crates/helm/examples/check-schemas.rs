//! Compares the reports about values that schemas refuse with those of Helm.
//!
//! In: cases answered by tools/oracle/schema, one a line. Out: the cases whose report is none of
//! Helm's, with the report, and counts on the standard error.

use std::io::{BufRead as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use helm::Schema;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Case<'a> {
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
    text: Option<String>,
    values: Value,
    texts: Vec<String>,
}

fn main() -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let (mut cases, mut wrong) = (0, 0);
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let case: Case<'_> = serde_json::from_str(&line).context("reading a case")?;
        cases += 1;
        let text = match (case.schema, &case.text) {
            (Some(schema), _) => schema.get(),
            (None, Some(text)) => text.as_str(),
            (None, None) => "null",
        };
        let values = helm::values::as_decoded(case.values);
        let Value::Object(values) = values else {
            continue;
        };
        let schema = Schema::new(text.as_bytes().into());
        let report = schema.validate(&values).err().unwrap_or_default();
        if !case.texts.contains(&report) {
            wrong += 1;
            writeln!(out, "{line}\n{report:?}")?;
        }
    }
    writeln!(std::io::stderr(), "{cases} cases, {wrong} differ")?;
    Ok(if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
