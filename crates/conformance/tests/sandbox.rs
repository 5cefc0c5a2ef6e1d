//! The suite on the sandbox. `CONFORMANCE_FILTER` limits it to cases whose name holds the text;
//! `CONFORMANCE_RECORD=1` writes known differences into the scripts.

use std::sync::Arc;

use conformance::{Api, Mode, Server, Target};
use sandbox::{Options, Sandbox};

#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_answers_as_a_real_server_does() {
    let sandbox = Arc::new(Sandbox::start(Options::default()).await.unwrap());
    let cluster = sandbox.add_cluster("conformance").await.unwrap();
    // Each request brings its own token, or none: a value that is no header adds none.
    let client = kube::Client::new(cluster.service("\n"), "default");
    let compacted = Arc::clone(&sandbox);
    let target = Target {
        api: Api::new(client, cluster.admin_token()),
        server: Server::Sandbox,
        forget: Arc::new(move || {
            compacted.compact();
            Box::pin(std::future::ready(()))
        }),
    };
    let filter = std::env::var("CONFORMANCE_FILTER").unwrap_or_default();
    let mode = match std::env::var_os("CONFORMANCE_RECORD") {
        Some(_) => Mode::Record,
        None => Mode::Check,
    };
    let report = conformance::run(&target, mode, &filter).await;
    assert!(report.cases > 0, "no case is called {filter:?}");
    assert!(report.failures.is_empty(), "\n{report}");
}
