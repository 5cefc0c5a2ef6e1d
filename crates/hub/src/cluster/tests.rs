//! Cases of the plan for a Cluster.

use api::labels::CLUSTER_FINALIZER;
use apiclient::ObjectKey;

use super::plan::{Action, Observed, plan, restore};

fn observed() -> Observed {
    Observed {
        key: ObjectKey::new("fleet-default", "c-abcde"),
        deleting: false,
        has_finalizer: true,
        foreign_finalizers: Vec::new(),
        namespace: "somewhere".to_owned(),
        is_managed_elsewhere: false,
        namespace_missing: false,
    }
}

#[test]
fn a_settled_cluster_needs_nothing() {
    assert_eq!(plan(&observed()), []);
}

#[test]
fn a_new_cluster_gets_finalizer_namespace_and_its_name_in_this_order() {
    let new = Observed {
        has_finalizer: false,
        namespace: String::new(),
        ..observed()
    };
    let cluster = new.key.clone();
    let namespace = "cluster-fleet-default-c-abcde-dc8b7c6ee244".to_owned();
    let wanted = [
        Action::SetFinalizers {
            cluster: cluster.clone(),
            finalizers: vec![CLUSTER_FINALIZER.to_owned()],
        },
        Action::CreateNamespace {
            cluster: cluster.clone(),
            namespace: namespace.clone(),
        },
        Action::AssignNamespace { cluster, namespace },
    ];
    assert_eq!(plan(&new), wanted);
}

#[test]
fn an_assigned_namespace_is_never_renamed_but_created_again_when_missing() {
    let missing = Observed {
        namespace_missing: true,
        ..observed()
    };
    let cluster = missing.key.clone();
    let namespace = "somewhere".to_owned();
    assert_eq!(
        plan(&missing),
        [Action::CreateNamespace { cluster, namespace }]
    );
}

#[test]
fn deletion_takes_the_namespace_first_and_keeps_the_finalizers_of_others() {
    let deleting = Observed {
        deleting: true,
        foreign_finalizers: vec!["example.com/other".to_owned()],
        ..observed()
    };
    let cluster = deleting.key.clone();
    let wanted = [
        Action::DeleteNamespace {
            cluster: cluster.clone(),
            namespace: "somewhere".to_owned(),
        },
        Action::SetFinalizers {
            cluster,
            finalizers: vec!["example.com/other".to_owned()],
        },
    ];
    assert_eq!(plan(&deleting), wanted);
}

#[test]
fn deletion_waits_for_others_once_our_finalizer_is_gone() {
    let released = Observed {
        deleting: true,
        has_finalizer: false,
        ..observed()
    };
    assert_eq!(plan(&released), []);
}

#[test]
fn a_cluster_that_somebody_else_manages_keeps_its_finalizer_and_gets_no_namespace() {
    let managed = Observed {
        is_managed_elsewhere: true,
        has_finalizer: false,
        namespace: String::new(),
        ..observed()
    };
    let [Action::SetFinalizers { .. }] = plan(&managed)[..] else {
        unreachable!("{:?}", plan(&managed))
    };
    let missing = Observed {
        namespace: "given".to_owned(),
        has_finalizer: true,
        namespace_missing: true,
        ..managed
    };
    assert_eq!((plan(&missing), restore(&missing)), (vec![], vec![]));
}
