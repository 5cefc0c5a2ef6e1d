//! How far a bundle is rolled out in one pass.
//!
//! In: the strategy, and for each cluster what it should get and what it has. Out: a decision for each,
//! and the numbers for the Bundle's status. A pure function: a pass over its own outcome decides the same
//! until an agent reports something new. A pass costs as much as the bundle has clusters.
//!
//! Source: fleet, `internal/cmd/controller/target` (partition.go, rollout.go, limit.go).

use std::ops::Range;

use api::v1alpha1::RolloutStrategy;
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
    /// The bundle or the cluster is paused.
    pub paused: bool,
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
    /// It does not exist, and enough are created in this pass, or the cluster is paused.
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
    /// Deployments that are unavailable, or become so by being promoted.
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
/// # Errors
/// If a size in the strategy means nothing; then nothing is rolled out.
pub fn pass(maybe_strategy: Option<&RolloutStrategy>, targets: &[Target]) -> Result<Pass, Error> {
    let default_strategy = RolloutStrategy::default();
    let strategy = maybe_strategy.unwrap_or(&default_strategy);
    let partitions = partitions(strategy, targets)?;
    let max_unavailable = limit(
        "maxUnavailable",
        targets.len(),
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
    let unavailable = targets
        .iter()
        .filter(|target| is_unavailable(target))
        .count();
    let mut run = Run {
        targets,
        decisions: vec![Decision::default(); targets.len()],
        max_new: strategy
            .max_new
            .map_or(MAX_NEW, |n| usize::try_from(n).unwrap_or(0)),
        n_new: 0,
        unavailable: count(unavailable),
        max_unavailable: count(max_unavailable),
        has_more_to_create: false,
        is_waiting: false,
    };
    let (partitions, unavailable_partitions) =
        run.through(partitions, count(max_unavailable_partitions));
    Ok(Pass {
        numbers: Numbers {
            newly_created: count(run.n_new),
            unavailable: run.unavailable,
            max_unavailable: run.max_unavailable,
            unavailable_partitions,
            max_unavailable_partitions: count(max_unavailable_partitions),
        },
        decisions: run.decisions,
        partitions,
        has_more_to_create: run.has_more_to_create,
        is_waiting: run.is_waiting,
    })
}

fn is_unavailable(target: &Target) -> bool {
    target.stored.as_ref().is_some_and(Stored::is_unavailable)
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A pass under way.
struct Run<'a> {
    targets: &'a [Target],
    decisions: Vec<Decision>,
    max_new: usize,
    n_new: usize,
    unavailable: i64,
    max_unavailable: i64,
    has_more_to_create: bool,
    is_waiting: bool,
}

impl Run<'_> {
    /// Goes through the partitions until more of them are unavailable than allowed. A target in several
    /// partitions keeps the decision that goes furthest.
    fn through(
        &mut self,
        mut partitions: Vec<PartitionNumbers>,
        max_unavailable_partitions: i64,
    ) -> (Vec<PartitionNumbers>, i64) {
        let mut unavailable_partitions = 0;
        for partition in &mut partitions {
            if unavailable_partitions > max_unavailable_partitions {
                self.is_waiting |= partition.members.iter().any(|at| self.is_unsettled(*at));
                continue;
            }
            for &at in &partition.members {
                if self.decisions[at] == Decision::Untouched
                    || self.decisions[at] == Decision::Stage
                {
                    self.decisions[at] =
                        self.decide(at, partition.max_unavailable, &mut partition.unavailable);
                }
            }
            let unsettled = partition
                .members
                .iter()
                .filter(|at| self.is_unsettled(**at));
            partition.unavailable = count(unsettled.count());
            if partition.unavailable > partition.max_unavailable {
                unavailable_partitions += 1;
            }
        }
        (partitions, unavailable_partitions)
    }

    fn decide(
        &mut self,
        at: usize,
        partition_max: i64,
        partition_unavailable: &mut i64,
    ) -> Decision {
        let target = &self.targets[at];
        let Some(stored) = &target.stored else {
            // A deployment that is created runs at once, which a pause forbids.
            if target.paused {
                return Decision::Wait;
            }
            if self.n_new >= self.max_new {
                self.has_more_to_create = true;
                return Decision::Wait;
            }
            self.n_new += 1;
            return Decision::Create;
        };
        if target.paused {
            return Decision::Stage;
        }
        if stored.deployment_id == target.wanted_id || stored.is_unavailable() {
            return Decision::Promote;
        }
        if self.unavailable >= self.max_unavailable || *partition_unavailable >= partition_max {
            self.is_waiting = true;
            return Decision::Stage;
        }
        self.unavailable += 1;
        *partition_unavailable += 1;
        Decision::Promote
    }

    /// Unavailable, or without what it should have.
    fn is_unsettled(&self, at: usize) -> bool {
        let target = &self.targets[at];
        target.stored.as_ref().is_none_or(|stored| {
            stored.applied_id != target.wanted_id
                || stored.deployment_id != target.wanted_id
                || !stored.ready
        })
    }
}

fn partitions(
    strategy: &RolloutStrategy,
    targets: &[Target],
) -> Result<Vec<PartitionNumbers>, Error> {
    let numbers = |name: String, members: Vec<usize>, own: Option<&IntOrString>| {
        let candidates = [own, strategy.max_unavailable.as_ref()];
        let max_unavailable = limit("maxUnavailable", members.len(), &candidates)?;
        let unavailable = members
            .iter()
            .filter(|at| is_unavailable(&targets[**at]))
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
