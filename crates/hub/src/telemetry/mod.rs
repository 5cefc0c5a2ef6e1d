//! What the hub tells machines about itself: metrics and health.
//!
//! * **Reads**: the index, the roll-up, the queues and the counters of the client, at each scrape.
//! * **Writes**: nothing.
//!
//! Names and labels of metrics are upstream's, those beginning with `flotilla_` are our own. Nothing is
//! kept for metrics between scrapes, so a series goes with its object.

mod families;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::telemetry::{Answer, listen, serve};
use tokio::task::JoinSet;

use crate::{Ctx, Error};

/// A watch that has neither ended nor begun anew for this long hears nothing: it is made anew every
/// few minutes.
const DEAF_AFTER: Duration = Duration::from_mins(10);

/// Where the hub answers; nothing is opened for what is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// `/metrics`.
    pub metrics: Option<SocketAddr>,
    /// `/healthz` and `/readyz`.
    pub probes: Option<SocketAddr>,
}

/// How far the start has come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) synced: AtomicBool,
    pub(crate) leads: AtomicBool,
}

/// Opens the endpoints and answers until the tasks are dropped.
pub(crate) async fn start(
    ctx: &Arc<Ctx>,
    endpoints: &Endpoints,
    tasks: &mut JoinSet<()>,
) -> Result<(), Error> {
    if let Some(address) = endpoints.metrics {
        let (listener, ctx) = (listen(address).await?, Arc::clone(ctx));
        tasks.spawn(serve(listener, move |path| metrics(&ctx, path)));
    }
    if let Some(address) = endpoints.probes {
        let (listener, ctx) = (listen(address).await?, Arc::clone(ctx));
        tasks.spawn(serve(listener, move |path| probe(&ctx, path)));
    }
    Ok(())
}

fn metrics(ctx: &Ctx, path: &str) -> Answer {
    match path {
        "/metrics" => Answer::metrics(families::text(ctx)),
        _ => Answer::not_found(),
    }
}

fn probe(ctx: &Ctx, path: &str) -> Answer {
    match path {
        "/healthz" => health(&ctx.client.stats().silent_watches(DEAF_AFTER)),
        "/readyz" if ctx.progress.synced.load(Ordering::Relaxed) => Answer::ok(),
        "/readyz" => Answer::unavailable("not all objects are known yet"),
        _ => Answer::not_found(),
    }
}

fn health(silent: &[String]) -> Answer {
    if silent.is_empty() {
        return Answer::ok();
    }
    Answer::failed(format!("watches that hear nothing: {}", silent.join(", ")))
}
