//! Pods and pod templates.

use std::collections::BTreeSet;

use serde_json::Value;

use super::context::{Findings, at, list, pairs, port_name, text};
use super::quantity::Quantity;
use crate::field::{FieldError, Path};

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];

/// A Pod on its own.
pub(super) fn check(object: &Value, old: Option<&Value>, found: &mut Findings) {
    let path = Path::new("spec");
    match old {
        None => spec(&object["spec"], &path, found),
        Some(old) => update(&object["spec"], &old["spec"], &path, found),
    }
}

/// Only images, deadlines and tolerations of a Pod may change.
fn update(new: &Value, old: &Value, path: &Path, found: &mut Findings) {
    let mut munged = new.clone();
    for key in ["containers", "initContainers"] {
        for (index, container) in list(old, &format!("/{key}")).iter().enumerate() {
            if let Some(image) = munged.pointer_mut(&format!("/{key}/{index}/image")) {
                *image = container["image"].clone();
            }
        }
    }
    if let (Some(munged), Some(old)) = (munged.as_object_mut(), old.as_object()) {
        for key in [
            "activeDeadlineSeconds",
            "terminationGracePeriodSeconds",
            "tolerations",
            "schedulingGates",
            "nodeName",
        ] {
            munged.remove(key);
            if let Some(value) = old.get(key) {
                munged.insert(key.to_owned(), value.clone());
            }
        }
    }
    if munged != *old {
        let why = "pod updates may not change fields other than \
                   `spec.containers[*].image`,`spec.initContainers[*].image`,\
                   `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
                   tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it \
                   was previously negative)";
        found.forbidden(path, why);
    }
}

/// The template of a workload; `path` is its place.
pub(super) fn template(template: &Value, path: &Path, found: &mut Findings) {
    // The server leaves `metadata` out of these paths.
    found.labels(at(template, "/metadata/labels"), &path.child("labels"));
    for (key, _) in pairs(template, "/metadata/annotations") {
        let complaints = crate::names::check_label_key(&key.to_lowercase());
        found.complaints(&path.child("annotations"), key, complaints);
    }
    spec(&template["spec"], &path.child("spec"), found);
}

fn spec(spec: &Value, path: &Path, found: &mut Findings) {
    let volumes = volumes(spec, path, found);
    let mut names = BTreeSet::new();
    let containers = list(spec, "/containers");
    if containers.is_empty() {
        found.required(&path.child("containers"), "");
    }
    for (index, one) in containers.iter().enumerate() {
        let at = path.child("containers").index(index);
        container(one, &volumes, &at, found);
        unique(&mut names, one, &at, found);
        probes(one, &at, found);
    }
    for (index, one) in list(spec, "/initContainers").iter().enumerate() {
        let at = path.child("initContainers").index(index);
        container(one, &volumes, &at, found);
        unique(&mut names, one, &at, found);
        init_probes(one, &at, found);
    }
    found.one_of(
        spec,
        "restartPolicy",
        &["Always", "OnFailure", "Never"],
        path,
    );
    found.one_of(
        spec,
        "dnsPolicy",
        &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"],
        path,
    );
    found.labels(&spec["nodeSelector"], &path.child("nodeSelector"));
    tolerations(spec, path, found);
    identity(spec, path, found);
    for (index, one) in list(spec, "/topologySpreadConstraints").iter().enumerate() {
        let path = path.child("topologySpreadConstraints").index(index);
        let skew = one["maxSkew"].as_i64().unwrap_or_default();
        if skew <= 0 {
            found.invalid(&path.child("maxSkew"), skew, "must be greater than zero");
        }
        if text(one, "/topologyKey").is_empty() {
            found.required(&path.child("topologyKey"), "can not be empty");
        }
        let words = ["DoNotSchedule", "ScheduleAnyway"];
        let word = text(one, "/whenUnsatisfiable");
        if !words.contains(&word) {
            let path = path.child("whenUnsatisfiable");
            found
                .errors
                .push(FieldError::not_supported(&path, word, &words));
        }
    }
    let account = text(spec, "/serviceAccountName");
    if !account.is_empty() {
        let complaints = crate::names::check_dns_subdomain(account);
        found.complaints(&path.child("serviceAccountName"), account, complaints);
    }
}

/// Names and users that a pod takes on.
fn identity(spec: &Value, path: &Path, found: &mut Findings) {
    let hostname = text(spec, "/hostname");
    if !hostname.is_empty() {
        found.dns_label(hostname, &path.child("hostname"));
    }
    let class = text(spec, "/priorityClassName");
    if !class.is_empty() {
        let complaints = crate::names::check_dns_subdomain(class);
        found.complaints(&path.child("priorityClassName"), class, complaints);
    }
    let user = at(spec, "/securityContext/runAsUser").as_i64();
    if let Some(user) = user.filter(|user| !(0..=i64::from(i32::MAX)).contains(user)) {
        let path = path.child("securityContext").child("runAsUser");
        found.invalid(&path, user, "must be between 0 and 2147483647, inclusive");
    }
}

fn tolerations(spec: &Value, path: &Path, found: &mut Findings) {
    for (index, one) in list(spec, "/tolerations").iter().enumerate() {
        let path = path.child("tolerations").index(index).child("operator");
        let operator = text(one, "/operator");
        if text(one, "/key").is_empty() && operator != "Exists" {
            let why = "operator must be Exists when `key` is empty, which means \"match all values \
                       and all keys\"";
            found.invalid(&path, operator, why);
        }
        match operator {
            "Exists" if !text(one, "/value").is_empty() => {
                let why = "value must be empty when `operator` is 'Exists'";
                found.invalid(&path, text(one, "/value"), why);
            }
            "" | "Equal" | "Exists" | "Gt" | "Lt" => {}
            other => {
                let error = FieldError::not_supported(&path, other, &["Equal", "Exists"]);
                found.errors.push(error);
            }
        }
    }
}

fn unique(names: &mut BTreeSet<String>, container: &Value, path: &Path, found: &mut Findings) {
    let name = text(container, "/name");
    if !name.is_empty() && !names.insert(name.to_owned()) {
        found
            .errors
            .push(FieldError::duplicate(&path.child("name"), name));
    }
}

/// Names of volumes, which mounts refer to.
fn volumes(spec: &Value, path: &Path, found: &mut Findings) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (index, volume) in list(spec, "/volumes").iter().enumerate() {
        let path = path.child("volumes").index(index);
        let name = text(volume, "/name");
        if name.is_empty() {
            found.required(&path.child("name"), "");
        } else {
            found.dns_label(name, &path.child("name"));
        }
        if !names.insert(name.to_owned()) {
            found
                .errors
                .push(FieldError::duplicate(&path.child("name"), name));
        }
        let sources: Vec<&String> = volume
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, value)| *key != "name" && !value.is_null())
            .map(|(key, _)| key)
            .collect();
        if sources.is_empty() {
            found.required(&path, "must specify a volume type");
        }
        for extra in sources.iter().skip(1) {
            found.forbidden(
                &path.child(extra),
                "may not specify more than 1 volume type",
            );
        }
        for (source, key) in [
            ("secret", "secretName"),
            ("persistentVolumeClaim", "claimName"),
            ("hostPath", "path"),
        ] {
            if volume[source].is_object() {
                found.text_required(&volume[source], key, &path.child(source));
            }
        }
        if volume["configMap"].is_object() {
            found.text_required(&volume["configMap"], "name", &path.child("configMap"));
        }
    }
    names
}

fn container(one: &Value, volumes: &BTreeSet<String>, path: &Path, found: &mut Findings) {
    match text(one, "/name") {
        "" => found.required(&path.child("name"), ""),
        name => found.dns_label(name, &path.child("name")),
    }
    found.text_required(one, "image", path);
    found.one_of(
        one,
        "terminationMessagePolicy",
        &["File", "FallbackToLogsOnError"],
        path,
    );
    ports(one, path, found);
    for (index, variable) in list(one, "/env").iter().enumerate() {
        env(variable, &path.child("env").index(index), found);
    }
    mounts(one, volumes, path, found);
    found.one_of(
        one,
        "imagePullPolicy",
        &["Always", "IfNotPresent", "Never"],
        path,
    );
    resources(&one["resources"], &path.child("resources"), found);
}

fn ports(one: &Value, path: &Path, found: &mut Findings) {
    let mut names = BTreeSet::new();
    for (index, port) in list(one, "/ports").iter().enumerate() {
        let path = path.child("ports").index(index);
        let name = text(port, "/name");
        let complaints = if name.is_empty() {
            Vec::new()
        } else {
            port_name(name)
        };
        if complaints.is_empty() && !name.is_empty() && !names.insert(name) {
            found
                .errors
                .push(FieldError::duplicate(&path.child("name"), name));
        }
        found.complaints(&path.child("name"), name, complaints);
        if port["containerPort"].as_i64().unwrap_or_default() == 0 {
            found.required(&path.child("containerPort"), "");
        } else {
            found.port(&port["containerPort"], &path.child("containerPort"));
        }
        if port["hostPort"].as_i64().unwrap_or_default() != 0 {
            found.port(&port["hostPort"], &path.child("hostPort"));
        }
        found.text_required(port, "protocol", &path);
        found.one_of(port, "protocol", &PROTOCOLS, &path);
    }
}

fn env(variable: &Value, path: &Path, found: &mut Findings) {
    let name = text(variable, "/name");
    if name.is_empty() {
        found.required(&path.child("name"), "");
    } else if name.contains('=') || !name.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        let why = "a valid environment variable name must consist only of printable ASCII characters other than '='";
        found.invalid(&path.child("name"), name, why);
    }
    let Some(from) = variable["valueFrom"].as_object() else {
        return;
    };
    let path = path.child("valueFrom");
    if !text(variable, "/value").is_empty() {
        found.invalid(&path, "", "may not be specified when `value` is not empty");
    } else if from.values().filter(|source| !source.is_null()).count() != 1 {
        let why = if from.is_empty() {
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        } else {
            "may not have more than one field specified at a time"
        };
        found.invalid(&path, "", why);
    }
    for source in ["configMapKeyRef", "secretKeyRef"] {
        if let Some(reference) = from.get(source).filter(|source| source.is_object()) {
            let path = path.child(source);
            found.text_required(reference, "name", &path);
            found.text_required(reference, "key", &path);
        }
    }
}

fn mounts(one: &Value, volumes: &BTreeSet<String>, path: &Path, found: &mut Findings) {
    let mut places = BTreeSet::new();
    for (index, mount) in list(one, "/volumeMounts").iter().enumerate() {
        let mounts_path = path.child("volumeMounts");
        let path = mounts_path.index(index);
        let (name, place) = (text(mount, "/name"), text(mount, "/mountPath"));
        if name.is_empty() {
            found.required(&path.child("name"), "");
        }
        if !volumes.contains(name) {
            found
                .errors
                .push(FieldError::not_found(&path.child("name"), name));
        }
        if place.is_empty() {
            found.required(&path.child("mountPath"), "");
        }
        if !places.insert(place) {
            found.invalid(&path.child("mountPath"), place, "must be unique");
        }
        let sub_path = text(mount, "/subPath");
        // Quirk: the server leaves the index out of this path.
        let of_all = mounts_path.child("subPath");
        if sub_path.starts_with('/') {
            found.invalid(&of_all, sub_path, "must be a relative path");
        } else if sub_path.split('/').any(|part| part == "..") {
            found.invalid(&of_all, sub_path, "must not contain '..'");
        }
    }
}

/// Requests must be at most limits, and neither negative.
fn resources(resources: &Value, path: &Path, found: &mut Findings) {
    for kind in ["limits", "requests"] {
        for (resource, amount) in pairs(resources, &format!("/{kind}")) {
            let Ok(quantity) = Quantity::from_json(amount) else {
                continue;
            };
            let path = path.child(kind).key(resource);
            if quantity.sign().is_lt() {
                found.invalid(&path, amount.clone(), "must be greater than or equal to 0");
            }
            let limit = resources["limits"]
                .get(resource)
                .filter(|_| kind == "requests");
            if let Some((Ok(most), shown)) = limit.map(|limit| (Quantity::from_json(limit), limit))
                && quantity > most
            {
                let shown = shown
                    .as_str()
                    .map_or_else(|| shown.to_string(), str::to_owned);
                let path = Path::new(path.as_str().rsplit_once('[').map_or("", |(path, _)| path));
                let why = format!("must be less than or equal to {resource} limit of {shown}");
                found.invalid(&path, amount.clone(), why);
            }
        }
    }
}

fn probes(one: &Value, path: &Path, found: &mut Findings) {
    for key in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = &one[key];
        if !probe.is_object() {
            continue;
        }
        let path = path.child(key);
        handler(probe, &path, found);
        let numbers = [
            "initialDelaySeconds",
            "timeoutSeconds",
            "periodSeconds",
            "successThreshold",
            "failureThreshold",
        ];
        found.non_negative(probe, &numbers, &path);
        if key != "readinessProbe"
            && probe["successThreshold"]
                .as_i64()
                .is_some_and(|times| times != 1)
        {
            found.invalid(
                &path.child("successThreshold"),
                probe["successThreshold"].clone(),
                "must be 1",
            );
        }
    }
    for key in ["postStart", "preStop"] {
        let hook = &one["lifecycle"][key];
        if hook.is_object() {
            handler(hook, &path.child("lifecycle").child(key), found);
        }
    }
}

/// Init containers have probes and hooks only when they go on running.
fn init_probes(one: &Value, path: &Path, found: &mut Findings) {
    if text(one, "/restartPolicy") == "Always" {
        return probes(one, path, found);
    }
    for key in [
        "lifecycle",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
    ] {
        if one[key].is_object() {
            let why = "may not be set for init containers without restartPolicy=Always";
            found.forbidden(&path.child(key), why);
        }
    }
}

fn handler(handler: &Value, path: &Path, found: &mut Findings) {
    let kinds = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];
    let given: Vec<&str> = kinds
        .into_iter()
        .filter(|kind| handler[*kind].is_object())
        .collect();
    if given.is_empty() {
        found.required(path, "must specify a handler type");
    }
    for extra in given.iter().skip(1) {
        found.forbidden(
            &path.child(extra),
            "may not specify more than 1 handler type",
        );
    }
    match given.first() {
        Some(&"exec") if list(handler, "/exec/command").is_empty() => {
            found.required(&path.child("exec").child("command"), "");
        }
        Some(kind @ (&"httpGet" | &"tcpSocket")) => {
            port_or_name(
                &handler[*kind]["port"],
                &path.child(kind).child("port"),
                found,
            );
        }
        _ => {}
    }
}

/// A port number or the name of a port.
pub(super) fn port_or_name(port: &Value, path: &Path, found: &mut Findings) {
    match port {
        Value::String(name) => found.complaints(path, name, port_name(name)),
        other => found.port(other, path),
    }
}
