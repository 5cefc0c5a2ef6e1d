//! Trees in, Bundles or errors out: every file below `tests/data/apply` is one case.
//!
//! A case is a sequence of sections that begin with `== <what> <argument>`:
//!
//! | section | meaning |
//! |---|---|
//! | `option KEY VALUE` | an option of the run, see `set_option` |
//! | `file PATH` | a text file |
//! | `bytes PATH` | a file of these hexadecimal digits |
//! | `link PATH` | a symbolic link to this target |
//! | `large PATH` | a file that was listed but not read, of this many bytes |
//! | `submodule PATH` | a submodule |
//! | `bundles` | the YAML of all Bundles as printed |
//! | `names` | names and directories of the Bundles instead of their YAML |
//! | `warnings`, `errors` | their texts, a line each |
//!
//! Sections that are not in the file must be empty.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

use std::fmt::Write;
use std::path::Path;

use api::v1alpha1::{CorrectDrift, GitTarget};
use bundle::tree::{FileTree, Node};
use bundle::{ApplyOptions, DrivenPath, OnError, Paths, Targets, read, to_yaml};
use errors::chain;

struct Section {
    what: String,
    argument: String,
    text: String,
}

fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.split_inclusive('\n') {
        if let Some(head) = line.strip_prefix("== ") {
            let (what, argument) = head.trim().split_once(' ').unwrap_or((head.trim(), ""));
            let (what, argument) = (what.to_owned(), argument.to_owned());
            sections.push(Section {
                what,
                argument,
                text: String::new(),
            });
        } else if let Some(section) = sections.last_mut() {
            section.text.push_str(line);
        }
    }
    sections
}

fn set_option(options: &mut ApplyOptions, argument: &str) {
    let (key, value) = argument.split_once(' ').unwrap_or((argument, ""));
    let words = || {
        value
            .split(' ')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
    };
    match key {
        "paths" => options.paths = Paths::Scan(words().collect()),
        "driven" => {
            let paths = words().map(|path| DrivenPath::parse(&path, ":").unwrap());
            options.paths = Paths::Driven(paths.collect());
        }
        "options-file" => options.options_file = Some(value.to_owned()),
        "targets-file" => options.targets = Targets::File(value.to_owned()),
        "gitrepo-targets" => {
            let target = |name: String| GitTarget {
                cluster_group: name,
                ..GitTarget::default()
            };
            options.targets = Targets::GitRepo(words().map(target).collect());
        }
        "labels" => {
            let pairs = words().map(|word| word.split_once('=').map(|(k, v)| (k.into(), v.into())));
            options.labels = pairs.map(Option::unwrap).collect();
        }
        "service-account" => value.clone_into(&mut options.service_account),
        "target-namespace" => value.clone_into(&mut options.target_namespace),
        "sync-generation" => options.sync_generation = value.parse().unwrap(),
        "paused" => options.paused = true,
        "correct-drift" => {
            options.correct_drift = Some(CorrectDrift {
                enabled: true,
                ..CorrectDrift::default()
            });
        }
        "stop" => options.on_error = OnError::Stop,
        other => panic!("unknown option {other}"),
    }
}

fn tree(sections: &[Section]) -> FileTree {
    let mut tree = FileTree::new();
    for Section {
        what,
        argument,
        text,
    } in sections
    {
        let node = match what.as_str() {
            "file" => Node::File(text.as_bytes().into()),
            "bytes" => {
                let digits: Vec<char> = text.trim().chars().collect();
                let byte =
                    |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
                Node::File(digits.chunks(2).map(byte).collect())
            }
            "link" => Node::Link(text.trim().to_owned()),
            "large" => Node::TooLarge {
                size: text.trim().parse().unwrap(),
                limit: 8 << 20,
            },
            "submodule" => Node::Submodule,
            _ => continue,
        };
        tree.insert(argument, node);
    }
    tree
}

fn lines(texts: impl IntoIterator<Item = String>) -> String {
    texts.into_iter().map(|text| text + "\n").collect()
}

fn check(path: &Path) {
    let sections = sections(&std::fs::read_to_string(path).unwrap());
    let mut options = ApplyOptions {
        name: "repo".into(),
        namespace: "ns".into(),
        ..ApplyOptions::default()
    };
    for section in sections.iter().filter(|section| section.what == "option") {
        set_option(&mut options, &section.argument);
    }
    let outcome = read(&tree(&sections), &options);
    let wanted = |what: &str| {
        sections
            .iter()
            .find(|section| section.what == what)
            .map(|section| section.text.clone())
    };
    let case = path.file_name().unwrap().to_string_lossy();
    if wanted("names").is_some() || wanted("bundles").is_none() {
        let names = outcome.bundles.iter().map(|built| {
            format!(
                "{} {}",
                built.bundle.metadata.name.as_deref().unwrap(),
                built.path
            )
        });
        assert_eq!(
            lines(names),
            wanted("names").unwrap_or_default(),
            "names of {case}"
        );
    }
    if let Some(wanted) = wanted("bundles") {
        let printed = outcome
            .bundles
            .iter()
            .map(|built| to_yaml(&built.bundle).unwrap());
        assert_eq!(printed.collect::<String>(), wanted, "bundles of {case}");
    }
    let warnings = lines(outcome.warnings.iter().map(ToString::to_string));
    assert_eq!(
        warnings,
        wanted("warnings").unwrap_or_default(),
        "warnings of {case}"
    );
    let mut errors = String::new();
    for failure in &outcome.errors {
        writeln!(errors, "{}", chain(&failure.error)).unwrap();
    }
    errors.extend(
        outcome
            .nothing_found(&options.paths)
            .map(|nothing| format!("{nothing}\n")),
    );
    assert_eq!(
        errors,
        wanted("errors").unwrap_or_default(),
        "errors of {case}"
    );
}

#[test]
fn cases_hold() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/apply");
    let mut paths: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 25, "{} cases", paths.len());
    for path in paths {
        check(&path);
    }
}

#[test]
fn a_file_that_was_not_read_asks_for_the_whole_tree() {
    let mut tree = FileTree::new();
    tree.insert_file(
        "a/fleet.yaml",
        *b"helm: {chart: ., valuesFiles: [../v.yaml]}",
    );
    tree.insert_file("a/x.yaml", *b"x");
    tree.insert("v.yaml", Node::NotLoaded { size: 3 });
    let options = ApplyOptions {
        paths: Paths::Scan(vec!["a".into()]),
        ..ApplyOptions::default()
    };
    let outcome = read(&tree, &options);
    assert!(outcome.needs_whole_tree && !outcome.is_complete());
    tree.insert_file("v.yaml", *b"{}");
    let outcome = read(&tree, &options);
    assert!(!outcome.needs_whole_tree && outcome.is_complete());
}
