//! A tenant whose bundles run under the account of an administrator of one namespace, and what it tries to
//! reach anything else: none of it succeeds, and each attempt is refused with a message that names what it
//! was about.

use std::collections::BTreeMap;

use api::conditions::{is_false, message};
use apiclient::{Kind, ObjectKey, Selector};
use serde_json::{Value, json};

use crate::world::{Bundle, NAMESPACE, World, config_maps, create, namespaces, secrets};

/// Where the tenant may do what it likes.
const OWN: &str = "tenant";
/// Namespace of the agent, and so of the tenant's account.
const AGENT: &str = "cattle-fleet-system";
/// The agent's own, with the key of its records; it comes with the first of them.
const SEAL: &str = "fleet-agent-seal";
/// Where it has no business. The last one does not exist.
const FOREIGN: [&str; 5] = ["victim", "kube-system", "default", AGENT, "unborn"];
const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";

/// An attempt: files, options, and what the refusal names.
struct Attempt {
    files: Vec<(String, String)>,
    options: Value,
    names: String,
}

fn attempt(files: &[(&str, &str)], options: Value, names: &str) -> Attempt {
    let file = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    Attempt {
        files: files.iter().map(file).collect(),
        options,
        names: names.to_owned(),
    }
}

/// An attempt with plain manifests.
fn manifest(text: &str, names: &str) -> Attempt {
    attempt(&[("m.yaml", text)], json!({}), names)
}

fn template(text: &str, options: Value, names: &str) -> Attempt {
    attempt(
        &[("Chart.yaml", CHART), ("templates/t.yaml", text)],
        options,
        names,
    )
}

/// Namespaced kinds: version, kind, the rest of a valid object.
const NAMESPACED: [(&str, &str, &str); 18] = [
    ("v1", "ConfigMap", "data: {a: b}"),
    ("v1", "Secret", "stringData: {a: b}"),
    (
        "v1",
        "ServiceAccount",
        "automountServiceAccountToken: false",
    ),
    (
        "v1",
        "Service",
        "spec: {ports: [{port: 80}], selector: {a: b}}",
    ),
    ("v1", "Pod", "spec: {containers: [{name: a, image: a}]}"),
    (
        "v1",
        "LimitRange",
        "spec: {limits: [{type: Pod, max: {cpu: 1}}]}",
    ),
    ("v1", "ResourceQuota", "spec: {hard: {pods: 1}}"),
    ("v1", "Endpoints", "subsets: []"),
    (
        "v1",
        "PersistentVolumeClaim",
        "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}",
    ),
    (
        "apps/v1",
        "Deployment",
        "spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: a}]}}}",
    ),
    (
        "apps/v1",
        "DaemonSet",
        "spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: a, image: a}]}}}",
    ),
    (
        "batch/v1",
        "Job",
        "spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}",
    ),
    (
        "batch/v1",
        "CronJob",
        "spec: {schedule: '* * * * *', jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}}",
    ),
    ("rbac.authorization.k8s.io/v1", "Role", "rules: []"),
    (
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\nsubjects: [{kind: ServiceAccount, name: tenant, namespace: cattle-fleet-system}]",
    ),
    (
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "spec: {podSelector: {}}",
    ),
    (
        "policy/v1",
        "PodDisruptionBudget",
        "spec: {minAvailable: 0, selector: {}}",
    ),
    (
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "spec: {maxReplicas: 2, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}",
    ),
];

/// Kinds of the whole cluster.
const CLUSTER_WIDE: [(&str, &str, &str); 9] = [
    ("v1", "Namespace", "spec: {}"),
    (
        "v1",
        "PersistentVolume",
        "spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /}}",
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        "rules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]",
    ),
    (
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\nsubjects: [{kind: ServiceAccount, name: tenant, namespace: cattle-fleet-system}]",
    ),
    ("scheduling.k8s.io/v1", "PriorityClass", "value: 1000"),
    ("storage.k8s.io/v1", "StorageClass", "provisioner: a"),
    (
        "networking.k8s.io/v1",
        "IngressClass",
        "spec: {controller: a.b/c}",
    ),
    (
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        "webhooks: []",
    ),
    (
        "admissionregistration.k8s.io/v1",
        "MutatingWebhookConfiguration",
        "webhooks: []",
    ),
];

fn object((version, kind, rest): (&str, &str, &str), metadata: &str) -> String {
    format!("apiVersion: {version}\nkind: {kind}\nmetadata: {{{metadata}}}\n{rest}\n")
}

/// Objects that say themselves that they belong elsewhere.
fn by_metadata(all: &mut Vec<Attempt>) {
    for kind in NAMESPACED {
        for namespace in FOREIGN {
            let text = object(kind, &format!("name: stolen, namespace: {namespace}"));
            all.push(manifest(&text, &format!("{} {namespace}/stolen", kind.1)));
        }
    }
    for kind in CLUSTER_WIDE {
        let text = object(kind, "name: tenant-stolen");
        all.push(manifest(&text, &format!("{} tenant-stolen", kind.1)));
        let forced = attempt(
            &[("m.yaml", &text)],
            json!({ "namespace": OWN }),
            &format!("name=tenant-stolen kind={}", kind.1),
        );
        all.push(forced);
    }
}

/// Objects behind something else: lists, charts, hooks, definitions, overlays.
fn by_disguise(all: &mut Vec<Attempt>) {
    let config = "{apiVersion: v1, kind: ConfigMap, metadata: {name: stolen, namespace: victim}}";
    for list in ["List", "ConfigMapList"] {
        let text = format!("apiVersion: v1\nkind: {list}\nitems: [{config}]\n");
        all.push(manifest(&text, "ConfigMap victim/stolen"));
        let nested = format!(
            "apiVersion: v1\nkind: List\nitems: [{{apiVersion: v1, kind: List, items: [{config}]}}]\n"
        );
        all.push(manifest(&nested, "kind List"));
    }
    all.push(template(config, json!({}), "ConfigMap victim/stolen"));
    let several =
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: fine}}\n---\n{config}\n");
    all.push(manifest(&several, "ConfigMap victim/stolen"));
    for event in ["pre-install", "post-install", "pre-install,post-upgrade"] {
        for kind in [NAMESPACED[0], NAMESPACED[11], NAMESPACED[14]] {
            let metadata = format!(
                "name: stolen, namespace: victim, annotations: {{helm.sh/hook: '{event}'}}"
            );
            let names = format!("{} victim/stolen", kind.1);
            all.push(template(&object(kind, &metadata), json!({}), &names));
        }
        let metadata = format!("name: tenant-stolen, annotations: {{helm.sh/hook: '{event}'}}");
        let names = "ClusterRoleBinding tenant-stolen";
        all.push(template(
            &object(CLUSTER_WIDE[3], &metadata),
            json!({}),
            names,
        ));
    }
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: loots.example.com}\nspec:\n  group: example.com\n  scope: Namespaced\n  names: {kind: Loot, plural: loots, singular: loot, listKind: LootList}\n  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]\n";
    let files = [("Chart.yaml", CHART), ("crds/loot.yaml", definition)];
    all.push(attempt(
        &files,
        json!({}),
        "CustomResourceDefinition loots.example.com",
    ));
    all.push(template(
        definition,
        json!({}),
        "CustomResourceDefinition loots.example.com",
    ));
    all.push(manifest(
        definition,
        "CustomResourceDefinition loots.example.com",
    ));
    let base = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: stolen}\n";
    for (patch, names) in [
        ("metadata: {namespace: victim}\n", "ConfigMap victim/stolen"),
        (
            "[{op: add, path: /metadata/namespace, value: kube-system}]\n",
            "ConfigMap kube-system/stolen",
        ),
    ] {
        let files = [("m.yaml", base), ("overlays/o/m_patch.yaml", patch)];
        all.push(attempt(
            &files,
            json!({ "yaml": { "overlays": ["o"] } }),
            names,
        ));
    }
    for patch in [
        "$patch: delete",
        "$retainKeys: [data]",
        "$setElementOrder/data: [a]",
    ] {
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: theirs, namespace: victim}}\n{patch}\n"
        );
        all.push(manifest(&text, "ConfigMap victim/theirs"));
    }
}

/// Names that mean something else in a path, and kinds that are no objects.
fn by_path(all: &mut Vec<Attempt>) {
    for name in [
        "../../victim/configmaps/theirs",
        "../victim",
        "a/status",
        "..",
        ".",
        "%2e%2e",
        "%2e%2e%2fvictim",
        "a%00b",
    ] {
        let text = object(NAMESPACED[0], &format!("name: \"{name}\""));
        all.push(manifest(&text, &format!("{name:?}")));
        let text = object(
            NAMESPACED[0],
            &format!("name: stolen, namespace: \"{name}\""),
        );
        all.push(manifest(&text, &format!("{name:?}")));
    }
    for (version, kind, rest) in [
        ("v1", "Binding", "target: {kind: Node, name: a}"),
        ("policy/v1", "Eviction", "deleteOptions: {}"),
        (
            "authentication.k8s.io/v1",
            "TokenRequest",
            "spec: {audiences: []}",
        ),
        ("autoscaling/v1", "Scale", "spec: {replicas: 0}"),
        (
            "authorization.k8s.io/v1",
            "SubjectAccessReview",
            "spec: {user: a}",
        ),
        (
            "authentication.k8s.io/v1",
            "TokenReview",
            "spec: {token: a}",
        ),
        (
            "meta.k8s.io/v1",
            "DeleteOptions",
            "propagationPolicy: Foreground",
        ),
    ] {
        let text = object((version, kind, rest), "name: theirs, namespace: victim");
        all.push(manifest(&text, kind));
    }
}

/// Options of bundles.
fn by_options(all: &mut Vec<Attempt>) {
    let config = object(NAMESPACED[0], "name: theirs");
    let config = || [("m.yaml", config.as_str())];
    for namespace in FOREIGN {
        for option in ["namespace", "defaultNamespace"] {
            let mut options = json!({});
            options[option] = namespace.into();
            all.push(attempt(&config(), options.clone(), namespace));
            for helm in [
                json!({ "takeOwnership": true }),
                json!({ "force": true }),
                json!({ "atomic": true }),
            ] {
                options["helm"] = helm;
                all.push(attempt(&config(), options.clone(), namespace));
            }
            options["keepResources"] = true.into();
            options["deleteNamespace"] = true.into();
            options["createNamespace"] = true.into();
            options["namespaceLabels"] = json!({ "stolen": "yes" });
            all.push(attempt(&config(), options.clone(), namespace));
        }
        for reference in ["configMapKeyRef", "secretKeyRef"] {
            let helm = json!({ "valuesFrom": [
                { reference: { "name": "theirs", "namespace": namespace, "key": "a" } }] });
            let files = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: loot}\ndata: {a: {{ .Values | toJson | quote }}}\n";
            let names = format!("{namespace}/theirs");
            all.push(template(files, json!({ "helm": helm }), &names));
        }
    }
    for release in ["theirs", "going", "coming"] {
        let helm = json!({ "releaseName": release });
        let options = json!({ "defaultNamespace": "victim", "helm": helm });
        all.push(attempt(&config(), options, "victim"));
    }
    for resource in [
        json!({ "kind": "Secret", "name": "bait" }),
        json!({ "kind": "ConfigMap", "name": "bait" }),
    ] {
        for namespace in FOREIGN {
            let options =
                json!({ "defaultNamespace": namespace, "downstreamResources": [resource] });
            all.push(attempt(&config(), options, namespace));
        }
    }
    for labels in [
        json!({ "pod-security": "none" }),
        json!({ "kubernetes.io/metadata.name": "kube-system" }),
    ] {
        let options = json!({ "defaultNamespace": OWN, "namespaceLabels": labels });
        let own = object(NAMESPACED[0], &format!("name: mine-{}", all.len()));
        all.push(attempt(&[("m.yaml", &own)], options, OWN));
    }
    for account in [
        "../default",
        "a/token",
        "missing",
        "No_Name",
        "system:serviceaccount:kube-system:a",
    ] {
        all.push(attempt(
            &config(),
            json!({ "serviceAccount": account }),
            account,
        ));
    }
}

/// What a chart reads, and rights that the tenant gives itself.
fn by_rights(all: &mut Vec<Attempt>) {
    for (kind, namespace, name) in [
        ("Secret", "victim", "theirs"),
        ("Secret", "victim", ""),
        ("Secret", "", ""),
        ("ConfigMap", "kube-system", ""),
        ("Namespace", "", ""),
        ("Node", "", ""),
    ] {
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: loot}}\ndata: {{a: {{{{ lookup \"v1\" {kind:?} {namespace:?} {name:?} | toJson | quote }}}}}}\n"
        );
        all.push(template(
            &text,
            json!({}),
            &format!("{}s", kind.to_lowercase()),
        ));
    }
    for rules in [
        "[{apiGroups: [''], resources: [nodes], verbs: ['*']}]",
        "[{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]",
        "[{apiGroups: [''], resources: [serviceaccounts], verbs: [impersonate]}]",
    ] {
        let role = (
            "rbac.authorization.k8s.io/v1",
            "Role",
            &*format!("rules: {rules}"),
        );
        all.push(manifest(
            &object(role, "name: stolen"),
            "Role tenant/stolen",
        ));
    }
    for role in ["cluster-admin", "edit-everything"] {
        let binding = format!(
            "roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}\nsubjects: [{{kind: ServiceAccount, name: tenant, namespace: {AGENT}}}]"
        );
        let binding = ("rbac.authorization.k8s.io/v1", "RoleBinding", &*binding);
        all.push(manifest(
            &object(binding, "name: stolen"),
            "RoleBinding tenant/stolen",
        ));
    }
}

fn attempts() -> Vec<Attempt> {
    let mut all = Vec::new();
    by_metadata(&mut all);
    by_disguise(&mut all);
    by_path(&mut all);
    by_options(&mut all);
    by_rights(&mut all);
    all
}

fn rbac(kind: &'static str, plural: &'static str, namespaced: bool) -> Kind {
    Kind::new("rbac.authorization.k8s.io", "v1", kind, plural, namespaced)
}

/// The tenant with its account, and others with something to take.
async fn prepare(world: &World) {
    let cluster = &world.cluster;
    for name in [OWN, "victim", AGENT, "default", "kube-system"] {
        if world.object(&namespaces(), "", name).await.is_none() {
            let object = json!({ "metadata": { "name": name } });
            create(cluster, &namespaces(), &ObjectKey::new("", name), &object).await;
        }
    }
    let accounts = Kind::new("", "v1", "ServiceAccount", "serviceaccounts", true);
    let account = json!({ "metadata": { "name": "tenant" } });
    create(
        cluster,
        &accounts,
        &ObjectKey::new(AGENT, "tenant"),
        &account,
    )
    .await;
    // Everything in its namespace, but for handing on rights that it does not have.
    let core = [
        "configmaps",
        "secrets",
        "services",
        "serviceaccounts",
        "pods",
        "endpoints",
        "limitranges",
        "resourcequotas",
        "persistentvolumeclaims",
    ];
    let groups = [
        "apps",
        "batch",
        "autoscaling",
        "policy",
        "networking.k8s.io",
    ];
    let verbs = [
        "get", "list", "watch", "create", "update", "patch", "delete",
    ];
    let role = json!({ "metadata": { "name": "tenant" }, "rules": [
        { "apiGroups": [""], "resources": core, "verbs": verbs },
        { "apiGroups": groups, "resources": ["*"], "verbs": verbs },
        { "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": verbs },
    ] });
    create(
        cluster,
        &rbac("Role", "roles", true),
        &ObjectKey::new(OWN, "tenant"),
        &role,
    )
    .await;
    let role = json!({ "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tenant" });
    // By a group that the API server gives to whom we impersonate.
    let group = format!("system:serviceaccounts:{AGENT}");
    let binding = json!({ "metadata": { "name": "tenant" }, "roleRef": role, "subjects": [
        { "apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group }] });
    let bindings = rbac("RoleBinding", "rolebindings", true);
    create(cluster, &bindings, &ObjectKey::new(OWN, "tenant"), &binding).await;
    prepare_others(world).await;
}

/// What there is to take.
async fn prepare_others(world: &World) {
    let cluster = &world.cluster;
    let everything = json!({ "metadata": { "name": "edit-everything" }, "rules": [
        { "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }] });
    let roles = rbac("ClusterRole", "clusterroles", false);
    create(
        cluster,
        &roles,
        &ObjectKey::new("", "edit-everything"),
        &everything,
    )
    .await;
    for namespace in ["victim", "kube-system", "default", AGENT] {
        let key = ObjectKey::new(namespace, "theirs");
        let data = json!({ "metadata": { "name": "theirs" }, "data": { "a": "aHVudGVyOiAy" } });
        create(cluster, &config_maps(), &key, &data).await;
        create(cluster, &secrets(), &key, &data).await;
    }
    for (release, status) in [
        ("theirs", "deployed"),
        ("going", "uninstalling"),
        ("coming", "pending-install"),
    ] {
        let name = helm::release::secret_name(release, 1);
        let labels = json!({ "owner": "helm", "name": release, "version": "1", "status": status });
        let record = json!({ "metadata": { "name": name, "labels": labels },
            "type": "helm.sh/release.v1", "stringData": { "release": "nonsense" } });
        create(
            cluster,
            &secrets(),
            &ObjectKey::new("victim", &*name),
            &record,
        )
        .await;
    }
    for kind in [secrets(), config_maps()] {
        let bait = json!({ "metadata": { "name": "bait" }, "data": { "a": "aHVudGVyOiAy" } });
        create(&world.hub, &kind, &ObjectKey::new(NAMESPACE, "bait"), &bait).await;
    }
}

/// Everything that is not the tenant's, with what is in it.
async fn others(world: &World) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let namespaced = |group: &'static str, kind: &'static str, plural: &'static str| {
        Kind::new(group, "v1", kind, plural, true)
    };
    let mut kinds = vec![
        config_maps(),
        secrets(),
        namespaces(),
        namespaced("", "ServiceAccount", "serviceaccounts"),
        namespaced("", "Service", "services"),
        namespaced("", "Pod", "pods"),
        namespaced("apps", "Deployment", "deployments"),
        namespaced("batch", "Job", "jobs"),
        rbac("Role", "roles", true),
        rbac("RoleBinding", "rolebindings", true),
        rbac("ClusterRole", "clusterroles", false),
        rbac("ClusterRoleBinding", "clusterrolebindings", false),
    ];
    kinds.push(Kind {
        namespaced: false,
        ..namespaced(
            "apiextensions.k8s.io",
            "CustomResourceDefinition",
            "customresourcedefinitions",
        )
    });
    for kind in kinds {
        let each = |object: Value| {
            let text = |key: &str| {
                object["metadata"][key]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            };
            let (namespace, name) = (text("namespace"), text("name"));
            // Its uid says that it is the same; what its controllers write into it does not count.
            let metadata = &object["metadata"];
            let part = json!([
                metadata["uid"],
                metadata["labels"],
                object["data"],
                object["rules"],
                object["subjects"]
            ]);
            // A server looks after these by itself.
            let is_own = namespace == OWN || (kind.kind == "Namespace" && name == OWN);
            let is_servers = ["kube-root-ca.crt", "default", "admin", "edit", "view", SEAL]
                .contains(&name.as_str())
                || ["system:", "extension-apiserver", "kube-apiserver-"]
                    .iter()
                    .any(|start| name.starts_with(start));
            // Its controllers' accounts come when these begin.
            let is_servers =
                is_servers || (kind.kind == "ServiceAccount" && namespace == "kube-system");
            if !is_own && !is_servers {
                found.insert(
                    format!("{} {namespace}/{name}", kind.kind),
                    part.to_string(),
                );
            }
        };
        let listed = world.cluster.list(&kind, &Selector::default(), each).await;
        listed.unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
    found
}

fn assert_same(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) {
    for (name, was) in before {
        assert_eq!(after.get(name), Some(was), "{name}");
    }
    let new: Vec<&String> = after
        .keys()
        .filter(|name| !before.contains_key(*name))
        .collect();
    assert!(new.is_empty(), "{new:?}");
}

/// Has the tenant try everything.
pub(crate) async fn none_succeeds(world: &World) {
    prepare(world).await;
    let before = others(world).await;
    let all = attempts();
    assert!(all.len() >= 200, "{} attempts", all.len());
    let mut tried = Vec::new();
    for (number, attempt) in all.into_iter().enumerate() {
        let name: &'static str = Box::leak(format!("try-{number}").into_boxed_str());
        let mut options = json!({ "defaultNamespace": OWN, "serviceAccount": "tenant" });
        for (option, value) in attempt.options.as_object().unwrap() {
            options[option] = value.clone();
        }
        let bundle = Bundle {
            name,
            files: attempt.files.clone(),
            options,
            spec: json!({}),
        };
        let id = world.deploy(&bundle).await;
        tried.push((name, id, attempt));
    }
    for (name, id, attempt) in &tried {
        let found = world
            .until(name, "is refused", |found| {
                let conditions = &found.status.conditions;
                assert!(!found.status.ready, "{name}: {:?}", attempt.files);
                is_false(conditions, "Deployed")
                    || (found.status.applied_deployment_id == *id
                        && is_false(conditions, "Installed"))
            })
            .await;
        let conditions = &found.status.conditions;
        let texts = [
            message(conditions, "Deployed"),
            message(conditions, "Installed"),
        ]
        .join("\n");
        assert!(
            texts.contains(&attempt.names),
            "{name}: no {:?} in {texts}\n{:?} {}",
            attempt.names,
            attempt.files,
            attempt.options
        );
        assert!(
            !texts.contains("hunter") && !texts.contains("aHVudGVy"),
            "{texts}"
        );
    }
    assert_same(&before, &others(world).await);
    // The account is good for what it is for.
    let own = object(NAMESPACED[0], "name: mine");
    let fine = Bundle {
        name: "fine",
        files: vec![("m.yaml".to_owned(), own)],
        options: json!({ "defaultNamespace": OWN, "serviceAccount": "tenant" }),
        spec: json!({}),
    };
    let id = world.deploy(&fine).await;
    world.ready("fine", &id).await;
    // What goes takes nothing along that is not the tenant's.
    for (name, ..) in &tried {
        world.remove(name).await;
    }
    world.remove("fine").await;
    crate::world::eventually("the releases are gone", async || {
        world.records(OWN).await.is_empty().then_some(())
    })
    .await;
    assert_same(&before, &others(world).await);
}
