//! `flotilla chart`: parts of charts and their dependencies, as Helm prints them.

use std::path::Path;

use crate::{Answer, flotilla};

/// Runs the command where the test data is.
fn chart(arguments: &[&str]) -> Answer {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/data");
    flotilla(&data, &[], &[&["chart"], arguments].concat())
}

#[test]
fn parts_of_a_chart_are_shown() {
    let about = "apiVersion: v2\nname: chart\nversion: 1.2.3\n\n";
    let values = "text: none\n\n";
    for (arguments, want) in [
        (&["show", "chart", "chart"][..], about.to_owned()),
        (&["show", "values", "chart"], values.to_owned()),
        (
            &["show", "values", "chart", "--jsonpath", "{.text}!"],
            "none!".to_owned(),
        ),
        (
            &["show", "values", "chart", "--jsonpath="],
            values.to_owned(),
        ),
        // Where a template fails there is nothing, and no error, as in Helm.
        (
            &["show", "values", "chart", "--jsonpath", "a{.wings}"],
            String::new(),
        ),
        (&["show", "readme", "chart"], String::new()),
        (&["show", "crds", "chart"], String::new()),
        (
            &["inspect", "all", "chart"],
            format!("{about}---\n{values}"),
        ),
    ] {
        let answer = chart(arguments);
        assert_eq!(
            (answer.code, answer.stderr.as_str()),
            (0, ""),
            "{arguments:?}"
        );
        assert_eq!(answer.stdout, want, "{arguments:?}");
    }
}

#[test]
fn dependencies_are_listed_and_fetched() {
    let work = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = work.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "web/Chart.yaml",
        "apiVersion: v2\nname: web\nversion: 1.2.0\n",
    );
    write("web/templates/web.yaml", "kind: Web\n");
    write(
        "top/Chart.yaml",
        "apiVersion: v2\nname: top\nversion: 1.0.0\ndependencies:\n- {name: web, version: 1.x, repository: file://../web}\n",
    );
    let run = |arguments: &[&str]| flotilla(work.path(), &[], arguments);
    let list = |status: &str| {
        format!(
            "NAME\tVERSION\tREPOSITORY   \tSTATUS \nweb \t1.x    \tfile://../web\t{status:7}\n\n"
        )
    };
    assert_eq!(
        run(&["chart", "dependency", "list", "top"]).stdout,
        list("missing")
    );
    let refused = run(&["template", "top"]);
    assert!(
        refused
            .stderr
            .ends_with("found in Chart.yaml, but missing in charts/ directory: web\n")
    );
    let updated = run(&["template", "top", "--dependency-update"]);
    assert_eq!((updated.code, updated.stderr.as_str()), (0, ""));
    assert_eq!(
        updated.stdout,
        "Saving 1 charts\nDeleting outdated charts\n---\n# Source: top/charts/web/templates/web.yaml\nkind: Web\n"
    );
    assert_eq!(
        run(&["chart", "dep", "ls", "top"]).stdout,
        list("ok")
            .replace("STATUS \n", "STATUS\n")
            .replace("ok     ", "ok    ")
    );
    std::fs::remove_dir_all(work.path().join("top/charts")).unwrap();
    let built = run(&["chart", "dependency", "build", "top"]);
    assert_eq!((built.code, built.stderr.as_str()), (0, ""));
    assert!(work.path().join("top/charts/web-1.2.0.tgz").is_file());
    let none = run(&["chart", "dependency", "list", "web"]);
    assert_eq!(none.stdout, "WARNING: no dependencies at web/charts\n");
}

#[test]
fn wrong_arguments_are_refused() {
    for (arguments, said) in [
        (
            &["show", "chart"][..],
            "\"flotilla chart show chart\" requires 1 argument\n\nUsage:  flotilla chart show chart [CHART] [flags]",
        ),
        (
            &["show", "chart", "chart", "--wings"],
            "unknown flag: --wings",
        ),
        (
            &["show", "values", "chart", "--jsonpath", "{.text"],
            "error parsing jsonpath {.text: unclosed action",
        ),
        (
            &["show", "chart", "chart", "--jsonpath", "{.text}"],
            "unknown flag: --jsonpath",
        ),
        (&["show", "values", "./none"], "path \"./none\" not found"),
        (
            &["show", "values", "values.yaml"],
            "file 'DIR/values.yaml' seems to be a YAML file, but expected a gzipped archive",
        ),
        (
            &["show", "values", "chart", "--verify"],
            "unpacked charts cannot be verified",
        ),
        (
            &["dependency", "update", "a", "b"],
            "\"flotilla chart dependency update\" accepts at most 1 argument\n\nUsage:  flotilla chart dependency update CHART [flags]",
        ),
        (
            &["dependency", "update", "chart", "--verify"],
            "--verify is not supported: signatures of charts are not checked",
        ),
        (
            &["dependency", "update", "none"],
            "could not find none: stat none: no such file or directory",
        ),
        (
            &["dependency", "build", "values.yaml"],
            "only unpacked charts can be updated",
        ),
        (
            &["dependency", "build", "chart", "--skip-refresh=maybe"],
            "invalid argument \"maybe\" for \"--skip-refresh\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
        ),
        (
            &["dependency", "list", "none"],
            "stat none: no such file or directory",
        ),
    ] {
        let answer = chart(arguments);
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/data");
        let said = said.replace("DIR", &data.display().to_string());
        assert_eq!(answer.stderr, format!("Error: {said}\n"), "{arguments:?}");
        assert_eq!(
            (answer.code, answer.stdout.as_str()),
            (1, ""),
            "{arguments:?}"
        );
    }
}
