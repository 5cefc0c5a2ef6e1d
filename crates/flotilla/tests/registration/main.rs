//! Hub and agents that come to know each other: both run in this process, each with its own credential, over
//! TLS. On the sandbox always, and with `KUBE_BIN`, a folder with a control plane (`make kube`), with a real
//! API server as the hub.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests fail by panicking"
)]
#![allow(clippy::too_many_lines, reason = "a scenario is told in one piece")]

mod asking;
mod bootstrapping;
mod doctoring;
mod importing;
mod stage;

use std::path::Path;

use conformance::control_plane::ControlPlane;
use stage::Stage;

macro_rules! scenarios {
    ($($module:ident::$name:ident),* $(,)?) => {
        mod on_sandbox {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$module::$name(super::Stage::on_sandbox().await).await;
            })*
        }

        /// One after the other: they share the server.
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn on_a_real_api_server() {
            let Some(bin) = std::env::var_os("KUBE_BIN") else {
                eprintln!("skipped: KUBE_BIN names no folder with a control plane");
                return;
            };
            let control_plane = ControlPlane::start(Path::new(&bin)).await.unwrap();
            $(
                eprintln!("{}", stringify!($name));
                $module::$name(Stage::on(&control_plane, stringify!($name)).await).await;
            )*
        }
    };
}

scenarios![
    asking::an_agent_with_a_token_becomes_a_cluster_with_exactly_its_rights,
    asking::what_the_command_prints_makes_a_clean_cluster_ask,
    asking::a_revoked_token_and_a_deleted_registration_are_asked_for_anew,
    asking::what_cannot_be_registered_says_why_and_holds_up_nobody,
    asking::a_token_expires_with_all_that_belongs_to_it,
    doctoring::the_doctor_names_the_first_step_that_fails,
    importing::a_cluster_that_a_kubeconfig_reaches_gets_an_agent_which_then_keeps_itself,
    bootstrapping::the_hub_is_a_cluster_of_its_own_while_that_is_configured,
    importing::what_cannot_be_imported_says_why_until_it_can,
];
