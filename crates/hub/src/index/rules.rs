//! The GitRepoRestrictions and Policies of every namespace, and whom a change of them concerns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::v1alpha1::{GitRepoRestriction, Policy};
use apiclient::ObjectKey;
use target::policy::Rules;

use super::{Index, Wake, key_of};

/// Nothing is allowed while rules may exist that cannot be read (invariant T-1).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "nothing is allowed while the API server does not know {}: install the custom resource \
     definitions (`flotilla crds`)", .0.join(" and ")
)]
pub(crate) struct NotServed(Vec<&'static str>);

/// The rules, one by one and taken together.
#[derive(Debug, Default)]
pub(crate) struct RuleBook {
    restrictions: BTreeMap<ObjectKey, GitRepoRestriction>,
    policies: BTreeMap<ObjectKey, Policy>,
    /// Kinds that the API server does not serve.
    not_served: BTreeSet<&'static str>,
    /// By namespace; one without any rule is not in it.
    together: BTreeMap<String, Arc<Rules>>,
    none: Arc<Rules>,
}

impl RuleBook {
    /// The rules of a namespace.
    ///
    /// # Errors
    /// If a kind of rules cannot be read.
    pub(crate) fn of(&self, namespace: &str) -> Result<Arc<Rules>, NotServed> {
        if !self.not_served.is_empty() {
            return Err(NotServed(self.not_served.iter().copied().collect()));
        }
        Ok(Arc::clone(
            self.together.get(namespace).unwrap_or(&self.none),
        ))
    }

    /// Takes the rules of a namespace together again; whether that makes a difference.
    fn changed(&mut self, namespace: &str) -> bool {
        fn of<'a, T>(
            all: &'a BTreeMap<ObjectKey, T>,
            namespace: &'a str,
        ) -> impl Iterator<Item = &'a T> {
            all.range(ObjectKey::new(namespace, "")..)
                .take_while(move |(key, _)| key.namespace == namespace)
                .map(|(_, object)| object)
        }
        let rules = Rules::of(
            of(&self.restrictions, namespace),
            of(&self.policies, namespace),
        );
        let known = self.together.get(namespace).unwrap_or(&self.none);
        if **known == rules {
            return false;
        }
        if rules == *self.none {
            self.together.remove(namespace);
        } else {
            self.together.insert(namespace.to_owned(), Arc::new(rules));
        }
        true
    }
}

impl Index {
    /// A GitRepoRestriction is new or has changed.
    pub(crate) fn restriction_applied(&mut self, restriction: GitRepoRestriction) -> Vec<Wake> {
        let key = key_of(&restriction);
        let namespace = key.namespace.clone();
        self.rules.restrictions.insert(key, restriction);
        self.rules_changed(&namespace)
    }

    /// A GitRepoRestriction is gone.
    pub(crate) fn restriction_deleted(&mut self, key: &ObjectKey) -> Vec<Wake> {
        self.rules.restrictions.remove(key);
        self.rules_changed(&key.namespace)
    }

    /// A Policy is new or has changed.
    pub(crate) fn policy_applied(&mut self, policy: Policy) -> Vec<Wake> {
        let key = key_of(&policy);
        let namespace = key.namespace.clone();
        self.rules.policies.insert(key, policy);
        self.rules_changed(&namespace)
    }

    /// A Policy is gone.
    pub(crate) fn policy_deleted(&mut self, key: &ObjectKey) -> Vec<Wake> {
        self.rules.policies.remove(key);
        self.rules_changed(&key.namespace)
    }

    /// A kind of rules is served, or not any more.
    pub(crate) fn rules_served(&mut self, kind: &'static str, is_served: bool) -> Vec<Wake> {
        let differs = if is_served {
            self.rules.not_served.remove(kind)
        } else {
            self.rules.not_served.insert(kind)
        };
        if !differs {
            return Vec::new();
        }
        let repos = self.git_repos.keys().cloned().map(Wake::GitRepo);
        let bundles = self.bundles.keys().cloned().map(Wake::Bundle);
        repos.chain(bundles).collect()
    }

    fn rules_changed(&mut self, namespace: &str) -> Vec<Wake> {
        if !self.rules.changed(namespace) {
            return Vec::new();
        }
        let repos = self.git_repos.range(ObjectKey::new(namespace, "")..);
        let repos = repos.take_while(|(key, _)| key.namespace == namespace);
        let bundles = self.bundles_of(namespace);
        let bundles = bundles.map(|(key, _)| Wake::Bundle(key.clone()));
        repos
            .map(|(key, _)| Wake::GitRepo(key.clone()))
            .chain(bundles)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(name: &str, account: &str) -> Policy {
        let object = json!({
            "metadata": { "namespace": "ns", "name": name },
            "allowedServiceAccounts": [account],
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn rules_are_those_of_the_namespace_and_gone_with_their_objects() {
        let mut index = Index::default();
        let none = index.rules.of("ns").unwrap();
        index.policy_applied(policy("p", "a"));
        let one = index.rules.of("ns").unwrap();
        assert_ne!(one, none);
        assert_eq!(index.rules.of("other").unwrap(), none);
        index.policy_applied(policy("q", "b"));
        assert_ne!(index.rules.of("ns").unwrap(), one);
        index.policy_deleted(&ObjectKey::new("ns", "q"));
        assert_eq!(index.rules.of("ns").unwrap(), one);
        index.policy_deleted(&ObjectKey::new("ns", "p"));
        assert_eq!(index.rules.of("ns").unwrap(), none);
        assert!(index.rules.together.is_empty());
    }

    #[test]
    fn nothing_is_allowed_while_a_kind_of_rules_cannot_be_read() {
        let mut index = Index::default();
        index.rules_served("Policy", false);
        index.rules_served("GitRepoRestriction", false);
        let text = index.rules.of("any").unwrap_err().to_string();
        assert!(text.contains("GitRepoRestriction and Policy"), "{text}");
        index.rules_served("GitRepoRestriction", true);
        assert!(index.rules.of("any").is_err());
        index.rules_served("Policy", true);
        assert!(index.rules.of("any").is_ok());
    }
}
