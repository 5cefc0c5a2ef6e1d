//! Reading TOML.
//!
//! In: a text. Out: a map whose whole numbers are `int64` and whose dates are times, or what is wrong in the
//! words of the library. Source: BurntSushi/toml `lex.go`, `parse.go`.

use gotemplate::{Map, Value, meter};

use super::lex::{Cursor, END, Fault, is_blank, is_line_end, quoted_char};
use super::tables::{Key, Node, Table, Tables, shown};
use crate::gotext::{is_letter, quote};
use crate::stack::grow;

/// Bytes of a document.
const DOCUMENT_BYTES_MAX: usize = 4 << 20;
/// Lists and tables inside one another.
const DEPTH_MAX: usize = 1_000;

/// Reads a document.
pub(in super::super) fn parse(text: &[u8]) -> Result<Map, String> {
    const NULLS: &str =
        "files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8";
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(format!(
            "toml: document is longer than {DOCUMENT_BYTES_MAX} bytes"
        ));
    }
    let marks: [&[u8]; 3] = [b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"];
    let mark = marks.iter().find_map(|mark| text.strip_prefix(*mark));
    let text = mark.unwrap_or(text);
    if text.iter().take(6).any(|byte| *byte == 0) {
        return Err(format!("toml: line 1: {NULLS}"));
    }
    let mut reader = Reader {
        cursor: Cursor::new(text),
        tables: Tables::default(),
        context: Vec::new(),
        key: String::new(),
        line: 0,
    };
    let read = reader.document();
    meter::work(reader.tables.steps() as u64);
    match read {
        Ok(()) => Ok(reader.tables.into_map()),
        Err(Fault { line, message }) => Err(match reader.last_key() {
            key if key.is_empty() => format!("toml: line {line}: {message}"),
            key => format!(
                "toml: line {line} (last key {}): {message}",
                quote(key.as_bytes())
            ),
        }),
    }
}

pub(super) struct Reader<'t> {
    pub(super) cursor: Cursor<'t>,
    tables: Tables,
    /// The table that keys belong to.
    context: Key,
    /// The key whose value is read.
    key: String,
    /// The line of the last key.
    line: usize,
}

pub(super) type Read<T> = Result<T, Fault>;

impl Reader<'_> {
    fn last_key(&self) -> String {
        match (self.context.as_slice(), self.key.as_str()) {
            (context, "") => shown(context),
            ([], key) => key.to_owned(),
            (context, key) => format!("{}.{key}", shown(context)),
        }
    }

    /// A fault of the key that was read last.
    fn in_key(&self, message: String) -> Fault {
        Fault {
            line: self.line,
            message,
        }
    }

    fn document(&mut self) -> Read<()> {
        loop {
            let c = self.cursor.next()?;
            if self.cursor.is_at_end() {
                return Ok(());
            }
            match c {
                _ if is_blank(c) || is_line_end(c) => self.cursor.ignore(),
                '#' => self.comment()?,
                '[' => {
                    self.header()?;
                    self.line_end()?;
                }
                _ => {
                    self.cursor.back();
                    self.top_key()?;
                    self.line_end()?;
                }
            }
        }
    }

    fn comment(&mut self) -> Read<()> {
        loop {
            let c = self.cursor.next()?;
            if is_line_end(c) || self.cursor.is_at_end() {
                self.cursor.back();
                self.cursor.ignore();
                return Ok(());
            }
        }
    }

    fn line_end(&mut self) -> Read<()> {
        loop {
            let c = self.cursor.next()?;
            if self.cursor.is_at_end() {
                self.cursor.back();
                return Ok(());
            }
            match c {
                '#' => return self.comment(),
                _ if is_blank(c) => {}
                _ if is_line_end(c) => {
                    self.cursor.ignore();
                    return Ok(());
                }
                c => {
                    let c = quoted_char(c);
                    return Err(self.cursor.fault(format!(
                        "expected a top-level item to end with a newline, comment, or EOF, but got {c} instead"
                    )));
                }
            }
        }
    }

    /// `[a.b]` or `[[a.b]]`, behind the first bracket.
    fn header(&mut self) -> Read<()> {
        let is_list = self.cursor.peek()? == '[';
        if is_list {
            self.cursor.next()?;
        }
        self.cursor.ignore();
        let mut key = Key::new();
        loop {
            self.cursor.skip_blanks()?;
            let c = self.cursor.peek()?;
            if c == ']' || c == END {
                let text = "unexpected end of table name (table names cannot be empty)";
                return Err(self.cursor.fault(text));
            }
            if c == '.' {
                let text = "unexpected table separator (table names cannot be empty)";
                return Err(self.cursor.fault(text));
            }
            let part = self.key_part(c)?;
            if key.is_empty() {
                self.line = self.cursor.line();
            }
            key.push(part);
            self.cursor.skip_blanks()?;
            match self.cursor.next()? {
                '.' => self.cursor.ignore(),
                ']' => break,
                c => {
                    let c = quoted_char(c);
                    return Err(self.cursor.fault(format!(
                        "expected '.' or ']' to end table name, but got {c} instead"
                    )));
                }
            }
        }
        if is_list {
            let c = self.cursor.next()?;
            if c != ']' {
                let c = quoted_char(c);
                return Err(self.cursor.fault(format!(
                    "expected end of table array name delimiter ']', but got {c} instead"
                )));
            }
        }
        self.cursor.ignore();
        self.enter(&key, is_list)?;
        // A table is no list any more, whatever had its name.
        self.tables.set_is_list(&self.context, false);
        Ok(())
    }

    fn enter(&mut self, key: &[String], is_list: bool) -> Read<()> {
        let entered = self.tables.enter(&mut self.context, key, is_list);
        entered.map_err(|message| self.in_key(message))
    }

    /// The next part of a key, which begins with a character.
    fn key_part(&mut self, first: char) -> Read<String> {
        if matches!(first, '"' | '\'') {
            self.cursor.ignore();
            self.cursor.next()?;
            self.cursor.ignore();
            return self.line_string(first);
        }
        loop {
            let c = self.cursor.next()?;
            if !(c.is_ascii_alphanumeric() || c == '_' || c == '-') {
                self.cursor.back();
                return Ok(String::from_utf8_lossy(self.cursor.take()).into_owned());
            }
        }
    }

    /// The parts of a key, up to the equals sign.
    fn whole_key(&mut self) -> Read<Key> {
        self.cursor.skip_blanks()?;
        match self.cursor.peek()? {
            '=' | END => {
                return Err(self.cursor.fault("unexpected '=': key name appears blank"));
            }
            '.' => {
                return Err(self
                    .cursor
                    .fault("unexpected '.': keys cannot start with a '.'"));
            }
            _ => {}
        }
        let mut key = Key::new();
        loop {
            self.cursor.skip_blanks()?;
            let part = match self.cursor.peek()? {
                '=' | END => return Err(self.cursor.fault("unexpected '='")),
                '.' => return Err(self.cursor.fault("unexpected '.'")),
                c => self.key_part(c)?,
            };
            if key.is_empty() {
                self.line = self.cursor.line();
            }
            key.push(part);
            self.cursor.skip_blanks()?;
            let c = self.cursor.next()?;
            if self.cursor.is_at_end() {
                return Err(self
                    .cursor
                    .fault("unexpected EOF; expected key separator '='"));
            }
            match c {
                '.' => self.cursor.ignore(),
                '=' => {
                    self.cursor.ignore();
                    return Ok(key);
                }
                c => {
                    let text = format!("expected '.' or '=', but got {} instead", quoted_char(c));
                    return Err(if c == '\n' {
                        self.cursor.fault_before(text)
                    } else {
                        self.cursor.fault(text)
                    });
                }
            }
        }
    }

    fn top_key(&mut self) -> Read<()> {
        let outer = self.context.clone();
        self.pair(0)?;
        self.context = outer;
        self.key.clear();
        Ok(())
    }

    /// A key with its value, which is put into its table.
    fn pair(&mut self, depth: usize) -> Read<()> {
        let mut key = self.whole_key()?;
        self.key = key.pop().unwrap_or_default();
        for part in key {
            let mut way = self.context.clone();
            way.push(part);
            self.tables.add_implicit(&way);
            self.enter(&way, false)?;
        }
        let (value, is_list) = self.value(depth, false)?;
        let set = self.tables.set(&self.context, &self.key, value);
        set.map_err(|message| self.in_key(message))?;
        self.set_is_list(is_list);
        Ok(())
    }

    fn set_is_list(&mut self, is_list: bool) {
        let mut key = self.context.clone();
        if !self.key.is_empty() {
            key.push(self.key.clone());
        }
        self.tables.set_is_list(&key, is_list);
    }

    /// A value, and whether it is a list.
    fn value(&mut self, depth: usize, in_list: bool) -> Read<(Node, bool)> {
        if depth > DEPTH_MAX {
            let text = format!("values are nested deeper than {DEPTH_MAX} levels");
            return Err(self.cursor.fault(text));
        }
        let plain = |value: Value| (Node::Value(value), false);
        let mut c = self.cursor.next()?;
        while is_blank(c) {
            self.cursor.ignore();
            c = self.cursor.next()?;
        }
        match c {
            '0'..='9' => {
                self.cursor.back();
                self.number_or_date().map(plain)
            }
            '[' => grow(|| self.list(depth)),
            '{' => grow(|| self.inline_table(depth, in_list)),
            '"' | '\'' => self.string(c).map(|text| plain(Value::str(text))),
            '.' => Err(self.cursor.fault("floats must start with a digit, not '.'")),
            '-' | '+' => self.signed().map(plain),
            'i' | 'n' if self.is_named_float()? => self.float().map(plain),
            c => self.word(c).map(plain),
        }
    }

    fn is_named_float(&mut self) -> Read<bool> {
        let cursor = &mut self.cursor;
        Ok((cursor.accept('n')? && cursor.accept('f')?)
            || (cursor.accept('a')? && cursor.accept('n')?))
    }

    /// `true`, `false`, or nothing that is a value.
    fn word(&mut self, c: char) -> Read<Value> {
        if self.cursor.is_at_end() {
            return Err(self.cursor.fault("unexpected EOF; expected value"));
        }
        if !is_letter(c) {
            let text = format!("expected value but found {} instead", quoted_char(c));
            return Err(if c == '\n' {
                self.cursor.fault_before(text)
            } else {
                self.cursor.fault(text)
            });
        }
        self.cursor.back();
        let mut word = String::new();
        loop {
            let c = self.cursor.next()?;
            if !is_letter(c) {
                self.cursor.back();
                break;
            }
            word.push(c);
        }
        let value = match word.as_str() {
            "true" => true,
            "false" => false,
            word => {
                let word = quote(word.as_bytes());
                return Err(self
                    .cursor
                    .fault(format!("expected value but found {word} instead")));
            }
        };
        self.cursor.ignore();
        Ok(Value::Bool(value))
    }

    fn list(&mut self, depth: usize) -> Read<(Node, bool)> {
        self.cursor.ignore();
        self.set_is_list(true);
        let mut items = Vec::new();
        loop {
            match self.cursor.next()? {
                c if is_blank(c) || is_line_end(c) => self.cursor.ignore(),
                '#' => self.comment()?,
                ',' => return Err(self.cursor.fault("unexpected comma")),
                ']' => break,
                _ => {
                    self.cursor.back();
                    items.push(self.value(depth + 1, true)?.0.into_value());
                    if self.is_end_of(']')? {
                        break;
                    }
                }
            }
        }
        self.cursor.ignore();
        Ok((Node::Value(Value::list(items)), true))
    }

    /// Behind an item of a list or table: whether it was the last one, or a comma follows.
    fn is_end_of(&mut self, end: char) -> Read<bool> {
        loop {
            let c = self.cursor.next()?;
            match c {
                c if is_blank(c) || is_line_end(c) => self.cursor.ignore(),
                '#' => self.comment()?,
                ',' => {
                    self.cursor.ignore();
                    return Ok(false);
                }
                c if c == end => return Ok(true),
                c => {
                    let found = if self.cursor.is_at_end() {
                        "end of file".to_owned()
                    } else {
                        format!("'{c}'")
                    };
                    return Err(self.cursor.fault(if end == ']' {
                        format!(
                            "expected a comma (',') or array terminator (']'), but got {found}"
                        )
                    } else {
                        format!(
                            "expected a comma or an inline table terminator '}}', but got {found} instead"
                        )
                    }));
                }
            }
        }
    }

    fn inline_table(&mut self, depth: usize, in_list: bool) -> Read<(Node, bool)> {
        self.cursor.ignore();
        let (outer, outer_key) = (self.context.clone(), self.key.clone());
        let mut here = outer.clone();
        here.push(std::mem::take(&mut self.key));
        self.context.clone_from(&here);
        self.tables.add_implicit(&here);
        self.enter(&here, in_list)?;
        let mut table = Table::new();
        loop {
            match self.cursor.next()? {
                c if is_blank(c) || is_line_end(c) => self.cursor.ignore(),
                '#' => self.comment()?,
                ',' => return Err(self.cursor.fault("unexpected comma")),
                '}' => break,
                _ => {
                    self.cursor.back();
                    self.inline_pair(depth + 1, &here, &mut table)?;
                    if self.is_end_of('}')? {
                        break;
                    }
                    self.cursor.skip_blanks()?;
                    if self.cursor.peek()? == '}' {
                        self.cursor.next()?;
                        break;
                    }
                }
            }
        }
        self.cursor.ignore();
        self.context = outer;
        self.key = outer_key;
        Ok((Node::Table(table), false))
    }

    fn inline_pair(&mut self, depth: usize, here: &Key, table: &mut Table) -> Read<()> {
        let mut key = self.whole_key()?;
        self.key = key.pop().unwrap_or_default();
        for part in &key {
            let mut way = self.context.clone();
            way.push(part.clone());
            self.tables.add_implicit(&way);
            self.enter(&way, false)?;
        }
        let (value, is_list) = self.value(depth, false)?;
        let value = value.into_value();
        let set = self
            .tables
            .set(&self.context, &self.key, Node::Value(value.clone()));
        set.map_err(|message| self.in_key(message))?;
        self.set_is_list(is_list);
        let mut inner = table;
        for part in key {
            let node = inner
                .entry(part)
                .or_insert_with(|| Node::Table(Table::new()));
            let Node::Table(next) = node else {
                let context = quote(shown(&self.context).as_bytes());
                return Err(self.in_key(format!("{context} is not a table")));
            };
            inner = next;
        }
        inner.insert(self.key.clone(), Node::Value(value));
        self.context.clone_from(here);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn documents_are_read_or_refused(
            text in "([ab=\"'\\[\\]{},.#\\\\ \\t\\n0-9_:+xeTZ-]{1,3}|true|nan|\"\"\"|\\PC){0,20}",
            end in any::<u8>(),
        ) {
            let mut bytes = text.into_bytes();
            let read = parse(&bytes);
            bytes.push(end);
            let again = parse(&bytes);
            if let (Err(error), true) = (&read, end == b'\n') {
                prop_assert!(again.is_err() || error.contains("EOF"), "{error}");
            }
        }
    }
}
