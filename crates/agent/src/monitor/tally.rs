//! A deployment's objects against what is live. Pure.

use std::time::Duration;

use api::v1alpha1::{BundleDeploymentResource, ModifiedStatus, NonReadyStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::time::Instant;

use crate::object::Id;
use crate::world::{Applied, World};

/// How long after a deployment a watch may not have seen all of its objects yet.
const GRACE: Duration = Duration::from_secs(5);

/// What is live of a deployment. Lists are whole, in order of the inventory.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) resources: Vec<BundleDeploymentResource>,
    pub(crate) non_ready: Vec<NonReadyStatus>,
    pub(crate) missing: Vec<ModifiedStatus>,
    /// A Job of the deployment is still at work.
    pub(crate) jobs_run: bool,
}

/// `None` while the watches have not seen everything yet.
pub(crate) fn tally(
    world: &World,
    applied: &Applied,
    at: Instant,
    now: Timestamp,
) -> Option<Tally> {
    let mut tally = Tally::default();
    for entry in &applied.inventory {
        let live = world.live.get(&entry.id.kind).filter(|live| live.synced)?;
        let object = live
            .objects
            .get(&entry.id.key)
            .filter(|object| *object.hash == *applied.hash);
        let Some(object) = object else {
            tally.missing.push(missing(&entry.id));
            continue;
        };
        tally.jobs_run |= object.runs;
        if let Some(summary) = object.trouble(now) {
            tally.non_ready.push(NonReadyStatus {
                uid: object.uid.to_string(),
                kind: entry.id.kind.kind.to_string(),
                api_version: entry.id.kind.api_version(),
                namespace: entry.id.key.namespace.clone(),
                name: entry.id.key.name.clone(),
                summary: summary.clone(),
            });
        }
        tally.resources.push(BundleDeploymentResource {
            kind: entry.id.kind.kind.to_string(),
            api_version: entry.id.kind.api_version(),
            namespace: entry.id.key.namespace.clone(),
            name: entry.id.key.name.clone(),
            created_at: object.created_at.map(Time),
        });
    }
    let is_settling = !tally.missing.is_empty() && at < applied.at + GRACE;
    (!is_settling).then_some(tally)
}

fn missing(id: &Id) -> ModifiedStatus {
    ModifiedStatus {
        kind: id.kind.kind.to_string(),
        api_version: id.kind.api_version(),
        namespace: id.key.namespace.clone(),
        name: id.key.name.clone(),
        missing: true,
        ..ModifiedStatus::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use apiclient::{Kind, ObjectKey};
    use serde_json::{Value, json};

    use super::*;
    use crate::monitor::{Live, Seen, reduce};
    use crate::object::Entry;

    fn kind() -> Arc<Kind> {
        Arc::new(Kind::new(
            "",
            "v1",
            "PersistentVolumeClaim",
            "persistentvolumeclaims",
            true,
        ))
    }

    fn applied(names: &[&str]) -> Applied {
        let entry = |name: &&str| Entry {
            id: Id {
                kind: kind(),
                key: ObjectKey::new("n", *name),
            },
            keep: false,
        };
        Applied {
            deployment_id: "s:o".to_owned(),
            release: "n/r:1".to_owned(),
            inventory: names.iter().map(entry).collect(),
            hash: "h".to_owned(),
            at: Instant::now(),
        }
    }

    fn world(synced: bool, objects: &[(&str, &str, &str)]) -> World {
        let now = Timestamp::UNIX_EPOCH;
        let reduced = |(name, hash, phase): &(&str, &str, &str)| {
            let object: Value = json!({"metadata": {"name": name, "uid": name, "labels": {
                "objectset.rio.cattle.io/hash": hash}}, "status": {"phase": phase}});
            let seen: Seen = serde_json::from_value(object).unwrap();
            (ObjectKey::new("n", *name), reduce(&kind(), seen, &[], now))
        };
        let live = Live {
            synced,
            objects: objects.iter().map(reduced).collect(),
        };
        World {
            live: BTreeMap::from([(kind(), live)]),
            ..World::default()
        }
    }

    #[test]
    fn objects_are_ready_not_ready_or_missing() {
        let objects = [
            ("a", "h", "Bound"),
            ("b", "h", "Pending"),
            ("c", "other", "Bound"),
        ];
        let applied = applied(&["a", "b", "c", "d"]);
        let world = world(true, &objects);
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(tally(&world, &applied, applied.at, now), None);
        let tally = tally(&world, &applied, applied.at + GRACE, now).unwrap();
        let names =
            |list: &[ModifiedStatus]| list.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&tally.missing), ["c", "d"]);
        assert_eq!(tally.non_ready.len(), 1);
        assert_eq!(tally.non_ready[0].name, "b");
        assert_eq!(tally.resources.len(), 2);
    }

    #[test]
    fn nothing_is_said_before_a_watch_has_seen_everything() {
        let applied = applied(&["a"]);
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(
            tally(
                &world(false, &[("a", "h", "Bound")]),
                &applied,
                applied.at + GRACE,
                now
            ),
            None
        );
        assert_eq!(
            tally(&World::default(), &applied, applied.at + GRACE, now),
            None
        );
    }
}
