//! The functions of charts against recorded answers of Helm 4.3.1.
//!
//! In: `data/functions.txt`, the functions with their other names, and for each `data/functions/NAME.jsonl`, a
//! case a line. `tools/oracle/functions` records both, with the time zone UTC. What is random is recorded by what
//! holds for all outcomes; errors are compared whole, with their places.

#![expect(clippy::expect_used, reason = "a test says what it expects")]

mod answer;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Mutex;

use answer::{Case, NOW};

/// How many cases a function has at least, some of them errors.
const CASES_MIN: usize = 6;

const NAMES: &str = include_str!("data/functions.txt");

/// What the template language itself brings.
const BUILTINS: [&str; 19] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or",
    "print", "printf", "println", "slice", "urlquery",
];

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/functions")
}

/// The main name of each function.
fn functions() -> Vec<&'static str> {
    NAMES
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect()
}

fn cases(function: &str) -> Vec<Case> {
    let path = directory().join(format!("{function}.jsonl"));
    let lines = std::fs::read_to_string(&path).expect(function);
    let case = |line| serde_json::from_str(line).expect(function);
    lines.lines().map(case).collect()
}

/// The cases that Helm answers otherwise.
fn wrong(function: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for case in cases(function) {
        let (want, got) = (case.want(), case.got(NOW));
        if got != want {
            let shown = |answer: Result<Vec<u8>, String>| {
                answer.map(|output| String::from_utf8_lossy(&output).into_owned())
            };
            let (want, got) = (shown(want), shown(got));
            let (before, template) = (&case.before, &case.template);
            wrong.push(format!(
                "{before}{template}\n  want {want:?}\n  got  {got:?}"
            ));
        }
    }
    wrong
}

#[test]
fn the_functions_are_those_of_helm() {
    let named: BTreeSet<&str> = NAMES.split_whitespace().collect();
    let functions = sprig::helm();
    let ours: BTreeSet<&str> = functions.names().into_iter().chain(BUILTINS).collect();
    assert_eq!(ours, named);
}

#[test]
fn every_function_has_its_cases() {
    let functions: BTreeSet<String> = functions().into_iter().map(str::to_owned).collect();
    let files: BTreeSet<String> = std::fs::read_dir(directory())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    assert_eq!(files, functions);
    for function in functions {
        let cases = cases(&function);
        assert!(cases.len() >= CASES_MIN, "{function}: {}", cases.len());
        assert!(cases.iter().any(|case| case.want().is_err()), "{function}");
    }
}

#[test]
fn every_case_is_answered_as_by_helm() {
    let functions = Mutex::new(functions());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some(function) = functions.lock().expect("not poisoned").pop() else {
                        break;
                    };
                    let wrong = wrong(function);
                    failed.lock().expect("not poisoned").extend(wrong);
                }
            });
        }
    });
    let failed = failed.into_inner().expect("not poisoned");
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
