//! The one-line notations of `--set`, `--set-string`, `--set-json`, `--set-file` and `--set-literal`.
//!
//! In: a line such as `a.b[0]=1,c={x,y}` and the values to change. Out: the changed values. The rules
//! and the texts of errors are those of Helm's `strvals`. Reads no files: `--set-file` gets a
//! function that does.

use serde_json::{Map, Value};

/// Largest list index that may be set.
const MAX_INDEX: usize = 65_536;
/// Deepest nesting of dots in a name.
const MAX_NESTING: usize = 30;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// Reads what `--set-file` names: a path in, the text out, or why it cannot be read.
pub type FileReader<'a> = &'a mut dyn FnMut(&str) -> Result<String, String>;

/// Values as `--set` types them: `true`, `false`, `null`, integers (64 bits), else text.
pub fn set(line: &str, values: &mut Map<String, Value>) -> Result<(), Error> {
    Parser::new(line, Mode::Typed).run(values)
}

/// All values are texts, as `--set-string`.
pub fn set_string(line: &str, values: &mut Map<String, Value>) -> Result<(), Error> {
    Parser::new(line, Mode::Text).run(values)
}

/// Values are JSON, as `--set-json`; an empty one is null.
pub fn set_json(line: &str, values: &mut Map<String, Value>) -> Result<(), Error> {
    Parser::new(line, Mode::Json).run(values)
}

/// Values are names of files whose texts are taken, as `--set-file`.
pub fn set_file(
    line: &str,
    values: &mut Map<String, Value>,
    reader: FileReader<'_>,
) -> Result<(), Error> {
    Parser::new(line, Mode::File(reader)).run(values)
}

/// One name and one text taken as it is, as `--set-literal`.
pub fn set_literal(line: &str, values: &mut Map<String, Value>) -> Result<(), Error> {
    Parser::new(line, Mode::Literal).run(values)
}

enum Mode<'a> {
    Typed,
    Text,
    Json,
    File(FileReader<'a>),
    Literal,
}

/// How a step ended other than well.
enum Stop {
    /// The line is used up: what was read so far is kept.
    End,
    Failed(String),
}

type Step<T> = Result<T, Stop>;

fn fail<T>(message: impl Into<String>) -> Step<T> {
    Err(Stop::Failed(message.into()))
}

struct Parser<'a> {
    input: Vec<char>,
    position: usize,
    mode: Mode<'a>,
}

impl<'a> Parser<'a> {
    fn new(line: &str, mode: Mode<'a>) -> Self {
        Self {
            input: line.chars().collect(),
            position: 0,
            mode,
        }
    }

    fn run(mut self, values: &mut Map<String, Value>) -> Result<(), Error> {
        loop {
            match self.key(values, 0) {
                Ok(()) => {}
                Err(Stop::End) => return Ok(()),
                Err(Stop::Failed(message)) => return Err(Error(message)),
            }
        }
    }

    fn literal(&self) -> bool {
        matches!(self.mode, Mode::Literal)
    }

    fn next(&mut self) -> Option<char> {
        let c = self.input.get(self.position).copied();
        self.position += usize::from(c.is_some());
        c
    }

    /// Characters up to one of `stops`, which is used up and returned; none at the end of the line.
    /// A backslash takes the next character as it is, except in literal lines.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut out = String::new();
        while let Some(c) = self.next() {
            if stops.contains(&c) {
                return (out, Some(c));
            }
            if c == '\\' && !self.literal() {
                match self.next() {
                    Some(escaped) => out.push(escaped),
                    None => return (out, None),
                }
            } else {
                out.push(c);
            }
        }
        (out, None)
    }

    fn key(&mut self, data: &mut Map<String, Value>, nesting: usize) -> Step<()> {
        let stops: &[char] = if self.literal() {
            &['=', '[', '.']
        } else {
            &['=', '[', ',', '.']
        };
        let (name, last) = self.until(stops);
        match last {
            None if name.is_empty() => Err(Stop::End),
            None => fail(format!("key {} has no value", quote(&name))),
            Some('[') => self.indexed_key(data, &name, nesting),
            Some('=') => self.assign(data, &name),
            Some('.') => self.nested_key(data, &name, nesting + 1),
            Some(_) => {
                put(data, &name, Value::String(String::new()));
                fail(format!(
                    "key {} has no value (cannot end with ,)",
                    quote(&name)
                ))
            }
        }
    }

    fn indexed_key(
        &mut self,
        data: &mut Map<String, Value>,
        name: &str,
        nesting: usize,
    ) -> Step<()> {
        let index = self.index()?;
        let mut list = match data.remove(name) {
            None => Vec::new(),
            Some(Value::Array(list)) => list,
            Some(other) => return fail(conversion(&other, "[]interface {}")),
        };
        let result = self.list_item(&mut list, index, nesting);
        put(data, name, Value::Array(list));
        result
    }

    fn nested_key(
        &mut self,
        data: &mut Map<String, Value>,
        name: &str,
        nesting: usize,
    ) -> Step<()> {
        if nesting > MAX_NESTING {
            return fail(format!(
                "value name nested level is greater than maximum supported nested level of {MAX_NESTING}"
            ));
        }
        let existing = data.remove(name);
        let exists = existing.is_some();
        let mut inner = match existing {
            None => Map::new(),
            Some(Value::Object(map)) => map,
            Some(other) => return fail(conversion(&other, "map[string]interface {}")),
        };
        let result = self.key(&mut inner, nesting);
        if result.is_ok() && inner.is_empty() {
            return fail(format!("key map {} has no value", quote(name)));
        }
        if exists || !inner.is_empty() {
            put(data, name, Value::Object(inner));
        }
        result
    }

    fn assign(&mut self, data: &mut Map<String, Value>, name: &str) -> Step<()> {
        match self.mode {
            Mode::Literal => {
                let text = self.until(&[]).0;
                put(data, name, Value::String(text));
                Ok(())
            }
            Mode::Json => {
                let value = self.json()?;
                put(data, name, value);
                Ok(())
            }
            _ => match self.value()? {
                Read::Value(value) => {
                    put(data, name, value);
                    Ok(())
                }
                Read::Nothing => {
                    put(data, name, Value::String(String::new()));
                    Err(Stop::End)
                }
            },
        }
    }

    fn list_item(&mut self, list: &mut Vec<Value>, index: i64, nesting: usize) -> Step<()> {
        if index < 0 {
            return fail(format!("negative {index} index not allowed"));
        }
        let (extra, ending) = self.until(&['[', '.', '=']);
        if !extra.is_empty() {
            let extra = extra
                .chars()
                .map(|c| gotemplate::Value::int(u32::from(c).into()));
            let extra = gotemplate::Value::list(extra.collect());
            return fail(sprig::gotext::format(
                "unexpected data at end of array index: %q",
                &[extra],
            ));
        }
        match ending {
            None => Err(Stop::End),
            Some('=') => {
                let value = match self.mode {
                    Mode::Literal => Value::String(self.until(&[]).0),
                    Mode::Json => self.json()?,
                    _ => match self.value()? {
                        Read::Value(value) => value,
                        Read::Nothing => Value::String(String::new()),
                    },
                };
                set_index(list, index, value)
            }
            Some('[') => self.nested_list(list, index, nesting),
            Some(_) => self.nested_object(list, index, nesting),
        }
    }

    fn nested_list(&mut self, list: &mut Vec<Value>, index: i64, nesting: usize) -> Step<()> {
        let next = self.index()?;
        let mut inner = match usize::try_from(index).ok().and_then(|i| list.get(i)) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(inner)) => inner.clone(),
            Some(other) => return fail(conversion(other, "[]interface {}")),
        };
        self.list_item(&mut inner, next, nesting)?;
        set_index(list, index, Value::Array(inner))
    }

    fn nested_object(&mut self, list: &mut Vec<Value>, index: i64, nesting: usize) -> Step<()> {
        let existing = usize::try_from(index).ok().and_then(|i| list.get_mut(i));
        if let Some(slot) = existing {
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            if let Value::Object(inner) = slot {
                return self.key(inner, nesting);
            }
        }
        let mut inner = Map::new();
        self.key(&mut inner, nesting)?;
        set_index(list, index, Value::Object(inner))
    }

    fn index(&mut self) -> Step<i64> {
        let (digits, last) = self.until(&[']']);
        if last.is_none() {
            // Quirk: the end of the line is no error here either.
            return Err(Stop::End);
        }
        digits.parse().or_else(|error: std::num::ParseIntError| {
            use std::num::IntErrorKind::{NegOverflow, PosOverflow};
            let reason = match error.kind() {
                PosOverflow | NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            fail(format!(
                "error parsing index: strconv.Atoi: parsing {}: {reason}",
                quote(&digits)
            ))
        })
    }

    /// A JSON value at the current position, then blanks and a comma.
    fn json(&mut self) -> Step<Value> {
        if self.skip_empty() {
            return Ok(Value::Null);
        }
        let rest: String = self.input[self.position..].iter().collect();
        let mut stream = serde_json::Deserializer::from_str(&rest).into_iter::<Value>();
        let value = match stream.next() {
            Some(Ok(value)) => crate::values::as_decoded(value),
            Some(Err(error)) => return fail(error.to_string()),
            None => return fail("EOF"),
        };
        self.position += rest[..stream.byte_offset()].chars().count();
        self.skip_empty();
        Ok(value)
    }

    /// Uses up blanks and a comma; true when nothing else came first.
    fn skip_empty(&mut self) -> bool {
        loop {
            match self.next() {
                None | Some(',') => return true,
                Some(c) if c.is_whitespace() => {}
                Some(_) => {
                    self.position -= 1;
                    return false;
                }
            }
        }
    }

    fn value(&mut self) -> Step<Read> {
        match self.next() {
            None => return Ok(Read::Nothing),
            Some('{') => return self.braces().map(Read::Value),
            Some(_) => self.position -= 1,
        }
        let (text, _) = self.until(&[',']);
        self.typed(text).map(Read::Value)
    }

    fn braces(&mut self) -> Step<Value> {
        let mut list = Vec::new();
        loop {
            let (text, ending) = self.until(&[',', '}']);
            match ending {
                None => return fail("list must terminate with '}'"),
                Some('}') => {
                    if self.input.get(self.position) == Some(&',') {
                        self.position += 1;
                    }
                    list.push(self.typed(text)?);
                    return Ok(Value::Array(list));
                }
                Some(_) => list.push(self.typed(text)?),
            }
        }
    }

    fn typed(&mut self, text: String) -> Step<Value> {
        match &mut self.mode {
            Mode::Typed => Ok(typed(text)),
            Mode::File(reader) => reader(&text).map(Value::String).or_else(fail),
            Mode::Text | Mode::Json | Mode::Literal => Ok(Value::String(text)),
        }
    }
}

enum Read {
    Value(Value),
    Nothing,
}

fn typed(text: String) -> Value {
    match text.to_ascii_lowercase().as_str() {
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        "null" => return Value::Null,
        "0" => return Value::from(0_i64),
        _ => {}
    }
    if !text.starts_with('0')
        && let Ok(number) = text.parse::<i64>()
    {
        return Value::from(number);
    }
    Value::String(text)
}

/// Names that are empty are not set.
fn put(data: &mut Map<String, Value>, name: &str, value: Value) {
    if !name.is_empty() {
        data.insert(name.to_owned(), value);
    }
}

fn set_index(list: &mut Vec<Value>, index: i64, value: Value) -> Step<()> {
    let position = match usize::try_from(index) {
        Err(_) => return fail(format!("negative {index} index not allowed")),
        Ok(i) if i > MAX_INDEX => {
            return fail(format!(
                "index of {index} is greater than maximum supported index of {MAX_INDEX}"
            ));
        }
        Ok(i) => i,
    };
    if list.len() <= position {
        list.resize(position + 1, Value::Null);
    }
    list[position] = value;
    Ok(())
}

fn quote(text: &str) -> String {
    sprig::gotext::quote(text.as_bytes())
}

fn conversion(value: &Value, wanted: &str) -> String {
    let found = match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    format!("unable to parse key: interface conversion: interface {{}} is {found}, not {wanted}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    type Set = fn(&str, &mut Map<String, Value>) -> Result<(), Error>;

    fn check(set: Set, line: &str, start: Value, want: Result<Value, &str>) {
        let Value::Object(mut values) = start else {
            unreachable!("starts from an object")
        };
        let got = set(line, &mut values).map(|()| Value::Object(values));
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want, "{line:?}"),
            (Err(got), Err(want)) => assert_eq!(got.to_string(), want, "{line:?}"),
            (got, want) => panic!("{line:?}: got {got:?}, want {want:?}"),
        }
    }

    #[test]
    fn set_types_its_values() {
        for (line, want) in [
            (
                "a=1,b=true,c=null,d=x",
                json!({"a": 1, "b": true, "c": null, "d": "x"}),
            ),
            (
                "a=0,b=00,c=-5,d=1.5,e=08",
                json!({"a": 0, "b": "00", "c": -5, "d": "1.5", "e": "08"}),
            ),
            ("a.b.c=1,a.d=2", json!({"a": {"b": {"c": 1}, "d": 2}})),
            ("a={1,x,true},b={}", json!({"a": [1, "x", true], "b": [""]})),
            ("a[0]=x,a[2]=y", json!({"a": ["x", null, "y"]})),
            ("a[0].b=1,a[0].c=2", json!({"a": [{"b": 1, "c": 2}]})),
            ("a[1][0]=1", json!({"a": [null, [1]]})),
            (r"a\.b=x\,y", json!({"a.b": "x,y"})),
            ("a=", json!({"a": ""})),
            ("a=1,b[0", json!({"a": 1})),
            ("a[0][1", json!({"a": []})),
            ("a[1]", json!({"a": []})),
            ("a.", json!({})),
            ("a=TRUE,b=Null", json!({"a": true, "b": null})),
            ("", json!({})),
            ("=x", json!({})),
            (
                "a=99999999999999999999",
                json!({"a": "99999999999999999999"}),
            ),
        ] {
            check(set, line, json!({}), Ok(want));
        }
    }

    #[test]
    fn an_unfinished_name_keeps_what_was_there() {
        for line in ["m.", "m.x.", "l[0].", "l[0"] {
            let start = json!({"m": {"x": {}}, "l": [{}]});
            check(set, line, start.clone(), Ok(start));
        }
    }

    #[test]
    fn set_refuses_what_helm_refuses() {
        for (line, start, want) in [
            ("a", json!({}), r#"key "a" has no value"#),
            (
                "a,b=1",
                json!({}),
                r#"key "a" has no value (cannot end with ,)"#,
            ),
            ("a.b", json!({}), r#"key "b" has no value"#),
            (
                "a[x]=1",
                json!({}),
                r#"error parsing index: strconv.Atoi: parsing "x": invalid syntax"#,
            ),
            (
                "a[99999999999999999999]=1",
                json!({}),
                r#"error parsing index: strconv.Atoi: parsing "99999999999999999999": value out of range"#,
            ),
            ("a[-1]=1", json!({}), "negative -1 index not allowed"),
            (
                "a[0]x=1",
                json!({}),
                "unexpected data at end of array index: ['x']",
            ),
            (
                "a[70000]=1",
                json!({}),
                "index of 70000 is greater than maximum supported index of 65536",
            ),
            ("a={1,2", json!({}), "list must terminate with '}'"),
            (
                "a.b=1",
                json!({"a": "text"}),
                "unable to parse key: interface conversion: interface {} is string, not map[string]interface {}",
            ),
            (
                "a[0]=1",
                json!({"a": null}),
                "unable to parse key: interface conversion: interface {} is nil, not []interface {}",
            ),
        ] {
            check(set, line, start, Err(want));
        }
        let deep = format!("{}=1", vec!["a"; 32].join("."));
        check(
            set,
            &deep,
            json!({}),
            Err("value name nested level is greater than maximum supported nested level of 30"),
        );
    }

    #[test]
    fn the_other_notations_keep_their_kinds() {
        check(
            set_string,
            "a=1,b={2}",
            json!({}),
            Ok(json!({"a": "1", "b": ["2"]})),
        );
        check(
            set_json,
            r#"a=[1,{"b":2}],c={"x":null} ,d=,e="y""#,
            json!({}),
            Ok(json!({"a": [1.0, {"b": 2.0}], "c": {"x": null}, "d": null, "e": "y"})),
        );
        check(
            set_literal,
            r"a.b=x,y=\z{1}",
            json!({}),
            Ok(json!({"a": {"b": r"x,y=\z{1}"}})),
        );
        let mut values = Map::new();
        let mut reader = |path: &str| {
            if path == "here" {
                Ok("text".to_owned())
            } else {
                Err(format!("open {path}: no such file"))
            }
        };
        assert_eq!(set_file("a=here", &mut values, &mut reader), Ok(()));
        assert_eq!(Value::Object(values), json!({"a": "text"}));
        let missing = set_file("a=gone", &mut Map::new(), &mut reader);
        assert_eq!(
            missing.expect_err("no file").to_string(),
            "open gone: no such file"
        );
    }
}
