//! The commands, a file or directory each: parse, resolve, plan, print or act.

pub(crate) mod agent;
pub(crate) mod agent_manifest;
pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod chart;
pub(crate) mod completion;
pub(crate) mod controller;
pub(crate) mod crds;
pub(crate) mod deploy;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod election;
pub(crate) mod kustomize;
pub(crate) mod logging;
pub(crate) mod rollback;
pub(crate) mod sandbox;
pub(crate) mod target;
pub(crate) mod template;
pub(crate) mod version;

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first SIGINT or SIGTERM; the second ends the process at once.
pub(crate) fn stop_on_signal() -> CancellationToken {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    // Before this returns: a signal that comes right after must not end the process.
    let mut terminate = signal(SignalKind::terminate()).ok();
    tokio::spawn(async move {
        wait_for_signal(terminate.as_mut()).await;
        stopping.cancel();
        wait_for_signal(terminate.as_mut()).await;
        std::process::abort();
    });
    stop
}

async fn wait_for_signal(terminate: Option<&mut tokio::signal::unix::Signal>) {
    let terminate = async {
        match terminate {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        // Without a handler for the signal the process ends by itself.
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}

/// Where to listen; `None` for nowhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listen(pub(crate) Option<SocketAddr>);

/// Reads an address as Go does: without a host it is any.
pub(crate) fn address(text: &str) -> Result<Listen, String> {
    if text == "0" {
        return Ok(Listen(None));
    }
    let full = match text.strip_prefix(':') {
        Some(port) => format!("[::]:{port}"),
        None => text.replace("localhost:", "127.0.0.1:"),
    };
    match full.parse() {
        Ok(address) => Ok(Listen(Some(address))),
        Err(_) => Err("must be an address and a port, such as 127.0.0.1:8080 or :8080".to_owned()),
    }
}

/// Where to listen: in a pod at upstream's port unless it is said, elsewhere nowhere, because several processes may
/// run on one machine.
pub(crate) fn bind(given: Option<Listen>, port: u16) -> Option<SocketAddr> {
    match given {
        Some(Listen(address)) => address,
        None => std::env::var_os("KUBERNETES_SERVICE_HOST")
            .map(|_| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))),
    }
}

/// Reads a duration as Go writes it, such as `45s`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let nanos = api::v1alpha1::Duration::from_text(text)
        .nanos()
        .map_err(|error| error.to_string())?;
    match u64::try_from(nanos) {
        Ok(nanos) if nanos > 0 => Ok(Duration::from_nanos(nanos)),
        _ => Err("must be more than nothing".to_owned()),
    }
}

/// Host and process; a pod's host name is the pod's.
pub(crate) fn identity() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "flotilla".to_owned());
    let started = jiff::Timestamp::now().as_nanosecond();
    format!("{host}_{}_{started:x}", std::process::id())
}
