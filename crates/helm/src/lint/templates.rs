//! Rules about templates: they render, and what they render is made of well-formed objects.
//!
//! Source: Helm `lint/rules/template.go`.

use std::cell::RefCell;
use std::rc::Rc;

use gotemplate::Limits;
use serde_json::Value;
use sprig::{Excused, Host, SystemRandom, gopath};

use super::Severity::{Error, Warning};
use super::documents::Documents;
use super::{Entry, Linter, deprecated, objects, quote};
use crate::Chart;
use crate::capabilities::Capabilities;
use crate::log::{Level, Record};
use crate::manifest::Files;
use crate::render::{CompiledChart, as_json};
use crate::schema;
use crate::templates::{Release, Shared, execute};
use crate::tree::Tree;
use crate::values::coalesce::{Mode, coalesce};
use crate::values::dependencies;
use crate::values::options::to_template;

const PATH: &str = "templates/";

/// Applies the rules.
pub(super) fn check(linter: &mut Linter<'_>) {
    let entry = &linter.folder.templates;
    let there = match entry {
        Entry::Missing => Err("directory does not exist".to_owned()),
        _ => Ok(()),
    };
    let is_directory = match entry {
        Entry::Directory => Ok(()),
        _ => Err("not a directory".to_owned()),
    };
    if linter.rule(Warning, PATH, there).is_none()
        || linter.rule(Error, PATH, is_directory).is_none()
    {
        return;
    }
    let chart = linter.load();
    let Some(chart) = linter.rule(Error, PATH, chart) else {
        return;
    };
    let chart = CompiledChart::new(chart);
    // What is wrong with values of sub-charts is no finding.
    let Some(rendered) = render(linter, &chart) else {
        return;
    };
    let Some(files) = linter.rule(Error, PATH, rendered) else {
        return;
    };
    check_files(linter, chart.chart(), &files);
}

/// Renders as for a release that is neither installed nor upgraded. Nothing when the values do not fit
/// the sub-charts.
fn render(linter: &mut Linter<'_>, chart: &CompiledChart) -> Option<Result<Files, String>> {
    let options = linter.options;
    let mut capabilities = Capabilities::default();
    if let Some(version) = &options.kube_version {
        capabilities.kube_version = version.clone();
    }
    let log = &mut linter.log;
    let given = to_template(&options.values.values, &options.values.not_text);
    let mut tree = Tree::new(chart.chart());
    dependencies::process(&mut tree, &given, log).ok()?;
    let tree = tree.root();
    // Quirk: values are laid over the defaults twice, which brings back defaults that were set to null.
    let values = coalesce(tree, &given, Mode::Coalesce, log).ok()?;
    let values = coalesce(tree, &values, Mode::Coalesce, log).ok()?;
    if !options.skip_schema_validation
        && let Value::Object(map) = &as_json(&values)
        && let Err(error) = schema::validate(tree, map, log)
    {
        return Some(Err(error.to_string()));
    }
    let release = Release {
        name: "test-release",
        namespace: &options.namespace,
        revision: 0,
        is_install: false,
        is_upgrade: false,
    };
    let shared = Shared::new(&release, &capabilities);
    let excused = Rc::new(RefCell::new(Vec::new()));
    let heard = Rc::clone(&excused);
    let excuse = move |what, text: &str| {
        heard.borrow_mut().push(record(what, text));
    };
    let host = Host::new(linter.now, Box::new(SystemRandom)).with_excuse(Box::new(excuse));
    let result = execute(chart, tree, &values, &shared, Limits::default(), host);
    log.records.append(&mut excused.borrow_mut());
    Some(
        result
            .map(|(files, _)| files)
            .map_err(|error| error.to_string()),
    )
}

/// What Helm says of a failure that it lets pass.
fn record(what: Excused, text: &str) -> Record {
    let (level, message) = match what {
        Excused::Fail => (Level::Info, "funcMap fail"),
        Excused::Missing => (Level::Warn, "missing required value"),
        Excused::Empty => (Level::Warn, "missing required values"),
    };
    Record {
        level,
        message: message.to_owned(),
        attributes: vec![("message", text.to_owned())],
    }
}

fn check_files(linter: &mut Linter<'_>, chart: &Chart, files: &Files) {
    let default = Capabilities::default().kube_version;
    let version = linter.options.kube_version.as_ref().unwrap_or(&default);
    for template in &chart.templates {
        let name = &template.name;
        linter.rule(Error, name, check_extension(name));
        let extension = gopath::ext(name.as_bytes()).to_ascii_lowercase();
        if !matches!(extension.as_slice(), b".yaml" | b".yml") {
            continue;
        }
        let path = gopath::join(&[chart.name(), name]);
        let text = files.texts.get(&path).map_or("", String::as_str);
        if text.trim().is_empty() {
            continue;
        }
        linter.rule(Warning, name, check_indent(text));
        let bytes = files
            .not_text
            .get(&path)
            .map_or(text.as_bytes(), Vec::as_slice);
        for document in Documents::new(bytes) {
            // After a bad document Helm leaves all other files alone, too.
            let Some(object) = linter.rule(Error, name, document) else {
                return;
            };
            let Some(object) = object else { continue };
            linter.rule(Warning, name, objects::check_name(&object));
            linter.rule(Warning, name, deprecated::check(&object, version));
            linter.rule(Error, name, objects::check_selector(&object, text));
            linter.rule(Error, name, objects::check_list(&object, text));
        }
    }
}

fn check_extension(name: &str) -> Result<(), String> {
    let extension = gopath::ext(name.as_bytes());
    match extension {
        b".yaml" | b".yml" | b".tpl" | b".txt" => Ok(()),
        other => Err(format!(
            "file extension '{}' not valid. Valid extensions are .yaml, .yml, .tpl, or .txt",
            String::from_utf8_lossy(other)
        )),
    }
}

/// Refuses a file whose first line with something on it is indented.
fn check_indent(text: &str) -> Result<(), String> {
    /// Bytes that Go's scanner takes for a line.
    const LINE_BYTES_MAX: usize = 64 * 1024;
    for line in text.split('\n') {
        if line.len() >= LINE_BYTES_MAX {
            return Err("bufio.Scanner: token too long".to_owned());
        }
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.trim().is_empty() {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            return Err(format!(
                "document starts with an illegal indent: {}, which may cause parsing problems",
                quote(line)
            ));
        }
        break;
    }
    Ok(())
}
