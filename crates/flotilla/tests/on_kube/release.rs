//! A bundle around a chart, and what Helm shows of its release.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::clusters::Clusters;

/// A folder that becomes a release called `rel`.
pub(crate) struct Release {
    pub(crate) name: String,
    pub(crate) namespace: String,
    folder: PathBuf,
    /// Id of what was last deployed.
    deployed: String,
}

impl Release {
    /// A bundle around a copy of the chart.
    pub(crate) fn new(clusters: &Clusters, name: &str, chart: &Path) -> Self {
        let folder = clusters.folder.path().join(format!("bundle-{name}"));
        copy(chart, &folder.join("chart"));
        Self {
            name: name.to_owned(),
            namespace: format!("at-{name}"),
            folder,
            deployed: String::new(),
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
        let options = format!(
            "defaultNamespace: {}\nhelm:\n  releaseName: rel\n  chart: chart\n  disablePreProcess: true\n  \
             valuesFiles: [values.yaml]\n",
            self.namespace
        );
        fs::write(self.folder.join("fleet.yaml"), options).unwrap();
        clusters.deploy(&self.name, &self.folder).await?;
        let ready = clusters.ready(&self.name, &self.deployed, seconds).await;
        self.deployed = ready?;
        Ok(())
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
        let args = ["history", "rel", "-n", &self.namespace, "-o", "json"];
        let history = json(clusters, &args).await;
        let status = |row: &Value| row["status"].as_str().unwrap().to_owned();
        history.as_array().unwrap().iter().map(status).collect()
    }
}

async fn json(clusters: &Clusters, args: &[&str]) -> Value {
    serde_json::from_str(&clusters.helm(args).await.unwrap()).unwrap()
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
