//! Releases whose BundleDeployment went, or was renamed, while the agent was away.
//!
//! Runs only after the hub has listed all BundleDeployments: a hub that cannot be reached must not look
//! like one without deployments (invariant I-2).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use apiclient::{Kind, ObjectKey};
use k8s_openapi::api::core::v1::Secret;

use crate::agent::Agent;
use crate::release::{self, Record, SecretMeta, release_of, store};
use crate::world::World;

/// How soon a failed pass is tried again.
const RETRY: Duration = Duration::from_secs(15);

/// Looks for garbage now and every `interval`.
pub(crate) async fn run(agent: Arc<Agent>, interval: Duration) {
    let mut strangers = BTreeSet::new();
    loop {
        let pause = match records(&agent, &mut strangers).await {
            Ok(records) => {
                agent.options.telemetry.records_found(records.len());
                sweep(&agent, &records);
                interval
            }
            Err(error) => {
                tracing::warn!(error, "cannot look for releases without a deployment");
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Has everything removed that nobody wants, all of it in one pass.
fn sweep(agent: &Agent, records: &[Record]) {
    let wake = agent.world(|world| {
        let found = orphans(records, world);
        let bundles: Vec<String> = found.keys().cloned().collect();
        for (bundle, releases) in found {
            world.stale.entry(bundle).or_default().extend(releases);
        }
        bundles
    });
    for bundle in wake {
        agent.deploys.add(bundle);
    }
}

/// Releases by bundle that are not what a BundleDeployment of the agent wants. Pure.
fn orphans(records: &[Record], world: &World) -> BTreeMap<String, BTreeSet<ObjectKey>> {
    let mut orphans: BTreeMap<String, BTreeSet<ObjectKey>> = BTreeMap::new();
    // A release is whose its newest revision is: it may have been handed on.
    let mut newest: BTreeMap<&ObjectKey, &Record> = BTreeMap::new();
    for record in records {
        let last = newest.entry(&record.release).or_insert(record);
        if last.revision < record.revision {
            *last = record;
        }
    }
    for record in newest.into_values() {
        let wanted = world
            .deployments
            .get(&record.bundle_id)
            .map(|known| release_of(&known.object));
        if wanted.as_ref() != Some(&record.release) {
            orphans
                .entry(record.bundle_id.clone())
                .or_default()
                .insert(record.release.clone());
        }
    }
    orphans
}

/// The records of this agent's releases. Those that upstream wrote tell whose they are only inside;
/// each is opened once, and `strangers` remembers those of others.
async fn records(
    agent: &Agent,
    strangers: &mut BTreeSet<ObjectKey>,
) -> Result<Vec<Record>, String> {
    let mut all = Vec::new();
    let each = |secret: SecretMeta| all.extend(Record::of(secret));
    let listed = agent
        .cluster
        .list(&Kind::of::<Secret>(), &store::all_records(), each)
        .await;
    listed.map_err(|error| errors::chain(&error))?;
    let mut ours = Vec::new();
    let mut unsigned: BTreeMap<ObjectKey, Record> = BTreeMap::new();
    for record in all {
        if record.agent_namespace == agent.options.agent_namespace {
            ours.push(record);
        } else if record.agent_namespace.is_empty() && !strangers.contains(&record.release) {
            let newest = unsigned
                .entry(record.release.clone())
                .or_insert_with(|| record.clone());
            if newest.revision < record.revision {
                *newest = record;
            }
        }
    }
    for (release, mut record) in unsigned {
        let loaded = store::load(&agent.cluster, &agent.shared, &release, record.revision).await;
        let chart = match loaded {
            Ok(found) => found.and_then(|found| found.chart),
            Err(error) if error.request().is_none() => None,
            Err(error) => return Err(errors::chain(&error)),
        };
        let annotations = chart
            .map(|chart| chart.metadata.annotations)
            .unwrap_or_default();
        let of = |key: &str| annotations.get(key).cloned().unwrap_or_default();
        if of(release::AGENT_NAMESPACE) == agent.options.agent_namespace {
            record.bundle_id = of(release::BUNDLE_ID);
            ours.push(record);
        } else {
            strangers.insert(release);
        }
    }
    ours.retain(|record| !record.bundle_id.is_empty());
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use helm::release::Status;
    use serde_json::json;

    use super::*;
    use crate::world::Known;

    #[test]
    fn releases_without_their_deployment_or_under_an_old_name_are_orphans() {
        let record = |bundle: &str, namespace: &str| Record {
            release: ObjectKey::new(namespace, bundle),
            revision: 1,
            status: Status::Deployed,
            bundle_id: bundle.to_owned(),
            agent_namespace: "sys".to_owned(),
            deployment_id: String::new(),
            values_digest: String::new(),
            labels: BTreeMap::new(),
        };
        let object =
            json!({"metadata": {"name": "web"}, "spec": {"options": {"defaultNamespace": "new"}}});
        let known: Known = serde_json::from_value(object).unwrap();
        let mut world = World::default();
        world.deployments.insert("web".to_owned(), Arc::new(known));
        let records = [
            record("web", "new"),
            record("web", "old"),
            record("gone", "x"),
            record("gone2", "x"),
        ];
        let found = orphans(&records, &world);
        let of = |bundle: &str| {
            found
                .get(bundle)
                .map(|it| it.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(of("web"), Some(vec!["old/web".to_owned()]));
        assert_eq!(of("gone"), Some(vec!["x/gone".to_owned()]));
        assert_eq!(of("gone2"), Some(vec!["x/gone2".to_owned()]));
        assert!(orphans(&[], &world).is_empty());
        let mut handed_on = record("web", "new");
        handed_on.revision = 2;
        let mut before = record("gone", "new");
        before.release = handed_on.release.clone();
        assert!(orphans(&[before, handed_on], &world).is_empty());
    }
}
