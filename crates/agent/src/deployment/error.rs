//! Why a deployment failed, and how that is treated.

use super::{copies, uninstall};
use crate::failure::{Class, is_permanent};
use crate::release::store;
use crate::shared::Panicked;
use crate::source::{self, values};
use crate::{apply, render};

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
    /// The namespace is not allowed.
    #[error("{0}")]
    Policy(String),
    /// The kinds of the cluster were not read.
    #[error("read the kinds of the cluster")]
    Kinds { source: apiclient::Error },
    /// The version of the cluster is none.
    #[error("read the version of the cluster")]
    Version { source: helm::VersionError },
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
            Self::Source(_) | Self::Version { .. } | Self::Policy(_) | Self::Name(_) => {
                Class::Stubborn
            }
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
            | Self::Panicked { .. }
            | Self::NotReady { .. }
            | Self::Uninstall(_) => Class::Transient,
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
