//! `metadata.managedFields`: reading, writing, ordering, and naming of managers in conflicts.
//!
//! Source: k8s.io/apimachinery `pkg/util/managedfields/internal/managedfields.go`, `conflict.go`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::Writer;
use super::element::{Element, ElementError};
use super::set::Set;
use crate::names::quote;

/// Managed fields that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The list is no list of objects, or a member has the wrong type.
    #[error("metadata.managedFields[{0}] is malformed")]
    Shape(usize),
    /// Neither `Apply` nor `Update`.
    #[error("operation must be `Apply` or `Update`")]
    Operation,
    /// No `apiVersion`.
    #[error("apiVersion must not be empty")]
    ApiVersion,
    /// No `fieldsType`.
    #[error("missing fieldsType in managed fields entry {0}")]
    NoFieldsType(usize),
    /// A `fieldsType` other than `FieldsV1`.
    #[error("invalid fieldsType {} in managed fields entry {index}", quote(.found))]
    FieldsType {
        /// The type.
        found: String,
        /// Place of the entry.
        index: usize,
    },
    /// A set of fields that cannot be read.
    #[error("error decoding set: {0}")]
    Fields(ElementError),
}

/// A manager: what tells entries apart. Versions tell updates apart, not applies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Manager {
    pub(super) name: String,
    pub(super) applies: bool,
    pub(super) api_version: String,
    pub(super) subresource: String,
}

impl Manager {
    pub(super) fn of(writer: &Writer<'_>, applies: bool) -> Self {
        let name = if writer.manager.is_empty() {
            "unknown"
        } else {
            writer.manager
        };
        let api_version = if applies { "" } else { writer.api_version };
        Self {
            name: name.to_owned(),
            applies,
            api_version: api_version.to_owned(),
            subresource: writer.subresource.to_owned(),
        }
    }

    /// How a conflict names it.
    fn text(&self) -> String {
        let mut text = quote(&self.name);
        if !self.subresource.is_empty() {
            let _ = write!(text, " with subresource {}", quote(&self.subresource));
        }
        if !self.applies {
            let _ = write!(text, " using {}", self.api_version);
        }
        text
    }
}

/// What a manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owned {
    pub(super) set: Set,
    pub(super) api_version: String,
    /// RFC 3339; entries that never changed the object have none.
    pub(super) time: Option<String>,
}

/// All managers of an object.
pub(super) type Managers = BTreeMap<Manager, Owned>;

/// Reads `metadata.managedFields`; absent and null read as no managers.
pub(super) fn decode(entries: Option<&Value>) -> Result<Managers, DecodeError> {
    let entries = match entries {
        None | Some(Value::Null) => return Ok(Managers::new()),
        Some(entries) => entries.as_array().ok_or(DecodeError::Shape(0))?,
    };
    let mut managers = Managers::new();
    for (index, entry) in entries.iter().enumerate() {
        let (manager, owned) = decode_entry(index, entry)?;
        managers.insert(manager, owned);
    }
    Ok(managers)
}

fn decode_entry(index: usize, entry: &Value) -> Result<(Manager, Owned), DecodeError> {
    let fields = entry.as_object().ok_or(DecodeError::Shape(index))?;
    let text = |name: &str| match fields.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(_) => Err(DecodeError::Shape(index)),
    };
    let applies = match text("operation")? {
        "Apply" => true,
        "Update" => false,
        _ => return Err(DecodeError::Operation),
    };
    let api_version = text("apiVersion")?.to_owned();
    if api_version.is_empty() {
        return Err(DecodeError::ApiVersion);
    }
    match text("fieldsType")? {
        "FieldsV1" => {}
        "" => return Err(DecodeError::NoFieldsType(index)),
        other => {
            return Err(DecodeError::FieldsType {
                found: other.to_owned(),
                index,
            });
        }
    }
    let set = match fields.get("fieldsV1") {
        None | Some(Value::Null) => Set::default(),
        Some(fields) => Set::from_fields(fields).map_err(DecodeError::Fields)?,
    };
    let time = Some(text("time")?)
        .filter(|time| !time.is_empty())
        .map(str::to_owned);
    let manager = Manager {
        name: text("manager")?.to_owned(),
        applies,
        api_version: if applies {
            String::new()
        } else {
            api_version.clone()
        },
        subresource: text("subresource")?.to_owned(),
    };
    Ok((
        manager,
        Owned {
            set,
            api_version,
            time,
        },
    ))
}

/// Writes `metadata.managedFields`; `None` for no managers.
pub(super) fn encode(managers: &Managers) -> Option<Value> {
    if managers.is_empty() {
        return None;
    }
    let mut sorted: Vec<(&Manager, &Owned)> = managers.iter().collect();
    sorted.sort_by(|(a, owned_a), (b, owned_b)| {
        let key = |manager: &Manager, owned: &Owned| {
            (
                !manager.applies,
                owned.time.clone(),
                manager.name.clone(),
                owned.api_version.clone(),
            )
        };
        key(a, owned_a)
            .cmp(&key(b, owned_b))
            .then_with(|| a.subresource.cmp(&b.subresource))
    });
    Some(
        sorted
            .into_iter()
            .map(|(manager, owned)| encode_entry(manager, owned))
            .collect(),
    )
}

fn encode_entry(manager: &Manager, owned: &Owned) -> Value {
    let mut entry = Map::new();
    let mut put = |name: &str, text: &str| {
        if !text.is_empty() {
            entry.insert(name.to_owned(), Value::from(text));
        }
    };
    put("manager", &manager.name);
    put(
        "operation",
        if manager.applies { "Apply" } else { "Update" },
    );
    put("apiVersion", &owned.api_version);
    put("time", owned.time.as_deref().unwrap_or(""));
    put("fieldsType", "FieldsV1");
    put("subresource", &manager.subresource);
    entry.insert("fieldsV1".to_owned(), owned.set.to_fields());
    Value::Object(entry)
}

/// Checks managed fields that a request or an admission step brings along.
pub fn check_entries(entries: &Value) -> Result<(), DecodeError> {
    decode(Some(entries)).map(drop)
}

/// A field that another manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    manager: Manager,
    path: Vec<Element>,
}

impl Conflict {
    pub(super) fn new(manager: &Manager, path: Vec<Element>) -> Self {
        Self {
            manager: manager.clone(),
            path,
        }
    }

    /// The owner as messages name it, such as `"kubectl" using apps/v1`.
    pub fn owner(&self) -> String {
        self.manager.text()
    }

    /// The path, such as `.spec.template.spec.containers[name="a"].image`.
    pub fn path(&self) -> String {
        self.path.iter().map(Element::to_string).collect()
    }

    pub(super) fn elements(&self) -> &[Element] {
        &self.path
    }

    pub(super) fn cause(&self) -> Value {
        json!({
            "reason": "FieldManagerConflict",
            "message": format!("conflict with {}", self.owner()),
            "field": self.path(),
        })
    }
}

/// The message of an apply that fails on conflicts; they come sorted by manager.
pub(super) fn conflict_text(conflicts: &[Conflict]) -> String {
    if let [one] = conflicts {
        let (owner, path) = (one.owner(), one.path());
        return format!("Apply failed with 1 conflict: conflict with {owner}: {path}");
    }
    let mut lines: Vec<String> = Vec::new();
    let mut last = None;
    for conflict in conflicts {
        if last != Some(&conflict.manager) {
            lines.push(format!("conflicts with {}:", conflict.owner()));
            last = Some(&conflict.manager);
        }
        lines.push(format!("- {}", conflict.path()));
    }
    format!(
        "Apply failed with {} conflicts: {}",
        conflicts.len(),
        lines.join("\n")
    )
}
