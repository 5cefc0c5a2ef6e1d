//! What GitRepos and Bundles of a namespace may use, and what is imposed on them.
//!
//! In: the GitRepoRestrictions and Policies of one namespace. Out: for a GitRepo what it is completed
//! with, or why it is denied; for a Bundle whether it is denied; the options that no bundle can change
//! (invariant T-1). Reading and watching them is the hub's work.
//!
//! Unlike upstream, restrictions hold for every Bundle, wherever it came from: somebody who may create
//! Bundles could go around them otherwise. The bundles of agents are excepted, which are the hub's own.
//!
//! Source: fleet, `internal/cmd/controller/gitops/reconciler/restrictions.go`,
//! `internal/cmd/controller/policyrestrictions`; texts begin as upstream's.

use std::fmt;

use api::v1alpha1::{
    BundleDeploymentOptions, BundleSpec, BundleTarget, GitRepoRestriction, GitRepoSpec,
    LabelSelector, Policy,
};
use gotemplate::Str;
use serde::Serialize;
use sprig::goregex;

use crate::deployment::Imposed;

/// Something that the rules of the namespace do not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Where target namespaces are restricted, one must be named.
    #[error("empty targetNamespace denied, because {rule} restriction is present")]
    NoTargetNamespace {
        /// Field of the GitRepoRestriction.
        rule: &'static str,
    },
    /// A value that is in none of the lists.
    #[error(
        "disallowed {field} {value}{place}: {value} not in allowed set {}",
        GoList(allowed)
    )]
    NotAllowed {
        /// Field of the GitRepo or Bundle.
        field: &'static str,
        /// Its value, without a password.
        value: String,
        /// Where in the object, if that is not its top level; begins with a blank.
        place: String,
        /// What is allowed.
        allowed: Vec<String>,
    },
    /// A pattern of a rule that is no regular expression. What comes after it in its list is not tried.
    #[error("disallowed repo {repo}: {kind} failed to compile regex {pattern:?}")]
    Pattern {
        /// The repository, without a password.
        repo: String,
        /// Kind of the rule.
        kind: &'static str,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: goregex::SyntaxError,
    },
    /// A Policy wants a service account.
    #[error("serviceAccount is required by Policy but is not set{place}")]
    NoServiceAccount {
        /// Where it is missing, if not on the GitRepo; begins with a blank.
        place: String,
    },
}

/// A list as Go prints it.
struct GoList<'a>(&'a [String]);

impl fmt::Display for GoList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.0.join(" "))
    }
}

/// What a GitRepo is completed with. Empty where it stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// For `serviceAccount`.
    pub service_account: String,
    /// For `clientSecretName`.
    pub client_secret_name: String,
}

impl Defaults {
    /// Whether nothing has to be completed.
    pub fn is_empty(&self) -> bool {
        self.service_account.is_empty() && self.client_secret_name.is_empty()
    }
}

/// The rules of a namespace, taken together: lists add up in the order of names, the first default that
/// is given counts. An empty list allows everything. Without any object, everything is allowed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Rules {
    default_service_account: String,
    default_client_secret_name: String,
    allowed_service_accounts: Vec<String>,
    allowed_client_secret_names: Vec<String>,
    allowed_target_namespaces: Vec<String>,
    target_namespace_selector: Option<LabelSelector>,
    /// Found anywhere in the URL.
    restriction_repo_patterns: Vec<String>,
    /// Match the whole URL.
    policy_repo_patterns: Vec<String>,
    requires_service_account: bool,
    allows_namespace_creation: bool,
}

impl Rules {
    /// Takes the objects of a namespace together, which may come in any order.
    pub fn of<'a>(
        restrictions: impl IntoIterator<Item = &'a GitRepoRestriction>,
        policies: impl IntoIterator<Item = &'a Policy>,
    ) -> Self {
        let mut rules = Self::default();
        let mut restrictions: Vec<_> = restrictions.into_iter().collect();
        restrictions.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        for restriction in restrictions {
            rules.add_restriction(restriction);
        }
        // Defaults of restrictions come before those of policies.
        let mut policies: Vec<_> = policies.into_iter().collect();
        policies.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        for policy in policies {
            rules.add_policy(policy);
        }
        rules
    }

    fn add_restriction(&mut self, restriction: &GitRepoRestriction) {
        let GitRepoRestriction {
            metadata: _,
            default_service_account,
            allowed_service_accounts,
            allowed_repo_patterns,
            default_client_secret_name,
            allowed_client_secret_names,
            allowed_target_namespaces,
            allowed_target_namespace_selector,
        } = restriction;
        first(&mut self.default_service_account, default_service_account);
        first(
            &mut self.default_client_secret_name,
            default_client_secret_name,
        );
        add(&mut self.allowed_service_accounts, allowed_service_accounts);
        add(&mut self.restriction_repo_patterns, allowed_repo_patterns);
        add(
            &mut self.allowed_client_secret_names,
            allowed_client_secret_names,
        );
        add(
            &mut self.allowed_target_namespaces,
            allowed_target_namespaces,
        );
        if let Some(selector) = allowed_target_namespace_selector {
            unite(
                self.target_namespace_selector.get_or_insert_default(),
                selector,
            );
        }
    }

    fn add_policy(&mut self, policy: &Policy) {
        self.requires_service_account |= policy.require_service_account;
        self.allows_namespace_creation |= policy.allow_namespace_creation;
        add(
            &mut self.allowed_service_accounts,
            &policy.allowed_service_accounts,
        );
        if let Some(rules) = &policy.git_repo {
            first(
                &mut self.default_service_account,
                &rules.default_service_account,
            );
            first(
                &mut self.default_client_secret_name,
                &rules.default_client_secret_name,
            );
            add(
                &mut self.allowed_client_secret_names,
                &rules.allowed_client_secret_names,
            );
            add(&mut self.policy_repo_patterns, &rules.allowed_repo_patterns);
        }
    }

    /// Whether a GitRepo is allowed, and what it is to be completed with. Defaults need not be allowed.
    ///
    /// # Errors
    /// The first rule that denies it, in upstream's order.
    pub fn authorize_git_repo(&self, spec: &GitRepoSpec) -> Result<Defaults, Denied> {
        self.check_target_namespace(&spec.target_namespace, "targetNamespace", "")?;
        let allowed = &self.allowed_service_accounts;
        check("serviceAccount", &spec.service_account, "", allowed)?;
        self.check_repo(&spec.repo)?;
        let allowed = &self.allowed_client_secret_names;
        check("clientSecretName", &spec.client_secret_name, "", allowed)?;
        let default = |given: &str, default: &String| {
            let is_given = !given.is_empty();
            if is_given {
                String::new()
            } else {
                default.clone()
            }
        };
        let service_account = default(&spec.service_account, &self.default_service_account);
        if self.requires_service_account
            && spec.service_account.is_empty()
            && service_account.is_empty()
        {
            let place = String::new();
            return Err(Denied::NoServiceAccount { place });
        }
        Ok(Defaults {
            service_account,
            client_secret_name: default(&spec.client_secret_name, &self.default_client_secret_name),
        })
    }

    /// Whether a Bundle is allowed. Nothing is completed: a bundle is what it says.
    ///
    /// `is_of_agent`: it is the hub's own bundle for the agent of a cluster. Only policies hold for it,
    /// as upstream.
    ///
    /// # Errors
    /// The first rule that denies it.
    pub fn authorize_bundle(&self, spec: &BundleSpec, is_of_agent: bool) -> Result<(), Denied> {
        let account = &spec.options.service_account;
        if self.requires_service_account && account.is_empty() {
            let place = " on the Bundle".to_owned();
            return Err(Denied::NoServiceAccount { place });
        }
        let check = |field, value: &str, place: &str, allowed: &[String]| {
            if is_template(spec, value) {
                return Ok(());
            }
            check(field, value, place, allowed)
        };
        let allowed = &self.allowed_service_accounts;
        check("serviceAccount", account, "", allowed)?;
        for target in &spec.targets {
            let place = format!(" in target {}", target.name);
            check(
                "serviceAccount",
                &target.options.service_account,
                &place,
                allowed,
            )?;
            if let Some(account) = overriding(target, "serviceAccount") {
                if self.requires_service_account && account.is_empty() {
                    return Err(Denied::NoServiceAccount { place });
                }
                check("serviceAccount", &account, &place, allowed)?;
            }
        }
        if is_of_agent {
            return Ok(());
        }
        let check_namespace = |namespace: &str, place: &str| {
            if is_template(spec, namespace) {
                return Ok(());
            }
            self.check_target_namespace(namespace, "namespace", place)
        };
        check_namespace(&spec.options.namespace, "")?;
        for target in &spec.targets {
            let namespace = &target.options.namespace;
            let place = format!(" in target {}", target.name);
            check(
                "namespace",
                namespace,
                &place,
                &self.allowed_target_namespaces,
            )?;
            if let Some(namespace) = overriding(target, "namespace") {
                check_namespace(&namespace, &place)?;
            }
        }
        Ok(())
    }

    /// Whether options are allowed that templates gave for one cluster.
    ///
    /// # Errors
    /// The first rule that denies them.
    pub fn authorize_options(
        &self,
        options: &BundleDeploymentOptions,
        is_of_agent: bool,
    ) -> Result<(), Denied> {
        let account = &options.service_account;
        if self.requires_service_account && account.is_empty() {
            let place = " for this cluster".to_owned();
            return Err(Denied::NoServiceAccount { place });
        }
        let place = " for this cluster";
        check(
            "serviceAccount",
            account,
            place,
            &self.allowed_service_accounts,
        )?;
        if is_of_agent {
            return Ok(());
        }
        self.check_target_namespace(&options.namespace, "namespace", place)
    }

    /// Options that are set last on every deployment of a bundle. For `is_of_agent` see
    /// [`Self::authorize_bundle`].
    pub fn imposed(&self, is_of_agent: bool) -> Imposed {
        let is_closed = self.requires_service_account && !self.allows_namespace_creation;
        let selector = self.target_namespace_selector.clone();
        Imposed {
            allowed_target_namespace_selector: selector.filter(|_| !is_of_agent),
            create_namespace: is_closed.then_some(false),
            rules: self.clone(),
            is_of_agent,
        }
    }

    /// Without a namespace that everything is forced into, manifests could name any.
    fn check_target_namespace(
        &self,
        namespace: &str,
        field: &'static str,
        place: &str,
    ) -> Result<(), Denied> {
        let rule = if self.allowed_target_namespaces.is_empty() {
            let selector = self.target_namespace_selector.as_ref();
            selector.map(|_| "allowedTargetNamespaceSelector")
        } else {
            Some("allowedTargetNamespaces")
        };
        match rule {
            Some(rule) if namespace.is_empty() => Err(Denied::NoTargetNamespace { rule }),
            _ => check(field, namespace, place, &self.allowed_target_namespaces),
        }
    }

    /// One list that accepts the repository is enough; of two that do not, the restriction's reason is
    /// given.
    fn check_repo(&self, repo: &str) -> Result<(), Denied> {
        let (restricted, policed) = (&self.restriction_repo_patterns, &self.policy_repo_patterns);
        if repo.is_empty() {
            return Ok(());
        }
        let accepted = match (restricted.is_empty(), policed.is_empty()) {
            (true, true) => return Ok(()),
            (false, true) => accepts(repo, restricted, "GitRepoRestriction", found)?,
            (true, false) => accepts(repo, policed, "policy", whole)?,
            (false, false) => {
                let by_policy = accepts(repo, policed, "policy", whole);
                if by_policy == Ok(true) {
                    return Ok(());
                }
                accepts(repo, restricted, "GitRepoRestriction", found)?
            }
        };
        if accepted {
            return Ok(());
        }
        let allowed = if restricted.is_empty() {
            policed
        } else {
            restricted
        };
        Err(Denied::NotAllowed {
            field: "repo",
            value: without_password(repo),
            place: String::new(),
            allowed: allowed.clone(),
        })
    }
}

/// What the overrides of a target make of an option; `None` if they do not name it. Anything but a text makes
/// no options at all, or none.
fn overriding(target: &BundleTarget, option: &str) -> Option<String> {
    let value = target.overrides.as_ref()?.get(option)?;
    Some(value.as_str().unwrap_or_default().to_owned())
}

fn first(known: &mut String, further: &str) {
    if known.is_empty() {
        further.clone_into(known);
    }
}

fn add(known: &mut Vec<String>, further: &[String]) {
    known.extend_from_slice(further);
}

/// Labels with one key take the value of the last selector.
fn unite(united: &mut LabelSelector, further: &LabelSelector) {
    united.match_labels.extend(further.match_labels.clone());
    for requirement in &further.match_expressions {
        if !united.match_expressions.contains(requirement) {
            united.match_expressions.push(requirement.clone());
        }
    }
}

/// Whether a value is known only for a cluster: then it is checked there.
fn is_template(spec: &BundleSpec, value: &str) -> bool {
    let is_asked = |options: &BundleDeploymentOptions| {
        options
            .templating
            .as_ref()
            .is_some_and(|templating| templating.options)
    };
    let by_override = |target: &BundleTarget| {
        let overrides = target.overrides.as_ref();
        overrides.is_some_and(|overrides| overrides.contains_key("templating"))
    };
    let mut targets = spec.targets.iter();
    value.contains("${")
        && is_asked(&spec.options)
        && !targets.any(|target| target.options.templating.is_some() || by_override(target))
}

/// A value that is not given is allowed.
fn check(field: &'static str, value: &str, place: &str, allowed: &[String]) -> Result<(), Denied> {
    if value.is_empty() || allowed.is_empty() || allowed.iter().any(|one| one == value) {
        return Ok(());
    }
    Err(Denied::NotAllowed {
        field,
        value: value.to_owned(),
        place: place.to_owned(),
        allowed: allowed.to_vec(),
    })
}

/// A pattern that is found anywhere.
fn found(pattern: &str) -> String {
    pattern.to_owned()
}

/// A pattern for the whole text.
fn whole(pattern: &str) -> String {
    format!("^(?:{pattern})$")
}

/// Whether one of the patterns is the repository itself or matches it.
fn accepts(
    repo: &str,
    patterns: &[String],
    kind: &'static str,
    anchored: fn(&str) -> String,
) -> Result<bool, Denied> {
    for pattern in patterns {
        if pattern == repo {
            return Ok(true);
        }
        let compiled = goregex::compile(&Str::from(anchored(pattern).as_str()));
        let compiled = compiled.map_err(|source| Denied::Pattern {
            repo: without_password(repo),
            kind,
            pattern: pattern.clone(),
            source,
        })?;
        if compiled.is_match(repo.as_bytes()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A URL without what stands before the host.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((user, host)) if user.contains(':') => format!("{scheme}://{host}{path}"),
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests;
