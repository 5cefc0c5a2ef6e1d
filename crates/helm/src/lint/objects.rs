//! Rules about one rendered object.
//!
//! Source: Helm `lint/rules/template.go`.

use apimachinery::names;
use goyaml::Target;

use super::documents::Object;
use super::quote;
use crate::decode::Fields;

/// Holds a name against the rules for its kind.
pub(super) fn check_name(object: &Object) -> Result<(), String> {
    let name = &object.name;
    let complaints = match object.kind.to_lowercase().as_str() {
        "service" => names::check_dns_1035_label(name),
        "namespace" => names::check_dns_label(name),
        "certificatesigningrequest" => Vec::new(),
        "role" | "clusterrole" | "rolebinding" | "clusterrolebinding" => {
            names::check_path_segment(name)
        }
        _ => names::check_dns_subdomain(name),
    };
    let quoted = quote(name);
    let complaints: Vec<String> = complaints
        .iter()
        .map(|complaint| {
            // Helm calls an older copy of the rules.
            let complaint = match complaint.strip_suffix(" bytes") {
                Some(length) => format!("{length} characters"),
                None => complaint.clone(),
            };
            format!("metadata.name: Invalid value: {quoted}: {complaint}")
        })
        .collect();
    let shown = match complaints.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    Err(format!(
        "object name does not conform to Kubernetes naming requirements: {quoted}: {shown}"
    ))
}

/// Looks for the selector of a workload anywhere in its file.
pub(super) fn check_selector(object: &Object, file: &str) -> Result<(), String> {
    let needs_one = matches!(
        object.kind.as_str(),
        "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet"
    );
    if !needs_one || file.contains("matchLabels") || file.contains("matchExpressions") {
        return Ok(());
    }
    Err(format!(
        "a {} must contain matchLabels or matchExpressions, and {} does not",
        object.kind,
        quote(&object.name)
    ))
}

const LIST: Target = Target::Struct {
    go_type: "struct { Items []struct { Metadata struct { Annotations map[string]string } } }",
    name: "",
    fields: &[(
        "Items",
        Target::List {
            go_type: "[]struct { Metadata struct { Annotations map[string]string } }",
            item: &Target::Struct {
                go_type: "struct { Metadata struct { Annotations map[string]string } }",
                name: "",
                fields: &[(
                    "Metadata",
                    Target::Struct {
                        go_type: "struct { Annotations map[string]string }",
                        name: "",
                        fields: &[(
                            "Annotations",
                            Target::Map {
                                go_type: "map[string]string",
                                value: &Target::Text,
                            },
                        )],
                    },
                )],
            },
        },
    )],
};

/// Looks for policies on the items of a `List`, where they have no effect.
///
/// Quirk: it is the first document of the file that is looked at.
pub(super) fn check_list(object: &Object, file: &str) -> Result<(), String> {
    if object.kind != "List" {
        return Ok(());
    }
    let list = goyaml::parse_into(file.as_bytes(), &LIST)
        .map_err(|error| format!("unable to parse YAML: {error}"))?;
    let items = Fields::of(&list).list("items").unwrap_or_default();
    let has_policy = items.iter().any(|item| {
        let annotations = Fields::of(item).object("metadata").text_map("annotations");
        annotations.is_some_and(|map| map.contains_key("helm.sh/resource-policy"))
    });
    if has_policy {
        return Err(
            "annotation 'helm.sh/resource-policy' within List objects are ignored".to_owned(),
        );
    }
    Ok(())
}
