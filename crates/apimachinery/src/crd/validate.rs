//! Checks of a CustomResourceDefinition on create and update.

use serde_json::{Value, json};

use super::{text, versions};
use crate::field::{FieldError, Path, go_quote};
use crate::names::check_dns_subdomain;
use crate::structural::{Error, SchemaCache};

const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = [
    "byte",
    "date",
    "date-time",
    "double",
    "float",
    "int32",
    "int64",
    "password",
];
const APPROVED: &str = "api-approved.kubernetes.io";
const IMMUTABLE: &str = "field is immutable";

/// What is wrong with a new CRD that has its defaults.
///
/// # Errors
/// When a schema is no JSON schema at all, which a server answers with "bad request", not with
/// field errors.
pub fn validate(crd: &Value, schemas: &SchemaCache) -> Result<Vec<FieldError>, Error> {
    let mut errors = name_errors(crd);
    let spec = &crd["spec"];
    group_errors(spec, &mut errors);
    scope_errors(spec, &mut errors);
    version_errors(spec, schemas, &mut errors)?;
    errors.extend(spec_names(&spec["names"]));
    conversion_errors(&spec["conversion"], &mut errors);
    if spec["preserveUnknownFields"] == json!(true) {
        let why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in \
                   spec.versions[*].schema instead";
        let path = Path::new("spec.preserveUnknownFields");
        errors.push(FieldError::invalid(&path, true, why));
    }
    stored_versions(crd, &mut errors);
    errors.extend(approval_error(crd, None));
    Ok(errors)
}

/// What is wrong with a CRD that replaces `old`.
///
/// # Errors
/// As [`validate`].
pub fn validate_update(
    crd: &Value,
    old: &Value,
    schemas: &SchemaCache,
) -> Result<Vec<FieldError>, Error> {
    let mut errors = validate(crd, schemas)?;
    errors.retain(|error| error.field != format!("metadata.annotations[{APPROVED}]"));
    let mut immutable = vec!["group", "names.plural"];
    if is_established(old) {
        immutable.extend(["scope", "names.kind"]);
    }
    for field in immutable {
        let pointer = format!("/spec/{}", field.replace('.', "/"));
        let (new, before) = (crd.pointer(&pointer), old.pointer(&pointer));
        if new != before {
            let value = new.cloned().unwrap_or_default();
            errors.push(FieldError::invalid(
                &Path::new("spec").child(field),
                value,
                IMMUTABLE,
            ));
        }
    }
    errors.extend(approval_error(crd, Some(old)));
    Ok(errors)
}

fn is_established(crd: &Value) -> bool {
    let conditions = crd.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        condition["type"] == json!("Established") && condition["status"] == json!("True")
    })
}

fn name_errors(crd: &Value) -> Vec<FieldError> {
    let name = text(crd, "/metadata/name");
    let mut complaints = check_dns_subdomain(name);
    let wanted = format!(
        "{}.{}",
        text(crd, "/spec/names/plural"),
        text(crd, "/spec/group")
    );
    if name != wanted {
        complaints.push("must be spec.names.plural+\".\"+spec.group".to_owned());
    }
    let path = Path::new("metadata.name");
    complaints
        .into_iter()
        .map(|why| FieldError::invalid(&path, name, why))
        .collect()
}

fn group_errors(spec: &Value, errors: &mut Vec<FieldError>) {
    let path = Path::new("spec.group");
    let group = text(spec, "/group");
    let complaints = check_dns_subdomain(group);
    if group.is_empty() {
        errors.push(FieldError::required(&path, ""));
    } else if !complaints.is_empty() {
        errors.push(FieldError::invalid(&path, group, complaints.join(",")));
    } else if !group.contains('.') {
        errors.push(FieldError::invalid(
            &path,
            group,
            "should be a domain with at least one dot",
        ));
    }
}

fn scope_errors(spec: &Value, errors: &mut Vec<FieldError>) {
    let path = Path::new("spec.scope");
    match text(spec, "/scope") {
        "" => errors.push(FieldError::required(&path, "")),
        "Cluster" | "Namespaced" => {}
        other => errors.push(FieldError::not_supported(
            &path,
            other,
            &["Cluster", "Namespaced"],
        )),
    }
}

/// Where the server sees what the versions have in common: at the top, as in `v1beta1`.
fn common(versions: &[Value], key: &str) -> bool {
    let first = versions.first().map(|version| &version[key]);
    first.is_some_and(|first| {
        !first.is_null() && versions.iter().all(|version| &version[key] == first)
    })
}

fn version_errors(
    spec: &Value,
    schemas: &SchemaCache,
    errors: &mut Vec<FieldError>,
) -> Result<(), Error> {
    let list = spec["versions"].as_array().map_or(&[][..], Vec::as_slice);
    let root = Path::new("spec");
    let path = root.child("versions");
    let mut names = Vec::new();
    let shared_schema = common(list, "schema");
    for (index, version) in list.iter().enumerate() {
        let path = path.index(index);
        let name = text(version, "/name");
        names.push(name);
        let complaints = dns_1035_label(name);
        if !complaints.is_empty() {
            errors.push(FieldError::invalid(
                &path.child("name"),
                name,
                complaints.join(","),
            ));
            // The first version is that of the whole CRD in the server's internal form.
            if index == 0 {
                errors.push(FieldError::invalid(
                    &root.child("version"),
                    name,
                    complaints.join(","),
                ));
            }
        }
        deprecation_errors(version, &path, errors);
        let schema = &version["schema"]["openAPIV3Schema"];
        if schema.is_null() {
            errors.push(FieldError::required(
                &path.child("schema").child("openAPIV3Schema"),
                "",
            ));
        } else if !shared_schema || index == 0 {
            let at = if shared_schema {
                root.child("validation")
            } else {
                path.child("schema")
            };
            errors.extend(schemas.compile(schema)?.check(&at.child("openAPIV3Schema")));
        }
        let shared = |key: &str| common(list, key);
        if !shared("subresources") || index == 0 {
            let at = if shared("subresources") { &root } else { &path };
            scale_errors(
                &version["subresources"]["scale"],
                &at.child("subresources"),
                errors,
            );
        }
        if !shared("additionalPrinterColumns") || index == 0 {
            let at = if shared("additionalPrinterColumns") {
                &root
            } else {
                &path
            };
            column_errors(&version["additionalPrinterColumns"], at, errors);
        }
    }
    if (1..names.len()).any(|at| names[..at].contains(&names[at])) {
        let why = "must contain unique version names";
        errors.push(FieldError::invalid(&path, shorten(list), why));
    }
    if list
        .iter()
        .filter(|version| version["storage"] == json!(true))
        .count()
        != 1
    {
        let why = "must have exactly one version marked as storage version";
        errors.push(FieldError::invalid(&path, shorten(list), why));
    }
    Ok(())
}

/// Versions in the server's internal form, without what would make an error as long as the object.
fn shorten(versions: &[Value]) -> Value {
    let flag = |version: &Value, key: &str| version[key] == json!(true);
    let keep = |version: &Value| {
        json!({
            "Name": text(version, "/name"),
            "Served": flag(version, "served"),
            "Storage": flag(version, "storage"),
            "Deprecated": flag(version, "deprecated"),
            "DeprecationWarning": version["deprecationWarning"],
            "Schema": null,
            "Subresources": null,
            "AdditionalPrinterColumns": null,
            "SelectableFields": null,
        })
    };
    if versions.is_empty() {
        Value::Null
    } else {
        versions.iter().map(keep).collect()
    }
}

fn deprecation_errors(version: &Value, path: &Path, errors: &mut Vec<FieldError>) {
    let Some(warning) = version["deprecationWarning"].as_str() else {
        return;
    };
    let path = path.child("deprecationWarning");
    let mut fail = |why: &str| errors.push(FieldError::invalid(&path, warning, why));
    if version["deprecated"] != json!(true) {
        return fail("can only be set for deprecated versions");
    }
    if warning.len() > 256 {
        fail("must be <= 256 characters long");
    }
    if warning.is_empty() {
        fail("must not be an empty string");
    }
}

fn simple_path(path: &str, at: &Path) -> Option<FieldError> {
    let why = "must be a simple json path starting with .";
    (!path.starts_with('.')).then(|| FieldError::invalid(at, path, why))
}

fn scale_errors(scale: &Value, path: &Path, errors: &mut Vec<FieldError>) {
    if !scale.is_object() {
        return;
    }
    let mut check = |key: &str, prefixes: &[&str], why: &str, required: bool| {
        let at = path.child("scale").child(key);
        let value = scale[key].as_str().unwrap_or_default();
        if value.is_empty() {
            errors.extend(required.then(|| FieldError::required(&at, "")));
        } else if let Some(error) = simple_path(value, &at) {
            errors.push(error);
        } else if !prefixes.iter().any(|prefix| value.starts_with(prefix)) {
            errors.push(FieldError::invalid(
                &at,
                value,
                format!("should be a json path under {why}"),
            ));
        }
    };
    check("specReplicasPath", &[".spec."], ".spec", true);
    check("statusReplicasPath", &[".status."], ".status", true);
    check(
        "labelSelectorPath",
        &[".spec.", ".status."],
        "either .spec or .status",
        false,
    );
}

fn column_errors(columns: &Value, path: &Path, errors: &mut Vec<FieldError>) {
    for (index, column) in columns.as_array().into_iter().flatten().enumerate() {
        let path = path.child("additionalPrinterColumns").index(index);
        if text(column, "/name").is_empty() {
            errors.push(FieldError::required(&path.child("name"), ""));
        }
        let kinds = format!("must be one of {}", COLUMN_TYPES.join(","));
        match text(column, "/type") {
            "" => errors.push(FieldError::required(&path.child("type"), kinds)),
            kind if COLUMN_TYPES.contains(&kind) => {}
            kind => errors.push(FieldError::invalid(&path.child("type"), kind, kinds)),
        }
        let format = text(column, "/format");
        if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
            let why = format!("must be one of {}", COLUMN_FORMATS.join(","));
            errors.push(FieldError::invalid(&path.child("format"), format, why));
        }
        let at = path.child("JSONPath");
        match text(column, "/jsonPath") {
            "" => errors.push(FieldError::required(&at, "")),
            json_path => errors.extend(simple_path(json_path, &at)),
        }
    }
}

fn spec_names(names: &Value) -> Vec<FieldError> {
    let path = Path::new("spec.names");
    let mut errors = Vec::new();
    for key in ["plural", "singular", "kind", "listKind"] {
        if names[key].as_str().unwrap_or_default().is_empty() {
            errors.push(FieldError::required(&path.child(key), ""));
        }
    }
    for key in ["plural", "singular"] {
        label(
            names[key].as_str().unwrap_or_default(),
            &path.child(key),
            "",
            &mut errors,
        );
    }
    for key in ["kind", "listKind"] {
        let value = names[key].as_str().unwrap_or_default();
        let complaints = dns_1035_label(&value.to_lowercase());
        if !value.is_empty() && !complaints.is_empty() {
            let why = format!(
                "may have mixed case, but should otherwise match: {}",
                complaints.join(",")
            );
            errors.push(FieldError::invalid(&path.child(key), value, why));
        }
    }
    for (key, list) in [
        ("shortNames", &names["shortNames"]),
        ("categories", &names["categories"]),
    ] {
        for (index, value) in list.as_array().into_iter().flatten().enumerate() {
            let value = value.as_str().unwrap_or_default();
            label(value, &path.child(key).index(index), " ", &mut errors);
        }
    }
    let (kind, list_kind) = (text(names, "/kind"), text(names, "/listKind"));
    if !kind.is_empty() && kind == list_kind {
        let why = "kind and listKind may not be the same";
        errors.push(FieldError::invalid(&path.child("listKind"), list_kind, why));
    }
    errors
}

/// Complains about a name that is no DNS-1035 label; an empty one only where `empty` is not.
fn label(value: &str, path: &Path, empty: &str, errors: &mut Vec<FieldError>) {
    let complaints = dns_1035_label(value);
    if !complaints.is_empty() && (!value.is_empty() || !empty.is_empty()) {
        errors.push(FieldError::invalid(path, value, complaints.join(",")));
    }
}

/// Complaints about a DNS-1035 label: at most 63 bytes, a letter first.
pub(crate) fn dns_1035_label(value: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if value.len() > 63 {
        complaints.push("must be no more than 63 bytes".to_owned());
    }
    let bytes = value.as_bytes();
    let edge = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let good = bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.last().is_some_and(edge)
        && bytes.iter().all(|byte| edge(byte) || *byte == b'-');
    if !good {
        complaints.push(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start \
             with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  \
             or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
                .to_owned(),
        );
    }
    complaints
}

fn conversion_errors(conversion: &Value, errors: &mut Vec<FieldError>) {
    let path = Path::new("spec.conversion");
    if conversion.is_null() {
        return;
    }
    let config = &conversion["webhook"]["clientConfig"];
    let config_path = path.child("webhookClientConfig");
    match text(conversion, "/strategy") {
        "" => errors.push(FieldError::required(&path.child("strategy"), "")),
        "None" if !config.is_null() => {
            let why = "should not be set when strategy is not set to Webhook";
            errors.push(FieldError::forbidden(&config_path, why));
        }
        "None" => {}
        "Webhook" if config.is_null() => {
            let why = "required when strategy is set to Webhook";
            errors.push(FieldError::required(&config_path, why));
            review_versions(
                &conversion["webhook"]["conversionReviewVersions"],
                &path,
                errors,
            );
        }
        "Webhook" => {
            if config["url"].is_null() == config["service"].is_null() {
                let why = "exactly one of url or service is required";
                errors.push(FieldError::required(&config_path, why));
            }
            review_versions(
                &conversion["webhook"]["conversionReviewVersions"],
                &path,
                errors,
            );
        }
        other => {
            let path = path.child("strategy");
            errors.push(FieldError::not_supported(
                &path,
                other,
                &["None", "Webhook"],
            ));
        }
    }
}

fn review_versions(versions: &Value, path: &Path, errors: &mut Vec<FieldError>) {
    let path = path.child("conversionReviewVersions");
    let list = versions.as_array().map_or(&[][..], Vec::as_slice);
    if list.is_empty() {
        errors.push(FieldError::required(&path, ""));
    } else if !list
        .iter()
        .any(|version| matches!(version.as_str(), Some("v1" | "v1beta1")))
    {
        let why = "must include at least one of v1, v1beta1";
        errors.push(FieldError::invalid(&path, versions.clone(), why));
    }
}

fn stored_versions(crd: &Value, errors: &mut Vec<FieldError>) {
    let path = Path::new("status.storedVersions");
    let stored = crd
        .pointer("/status/storedVersions")
        .and_then(Value::as_array);
    let stored = stored.map_or(&[][..], Vec::as_slice);
    if stored.is_empty() {
        errors.push(FieldError::invalid(
            &path,
            Value::Null,
            "must have at least one stored version",
        ));
        return;
    }
    let versions = versions(crd);
    for version in versions
        .iter()
        .filter(|version| version["storage"] == json!(true))
    {
        if !stored.contains(&version["name"]) {
            let why = format!("must have the storage version {}", text(version, "/name"));
            errors.push(FieldError::invalid(&path, stored.to_vec(), why));
        }
    }
    for (index, name) in stored.iter().enumerate() {
        if !versions.iter().any(|version| &version["name"] == name) {
            let name = name.as_str().unwrap_or_default();
            let why = format!(
                "missing from spec.versions; {name} was previously a storage version, and must \
                 remain in spec.versions until a storage migration ensures no data remains \
                 persisted in {name} and removes {name} from status.storedVersions"
            );
            errors.push(FieldError::invalid(&path.index(index), name, why));
        }
    }
}

/// Groups of the Kubernetes project ask for a word about their approval.
fn approval_error(crd: &Value, old: Option<&Value>) -> Option<FieldError> {
    let group = text(crd, "/spec/group");
    let protected = ["k8s.io", "kubernetes.io"].iter().any(|suffix| {
        group == *suffix
            || group
                .strip_suffix(suffix)
                .is_some_and(|rest| rest.ends_with('.'))
    });
    let state = |crd: &Value| {
        let value = crd["metadata"]["annotations"][APPROVED]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let host = value
            .split_once("://")
            .map(|(_, rest)| rest.split('/').next().unwrap_or_default());
        let word = match host {
            _ if value.is_empty() => "missing",
            _ if value.starts_with("unapproved") => "bypassed",
            Some(host) if !host.is_empty() => "approved",
            _ => "invalid",
        };
        (word, value)
    };
    let (word, value) = state(crd);
    if !protected || old.is_some_and(|old| state(old).0 == word) {
        return None;
    }
    let path = Path::new("metadata.annotations").key(APPROVED);
    let link = "see https://github.com/kubernetes/enhancements/pull/1111";
    let needs = format!(
        "protected groups must have approval annotation {}",
        go_quote(APPROVED)
    );
    match word {
        "missing" => Some(FieldError::required(&path, format!("{needs}, {link}"))),
        "invalid" => {
            let why = format!(
                "{needs} with either a URL or a reason starting with \"unapproved\", {link}"
            );
            Some(FieldError::invalid(&path, value, why))
        }
        _ => None,
    }
}
