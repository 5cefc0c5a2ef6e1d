//! Roles and bindings.

use serde_json::Value;

use super::context::{Findings, list, text};
use crate::field::{FieldError, Path};
use crate::names::{check_dns_subdomain, check_path_segment};

const GROUP: &str = "rbac.authorization.k8s.io";

pub(super) fn check(kind: &str, object: &Value, old: Option<&Value>, found: &mut Findings) {
    match kind {
        "Role" | "ClusterRole" => {
            for (index, rule) in list(object, "/rules").iter().enumerate() {
                policy_rule(
                    rule,
                    kind == "Role",
                    &Path::new("rules").index(index),
                    found,
                );
            }
            let selectors = list(object, "/aggregationRule/clusterRoleSelectors");
            if object["aggregationRule"].is_object() && selectors.is_empty() {
                let why = "at least one clusterRoleSelector required if aggregationRule is non-nil";
                found.required(&Path::new("aggregationRule.clusterRoleSelectors"), why);
            }
        }
        "RoleBinding" | "ClusterRoleBinding" => {
            role_ref(&object["roleRef"], kind == "RoleBinding", found);
            for (index, one) in list(object, "/subjects").iter().enumerate() {
                subject(
                    one,
                    kind == "RoleBinding",
                    &Path::new("subjects").index(index),
                    found,
                );
            }
            if old.is_some_and(|old| old["roleRef"] != object["roleRef"]) {
                let reference = &object["roleRef"];
                // The server prints its internal form.
                let shown = serde_json::json!({"APIGroup": text(reference, "/apiGroup"),
                    "Kind": text(reference, "/kind"), "Name": text(reference, "/name")});
                found.invalid(&Path::new("roleRef"), shown, "cannot change roleRef");
            }
        }
        _ => {}
    }
}

fn policy_rule(rule: &Value, namespaced: bool, path: &Path, found: &mut Findings) {
    if list(rule, "/verbs").is_empty() {
        found.required(
            &path.child("verbs"),
            "verbs must contain at least one value",
        );
    }
    let regular = ["/apiGroups", "/resources", "/resourceNames"]
        .iter()
        .any(|key| !list(rule, key).is_empty());
    if list(rule, "/nonResourceURLs").is_empty() {
        if list(rule, "/apiGroups").is_empty() {
            found.required(
                &path.child("apiGroups"),
                "resource rules must supply at least one api group",
            );
        }
        if list(rule, "/resources").is_empty() {
            found.required(
                &path.child("resources"),
                "resource rules must supply at least one resource",
            );
        }
        return;
    }
    let path = path.child("nonResourceURLs");
    let urls = &rule["nonResourceURLs"];
    if namespaced {
        found.invalid(
            &path,
            urls.clone(),
            "namespaced rules cannot apply to non-resource URLs",
        );
    }
    if regular {
        let why = "rules cannot apply to both regular resources and non-resource URLs";
        found.invalid(&path, urls.clone(), why);
    }
}

fn role_ref(reference: &Value, namespaced: bool, found: &mut Findings) {
    let path = Path::new("roleRef");
    let group = text(reference, "/apiGroup");
    if group != GROUP {
        found.errors.push(FieldError::not_supported(
            &path.child("apiGroup"),
            group,
            &[GROUP],
        ));
    }
    let kinds: &[&str] = if namespaced {
        &["Role", "ClusterRole"]
    } else {
        &["ClusterRole"]
    };
    let kind = text(reference, "/kind");
    if !kinds.contains(&kind) {
        found
            .errors
            .push(FieldError::not_supported(&path.child("kind"), kind, kinds));
    }
    match text(reference, "/name") {
        "" => found.required(&path.child("name"), ""),
        name => found.complaints(&path.child("name"), name, check_path_segment(name)),
    }
}

fn subject(subject: &Value, namespaced: bool, path: &Path, found: &mut Findings) {
    found.text_required(subject, "name", path);
    let (name, group) = (text(subject, "/name"), text(subject, "/apiGroup"));
    match text(subject, "/kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                found.complaints(&path.child("name"), name, check_dns_subdomain(name));
            }
            if !group.is_empty() {
                found.errors.push(FieldError::not_supported(
                    &path.child("apiGroup"),
                    group,
                    &[""],
                ));
            }
            if !namespaced {
                found.text_required(subject, "namespace", path);
            }
        }
        "User" | "Group" if group != GROUP => {
            found.errors.push(FieldError::not_supported(
                &path.child("apiGroup"),
                group,
                &[GROUP],
            ));
        }
        "User" | "Group" => {}
        other => {
            let kinds = ["ServiceAccount", "User", "Group"];
            found.errors.push(FieldError::not_supported(
                &path.child("kind"),
                other,
                &kinds,
            ));
        }
    }
}
