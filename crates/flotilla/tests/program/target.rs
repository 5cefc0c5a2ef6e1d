//! `target`: what a Bundle means for clusters, from a file and from a hub.

use std::path::Path;

use crate::{Answer, flotilla};
use apiclient::{Budgets, Client, Kind, ObjectKey, WriteOptions};
use sandbox::Sandbox;
use serde_json::{Value, json};

const BUNDLE: &str = "\
kind: Bundle
metadata: {name: app, namespace: team}
spec:
  helm: {values: {zone: '${ .ClusterLabels.zone }', size: small}}
  resources: [{name: cm.yaml, content: 'kind: ConfigMap'}]
  targetRestrictions: [{name: all, clusterSelector: {matchLabels: {env: prod}}}]
  targets:
  - {name: big, clusterGroup: large, helm: {values: {size: large}}}
  - {name: never, clusterName: c, doNotDeploy: true}
  - {name: all, clusterSelector: {matchLabels: {env: prod}}, defaultNamespace: apps}
";

const CLUSTERS: &str = "\
kind: Cluster
metadata: {name: a, namespace: team, labels: {env: prod, zone: z1, size: xl}}
status: {namespace: cluster-a}
---
kind: Cluster
metadata: {name: b, namespace: team, labels: {env: prod}}
status: {namespace: cluster-b}
---
kind: Cluster
metadata: {name: c, namespace: team, labels: {env: prod}}
status: {namespace: cluster-c}
---
kind: Cluster
metadata: {name: d, namespace: team, labels: {env: dev}}
status: {namespace: cluster-d}
---
kind: Cluster
metadata: {name: e, namespace: elsewhere, labels: {env: prod, zone: z1}}
status: {namespace: cluster-e}
---
kind: ClusterGroup
metadata: {name: large, namespace: team}
spec: {selector: {matchLabels: {size: xl}}}
---
kind: Something
metadata: {name: else}
";

/// Runs the command in a directory with a bundle and clusters.
fn run(arguments: &[&str]) -> Answer {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "bundle.yaml", BUNDLE);
    write(directory.path(), "clusters.yaml", CLUSTERS);
    let kept = CLUSTERS.replace("labels: {env: prod}", "labels: {env: prod, zone: z2}");
    write(directory.path(), "good.yaml", &kept);
    write(directory.path(), "broken.yaml", "kind: Cluster\n---\n{");
    write(directory.path(), "empty.yaml", "apiVersion: v1\n");
    write(directory.path(), "wrong.yaml", "spec: {targets: {a: b}}\n");
    let policy =
        "\n---\nkind: Policy\nmetadata: {name: p, namespace: team}\nrequireServiceAccount: true\n";
    write(directory.path(), "policed.yaml", &format!("{kept}{policy}"));
    let mut all = vec!["target"];
    all.extend(arguments);
    flotilla(directory.path(), &[], &all)
}

fn write(directory: &Path, name: &str, text: &str) {
    std::fs::write(directory.join(name), text).unwrap();
}

#[test]
fn objects_are_printed_as_the_hub_would_write_them() {
    let answer = run(&["-b", "bundle.yaml", "--clusters", "good.yaml"]);
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""));
    let documents: Vec<Value> = answer
        .stdout
        .split("---\n")
        .filter(|text| !text.is_empty())
        .map(|text| goyaml::parse(text.as_bytes()).unwrap())
        .collect();
    let kinds: Vec<_> = documents.iter().map(|document| &document["kind"]).collect();
    assert_eq!(kinds, ["Content", "BundleDeployment", "BundleDeployment"]);
    let options = |document: &Value| document["spec"]["options"].clone();
    assert_eq!(
        options(&documents[1]),
        json!({ "helm": { "values": { "size": "large", "zone": "z1" } } })
    );
    assert_eq!(
        options(&documents[2]),
        json!({ "defaultNamespace": "apps", "helm": { "values": { "size": "small", "zone": "z2" } } })
    );
    assert_eq!(documents[1]["metadata"]["namespace"], "cluster-a");
    let id = documents[1]["spec"]["deploymentID"].as_str().unwrap();
    let content = documents[0]["metadata"]["name"].as_str().unwrap();
    assert!(id.starts_with(&format!("{content}:")), "{id}");
}

#[test]
fn a_cluster_that_fails_is_named_and_the_others_are_printed() {
    let answer = run(&["-b", "bundle.yaml", "--clusters", "clusters.yaml"]);
    assert_eq!(answer.code, 1);
    assert!(answer.stdout.contains("namespace: cluster-a"));
    let error = answer.stderr.lines().last().unwrap();
    assert!(
        error.starts_with("error: cluster b in namespace team: failed to render")
            && error.contains("map has no entry for key \"zone\""),
        "{error}"
    );
}

#[test]
fn an_explanation_tells_of_every_rule_in_order() {
    let answer = run(&[
        "-b",
        "bundle.yaml",
        "--clusters",
        "clusters.yaml",
        "--explain",
    ]);
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""));
    let id = "deployed as s-";
    let shown: Vec<&str> = answer
        .stdout
        .lines()
        .map(|line| {
            if line.contains(id) {
                "  deployed"
            } else {
                line
            }
        })
        .collect();
    let wanted = "\
bundle team/app: deployed to 1 of 4 clusters

cluster team/a
  groups: large
  targets, the first that matches:
    3. all: matches
  customizations, the first that matches:
    1. big: matches
    2. never: not asked
  deployed
  options of the bundle, then big:
    helm:
      values:
        size: large
        zone: z1
  where they come from:
    helm.values.size: target big
    helm.values.zone: template

cluster team/b
  groups: none
  targets, the first that matches:
    3. all: matches
  customizations, the first that matches:
    1. big: no, it is not in clusterGroup large
    2. never: no, clusterName is c
  fails: failed to render helm values template: template: values:2:23: executing \"values\" at <.ClusterLabels.zone>: map has no entry for key \"zone\" (in helm.values.zone)

cluster team/c
  groups: none
  targets, the first that matches:
    3. all: matches
  customizations, the first that matches:
    1. big: no, it is not in clusterGroup large
    2. never: matches
  not deployed: never says doNotDeploy

cluster team/d
  groups: none
  targets, the first that matches:
    3. all: no, clusterSelector: label env is \"dev\", not \"prod\"
  customizations, the first that matches:
    1. big: no, no target matches
    2. never: no, no target matches
  not deployed: no target matches";
    assert_eq!(shown.join("\n"), wanted);
}

#[test]
fn an_explanation_for_programs_has_the_same_in_both_formats() {
    let with = |format: &str| {
        let arguments = [
            "-b",
            "bundle.yaml",
            "--clusters",
            "good.yaml",
            "--explain",
            "-o",
            format,
        ];
        let answer = run(&arguments);
        assert_eq!(answer.code, 0, "{}", answer.stderr);
        goyaml::parse(answer.stdout.as_bytes()).unwrap()
    };
    let json = with("json");
    assert_eq!(json, with("yaml"));
    assert_eq!(json[0]["cluster"], "a");
    assert_eq!(json[0]["customizations"][1]["answer"], "notAsked");
    assert_eq!(json[0]["outcome"]["deploys"]["merged"], json!(["big"]));
    assert_eq!(
        json[2]["outcome"],
        json!({ "doNotDeploy": { "by": "never" } })
    );
}

#[test]
fn what_the_hub_would_deny_is_said() {
    let answer = run(&["-b", "bundle.yaml", "--clusters", "policed.yaml"]);
    assert_eq!(answer.code, 0);
    assert_eq!(
        answer.stderr,
        "warning: the hub denies this bundle: serviceAccount is required by Policy but is not set on \
         the Bundle\n"
    );
    assert!(answer.stdout.contains("createNamespace: false"));
}

#[test]
fn bad_input_is_refused_by_name() {
    let help = run(&[]);
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
    assert!(help.stdout.contains("--bundle-file"));
    for (arguments, text) in [
        (&["-b", "none.yaml"][..], "error: read none.yaml"),
        (
            &["-b", "bundle.yaml", "--clusters", "none.yaml"],
            "error: read none.yaml",
        ),
        (
            &["-b", "bundle.yaml", "--clusters", "broken.yaml"],
            "error: read document 2 of broken.yaml",
        ),
        (
            &["-b", "empty.yaml"],
            "error: failed to read bundle from file, bundle is empty",
        ),
        (&["-b", "wrong.yaml"], "error: error unmarshaling JSON"),
        (
            &["-b", "bundle.yaml", "-o", "json"],
            "error: the following required arguments",
        ),
    ] {
        let answer = run(arguments);
        assert_ne!(answer.code, 0, "{arguments:?}");
        assert!(
            answer.stderr.starts_with(text),
            "{arguments:?}: {}",
            answer.stderr
        );
    }
}

/// The hub's kinds and the namespaces of the clusters.
async fn hub_of_teams(cluster: &sandbox::Cluster) -> Client {
    let kube = kube::Client::new(cluster.service(cluster.admin_token()), "default");
    let client = Client::new(kube, "test", Budgets::default());
    let crd = Kind::new(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        false,
    );
    let once = WriteOptions::default();
    for object in api::crds::crds() {
        let name = object
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap();
        client
            .create(&crd, &ObjectKey::new("", name), &object, once)
            .await
            .unwrap();
    }
    let namespaces = Kind::new("", "v1", "Namespace", "namespaces", false);
    for name in ["team", "elsewhere"] {
        let object = json!({ "metadata": { "name": name } });
        client
            .create(&namespaces, &ObjectKey::new("", name), &object, once)
            .await
            .unwrap();
    }
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_gives_the_same_answer_as_a_file() {
    let sandbox = Sandbox::start(sandbox::Options::default()).await.unwrap();
    let _server = sandbox.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let cluster = sandbox.add_cluster("hub").await.unwrap();
    let client = hub_of_teams(&cluster).await;
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "bundle.yaml", BUNDLE);
    write(directory.path(), "clusters.yaml", CLUSTERS);
    write(
        directory.path(),
        "kubeconfig",
        &cluster.kubeconfig().unwrap(),
    );
    let fleet =
        |kind: &'static str, plural| Kind::new("fleet.cattle.io", "v1alpha1", kind, plural, true);
    for part in CLUSTERS.split("---\n") {
        let mut object = goyaml::parse(part.as_bytes()).unwrap();
        let kind = match object["kind"].as_str().unwrap() {
            "Cluster" => fleet("Cluster", "clusters"),
            "ClusterGroup" => fleet("ClusterGroup", "clustergroups"),
            _ => continue,
        };
        object["apiVersion"] = json!("fleet.cattle.io/v1alpha1");
        let text = |place| {
            object
                .pointer(place)
                .and_then(Value::as_str)
                .unwrap()
                .to_owned()
        };
        let key = ObjectKey::new(text("/metadata/namespace"), text("/metadata/name"));
        client
            .create(&kind, &key, &object, WriteOptions::default())
            .await
            .unwrap();
    }
    let explain = |source: [&str; 2]| {
        let arguments = [
            "target",
            "-b",
            "bundle.yaml",
            "--explain",
            source[0],
            source[1],
        ];
        let answer = tokio::task::block_in_place(|| flotilla(directory.path(), &[], &arguments));
        assert_eq!(answer.code, 0, "{}", answer.stderr);
        answer.stdout
    };
    let from_hub = explain(["--kubeconfig", "kubeconfig"]);
    assert_eq!(from_hub, explain(["--clusters", "clusters.yaml"]));
    assert!(
        from_hub.contains("deployed to 1 of 4 clusters"),
        "{from_hub}"
    );
}
