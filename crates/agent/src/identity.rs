//! As whom a deployment acts on the cluster.
//!
//! A deployment with a service account (`options.serviceAccount`, else `fleet-default` where that
//! exists) acts as that account in all that a bundle has a say in: objects, hooks, definitions, release
//! records, namespaces, copies, what `valuesFrom` and `lookup` read. What the agent does as itself is
//! fixed by its own code: it reads the metadata and the records of releases, kinds, accounts, whether a
//! namespace exists, watches what carries its label, and compares it, by dry runs too. Source: agent.md 7.9.

use apiclient::{Client, Kind, ObjectKey, ObjectMeta};
use k8s_openapi::api::core::v1::ServiceAccount;

use crate::agent::Agent;

/// Account of deployments that name none, where it exists.
const DEFAULT_ACCOUNT: &str = "fleet-default";
/// Longest name of a service account.
const NAME_BYTES_MAX: usize = 253;

/// It is not known as whom a deployment acts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No account can be called so.
    #[error("looking up service account {account}: the name is invalid")]
    Name { account: ObjectKey },
    /// It is not known where the account is.
    #[error(
        "looking up service account {account:?}: it is in the namespace of the agent, which has to be given"
    )]
    NoNamespace { account: String },
    /// There is no such account.
    #[error("looking up service account {account}: serviceaccounts {:?} not found", account.name)]
    Missing { account: ObjectKey },
    /// The account was not read.
    #[error("looking up service account {account}")]
    Read {
        account: ObjectKey,
        source: Box<apiclient::Error>,
    },
}

/// The cluster as a deployment with service account `name` reaches it; empty is the default one, and
/// without that the agent itself.
pub(crate) async fn client(agent: &Agent, name: &str) -> Result<Client, Error> {
    let wanted = if name.is_empty() {
        DEFAULT_ACCOUNT
    } else {
        name
    };
    let account = ObjectKey::new(agent.options.agent_namespace.clone(), wanted);
    if !is_name(wanted) {
        return Err(Error::Name { account });
    }
    // A person who deploys for no agent acts as who they are.
    if account.namespace.is_empty() {
        return if name.is_empty() {
            Ok(agent.cluster.clone())
        } else {
            Err(Error::NoNamespace {
                account: name.to_owned(),
            })
        };
    }
    let found = agent
        .cluster
        .get::<ObjectMeta>(&Kind::of::<ServiceAccount>(), &account)
        .await;
    match found {
        Ok(Some(_)) => Ok(agent.cluster.impersonating(user_of(&account))),
        Ok(None) if name.is_empty() => Ok(agent.cluster.clone()),
        Ok(None) => Err(Error::Missing { account }),
        Err(source) => Err(Error::Read {
            account,
            source: Box::new(source),
        }),
    }
}

/// The user that a service account is.
fn user_of(account: &ObjectKey) -> String {
    format!(
        "system:serviceaccount:{}:{}",
        account.namespace, account.name
    )
}

/// Whether a name can be part of a request and of a user, and means nothing else there.
fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_label = |label: &str| {
        let bytes = label.as_bytes();
        bytes.iter().all(|byte| is_plain(*byte) || *byte == b'-')
            && bytes.first().copied().is_some_and(is_plain)
            && bytes.last().copied().is_some_and(is_plain)
    };
    name.len() <= NAME_BYTES_MAX && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_a_user_by_its_namespace_and_name() {
        let account = ObjectKey::new("sys", "team");
        assert_eq!(user_of(&account), "system:serviceaccount:sys:team");
    }

    #[test]
    fn names_that_would_lead_elsewhere_are_none() {
        for good in ["a", "team-a", "a.b-c.d1", &"a".repeat(253)] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            "a/token",
            "..",
            "../b",
            "a:b",
            "A",
            "a b",
            "-a",
            "a-",
            "a..b",
            "a%2f",
            "a\r\nb",
            "*",
            &"a".repeat(254),
        ] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
