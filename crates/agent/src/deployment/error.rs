//! Why a deployment failed, and how that is treated.

use super::{copies, uninstall};
use crate::failure::{Class, is_permanent};
use crate::release::store;
use crate::shared::Panicked;
use crate::source::{self, values};
use crate::{apply, identity, kinds, render};

/// What the API server says when it forbids something now, and not for ever, whatever the code.
const FOR_NOW: [&str; 4] = [
    // An object of a namespace that is going away.
    "because it is being terminated",
    // A quota is used up.
    "exceeded quota",
    // Policies and webhooks are objects that come and go.
    "denied request: ",
    "denied the request",
];

/// A deployment failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The values are not known.
    #[error(transparent)]
    Values(Box<values::Error>),
    /// What the bundle takes along is not there.
    #[error(transparent)]
    Copies(Box<copies::Error>),
    /// There is no chart.
    #[error(transparent)]
    Source(source::Error),
    /// The release cannot be called so.
    #[error(transparent)]
    Name(helm::release::InvalidName),
    /// It is not known as whom the deployment acts.
    #[error(transparent)]
    Identity(identity::Error),
    /// The namespace is not allowed.
    #[error("{0}")]
    Policy(String),
    /// The kinds of the cluster were not read.
    #[error("read the kinds of the cluster")]
    Kinds { source: apiclient::Error },
    /// It is not known whether recorded objects are there.
    #[error(transparent)]
    Unclear(kinds::Unclear),
    /// The version of the cluster is none.
    #[error("read the version of the cluster")]
    Version { source: helm::VersionError },
    /// There is no such policy for the definitions of a chart.
    #[error(transparent)]
    Definitions(apply::definitions::UnknownPolicy),
    /// There are no objects.
    #[error(transparent)]
    Render(Box<render::Error>),
    /// A defect.
    #[error("render the chart")]
    Panicked { source: Panicked },
    /// A release record was not read or written.
    #[error(transparent)]
    Store(Box<store::Error>),
    /// The cluster did not take something.
    #[error(transparent)]
    Apply(apply::Error),
    /// Objects are not ready in time.
    #[error(
        "timed out waiting for the condition: {not_ready} objects are not ready after {seconds} s{first}"
    )]
    NotReady {
        not_ready: usize,
        seconds: u64,
        first: String,
    },
    /// Another deployment has the release.
    #[error("release {release} belongs to bundle {by}, which still wants it")]
    ReleaseTaken {
        release: apiclient::ObjectKey,
        by: String,
    },
    /// What failed was taken back, as `helm.atomic` asks. Helm's words.
    #[error("release {release} failed, and has been {how} due to rollback-on-failure being set")]
    TakenBack {
        release: String,
        how: &'static str,
        source: Box<Error>,
    },
    /// What failed could not be taken back. Helm's words.
    #[error("an error occurred while {what} the release. original {of} error: {original}")]
    NotTakenBack {
        what: &'static str,
        of: &'static str,
        original: String,
        source: Box<Error>,
    },
    /// A revision that was to be gone back to is not there any more.
    #[error("release {id} is gone")]
    RevisionGone { id: String },
    /// There is nothing to go back to. Helm's words.
    #[error(
        "unable to find a previously successful release when attempting to rollback. original upgrade error"
    )]
    NoWayBack { source: Box<Error> },
    /// An interrupted uninstall was not finished.
    #[error(transparent)]
    Uninstall(Box<uninstall::Error>),
}

impl Error {
    /// How to treat this failure; `text` is its whole text.
    pub(super) fn failure(&self, text: &str) -> Class {
        if is_permanent(text) {
            return Class::Permanent;
        }
        if FOR_NOW.iter().any(|words| text.contains(words)) {
            return Class::Transient;
        }
        let of_request = |class: apiclient::Class| match class {
            apiclient::Class::Permanent => Class::Stubborn,
            _ => Class::Transient,
        };
        match self {
            Self::Render(error) => match **error {
                // Another bundle may bring the kind along.
                render::Error::UnknownKinds { .. } => Class::Transient,
                _ => Class::Stubborn,
            },
            Self::Source(error) if error.is_transient() => Class::Transient,
            Self::Source(_)
            | Self::Version { .. }
            | Self::Policy(_)
            | Self::Definitions(_)
            | Self::Name(_)
            | Self::Identity(identity::Error::Name { .. }) => Class::Stubborn,
            // Nothing was deployed, and nothing can be gone back to: it would fail in the same way.
            Self::NoWayBack { .. } | Self::TakenBack { .. } => Class::Permanent,
            Self::Apply(error) => error.class().map_or(Class::Transient, of_request),
            Self::Store(error) => match **error {
                store::Error::Taken { .. } => Class::Transient,
                _ => error
                    .request()
                    .map_or(Class::Stubborn, |request| of_request(request.class())),
            },
            Self::Copies(error) => match **error {
                copies::Error::Foreign { .. } | copies::Error::UnknownKind(_) => Class::Stubborn,
                _ => Class::Transient,
            },
            Self::Values(_)
            | Self::Kinds { .. }
            | Self::Unclear(_)
            | Self::Panicked { .. }
            | Self::NotReady { .. }
            | Self::Identity(_)
            | Self::NotTakenBack { .. }
            | Self::RevisionGone { .. }
            | Self::ReleaseTaken { .. }
            | Self::Uninstall(_) => Class::Transient,
        }
    }

    /// Whether another deployment has what this one wants: a change of that one may cure it.
    pub(super) fn is_claimed(&self) -> bool {
        matches!(
            self,
            Self::ReleaseTaken { .. } | Self::Apply(apply::Error::Claimed { .. })
        )
    }

    /// Whether all is deployed, and only the namespace may not be labelled.
    pub(super) fn is_undescribed(&self) -> bool {
        matches!(self, Self::Apply(apply::Error::NotDescribed { .. }))
    }

    /// Whether it is what is deployed that failed, and not the way to the API server: a server that is
    /// away or asked too much is a reason to try again, and none to take a release back.
    pub(super) fn is_of_the_release(&self) -> bool {
        match self {
            Self::NotReady { .. } => true,
            Self::Apply(error) => match error.class() {
                None => !self.is_claimed(),
                Some(class) => class != apiclient::Class::Transient,
            },
            _ => false,
        }
    }
}

/// A record's failure as one of a deployment.
pub(super) fn in_store(error: store::Error) -> Error {
    Error::Store(Box::new(error))
}

/// A failure of the values as one of a deployment.
pub(super) fn in_values(error: values::Error) -> Error {
    Error::Values(Box::new(error))
}
