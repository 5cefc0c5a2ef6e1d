//! What is not as it was deployed, field by field, for people who ask. Changes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use api::labels::{OBJECT_SET_HASH, OBJECT_SET_ID};
use api::v1alpha1::BundleDeployment;
use apiclient::{Client, Discovery, Patch, WriteOptions};
use diff::compare::{Difference, How, Identity, Path, Rules, Scaler, Step, compare, mask};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::check::added;
use super::excepted::{beyond_doubt, leave_scaled};
use crate::kinds::{Kinds, Served};
use crate::object::{Entry, Id, annotation, text};
use crate::release::{parse_release_id, store};
use crate::render;
use crate::render::ownership::{Ownership, set};
use crate::shared::{Capacity, Shared};

/// Annotation of `kubectl apply`.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An object that is not as it was deployed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectDifferences {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for cluster-scoped objects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    pub name: String,
    /// What is wrong with it as a whole.
    pub state: ObjectState,
    /// Empty unless it is modified. Values of Secrets are masked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldDifference>,
}

/// What is wrong with an object as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ObjectState {
    /// There is none.
    Missing,
    /// There is one without the mark of the deployment.
    NotOwned,
    /// Fields differ.
    Modified,
}

/// A field that is not as it was deployed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldDifference {
    /// Such as `spec.containers[name=web].image`.
    pub path: String,
    /// What the release recorded; absent when it has no such field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired: Option<Value>,
    /// What `kubectl apply` noted on the object, if anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_applied: Option<Value>,
    /// What is there; absent when there is no such field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<Value>,
    /// Who wrote what is there, as the API server has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_by: Option<String>,
}

/// The differences were not found out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It has never been deployed, or failed for good.
    #[error("deployment {name} has no release")]
    NoRelease {
        /// Name of the deployment.
        name: String,
    },
    /// The cluster has no record of the release.
    #[error("the cluster has no release {release}; is it the right one?")]
    NoRecord {
        /// Namespace, name and revision.
        release: String,
    },
    /// The kinds of the cluster were not read.
    #[error("ask the cluster which kinds it serves")]
    Kinds(#[source] apiclient::Error),
    /// The record was not read.
    #[error("read what release {release} deployed")]
    Record {
        /// Namespace, name and revision.
        release: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An object was not read.
    #[error("read {object}")]
    Live {
        /// Kind, namespace and name.
        object: String,
        /// Why.
        source: apiclient::Error,
    },
}

/// What `deployment` put on the `cluster` and is not as it was. In order of API version, kind and name.
///
/// Where the API server allows a dry run it is asked what it would change; where not, what the server
/// fills in may look like a difference.
pub async fn differences(
    cluster: &Client,
    deployment: &BundleDeployment,
) -> Result<Vec<ObjectDifferences>, Error> {
    let deployed = deployed(cluster, deployment).await?;
    let mut live = Vec::with_capacity(deployed.len());
    for (Entry { id, .. }, _) in &deployed {
        let found = cluster.get::<Value>(&id.kind, &id.key).await;
        live.push(found.map_err(|source| Error::Live {
            object: id.to_string(),
            source,
        })?);
    }
    let rules = Rules::new(deployment.spec.options.diff.as_ref());
    let is_scaler = |(entry, _): &(&Entry, &Option<Value>)| {
        Scaler::is_kind(&entry.id.kind.group, &entry.id.kind.kind)
    };
    let entries = deployed.iter().map(|(entry, _)| entry).zip(&live);
    let scalers = entries
        .filter(is_scaler)
        .filter_map(|(_, live)| Scaler::of(live.as_ref()?));
    let scalers: Vec<Scaler> = scalers.collect();
    let mut all = Vec::new();
    for ((Entry { id, .. }, body), live) in deployed.iter().zip(live) {
        if let Some((state, fields)) = one(cluster, id, body, live, &rules, &scalers).await {
            all.push(ObjectDifferences {
                api_version: id.kind.api_version(),
                kind: id.kind.kind.to_string(),
                namespace: id.key.namespace.clone(),
                name: id.key.name.clone(),
                state,
                fields,
            });
        }
    }
    Ok(all)
}

/// The objects of the deployment's release.
async fn deployed(
    cluster: &Client,
    deployment: &BundleDeployment,
) -> Result<Vec<(Entry, Box<RawValue>)>, Error> {
    let name = deployment.metadata.name.clone().unwrap_or_default();
    let id = deployment.status.release.clone();
    let Some((release, revision)) = parse_release_id(&id) else {
        return Err(Error::NoRelease { name });
    };
    let discovery = Discovery::read(cluster).await.map_err(Error::Kinds)?;
    let kinds = Kinds::new(Arc::new(Served::new(discovery, String::new())));
    let shared = Shared::new(Capacity::default());
    let record = store::load(cluster, &shared, &release, revision).await;
    let record = record.map_err(|source| Error::Record {
        release: id.clone(),
        source: Box::new(source),
    })?;
    let Some(record) = record else {
        return Err(Error::NoRecord { release: id });
    };
    let broken = |source: render::Error| Error::Record {
        release: id.clone(),
        source: Box::new(source),
    };
    let mut unknown = BTreeSet::new();
    let found = render::inventory(&record.manifest, &release.namespace, &kinds, &mut unknown);
    let mut inventory = found.map_err(broken)?;
    inventory.sort_unstable();
    inventory.dedup();
    let mut bodies: Vec<Option<Box<RawValue>>> = vec![None; inventory.len()];
    let ownership = Ownership::of(&name, "");
    let each = |at: usize, body: &RawValue| bodies[at] = Some(body.to_owned());
    render::deployed(&record.manifest, &release, &ownership, &inventory, each).map_err(broken)?;
    let both = inventory.into_iter().zip(bodies);
    Ok(both
        .filter_map(|(entry, body)| Some((entry, body?)))
        .collect())
}

async fn one(
    cluster: &Client,
    id: &Id,
    body: &RawValue,
    live: Option<Value>,
    rules: &Rules,
    scalers: &[Scaler],
) -> Option<(ObjectState, Vec<FieldDifference>)> {
    let mut desired: Value = serde_json::from_str(body.get()).ok()?;
    let identity = Identity::of(&desired);
    let Some(live) = live else {
        let is_excused = rules.ignores_missing(&identity);
        return (!is_excused).then_some((ObjectState::Missing, Vec::new()));
    };
    let labels = live.get("metadata").and_then(|it| it.get("labels"));
    let mark = labels.and_then(|labels| labels.get(OBJECT_SET_HASH)?.as_str());
    let Some(mark) = mark else {
        return Some((ObjectState::NotOwned, Vec::new()));
    };
    // The mark depends on the scope of the agent, which only the agent knows.
    set(&mut desired, "labels", OBJECT_SET_HASH, mark);
    if let Some(set_id) = annotation(&live, OBJECT_SET_ID) {
        set(&mut desired, "annotations", OBJECT_SET_ID, set_id);
    }
    let mut found = compare(&desired, &live, rules, How::AsSent);
    leave_scaled(&mut found.differences, &live, scalers);
    let added = added(&desired, &live, rules);
    if found.differences.is_empty() && !found.doubts && added.is_empty() {
        return None;
    }
    let options = WriteOptions {
        dry_run: true,
        force: true,
    };
    let predicted: Result<Value, apiclient::Error> = cluster
        .patch(&id.kind, &id.key, None, Patch::Apply(&desired), 0, options)
        .await;
    let mut differences = found.differences;
    if let Ok(predicted) = predicted {
        differences = beyond_doubt(&predicted, &live, rules, scalers);
    }
    differences.extend(added);
    if differences.is_empty() {
        return None;
    }
    let applied = annotation(&live, LAST_APPLIED);
    let applied: Option<Value> = applied.and_then(|text| serde_json::from_str(text).ok());
    let fields = fields(&identity, differences, applied.as_ref(), &live);
    Some((ObjectState::Modified, fields))
}

fn fields(
    identity: &Identity,
    mut differences: Vec<Difference>,
    applied: Option<&Value>,
    live: &Value,
) -> Vec<FieldDifference> {
    let mut last: Vec<Difference> = differences
        .iter()
        .map(|it| Difference {
            path: it.path.clone(),
            desired: applied.and_then(|applied| it.path.find(applied).cloned()),
            live: None,
        })
        .collect();
    mask(identity, &mut differences);
    mask(identity, &mut last);
    let both = differences.into_iter().zip(last);
    both.map(|(difference, last)| FieldDifference {
        changed_by: writer(&difference.path, live),
        path: difference.path.to_string(),
        desired: difference.desired,
        last_applied: last.desired,
        live: difference.live,
    })
    .collect()
}

/// The manager that wrote a field last; `None` when the server does not know.
fn writer(path: &Path, live: &Value) -> Option<String> {
    let entries = live.pointer("/metadata/managedFields")?.as_array()?;
    let owners = entries.iter().filter(|entry| {
        let fields = entry.get("fieldsV1");
        fields.is_some_and(|fields| has(fields, &path.0))
    });
    // Times are in a form in which the later one is greater.
    let newest = owners.max_by_key(|entry| text(entry, "/time"))?;
    Some(text(newest, "/manager").to_owned()).filter(|manager| !manager.is_empty())
}

/// Whether a set of fields holds what is at `path`, or a value that it is a part of.
fn has(fields: &Value, path: &[Step]) -> bool {
    let Some(members) = fields.as_object() else {
        return false;
    };
    let Some((step, rest)) = path.split_first() else {
        return true;
    };
    let own = members.iter().all(|(key, _)| key == ".");
    let name = match step {
        Step::Member(name) => format!("f:{name}"),
        Step::Keyed(keys) => {
            let keys = keys.iter().cloned().collect::<serde_json::Map<_, _>>();
            format!("k:{}", Value::Object(keys))
        }
        Step::At(_) => return own,
    };
    members.get(&name).map_or(own, |below| has(below, rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_writer_of_a_field_is_named() {
        let entry = |manager: &str, time: &str, fields: Value| json!({"manager": manager, "time": time, "fieldsV1": fields});
        let containers =
            |fields: Value| json!({"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": fields}}});
        let live = json!({"metadata": {"managedFields": [
            entry("helm", "2026-01-01T00:00:00Z", containers(json!({".": {}, "f:image": {}, "f:args": {}}))),
            entry("kubectl-edit", "2026-01-02T00:00:00Z", containers(json!({"f:image": {}}))),
        ]}});
        let path = |last: &str| {
            let member = |name: &str| Step::Member(name.to_owned());
            let key = Step::Keyed(vec![("name".to_owned(), json!("a"))]);
            Path(vec![
                member("spec"),
                member("containers"),
                key,
                member(last),
            ])
        };
        assert_eq!(
            writer(&path("image"), &live).as_deref(),
            Some("kubectl-edit")
        );
        assert_eq!(writer(&path("args"), &live).as_deref(), Some("helm"));
        assert_eq!(writer(&path("env"), &live), None);
        let mut inside = path("args");
        inside.0.push(Step::At(3));
        assert_eq!(writer(&inside, &live).as_deref(), Some("helm"));
        for odd in [
            json!(null),
            json!({"metadata": {"managedFields": [3, {"fieldsV1": []}]}}),
        ] {
            assert_eq!(writer(&path("image"), &odd), None);
        }
    }

    #[test]
    fn what_kubectl_noted_of_a_secret_is_masked_too() {
        let identity = Identity {
            kind: "Secret".to_owned(),
            ..Identity::default()
        };
        let path = Path(vec![
            Step::Member("data".to_owned()),
            Step::Member("k".to_owned()),
        ]);
        let difference = Difference {
            path,
            desired: Some(json!("a")),
            live: Some(json!("b")),
        };
        let noted = json!({"data": {"k": "c"}});
        let found = fields(&identity, vec![difference], Some(&noted), &json!({}));
        let printed = serde_json::to_string(&found).unwrap();
        assert_eq!(
            printed,
            r#"[{"path":"data.k","desired":"(masked)","lastApplied":"(masked)","live":"(masked)"}]"#
        );
    }
}
