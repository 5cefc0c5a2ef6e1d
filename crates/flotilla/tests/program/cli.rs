//! Commands that need no cluster: what they print and how they end.

use std::path::Path;

use crate::{Answer, flotilla};
use serde_json::Value;

/// Runs the program where the test data is.
fn run(arguments: &[&str]) -> Answer {
    run_with(&[], arguments)
}

fn run_with(variables: &[(&str, &str)], arguments: &[&str]) -> Answer {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/data");
    flotilla(&data, variables, arguments)
}

#[test]
fn every_command_explains_itself() {
    let overview = run(&["--help"]);
    assert_eq!(overview.code, 0);
    let listed = overview
        .stdout
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1);
    let listed: Vec<&str> = listed
        .take_while(|line| !line.is_empty())
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    for command in [
        "apply",
        "crds",
        "sandbox",
        "template",
        "version",
        "completion",
    ] {
        assert!(listed.contains(&command), "{command} is not in {listed:?}");
    }
    for command in listed.into_iter().filter(|command| *command != "help") {
        let Answer {
            code,
            stdout,
            stderr,
        } = run(&[command, "--help"]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{command}");
        assert!(
            stdout.contains(&format!("Usage: flotilla {command}")),
            "{stdout}"
        );
        let title = stdout.lines().next().unwrap();
        assert!(
            title.len() > 10 && !title.ends_with('.'),
            "{command}: {title}"
        );
        // clap does not wrap the line of usage.
        // clap does not wrap the line of usage.
        let too_wide: Vec<&str> = stdout
            .lines()
            .filter(|line| !line.starts_with("Usage: ") && line.chars().count() > 100)
            .collect();
        assert_eq!(too_wide, [""; 0], "{command}");
        let options = stdout.lines().skip_while(|line| *line != "Options:");
        let lines: Vec<&str> = options.collect();
        let has_commands = stdout.contains("\nCommands:\n");
        assert!(has_commands || lines.len() > 3, "{command} has no options");
        for pair in lines.windows(2) {
            let flag = pair[0].trim_start();
            let is_flag = flag.starts_with('-') && !flag.starts_with("- ") && !flag.contains("  ");
            assert!(
                !is_flag || !pair[1].trim().is_empty(),
                "{command}: {} says nothing",
                pair[0]
            );
        }
    }
}

#[test]
fn the_version_is_told_to_people_and_programs() {
    let text = run(&["version"]);
    assert_eq!(text.code, 0);
    let json = run(&["version", "-o", "json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["api"], "fleet.cattle.io/v1alpha1");
    assert!(
        text.stdout
            .starts_with(&format!("flotilla {} (", env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(run(&["version", "-o", "xml"]).code, 2);
}

#[test]
fn the_definitions_of_all_kinds_are_yaml_and_json() {
    let yaml = run(&["crds"]);
    assert_eq!(yaml.code, 0);
    let documents = goyaml::documents::split(&yaml.stdout);
    let documents = documents.map(|document| goyaml::parse(document.text.as_bytes()).unwrap());
    let documents: Vec<Value> = documents.filter(|document| !document.is_null()).collect();
    assert_eq!(documents.len(), 14);
    for document in &documents {
        assert_eq!(document["kind"], "CustomResourceDefinition");
        assert_eq!(document["spec"]["group"], "fleet.cattle.io");
    }
    let json: Value = serde_json::from_str(&run(&["crds", "-o", "json"]).stdout).unwrap();
    assert_eq!(json["items"].as_array().unwrap(), &documents);
}

#[test]
fn bundles_are_printed_as_expected() {
    let expected = include_str!("data/expected.yaml");
    let arguments = ["apply", "-n", "fleet-default", "-o", "-", "demo", "app"];
    let answer = run_with(&[("COMMIT", "0123")], &arguments);
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""));
    assert_eq!(answer.stdout, expected);

    // A driven scan gives the same, and so does a file as output.
    let target = tempfile::tempdir().unwrap();
    let file = target.path().join("bundles.yaml");
    let file_text = file.to_str().unwrap();
    let arguments = [
        "apply",
        "-n",
        "fleet-default",
        "-o",
        file_text,
        "--driven-scan",
        "demo",
        "app",
    ];
    let answer = run_with(&[("COMMIT", "0123")], &arguments);
    assert_eq!((answer.code, answer.stdout.as_str()), (0, ""));
    assert_eq!(std::fs::read_to_string(file).unwrap(), expected);
}

#[test]
fn what_cannot_be_done_is_refused_with_a_reason() {
    let cases: &[(&[&str], i32, &str)] = &[
        (&[], 2, "Usage: flotilla"),
        (&["fly"], 2, "unrecognized subcommand 'fly'"),
        (
            &["apply", "-o", "-"],
            1,
            "error: at least one argument is required: BUNDLE_NAME\n",
        ),
        (
            &["apply", "-o", "-", "demo", "none"],
            1,
            "error: no resource found at the following paths to deploy: [none]\n",
        ),
        (
            &["apply", "-o", "-", "--wings", "demo"],
            2,
            "unexpected argument '--wings'",
        ),
        (
            &["apply", "-o", "-", "--paused=maybe", "demo"],
            2,
            "\"maybe\" is no boolean",
        ),
        (
            &["apply", "-o", "-", "--imagescan-enabled", "demo", "app"],
            1,
            "error: --imagescan-enabled is not supported yet: image scans\n",
        ),
        (
            &["apply", "-o", "no/such/directory", "demo", "app"],
            1,
            "error: write no/such/directory: ",
        ),
        (
            &["apply", "demo", "app"],
            1,
            "error: connect to the cluster: ",
        ),
        (
            &["apply", "--kubeconfig", "none", "demo", "app"],
            1,
            "error: connect to the cluster: read kubeconfig none: ",
        ),
        (&["completion", "abacus"], 2, "invalid value 'abacus'"),
        (
            &["template"],
            1,
            "Error: \"flotilla template\" requires at least 1 argument\n",
        ),
        (&["crds", "-o"], 2, "a value is required"),
    ];
    for (arguments, code, text) in cases {
        let answer = run(arguments);
        assert_eq!(answer.code, *code, "{arguments:?}: {}", answer.stderr);
        assert!(
            answer.stderr.contains(text),
            "{arguments:?}: {}",
            answer.stderr
        );
        assert_eq!(answer.stdout, "", "{arguments:?}");
    }
}

#[test]
fn scripts_get_errors_as_one_line_of_json() {
    let cases: &[(&[&str], &str)] = &[
        (
            &["apply", "-o", "-", "--wings", "demo"],
            "unknown flag: --wings",
        ),
        (
            &["apply", "-o", "-", "demo", "none"],
            "no resource found at the following paths to deploy: [none]",
        ),
    ];
    for (arguments, text) in cases {
        let answer = run_with(&[("FLEET_JSON_OUTPUT", "True")], arguments);
        assert_eq!(answer.code, 1, "{arguments:?}");
        assert_eq!(answer.stderr.lines().count(), 1, "{}", answer.stderr);
        let line: Value = serde_json::from_str(&answer.stderr).unwrap();
        assert_eq!(line["msg"], "Fleet cli failed");
        assert_eq!(line["fleetErrorMessage"], *text);
    }
}

#[test]
fn no_attempts_mean_success_without_doing_anything() {
    let variables = [("FLEET_APPLY_CONFLICT_RETRIES", "0")];
    let answer = run_with(
        &variables,
        &["apply", "--kubeconfig", "none", "demo", "app"],
    );
    assert_eq!((answer.code, answer.stdout.as_str()), (0, ""));
}

#[test]
fn the_completion_script_for_bash_knows_commands_and_flags() {
    let answer = run(&["completion", "bash"]);
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""));
    for word in [
        "complete -F _flotilla",
        "--driven-scan",
        "flotilla__subcmd__apply)",
    ] {
        assert!(answer.stdout.contains(word), "{word} is missing");
    }
}
