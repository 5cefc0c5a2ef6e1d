//! What to write to the hub so that it holds exactly the Bundles of a repository.
//!
//! Pure: what exists and what is wanted go in, actions come out. A Bundle that differs in nothing but
//! the label of its commit is left alone, so that a commit writes only what it changes.
//!
//! Source for the rules: upstream `internal/cmd/cli/apply`. Deliberate differences: Bundles are deleted
//! after the others were written instead of before, and a Secret is deleted only where the Bundle had one.
//!
//! A Bundle that takes files over from one that goes names their objects in `spec.overwrites` for as long
//! as the other one exists. Dropping them afterwards deploys the Bundle once more, which brings back what
//! the end of the other one removed.

use std::collections::{BTreeMap, BTreeSet};

use api::labels;
use api::limits;
use api::v1alpha1::{Bundle, BundleResource, BundleSpec, Content, OverwrittenResource};

use crate::content::{Stored, assemble};
use crate::overlap::overlap;

/// Objects in the `spec.overwrites` of one Bundle.
const OVERWRITES_MAX: usize = 256;
/// All of them together.
const OVERWRITES_BYTES_MAX: usize = 32 << 10;

/// A Bundle on the hub.
#[derive(Debug, Clone, PartialEq)]
pub struct Existing {
    /// The Bundle.
    pub bundle: Bundle,
    /// Hash of what its values Secret holds (`api::ids::values_hash`); `None` without a Secret of that
    /// type.
    pub values_hash: Option<String>,
    /// Its files, if they are not in the Bundle itself. Only needed for a Bundle that goes
    /// ([`is_leaving`]); empty if unknown.
    pub stored_files: Vec<BundleResource>,
}

impl Existing {
    fn files(&self) -> &[BundleResource] {
        let inline = &self.bundle.spec.resources;
        if inline.is_empty() {
            &self.stored_files
        } else {
            inline
        }
    }
}

/// Whether a Bundle on the hub belongs to the repository and is none of the wanted ones, by name.
pub fn is_leaving(bundle: &Bundle, repo: &str, wanted: &BTreeSet<String>) -> bool {
    label(bundle, labels::REPO_NAME) == Some(repo) && !wanted.contains(name_of(bundle))
}

/// One write. To be done in order; each may be repeated.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Create a Content unless it exists: what it holds follows from its name.
    CreateContent(Box<Content>),
    /// Create a Bundle.
    CreateBundle(Box<Bundle>),
    /// Replace spec, labels and annotations of a Bundle. It carries the resource version it was planned
    /// for.
    UpdateBundle(Box<Bundle>),
    /// Create or replace the values Secret of a Bundle, named like it, owned by it, with its labels.
    WriteValues {
        /// Namespace of the Bundle.
        namespace: String,
        /// Name of the Bundle.
        name: String,
        /// Labels of the Bundle.
        labels: BTreeMap<String, String>,
        /// Data of the Secret.
        data: BTreeMap<String, Vec<u8>>,
    },
    /// Delete the values Secret of a Bundle that has no values any more.
    DeleteValues {
        /// Namespace of the Bundle.
        namespace: String,
        /// Name of the Bundle.
        name: String,
    },
    /// Delete a Bundle that the repository does not give any more. What it deployed goes with it.
    DeleteBundle {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// A Bundle that must not be written now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It has to be gone first.
    #[error("the bundle {name:?} is being deleted, cannot create during a delete operation")]
    BeingDeleted {
        /// Its name.
        name: String,
    },
    /// It belongs to a HelmOp.
    #[error("a helmOps bundle with name {name:?} already exists")]
    OfHelmOp {
        /// Its name.
        name: String,
    },
}

/// Everything to write.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WritePlan {
    /// In order.
    pub actions: Vec<Action>,
    /// Bundles that are left as they are; they are not deleted either.
    pub refusals: Vec<Refusal>,
    /// Names of Bundles that are as they should be.
    pub unchanged: Vec<String>,
    /// What did not fit.
    pub warnings: Vec<Omitted>,
}

/// A Bundle takes more objects over from another one than it can name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "bundle {name:?} takes over more objects than it can name: {omitted} are left out of its overwrites"
)]
pub struct Omitted {
    /// Its name.
    pub name: String,
    /// How many it does not name.
    pub omitted: usize,
}

/// Plans the writes for a repository.
///
/// `existing`: every Bundle of the namespace that has the name of a wanted one or the label of the
/// repository. `prune`: whether Bundles of the repository that are not wanted any more are deleted;
/// not while a directory of it could not be built ([`crate::Outcome::is_complete`]), for nobody knows
/// what it would have given. An empty `wanted` then deletes all of them, which the caller has to mean.
pub fn plan_write(
    repo: &str,
    existing: &[Existing],
    wanted: Vec<Stored>,
    prune: bool,
) -> WritePlan {
    let mut plan = WritePlan::default();
    let by_name: BTreeMap<&str, &Existing> = existing
        .iter()
        .map(|existing| (name_of(&existing.bundle), existing))
        .collect();
    let names: BTreeSet<String> = wanted
        .iter()
        .map(|stored| name_of(&stored.bundle).to_owned())
        .collect();
    // By name, so that the same state gives the same plan.
    let leaving: Vec<&Existing> = by_name
        .values()
        .copied()
        .filter(|existing| {
            let going = existing.bundle.metadata.deletion_timestamp.is_some();
            (prune || going) && is_leaving(&existing.bundle, repo, &names)
        })
        .collect();
    for mut stored in wanted {
        plan.warnings.extend(set_overwrites(&mut stored, &leaving));
        let name = name_of(&stored.bundle);
        match by_name.get(name) {
            None => create(stored, &mut plan.actions),
            Some(existing) => match refuse(&existing.bundle) {
                Some(refusal) => plan.refusals.push(refusal),
                None => update(existing, stored, &mut plan),
            },
        }
    }
    for Existing { bundle, .. } in leaving {
        if bundle.metadata.deletion_timestamp.is_none() {
            let (namespace, name) = place(bundle);
            plan.actions.push(Action::DeleteBundle { namespace, name });
        }
    }
    plan
}

/// Names the objects that a Bundle takes over from those that leave.
fn set_overwrites(stored: &mut Stored, leaving: &[&Existing]) -> Option<Omitted> {
    if leaving.is_empty() {
        return None;
    }
    let assembled;
    let files = match stored.contents.split_last() {
        None => &stored.bundle.spec.resources,
        Some((root, chunks)) => {
            let name = |content: &Content| content.metadata.name.clone().unwrap_or_default();
            let chunks = chunks.iter().map(|chunk| (name(chunk), chunk.clone()));
            // What was put together a moment ago can be taken apart.
            assembled = assemble(root, &chunks.collect()).unwrap_or_default();
            &assembled
        }
    };
    let mut overwrites: Vec<OverwrittenResource> = Vec::new();
    for old in leaving {
        let found = overlap(old.files(), files);
        overwrites.extend(
            found
                .into_iter()
                .filter(|new| !overwrites.contains(new))
                .collect::<Vec<_>>(),
        );
    }
    let fitted = limits::fit(overwrites, OVERWRITES_MAX, OVERWRITES_BYTES_MAX);
    stored.bundle.spec.options.overwrites = fitted.kept;
    (fitted.omitted > 0).then(|| Omitted {
        name: name_of(&stored.bundle).to_owned(),
        omitted: fitted.omitted,
    })
}

fn create(stored: Stored, actions: &mut Vec<Action>) {
    actions.extend(
        stored
            .contents
            .into_iter()
            .map(|content| Action::CreateContent(Box::new(content))),
    );
    let values = write_values(&stored.bundle, stored.values);
    actions.push(Action::CreateBundle(Box::new(stored.bundle)));
    actions.extend(values);
}

fn update(existing: &Existing, stored: Stored, plan: &mut WritePlan) {
    let actions = &mut plan.actions;
    let had_values = existing.values_hash.is_some();
    let same_values =
        existing.values_hash.as_deref().unwrap_or_default() == stored.bundle.spec.values_hash;
    if is_current(&existing.bundle, &stored.bundle) {
        plan.unchanged.push(name_of(&stored.bundle).to_owned());
    } else {
        // A Bundle names only contents that were written before it.
        if existing.bundle.spec.contents_id != stored.bundle.spec.contents_id {
            let contents = stored.contents.into_iter();
            actions.extend(contents.map(|content| Action::CreateContent(Box::new(content))));
        }
        let mut bundle = existing.bundle.clone();
        bundle.spec = stored.bundle.spec.clone();
        bundle
            .metadata
            .labels
            .clone_from(&stored.bundle.metadata.labels);
        bundle
            .metadata
            .annotations
            .clone_from(&stored.bundle.metadata.annotations);
        actions.push(Action::UpdateBundle(Box::new(bundle)));
    }
    if same_values {
        return;
    }
    if stored.values.is_empty() && had_values {
        let (namespace, name) = place(&stored.bundle);
        actions.push(Action::DeleteValues { namespace, name });
    }
    actions.extend(write_values(&stored.bundle, stored.values));
}

fn write_values(bundle: &Bundle, data: BTreeMap<String, Vec<u8>>) -> Option<Action> {
    let (namespace, name) = place(bundle);
    let labels = bundle.metadata.labels.clone().unwrap_or_default();
    (!data.is_empty()).then_some(Action::WriteValues {
        namespace,
        name,
        labels,
        data,
    })
}

/// Whether nothing that matters would change.
fn is_current(existing: &Bundle, wanted: &Bundle) -> bool {
    let labels = |bundle: &Bundle| {
        let mut labels = bundle.metadata.labels.clone().unwrap_or_default();
        labels.remove(labels::COMMIT);
        labels
    };
    let annotations = |bundle: &Bundle| bundle.metadata.annotations.clone().unwrap_or_default();
    labels(existing) == labels(wanted)
        && annotations(existing) == annotations(wanted)
        && with_defaults(&existing.spec) == with_defaults(&wanted.spec)
}

/// The spec as an API server completes it.
fn with_defaults(spec: &BundleSpec) -> BundleSpec {
    let mut spec = spec.clone();
    if spec.target_customization_mode.is_empty() {
        "FirstMatch".clone_into(&mut spec.target_customization_mode);
    }
    spec
}

/// Why a Bundle on the hub must not be written now, if it must not.
pub fn refuse(bundle: &Bundle) -> Option<Refusal> {
    let name = name_of(bundle).to_owned();
    if bundle.metadata.deletion_timestamp.is_some() {
        return Some(Refusal::BeingDeleted { name });
    }
    bundle
        .spec
        .helm_op_options
        .is_some()
        .then_some(Refusal::OfHelmOp { name })
}

fn name_of(bundle: &Bundle) -> &str {
    bundle.metadata.name.as_deref().unwrap_or_default()
}

/// Namespace and name.
fn place(bundle: &Bundle) -> (String, String) {
    (
        bundle.metadata.namespace.clone().unwrap_or_default(),
        name_of(bundle).to_owned(),
    )
}

fn label<'a>(bundle: &'a Bundle, key: &str) -> Option<&'a str> {
    bundle
        .metadata
        .labels
        .as_ref()?
        .get(key)
        .map(String::as_str)
}
