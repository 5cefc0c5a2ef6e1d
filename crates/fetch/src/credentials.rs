//! How to be let into a repository, and whom to trust.
//!
//! Secrets are wrapped so that printing a value for debugging does not show them.

use std::fmt;

/// A text that is not shown.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text, for handing it to the program that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// User and password of an http(s) repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Basic {
    /// The user; empty sends the password as user, as token schemes want it.
    pub username: String,
    /// The password or token.
    pub password: Secret,
}

/// Which ssh host keys are accepted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostKeys {
    /// Only those in this `known_hosts` text; an empty text accepts none.
    Known(String),
    /// Any.
    Unchecked,
}

/// How to be let into a repository, and whom to trust. The default is nobody and the system's
/// certificate authorities.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Credentials {
    /// For http(s).
    pub basic: Option<Basic>,
    /// For ssh: a private key in PEM form without pass phrase.
    pub ssh_private_key: Option<Secret>,
    /// For ssh.
    pub host_keys: HostKeys,
    /// For https: certificate authorities in PEM form, instead of the system's.
    pub ca_bundle: Option<Vec<u8>>,
    /// For https: accept any certificate.
    pub insecure_skip_tls_verify: bool,
}

impl Default for Credentials {
    fn default() -> Self {
        Credentials {
            basic: None,
            ssh_private_key: None,
            host_keys: HostKeys::Known(String::new()),
            ca_bundle: None,
            insecure_skip_tls_verify: false,
        }
    }
}
