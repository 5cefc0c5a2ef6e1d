//! The suite on a real control plane, whose programs are in the folder `KUBE_BIN`.
//!
//! `CONFORMANCE_FILTER` limits it to cases whose name holds the text; `CONFORMANCE_RECORD=1` writes
//! what the server answers into the scripts.

use std::path::Path;

use conformance::Mode;
use conformance::control_plane::ControlPlane;

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_answers_as_recorded() {
    let Some(bin) = std::env::var_os("KUBE_BIN") else {
        eprintln!("skipped: KUBE_BIN is not set");
        return;
    };
    let control_plane = ControlPlane::start(Path::new(&bin)).await.unwrap();
    let filter = std::env::var("CONFORMANCE_FILTER").unwrap_or_default();
    let mode = match std::env::var_os("CONFORMANCE_RECORD") {
        Some(_) => Mode::Record,
        None => Mode::Check,
    };
    let report = conformance::run(&control_plane.target(), mode, &filter).await;
    assert!(report.cases > 0, "no case is called {filter:?}");
    assert!(report.failures.is_empty(), "\n{report}");
    eprintln!("{report}");
}
