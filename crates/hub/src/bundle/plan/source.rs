//! What clusters get: a bundle as it is, or as an earlier commit gave it. Pure.

use std::collections::BTreeMap;

use api::v1alpha1::{Bundle, BundleSpec, GitRepoPin};
use target::matching::{ClusterFacts, Targets};
use target::pins;
use target::policy::Rules;

use crate::bundle::observe::Observed;
use crate::bundle::revision::Revision;
use crate::index::Digest;

/// A bundle to choose clusters and options by.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) spec: &'a BundleSpec,
    pub(super) targets: Targets<'a>,
    pub(super) content: &'a str,
    pub(super) labels: &'a BTreeMap<String, String>,
    /// Agents pull the content from a registry.
    pub(super) in_registry: bool,
}

/// Why a cluster that stays at a commit keeps what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// The commit was not read yet.
    Waiting,
    /// The commit does not have the bundle.
    Absent,
    /// What the commit has is not allowed, or means nothing.
    Failed(String),
}

/// A pin with what its clusters get.
pub(super) struct Pinned<'a> {
    pub(super) pin: &'a GitRepoPin,
    pub(super) source: Result<Source<'a>, Held>,
}

/// The bundle as it is, and the pins.
pub(super) struct Sources<'a> {
    pub(super) current: Source<'a>,
    pub(super) pins: Vec<Pinned<'a>>,
    /// Of all that pins change.
    pub(super) digest: Digest,
}

impl<'a> Sources<'a> {
    pub(super) fn of(observed: &'a Observed, bundle: &'a Bundle, rules: &Rules) -> Self {
        let current = Source {
            spec: &bundle.spec,
            targets: Targets::of(&bundle.spec),
            content: observed.bundle.content.id(),
            labels: &observed.bundle.meta.labels,
            in_registry: observed.is_in_registry(),
        };
        let pins = observed.pins.iter().map(|one| Pinned {
            pin: &one.spec,
            source: source(observed, &one.revision, one.has_content, rules),
        });
        let pins = pins.collect();
        let parts = observed.pins.iter();
        let parts = parts.map(|one| (&one.spec, one.digest, one.has_content));
        let digest = Digest::of(&parts.collect::<Vec<_>>());
        Self {
            current,
            pins,
            digest,
        }
    }

    /// The pin of a cluster, by place.
    pub(super) fn pin_of(&self, cluster: &ClusterFacts<'_>) -> Option<usize> {
        let mut pins = self.pins.iter();
        pins.position(|pinned| pins::matches(pinned.pin, cluster))
    }
}

fn source<'a>(
    observed: &Observed,
    revision: &'a Revision,
    has_content: bool,
    rules: &Rules,
) -> Result<Source<'a>, Held> {
    let kept = match revision {
        Revision::Unknown => return Err(Held::Waiting),
        Revision::Absent => return Err(Held::Absent),
        Revision::Known(kept) => kept,
    };
    if !has_content {
        return Err(Held::Waiting);
    }
    let failed = |error: &dyn std::error::Error| Held::Failed(errors::chain(error));
    // What was allowed when it was committed may not be any more.
    let allowed = rules.authorize_bundle(&kept.spec, observed.is_of_agent);
    allowed.map_err(|denied| failed(&denied))?;
    let targets = Targets::of(&kept.spec);
    targets.validate().map_err(|error| failed(&error))?;
    Ok(Source {
        spec: &kept.spec,
        targets,
        content: &kept.spec.contents_id,
        labels: &kept.labels,
        in_registry: false,
    })
}
