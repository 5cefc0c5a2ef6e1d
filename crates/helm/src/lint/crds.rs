//! Rules about the files in `crds/`: they hold definitions and are no templates.
//!
//! Source: Helm `lint/rules/crds.go`.

use super::Severity::Error;
use super::documents::Documents;
use super::{Entry, Linter};
use crate::chart::{Chart, File};

const PATH: &str = "crds/";

/// Applies the rules.
pub(super) fn check(linter: &mut Linter<'_>) {
    let is_directory = match linter.folder.crds {
        Entry::Missing => return,
        Entry::Directory => Ok(()),
        _ => Err("not a directory".to_owned()),
    };
    if linter.rule(Error, PATH, is_directory).is_none() {
        return;
    }
    let chart = linter.load();
    let Some(chart) = linter.rule(Error, PATH, chart) else {
        return;
    };
    let mut files = Vec::new();
    collect(&chart, &mut files);
    for file in files {
        for document in Documents::new(&file.data) {
            // After a bad document Helm leaves all the rest alone.
            let Some(object) = linter.rule(Error, &file.name, document) else {
                return;
            };
            let Some(object) = object else { continue };
            let version = if object.api_version.starts_with("apiextensions.k8s.io") {
                Ok(())
            } else {
                Err("apiVersion is not in 'apiextensions.k8s.io'".to_owned())
            };
            linter.rule(Error, &file.name, version);
            let kind = if object.kind == "CustomResourceDefinition" {
                Ok(())
            } else {
                Err("object kind is not 'CustomResourceDefinition'".to_owned())
            };
            linter.rule(Error, &file.name, kind);
        }
    }
}

/// The manifests in `crds` folders, the chart's own first.
fn collect<'c>(chart: &'c Chart, files: &mut Vec<&'c File>) {
    files.extend(chart.files.iter().filter(|file| file.is_crd()));
    for below in &chart.dependencies {
        collect(below, files);
    }
}
