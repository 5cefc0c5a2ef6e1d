//! A deployment's objects against what is live. Pure.

use std::time::Duration;

use api::v1alpha1::{BundleDeploymentResource, ModifiedStatus, NonReadyStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::time::Instant;

use crate::drift::{Checked, Memory, State};
use crate::object::{Entry, Id};
use crate::world::{Applied, World};

/// How long after a deployment a watch may not have seen all of its objects yet.
const GRACE: Duration = Duration::from_secs(5);
/// How long a watch may take to see everything for the first time.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is live of a deployment. Lists are whole, in order of the inventory.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) resources: Vec<BundleDeploymentResource>,
    pub(crate) non_ready: Vec<NonReadyStatus>,
    pub(crate) missing: Vec<ModifiedStatus>,
    /// What is there and not as it was deployed, or left over.
    pub(crate) modified: Vec<ModifiedStatus>,
    /// Missing objects of which only a watch says so, which may be late.
    pub(crate) unconfirmed: usize,
    /// Objects that have not been compared with what was deployed yet.
    pub(crate) unchecked: usize,
    /// Why comparing or correcting does not work.
    pub(crate) trouble: Option<Trouble>,
    /// A Job of the deployment is still at work.
    pub(crate) jobs_run: bool,
    /// When something else will have to be said without any event, for objects get older.
    pub(crate) ages_at: Option<Instant>,
}

/// What goes wrong with drift.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Trouble {
    /// It cannot be looked for.
    NotCompared(String),
    /// It is there and stays.
    NotCorrected(String),
}

impl Tally {
    /// Whether there is more to be known soon; `at` is now.
    pub(crate) fn is_early(&self, applied: &Applied, at: Instant) -> bool {
        self.unchecked > 0 && self.trouble.is_none() && at < applied.at + PATIENCE
    }
}

/// What can be said of a deployment's objects.
#[derive(Debug, PartialEq)]
pub(crate) enum View {
    /// Everything.
    Known(Tally),
    /// Nothing yet: the watches have only begun.
    Settling,
    /// Nothing, for too long.
    Blind {
        /// What cannot be watched, `plural.group`.
        kinds: Vec<String>,
    },
}

/// Looks at the objects of a deployment.
pub(crate) fn view(world: &World, applied: &Applied, now: Instant) -> View {
    let is_unseen = |id: &Id| world.live.get(&id.kind).is_none_or(|live| !live.synced);
    let ids = applied.inventory.iter().map(|entry| &entry.id);
    let mut unseen: Vec<String> = ids
        .filter(|id| is_unseen(id))
        .map(|id| id.kind.to_string())
        .collect();
    if !unseen.is_empty() {
        if now < applied.at + PATIENCE {
            return View::Settling;
        }
        unseen.dedup();
        return View::Blind { kinds: unseen };
    }
    let tally = tally(world, applied, now);
    if tally.unconfirmed > 0 && now < applied.at + GRACE {
        return View::Settling;
    }
    View::Known(tally)
}

fn tally(world: &World, applied: &Applied, now: Instant) -> Tally {
    let mut tally = Tally::default();
    let memory = memory(world, applied);
    for (at, Entry { id, .. }) in applied.inventory.iter().enumerate() {
        let checked = memory.and_then(|memory| memory.objects.get(at));
        let object = world
            .live
            .get(&id.kind)
            .and_then(|live| live.objects.get(&id.key));
        let Some(object) = object.filter(|object| *object.hash == *applied.hash) else {
            absent(id, checked, &mut tally);
            continue;
        };
        match checked.map(|checked| &checked.state) {
            Some(State::Differs(drift)) => tally.modified.push(ModifiedStatus {
                patch: drift.patch.clone(),
                ..named(id)
            }),
            Some(State::InSync) => {}
            _ => tally.unchecked += 1,
        }
        tally.jobs_run |= object.runs;
        if let Some(at) = object.ages_at(now) {
            tally.ages_at = Some(tally.ages_at.map_or(at, |first| first.min(at)));
        }
        if let Some(summary) = object.trouble(now) {
            tally.non_ready.push(NonReadyStatus {
                uid: object.uid.to_string(),
                kind: id.kind.kind.to_string(),
                api_version: id.kind.api_version(),
                namespace: id.key.namespace.clone(),
                name: id.key.name.clone(),
                summary: summary.clone(),
            });
        }
        tally.resources.push(BundleDeploymentResource {
            kind: id.kind.kind.to_string(),
            api_version: id.kind.api_version(),
            namespace: id.key.namespace.clone(),
            name: id.key.name.clone(),
            created_at: object.created_at.map(Time),
        });
    }
    if let Some(memory) = memory {
        left_over(world, applied, memory, &mut tally);
    }
    tally
}

/// What is known about the drift of the deployment.
fn memory<'a>(world: &'a World, applied: &Applied) -> Option<&'a Memory> {
    let name = world.owners.get(&applied.hash)?;
    let memory = &world.tracks.get(name)?.drift;
    memory.is_of(applied).then_some(memory)
}

fn absent(id: &Id, checked: Option<&Checked>, tally: &mut Tally) {
    let exist = match checked.map(|checked| &checked.state) {
        Some(State::Excused) => return,
        Some(State::Missing { exists, .. }) => *exists,
        _ => {
            tally.unchecked += 1;
            tally.unconfirmed += 1;
            false
        }
    };
    tally.missing.push(ModifiedStatus {
        missing: true,
        exist,
        ..named(id)
    });
}

fn left_over(world: &World, applied: &Applied, memory: &Memory, tally: &mut Tally) {
    for id in &memory.extra {
        let live = world.live.get(&id.kind);
        let live = live.and_then(|live| live.objects.get(&id.key));
        if live.is_some_and(|live| *live.hash == *applied.hash) {
            tally.modified.push(ModifiedStatus {
                delete: true,
                ..named(id)
            });
        }
    }
    let refusal = memory.objects.iter().find_map(Checked::refusal);
    let refused = refusal.map(|text| Trouble::NotCorrected(text.to_owned()));
    let trouble = memory.trouble.clone().map(Trouble::NotCompared);
    tally.trouble = trouble.or(refused);
}

fn named(id: &Id) -> ModifiedStatus {
    ModifiedStatus {
        kind: id.kind.kind.to_string(),
        api_version: id.kind.api_version(),
        namespace: id.key.namespace.clone(),
        name: id.key.name.clone(),
        ..ModifiedStatus::default()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use apiclient::{Kind, ObjectKey};
    use serde_json::{Value, json};

    use super::*;
    use crate::monitor::{Judge, Live, Seen, reduce};

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
            first_deployed: None,
            at: Instant::now(),
            account: String::new(),
        }
    }

    fn world(synced: bool, objects: &[(&str, &str, &str)]) -> World {
        let now = Timestamp::UNIX_EPOCH;
        let reduced = |(name, hash, phase): &(&str, &str, &str)| {
            let object: Value = json!({"metadata": {"name": name, "uid": name, "labels": {
                "objectset.rio.cattle.io/hash": hash}}, "status": {"phase": phase}});
            let seen: Seen = serde_json::from_value(object).unwrap();
            (
                ObjectKey::new("n", *name),
                reduce(&kind(), seen, &Judge::default(), Instant::now(), now),
            )
        };
        let live = Live {
            synced,
            objects: objects.iter().map(reduced).collect(),
            ..Live::default()
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
        assert_eq!(view(&world, &applied, applied.at), View::Settling);
        let View::Known(tally) = view(&world, &applied, applied.at + GRACE) else {
            panic!("everything has been seen");
        };
        let names =
            |list: &[ModifiedStatus]| list.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&tally.missing), ["c", "d"]);
        assert_eq!(tally.non_ready.len(), 1);
        assert_eq!(tally.non_ready[0].name, "b");
        assert_eq!(tally.resources.len(), 2);
    }

    #[test]
    fn nothing_is_said_before_a_watch_has_seen_everything() {
        let applied = applied(&["a", "b"]);
        for world in [world(false, &[("a", "h", "Bound")]), World::default()] {
            assert_eq!(view(&world, &applied, applied.at + GRACE), View::Settling);
            let kinds = vec!["persistentvolumeclaims".to_owned()];
            assert_eq!(
                view(&world, &applied, applied.at + PATIENCE),
                View::Blind { kinds }
            );
        }
    }
}
