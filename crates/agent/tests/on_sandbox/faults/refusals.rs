//! Servers that refuse what is to be deployed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use apiclient::{DeleteOptions, Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use http::Method;
use serde_json::json;

use super::{BACKOFF_MAX, edit, others_go_on, value};
use crate::faulty::{self, Verdict};
use crate::world::{
    Bundle, World, bundle, config_map, config_maps, create, deployment, eventually, namespaces,
};

/// A server refuses to write what a path names, until it does not any more.
struct Refusing {
    world: World,
    /// How often it did.
    refused: Arc<AtomicUsize>,
    is_closed: Arc<AtomicBool>,
}

impl Refusing {
    async fn start(
        path: &'static str,
        code: u16,
        reason: &'static str,
        message: &'static str,
    ) -> Self {
        let mut world = World::new().await;
        let is_closed = Arc::new(AtomicBool::new(true));
        let refused = Arc::new(AtomicUsize::new(0));
        let (refusing, counting) = (Arc::clone(&is_closed), Arc::clone(&refused));
        let (client, _) = faulty::ruled(&world, move |method, asked| {
            if *method != Method::GET && asked.contains(path) && refusing.load(Ordering::SeqCst) {
                counting.fetch_add(1, Ordering::SeqCst);
                Verdict::Refuse {
                    code,
                    reason,
                    message,
                }
            } else {
                Verdict::Pass
            }
        });
        world.start_agent_through(client);
        Self {
            world,
            refused,
            is_closed,
        }
    }

    /// It is told where it belongs and tried ever less often, what runs stays, others go on, and once it is allowed
    /// it is done. Tells how often it was tried in the first four minutes.
    async fn check(self, next: &Bundle, expected: &str) -> usize {
        let world = &self.world;
        self.is_closed.store(false, Ordering::SeqCst);
        let first = bundle("raw", &[("a.yaml", &config_map("a", "1"))]);
        let id = world.deploy(&first).await;
        world.ready("raw", &id).await;
        self.is_closed.store(true, Ordering::SeqCst);

        let id = world.deploy(next).await;
        let error = world.error("raw").await;
        assert!(error.contains(expected), "{error}");
        let raw = world.deployment("raw").await;
        assert_ne!(raw.status.applied_deployment_id, id);
        assert!(value(world, "a").await.is_some());
        tokio::time::sleep(Duration::from_mins(4)).await;
        let at_first = self.refused.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_hours(1)).await;
        let later = self.refused.load(Ordering::SeqCst) - at_first;
        assert!((10..=15).contains(&later), "{later} tries in an hour");
        // Not of what is refused.
        let records = world.records("shop").await;
        assert!(records.len() <= 3, "{records:?}");

        self.is_closed.store(false, Ordering::SeqCst);
        others_go_on(world, "1").await;
        tokio::time::sleep(BACKOFF_MAX).await;
        world.ready("raw", &id).await;
        assert_eq!(value(world, "a").await.unwrap(), "2");
        at_first
    }
}

fn with_workload() -> Bundle {
    bundle(
        "raw",
        &[
            ("a.yaml", &config_map("a", "2")),
            ("b.yaml", &deployment("web")),
        ],
    )
}

#[tokio::test(start_paused = true)]
async fn what_a_webhook_denies_is_named_and_tried_again_until_it_is_allowed() {
    let path = "/namespaces/shop/deployments/web";
    let denied = "admission webhook \"images.example.com\" denied the request: image is not signed";
    let refusing = Refusing::start(path, 403, "Forbidden", denied).await;
    let expected = "apply Deployment shop/web: admission webhook \"images.example.com\" denied";
    let tries = refusing.check(&with_workload(), expected).await;
    assert!(tries > 5, "{tries}");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_is_broken_is_waited_for() {
    let path = "/namespaces/shop/deployments/web";
    let broken = "Internal error occurred: failed calling webhook \"images.example.com\": failed to call webhook: connection refused";
    let refusing = Refusing::start(path, 500, "InternalError", broken).await;
    let expected = "apply Deployment shop/web: Internal error occurred: failed calling webhook \"images.example.com\"";
    let tries = refusing.check(&with_workload(), expected).await;
    assert!(tries > 5, "{tries}");
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_is_used_up_is_waited_for() {
    let path = "/namespaces/shop/deployments/web";
    let used_up = "deployments.apps \"web\" is forbidden: exceeded quota: few, requested: count/deployments.apps=1, used: count/deployments.apps=3, limited: count/deployments.apps=3";
    let refusing = Refusing::start(path, 403, "Forbidden", used_up).await;
    let expected =
        "apply Deployment shop/web: deployments.apps \"web\" is forbidden: exceeded quota: few";
    let tries = refusing.check(&with_workload(), expected).await;
    assert!(tries > 5, "{tries}");
}

#[tokio::test(start_paused = true)]
async fn a_quota_that_leaves_no_room_for_a_record_is_waited_for_before_anything_changes() {
    let path = "/namespaces/shop/secrets";
    let used_up = "secrets \"sh.helm.release.v1.raw.v2\" is forbidden: exceeded quota: few, requested: secrets=1, used: secrets=3, limited: secrets=3";
    let refusing = Refusing::start(path, 403, "Forbidden", used_up).await;
    let expected = "write revision 2 of release shop/raw: ";
    let tries = refusing.check(&with_workload(), expected).await;
    assert!(tries > 5, "{tries}");
}

/// Answered with 500, but trying again at once does not help.
#[tokio::test(start_paused = true)]
async fn an_object_with_a_field_that_its_kind_does_not_have_is_tried_rarely() {
    let path = "/namespaces/shop/deployments/web";
    let unknown = "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.replica: field not declared in schema";
    let refusing = Refusing::start(path, 500, "InternalError", unknown).await;
    let expected = "apply Deployment shop/web: failed to create typed patch object";
    let tries = refusing.check(&with_workload(), expected).await;
    assert_eq!(tries, 1);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_goes_away_is_waited_for_and_made_again() {
    let world = World::start().await;
    let held = json!({ "metadata": { "name": "held", "finalizers": ["example.com/held"] } });
    let namespace = json!({ "metadata": { "name": "shop" } });
    create(
        &world.cluster,
        &namespaces(),
        &ObjectKey::new("", "shop"),
        &namespace,
    )
    .await;
    let key = ObjectKey::new("shop", "held");
    create(&world.cluster, &config_maps(), &key, &held).await;
    let options = DeleteOptions::default();
    let gone = ObjectKey::new("", "shop");
    world
        .cluster
        .delete(&namespaces(), &gone, &options)
        .await
        .unwrap();

    let id = world
        .deploy(&bundle("raw", &[("a.yaml", &config_map("a", "1"))]))
        .await;
    let error = world.error("raw").await;
    assert!(
        error.contains("release shop/raw")
            && error.contains("namespace shop because it is being terminated"),
        "{error}"
    );
    let elsewhere = bundle("elsewhere", &[("a.yaml", &config_map("a", "1"))])
        .with_options(json!({ "defaultNamespace": "elsewhere" }));
    let other = world.deploy(&elsewhere).await;
    world.ready("elsewhere", &other).await;

    let freed = json!({ "metadata": { "finalizers": null } });
    let patched: Result<ObjectMeta, _> = world
        .cluster
        .patch(
            &config_maps(),
            &key,
            None,
            Patch::Merge(&freed),
            0,
            WriteOptions::default(),
        )
        .await;
    patched.unwrap();
    tokio::time::sleep(BACKOFF_MAX).await;
    world.ready("raw", &id).await;

    // Somebody deletes it with all that is in it.
    let drift = json!({ "enabled": true });
    let raw = bundle("raw", &[("a.yaml", &config_map("a", "1"))])
        .with_options(json!({ "defaultNamespace": "shop", "correctDrift": drift }))
        .with_spec(json!({ "correctDrift": drift }));
    let id = world.deploy(&raw).await;
    world.ready("raw", &id).await;
    world
        .cluster
        .delete(&namespaces(), &gone, &options)
        .await
        .unwrap();
    eventually("it is there again", async || {
        (value(&world, "a").await? == "1").then_some(())
    })
    .await;
    tokio::time::sleep(BACKOFF_MAX).await;
    world.ready("raw", &id).await;
    assert_eq!(world.records("shop").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_account_without_the_right_to_write_is_named_and_waited_for() {
    let world = World::start().await;
    let object = |name: &str| json!({ "metadata": { "name": name } });
    for name in ["cattle-fleet-system", "shop"] {
        create(
            &world.cluster,
            &namespaces(),
            &ObjectKey::new("", name),
            &object(name),
        )
        .await;
    }
    let accounts = Kind::new("", "v1", "ServiceAccount", "serviceaccounts", true);
    let key = ObjectKey::new("cattle-fleet-system", "limited");
    create(&world.cluster, &accounts, &key, &object("limited")).await;
    let limited = bundle("raw", &[("a.yaml", &config_map("a", "1"))])
        .with_options(json!({ "defaultNamespace": "shop", "serviceAccount": "limited" }));
    let id = world.deploy(&limited).await;
    let error = world.error("raw").await;
    let who = "system:serviceaccount:cattle-fleet-system:limited";
    assert!(
        error.contains("ConfigMap shop/a") && error.contains(who),
        "{error}"
    );
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(value(&world, "a").await, None);
    assert!(world.records("shop").await.is_empty());
    others_go_on(&world, "1").await;

    let rbac = |kind, plural| Kind::new("rbac.authorization.k8s.io", "v1", kind, plural, true);
    let rules =
        json!([{ "apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": ["*"] }]);
    let role = json!({ "metadata": { "name": "limited" }, "rules": rules });
    let key = ObjectKey::new("shop", "limited");
    create(&world.cluster, &rbac("Role", "roles"), &key, &role).await;
    let binding = json!({ "metadata": { "name": "limited" },
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "limited" },
        "subjects": [{ "kind": "ServiceAccount", "name": "limited", "namespace": "cattle-fleet-system" }] });
    create(
        &world.cluster,
        &rbac("RoleBinding", "rolebindings"),
        &key,
        &binding,
    )
    .await;
    tokio::time::sleep(BACKOFF_MAX).await;
    world.ready("raw", &id).await;
}

/// A webhook or an operator changes what is applied, each time.
#[tokio::test(start_paused = true)]
async fn somebody_who_changes_what_is_put_back_is_not_fought_for_ever() {
    let mut world = World::new().await;
    let (client, counter) = faulty::ruled(&world, |_, _| Verdict::Pass);
    world.start_agent_through(client);
    let drift = json!({ "enabled": true });
    let raw = bundle("raw", &[("a.yaml", &config_map("a", "ours"))])
        .with_options(json!({ "defaultNamespace": "shop", "correctDrift": drift }))
        .with_spec(json!({ "correctDrift": drift }));
    let id = world.deploy(&raw).await;
    world.ready("raw", &id).await;
    let written = counter.writes();
    let fight = async {
        loop {
            if value(&world, "a")
                .await
                .is_some_and(|value| value == "ours")
            {
                edit(&world, "a", "theirs").await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    // Ten times at once, then ever less often.
    assert!(
        tokio::time::timeout(Duration::from_hours(1), fight)
            .await
            .is_err()
    );
    let written = counter.writes() - written;
    assert!((15..=80).contains(&written), "{written} writes in an hour");
    world
        .until("raw", "says what is modified", |it| {
            it.status.modified_status.len() == 1 && !it.status.non_modified
        })
        .await;
    assert_eq!(world.records("shop").await.len(), 1);
    others_go_on(&world, "1").await;
    tokio::time::sleep(BACKOFF_MAX).await;
    assert_eq!(value(&world, "a").await.unwrap(), "ours");
    world.ready("raw", &id).await;
}
