//! Cases of the plan for a ClusterRegistration.

use std::collections::BTreeMap;

use apiclient::ObjectKey;
use serde_json::json;

use super::plan::{Grant, Known, Observed, Plan, answer, cluster, grants, plan, roles};

fn known() -> Known {
    Known {
        name: "c-1".to_owned(),
        uid: "uid".to_owned(),
        namespace: "cluster-ns".to_owned(),
        is_deleting: false,
    }
}

fn observed() -> Observed {
    Observed {
        key: ObjectKey::new("fleet-default", "request-x"),
        uid: "u-1".to_owned(),
        is_deleting: false,
        is_managed_elsewhere: false,
        granted: false,
        cluster_name: String::new(),
        client_id: "client".to_owned(),
        client_random: "random".to_owned(),
        labels: BTreeMap::from([("env".to_owned(), "test".to_owned())]),
        clusters: vec![known()],
        holder: None,
        tokens: BTreeMap::from([("import".to_owned(), "import-u".to_owned())]),
        token: "import".to_owned(),
        system_namespace: "cattle-fleet-system".to_owned(),
        older: Vec::new(),
    }
}

fn grant() -> Grant {
    Grant {
        cluster: known(),
        asker: "import-u".to_owned(),
        answer_role: "request-x-creds".to_owned(),
    }
}

#[test]
fn a_request_is_granted_once_its_cluster_has_a_namespace() {
    assert_eq!(plan(&observed()), Plan::Grant(grant()));
    let granted = Observed {
        granted: true,
        ..observed()
    };
    let elsewhere = Observed {
        is_managed_elsewhere: true,
        ..observed()
    };
    let deleting = Observed {
        is_deleting: true,
        ..observed()
    };
    for nothing in [granted, elsewhere, deleting] {
        assert_eq!(plan(&nothing), Plan::Nothing);
    }
    let early = Known {
        namespace: String::new(),
        ..known()
    };
    let early = Observed {
        clusters: vec![early],
        ..observed()
    };
    assert_eq!(plan(&early), Plan::Await("c-1".to_owned()));
    let new = Observed {
        clusters: vec![],
        ..observed()
    };
    assert_eq!(
        plan(&new),
        Plan::CreateCluster("cluster-948fe603f61d".to_owned())
    );
}

#[test]
fn the_token_of_an_import_comes_before_the_one_that_is_named() {
    let mut both = observed();
    both.tokens.insert(
        "import-token-c-1".to_owned(),
        "import-token-c-1-u".to_owned(),
    );
    let Plan::Grant(grant) = plan(&both) else {
        unreachable!()
    };
    assert_eq!(grant.asker, "import-token-c-1-u");
    assert_eq!(grant.answer_role, "import-token-c-1-u-creds");
}

#[test]
fn what_is_not_granted_says_why() {
    type Change = fn(&mut Observed);
    let other = Known {
        name: "c-2".to_owned(),
        ..known()
    };
    let deleting = Known {
        is_deleting: true,
        ..known()
    };
    let cases: [(Change, &str); 7] = [
        (|it| it.client_id.clear(), "spec.clientID and"),
        (|it| it.client_random.clear(), "spec.clientID and"),
        (|it| it.token.clear(), "registration-token is missing"),
        (
            |it| it.token = "gone".to_owned(),
            "no cluster registration token gone",
        ),
        (
            |it| (it.clusters, it.token) = (vec![], "gone".to_owned()),
            "token gone",
        ),
        (
            |it| (it.clusters, it.token) = (vec![], String::new()),
            "is missing",
        ),
        (
            |it| (it.clusters, it.holder) = (vec![], Some("other".to_owned())),
            "exists with another",
        ),
    ];
    let changed = cases.map(|(change, why)| {
        let mut observed = observed();
        change(&mut observed);
        (observed, why)
    });
    let with = |clusters| Observed {
        clusters,
        ..observed()
    };
    let of_clusters = [
        (
            with(vec![known(), other]),
            "clusters c-1, c-2 have the same",
        ),
        (with(vec![deleting]), "is being deleted"),
    ];
    for (observed, why) in changed.into_iter().chain(of_clusters) {
        let Plan::Refuse(found) = plan(&observed) else {
            unreachable!("{why}")
        };
        assert!(found.contains(why), "{found}");
    }
}

#[test]
fn an_agent_is_granted_nothing_outside_of_its_cluster_but_contents() {
    let all = grants(&observed(), &known());
    let found: Vec<_> = all
        .iter()
        .map(|(kind, object)| {
            let meta = &object["metadata"];
            let namespace = meta["namespace"].as_str().unwrap_or_default();
            let gives = object
                .pointer("/roleRef/name")
                .or(object.pointer("/rules/0/resourceNames/0"));
            format!(
                "{kind} {namespace}/{} {}",
                meta["name"].as_str().unwrap(),
                gives.unwrap()
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            r#"rolebindings.rbac.authorization.k8s.io cluster-ns/request-x "fleet-bundle-deployment""#,
            r#"clusterrolebindings.rbac.authorization.k8s.io /request-x-content "fleet-content""#,
            r#"roles.rbac.authorization.k8s.io fleet-default/request-x "c-1""#,
            r#"rolebindings.rbac.authorization.k8s.io fleet-default/request-x "request-x""#,
        ]
    );
    for (_, object) in all
        .iter()
        .filter(|(_, object)| object.get("subjects").is_some())
    {
        let want = json!([{ "kind": "ServiceAccount", "name": "request-x-u-1", "namespace": "cluster-ns" }]);
        assert_eq!(object["subjects"], want);
    }
    let rules: Vec<String> = roles()
        .iter()
        .chain(&all)
        .filter_map(|(_, object)| object.get("rules")?.as_array().cloned())
        .flatten()
        .map(|rule| format!("{} {}", rule["resources"][0], rule["verbs"]))
        .collect();
    assert_eq!(
        rules,
        [
            r#""bundledeployments" ["get","list","watch"]"#,
            r#""bundledeployments/status" ["get","update","patch"]"#,
            r#""secrets" ["get"]"#,
            r#""configmaps" ["get"]"#,
            r#""contents" ["get"]"#,
            r#""clusters/status" ["patch"]"#,
        ]
    );
}

#[test]
fn the_answer_may_be_read_by_who_asked() {
    let objects = answer(&observed(), &grant(), "t");
    let name = api::names::registration_secret_name("client", "random");
    assert_eq!(objects[0].1["metadata"]["name"], name.as_str());
    assert_eq!(
        objects[0].1["metadata"]["namespace"],
        "cattle-fleet-clusters-system"
    );
    assert_eq!(objects[1].1["rules"][0]["resourceNames"], json!([name]));
    assert_eq!(objects[2].1["subjects"][0]["name"], "import-u");
    assert_eq!(objects[2].1["subjects"][0]["namespace"], "fleet-default");
}

#[test]
fn a_cluster_that_nobody_announced_has_the_labels_that_were_asked_for_and_may_be() {
    let asked = [
        "env",
        "fleet.cattle.io/x",
        "management.cattle.io/y",
        "fleet.cattle.io/created-by-agent-pod",
    ];
    let asked: BTreeMap<String, String> = asked.map(|key| (key.to_owned(), "v".to_owned())).into();
    let labels = api::labels::allowed_to_agents(&asked);
    let object = cluster(
        &Observed {
            labels,
            ..observed()
        },
        "cluster-1",
    );
    assert_eq!(
        object["metadata"]["labels"],
        json!({ "env": "v", "fleet.cattle.io/created-by-agent-pod": "v", "fleet.cattle.io/cluster": "cluster-1" })
    );
    assert_eq!(object["spec"], json!({ "clientID": "client" }));
}
