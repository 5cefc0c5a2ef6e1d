//! What clusters get of a bundle, case by case: `tests/data/<case>.yaml`.
//!
//! A case holds a bundle's spec, groups, clusters and what each cluster gets: nothing (null), a target with
//! options, or an error; or the error about the bundle as a whole (`invalid`).

#![expect(clippy::expect_used, reason = "fixtures are known to be good")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use api::ids;
use api::v1alpha1::{BundleDeploymentOptions, BundleSpec, Values};
use serde::Deserialize;
use serde_json::Value;
use target::deployment::{Imposed, Wanted, wanted};
use target::explain::{Answer, Explanation, Outcome, Tried, explain};
use target::matching::{ClusterFacts, GroupFacts, Targets};
use target::template::{ClusterValues, Templates};

type Labels = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    spec: BundleSpec,
    #[serde(default)]
    groups: BTreeMap<String, Labels>,
    #[serde(default)]
    clusters: Vec<Cluster>,
    #[serde(default)]
    want: BTreeMap<String, Option<Want>>,
    #[serde(default)]
    invalid: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cluster {
    name: String,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    annotations: Labels,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    values: Option<Values>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Want {
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    customizations: Option<Vec<String>>,
    #[serde(default)]
    options: Option<BundleDeploymentOptions>,
    /// Labels and annotations of the namespace that are no part of the id.
    #[serde(default)]
    unhashed_labels: Labels,
    #[serde(default)]
    error: Option<String>,
}

fn as_json(options: &BundleDeploymentOptions) -> Value {
    let mut json = serde_json::to_value(options).expect("options are JSON");
    goyaml::numbers_as_float64(&mut json);
    json
}

/// What is wrong with a case.
fn check(case: &Case) -> Vec<String> {
    let targets = Targets::of(&case.spec);
    let validity = targets
        .validate()
        .map_err(|error| errors::chain(&error))
        .err();
    if validity != case.invalid {
        return vec![format!("invalid: {validity:?}, want {:?}", case.invalid)];
    }
    let cluster_faults = case
        .clusters
        .iter()
        .map(|cluster| check_cluster(case, &targets, cluster));
    cluster_faults.flatten().collect()
}

fn check_cluster(case: &Case, targets: &Targets<'_>, cluster: &Cluster) -> Vec<String> {
    let groups: Vec<_> = cluster
        .groups
        .iter()
        .map(|name| GroupFacts {
            name,
            labels: &case.groups[name],
        })
        .collect();
    let facts = ClusterFacts {
        name: &cluster.name,
        labels: &cluster.labels,
        groups: &groups,
    };
    let values = ClusterValues {
        namespace: "workspace",
        name: &cluster.name,
        labels: &cluster.labels,
        annotations: &cluster.annotations,
        template_values: cluster.values.as_ref(),
    };
    let (imposed, templates) = (Imposed::default(), Templates::production());
    let explained = explain(
        &case.spec, targets, "s-1", &imposed, &facts, &values, &templates,
    );
    let got = wanted(
        &case.spec, targets, "s-1", &imposed, &facts, &values, &templates,
    );
    let name = &cluster.name;
    if let Some(fault) = misexplained(&explained, &got) {
        return vec![format!("{name}: {fault}: {explained:?}")];
    }
    let want = case.want.get(name).and_then(Option::as_ref);
    match (got, want) {
        (Ok(None), None) => vec![],
        (
            Err(error),
            Some(Want {
                error: Some(text), ..
            }),
        ) if errors::chain(&error) == *text => vec![],
        (Ok(Some(got)), Some(want)) if want.error.is_none() => {
            let mut faults = Vec::new();
            if want
                .target
                .as_ref()
                .is_some_and(|target| *target != got.target)
            {
                faults.push(format!("{name}: target {}", got.target));
            }
            if want
                .customizations
                .as_ref()
                .is_some_and(|list| *list != got.customizations)
            {
                faults.push(format!("{name}: customizations {:?}", got.customizations));
            }
            if let Some(options) = &want.options {
                if got.deployment_id != ids::deployment_id("s-1", options) {
                    faults.push(format!("{name}: the id is of other options"));
                }
                let mut stored = options.clone();
                stored.namespace_labels.extend(want.unhashed_labels.clone());
                if as_json(&got.options) != as_json(&stored) {
                    faults.push(format!("{name}: options {}", as_json(&got.options)));
                }
            }
            faults
        }
        (Err(error), _) => vec![format!("{name}: error {}", errors::chain(&error))],
        (Ok(got), _) => vec![format!("{name}: got {:?}", got.map(|got| got.target))],
    }
}

/// What is wrong with an explanation of an answer.
fn misexplained(
    explained: &Explanation,
    got: &Result<Option<Wanted>, target::deployment::Error>,
) -> Option<&'static str> {
    let matching = |tried: &[Tried]| {
        let matching = tried.iter().filter(|one| one.answer == Answer::Matches);
        matching.map(|one| one.name.clone()).collect::<Vec<_>>()
    };
    let silent = |one: &Tried| (one.answer == Answer::DoesNotMatch) == one.reason.is_empty();
    if explained
        .targets
        .iter()
        .chain(&explained.customizations)
        .any(silent)
    {
        return Some("a reason is missing or given without need");
    }
    let chosen = matching(&explained.targets);
    match (got, &explained.outcome) {
        (
            Ok(Some(wanted)),
            Outcome::Deploys {
                deployment_id,
                options,
                ..
            },
        ) => {
            let is_same = wanted.deployment_id == *deployment_id
                && wanted.options == **options
                && chosen == [wanted.target.clone()]
                && matching(&explained.customizations) == wanted.customizations;
            (!is_same).then_some("another deployment is explained")
        }
        (Ok(None), Outcome::NoTarget) => (!chosen.is_empty()).then_some("a target matches"),
        (Ok(None), Outcome::DoNotDeploy { .. }) => chosen.is_empty().then_some("no target matches"),
        (Err(error), Outcome::Fails { error: text }) => {
            (*text != error.reason()).then_some("another error is explained")
        }
        _ => Some("another outcome is explained"),
    }
}

/// Targets, and why they do not mean the cluster of the test below.
const REASONS: [(&str, &str); 9] = [
    ("{}", "it has no criteria, which means no cluster"),
    (
        "{clusterName: other, clusterSelector: {}}",
        "clusterName is other",
    ),
    (
        "{clusterSelector: {matchLabels: {env: prod}}}",
        "clusterSelector: label env is \"dev\", not \"prod\"",
    ),
    (
        "{clusterSelector: {matchLabels: {zone: z}}}",
        "clusterSelector: there is no label zone, not \"z\"",
    ),
    (
        "{clusterSelector: {matchExpressions: [{key: env, operator: NotIn, values: [dev, x]}]}}",
        "clusterSelector: label env is \"dev\", wanted is NotIn dev, x",
    ),
    (
        "{clusterSelector: {matchExpressions: [{key: env, operator: DoesNotExist}]}}",
        "clusterSelector: label env is \"dev\", wanted is DoesNotExist",
    ),
    ("{clusterGroup: north}", "it is not in clusterGroup north"),
    (
        "{clusterGroupSelector: {matchLabels: {tier: '2'}}}",
        "clusterGroupSelector means none of its groups",
    ),
    (
        "{clusterGroup: east, clusterGroupSelector: {matchLabels: {tier: '1'}}}",
        "clusterGroup and clusterGroupSelector do not mean the same group",
    ),
];

#[test]
fn reasons_name_the_first_criterion_that_does_not_hold() {
    let labels = BTreeMap::from([("env".to_owned(), "dev".to_owned())]);
    let (no_labels, tier) = (
        Labels::new(),
        Labels::from([("tier".to_owned(), "1".to_owned())]),
    );
    let groups = [
        GroupFacts {
            name: "east",
            labels: &no_labels,
        },
        GroupFacts {
            name: "west",
            labels: &tier,
        },
    ];
    let cluster = ClusterFacts {
        name: "c",
        labels: &labels,
        groups: &groups,
    };
    let values = ClusterValues {
        namespace: "workspace",
        name: "c",
        labels: &labels,
        annotations: &no_labels,
        template_values: None,
    };
    for (target, reason) in REASONS {
        let text = format!("targets: [{target}, {{clusterSelector: {{}}}}, {{clusterName: c}}]");
        let spec = goyaml::parse(text.as_bytes()).expect("a case is YAML");
        let spec: BundleSpec = serde_json::from_value(spec).expect("a spec");
        let explained = explain(
            &spec,
            &Targets::of(&spec),
            "s-1",
            &Imposed::default(),
            &cluster,
            &values,
            &Templates::production(),
        );
        assert_eq!(explained.targets[0].reason, reason);
        let answers: Vec<_> = explained.targets.iter().map(|one| one.answer).collect();
        assert_eq!(
            answers,
            [Answer::DoesNotMatch, Answer::Matches, Answer::NotAsked]
        );
    }
}

#[test]
fn options_are_explained_with_who_gave_them() {
    let text = r"
namespace: shop
helm: {atomic: true, timeoutSeconds: 5, values: {region: '${ .ClusterLabels.env }', size: 1, a.b: 1}}
targetCustomizationMode: AllMatches
targetRestrictions: [{clusterSelector: {}}]
targets:
- {name: small, clusterSelector: {}, helm: {values: {size: 2}}, namespaceLabels: {tier: low}}
- {name: last, clusterName: c, helm: {values: {size: 2}}, overrides: {helm: {atomic: false, timeoutSeconds: null}}}
- {name: all, clusterSelector: {}}
";
    let spec = goyaml::parse(text.as_bytes()).expect("a case is YAML");
    let spec: BundleSpec = serde_json::from_value(spec).expect("a spec");
    let labels = BTreeMap::from([("env".to_owned(), "dev".to_owned())]);
    let none = Labels::new();
    let explained = explain(
        &spec,
        &Targets::of(&spec),
        "s-1",
        &Imposed {
            create_namespace: Some(false),
            ..Imposed::default()
        },
        &ClusterFacts {
            name: "c",
            labels: &labels,
            groups: &[],
        },
        &ClusterValues {
            namespace: "workspace",
            name: "c",
            labels: &labels,
            annotations: &none,
            template_values: None,
        },
        &Templates::production(),
    );
    let Outcome::Deploys { origins, .. } = explained.outcome else {
        panic!("{explained:?}");
    };
    let wanted = [
        ("createNamespace", "rules of the namespace"),
        ("helm.values.\"a.b\"", "bundle"),
        ("helm.values.region", "template"),
        ("helm.values.size", "target small"),
        ("namespace", "bundle"),
        ("namespaceLabels.tier", "target small"),
    ];
    let wanted = wanted.map(|(option, from)| (option.to_owned(), from.to_owned()));
    assert_eq!(origins, BTreeMap::from(wanted));
}

#[test]
fn every_cluster_gets_what_the_case_says() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut faults = Vec::new();
    let mut n_cases = 0;
    for entry in fs::read_dir(directory).expect("the cases are there") {
        let path = entry.expect("a case can be read").path();
        let text = fs::read(&path).expect("a case can be read");
        let file = path
            .file_name()
            .expect("a case has a name")
            .to_string_lossy()
            .into_owned();
        let json = goyaml::parse(&text).expect("a case is YAML");
        let case: Case = serde_json::from_value(json).unwrap_or_else(|error| Case {
            invalid: Some(error.to_string()),
            ..empty()
        });
        n_cases += 1;
        faults.extend(
            check(&case)
                .into_iter()
                .map(|fault| format!("{file}: {fault}")),
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(n_cases >= 25, "only {n_cases} cases were read");
}

fn empty() -> Case {
    Case {
        spec: BundleSpec::default(),
        groups: BTreeMap::new(),
        clusters: vec![],
        want: BTreeMap::new(),
        invalid: None,
    }
}
