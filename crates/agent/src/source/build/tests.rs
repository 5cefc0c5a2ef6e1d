use api::v1alpha1::BundleDeploymentOptions;
use serde_json::json;

use super::*;

fn recipe() -> Recipe {
    Recipe {
        content_id: "s-abc".to_owned(),
        registry_access: None,
        download: None,
        bundle_id: "shop".to_owned(),
        commit: "0123456789abcdef".to_owned(),
        options: BundleDeploymentOptions::default(),
    }
}

fn resources(files: &[(&str, &str)]) -> Vec<BundleResource> {
    let resource = |(name, content): &(&str, &str)| BundleResource {
        name: (*name).to_owned(),
        content: (*content).to_owned(),
        ..BundleResource::default()
    };
    files.iter().map(resource).collect()
}

fn names(built: &Built) -> Vec<&str> {
    built
        .raw
        .iter()
        .map(|raw| text(&raw.object, "/metadata/name"))
        .collect()
}

fn config(name: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n")
}

fn templated(files: &[&str], data: &Value) -> Recipe {
    let mut recipe = recipe();
    recipe.options.templating = Some(Templating {
        options: false,
        files: files.iter().map(|file| (*file).to_owned()).collect(),
        data: data.as_object().cloned(),
    });
    recipe
}

#[test]
fn templates_of_named_files_are_rendered_before_overlays() {
    let config = |name: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n  num: ${{ .ClusterValues.num }}\n"
        )
    };
    let (a, b, c, patch) = (
        config("a"),
        config("b"),
        config("c"),
        "data: {p: ${ .ClusterName }}\n",
    );
    let mut recipe = templated(
        &["a.yaml", "deep/*.yaml", "*_patch.yaml"],
        &json!({"ClusterName": "here", "ClusterValues": {"num": 7}}),
    );
    recipe.options.yaml = Some(api::v1alpha1::YamlOptions {
        overlays: vec!["o".to_owned()],
    });
    let files = [
        ("a.yaml", a.as_str()),
        ("b.yaml", &b),
        ("deep/c.yaml", &c),
        ("overlays/o/a_patch.yaml", patch),
    ];
    let built = build(resources(&files), &recipe).unwrap();
    let data: Vec<&Value> = built.raw.iter().map(|raw| &raw.object["data"]).collect();
    assert_eq!(
        data,
        [
            &json!({"num": 7, "p": "here"}),
            &json!({"num": "${ .ClusterValues.num }"}),
            &json!({"num": 7}),
        ]
    );
}

#[test]
fn templates_of_files_fail_with_file_line_and_what_is_missing() {
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n";
    for (line, wanted) in [
        (
            "  zone: ${ .ClusterLabels.zone }",
            "deep/a.yaml: failed to render template: template: deep/a.yaml:5:25: executing \
             \"deep/a.yaml\" at <.ClusterLabels.zone>: map has no entry for key \"zone\"",
        ),
        (
            "  shell: ${HOME}",
            "deep/a.yaml: failed to parse template: template: deep/a.yaml:5: function \"HOME\" not defined",
        ),
        (
            "  time: ${ now }",
            "deep/a.yaml: failed to render template: template: deep/a.yaml:5:11: executing",
        ),
    ] {
        let text = format!("{config}{line}\n");
        let recipe = templated(&["*.yaml"], &json!({"ClusterLabels": {}}));
        let found = build(resources(&[("deep/a.yaml", &text)]), &recipe);
        let error = errors::chain(&found.err().unwrap());
        assert!(error.starts_with(wanted), "{error}");
    }
    let error = |files: &[&str], resource: (&str, &str)| {
        let found = build(resources(&[resource]), &templated(files, &json!({})));
        errors::chain(&found.err().unwrap())
    };
    assert_eq!(
        error(&["[a"], ("a.yaml", config)),
        "templating.files: \"[a\" is no pattern for files"
    );
    assert!(
        error(
            &["*"],
            ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n")
        )
        .starts_with("templating.files is for bundles without a chart")
    );
}

#[test]
fn plain_manifests_become_a_chart_without_what_belongs_elsewhere() {
    let (a, b, c) = (config("a"), config("b"), config("c"));
    let list = format!(
        "kind: List\napiVersion: v1\nitems:\n- {{apiVersion: v1, kind: Secret, metadata: {{name: d}}}}\n---\n{}",
        config("e")
    );
    let built = build(
        resources(&[
            ("a.yaml", &a),
            ("fleet.yaml", "namespace: x\n"),
            ("inner/fleet.yaml", "{}"),
            ("inner/b.yaml", &b),
            ("notes.txt", "hello"),
            ("templates/c.yaml", &c),
            ("z/list.json", &list),
            ("values.yml", "just: data\n"),
        ]),
        &recipe(),
    )
    .unwrap();
    assert_eq!(names(&built), ["a", "d", "e"]);
    let chart = built.chart.chart();
    assert_eq!(
        (chart.name(), chart.metadata.version.as_str()),
        ("shop", "v0.0.0+git-0123456789ab")
    );
    let templates: Vec<&str> = chart
        .templates
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    assert_eq!(templates, ["templates/c.yaml"]);
}

#[test]
fn a_short_commit_gives_way_to_the_content_id() {
    let recipe = Recipe {
        commit: "abc".to_owned(),
        ..recipe()
    };
    assert!(chart_yaml(&recipe, &recipe.commit).contains("v0.0.0+s-abc"));
}

#[test]
fn bad_manifests_name_file_and_document() {
    for (name, content, expected) in [
        (
            "a.yaml",
            "a: [1,\n",
            "a.yaml: document 1, which starts on line 1: error converting YAML to JSON: yaml: line",
        ),
        (
            "a.yaml",
            "kind: X\n---\napiVersion: v1\nkind: Z\n",
            "a.yaml: document 1 has no apiVersion",
        ),
        (
            "a.yaml",
            "apiVersion: v1\nkind: Z\n---\napiVersion: v1\nmetadata: {name: x}\n",
            "a.yaml: document 2 has no kind",
        ),
        ("a.yaml", "- 1\n- 2\n", "a.yaml: document 1 is no object"),
        ("a.yaml", "just text", "a.yaml: document 1 is no object"),
    ] {
        let error = build(resources(&[(name, content)]), &recipe())
            .err()
            .unwrap();
        assert!(error.to_string().starts_with(expected), "{error}");
    }
}

#[test]
fn beside_a_kustomization_no_manifest_counts_by_itself() {
    let files = [
        ("kustomization.yml", "resources: [a.yaml]\n".to_owned()),
        ("a.yaml", config("a")),
        ("b.yaml", config("b")),
        ("templates/c.yaml", config("c")),
    ];
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let built = build(resources(&files), &recipe()).unwrap();
    assert!(names(&built).is_empty());
    let kustomization = built.kustomization.unwrap();
    assert_eq!(
        (kustomization.directory.as_str(), kustomization.files.len()),
        ("", 4)
    );
}

#[test]
fn a_chart_that_is_named_must_be_there() {
    for helm in [
        json!({"chart": "web"}),
        json!({"repo": "https://charts.example", "version": "1"}),
    ] {
        let options = serde_json::from_value(json!({ "helm": helm })).unwrap();
        let recipe = Recipe {
            options,
            ..recipe()
        };
        let error = build(resources(&[("a.yaml", &config("a"))]), &recipe)
            .err()
            .unwrap();
        assert!(
            error.to_string().ends_with(" is not in the bundle"),
            "{error}"
        );
    }
}

#[test]
fn a_broken_chart_is_refused_with_its_directory() {
    let missing = "name: web\nversion: 1.0.0\napiVersion: v2\ndependencies:\n- {name: db, version: 1, repository: 'https://r'}\n";
    for (content, expected) in [
        ("name: [", "load chart \"\": cannot load Chart.yaml"),
        ("apiVersion: v2\nversion: 1.0.0\n", "load chart \"\": "),
        (
            "apiVersion: v2\nname: l\nversion: 1.0.0\ntype: library\n",
            "load chart \"\": library charts are not installable",
        ),
        (
            missing,
            "load chart \"\": an error occurred while checking for chart dependencies",
        ),
    ] {
        let error = build(resources(&[("Chart.yaml", content)]), &recipe())
            .err()
            .unwrap();
        assert!(
            errors::chain(&error).starts_with(expected),
            "{}",
            errors::chain(&error)
        );
    }
}
