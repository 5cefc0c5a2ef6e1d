//! Options of a bundle with those of a target laid over them.
//!
//! [`merge`] has a rule for each field; what a target cannot change is kept. With [`override_with`] a target
//! changes anything, which upstream does not know.
//!
//! Source: fleet, `internal/cmd/controller/options.Merge`; RFC 7396 for overrides.

use api::v1alpha1::{
    BundleDeploymentOptions, ComparePatch, DownstreamResource, HelmOptions, Values, ValuesFrom,
};
use serde_json::Value;

/// Lays `over` on `base`.
pub fn merge(
    base: BundleDeploymentOptions,
    over: &BundleDeploymentOptions,
) -> BundleDeploymentOptions {
    let mut merged = base;
    replace_text(&mut merged.default_namespace, &over.default_namespace);
    replace_text(&mut merged.namespace, &over.namespace);
    replace_text(&mut merged.service_account, &over.service_account);
    if let Some(over) = &over.helm {
        merge_helm(merged.helm.get_or_insert_default(), over);
    }
    if let Some(over) = &over.kustomize {
        replace_text(&mut merged.kustomize.get_or_insert_default().dir, &over.dir);
    }
    if let Some(over) = &over.diff {
        let diff = merged.diff.get_or_insert_default();
        diff.report_additions |= over.report_additions;
        replace_by_key(&mut diff.compare_patches, &over.compare_patches, |patch| {
            Some(patch_key(patch))
        });
    }
    if let Some(over) = &over.yaml {
        merged
            .yaml
            .get_or_insert_default()
            .overlays
            .extend_from_slice(&over.overlays);
    }
    if over.force_sync_generation > 0 {
        merged.force_sync_generation = over.force_sync_generation;
    }
    merged.keep_resources |= over.keep_resources;
    replace_by_key(
        &mut merged.health_check_exprs,
        &over.health_check_exprs,
        |rule| Some((rule.api_version.clone(), rule.kind.clone())),
    );
    if over.correct_drift.is_some() {
        merged.correct_drift.clone_from(&over.correct_drift);
    }
    if over.templating.is_some() {
        merged.templating.clone_from(&over.templating);
    }
    replace_by_key(
        &mut merged.downstream_resources,
        &over.downstream_resources,
        |resource| Some(resource_key(resource)),
    );
    merged
}

/// Overrides that make no options. The text never holds Helm values.
#[derive(Debug, thiserror::Error)]
pub enum BadOverrides {
    /// A value has the wrong type.
    #[error("overrides do not make options")]
    Options(#[source] serde_json::Error),
    /// What has members is something else.
    #[error("overrides do not make options: {path} is neither a map nor null")]
    NotAMap {
        /// Path of the option.
        path: &'static str,
    },
}

/// Options that only the controller may set.
const INTERNAL: [&str; 2] = ["overwrites", "allowedTargetNamespaceSelector"];

/// Applies a JSON merge patch to options: what it names is replaced, whatever it is; null takes away.
///
/// Internal options stay. Helm values are patched where they are, for they can be large.
///
/// # Errors
/// If what comes out are no options.
pub fn override_with(
    mut options: BundleDeploymentOptions,
    overrides: &Values,
) -> Result<BundleDeploymentOptions, BadOverrides> {
    let helm = options.helm.as_mut();
    let mut values = helm.and_then(|helm| helm.values.take());
    match overrides.get("helm") {
        Some(Value::Null) => values = None,
        Some(Value::Object(helm)) => match helm.get("values") {
            None => {}
            Some(Value::Null) => values = None,
            Some(Value::Object(patch)) => patch_map(values.get_or_insert_default(), patch),
            Some(_) => {
                let path = "helm.values";
                return Err(BadOverrides::NotAMap { path });
            }
        },
        Some(_) => return Err(BadOverrides::NotAMap { path: "helm" }),
        None => {}
    }
    let mut overrides = overrides.clone();
    for internal in INTERNAL {
        overrides.remove(internal);
    }
    if let Some(Value::Object(helm)) = overrides.get_mut("helm") {
        helm.remove("values");
    }
    let mut json = match serde_json::to_value(&options).map_err(BadOverrides::Options)? {
        Value::Object(members) => members,
        _ => Values::new(),
    };
    patch_map(&mut json, &overrides);
    let patched = serde_json::from_value(Value::Object(json));
    let mut options: BundleDeploymentOptions = patched.map_err(BadOverrides::Options)?;
    if values.is_some() {
        options.helm.get_or_insert_default().values = values;
    }
    Ok(options)
}

/// RFC 7396.
fn patch_map(target: &mut Values, patch: &Values) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(key);
            }
            Value::Object(patch) => {
                let inner = target.entry(key).or_insert(Value::Null);
                if !inner.is_object() {
                    *inner = Value::Object(Values::new());
                }
                if let Value::Object(inner) = inner {
                    patch_map(inner, patch);
                }
            }
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
}

fn replace_text(base: &mut String, over: &str) {
    if !over.is_empty() {
        over.clone_into(base);
    }
}

fn merge_helm(base: &mut HelmOptions, over: &HelmOptions) {
    match over.timeout_seconds {
        0 => {}
        seconds => base.timeout_seconds = seconds.max(0),
    }
    if let Some(over) = &over.values {
        merge_values(base.values.get_or_insert_default(), over);
    }
    base.template_values.extend(over.template_values.clone());
    replace_by_key(&mut base.values_from, &over.values_from, values_from_key);
    replace_text(&mut base.repo, &over.repo);
    replace_text(&mut base.chart, &over.chart);
    replace_text(&mut base.version, &over.version);
    replace_text(&mut base.release_name, &over.release_name);
    replace_text(&mut base.crds, &over.crds);
    base.force |= over.force;
    base.atomic |= over.atomic;
    base.take_ownership |= over.take_ownership;
    base.disable_pre_process |= over.disable_pre_process;
    base.wait_for_jobs |= over.wait_for_jobs;
    base.disable_dns |= over.disable_dns;
}

/// Maps are merged, everything else is replaced.
pub(crate) fn merge_values(base: &mut Values, over: &Values) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (Some(Value::Object(base)), Value::Object(over)) => merge_values(base, over),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Replaces entries of the same key in place and appends new ones. Of entries with one key in `over` the
/// first counts. An entry without a key is always appended.
fn replace_by_key<T: Clone, K: PartialEq>(
    base: &mut Vec<T>,
    over: &[T],
    key: impl Fn(&T) -> Option<K>,
) {
    let mut seen: Vec<K> = Vec::new();
    for entry in over {
        let Some(own) = key(entry) else {
            base.push(entry.clone());
            continue;
        };
        if seen.contains(&own) {
            continue;
        }
        match base
            .iter_mut()
            .find(|known| key(known).as_ref() == Some(&own))
        {
            Some(slot) => *slot = entry.clone(),
            None => base.push(entry.clone()),
        }
        seen.push(own);
    }
}

fn patch_key(patch: &ComparePatch) -> [String; 4] {
    [
        &patch.api_version,
        &patch.kind,
        &patch.namespace,
        &patch.name,
    ]
    .map(String::clone)
}

fn resource_key(resource: &DownstreamResource) -> (String, String) {
    (resource.kind.to_lowercase(), resource.name.clone())
}

/// What an entry refers to; one with both references is known by its ConfigMap.
fn values_from_key(entry: &ValuesFrom) -> Option<(&'static str, [String; 3])> {
    let parts = |reference: &api::v1alpha1::KeySelector| {
        [&reference.namespace, &reference.name, &reference.key].map(String::clone)
    };
    let config_map = entry
        .config_map_key_ref
        .as_ref()
        .map(|r| ("ConfigMap", parts(r)));
    config_map.or_else(|| entry.secret_key_ref.as_ref().map(|r| ("Secret", parts(r))))
}
