//! What a Bundle needs on the hub. Pure, apart from the thread it runs on.

//!
//! `source` says which clusters get the bundle as an earlier commit gave it;
//! `selection` asks targeting about every cluster and turns the pass of the roll-out into actions;
//! `write` compares what one cluster should have with what is stored.

mod selection;
mod source;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::labels::BUNDLE_FINALIZER;
use api::v1alpha1::{Bundle, BundleDeployment, BundleDeploymentSpec};
use apiclient::ObjectKey;
use target::matching::Targets;
use target::policy::Rules;
use target::rollout;
use target::template::Templates;
use workqueue::Next;

use self::selection::Selection;
use self::source::Sources;
use super::observe::Observed;
use super::settled::{Settled, Written};
use crate::Ctx;
use crate::index::{ContentSource, SourceKey};

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
    /// Deletes the content of a bundle from the registry it is in, and the Secret with access to it.
    DeleteArtifact { bundle: ObjectKey, id: String },
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
    /// What deployments take along; `None` when nothing was looked at.
    pub(crate) sources: Option<BTreeSet<SourceKey>>,
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
    /// The problem is that the rules of the namespace do not allow the bundle.
    pub(crate) is_denied: bool,
    /// Clusters without a deployment, or whose deployment could not be brought up to date, with the
    /// reason; an empty reason means that its turn has not come.
    pub(crate) pending: BTreeMap<ObjectKey, String>,
    /// Numbers of the roll-out.
    pub(crate) numbers: rollout::Numbers,
    /// Its partitions, with their deployments.
    pub(crate) partitions: Vec<ReportedPartition>,
    /// The roll-out waits for deployments to become available.
    pub(crate) is_waiting: bool,
    /// Clusters that stay at an earlier commit.
    pub(crate) pinned: Vec<ReportedPin>,
}

/// Clusters that stay at a commit as the status shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportedPin {
    pub(crate) commit: String,
    pub(crate) n_clusters: usize,
    /// Why they keep what they have; empty if they get what the commit has.
    pub(crate) held: String,
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
            sources: None,
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
        Err(problem) => {
            let mut plan = Plan::nothing(problem, generation, Next::Done);
            plan.report.is_denied = true;
            return plan;
        }
    };
    let targets = Targets::of(&bundle.spec);
    if let Err(error) = targets.validate() {
        let problem = format!("targeting error: {}", errors::chain(&error));
        return Plan::nothing(problem, generation, Next::Done);
    }
    if let (ContentSource::Stored { id }, false, false) = (
        &observed.bundle.content,
        observed.content_exists,
        observed.is_in_registry(),
    ) {
        let problem = format!("content {id} does not exist; apply the bundle again");
        // It may be in a registry, to which a Secret gives access.
        let sources = observed.sources.keys().cloned().chain([observed.access()]);
        return Plan {
            sources: Some(sources.collect()),
            ..Plan::nothing(problem, generation, Next::After(CONTENT_PAUSE))
        };
    }
    let imposed = rules.imposed(observed.is_of_agent);
    let sources = Sources::of(observed, bundle, rules);
    let selection = Selection::of(observed, bundle, imposed, sources, templates);
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
        if let (ContentSource::Stored { id }, false) =
            (&observed.bundle.content, observed.content_exists)
        {
            actions.push(Action::DeleteArtifact {
                bundle: bundle.clone(),
                id: id.clone(),
            });
        }
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
        sources: None,
        written: Vec::new(),
        next: Next::Done,
    }
}
