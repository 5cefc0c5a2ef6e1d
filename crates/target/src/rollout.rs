//! How far a bundle is rolled out in one pass.
//!
//! In: the strategy, and for each cluster what it should get and what it has. Out: a decision for each,
//! and the numbers for the Bundle's status. A pure function: a pass over its own outcome decides the same
//! until an agent reports something new. A pass costs as much as the bundle has clusters.
//!
//! Source: fleet, `internal/cmd/controller/target` (partition.go, rollout.go, limit.go).

use std::ops::Range;

use api::conditions::{CONNECTED, is_false};
use api::v1alpha1::{ClusterStatus, RolloutStrategy};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Deployments that are created in one pass, by default.
const MAX_NEW: usize = 50;
/// Clusters from which on partitions are made automatically, by default.
const AUTO_PARTITION_THRESHOLD: i64 = 200;
/// Size of automatic partitions, by default.
const AUTO_PARTITION_SIZE: &str = "25%";
/// Everything else, by default.
const ALL: &str = "100%";

/// A size in a strategy that is neither a number nor a percentage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {field}, must be int or percentage (ending with %): {text}")]
pub struct Error {
    /// The field.
    pub field: &'static str,
    /// Its text.
    pub text: String,
}

/// One cluster in a roll-out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The strategy's partitions that the cluster is in, by place. Not used without such partitions.
    pub partitions: Vec<usize>,
    /// The deployment id it should have.
    pub wanted_id: String,
    /// What it has.
    pub stored: Option<Stored>,
    /// Whether it can be changed now.
    pub access: Access,
}

/// Whether the deployment of a cluster can be changed now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Yes.
    #[default]
    Open,
    /// What runs stays: the bundle or the cluster is paused, or it is not known what it should have.
    Held,
    /// Its agent waits for the next window of a schedule.
    OffSchedule,
    /// Its agent is silent.
    Offline,
}

impl Access {
    /// The access to a cluster with this status, for a bundle.
    pub fn of(is_paused: bool, cluster: &ClusterStatus) -> Self {
        if is_paused {
            Self::Held
        } else if is_false(&cluster.conditions, CONNECTED) {
            Self::Offline
        } else if cluster.scheduled && !cluster.active_schedule {
            Self::OffSchedule
        } else {
            Self::Open
        }
    }
}

/// What is stored of a deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The current id: what the agent is to apply.
    pub deployment_id: String,
    /// The id that the agent applied last.
    pub applied_id: String,
    /// All its objects are ready.
    pub ready: bool,
}

impl Stored {
    /// Not applied, or not ready.
    pub fn is_unavailable(&self) -> bool {
        self.applied_id != self.deployment_id || !self.ready
    }
}

/// What happens to the deployment of one cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decision {
    /// Its turn has not come: an earlier partition is not done, or it is in none.
    #[default]
    Untouched,
    /// It does not exist, and enough are created in this pass, or it is held.
    Wait,
    /// It is created with what is wanted.
    Create,
    /// What is wanted becomes staged, what runs stays.
    Stage,
    /// What is wanted becomes staged and current. Also when it is already.
    Promote,
}

/// Numbers for the status of a Bundle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Deployments created.
    pub newly_created: i64,
    /// Deployments that are unavailable, or become so by being created or promoted. Those of clusters
    /// that are away do not count.
    pub unavailable: i64,
    /// Deployments that may be unavailable.
    pub max_unavailable: i64,
    /// Partitions with more unavailable deployments than allowed.
    pub unavailable_partitions: i64,
    /// Partitions that may be unavailable.
    pub max_unavailable_partitions: i64,
}

/// Numbers of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionNumbers {
    /// Name of the partition.
    pub name: String,
    /// Its targets, by place.
    pub members: Vec<usize>,
    /// Deployments that may be unavailable.
    pub max_unavailable: i64,
    /// Deployments that are unavailable or not up to date.
    pub unavailable: i64,
}

/// The outcome of one pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// A decision for each target, in the order given.
    pub decisions: Vec<Decision>,
    /// All partitions, in order.
    pub partitions: Vec<PartitionNumbers>,
    /// Numbers over all of them.
    pub numbers: Numbers,
    /// More deployments would have been created but for the limit on one pass: another can follow at once.
    pub has_more_to_create: bool,
    /// Something is held back until deployments become available.
    pub is_waiting: bool,
}

/// Plans one pass over targets that are sorted by name of the cluster.
///
/// # Guarantees
/// An available deployment is promoted only while fewer than `maxUnavailable` are unavailable, over all
/// and in each of its partitions, those that the pass makes so included; and only in a partition before
/// which at most `maxUnavailablePartitions` have more than their share of deployments that are
/// unavailable or not up to date. At most `maxNew` deployments are created.
///
/// What is unavailable already is promoted whatever the budget, and may become unavailable by itself.
///
/// Clusters that are away neither use up a budget nor make one larger, and are waited for by nobody:
/// those that are off schedule, and of those that are offline as many as `maxOffline` allows, by name.
/// Offline clusters beyond that count as unavailable. What runs on clusters that are away is replaced
/// once they are back, within the budget; what they lack is created at once.
///
/// # Errors
/// If a size in the strategy means nothing; then nothing is rolled out.
pub fn pass(maybe_strategy: Option<&RolloutStrategy>, targets: &[Target]) -> Result<Pass, Error> {
    let default_strategy = RolloutStrategy::default();
    let strategy = maybe_strategy.unwrap_or(&default_strategy);
    let standings = standings(strategy, targets)?;
    let mut partitions = partitions(strategy, targets, &standings)?;
    let n_counted = standings.iter().filter(|one| one.counts()).count();
    let max_unavailable = limit(
        "maxUnavailable",
        n_counted,
        &[strategy.max_unavailable.as_ref()],
    )?;
    let max_unavailable_partitions = match &strategy.max_unavailable_partitions {
        None => 0,
        given => limit(
            "maxUnavailablePartitions",
            partitions.len(),
            &[given.as_ref()],
        )?,
    };
    let max_unavailable_partitions = count(max_unavailable_partitions);
    let unavailable = standings.iter().filter(|one| one.is_unavailable());
    let mut run = Run {
        targets,
        standings: &standings,
        decisions: vec![Decision::default(); targets.len()],
        max_new: strategy
            .max_new
            .map_or(MAX_NEW, |n| usize::try_from(n).unwrap_or(0)),
        n_new: 0,
        unavailable: count(unavailable.count()),
        max_unavailable: count(max_unavailable),
        has_more_to_create: false,
        is_waiting: false,
    };
    let unavailable_partitions = run.through(&mut partitions, max_unavailable_partitions);
    for partition in &mut partitions {
        let unsettled = partition.members.iter().filter(|at| run.is_unsettled(**at));
        partition.unavailable = count(unsettled.count());
    }
    Ok(Pass {
        numbers: Numbers {
            newly_created: count(run.n_new),
            unavailable: run.unavailable,
            max_unavailable: run.max_unavailable,
            unavailable_partitions,
            max_unavailable_partitions,
        },
        decisions: run.decisions,
        partitions,
        has_more_to_create: run.has_more_to_create,
        is_waiting: run.is_waiting,
    })
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// How a target counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is away: not at all.
    Away,
    /// Its deployment runs, or does not exist.
    Available,
    /// Its deployment does not run, or nobody knows.
    Unavailable,
}

impl Standing {
    fn counts(self) -> bool {
        self != Self::Away
    }

    fn is_unavailable(self) -> bool {
        self == Self::Unavailable
    }
}

fn standings(strategy: &RolloutStrategy, targets: &[Target]) -> Result<Vec<Standing>, Error> {
    let mut n_offline_left = match &strategy.max_offline {
        None => targets.len(),
        given => limit("maxOffline", targets.len(), &[given.as_ref()])?,
    };
    let standing = |target: &Target| match target.access {
        Access::OffSchedule => Standing::Away,
        Access::Offline if n_offline_left > 0 => {
            n_offline_left -= 1;
            Standing::Away
        }
        Access::Offline => Standing::Unavailable,
        Access::Open | Access::Held => match &target.stored {
            Some(stored) if stored.is_unavailable() => Standing::Unavailable,
            _ => Standing::Available,
        },
    };
    Ok(targets.iter().map(standing).collect())
}

/// A pass under way.
struct Run<'a> {
    targets: &'a [Target],
    standings: &'a [Standing],
    decisions: Vec<Decision>,
    max_new: usize,
    n_new: usize,
    unavailable: i64,
    max_unavailable: i64,
    has_more_to_create: bool,
    is_waiting: bool,
}

impl Run<'_> {
    /// Goes through the partitions until more of them are unavailable than allowed, and gives the number
    /// of those. Everything is created before anything is promoted, so that what is new counts.
    fn through(
        &mut self,
        partitions: &mut [PartitionNumbers],
        max_unavailable_partitions: i64,
    ) -> i64 {
        let (mut n_open, mut unavailable_partitions) = (0, 0);
        for partition in &*partitions {
            if unavailable_partitions > max_unavailable_partitions {
                break;
            }
            n_open += 1;
            let members = partition.members.iter();
            let unsettled = members.filter(|at| self.is_unsettled(**at)).count();
            if count(unsettled) > partition.max_unavailable {
                unavailable_partitions += 1;
            }
        }
        let mut places = vec![Vec::new(); self.targets.len()];
        for (place, partition) in partitions.iter().enumerate() {
            for at in &partition.members {
                places[*at].push(place);
            }
        }
        let members = partitions[..n_open]
            .iter()
            .flat_map(|one| one.members.clone());
        let members: Vec<usize> = members.collect();
        for at in &members {
            self.create(*at, partitions, &places[*at]);
        }
        for at in members {
            self.promote(at, partitions, &places[at]);
        }
        let mut later = partitions[n_open..].iter().flat_map(|one| &one.members);
        self.is_waiting |=
            later.any(|at| self.decisions[*at] == Decision::Untouched && self.is_unsettled(*at));
        unavailable_partitions
    }

    fn create(&mut self, at: usize, partitions: &mut [PartitionNumbers], places: &[usize]) {
        let target = &self.targets[at];
        if target.stored.is_some() || self.decisions[at] != Decision::Untouched {
            return;
        }
        // A deployment that is created runs at once, which a pause forbids.
        self.decisions[at] = Decision::Wait;
        if target.access == Access::Held {
            return;
        }
        if self.n_new >= self.max_new {
            self.has_more_to_create = true;
            return;
        }
        self.n_new += 1;
        self.decisions[at] = Decision::Create;
        if self.standings[at] == Standing::Available {
            self.becomes_unavailable(partitions, places);
        }
    }

    fn promote(&mut self, at: usize, partitions: &mut [PartitionNumbers], places: &[usize]) {
        let target = &self.targets[at];
        let Some(stored) = &target.stored else {
            return;
        };
        if self.decisions[at] != Decision::Untouched {
            return;
        }
        let is_there = stored.deployment_id == target.wanted_id || stored.is_unavailable();
        self.decisions[at] = match target.access {
            Access::Held => Decision::Stage,
            _ if is_there => Decision::Promote,
            Access::OffSchedule | Access::Offline => Decision::Stage,
            Access::Open => {
                let is_full =
                    |one: &usize| partitions[*one].unavailable >= partitions[*one].max_unavailable;
                if self.unavailable >= self.max_unavailable || places.iter().any(is_full) {
                    self.is_waiting = true;
                    Decision::Stage
                } else {
                    self.becomes_unavailable(partitions, places);
                    Decision::Promote
                }
            }
        };
    }

    fn becomes_unavailable(&mut self, partitions: &mut [PartitionNumbers], places: &[usize]) {
        self.unavailable += 1;
        for place in places {
            partitions[*place].unavailable += 1;
        }
    }

    /// Unavailable, or without what it should have while that can be given to it.
    fn is_unsettled(&self, at: usize) -> bool {
        let target = &self.targets[at];
        let lacks = || {
            let stored = target.stored.as_ref();
            stored.is_none_or(|stored| {
                stored.applied_id != target.wanted_id || stored.deployment_id != target.wanted_id
            })
        };
        match self.standings[at] {
            Standing::Away => false,
            Standing::Unavailable => true,
            Standing::Available => target.access == Access::Open && lacks(),
        }
    }
}

fn partitions(
    strategy: &RolloutStrategy,
    targets: &[Target],
    standings: &[Standing],
) -> Result<Vec<PartitionNumbers>, Error> {
    let numbers = |name: String, members: Vec<usize>, own: Option<&IntOrString>| {
        let candidates = [own, strategy.max_unavailable.as_ref()];
        let counted = members.iter().filter(|at| standings[**at].counts());
        let max_unavailable = limit("maxUnavailable", counted.count(), &candidates)?;
        let unavailable = members
            .iter()
            .filter(|at| standings[**at].is_unavailable())
            .count();
        Ok(PartitionNumbers {
            name,
            members,
            max_unavailable: count(max_unavailable),
            unavailable: count(unavailable),
        })
    };
    if strategy.partitions.is_empty() {
        return automatic_partitions(strategy, targets.len())?
            .into_iter()
            .map(|(name, range)| numbers(name, range.collect(), None))
            .collect();
    }
    let mut members = vec![Vec::new(); strategy.partitions.len()];
    for (at, target) in targets.iter().enumerate() {
        for place in &target.partitions {
            if let Some(members) = members.get_mut(*place) {
                members.push(at);
            }
        }
    }
    let named = strategy.partitions.iter().zip(members);
    named
        .map(|(of, members)| numbers(of.name.clone(), members, of.max_unavailable.as_ref()))
        .collect()
}

/// One partition of everything, or pieces of equal size once there are many targets.
fn automatic_partitions(
    strategy: &RolloutStrategy,
    n_targets: usize,
) -> Result<Vec<(String, Range<usize>)>, Error> {
    let threshold = strategy
        .auto_partition_threshold
        .unwrap_or(AUTO_PARTITION_THRESHOLD);
    let is_disabled = matches!(strategy.auto_partition_size, Some(IntOrString::Int(..=0)));
    if is_disabled || threshold <= 0 || count(n_targets) < threshold {
        return Ok(vec![("All".to_owned(), 0..n_targets)]);
    }
    let default_size = IntOrString::String(AUTO_PARTITION_SIZE.to_owned());
    let candidates = [strategy.auto_partition_size.as_ref(), Some(&default_size)];
    let size = limit("autoPartitionSize", n_targets, &candidates)?.max(1);
    let pieces = (0..n_targets).step_by(size).map(|from| {
        let to = from.saturating_add(size).min(n_targets);
        (format!("Partition {from} - {to}"), from..to)
    });
    Ok(pieces.collect())
}

/// How many of `all` the first candidate that is given means; without one, all.
///
/// | candidate | result |
/// |---|---|
/// | any, for none | 1 |
/// | integer | between 0 and `all` |
/// | text with an integer above 0 | that integer, also above `all` |
/// | percentage | rounded down, between 1 and `all` |
///
/// # Errors
/// If the candidate is another text, such as `0` or `some`.
pub fn limit(
    field: &'static str,
    all: usize,
    candidates: &[Option<&IntOrString>],
) -> Result<usize, Error> {
    if all == 0 {
        return Ok(1);
    }
    let text = match candidates.iter().flatten().next() {
        Some(IntOrString::Int(n)) => return Ok(usize::try_from(*n).unwrap_or(0).min(all)),
        Some(IntOrString::String(text)) => text,
        None => ALL,
    };
    if let Some(n) = text.parse::<i64>().ok().filter(|n| *n > 0) {
        return Ok(usize::try_from(n).unwrap_or(usize::MAX));
    }
    let percent = text
        .strip_suffix('%')
        .and_then(|number| number.parse::<f64>().ok())
        .filter(|percent| !percent.is_nan())
        .ok_or_else(|| Error {
            field,
            text: text.to_owned(),
        })?;
    if percent <= 0.0 {
        return Ok(1);
    }
    // The product is cut to an integer before it is divided, as upstream does. The cast saturates.
    let share = (all as f64 * percent) as usize / 100;
    Ok(share.clamp(1, all))
}
