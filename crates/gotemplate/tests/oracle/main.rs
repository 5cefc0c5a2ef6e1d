//! Every template of `tests/data/*.jsonl` gives what Go gave: the same bytes or the same error text.
//!
//! The files are recorded by `tools/oracle/gotemplate`, which builds the same data and functions as `world`.

#![allow(clippy::unwrap_used, clippy::panic)]

mod world;

use std::path::Path;
use std::sync::Arc;

use gotemplate::{Limits, MissingKey, Renderer, Template, TemplateSet};
use serde_json::Value as Json;

#[test]
fn formatted_printing_is_that_of_go() {
    check("fmt.jsonl");
}

#[test]
fn comparisons_are_those_of_go() {
    check("compare.jsonl");
}

#[test]
fn builtins_are_those_of_go() {
    check("builtins.jsonl");
}

#[test]
fn execution_is_that_of_go() {
    check("exec.jsonl");
}

#[test]
fn parsing_is_that_of_go() {
    check("parse.jsonl");
}

/// Templates and formats put together at random.
#[test]
fn random_templates_are_those_of_go() {
    check("mixed.jsonl");
}

/// What a template prints reads back as the same template: printing is stable after one round.
#[test]
fn templates_that_parse_print_as_templates_that_parse() {
    for file in ["exec.jsonl", "parse.jsonl", "builtins.jsonl"] {
        for case in cases(file) {
            let Ok((set, template)) = parse(&case) else {
                continue;
            };
            let printed = template.to_string();
            let mut again = TemplateSet::new(Arc::clone(set.functions()));
            let mut texts: Vec<String> = set
                .templates()
                .iter()
                .filter(|other| other.name() != "x")
                .map(|other| format!("{{{{define {:?}}}}}{other}{{{{end}}}}", other.name()))
                .collect();
            texts.push(printed.clone());
            let reparsed = again.parse("x", texts.concat());
            let reparsed = match reparsed {
                Ok(reparsed) => reparsed.to_string(),
                // Text that looks like an action, and delimiters in strings, do not survive printing.
                Err(_) if case["l"].is_string() => continue,
                Err(error) => panic!("{printed:?} of {case}: {error}"),
            };
            if !case["l"].is_string() {
                assert_eq!(reparsed, printed, "{case}");
            }
        }
    }
}

fn cases(file: &str) -> Vec<Json> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(file);
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn check(file: &str) {
    let cases = cases(file);
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let (got, wanted) = (run(case), recorded(case));
            (got != wanted).then(|| format!("{}\n  go:   {wanted:?}\n  rust: {got:?}", case["t"]))
        })
        .collect();
    let shown = wrong
        .iter()
        .take(40)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("\n");
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{shown}",
        wrong.len(),
        cases.len()
    );
    assert!(cases.len() > 200, "{file} is nearly empty");
}

type Outcome = Result<String, String>;

fn recorded(case: &Json) -> Outcome {
    match (
        case["out"].as_str(),
        case["hex"].as_str(),
        case["err"].as_str(),
    ) {
        (Some(text), _, _) => Ok(hex(text.as_bytes())),
        (_, Some(hex), _) => Ok(hex.to_owned()),
        (_, _, Some(error)) => Err(error.to_owned()),
        _ => panic!("{case} is not recorded"),
    }
    .map(readable)
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}

/// Hexadecimal as text where that is possible, for the message.
fn readable(hex: String) -> String {
    let bytes: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    String::from_utf8(bytes).unwrap_or(hex)
}

fn parse(case: &Json) -> Result<(TemplateSet, Arc<Template>), String> {
    let missing_key = match case["o"].as_str() {
        Some("zero") => MissingKey::Zero,
        Some("error") => MissingKey::Error,
        _ => MissingKey::Default,
    };
    let mut set = TemplateSet::new(Arc::new(world::functions()))
        .with_name("x")
        .with_missing_key(missing_key);
    if let (Some(left), Some(right)) = (case["l"].as_str(), case["r"].as_str()) {
        set = set.with_delims(left, right);
    }
    let template = set
        .parse("x", case["t"].as_str().unwrap())
        .map_err(|error| error.to_string())?;
    Ok((set, template))
}

fn run(case: &Json) -> Outcome {
    let (set, template) = parse(case)?;
    let set = Arc::new(set);
    let mut renderer = Renderer::new(Limits::PRODUCTION, ());
    let result = renderer
        .context(&set)
        .execute_in(&set, &template, &world::data());
    match result {
        Ok(out) => Ok(readable(hex(&out))),
        Err(error) => Err(error.to_string()),
    }
}
