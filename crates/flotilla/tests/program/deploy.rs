//! `deploy`: from a file, without a cluster and to one.

use std::path::Path;

use crate::{Answer, flotilla};
use apiclient::{Budgets, Client, Kind, ObjectKey, WriteOptions};
use sandbox::{Cluster, Sandbox};
use serde_json::{Value, json};

const DEPLOYMENT: &str = "\
kind: BundleDeployment
metadata: {name: app, namespace: cluster-a}
";

/// A Content and a BundleDeployment of ConfigMaps `a`, `b`, `c` and `d` in a chart with a hook and a definition.
fn input(options: &Value) -> String {
    let config_map = |name: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{kube: '{{{{ .Capabilities.KubeVersion.Version }}}}', size: '{{{{ .Values.size }}}}'}}\n"
        )
    };
    let hook = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hook, annotations: {helm.sh/hook: pre-install}}\n";
    let mut files = vec![
        (
            "Chart.yaml".to_owned(),
            "apiVersion: v2\nname: c\nversion: 1.0.0\n".to_owned(),
        ),
        ("templates/hook.yaml".to_owned(), hook.to_owned()),
    ];
    for name in ["a", "b", "c", "d"] {
        files.push((format!("templates/{name}.yaml"), config_map(name)));
    }
    let resources: Vec<api::v1alpha1::BundleResource> = files
        .into_iter()
        .map(|(name, content)| api::v1alpha1::BundleResource {
            name,
            content,
            ..api::v1alpha1::BundleResource::default()
        })
        .collect();
    let (content, name) = {
        let limits = api::limits::Limits::PRODUCTION;
        let packed = bundle::content::pack("app", &resources, &limits).unwrap();
        let name = packed[0].metadata.name.clone().unwrap();
        let mut content = serde_json::to_value(&packed[0]).unwrap();
        content["kind"] = "Content".into();
        (goyaml::to_yaml(&content).unwrap(), name)
    };
    let spec = json!({ "deploymentID": format!("{name}:options"), "options": options });
    let spec = goyaml::to_yaml(&json!({ "spec": spec })).unwrap();
    format!("{DEPLOYMENT}{spec}---\n{content}")
}

fn write(directory: &Path, name: &str, text: &str) {
    std::fs::write(directory.join(name), text).unwrap();
}

fn options() -> Value {
    json!({ "defaultNamespace": "shop", "helm": { "values": { "size": "big" } } })
}

fn run(directory: &Path, arguments: &[&str]) -> Answer {
    let arguments = [&["deploy", "-i", "in.yaml"], arguments].concat();
    flotilla(directory, &[], &arguments)
}

#[test]
fn without_a_cluster_the_objects_and_hooks_are_printed() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "in.yaml", &input(&options()));
    let shown = |arguments: &[&str]| {
        let Answer {
            code,
            stdout,
            stderr,
        } = run(directory.path(), arguments);
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
        goyaml::parse(stdout.as_bytes()).unwrap()
    };
    let objects = shown(&["--dry-run"]);
    let name = |at: usize| objects[at]["metadata"]["name"].clone();
    assert_eq!([name(0), name(3), name(4)], ["a", "d", "hook"]);
    assert_eq!(objects[0]["data"], json!({"kube": "1.25.0", "size": "big"}));
    let set = "objectset.rio.cattle.io/id";
    assert_eq!(objects[0]["metadata"]["annotations"][set], "-app");
    for same in [
        &["-d"][..],
        &["--dry-run=true", "-a", "agents", "-n", "elsewhere"],
        &["--dry-run=client", "-o", "yaml"],
        &["-d", "-o", "json"],
    ] {
        assert_eq!(shown(same), objects, "{same:?}");
    }
    let newer = shown(&["-d", "--kube-version", "v1.31.2"]);
    assert_eq!(newer[0]["data"]["kube"], "1.31.2");
    let help = flotilla(directory.path(), &[], &["deploy"]);
    assert_eq!(help.code, 0);
    assert!(help.stdout.contains("--dry-run[=<HOW>]"));
}

#[test]
fn what_cannot_be_deployed_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let good = input(&options());
    let hidden = good.replace("spec:\n", "spec:\n  valuesHash: abc\n");
    let content = good.split("---\n").nth(1).unwrap();
    let other = format!("{DEPLOYMENT}spec: {{deploymentID: s-other:o}}\n---\n{content}");
    let typed = good.replace("spec:\n", "spec:\n  paused: maybe\n");
    let two = format!("{good}---\n{DEPLOYMENT}");
    for (text, arguments, expected) in [
        ("", &["-d"][..], "failed to read content resource from file"),
        (
            content,
            &["-d"],
            "failed to read bundledeployment resource from file",
        ),
        (
            DEPLOYMENT,
            &["-d"],
            "failed to read content resource from file",
        ),
        (
            &two,
            &["-d"],
            "in.yaml has 2 BundleDeployments, give the one of the cluster: cluster-a/app, cluster-a/app",
        ),
        (&other, &["-d"], "in.yaml does not have content s-other"),
        (
            &hidden,
            &["-d"],
            "the values of deployment app are in a Secret of its hub",
        ),
        (&typed, &["-d"], "in.yaml: document 1: "),
        ("kind: [", &["-d"], "in.yaml: document 1: "),
        (
            &good,
            &["-d", "--kube-version", "new"],
            "invalid kubeVersion: new",
        ),
        (&good, &[], "find a kubeconfig"),
        (
            &good,
            &["--dry-run=server", "--kubeconfig", "none"],
            "read kubeconfig none: ",
        ),
    ] {
        write(directory.path(), "in.yaml", text);
        let answer = run(directory.path(), arguments);
        assert_eq!((answer.code, answer.stdout.as_str()), (1, ""), "{expected}");
        assert!(
            answer.stderr.contains(expected),
            "{expected}: {}",
            answer.stderr
        );
    }
    let answer = run(directory.path(), &["--dry-run=perhaps"]);
    assert_eq!(answer.code, 2);
}

const CONFIG_MAPS: Kind = Kind::new("", "v1", "ConfigMap", "configmaps", true);
const SECRETS: Kind = Kind::new("", "v1", "Secret", "secrets", true);

async fn a_cluster() -> (Sandbox, Cluster, Client, tempfile::TempDir) {
    let sandbox = Sandbox::start(sandbox::Options::default()).await.unwrap();
    let cluster = sandbox.add_cluster("a").await.unwrap();
    let kube = kube::Client::new(cluster.service(cluster.admin_token()), "default");
    let client = Client::new(kube, "kubectl-create", Budgets::default());
    let namespaces = Kind::new("", "v1", "Namespace", "namespaces", false);
    let object = json!({ "metadata": { "name": "shop" } });
    let key = ObjectKey::new("", "shop");
    client
        .create(&namespaces, &key, &object, WriteOptions::default())
        .await
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    (sandbox, cluster, client, directory)
}

async fn put(client: &Client, name: &str, labels: Value, annotations: Value, size: &str) {
    let object = json!({ "metadata": { "name": name, "labels": labels, "annotations": annotations },
        "data": { "size": size } });
    let key = ObjectKey::new("shop", name);
    client
        .create(&CONFIG_MAPS, &key, &object, WriteOptions::default())
        .await
        .unwrap();
}

async fn size(client: &Client, name: &str) -> Value {
    let key = ObjectKey::new("shop", name);
    let found: Option<Value> = client.get(&CONFIG_MAPS, &key).await.unwrap();
    found.map_or(Value::Null, |it| it["data"]["size"].clone())
}

async fn records(client: &Client) -> Vec<String> {
    let mut names = Vec::new();
    let each = |object: apiclient::ObjectMeta| names.push(object.metadata.name);
    client
        .list(&SECRETS, &apiclient::Selector::namespace("shop"), each)
        .await
        .unwrap();
    names
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "one cluster, looked at twice")]
async fn a_dry_run_on_a_cluster_tells_whose_objects_would_be_taken_over_or_refused() {
    let (sandbox, cluster, client, directory) = a_cluster().await;
    let _server = sandbox.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    write(directory.path(), "kc", &cluster.kubeconfig().unwrap());
    let helm =
        json!({ "meta.helm.sh/release-name": "old", "meta.helm.sh/release-namespace": "shop" });
    put(&client, "a", json!({}), helm.clone(), "1").await;
    let mut fleet = helm;
    fleet["objectset.rio.cattle.io/id"] = "default-other".into();
    put(
        &client,
        "b",
        json!({ "objectset.rio.cattle.io/hash": "x" }),
        fleet,
        "1",
    )
    .await;
    put(&client, "c", json!({}), json!({}), "1").await;
    let preview = |options: &Value| {
        write(directory.path(), "in.yaml", &input(options));
        let arguments = ["--kubeconfig", "kc", "--dry-run=server", "-o", "json"];
        let answer = tokio::task::block_in_place(|| run(directory.path(), &arguments));
        assert_eq!(answer.stderr, "");
        let report: Value = serde_json::from_str(&answer.stdout).unwrap();
        (answer.code, report)
    };
    let (code, report) = preview(&options());
    assert_eq!(code, 4);
    assert_eq!(
        (
            &report["release"],
            &report["isInstall"],
            &report["revision"]
        ),
        (&json!("shop/app"), &json!(true), &json!(1))
    );
    let object = |report: &Value, name: &str| {
        let objects = report["objects"].as_array().unwrap().iter();
        objects
            .filter(|it| it["name"] == name)
            .cloned()
            .collect::<Vec<_>>()[0]
            .clone()
    };
    for (name, action, owner) in [
        ("a", "refuse", json!({"by": "helm", "release": "shop/old"})),
        (
            "b",
            "refuse",
            json!({"by": "fleet", "bundle": "other", "release": "shop/old"}),
        ),
        ("c", "refuse", json!({"by": "kubectl"})),
        ("d", "create", Value::Null),
    ] {
        let found = object(&report, name);
        assert_eq!(
            (&found["action"], &found["owner"]),
            (&json!(action), &owner),
            "{name}"
        );
        assert_eq!(found["reason"].is_string(), action == "refuse");
    }

    let mut taken = options();
    taken["helm"]["takeOwnership"] = true.into();
    let (code, report) = preview(&taken);
    assert_eq!(code, 0);
    for name in ["a", "b", "c"] {
        assert_eq!(object(&report, name)["action"], "adopt", "{name}");
    }
    let text = tokio::task::block_in_place(|| {
        run(
            directory.path(),
            &["--kubeconfig", "kc", "--dry-run=server"],
        )
    });
    assert!(
        text.stdout
            .starts_with("Release shop/app would be installed as revision 1.\n\nTaken over: 3\n")
    );
    assert!(
        text.stdout
            .contains("  ConfigMap shop/a (v1), of Helm, release shop/old\n")
    );
    // Nothing was changed.
    assert_eq!(size(&client, "a").await, "1");
    assert!(records(&client).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deployed_is_there_and_deployed_again_on_demand() {
    let (sandbox, cluster, client, directory) = a_cluster().await;
    let _server = sandbox.serve("127.0.0.1:0".parse().unwrap()).await.unwrap();
    write(directory.path(), "kc", &cluster.kubeconfig().unwrap());
    let deploy = |options: &Value, more: &[&str]| {
        write(directory.path(), "in.yaml", &input(options));
        let arguments = [&["--kubeconfig", "kc"], more].concat();
        tokio::task::block_in_place(|| run(directory.path(), &arguments))
    };
    let named = json!({ "helm": { "releaseName": "web", "values": { "size": "big" } } });
    let answer = deploy(&named, &["-n", "shop"]);
    assert_eq!(
        (answer.code, answer.stderr.as_str()),
        (0, "deployed release shop/web:1\n")
    );
    let objects = goyaml::parse(answer.stdout.as_bytes()).unwrap();
    assert_eq!(
        objects[0]["metadata"]["annotations"]["objectset.rio.cattle.io/id"],
        "default-app"
    );
    assert_eq!(objects[4]["metadata"]["name"], "hook");
    assert_eq!(size(&client, "d").await, "big");
    let again = deploy(&named, &["-n", "shop"]);
    assert_eq!(again.stderr, "deployed release shop/web:2\n");
    // Release namespace and account are what the agent would find.
    let mut tenant = named.clone();
    tenant["serviceAccount"] = "team".into();
    let refused = deploy(&tenant, &["-n", "shop"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(
        refused
            .stderr
            .contains("namespace of the agent, which has to be given")
    );
    let text = input(&named).replace("name: app", "name: second");
    write(directory.path(), "in.yaml", &text);
    for more in [&["--dry-run=server"][..], &[]] {
        let arguments = [&["--kubeconfig", "kc", "-n", "shop"], more].concat();
        let other = tokio::task::block_in_place(|| run(directory.path(), &arguments));
        assert_eq!((other.code, other.stdout.as_str()), (1, ""));
        assert!(
            other
                .stderr
                .contains("release shop/web belongs to bundle app"),
            "{}",
            other.stderr
        );
    }
    assert_eq!(records(&client).await.len(), 2);
}
