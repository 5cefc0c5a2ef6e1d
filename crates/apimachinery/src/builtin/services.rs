//! Services.

use std::collections::BTreeSet;

use serde_json::Value;

use super::context::{Findings, list, text};
use super::pods::port_or_name;
use crate::field::{FieldError, Path};

const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

pub(super) fn check(object: &Value, old: Option<&Value>, found: &mut Findings) {
    let path = Path::new("spec");
    let spec = &object["spec"];
    if let Some(old) = old {
        addresses(spec, &old["spec"], &path, found);
    }
    let kind = text(spec, "/type");
    let headless = text(spec, "/clusterIP") == "None";
    let ports = list(spec, "/ports");
    if ports.is_empty() && !headless && kind != "ExternalName" {
        found.required(&path.child("ports"), "");
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let why = format!("may not be set to 'None' for {kind} services");
            found.invalid(&path.child("clusterIPs").index(0), "None", why);
        }
        "ExternalName" => external_name(spec, &path, found),
        "" => found.required(&path.child("type"), ""),
        other if !TYPES.contains(&other) => {
            found.errors.push(FieldError::not_supported(
                &path.child("type"),
                other,
                &TYPES,
            ));
        }
        _ => {}
    }
    ports_errors(ports, &path.child("ports"), found);
    found.labels(&spec["selector"], &path.child("selector"));
    let families = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    found.one_of(spec, "ipFamilyPolicy", &families, &path);
    exposure(spec, &path, found);
    found.one_of(spec, "sessionAffinity", &["ClientIP", "None"], &path);
    if kind == "ClusterIP"
        && ports
            .iter()
            .any(|port| port["nodePort"].as_i64().unwrap_or_default() != 0)
    {
        for (index, port) in ports.iter().enumerate() {
            if port["nodePort"].as_i64().unwrap_or_default() != 0 {
                let path = path.child("ports").index(index).child("nodePort");
                found.forbidden(&path, "may not be used when `type` is 'ClusterIP'");
            }
        }
    }
}

/// Fields that only some types of Services may have.
fn exposure(spec: &Value, path: &Path, found: &mut Findings) {
    let kind = text(spec, "/type");
    let exposed = matches!(kind, "LoadBalancer" | "NodePort")
        || (kind == "ClusterIP" && !list(spec, "/externalIPs").is_empty());
    let policy = text(spec, "/externalTrafficPolicy");
    if !policy.is_empty() && !exposed {
        let why = "may only be set for externally-accessible services";
        found.invalid(&path.child("externalTrafficPolicy"), policy, why);
    }
    if kind == "LoadBalancer" {
        return;
    }
    let why = "may only be used when `type` is 'LoadBalancer'";
    if !list(spec, "/loadBalancerSourceRanges").is_empty() {
        // Quirk: the server writes this name in capitals.
        found.forbidden(&path.child("LoadBalancerSourceRanges"), why);
    }
    if !text(spec, "/loadBalancerClass").is_empty() {
        found.forbidden(&path.child("loadBalancerClass"), why);
    }
}

fn external_name(spec: &Value, path: &Path, found: &mut Findings) {
    let name = text(spec, "/externalName");
    let path_of_name = path.child("externalName");
    if name.is_empty() {
        found.required(&path_of_name, "");
    } else {
        let name = name.strip_suffix('.').unwrap_or(name);
        found.complaints(&path_of_name, name, crate::names::check_dns_subdomain(name));
    }
    let address = text(spec, "/clusterIP");
    if !address.is_empty() {
        let why = "may not be set for ExternalName services";
        found.forbidden(&path.child("clusterIPs"), why);
    }
}

fn ports_errors(ports: &[Value], path: &Path, found: &mut Findings) {
    let mut names = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = path.index(index);
        let name = text(port, "/name");
        if name.is_empty() && ports.len() > 1 {
            found.required(&path.child("name"), "");
        } else if !name.is_empty() {
            found.dns_label(name, &path.child("name"));
            if !names.insert(name) {
                found
                    .errors
                    .push(FieldError::duplicate(&path.child("name"), name));
            }
        }
        found.port(&port["port"], &path.child("port"));
        found.text_required(port, "protocol", &path);
        found.one_of(port, "protocol", &["SCTP", "TCP", "UDP"], &path);
        port_or_name(&port["targetPort"], &path.child("targetPort"), found);
        let key = (
            text(port, "/protocol"),
            port["port"].as_i64().unwrap_or_default(),
        );
        if !taken.insert(key) {
            // The server prints its internal form, with the fields that make the key.
            let value = serde_json::json!({"Name": "", "Protocol": key.0, "AppProtocol": null, "Port": key.1, "TargetPort": 0, "NodePort": 0});
            found.errors.push(FieldError::duplicate(&path, value));
        }
    }
}

/// Addresses stay, but for changes from and to `ExternalName`.
fn addresses(spec: &Value, old: &Value, path: &Path, found: &mut Findings) {
    let external = |spec: &Value| text(spec, "/type") == "ExternalName";
    let headless = |spec: &Value| text(spec, "/clusterIP") == "None";
    if external(spec) || external(old) || (headless(spec) && headless(old)) {
        return;
    }
    let (new_ips, old_ips) = (list(spec, "/clusterIPs"), list(old, "/clusterIPs"));
    let at = |index: usize| path.child("clusterIPs").index(index);
    let shown = || Value::from(new_ips.to_vec());
    if new_ips.len() == old_ips.len() {
        for (index, (new, old)) in new_ips.iter().zip(old_ips).enumerate() {
            if new != old {
                found.invalid(&at(index), shown(), "may not change once set");
            }
        }
    } else if new_ips.is_empty() {
        found.invalid(&at(0), shown(), "primary clusterIP can not be unset");
    } else if old_ips
        .first()
        .is_some_and(|old| Some(old) != new_ips.first())
    {
        found.invalid(&at(0), shown(), "may not change once set");
    }
}
