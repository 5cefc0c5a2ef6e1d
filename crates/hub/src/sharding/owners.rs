//! Who works on what, as the Leases say: for people who look from outside. Pure.

use std::collections::BTreeMap;

use api::labels::{REPLICA_OF, REPLICAS};
use apiclient::ObjectKey;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::Lease;

use super::plan::{Item, View};
use crate::leader::{LEASES, TOGETHER};

/// What the Leases of the system namespace say.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    shards: BTreeMap<String, Shard>,
}

#[derive(Clone, Debug, Default)]
struct Shard {
    /// Holder of the leadership; empty when nobody has it.
    leader: String,
    /// Replicas that are alive, with the views they have published.
    replicas: BTreeMap<String, Option<View>>,
}

/// Who works on an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The process of this identity.
    Process(String),
    /// It is being handed over.
    Moving,
    /// No process of its shard runs, or its label names none.
    Nobody,
}

impl Owners {
    /// Reads Leases, of which others are ignored. By `now` those that have run out are left out.
    pub fn of<'a>(leases: impl IntoIterator<Item = &'a Lease>, now: Timestamp) -> Self {
        let mut owners = Self::default();
        for lease in leases {
            owners.add(lease, now);
        }
        owners
    }

    fn add(&mut self, lease: &Lease, now: Timestamp) {
        let holder = holder(lease, now);
        let labels = lease.metadata.labels.as_ref();
        if let Some(shard) = labels.and_then(|labels| labels.get(REPLICA_OF)) {
            let annotations = lease.metadata.annotations.as_ref();
            let view = annotations.and_then(|all| View::parse(all.get(REPLICAS)?));
            if !holder.is_empty() {
                let shard = self.shards.entry(shard.clone()).or_default();
                shard.replicas.insert(holder.to_owned(), view);
            }
            return;
        }
        let name = lease.metadata.name.as_deref().unwrap_or_default();
        let Some(shard) = name.strip_prefix(LEASES[0]) else {
            return;
        };
        let shard = shard.strip_prefix('-').unwrap_or(shard);
        let shard = self.shards.entry(shard.to_owned()).or_default();
        holder.clone_into(&mut shard.leader);
    }

    /// Whether there is any Lease of a controller; without one nothing is known.
    pub fn is_known(&self) -> bool {
        !self.shards.is_empty()
    }

    /// Who works on an object of this kind, such as `Bundle`, by the label that names its shard.
    pub fn owner(&self, kind: &str, key: &ObjectKey, shard: Option<&str>) -> Owner {
        let item = match kind {
            "GitRepo" => Item::GitRepo(key.clone()),
            "Bundle" => Item::Bundle(key.clone()),
            "Cluster" => Item::Cluster(key.clone()),
            "ClusterGroup" => Item::ClusterGroup(key.clone()),
            _ => return Owner::Nobody,
        };
        // An empty label is nobody's, and no label the default's.
        let Some(shard) = (shard != Some("")).then(|| shard.unwrap_or_default()) else {
            return Owner::Nobody;
        };
        match self.shards.get(shard) {
            Some(shard) if shard.leader == TOGETHER => shard.owner(&item),
            Some(shard) if !shard.leader.is_empty() => Owner::Process(shard.leader.clone()),
            _ => Owner::Nobody,
        }
    }
}

impl Shard {
    fn owner(&self, item: &Item) -> Owner {
        if self.replicas.is_empty() {
            return Owner::Nobody;
        }
        let claims = |(identity, view): &(&String, &Option<View>)| {
            let owner = view.as_ref().map(|view| view.owner(item));
            owner.is_none_or(|owner| owner == Some(identity))
        };
        let mut claimants = self.replicas.iter().filter(claims);
        match (claimants.next(), claimants.next()) {
            (Some((identity, Some(_))), None) => Owner::Process(identity.clone()),
            _ => Owner::Moving,
        }
    }
}

/// Who holds a Lease at a time; empty when it has run out.
fn holder(lease: &Lease, now: Timestamp) -> &str {
    let Some(spec) = &lease.spec else {
        return "";
    };
    let secs = i64::from(spec.lease_duration_seconds.unwrap_or_default());
    let renewed = spec.renew_time.as_ref().map(|time| time.0);
    let lasts = |renewed: Timestamp| now < renewed + SignedDuration::from_secs(secs);
    if !renewed.is_some_and(lasts) {
        return "";
    }
    spec.holder_identity.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lease(name: &str, holder: &str, replica: Option<(&str, &str)>) -> Lease {
        let mut lease = json!({
            "metadata": { "name": name },
            "spec": { "holderIdentity": holder, "leaseDurationSeconds": 20,
                "renewTime": "2026-01-01T00:00:00.000000Z" },
        });
        if let Some((shard, view)) = replica {
            lease["metadata"]["labels"] = json!({ REPLICA_OF: shard });
            lease["metadata"]["annotations"] = json!({ REPLICAS: view });
        }
        serde_json::from_value(lease).unwrap()
    }

    fn owner(leases: &[Lease], secs: i64, shard: Option<&str>) -> Owner {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let owners = Owners::of(leases, now + SignedDuration::from_secs(secs));
        owners.owner("Bundle", &ObjectKey::new("fleet-default", "one"), shard)
    }

    fn process(name: &str) -> Owner {
        Owner::Process(name.to_owned())
    }

    #[test]
    fn the_leader_of_a_shard_works_on_all_of_it_while_its_lease_lasts() {
        let leases = [
            lease("fleet-controller-leader-election-shard", "a", None),
            lease("fleet-controller-leader-election-shard-east", "b", None),
            lease("fleet-gitops-leader-election-shard", "c", None),
            lease("somebody-else", "d", None),
        ];
        for (secs, shard, want) in [
            (1, None, process("a")),
            (1, Some("east"), process("b")),
            (1, Some("west"), Owner::Nobody),
            (1, Some(""), Owner::Nobody),
            (20, None, Owner::Nobody),
        ] {
            assert_eq!(owner(&leases, secs, shard), want, "{secs} {shard:?}");
        }
    }

    #[test]
    fn of_replicas_the_one_works_on_an_object_whose_view_alone_gives_it_the_object() {
        let leader = || lease("fleet-controller-leader-election-shard", TOGETHER, None);
        let replica = |name: &str, view: &str| lease(&format!("r-{name}"), name, Some(("", view)));
        // `a` owns the bundle among a, b and c, and c would without it.
        let agreed = |name: &str| replica(name, "v1:a,b,c");
        let [a, b, c] = ["a", "b", "c"].map(agreed);
        let all = [leader(), a.clone(), b.clone(), c.clone()];
        let Owner::Process(chosen) = owner(&all, 1, None) else {
            unreachable!()
        };
        let others: Vec<Lease> = [("a", a), ("b", b), ("c", c)]
            .into_iter()
            .filter(|(name, _)| *name != chosen)
            .map(|(_, lease)| lease)
            .collect();
        let without = [vec![leader()], others].concat();
        assert_eq!(
            owner(&without, 1, None),
            Owner::Moving,
            "until the others see it"
        );
        let unreadable = [all.to_vec(), vec![replica("d", "v9:")]].concat();
        assert_eq!(owner(&unreadable, 1, None), Owner::Moving);
        assert_eq!(owner(&[leader()], 1, None), Owner::Nobody);
    }
}
