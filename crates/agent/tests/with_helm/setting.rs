//! What all scenarios share: the server, the agent, and the `helm` program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use apiclient::{Kind, ObjectKey, ObjectMeta, Selector, WriteOptions};
use conformance::control_plane::ControlPlane;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{Bundle, World, namespaces, secrets};

/// The server with an agent and Helm.
pub(crate) struct Setting {
    pub(crate) world: World,
    pub(crate) kube: kube::Client,
    bin: PathBuf,
    kubeconfig: PathBuf,
    home: TempDir,
}

/// The chart as a folder.
pub(crate) fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/with_helm/chart")
}

/// Paths and texts of the files of a chart.
fn files_of(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_of(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            // Pictures and the like change nothing.
            if let Ok(text) = fs::read_to_string(&path) {
                files.push((name.to_owned(), text));
            }
        }
    }
}

/// The chart as a bundle that becomes a release called `release` in `namespace`.
pub(crate) fn bundle(namespace: &'static str, release: &str, values: &Value) -> Bundle {
    bundle_of(&chart(), namespace, release, values)
}

/// A chart in a folder as a bundle.
pub(crate) fn bundle_of(
    folder: &Path,
    namespace: &'static str,
    release: &str,
    values: &Value,
) -> Bundle {
    let mut files = Vec::new();
    files_of(folder, folder, &mut files);
    files.sort();
    Bundle {
        name: namespace,
        files,
        options: options(namespace, release, values),
        spec: json!({}),
    }
}

fn options(namespace: &str, release: &str, values: &Value) -> Value {
    json!({ "defaultNamespace": namespace,
        "helm": { "releaseName": release, "values": values, "maxHistory": 20 } })
}

impl Setting {
    pub(crate) async fn new(control_plane: &ControlPlane, bin: &Path) -> Self {
        let kube = control_plane.client().await.unwrap();
        Self {
            world: World::start_with(kube.clone()).await,
            kube,
            bin: bin.to_owned(),
            kubeconfig: control_plane.kubeconfig(),
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// Runs `helm`, with its arguments separated by blanks, and `more` as they are. After `3:` it is
    /// Helm 3.
    async fn run(&self, namespace: &str, args: &str, more: &[&str]) -> Output {
        let (program, args) = match args.strip_prefix("3: ") {
            Some(args) => ("helm3", args),
            None => ("helm", args),
        };
        let mut command = Command::new(self.bin.join(program));
        command
            .args(args.split_whitespace())
            .args(more)
            .args(["--namespace", namespace])
            .env_clear()
            .env("PATH", "")
            .env("TZ", "UTC")
            .env("KUBECONFIG", &self.kubeconfig);
        for name in [
            "HOME",
            "HELM_CACHE_HOME",
            "HELM_CONFIG_HOME",
            "HELM_DATA_HOME",
        ] {
            command.env(name, self.home.path());
        }
        tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap()
    }

    /// What `helm` prints. It must succeed.
    pub(crate) async fn helm(&self, namespace: &str, args: &str) -> String {
        let output = self.run(namespace, args, &[]).await;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "helm {args}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What `helm` prints as JSON.
    pub(crate) async fn json(&self, namespace: &str, args: &str) -> Value {
        let printed = self.helm(namespace, &format!("{args} --output json")).await;
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{args}: {error}: {printed}"))
    }

    /// What `helm` says when it fails, as it must.
    pub(crate) async fn refused(&self, namespace: &str, args: &str) -> String {
        let output = self.run(namespace, args, &[]).await;
        assert!(!output.status.success(), "helm {args} succeeds");
        String::from_utf8(output.stderr).unwrap()
    }

    /// `helm install` or `helm upgrade` of the chart with these values.
    pub(crate) async fn deploy_by_helm(&self, namespace: &str, args: &str, values: &Value) {
        let chart = chart();
        let deployed = self.try_deploy_by_helm(namespace, args, &chart, values);
        deployed
            .await
            .unwrap_or_else(|error| panic!("helm {args}: {error}"));
    }

    /// The same of any chart; what Helm says if it fails.
    pub(crate) async fn try_deploy_by_helm(
        &self,
        namespace: &str,
        args: &str,
        chart: &Path,
        values: &Value,
    ) -> Result<(), String> {
        let file = self.home.path().join(format!("{namespace}.json"));
        fs::write(&file, values.to_string()).unwrap();
        let mut more = vec!["--values", file.to_str().unwrap()];
        if args.contains("install") {
            more.push("--create-namespace");
        }
        let args = format!("{args} {}", chart.display());
        let output = self.run(namespace, &args, &more).await;
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Deploys by Flotilla and waits until it is there.
    pub(crate) async fn deploy(&self, bundle: &Bundle) {
        let id = self.world.deploy(bundle).await;
        self.world.ready(bundle.name, &id).await;
    }

    /// Revision, status and description of each revision of a release.
    pub(crate) async fn history(
        &self,
        namespace: &str,
        release: &str,
    ) -> Vec<(u64, String, String)> {
        let history = self.json(namespace, &format!("history {release}")).await;
        let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
        let rows = history.as_array().unwrap().iter();
        rows.map(|row| {
            let revision = row["revision"].as_u64().unwrap();
            (revision, text(row, "status"), text(row, "description"))
        })
        .collect()
    }

    /// The ConfigMap's data; `None` if there is none.
    pub(crate) async fn data(&self, namespace: &str, name: &str) -> Option<Value> {
        let kind = crate::world::config_maps();
        let found = self.world.object(&kind, namespace, name).await?;
        Some(found["data"].clone())
    }

    /// Everything of the chart and its records that is left in a namespace, as `kind/name`.
    pub(crate) async fn left(&self, namespace: &str) -> Vec<String> {
        let mut left = Vec::new();
        for kind in [
            crate::world::config_maps(),
            secrets(),
            Kind::new("", "v1", "Pod", "pods", true),
            Kind::new("apps", "v1", "Deployment", "deployments", true),
            Kind::new("example.com", "v1", "Gizmo", "gizmos", true),
        ] {
            let each = |object: ObjectMeta| {
                if object.metadata.name != "kube-root-ca.crt" {
                    left.push(format!("{}/{}", kind.plural, object.metadata.name));
                }
            };
            let selector = Selector::namespace(namespace);
            let listed = self.world.cluster.list(&kind, &selector, each).await;
            listed.unwrap();
        }
        left
    }

    /// Makes a namespace.
    pub(crate) async fn namespace(&self, name: &str) {
        let object = json!({ "metadata": { "name": name } });
        let key = ObjectKey::new("", name);
        crate::world::create(&self.world.cluster, &namespaces(), &key, &object).await;
    }

    /// The Secret of a revision.
    pub(crate) async fn record(&self, namespace: &str, release: &str, revision: u32) -> Value {
        let name = helm::release::secret_name(release, revision);
        let found = self.world.object(&secrets(), namespace, &name).await;
        found.unwrap_or_else(|| panic!("no {name}"))
    }

    /// Replaces an object.
    pub(crate) async fn replace(&self, kind: &Kind, object: &Value) {
        let text = |key: &str| object["metadata"][key].as_str().unwrap();
        let key = ObjectKey::new(text("namespace"), text("name"));
        let options = WriteOptions::default();
        let replaced = self
            .world
            .cluster
            .replace(kind, &key, object, options)
            .await;
        replaced.unwrap();
    }
}
