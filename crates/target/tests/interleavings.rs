//! What holds of a roll-out in any order of events: agents that apply, fail, recover and fall silent,
//! clusters that come and go, commits, pauses, schedules, a hub that hears of reports late and starts anew.

#![expect(clippy::unwrap_used, reason = "what is generated is known to be good")]

use api::v1alpha1::{Partition, RolloutStrategy};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use proptest::prelude::*;
use proptest::sample::Index;
use target::rollout::{Access, Decision, Pass, Stored, Target, limit, pass};

/// One cluster.
#[derive(Clone, Debug)]
struct Site {
    /// As the hub knows it.
    seen: Target,
    /// What the agent reported last: applied id, and whether that is ready.
    reported: (String, bool),
}

#[derive(Clone, Debug)]
enum Event {
    /// The hub runs.
    Pass,
    /// The agent applies what is stored.
    Apply(Index, bool),
    /// What runs becomes ready, or stops being so.
    Turn(Index, bool),
    /// The hub hears the report.
    Hear(Index),
    /// Pauses, schedules, silence and their ends.
    Access(Index, Access),
    Commit(u8),
    Join(Vec<usize>),
    Leave(Index),
    /// Somebody deletes a deployment.
    Delete(Index),
    /// The hub reads everything anew.
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let who = any::<Index>;
    let access = prop_oneof![
        Just(Access::Open),
        Just(Access::Held),
        Just(Access::OffSchedule),
        Just(Access::Offline)
    ];
    prop_oneof![
        6 => Just(Event::Pass),
        4 => (who(), prop::bool::weighted(0.8)).prop_map(|(who, ready)| Event::Apply(who, ready)),
        3 => (who(), any::<bool>()).prop_map(|(who, ready)| Event::Turn(who, ready)),
        6 => who().prop_map(Event::Hear),
        2 => (who(), access).prop_map(|(who, access)| Event::Access(who, access)),
        1 => (0..3_u8).prop_map(Event::Commit),
        1 => prop::collection::vec(0..4_usize, 0..3).prop_map(Event::Join),
        1 => who().prop_map(Event::Leave),
        1 => who().prop_map(Event::Delete),
        1 => Just(Event::Restart),
    ]
}

fn size() -> impl Strategy<Value = IntOrString> {
    prop_oneof![
        (0..6).prop_map(IntOrString::Int),
        (0..=120_u8).prop_map(|percent| IntOrString::String(format!("{percent}%"))),
        (1..6_u8).prop_map(|number| IntOrString::String(number.to_string())),
    ]
}

fn strategy() -> impl Strategy<Value = RolloutStrategy> {
    let partition = prop::option::of(size()).prop_map(|max_unavailable| Partition {
        max_unavailable,
        ..Partition::default()
    });
    let automatic = (size(), prop_oneof![Just(200_i64), 0..5_i64]);
    let parts = prop_oneof![
        Just(vec![]).boxed(),
        prop::collection::vec(partition, 1..4).boxed()
    ];
    let sizes = [(); 3].map(|()| prop::option::of(size()));
    (sizes, automatic, parts, prop::option::of(0..6_i64)).prop_map(
        |([unavailable, behind, offline], (size, threshold), partitions, max_new)| {
            RolloutStrategy {
                max_unavailable: unavailable,
                max_unavailable_partitions: behind,
                max_offline: offline,
                auto_partition_size: Some(size),
                auto_partition_threshold: Some(threshold),
                max_new,
                partitions,
            }
        },
    )
}

fn id(commit: u8) -> String {
    format!("s-{commit}:o")
}

fn new_site(partitions: Vec<usize>, commit: u8, is_deployed: bool) -> Site {
    let stored = is_deployed.then(|| Stored {
        deployment_id: id(0),
        applied_id: id(0),
        ready: true,
    });
    let mut partitions = partitions;
    partitions.sort_unstable();
    partitions.dedup();
    Site {
        seen: Target {
            partitions,
            wanted_id: id(commit),
            stored,
            access: Access::Open,
        },
        reported: (if is_deployed { id(0) } else { String::new() }, is_deployed),
    }
}

fn world() -> impl Strategy<Value = (RolloutStrategy, Vec<Site>, Vec<Event>)> {
    let partitions = prop::collection::vec(0..4_usize, 0..3);
    let site = (partitions, prop::bool::weighted(0.8))
        .prop_map(|(partitions, is_deployed)| new_site(partitions, 1, is_deployed));
    (
        strategy(),
        prop::collection::vec(site, 0..14),
        prop::collection::vec(event(), 0..80),
    )
}

struct World {
    strategy: RolloutStrategy,
    sites: Vec<Site>,
    commit: u8,
}

impl World {
    fn site(&mut self, who: Index) -> Option<&mut Site> {
        let n = self.sites.len();
        (n > 0).then(|| &mut self.sites[who.index(n)])
    }

    fn happen(&mut self, event: Event) -> Result<(), TestCaseError> {
        match event {
            Event::Pass => drop(self.pass()?),
            Event::Apply(who, ready) => {
                if let Some(site) = self.site(who) {
                    site.apply(ready);
                }
            }
            Event::Turn(who, ready) => {
                if let Some(site) = self.site(who) {
                    site.reported.1 = ready;
                }
            }
            Event::Hear(who) => {
                if let Some(site) = self.site(who) {
                    site.hear();
                }
            }
            Event::Access(who, access) => {
                if let Some(site) = self.site(who) {
                    site.seen.access = access;
                }
            }
            Event::Commit(commit) => self.commit(commit),
            Event::Join(partitions) => self.sites.push(new_site(partitions, self.commit, false)),
            Event::Leave(who) => {
                if !self.sites.is_empty() {
                    self.sites.remove(who.index(self.sites.len()));
                }
            }
            Event::Delete(who) => {
                if let Some(site) = self.site(who) {
                    site.seen.stored = None;
                    site.reported = (String::new(), false);
                }
            }
            Event::Restart => self.sites.iter_mut().for_each(Site::hear),
        }
        Ok(())
    }

    fn commit(&mut self, commit: u8) {
        self.commit = commit;
        for site in &mut self.sites {
            site.seen.wanted_id = id(commit);
        }
    }

    fn targets(&self) -> Vec<Target> {
        self.sites.iter().map(|site| site.seen.clone()).collect()
    }

    /// Runs the hub once, checks what it does, and does it.
    fn pass(&mut self) -> Result<Pass, TestCaseError> {
        let before = self.targets();
        let pass = pass(Some(&self.strategy), &before).unwrap();
        for (site, decision) in self.sites.iter_mut().zip(&pass.decisions) {
            let wanted = site.seen.wanted_id.clone();
            match (&mut site.seen.stored, decision) {
                (stored @ None, Decision::Create) => {
                    *stored = Some(Stored {
                        deployment_id: wanted,
                        ..Stored::default()
                    });
                }
                (Some(stored), Decision::Promote) => stored.deployment_id = wanted,
                (None, Decision::Promote | Decision::Stage) | (Some(_), Decision::Create) => {
                    return Err(TestCaseError::fail(format!("{decision:?} makes no sense")));
                }
                _ => {}
            }
        }
        Checker::new(&self.strategy, &before, &self.targets(), &pass).check()?;
        Ok(pass)
    }
}

impl Site {
    /// Agents that are paused, off schedule or gone apply nothing.
    fn apply(&mut self, ready: bool) {
        if let (Some(stored), Access::Open) = (&self.seen.stored, self.seen.access) {
            self.reported = (stored.deployment_id.clone(), ready);
        }
    }

    /// What it can do for its readiness, which the hub hears.
    fn recover(&mut self) {
        if let (Some(stored), Access::Held) = (&self.seen.stored, self.seen.access) {
            self.reported.0.clone_from(&stored.deployment_id);
        }
        self.reported.1 = true;
        self.hear();
    }

    fn hear(&mut self) {
        if let Some(stored) = &mut self.seen.stored {
            (stored.applied_id, stored.ready) = self.reported.clone();
        }
    }
}

/// What has to hold of a pass, said in another way than it is computed.
struct Checker<'a> {
    strategy: &'a RolloutStrategy,
    before: &'a [Target],
    after: &'a [Target],
    pass: &'a Pass,
    /// Targets that count, by place.
    counted: Vec<usize>,
    /// Offline ones that count.
    missed: Vec<usize>,
}

impl<'a> Checker<'a> {
    fn new(
        strategy: &'a RolloutStrategy,
        before: &'a [Target],
        after: &'a [Target],
        pass: &'a Pass,
    ) -> Self {
        let places = 0..before.len();
        let offline = places
            .clone()
            .filter(|at| before[*at].access == Access::Offline);
        let allowed = strategy.max_offline.as_ref().map_or(before.len(), |max| {
            limit("maxOffline", before.len(), &[Some(max)]).unwrap()
        });
        let missed: Vec<usize> = offline.skip(allowed).collect();
        let is_near = |at: &usize| matches!(before[*at].access, Access::Open | Access::Held);
        let counted = places.filter(|at| is_near(at) || missed.contains(at));
        Self {
            strategy,
            before,
            after,
            pass,
            counted: counted.collect(),
            missed,
        }
    }

    fn unavailable(&self, targets: &[Target], among: &[usize]) -> usize {
        let counted = among.iter().filter(|at| self.counted.contains(at));
        let is_unavailable = |at: &usize| {
            let stored = targets[*at].stored.as_ref();
            self.missed.contains(at) || stored.is_some_and(Stored::is_unavailable)
        };
        counted.filter(|at| is_unavailable(at)).count()
    }

    /// Those whose running deployment the pass replaces.
    fn disturbed(&self) -> Vec<usize> {
        let is_disturbed = |at: &usize| {
            let stored = self.before[*at].stored.as_ref();
            stored.is_some_and(|stored| {
                !stored.is_unavailable()
                    && self.after[*at].stored.as_ref().unwrap().deployment_id
                        != stored.deployment_id
            })
        };
        (0..self.before.len()).filter(is_disturbed).collect()
    }

    fn counted_of(&self, members: &[usize]) -> usize {
        let counted = members.iter().filter(|at| self.counted.contains(at));
        counted.count()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let (all, disturbed) = ((0..self.before.len()).collect::<Vec<_>>(), self.disturbed());
        let sizes = [self.strategy.max_unavailable.as_ref()];
        let max = limit("maxUnavailable", self.counted.len(), &sizes).unwrap();
        if !disturbed.is_empty() {
            let after = self.unavailable(self.after, &all);
            prop_assert!(after <= max, "{after} of {max} are unavailable");
        }
        for at in &disturbed {
            prop_assert_eq!(self.before[*at].access, Access::Open);
        }
        self.check_partitions(&disturbed)?;
        let is_new =
            |at: &&usize| self.before[**at].stored.is_none() && self.after[**at].stored.is_some();
        let created = all.iter().filter(is_new).count() as i64;
        let max_new = self.strategy.max_new.unwrap_or(50);
        prop_assert!(created <= max_new, "{created} of {max_new} are created");
        prop_assert_eq!(created, self.pass.numbers.newly_created);
        Ok(())
    }

    fn check_partitions(&self, disturbed: &[usize]) -> Result<(), TestCaseError> {
        let partitions = &self.pass.partitions;
        let allowed = self.strategy.max_unavailable_partitions.as_ref();
        let allowed = allowed.map_or(0, |max| {
            limit("maxUnavailablePartitions", partitions.len(), &[Some(max)]).unwrap()
        });
        let mut n_behind = 0;
        let mut turn = Vec::new();
        for (place, partition) in partitions.iter().enumerate() {
            let own = self.strategy.partitions.get(place);
            let own = own.and_then(|own| own.max_unavailable.as_ref());
            let sizes = [own, self.strategy.max_unavailable.as_ref()];
            let max = limit(
                "maxUnavailable",
                self.counted_of(&partition.members),
                &sizes,
            )
            .unwrap();
            if partition.members.iter().any(|at| disturbed.contains(at)) {
                let after = self.unavailable(self.after, &partition.members);
                prop_assert!(after <= max, "{after} of {max} in partition {place}");
            }
            if n_behind <= allowed {
                turn.extend(&partition.members);
            }
            n_behind += usize::from(self.behind(&partition.members) > max);
        }
        for at in disturbed {
            prop_assert!(turn.contains(at), "it was not the turn of {at}");
        }
        Ok(())
    }

    /// Members that are unavailable, or lack what they could be given.
    fn behind(&self, members: &[usize]) -> usize {
        let is_behind = |at: &&usize| {
            let target = &self.before[**at];
            let is_at = |stored: &Stored| {
                stored.deployment_id == target.wanted_id && stored.applied_id == target.wanted_id
            };
            let stored = target.stored.as_ref();
            let is_late = target.access == Access::Open && !stored.is_some_and(is_at);
            self.unavailable(self.before, &[**at]) > 0 || (is_late && self.counted.contains(*at))
        };
        members.iter().filter(is_behind).count()
    }
}

/// Whether the strategy lets a roll-out end at all.
fn can_end(strategy: &RolloutStrategy) -> bool {
    let is_none = |size: &Option<IntOrString>| matches!(size, Some(IntOrString::Int(0)));
    let of_partition = |partition: &Partition| is_none(&partition.max_unavailable);
    !is_none(&strategy.max_unavailable)
        && !strategy.partitions.iter().any(of_partition)
        && strategy.max_new != Some(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn budgets_hold_in_any_order_of_events((strategy, sites, events) in world()) {
        let mut world = World { strategy, sites, commit: 1 };
        for event in events {
            world.happen(event)?;
        }
    }

    #[test]
    fn when_everything_is_ready_the_roll_out_ends((strategy, sites, events) in world()) {
        prop_assume!(can_end(&strategy));
        let mut world = World { strategy, sites, commit: 1 };
        for event in events {
            world.happen(event)?;
        }
        let may_wait_for_offline = world.strategy.max_offline.is_some();
        for site in &mut world.sites {
            if may_wait_for_offline && site.seen.access == Access::Offline {
                site.seen.access = Access::Open;
            }
            site.recover();
        }
        let mut n_passes = 0;
        loop {
            let before = world.targets();
            let pass = world.pass()?;
            for site in &mut world.sites {
                site.apply(true);
                site.recover();
            }
            if world.targets() == before {
                prop_assert!(!pass.is_waiting, "it would wait for ever");
                break;
            }
            n_passes += 1;
            prop_assert!(n_passes < 200, "it does not end");
        }
        let in_some = |site: &&Site| {
            let n = world.strategy.partitions.len();
            n == 0 || site.seen.partitions.iter().any(|place| *place < n)
        };
        let open = world.sites.iter().filter(|site| site.seen.access == Access::Open);
        for site in open.filter(in_some) {
            let wanted = Stored {
                deployment_id: id(world.commit),
                applied_id: id(world.commit),
                ready: true,
            };
            prop_assert_eq!(site.seen.stored.as_ref(), Some(&wanted));
        }
    }

    #[test]
    fn what_a_pass_decides_stays_decided((strategy, sites, events) in world()) {
        let mut world = World { strategy, sites, commit: 1 };
        for event in events {
            world.happen(event)?;
        }
        world.pass()?;
        while world.strategy.max_new != Some(0) && world.pass()?.numbers.newly_created > 0 {}
        let settled = world.targets();
        let pass = world.pass()?;
        prop_assert_eq!(settled, world.targets());
        let is_late = |target: &Target| {
            let stored = target.stored.as_ref();
            target.access == Access::Open
                && stored.is_none_or(|stored| stored.deployment_id != target.wanted_id)
        };
        let in_some = |target: &&Target| {
            let n = world.strategy.partitions.len();
            n == 0 || target.partitions.iter().any(|place| *place < n)
        };
        let targets = world.targets();
        let is_late = targets.iter().filter(in_some).any(is_late);
        prop_assert!(
            !is_late || pass.is_waiting || pass.has_more_to_create,
            "somebody lacks something and nobody waits for it"
        );
    }
}
