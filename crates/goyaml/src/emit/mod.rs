//! From a value to YAML text, as Go's two YAML libraries print it.
//!
//! [`to_yaml`] is `sigs.k8s.io/yaml`'s `Marshal`: JSON read back as YAML and printed by go-yaml
//! v2, with lists at their parent's indent and lines folded after column 80. [`to_yaml_v3`] is
//! go-yaml v3 given the value itself: lists indented, nothing folded. Both end with a line feed.
//! Anchors, comments and flow collections other than `[]` and `{}` are never written.

mod keys;
mod scalar;
mod style;
mod tree;

use std::borrow::Cow;

use serde_json::{Number, Value};

use self::scalar::Place;
pub use self::tree::Tree;
use crate::error::Problem;
use crate::numbers::{general_f64, through_json};
use crate::resolve::{Scalar, is_base60, resolve_plain};
use crate::scan::{DEPTH_MAX, ScalarStyle};
use crate::{compose, json, nodes};

/// Column after which v2 folds.
const WIDTH: usize = 80;

/// Keys of more bytes are written after `? `.
const SIMPLE_KEY_BYTES_MAX: usize = 128;

/// Why a value has no YAML text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Collections are nested deeper than [`DEPTH_MAX`].
    #[error("yaml: exceeded max depth of {DEPTH_MAX}")]
    TooDeep,
    /// The JSON form of the value is no YAML: a string holds a character that YAML's reader
    /// refuses (DEL, most of U+0080 to U+009F, U+FFFE, U+FFFF), or a key is too long for it.
    #[error("{0}")]
    Unreadable(Problem),
}

/// The text of `sigs.k8s.io/yaml`'s `Marshal(value)`.
///
/// Keys come in go-yaml's natural order. Floats take the form they have after JSON: `1e+21`, but
/// `1000000` for 1e6.
///
/// # Errors
/// Where Go fails too; Helm's `toYaml` is then the empty string.
pub fn to_yaml(value: &Value) -> Result<String, WriteError> {
    let result = Emitter::new(Dialect::V2, 2).document(value);
    match result {
        // Go reads the JSON of the whole value, and names the fault it finds first.
        Err(WriteError::Unreadable(problem)) => Err(WriteError::Unreadable(
            fault_of_json(value).unwrap_or(problem),
        )),
        result => result,
    }
}

/// The text of a go-yaml v3 encoder with `SetIndent(indent)`, as Helm's `toYamlPretty` uses it
/// with 2.
///
/// Numbers are printed as they are, so floats such as 1e6 come out as `1e+06`: see
/// [`numbers_as_float64`](crate::numbers_as_float64). An indent outside 2 to 9 counts as 2.
///
/// # Errors
/// [`WriteError::TooDeep`].
pub fn to_yaml_v3(value: &Value, indent: usize) -> Result<String, WriteError> {
    let indent = if (2..=9).contains(&indent) { indent } else { 2 };
    Emitter::new(Dialect::V3, indent).document(value)
}

/// As [`to_yaml_v3`] for what is more than JSON.
///
/// # Errors
/// As [`to_yaml_v3`].
pub fn tree_to_yaml_v3(tree: &Tree, indent: usize) -> Result<String, WriteError> {
    let indent = if (2..=9).contains(&indent) { indent } else { 2 };
    Emitter::new(Dialect::V3, indent).document(tree)
}

/// What values are to the emitter.
enum View<'a, T> {
    /// Printed as it is, in any case.
    Word(&'a str),
    Number(&'a Number),
    Text(&'a str),
    /// A text behind a tag.
    Tagged(&'static str, String),
    List(&'a [T]),
    /// To be sorted.
    Map(Vec<(&'a str, &'a T)>),
    /// In this order.
    Fields(Vec<(&'a str, &'a T)>),
}

/// A value that can be written.
trait Source: Sized {
    fn view(&self) -> View<'_, Self>;
}

impl Source for Value {
    fn view(&self) -> View<'_, Self> {
        match self {
            Self::Null => View::Word("null"),
            Self::Bool(true) => View::Word("true"),
            Self::Bool(false) => View::Word("false"),
            Self::Number(number) => View::Number(number),
            Self::String(text) => View::Text(text),
            Self::Array(items) => View::List(items),
            Self::Object(fields) => {
                View::Map(fields.iter().map(|(k, v)| (k.as_str(), v)).collect())
            }
        }
    }
}

/// Which library's choices apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    V2,
    V3,
}

/// The state of the text so far.
struct Emitter {
    out: String,
    dialect: Dialect,
    best_indent: usize,
    /// `None` outside of any collection.
    indent: Option<usize>,
    /// Characters on the current line.
    column: usize,
    /// The last character was white space.
    whitespace: bool,
    /// The line holds nothing but indentation and indicators such as `- `.
    indention: bool,
    depth: usize,
}

impl Emitter {
    fn new(dialect: Dialect, best_indent: usize) -> Self {
        Self {
            out: String::with_capacity(256),
            dialect,
            best_indent,
            indent: None,
            column: 0,
            whitespace: true,
            indention: true,
            depth: 0,
        }
    }

    fn document<T: Source>(mut self, value: &T) -> Result<String, WriteError> {
        self.node(value, Place::Root)?;
        self.write_indent();
        Ok(self.out)
    }

    fn node<T: Source>(&mut self, value: &T, place: Place) -> Result<(), WriteError> {
        match value.view() {
            View::Word(word) => self.plain_word(word),
            View::Number(number) => {
                let text = self.number(number);
                self.plain_word(&text);
            }
            View::Text(text) => {
                let text = self.readable(text)?;
                self.string(&text, place);
            }
            View::Tagged(tag, text) => {
                self.plain_word(tag);
                let style = if text.contains('\n') {
                    ScalarStyle::Literal
                } else {
                    ScalarStyle::Plain
                };
                self.scalar(&text, style, place);
            }
            View::List([]) => self.plain_word("[]"),
            View::List(items) => return self.nested(|emitter| emitter.sequence(items, place)),
            View::Map(fields) | View::Fields(fields) if fields.is_empty() => self.plain_word("{}"),
            View::Map(mut fields) => {
                return self.nested(|emitter| {
                    keys::sort(&mut fields, emitter.dialect);
                    emitter.mapping(&fields, place)
                });
            }
            View::Fields(fields) => return self.nested(|emitter| emitter.mapping(&fields, place)),
        }
        Ok(())
    }

    fn nested(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<(), WriteError>,
    ) -> Result<(), WriteError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(WriteError::TooDeep);
        }
        let saved = self.indent;
        inner(self)?;
        self.indent = saved;
        self.depth -= 1;
        Ok(())
    }

    fn sequence<T: Source>(&mut self, items: &[T], place: Place) -> Result<(), WriteError> {
        let compact =
            self.dialect == Dialect::V2 && place == Place::MappingValue && !self.indention;
        if !compact {
            self.increase_indent(place, 0);
        }
        for item in items {
            self.write_indent();
            self.indicator("-", true);
            self.node(item, Place::SequenceItem)?;
        }
        Ok(())
    }

    fn mapping<T: Source>(
        &mut self,
        entries: &[(&str, &T)],
        place: Place,
    ) -> Result<(), WriteError> {
        self.increase_indent(place, 0);
        entries
            .iter()
            .try_for_each(|(key, _)| self.check_key(key))?;
        for (key, value) in entries {
            self.write_indent();
            if key.len() <= SIMPLE_KEY_BYTES_MAX && !style::has_line_break(key) {
                self.string(key, Place::SimpleKey);
                self.colon();
            } else {
                self.indicator("?", true);
                self.string(key, Place::MappingValue);
                self.write_indent();
                self.indicator(":", true);
            }
            self.node(*value, Place::MappingValue)?;
        }
        Ok(())
    }

    /// Goes one level in; `outermost` is the indent where there was none.
    fn increase_indent(&mut self, place: Place, outermost: usize) {
        let best = self.best_indent;
        self.indent = Some(match self.indent {
            None => outermost,
            Some(indent) if self.dialect == Dialect::V2 => indent + best,
            Some(indent) if place == Place::SequenceItem => indent + 2,
            Some(indent) => best * ((indent + best) / best),
        });
    }

    /// The text of a number.
    fn number(&self, number: &Number) -> String {
        match number.as_f64() {
            Some(float) if number.is_f64() => {
                let through = (self.dialect == Dialect::V2)
                    .then(|| through_json(float))
                    .flatten();
                match through {
                    Some(number) if !number.is_f64() => number.to_string(),
                    // JSON has the sign of a zero, YAML's integer loses it.
                    Some(_) if float == 0.0 => "0".to_owned(),
                    _ => general_f64(float),
                }
            }
            _ => number.to_string(),
        }
    }

    /// The string after v2's way through JSON text, which YAML's reader must accept.
    fn readable<'s>(&self, text: &'s str) -> Result<Cow<'s, str>, WriteError> {
        if self.dialect == Dialect::V3 || !style::changes_on_reading(text) {
            return Ok(Cow::Borrowed(text));
        }
        read_back(text).map(Cow::Owned)
    }

    /// A key in JSON text must stay on its line and be short.
    fn check_key(&self, key: &str) -> Result<(), WriteError> {
        let unreadable = self.dialect == Dialect::V2
            && (style::changes_on_reading(key)
                || (key.len() > JSON_KEY_CHARS_MAX / 6 && json_chars(key) > JSON_KEY_CHARS_MAX));
        if unreadable {
            return Err(WriteError::Unreadable(Problem::new(
                "key is not readable as YAML",
            )));
        }
        Ok(())
    }

    fn string(&mut self, text: &str, place: Place) {
        let style = style::choose(text, place == Place::SimpleKey, self.dialect);
        self.scalar(text, style, place);
    }

    /// `:` after a simple key.
    fn colon(&mut self) {
        self.out.push(':');
        self.column += 1;
        self.whitespace = false;
        self.indention = false;
    }

    /// `-`, `?` or `:` where a node may follow on the same line.
    fn indicator(&mut self, text: &str, keeps_indention: bool) {
        if !self.whitespace {
            self.put(' ');
        }
        self.out.push_str(text);
        self.column += text.len();
        self.whitespace = false;
        self.indention = self.indention && keeps_indention;
    }

    /// A short plain text of ASCII that is never folded.
    fn plain_word(&mut self, text: &str) {
        self.indicator(text, false);
    }

    fn put(&mut self, character: char) {
        self.out.push(character);
        self.column += 1;
    }

    fn put_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
        if self.dialect == Dialect::V3 {
            self.indention = true;
        }
    }

    /// Starts a line at the current indent, unless there is one that holds indentation only.
    fn write_indent(&mut self) {
        let indent = self.indent.unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        self.whitespace = true;
        self.indention = true;
    }
}

/// Longest key in JSON text, quotes included, that YAML's reader takes for one.
const JSON_KEY_CHARS_MAX: usize = 1024;

/// The characters of a string in JSON, quotes included.
fn json_chars(text: &str) -> usize {
    json::to_vec(text).map_or(0, |bytes| String::from_utf8_lossy(&bytes).chars().count())
}

/// What YAML's reader has against the JSON text of a value.
fn fault_of_json(value: &Value) -> Option<Problem> {
    let encoded = json::to_vec(value).ok()?;
    let input = crate::input::decode(&encoded);
    compose::compose(&input.text, input.problem).err()
}

/// Writes a string as JSON and reads it as YAML.
fn read_back(text: &str) -> Result<String, WriteError> {
    let unreadable = WriteError::Unreadable;
    let encoded =
        json::to_vec(text).map_err(|_| unreadable(Problem::new("string has no JSON form")))?;
    let input = crate::input::decode(&encoded);
    let document = compose::compose(&input.text, input.problem).map_err(unreadable)?;
    let root = document.root();
    Ok(root
        .as_ref()
        .and_then(nodes::NodeRef::text)
        .unwrap_or_default()
        .to_owned())
}

/// Whether a string may stand without quotes and still be read as a string.
///
/// v3 reads the words of YAML 1.1 as text and quotes them all the same, for other readers.
fn reads_as_text(text: &str) -> bool {
    resolve_plain(text) == Scalar::Text && !is_base60(text)
}
