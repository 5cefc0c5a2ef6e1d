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
use target::deployment::{Imposed, wanted};
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
    let got = wanted(
        &case.spec, targets, "s-1", &imposed, &facts, &values, &templates,
    );
    let name = &cluster.name;
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
