//! Which clusters a target, restriction or partition means.
//!
//! A matcher has up to four criteria, and all that are given must hold. Without any it matches nothing;
//! an empty selector is a criterion and matches everything. Criteria about groups must hold for one and
//! the same group of the cluster.
//!
//! Source: fleet, `internal/cmd/controller/target/matcher`.

use std::collections::BTreeMap;

use api::labels::CLUSTER_DISPLAY_NAME;
use api::v1alpha1::{
    BundleSpec, BundleTarget, BundleTargetRestriction, GitTarget, InvalidSelector, LabelSelector,
    Partition, ScheduleTarget,
};

/// A selector of a bundle that means nothing. The whole bundle is at fault, not a cluster.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{list}[{index}] has an invalid selector")]
pub struct Error {
    /// `targets`, `targetRestrictions` or `partitions`.
    pub list: &'static str,
    /// Place in the list.
    pub index: usize,
    /// What is wrong.
    #[source]
    pub source: InvalidSelector,
}

/// A group as matchers see it.
#[derive(Clone, Copy, Debug)]
pub struct GroupFacts<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
}

/// A cluster as matchers see it.
#[derive(Clone, Copy, Debug)]
pub struct ClusterFacts<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// The groups it is in. The order does not matter.
    pub groups: &'a [GroupFacts<'a>],
}

/// The criteria of a target, restriction or partition.
#[derive(Clone, Copy, Debug)]
pub struct Criteria<'a> {
    pub(crate) name: &'a str,
    pub(crate) selector: Option<&'a LabelSelector>,
    pub(crate) group: &'a str,
    pub(crate) group_selector: Option<&'a LabelSelector>,
}

macro_rules! criteria_from {
    ($($type:ty),+) => {
        $(impl<'a> From<&'a $type> for Criteria<'a> {
            fn from(of: &'a $type) -> Self {
                Self {
                    name: &of.cluster_name,
                    selector: of.cluster_selector.as_ref(),
                    group: &of.cluster_group,
                    group_selector: of.cluster_group_selector.as_ref(),
                }
            }
        })+
    };
}

criteria_from!(
    BundleTarget,
    BundleTargetRestriction,
    GitTarget,
    Partition,
    ScheduleTarget
);

impl Criteria<'_> {
    /// Checks the selectors.
    ///
    /// # Errors
    /// The first one that is invalid.
    pub fn validate(&self) -> Result<(), InvalidSelector> {
        self.selector.map_or(Ok(()), LabelSelector::validate)?;
        self.group_selector.map_or(Ok(()), LabelSelector::validate)
    }

    /// Whether the criteria hold for a cluster, with one of its groups where they are about groups.
    pub fn matches(&self, cluster: &ClusterFacts<'_>) -> bool {
        self.matches_and(cluster, |_| true)
    }

    /// As `matches`, with a further condition on the group.
    fn matches_and(
        &self,
        cluster: &ClusterFacts<'_>,
        also: impl Fn(Option<&GroupFacts<'_>>) -> bool,
    ) -> bool {
        if !self.matches_cluster(cluster) {
            return false;
        }
        // A cluster without groups is tried once, as in a group without name and labels.
        if cluster.groups.is_empty() {
            return self.matches_group(None) && also(None);
        }
        cluster
            .groups
            .iter()
            .any(|group| self.matches_group(Some(group)) && also(Some(group)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.name.is_empty()
            && self.selector.is_none()
            && self.group.is_empty()
            && self.group_selector.is_none()
    }

    pub(crate) fn matches_cluster(&self, cluster: &ClusterFacts<'_>) -> bool {
        !self.is_empty()
            && self.matches_name(cluster)
            && self
                .selector
                .is_none_or(|selector| selector.matches(cluster.labels))
    }

    /// Clusters have a second name, by label.
    pub(crate) fn matches_name(&self, cluster: &ClusterFacts<'_>) -> bool {
        let display_name = cluster.labels.get(CLUSTER_DISPLAY_NAME);
        self.name.is_empty()
            || cluster.name == self.name
            || display_name.is_some_and(|name| name == self.name)
    }

    pub(crate) fn matches_group(&self, maybe_group: Option<&GroupFacts<'_>>) -> bool {
        let no_labels = BTreeMap::new();
        let (name, labels) =
            maybe_group.map_or(("", &no_labels), |group| (group.name, group.labels));
        (self.group.is_empty() || self.group == name)
            && self
                .group_selector
                .is_none_or(|selector| selector.matches(labels))
    }
}

/// Whether it makes a difference to a bundle in which groups clusters are.
pub fn mentions_groups(spec: &BundleSpec) -> bool {
    let targets = spec.targets.iter().map(Criteria::from);
    let restrictions = spec.target_restrictions.iter().map(Criteria::from);
    let strategy = spec.rollout_strategy.as_ref();
    let partitions = strategy.map_or(&[][..], |strategy| &strategy.partitions);
    targets
        .chain(restrictions)
        .chain(partitions.iter().map(Criteria::from))
        .any(|criteria| !criteria.group.is_empty() || criteria.group_selector.is_some())
}

/// The targets of a bundle, divided into those that choose clusters and those that customize.
///
/// With R restrictions, the last R targets are regular and all before them are customizations; without
/// restrictions all targets are regular.
#[derive(Clone, Copy, Debug)]
pub struct Targets<'a> {
    pub(crate) customizations: &'a [BundleTarget],
    pub(crate) regular: &'a [BundleTarget],
    pub(crate) restrictions: &'a [BundleTargetRestriction],
}

impl<'a> Targets<'a> {
    /// Divides the targets of a bundle.
    pub fn of(spec: &'a BundleSpec) -> Self {
        let n_regular = match spec.target_restrictions.len() {
            0 => spec.targets.len(),
            n => n,
        };
        let at = spec.targets.len().saturating_sub(n_regular);
        let (customizations, regular) = spec.targets.split_at(at);
        Self {
            customizations,
            regular,
            restrictions: &spec.target_restrictions,
        }
    }

    /// Checks all selectors. A selector that is invalid matches nothing, so without this check a typing
    /// error would look like a bundle for nobody.
    ///
    /// # Errors
    /// The first target or restriction with an invalid selector.
    pub fn validate(&self) -> Result<(), Error> {
        let check = |list, index, criteria: Criteria<'_>| {
            criteria.validate().map_err(|source| Error {
                list,
                index,
                source,
            })
        };
        for (index, target) in self.customizations.iter().chain(self.regular).enumerate() {
            check("targets", index, target.into())?;
        }
        for (index, restriction) in self.restrictions.iter().enumerate() {
            check("targetRestrictions", index, restriction.into())?;
        }
        Ok(())
    }

    /// The first regular target that means the cluster, provided a restriction, if there are any, means
    /// it in the same group.
    pub fn select(&self, cluster: &ClusterFacts<'_>) -> Option<&'a BundleTarget> {
        self.regular.iter().find(|target| {
            Criteria::from(*target).matches_and(cluster, |maybe_group| {
                self.restrictions.is_empty()
                    || self.restrictions.iter().any(|restriction| {
                        let restriction = Criteria::from(restriction);
                        restriction.matches_cluster(cluster)
                            && restriction.matches_group(maybe_group)
                    })
            })
        })
    }

    /// The customizations that mean the cluster, in order.
    pub fn customizations(
        &self,
        cluster: &ClusterFacts<'_>,
    ) -> impl Iterator<Item = &'a BundleTarget> {
        self.customizations
            .iter()
            .filter(move |target| Criteria::from(*target).matches(cluster))
    }
}
