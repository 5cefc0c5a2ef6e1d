//! Small kustomizations, each with what kustomize 5.8 makes of it.
//!
//! A case is a file in `cases`: what it is about, then sections `-- name --` with the directory to build,
//! its files, and the recorded output or error. Tests of the same name with other input fail by name.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use kustomize::Tree;

struct Case {
    name: String,
    sections: BTreeMap<String, String>,
}

fn cases() -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let mut sections = BTreeMap::new();
        let mut name = "about".to_owned();
        for line in std::fs::read_to_string(&path)
            .unwrap()
            .split_inclusive('\n')
        {
            let header = line.trim_end().strip_prefix("-- ");
            match header.and_then(|line| line.strip_suffix(" --")) {
                Some(header) => header.clone_into(&mut name),
                None => sections
                    .entry(name.clone())
                    .or_insert_with(String::new)
                    .push_str(line),
            }
            sections.entry(name.clone()).or_default();
        }
        found.push(Case {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            sections,
        });
    }
    found
}

/// What a build gives, in the form of the recorded text.
fn build(case: &Case) -> (&'static str, String) {
    let mut tree = Tree::default();
    for (name, text) in &case.sections {
        if !matches!(name.as_str(), "about" | "target" | "expected" | "error") {
            tree.insert(name, text.as_bytes());
        }
    }
    let built = kustomize::build(&tree, &format!("/{}", case.sections["target"].trim()));
    match built.and_then(|built| built.to_yaml()) {
        Ok(text) => ("expected", text),
        Err(error) => ("error", format!("{}\n", error.to_string().trim_end())),
    }
}

#[test]
fn every_case_comes_out_as_recorded() {
    let cases = cases();
    assert!(cases.len() > 50);
    let mut wrong = Vec::new();
    for case in &cases {
        let (kind, text) = build(case);
        if case.sections.get(kind) != Some(&text) {
            let wanted = case.sections.get("expected").or(case.sections.get("error"));
            wrong.push(format!(
                "==== {}\n---- wanted\n{}---- got {kind}\n{text}",
                case.name,
                wanted.map_or("", String::as_str)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Files that are cut off, and lines that are gone, are refused or built, and nothing panics.
#[test]
fn damaged_files_never_panic() {
    for case in cases() {
        for (name, text) in &case.sections {
            if matches!(name.as_str(), "about" | "target" | "expected" | "error") {
                continue;
            }
            let n = text.lines().count();
            for gone in 0..n {
                let rest: Vec<&str> = text
                    .lines()
                    .enumerate()
                    .filter(|(number, _)| *number != gone)
                    .map(|(_, line)| line)
                    .collect();
                let mut damaged = Case {
                    name: case.name.clone(),
                    sections: case.sections.clone(),
                };
                damaged.sections.insert(name.clone(), rest.join("\n"));
                build(&damaged);
                let half = text.get(..text.len() * gone / n).unwrap_or_default();
                damaged.sections.insert(name.clone(), half.to_owned());
                build(&damaged);
            }
        }
    }
}
