//! `meta.k8s.io/v1` Tables: what `kubectl get` shows.
//!
//! In: objects, the columns of their kind, the present time. Out: column definitions and cells. Columns and cells of built-in kinds
//! are those of Kubernetes 1.36 (`pkg/printers/internalversion`), of custom resources those of `additionalPrinterColumns`; kinds
//! without columns of their own have Name and Created At, as the server's generic convertor. Descriptions are short forms.

mod batch;
mod cells;
mod core;
mod custom;
mod other;
mod pods;
mod storage;
mod workloads;

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::jsonpath::{self, JsonPath};

pub use self::cells::human_duration;

/// Cells of one object, in column order.
type CellsFn = fn(&Value, Timestamp) -> Vec<Value>;

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Heading, as `kubectl` upper-cases it.
    pub name: String,
    /// OpenAPI type: `string`, `integer`, `number`, `boolean`, `date`.
    pub kind: String,
    /// OpenAPI format; `name` marks the column `kubectl` prints as a reference.
    pub format: String,
    /// A sentence about the column.
    pub description: String,
    /// 0: always shown; above: with `-o wide` only.
    pub priority: i64,
}

/// Columns of built-in kinds in source form: name, type, priority, description.
type Columns = &'static [(&'static str, &'static str, u8, &'static str)];

const NAME: (&str, &str, u8, &str) = (
    "Name",
    "string",
    0,
    "Name must be unique within a namespace.",
);
const AGE: (&str, &str, u8, &str) = (
    "Age",
    "string",
    0,
    "CreationTimestamp is the time when this object was created on the server.",
);
const CONTAINERS: (&str, &str, u8, &str) = (
    "Containers",
    "string",
    1,
    "Names of each container in the template.",
);
const IMAGES: (&str, &str, u8, &str) = (
    "Images",
    "string",
    1,
    "Images referenced by each container in the template.",
);
const SELECTOR: (&str, &str, u8, &str) = ("Selector", "string", 1, "A label query over pods.");

/// How much of each object goes into its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IncludeObject {
    /// Nothing.
    None,
    /// A `PartialObjectMetadata`; what `kubectl` gets when it asks for nothing else.
    #[default]
    Metadata,
    /// The whole object.
    Object,
}

impl IncludeObject {
    /// Reads the `includeObject` query parameter; empty means [`IncludeObject::Metadata`]. `None` for another word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "" | "Metadata" => Some(Self::Metadata),
            "None" => Some(Self::None),
            "Object" => Some(Self::Object),
            _ => None,
        }
    }
}

/// The columns of a kind and how its cells are made.
#[derive(Debug, Clone)]
pub struct Printer {
    columns: Vec<Column>,
    cells: Cells,
}

#[derive(Debug, Clone)]
enum Cells {
    BuiltIn(CellsFn),
    Custom(Vec<JsonPath>),
}

impl Printer {
    /// The printer of a built-in kind; `group` is empty for the core group.
    pub fn for_builtin(group: &str, kind: &str) -> Self {
        let (columns, cells) = pods::printer(group, kind)
            .or_else(|| workloads::printer(group, kind))
            .or_else(|| batch::printer(group, kind))
            .or_else(|| core::printer(group, kind))
            .or_else(|| storage::printer(group, kind))
            .or_else(|| other::printer(group, kind))
            .unwrap_or((&[NAME, ("Created At", "date", 0, AGE.3)], custom::generic));
        let column = |(name, kind, priority, description): &(&str, &str, u8, &str)| Column {
            name: (*name).to_owned(),
            kind: (*kind).to_owned(),
            format: if matches!(*name, "Name" | "Attacher") {
                "name".to_owned()
            } else {
                String::new()
            },
            description: (*description).to_owned(),
            priority: i64::from(*priority),
        };
        Self {
            columns: columns.iter().map(column).collect(),
            cells: Cells::BuiltIn(cells),
        }
    }

    /// The printer of a custom resource; `columns` is `additionalPrinterColumns` of its version, null for none.
    ///
    /// # Errors
    /// When a `jsonPath` is no expression; the CRD's own checks let such expressions pass.
    pub fn for_custom(columns: &Value) -> Result<Self, jsonpath::Error> {
        custom::printer(columns)
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The cells of one object, one per column. Never fails: what is missing or of another shape is shown as the server shows it.
    pub fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        match &self.cells {
            Cells::BuiltIn(cells) => cells(object, now),
            Cells::Custom(paths) => custom::cells(&self.columns, paths, object, now),
        }
    }

    /// A Table of `objects`.
    ///
    /// `metadata` is the list's (`resourceVersion`, `continue`, `remainingItemCount`). `with_headers` is false for every watch event but
    /// the first, whose client knows the columns.
    pub fn table<'a>(
        &self,
        objects: impl IntoIterator<Item = &'a Value>,
        metadata: &Value,
        include: IncludeObject,
        with_headers: bool,
        now: Timestamp,
    ) -> Value {
        let definitions: Vec<Value> = self
            .columns
            .iter()
            .filter(|_| with_headers)
            .map(definition)
            .collect();
        let rows: Vec<Value> = objects
            .into_iter()
            .map(|object| self.row(object, include, now))
            .collect();
        let metadata = if metadata.is_object() {
            metadata.clone()
        } else {
            json!({})
        };
        json!({
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": if with_headers { Value::Array(definitions) } else { Value::Null },
            "rows": rows,
        })
    }

    fn row(&self, object: &Value, include: IncludeObject, now: Timestamp) -> Value {
        let mut row = Map::new();
        row.insert("cells".to_owned(), self.cells(object, now).into());
        if let Some(conditions) = pods::row_conditions(object) {
            row.insert("conditions".to_owned(), conditions);
        }
        let shown = match include {
            IncludeObject::None => Value::Null,
            IncludeObject::Object => object.clone(),
            IncludeObject::Metadata => json!({
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": object["metadata"],
            }),
        };
        row.insert("object".to_owned(), shown);
        Value::Object(row)
    }
}

fn definition(column: &Column) -> Value {
    json!({
        "name": column.name,
        "type": column.kind,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    })
}
