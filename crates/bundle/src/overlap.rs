//! Which objects of a bundle that goes another bundle takes over, because their file moved.
//!
//! In: the files of both. Out: what becomes `spec.overwrites`, by which the agent knows to deploy again
//! when the end of the old bundle has removed the objects of the new one.
//!
//! Files are compared under their name within the bundle, as upstream does. Deliberate differences:
//! compressed files count too (upstream cannot decode them), so do all documents of a file (there only
//! the first), and a name that is a template stands for no object.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use api::v1alpha1::{BundleResource, OverwrittenResource};
use serde_json::Value;

use crate::content::decode_resource;

/// A larger file is no manifest that anybody moves; it is not unpacked.
const FILE_BYTES_MAX: usize = 4 << 20;
/// What upstream puts in place of templates.
const TEMPLATED: &str = "TEMPLATED";

/// The objects that files of equal names in both lists describe, in the order of `new`, each once.
pub(crate) fn overlap(old: &[BundleResource], new: &[BundleResource]) -> Vec<OverwrittenResource> {
    let old: BTreeMap<&str, &BundleResource> =
        old.iter().map(|file| (file.name.as_str(), file)).collect();
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for file in new {
        let Some(before) = old.get(file.name.as_str()) else {
            continue;
        };
        let before: BTreeSet<Id> = objects(before).into_iter().collect();
        if before.is_empty() {
            continue;
        }
        let both = objects(file).into_iter().filter(|id| before.contains(id));
        for id in both {
            if seen.insert(id.clone()) {
                let (kind, namespace, name) = id;
                found.push(OverwrittenResource {
                    name,
                    namespace,
                    kind,
                });
            }
        }
    }
    found
}

/// Kind, namespace and name.
type Id = (String, String, String);

/// The objects of a file; none if it is no manifest.
fn objects(file: &BundleResource) -> Vec<Id> {
    let bytes = decode_resource(file, FILE_BYTES_MAX).unwrap_or_default();
    let Ok(text) = String::from_utf8(bytes) else {
        return Vec::new();
    };
    let text = without_templates(&text);
    let documents = goyaml::documents::split(&text);
    documents
        .filter_map(|document| object(document.text))
        .collect()
}

fn object(document: &str) -> Option<Id> {
    let value = goyaml::parse(document.as_bytes()).ok()?;
    let text = |path: &str| {
        let text = value.pointer(path).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let (kind, namespace, name) = (
        text("/kind"),
        text("/metadata/namespace"),
        text("/metadata/name"),
    );
    let is_object = !kind.is_empty() && !name.is_empty() && !name.contains(TEMPLATED);
    is_object.then_some((kind, namespace, name))
}

/// The text with `{{ ... }}` replaced by a word, so that most templates are YAML.
fn without_templates(text: &str) -> Cow<'_, str> {
    if !text.contains("{{") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let inside = &rest[start + 2..];
        // A template holds no brace of its own; what does is left as it is.
        match inside.find('}') {
            Some(end) if end > 0 && inside[end..].starts_with("}}") => {
                out.push_str(&rest[..start]);
                out.push_str(TEMPLATED);
                rest = &inside[end + 2..];
            }
            _ => {
                out.push_str(&rest[..=start]);
                rest = &rest[start + 1..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_give_way_to_a_word() {
        let cases = [
            ("a: b", "a: b"),
            ("a: {{ .Values.b }}", "a: TEMPLATED"),
            ("{{a}}-{{- b -}}", "TEMPLATED-TEMPLATED"),
            ("{{}}", "{{}}"),
            ("{{ unfinished", "{{ unfinished"),
            ("{{ a } b }}", "{{ a } b }}"),
            ("{{{ a }}", "TEMPLATED"),
            ("ä{{ö}}ü", "äTEMPLATEDü"),
        ];
        for (text, expected) in cases {
            assert_eq!(without_templates(text), expected, "{text:?}");
        }
    }
}
