//! The metrics of all objects, as text.
//!
//! Source: hub specification 11.4; upstream's `metrics` package. The state of an object is a label of
//! its numbers too, as upstream has it.

use std::collections::BTreeMap;
use std::fmt;

use ::telemetry::{Labels, Metric, Series};
use api::state::State as DeploymentState;
use api::v1alpha1::{BundleSummary, ResourceCounts};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::Progress;
use crate::Ctx;
use crate::index::label;
use crate::status::contact;
use crate::world::{Queues, State, rollup_key};

/// Most deployments with series of their own: each has seven.
const DEPLOYMENTS_MAX: usize = 20_000;

/// Metrics of one kind of object.
#[derive(Debug)]
struct Family {
    /// `fleet_bundle`, to which the names are added.
    prefix: &'static str,
    names: &'static [&'static str],
    /// The states that have a series each, 1 for the one the object is in.
    states: &'static [&'static str],
    rows: Vec<Row>,
}

/// One object.
#[derive(Debug)]
struct Row {
    labels: Labels,
    /// None where numbers have no such label.
    state: Option<String>,
    /// In the order of the family's names.
    numbers: Vec<i64>,
}

#[derive(Debug)]
struct Snapshot {
    families: Vec<Family>,
    /// About this process.
    own: Vec<Metric>,
}

/// All metrics as of now, in the `OpenMetrics` form.
pub(super) fn text(ctx: &Ctx) -> Result<String, fmt::Error> {
    let families = ctx.world.read(|state| {
        vec![
            bundles(state),
            deployments(state),
            clusters(state),
            groups(state),
            git_repos(state),
        ]
    });
    ::telemetry::text(Snapshot {
        families,
        own: own(ctx),
    })
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for family in &self.families {
            family.encode_numbers(&mut encoder)?;
            family.encode_states(&mut encoder)?;
        }
        let mut own = self.own.iter();
        own.try_for_each(|metric| metric.encode(&mut encoder))
    }
}

impl Family {
    fn encode_numbers(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (place, name) in self.names.iter().enumerate() {
            let full = format!("{}_{name}", self.prefix);
            let help = format!("The count of {name} of this object.");
            let mut metric = encoder.encode_descriptor(&full, &help, None, MetricType::Gauge)?;
            for row in &self.rows {
                let mut labels = row.labels.clone();
                labels.extend(row.state.clone().map(|state| ("state", state)));
                let number = row.numbers.get(place).copied().unwrap_or_default();
                ConstGauge::new(number).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn encode_states(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if self.states.is_empty() {
            return Ok(());
        }
        let full = format!("{}_state", self.prefix);
        let help = "1 for the state that this object is in, 0 for all others.";
        let mut metric = encoder.encode_descriptor(&full, help, None, MetricType::Gauge)?;
        for row in &self.rows {
            for state in self.states {
                let mut labels = row.labels.clone();
                labels.push(("state", (*state).to_owned()));
                let is_in = i64::from(row.state.as_deref() == Some(*state));
                ConstGauge::new(is_in).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

const STATES: &[&str] = &[
    DeploymentState::Ready.as_str(),
    DeploymentState::NotReady.as_str(),
    DeploymentState::Pending.as_str(),
    DeploymentState::OutOfSync.as_str(),
    DeploymentState::Modified.as_str(),
    DeploymentState::WaitApplied.as_str(),
    DeploymentState::ErrApplied.as_str(),
];

fn named(key: &apiclient::ObjectKey) -> Labels {
    vec![
        ("name", key.name.clone()),
        ("namespace", key.namespace.clone()),
    ]
}

/// The value of a label, or nothing.
fn label_text(labels: &BTreeMap<String, String>, name: &str) -> String {
    label(labels, name).unwrap_or_default().to_owned()
}

fn bundles(state: &State) -> Family {
    let rows = state.index.bundles.iter().map(|(key, entry)| {
        let BundleSummary {
            not_ready,
            wait_applied,
            err_applied,
            out_of_sync,
            modified,
            ready,
            pending,
            desired_ready,
            ..
        } = entry.status.summary;
        let text = |name| label_text(&entry.meta.labels, name);
        let mut labels = named(key);
        labels.extend([
            ("commit", text(api::labels::COMMIT)),
            ("repo", text(api::labels::REPO_NAME)),
            ("generation", entry.meta.generation.to_string()),
        ]);
        Row {
            labels,
            state: Some(entry.status.display.state.clone()),
            numbers: vec![
                not_ready,
                wait_applied,
                err_applied,
                out_of_sync,
                modified,
                ready,
                pending,
                desired_ready,
            ],
        }
    });
    Family {
        prefix: "fleet_bundle",
        names: &[
            "not_ready",
            "wait_applied",
            "err_applied",
            "out_of_sync",
            "modified",
            "ready",
            "pending",
            "desired_ready",
        ],
        states: STATES,
        rows: rows.collect(),
    }
}

/// Past [`DEPLOYMENTS_MAX`] there are none: bundles and clusters say how they are, and a scrape of a
/// million series would be of use to nobody.
fn deployments(state: &State) -> Family {
    let all = &state.index.deployments;
    let shown = all.iter().filter(|_| all.len() <= DEPLOYMENTS_MAX);
    let rows = shown.map(|(key, entry)| {
        let cluster = state.index.cluster_of_namespace.get(&key.namespace);
        let bundle = state.index.bundles.get(&entry.bundle);
        let labels = bundle.map(|bundle| &bundle.meta.labels);
        let text = |name| labels.map_or(String::new(), |labels| label_text(labels, name));
        let of_cluster = |get: fn(&apiclient::ObjectKey) -> &String| {
            cluster.map(get).cloned().unwrap_or_default()
        };
        let mut labels = named(key);
        labels.extend([
            ("cluster_name", of_cluster(|key| &key.name)),
            ("cluster_namespace", of_cluster(|key| &key.namespace)),
            ("repo", text(api::labels::REPO_NAME)),
            ("commit", text(api::labels::COMMIT)),
            ("bundle", entry.bundle.name.clone()),
            ("bundle_namespace", entry.bundle.namespace.clone()),
        ]);
        let contribution = state.rollup.get(&rollup_key(key));
        let state = contribution.and_then(rollup::Contribution::state);
        Row {
            labels,
            state: Some(state.map_or("", DeploymentState::as_str).to_owned()),
            numbers: Vec::new(),
        }
    });
    Family {
        prefix: "fleet_bundledeployment",
        names: &[],
        states: STATES,
        rows: rows.collect(),
    }
}

fn clusters(state: &State) -> Family {
    let rows = state.index.clusters.iter().map(|(key, entry)| {
        let status = entry.status();
        let text = |name| label_text(&entry.meta.labels, name);
        let mut labels = named(key);
        labels.extend([
            ("cluster_name", text("management.cattle.io/cluster-name")),
            (
                "cluster_display_name",
                text(api::labels::CLUSTER_DISPLAY_NAME),
            ),
            ("generation", entry.meta.generation.to_string()),
        ]);
        let mut numbers = vec![
            status.desired_ready_git_repos,
            status.ready_git_repos,
            status.desired_ready_helm_ops,
            status.ready_helm_ops,
        ];
        numbers.extend(counts(&status.resource_counts));
        Row {
            labels,
            state: Some(status.display.state.clone()),
            numbers,
        }
    });
    Family {
        prefix: "fleet_cluster",
        names: &[
            "desired_ready_git_repos",
            "ready_git_repos",
            "desired_ready_helm_ops",
            "ready_helm_ops",
            "resources_count_desiredready",
            "resources_count_missing",
            "resources_count_modified",
            "resources_count_notready",
            "resources_count_orphaned",
            "resources_count_ready",
            "resources_count_unknown",
            "resources_count_waitapplied",
        ],
        states: &["NotReady", "Ready", "WaitCheckIn", contact::OFFLINE],
        rows: rows.collect(),
    }
}

fn counts(counts: &ResourceCounts) -> [i64; 8] {
    [
        counts.desired_ready,
        counts.missing,
        counts.modified,
        counts.not_ready,
        counts.orphaned,
        counts.ready,
        counts.unknown,
        counts.wait_applied,
    ]
}

fn groups(state: &State) -> Family {
    let rows = state.index.groups.iter().map(|(key, entry)| {
        let status = entry.status();
        let generation = entry.group.metadata.generation.unwrap_or_default();
        let mut labels = named(key);
        labels.push(("generation", generation.to_string()));
        let mut numbers = vec![status.cluster_count, status.non_ready_cluster_count];
        numbers.extend(counts(&status.resource_counts));
        numbers.extend([status.summary.desired_ready, status.summary.ready]);
        Row {
            labels,
            state: Some(status.display.state.clone()),
            numbers,
        }
    });
    Family {
        prefix: "fleet_cluster_group",
        names: &[
            "cluster_count",
            "non_ready_cluster_count",
            "resource_count_desired_ready",
            "resource_count_missing",
            "resource_count_modified",
            "resource_count_notready",
            "resource_count_orphaned",
            "resource_count_ready",
            "resource_count_unknown",
            "resource_count_waitapplied",
            "bundle_desired_ready",
            "bundle_ready",
        ],
        states: &["NotReady", "Ready"],
        rows: rows.collect(),
    }
}

fn git_repos(state: &State) -> Family {
    let rows = state.index.git_repos.iter().map(|(key, entry)| {
        let (spec, base) = (&entry.spec, &entry.status.base);
        let mut labels = named(key);
        labels.extend([
            ("repo", spec.repo.clone()),
            ("branch", spec.branch.clone()),
            ("paths", spec.paths.join(";")),
        ]);
        let mut numbers = counts(&base.resource_counts).to_vec();
        numbers.extend([base.desired_ready_clusters, base.ready_clusters]);
        Row {
            labels,
            state: None,
            numbers,
        }
    });
    Family {
        prefix: "fleet_gitrepo",
        names: &[
            "resources_desired_ready",
            "resources_missing",
            "resources_modified",
            "resources_not_ready",
            "resources_orphaned",
            "resources_ready",
            "resources_unknown",
            "resources_wait_applied",
            "desired_ready_clusters",
            "ready_clusters",
        ],
        states: &[],
        rows: rows.collect(),
    }
}

/// Objects' sizes against their limits, requests, queues and the state of this process.
fn own(ctx: &Ctx) -> Vec<Metric> {
    let stats = ctx.client.stats();
    let sizes = stats.sizes();
    let by_kind = |get: fn(&apiclient::Size) -> usize| -> Vec<(Labels, u64)> {
        let rows = sizes.iter();
        rows.map(|(kind, size)| (vec![("kind", kind.clone())], get(size) as u64))
            .collect()
    };
    let requests = stats.calls().into_iter().map(|(call, n)| {
        let labels = vec![("verb", call.verb.to_owned()), ("resource", call.resource)];
        (labels, n)
    });
    let mut own = vec![
        gauge(
            "flotilla_object_bytes",
            "Size of the largest object of a kind that was written, in bytes.",
            by_kind(|size| size.largest),
        ),
        gauge(
            "flotilla_object_bytes_max",
            "Budget of an object of a kind, in bytes.",
            by_kind(|size| size.bytes_max),
        ),
        Metric {
            name: "flotilla_requests",
            help: "Requests to the API server.",
            series: Series::Counters(requests.collect()),
        },
        gauge(
            "flotilla_queue_depth",
            "Keys that wait for a controller, delayed ones included.",
            queues(&ctx.world.queues),
        ),
        gauge(
            "flotilla_omitted_deployments",
            "Deployments without series of their own, because there are too many.",
            vec![(Vec::new(), omitted(ctx))],
        ),
    ];
    own.extend(progress(ctx));
    own
}

/// How far this process is, and what it is in charge of.
fn progress(ctx: &Ctx) -> Vec<Metric> {
    let Progress { synced, leads } = &ctx.progress;
    let flag = |flag: &std::sync::atomic::AtomicBool| {
        vec![(
            Vec::new(),
            u64::from(flag.load(std::sync::atomic::Ordering::Relaxed)),
        )]
    };
    vec![
        gauge(
            "flotilla_synced",
            "1 when all objects are known.",
            flag(synced),
        ),
        gauge(
            "flotilla_config_valid",
            "1 unless the ConfigMap of the hub cannot be read, and what it said before applies.",
            vec![(Vec::new(), u64::from(config_is_valid(ctx)))],
        ),
        Metric {
            name: "flotilla_dropped_events",
            help: "Events that were not written, because more happened than could be.",
            series: Series::Counters(vec![(Vec::new(), ctx.events.dropped())]),
        },
        gauge(
            "flotilla_replicas",
            "Processes that share the work of this shard; 0 while this one takes no part.",
            vec![(Vec::new(), replicas(ctx))],
        ),
        gauge(
            "flotilla_owned_objects",
            "Objects of a kind that this process works on.",
            owned(ctx),
        ),
        gauge(
            "leader_election_master_status",
            "1 while this process leads.",
            flag(leads),
        ),
    ]
}

fn gauge(name: &'static str, help: &'static str, rows: Vec<(Labels, u64)>) -> Metric {
    Metric {
        name,
        help,
        series: Series::Gauges(rows),
    }
}

fn config_is_valid(ctx: &Ctx) -> bool {
    ctx.world.read(|state| state.config.problem().is_none())
}

fn replicas(ctx: &Ctx) -> u64 {
    let leads = ctx
        .progress
        .leads
        .load(std::sync::atomic::Ordering::Relaxed);
    if leads {
        ctx.gate.share().n_members() as u64
    } else {
        0
    }
}

/// Deployments without series.
fn omitted(ctx: &Ctx) -> u64 {
    let deployments = ctx.world.read(|state| state.index.deployments.len());
    if deployments > DEPLOYMENTS_MAX {
        deployments as u64
    } else {
        0
    }
}

/// Nothing while another process leads.
fn owned(ctx: &Ctx) -> Vec<(Labels, u64)> {
    let leads = ctx
        .progress
        .leads
        .load(std::sync::atomic::Ordering::Relaxed);
    let owned = ctx.world.read(|state| ctx.gate.owned(&state.index));
    let rows = owned.into_iter();
    rows.map(|(kind, n)| (vec![("kind", kind.to_owned())], if leads { n } else { 0 }))
        .collect()
}

fn queues(queues: &Queues) -> Vec<(Labels, u64)> {
    let depths = [
        ("gitrepo", queues.git_repos.len()),
        ("bundle", queues.bundles.len()),
        ("bundledeployment", queues.deployments.len()),
        ("cluster", queues.clusters.len()),
        ("content", queues.contents.len()),
        ("status", queues.statuses.len()),
    ];
    let rows = depths.map(|(name, depth)| (vec![("queue", name.to_owned())], depth as u64));
    rows.into()
}
