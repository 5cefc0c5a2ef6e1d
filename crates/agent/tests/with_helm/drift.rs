//! No false alarms on a real API server, and no missed ones.

use std::rc::Rc;
use std::time::{Duration, Instant};

use apiclient::{Kind, ObjectKey, ObjectMeta, Patch, WriteOptions};
use serde_json::{Value, json};

use crate::setting::Setting;
use crate::world::{Bundle, bundle, config_maps, deployment, eventually, secrets};

const CORRECTED: Duration = Duration::from_secs(10);

fn common_kinds(drift: bool) -> Bundle {
    let drift = json!({"enabled": drift});
    let definition = include_str!("kinds/cluster.yaml");
    let files = [
        ("cluster.yaml", definition),
        ("custom.yaml", include_str!("kinds/custom.yaml")),
        ("namespaced.yaml", include_str!("kinds/namespaced.yaml")),
    ];
    bundle("drift", &files)
        .with_options(
            json!({"defaultNamespace": "drift", "deleteCRDResources": true, "correctDrift": drift}),
        )
        .with_spec(json!({"correctDrift": drift}))
}

/// Waits until all objects have been compared, and gives what is modified.
async fn modified(setting: &Setting, id: &str) -> Vec<(String, String)> {
    let found = setting
        .world
        .until("drift", "has been compared", |it| {
            it.status.applied_deployment_id == id
                && api::conditions::is_true(&it.status.conditions, "Monitored")
                && it.status.resource_counts.desired_ready > 0
        })
        .await;
    let modified = found.status.modified_status.into_iter();
    modified
        .map(|it| (format!("{}/{}", it.kind, it.name), it.patch))
        .collect()
}

async fn edit(setting: &Setting, kind: &Kind, name: &str, patch: &Value) {
    let key = ObjectKey::new(if kind.namespaced { "drift" } else { "" }, name);
    let options = WriteOptions::default();
    let edited: Result<ObjectMeta, _> = setting
        .world
        .cluster
        .patch(kind, &key, None, Patch::Merge(patch), 0, options)
        .await;
    edited.unwrap();
}

/// Changes of deployed fields, one for each of some kinds, and where they are seen.
fn changes() -> Vec<(Kind, Value, &'static str)> {
    let kind = |group, version, kind, plural| Kind::new(group, version, kind, plural, true);
    let rbac = |name, plural| kind("rbac.authorization.k8s.io", "v1", name, plural);
    vec![
        (
            config_maps(),
            json!({"data": {"number": "2"}}),
            "/data/number",
        ),
        (
            secrets(),
            json!({"data": {"password": "eA=="}}),
            "/data/password",
        ),
        (
            kind("", "v1", "Service", "services"),
            json!({"spec": {"selector": {"app": "other"}}}),
            "/spec/selector/app",
        ),
        (
            kind("apps", "v1", "DaemonSet", "daemonsets"),
            json!({"spec": {"template": {"spec": {"tolerations": []}}}}),
            "/spec/template/spec/tolerations",
        ),
        (
            kind(
                "networking.k8s.io",
                "v1",
                "NetworkPolicy",
                "networkpolicies",
            ),
            json!({"spec": {"ingress": [{}]}}),
            "/spec/ingress",
        ),
        (
            rbac("Role", "roles"),
            json!({"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"], "resourceNames": ["x"]}]}),
            "/rules",
        ),
        (
            kind(
                "policy",
                "v1",
                "PodDisruptionBudget",
                "poddisruptionbudgets",
            ),
            json!({"spec": {"maxUnavailable": 2}}),
            "/spec/maxUnavailable",
        ),
    ]
}

pub(crate) async fn what_was_deployed_is_not_modified_until_somebody_does(setting: Rc<Setting>) {
    let id = setting.world.deploy(&common_kinds(false)).await;
    assert_eq!(modified(&setting, &id).await, []);
    for (kind, patch, _) in changes() {
        edit(&setting, &kind, "web", &patch).await;
    }
    let all = changes().len();
    setting
        .world
        .until("drift", "all changes are told", |it| {
            it.status.modified_status.len() == all
        })
        .await;

    let before = live(&setting).await;
    let id = setting.world.deploy(&common_kinds(true)).await;
    let began = Instant::now();
    for (kind, _, pointer) in changes() {
        let wrong = &before[&kind.plural.to_string()];
        eventually("a change is put back", async || {
            let object = setting.world.object(&kind, "drift", "web").await?;
            (object.pointer(pointer) != wrong.pointer(pointer)).then_some(())
        })
        .await;
    }
    assert!(began.elapsed() < CORRECTED, "{:?}", began.elapsed());
    setting
        .world
        .until("drift", "nothing is modified", |it| it.status.non_modified)
        .await;
    assert_eq!(modified(&setting, &id).await, []);
    assert_eq!(setting.history("drift", "drift").await.len(), 1);
    setting.world.remove("drift").await;
}

/// The server takes the object away with its last member, though it is still applied, empty.
pub(crate) async fn what_an_upgrade_empties_is_not_modified_and_what_somebody_removes_is(
    setting: Rc<Setting>,
) {
    let deployments = Kind::new("apps", "v1", "Deployment", "deployments", true);
    let of = |security: &str| {
        let web = deployment("web").replace(
            "      - name: main\n",
            &format!("      - name: main\n        securityContext: {security}\n"),
        );
        bundle("emptied", &[("a.yaml", &web)])
            .with_options(json!({ "defaultNamespace": "emptied" }))
    };
    let container = async || {
        let web = setting.world.object(&deployments, "emptied", "web").await;
        web.unwrap()["spec"]["template"]["spec"]["containers"][0].clone()
    };
    let is_compared = async |id: &str, modified: usize| {
        setting
            .world
            .until("emptied", "has been compared", |it| {
                it.status.applied_deployment_id == id
                    && api::conditions::is_true(&it.status.conditions, "Monitored")
                    && it.status.modified_status.len() == modified
                    && it.status.resource_counts.desired_ready > 0
            })
            .await
    };
    let id = setting.world.deploy(&of("{}")).await;
    is_compared(&id, 0).await;
    assert_eq!(container().await["securityContext"], json!({}));
    let key = ObjectKey::new("emptied", "web");
    let patch =
        json!([{ "op": "remove", "path": "/spec/template/spec/containers/0/securityContext" }]);
    let _: ObjectMeta = setting
        .world
        .cluster
        .patch(
            &deployments,
            &key,
            None,
            Patch::Json(&patch),
            0,
            WriteOptions::default(),
        )
        .await
        .unwrap();
    is_compared(&id, 1).await;

    let id = setting.world.deploy(&of("{ runAsUser: 1 }")).await;
    is_compared(&id, 0).await;
    let id = setting.world.deploy(&of("{}")).await;
    is_compared(&id, 0).await;
    assert_eq!(container().await.get("securityContext"), None);
    setting.world.remove("emptied").await;
}

async fn live(setting: &Setting) -> Value {
    let mut all = json!({});
    for (kind, ..) in changes() {
        let object = setting.world.object(&kind, "drift", "web").await;
        all[kind.plural.to_string()] = object.unwrap();
    }
    all
}
