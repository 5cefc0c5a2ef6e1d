//! API servers that are away, in trouble, or have forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;

use super::{BACKOFF_MAX, edit, others_go_on, value};
use crate::faulty::{self, Verdict};
use crate::world::{World, bundle, config_map, config_maps, deployment, eventually};

#[tokio::test(start_paused = true)]
async fn servers_that_are_away_are_waited_for() {
    let world = World::start().await;
    let id = world
        .deploy(&bundle("raw", &[("a.yaml", &config_map("a", "1"))]))
        .await;
    world.ready("raw", &id).await;
    world.sandbox.take_down("north");
    let id = world
        .deploy(&bundle(
            "raw",
            &[
                ("a.yaml", &config_map("a", "2")),
                ("b.yaml", &deployment("b")),
            ],
        ))
        .await;
    let error = world.error("raw").await;
    assert!(error.contains("no answer from the API server"), "{error}");
    world.sandbox.bring_up("north");
    world.ready("raw", &id).await;

    world.sandbox.take_down("hub");
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.sandbox.bring_up("hub");
    assert!(world.object(&config_maps(), "shop", "a").await.is_some());
    let id = world
        .deploy(&bundle("raw", &[("a.yaml", &config_map("a", "3"))]))
        .await;
    world.ready("raw", &id).await;
}

/// What a server in trouble does with writes.
fn troubles() -> [(&'static str, Verdict); 4] {
    let refuse = |code, reason, message| Verdict::Refuse {
        code,
        reason,
        message,
    };
    [
        (
            "429",
            refuse(
                429,
                "TooManyRequests",
                "too many requests, please try again later",
            ),
        ),
        (
            "500",
            refuse(500, "InternalError", "etcdserver: leader changed"),
        ),
        (
            "503",
            refuse(503, "ServiceUnavailable", "apiserver is shutting down"),
        ),
        ("no answer", Verdict::Hang),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_server_in_trouble_is_asked_less_and_less_and_what_runs_stays() {
    for (what, trouble) in troubles() {
        let mut world = World::new().await;
        let is_troubled = Arc::new(AtomicBool::new(false));
        let troubled = Arc::clone(&is_troubled);
        let (client, counter) = faulty::ruled(&world, move |method, _| {
            if *method != Method::GET && troubled.load(Ordering::SeqCst) {
                trouble
            } else {
                Verdict::Pass
            }
        });
        world.start_agent_through(client);
        let files = |value: &str| {
            [
                ("a.yaml", config_map("a", value)),
                ("b.yaml", deployment("web")),
            ]
        };
        let of = |value: &str| {
            let files = files(value);
            bundle(
                "raw",
                &[(files[0].0, &files[0].1), (files[1].0, &files[1].1)],
            )
        };
        let id = world.deploy(&of("1")).await;
        world.ready("raw", &id).await;
        let uid = async || {
            let object = world.object(&config_maps(), "shop", "a").await.unwrap();
            object["metadata"]["uid"].clone()
        };
        let before = uid().await;

        is_troubled.store(true, Ordering::SeqCst);
        let id = world.deploy(&of("2")).await;
        tokio::time::sleep(Duration::from_mins(2)).await;
        let error = world.error("raw").await;
        let expected = "cluster fleet-default/north: write revision 2 of release shop/raw: ";
        assert!(error.starts_with(expected), "{what}: {error}");
        assert_eq!(value(&world, "a").await.unwrap(), "1", "{what}");
        let asked = counter.writes();
        tokio::time::sleep(Duration::from_hours(1)).await;
        let asked = counter.writes() - asked;
        assert!(
            (5..=30).contains(&asked),
            "{what}: {asked} writes in an hour"
        );

        is_troubled.store(false, Ordering::SeqCst);
        tokio::time::sleep(BACKOFF_MAX).await;
        world.ready("raw", &id).await;
        assert_eq!(value(&world, "a").await.unwrap(), "2", "{what}");
        assert_eq!(uid().await, before, "{what}");
    }
}

/// What is not read is not taken for gone.
#[tokio::test(start_paused = true)]
async fn a_server_that_answers_no_reads_makes_nothing_look_gone() {
    let mut world = World::new().await;
    let is_troubled = Arc::new(AtomicBool::new(false));
    let troubled = Arc::clone(&is_troubled);
    let (client, _) = faulty::ruled(&world, move |method, _| {
        if *method == Method::GET && troubled.load(Ordering::SeqCst) {
            Verdict::Refuse {
                code: 500,
                reason: "InternalError",
                message: "etcdserver: request timed out",
            }
        } else {
            Verdict::Pass
        }
    });
    world.start_agent_through(client);
    let id = world
        .deploy(&bundle("raw", &[("a.yaml", &config_map("a", "1"))]))
        .await;
    world.ready("raw", &id).await;
    let before = world.object(&config_maps(), "shop", "a").await.unwrap();
    is_troubled.store(true, Ordering::SeqCst);
    // Watches end and cannot be begun anew, releases nobody wants cannot be looked for.
    tokio::time::sleep(Duration::from_hours(1)).await;
    world.ready("raw", &id).await;
    let id = world
        .deploy(&bundle("raw", &[("a.yaml", &config_map("a", "2"))]))
        .await;
    let error = world.error("raw").await;
    assert!(error.contains("etcdserver: request timed out"), "{error}");
    let now = world.object(&config_maps(), "shop", "a").await.unwrap();
    assert_eq!(
        now["metadata"]["resourceVersion"],
        before["metadata"]["resourceVersion"]
    );
    is_troubled.store(false, Ordering::SeqCst);
    tokio::time::sleep(BACKOFF_MAX).await;
    world.ready("raw", &id).await;
    assert_eq!(value(&world, "a").await.unwrap(), "2");
}

#[tokio::test(start_paused = true)]
async fn watches_that_have_expired_are_begun_anew_and_miss_nothing() {
    let world = World::start().await;
    let drift = serde_json::json!({ "enabled": true });
    let raw = bundle(
        "raw",
        &[
            ("a.yaml", &config_map("a", "1")),
            ("b.yaml", &config_map("b", "1")),
        ],
    )
    .with_options(serde_json::json!({ "defaultNamespace": "shop", "correctDrift": drift }))
    .with_spec(serde_json::json!({ "correctDrift": drift }));
    let id = world.deploy(&raw).await;
    world.ready("raw", &id).await;
    for n in 0..3 {
        // The connections break. Before they are there again the world has changed, and its history is gone.
        for cluster in ["hub", "north"] {
            world.sandbox.take_down(cluster);
        }
        tokio::task::yield_now().await;
        for cluster in ["hub", "north"] {
            world.sandbox.bring_up(cluster);
        }
        edit(&world, "a", "theirs").await;
        let other = format!("{n}");
        let new = bundle("new", &[("n.yaml", &config_map("new", &other))]);
        let id = world.deploy(&new).await;
        world.sandbox.compact();
        eventually("the change is put back", async || {
            (value(&world, "a").await? == "1").then_some(())
        })
        .await;
        world.ready("new", &id).await;
        others_go_on(&world, &other).await;
    }
    world.remove("new").await;
    world.sandbox.compact();
    eventually("what was removed is gone", async || {
        value(&world, "new").await.is_none().then_some(())
    })
    .await;
}
