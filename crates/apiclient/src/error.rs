//! What can go wrong between us and an API server, and what a controller should do about it.

use std::fmt;

use crate::kind::{Kind, ObjectKey};

/// What a request tries on which object; part of every [`Error`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `apply` or `delete`.
    pub verb: &'static str,
    /// The kind.
    pub kind: Kind,
    /// The object; without a name for collections.
    pub key: ObjectKey,
}

impl Target {
    pub(crate) fn new(verb: &'static str, kind: &Kind, key: &ObjectKey) -> Box<Self> {
        Box::new(Self {
            verb,
            kind: kind.clone(),
            key: key.clone(),
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.verb, self.kind, self.key)
    }
}

/// A failed request. Texts name verb, kind and object; they never hold bodies (invariant T-1),
/// but hold the server's own message, which names fields and not secret values.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The object or kind does not exist.
    #[error("{at}: not found")]
    NotFound {
        /// What was tried on what.
        at: Box<Target>,
    },
    /// The server refused the request.
    #[error("{at}: {message}")]
    Refused {
        /// What was tried on what.
        at: Box<Target>,
        /// HTTP status.
        code: u16,
        /// Kubernetes' machine-readable reason, such as `Conflict`.
        reason: String,
        /// The server's text.
        message: String,
        /// What the server asked us to wait, in seconds; zero when it did not.
        retry_after_secs: u32,
    },
    /// The object is larger than its budget and was not sent (invariant B-1).
    #[error("{at}: {bytes} bytes exceed the budget of {bytes_max}")]
    OverBudget {
        /// What was tried on what.
        at: Box<Target>,
        /// Serialised size.
        bytes: usize,
        /// The kind's budget.
        bytes_max: usize,
    },
    /// The object cannot be serialised.
    #[error("{at}: serialise the object")]
    Serialise {
        /// What was tried on what.
        at: Box<Target>,
        /// Why.
        source: serde_json::Error,
    },
    /// The answer is not what the kind promises.
    #[error("{at}: the answer does not decode ({position})")]
    Decode {
        /// What was tried on what.
        at: Box<Target>,
        /// Category, line and column of the first offence, never content.
        position: String,
    },
    /// The request did not reach the server or its answer did not reach us.
    #[error("{at}: no answer from the API server")]
    Transport {
        /// What was tried on what.
        at: Box<Target>,
        /// Why.
        source: kube::Error,
    },
    /// The name or namespace cannot be part of a URL.
    #[error("{at}: the name cannot be part of a request")]
    Address {
        /// What was tried on what.
        at: Box<Target>,
        /// Why.
        source: http::Error,
    },
    /// This process has lost the right to write the object, which is another's now. It was not sent.
    #[error("{at}: not sent, this process is not in charge any more")]
    Fenced {
        /// What was tried on what.
        at: Box<Target>,
    },
    /// No kind of that name is served.
    #[error("the API server serves no kind {kind} in {api_version}")]
    UnknownKind {
        /// Group and version asked for.
        api_version: String,
        /// Kind asked for.
        kind: String,
    },
}

/// What a controller should do about an [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Try again with back-off.
    Transient,
    /// Read again, decide again.
    Conflict,
    /// Does not exist.
    NotFound,
    /// Exists already.
    AlreadyExists,
    /// Will fail the same way until somebody changes the object, the permissions or the kind.
    Permanent,
    /// A watch or continue token is too old: list again.
    Expired,
    /// Somebody else is in charge.
    Fenced,
}

impl Error {
    /// The class of this error.
    pub fn class(&self) -> Class {
        match self {
            Self::NotFound { .. } => Class::NotFound,
            Self::Refused {
                code: 500, message, ..
            } if is_of_the_object(message) => Class::Permanent,
            Self::Refused { code, reason, .. } => class_of(*code, reason),
            Self::OverBudget { .. }
            | Self::Serialise { .. }
            | Self::Address { .. }
            | Self::UnknownKind { .. } => Class::Permanent,
            Self::Fenced { .. } => Class::Fenced,
            Self::Decode { .. } | Self::Transport { .. } => Class::Transient,
        }
    }

    /// The same error about the object that was to be created rather than its collection.
    pub(crate) fn named(mut self, object: &ObjectKey) -> Self {
        if let Self::Refused { at, .. } | Self::Transport { at, .. } | Self::NotFound { at } =
            &mut self
        {
            at.key.clone_from(object);
        }
        self
    }

    /// Whether the object (or its kind) does not exist.
    pub fn is_not_found(&self) -> bool {
        self.class() == Class::NotFound
    }

    /// Whether we, or whom we impersonate, lack the permission, or a rule of the server forbids it.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { code: 403, .. })
    }

    /// Whether the object exists already.
    pub fn is_already_exists(&self) -> bool {
        self.class() == Class::AlreadyExists
    }

    /// HTTP status of a refusal; zero when the server did not refuse.
    pub fn code(&self) -> u16 {
        match self {
            Self::Refused { code, .. } => *code,
            Self::NotFound { .. } => 404,
            _ => 0,
        }
    }

    /// What is wrong with the server's certificate, if that is why the server was not asked.
    pub fn certificate(&self) -> Option<rustls::CertificateError> {
        match self {
            Self::Transport { source, .. } => certificate_error(source),
            _ => None,
        }
    }

    /// Whether who asks is refused, or does not trust the server: the same credential will not do.
    pub fn is_rejection(&self) -> bool {
        matches!(self.code(), 401 | 403) || self.certificate().is_some()
    }

    /// Whether the object changed since it was read.
    pub fn is_conflict(&self) -> bool {
        self.class() == Class::Conflict
    }
}

/// What is wrong with a server's certificate, from anywhere in the causes of an error.
pub fn certificate_error(
    error: &(dyn std::error::Error + 'static),
) -> Option<rustls::CertificateError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(found)) = error.downcast_ref() {
            return Some(found.clone());
        }
        // An I/O error names the causes of what it wraps, but not what it wraps.
        let wrapped = error.downcast_ref::<std::io::Error>();
        next = match wrapped.and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

/// Whether the server blames the object for its own failure: what is applied with a field that its kind does not
/// have, or twice with one key in a list, is answered with 500.
fn is_of_the_object(message: &str) -> bool {
    message.contains("failed to create typed patch object")
}

fn class_of(code: u16, reason: &str) -> Class {
    match (code, reason) {
        (409, "AlreadyExists") => Class::AlreadyExists,
        (409, _) => Class::Conflict,
        (410, _) => Class::Expired,
        // A refused token or role may be granted a moment later: permissions are objects too.
        (401 | 403 | 408 | 429, _) => Class::Transient,
        (400..=499, _) => Class::Permanent,
        _ => Class::Transient,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_its_kind_does_not_allow_is_no_trouble_of_the_server() {
        let refused = |code: u16, message: &str| Error::Refused {
            at: Target::new(
                "apply",
                &Kind::new("", "v1", "A", "as", true),
                &ObjectKey::default(),
            ),
            code,
            reason: String::new(),
            message: message.to_owned(),
            retry_after_secs: 0,
        };
        let unknown = "failed to create typed patch object (n/a; apps/v1, Kind=Deployment): .spec.x: field not declared in schema";
        for (code, message, expected) in [
            (500, unknown, Class::Permanent),
            (503, unknown, Class::Transient),
            (500, "etcdserver: request timed out", Class::Transient),
            (500, "", Class::Transient),
        ] {
            assert_eq!(refused(code, message).class(), expected, "{code} {message}");
        }
    }

    #[test]
    fn codes_map_to_what_a_controller_should_do() {
        let cases = [
            (409, "AlreadyExists", Class::AlreadyExists),
            (409, "Conflict", Class::Conflict),
            (410, "Expired", Class::Expired),
            (403, "Forbidden", Class::Transient),
            (422, "Invalid", Class::Permanent),
            (413, "RequestEntityTooLarge", Class::Permanent),
            (500, "InternalError", Class::Transient),
            (503, "ServiceUnavailable", Class::Transient),
        ];
        for (code, reason, class) in cases {
            assert_eq!(class_of(code, reason), class, "{code} {reason}");
        }
    }
}
