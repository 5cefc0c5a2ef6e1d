//! Tables of custom resources, and of kinds that have no columns of their own.

use jiff::Timestamp;
use serde_json::Value;

use super::{AGE, Cells, Column, NAME, Printer};
use crate::jsonpath::{self, JsonPath};
use crate::tables::cells::{at, name, printed, since, text, whole};

const CREATED: &str = ".metadata.creationTimestamp";

/// The printer for `additionalPrinterColumns`; without columns there is one for the age.
pub(super) fn printer(columns: &Value) -> Result<Printer, jsonpath::Error> {
    let mut shown = vec![Column {
        name: NAME.0.to_owned(),
        kind: "string".to_owned(),
        format: "name".to_owned(),
        description: NAME.3.to_owned(),
        priority: 0,
    }];
    let mut paths = Vec::new();
    let given = columns.as_array().map_or(&[][..], Vec::as_slice);
    for column in given {
        let path = text(column, "/jsonPath");
        paths.push(JsonPath::parse(path)?);
        let description = match text(column, "/description") {
            "" => format!("Custom resource definition column (in JSONPath format): {path}"),
            description => description.to_owned(),
        };
        shown.push(Column {
            name: text(column, "/name").to_owned(),
            kind: text(column, "/type").to_owned(),
            format: text(column, "/format").to_owned(),
            description,
            priority: column["priority"].as_i64().unwrap_or_default(),
        });
    }
    if given.is_empty() {
        paths.push(JsonPath::parse(CREATED)?);
        shown.push(Column {
            name: AGE.0.to_owned(),
            kind: "date".to_owned(),
            format: String::new(),
            description: AGE.3.to_owned(),
            priority: 0,
        });
    }
    Ok(Printer {
        columns: shown,
        cells: Cells::Custom(paths),
    })
}

/// The cells of one object: its name, then what each path finds first.
pub(super) fn cells(
    columns: &[Column],
    paths: &[JsonPath],
    object: &Value,
    now: Timestamp,
) -> Vec<Value> {
    let custom = columns.iter().skip(1).zip(paths);
    let cell = |(column, path): (&Column, &JsonPath)| match at(path, object) {
        Some(value) if column.kind == "string" => printed(value),
        Some(value) => typed(&column.kind, value, now),
        None => Value::Null,
    };
    std::iter::once(name(object))
        .chain(custom.map(cell))
        .collect()
}

fn typed(kind: &str, value: &Value, now: Timestamp) -> Value {
    match (kind, value) {
        ("integer", value) => whole(value),
        ("number", Value::Number(number)) => {
            // The server prints numbers as floats, so an integer has no fraction here either.
            number.as_i64().map_or_else(|| value.clone(), Value::from)
        }
        ("boolean", Value::Bool(flag)) => (*flag).into(),
        ("date", Value::String(time)) if time.is_empty() => "<unknown>".into(),
        ("date", Value::String(time)) => match time.parse::<Timestamp>() {
            Ok(_) => since(time, now).into(),
            Err(_) => "<invalid>".into(),
        },
        _ => Value::Null,
    }
}

/// Name and creation time, for kinds the server has no printer for.
pub(super) fn generic(object: &Value, _now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        text(object, "/metadata/creationTimestamp").into(),
    ]
}
