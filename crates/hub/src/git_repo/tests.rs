//! Cases of building a commit of which only some directories were read.

use api::limits::Limits;
use api::v1alpha1::DeployedCommit;
use bundle::tree::{FileTree, Node};
use bundle::{ApplyOptions, Paths};
use jiff::Timestamp;

use super::plan::{Built, build, remember};

/// A repository of which only `app` was read.
fn tree(values: Node) -> fetch::Tree {
    let mut files = FileTree::new();
    files.insert_file("app/map.yaml", *b"kind: ConfigMap\n");
    files.insert_file(
        "app/fleet.yaml",
        *b"helm: {chart: ., valuesFiles: [../shared/values.yaml]}\n",
    );
    files.insert("shared/values.yaml", values);
    files.insert("elsewhere/large.yaml", Node::NotLoaded { size: 1 << 40 });
    fetch::Tree {
        files,
        submodules: vec!["vendor".to_owned()],
        unreadable: Vec::new(),
    }
}

fn built(tree: &fetch::Tree, path: &str, is_whole: bool) -> Option<Built> {
    let options = ApplyOptions {
        name: "repo".to_owned(),
        paths: Paths::Scan(vec![path.to_owned()]),
        ..ApplyOptions::default()
    };
    build(tree, &options, &Limits::PRODUCTION, is_whole)
}

#[test]
fn files_outside_of_the_paths_are_asked_for_only_when_a_bundle_needs_them() {
    let missing = Node::NotLoaded { size: 9 };
    let first = built(&tree(missing.clone()), "app", false);
    assert!(first.is_none(), "{first:?}");
    let whole = built(&tree(Node::File((*b"n: 1\n").into())), "app", false).unwrap();
    assert_eq!(whole.names().into_iter().collect::<Vec<_>>(), ["repo-app"]);
    assert_eq!(whole.problems, [""; 0]);
    assert_eq!(whole.warnings.len(), 1, "{:?}", whole.warnings);
    // Once everything was read, what is not there is a problem instead of another try.
    let problems = built(&tree(missing), "app", true).unwrap().problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn a_path_that_does_not_exist_is_a_problem_without_reading_everything() {
    let nothing = built(&tree(Node::NotLoaded { size: 9 }), "none", false).unwrap();
    assert_eq!(nothing.problems.len(), 1, "{:?}", nothing.problems);
}

#[test]
fn twenty_commits_are_remembered_each_once_and_the_newest_first() {
    let mut history = Vec::new();
    for n in 0..30 {
        remember(&mut history, &format!("c{n}"), Timestamp::UNIX_EPOCH);
    }
    remember(&mut history, "c29", Timestamp::MAX);
    remember(&mut history, "c25", Timestamp::MAX);
    let commits: Vec<&str> = history.iter().map(|known| known.commit.as_str()).collect();
    assert_eq!(commits.len(), 20);
    assert_eq!(commits[..3], ["c25", "c29", "c28"]);
    assert_eq!(commits.iter().filter(|commit| **commit == "c25").count(), 1);
    let stored: Vec<DeployedCommit> = serde_json::from_value(serde_json::json!(history)).unwrap();
    assert_eq!(stored, history, "what is stored is what is wanted");
    let again = history[2].time.as_ref().map(|time| time.0);
    assert_eq!(again, Some(Timestamp::UNIX_EPOCH));
}
