//! Jobs that fail and hooks that do not end.

use std::time::Duration;

use apiclient::Kind;
use serde_json::json;
use tokio::time::Instant;

use super::{others_go_on, value};
use crate::world::{World, bundle, config_map, eventually};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";

fn job(name: &str, image: &str, annotations: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations: {{{annotations}}}\nspec:\n  backoffLimit: 0\n  template:\n    spec:\n      restartPolicy: Never\n      containers: [{{name: main, image: registry.example/{image}}}]\n"
    )
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_is_told_as_not_ready_and_another_one_takes_its_place() {
    let world = World::start().await;
    let of = |job: &str| {
        bundle(
            "raw",
            &[("a.yaml", &config_map("a", "1")), ("job.yaml", job)],
        )
    };
    let id = world.deploy(&of(&job("migrate-1", "broken", ""))).await;
    let found = world
        .until("raw", "tells of the Job", |it| {
            it.status.applied_deployment_id == id && !it.status.non_ready_status.is_empty()
        })
        .await;
    let status = &found.status;
    assert!(!status.ready);
    assert!(api::conditions::is_true(&status.conditions, "Deployed"));
    let told = &status.non_ready_status[0];
    assert_eq!((&*told.kind, &*told.name), ("Job", "migrate-1"));
    assert_eq!(value(&world, "a").await.unwrap(), "1");
    others_go_on(&world, "1").await;
    let id = world.deploy(&of(&job("migrate-2", "good", ""))).await;
    world.ready("raw", &id).await;
    let jobs = Kind::new("batch", "v1", "Job", "jobs", true);
    eventually("the failed Job is gone", async || {
        (world.names(&jobs, "shop").await == ["migrate-2"]).then_some(())
    })
    .await;
}

/// More hooks than there are workers run for as long as they may.
#[tokio::test(start_paused = true)]
async fn hooks_that_hang_end_in_time_and_hold_up_nobody() {
    let world = World::start().await;
    let hook = job("wait", "hanging", "helm.sh/hook: pre-install");
    let names: [&'static str; 20] = [
        "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r",
        "s", "t",
    ];
    let config = config_map("a", "1");
    let files = [
        ("Chart.yaml", CHART),
        ("templates/h.yaml", &hook),
        ("templates/a.yaml", &config),
    ];
    let jobs = Kind::new("batch", "v1", "Job", "jobs", true);
    let mut ids = Vec::new();
    for name in names {
        let options = json!({ "defaultNamespace": name, "helm": { "timeoutSeconds": 120 } });
        ids.push(
            world
                .deploy(&bundle(name, &files).with_options(options))
                .await,
        );
    }
    let began = Instant::now();
    for name in names {
        eventually("a hook runs", async || {
            world.object(&jobs, name, "wait").await
        })
        .await;
    }
    others_go_on(&world, "1").await;
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );

    tokio::time::sleep(Duration::from_mins(3)).await;
    for (name, id) in names.into_iter().zip(&ids) {
        let found = world
            .until(name, "is given up", |it| {
                it.status.applied_deployment_id == *id
            })
            .await;
        let message = api::conditions::message(&found.status.conditions, "Installed");
        let expected = format!(
            "failed pre-install: hook Job {name}/wait: timed out waiting for the condition after 120 s"
        );
        assert!(message.ends_with(&expected), "{message}");
        assert!(
            world
                .object(&crate::world::config_maps(), name, "a")
                .await
                .is_none()
        );
    }
}
