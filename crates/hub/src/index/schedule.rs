//! What the index keeps of a Schedule, and what schedules say about clusters.

use std::sync::Arc;

use api::v1alpha1::{Schedule, ScheduleSpec, ScheduleStatus};
use apiclient::ObjectKey;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use target::matching::{ClusterFacts, Criteria};
use target::schedule::Windows;

use super::meta::Meta;
use super::{ClusterEntry, Index, Wake, group_facts, key_of};

/// A Schedule.
#[derive(Clone, Debug)]
pub(crate) struct ScheduleEntry {
    pub(crate) meta: Meta,
    pub(crate) spec: ScheduleSpec,
    pub(crate) status: Arc<ScheduleStatus>,
    /// Its windows, or what is wrong with it.
    pub(crate) windows: Result<Windows, String>,
}

/// What the schedules of a cluster say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// Some schedule is for it.
    pub(crate) scheduled: bool,
    /// One of them has an open window.
    pub(crate) active: bool,
    /// When that may change; `None` if only with an edit.
    pub(crate) until: Option<Timestamp>,
}

impl ScheduleEntry {
    fn of(schedule: Schedule) -> Self {
        let spec = schedule.spec;
        let local = TimeZone::try_system().unwrap_or(TimeZone::UTC);
        let windows = Windows::of(&spec, &local).map_err(|error| errors::chain(&error));
        let mut targets = spec.targets.clusters.iter().enumerate();
        let invalid = targets.find_map(|(index, target)| {
            let error = Criteria::from(target).validate().err()?;
            let error = errors::chain(&error);
            Some(format!(
                "targets.clusters[{index}] has an invalid selector: {error}"
            ))
        });
        Self {
            meta: Meta::from(&schedule.metadata),
            windows: invalid.map_or(windows, Err),
            spec,
            status: Arc::new(schedule.status),
        }
    }

    /// Whether it is for a cluster.
    pub(crate) fn matches(&self, cluster: &ClusterFacts<'_>) -> bool {
        let mut targets = self.spec.targets.clusters.iter();
        targets.any(|target| Criteria::from(target).matches(cluster))
    }
}

impl Index {
    /// A Schedule is new or has changed. Whether clusters have to be looked at again.
    pub(crate) fn schedule_applied(&mut self, schedule: Schedule) -> bool {
        let key = key_of(&schedule);
        let entry = ScheduleEntry::of(schedule);
        let previous = self.schedules.insert(key, Arc::new(entry.clone()));
        previous.is_none_or(|previous| {
            previous.spec != entry.spec || previous.meta.deleting != entry.meta.deleting
        })
    }

    /// The Schedules of a namespace that are not on their way out.
    pub(crate) fn schedules_of(
        &self,
        namespace: &str,
    ) -> impl Iterator<Item = (&ObjectKey, &ScheduleEntry)> {
        let schedules = self.schedules.range(ObjectKey::new(namespace, "")..);
        schedules
            .take_while(move |(key, _)| key.namespace == namespace)
            .filter(|(_, entry)| !entry.meta.deleting)
            .map(|(key, entry)| (key, entry.as_ref()))
    }

    /// Wakes the controller of these.
    pub(crate) fn wake_schedules(&self, namespace: &str) -> Vec<Wake> {
        let schedules = self.schedules_of(namespace);
        schedules
            .map(|(key, _)| Wake::Schedule(key.clone()))
            .collect()
    }

    /// What schedules say about a cluster now. A schedule that means nothing keeps its windows closed: an
    /// edit gone wrong deploys nothing at the wrong time.
    pub(crate) fn window(&self, key: &ObjectKey, now: Timestamp) -> Window {
        let mut window = Window::default();
        let Some(cluster) = self.clusters.get(key) else {
            return window;
        };
        for (_, schedule) in self.schedules_of(&key.namespace) {
            if !self.is_scheduled(schedule, key, cluster) {
                continue;
            }
            window.scheduled = true;
            let Ok(windows) = &schedule.windows else {
                continue;
            };
            let moment = windows.at(now);
            window.active |= moment.active;
            window.until = window.until.into_iter().chain(moment.next_change).min();
        }
        window
    }

    /// Names of the clusters that a schedule is for.
    pub(crate) fn scheduled_by(&self, key: &ObjectKey, schedule: &ScheduleEntry) -> Vec<String> {
        let clusters = self
            .clusters
            .range(ObjectKey::new(key.namespace.clone(), "")..);
        let near = clusters.take_while(|(cluster, _)| cluster.namespace == key.namespace);
        let meant = near.filter(|(cluster, entry)| self.is_scheduled(schedule, cluster, entry));
        meant.map(|(cluster, _)| cluster.name.clone()).collect()
    }

    fn is_scheduled(
        &self,
        schedule: &ScheduleEntry,
        key: &ObjectKey,
        cluster: &ClusterEntry,
    ) -> bool {
        let groups = group_facts(&self.memberships, &self.groups, key);
        schedule.matches(&ClusterFacts {
            name: &key.name,
            labels: &cluster.meta.labels,
            groups: &groups,
        })
    }
}
