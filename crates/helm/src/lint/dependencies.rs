//! Rules about sub-charts: `Chart.yaml` and `charts/` name the same ones, each once.
//!
//! Source: Helm `lint/rules/dependencies.go`.

use std::collections::BTreeSet;

use super::Linter;
use super::Severity::{Error, Warning};
use crate::chart::{Chart, Dependency};

/// Applies the rules.
pub(super) fn check(linter: &mut Linter<'_>) {
    let chart = linter
        .load()
        .map_err(|error| format!("unable to load chart\n\t{error}"));
    let Some(chart) = linter.rule(Error, "", chart) else {
        return;
    };
    let path = linter.folder.path.clone();
    linter.rule(Error, &path, all_are_named(&chart));
    linter.rule(Error, &path, are_unique(&chart));
    linter.rule(Warning, &path, all_are_there(&chart));
}

fn wanted(chart: &Chart) -> impl Iterator<Item = &Dependency> {
    chart.metadata.dependencies.iter().flatten()
}

fn none_of(what: &str, names: &[&str]) -> Result<(), String> {
    match names {
        [] => Ok(()),
        names => Err(format!("{what}: {}", names.join(","))),
    }
}

fn all_are_named(chart: &Chart) -> Result<(), String> {
    let there = chart.dependencies.iter().map(|chart| chart.name());
    let missing: Vec<&str> = there
        .filter(|name| !wanted(chart).any(|wanted| wanted.name == *name))
        .collect();
    none_of("chart metadata is missing these dependencies", &missing)
}

fn are_unique(chart: &Chart) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let again: Vec<&str> = wanted(chart)
        .map(Dependency::effective_name)
        .filter(|name| !seen.insert(*name))
        .collect();
    none_of("multiple dependencies with name or alias", &again)
}

fn all_are_there(chart: &Chart) -> Result<(), String> {
    let missing: Vec<&str> = wanted(chart)
        .map(|wanted| wanted.name.as_str())
        .filter(|name| !chart.dependencies.iter().any(|chart| chart.name() == *name))
        .collect();
    none_of("chart directory is missing these dependencies", &missing)
}
