//! The roll-up against a computation from scratch, in any order of events, and against its budgets.

use std::collections::{BTreeMap, BTreeSet};

use api::labels;
use api::limits::{Limits, json_len};
use api::state::{self, State};
use api::v1alpha1::{
    BundleDeployment, BundleDeploymentResource, BundleSummary, Condition, ModifiedStatus,
    NonReadyStatus, Resource, ResourceCounts, StatusBase, Summary,
};
use proptest::prelude::*;

use super::*;

/// Everything is kept: for comparisons with a complete computation.
const BOUNDLESS: Limits = Limits {
    details_max: 1000,
    details_bytes_max: 1 << 20,
    detail_bytes_max: 1 << 16,
    ready_message_bytes_max: 1 << 16,
    ..Limits::PRODUCTION
};

const N_CLUSTERS: usize = 5;
const N_BUNDLES: usize = 4;

fn cluster_key(at: usize) -> ObjectKey {
    ObjectKey::new(["fleet-default", "fleet-a"][at % 2], &format!("c{at}"))
}

fn bundle_key(at: usize) -> ObjectKey {
    ObjectKey::new("fleet-default", &format!("bundle-{at}"))
}

fn source_of(bundle: usize) -> Option<Source> {
    match bundle {
        0 | 1 => Some(Source::GitRepo(ObjectKey::new("fleet-default", "repo"))),
        2 => Some(Source::HelmOp(ObjectKey::new("fleet-default", "chart"))),
        _ => None,
    }
}

fn deployment_key(cluster: usize, bundle: usize) -> ObjectKey {
    ObjectKey::new(&format!("cluster-{cluster}"), &format!("bundle-{bundle}"))
}

/// What differs between the deployments of a test.
#[derive(Clone, Debug)]
struct Shape {
    state: State,
    n_objects: usize,
    n_non_ready: usize,
    n_modified: usize,
    is_incomplete: bool,
    message: String,
}

fn shape() -> impl Strategy<Value = Shape> {
    let states = prop::sample::select(vec![
        State::Ready,
        State::NotReady,
        State::OutOfSync,
        State::Modified,
        State::WaitApplied,
        State::ErrApplied,
    ]);
    (
        states,
        0usize..6,
        0usize..4,
        0usize..4,
        any::<bool>(),
        "[a-z<\"é]{0,90}",
    )
        .prop_map(
            |(state, n_objects, n_non_ready, n_modified, is_incomplete, message)| Shape {
                state,
                n_objects,
                n_non_ready,
                n_modified,
                is_incomplete,
                message,
            },
        )
}

fn object_name(at: usize) -> (String, String, String) {
    let (api_version, kind) = [("v1", "ConfigMap"), ("apps/v1", "Deployment")][at % 2];
    (
        api_version.to_owned(),
        kind.to_owned(),
        format!("object-{at}"),
    )
}

fn deployment(cluster: usize, bundle: usize, shape: &Shape) -> BundleDeployment {
    let mut deployment = BundleDeployment::default();
    let (cluster_key, bundle_key) = (cluster_key(cluster), bundle_key(bundle));
    let mut labels = BTreeMap::from([
        (labels::BUNDLE_NAME, bundle_key.name().to_owned()),
        (labels::BUNDLE_NAMESPACE, bundle_key.namespace().to_owned()),
        (labels::CLUSTER, cluster_key.name().to_owned()),
        (
            labels::CLUSTER_NAMESPACE,
            cluster_key.namespace().to_owned(),
        ),
    ]);
    match source_of(bundle) {
        Some(Source::GitRepo(key)) => labels.insert(labels::REPO_NAME, key.name().to_owned()),
        Some(Source::HelmOp(key)) => labels.insert(labels::HELM_OP_NAME, key.name().to_owned()),
        None => None,
    };
    deployment.metadata.labels = Some(
        labels
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    );
    let key = deployment_key(cluster, bundle);
    deployment.metadata.namespace = Some(key.namespace().to_owned());
    deployment.metadata.name = Some(key.name().to_owned());
    fill(&mut deployment, shape);
    assert_eq!(State::of(&deployment), shape.state);
    deployment
}

fn fill(deployment: &mut BundleDeployment, shape: &Shape) {
    let (spec, status) = (&mut deployment.spec, &mut deployment.status);
    spec.deployment_id = "id".to_owned();
    spec.staged_deployment_id = if shape.state == State::OutOfSync {
        "next"
    } else {
        "id"
    }
    .to_owned();
    let is_applied = !matches!(shape.state, State::WaitApplied | State::ErrApplied);
    status.applied_deployment_id = if is_applied { "id" } else { "old" }.to_owned();
    status.ready = shape.state != State::NotReady;
    status.non_modified = shape.state != State::Modified;
    status.incomplete_state = shape.is_incomplete;
    status.conditions = vec![Condition {
        type_: "Deployed".to_owned(),
        status: if shape.state == State::ErrApplied {
            "False"
        } else {
            "True"
        }
        .to_owned(),
        message: shape.message.clone(),
        ..Condition::default()
    }];
    for at in 0..shape.n_objects {
        let (api_version, kind, name) = object_name(at);
        let namespace = "shop".to_owned();
        status.resources.push(BundleDeploymentResource {
            api_version,
            kind,
            name,
            namespace,
            created_at: None,
        });
    }
    for at in 0..shape.n_non_ready {
        let (api_version, kind, name) = object_name(at);
        let state = ["NotReady", "updating", "in-progress"][at % 3].to_owned();
        let summary = Summary {
            state,
            message: vec!["m".repeat(20)],
            ..Summary::default()
        };
        let namespace = "shop".to_owned();
        status.non_ready_status.push(NonReadyStatus {
            api_version,
            kind,
            name,
            namespace,
            summary,
            ..NonReadyStatus::default()
        });
    }
    for at in 2..2 + shape.n_modified {
        let (api_version, kind, name) = object_name(at);
        status.modified_status.push(ModifiedStatus {
            api_version,
            kind,
            name,
            namespace: "shop".to_owned(),
            missing: at % 3 == 0,
            delete: at % 3 == 1,
            patch: "p".repeat(at * 20),
            ..ModifiedStatus::default()
        });
    }
    let n = i64::try_from(shape.n_objects).unwrap_or(0);
    status.resource_counts = ResourceCounts {
        ready: n / 2,
        desired_ready: n,
        ..Default::default()
    };
}

/// One event.
#[derive(Clone, Debug)]
enum Event {
    Deployment {
        cluster: usize,
        bundle: usize,
        maybe_shape: Option<Shape>,
    },
    Pending {
        cluster: usize,
        bundle: usize,
    },
    Groups {
        cluster: usize,
        maybe_groups: Option<Vec<usize>>,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let place = (0..N_CLUSTERS, 0..N_BUNDLES);
    prop_oneof![
        6 => (place.clone(), prop::option::weighted(0.8, shape())).prop_map(
            |((cluster, bundle), maybe_shape)| Event::Deployment { cluster, bundle, maybe_shape }
        ),
        1 => place.prop_map(|(cluster, bundle)| Event::Pending { cluster, bundle }),
        2 => (0..N_CLUSTERS, prop::option::weighted(0.8, prop::collection::vec(0usize..3, 0..3)))
            .prop_map(|(cluster, maybe_groups)| Event::Groups { cluster, maybe_groups }),
    ]
}

/// What is true after all events: the last word on each deployment and cluster.
#[derive(Default)]
struct World {
    deployments: BTreeMap<(usize, usize), Option<BundleDeployment>>,
    groups: BTreeMap<usize, BTreeSet<ObjectKey>>,
}

fn group_keys(groups: &[usize]) -> BTreeSet<ObjectKey> {
    groups
        .iter()
        .map(|at| ObjectKey::new("fleet-default", &format!("group-{at}")))
        .collect()
}

fn play(events: &[Event], limits: Limits) -> (Rollup, World) {
    let mut rollup = Rollup::new(limits);
    let mut world = World::default();
    for event in events {
        match event {
            Event::Deployment {
                cluster,
                bundle,
                maybe_shape: Some(shape),
            } => {
                let deployment = deployment(*cluster, *bundle, shape);
                let contribution = Contribution::of(&deployment, None, &limits).expect("labels");
                rollup.set(deployment_key(*cluster, *bundle), contribution);
                world
                    .deployments
                    .insert((*cluster, *bundle), Some(deployment));
            }
            Event::Deployment {
                cluster,
                bundle,
                maybe_shape: None,
            } => {
                rollup.remove(&deployment_key(*cluster, *bundle));
                world.deployments.remove(&(*cluster, *bundle));
            }
            Event::Pending { cluster, bundle } => {
                let pending = Contribution::pending(bundle_key(*bundle), cluster_key(*cluster));
                rollup.set(deployment_key(*cluster, *bundle), pending);
                world.deployments.insert((*cluster, *bundle), None);
            }
            Event::Groups {
                cluster,
                maybe_groups: Some(groups),
            } => {
                rollup.set_cluster(&cluster_key(*cluster), &group_keys(groups));
                world.groups.insert(*cluster, group_keys(groups));
            }
            Event::Groups {
                cluster,
                maybe_groups: None,
            } => {
                rollup.remove_cluster(&cluster_key(*cluster));
                world.groups.remove(cluster);
            }
        }
    }
    (rollup, world)
}

/// A roll-up that hears the outcome only, last things first.
fn replay(world: &World, limits: Limits) -> Rollup {
    let mut rollup = Rollup::new(limits);
    for ((cluster, bundle), deployment) in world.deployments.iter().rev() {
        let contribution = match deployment {
            Some(deployment) => Contribution::of(deployment, None, &limits).expect("labels"),
            None => Contribution::pending(bundle_key(*bundle), cluster_key(*cluster)),
        };
        rollup.set(deployment_key(*cluster, *bundle), contribution);
    }
    for (cluster, groups) in &world.groups {
        rollup.set_cluster(&cluster_key(*cluster), groups);
    }
    rollup
}

/// All that can be asked, as one comparable value.
fn all_views(
    rollup: &Rollup,
) -> (
    Vec<BundleView>,
    Vec<SourceView>,
    Vec<ClusterView>,
    Vec<ClusterGroupView>,
) {
    let groups = group_keys(&[0, 1, 2]);
    (
        (0..N_BUNDLES)
            .map(|at| rollup.bundle(&bundle_key(at)))
            .collect(),
        (0..N_BUNDLES)
            .filter_map(source_of)
            .map(|source| rollup.source(&source))
            .collect(),
        (0..N_CLUSTERS)
            .map(|at| rollup.cluster(&cluster_key(at)))
            .collect(),
        groups.iter().map(|key| rollup.cluster_group(key)).collect(),
    )
}

/// Summary of some deployments by counting them, with all that are not ready, by name.
fn counted<'a>(
    deployments: impl Iterator<Item = (String, Option<&'a BundleDeployment>, State)>,
) -> (BundleSummary, Vec<(String, String)>) {
    let mut summary = BundleSummary::default();
    let mut listed = Vec::new();
    for (name, _, state) in deployments {
        *state::counter(&mut summary, state) += 1;
        summary.desired_ready += 1;
        if state != State::Ready {
            listed.push((name, state.to_string()));
        }
    }
    listed.sort();
    (summary, listed)
}

fn assert_summary(got: &BundleSummary, (want, listed): (BundleSummary, Vec<(String, String)>)) {
    let numbers = BundleSummary {
        non_ready_resources: vec![],
        non_ready_resources_omitted: 0,
        ..got.clone()
    };
    assert_eq!(numbers, want);
    let mut got_listed: Vec<_> = got
        .non_ready_resources
        .iter()
        .map(|entry| (entry.name.clone(), entry.bundle_state.clone()))
        .collect();
    got_listed.sort();
    assert_eq!(got_listed, listed);
}

fn check_bundles(rollup: &Rollup, world: &World) {
    for bundle in 0..N_BUNDLES {
        let view = rollup.bundle(&bundle_key(bundle));
        let of_bundle = || {
            world
                .deployments
                .iter()
                .filter(|((_, at), _)| *at == bundle)
        };
        let states = of_bundle().map(|((cluster, _), deployment)| {
            let state = deployment.as_ref().map_or(State::Pending, |deployment| {
                State::of_wanted(deployment, &deployment.spec.staged_deployment_id)
            });
            (
                cluster_key(*cluster).to_string(),
                deployment.as_ref(),
                state,
            )
        });
        let want = counted(states);
        assert_eq!(
            view.display.state,
            want.1
                .iter()
                .map(|(_, state)| State::parse(state))
                .max()
                .flatten()
                .map_or(String::new(), |state| state.to_string())
        );
        assert_eq!(view.ready_message.is_empty(), want.1.is_empty());
        assert_eq!(
            view.display.ready_clusters,
            format!("{}/{}", want.0.ready, want.0.desired_ready)
        );
        assert_summary(&view.summary, want);
        let unavailable = of_bundle()
            .filter_map(|(_, deployment)| deployment.as_ref())
            .filter(|d| !d.status.ready || d.status.applied_deployment_id != d.spec.deployment_id)
            .count();
        assert_eq!(usize::try_from(view.unavailable), Ok(unavailable));
    }
}

fn check_clusters(rollup: &Rollup, world: &World) {
    let existing = || {
        world
            .deployments
            .iter()
            .filter_map(|(at, d)| Some((at, d.as_ref()?)))
    };
    for cluster in 0..N_CLUSTERS {
        let view = rollup.cluster(&cluster_key(cluster));
        let of_cluster = || existing().filter(move |((at, _), _)| *at == cluster);
        assert_summary(
            &view.summary,
            counted(of_cluster().map(|((_, bundle), d)| {
                (bundle_key(*bundle).name().to_owned(), Some(d), State::of(d))
            })),
        );
        let mut repos: BTreeMap<Source, bool> = BTreeMap::new();
        for ((_, bundle), deployment) in of_cluster() {
            if let Some(source) = source_of(*bundle) {
                *repos.entry(source).or_insert(true) &= State::of(deployment) == State::Ready;
            }
        }
        let n = |is_repo: bool, ready_only: bool| {
            let wanted = |(source, ready): &(&Source, &bool)| {
                matches!(source, Source::GitRepo(_)) == is_repo && (!ready_only || **ready)
            };
            i64::try_from(repos.iter().filter(wanted).count()).expect("a small number")
        };
        assert_eq!(view.ready_git_repos, n(true, true));
        assert_eq!(view.desired_ready_git_repos, n(true, false));
        assert_eq!(view.ready_helm_ops, n(false, true));
        assert_eq!(view.desired_ready_helm_ops, n(false, false));
    }
    for group in group_keys(&[0, 1, 2]) {
        let view = rollup.cluster_group(&group);
        let members: BTreeSet<usize> = world
            .groups
            .iter()
            .filter(|(_, groups)| groups.contains(&group))
            .map(|(cluster, _)| *cluster)
            .collect();
        let of_group = || existing().filter(|((cluster, _), _)| members.contains(cluster));
        assert_eq!(usize::try_from(view.cluster_count), Ok(members.len()));
        let non_ready: BTreeSet<usize> = of_group()
            .filter(|(_, deployment)| State::of(deployment) != State::Ready)
            .map(|((cluster, _), _)| *cluster)
            .collect();
        assert_eq!(
            usize::try_from(view.non_ready_cluster_count),
            Ok(non_ready.len())
        );
        assert_summary(
            &view.summary,
            counted(of_group().map(|((_, bundle), d)| {
                (bundle_key(*bundle).name().to_owned(), Some(d), State::of(d))
            })),
        );
    }
}

/// Upstream's resource list, computed from the deployments themselves.
fn resources_from_scratch(deployments: &[(ObjectKey, &BundleDeployment)]) -> Vec<Resource> {
    type Id = (String, String, String, String);
    let mut entries: BTreeMap<String, Resource> = BTreeMap::new();
    for (cluster, deployment) in deployments {
        let state = State::of(deployment);
        let usual = match state {
            State::NotReady | State::Modified if deployment.status.incomplete_state => "Unknown",
            State::NotReady | State::Modified => "Ready",
            other => other.as_str(),
        };
        let mut by_id: BTreeMap<Id, String> = BTreeMap::new();
        let status = &deployment.status;
        let id = |a: &String, k: &String, ns: &String, n: &String| {
            (a.clone(), k.clone(), ns.clone(), n.clone())
        };
        for r in &status.resources {
            by_id.insert(
                id(&r.api_version, &r.kind, &r.namespace, &r.name),
                usual.to_owned(),
            );
        }
        for r in &status.non_ready_status {
            let state = r.summary.state.clone();
            by_id.insert(id(&r.api_version, &r.kind, &r.namespace, &r.name), state);
        }
        for r in &status.modified_status {
            let state = if r.delete {
                "Orphaned"
            } else if r.missing {
                "Missing"
            } else {
                "Modified"
            };
            by_id.insert(
                id(&r.api_version, &r.kind, &r.namespace, &r.name),
                state.to_owned(),
            );
        }
        for ((api_version, kind, namespace, name), state) in by_id {
            let group = api_version
                .split_once('/')
                .map_or(String::new(), |(g, _)| format!("{g}."));
            let type_ = format!("{group}{}", kind.to_lowercase());
            let full_name = format!("{namespace}/{name}");
            let entry = entries
                .entry(format!("{type_}/{full_name}"))
                .or_insert_with(|| Resource {
                    api_version,
                    kind,
                    type_,
                    id: full_name,
                    namespace,
                    name,
                    state: "Ready".to_owned(),
                    ..Resource::default()
                });
            entry.incomplete_state |= status.incomplete_state;
            if entry.state == "Ready" {
                entry.state.clone_from(&state);
            }
            let lists = &mut entry.per_cluster_state;
            let list = match state.as_str() {
                "Ready" => &mut lists.ready,
                "WaitApplied" => &mut lists.wait_applied,
                "Modified" => &mut lists.modified,
                "Orphaned" => &mut lists.orphaned,
                "Missing" => &mut lists.missing,
                "Unknown" => &mut lists.unknown,
                "NotReady" | "updating" => &mut lists.not_ready,
                _ => continue,
            };
            list.push(cluster.to_string());
        }
    }
    entries.into_values().collect()
}

fn check_sources(rollup: &Rollup, world: &World) {
    for source in (0..N_BUNDLES)
        .filter_map(source_of)
        .collect::<BTreeSet<_>>()
    {
        let mut deployments: Vec<_> = world
            .deployments
            .iter()
            .filter_map(|((cluster, bundle), d)| {
                let is_own = source_of(*bundle).as_ref() == Some(&source);
                Some((
                    cluster_key(*cluster),
                    *bundle,
                    d.as_ref().filter(|_| is_own)?,
                ))
            })
            .collect();
        deployments.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        let by_cluster: Vec<_> = deployments
            .iter()
            .map(|(key, _, d)| (key.clone(), *d))
            .collect();
        let status = rollup.source(&source).status;
        assert_eq!(status.resources, resources_from_scratch(&by_cluster));
        assert_eq!(status.resources_omitted, 0);
        let clusters: BTreeSet<_> = by_cluster.iter().map(|(key, _)| key).collect();
        let troubled: BTreeSet<_> = by_cluster
            .iter()
            .filter(|(_, d)| State::of(d) != State::Ready)
            .map(|(key, _)| key)
            .collect();
        assert_eq!(
            usize::try_from(status.desired_ready_clusters),
            Ok(clusters.len())
        );
        assert_eq!(
            usize::try_from(status.ready_clusters),
            Ok(clusters.len() - troubled.len())
        );
        let total: i64 = by_cluster
            .iter()
            .map(|(_, d)| d.status.resource_counts.desired_ready)
            .sum();
        assert_eq!(status.resource_counts.desired_ready, total);
        assert_eq!(status.per_cluster_resource_counts.len(), clusters.len());
        assert_eq!(
            status
                .per_cluster_resource_counts
                .values()
                .map(|c| c.desired_ready)
                .sum::<i64>(),
            total
        );
    }
}

fn assert_fits(what: &str, bytes: usize, bytes_max: usize) {
    assert!(bytes <= bytes_max, "{what}: {bytes} of {bytes_max} bytes");
}

fn check_summary_budget(summary: &BundleSummary, limits: &Limits) {
    let listed = &summary.non_ready_resources;
    assert_fits("details", json_len(listed), limits.details_bytes_max);
    assert!(listed.len() <= limits.details_max);
    for entry in listed {
        assert_fits("detail", json_len(entry), limits.detail_bytes_max);
    }
    let n_listed = i64::try_from(listed.len()).expect("a small number");
    assert_eq!(
        n_listed + summary.non_ready_resources_omitted,
        summary.desired_ready - summary.ready
    );
}

fn check_source_budget(status: &StatusBase, limits: &Limits) {
    check_summary_budget(&status.summary, limits);
    assert_fits(
        "resources",
        json_len(&status.resources),
        limits.resources_bytes_max,
    );
    assert_fits(
        "cluster counts",
        json_len(&status.per_cluster_resource_counts),
        limits.cluster_counts_bytes_max,
    );
    let n_counted = i64::try_from(status.per_cluster_resource_counts.len()).expect("small");
    assert_eq!(
        n_counted + status.per_cluster_resource_counts_omitted,
        status.desired_ready_clusters
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_interleaving_equals_a_computation_from_scratch(
        events in prop::collection::vec(event(), 0..60)
    ) {
        let (rollup, world) = play(&events, BOUNDLESS);
        check_bundles(&rollup, &world);
        check_clusters(&rollup, &world);
        check_sources(&rollup, &world);
    }

    #[test]
    fn the_order_of_events_does_not_matter(events in prop::collection::vec(event(), 0..60)) {
        for limits in [Limits::TINY, BOUNDLESS] {
            let (rollup, world) = play(&events, limits);
            prop_assert_eq!(all_views(&rollup), all_views(&replay(&world, limits)));
        }
    }

    #[test]
    fn nothing_exceeds_its_budget_and_the_rest_is_counted(
        events in prop::collection::vec(event(), 0..60)
    ) {
        let limits = Limits::TINY;
        let (rollup, world) = play(&events, limits);
        let (bundles, sources, clusters, groups) = all_views(&rollup);
        let summaries = bundles.iter().map(|v| (&v.summary, &v.ready_message))
            .chain(clusters.iter().map(|v| (&v.summary, &v.ready_message)))
            .chain(groups.iter().map(|v| (&v.summary, &v.ready_message)))
            .chain(sources.iter().map(|v| (&v.status.summary, &v.ready_message)));
        for (summary, message) in summaries {
            check_summary_budget(summary, &limits);
            assert_fits("message", json_len(message), limits.ready_message_bytes_max + 2);
        }
        let boundless = replay(&world, BOUNDLESS);
        for source in (0..N_BUNDLES).filter_map(source_of) {
            let status = rollup.source(&source).status;
            check_source_budget(&status, &limits);
            let all = boundless.source(&source).status.resources.len();
            let omitted = usize::try_from(status.resources_omitted).expect("a small number");
            prop_assert_eq!(status.resources.len() + omitted, all);
        }
    }

    #[test]
    fn the_same_news_twice_leave_nothing_dirty(shape in shape()) {
        let deployment = deployment(1, 0, &shape);
        let contribution = || Contribution::of(&deployment, None, &Limits::TINY).expect("labels");
        let mut rollup = Rollup::new(Limits::TINY);
        prop_assert!(rollup.set(deployment_key(1, 0), contribution()));
        prop_assert_eq!(rollup.take_dirty().len(), 3);
        prop_assert!(!rollup.set(deployment_key(1, 0), contribution()));
        prop_assert!(rollup.take_dirty().is_empty());
        prop_assert!(rollup.remove(&deployment_key(1, 0)));
        prop_assert!(!rollup.remove(&deployment_key(1, 0)));
        prop_assert_eq!(rollup.take_dirty().len(), 3);
        prop_assert!(rollup.is_empty());
    }
}

fn ready(n_objects: usize) -> Shape {
    Shape {
        state: State::Ready,
        n_objects,
        n_non_ready: 0,
        n_modified: 0,
        is_incomplete: false,
        message: String::new(),
    }
}

#[test]
fn a_deployment_without_labels_is_refused_by_name() {
    let mut nobody = deployment(0, 0, &ready(1));
    nobody
        .metadata
        .labels
        .as_mut()
        .map(|labels| labels.remove(labels::CLUSTER));
    let refused = Contribution::of(&nobody, None, &Limits::TINY).map_err(|error| error.to_string());
    assert_eq!(
        refused.map(|_| ()),
        Err("deployment cluster-0/bundle-0 has no label fleet.cattle.io/cluster".to_owned())
    );
}

#[test]
fn a_held_back_deployment_waits_in_its_bundle_and_is_out_of_sync_elsewhere() {
    let mut held = deployment(0, 0, &ready(1));
    held.spec.staged_deployment_id = "next".to_owned();
    let mut rollup = Rollup::new(Limits::TINY);
    let contribution = Contribution::of(&held, Some("next"), &Limits::TINY).expect("labels");
    rollup.set(deployment_key(0, 0), contribution);
    assert_eq!(rollup.bundle(&bundle_key(0)).summary.wait_applied, 1);
    assert_eq!(rollup.cluster(&cluster_key(0)).summary.out_of_sync, 1);
    let source = source_of(0).expect("a source");
    assert_eq!(rollup.source(&source).status.display.state, "OutOfSync");
}

#[test]
fn past_the_budget_objects_that_are_not_ready_come_first() {
    let mut rollup = Rollup::new(Limits::TINY);
    for cluster in 0..30 {
        let mut shape = ready(5);
        if cluster == 29 {
            shape = Shape {
                state: State::NotReady,
                n_non_ready: 2,
                ..shape
            };
        }
        let contribution =
            Contribution::of(&deployment(cluster, 0, &shape), None, &Limits::TINY).expect("labels");
        rollup.set(deployment_key(cluster, 0), contribution);
    }
    let status = rollup.source(&source_of(0).expect("a source")).status;
    let broken: Vec<_> = status
        .resources
        .iter()
        .filter(|r| r.state != "Ready")
        .collect();
    assert_eq!(broken.len(), 2, "{:?}", status.resources);
    let lists = &broken[0].per_cluster_state;
    assert_eq!(
        (lists.not_ready.len(), lists.ready.len(), lists.omitted),
        (0, 0, 30)
    );
    assert!(status.resources_omitted > 0);
    assert!(json_len(&status.resources) <= Limits::TINY.resources_bytes_max);
}

#[test]
fn seventy_two_clusters_with_a_hundred_objects_stay_within_budget() {
    let limits = Limits::PRODUCTION;
    let mut rollup = Rollup::new(limits);
    for cluster in 0..72 {
        let contribution = Contribution::of(&deployment(cluster, 0, &ready(100)), None, &limits);
        rollup.set(deployment_key(cluster, 0), contribution.expect("labels"));
    }
    let status = rollup.source(&source_of(0).expect("a source")).status;
    check_source_budget(&status, &limits);
    assert_eq!(status.resources.len(), 100);
    assert_eq!(status.resources_omitted, 0);
    assert_eq!(status.per_cluster_resource_counts.len(), 72);
    assert!(json_len(&status) < limits.object_bytes_max / 4 * 3);
}
