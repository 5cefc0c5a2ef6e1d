//! What an agent tells machines about its work: metrics.
//!
//! * **Reads**: the world, the queues and the counters of the clients, at each scrape.
//! * **Writes**: nothing.
//!
//! Families are few and their labels are words of this program: there is no series for each deployment,
//! object or kind, so that an agent costs a Prometheus the same whatever is deployed.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use ::telemetry::{Histogram, Labels, Metric, Metrics, Series};
use api::state::State as DeploymentState;
use tokio::time::Instant;

use crate::agent::Agent;
use crate::world::World;

/// Upper bounds of durations in seconds: from a status to a chart whose hooks are waited for.
const RUN_BUCKETS: [f64; 7] = [0.01, 0.1, 1.0, 5.0, 30.0, 120.0, 600.0];

const STATES: [DeploymentState; 7] = [
    DeploymentState::Ready,
    DeploymentState::NotReady,
    DeploymentState::Pending,
    DeploymentState::OutOfSync,
    DeploymentState::Modified,
    DeploymentState::WaitApplied,
    DeploymentState::ErrApplied,
];

/// What a run is for.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    Deployment,
    Drift,
    Report,
}

impl Run {
    const ALL: [Self; 3] = [Self::Deployment, Self::Drift, Self::Report];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::Drift => "drift",
            Self::Report => "report",
        }
    }
}

/// What is counted of the agents of a process, one after the other, and the one that runs.
pub struct Telemetry {
    agent: Mutex<Weak<Agent>>,
    drift: Drift,
    records: AtomicU64,
    runs: [Histogram; 3],
}

#[derive(Default)]
struct Drift {
    seen: AtomicU64,
    corrected: AtomicU64,
    failed: AtomicU64,
    undone: AtomicU64,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            agent: Mutex::default(),
            drift: Drift::default(),
            records: AtomicU64::default(),
            runs: std::array::from_fn(|_| Histogram::new(RUN_BUCKETS)),
        }
    }
}

impl Telemetry {
    pub(crate) fn follow(&self, agent: &Arc<Agent>) {
        *self.agent.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(agent);
    }

    /// Another object was found that is not as it was deployed, or is so in another way.
    pub(crate) fn drift_seen(&self) {
        self.drift.seen.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn correction_failed(&self) {
        self.drift.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Corrections were applied; so many of them were undone by somebody at once.
    pub(crate) fn corrected(&self, applied: usize, undone: usize) {
        let held = applied.saturating_sub(undone) as u64;
        self.drift.corrected.fetch_add(held, Ordering::Relaxed);
        self.drift
            .undone
            .fetch_add(undone as u64, Ordering::Relaxed);
    }

    /// So many records belong to the agent's releases.
    pub(crate) fn records_found(&self, n: usize) {
        self.records.store(n as u64, Ordering::Relaxed);
    }

    /// Measures a run.
    pub(crate) async fn timed<T>(&self, run: Run, work: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let done = work.await;
        self.runs[run as usize].observe(began.elapsed().as_secs_f64());
        done
    }

    /// All metrics as of now, in the `OpenMetrics` form.
    pub(crate) fn text(&self, stage: &'static str) -> Result<String, fmt::Error> {
        let mut metrics = vec![self::stage(stage)];
        metrics.extend(self.counted());
        let agent = self.agent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(agent) = agent.upgrade() {
            metrics.extend(of_agent(&agent));
        }
        drop(agent);
        ::telemetry::text(Metrics(metrics))
    }

    fn counted(&self) -> [Metric; 4] {
        let number = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let Drift {
            seen,
            corrected,
            failed,
            undone,
        } = &self.drift;
        let corrections = [
            ("corrected", corrected),
            ("failed", failed),
            ("undone", undone),
        ];
        let runs = Run::ALL.map(|run| {
            let histogram = self.runs[run as usize].clone();
            (label("run", run.as_str()), histogram)
        });
        [
            Metric {
                name: "flotilla_agent_drift_seen",
                help: "Times that an object was found changed or missing.",
                series: Series::Counters(vec![(Vec::new(), number(seen))]),
            },
            Metric {
                name: "flotilla_agent_drift_corrections",
                help: "Corrections of objects by outcome; undone is what somebody changed again at once.",
                series: Series::Counters(
                    corrections
                        .map(|(word, n)| (label("outcome", word), number(n)))
                        .into(),
                ),
            },
            Metric {
                name: "flotilla_agent_run_seconds",
                help: "How long runs took, the waiting for hooks and readiness included.",
                series: Series::Histograms(runs.into()),
            },
            Metric {
                name: "flotilla_agent_release_records",
                help: "Records of the agent's releases at the last search for releases nobody wants.",
                series: Series::Gauges(vec![(Vec::new(), number(&self.records))]),
            },
        ]
    }
}

fn label(name: &'static str, value: &str) -> Labels {
    vec![(name, value.to_owned())]
}

/// What the process is about.
fn stage(is: &'static str) -> Metric {
    let rows = super::service::STAGES.map(|stage| (label("stage", stage), u64::from(stage == is)));
    Metric {
        name: "flotilla_agent_stage",
        help: "1 for what the process is about: waiting for another one, getting a credential, or its work.",
        series: Series::Gauges(rows.into()),
    }
}

fn of_agent(agent: &Agent) -> Vec<Metric> {
    let (deployments, drifted) = agent.world(|world| (by_state(world), drifted(world)));
    let queues = [
        (Run::Deployment, agent.deploys.len()),
        (Run::Drift, agent.drifts.len()),
        (Run::Report, agent.reports.len()),
    ];
    let depth = |(run, depth): (Run, usize)| (label("queue", run.as_str()), depth as u64);
    let ago = agent.hub.stats().granted_ago();
    vec![
        gauges(
            "flotilla_agent_deployments",
            "BundleDeployments of the cluster by the state that the hub has of them.",
            deployments,
        ),
        gauges(
            "flotilla_agent_drifted_objects",
            "Objects that are not as they were deployed, or missing.",
            vec![(Vec::new(), drifted)],
        ),
        gauges(
            "flotilla_agent_queue_depth",
            "Deployments that wait for a run or are in one, delayed ones included.",
            queues.map(depth).into(),
        ),
        gauges(
            "flotilla_agent_hub_contact_age_seconds",
            "Time since the hub last granted a request.",
            ago.map(|ago| (Vec::new(), ago.as_secs()))
                .into_iter()
                .collect(),
        ),
        Metric {
            name: "flotilla_agent_requests",
            help: "Requests to the API servers of the hub and of the own cluster by outcome.",
            series: Series::Counters(requests(agent)),
        },
    ]
}

fn gauges(name: &'static str, help: &'static str, rows: Vec<(Labels, u64)>) -> Metric {
    Metric {
        name,
        help,
        series: Series::Gauges(rows),
    }
}

fn by_state(world: &World) -> Vec<(Labels, u64)> {
    let mut counts: BTreeMap<&str, u64> = STATES.map(|state| (state.as_str(), 0)).into();
    for known in world.deployments.values() {
        let state = DeploymentState::of(&known.object).as_str();
        *counts.entry(state).or_default() += 1;
    }
    let rows = counts.into_iter();
    rows.map(|(state, n)| (label("state", state), n)).collect()
}

fn drifted(world: &World) -> u64 {
    let objects = world.tracks.values().flat_map(|track| &track.drift.objects);
    objects.filter(|checked| checked.state.is_drift()).count() as u64
}

fn requests(agent: &Agent) -> Vec<(Labels, u64)> {
    let of = |server: &'static str, client: &apiclient::Client| {
        let outcomes = client.stats().outcomes().into_iter();
        let labels = move |verb: &str, outcome: &str| {
            let labels = [("server", server), ("verb", verb), ("outcome", outcome)];
            labels
                .map(|(name, value)| (name, value.to_owned()))
                .to_vec()
        };
        outcomes.map(move |((verb, outcome), n)| (labels(verb, outcome.as_str()), n))
    };
    let rows = of("hub", &agent.hub).chain(of("cluster", &agent.cluster));
    rows.collect()
}
