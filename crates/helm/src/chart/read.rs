//! Reading `Chart.yaml`, `requirements.yaml` and the lock files.
//!
//! In: their bytes. Out: [`Metadata`] and [`Lock`] with the fields that Go's decoder would fill, or
//! its error. What they mean is checked elsewhere.

use goyaml::Target;
use serde_json::Value;

use super::metadata::{Dependency, Lock, Maintainer, Metadata};
use crate::decode::Fields;

impl Metadata {
    /// Reads `Chart.yaml` alone, as it is.
    pub(crate) fn parse(document: &[u8]) -> Result<Self, goyaml::Error> {
        let mut metadata = Self::default();
        metadata.read(document)?;
        Ok(metadata)
    }

    /// Looks for keys in `Chart.yaml` that occur twice or mean nothing.
    pub(crate) fn check_strictly(document: &[u8]) -> Result<(), goyaml::Error> {
        goyaml::parse_into_strict(document, &METADATA).map(|_| ())
    }

    /// Reads the fields that `document` has over those already there: `requirements.yaml` is read
    /// over `Chart.yaml`.
    pub(super) fn read(&mut self, document: &[u8]) -> Result<(), goyaml::Error> {
        let document = goyaml::parse_into(document, &METADATA)?;
        let fields = Fields::of(&document);
        for (name, field) in [
            ("name", &mut self.name),
            ("home", &mut self.home),
            ("version", &mut self.version),
            ("description", &mut self.description),
            ("icon", &mut self.icon),
            ("apiVersion", &mut self.api_version),
            ("condition", &mut self.condition),
            ("tags", &mut self.tags),
            ("appVersion", &mut self.app_version),
            ("kubeVersion", &mut self.kube_version),
            ("type", &mut self.kind),
        ] {
            take(field, fields.text(name));
        }
        take(&mut self.deprecated, fields.boolean("deprecated"));
        take(&mut self.sources, fields.texts("sources"));
        take(&mut self.keywords, fields.texts("keywords"));
        self.annotations
            .extend(fields.text_map("annotations").unwrap_or_default());
        if let Some(maintainers) = fields.list("maintainers") {
            read_items(&mut self.maintainers, maintainers);
        }
        if let Some(dependencies) = fields.list("dependencies") {
            read_items(self.dependencies.get_or_insert_default(), dependencies);
        }
        Ok(())
    }
}

/// Stands for a null item of a list until validation refuses it: no text read from YAML can hold it
/// alone, since NUL is not a YAML character.
const NULL_ITEM: &str = "\0";

/// An item of a list that may be null.
pub(crate) trait Item: Default {
    fn name(&mut self) -> &mut String;
    fn name_of(&self) -> &str;
    /// Reads the fields given over those already there.
    fn read(&mut self, fields: Fields<'_>);

    fn null() -> Self {
        let mut item = Self::default();
        NULL_ITEM.clone_into(item.name());
        item
    }

    fn is_null(&self) -> bool {
        self.name_of() == NULL_ITEM
    }
}

/// Reads a list as Go decodes JSON into a slice of pointers: items already there get the fields of
/// the new ones.
fn read_items<T: Item>(items: &mut Vec<T>, values: &[Value]) {
    items.resize_with(values.len(), T::default);
    for (item, value) in items.iter_mut().zip(values) {
        if value.is_null() {
            *item = T::null();
            continue;
        }
        if item.is_null() {
            *item = T::default();
        }
        item.read(Fields::of(value));
    }
}

fn take<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

impl Item for Maintainer {
    fn name(&mut self) -> &mut String {
        &mut self.name
    }

    fn name_of(&self) -> &str {
        &self.name
    }

    fn read(&mut self, fields: Fields<'_>) {
        take(&mut self.name, fields.text("name"));
        take(&mut self.email, fields.text("email"));
        take(&mut self.url, fields.text("url"));
    }
}

impl Item for Dependency {
    fn name(&mut self) -> &mut String {
        &mut self.name
    }

    fn name_of(&self) -> &str {
        &self.name
    }

    fn read(&mut self, fields: Fields<'_>) {
        for (name, field) in [
            ("name", &mut self.name),
            ("version", &mut self.version),
            ("repository", &mut self.repository),
            ("condition", &mut self.condition),
            ("alias", &mut self.alias),
        ] {
            take(field, fields.text(name));
        }
        take(&mut self.tags, fields.texts("tags"));
        take(&mut self.enabled, fields.boolean("enabled"));
        take(
            &mut self.import_values,
            fields.list("import-values").map(<[Value]>::to_vec),
        );
    }
}

/// Why a lock file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LockError {
    /// No YAML, or a field of the wrong kind.
    #[error(transparent)]
    Yaml(#[from] goyaml::Error),
    /// The time is none.
    #[error("error unmarshaling JSON: while decoding JSON: {0}")]
    Time(String),
}

impl Lock {
    /// Reads a `Chart.lock`; null items are dropped.
    pub(super) fn read(document: &[u8]) -> Result<Self, LockError> {
        let document = goyaml::parse_into(document, &LOCK)?;
        check_time(document.get("generated"))?;
        let fields = Fields::of(&document);
        let mut dependencies = Vec::new();
        read_items(
            &mut dependencies,
            fields.list("dependencies").unwrap_or_default(),
        );
        dependencies.retain(|item: &Dependency| !item.is_null());
        Ok(Self {
            generated: fields.text("generated").unwrap_or_default(),
            digest: fields.text("digest").unwrap_or_default(),
            dependencies,
        })
    }
}

/// The check that Go makes when it decodes a time.
fn check_time(value: Option<&Value>) -> Result<(), LockError> {
    const RFC_3339: &str = "2006-01-02T15:04:05Z07:00";
    let refused = match value {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::String(text)) => match sprig::gotime::parse(RFC_3339, text) {
            Ok(_) => return Ok(()),
            Err(error) => error.to_string(),
        },
        Some(_) => "Time.UnmarshalJSON: input is not a JSON string".to_owned(),
    };
    Err(LockError::Time(refused))
}

const TEXTS: Target = Target::List {
    go_type: "[]string",
    item: &Target::Text,
};

const METADATA: Target = Target::Struct {
    go_type: "v2.Metadata",
    name: "Metadata",
    fields: &[
        ("name", Target::Text),
        ("home", Target::Text),
        ("sources", TEXTS),
        ("version", Target::Text),
        ("description", Target::Text),
        ("keywords", TEXTS),
        (
            "maintainers",
            Target::List {
                go_type: "[]*v2.Maintainer",
                item: &Target::Struct {
                    go_type: "v2.Maintainer",
                    name: "Maintainer",
                    fields: &[
                        ("name", Target::Text),
                        ("email", Target::Text),
                        ("url", Target::Text),
                    ],
                },
            },
        ),
        ("icon", Target::Text),
        ("apiVersion", Target::Text),
        ("condition", Target::Text),
        ("tags", Target::Text),
        ("appVersion", Target::Text),
        ("deprecated", Target::Bool),
        (
            "annotations",
            Target::Map {
                go_type: "map[string]string",
                value: &Target::Text,
            },
        ),
        ("kubeVersion", Target::Text),
        ("dependencies", DEPENDENCIES),
        ("type", Target::Text),
    ],
};

const DEPENDENCIES: Target = Target::List {
    go_type: "[]*v2.Dependency",
    item: &Target::Struct {
        go_type: "v2.Dependency",
        name: "Dependency",
        fields: &[
            ("name", Target::Text),
            ("version", Target::Text),
            ("repository", Target::Text),
            ("condition", Target::Text),
            ("tags", TEXTS),
            ("enabled", Target::Bool),
            (
                "import-values",
                Target::List {
                    go_type: "[]interface {}",
                    item: &Target::Any,
                },
            ),
            ("alias", Target::Text),
        ],
    },
};

const LOCK: Target = Target::Struct {
    go_type: "v2.Lock",
    name: "Lock",
    fields: &[
        ("generated", Target::Any),
        ("digest", Target::Text),
        ("dependencies", DEPENDENCIES),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_read_over_the_chart_item_by_item() {
        let mut metadata = Metadata::default();
        let chart = "name: a\ndependencies: [{name: x, alias: v}, {name: z}]\nversion: 1.10\n";
        metadata.read(chart.as_bytes()).expect("reads");
        let requirements = "dependencies: [{name: w, tags: [1]}]\nname: null\n";
        metadata.read(requirements.as_bytes()).expect("reads");
        assert_eq!((&*metadata.name, &*metadata.version), ("a", "1.1"));
        let want = Dependency {
            name: "w".to_owned(),
            alias: "v".to_owned(),
            tags: vec!["1".to_owned()],
            ..Dependency::default()
        };
        assert_eq!(metadata.dependencies, Some(vec![want]));
    }

    #[test]
    fn locks_need_a_time_if_they_have_any() {
        let error = |text: &str| Lock::read(text.as_bytes()).map_err(|e| e.to_string());
        assert!(error("generated: 2020-01-02T03:04:05.6Z\ndependencies: [null]\n").is_ok());
        assert!(error("generated: null\n").is_ok());
        let prefix = "error unmarshaling JSON: while decoding JSON: ";
        for (text, want) in [
            (
                "generated: soon\ndigest: []\n",
                "json: cannot unmarshal array into Go struct field Lock.digest of type string",
            ),
            (
                "generated: soon\n",
                "parsing time \"soon\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"soon\" as \"2006\"",
            ),
            (
                "generated: 1\n",
                "Time.UnmarshalJSON: input is not a JSON string",
            ),
        ] {
            assert_eq!(error(text), Err(format!("{prefix}{want}")), "{text}");
        }
    }
}
