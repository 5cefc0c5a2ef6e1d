//! Counts of what clients do, so that work per change can be measured.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

/// Most series kept; further ones are counted under the label `other`.
const SERIES_MAX: usize = 100_000;

/// What distinguishes one counter from another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// Logical cluster.
    pub cluster: String,
    /// API verb.
    pub verb: String,
    /// Plural, with `/subresource` if there is one.
    pub resource: String,
    /// User name.
    pub user: String,
    /// User agent up to the first blank.
    pub agent: String,
}

impl Request {
    pub(crate) fn new(
        cluster: &str,
        verb: &str,
        plural: &str,
        subresource: &str,
        user: &str,
        agent: &str,
    ) -> Self {
        let resource = if subresource.is_empty() {
            plural.to_owned()
        } else {
            format!("{plural}/{subresource}")
        };
        Self {
            cluster: cluster.to_owned(),
            verb: verb.to_owned(),
            resource,
            user: user.to_owned(),
            agent: agent.split(' ').next().unwrap_or_default().to_owned(),
        }
    }
}

/// The request counters of all logical clusters of a process.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<Request, u64>>,
}

impl Metrics {
    pub(crate) fn count(&self, request: Request) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let request = if requests.len() >= SERIES_MAX && !requests.contains_key(&request) {
            let other = || "other".to_owned();
            Request {
                user: other(),
                agent: other(),
                ..request
            }
        } else {
            request
        };
        *requests.entry(request).or_insert(0) += 1;
    }

    pub(crate) fn requests(&self) -> BTreeMap<Request, u64> {
        self.requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The counters in Prometheus' text form.
    pub(crate) fn text(&self) -> String {
        let mut out = String::from(
            "# HELP sandbox_requests_total Requests on resources.\n\
             # TYPE sandbox_requests_total counter\n",
        );
        for (request, count) in self.requests() {
            // Writing to a string cannot fail.
            let _ = writeln!(
                out,
                "sandbox_requests_total{{cluster={:?},verb={:?},resource={:?},user={:?},agent={:?}}} {count}",
                request.cluster, request.verb, request.resource, request.user, request.agent
            );
        }
        out
    }
}
