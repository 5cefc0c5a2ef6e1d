//! Charts from outside: `INTEROP_CHARTS` holds folders of charts, each perhaps with `=` and a file of
//! values behind it, separated by blanks. Without it nothing is tried.

#![allow(clippy::print_stderr, reason = "what was found is the purpose")]

use std::fmt::Write as _;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::setting::{Setting, bundle_of};
use crate::shown;
use crate::world::eventually;

pub(crate) async fn releases_of_given_charts_are_as_those_of_helm(setting: Rc<Setting>) {
    let given = std::env::var("INTEROP_CHARTS").unwrap_or_default();
    let mut differ = Vec::new();
    for (index, chart) in given.split_whitespace().enumerate() {
        let (folder, values) = chart.split_once('=').unwrap_or((chart, ""));
        let values = match values {
            "" => json!({}),
            file => goyaml::parse(&std::fs::read(file).unwrap()).unwrap(),
        };
        match one(&setting, index, Path::new(folder), &values).await {
            Ok(()) => eprintln!("{chart}: same"),
            Err(text) => {
                eprintln!("{chart}: {text}");
                differ.push(chart);
            }
        }
    }
    assert!(differ.is_empty(), "{differ:?}");
}

async fn one(setting: &Setting, index: usize, folder: &Path, values: &Value) -> Result<(), String> {
    let at: &'static str = format!("chart-{index}").leak();
    let installed = setting
        .try_deploy_by_helm(at, "install rel --timeout 60s", folder, values)
        .await;
    if let Err(error) = installed {
        eprintln!("{}: skipped, Helm says: {}", folder.display(), error.trim());
        return Ok(());
    }
    let theirs = shown::of(setting, at, "rel").await;
    setting.helm(at, "uninstall rel").await;
    let bundle = bundle_of(folder, at, "rel", values);
    let id = setting.world.deploy(&bundle).await;
    let mut message = String::new();
    for _ in 0..600 {
        let status = setting.world.deployment(at).await.status;
        message = api::conditions::message(&status.conditions, "Deployed").to_owned();
        if status.applied_deployment_id == id || !message.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    if !message.is_empty() {
        return Err(message);
    }
    let compared = setting
        .world
        .until(at, "is compared with what was deployed", |found| {
            let status = &found.status;
            !status.conditions.is_empty()
                && api::conditions::is_true(&status.conditions, "Monitored")
        })
        .await;
    if let Some(modified) = compared.status.modified_status.first() {
        return Err(api::state::describe_modified(modified));
    }
    let ours = shown::of(setting, at, "rel").await;
    setting.helm(at, "get all rel").await;
    let record = setting.record(at, "rel", 1).await;
    let bytes = record["data"]["release"].as_str().unwrap().len() * 3 / 4;
    eprintln!("{}: record of {bytes} bytes", folder.display());
    setting.world.remove(at).await;
    eventually("no record is left", async || {
        setting.world.records(at).await.is_empty().then_some(())
    })
    .await;
    let mut differences = String::new();
    for (command, theirs) in &theirs {
        difference(command, &ours[command], theirs, &mut differences);
    }
    if differences.is_empty() {
        Ok(())
    } else {
        Err(differences)
    }
}

/// Names the places at which two values differ.
fn difference(at: &str, ours: &Value, theirs: &Value, found: &mut String) {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned();
                let absent = Value::String("(absent)".to_owned());
                let (a, b) = (of(a), of(b));
                let (a, b) = (a.as_ref().unwrap_or(&absent), b.as_ref().unwrap_or(&absent));
                difference(&format!("{at}.{key}"), a, b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                difference(&format!("{at}[{index}]"), a, b, found);
            }
        }
        _ if ours == theirs => {}
        _ => {
            let cut = |value: &Value| value.to_string().chars().take(300).collect::<String>();
            let (ours, theirs) = (cut(ours), cut(theirs));
            let _ = write!(
                found,
                "
  {at}: {ours} but Helm has {theirs}"
            );
        }
    }
}
