//! Ingresses, storage classes, priority classes and webhooks.

use std::collections::BTreeSet;

use serde_json::Value;

use super::context::{Findings, list, port_name, text};
use super::network;
use crate::field::{FieldError, Path};
use crate::names::check_dns_subdomain;

pub(super) fn check(kind: &str, object: &Value, old: Option<&Value>, found: &mut Findings) {
    match kind {
        "Ingress" => ingress(&object["spec"], found),
        "NetworkPolicy" => {
            let path = Path::new("spec.podSelector");
            found.selector(&object["spec"]["podSelector"], &path);
            network::policy(&object["spec"], found);
        }
        "IngressClass" => network::ingress_class(&object["spec"], found),
        "StorageClass" => storage_class(object, old, found),
        "PriorityClass" => priority_class(object, old, found),
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => {
            webhooks(object, found);
        }
        _ => {}
    }
}

fn ingress(spec: &Value, found: &mut Findings) {
    let path = Path::new("spec");
    let rules = list(spec, "/rules");
    if rules.is_empty() && !spec["defaultBackend"].is_object() {
        let why = "either `defaultBackend` or `rules` must be specified";
        found.invalid(&path, spec["rules"].clone(), why);
    }
    if spec["defaultBackend"].is_object() {
        backend(
            &spec["defaultBackend"],
            &path.child("defaultBackend"),
            found,
        );
    }
    for (index, tls) in list(spec, "/tls").iter().enumerate() {
        let path = path.child("tls").index(index).child("hosts");
        for (index, host) in list(tls, "/hosts").iter().enumerate() {
            let host = host.as_str().unwrap_or_default();
            let plain = host.strip_prefix("*.").unwrap_or(host);
            found.complaints(&path.index(index), host, check_dns_subdomain(plain));
        }
    }
    let class = text(spec, "/ingressClassName");
    if !class.is_empty() {
        let path = path.child("ingressClassName");
        found.complaints(&path, class, check_dns_subdomain(class));
    }
    for (index, rule) in rules.iter().enumerate() {
        let path = path.child("rules").index(index);
        let host = text(rule, "/host");
        let plain = host.strip_prefix("*.").unwrap_or(host);
        if host.parse::<std::net::IpAddr>().is_ok() {
            let why = "must be a DNS name, not an IP address";
            found.invalid(&path.child("host"), host, why);
        } else if !host.is_empty() {
            found.complaints(&path.child("host"), host, check_dns_subdomain(plain));
        }
        if !rule["http"].is_object() {
            continue;
        }
        let path = path.child("http").child("paths");
        let paths = list(rule, "/http/paths");
        if paths.is_empty() {
            found.required(&path, "");
        }
        for (index, one) in paths.iter().enumerate() {
            ingress_path(one, &path.index(index), found);
        }
    }
}

fn ingress_path(one: &Value, path: &Path, found: &mut Findings) {
    const TYPES: [&str; 3] = ["Exact", "ImplementationSpecific", "Prefix"];
    let value = text(one, "/path");
    match text(one, "/pathType") {
        "" => found.required(&path.child("pathType"), "pathType must be specified"),
        "Exact" | "Prefix" if !value.starts_with('/') => {
            found.invalid(&path.child("path"), value, "must be an absolute path");
        }
        "ImplementationSpecific" if !value.is_empty() && !value.starts_with('/') => {
            found.invalid(&path.child("path"), value, "must be an absolute path");
        }
        "Exact" | "Prefix" | "ImplementationSpecific" => {}
        other => found.errors.push(FieldError::not_supported(
            &path.child("pathType"),
            other,
            &TYPES,
        )),
    }
    backend(&one["backend"], &path.child("backend"), found);
}

fn backend(backend: &Value, path: &Path, found: &mut Findings) {
    let (service, resource) = (&backend["service"], &backend["resource"]);
    if service.is_object() && resource.is_object() {
        return found.invalid(path, "", "cannot set both resource and service backends");
    }
    if !service.is_object() {
        if !resource.is_object() {
            found.invalid(path, "", "resource or service backend is required");
        }
        return;
    }
    let outer = path;
    let path = path.child("service");
    found.text_required(service, "name", &path);
    let port = &service["port"];
    match (
        text(port, "/name").is_empty(),
        port["number"].as_i64().unwrap_or_default(),
    ) {
        (true, 0) => found.required(outer, "port name or number is required"),
        (false, number) if number != 0 => {
            found.invalid(outer, "", "cannot set both port name & port number");
        }
        (true, _) => found.port(&port["number"], &path.child("port").child("number")),
        (false, _) => {
            let name = text(port, "/name");
            found.complaints(&path.child("port").child("name"), name, port_name(name));
        }
    }
}

fn storage_class(object: &Value, old: Option<&Value>, found: &mut Findings) {
    let root = Path::new("");
    found.text_required(object, "provisioner", &root);
    found.one_of(object, "reclaimPolicy", &["Delete", "Retain"], &root);
    found.one_of(
        object,
        "volumeBindingMode",
        &["Immediate", "WaitForFirstConsumer"],
        &root,
    );
    let Some(old) = old else { return };
    for key in [
        "parameters",
        "provisioner",
        "reclaimPolicy",
        "volumeBindingMode",
    ] {
        found.immutable(&object[key], &old[key], &Path::new(key));
    }
}

fn priority_class(object: &Value, old: Option<&Value>, found: &mut Findings) {
    const USER_MAX: i64 = 1_000_000_000;
    let name = text(object, "/metadata/name");
    let value = object["value"].as_i64().unwrap_or_default();
    if name.starts_with("system-")
        && !matches!(name, "system-cluster-critical" | "system-node-critical")
    {
        let why = "priority class names with 'system-' prefix are reserved for system use only. error: the name is \
                   not an allowed system priority class";
        found.forbidden(&Path::new("metadata.name"), why);
    } else if value > USER_MAX && !name.starts_with("system-") {
        let why = format!("maximum allowed value of a user defined priority is {USER_MAX}");
        found.forbidden(&Path::new("value"), &why);
    }
    found.one_of(
        object,
        "preemptionPolicy",
        &["PreemptLowerPriority", "Never"],
        &Path::new(""),
    );
    let Some(old) = old else { return };
    if old["value"] != object["value"] {
        found.forbidden(&Path::new("value"), "may not be changed in an update.");
    }
    found.immutable(
        &object["preemptionPolicy"],
        &old["preemptionPolicy"],
        &Path::new("preemptionPolicy"),
    );
}

fn webhooks(object: &Value, found: &mut Findings) {
    let mut names = BTreeSet::new();
    for (index, hook) in list(object, "/webhooks").iter().enumerate() {
        let path = Path::new("webhooks").index(index);
        let name = text(hook, "/name");
        webhook_name(name, &path.child("name"), found);
        if !names.insert(name) {
            found
                .errors
                .push(FieldError::duplicate(&path.child("name"), name));
        }
        found.one_of(hook, "failurePolicy", &["Fail", "Ignore"], &path);
        found.one_of(hook, "matchPolicy", &["Equivalent", "Exact"], &path);
        let effects = text(hook, "/sideEffects");
        if effects.is_empty() {
            let why = "must specify one of None, NoneOnDryRun";
            found.required(&path.child("sideEffects"), why);
        } else {
            found.one_of(hook, "sideEffects", &["None", "NoneOnDryRun"], &path);
        }
        if let Some(timeout) = hook["timeoutSeconds"]
            .as_i64()
            .filter(|time| !(1..=30).contains(time))
        {
            let why = "the timeout value must be between 1 and 30 seconds";
            found.invalid(&path.child("timeoutSeconds"), timeout, why);
        }
        let config = &hook["clientConfig"];
        let at = path.child("clientConfig");
        if config["url"].is_string() == config["service"].is_object() {
            found.required(&at, "exactly one of url or service is required");
        } else if let Some((scheme, _)) = text(config, "/url").split_once("://")
            && scheme != "https"
        {
            let why = "'https' is the only allowed URL scheme; desired format: https://host[/path]";
            found.invalid(&at.child("url"), scheme, why);
        }
        if list(hook, "/admissionReviewVersions").is_empty() {
            let why = "must specify one of v1, v1beta1";
            found.required(&path.child("admissionReviewVersions"), why);
        }
        found.selector(&hook["namespaceSelector"], &path.child("namespaceSelector"));
        found.selector(&hook["objectSelector"], &path.child("objectSelector"));
    }
}

fn webhook_name(name: &str, path: &Path, found: &mut Findings) {
    if name.is_empty() {
        return found.required(path, "");
    }
    found.complaints(path, name, check_dns_subdomain(name));
    if name.split('.').count() < 3 {
        found.invalid(
            path,
            name,
            "should be a domain with at least three segments separated by dots",
        );
    }
}
