//! What targeting says about all clusters, and what follows from it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use api::copies;
use api::labels::BUNDLE_FINALIZER;
use api::v1alpha1::Bundle;
use apiclient::ObjectKey;
use target::deployment::{Imposed, Wanted, wanted};
use target::matching::{ClusterFacts, Criteria, GroupFacts};
use target::rollout::{self, Access, Decision};
use target::template::{ClusterValues, Templates};
use workqueue::Next;

use super::source::{Held, Source, Sources};
use super::{Action, CONTENT_PAUSE, Plan, Report, ReportedPartition, ReportedPin};
use crate::bundle::observe::Observed;
use crate::bundle::settled::{Answer, Settled};
use crate::index::{
    ClusterEntry, ContentSource, DeploymentEntry, Digest, SourceKey, SourceState, group_facts,
};

/// A cluster that the bundle can be deployed to.
pub(super) struct Chosen<'a> {
    pub(super) key: &'a ObjectKey,
    pub(super) cluster: &'a ClusterEntry,
    groups: Vec<GroupFacts<'a>>,
    pub(super) deployment: ObjectKey,
    pub(super) stored: Option<&'a Arc<DeploymentEntry>>,
    /// The deployment id it should have; of what it has when that is not known.
    wanted_id: String,
    /// `None` when what is stored stays.
    pub(super) wanted: Option<Wanted>,
    /// What [`Selection::generation`] says.
    pub(super) generation: Option<i64>,
    /// Why it is not known what it should have, or why that cannot be written.
    failed: Option<String>,
    /// What it should have is made of this.
    pub(super) source: Source<'a>,
}

/// What targeting says about all clusters, in the order of their names.
pub(super) struct Selection<'a> {
    pub(super) observed: &'a Observed,
    pub(super) bundle: &'a Bundle,
    imposed: Imposed,
    sources: Sources<'a>,
    chosen: Vec<Chosen<'a>>,
    /// Clusters of each pin.
    n_pinned: Vec<usize>,
    /// Revisions of the clusters that the bundle is not for.
    not_meant: Vec<u64>,
    /// What is to be copied to the clusters.
    taken_along: BTreeSet<SourceKey>,
}

impl<'a> Selection<'a> {
    pub(super) fn of(
        observed: &'a Observed,
        bundle: &'a Bundle,
        imposed: Imposed,
        sources: Sources<'a>,
        templates: &Templates,
    ) -> Self {
        let mut selection = Self {
            observed,
            bundle,
            imposed,
            n_pinned: vec![0; sources.pins.len()],
            sources,
            chosen: Vec::with_capacity(observed.clusters.len()),
            not_meant: Vec::new(),
            taken_along: BTreeSet::new(),
        };
        let is_known =
            observed
                .settled
                .holds_for(observed, &selection.imposed, &selection.sources.digest);
        if is_known {
            // What clusters need that are not looked at again.
            let known = observed.sources.keys().cloned();
            selection.taken_along.extend(known);
        }
        for (key, cluster) in &observed.clusters {
            match selection.choose(key, cluster, is_known, templates) {
                Some(chosen) => selection.chosen.push(chosen),
                None => selection.not_meant.push(cluster.revision),
            }
        }
        selection
    }

    /// What a cluster should have; `None` when that is nothing.
    fn choose(
        &mut self,
        key: &'a ObjectKey,
        cluster: &'a Arc<ClusterEntry>,
        is_known: bool,
        templates: &Templates,
    ) -> Option<Chosen<'a>> {
        let observed = self.observed;
        let groups = group_facts(&observed.memberships, &observed.groups, key);
        let deployment = ObjectKey::new(cluster.namespace(), self.observed.key.name.clone());
        let stored = self.observed.deployments.get(&deployment);
        let facts = ClusterFacts {
            name: &key.name,
            labels: &cluster.meta.labels,
            groups: &groups,
        };
        let pin = self.sources.pin_of(&facts);
        let source = match pin.and_then(|pin| self.sources.pins.get(pin)) {
            None => Ok(self.sources.current),
            Some(pinned) => pinned.source.clone(),
        };
        let known = is_known.then_some(&self.observed.settled);
        let known = known.and_then(|known| known.get(cluster, stored.map(Arc::as_ref)));
        let stored_id = || stored.map(|stored| stored.deployment_id.to_string());
        let mut generation = None;
        let (wanted_id, wanted, failed) = match (known, &source) {
            (Some(Answer::NotMeant), _) => return None,
            (Some(Answer::Deployed(_)), _) | (None, Err(Held::Waiting | Held::Absent)) => {
                (stored_id()?, None, None)
            }
            (None, Err(Held::Failed(reason))) => (stored_id()?, None, Some(reason.clone())),
            (None, Ok(source)) => match self.wanted(key, cluster, &facts, source, templates) {
                Ok(wanted) => {
                    let wanted = wanted?;
                    match self.generation(&wanted, source.in_registry) {
                        Ok(found) => {
                            generation = found;
                            (wanted.deployment_id.clone(), Some(wanted), None)
                        }
                        Err(reason) => (stored_id().unwrap_or_default(), None, Some(reason)),
                    }
                }
                Err(reason) => (stored_id().unwrap_or_default(), None, Some(reason)),
            },
        };
        if let Some(n) = pin.and_then(|pin| self.n_pinned.get_mut(pin)) {
            *n += 1;
        }
        Some(Chosen {
            key,
            cluster,
            groups,
            deployment,
            stored,
            wanted_id,
            wanted,
            generation,
            failed,
            source: source.unwrap_or(self.sources.current),
        })
    }

    /// A number for the state of everything that is to be copied for a cluster: what its options name, and access
    /// to the registry that the content is in. `None` when that is nothing.
    fn generation(&mut self, wanted: &Wanted, in_registry: bool) -> Result<Option<i64>, String> {
        let named = copies::named(&wanted.options).map_err(|error| error.to_string())?;
        if named.is_empty() && !in_registry {
            return Ok(None);
        }
        let mut states: Vec<(SourceKey, i64)> = Vec::with_capacity(named.len() + 1);
        let access = Some(self.observed.access()).filter(|_| in_registry);
        if let Some(access) = access {
            if let Some(SourceState::Access { digest, .. }) = self.observed.sources.get(&access) {
                states.push((access.clone(), digest.number()));
            }
            self.taken_along.insert(access);
        }
        let mut problem = None;
        for object in named {
            let namespace = self.observed.key.namespace.clone();
            let key = SourceKey { namespace, object };
            let why = match self.observed.sources.get(&key) {
                Some(SourceState::Known(digest)) => {
                    states.push((key.clone(), digest.number()));
                    None
                }
                Some(SourceState::Missing) => Some("it does not exist".to_owned()),
                Some(SourceState::Refused(reason)) => Some(reason.clone()),
                Some(SourceState::Access { .. }) => {
                    Some("it gives access to a registry, and is never copied by name".to_owned())
                }
                Some(SourceState::Unknown) | None => Some("it was not read yet".to_owned()),
            };
            let text = |why| format!("downstreamResources names {key}: {why}");
            problem = problem.or_else(|| why.map(text));
            self.taken_along.insert(key);
        }
        match problem {
            Some(problem) => Err(problem),
            None => Ok(Some(Digest::of(&states).number())),
        }
    }

    fn wanted(
        &self,
        key: &ObjectKey,
        cluster: &ClusterEntry,
        facts: &ClusterFacts<'_>,
        source: &Source<'_>,
        templates: &Templates,
    ) -> Result<Option<Wanted>, String> {
        let meta = &cluster.meta;
        let values = ClusterValues {
            namespace: &key.namespace,
            name: &key.name,
            labels: &meta.labels,
            annotations: &meta.annotations,
            template_values: cluster.cluster.spec.template_values.as_ref(),
        };
        let (targets, content) = (&source.targets, source.content);
        let imposed = &self.imposed;
        let wanted = wanted(
            source.spec,
            targets,
            content,
            imposed,
            facts,
            &values,
            templates,
        );
        // The cluster is named where the reason is shown.
        let wanted = wanted.map_err(|error| error.reason())?;
        let deployment = ObjectKey::new(cluster.namespace(), self.observed.key.name.clone());
        match (&wanted, self.observed.taken.get(&deployment)) {
            (Some(_), _) if cluster.namespace().is_empty() => {
                Err("the cluster has no namespace yet".to_owned())
            }
            (Some(_), Some(owner)) => Err(taken(&deployment, owner)),
            _ => Ok(wanted),
        }
    }

    pub(super) fn rollout_targets(&self) -> Vec<rollout::Target> {
        self.chosen
            .iter()
            .map(|chosen| chosen.rollout_target(self.bundle))
            .collect()
    }

    pub(super) fn plan(&self, generation: i64, pass: &rollout::Pass) -> Plan {
        let mut actions = self.first_actions();
        let mut written = Vec::new();
        let mut settled: Vec<(u64, Answer)> = Vec::with_capacity(self.observed.clusters.len());
        settled.extend(
            self.not_meant
                .iter()
                .map(|cluster| (*cluster, Answer::NotMeant)),
        );
        for (chosen, decision) in self.chosen.iter().zip(&pass.decisions) {
            let action = self.deploy(chosen, *decision);
            let was_in_order = chosen.wanted.is_none() && chosen.failed.is_none();
            let is_promoted = *decision == Decision::Promote && chosen.wanted.is_some();
            let is_in_order = was_in_order || (is_promoted && action.is_none());
            let stored = chosen.stored.filter(|stored| !stored.deleting);
            if let Some(stored) = stored.filter(|_| is_in_order) {
                settled.push((chosen.cluster.revision, Answer::Deployed(stored.revision)));
            }
            written.extend(action.as_ref().and_then(|action| chosen.written(action)));
            actions.extend(action);
        }
        let pins = &self.sources.digest;
        let settled = Settled::new(self.observed, &self.imposed, pins, settled);
        actions.extend(self.orphans());
        // With nothing created only agents can make room, and their reports wake us.
        let has_more = pass.has_more_to_create && pass.numbers.newly_created > 0;
        let next = if has_more {
            Next::After(Duration::ZERO)
        } else if self.waits_for_revision() {
            Next::After(CONTENT_PAUSE)
        } else {
            Next::Done
        };
        Plan {
            actions,
            report: self.report(generation, pass),
            settled: Some(settled),
            sources: Some(self.taken_along.clone()),
            written,
            next,
        }
    }

    fn report(&self, generation: i64, pass: &rollout::Pass) -> Report {
        let mut pending = BTreeMap::new();
        for (chosen, decision) in self.chosen.iter().zip(&pass.decisions) {
            if let Some(reason) = &chosen.failed {
                pending.insert(chosen.key.clone(), reason.clone());
            } else if chosen.stored.is_none() && *decision != Decision::Create {
                pending.insert(chosen.key.clone(), String::new());
            }
        }
        let partition = |partition: &rollout::PartitionNumbers| ReportedPartition {
            name: partition.name.clone(),
            max_unavailable: partition.max_unavailable,
            deployments: partition
                .members
                .iter()
                .filter_map(|member| self.chosen.get(*member))
                .map(|chosen| chosen.deployment.clone())
                .collect(),
        };
        Report {
            generation,
            problem: self.observed.problem(),
            is_denied: false,
            pending,
            numbers: pass.numbers,
            partitions: pass.partitions.iter().map(partition).collect(),
            is_waiting: pass.is_waiting || pass.has_more_to_create,
            pinned: self.pinned(),
        }
    }

    fn pinned(&self) -> Vec<ReportedPin> {
        let pins = self.sources.pins.iter().zip(&self.n_pinned);
        let pins = pins.filter(|(_, n)| **n > 0);
        pins.map(|(pinned, n_clusters)| ReportedPin {
            commit: pinned.pin.commit.clone(),
            n_clusters: *n_clusters,
            held: match &pinned.source {
                Ok(_) => String::new(),
                Err(Held::Waiting) => "it is being read".to_owned(),
                Err(Held::Absent) => "it does not have this bundle".to_owned(),
                Err(Held::Failed(reason)) => reason.clone(),
            },
        })
        .collect()
    }

    /// Nobody may tell when a commit was read: another process may do it.
    fn waits_for_revision(&self) -> bool {
        let mut pins = self.sources.pins.iter().zip(&self.n_pinned);
        pins.any(|(pinned, n)| *n > 0 && matches!(pinned.source, Err(Held::Waiting)))
    }

    fn first_actions(&self) -> Vec<Action> {
        let (bundle, meta) = (self.observed.key.clone(), &self.observed.bundle.meta);
        let mut actions = Vec::new();
        if !meta.has_finalizer(BUNDLE_FINALIZER) {
            let mut finalizers = meta.finalizers.clone();
            finalizers.push(BUNDLE_FINALIZER.to_owned());
            actions.push(Action::SetFinalizers {
                bundle: bundle.clone(),
                finalizers,
            });
        }
        if let ContentSource::Inline { id, .. } = &self.observed.bundle.content
            && !self.observed.content_exists
            && self.chosen.iter().any(|chosen| chosen.failed.is_none())
        {
            actions.push(Action::StoreContent {
                bundle,
                id: id.clone(),
            });
        }
        actions
    }

    /// Deployments that no target wants. Those of clusters whose templates fail, and of clusters
    /// outside their schedule, stay. So do those that a mapping may want which cannot be read.
    fn orphans(&self) -> Vec<Action> {
        let mut orphans: BTreeMap<&ObjectKey, &Arc<DeploymentEntry>> =
            self.observed.deployments.iter().collect();
        let wanted = self.chosen.iter().map(|chosen| &chosen.deployment);
        for deployment in wanted {
            orphans.remove(deployment);
        }
        let is_unclear = self.observed.unclear.is_some();
        let near = self
            .observed
            .clusters
            .iter()
            .map(|(_, cluster)| cluster.namespace());
        let near: BTreeSet<&str> = if is_unclear {
            near.collect()
        } else {
            BTreeSet::new()
        };
        let gone = orphans.into_iter().filter(|(key, entry)| {
            let may_be_mapped = is_unclear && !near.contains(key.namespace.as_str());
            !may_be_mapped && !entry.off_schedule && !entry.deleting
        });
        gone.map(|(deployment, _)| Action::Delete {
            deployment: deployment.clone(),
        })
        .collect()
    }
}

fn taken(deployment: &ObjectKey, owner: &ObjectKey) -> String {
    format!(
        "deployment {deployment} belongs to bundle {owner}, which has the same name; rename one of the two"
    )
}

impl Chosen<'_> {
    pub(super) fn is_paused(&self, bundle: &Bundle) -> bool {
        self.cluster.cluster.spec.paused || bundle.spec.paused
    }

    fn rollout_target(&self, bundle: &Bundle) -> rollout::Target {
        let strategy = bundle.spec.rollout_strategy.as_ref();
        let partitions = strategy.map_or(&[][..], |strategy| &strategy.partitions);
        let labels = &self.cluster.meta.labels;
        let facts = ClusterFacts {
            name: &self.key.name,
            labels,
            groups: &self.groups,
        };
        let mine = partitions.iter().enumerate();
        let mine = mine.filter(|(_, partition)| Criteria::from(*partition).matches(&facts));
        rollout::Target {
            partitions: mine.map(|(place, _)| place).collect(),
            wanted_id: self.wanted_id.clone(),
            stored: self.stored.map(|entry| rollout::Stored {
                deployment_id: entry.deployment_id.to_string(),
                applied_id: entry.applied_deployment_id.to_string(),
                // What is being deleted will not run for long.
                ready: entry.ready && !entry.deleting,
            }),
            access: Access::of(
                self.is_paused(bundle) || self.failed.is_some(),
                self.cluster.status(),
            ),
        }
    }
}
