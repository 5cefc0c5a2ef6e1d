//! What a new cluster holds: the four namespaces, default roles and bindings, the priority classes, a
//! storage class, the `kubernetes` service.
//!
//! Source: kubernetes `plugin/pkg/auth/authorizer/rbac/bootstrappolicy`, of which the roles for users
//! are kept and those for components of a control plane left out.

use serde_json::{Value, json};

use crate::rest::local::Local;
use crate::status::Status;

const DEFAULTING: &str = "kubernetes.io/bootstrapping";

/// Creates what is missing.
///
/// # Errors
/// The first object that could not be created.
pub(crate) fn run(local: &Local) -> Result<(), Status> {
    for object in objects() {
        let text = |field: &str| crate::object::str_at(&object, &[field]).to_owned();
        let resource = local.resource(&text("apiVersion"), &text("kind"))?;
        match local.create(&resource, object) {
            Err(error) if error.reason != "AlreadyExists" => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn objects() -> Vec<Value> {
    let mut all: Vec<Value> = ["default", "kube-system", "kube-public", "kube-node-lease"]
        .map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
        .to_vec();
    all.push(json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "type": "ClusterIP",
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None",
            "internalTrafficPolicy": "Cluster",
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]}}));
    all.extend(priority_classes());
    all.push(
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "standard",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "sandbox.local/immediate", "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate", "allowVolumeExpansion": true}),
    );
    all.extend(roles());
    all.extend(bindings());
    all
}

fn priority_classes() -> [Value; 2] {
    [
        ("system-cluster-critical", 2_000_000_000,
         "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary."),
        ("system-node-critical", 2_000_001_000,
         "Used for system critical pods that must not be moved from their current node."),
    ]
    .map(|(name, value, description)| {
        json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name}, "value": value, "description": description,
            "globalDefault": false, "preemptionPolicy": "PreemptLowerPriority"})
    })
}

const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];

fn role(name: &str, labels: &[(&str, &str)], rules: &Value) -> Value {
    let mut object = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name, "labels": {DEFAULTING: "rbac-defaults"},
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"}},
        "rules": rules});
    for (key, value) in labels {
        object["metadata"]["labels"][key] = (*value).into();
    }
    object
}

fn aggregated(name: &str, labels: &[(&str, &str)]) -> Value {
    let mut object = role(name, labels, &json!([]));
    let label = format!("rbac.authorization.k8s.io/aggregate-to-{name}");
    object["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]});
    object
}

fn roles() -> Vec<Value> {
    let to = |name: &str| format!("rbac.authorization.k8s.io/aggregate-to-{name}");
    let (to_admin, to_edit, to_view) = (to("admin"), to("edit"), to("view"));
    let workloads = json!([
        "daemonsets",
        "deployments",
        "deployments/scale",
        "replicasets",
        "replicasets/scale",
        "statefulsets",
        "statefulsets/scale"
    ]);
    let core = json!([
        "configmaps",
        "endpoints",
        "persistentvolumeclaims",
        "pods",
        "replicationcontrollers",
        "replicationcontrollers/scale",
        "serviceaccounts",
        "services"
    ]);
    let rules = |verbs: &[&str]| {
        json!([
            {"apiGroups": [""], "resources": core, "verbs": verbs},
            {"apiGroups": ["apps"], "resources": workloads, "verbs": verbs},
            {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": verbs},
            {"apiGroups": ["batch"], "resources": ["cronjobs", "jobs"], "verbs": verbs},
            {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": verbs},
            {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "networkpolicies"],
             "verbs": verbs},
        ])
    };
    let mut view = rules(&READ);
    let more = json!([
        {"apiGroups": [""], "resources": ["bindings", "events", "limitranges", "namespaces",
            "namespaces/status", "pods/log", "pods/status", "replicationcontrollers/status",
            "resourcequotas", "resourcequotas/status", "persistentvolumeclaims/status",
            "services/status"], "verbs": READ},
        {"apiGroups": ["apps"], "resources": ["controllerrevisions", "daemonsets/status",
            "deployments/status", "replicasets/status", "statefulsets/status"], "verbs": READ},
        {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers/status"],
         "verbs": READ},
        {"apiGroups": ["batch"], "resources": ["cronjobs/status", "jobs/status"], "verbs": READ},
        {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets/status"], "verbs": READ},
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses/status"], "verbs": READ},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": READ},
    ]);
    let mut edit = rules(&WRITE);
    let secrets = json!([
        {"apiGroups": [""], "resources": ["pods/attach", "pods/exec", "pods/portforward",
            "pods/proxy", "secrets", "services/proxy"], "verbs": READ},
        {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": WRITE},
        {"apiGroups": [""], "resources": ["pods/eviction", "serviceaccounts/token"],
         "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": WRITE},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
         "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]},
    ]);
    for (all, more) in [(&mut view, more), (&mut edit, secrets)] {
        if let (Value::Array(all), Value::Array(more)) = (all, more) {
            all.extend(more);
        }
    }
    let manage = json!([
        {"apiGroups": ["authorization.k8s.io"], "resources": ["localsubjectaccessreviews"],
         "verbs": ["create"]},
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["rolebindings", "roles"],
         "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]},
    ]);
    let discovery = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
    ];
    vec![
        role(
            "cluster-admin",
            &[],
            &json!([
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
            {"nonResourceURLs": ["*"], "verbs": ["*"]}]),
        ),
        aggregated("admin", &[]),
        aggregated("edit", &[(&to_admin, "true")]),
        aggregated("view", &[(&to_edit, "true")]),
        role("system:aggregate-to-admin", &[(&to_admin, "true")], &manage),
        role("system:aggregate-to-edit", &[(&to_edit, "true")], &edit),
        role("system:aggregate-to-view", &[(&to_view, "true")], &view),
        role(
            "system:discovery",
            &[],
            &json!([{"nonResourceURLs": discovery, "verbs": ["get"]}]),
        ),
        role(
            "system:basic-user",
            &[],
            &json!([
            {"apiGroups": ["authorization.k8s.io"], "verbs": ["create"],
             "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]},
            {"apiGroups": ["authentication.k8s.io"], "verbs": ["create"],
             "resources": ["selfsubjectreviews"]}]),
        ),
        role(
            "system:public-info-viewer",
            &[],
            &json!([{"verbs": ["get"],
            "nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version", "/version/"]}]),
        ),
    ]
}

fn bindings() -> [Value; 4] {
    [
        ("cluster-admin", &["system:masters"][..]),
        ("system:discovery", &["system:authenticated"]),
        ("system:basic-user", &["system:authenticated"]),
        (
            "system:public-info-viewer",
            &["system:authenticated", "system:unauthenticated"],
        ),
    ]
    .map(|(role, groups)| {
        let subject = |group| {
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group})
        };
        let subjects: Vec<Value> = groups.iter().map(subject).collect();
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": role, "labels": {DEFAULTING: "rbac-defaults"},
                "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"}},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": subjects})
    })
}
