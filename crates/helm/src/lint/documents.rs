//! The objects of a rendered file, read as Kubernetes' `YAMLOrJSONDecoder` reads them.
//!
//! In: a text. Out: for each document the few fields that rules look at, nothing for an empty one, or
//! the error that ends the file. Source: k8s.io/apimachinery `util/yaml/decoder.go`.

use goyaml::Target;
use serde_json::Value;
use sprig::json::{self, StreamError};

use crate::decode::Fields;
use crate::values::Documents as YamlDocuments;

/// What rules look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
}

const OBJECT: Target = Target::Struct {
    go_type: "rules.k8sYamlStruct",
    name: "k8sYamlStruct",
    fields: &[
        ("apiVersion", Target::Text),
        ("Kind", Target::Text),
        (
            "Metadata",
            Target::Struct {
                go_type: "rules.k8sYamlMetadata",
                name: "k8sYamlMetadata",
                fields: &[("Namespace", Target::Text), ("Name", Target::Text)],
            },
        ),
    ],
};

impl Object {
    /// Nothing of null.
    fn of(value: &Value) -> Option<Self> {
        if value.is_null() {
            return None;
        }
        let fields = Fields::of(value);
        Some(Self {
            api_version: fields.text("apiVersion").unwrap_or_default(),
            kind: fields.text("kind").unwrap_or_default(),
            name: fields.object("metadata").text("name").unwrap_or_default(),
        })
    }
}

/// The documents of a file; ends behind the first error.
pub(super) struct Documents<'t> {
    text: &'t [u8],
    state: State<'t>,
    /// Objects read so far.
    count: usize,
}

/// What a document holds; nothing if it is null.
struct Document(Option<Object>);

enum State<'t> {
    /// A stream of JSON values, of which those before this byte have been read.
    Json(usize),
    Yaml(YamlDocuments<'t>),
    Done,
}

impl<'t> Documents<'t> {
    /// What begins with a brace is taken for JSON until it is none.
    pub(super) fn new(text: &'t [u8]) -> Self {
        let is_json = String::from_utf8_lossy(text).trim_start().starts_with('{');
        Self {
            text,
            state: if is_json {
                State::Json(0)
            } else {
                State::Yaml(YamlDocuments::new(text))
            },
            count: 0,
        }
    }

    fn read(&mut self) -> Result<Option<Document>, String> {
        let mut first_error = None;
        if let State::Json(at) = self.state {
            match self.read_json(at) {
                Ok(next) => return Ok(next),
                // More than one value leaves no doubt that this is JSON.
                Err(error) if self.count > 1 => return Err(error.plain),
                Err(error) => first_error = Some(error.placed),
            }
            self.state = State::Yaml(YamlDocuments::new(without_line_end(&self.text[at..])));
        }
        let State::Yaml(documents) = &mut self.state else {
            return Ok(None);
        };
        read_yaml(documents).map_err(|error| first_error.unwrap_or(error))
    }

    fn read_json(&mut self, at: usize) -> Result<Option<Document>, JsonError> {
        let Some((value, end)) = json::parse_next(self.text, at)? else {
            return Ok(None);
        };
        goyaml::check_kinds(&value, &OBJECT).map_err(|error| {
            let text = error.to_string();
            let plain = text.rsplit_once("while decoding JSON: ");
            JsonError::same(plain.map_or(text.as_str(), |(_, plain)| plain))
        })?;
        self.state = State::Json(end);
        Ok(Some(Document(Object::of(&value))))
    }
}

impl Iterator for Documents<'_> {
    type Item = Result<Option<Object>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read() {
            Ok(None) => None,
            Ok(Some(Document(object))) => {
                self.count += 1;
                Some(Ok(object))
            }
            Err(error) => {
                self.state = State::Done;
                Some(Err(format!("unable to parse YAML: {error}")))
            }
        }
    }
}

fn read_yaml(documents: &mut YamlDocuments<'_>) -> Result<Option<Document>, String> {
    let document = documents.next().map_err(|error| error.to_string())?;
    let Some(document) = document else {
        return Ok(None);
    };
    let value = goyaml::parse_into(&document, &OBJECT).map_err(|error| error.to_string())?;
    Ok(Some(Document(Object::of(&value))))
}

/// Why JSON cannot be read: alone, and as it is told while YAML may be meant.
struct JsonError {
    plain: String,
    placed: String,
}

impl JsonError {
    fn same(text: &str) -> Self {
        Self {
            plain: text.to_owned(),
            placed: text.to_owned(),
        }
    }
}

impl From<StreamError> for JsonError {
    fn from(error: StreamError) -> Self {
        let plain = error.to_string();
        match error {
            StreamError::End => Self::same(&plain),
            StreamError::Syntax { offset, .. } => Self {
                placed: format!("json: offset {offset}: {plain}"),
                plain,
            },
        }
    }
}

/// Without the white space up to the end of the line, which a value of JSON leaves behind.
fn without_line_end(text: &[u8]) -> &[u8] {
    let space = |byte: &u8| byte.is_ascii_whitespace() || *byte == 0xb;
    let n_spaces = text.iter().take_while(|byte| space(byte)).count();
    match text[..n_spaces].iter().position(|byte| *byte == b'\n') {
        Some(at) => &text[at + 1..],
        None => &text[n_spaces..],
    }
}
