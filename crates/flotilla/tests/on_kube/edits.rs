//! Edits by hand of what is deployed, and how long it takes until they are seen and taken back.

use std::time::{Duration, Instant};

use apiclient::{Discovery, Kind, ObjectKey};
use serde_json::{Value, json};

use crate::clusters::Clusters;

/// How often is looked whether an edit was seen or taken back.
const LOOK: Duration = Duration::from_millis(50);

/// What people change by hand, and where; earlier rows are preferred.
const FIELDS: &[(&str, &str)] = &[
    ("Deployment", "/spec/template/spec/containers/0/image"),
    ("StatefulSet", "/spec/template/spec/containers/0/image"),
    ("DaemonSet", "/spec/template/spec/containers/0/image"),
    ("ConfigMap", "/data"),
    ("Service", "/spec/selector"),
    ("ServiceAccount", "/metadata/labels"),
];

/// A field of an object that somebody changes.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    kind: Kind,
    key: ObjectKey,
    /// JSON pointer of the field, a text.
    field: String,
    /// What is deployed.
    wanted: String,
}

impl Edit {
    /// One of the first objects whose kind has a field worth to be edited; `namespace` is that of objects
    /// that name none.
    pub(crate) fn of(objects: &[Value], discovery: &Discovery, namespace: &str) -> Option<Self> {
        FIELDS.iter().find_map(|(kind, path)| {
            let mut of_kind = objects.iter().filter(|object| object["kind"] == *kind);
            of_kind.find_map(|object| Self::at(object, path, discovery, namespace))
        })
    }

    fn at(object: &Value, path: &str, discovery: &Discovery, namespace: &str) -> Option<Self> {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str);
        let kind = discovery.find(text("/apiVersion")?, text("/kind")?).ok()?;
        let namespace = if kind.namespaced {
            text("/metadata/namespace").unwrap_or(namespace)
        } else {
            ""
        };
        let (field, wanted) = match object.pointer(path)? {
            Value::String(wanted) => (path.to_owned(), wanted),
            Value::Object(entries) => entries.iter().find_map(|(key, value)| match value {
                Value::String(value) => {
                    let key = key.replace('~', "~0").replace('/', "~1");
                    Some((format!("{path}/{key}"), value))
                }
                _ => None,
            })?,
            _ => return None,
        };
        Some(Self {
            kind: kind.clone(),
            key: ObjectKey::new(namespace, text("/metadata/name")?),
            field,
            wanted: wanted.clone(),
        })
    }

    /// What is edited.
    pub(crate) fn what(&self) -> String {
        format!("{}/{}", self.kind.kind, self.key.name)
    }

    /// Changes the field, and returns since when it is changed.
    pub(crate) async fn make(&self, clusters: &Clusters) -> Result<Instant, String> {
        self.set(clusters, "edited").await
    }

    /// Takes the edit back by hand, and waits until the hub knows.
    #[allow(dead_code, reason = "for who measures it")]
    pub(crate) async fn undo(&self, clusters: &Clusters, bundle: &str) -> Result<(), String> {
        let begin = self.set(clusters, &self.wanted).await?;
        let is_known = async || {
            let deployment = clusters.deployment(bundle).await;
            deployment.is_some_and(|it| it.status.non_modified)
        };
        let known = until(begin, is_known).await;
        known
            .map(drop)
            .ok_or_else(|| format!("nobody knows that {} is as it was", self.what()))
    }

    async fn set(&self, clusters: &Clusters, value: &str) -> Result<Instant, String> {
        let patch = json!([{"op": "replace", "path": self.field, "value": value}]).to_string();
        let resource = format!("{}.{}", self.kind.plural, self.kind.group);
        let resource = resource.trim_end_matches('.');
        let args = [
            "patch",
            resource,
            &self.key.name,
            "--type=json",
            "-p",
            &patch,
        ];
        let at = ["-n", &self.key.namespace];
        let at = if self.key.namespace.is_empty() {
            &[][..]
        } else {
            &at[..]
        };
        let args = [&args[..], at].concat();
        // A little before: kubectl needs time too.
        let begin = Instant::now();
        clusters.kubectl(&clusters.downstream, &args).await?;
        Ok(begin)
    }

    /// Seconds since `begin` until the hub knows of the edit.
    pub(crate) async fn seen(
        &self,
        clusters: &Clusters,
        bundle: &str,
        begin: Instant,
    ) -> Result<f64, String> {
        let is_seen = async || {
            let deployment = clusters.deployment(bundle).await;
            deployment.is_some_and(|it| !it.status.non_modified)
        };
        until(begin, is_seen)
            .await
            .ok_or_else(|| format!("nobody has seen the edit of {}", self.what()))
    }

    /// Seconds since `begin` until the field is again what is deployed.
    pub(crate) async fn corrected(
        &self,
        clusters: &Clusters,
        begin: Instant,
    ) -> Result<f64, String> {
        let is_corrected = async || {
            let client = &clusters.downstream.client;
            let found: Option<Value> = client.get(&self.kind, &self.key).await.ok().flatten();
            let now = found.as_ref().and_then(|found| found.pointer(&self.field));
            now.and_then(Value::as_str) == Some(&self.wanted)
        };
        until(begin, is_corrected)
            .await
            .ok_or_else(|| format!("nobody has corrected {}", self.what()))
    }
}

/// Seconds since `begin` until it is so; `None` when that takes more than a minute.
async fn until(begin: Instant, is_so: impl AsyncFn() -> bool) -> Option<f64> {
    while begin.elapsed() < Duration::from_mins(1) {
        if is_so().await {
            return Some(begin.elapsed().as_secs_f64());
        }
        tokio::time::sleep(LOOK).await;
    }
    None
}
