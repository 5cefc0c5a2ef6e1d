//! Addresses and ports of Services: allotted on creation, kept for life.
//!
//! Source: kubernetes `pkg/registry/core/service/storage/{alloc,storage}.go`, for one IPv4 family.

use std::collections::HashSet;
use std::net::Ipv4Addr;

use apimachinery::field::{FieldError, Path};
use rand::RngExt;
use serde_json::{Map, Value, json};

use super::Call;
use crate::object;
use crate::status::Status;
use crate::store::ListRange;

/// `--service-cluster-ip-range` 10.96.0.0/12: its first address and size.
const RANGE: (u32, u32) = (0x0a60_0000, 1 << 20);
/// `--service-node-port-range`.
const NODE_PORTS: std::ops::Range<u16> = 30_000..32_768;
/// Random tries before a range counts as full.
const TRIES_MAX: usize = 1_000;

/// Addresses and ports in use.
#[derive(Default)]
struct Used {
    addresses: HashSet<String>,
    ports: HashSet<u16>,
}

/// Fills in what a Service is allotted.
///
/// # Errors
/// `Invalid` for addresses and ports out of range or taken.
pub(super) fn allocate(call: &Call, new: &mut Value, old: Option<&Value>) -> Result<(), Status> {
    let kind = object::str_at(new, &["spec", "type"]).to_owned();
    if kind == "ExternalName" {
        let spec = object::member_mut(new, "spec");
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            spec.remove(field);
        }
        return Ok(());
    }
    let mut errors = Vec::new();
    let mut used = LazyUsed { call, used: None };
    let given = object::str_at(new, &["spec", "clusterIP"]).to_owned();
    let before = old.map_or("", |old| object::str_at(old, &["spec", "clusterIP"]));
    if !before.is_empty() && given != before {
        let at = Path::new("spec").child("clusterIPs").index(0);
        let error = FieldError::invalid(&at, json!([given]), "may not change once set");
        return Err(call.invalid(object::name(new), &[error]));
    }
    let address = match given.as_str() {
        "" => free_address(used.get()),
        "None" => "None".to_owned(),
        same if same == before => given,
        other => {
            check_address(other, used.get(), &mut errors);
            given
        }
    };
    let spec = object::member_mut(new, "spec");
    spec.insert("clusterIPs".to_owned(), json!([address]));
    spec.insert("clusterIP".to_owned(), address.into());
    spec.entry("ipFamilies").or_insert_with(|| json!(["IPv4"]));
    spec.entry("ipFamilyPolicy")
        .or_insert_with(|| "SingleStack".into());
    node_ports(spec, &kind, old, &mut used, &mut errors);
    if errors.is_empty() {
        Ok(())
    } else {
        Err(call.invalid(object::name(new), &errors))
    }
}

/// What is in use, found out when it is first needed: most updates do not.
struct LazyUsed<'a> {
    call: &'a Call,
    used: Option<Used>,
}

impl LazyUsed<'_> {
    fn get(&mut self) -> &mut Used {
        self.used.get_or_insert_with(|| in_use(self.call))
    }
}

/// Takes over what an update leaves out, and drops what another type of Service does not have, as
/// long as the client did not change it.
pub(super) fn keep(new: &mut Value, old: &Value) {
    let Some(before) = old.get("spec").and_then(Value::as_object) else {
        return;
    };
    let kind = object::str_at(new, &["spec", "type"]).to_owned();
    let spec = object::member_mut(new, "spec");
    let has_ports = matches!(kind.as_str(), "NodePort" | "LoadBalancer");
    let mut dropped = Vec::new();
    if kind == "ExternalName" {
        dropped.extend(["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]);
    }
    if !has_ports {
        dropped.extend(["externalTrafficPolicy", "healthCheckNodePort"]);
        drop_node_ports(spec, before);
    }
    if kind != "LoadBalancer" {
        dropped.push("allocateLoadBalancerNodePorts");
    }
    for field in dropped {
        if spec.get(field) == before.get(field) {
            spec.remove(field);
        }
    }
    if kind == "ExternalName" {
        return;
    }
    for field in [
        "clusterIP",
        "clusterIPs",
        "ipFamilies",
        "ipFamilyPolicy",
        "healthCheckNodePort",
    ] {
        let unset = spec
            .get(field)
            .is_none_or(|v| v.is_null() || v == "" || *v == json!([]));
        if let Some(value) = before.get(field).filter(|_| unset) {
            spec.insert(field.to_owned(), value.clone());
        }
    }
}

/// Drops node ports that were allotted before.
fn drop_node_ports(spec: &mut Map<String, Value>, before: &Map<String, Value>) {
    let before = before.get("ports").and_then(Value::as_array);
    let allotted: HashSet<u16> = before.into_iter().flatten().filter_map(node_port).collect();
    let ports = spec.get_mut("ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten() {
        if node_port(port).is_some_and(|number| allotted.contains(&number)) {
            object::as_object_mut(port).remove("nodePort");
        }
    }
}

fn in_use(call: &Call) -> Used {
    let store = &call.cluster.store;
    let mut used = Used::default();
    let page = store.list(
        call.cluster.id,
        &call.resource.bucket,
        &ListRange::default(),
    );
    for entry in page.map(|page| page.entries).unwrap_or_default() {
        let Some(spec) = entry.payload.field("spec") else {
            continue;
        };
        used.addresses
            .insert(object::str_at(&spec, &["clusterIP"]).to_owned());
        for port in object::list_at(&spec, &["ports"]) {
            used.ports.extend(node_port(port));
        }
    }
    used
}

fn node_port(port: &Value) -> Option<u16> {
    port.get("nodePort")
        .and_then(Value::as_u64)
        .and_then(|n| n.try_into().ok())
        .filter(|n| *n > 0)
}

fn free_address(used: &mut Used) -> String {
    let mut random = rand::rng();
    let mut address = String::new();
    for _ in 0..TRIES_MAX {
        address = Ipv4Addr::from(RANGE.0 + random.random_range(2..RANGE.1 - 1)).to_string();
        if used.addresses.insert(address.clone()) {
            break;
        }
    }
    address
}

fn check_address(address: &str, used: &Used, errors: &mut Vec<FieldError>) {
    let at = Path::new("spec").child("clusterIPs").index(0);
    let Ok(parsed) = address.parse::<Ipv4Addr>() else {
        // Malformed addresses are the business of validation.
        return;
    };
    let inside = u32::from(parsed).wrapping_sub(RANGE.0) < RANGE.1;
    let why = if !inside {
        "failed to allocate IP: the provided IP is not in the valid range. The range of valid IPs \
         is 10.96.0.0/12"
    } else if used.addresses.contains(address) {
        "failed to allocate IP: provided IP is already allocated"
    } else {
        return;
    };
    errors.push(FieldError::invalid(&at, json!([address]), why));
}

/// Gives each port of a NodePort or LoadBalancer Service a node port, the same as before if it had
/// one, and takes them from other Services.
fn node_ports(
    spec: &mut Map<String, Value>,
    kind: &str,
    old: Option<&Value>,
    used: &mut LazyUsed<'_>,
    errors: &mut Vec<FieldError>,
) {
    let wants = kind == "NodePort"
        || (kind == "LoadBalancer"
            && spec.get("allocateLoadBalancerNodePorts") != Some(&Value::Bool(false)));
    let before = old.map_or(&[][..], |old| object::list_at(old, &["spec", "ports"]));
    let Some(Value::Array(ports)) = spec.get_mut("ports") else {
        return;
    };
    for (index, port) in ports.iter_mut().enumerate() {
        if !wants {
            if kind == "ClusterIP" && before.iter().any(|b| node_port(b) == node_port(port)) {
                object::as_object_mut(port).remove("nodePort");
            }
            continue;
        }
        let same = |other: &&Value| {
            other.get("port") == port.get("port") && other.get("protocol") == port.get("protocol")
        };
        let kept = before.iter().find(same).and_then(node_port);
        let number = match (node_port(port), kept) {
            (Some(given), kept) if kept == Some(given) => given,
            (Some(given), _) => {
                let own = before.iter().any(|other| node_port(other) == Some(given));
                if !own {
                    check_port(given, index, used.get(), errors);
                }
                given
            }
            (None, Some(kept)) => kept,
            (None, None) => free_port(used.get()),
        };
        object::as_object_mut(port).insert("nodePort".to_owned(), number.into());
    }
}

fn check_port(port: u16, index: usize, used: &mut Used, errors: &mut Vec<FieldError>) {
    let at = Path::new("spec")
        .child("ports")
        .index(index)
        .child("nodePort");
    if !NODE_PORTS.contains(&port) {
        let why =
            "provided port is not in the valid range. The range of valid ports is 30000-32767";
        errors.push(FieldError::invalid(&at, port, why));
    } else if !used.ports.insert(port) {
        errors.push(FieldError::invalid(
            &at,
            port,
            "provided port is already allocated",
        ));
    }
}

fn free_port(used: &mut Used) -> u16 {
    let mut random = rand::rng();
    let mut port = NODE_PORTS.start;
    for _ in 0..TRIES_MAX {
        port = random.random_range(NODE_PORTS);
        if used.ports.insert(port) {
            break;
        }
    }
    port
}
