//! Built-in kinds: what the API server fills in, and what it refuses.
//!
//! In: group, kind and the JSON of an object that the server could decode. Out: the object with defaults, field errors in the server's
//! words. Covered are the kinds and fields that charts use and the mistakes people make; a kind or field without rules passes. Object
//! metadata, names to be generated, and everything that needs other objects (addresses, ports, quotas) belong to the server.
//!
//! On create: [`apply_defaults`], [`prepare_create`] once the uid is known, [`validate`]. On update: [`apply_defaults`],
//! [`validate_update`]. Source: `pkg/apis/*/v1/defaults.go` and `pkg/apis/*/validation` of Kubernetes 1.36.

mod admission;
mod binary;
mod context;
mod core;
mod defaults;
mod network;
mod normalise;
mod pods;
mod quantity;
mod rbac;
mod rules;
mod services;
mod workloads;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub use self::binary::{bad_bytes, base64_text};
pub use self::defaults::{apply_defaults, prepare_create};
pub use self::normalise::normalise;
pub use self::quantity::{Quantity, QuantityError, bad_quantity, canonical};
use crate::field::FieldError;

/// What is wrong with a new object that has its defaults; empty when nothing is, or when the kind has no rules.
pub fn validate(group: &str, kind: &str, object: &Value) -> Vec<FieldError> {
    let mut found = context::Findings::default();
    check(group, kind, object, None, &mut found);
    found.errors
}

/// What is wrong with an object that replaces `old`: the rules for new objects, and what may not change.
pub fn validate_update(group: &str, kind: &str, object: &Value, old: &Value) -> Vec<FieldError> {
    let mut found = context::Findings::default();
    check(group, kind, object, Some(old), &mut found);
    found.errors
}

fn check(
    group: &str,
    kind: &str,
    object: &Value,
    old: Option<&Value>,
    found: &mut context::Findings,
) {
    match group {
        "" if kind == "Service" => services::check(object, old, found),
        "" if kind == "Pod" => pods::check(object, old, found),
        "" if kind == "Endpoints" => network::endpoints(object, found),
        "" => core::check(kind, object, old, found),
        "discovery.k8s.io" => network::slice(object, old, found),
        "coordination.k8s.io" if kind == "Lease" => network::lease(&object["spec"], found),
        "apps" | "batch" | "autoscaling" | "policy" => workloads::check(kind, object, old, found),
        "rbac.authorization.k8s.io" => rbac::check(kind, object, old, found),
        "networking.k8s.io"
        | "storage.k8s.io"
        | "scheduling.k8s.io"
        | "admissionregistration.k8s.io" => {
            admission::check(kind, object, old, found);
        }
        _ => {}
    }
}
