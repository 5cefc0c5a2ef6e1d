//! JSONPath in kubectl's dialect, as `additionalPrinterColumns`, `scale` paths and `kubectl -o jsonpath` use it.
//!
//! In: an expression such as `.status.conditions[?(@.type=="Ready")].message`, and a value. Out: the values it finds, in document
//! order; a missing key finds nothing. Templates (`{range}`, text around braces) are refused: no API field takes them.
//!
//! Source: `client-go/util/jsonpath`.

use serde_json::Value;

/// Why an expression is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A bracket, parenthesis or quote is not closed.
    #[error("unterminated {what} in json path {path:?}")]
    Unterminated {
        /// What is open: `array`, `filter` or `quote`.
        what: &'static str,
        /// The expression.
        path: String,
    },
    /// A character that cannot stand where it stands.
    #[error("unexpected {found:?} at byte {at} of json path {path:?}")]
    Unexpected {
        /// The character.
        found: char,
        /// Its place.
        at: usize,
        /// The expression.
        path: String,
    },
    /// What stands between brackets is no index, slice, name or filter.
    #[error("invalid array index {index:?} in json path {path:?}")]
    Index {
        /// The text between the brackets.
        index: String,
        /// The expression.
        path: String,
    },
    /// A construct of kubectl's templates.
    #[error("{word:?} is not supported in json path {path:?}")]
    Unsupported {
        /// The word.
        word: String,
        /// The expression.
        path: String,
    },
}

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    Fields(Vec<String>),
    Wildcard,
    Recursive,
    Indexes(Vec<i64>),
    Slice {
        start: Option<i64>,
        end: Option<i64>,
        step: i64,
    },
    Filter {
        left: Operand,
        test: Option<(Operator, Operand)>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, PartialEq)]
enum Operand {
    Path(JsonPath),
    Literal(Value),
}

impl JsonPath {
    /// Parses an expression; it may be wrapped in braces and may start with `$`, `@` or nothing.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let inner = text.trim();
        let inner = inner
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'))
            .unwrap_or(inner);
        if let Some(word) = ["range", "end"].into_iter().find(|word| {
            inner
                .strip_prefix(word)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        }) {
            return Err(Error::Unsupported {
                word: word.to_owned(),
                path: text.to_owned(),
            });
        }
        Parser { text: inner, at: 0 }.path()
    }

    /// What the expression finds in `value`, in document order.
    pub fn find<'a>(&'a self, value: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![value];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in found {
                step.walk(value, &mut next);
            }
            found = next;
        }
        found
    }

    /// The first value found.
    pub fn first<'a>(&'a self, value: &'a Value) -> Option<&'a Value> {
        self.find(value).into_iter().next()
    }
}

impl Step {
    fn walk<'a>(&'a self, value: &'a Value, found: &mut Vec<&'a Value>) {
        match self {
            Self::Field(name) => found.extend(value.get(name)),
            Self::Fields(names) => found.extend(names.iter().filter_map(|name| value.get(name))),
            Self::Wildcard => match value {
                Value::Array(list) => found.extend(list),
                Value::Object(map) => found.extend(map.values()),
                _ => {}
            },
            Self::Recursive => descend(value, found),
            Self::Indexes(indexes) => {
                let Value::Array(list) = value else { return };
                found.extend(
                    indexes
                        .iter()
                        .filter_map(|index| list.get(offset(*index, list.len())?)),
                );
            }
            Self::Slice { start, end, step } => {
                let Value::Array(list) = value else { return };
                let bound = |at: i64| if at < 0 { at + list.len() as i64 } else { at };
                let start = bound(start.unwrap_or(0)).max(0) as usize;
                let end =
                    bound(end.unwrap_or(list.len() as i64)).clamp(0, list.len() as i64) as usize;
                found.extend(
                    list.iter()
                        .take(end)
                        .skip(start)
                        .step_by((*step).max(1) as usize),
                );
            }
            Self::Filter { left, test } => {
                let items: Vec<&Value> = match value {
                    Value::Array(list) => list.iter().collect(),
                    Value::Object(map) => map.values().collect(),
                    _ => return,
                };
                found.extend(
                    items
                        .into_iter()
                        .filter(|item| passes(item, left, test.as_ref())),
                );
            }
        }
    }
}

fn offset(index: i64, len: usize) -> Option<usize> {
    let at = if index < 0 { index + len as i64 } else { index };
    usize::try_from(at).ok()
}

fn descend<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    found.push(value);
    match value {
        Value::Array(list) => list.iter().for_each(|item| descend(item, found)),
        Value::Object(map) => map.values().for_each(|item| descend(item, found)),
        _ => {}
    }
}

fn passes(item: &Value, left: &Operand, test: Option<&(Operator, Operand)>) -> bool {
    let operand = |operand: &Operand| match operand {
        Operand::Literal(value) => Some(value.clone()),
        Operand::Path(path) => path.first(item).cloned(),
    };
    let left = operand(left);
    let Some((operator, right)) = test else {
        return left.is_some();
    };
    let (Some(left), Some(right)) = (left, operand(right)) else {
        return false;
    };
    let order = match (&left, &right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64().partial_cmp(&right.as_f64()),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    };
    match operator {
        Operator::Equal => left == right || order.is_some_and(std::cmp::Ordering::is_eq),
        Operator::NotEqual => left != right && !order.is_some_and(std::cmp::Ordering::is_eq),
        Operator::Less => order.is_some_and(std::cmp::Ordering::is_lt),
        Operator::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
        Operator::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
        Operator::GreaterOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn eat(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        if found {
            self.at += prefix.len();
        }
        found
    }

    fn path(&mut self) -> Result<JsonPath, Error> {
        let mut steps = Vec::new();
        if !self.eat("$") {
            self.eat("@");
        }
        while let Some(c) = self.rest().chars().next() {
            match c {
                '.' if self.eat("..") => steps.push(Step::Recursive),
                '.' => {
                    self.at += 1;
                    if self.rest().is_empty() || self.rest().starts_with('[') {
                        continue;
                    }
                }
                '[' => {
                    self.at += 1;
                    steps.push(self.bracket()?);
                    continue;
                }
                _ if self.at > 0
                    && !matches!(steps.last(), Some(Step::Recursive))
                    && !self.text[..self.at].ends_with('.') =>
                {
                    return Err(self.unexpected(c));
                }
                _ => {}
            }
            if self.rest().is_empty() || self.rest().starts_with('[') {
                continue;
            }
            steps.push(self.name()?);
        }
        Ok(JsonPath { steps })
    }

    fn unexpected(&self, found: char) -> Error {
        Error::Unexpected {
            found,
            at: self.at,
            path: self.text.to_owned(),
        }
    }

    /// A field name up to the next `.` or `[`; a backslash takes the next character as it is.
    fn name(&mut self) -> Result<Step, Error> {
        let mut name = String::new();
        let mut chars = self.rest().char_indices();
        let mut end = self.rest().len();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some((_, c)) => name.push(c),
                    None => return Err(self.unexpected('\\')),
                },
                '.' | '[' => {
                    end = at;
                    break;
                }
                '{' | '}' | '(' | ')' | ']' => {
                    self.at += at;
                    return Err(self.unexpected(c));
                }
                c => name.push(c),
            }
        }
        self.at += end;
        match name.as_str() {
            "*" => Ok(Step::Wildcard),
            _ => Ok(Step::Field(name)),
        }
    }

    /// What follows `[`.
    fn bracket(&mut self) -> Result<Step, Error> {
        if self.eat("?(") {
            return self.filter();
        }
        let inner = self.until(']', "array")?.trim();
        if inner == "*" {
            return Ok(Step::Wildcard);
        }
        let invalid = || Error::Index {
            index: inner.to_owned(),
            path: self.text.to_owned(),
        };
        if inner.starts_with(['\'', '"']) {
            let names: Option<Vec<String>> =
                inner.split(',').map(|part| quoted(part.trim())).collect();
            let mut names = names.ok_or_else(invalid)?;
            return Ok(if names.len() == 1 {
                Step::Field(names.remove(0))
            } else {
                Step::Fields(names)
            });
        }
        if inner.contains(':') {
            let parts: Vec<&str> = inner.split(':').map(str::trim).collect();
            let number = |text: Option<&&str>| match text {
                None | Some(&"") => Ok(None),
                Some(text) => text.parse::<i64>().map(Some).map_err(|_| invalid()),
            };
            let step = number(parts.get(2))?.unwrap_or(1);
            if parts.len() > 3 || step < 1 {
                return Err(invalid());
            }
            return Ok(Step::Slice {
                start: number(parts.first())?,
                end: number(parts.get(1))?,
                step,
            });
        }
        let indexes: Result<Vec<i64>, _> =
            inner.split(',').map(|part| part.trim().parse()).collect();
        indexes.map(Step::Indexes).map_err(|_| invalid())
    }

    /// The text up to an unquoted `close` on this level.
    fn until(&mut self, close: char, what: &'static str) -> Result<&'a str, Error> {
        let rest = self.rest();
        let mut quote = None;
        let mut depth = 0;
        for (at, c) in rest.char_indices() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (None, '\'' | '"') => quote = Some(c),
                (None, c) if c == close && depth == 0 => {
                    self.at += at + c.len_utf8();
                    return Ok(&rest[..at]);
                }
                (None, '[' | '(') => depth += 1,
                (None, ']' | ')') => depth -= 1,
                _ => {}
            }
        }
        let what = if quote.is_some() { "quote" } else { what };
        Err(Error::Unterminated {
            what,
            path: self.text.to_owned(),
        })
    }

    fn filter(&mut self) -> Result<Step, Error> {
        let inner = self.until(')', "filter")?;
        if !self.eat("]") {
            return Err(Error::Unterminated {
                what: "filter",
                path: self.text.to_owned(),
            });
        }
        let Some((at, text, operator)) = find_operator(inner) else {
            return Ok(Step::Filter {
                left: self.operand(inner)?,
                test: None,
            });
        };
        let left = self.operand(&inner[..at])?;
        let right = self.operand(&inner[at + text.len()..])?;
        Ok(Step::Filter {
            left,
            test: Some((operator, right)),
        })
    }

    fn operand(&self, text: &str) -> Result<Operand, Error> {
        let text = text.trim();
        if let Some(literal) = quoted(text) {
            return Ok(Operand::Literal(Value::String(literal)));
        }
        if text.starts_with(['@', '$', '.']) {
            return Ok(Operand::Path(Parser { text, at: 0 }.path()?));
        }
        match serde_json::from_str::<Value>(text) {
            Ok(value @ (Value::Bool(_) | Value::Number(_) | Value::Null)) => {
                Ok(Operand::Literal(value))
            }
            _ => Err(Error::Index {
                index: text.to_owned(),
                path: self.text.to_owned(),
            }),
        }
    }
}

/// The first comparison outside quotes.
fn find_operator(text: &str) -> Option<(usize, &'static str, Operator)> {
    const OPERATORS: [(&str, Operator); 6] = [
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, _) => {
                let found = OPERATORS
                    .iter()
                    .find(|(word, _)| text[at..].starts_with(word));
                if let Some((word, operator)) = found {
                    return Some((at, word, *operator));
                }
            }
        }
    }
    None
}

/// The text between equal quotes, with backslash escapes resolved.
fn quoted(text: &str) -> Option<String> {
    let quote = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.push(chars.next()?),
            c if c == quote => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn expressions_find_what_kubectl_finds() {
        let object = json!({
            "metadata": {"labels": {"app.kubernetes.io/name": "x"}},
            "spec": {"list": [1, 2, 3], "a": {"b": "c"}, "empty": ""},
            "status": {"conditions": [
                {"type": "Ready", "status": "True", "message": "fine", "n": 1},
                {"type": "Synced", "status": "False", "message": "later", "n": 2},
            ]},
        });
        let cases = [
            (".spec.a.b", json!(["c"])),
            ("{.spec.a.b}", json!(["c"])),
            ("$.spec.a.b", json!(["c"])),
            ("spec.a.b", json!(["c"])),
            (".spec['a'].b", json!(["c"])),
            (".spec[\"a\"]['b']", json!(["c"])),
            (".spec.missing.b", json!([])),
            (".spec.list[0]", json!([1])),
            (".spec.list[-1]", json!([3])),
            (".spec.list[7]", json!([])),
            (".spec.list[*]", json!([1, 2, 3])),
            (".spec.list[0:2]", json!([1, 2])),
            (".spec.list[1:]", json!([2, 3])),
            (".spec.list[::2]", json!([1, 3])),
            (".spec.list[0,2]", json!([1, 3])),
            (".spec['a','empty']", json!([{"b": "c"}, ""])),
            (".metadata.labels.app\\.kubernetes\\.io/name", json!(["x"])),
            (
                ".metadata.labels['app\\.kubernetes\\.io/name']",
                json!(["x"]),
            ),
            (".metadata.labels['app.kubernetes.io/name']", json!(["x"])),
            (
                ".status.conditions[?(@.type==\"Ready\")].message",
                json!(["fine"]),
            ),
            (
                ".status.conditions[?(@.type == 'Synced')].status",
                json!(["False"]),
            ),
            (
                ".status.conditions[?(@.type != 'Synced')].status",
                json!(["True"]),
            ),
            (".status.conditions[?(@.n > 1)].type", json!(["Synced"])),
            (".status.conditions[?(@.n <= 1)].type", json!(["Ready"])),
            (
                ".status.conditions[?(@.message)].type",
                json!(["Ready", "Synced"]),
            ),
            (".status.conditions[?(@.missing)].type", json!([])),
            (".status.conditions[*].type", json!(["Ready", "Synced"])),
            ("..message", json!(["fine", "later"])),
            (".spec.a.*", json!(["c"])),
            (".spec.list.x", json!([])),
        ];
        for (text, expected) in cases {
            let path = JsonPath::parse(text).unwrap();
            assert_eq!(json!(path.find(&object)), expected, "{text}");
        }
    }

    #[test]
    fn err_what_is_no_expression_is_refused() {
        for text in [
            ".a[",
            ".a[0",
            ".a[x]",
            ".a['b]",
            ".a[?(@.b==1]",
            ".a[?(@.b==)]",
            ".a[?(@.b=='x')",
            ".a}",
            ".a[0]b",
            ".a[1:2:3:4]",
            ".a[::0]",
            ".a[?(x)]",
            ".a\\",
            "range .items[*]",
            ".a(b)",
            ".a]",
            ".a['b'c']",
        ] {
            assert!(JsonPath::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "[.$@\\[\\]()?*'\"a-c0-2:,=<>!\\\\ é-]{0,16}") {
            if let Ok(path) = JsonPath::parse(&text) {
                path.find(&json!({"a": [{"b": 1}, {"c": "x"}], "b": {"a": null}}));
            }
        }
    }
}
