//! What is answered to probes and scrapes.
//!
//! Healthy is an agent whose watches live: one that hears nothing any more is helped by a restart. Ready
//! is one that does its work, or waits for another process to end. An outage of the hub makes an agent
//! unready, never unhealthy: no restart ends an outage.

use ::telemetry::Answer;

use super::State;

/// `/healthz` and `/readyz`.
pub(super) fn probe(state: &State, path: &str) -> Answer {
    match path {
        "/healthz" => state.sickness().map_or_else(Answer::ok, Answer::failed),
        "/readyz" => state.problem().map_or_else(Answer::ok, Answer::unavailable),
        _ => Answer::not_found(),
    }
}

/// `/metrics`.
pub(super) fn metrics(state: &State, path: &str) -> Answer {
    match path {
        "/metrics" => Answer::metrics(state.telemetry.text(state.stage())),
        _ => Answer::not_found(),
    }
}
