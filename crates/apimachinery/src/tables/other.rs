//! Networking, RBAC, storage, coordination, admission and API registration.

use jiff::Timestamp;
use serde_json::Value;

use super::cells::{age, int, len, list, name, selector, some_of, text, text_or};
use super::{AGE, CellsFn, Columns, NAME};

const INGRESS: Columns = &[
    NAME,
    (
        "Class",
        "string",
        0,
        "The name of the IngressClass resource to use.",
    ),
    (
        "Hosts",
        "string",
        0,
        "Hosts that incoming requests are matched against before the ingress rule",
    ),
    (
        "Address",
        "string",
        0,
        "Address is a list containing ingress points for the load-balancer",
    ),
    (
        "Ports",
        "string",
        0,
        "Ports of TLS configurations that open",
    ),
    AGE,
];
const INGRESS_CLASS: Columns = &[
    NAME,
    (
        "Controller",
        "string",
        0,
        "Controller that is responsible for handling this class",
    ),
    (
        "Parameters",
        "string",
        0,
        "A reference to a resource with additional parameters",
    ),
    AGE,
];
const NETWORK_POLICY: Columns = &[
    NAME,
    (
        "Pod-Selector",
        "string",
        0,
        "The pods to which this policy applies.",
    ),
    AGE,
];
const BINDING: Columns = &[
    NAME,
    (
        "Role",
        "string",
        0,
        "RoleRef references the role that is granted.",
    ),
    AGE,
    ("Users", "string", 1, "Users in the binding"),
    ("Groups", "string", 1, "Groups in the binding"),
    (
        "ServiceAccounts",
        "string",
        1,
        "ServiceAccounts in the binding",
    ),
];
const LEASE: Columns = &[
    NAME,
    (
        "Holder",
        "string",
        0,
        "The identity of the holder of the lease.",
    ),
    AGE,
];
const STORAGE_CLASS: Columns = &[
    NAME,
    ("Provisioner", "string", 0, "The type of the provisioner."),
    (
        "ReclaimPolicy",
        "string",
        0,
        "The reclaim policy of volumes created by this class.",
    ),
    (
        "VolumeBindingMode",
        "string",
        0,
        "When volumes are provisioned and bound.",
    ),
    (
        "AllowVolumeExpansion",
        "string",
        0,
        "Whether volumes of this class can be expanded.",
    ),
    AGE,
];
const PRIORITY_CLASS: Columns = &[
    NAME,
    (
        "Value",
        "integer",
        0,
        "The integer value of this priority class.",
    ),
    (
        "Global-Default",
        "boolean",
        0,
        "Whether this class is used for pods without any.",
    ),
    AGE,
    (
        "PreemptionPolicy",
        "string",
        0,
        "The policy for preempting pods with lower priority.",
    ),
];
const RUNTIME_CLASS: Columns = &[
    NAME,
    ("Handler", "string", 0, "The underlying runtime."),
    AGE,
];
const SLICE: Columns = &[
    NAME,
    (
        "AddressType",
        "string",
        0,
        "The type of address carried by this slice.",
    ),
    (
        "Ports",
        "string",
        0,
        "The network ports exposed by each endpoint in this slice.",
    ),
    ("Endpoints", "string", 0, "The endpoints in this slice."),
    AGE,
];
const WEBHOOKS: Columns = &[
    NAME,
    (
        "Webhooks",
        "integer",
        0,
        "Webhooks indicates the number of webhooks registered in this configuration",
    ),
    AGE,
];
const ADMISSION_POLICY: Columns = &[
    NAME,
    (
        "Validations",
        "integer",
        0,
        "The number of validation rules defined in this policy",
    ),
    (
        "ParamKind",
        "string",
        0,
        "The kind of resources used to parameterize this policy",
    ),
    AGE,
];
const ADMISSION_BINDING: Columns = &[
    NAME,
    ("PolicyName", "string", 0, "The policy that is bound"),
    (
        "ParamRef",
        "string",
        0,
        "The resource that parameterizes the policy",
    ),
    AGE,
];
const API_SERVICE: Columns = &[
    NAME,
    (
        "Service",
        "string",
        0,
        "The reference to the service that hosts this API endpoint.",
    ),
    (
        "Available",
        "string",
        0,
        "Whether this service is available.",
    ),
    AGE,
];

pub(super) fn printer(group: &str, kind: &str) -> Option<(Columns, CellsFn)> {
    let found: (Columns, CellsFn) = match (group, kind) {
        ("networking.k8s.io" | "extensions", "Ingress") => (INGRESS, ingress),
        ("networking.k8s.io", "IngressClass") => (INGRESS_CLASS, ingress_class),
        ("networking.k8s.io", "NetworkPolicy") => (NETWORK_POLICY, network_policy),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => (BINDING, binding),
        ("coordination.k8s.io", "Lease") => (LEASE, lease),
        ("storage.k8s.io", "StorageClass") => (STORAGE_CLASS, storage_class),
        ("scheduling.k8s.io", "PriorityClass") => (PRIORITY_CLASS, priority_class),
        ("node.k8s.io", "RuntimeClass") => (RUNTIME_CLASS, runtime_class),
        ("discovery.k8s.io", "EndpointSlice") => (SLICE, slice),
        (
            "admissionregistration.k8s.io",
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration",
        ) => (WEBHOOKS, webhooks),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => {
            (ADMISSION_POLICY, admission_policy)
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") => {
            (ADMISSION_BINDING, admission_binding)
        }
        ("apiregistration.k8s.io", "APIService") => (API_SERVICE, api_service),
        _ => return None,
    };
    Some(found)
}

fn default_mark(object: &Value, annotation: &str) -> Value {
    let is_default = object["metadata"]["annotations"][annotation] == "true";
    let mark = if is_default { " (default)" } else { "" };
    format!("{}{mark}", text(object, "/metadata/name")).into()
}

fn ingress(object: &Value, now: Timestamp) -> Vec<Value> {
    const MAX: usize = 3;
    let rules = list(object, "/spec/rules");
    let named: Vec<&str> = rules
        .iter()
        .map(|rule| text(rule, "/host"))
        .filter(|host| !host.is_empty())
        .collect();
    let hosts = match named.len() {
        0 => "*".to_owned(),
        n if n > MAX => format!("{} + {} more...", named[..MAX].join(","), rules.len() - MAX),
        _ => named.join(","),
    };
    let ports = if len(object, "/spec/tls") > 0 {
        "80, 443"
    } else {
        "80"
    };
    vec![
        name(object),
        text_or(object, "/spec/ingressClassName", "<none>"),
        hosts.into(),
        super::core::balancer(object).join(",").into(),
        ports.into(),
        age(object, now),
    ]
}

fn ingress_class(object: &Value, now: Timestamp) -> Vec<Value> {
    let parameters = match object
        .pointer("/spec/parameters")
        .filter(|value| value.is_object())
    {
        None => "<none>".to_owned(),
        Some(one) => {
            let group = text(one, "/apiGroup");
            let dot = if group.is_empty() { "" } else { "." };
            format!("{}{dot}{group}/{}", text(one, "/kind"), text(one, "/name"))
        }
    };
    vec![
        default_mark(object, "ingressclass.kubernetes.io/is-default-class"),
        text(object, "/spec/controller").into(),
        parameters.into(),
        age(object, now),
    ]
}

fn network_policy(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        selector(object.pointer("/spec/podSelector")),
        age(object, now),
    ]
}

fn binding(object: &Value, now: Timestamp) -> Vec<Value> {
    let subjects = |kind: &str| {
        let word = |one: &Value| match kind {
            "ServiceAccount" => format!("{}/{}", text(one, "/namespace"), text(one, "/name")),
            _ => text(one, "/name").to_owned(),
        };
        let of_kind = list(object, "/subjects")
            .iter()
            .filter(|one| text(one, "/kind") == kind);
        Value::from(of_kind.map(word).collect::<Vec<_>>().join(", "))
    };
    let role = format!(
        "{}/{}",
        text(object, "/roleRef/kind"),
        text(object, "/roleRef/name")
    );
    vec![
        name(object),
        role.into(),
        age(object, now),
        subjects("User"),
        subjects("Group"),
        subjects("ServiceAccount"),
    ]
}

fn lease(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        text(object, "/spec/holderIdentity").into(),
        age(object, now),
    ]
}

fn storage_class(object: &Value, now: Timestamp) -> Vec<Value> {
    let expand = object["allowVolumeExpansion"] == Value::Bool(true);
    vec![
        default_mark(object, "storageclass.kubernetes.io/is-default-class"),
        text(object, "/provisioner").into(),
        text_or(object, "/reclaimPolicy", "Delete"),
        text_or(object, "/volumeBindingMode", "Immediate"),
        expand.into(),
        age(object, now),
    ]
}

fn priority_class(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        int(object, "/value").into(),
        (object["globalDefault"] == Value::Bool(true)).into(),
        age(object, now),
        text(object, "/preemptionPolicy").into(),
    ]
}

fn runtime_class(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        text(object, "/handler").into(),
        age(object, now),
    ]
}

fn slice(object: &Value, now: Timestamp) -> Vec<Value> {
    const MAX: usize = 3;
    let port = |port: &Value| match port.get("port").filter(|number| number.is_number()) {
        Some(number) => number.to_string(),
        None => port["name"].as_str().unwrap_or("*").to_owned(),
    };
    let shown = |words: Vec<String>| -> Value {
        if words.is_empty() {
            "<unset>".into()
        } else {
            some_of(&words, MAX, ",").into()
        }
    };
    let addresses = list(object, "/endpoints")
        .iter()
        .flat_map(|one| list(one, "/addresses"));
    let addresses = addresses
        .filter_map(|word| word.as_str().map(str::to_owned))
        .collect();
    vec![
        name(object),
        text(object, "/addressType").into(),
        shown(list(object, "/ports").iter().map(port).collect()),
        shown(addresses),
        age(object, now),
    ]
}

fn webhooks(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        len(object, "/webhooks").into(),
        age(object, now),
    ]
}

fn admission_policy(object: &Value, now: Timestamp) -> Vec<Value> {
    let kind = match object.pointer("/spec/paramKind") {
        Some(kind) => format!("{}/{}", text(kind, "/apiVersion"), text(kind, "/kind")),
        None => "<unset>".to_owned(),
    };
    vec![
        name(object),
        len(object, "/spec/validations").into(),
        kind.into(),
        age(object, now),
    ]
}

fn admission_binding(object: &Value, now: Timestamp) -> Vec<Value> {
    let param = match object.pointer("/spec/paramRef") {
        Some(param) if text(param, "/namespace").is_empty() => match text(param, "/name") {
            "" => "<unset>".to_owned(),
            name => name.to_owned(),
        },
        Some(param) => format!("{}/{}", text(param, "/namespace"), text(param, "/name")),
        None => "<unset>".to_owned(),
    };
    vec![
        name(object),
        text(object, "/spec/policyName").into(),
        param.into(),
        age(object, now),
    ]
}

fn api_service(object: &Value, now: Timestamp) -> Vec<Value> {
    let service = match object
        .pointer("/spec/service")
        .filter(|service| service.is_object())
    {
        None => "Local".to_owned(),
        Some(service) => format!("{}/{}", text(service, "/namespace"), text(service, "/name")),
    };
    let condition = list(object, "/status/conditions")
        .iter()
        .find(|one| text(one, "/type") == "Available");
    let available = match condition {
        None => "Unknown".to_owned(),
        Some(one) if text(one, "/status") == "True" => "True".to_owned(),
        Some(one) => format!("{} ({})", text(one, "/status"), text(one, "/reason")),
    };
    vec![
        name(object),
        service.into(),
        available.into(),
        age(object, now),
    ]
}
