//! The real Helm and an agent on the same releases, on a real API server.
//!
//! `KUBE_BIN` names a folder with a control plane, `helm` and `helm3` (`make kube`); without it the test is
//! skipped. `INTEROP_FILTER` limits it to scenarios whose name holds the text, `INTEROP_CHARTS` adds charts.
//!
//! Scenarios share the server, a hub and an agent and run at the same time, each in namespaces of its
//! own. No kubelet runs: what ends the Pods of hooks is [`kubelet`].

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

#[path = "../common/mod.rs"]
mod world;

mod adoption;
mod atomic;
mod by_flotilla;
mod by_helm;
mod charts;
mod drift;
#[path = "../common/escapes.rs"]
mod escapes;
mod faults;
mod kubelet;
mod records;
mod setting;
mod shown;

use std::path::PathBuf;
use std::rc::Rc;

use conformance::control_plane::ControlPlane;
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;
use tokio::task::LocalSet;

use setting::Setting;

type Scenario = (&'static str, fn(Rc<Setting>) -> LocalBoxFuture<'static, ()>);

macro_rules! scenarios {
    ($($module:ident::$name:ident),* $(,)?) => {
        [$((stringify!($name), |setting| $module::$name(setting).boxed_local())),*]
    };
}

const SCENARIOS: &[Scenario] = &scenarios![
    adoption::what_others_made_is_told_before_it_is_taken_over,
    adoption::what_nobody_released_is_taken_over_only_on_demand,
    by_flotilla::helm_shows_what_it_would_have_written,
    by_flotilla::helm_upgrades_tests_rolls_back_and_uninstalls,
    by_flotilla::a_failed_upgrade_is_history_and_can_be_rolled_back,
    by_flotilla::only_so_many_revisions_are_kept,
    atomic::a_failed_upgrade_is_rolled_back_as_by_helm,
    atomic::a_failed_install_is_uninstalled_as_by_helm,
    by_helm::flotilla_upgrades_and_uninstalls,
    by_helm::flotilla_upgrades_what_was_applied_client_side,
    by_helm::flotilla_and_helm_3_share_a_release,
    by_helm::flotilla_takes_over_what_upstreams_agent_applied,
    by_helm::labels_and_the_first_deployment_live_on,
    by_helm::an_uninstalled_release_is_installed_again,
    drift::what_an_upgrade_empties_is_not_modified_and_what_somebody_removes_is,
    drift::what_was_deployed_is_not_modified_until_somebody_does,
    records::an_interrupted_upgrade_of_helm_is_gone_over,
    records::odd_names_are_records_too,
    records::a_release_too_large_for_its_secret_is_refused_before_anything_happens,
    records::records_that_cannot_be_read_are_named,
    faults::what_a_policy_refuses_is_named_and_what_it_allows_is_deployed,
    faults::what_a_policy_changes_is_no_drift_and_not_fought,
    faults::a_namespace_that_is_going_is_waited_for_and_made_again,
    faults::a_quota_is_named_and_waited_for,
    faults::a_field_that_a_kind_does_not_have_is_named,
    charts::releases_of_given_charts_are_as_those_of_helm,
];

/// The folder with the programs; without it a test is skipped.
fn programs() -> Option<PathBuf> {
    std::env::var_os("KUBE_BIN").map(PathBuf::from)
}

/// On a server of its own: the objects of the other scenarios come and go.
#[tokio::test(flavor = "multi_thread")]
async fn none_of_many_ways_leads_out_of_a_namespace() {
    let Some(bin) = programs() else { return };
    let control_plane = ControlPlane::start(&bin).await.unwrap();
    let world = world::World::start_with(control_plane.client().await.unwrap()).await;
    escapes::none_succeeds(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flotilla_and_helm_share_releases() {
    let Some(bin) = programs() else { return };
    let filter = std::env::var("INTEROP_FILTER").unwrap_or_default();
    // Pods of hooks come right after their namespaces: on a busy machine before the accounts of those.
    let options = conformance::control_plane::Options {
        apiserver: vec!["--disable-admission-plugins=ServiceAccount".to_owned()],
        ..Default::default()
    };
    let control_plane = ControlPlane::start_with(&bin, &options).await.unwrap();
    let setting = Rc::new(Setting::new(&control_plane, &bin).await);
    let kubelet = tokio::spawn(kubelet::run(setting.kube.clone()));
    let chosen = SCENARIOS.iter().filter(|(name, _)| name.contains(&filter));
    let scenarios = LocalSet::new();
    let running: Vec<_> = chosen
        .map(|(name, scenario)| (*name, scenarios.spawn_local(scenario(Rc::clone(&setting)))))
        .collect();
    assert!(!running.is_empty(), "no scenario is called {filter:?}");
    let ended = scenarios.run_until(async {
        let mut failed = Vec::new();
        for (name, scenario) in running {
            match scenario.await {
                Ok(()) => eprintln!("{name}: ok"),
                Err(_) => failed.push(name),
            }
        }
        failed
    });
    let failed = ended.await;
    kubelet.abort();
    assert!(failed.is_empty(), "failed: {failed:?}");
}
