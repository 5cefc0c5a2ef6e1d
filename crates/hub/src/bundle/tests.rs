//! Cases of the plan for a Bundle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::v1alpha1::{Bundle, BundleDeployment, Cluster, ClusterGroup, InvalidSelector, Policy};
use apiclient::ObjectKey;
use serde_json::{Value, json};
use target::mapping::Unclear;
use target::policy::Rules;
use target::template::Templates;

use super::observe::{Observed, ValuesProblem};
use super::plan::{Action, Plan, Write, plan};
use crate::index::{BundleEntry, ClusterEntry, DeploymentEntry, GroupEntry};

const FINALIZER: &str = "fleet.cattle.io/bundle-finalizer";

fn bundle(spec: &Value, metadata: &Value) -> Bundle {
    let mut object = json!({
        "metadata": { "name": "app", "namespace": "ns", "uid": "u", "generation": 3,
            "finalizers": [FINALIZER] },
        "spec": { "targets": [{ "clusterSelector": {} }],
            "resources": [{ "name": "cm.yaml", "content": "kind: ConfigMap" }] },
    });
    for (name, value) in spec.as_object().unwrap() {
        object["spec"][name] = value.clone();
    }
    for (name, value) in metadata.as_object().unwrap() {
        object["metadata"][name] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

fn cluster(name: &str, labels: &Value) -> (ObjectKey, Arc<ClusterEntry>) {
    let object: Cluster = serde_json::from_value(json!({
        "metadata": { "name": name, "namespace": "ns", "labels": labels },
        "status": { "namespace": format!("cluster-{name}") },
    }))
    .unwrap();
    (
        ObjectKey::new("ns", name),
        Arc::new(ClusterEntry::from(object)),
    )
}

fn observed(bundle: Bundle, clusters: Vec<(ObjectKey, Arc<ClusterEntry>)>) -> Observed {
    let entry = BundleEntry::new(bundle.clone(), None);
    Observed {
        key: ObjectKey::new("ns", "app"),
        bundle: Arc::new(entry),
        object: Ok(bundle),
        content_exists: true,
        clusters,
        memberships: BTreeMap::new(),
        groups: BTreeMap::new(),
        deployments: BTreeMap::new(),
        taken: BTreeMap::new(),
        rules: Ok(Arc::new(Rules::default())),
        is_of_agent: false,
        settled: Arc::default(),
        circle: None,
        unclear: None,
        pins: Vec::new(),
        sources: BTreeMap::new(),
    }
}

fn run(observed: &Observed) -> Plan {
    plan(observed, &Templates::production())
}

/// What the API server holds after the plan was carried out, with agents that applied everything.
fn carry_out(observed: &mut Observed, plan: &Plan) {
    for action in &plan.actions {
        let Action::Deploy {
            deployment, write, ..
        } = action
        else {
            continue;
        };
        let mut object = match write.as_ref() {
            Write::Create { object, .. } => (**object).clone(),
            Write::Promote { spec, labels, .. } => {
                let mut object = BundleDeployment {
                    spec: spec.clone(),
                    ..BundleDeployment::default()
                };
                object.metadata.labels = Some(labels.clone());
                object
            }
            Write::Stage { .. } | Write::Flags { .. } => continue,
        };
        object
            .status
            .applied_deployment_id
            .clone_from(&object.spec.deployment_id);
        object.status.ready = true;
        let entry = DeploymentEntry::new(&object).unwrap();
        observed
            .deployments
            .insert(deployment.clone(), Arc::new(entry));
    }
}

fn names(plan: &Plan) -> Vec<String> {
    plan.actions
        .iter()
        .map(|action| match action {
            Action::SetFinalizers { finalizers, .. } => format!("finalizers {finalizers:?}"),
            Action::StoreContent { .. } => "content".to_owned(),
            Action::Delete { deployment } => format!("delete {}", deployment.namespace),
            Action::DeleteValues { .. } => "delete values".to_owned(),
            Action::DeleteArtifact { id, .. } => format!("delete artifact {id}"),
            Action::Deploy { cluster, write, .. } => {
                let how = match write.as_ref() {
                    Write::Create { .. } => "create",
                    Write::Promote { .. } => "promote",
                    Write::Stage { .. } => "stage",
                    Write::Flags { .. } => "flags",
                };
                format!("{how} {}", cluster.name)
            }
        })
        .collect()
}

fn two_clusters() -> Vec<(ObjectKey, Arc<ClusterEntry>)> {
    vec![
        cluster("a", &json!({ "zone": "1" })),
        cluster("b", &json!({ "zone": "2" })),
    ]
}

#[test]
fn a_new_bundle_stores_its_content_and_is_created_on_every_cluster() {
    let mut observed = observed(
        bundle(&json!({}), &json!({ "finalizers": [] })),
        two_clusters(),
    );
    observed.content_exists = false;
    let wanted = [
        &format!("finalizers [{FINALIZER:?}]"),
        "content",
        "create a",
        "create b",
    ];
    assert_eq!(names(&run(&observed)), wanted);
}

#[test]
fn a_plan_that_was_carried_out_leaves_nothing_to_do() {
    let values = json!({ "helm": { "values": { "zone": "${ .ClusterLabels.zone }", "n": 1 } } });
    let mut observed = observed(bundle(&values, &json!({})), two_clusters());
    let first = run(&observed);
    assert_eq!(names(&first), ["create a", "create b"]);
    carry_out(&mut observed, &first);
    assert_eq!(names(&run(&observed)), Vec::<String>::new());
}

/// Numbers the states of clusters and deployments as the index does.
fn number(observed: &mut Observed, from: u64) {
    let mut next = from..;
    for (_, cluster) in &mut observed.clusters {
        Arc::make_mut(cluster).revision = next.next().unwrap();
    }
    for deployment in observed.deployments.values_mut() {
        Arc::make_mut(deployment).revision = next.next().unwrap();
    }
}

/// Clusters `a` and `b` in order, and `c`, which is not meant; what was found is remembered.
fn settled() -> Observed {
    let spec = json!({
        "targets": [{ "clusterSelector": { "matchLabels": { "zone": "1" } } }],
        "helm": { "values": { "at": "${ .ClusterLabels.at }" } },
    });
    let labels = json!({ "zone": "1", "at": "x" });
    let clusters = vec![
        cluster("a", &labels),
        cluster("b", &labels),
        cluster("c", &json!({ "zone": "2" })),
    ];
    let mut observed = observed(bundle(&spec, &json!({})), clusters);
    let first = run(&observed);
    assert_eq!(names(&first), ["create a", "create b"]);
    carry_out(&mut observed, &first);
    number(&mut observed, 1);
    observed.settled = Arc::new(run(&observed).settled.unwrap());
    observed
}

fn relabel(observed: &mut Observed, place: usize, labels: &Value) {
    let cluster = Arc::make_mut(&mut observed.clusters[place].1);
    cluster.meta.labels = serde_json::from_value(labels.clone()).unwrap();
}

#[test]
fn what_was_found_in_order_is_not_looked_at_until_its_revision_changes() {
    let mut observed = settled();
    // Changes that the index would have numbered show whether anybody looks.
    relabel(&mut observed, 0, &json!({ "zone": "1", "at": "y" }));
    relabel(&mut observed, 1, &json!({ "zone": "1" }));
    relabel(&mut observed, 2, &json!({ "zone": "1", "at": "z" }));
    let blind = run(&observed);
    assert_eq!(names(&blind), Vec::<String>::new());
    assert_eq!(
        blind.settled.as_ref(),
        Some(&*observed.settled),
        "and stays known"
    );
    for place in 0..3 {
        Arc::make_mut(&mut observed.clusters[place].1).revision = 100 + place as u64;
    }
    let seeing = run(&observed);
    assert_eq!(names(&seeing), ["promote a", "create c"]);
    assert!(
        seeing
            .report
            .pending
            .contains_key(&ObjectKey::new("ns", "b"))
    );
    // Nothing of this is in order: it has to be written first, or cannot be.
    let settled = seeing.settled.unwrap();
    for (key, cluster) in &observed.clusters {
        let deployment = ObjectKey::new(cluster.namespace(), "app");
        let stored = observed.deployments.get(&deployment).map(Arc::as_ref);
        assert_eq!(settled.get(cluster, stored), None, "{key}");
    }
}

#[test]
fn what_was_written_is_in_order_if_it_is_stored_as_it_was_meant() {
    let mut observed = observed(bundle(&json!({}), &json!({})), two_clusters());
    number(&mut observed, 1);
    let first = run(&observed);
    carry_out(&mut observed, &first);
    for deployment in observed.deployments.values_mut() {
        Arc::make_mut(deployment).revision = 10;
    }
    // Somebody else was faster on b.
    let other = ObjectKey::new("cluster-b", "app");
    let entry = Arc::make_mut(observed.deployments.get_mut(&other).unwrap());
    entry.staged_deployment_id = "other".into();
    let mut settled = first.settled.unwrap();
    settled.add_written(&first.written, |key| {
        observed.deployments.get(key).map(Arc::as_ref)
    });
    for (place, is_known) in [(0, true), (1, false)] {
        let (key, cluster) = &observed.clusters[place];
        let deployment = ObjectKey::new(cluster.namespace(), "app");
        let stored = observed.deployments.get(&deployment).map(Arc::as_ref);
        assert_eq!(settled.get(cluster, stored).is_some(), is_known, "{key}");
    }
}

#[test]
fn a_deployment_that_somebody_edits_or_deletes_is_looked_at() {
    let mut observed = settled();
    let (edited, deleted) = (
        ObjectKey::new("cluster-a", "app"),
        ObjectKey::new("cluster-b", "app"),
    );
    let entry = Arc::make_mut(observed.deployments.get_mut(&edited).unwrap());
    entry.deployment_id = "wrong".into();
    entry.revision = 100;
    observed.deployments.remove(&deleted);
    assert_eq!(names(&run(&observed)), ["promote a", "create b"]);
}

#[test]
fn another_bundle_and_other_rules_make_everything_be_looked_at() {
    let mut observed = settled();
    let policy: Policy = serde_json::from_value(json!({
        "metadata": { "name": "p", "namespace": "ns" }, "requireServiceAccount": true,
    }))
    .unwrap();
    let object = observed.object.as_mut().unwrap();
    object.spec.options.service_account = "s".to_owned();
    assert_eq!(
        names(&run(&observed)),
        Vec::<String>::new(),
        "the same generation"
    );
    Arc::make_mut(&mut observed.bundle).meta.generation += 1;
    assert_eq!(names(&run(&observed)), ["promote a", "promote b"]);
    let mut observed = settled();
    observed
        .object
        .as_mut()
        .unwrap()
        .spec
        .options
        .service_account = "s".to_owned();
    observed.rules = Ok(Arc::new(Rules::of([], [&policy])));
    assert_eq!(names(&run(&observed)), ["promote a", "promote b"]);
}

#[test]
fn a_changed_value_promotes_and_keeps_values_out_of_the_deployment() {
    let mut before = observed(
        bundle(
            &json!({ "helm": { "values": { "secret": "s3cr3t" } } }),
            &json!({}),
        ),
        two_clusters(),
    );
    let first = run(&before);
    carry_out(&mut before, &first);
    let changed = bundle(
        &json!({ "helm": { "values": { "secret": "0th3r" } } }),
        &json!({}),
    );
    let after = Observed {
        deployments: before.deployments,
        ..observed(changed, two_clusters())
    };
    let plan = run(&after);
    assert_eq!(names(&plan), ["promote a", "promote b"]);
    for action in &plan.actions {
        let Action::Deploy { write, .. } = action else {
            continue;
        };
        let Write::Promote {
            spec, has_values, ..
        } = write.as_ref()
        else {
            continue;
        };
        assert!(!serde_json::to_string(spec).unwrap().contains("0th3r"));
        assert!(*has_values);
    }
}

#[test]
fn a_template_that_fails_for_one_cluster_leaves_its_deployment_and_the_others_alone() {
    let mut before = observed(bundle(&json!({}), &json!({})), two_clusters());
    let first = run(&before);
    carry_out(&mut before, &first);
    let values = json!({ "helm": { "values": { "zone": "${ .ClusterLabels.zone }" } } });
    let clusters = vec![
        cluster("a", &json!({ "other": "1" })),
        cluster("b", &json!({ "zone": "2" })),
    ];
    let after = Observed {
        deployments: before.deployments,
        ..observed(bundle(&values, &json!({})), clusters)
    };
    let plan = run(&after);
    assert_eq!(names(&plan), ["promote b"]);
    let reason = &plan.report.pending[&ObjectKey::new("ns", "a")];
    assert!(reason.contains("zone"), "{reason}");
}

#[test]
fn a_cluster_that_no_target_matches_any_more_loses_its_deployment() {
    let mut before = observed(bundle(&json!({}), &json!({})), two_clusters());
    let first = run(&before);
    carry_out(&mut before, &first);
    let only_b = json!({ "targets": [{ "clusterName": "b" }] });
    let after = Observed {
        deployments: before.deployments,
        ..observed(bundle(&only_b, &json!({})), two_clusters())
    };
    assert_eq!(names(&run(&after)), ["delete cluster-a"]);
}

#[test]
fn a_deployment_that_another_bundle_has_is_left_alone_and_its_owner_named() {
    let mut observed = observed(bundle(&json!({}), &json!({})), two_clusters());
    let owner = ObjectKey::new("elsewhere", "app");
    observed
        .taken
        .insert(ObjectKey::new("cluster-a", "app"), owner);
    let plan = run(&observed);
    assert_eq!(names(&plan), ["create b"]);
    let reason = &plan.report.pending[&ObjectKey::new("ns", "a")];
    assert!(reason.contains("bundle elsewhere/app"), "{reason}");
}

#[test]
fn while_it_is_unclear_which_namespaces_a_bundle_reaches_it_is_removed_from_its_own_only() {
    let mut clusters = two_clusters();
    clusters.push(cluster("mapped", &json!({})));
    let mut before = observed(bundle(&json!({}), &json!({})), clusters);
    let first = run(&before);
    carry_out(&mut before, &first);
    let only_b = json!({ "targets": [{ "clusterName": "b" }] });
    let after = Observed {
        deployments: before.deployments,
        unclear: Some(Unclear {
            name: "map".to_owned(),
            source: InvalidSelector::Operator {
                operator: "Is".to_owned(),
            },
        }),
        ..observed(bundle(&only_b, &json!({})), two_clusters())
    };
    let plan = run(&after);
    assert_eq!(names(&plan), ["delete cluster-a"]);
    assert!(plan.report.problem.unwrap().contains("map"));
}

#[test]
fn a_cluster_gets_what_its_groups_get() {
    let in_group =
        json!({ "targets": [{ "clusterGroupSelector": { "matchLabels": { "x": "y" } } }] });
    let mut observed = observed(bundle(&in_group, &json!({})), two_clusters());
    let group: ClusterGroup = serde_json::from_value(json!({
        "metadata": { "name": "g", "namespace": "ns", "labels": { "x": "y" } },
    }))
    .unwrap();
    let group = Arc::new(GroupEntry::from(group));
    observed.groups.insert(ObjectKey::new("ns", "g"), group);
    assert_eq!(names(&run(&observed)), Vec::<String>::new());
    let membership = Arc::new(BTreeSet::from(["g".to_owned(), "gone".to_owned()]));
    observed
        .memberships
        .insert(ObjectKey::new("ns", "b"), membership);
    assert_eq!(names(&run(&observed)), ["create b"]);
}

#[test]
fn what_cannot_be_understood_changes_nothing_on_any_cluster() {
    let mut before = observed(bundle(&json!({}), &json!({})), two_clusters());
    let first = run(&before);
    carry_out(&mut before, &first);
    let bad_selector = json!({ "targets": [{ "clusterSelector": { "matchExpressions": [
        { "key": "a", "operator": "Sometimes" },
    ] } }] });
    let bad_strategy = json!({ "rolloutStrategy": { "maxUnavailable": "many" } });
    for spec in [bad_selector, bad_strategy] {
        let after = Observed {
            deployments: before.deployments.clone(),
            ..observed(bundle(&spec, &json!({})), two_clusters())
        };
        let plan = run(&after);
        assert_eq!(names(&plan), Vec::<String>::new());
        assert!(plan.report.problem.is_some());
    }
}

#[test]
fn missing_values_or_content_change_nothing_on_any_cluster() {
    let mut before = observed(bundle(&json!({}), &json!({})), two_clusters());
    let first = run(&before);
    carry_out(&mut before, &first);
    before.object = Err(ValuesProblem::Missing);
    let plan = run(&before);
    assert_eq!(names(&plan), Vec::<String>::new());
    assert!(plan.report.problem.unwrap().contains("does not exist yet"));

    let stored = bundle(&json!({ "contentsId": "s-1", "resources": [] }), &json!({}));
    let mut after = Observed {
        deployments: before.deployments,
        ..observed(stored, two_clusters())
    };
    after.content_exists = false;
    let plan = run(&after);
    assert_eq!(names(&plan), Vec::<String>::new());
    assert!(
        plan.report
            .problem
            .unwrap()
            .contains("content s-1 does not exist")
    );
}

#[test]
fn a_paused_bundle_is_staged_only() {
    let mut before = observed(bundle(&json!({}), &json!({})), two_clusters());
    let first = run(&before);
    carry_out(&mut before, &first);
    let paused = json!({ "paused": true, "defaultNamespace": "new" });
    let after = Observed {
        deployments: before.deployments,
        ..observed(bundle(&paused, &json!({})), two_clusters())
    };
    assert_eq!(names(&run(&after)), ["stage a", "stage b"]);
}

#[test]
fn deletion_waits_for_the_deployments_and_then_lets_the_bundle_go() {
    let deleting = json!({ "deletionTimestamp": "2026-01-01T00:00:00Z" });
    let mut before = observed(bundle(&json!({}), &json!({})), two_clusters());
    let first = run(&before);
    carry_out(&mut before, &first);
    let mut after = Observed {
        deployments: before.deployments,
        ..observed(bundle(&json!({}), &deleting), two_clusters())
    };
    assert_eq!(
        names(&run(&after)),
        ["delete cluster-a", "delete cluster-b"]
    );
    after.deployments.clear();
    assert_eq!(names(&run(&after)), ["delete values", "finalizers []"]);
}
