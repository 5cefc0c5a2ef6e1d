//! The hub and the clusters as a person sees them.

use std::time::Duration;

use api::conditions::{self, READY};
use api::labels::BUNDLE_NAME;
use api::v1alpha1::{Bundle, BundleDeployment, GitRepo};
use apiclient::{Client, Kind, ObjectKey, ObjectMeta, Patch, Selector, WriteOptions};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Where clusters and repositories are.
pub(crate) const WORKSPACE: &str = "fleet-default";
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(2);

/// Waits until `check` finds something.
pub(crate) async fn eventually<T>(what: &str, check: impl AsyncFn() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = check().await {
            return found;
        }
        let in_time = tokio::time::Instant::now() < deadline;
        assert!(in_time, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The hub.
pub(crate) struct Hub {
    /// The API server as a person uses it.
    pub(crate) client: Client,
}

impl Hub {
    /// An object of the workspace.
    pub(crate) async fn get<T>(&self, name: &str) -> Option<T>
    where
        T: kube::Resource<DynamicType = ()> + DeserializeOwned,
        T::Scope: apiclient::Scope,
    {
        let key = ObjectKey::new(WORKSPACE, name);
        self.client.get(&Kind::of::<T>(), &key).await.unwrap()
    }

    /// Creates or changes a GitRepo for all clusters.
    pub(crate) async fn git_repo(&self, name: &str, repo: &str) {
        let object = json!({
            "apiVersion": "fleet.cattle.io/v1alpha1", "kind": "GitRepo",
            "metadata": { "name": name, "namespace": WORKSPACE },
            "spec": { "repo": repo, "branch": "main", "pollingInterval": "1s",
                "targets": [{ "clusterSelector": {} }] },
        });
        let key = ObjectKey::new(WORKSPACE, name);
        let options = WriteOptions {
            force: true,
            ..WriteOptions::default()
        };
        let kind = Kind::of::<GitRepo>();
        let _: ObjectMeta = self
            .client
            .patch(&kind, &key, None, Patch::Apply(&object), 0, options)
            .await
            .unwrap();
    }

    /// Labels a cluster.
    pub(crate) async fn label(&self, cluster: &str, label: &str, value: &str) {
        let key = ObjectKey::new(WORKSPACE, cluster);
        let body = json!({ "metadata": { "labels": { label: value } } });
        let kind = Kind::of::<api::v1alpha1::Cluster>();
        let options = WriteOptions::default();
        let _: ObjectMeta = self
            .client
            .patch(&kind, &key, None, Patch::Merge(&body), 0, options)
            .await
            .unwrap();
    }

    /// BundleDeployments of a bundle by cluster.
    pub(crate) async fn deployments(&self, bundle: &str) -> Vec<BundleDeployment> {
        let selector = Selector::labels(format!("{BUNDLE_NAME}={bundle}"));
        let kind = Kind::of::<BundleDeployment>();
        let mut found = Vec::new();
        self.client
            .list(&kind, &selector, |one| found.push(one))
            .await
            .unwrap();
        found.sort_by_key(|one: &BundleDeployment| one.metadata.namespace.clone());
        found
    }

    /// Waits until a Bundle and all its deployments are ready, on so many clusters.
    pub(crate) async fn bundle_ready(&self, name: &str, clusters: i64) -> Bundle {
        eventually(&format!("bundle {name} is ready"), async || {
            let bundle: Bundle = self.get(name).await?;
            let status = &bundle.status;
            let ready = conditions::is_true(&status.conditions, READY)
                && status.observed_generation == bundle.metadata.generation.unwrap_or(0)
                && status.summary.ready == clusters
                && status.summary.desired_ready == clusters;
            ready.then_some(bundle)
        })
        .await
    }

    /// Waits until a Bundle's Ready condition tells all of these.
    pub(crate) async fn bundle_tells(&self, name: &str, wanted: &[&str]) -> String {
        eventually(&format!("bundle {name} tells {wanted:?}"), async || {
            let bundle: Bundle = self.get(name).await?;
            let found = conditions::message(&bundle.status.conditions, READY);
            tells(found, wanted)
        })
        .await
    }

    /// Waits until one condition of a GitRepo tells all of these.
    pub(crate) async fn git_repo_tells(&self, name: &str, wanted: &[&str]) -> String {
        eventually(&format!("GitRepo {name} tells {wanted:?}"), async || {
            let repo: GitRepo = self.get(name).await?;
            let conditions = &repo.status.base.conditions;
            conditions
                .iter()
                .find_map(|condition| tells(&condition.message, wanted))
        })
        .await
    }

    /// Waits until a GitRepo has deployed a commit, and its bundles are ready.
    pub(crate) async fn git_repo_ready(&self, name: &str, commit: &str) -> GitRepo {
        eventually(&format!("GitRepo {name} is ready"), async || {
            let repo: GitRepo = self.get(name).await?;
            let base = &repo.status.base;
            let ready = repo.status.commit == commit
                && repo.status.git_job_status == "Current"
                && conditions::is_true(&base.conditions, READY)
                && base.summary.desired_ready > 0
                && base.summary.ready == base.summary.desired_ready;
            ready.then_some(repo)
        })
        .await
    }
}

fn tells(found: &str, wanted: &[&str]) -> Option<String> {
    wanted
        .iter()
        .all(|part| found.contains(part))
        .then(|| found.to_owned())
}

/// What one condition of a deployment says, if it tells all of these.
pub(crate) fn deployment_tells(deployment: &BundleDeployment, wanted: &[&str]) -> Option<String> {
    let conditions = &deployment.status.conditions;
    conditions
        .iter()
        .find_map(|condition| tells(&condition.message, wanted))
}

/// Everything of a kind on a cluster.
pub(crate) async fn all(client: &Client, kind: &Kind, selector: &Selector) -> Vec<Value> {
    let mut found = Vec::new();
    client
        .list::<Value, _>(kind, selector, |one| found.push(one))
        .await
        .unwrap();
    found
}

/// Text at a pointer, empty if there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
