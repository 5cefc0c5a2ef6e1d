//! Who asks, and whether they may: bearer tokens, impersonation, RBAC.
//!
//! A logical cluster knows two kinds of credentials: its admin token (group `system:masters`) and
//! tokens of its service accounts. Requests without any are anonymous, and may ask for version and
//! health.

pub(crate) mod escalation;
pub(crate) mod rbac;
pub(crate) mod reviews;
pub(crate) mod token;

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// An authenticated user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct User {
    /// User name.
    pub name: String,
    /// Uid, empty if unknown.
    pub uid: String,
    /// Groups.
    pub groups: Vec<String>,
    /// Further attributes.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// Group of users that no rule binds.
pub(crate) const MASTERS: &str = "system:masters";
/// Group of everybody who presented credentials.
pub(crate) const AUTHENTICATED: &str = "system:authenticated";

/// Group of those who presented none.
pub(crate) const UNAUTHENTICATED: &str = "system:unauthenticated";

impl User {
    /// Somebody without credentials.
    pub(crate) fn anonymous() -> Self {
        Self {
            name: "system:anonymous".to_owned(),
            groups: vec![UNAUTHENTICATED.to_owned()],
            ..Self::default()
        }
    }

    /// The cluster's administrator.
    pub(crate) fn admin() -> Self {
        Self {
            name: "admin".to_owned(),
            groups: vec![MASTERS.to_owned(), AUTHENTICATED.to_owned()],
            ..Self::default()
        }
    }

    /// A controller inside the process.
    pub(crate) fn system(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            groups: vec![MASTERS.to_owned(), AUTHENTICATED.to_owned()],
            ..Self::default()
        }
    }

    /// A service account.
    pub(crate) fn service_account(namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            uid: uid.to_owned(),
            groups: vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                AUTHENTICATED.to_owned(),
            ],
            extra: BTreeMap::new(),
        }
    }

    /// As `userInfo` of reviews.
    pub(crate) fn to_value(&self) -> Value {
        let mut info = json!({"username": self.name, "groups": self.groups});
        if !self.uid.is_empty() {
            info["uid"] = self.uid.clone().into();
        }
        if !self.extra.is_empty() {
            info["extra"] = json!(self.extra);
        }
        info
    }
}

/// What a request wants to do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes {
    /// `get`, `list`, `create`, ...
    pub(crate) verb: String,
    /// API group.
    pub(crate) group: String,
    /// Plural, empty for requests on other paths.
    pub(crate) resource: String,
    /// Subresource or empty.
    pub(crate) subresource: String,
    /// Namespace or empty.
    pub(crate) namespace: String,
    /// Object name or empty.
    pub(crate) name: String,
    /// The path, for requests that are not on resources.
    pub(crate) path: String,
}
