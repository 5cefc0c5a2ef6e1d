//! Small charts with what Helm prints for them, recorded by `tools/oracle/helm`.
//!
//! A file holds cases. A case is a line `== name`, files (`-- path --` and its text; `(json)` and
//! `(base64)` in front of the last dashes say how the text is written down) and command lines behind
//! `$ `, each followed by what it prints: lines behind `|` are standard output, those behind `!`
//! standard error. `|j` has a line as JSON, `|\` ends an output without a newline. Without a
//! `chart/Chart.yaml` there is one that names the chart `c`.

#![allow(
    clippy::expect_used,
    unreachable_pub,
    reason = "a broken case file must stop the test; each test uses a part"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use base64::Engine as _;

/// A case.
#[derive(Default)]
pub struct Case {
    /// What it is about.
    pub name: String,
    /// By paths.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What was run over the files.
    pub commands: Vec<Command>,
}

/// A command line and what it prints.
#[derive(Default)]
pub struct Command {
    /// Its arguments.
    pub line: String,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

#[derive(Default)]
struct OpenFile {
    name: String,
    form: String,
    lines: Vec<String>,
}

impl OpenFile {
    fn header(line: &str) -> Option<Self> {
        let inner = line.strip_prefix("-- ")?.strip_suffix(" --")?;
        let (name, form) = match inner.split_once(' ') {
            None => (inner, ""),
            Some((name, form)) => (name, form),
        };
        Some(Self {
            name: name.to_owned(),
            form: form.to_owned(),
            lines: Vec::new(),
        })
    }

    fn data(&self) -> Vec<u8> {
        let text = self.lines.join("\n");
        match self.form.as_str() {
            "(json)" => serde_json::from_str::<String>(text.trim())
                .expect("a JSON text")
                .into_bytes(),
            "(base64)" => base64::engine::general_purpose::STANDARD
                .decode(text.trim())
                .expect("base64"),
            _ => match text.trim_end_matches('\n') {
                "" => Vec::new(),
                text => format!("{text}\n").into_bytes(),
            },
        }
    }
}

/// Takes a file of cases apart.
pub fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut open: Option<OpenFile> = None;
    for line in text.split('\n') {
        let header = OpenFile::header(line);
        let ends_file = line.starts_with("== ") || line.starts_with("$ ") || header.is_some();
        if ends_file && let (Some(file), Some(case)) = (open.take(), cases.last_mut()) {
            case.files.insert(file.name.clone(), file.data());
        }
        if let Some(name) = line.strip_prefix("== ") {
            cases.push(Case {
                name: name.to_owned(),
                ..Case::default()
            });
        } else if header.is_some() {
            open = header;
        } else if let Some(file) = &mut open {
            file.lines.push(line.to_owned());
        } else if let Some(case) = cases.last_mut() {
            result_line(case, line);
        }
    }
    cases
}

fn result_line(case: &mut Case, line: &str) {
    if let Some(command) = line.strip_prefix("$ ") {
        case.commands.push(Command {
            line: command.to_owned(),
            ..Command::default()
        });
        return;
    }
    let Some(command) = case.commands.last_mut() else {
        return;
    };
    let (output, rest) = match line.split_at_checked(1) {
        Some(("|", rest)) => (&mut command.stdout, rest),
        Some(("!", rest)) => (&mut command.stderr, rest),
        _ => return,
    };
    if rest == "\\" {
        output.pop();
    } else if let Some(json) = rest.strip_prefix("j ") {
        let line: String = serde_json::from_str(json).expect("a JSON text");
        let _ = writeln!(output, "{line}");
    } else {
        let _ = writeln!(output, "{}", rest.strip_prefix(' ').unwrap_or(rest));
    }
}

/// Words of a command line; quotes are those of a shell, without escapes.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote) = (None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Warnings first, sorted.
pub fn sorted(stderr: &str) -> String {
    let mut lines: Vec<&str> = stderr.split_inclusive('\n').collect();
    lines.sort_by_key(|line| {
        (
            !line.starts_with("level="),
            line.starts_with("level=").then_some(*line),
        )
    });
    lines.concat()
}
