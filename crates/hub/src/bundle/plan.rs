//! What a Bundle needs on the hub. Pure, apart from the thread it runs on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use api::labels::{BUNDLE_DEPLOYMENT_FINALIZER, BUNDLE_FINALIZER};
use api::v1alpha1::{Bundle, BundleDeployment, BundleDeploymentSpec};
use apiclient::ObjectKey;
use target::deployment::{Imposed, Wanted, deployment_labels, wanted};
use target::matching::{ClusterFacts, Criteria, GroupFacts, Targets};
use target::policy::Rules;
use target::rollout::{self, Decision};
use target::template::{ClusterValues, Templates};
use workqueue::Next;

use super::observe::Observed;
use super::options::{hash, without_values};
use super::settled::{Answer, Settled, Written};
use crate::Ctx;
use crate::index::{ClusterEntry, ContentSource, DeploymentEntry, StoredSpec};

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Replaces the bundle's list of finalizers.
    SetFinalizers {
        bundle: ObjectKey,
        finalizers: Vec<String>,
    },
    /// Stores the bundle's inline files as the Content `id`.
    StoreContent { bundle: ObjectKey, id: String },
    /// Creates or changes a deployment.
    Deploy {
        deployment: ObjectKey,
        cluster: ObjectKey,
        write: Box<Write>,
    },
    /// Deletes a deployment that no target wants any more.
    Delete { deployment: ObjectKey },
    /// Deletes the Secret with the bundle's values.
    DeleteValues { bundle: ObjectKey },
}

/// How a deployment is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Write {
    /// It does not exist.
    Create {
        object: Box<BundleDeployment>,
        values: Vec<u8>,
    },
    /// Everything is replaced; the Secret only when `values` are given.
    Promote {
        uid: String,
        spec: BundleDeploymentSpec,
        labels: BTreeMap<String, String>,
        values: Option<Vec<u8>>,
        /// The Secret is known to exist.
        has_values: bool,
    },
    /// What runs stays; `spec` holds what is staged.
    Stage {
        uid: String,
        spec: BundleDeploymentSpec,
        labels: BTreeMap<String, String>,
        staged_values: Vec<u8>,
    },
    /// Options and ids stay; `spec` holds the rest.
    Flags {
        spec: BundleDeploymentSpec,
        labels: BTreeMap<String, String>,
    },
}

/// Actions, what to tell in the status, and when to look again.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) actions: Vec<Action>,
    pub(crate) report: Report,
    /// What was found in order; `None` when nothing was looked at.
    pub(crate) settled: Option<Settled>,
    /// What will be in order once it is written.
    pub(crate) written: Vec<Written>,
    pub(crate) next: Next,
}

/// What a run found out that the status shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Report {
    /// The generation that was planned; zero when nothing could be.
    pub(crate) generation: i64,
    /// What concerns the bundle as a whole: mostly why nothing was done for any cluster.
    pub(crate) problem: Option<String>,
    /// Clusters without a deployment, or whose deployment could not be brought up to date, with the
    /// reason; an empty reason means that its turn has not come.
    pub(crate) pending: BTreeMap<ObjectKey, String>,
    /// Numbers of the roll-out.
    pub(crate) numbers: rollout::Numbers,
    /// Its partitions, with their deployments.
    pub(crate) partitions: Vec<ReportedPartition>,
    /// The roll-out waits for deployments to become available.
    pub(crate) is_waiting: bool,
}

/// A partition as the status shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ReportedPartition {
    pub(crate) name: String,
    pub(crate) max_unavailable: i64,
    pub(crate) deployments: Vec<ObjectKey>,
}

/// Plans on a thread of its own: templates of many clusters take a while.
pub(crate) async fn in_background(ctx: &Ctx, observed: Observed) -> Plan {
    let (templates, generation) = (ctx.templates.clone(), observed.bundle.meta.generation);
    let planned = tokio::task::spawn_blocking(move || plan(&observed, &templates)).await;
    planned.unwrap_or_else(|_| {
        Plan::nothing(
            "planning stopped unexpectedly; it will be tried again",
            generation,
            Next::Retry,
        )
    })
}

impl Plan {
    fn nothing(problem: impl Into<String>, generation: i64, next: Next) -> Self {
        let report = Report {
            generation,
            problem: Some(problem.into()),
            ..Report::default()
        };
        Self {
            actions: Vec::new(),
            report,
            settled: None,
            written: Vec::new(),
            next,
        }
    }
}

/// How long a bundle waits for a Content that its writer still has to store.
const CONTENT_PAUSE: Duration = Duration::from_secs(5);

/// The actions that bring a Bundle's deployments to where they have to be.
pub(crate) fn plan(observed: &Observed, templates: &Templates) -> Plan {
    if observed.bundle.meta.deleting {
        return plan_deletion(observed);
    }
    let generation = observed.bundle.meta.generation;
    let bundle = match &observed.object {
        Ok(bundle) => bundle,
        Err(problem) => return Plan::nothing(problem.to_string(), generation, Next::Retry),
    };
    let rules = match rules(observed, bundle) {
        Ok(rules) => rules,
        // An edit of the rules wakes us.
        Err(problem) => return Plan::nothing(problem, generation, Next::Done),
    };
    let targets = Targets::of(&bundle.spec);
    if let Err(error) = targets.validate() {
        let problem = format!("targeting error: {}", errors::chain(&error));
        return Plan::nothing(problem, generation, Next::Done);
    }
    if let (ContentSource::Stored { id }, false) =
        (&observed.bundle.content, observed.content_exists)
    {
        let problem = format!("content {id} does not exist; apply the bundle again");
        return Plan::nothing(problem, generation, Next::After(CONTENT_PAUSE));
    }
    let imposed = rules.imposed(observed.is_of_agent);
    let selection = Selection::of(observed, bundle, imposed, &targets, templates);
    let strategy = bundle.spec.rollout_strategy.as_ref();
    match rollout::pass(strategy, &selection.rollout_targets()) {
        Ok(pass) => selection.plan(generation, &pass),
        Err(error) => Plan::nothing(error.to_string(), generation, Next::Done),
    }
}

impl Observed {
    /// What concerns the bundle as a whole and does not stop it.
    fn problem(&self) -> Option<String> {
        let unclear = self.unclear.as_ref().map(|unclear| errors::chain(unclear));
        let circle = self.circle.as_ref().map(|names| {
            let way = names.join(" -> ");
            format!(
                "dependsOn leads back to the bundle itself, so that agents wait for ever: {way}"
            )
        });
        unclear.or(circle)
    }
}

/// The rules of the namespace, if they allow the bundle; else the reason.
fn rules<'a>(observed: &'a Observed, bundle: &Bundle) -> Result<&'a Rules, String> {
    let rules = observed.rules.as_ref().map_err(ToString::to_string)?;
    let authorized = rules.authorize_bundle(&bundle.spec, observed.is_of_agent);
    authorized.map_err(|denied| errors::chain(&denied))?;
    Ok(rules)
}

fn plan_deletion(observed: &Observed) -> Plan {
    let bundle = observed.key.clone();
    let going = observed
        .deployments
        .iter()
        .filter(|(_, entry)| !entry.deleting);
    let mut actions: Vec<Action> = going
        .map(|(deployment, _)| Action::Delete {
            deployment: deployment.clone(),
        })
        .collect();
    let meta = &observed.bundle.meta;
    if observed.deployments.is_empty() && meta.has_finalizer(BUNDLE_FINALIZER) {
        let mut finalizers = meta.finalizers.clone();
        finalizers.retain(|finalizer| finalizer != BUNDLE_FINALIZER);
        actions.push(Action::DeleteValues {
            bundle: bundle.clone(),
        });
        actions.push(Action::SetFinalizers { bundle, finalizers });
    }
    let report = Report {
        generation: meta.generation,
        ..Report::default()
    };
    Plan {
        actions,
        report,
        settled: None,
        written: Vec::new(),
        next: Next::Done,
    }
}

/// A cluster that the bundle can be deployed to.
struct Chosen<'a> {
    key: &'a ObjectKey,
    cluster: &'a ClusterEntry,
    groups: Vec<GroupFacts<'a>>,
    deployment: ObjectKey,
    stored: Option<&'a Arc<DeploymentEntry>>,
    wanted_id: String,
    /// `None` when what is stored is known to be as it should be.
    wanted: Option<Wanted>,
}

/// What targeting says about all clusters, in the order of their names.
struct Selection<'a> {
    observed: &'a Observed,
    bundle: &'a Bundle,
    imposed: Imposed,
    chosen: Vec<Chosen<'a>>,
    /// Clusters that the bundle is for but that cannot be deployed to now, with the reason.
    failed: BTreeMap<ObjectKey, String>,
    /// Deployments of those, which stay as they are.
    kept: Vec<ObjectKey>,
    /// Revisions of the clusters that the bundle is not for.
    not_meant: Vec<u64>,
}

impl<'a> Selection<'a> {
    fn of(
        observed: &'a Observed,
        bundle: &'a Bundle,
        imposed: Imposed,
        targets: &Targets<'a>,
        templates: &Templates,
    ) -> Self {
        let (chosen, failed, kept) = (Vec::new(), BTreeMap::new(), Vec::new());
        let mut selection = Self {
            observed,
            bundle,
            imposed,
            chosen,
            failed,
            kept,
            not_meant: Vec::new(),
        };
        let known = Some(&observed.settled);
        let known = known.filter(|known| known.holds_for(&observed.bundle, &selection.imposed));
        for (key, cluster) in &observed.clusters {
            let groups = groups_of(observed, key);
            let deployment = ObjectKey::new(cluster.namespace(), observed.key.name.clone());
            let stored = observed.deployments.get(&deployment);
            let known = known.and_then(|known| known.get(cluster, stored.map(Arc::as_ref)));
            let wanted = match (known, stored) {
                (Some(Answer::NotMeant), _) => Ok(None),
                (Some(Answer::Deployed(_)), Some(stored)) => {
                    Ok(Some((stored.deployment_id.to_string(), None)))
                }
                _ => selection
                    .wanted(key, cluster, &groups, targets, templates)
                    .map(|wanted| {
                        wanted.map(|wanted| (wanted.deployment_id.clone(), Some(wanted)))
                    }),
            };
            match wanted {
                Ok(None) => selection.not_meant.push(cluster.revision),
                Ok(Some((wanted_id, wanted))) => selection.chosen.push(Chosen {
                    key,
                    cluster,
                    groups,
                    deployment,
                    stored,
                    wanted_id,
                    wanted,
                }),
                Err(reason) => {
                    selection.failed.insert(key.clone(), reason);
                    selection.kept.push(deployment);
                }
            }
        }
        selection
    }

    fn wanted(
        &self,
        key: &ObjectKey,
        cluster: &ClusterEntry,
        groups: &[GroupFacts<'_>],
        targets: &Targets<'_>,
        templates: &Templates,
    ) -> Result<Option<Wanted>, String> {
        let meta = &cluster.meta;
        let facts = ClusterFacts {
            name: &key.name,
            labels: &meta.labels,
            groups,
        };
        let values = ClusterValues {
            namespace: &key.namespace,
            name: &key.name,
            labels: &meta.labels,
            annotations: &meta.annotations,
            template_values: cluster.cluster.spec.template_values.as_ref(),
        };
        let (spec, content) = (&self.bundle.spec, self.observed.bundle.content.id());
        let imposed = &self.imposed;
        let wanted = wanted(spec, targets, content, imposed, &facts, &values, templates);
        // The cluster is named where the reason is shown.
        let wanted = wanted.map_err(|error| errors::chain(&error.source))?;
        let deployment = ObjectKey::new(cluster.namespace(), self.observed.key.name.clone());
        match (&wanted, self.observed.taken.get(&deployment)) {
            (Some(_), _) if cluster.namespace().is_empty() => {
                Err("the cluster has no namespace yet".to_owned())
            }
            (Some(_), Some(owner)) => Err(taken(&deployment, owner)),
            _ => Ok(wanted),
        }
    }

    fn rollout_targets(&self) -> Vec<rollout::Target> {
        self.chosen
            .iter()
            .map(|chosen| chosen.rollout_target(self.bundle))
            .collect()
    }

    fn plan(&self, generation: i64, pass: &rollout::Pass) -> Plan {
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
            let is_in_order = action.is_none() && *decision == Decision::Promote;
            let stored = chosen.stored.filter(|stored| !stored.deleting);
            if let Some(stored) = stored.filter(|_| is_in_order || chosen.wanted.is_none()) {
                settled.push((chosen.cluster.revision, Answer::Deployed(stored.revision)));
            }
            written.extend(action.as_ref().and_then(|action| chosen.written(action)));
            actions.extend(action);
        }
        let settled = Settled::new(&self.observed.bundle, &self.imposed, settled);
        actions.extend(self.orphans());
        // With nothing created only agents can make room, and their reports wake us.
        let has_more = pass.has_more_to_create && pass.numbers.newly_created > 0;
        let next = if has_more {
            Next::After(Duration::ZERO)
        } else {
            Next::Done
        };
        Plan {
            actions,
            report: self.report(generation, pass),
            settled: Some(settled),
            written,
            next,
        }
    }

    fn report(&self, generation: i64, pass: &rollout::Pass) -> Report {
        let mut pending = self.failed.clone();
        for (chosen, decision) in self.chosen.iter().zip(&pass.decisions) {
            if chosen.stored.is_none() && *decision != Decision::Create {
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
            pending,
            numbers: pass.numbers,
            partitions: pass.partitions.iter().map(partition).collect(),
            is_waiting: pass.is_waiting || pass.has_more_to_create,
        }
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
            && !self.chosen.is_empty()
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
        for deployment in wanted.chain(&self.kept) {
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

    fn deploy(&self, chosen: &Chosen<'_>, decision: Decision) -> Option<Action> {
        let write = self.write(chosen, decision)?;
        let (deployment, cluster) = (chosen.deployment.clone(), chosen.key.clone());
        Some(Action::Deploy {
            deployment,
            cluster,
            write: Box::new(write),
        })
    }

    /// The spec in which what is wanted is both staged and current.
    fn spec(&self, chosen: &Chosen<'_>, wanted: &Wanted, values: &[u8]) -> BundleDeploymentSpec {
        let (options, id) = (without_values(&wanted.options), &wanted.deployment_id);
        let (spec, status) = (&self.bundle.spec, chosen.cluster.status());
        BundleDeploymentSpec {
            paused: chosen.is_paused(self.bundle),
            staged_options: options.clone(),
            staged_deployment_id: id.clone(),
            options,
            deployment_id: id.clone(),
            depends_on: spec.depends_on.clone(),
            correct_drift: wanted.options.correct_drift.clone(),
            oci_contents: false,
            helm_chart_options: spec.helm_op_options.clone(),
            values_hash: hash(values, values),
            downstream_resources_generation: chosen
                .stored
                .map_or(0, |entry| entry.downstream_resources_generation),
            off_schedule: status.scheduled && !status.active_schedule,
            waiting_for_values: false,
        }
    }

    fn labels(&self, chosen: &Chosen<'_>) -> BTreeMap<String, String> {
        let (bundle, content) = (&self.observed.key, self.observed.bundle.content.id());
        deployment_labels(
            &self.observed.bundle.meta.labels,
            &bundle.namespace,
            &bundle.name,
            &chosen.key.namespace,
            &chosen.key.name,
            (!content.is_empty()).then_some(content),
        )
    }

    /// What has to be written; `None` when the stored deployment is as it should be.
    fn write(&self, chosen: &Chosen<'_>, decision: Decision) -> Option<Write> {
        let wanted = chosen.wanted.as_ref()?;
        let values = api::ids::options_secret_entry(&wanted.options);
        let (spec, labels) = (self.spec(chosen, wanted, &values), self.labels(chosen));
        let Some(stored) = chosen.stored else {
            return (decision == Decision::Create).then(|| chosen.create(spec, labels, values));
        };
        if stored.deleting {
            return None;
        }
        let fingerprints = StoredSpec::of(&spec, &labels);
        let staged_id_differs = *stored.staged_deployment_id != *spec.staged_deployment_id;
        let rest_differs = stored.stored.rest != fingerprints.rest;
        let uid = stored.uid.to_string();
        match decision {
            Decision::Promote => {
                let values_differ = *stored.values_hash != *spec.values_hash;
                let differs = staged_id_differs
                    || values_differ
                    || *stored.deployment_id != *spec.deployment_id
                    || stored.stored != fingerprints;
                let values = values_differ.then_some(values);
                differs.then_some(Write::Promote {
                    uid,
                    spec,
                    labels,
                    values,
                    has_values: !stored.values_hash.is_empty(),
                })
            }
            Decision::Stage => {
                let differs = staged_id_differs
                    || rest_differs
                    || stored.stored.staged_options != fingerprints.staged_options;
                differs.then_some(Write::Stage {
                    uid,
                    spec,
                    labels,
                    staged_values: values,
                })
            }
            Decision::Create | Decision::Wait | Decision::Untouched => {
                rest_differs.then_some(Write::Flags { spec, labels })
            }
        }
    }
}

fn taken(deployment: &ObjectKey, owner: &ObjectKey) -> String {
    format!(
        "deployment {deployment} belongs to bundle {owner}, which has the same name; rename one of the two"
    )
}

fn groups_of<'a>(observed: &'a Observed, cluster: &ObjectKey) -> Vec<GroupFacts<'a>> {
    static NO_LABELS: BTreeMap<String, String> = BTreeMap::new();
    let names = observed.memberships.get(cluster).into_iter();
    let names = names.flat_map(|names| names.iter());
    names
        .filter_map(|name| {
            let group = ObjectKey::new(cluster.namespace.clone(), name.clone());
            let group = &observed.groups.get(&group)?.group;
            let labels = group.metadata.labels.as_ref().unwrap_or(&NO_LABELS);
            Some(GroupFacts { name, labels })
        })
        .collect()
}

impl Chosen<'_> {
    /// What is stored once an action was carried out, if that is all that is wanted.
    fn written(&self, action: &Action) -> Option<Written> {
        let Action::Deploy { write, .. } = action else {
            return None;
        };
        let (cluster, deployment) = (self.cluster.revision, &self.deployment);
        match write.as_ref() {
            Write::Create { object, .. } => {
                let labels = object.metadata.labels.as_ref()?;
                Some(Written::new(cluster, deployment, &object.spec, labels))
            }
            Write::Promote { spec, labels, .. } => {
                Some(Written::new(cluster, deployment, spec, labels))
            }
            Write::Stage { .. } | Write::Flags { .. } => None,
        }
    }

    fn is_paused(&self, bundle: &Bundle) -> bool {
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
                ready: entry.ready,
            }),
            paused: self.is_paused(bundle),
        }
    }

    fn create(
        &self,
        spec: BundleDeploymentSpec,
        labels: BTreeMap<String, String>,
        values: Vec<u8>,
    ) -> Write {
        let mut object = BundleDeployment {
            spec,
            ..BundleDeployment::default()
        };
        object.metadata.name = Some(self.deployment.name.clone());
        object.metadata.namespace = Some(self.deployment.namespace.clone());
        object.metadata.labels = Some(labels);
        object.metadata.finalizers = Some(vec![BUNDLE_DEPLOYMENT_FINALIZER.to_owned()]);
        Write::Create {
            object: Box::new(object),
            values,
        }
    }
}
