//! What Helm shows of a release, in a form in which two releases can be compared.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::setting::Setting;

/// What Flotilla adds to objects and charts: its marks.
const MARKS: [&str; 2] = ["objectset.rio.cattle.io/", "fleet.cattle.io/"];

/// Commands with JSON, then with text; all end with the name of the release.
const COMMANDS: [&str; 5] = [
    "history",
    "get values",
    "get values --all",
    "get metadata",
    "status",
];

/// Everything that Helm shows of a release, by command.
pub(crate) async fn of(
    setting: &Setting,
    namespace: &str,
    release: &str,
) -> BTreeMap<&'static str, Value> {
    let mut shown = BTreeMap::new();
    let list = setting.json(namespace, "list").await;
    shown.insert("list", neutral(list, namespace));
    for command in COMMANDS {
        let mut answer = setting
            .json(namespace, &format!("{command} {release}"))
            .await;
        match command {
            "get metadata" => {
                let at = answer.pointer_mut("/labels/modifiedAt").unwrap();
                assert!(at.as_str().unwrap().parse::<i64>().is_ok());
                *at = Value::Null;
                answer = neutral(answer, namespace);
                let fields = answer.as_object_mut().unwrap();
                fields.retain(|name, value| name != "annotations" || *value != json!({}));
            }
            "status" => whole(&mut answer, namespace),
            _ => {}
        }
        shown.insert(command, neutral(answer, namespace));
    }
    for command in ["get manifest", "get hooks"] {
        let text = setting
            .helm(namespace, &format!("{command} {release}"))
            .await;
        shown.insert(command, json!(objects(&text, namespace)));
    }
    let notes = setting
        .helm(namespace, &format!("get notes {release}"))
        .await;
    shown.insert("get notes", neutral(notes.into(), namespace));
    shown
}

/// Whether a text is a time, as JSON or as `helm list` has it.
fn is_time(text: &str) -> bool {
    let listed = text.strip_suffix(" +0000 UTC");
    let listed = listed.map(str::parse::<jiff::civil::DateTime>);
    text.parse::<jiff::Timestamp>().is_ok() || listed.is_some_and(|time| time.is_ok())
}

/// Takes out what must differ: times (checked to be such), namespaces, marks.
fn neutral(value: Value, namespace: &str) -> Value {
    match value {
        Value::String(text) if is_time(&text) => "TIME".into(),
        Value::String(text) => text.replace(namespace, "NAMESPACE").into(),
        Value::Array(items) => items
            .into_iter()
            .map(|item| neutral(item, namespace))
            .collect(),
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(key, _)| !MARKS.iter().any(|mark| key.starts_with(mark)))
            .map(|(key, value)| (key, neutral(value, namespace)))
            .collect(),
        other => other,
    }
}

/// The objects of a manifest with their sources, in their order, without marks. Documents of comments
/// alone are none.
fn objects(manifest: &str, namespace: &str) -> Vec<(String, Value)> {
    let mut objects = Vec::new();
    for document in helm::split_manifests(manifest) {
        let object = goyaml::parse(document.as_bytes()).unwrap();
        if object.is_null() {
            continue;
        }
        let source = document.lines().find(|line| line.starts_with("# Source: "));
        let mut object = neutral(object, namespace);
        for name in ["labels", "annotations"] {
            let map = &object["metadata"][name];
            if map.is_null() || *map == json!({}) {
                object["metadata"].as_object_mut().unwrap().remove(name);
            }
        }
        objects.push((source.unwrap_or_default().to_owned(), object));
    }
    objects
}

/// Makes texts of a whole release objects, and its live objects names: each has its own history.
fn whole(status: &mut Value, namespace: &str) {
    let as_objects = |text: &Value| json!(objects(text.as_str().unwrap_or_default(), namespace));
    status["manifest"] = as_objects(&status["manifest"]);
    for hook in status["hooks"].as_array_mut().into_iter().flatten() {
        let text = format!("# Source: x\n{}", hook["manifest"].as_str().unwrap());
        hook["manifest"] = as_objects(&text.into());
    }
    let resources = status["info"]["resources"].as_object_mut();
    for found in resources.into_iter().flat_map(|found| found.values_mut()) {
        let of = |object: &Value| object["metadata"]["name"].clone();
        *found = found.as_array().unwrap().iter().map(of).collect();
    }
}
