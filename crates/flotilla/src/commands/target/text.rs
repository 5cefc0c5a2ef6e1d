//! Explanations for people.

use std::fmt::Write as _;

use api::v1alpha1::Bundle;
use target::explain::{Answer, Explanation, Outcome, Tried};

use super::world::identity;

/// One paragraph per cluster.
pub(crate) fn explained(bundle: &Bundle, all: &[Explanation]) -> anyhow::Result<String> {
    let (namespace, name) = identity(bundle);
    let n_deployed = all.iter().filter(|one| is_deployed(one)).count();
    let mut text = format!(
        "bundle {namespace}/{name}: deployed to {n_deployed} of {} clusters\n",
        all.len()
    );
    for one in all {
        cluster(&mut text, one)?;
    }
    Ok(text)
}

fn is_deployed(one: &Explanation) -> bool {
    matches!(one.outcome, Outcome::Deploys { .. })
}

fn cluster(text: &mut String, one: &Explanation) -> anyhow::Result<()> {
    writeln!(text, "\ncluster {}/{}", one.namespace, one.cluster)?;
    let groups = match one.groups.as_slice() {
        [] => "none".to_owned(),
        groups => groups.join(", "),
    };
    writeln!(text, "  groups: {groups}")?;
    writeln!(text, "  targets, the first that matches:")?;
    rules(text, &one.targets)?;
    if !one.customizations.is_empty() {
        let mode = match one.customization_mode {
            "AllMatches" => "all that match",
            _ => "the first that matches",
        };
        writeln!(text, "  customizations, {mode}:")?;
        rules(text, &one.customizations)?;
    }
    match &one.outcome {
        Outcome::NoTarget => writeln!(text, "  not deployed: no target matches")?,
        Outcome::DoNotDeploy { by } => {
            writeln!(text, "  not deployed: {by} says doNotDeploy")?;
        }
        Outcome::Fails { error } => writeln!(text, "  fails: {error}")?,
        Outcome::Deploys {
            deployment_id,
            merged,
            options,
            origins,
        } => {
            writeln!(text, "  deployed as {deployment_id}")?;
            let merged = merged.join(", then ");
            writeln!(text, "  options of the bundle, then {merged}:")?;
            let yaml = goyaml::to_yaml(&serde_json::to_value(options)?)?;
            for line in yaml.lines() {
                writeln!(text, "    {line}")?;
            }
            if !origins.is_empty() {
                writeln!(text, "  where they come from:")?;
            }
            for (option, origin) in origins {
                writeln!(text, "    {option}: {origin}")?;
            }
        }
    }
    Ok(())
}

fn rules(text: &mut String, rules: &[Tried]) -> anyhow::Result<()> {
    if rules.is_empty() {
        writeln!(text, "    none")?;
    }
    for rule in rules {
        let name = match rule.name.as_str() {
            "" => "(no name)",
            name => name,
        };
        let answer = match rule.answer {
            Answer::Matches => "matches",
            Answer::DoesNotMatch => "no",
            Answer::NotAsked => "not asked",
        };
        write!(text, "    {}. {name}: {answer}", rule.place + 1)?;
        if !rule.reason.is_empty() {
            write!(text, ", {}", rule.reason)?;
        }
        writeln!(text)?;
    }
    Ok(())
}
