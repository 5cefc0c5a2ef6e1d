//! A bundle around a chart, and what Helm shows of its release.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::clusters::Clusters;

/// A folder that becomes a release called `rel`.
pub(crate) struct Release {
    pub(crate) name: String,
    pub(crate) namespace: String,
    folder: PathBuf,
    /// Id of what was last deployed.
    deployed: String,
    /// Whether edits by hand are taken back.
    pub(crate) corrects: bool,
    /// What the hub was last asked to deploy.
    pub(crate) values: String,
}

impl Release {
    /// A bundle around a copy of the chart.
    pub(crate) fn new(clusters: &Clusters, name: &str, chart: &Path) -> Self {
        let folder = clusters.folder.path().join(format!("bundle-{name}"));
        fs::create_dir_all(&folder).unwrap();
        if !unpack(clusters, chart, &folder) {
            copy(chart, &folder.join("chart"));
        }
        Self {
            name: name.to_owned(),
            namespace: format!("at-{name}"),
            folder,
            deployed: String::new(),
            corrects: false,
            values: String::new(),
        }
    }

    /// Deploys with these values, and waits until everything is ready.
    pub(crate) async fn deploy(
        &mut self,
        clusters: &Clusters,
        values: &str,
        seconds: u64,
    ) -> Result<(), String> {
        fs::write(self.folder.join("values.yaml"), values).unwrap();
        values.clone_into(&mut self.values);
        self.write(clusters).await?;
        let ready = clusters.ready(&self.name, &self.deployed, seconds).await;
        // What was not deployed is what the next values replace all the same.
        self.deployed = if let Ok(id) = &ready {
            id.clone()
        } else {
            let deployment = clusters.deployment(&self.name).await;
            deployment
                .map(|it| it.spec.deployment_id)
                .unwrap_or_default()
        };
        ready.map(drop)
    }

    /// Has edits by hand taken back, or not, from now on; nothing is deployed anew for that.
    pub(crate) async fn correct(
        &mut self,
        clusters: &Clusters,
        corrects: bool,
    ) -> Result<(), String> {
        self.corrects = corrects;
        self.write(clusters).await
    }

    async fn write(&self, clusters: &Clusters) -> Result<(), String> {
        let options = format!(
            "defaultNamespace: {}\nhelm:\n  releaseName: rel\n  chart: chart\n  disablePreProcess: true\n  \
             valuesFiles: [values.yaml]\n  maxHistory: 20\ncorrectDrift: {{enabled: {}}}\n",
            self.namespace, self.corrects
        );
        fs::write(self.folder.join("fleet.yaml"), options).unwrap();
        clusters.deploy(&self.name, &self.folder).await.map(drop)
    }

    /// The objects that Helm says the release has.
    pub(crate) async fn objects(&self, clusters: &Clusters) -> Result<Vec<Value>, String> {
        let args = ["get", "manifest", "rel", "-n", &self.namespace];
        let manifest = clusters.helm(&args).await?;
        Ok(parse(&manifest))
    }

    /// Goes back with Helm itself.
    pub(crate) async fn roll_back_by_helm(
        &self,
        clusters: &Clusters,
        revision: u64,
    ) -> Result<(), String> {
        let revision = revision.to_string();
        let args = ["rollback", "rel", &revision, "-n", &self.namespace];
        clusters.helm(&args).await.map(drop)
    }

    /// What Helm says about the release: revision and status.
    pub(crate) async fn shown(&self, clusters: &Clusters) -> (u64, String) {
        let at = ["-n", &self.namespace, "-o", "json"];
        let list = json(clusters, &[&["list"], &at[..]].concat()).await;
        let status = json(clusters, &[&["status", "rel"], &at[..]].concat()).await;
        let row = &list[0];
        assert_eq!(
            (&row["name"], &row["status"]),
            (&status["name"], &status["info"]["status"])
        );
        let revision = status["version"].as_u64().unwrap();
        assert_eq!(row["revision"], revision.to_string());
        let status = status["info"]["status"].as_str().unwrap().to_owned();
        (revision, status)
    }

    /// Statuses of the revisions that Helm knows, oldest first.
    pub(crate) async fn history(&self, clusters: &Clusters) -> Vec<String> {
        let revisions = self.revisions(clusters).await;
        revisions.into_iter().map(|(_, status)| status).collect()
    }

    /// The revisions that Helm knows with their statuses, oldest first.
    pub(crate) async fn revisions(&self, clusters: &Clusters) -> Vec<(u64, String)> {
        let args = ["history", "rel", "-n", &self.namespace, "-o", "json"];
        let history = json(clusters, &args).await;
        let status = |row: &Value| row["status"].as_str().unwrap().to_owned();
        let rows = history.as_array().unwrap().iter();
        rows.map(|row| (row["revision"].as_u64().unwrap(), status(row)))
            .collect()
    }
}

/// The documents of a manifest that are objects.
pub(crate) fn parse(manifest: &str) -> Vec<Value> {
    goyaml::documents::split(manifest)
        .filter_map(|part| goyaml::parse(part.text.as_bytes()).ok())
        .filter(Value::is_object)
        .collect()
}

async fn json(clusters: &Clusters, args: &[&str]) -> Value {
    serde_json::from_str(&clusters.helm(args).await.unwrap()).unwrap()
}

/// Puts the chart there as it is published, without what its `.helmignore` names; `false` when Helm does not
/// package it. A bundle of the bare directory lacks that file, as upstream's does: it is hidden.
fn unpack(clusters: &Clusters, chart: &Path, folder: &Path) -> bool {
    let packages = tempfile::tempdir().unwrap();
    let mut helm = Command::new(clusters.bin.join("helm"));
    helm.args(["package", "--destination"]).arg(packages.path());
    helm.arg(chart)
        .env_clear()
        .env("HOME", clusters.folder.path());
    if !helm.output().unwrap().status.success() {
        return false;
    }
    let package = fs::read_dir(packages.path()).unwrap().next().unwrap();
    let package = fs::File::open(package.unwrap().path()).unwrap();
    let package = flate2::read::GzDecoder::new(package);
    tar::Archive::new(package).unpack(packages.path()).unwrap();
    let mut entries = fs::read_dir(packages.path()).unwrap().flatten();
    let unpacked = entries.find(|entry| entry.path().is_dir()).unwrap();
    copy(&unpacked.path(), &folder.join("chart"));
    true
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
