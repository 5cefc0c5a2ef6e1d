//! Cases as text: requests, and the answers that a real server gave.
//!
//! ```text
//! == the name of the case
//! > PUT /api/v1/namespaces/{ns}/configmaps/a
//! : content-type: application/yaml
//! body, any number of lines, or @file for one of the bodies in `data`
//! < 422 Invalid "the whole message"
//! ? /details/causes = [{"reason":"FieldValueInvalid"}]
//! ? header warning = ["unknown field"]
//! ! uid = /metadata/uid
//! ~ 200 /apis/{ns}.example.com/v1/widgets
//! ```
//!
//! `<` holds code, reason and message of the answer (the code alone for what is no failure), `?` the
//! value at a JSON pointer, of a header (`header NAME`) or the `columns` of a table, `!` keeps a value for later lines, where `{uid}` stands for
//! it, and `~` waits until a path is answered with a code. `{ns}` is the case's own name; the
//! namespace of that name exists. In answers, kept values of eight bytes and more are named as well.
//! `#` begins a comment. `<*` compares code and reason alone, for messages that print structures of Go
//! or name what the server makes up. Ids and times in answers are masked, and so are objects that a
//! message quotes: they are in the form that Go prints.
//!
//! A line `%` below `<` or `?` is a known difference: what the sandbox answers today in that place. It
//! must go when the sandbox answers as the line above says, and is there so that the next difference
//! is seen at once.
//!
//! When a script is recorded on a real server, `<` and `?` are written anew; on the sandbox, `%` are.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::api::{Answer, Request};
use crate::suite::{Case, Ctx, Mode, Server};

/// How long a path may take until it is answered as `~` says.
const WAIT_SECS: u64 = 30;

/// Shorter values would be found in places where they mean something else.
const NAMED_BYTES_MIN: usize = 8;

const MARKS: [&str; 8] = ["> ", ": ", "<", "? ", "! ", "~ ", "% ", "#"];

/// Held while a script is written: cases of one file end at the same time.
static RECORDING: Mutex<()> = Mutex::new(());

/// Where scripts and the bodies are that they name.
fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data")
}

/// File name and text of each script, by name.
fn scripts() -> BTreeMap<String, String> {
    let files = std::fs::read_dir(data()).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let scripts = paths.filter(|path| path.extension().is_some_and(|kind| kind == "txt"));
    let named = scripts.map(|path| {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        (name, std::fs::read_to_string(&path).unwrap())
    });
    named.collect()
}

/// All cases of all scripts.
pub(crate) fn cases(mode: Mode) -> Vec<Case> {
    let mut cases = Vec::new();
    for (file, text) in scripts() {
        let blocks = text.split("\n== ").skip(1);
        cases.extend(blocks.map(|block| case(mode, &file, block)));
    }
    cases
}

fn case(mode: Mode, file: &str, block: &str) -> Case {
    let (file, block) = (file.to_owned(), block.to_owned());
    let (title, _) = block.split_once('\n').unwrap_or((&block, ""));
    let topic = file.trim_end_matches(".txt");
    Case::new(&format!("{topic}::{title}"), move |ctx| async move {
        let (title, rest) = block.split_once('\n').unwrap_or((&block, ""));
        ctx.namespace().await;
        let mut run = Run::new(ctx);
        let lines: Vec<&str> = rest.lines().collect();
        let recorded = run.lines(&lines).await;
        match mode {
            Mode::Record => record(&file, &block, title, &recorded),
            Mode::Check => assert!(run.differences.is_empty(), "{}", run.differences.join("\n")),
        }
    })
}

/// Replaces a block of a script.
fn record(file: &str, block: &str, title: &str, lines: &[String]) {
    let _guard = RECORDING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = data().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let end = if block.ends_with('\n') { "\n" } else { "" };
    let new = format!("\n== {title}\n{}{end}", lines.join("\n"));
    let old = format!("\n== {block}");
    assert!(
        text.contains(&old),
        "the script changed since it was compiled"
    );
    std::fs::write(&path, text.replace(&old, &new)).unwrap();
}

/// One case that is run.
struct Run {
    ctx: Ctx,
    values: BTreeMap<String, String>,
    answer: Option<(String, Answer)>,
    differences: Vec<String>,
}

impl Run {
    fn new(ctx: Ctx) -> Self {
        let values = BTreeMap::from([("ns".to_owned(), ctx.ns.clone())]);
        Self {
            ctx,
            values,
            answer: None,
            differences: Vec::new(),
        }
    }

    /// Executes a case; its lines with the answers that came.
    async fn lines(&mut self, lines: &[&str]) -> Vec<String> {
        let mut out = Vec::new();
        for (index, line) in lines.iter().enumerate() {
            let following = &lines[index + 1..];
            let got = match line.split_at_checked(1).unwrap_or(("", "")) {
                (">", rest) => {
                    let request = following.iter().copied();
                    let request: Vec<&str> = request.take_while(|line| is_request(line)).collect();
                    self.send(rest.trim(), &request).await;
                    None
                }
                ("<", _) => Some(self.status(line.starts_with("<*"))),
                ("?", rest) => Some(self.value(rest.trim())),
                ("!", rest) => {
                    self.keep(rest.trim());
                    None
                }
                ("~", rest) => {
                    self.wait(rest.trim()).await;
                    None
                }
                // Written below the line that it belongs to.
                ("%", _) => continue,
                _ => None,
            };
            let known = following.first().and_then(|next| next.strip_prefix("% "));
            match got {
                None => out.push((*line).to_owned()),
                Some(got) => out.extend(self.compare(line, known, &got)),
            }
        }
        out
    }

    /// Notes what differs; the lines to record.
    fn compare(&mut self, line: &str, known: Option<&str>, got: &str) -> Vec<String> {
        let server = self.ctx.server;
        let recorded = match server {
            Server::Kubernetes => [
                Some(got.to_owned()),
                known.map(|known| format!("% {known}")),
            ],
            Server::Sandbox => {
                let differs = !same(line, got);
                [Some(line.to_owned()), differs.then(|| format!("% {got}"))]
            }
        };
        let expected = match (server, known) {
            (Server::Sandbox, Some(known)) => known,
            _ => line,
        };
        let (head, _) = self.answer();
        if !same(expected, got) {
            self.differences
                .push(format!("{head}\nexpected: {expected}\n     got: {got}"));
        } else if expected != line && same(line, got) {
            self.differences
                .push(format!("{head}\nno longer a difference: {expected}"));
        }
        recorded.into_iter().flatten().collect()
    }

    async fn send(&mut self, head: &str, lines: &[&str]) {
        let head = self.fill(head);
        let (method, path) = head.split_once(' ').unwrap();
        let mut request = Request::new(method, path);
        let mut body = Vec::new();
        for line in lines {
            if let Some(header) = line.strip_prefix(": ") {
                let (name, value) = header.split_once(": ").unwrap();
                request = request.header(name, value);
            } else if let Some(name) = line.strip_prefix('@') {
                body.push(std::fs::read_to_string(data().join(name)).unwrap());
            } else {
                body.push((*line).to_owned());
            }
        }
        request.body = self.fill(&body.join("\n")).into_bytes();
        let answer = self.ctx.api.send(request).await;
        self.answer = Some((head, answer));
    }

    /// The last request's method and path, and its answer.
    fn answer(&self) -> (&str, &Answer) {
        let (head, answer) = self.answer.as_ref().unwrap_or_else(|| panic!("no request"));
        (head, answer)
    }

    /// Code, reason and message of the answer, as a line of a script.
    fn status(&self, brief: bool) -> String {
        let (_, answer) = self.answer();
        let mark = if brief { "<*" } else { "<" };
        if answer.code < 400 {
            return format!("{mark} {}", answer.code);
        }
        let reason = match answer.reason() {
            "" => "-",
            reason => reason,
        };
        let message = match &answer.body {
            Value::String(text) => text.trim_end(),
            _ => answer.message(),
        };
        let message = self.name(&Value::String(message.to_owned()));
        if brief {
            format!("{mark} {} {reason}", answer.code)
        } else {
            format!("{mark} {} {reason} {message}", answer.code)
        }
    }

    /// A value of the answer, as a line of a script.
    fn value(&self, line: &str) -> String {
        let (pointer, _) = line.split_once(" =").unwrap_or((line, ""));
        let (_, answer) = self.answer();
        let value = match pointer.split_once(' ') {
            Some((_, name)) => Value::from(answer.header(name)),
            None if pointer == "columns" => columns(answer),
            None => answer.at(&self.fill(pointer)).clone(),
        };
        format!("? {pointer} = {}", self.name(&value))
    }

    fn keep(&mut self, line: &str) {
        let (name, pointer) = line.split_once(" = ").unwrap();
        let value = match self.answer().1.at(pointer) {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        self.values.insert(name.to_owned(), value);
    }

    async fn wait(&self, line: &str) {
        let line = self.fill(line);
        let (code, path) = line.split_once(' ').unwrap();
        let code: u16 = code.parse().unwrap();
        let what = format!("{code} at {path}");
        let api = &self.ctx.api;
        api.until(path, WAIT_SECS, &what, |answer| answer.code == code)
            .await;
    }

    /// Puts kept values in the place of their names.
    fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in &self.values {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }

    /// JSON with names in the place of kept values.
    fn name(&self, value: &Value) -> String {
        let mut text = value.to_string();
        for (name, value) in &self.values {
            if value.len() >= NAMED_BYTES_MIN {
                text = text.replace(value, &format!("{{{name}}}"));
            }
        }
        mask(&text)
    }
}

/// The columns of a table without their descriptions, which are prose.
fn columns(answer: &Answer) -> Value {
    let columns = answer.at("/columnDefinitions").as_array();
    let columns = columns.into_iter().flatten().map(|column| {
        let mut column = column.clone();
        if let Some(fields) = column.as_object_mut() {
            fields.remove("description");
        }
        column
    });
    columns.collect()
}

/// Whether two lines say the same. Keys of objects are in no order.
fn same(expected: &str, got: &str) -> bool {
    let parts = |line: &str| {
        let (head, value) = line.split_once(" = ")?;
        let value = serde_json::from_str::<Value>(value).ok()?;
        Some((head.to_owned(), value))
    };
    expected == got || parts(expected).is_some_and(|expected| parts(got) == Some(expected))
}

/// Text with marks in the place of ids, times, and quoted objects.
fn mask(text: &str) -> String {
    let shapes = [
        ("########-####-####-####-############", "<id>"),
        ("0000-00-00T00:00:00Z", "<time>"),
    ];
    let quotes = ["value: {", "value: [{", r#"value: \"{"#, r#"value: \"map["#];
    let mut out = String::new();
    let mut rest = text;
    while let Some(char) = rest.chars().next() {
        let known = shapes.iter().find(|(shape, _)| fits(rest, shape));
        let quote = quotes.iter().find(|quote| rest.starts_with(**quote));
        if let Some((shape, name)) = known {
            out.push_str(name);
            rest = &rest[shape.len()..];
        } else if let Some(quote) = quote {
            out.push_str("value: <object>");
            let from = quote.find(['{', '[']).unwrap_or_default();
            rest = behind(&rest[from..]);
        } else {
            out.push(char);
            rest = &rest[char.len_utf8()..];
        }
    }
    out
}

/// What follows the bracket that text begins with, its content, and the ends of quotes and lists.
fn behind(text: &str) -> &str {
    let mut depth = 0_usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            let ends = |char| matches!(char, ']' | '}' | '\\' | '"');
            return text[at + 1..].trim_start_matches(ends);
        }
    }
    ""
}

/// Whether text begins as a shape says: `#` is a lower case hexadecimal digit, `0` a decimal one.
fn fits(text: &str, shape: &str) -> bool {
    text.len() >= shape.len()
        && text
            .bytes()
            .zip(shape.bytes())
            .all(|(byte, shape)| match shape {
                b'#' => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
                b'0' => byte.is_ascii_digit(),
                _ => byte == shape,
            })
}

/// Whether a line belongs to the request above it: a header or a part of the body.
fn is_request(line: &str) -> bool {
    let marked = MARKS.iter().any(|mark| line.starts_with(mark));
    line.starts_with(": ") || (!marked && !line.is_empty())
}
