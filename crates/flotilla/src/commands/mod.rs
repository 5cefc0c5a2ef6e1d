//! The commands, a file or directory each: parse, resolve, plan, print or act.

pub(crate) mod agent;
pub(crate) mod apply;
pub(crate) mod chart;
pub(crate) mod completion;
pub(crate) mod controller;
pub(crate) mod crds;
pub(crate) mod doctor;
pub(crate) mod rollback;
pub(crate) mod sandbox;
pub(crate) mod target;
pub(crate) mod template;
pub(crate) mod version;

use tokio_util::sync::CancellationToken;

/// A token that is cancelled by the first SIGINT or SIGTERM; the second ends the process at once.
pub(crate) fn stop_on_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let stopping = stop.clone();
    tokio::spawn(async move {
        wait_for_signal().await;
        stopping.cancel();
        wait_for_signal().await;
        std::process::abort();
    });
    stop
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        // Without a handler for the signal the process ends by itself.
        _ = tokio::signal::ctrl_c() => {}
        () = terminate => {}
    }
}
