//! Every vector that was recorded from Go's own libraries (see `tools/oracle/goyaml`).

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a broken vector fails the test"
)]

use serde::Deserialize;
use serde_json::Value;

const RECORDED: &str = include_str!("data/oracle.jsonl");
const NODES: &str = include_str!("data/nodes.jsonl");

#[derive(Deserialize)]
struct Vector {
    op: String,
    #[serde(rename = "in")]
    text: Option<String>,
    hex: Option<String>,
    out: Option<String>,
    err: Option<String>,
}

impl Vector {
    fn input(&self) -> Vec<u8> {
        match (&self.text, &self.hex) {
            (Some(text), _) => text.as_bytes().to_vec(),
            (None, Some(hex)) => (0..hex.len() / 2)
                .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap())
                .collect(),
            (None, None) => panic!("a vector without input"),
        }
    }

    fn value(&self) -> Value {
        serde_json::from_slice(&self.input()).unwrap()
    }

    fn expected(&self) -> Result<String, String> {
        match (&self.out, &self.err) {
            // Go escapes the replacement of bytes that are no text, a string of ours has it.
            (Some(out), None) => Ok(out.replace("\\ufffd", "\u{FFFD}")),
            // Go prints the value behind an unusable key, which may be secret.
            (None, Some(err)) => Err(match err.split_once(", value: ") {
                Some((start, _)) if err.contains("unsupported map key") => start.to_owned(),
                _ => err.clone(),
            }),
            _ => panic!("a vector with two answers"),
        }
    }

    /// Whether the vector says something about `op`.
    fn is_for(&self, op: &str) -> bool {
        self.op == op || (self.op == "both" && matches!(op, "yaml" | "v3"))
    }

    fn answer(&self, op: &str) -> Result<String, String> {
        let json = |value: Value| String::from_utf8(goyaml::json::to_vec(&value).unwrap()).unwrap();
        match op {
            "read" => goyaml::parse(&self.input())
                .map(json)
                .map_err(|error| error.to_string()),
            "strict" => goyaml::parse_strict(&self.input())
                .map(json)
                .map_err(|error| error.to_string()),
            "yaml" => goyaml::to_yaml(&self.value()).map_err(|error| error.to_string()),
            "v3" => {
                let mut value = self.value();
                goyaml::numbers_as_float64(&mut value);
                goyaml::to_yaml_v3(&value, 2).map_err(|error| error.to_string())
            }
            "nodes" => goyaml::v3::parse(self.text.as_deref().unwrap())
                .map(|document| {
                    let mut printer = goyaml::v3::Printer::default();
                    if let Some(document) = document {
                        printer.document(&document, true);
                    }
                    printer.finish()
                })
                .map_err(|problem| problem.to_string()),
            "json" => Ok(json(self.value())),
            "indent" => Ok(goyaml::json::to_string_indent(&self.value(), "> ", "\t").unwrap()),
            op => panic!("unknown op {op}"),
        }
    }
}

fn check(op: &str) {
    let vectors = RECORDED
        .lines()
        .chain(NODES.lines())
        .map(|line| serde_json::from_str::<Vector>(line).unwrap())
        .filter(|vector| vector.is_for(op))
        .collect::<Vec<_>>();
    assert!(!vectors.is_empty(), "no vectors for {op}");
    let wrong = vectors
        .iter()
        .filter(|vector| vector.answer(op) != vector.expected())
        .map(|vector| {
            let input = String::from_utf8_lossy(&vector.input()).into_owned();
            format!(
                "in   {input:?}\nwant {:?}\ngot  {:?}",
                vector.expected(),
                vector.answer(op)
            )
        })
        .collect::<Vec<_>>();
    assert!(
        wrong.is_empty(),
        "{} of {} differ\n{}",
        wrong.len(),
        vectors.len(),
        wrong
            .iter()
            .take(40)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n\n")
    );
}

#[test]
fn reading_gives_the_values_and_errors_of_go() {
    check("read");
}

#[test]
fn strict_reading_gives_the_errors_of_go() {
    check("strict");
}

#[test]
fn writing_gives_the_bytes_of_sigs_yaml() {
    check("yaml");
}

#[test]
fn writing_pretty_gives_the_bytes_of_yaml_v3() {
    check("v3");
}

#[test]
fn json_has_the_bytes_of_go() {
    check("json");
}

#[test]
fn indented_json_has_the_bytes_of_go() {
    check("indent");
}

#[test]
fn trees_keep_comments_and_styles_as_in_yaml_v3() {
    check("nodes");
}
