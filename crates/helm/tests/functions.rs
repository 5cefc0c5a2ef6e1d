//! The functions of charts against recorded answers of Helm 4.3.1.
//!
//! In: `data/functions/GROUP.jsonl`, a case a line: a template and what Helm printed for it or why it
//! refused it. The template stands in a `define` of `templates/t.yaml`, included and written as JSON, so
//! that its output can be any text; errors are compared whole, with their places. Recorded with the time
//! zone UTC.

#![expect(clippy::expect_used, reason = "a test says what it expects")]

use helm::{Chart, CompiledChart, Host, Limits, RandomSource, RenderOptions, render};
use jiff::Timestamp;
use serde::Deserialize;

const CHART: &str = "apiVersion: v2\nname: c\nversion: 1.2.3\n";
const VALUES: &str = "int: 3\nbig: 12345678\nfloat: 2.5\nmillion: 1000000\nsmall: 0.000001\ntext: hello\nmap:\n  text: x\nlist: [a, b]\n";

/// Counts up: nothing recorded depends on what is random.
struct Counter(u8);

impl RandomSource for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_add(83);
            *byte = self.0;
        }
    }
}

#[derive(Deserialize)]
struct Case {
    template: String,
    output: Option<String>,
    error: Option<String>,
}

fn answer(template: &str) -> Result<String, String> {
    let text = format!(
        "{{{{ define \"case\" }}}}{template}{{{{ end }}}}out: {{{{ include \"case\" . | toJson }}}}\n"
    );
    let files = [
        ("Chart.yaml", CHART),
        ("values.yaml", VALUES),
        ("a/b.txt", "one\ntwo\n"),
        ("templates/t.yaml", text.as_str()),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let chart = Chart::from_files(files.to_vec(), &Limits::default()).expect("a chart");
    let options = RenderOptions {
        release_name: "rel".to_owned(),
        ..RenderOptions::default()
    };
    let now = Timestamp::from_second(1_800_000_000).expect("in range");
    let host = Host::new(now, Box::new(Counter(7)));
    let rendered = render(&CompiledChart::new(chart), &options, host)
        .map_err(|failure| failure.error.to_string())?;
    let manifest = &rendered.manifests[0].text;
    let json = manifest.trim().strip_prefix("out: ").expect("the output");
    Ok(serde_json::from_str(json).expect("a JSON text"))
}

fn check(group: &str, cases: &str) {
    let mut wrong = Vec::new();
    for line in cases.lines() {
        let case: Case = serde_json::from_str(line).expect("a case");
        let want = case.output.ok_or(case.error.unwrap_or_default());
        let got = answer(&case.template);
        if got != want {
            wrong.push(format!(
                "{}\n  want {want:?}\n  got  {got:?}",
                case.template
            ));
        }
    }
    assert!(wrong.is_empty(), "{group}:\n{}", wrong.join("\n"));
}

macro_rules! groups {
    ($($test:ident, $group:literal;)+) => {$(
        #[test]
        fn $test() {
            check($group, include_str!(concat!("data/functions/", $group, ".jsonl")));
        }
    )+};
}

groups! {
    texts_are_handled_as_by_helm, "strings";
    lists_are_handled_as_by_helm, "lists";
    dictionaries_are_handled_as_by_helm, "dicts";
    numbers_are_handled_as_by_helm, "math";
    codes_and_addresses_are_handled_as_by_helm, "encoding";
    patterns_are_handled_as_by_helm, "regex";
    versions_are_handled_as_by_helm, "semver";
    choices_objects_and_templates_are_handled_as_by_helm, "flow";
    dates_are_handled_as_by_helm, "dates";
    paths_hashes_and_keys_are_handled_as_by_helm, "paths";
}
