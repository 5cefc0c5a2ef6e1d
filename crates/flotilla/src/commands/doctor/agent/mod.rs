//! `flotilla doctor agent`: why an agent does not reach its hub.
//!
//! In: the agent's namespace of its own cluster. Out: the steps of the way to the hub, up to the first that
//! fails, with what to do. Changes nothing; what a right allows is tried where that changes nothing, and
//! asked of the hub otherwise.

mod network;
mod report;
mod rights;
mod way;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use apiclient::{Budgets, Client};

use crate::output::{self, Format};

/// Say why an agent does not reach its hub, and what to do
///
/// Runs where the agent's cluster can be reached, also in the agent's pod. Walks the way of an agent: its
/// Secrets, the hub's name, port and certificate, its token, each of its rights, the clocks, its Lease and
/// its last heartbeat, up to the first step that fails. Ends with 0 when all is well and with 1 when not.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Kubeconfig of the agent's cluster; else KUBECONFIG, the default file or the pod's service account
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Namespace of the agent
    #[arg(
        long,
        short,
        value_name = "NAMESPACE",
        env = "NAMESPACE",
        default_value = "cattle-fleet-system"
    )]
    namespace: String,
    /// How the report is printed
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// Runs the command.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let kube = apiclient::connect(args.kubeconfig.as_deref())
        .await
        .context("connect to the agent's cluster")?;
    let own = Client::new(kube, "flotilla-doctor", Budgets::default());
    let report = way::walk(&own, &args.namespace).await;
    match args.output {
        Format::Text => output::print(&report.text())?,
        format => output::print_value(&report, format)?,
    }
    Ok(ExitCode::from(u8::from(!report.is_well())))
}
