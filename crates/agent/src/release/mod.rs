//! The inventory of a deployment: Helm's release records, and what our own annotations on their
//! Secrets say about them.
//!
//! A record's payload can be a megabyte; whatever can be decided from the Secret's metadata is
//! ([`Record`]). Which revision comes next is decided in [`plan`], reading and writing are in
//! [`store`], which records the agent has written itself in [`seal`].

pub(crate) mod plan;
pub(crate) mod seal;
pub(crate) mod store;

use std::collections::BTreeMap;

use api::v1alpha1::BundleDeployment;
use apiclient::ObjectKey;
use helm::release::{SYSTEM_LABELS, Status};
use serde::Deserialize;

/// Annotation of charts in release records, and of the Secrets of records: the bundle.
pub(crate) const BUNDLE_ID: &str = "fleet.cattle.io/bundle-id";
/// Annotation of charts and Secrets: namespace of the agent that owns the release.
pub(crate) const AGENT_NAMESPACE: &str = "fleet.cattle.io/agent-namespace";
/// Annotation of charts: service account.
pub(crate) const SERVICE_ACCOUNT: &str = "fleet.cattle.io/service-account";
/// Annotation of charts: whether objects stay when the bundle goes.
pub(crate) const KEEP_RESOURCES: &str = "fleet.cattle.io/keep-resources";
/// Annotation of charts: whether the namespace goes with the bundle; upstream has none.
pub(crate) const DELETE_NAMESPACE: &str = "fleet.cattle.io/delete-namespace";
/// Annotation of charts: commit.
pub(crate) const COMMIT: &str = api::labels::COMMIT;
/// Annotation of Secrets: what the revision was made of. Tells after a restart whether a revision is
/// the wanted one, so that nothing is installed twice.
pub(crate) const DEPLOYMENT_ID: &str = "fleet.cattle.io/deployment-id";

/// Annotation of Secrets: digest of what `valuesFrom` gave, which the Secret holds anyway. Tells after a
/// restart whether that has changed meanwhile.
pub(crate) const VALUES_DIGEST: &str = "fleet.cattle.io/values-digest";

/// Revisions kept when nothing else is asked for.
pub(crate) const HISTORY_MAX: usize = 2;

/// Name and namespace of the release of a deployment.
///
/// Source: fleet `internal/helmdeployer`, `getOpts`; agent.md 7.3.
pub(crate) fn release_of(deployment: &BundleDeployment) -> ObjectKey {
    let options = &deployment.spec.options;
    let namespace = [&options.namespace, &options.default_namespace]
        .into_iter()
        .find(|namespace| !namespace.is_empty())
        .map_or("default", String::as_str);
    let given = options
        .helm
        .as_ref()
        .map_or("", |helm| helm.release_name.as_str());
    let name = if given.is_empty() {
        api::names::helm_release_name(deployment.metadata.name.as_deref().unwrap_or_default())
    } else {
        given.to_owned()
    };
    ObjectKey::new(namespace, name)
}

/// `namespace/name:revision`, as statuses have it.
pub(crate) fn release_id(release: &ObjectKey, revision: u32) -> String {
    format!("{release}:{revision}")
}

/// Takes a release id apart.
pub(crate) fn parse_release_id(id: &str) -> Option<(ObjectKey, u32)> {
    let (release, revision) = id.rsplit_once(':')?;
    let (namespace, name) = release.split_once('/')?;
    Some((ObjectKey::new(namespace, name), revision.parse().ok()?))
}

/// What the metadata of a record's Secret says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Namespace and name of the release.
    pub(crate) release: ObjectKey,
    pub(crate) revision: u32,
    pub(crate) status: Status,
    /// Empty when the record is not ours, or was written by upstream.
    pub(crate) bundle_id: String,
    pub(crate) agent_namespace: String,
    pub(crate) deployment_id: String,
    /// Empty when the values came from nowhere else, or that is not known.
    pub(crate) values_digest: String,
    /// Those that are not Helm's own.
    pub(crate) labels: BTreeMap<String, String>,
}

/// Metadata of a Secret.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SecretMeta {
    metadata: Meta,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    name: String,
    namespace: String,
    resource_version: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

impl apiclient::Object for SecretMeta {
    fn key(&self) -> ObjectKey {
        ObjectKey::new(self.metadata.namespace.clone(), self.metadata.name.clone())
    }

    fn resource_version(&self) -> &str {
        &self.metadata.resource_version
    }
}

impl Record {
    /// `None` for Secrets that are no release records.
    pub(crate) fn of(secret: SecretMeta) -> Option<Self> {
        let Meta {
            name: secret_name,
            namespace,
            mut labels,
            mut annotations,
            ..
        } = secret.metadata;
        let name = labels.get("name")?.clone();
        let revision = labels.get("version")?.parse().ok()?;
        if secret_name != helm::release::secret_name(&name, revision) {
            return None;
        }
        let status = serde_json::from_value(labels.get("status")?.as_str().into());
        labels.retain(|label, _| !SYSTEM_LABELS.contains(&label.as_str()));
        let mut take = |key: &str| annotations.remove(key).unwrap_or_default();
        Some(Self {
            release: ObjectKey::new(namespace, name),
            revision,
            status: status.unwrap_or_default(),
            bundle_id: take(BUNDLE_ID),
            agent_namespace: take(AGENT_NAMESPACE),
            deployment_id: take(DEPLOYMENT_ID),
            values_digest: take(VALUES_DIGEST),
            labels,
        })
    }
}

#[cfg(test)]
mod tests {
    use api::v1alpha1::HelmOptions;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_release_is_named_by_options_or_the_bundle() {
        let mut deployment = BundleDeployment::default();
        deployment.metadata.name = Some("Shop.web".to_owned());
        assert_eq!(release_of(&deployment).namespace, "default");
        assert!(release_of(&deployment).name.starts_with("shop-web-"));
        deployment.spec.options.default_namespace = "d".to_owned();
        deployment.spec.options.helm = Some(HelmOptions {
            release_name: "web".to_owned(),
            ..HelmOptions::default()
        });
        assert_eq!(release_of(&deployment), ObjectKey::new("d", "web"));
        deployment.spec.options.namespace = "t".to_owned();
        assert_eq!(release_of(&deployment), ObjectKey::new("t", "web"));
    }

    #[test]
    fn release_ids_come_back() {
        let release = ObjectKey::new("ns", "web");
        assert_eq!(
            parse_release_id(&release_id(&release, 7)),
            Some((release, 7))
        );
        for bad in ["", "web:1", "ns/web", "ns/web:", "ns/web:x", "ns/web:-1"] {
            assert_eq!(parse_release_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn records_are_read_from_metadata_alone() {
        let meta = |name: &str, labels: serde_json::Value| -> SecretMeta {
            serde_json::from_value(
                json!({"metadata": {"name": name, "namespace": "ns", "labels": labels,
                "annotations": {BUNDLE_ID: "b", DEPLOYMENT_ID: "s:o"}}}),
            )
            .unwrap()
        };
        let record = Record::of(meta(
            "sh.helm.release.v1.web.v2",
            json!({"name": "web", "version": "2", "status": "pending-upgrade", "owner": "helm",
                "createdAt": "1", "modifiedAt": "2", "team": "a"}),
        ))
        .unwrap();
        assert_eq!(record.labels, [("team".to_owned(), "a".to_owned())].into());
        assert_eq!(
            (record.revision, record.status),
            (2, Status::PendingUpgrade)
        );
        assert_eq!(
            (record.bundle_id.as_str(), record.deployment_id.as_str()),
            ("b", "s:o")
        );
        for (name, labels) in [
            ("sh.helm.release.v1.web.v2", json!({})),
            (
                "sh.helm.release.v1.web.v2",
                json!({"name": "web", "version": "two", "status": "deployed"}),
            ),
            (
                "sh.helm.release.v1.web.v3",
                json!({"name": "web", "version": "2", "status": "deployed"}),
            ),
            (
                "other",
                json!({"name": "web", "version": "2", "status": "deployed"}),
            ),
        ] {
            assert_eq!(
                Record::of(meta(name, labels.clone())),
                None,
                "{name} {labels}"
            );
        }
        let odd = json!({"name": "web", "version": "2", "status": "?"});
        let odd = Record::of(meta("sh.helm.release.v1.web.v2", odd)).unwrap();
        assert_eq!(odd.status, Status::Unknown);
    }
}
