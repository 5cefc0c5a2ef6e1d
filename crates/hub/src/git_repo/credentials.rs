//! From a Secret to a credential for a repository. Pure.

use apiclient::ObjectKey;
use fetch::{Basic, Credentials, HostKeys, Secret as Hidden};
use k8s_openapi::api::core::v1::Secret;

const BASIC_AUTH: &str = "kubernetes.io/basic-auth";
const SSH_AUTH: &str = "kubernetes.io/ssh-auth";
const GITHUB_APP_KEY: &str = "github_app_private_key";

/// A Secret that holds no usable credential. Texts never hold values (invariant T-1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// A key is missing or not text.
    #[error("secret {secret}: key {key} is missing or not text")]
    Key {
        secret: ObjectKey,
        key: &'static str,
    },
    /// A type that no rule reads.
    #[error(
        "secret {secret}: type {found:?} holds no git credential; use {BASIC_AUTH} or {SSH_AUTH}"
    )]
    Type { secret: ObjectKey, found: String },
    /// GitHub Apps are not supported.
    #[error("secret {secret}: GitHub App credentials are not supported yet")]
    GitHubApp { secret: ObjectKey },
}

/// Reads the credential of a Secret by its type.
pub(crate) fn read(key: &ObjectKey, secret: &Secret) -> Result<Credentials, Error> {
    let text = |name: &str| {
        let data = secret.data.as_ref()?.get(name)?;
        String::from_utf8(data.0.clone()).ok()
    };
    let needed = |name: &'static str| {
        text(name).ok_or_else(|| Error::Key {
            secret: key.clone(),
            key: name,
        })
    };
    let mut credentials = Credentials::default();
    match secret.type_.as_deref().unwrap_or_default() {
        BASIC_AUTH => {
            let username = text("username").unwrap_or_default();
            let password = Hidden::new(needed("password")?);
            credentials.basic = Some(Basic { username, password });
        }
        SSH_AUTH => {
            credentials.ssh_private_key = Some(Hidden::new(needed("ssh-privatekey")?));
            credentials.host_keys = HostKeys::Known(text("known_hosts").unwrap_or_default());
        }
        _ if text(GITHUB_APP_KEY).is_some() => {
            return Err(Error::GitHubApp {
                secret: key.clone(),
            });
        }
        found => {
            return Err(Error::Type {
                secret: key.clone(),
                found: found.to_owned(),
            });
        }
    }
    Ok(credentials)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::ByteString;

    use super::*;

    fn secret(type_: &str, data: &[(&str, &str)]) -> Secret {
        let data = data
            .iter()
            .map(|(name, value)| ((*name).to_owned(), ByteString(value.as_bytes().to_vec())));
        Secret {
            type_: Some(type_.to_owned()),
            data: Some(data.collect::<BTreeMap<_, _>>()),
            ..Secret::default()
        }
    }

    fn check(type_: &str, data: &[(&str, &str)]) -> Result<Credentials, String> {
        read(&ObjectKey::new("ns", "s"), &secret(type_, data)).map_err(|error| error.to_string())
    }

    #[test]
    fn basic_auth_needs_a_password_only() {
        let credentials = check(BASIC_AUTH, &[("password", "hunter2")]).unwrap();
        let basic = credentials.basic.unwrap();
        assert_eq!(
            (basic.username.as_str(), basic.password.expose()),
            ("", "hunter2")
        );
        let error = check(BASIC_AUTH, &[("username", "u")]).unwrap_err();
        assert_eq!(error, "secret ns/s: key password is missing or not text");
    }

    #[test]
    fn ssh_auth_takes_known_hosts_from_the_secret() {
        let data = [("ssh-privatekey", "KEY"), ("known_hosts", "host key")];
        let credentials = check(SSH_AUTH, &data).unwrap();
        assert_eq!(
            credentials.host_keys,
            HostKeys::Known("host key".to_owned())
        );
    }

    #[test]
    fn other_secrets_are_refused_without_quoting_them() {
        for (type_, key) in [("Opaque", "password"), ("Opaque", GITHUB_APP_KEY)] {
            let error = check(type_, &[(key, "hunter2")]).unwrap_err();
            assert!(
                error.starts_with("secret ns/s: ") && !error.contains("hunter2"),
                "{error}"
            );
        }
    }
}
