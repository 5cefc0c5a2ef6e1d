//! Role-based access control over the cluster's own Roles and bindings.
//!
//! [`Rbac`] is an index from subject to bindings that catches up with the four RBAC buckets before each
//! decision, so a decision costs the bindings of its user, not all of them. Source: kubernetes
//! `plugin/pkg/auth/authorizer/rbac`, `pkg/registry/rbac/validation/rule.go`.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use serde::Deserialize;

use super::{Attributes, MASTERS, User};
use crate::store::{Change, ClusterId, Entry, GroupResource, ListRange, ObjectKey, Store};

/// A rule of a role; field names as in the API.
#[derive(Debug, Clone, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Rule {
    /// Verbs or `*`.
    pub(crate) verbs: Vec<String>,
    /// API groups or `*`.
    pub(crate) api_groups: Vec<String>,
    /// `plural`, `plural/subresource`, `*/subresource` or `*`.
    pub(crate) resources: Vec<String>,
    /// Object names; empty for all.
    pub(crate) resource_names: Vec<String>,
    /// Paths, possibly ending in `*`.
    #[serde(rename = "nonResourceURLs")]
    pub(crate) non_resource_urls: Vec<String>,
}

fn lists(list: &[String], wanted: &str) -> bool {
    list.iter().any(|item| item == "*" || item == wanted)
}

impl Rule {
    /// Whether the rule allows a request.
    pub(crate) fn allows(&self, wanted: &Attributes) -> bool {
        if !lists(&self.verbs, &wanted.verb) {
            return false;
        }
        if wanted.resource.is_empty() {
            return self
                .non_resource_urls
                .iter()
                .any(|url| match url.strip_suffix('*') {
                    Some(prefix) => wanted.path.starts_with(prefix),
                    None => *url == wanted.path,
                });
        }
        lists(&self.api_groups, &wanted.group)
            && self
                .resources
                .iter()
                .any(|resource| covers(resource, wanted))
            && (self.resource_names.is_empty() || self.resource_names.contains(&wanted.name))
    }
}

fn covers(resource: &str, wanted: &Attributes) -> bool {
    if resource == "*" {
        return true;
    }
    match resource.split_once('/') {
        None => wanted.subresource.is_empty() && resource == wanted.resource,
        Some((plural, subresource)) => {
            subresource == wanted.subresource && (plural == "*" || plural == wanted.resource)
        }
    }
}

#[derive(Deserialize)]
struct RoleObject {
    #[serde(default)]
    rules: Option<Vec<Rule>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BindingObject {
    #[serde(default)]
    subjects: Option<Vec<Subject>>,
    role_ref: RoleRef,
}

#[derive(Deserialize)]
struct Subject {
    kind: String,
    name: String,
    #[serde(default)]
    namespace: String,
}

#[derive(Debug, Clone, Deserialize)]
struct RoleRef {
    kind: String,
    name: String,
}

impl Subject {
    fn id(&self, binding_namespace: &str) -> SubjectId {
        match self.kind.as_str() {
            "Group" => SubjectId::Group(self.name.clone()),
            "ServiceAccount" => {
                let own = if self.namespace.is_empty() {
                    binding_namespace
                } else {
                    &self.namespace
                };
                SubjectId::User(format!("system:serviceaccount:{own}:{}", self.name))
            }
            _ => SubjectId::User(self.name.clone()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum SubjectId {
    User(String),
    Group(String),
}

/// A binding: its place and the role it grants.
#[derive(Debug, Clone)]
struct Binding {
    key: ObjectKey,
    role: RoleRef,
}

/// A binding and whom of its subjects it is about.
struct Grant<'a> {
    binding: &'a Binding,
    subject: &'a SubjectId,
}

impl std::fmt::Display for Grant<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (key, role) = (&self.binding.key, &self.binding.role);
        let place = if key.namespace.is_empty() {
            format!("ClusterRoleBinding \"{}\"", key.name)
        } else {
            format!("RoleBinding \"{}/{}\"", key.name, key.namespace)
        };
        let subject = match self.subject {
            SubjectId::Group(group) => format!("Group \"{group}\""),
            SubjectId::User(user) => {
                let account = user.strip_prefix("system:serviceaccount:");
                match account.and_then(|account| account.split_once(':')) {
                    Some((namespace, name)) => format!("ServiceAccount \"{name}/{namespace}\""),
                    None => format!("User \"{user}\""),
                }
            }
        };
        let (kind, name) = (&role.kind, &role.name);
        write!(
            f,
            "RBAC: allowed by {place} of {kind} \"{name}\" to {subject}"
        )
    }
}

const GROUP: &str = "rbac.authorization.k8s.io";
static BUCKETS: LazyLock<[GroupResource; 4]> = LazyLock::new(|| {
    [
        "roles",
        "clusterroles",
        "rolebindings",
        "clusterrolebindings",
    ]
    .map(|plural| GroupResource::new(GROUP, plural))
});

#[derive(Default)]
struct Index {
    seen: [Option<u64>; 4],
    /// Rules by namespace (empty for ClusterRoles) and name.
    roles: HashMap<ObjectKey, Arc<[Rule]>>,
    bindings: HashMap<SubjectId, Vec<Binding>>,
    /// Subjects of each binding, to find them again when it changes.
    subjects: HashMap<ObjectKey, Vec<SubjectId>>,
}

/// The authorizer of one logical cluster.
pub(crate) struct Rbac {
    cluster: ClusterId,
    store: Arc<Store>,
    index: Mutex<Index>,
}

impl Rbac {
    pub(crate) fn new(cluster: ClusterId, store: Arc<Store>) -> Self {
        Self {
            cluster,
            store,
            index: Mutex::default(),
        }
    }

    /// Whether `user` may do what `wanted` says.
    pub(crate) fn allows(&self, user: &User, wanted: &Attributes) -> bool {
        user.groups.iter().any(|group| group == MASTERS)
            || self.any_rule(user, &wanted.namespace, |_, rule| rule.allows(wanted))
    }

    /// Which binding lets `user` do what `wanted` says, as reviews tell it; `None` for what nothing
    /// allows, and for administrators, who need no binding.
    pub(crate) fn reason(&self, user: &User, wanted: &Attributes) -> Option<String> {
        if user.groups.iter().any(|group| group == MASTERS) {
            return None;
        }
        let mut reason = None;
        self.any_rule(user, &wanted.namespace, |grant, rule| {
            let allows = rule.allows(wanted);
            if allows {
                reason = Some(grant.to_string());
            }
            allows
        });
        reason
    }

    /// The rules that hold for `user` in `namespace` (empty: cluster-wide only).
    pub(crate) fn rules(&self, user: &User, namespace: &str) -> Vec<Rule> {
        let mut rules = Vec::new();
        if user.groups.iter().any(|group| group == MASTERS) {
            let all = || vec!["*".to_owned()];
            rules.push(Rule {
                verbs: all(),
                api_groups: all(),
                resources: all(),
                ..Rule::default()
            });
            rules.push(Rule {
                verbs: all(),
                non_resource_urls: all(),
                ..Rule::default()
            });
        }
        self.any_rule(user, namespace, |_, rule| {
            rules.push(rule.clone());
            false
        });
        rules
    }

    /// The rules of a role, for escalation checks; `None` if it does not exist.
    pub(crate) fn role(&self, namespace: &str, kind: &str, name: &str) -> Option<Arc<[Rule]>> {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        self.catch_up(&mut index);
        let namespace = if kind == "ClusterRole" { "" } else { namespace };
        index.roles.get(&ObjectKey::new(namespace, name)).cloned()
    }

    fn any_rule(
        &self,
        user: &User,
        namespace: &str,
        mut found: impl FnMut(&Grant<'_>, &Rule) -> bool,
    ) -> bool {
        let mut index = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        self.catch_up(&mut index);
        let subjects = std::iter::once(SubjectId::User(user.name.clone()))
            .chain(user.groups.iter().cloned().map(SubjectId::Group));
        for subject in subjects {
            for binding in index.bindings.get(&subject).into_iter().flatten() {
                let of_cluster = binding.key.namespace.is_empty();
                if !of_cluster && *binding.key.namespace != *namespace {
                    continue;
                }
                let role_namespace = if binding.role.kind == "ClusterRole" {
                    ""
                } else {
                    &*binding.key.namespace
                };
                let role = ObjectKey::new(role_namespace, &binding.role.name);
                let rules = index.roles.get(&role);
                let grant = Grant {
                    binding,
                    subject: &subject,
                };
                if rules.is_some_and(|rules| rules.iter().any(|rule| found(&grant, rule))) {
                    return true;
                }
            }
        }
        false
    }

    fn catch_up(&self, index: &mut Index) {
        for (number, bucket) in BUCKETS.iter().enumerate() {
            let seen = index.seen[number];
            if seen.is_some_and(|seen| seen >= self.store.changed(self.cluster, bucket)) {
                continue;
            }
            let changes = seen.and_then(|seen| self.store.changes(self.cluster, bucket, seen).ok());
            if let Some(events) = changes {
                for event in events {
                    index.follow(number, &event.entry, event.change == Change::Deleted);
                    index.seen[number] = seen.max(Some(event.entry.revision));
                }
            } else {
                let Ok(page) = self.store.list(self.cluster, bucket, &ListRange::default()) else {
                    continue;
                };
                index.forget(number);
                for entry in &page.entries {
                    index.follow(number, entry, false);
                }
                index.seen[number] = Some(page.revision);
            }
        }
    }
}

impl Index {
    /// Drops everything that came from one bucket.
    fn forget(&mut self, number: usize) {
        let of_cluster = number % 2 == 1;
        if number < 2 {
            self.roles
                .retain(|key, _| key.namespace.is_empty() != of_cluster);
        } else {
            self.subjects
                .retain(|key, _| key.namespace.is_empty() != of_cluster);
            self.bindings.retain(|_, bindings| {
                bindings.retain(|binding| binding.key.namespace.is_empty() != of_cluster);
                !bindings.is_empty()
            });
        }
    }

    fn follow(&mut self, number: usize, entry: &Entry, gone: bool) {
        let mut bytes = Vec::new();
        entry.payload.write(&mut bytes, None, entry.revision);
        if number < 2 {
            let rules = serde_json::from_slice::<RoleObject>(&bytes)
                .ok()
                .and_then(|r| r.rules);
            if gone {
                self.roles.remove(&entry.key);
            } else {
                self.roles
                    .insert(entry.key.clone(), rules.unwrap_or_default().into());
            }
            return;
        }
        for subject in self.subjects.remove(&entry.key).into_iter().flatten() {
            if let Some(bindings) = self.bindings.get_mut(&subject) {
                bindings.retain(|binding| binding.key != entry.key);
                if bindings.is_empty() {
                    self.bindings.remove(&subject);
                }
            }
        }
        let Ok(object) = serde_json::from_slice::<BindingObject>(&bytes) else {
            return;
        };
        if gone {
            return;
        }
        let binding = Binding {
            key: entry.key.clone(),
            role: object.role_ref,
        };
        let subjects: Vec<SubjectId> = object
            .subjects
            .iter()
            .flatten()
            .map(|subject| subject.id(&entry.key.namespace))
            .collect();
        for subject in &subjects {
            self.bindings
                .entry(subject.clone())
                .or_default()
                .push(binding.clone());
        }
        self.subjects.insert(entry.key.clone(), subjects);
    }
}

/// The text of a refusal. Source: apiserver `pkg/endpoints/handlers/responsewriters/errors.go`.
pub(crate) fn refusal(user: &User, wanted: &Attributes) -> String {
    if wanted.resource.is_empty() {
        return format!(
            "User \"{}\" cannot {} path \"{}\"",
            user.name, wanted.verb, wanted.path
        );
    }
    let mut resource = wanted.resource.clone();
    if !wanted.subresource.is_empty() {
        resource = format!("{resource}/{}", wanted.subresource);
    }
    let place = if wanted.namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace \"{}\"", wanted.namespace)
    };
    format!(
        "User \"{}\" cannot {} resource \"{resource}\" in API group \"{}\" {place}",
        user.name, wanted.verb, wanted.group
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> Rule {
        serde_json::from_str(json).unwrap()
    }

    fn wants(verb: &str, resource: &str, name: &str) -> Attributes {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        Attributes {
            verb: verb.to_owned(),
            group: "apps".to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            name: name.to_owned(),
            ..Attributes::default()
        }
    }

    #[test]
    fn a_rule_allows_only_what_it_names() {
        let cases = [
            (
                r#"{"verbs":["get"],"apiGroups":["apps"],"resources":["deployments"]}"#,
                true,
            ),
            (
                r#"{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}"#,
                true,
            ),
            (
                r#"{"verbs":["get"],"apiGroups":["apps"],"resources":["deployments"],"resourceNames":["web"]}"#,
                true,
            ),
            (
                r#"{"verbs":["get"],"apiGroups":["apps"],"resources":["deployments"],"resourceNames":["db"]}"#,
                false,
            ),
            (
                r#"{"verbs":["list"],"apiGroups":["apps"],"resources":["deployments"]}"#,
                false,
            ),
            (
                r#"{"verbs":["get"],"apiGroups":[""],"resources":["deployments"]}"#,
                false,
            ),
            (
                r#"{"verbs":["get"],"apiGroups":["apps"],"resources":["deployments/status"]}"#,
                false,
            ),
            (
                r#"{"verbs":["get"],"apiGroups":["apps"],"resources":["*/scale"]}"#,
                false,
            ),
            (r#"{"verbs":["get"],"nonResourceURLs":["*"]}"#, false),
            (r"{}", false),
        ];
        for (text, want) in cases {
            assert_eq!(
                rule(text).allows(&wants("get", "deployments", "web")),
                want,
                "{text}"
            );
        }
    }

    #[test]
    fn subresources_are_named_apart() {
        let plain = rule(r#"{"verbs":["get"],"apiGroups":["apps"],"resources":["deployments"]}"#);
        assert!(!plain.allows(&wants("get", "deployments/scale", "web")));
        let scale = rule(r#"{"verbs":["get"],"apiGroups":["apps"],"resources":["*/scale"]}"#);
        assert!(scale.allows(&wants("get", "deployments/scale", "web")));
        assert!(!scale.allows(&wants("get", "deployments/status", "web")));
    }

    #[test]
    fn paths_may_end_in_a_star() {
        let rule = rule(r#"{"verbs":["get"],"nonResourceURLs":["/api/*","/version"]}"#);
        let wants = |path: &str| Attributes {
            verb: "get".to_owned(),
            path: path.to_owned(),
            ..Attributes::default()
        };
        assert!(rule.allows(&wants("/api/v1")));
        assert!(rule.allows(&wants("/version")));
        assert!(!rule.allows(&wants("/version/x")));
        assert!(!rule.allows(&wants("/apis")));
    }
}
