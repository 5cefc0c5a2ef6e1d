//! Network policies, classes of ingresses, endpoints and leases.

use std::net::IpAddr;

use serde_json::Value;

use super::context::{Findings, list, text};
use crate::field::{FieldError, Path};

const IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

/// Directions and their rules; the selector of pods is checked elsewhere.
pub(super) fn policy(spec: &Value, found: &mut Findings) {
    let path = Path::new("spec");
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        let rules = list(spec, &format!("/{direction}"));
        for (index, rule) in rules.iter().enumerate() {
            let path = path.child(direction).index(index);
            for (index, port) in list(rule, "/ports").iter().enumerate() {
                policy_port(port, &path.child("ports").index(index), found);
            }
            for (index, peer) in list(rule, &format!("/{peers}")).iter().enumerate() {
                policy_peer(peer, &path.child(peers).index(index), found);
            }
        }
    }
    for (index, kind) in list(spec, "/policyTypes").iter().enumerate() {
        let word = kind.as_str().unwrap_or_default();
        let words = ["Ingress", "Egress"];
        if !words.contains(&word) {
            let path = path.child("policyTypes").index(index);
            let error = FieldError::not_supported(&path, word, &words);
            found.errors.push(error);
        }
    }
}

fn policy_port(port: &Value, path: &Path, found: &mut Findings) {
    found.one_of(port, "protocol", &PROTOCOLS, path);
    let Some(number) = port["port"].as_i64() else {
        return;
    };
    found.port(&port["port"], &path.child("port"));
    if port["endPort"].as_i64().is_some_and(|end| end < number) {
        let why = "must be greater than or equal to `port`";
        // A real server shows where the range begins.
        found.invalid(&path.child("endPort"), number, why);
    }
}

fn policy_peer(peer: &Value, path: &Path, found: &mut Findings) {
    let given = |key: &str| peer[key].is_object();
    if !given("podSelector") && !given("namespaceSelector") && !given("ipBlock") {
        return found.required(path, "must specify a peer");
    }
    for key in ["podSelector", "namespaceSelector"] {
        found.selector(&peer[key], &path.child(key));
    }
    if !given("ipBlock") {
        return;
    }
    let path = path.child("ipBlock");
    let cidr = text(&peer["ipBlock"], "/cidr");
    let Some(block) = Network::parse(cidr) else {
        return found.invalid(&path.child("cidr"), cidr, CIDR);
    };
    for (index, except) in list(&peer["ipBlock"], "/except").iter().enumerate() {
        let path = path.child("except").index(index);
        let except = except.as_str().unwrap_or_default();
        match Network::parse(except) {
            None => found.invalid(&path, except, CIDR),
            Some(inner) if !block.contains(&inner) => {
                found.invalid(&path, except, "must be a strict subset of `cidr`");
            }
            Some(_) => {}
        }
    }
}

/// A block of addresses.
struct Network {
    is_v6: bool,
    /// The address, its first bit highest.
    bits: u128,
    /// How many bits all addresses of the block share.
    prefix: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let prefix: u32 = prefix.parse().ok()?;
        let (is_v6, bits, longest) = match address.parse().ok()? {
            IpAddr::V4(address) => (false, u128::from(address.to_bits()) << 96, 32),
            IpAddr::V6(address) => (true, address.to_bits(), 128),
        };
        (prefix <= longest).then_some(Self {
            is_v6,
            bits,
            prefix,
        })
    }

    /// Whether `inner` is a smaller part of this block.
    fn contains(&self, inner: &Self) -> bool {
        let mask = u128::MAX.checked_shl(128 - self.prefix).unwrap_or(0);
        let same = self.bits & mask == inner.bits & mask;
        self.is_v6 == inner.is_v6 && self.prefix < inner.prefix && same
    }
}

/// The controller of a class is named by a domain and a path.
pub(super) fn ingress_class(spec: &Value, found: &mut Findings) {
    let controller = text(spec, "/controller");
    if !controller.is_empty() && !controller.contains('/') {
        let why = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        found.invalid(&Path::new("spec.controller"), controller, why);
    }
}

/// Addresses of endpoints are none of the node itself.
pub(super) fn endpoints(object: &Value, found: &mut Findings) {
    for (index, subset) in list(object, "/subsets").iter().enumerate() {
        let path = Path::new("subsets").index(index);
        for key in ["addresses", "notReadyAddresses"] {
            let addresses = list(subset, &format!("/{key}"));
            for (index, address) in addresses.iter().enumerate() {
                let path = path.child(key).index(index).child("ip");
                endpoint(text(address, "/ip"), &path, found);
            }
        }
    }
}

fn endpoint(ip: &str, path: &Path, found: &mut Findings) {
    match ip.parse::<IpAddr>() {
        Err(_) => {
            found.invalid(path, ip, IP);
            found.invalid(path, ip, "must be a valid IP address");
        }
        Ok(address) if address.is_loopback() => {
            let why = "may not be in the loopback range (127.0.0.0/8, ::1/128)";
            found.invalid(path, ip, why);
        }
        Ok(_) => {}
    }
}

/// Slices hold one kind of addresses, for ever.
pub(super) fn slice(object: &Value, old: Option<&Value>, found: &mut Findings) {
    let path = Path::new("addressType");
    let kind = text(object, "/addressType");
    if kind.is_empty() {
        found.required(&path, "");
    }
    for (index, endpoint) in list(object, "/endpoints").iter().enumerate() {
        let path = Path::new("endpoints").index(index).child("addresses");
        for (index, address) in list(endpoint, "/addresses").iter().enumerate() {
            let address = address.as_str().unwrap_or_default();
            if kind.starts_with("IP") && address.parse::<IpAddr>().is_err() {
                found.invalid(&path.index(index), address, IP);
            }
        }
    }
    if let Some(old) = old {
        found.immutable(&object["addressType"], &old["addressType"], &path);
    }
}

/// Durations of leases are positive.
pub(super) fn lease(spec: &Value, found: &mut Findings) {
    let path = Path::new("spec");
    let seconds = spec["leaseDurationSeconds"].as_i64();
    if let Some(seconds) = seconds.filter(|seconds| *seconds <= 0) {
        let path = path.child("leaseDurationSeconds");
        found.invalid(&path, seconds, "must be greater than 0");
    }
    found.non_negative(spec, &["leaseTransitions"], &path);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_smaller_blocks_of_their_family() {
        let contains = |outer: &str, inner: &str| {
            let parse = |text| Network::parse(text).unwrap();
            parse(outer).contains(&parse(inner))
        };
        assert!(contains("10.0.0.0/8", "10.1.0.0/16"));
        assert!(contains("0.0.0.0/0", "192.0.2.0/24"));
        assert!(contains("::/0", "2001:db8::/32"));
        assert!(!contains("10.0.0.0/8", "11.0.0.0/16"));
        assert!(!contains("10.0.0.0/8", "10.0.0.0/8"));
        assert!(!contains("::/0", "10.0.0.0/8"));
        for bad in [
            "",
            "/",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "a/1",
            "1.1.1.1/-1",
        ] {
            assert!(Network::parse(bad).is_none(), "{bad}");
        }
    }
}
