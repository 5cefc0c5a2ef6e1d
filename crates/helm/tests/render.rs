//! Whole renders of small charts: values between charts, order, bounds, errors.

#![expect(clippy::expect_used, reason = "a test says what it expects")]

use std::sync::Arc;

use helm::{
    Chart, CompiledChart, HookEvent, Host, Limits, Lookup, RenderLimits, RenderOptions, Rendered,
    SystemRandom, hooks_at, render,
};
use jiff::Timestamp;
use serde_json::{Value, json};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
const SUB: &str = "apiVersion: v2\nname: db\nversion: 2.0.0\n";

fn compiled(files: &[(&str, &str)]) -> CompiledChart {
    let files = files
        .iter()
        .map(|(n, t)| ((*n).to_owned(), t.as_bytes().to_vec()))
        .collect();
    CompiledChart::new(Chart::from_files(files, &Limits::default()).expect("a chart"))
}

fn host() -> Host {
    Host::new(Timestamp::UNIX_EPOCH, Box::new(SystemRandom))
}

fn options(values: Value) -> RenderOptions {
    RenderOptions {
        release_name: "rel".to_owned(),
        values,
        ..RenderOptions::default()
    }
}

fn run(files: &[(&str, &str)], values: Value) -> Result<Rendered, String> {
    render(&compiled(files), &options(values), host()).map_err(|failure| failure.error.to_string())
}

fn text(files: &[(&str, &str)], values: Value) -> String {
    run(files, values).expect("renders").manifest_text(true)
}

#[test]
fn values_of_users_win_and_nulls_remove_defaults() {
    let files = [
        ("Chart.yaml", CHART),
        ("values.yaml", "a: {x: 1, w: 2}\nb: gone\nc: null\n"),
        ("templates/v.yaml", "{{ toJson .Values }}"),
    ];
    let rendered = run(&files, json!({"a": {"w": null, "z": 3.0}, "b": null})).expect("renders");
    assert_eq!(rendered.manifests[0].text, "{\"a\":{\"x\":1,\"z\":3}}");
    assert_eq!(rendered.values, json!({"a": {"x": 1.0, "z": 3.0}}));
}

#[test]
fn integers_of_users_stay_integers_and_floats_print_as_in_go() {
    let files = [
        ("Chart.yaml", CHART),
        ("templates/v.yaml", "a: {{ .Values.i }}/{{ .Values.f }}\n"),
    ];
    assert!(text(&files, json!({"i": 1_000_000, "f": 1_000_000.0})).contains("a: 1000000/1e+06\n"));
}

#[test]
fn globals_are_handed_down_and_subcharts_see_their_own_values_only() {
    let files = [
        ("Chart.yaml", CHART),
        (
            "values.yaml",
            "global: {g: {deep: {a: 1}}}\ndb: {port: 5}\nown: 1\n",
        ),
        (
            "templates/v.yaml",
            "web: {{ toJson .Values }}\nsub: {{ .Subcharts.db.Values.port }}",
        ),
        ("charts/db/Chart.yaml", SUB),
        (
            "charts/db/values.yaml",
            "port: 1\nname: d\nglobal: {g: {deep: {b: 2}, other: 3}}\n",
        ),
        ("charts/db/templates/v.yaml", "db: {{ toJson .Values }}"),
    ];
    let text = text(&files, Value::Null);
    assert!(text.contains("db: {\"global\":{\"g\":{\"deep\":{\"a\":1,\"b\":2},\"other\":3}},\"name\":\"d\",\"port\":5}"), "{text}");
    // Tables two levels down are shared: the sub-chart's default shows in the parent.
    assert!(text.contains("web: {\"db\":{\"global\":{\"g\":{\"deep\":{\"a\":1,\"b\":2},\"other\":3}},\"name\":\"d\",\"port\":5},\"global\":{\"g\":{\"deep\":{\"a\":1,\"b\":2}}},\"own\":1}"), "{text}");
}

#[test]
fn conditions_tags_and_aliases_choose_subcharts() {
    let chart = "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies:\n- {name: db, version: '2.x', alias: one, condition: one.on}\n- {name: db, version: '2.x', alias: two, tags: [extra]}\n";
    let files = [
        ("Chart.yaml", chart),
        ("values.yaml", "one: {on: true}\ntags: {extra: false}\n"),
        ("charts/db/Chart.yaml", SUB),
        ("charts/db/templates/v.yaml", "name: {{ .Chart.Name }}"),
    ];
    assert_eq!(
        text(&files, Value::Null),
        "---\n# Source: web/charts/one/templates/v.yaml\nname: one\n"
    );
    let other = json!({"one": {"on": false}, "tags": {"extra": true}});
    assert_eq!(
        text(&files, other),
        "---\n# Source: web/charts/two/templates/v.yaml\nname: two\n"
    );
}

#[test]
fn a_second_render_uses_parsed_templates_and_other_values() {
    let chart = Arc::new(compiled(&[
        ("Chart.yaml", CHART),
        (
            "templates/v.yaml",
            "{{ set .Values \"seen\" true | toJson }}",
        ),
    ]));
    for n in [1.0, 2.0] {
        let rendered = render(&chart, &options(json!({"n": n})), host()).expect("renders");
        assert_eq!(
            rendered.manifests[0].text,
            format!("{{\"n\":{n},\"seen\":true}}")
        );
    }
    let other = Arc::clone(&chart);
    let thread = std::thread::spawn(move || render(&other, &options(Value::Null), host()).is_ok());
    assert!(thread.join().expect("no panic"));
}

#[test]
fn hooks_crds_and_notes_are_kept_apart() {
    let hook = |name: &str, weight: i32| {
        format!(
            "kind: Job\nmetadata: {{name: {name}, annotations: {{helm.sh/hook: pre-install, helm.sh/hook-weight: \"{weight}\"}}}}\n"
        )
    };
    let files = [
        ("Chart.yaml", CHART),
        ("crds/c.yaml", "kind: CustomResourceDefinition\n"),
        ("templates/NOTES.txt", "installed {{ .Release.Name }}"),
        (
            "templates/h.yaml",
            &[hook("late", 5), hook("early", -5)].join("---\n"),
        ),
        ("templates/o.yaml", "kind: ConfigMap\n"),
    ];
    let rendered = run(&files, Value::Null).expect("renders");
    assert_eq!(rendered.notes, "installed rel");
    assert_eq!(rendered.crds[0].name, "web/crds/c.yaml");
    assert_eq!(rendered.manifests.len(), 1);
    let names: Vec<_> = hooks_at(&rendered.hooks, HookEvent::PreInstall);
    assert_eq!(
        names.iter().map(|h| h.name.as_str()).collect::<Vec<_>>(),
        ["early", "late"]
    );
}

#[test]
fn errors_name_file_line_and_column() {
    for (template, want) in [
        (
            "\n{{ .Values.a.b }}",
            "web/templates/t.yaml:2:10\n  executing \"web/templates/t.yaml\" at <.Values.a.b>:\n    nil pointer evaluating interface {}.b",
        ),
        (
            "{{ fail \"no\" }}",
            "execution error at (web/templates/t.yaml:1:3): no",
        ),
        (
            "{{ required \"give a\" .Values.a }}",
            "execution error at (web/templates/t.yaml:1:3): give a",
        ),
        (
            "{{ if }}",
            "parse error at (web/templates/t.yaml:1): missing value for if",
        ),
        (
            "a: b: c",
            "YAML parse error on web/templates/t.yaml: error converting YAML to JSON: yaml: mapping values are not allowed in this context",
        ),
    ] {
        let files = [("Chart.yaml", CHART), ("templates/t.yaml", template)];
        assert_eq!(run(&files, Value::Null).expect_err(template), want);
    }
}

#[test]
fn what_a_render_is_given_is_checked() {
    let files = [("Chart.yaml", CHART), ("charts/db/Chart.yaml", SUB)];
    let chart = compiled(&files);
    for (options, want) in [
        (
            RenderOptions {
                release_name: "No".into(),
                ..RenderOptions::default()
            },
            "release name check failed: release name \"No\": invalid release name",
        ),
        (
            RenderOptions {
                release_name: String::new(),
                ..RenderOptions::default()
            },
            "release name check failed: release name \"\": no name provided",
        ),
        (options(json!([1])), "values must be a map, not array"),
        (options(json!({"db": 1.0})), "type mismatch on db"),
    ] {
        let failure = render(&chart, &options, host()).expect_err(want);
        assert!(failure.to_string().starts_with(want), "{failure}");
    }
    let old = [(
        "Chart.yaml",
        "apiVersion: v2\nname: web\nversion: 1.0.0\nkubeVersion: '<1.20'\n",
    )];
    assert_eq!(
        run(&old, Value::Null).expect_err("too new"),
        "chart requires kubeVersion: <1.20 which is incompatible with Kubernetes v1.37.0"
    );
}

#[test]
fn templates_that_never_end_are_ended() {
    for (template, want) in [
        (
            "{{ define \"x\" }}{{ include \"x\" . }}{{ end }}{{ include \"x\" . }}",
            "nested reference name: x",
        ),
        (
            "{{ define \"x\" }}{{ template \"x\" . }}{{ end }}{{ template \"x\" . }}",
            "maximum template depth",
        ),
        ("{{ range until 1000000000 }}x{{ end }}", "steps"),
        ("{{ repeat 2000000000 \"x\" }}", "bytes"),
        ("{{ indent 2000000000 \"x\" }}", "bytes"),
        ("{{ range 900 }}{{ range 900 }}x{{ end }}{{ end }}", "steps"),
        (
            "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ toYaml $d }}{{ deepCopy $d }}",
            "nested deeper",
        ),
        (
            "{{ $t := \"{{ tpl .t . }}\" }}{{ tpl $t (dict \"t\" $t) }}",
            "maximum template depth",
        ),
    ] {
        let files = [("Chart.yaml", CHART), ("templates/t.yaml", template)];
        let limits = RenderLimits {
            steps_max: 200_000,
            output_bytes_max: 1 << 20,
            depth_max: 2_000,
            ..RenderLimits::default()
        };
        let options = RenderOptions {
            limits,
            ..options(Value::Null)
        };
        let failure = render(&compiled(&files), &options, host()).expect_err(template);
        let text = failure.to_string();
        assert!(
            text.contains(want),
            "{template}: {}",
            &text[..text.len().min(2_000)]
        );
    }
}

#[test]
fn lookups_ask_the_cluster_they_are_given() {
    struct Cluster;
    impl Lookup for Cluster {
        fn lookup(
            &self,
            version: &str,
            kind: &str,
            namespace: &str,
            name: &str,
        ) -> Result<Option<Value>, String> {
            match (version, kind, namespace, name) {
                ("v1", "Secret", "ns", "found") => Ok(Some(json!({"data": {"a": "b"}}))),
                ("v1", "Secret", ..) => Ok(None),
                _ => Err(format!("no kind {kind}")),
            }
        }
    }
    let render_with = |template: &str| {
        let chart = compiled(&[("Chart.yaml", CHART), ("templates/t.yaml", template)]);
        render(
            &chart,
            &options(Value::Null),
            host().with_lookup(Box::new(Cluster)),
        )
        .map(|rendered| rendered.manifests[0].text.clone())
        .map_err(|failure| failure.to_string())
    };
    let found = render_with(
        "a: {{ (lookup \"v1\" \"Secret\" \"ns\" \"found\").data.a }}{{ len (lookup \"v1\" \"Secret\" \"ns\" \"x\") }}",
    );
    assert_eq!(found, Ok("a: b0".to_owned()));
    let error = render_with("{{ lookup \"v1\" \"Odd\" \"\" \"\" }}").expect_err("unknown kind");
    assert!(
        error.contains("error calling lookup: no kind Odd"),
        "{error}"
    );
}
