//! Differences for people. The text of what agents reported is upstream's.
//!
//! Source: fleet `internal/cmd/cli/bundlediff.go`.

use std::fmt::Write as _;

use agent::{FieldDifference, ObjectState};
use api::v1alpha1::{ModifiedStatus, NonReadyStatus};
use serde_json::Value;

use super::{ClusterReport, DeploymentDiff};

/// Width of the line under the name of a bundle.
const RULE: usize = 66;

pub(super) fn of_hub(diffs: &[DeploymentDiff], is_single: bool) -> String {
    let mut text = String::new();
    if diffs.is_empty() {
        return "No modified resources found.\n".to_owned();
    }
    // Writing to a string cannot fail.
    if let ([diff], true) = (diffs, is_single) {
        let _ = writeln!(
            text,
            "BundleDeployment: {}/{}\nBundle: {}\n{}",
            diff.namespace,
            diff.bundle_deployment_name,
            bundle(diff),
            "━".repeat(RULE)
        );
        deployment(&mut text, diff, "");
        return text;
    }
    for group in diffs.chunk_by(|a, b| a.bundle_name == b.bundle_name) {
        let _ = writeln!(
            text,
            "Bundle: {}\nBundleDeployments with diffs: {}\n{}",
            bundle(&group[0]),
            group.len(),
            "━".repeat(RULE)
        );
        for diff in group {
            let _ = writeln!(
                text,
                "\n  BundleDeployment: {}/{}",
                diff.namespace, diff.bundle_deployment_name
            );
            deployment(&mut text, diff, "  ");
        }
        text.push('\n');
    }
    text
}

fn bundle(diff: &DeploymentDiff) -> &str {
    if diff.bundle_name.is_empty() {
        "(unknown)"
    } else {
        &diff.bundle_name
    }
}

fn deployment(text: &mut String, diff: &DeploymentDiff, indent: &str) {
    let modified = diff.modified_resources.as_deref().unwrap_or_default();
    let count = |n: usize| {
        if indent.is_empty() {
            String::new()
        } else {
            format!(" ({n})")
        }
    };
    if !modified.is_empty() {
        let _ = writeln!(text, "{indent}Modified Resources{}:", count(modified.len()));
        for entry in modified {
            modified_entry(text, entry, &format!("{indent}  "));
        }
    }
    let non_ready = &diff.non_ready_resources;
    if !non_ready.is_empty() {
        let _ = writeln!(
            text,
            "{indent}Non-Ready Resources{}:",
            count(non_ready.len())
        );
        for entry in non_ready {
            non_ready_entry(text, entry, &format!("{indent}  "));
        }
    }
}

fn named(kind: &str, api_version: &str, namespace: &str, name: &str) -> String {
    let slash = if namespace.is_empty() { "" } else { "/" };
    format!("{kind}.{api_version} {namespace}{slash}{name}")
}

fn modified_entry(text: &mut String, entry: &ModifiedStatus, indent: &str) {
    let status = match (entry.missing, entry.exist, entry.delete) {
        (true, true, _) => "Resource exists but is not owned by Fleet",
        (true, false, _) => "Resource is missing (should be created)",
        (false, _, true) => "Extra resource (should be deleted)",
        (false, _, false) => "Modified",
    };
    let name = named(
        &entry.kind,
        &entry.api_version,
        &entry.namespace,
        &entry.name,
    );
    let _ = writeln!(text, "{indent}Resource: {name}\n{indent}Status: {status}");
    if entry.patch.is_empty() {
        return;
    }
    let patch = serde_json::from_str::<Value>(&entry.patch).ok();
    let patch = patch.and_then(|patch| serde_json::to_string_pretty(&patch).ok());
    let _ = writeln!(text, "{indent}Patch:");
    for line in patch.as_deref().unwrap_or(&entry.patch).lines() {
        let _ = writeln!(text, "{indent}  {line}");
    }
}

fn non_ready_entry(text: &mut String, entry: &NonReadyStatus, indent: &str) {
    let name = named(
        &entry.kind,
        &entry.api_version,
        &entry.namespace,
        &entry.name,
    );
    let summary = api::state::describe_non_ready(entry);
    let _ = writeln!(
        text,
        "{indent}Resource: {name}\n{indent}Status: Not Ready\n{indent}Summary: {summary}"
    );
}

pub(super) fn of_cluster(report: &ClusterReport) -> String {
    let mut text = format!(
        "BundleDeployment: {}\nRelease: {}\n",
        report.bundle_deployment, report.release
    );
    if report.objects.is_empty() {
        text.push_str("Everything is as it was deployed.\n");
    }
    for object in &report.objects {
        let name = named(
            &object.kind,
            &object.api_version,
            &object.namespace,
            &object.name,
        );
        let state = match object.state {
            ObjectState::Missing => "missing",
            ObjectState::NotOwned => "not owned by this deployment",
            ObjectState::Modified => "modified",
        };
        let _ = writeln!(text, "\n{name}: {state}");
        for field in &object.fields {
            field_lines(&mut text, field);
        }
    }
    text
}

fn field_lines(text: &mut String, field: &FieldDifference) {
    let shown = |value: &Option<Value>| {
        value
            .as_ref()
            .map_or_else(|| "(none)".to_owned(), ToString::to_string)
    };
    let _ = writeln!(text, "  {}", field.path);
    let _ = writeln!(text, "    desired: {}", shown(&field.desired));
    if field.last_applied.is_some() {
        let _ = writeln!(text, "    last applied: {}", shown(&field.last_applied));
    }
    let by = field.changed_by.as_ref();
    let by = by.map_or_else(String::new, |manager| format!(" (by {manager})"));
    let _ = writeln!(text, "    live: {}{by}", shown(&field.live));
}
