//! Small charts with what Helm prints for them: `tests/data/charts`, recorded by `tools/oracle/helm`.
//!
//! Warnings are compared without regard to their order, which is random in Helm.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a broken case file must stop the test"
)]

mod cases;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use cases::{Case, parse, sorted, words};
use helm::values::ValueOptions;
use helm::{Chart, Limits, TemplateFlags};

#[derive(Default)]
struct Arguments {
    flags: TemplateFlags,
    values: ValueOptions,
    post_renderer: Option<String>,
}

fn arguments(line: &str) -> Arguments {
    let mut parsed = Arguments::default();
    let (flags, values) = (&mut parsed.flags, &mut parsed.values);
    let post_renderer = &mut parsed.post_renderer;
    "release-name".clone_into(&mut flags.release_name);
    "default".clone_into(&mut flags.namespace);
    let mut words = words(line).into_iter().peekable();
    let mut names = Vec::new();
    while let Some(word) = words.next() {
        let mut value = || words.next().expect("a flag with its value");
        match word.as_str() {
            "-f" => values.files.extend(value().split(',').map(str::to_owned)),
            "--set" => values.set.push(value()),
            "--set-string" => values.set_string.push(value()),
            "--set-json" => values.set_json.push(value()),
            "--set-file" => values.set_file.push(value()),
            "--set-literal" => values.set_literal.push(value()),
            "-n" => flags.namespace = value(),
            "-s" => flags.show_only.push(value()),
            "-a" => flags
                .api_versions
                .extend(value().split(',').map(str::to_owned)),
            "--kube-version" => flags.kube_version = Some(value()),
            "--include-crds" => flags.include_crds = true,
            "--no-hooks" => flags.no_hooks = true,
            "--skip-tests" => flags.skip_tests = true,
            "--is-upgrade" => flags.is_upgrade = true,
            "--debug" => flags.debug = true,
            "--post-renderer" => *post_renderer = Some(value()),
            flag if flag.starts_with('-') => panic!("the tests do not know {flag}"),
            _ => names.push(word),
        }
    }
    if let [name, _] = names.as_slice() {
        flags.release_name.clone_from(name);
    }
    parsed
}

/// What the command prints: standard output and standard error.
fn run(case: &Case, line: &str) -> (String, String) {
    let (mut stdout, mut stderr) = (String::new(), String::new());
    let arguments = arguments(line);
    let mut reader = |name: &str| {
        let found = case.files.get(name).cloned();
        found.ok_or_else(|| format!("open {name}: no such file or directory"))
    };
    let error = match (arguments.values.merge(&mut reader), load(case)) {
        (Err(error), _) => Some(error.to_string()),
        (_, Err(failure)) => {
            for record in &failure.log {
                let _ = writeln!(stderr, "{record}");
            }
            Some(failure.to_string())
        }
        (Ok(values), Ok(chart)) => {
            let now = jiff::Timestamp::UNIX_EPOCH;
            let mut program = arguments
                .post_renderer
                .as_deref()
                .map(|name| post_renderer(case, name));
            let program = program.as_mut().map(|run| run as helm::PostRenderer<'_>);
            match helm::template_through(chart, values, &arguments.flags, program, now) {
                Err(error) => Some(error.to_string()),
                Ok(output) => {
                    for record in &output.log {
                        let _ = writeln!(stderr, "{record}");
                    }
                    stdout = output.text;
                    output.error.map(|error| error.to_string())
                }
            }
        }
    };
    if let Some(error) = error {
        let _ = writeln!(stderr, "Error: {error}");
    }
    (stdout, stderr)
}

/// The post-renderers of the recorder.
fn post_renderer(case: &Case, name: &str) -> impl FnMut(&str) -> Result<String, String> {
    let answer = case.files.get("answer.yaml").cloned().unwrap_or_default();
    let answer = String::from_utf8(answer).expect("an answer in UTF-8");
    move |stream| match name {
        "same" => Ok(stream.to_owned()),
        "keep" => Ok(stream.replace("postrenderer.helm.sh", "kept.helm.sh")),
        "answer" => Ok(answer.clone()),
        name => panic!("the tests do not know the post-renderer {name}"),
    }
}

fn load(case: &Case) -> Result<Chart, helm::LoadFailure> {
    const DEFAULT: &[u8] = b"apiVersion: v2\nname: c\nversion: 1.0.0\n";
    let mut files: BTreeMap<String, Vec<u8>> = case
        .files
        .iter()
        .filter_map(|(name, data)| Some((name.strip_prefix("chart/")?.to_owned(), data.clone())))
        .collect();
    files
        .entry("Chart.yaml".to_owned())
        .or_insert_with(|| DEFAULT.to_vec());
    Chart::from_directory(files.into_iter().collect(), &Limits::default())
}

#[test]
fn charts_render_as_in_helm() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/charts");
    let mut count = 0;
    let mut failures = String::new();
    for entry in std::fs::read_dir(directory).expect("the cases are there") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a case file");
        for case in parse(&text) {
            for command in &case.commands {
                count += 1;
                let (stdout, stderr) = run(&case, &command.line);
                if stdout != command.stdout || sorted(&stderr) != sorted(&command.stderr) {
                    let _ = write!(
                        failures,
                        "\n{}: {}\n$ {}\n--- got\n{stdout}{stderr}--- want\n{}{}",
                        path.display(),
                        case.name,
                        command.line,
                        command.stdout,
                        command.stderr
                    );
                }
            }
        }
    }
    assert!(count > 400, "only {count} commands were found");
    assert!(failures.is_empty(), "{failures}");
}
