//! TOML as BurntSushi's library writes it.
//!
//! In: values. Out: text: plain keys first, then tables, each level indented by two blanks. Source:
//! BurntSushi/toml `encode.go`.

use gotemplate::{CallError, LimitError, Str, TEXT_BYTES_MAX, Value, lossy, meter, strconv};

use super::super::json::check_size;
use super::super::moments::Duration;
use super::super::semver::SemverObject;
use super::super::support::{as_time, kind};
use crate::gotime;
use crate::stack::grow;

/// Nesting at which writing gives up.
const DEPTH_MAX: usize = 200;

/// Writes a value, usually a map; the error is the library's text.
pub(in super::super) fn write(value: &Value) -> Result<Vec<u8>, String> {
    check_size(value).map_err(|error| match error {
        CallError::Limit(limit) => exceeded(&limit),
        _ => TOO_DEEP.to_owned(),
    })?;
    let mut writer = Writer { out: Vec::new() };
    match kind_of(value, 0)? {
        Kind::Table => writer.table(value, &mut Vec::new())?,
        Kind::Tables => {
            return Err("toml: top-level values must be Go maps or structs".to_owned());
        }
        Kind::Plain => writer.element(value, 0)?,
        Kind::Nothing => {}
    }
    Ok(writer.out)
}

/// What a value is written as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A nil, which is left out.
    Nothing,
    Plain,
    /// A table of its own.
    Table,
    /// A list of such tables.
    Tables,
}

fn kind_of(value: &Value, depth: usize) -> Result<Kind, String> {
    if depth > DEPTH_MAX {
        return Err(TOO_DEEP.to_owned());
    }
    Ok(match value {
        Value::Nil => Kind::Nothing,
        Value::Map(map) if map.is_nil() => Kind::Nothing,
        Value::List(list) if list.is_nil() => Kind::Nothing,
        Value::Map(_) => Kind::Table,
        Value::List(list) => {
            let items = list.borrow();
            let mut tables = !items.is_empty();
            for item in items.iter() {
                match grow(|| kind_of(item, depth + 1))? {
                    Kind::Nothing => {
                        return Err("toml: cannot encode array with nil element".to_owned());
                    }
                    kind => tables &= kind == Kind::Table,
                }
            }
            if tables { Kind::Tables } else { Kind::Plain }
        }
        Value::Native(native) => {
            let is_plain = native.integer().is_some()
                || as_time(value).is_some()
                || value.as_native::<SemverObject>().is_some();
            if is_plain { Kind::Plain } else { Kind::Table }
        }
        Value::Complex(_) | Value::Func(_) => {
            return Err(format!("unsupported type: {}", kind(value)));
        }
        _ => Kind::Plain,
    })
}

/// Fails the call itself, because some functions take an error for a text.
fn exceeded(limit: &LimitError) -> String {
    meter::exceed(limit.clone());
    limit.to_string()
}

const TOO_DEEP: &str = "toml: values are nested too deep";

struct Writer {
    out: Vec<u8>,
}

/// The entries of a map by their keys, or the fields of a struct as declared.
fn entries(value: &Value) -> Vec<(Str, Value)> {
    match value {
        Value::Map(map) => map.to_vec().into_iter().collect(),
        Value::Native(native) => {
            let mut fields = native.fields();
            fields.retain(|(name, _)| name.starts_with(|c: char| c.is_ascii_uppercase()));
            let fields = fields.into_iter();
            fields
                .map(|(name, value)| (Str::from_static(name), value))
                .collect()
        }
        _ => Vec::new(),
    }
}

impl Writer {
    fn table(&mut self, value: &Value, path: &mut Vec<Vec<u8>>) -> Result<(), String> {
        if path.len() > DEPTH_MAX {
            return Err(TOO_DEEP.to_owned());
        }
        let (plain, tables) = sorted(value)?;
        for (key, value) in plain {
            self.indent(path.len());
            self.out.extend(quoted_key(&key));
            self.out.extend_from_slice(b" = ");
            self.element(&value, 0)?;
            self.newline();
        }
        for (key, value) in tables {
            path.push(quoted_key(&key));
            match &value {
                Value::List(list) => {
                    for item in list.to_vec() {
                        self.newline();
                        self.header(path, b"[[", b"]]")?;
                        grow(|| self.table(&item, path))?;
                    }
                }
                value => {
                    if path.len() == 1 {
                        self.newline();
                    }
                    self.header(path, b"[", b"]")?;
                    grow(|| self.table(value, path))?;
                }
            }
            path.pop();
        }
        Ok(())
    }

    /// Each header repeats the keys above it.
    fn header(&mut self, path: &[Vec<u8>], open: &[u8], close: &[u8]) -> Result<(), String> {
        let n_bytes: usize = path.iter().map(Vec::len).sum();
        if self.out.len() + n_bytes > TEXT_BYTES_MAX {
            return Err(exceeded(&LimitError::TextBytes {
                max: TEXT_BYTES_MAX,
            }));
        }
        self.indent(path.len() - 1);
        self.out.extend_from_slice(open);
        self.out.extend(path.join(&b'.'));
        self.out.extend_from_slice(close);
        self.newline();
        Ok(())
    }

    fn newline(&mut self) {
        if !self.out.is_empty() {
            self.out.push(b'\n');
        }
    }

    /// Keys of a table are indented one level more than its header, except at the top.
    fn indent(&mut self, level: usize) {
        self.out.extend(b"  ".repeat(level));
    }

    /// A value on one line.
    fn element(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(TOO_DEEP.to_owned());
        }
        match value {
            Value::Bool(b) => self.out.extend_from_slice(b.to_string().as_bytes()),
            Value::Int(kind, int) if kind.is_signed() => self.text(&int.to_string()),
            Value::Int(_, bits) => self.text(&bits.cast_unsigned().to_string()),
            Value::Float(float) => self.text(&float_text(*float)),
            Value::Str(text) => self.out.extend(quoted(text)),
            Value::Bytes(bytes) => {
                let parts: Vec<String> = bytes.iter().map(u8::to_string).collect();
                self.text(&format!("[{}]", parts.join(", ")));
            }
            Value::List(list) => {
                self.out.push(b'[');
                for (i, item) in list.to_vec().iter().enumerate() {
                    if i > 0 {
                        self.out.extend_from_slice(b", ");
                    }
                    grow(|| self.element(item, depth + 1))?;
                }
                self.out.push(b']');
            }
            Value::Map(_) => self.inline(value, depth)?,
            Value::Native(native) => {
                if let Some(time) = as_time(value) {
                    self.text(&time.0.format(time_layout(&time.0)));
                } else if let Some(duration) = value.as_native::<Duration>() {
                    self.out
                        .extend(quoted(gotime::duration_text(duration.0).as_bytes()));
                } else if let Some((_, integer)) = native.integer() {
                    self.text(&integer.to_string());
                } else if let Some(object) = value.as_native::<SemverObject>() {
                    self.out
                        .extend(quoted(object.version.to_string().as_bytes()));
                } else {
                    self.inline(value, depth)?;
                }
            }
            Value::Nil | Value::Complex(_) | Value::Func(_) => {
                return Err(format!("unexpected type: {}", value.type_name()));
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn inline(&mut self, value: &Value, depth: usize) -> Result<(), String> {
        let (plain, tables) = sorted(value)?;
        let mut rest = plain.len() + tables.len();
        self.out.push(b'{');
        for (key, value) in plain.into_iter().chain(tables) {
            rest -= 1;
            self.out.extend(quoted_key(&key));
            self.out.extend_from_slice(b" = ");
            grow(|| self.element(&value, depth + 1))?;
            if rest > 0 {
                self.out.extend_from_slice(b", ");
            }
        }
        self.out.push(b'}');
        Ok(())
    }
}

type Entries = Vec<(Str, Value)>;

/// What is written in a line, and what is written as tables; nils are neither.
fn sorted(value: &Value) -> Result<(Entries, Entries), String> {
    let (mut plain, mut tables) = (Vec::new(), Vec::new());
    for (key, value) in entries(value) {
        match kind_of(&value, 0)? {
            Kind::Nothing => {}
            Kind::Plain => plain.push((key, value)),
            Kind::Table | Kind::Tables => tables.push((key, value)),
        }
    }
    Ok((plain, tables))
}

/// Times that were read without a zone or a date are written without.
fn time_layout(moment: &gotime::Moment) -> &'static str {
    match &moment.zone {
        gotime::Zone::Fixed(name, _) => match &**name {
            "datetime-local" => "2006-01-02T15:04:05.999999999",
            "date-local" => "2006-01-02",
            "time-local" => "15:04:05.999999999",
            _ => "2006-01-02T15:04:05.999999999Z07:00",
        },
        _ => "2006-01-02T15:04:05.999999999Z07:00",
    }
}

/// Shortest form, with a point so that it stays a float.
fn float_text(float: f64) -> String {
    if float.is_nan() {
        return "nan".to_owned();
    }
    if float.is_infinite() {
        return (if float < 0.0 { "-inf" } else { "inf" }).to_owned();
    }
    let mut text = Vec::new();
    strconv::append_float(&mut text, float, b'g', None);
    let text = lossy(&text).into_owned();
    if text.contains(['.', 'e']) {
        text
    } else {
        format!("{text}.0")
    }
}

pub(super) fn quoted_key(key: &[u8]) -> Vec<u8> {
    let bare = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !key.is_empty() && key.iter().all(bare) {
        key.to_vec()
    } else {
        quoted(key)
    }
}

fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for byte in text {
        let short: &[u8] = match byte {
            b'\t' => b"\\t",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            0x8 => b"\\b",
            0xc => b"\\f",
            0..=0x1f | 0x7f => {
                out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                continue;
            }
            byte => std::slice::from_ref(byte),
        };
        out.extend_from_slice(short);
    }
    out.push(b'"');
    out
}
