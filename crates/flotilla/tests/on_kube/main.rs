//! The product on real Kubernetes: the hub's controllers and an agent as processes of their own, each with the
//! rights that it needs and no others, between a hub and a downstream cluster with API server, etcd,
//! controllers, scheduler and nodes that only say that they run.
//!
//! `KUBE_BIN` names a folder with all of that and Helm (`make kube`); without it the test is skipped.
//! `CHARTS` names a folder of charts (`NAME/chart`, with values in `NAME/cases/CASE/values.yaml`), which are
//! deployed as well; `CHART_FILTER` limits them to those whose name holds one of its words.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests fail by panicking, and say how far they are"
)]

mod asking;
mod charts;
mod clusters;
mod edits;
mod everything;
mod inventory;
mod release;

use std::path::{Path, PathBuf};

use clusters::Clusters;
use conformance::control_plane::Options;

fn kube_bin() -> Option<PathBuf> {
    let bin = std::env::var_os("KUBE_BIN").map(PathBuf::from);
    if bin.is_none() {
        eprintln!("skipped: KUBE_BIN is not set");
    }
    bin
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_live_and_leave_nothing_behind() {
    let Some(bin) = kube_bin() else { return };
    let program = Path::new(env!("CARGO_BIN_EXE_flotilla"));
    let nodes = Options {
        nodes: 3,
        ..Options::default()
    };
    let clusters = Clusters::start(&bin, program, None, nodes).await;
    asking::an_agent_is_installed_by_kubectl(&clusters).await;
    everything::live(&clusters).await;
    if let Some(folder) = std::env::var_os("CHARTS").filter(|folder| !folder.is_empty()) {
        let folder = Path::new(&folder);
        assert!(
            folder.is_dir(),
            "CHARTS={}: no such folder",
            folder.display()
        );
        charts::live(&clusters, folder).await;
    }
}
