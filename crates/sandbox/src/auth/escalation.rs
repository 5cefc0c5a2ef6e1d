//! Nobody grants what they do not hold: checks on writes of roles and bindings.
//!
//! Allowed are users who may `escalate` (roles) or `bind` (bindings), and whoever holds every rule
//! granted. Source: kubernetes `pkg/registry/rbac/{role,rolebinding,...}/policybased/storage.go`,
//! `pkg/registry/rbac/validation/rule.go` (`ConfirmNoEscalation`).

use serde_json::Value;

use super::rbac::Rule;
use super::{Attributes, MASTERS};
use crate::object;
use crate::rest::Call;
use crate::status::Status;

/// Refuses a role or binding that grants more than its writer holds.
///
/// # Errors
/// `Forbidden`, naming the first rule that is not held.
pub(crate) fn check(call: &Call, new: &Value, old: Option<&Value>) -> Result<(), Status> {
    if call.user.groups.iter().any(|group| group == MASTERS) {
        return Ok(());
    }
    let unchanged = |fields: &[&str]| {
        old.is_some_and(|old| fields.iter().all(|field| old.get(field) == new.get(field)))
    };
    let (verb, granted) = match call.resource.plural.as_str() {
        "roles" | "clusterroles" if unchanged(&["rules", "aggregationRule"]) => return Ok(()),
        "rolebindings" | "clusterrolebindings" if unchanged(&["subjects", "roleRef"]) => {
            return Ok(());
        }
        "roles" | "clusterroles" => ("escalate", rules_of(new)),
        _ => ("bind", Vec::new()),
    };
    if may(call, verb, new) {
        return Ok(());
    }
    let granted = match verb {
        "bind" => role_of(call, new)?,
        _ => granted,
    };
    let held = call.cluster.rbac.rules(&call.user, &call.namespace);
    let missing = granted.iter().find(|rule| !is_covered(rule, &held));
    let Some(missing) = missing else {
        return Ok(());
    };
    let why = format!(
        "user \"{}\" (groups={}) is attempting to grant RBAC permissions not currently held:\n\
         {{APIGroups:{}, Resources:{}, Verbs:{}}}",
        call.user.name,
        quoted(&call.user.groups),
        quoted(&missing.api_groups),
        quoted(&missing.resources),
        quoted(&missing.verbs)
    );
    Err(Status::forbidden(
        &call.resource.group_resource,
        object::name(new),
        &why,
    ))
}

/// A list as Go's `%q` writes it.
fn quoted(list: &[String]) -> String {
    let items: Vec<String> = list.iter().map(|item| format!("{item:?}")).collect();
    format!("[{}]", items.join(" "))
}

fn rules_of(role: &Value) -> Vec<Rule> {
    role.get("rules")
        .and_then(|rules| serde_json::from_value(rules.clone()).ok())
        .unwrap_or_default()
}

/// The rules that a binding grants; a role that does not exist cannot be judged.
fn role_of(call: &Call, binding: &Value) -> Result<Vec<Rule>, Status> {
    let role = |field| object::str_at(binding, &["roleRef", field]);
    let rules = call
        .cluster
        .rbac
        .role(&call.namespace, role("kind"), role("name"));
    // Quirk: a real server names the resource of the binding and the role.
    let missing = || Status::not_found(&call.resource.group_resource, role("name"));
    rules.map(|rules| rules.to_vec()).ok_or_else(missing)
}

/// Whether the writer holds the verb that waives the check.
fn may(call: &Call, verb: &str, object: &Value) -> bool {
    let (resource, name) = if verb == "bind" {
        let kind = object::str_at(object, &["roleRef", "kind"]);
        let plural = if kind == "ClusterRole" {
            "clusterroles"
        } else {
            "roles"
        };
        (plural, object::str_at(object, &["roleRef", "name"]))
    } else {
        (call.resource.plural.as_str(), object::name(object))
    };
    call.cluster.rbac.allows(
        &call.user,
        &Attributes {
            verb: verb.to_owned(),
            group: call.resource.group.clone(),
            resource: resource.to_owned(),
            namespace: call.namespace.clone(),
            name: name.to_owned(),
            ..Attributes::default()
        },
    )
}

/// Whether the held rules together allow everything that `wanted` does, checked for each single
/// permission in it.
fn is_covered(wanted: &Rule, held: &[Rule]) -> bool {
    let names: Vec<&str> = if wanted.resource_names.is_empty() {
        vec![""]
    } else {
        wanted.resource_names.iter().map(String::as_str).collect()
    };
    for verb in &wanted.verbs {
        for url in &wanted.non_resource_urls {
            if !held
                .iter()
                .any(|rule| lists(&rule.verbs, verb) && covers_url(rule, url))
            {
                return false;
            }
        }
        for group in &wanted.api_groups {
            for resource in &wanted.resources {
                for name in &names {
                    let one = |rule: &Rule| covers(rule, verb, group, resource, name);
                    if !held.iter().any(one) {
                        return false;
                    }
                }
            }
        }
    }
    true
}

fn lists(list: &[String], wanted: &str) -> bool {
    list.iter().any(|item| item == "*" || item == wanted)
}

fn covers(rule: &Rule, verb: &str, group: &str, resource: &str, name: &str) -> bool {
    let any_name = rule.resource_names.is_empty();
    let of_every_kind = |held: &String| {
        held.strip_prefix("*/")
            .is_some_and(|sub| resource.split_once('/').map(|r| r.1) == Some(sub))
    };
    lists(&rule.verbs, verb)
        && lists(&rule.api_groups, group)
        && (lists(&rule.resources, resource) || rule.resources.iter().any(of_every_kind))
        && (any_name || (!name.is_empty() && rule.resource_names.iter().any(|held| held == name)))
}

fn covers_url(rule: &Rule, url: &str) -> bool {
    rule.non_resource_urls
        .iter()
        .any(|held| match held.strip_suffix('*') {
            Some(prefix) => url.starts_with(prefix),
            None => held == url,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(groups: &str, resources: &str, verbs: &str, names: &str) -> Rule {
        let list = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        Rule {
            verbs: list(verbs),
            api_groups: list(groups),
            resources: list(resources),
            resource_names: list(names),
            non_resource_urls: Vec::new(),
        }
    }

    #[test]
    fn only_what_is_held_can_be_granted() {
        let held = [
            rule("apps", "deployments", "get list", ""),
            rule("apps", "*/scale", "get", ""),
            rule("v1", "secrets", "get", "a"),
        ];
        let cases = [
            (rule("apps", "deployments", "get", ""), true),
            (rule("apps", "deployments", "get list", "web"), true),
            (rule("apps", "deployments/scale", "get", ""), true),
            (rule("v1", "secrets", "get", "a"), true),
            (rule("v1", "secrets", "get", ""), false),
            (rule("v1", "secrets", "get", "a b"), false),
            (rule("apps", "deployments", "get watch", ""), false),
            (rule("apps *", "deployments", "get", ""), false),
            (rule("apps", "*", "get", ""), false),
        ];
        for (wanted, covered) in cases {
            assert_eq!(is_covered(&wanted, &held), covered, "{wanted:?}");
        }
    }
}
