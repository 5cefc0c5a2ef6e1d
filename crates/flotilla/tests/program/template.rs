//! `flotilla template`: its flags, as Helm has them. What charts render to is tested with the engine.

use std::path::Path;

use crate::{Answer, flotilla};

/// Runs the command where the test data is.
fn template(variables: &[(&str, &str)], arguments: &[&str]) -> Answer {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/data");
    flotilla(&data, variables, &[&["template"], arguments].concat())
}

/// The one line of the chart that a case looks at.
fn line(answer: &Answer, field: &str) -> String {
    let found = answer
        .stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix(field));
    found.unwrap_or_default().trim().to_owned()
}

#[test]
fn names_and_namespaces_come_from_where_helm_takes_them() {
    let context = [("KUBECONFIG", "nowhere:kubeconfig.yaml")];
    for (variables, arguments, name, namespace) in [
        (&[][..], &["chart"][..], "release-name", "default"),
        (&[], &["mine", "chart"], "mine", "default"),
        (&[], &["chart", "-g"], "release-name", "default"),
        (
            &[],
            &["chart", "--name-template", "{{ \"a\" }}-b"],
            "a-b",
            "default",
        ),
        (&[], &["chart", "-n", "a", "-nb"], "release-name", "b"),
        (&[], &["chart", "-n", ""], "release-name", "default"),
        (
            &[("HELM_NAMESPACE", "env")],
            &["chart"],
            "release-name",
            "env",
        ),
        (
            &[("HELM_NAMESPACE", "env")],
            &["chart", "--namespace=own"],
            "release-name",
            "own",
        ),
        (&context, &["chart"], "release-name", "of-context"),
        (
            &context,
            &["chart", "--kube-context", "other"],
            "release-name",
            "of-other",
        ),
        (
            &context,
            &["chart", "--kube-context", "none"],
            "release-name",
            "default",
        ),
        (
            &[],
            &["chart", "--kubeconfig", "kubeconfig.yaml"],
            "release-name",
            "of-context",
        ),
        (
            &[],
            &["chart", "--kubeconfig", "nowhere"],
            "release-name",
            "default",
        ),
    ] {
        let answer = template(variables, arguments);
        assert_eq!(
            (answer.code, answer.stderr.as_str()),
            (0, ""),
            "{arguments:?}"
        );
        let got = (line(&answer, "name:"), line(&answer, "namespace:"));
        assert_eq!(
            got,
            (name.to_owned(), namespace.to_owned()),
            "{arguments:?}"
        );
    }
}

#[test]
fn flags_are_read_as_go_reads_them() {
    for (arguments, text) in [
        (&["chart", "--set", "text=-x"][..], "-x"),
        (&["chart", "--set-string", "-=1", "--set", "text=b"], "b"),
        (&["--set=text=a=b", "chart"], "a=b"),
        (&["chart", "-f", "values.yaml,values-b.yaml"], "b"),
        (
            &["chart", "-f", "values.yaml", "-f", "\"values-b.yaml\""],
            "b",
        ),
        (&["chart", "-f", "values-b.yaml", "-fvalues.yaml"], "a"),
        (
            &[
                "chart",
                "--kube-version",
                "1.20",
                "--kube-version",
                "1.21",
                "--set",
                "text=b",
            ],
            "b",
        ),
        (&["chart", "--set-literal", "text=a,b"], "a,b"),
        (
            &[
                "chart",
                "--kube-version",
                "",
                "--output-dir=",
                "--post-renderer",
                "",
            ],
            "none",
        ),
        (&["chart", "--set-json", "{\"text\": \"a\"}"], "a"),
        (&["chart", "--set-file", "text=plain.txt"], "b"),
    ] {
        let answer = template(&[], arguments);
        assert_eq!(
            (answer.code, answer.stderr.as_str()),
            (0, ""),
            "{arguments:?}"
        );
        assert_eq!(line(&answer, "text:"), text, "{arguments:?}");
    }
    for (arguments, hooks) in [
        (&["chart"][..], 2),
        (&["chart", "--no-hooks"], 0),
        (&["chart", "--no-hooks=true"], 0),
        (&["chart", "--no-hooks=true", "--no-hooks=F"], 2),
        (&["chart", "--skip-tests"], 1),
        (&["--", "chart"], 2),
    ] {
        let answer = template(&[], arguments);
        assert_eq!(
            answer.stdout.matches("kind: Job").count(),
            hooks,
            "{arguments:?}"
        );
    }
}

#[test]
fn flags_of_installs_change_nothing() {
    let plain = template(&[], &["chart"]).stdout;
    let mut arguments = vec!["chart"];
    arguments.extend(
        "--create-namespace --replace --take-ownership --force-replace --server-side=false \
         --rollback-on-failure --wait --wait-for-jobs --timeout 5m0s --skip-crds \
         --disable-openapi-validation --description x --keyring x --content-cache x \
         --kube-apiserver x --kube-as-group a --kube-as-group b --kube-as-user x --kube-ca-file x \
         --kube-insecure-skip-tls-verify --kube-tls-server-name x --kube-token x --burst-limit 7 \
         --qps 0.5 --color never --colour auto --labels a=b,c=d --dry-run=client --devel \
         --version 9 --username u --password p --plain-http --pass-credentials --enable-dns=false \
         --verify=false --registry-config x --repository-config x --repository-cache x \
         --post-renderer-args x"
            .split_whitespace(),
    );
    let answer = template(&[], &arguments);
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""));
    assert_eq!(answer.stdout, plain);
    for (flag, said) in [
        (
            "--dry-run",
            "level=WARN msg=\"--dry-run is deprecated and should be replaced with '--dry-run=client'\"\n",
        ),
        (
            "--dry-run=true",
            "level=WARN msg=\"boolean '--dry-run=true' flag is deprecated and must be replaced with '--dry-run=client'\"\n",
        ),
        (
            "--wait=true",
            "level=WARN msg=\"--wait=true is deprecated (boolean value) and can be replaced with --wait=watcher\"\n",
        ),
        (
            "--force",
            "Flag --force has been deprecated, use --force-replace instead\n",
        ),
        (
            "--atomic",
            "Flag --atomic has been deprecated, use --rollback-on-failure instead\n",
        ),
        (
            "--hide-notes",
            "Flag --hide-notes has been deprecated, this flag has no effect for 'helm template' and will be removed in Helm 5\n",
        ),
    ] {
        let answer = template(&[], &["chart", flag]);
        assert_eq!((answer.code, answer.stderr.as_str()), (0, said), "{flag}");
        assert_eq!(answer.stdout, plain, "{flag}");
    }
}

/// Arguments, and the error: Helm's but for the command's name and what only Flotilla refuses.
const REFUSED: &[(&[&str], &str)] = &[
    (
        &[],
        "\"flotilla template\" requires at least 1 argument\n\nUsage:  flotilla template [NAME] [CHART] [flags]",
    ),
    (
        &["a", "chart", "c", "d"],
        "expected at most two arguments, unexpected arguments: c, d",
    ),
    (
        &["a", "chart", "-g"],
        "cannot set --generate-name and also specify a name",
    ),
    (
        &["a", "chart", "--name-template", "x"],
        "cannot set --name-template and also specify a name",
    ),
    (
        &["chart", "--name-template", "{{ \"x\" "],
        "template: name-template:1: unclosed action",
    ),
    (&["chart", "--wings"], "unknown flag: --wings"),
    (&["chart", "-gz"], "unknown shorthand flag: 'z' in -z"),
    (&["chart", "--set"], "flag needs an argument: --set"),
    (&["chart", "-gf"], "flag needs an argument: 'f' in -f"),
    (
        &["chart", "--no-hooks=maybe"],
        "invalid argument \"maybe\" for \"--no-hooks\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
    ),
    (
        &["chart", "-f", "a\"b"],
        "invalid argument \"a\\\"b\" for \"-f, --values\" flag: parse error on line 1, column 2: bare \" in non-quoted-field",
    ),
    (
        &["chart", "-a", "\"a"],
        "invalid argument \"\\\"a\" for \"-a, --api-versions\" flag: parse error on line 1, column 3: extraneous or missing \" in quoted-field",
    ),
    (
        &["chart", "--timeout", "5"],
        "invalid argument \"5\" for \"--timeout\" flag: time: missing unit in duration \"5\"",
    ),
    (
        &["chart", "--qps", "x"],
        "invalid argument \"x\" for \"--qps\" flag: strconv.ParseFloat: parsing \"x\": invalid syntax",
    ),
    (
        &["chart", "--wait=maybe"],
        "invalid argument \"maybe\" for \"--wait\" flag: invalid wait input \"maybe\". Valid inputs are watcher, hookOnly, and legacy",
    ),
    (
        &["chart", "-l", "a"],
        "invalid argument \"a\" for \"-l, --labels\" flag: a must be formatted as key=value",
    ),
    (
        &["chart", "-l", "a=b,owner=x"],
        "user supplied labels contains system reserved label name. System labels: [name owner status version createdAt modifiedAt]",
    ),
    (
        &["chart", "--dry-run=none"],
        "invalid dry-run value (\"none\"). Must be \"server\" or \"client\"",
    ),
    (
        &["chart", "--dry-run=maybe"],
        "invalid dry-run value (\"maybe\"). Must be \"none\", \"server\", or \"client\"",
    ),
    (
        &["chart", "--dry-run=server"],
        "--dry-run=server is not supported: flotilla template asks no cluster",
    ),
    (
        &["chart", "--enable-dns"],
        "--enable-dns is not supported: getHostByName gives an empty text",
    ),
    (&["chart", "--verify"], "unpacked charts cannot be verified"),
    (
        &["values.yaml", "--verify"],
        "--verify is not supported: signatures of charts are not checked",
    ),
    (
        &["chart", "--force-replace", "--force-conflicts"],
        "if any flags in the group [force-replace force-conflicts] are set none of the others can be; [force-conflicts force-replace] were all set",
    ),
    (
        &["chart", "--kube-version", "abc"],
        "invalid kube version 'abc': could not parse \"abc\" as version",
    ),
    (
        &["chart", "-f", "none.yaml"],
        "open none.yaml: no such file or directory",
    ),
    (&["chart", "-f", "chart"], "read chart: is a directory"),
    (
        &["chart", "-f", "ftp://x/y"],
        "open ftp://x/y: no such file or directory",
    ),
    (
        &["chart", "-s", "templates/none.yaml"],
        "could not find template templates/none.yaml in chart",
    ),
    (&["./none"], "path \"./none\" not found"),
    (
        &["none"],
        "non-absolute URLs should be in form of repo_name/path_to_chart, got: none",
    ),
    (&["none/chart"], "repo none not found"),
    (
        &["chart", "--repo", "nonsense"],
        "could not find protocol handler for: ",
    ),
    (
        &["oci://HOST"],
        "invalid reference: missing registry or repository",
    ),
];

#[test]
fn wrong_arguments_are_refused_in_words_of_helm() {
    for (arguments, said) in REFUSED {
        let answer = template(&[], arguments);
        assert_eq!(answer.stderr, format!("Error: {said}\n"), "{arguments:?}");
        assert_eq!(
            (answer.code, answer.stdout.as_str()),
            (1, ""),
            "{arguments:?}"
        );
    }
}

#[test]
fn files_are_written_below_a_directory() {
    let target = tempfile::tempdir().unwrap();
    let directory = target.path().to_str().unwrap();
    let answer = template(&[], &["mine", "chart", "--output-dir", directory]);
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""));
    let wrote: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(
        wrote,
        [
            &format!("wrote {directory}/chart/templates/config.yaml"),
            &format!("wrote {directory}/chart/templates/jobs.yaml"),
            &format!("wrote {directory}/chart/templates/jobs.yaml"),
            "",
        ]
    );
    let count = |path: &str| {
        let text = std::fs::read_to_string(target.path().join(path)).unwrap();
        text.matches("# Source: ").count()
    };
    assert_eq!(count("chart/templates/jobs.yaml"), 2);
    // Hooks are added to what an earlier run left, other objects take its place.
    template(&[], &["mine", "chart", "--output-dir", directory]);
    assert_eq!(count("chart/templates/jobs.yaml"), 4);
    assert_eq!(count("chart/templates/config.yaml"), 1);
    let below = template(
        &[],
        &["mine", "chart", "--release-name", "--output-dir", directory],
    );
    assert!(
        below
            .stdout
            .contains(&format!("wrote {directory}/mine/chart/")),
        "{}",
        below.stdout
    );
    let denied = template(&[], &["chart", "--output-dir", "values.yaml"]);
    assert_eq!(denied.code, 1);
    assert!(
        denied
            .stderr
            .starts_with("Error: cannot write values.yaml/chart/"),
        "{}",
        denied.stderr
    );
}

#[test]
fn a_deprecated_flag_is_told_of_whatever_it_says() {
    let said = "Flag --validate has been deprecated, use '--dry-run=server' instead\n";
    let answer = template(&[], &["chart", "--validate=false"]);
    assert_eq!((answer.code, answer.stderr.as_str()), (0, said));
    let answer = template(&[], &["chart", "--validate=false", "--dry-run=client"]);
    let group = "Error: if any flags in the group [validate dry-run] are set none of the others can be; [dry-run validate] were all set\n";
    assert_eq!((answer.code, answer.stderr), (1, format!("{said}{group}")));
}

/// Renders the chart through a program.
fn through(program: &str, arguments: &[&str]) -> Answer {
    let mut all = vec!["chart", "--post-renderer", program];
    all.extend(
        arguments
            .iter()
            .flat_map(|text| ["--post-renderer-args", text]),
    );
    template(&[], &all)
}

#[test]
fn a_program_may_change_the_manifests() {
    let plain = template(&[], &["chart"]).stdout;
    let unchanged = through("cat", &[]);
    assert_eq!((unchanged.code, unchanged.stderr.as_str()), (0, ""));
    assert_eq!(unchanged.stdout, plain);
    // Hooks go through the program too, and documents may come, go and move.
    let changed = through("sed", &["s/: Job/: Task/"]);
    assert_eq!(changed.stdout, plain.replace(": Job", ": Task"));
    let added = through("sh", &["-c", "cat; printf -- '---\\nkind: More\\n'"]).stdout;
    let more = "---\n# Source: generated-by-postrender-3.yaml\nkind: More\n";
    assert_eq!(added.matches(more).count(), 1, "{added}");
    let all = plain.matches("# Source").count();
    assert_eq!(added.matches("# Source").count(), all + 1);
    assert!(!added.contains("postrender-filename"), "{added}");
    // It need not read what it is given.
    assert_eq!(
        through("echo", &["kind: X"]).stdout,
        "---\n# Source: generated-by-postrender-0.yaml\nkind: X\n"
    );
}

#[test]
fn programs_that_fail_are_named() {
    let hint = "\n\nUse --debug flag to render out invalid YAML\n";
    for (program, arguments, said) in [
        (
            "./no-such-program",
            &[][..],
            "error while running post render on files: failed to invoke post-renderer \"./no-such-program\": no such program",
        ),
        (
            "./plain.txt",
            &[],
            "error while running post render on files: failed to invoke post-renderer \"./plain.txt\": it is not executable",
        ),
        (
            "sh",
            &["-c", "exit 3"],
            "error while running post render on files: failed to invoke post-renderer \"sh\": exit status: 3",
        ),
        (
            "true",
            &[],
            "error while running post render on files: post-renderer \"true\" produced empty output",
        ),
        (
            "echo",
            &["a: b: c"],
            "error while parsing post rendered output: error parsing YAML: MalformedYAMLError: yaml: mapping values are not allowed in this context",
        ),
        (
            "echo",
            &["- 1"],
            "error while parsing post rendered output: error parsing YAML: wrong node kind: expected MappingNode but got SequenceNode: node contents:\n- 1\n",
        ),
    ] {
        let answer = through(program, arguments);
        assert_eq!(answer.stderr, format!("Error: {said}{hint}"), "{program}");
        assert_eq!((answer.code, answer.stdout.as_str()), (1, ""), "{program}");
    }
    let loud = through("sh", &["-c", "echo why not >&2; exit 1"]);
    assert!(
        loud.stderr.starts_with("why not\nError: "),
        "{}",
        loud.stderr
    );
    let twice = template(
        &[],
        &["chart", "--post-renderer", "cat", "--post-renderer", "cat"],
    );
    assert_eq!(
        twice.stderr,
        "Error: cannot specify --post-renderer flag more than once\n"
    );
}

#[test]
fn an_error_is_helms_and_a_person_sees_the_line_at_fault_too() {
    let plain = template(&[], &["broken"]);
    let helm = "Error: broken/templates/config.yaml:4:11\n  executing \"broken/templates/config.yaml\" at <include \"name\" .>:\n    error calling include:\nbroken/templates/_helpers.tpl:2:10\n  executing \"name\" at <.Values.cluster.name>:\n    nil pointer evaluating interface {}.name\n\nUse --debug flag to render out invalid YAML\n";
    assert_eq!((plain.code, plain.stderr.as_str()), (1, helm));

    let explained = template(&[], &["broken", "--explain"]);
    let mark = "\n --> broken/templates/_helpers.tpl:2:10\n  |\n2 | {{ .Values.cluster.name | upper }}\n  |           ^\n";
    assert_eq!(explained.stderr, format!("{helm}{mark}"));
}

#[test]
fn links_in_a_chart_are_followed_but_not_in_circles() {
    let work = tempfile::tempdir().unwrap();
    let root = work.path().canonicalize().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let link = |target: &str, path: &str| {
        std::os::unix::fs::symlink(target, root.join(path)).unwrap();
    };
    write("c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n");
    write("c/templates/a.yaml", "kind: A\n");
    write("shared/b.yaml", "kind: B\n");
    link("../../shared/b.yaml", "c/templates/b.yaml");
    link("../../shared", "c/templates/more");
    let answer = flotilla(&root, &[], &["template", "c"]);
    assert_eq!(answer.code, 0);
    for (path, kind) in [("a.yaml", "A"), ("b.yaml", "B"), ("more/b.yaml", "B")] {
        let want = format!("# Source: c/templates/{path}\nkind: {kind}\n");
        assert!(answer.stdout.contains(&want), "{}", answer.stdout);
    }
    let said = |path: &str, resolved: &str| {
        format!(
            "level=INFO msg=\"found symbolic link in path. Contents of linked file included and used\" path={0}/c/templates/{path} resolved={0}/shared{resolved}\n",
            root.display()
        )
    };
    assert_eq!(answer.stderr, said("b.yaml", "/b.yaml") + &said("more", ""));
    link("..", "c/templates/up");
    let circle = flotilla(&root, &[], &["template", "c"]);
    assert_eq!((circle.code, circle.stdout.as_str()), (1, ""));
    let up = root.join("c/templates/up");
    let error = format!("Error: {} links to a directory above it\n", up.display());
    assert!(circle.stderr.ends_with(&error), "{}", circle.stderr);
    std::fs::remove_file(&up).unwrap();
    link("nowhere", "c/templates/up");
    let dangling = flotilla(&root, &[], &["template", "c"]);
    assert!(
        dangling.stderr.contains("error evaluating symlink"),
        "{}",
        dangling.stderr
    );
}
