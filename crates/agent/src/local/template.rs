//! The objects of a deployment without a cluster, in upstream's form. Pure.

use jiff::Timestamp;
use serde_json::Value;

use super::{Error, Given, check};
use crate::kinds::Kinds;
use crate::release::release_of;
use crate::render::ownership::Ownership;
use crate::render::{self, Input};
use crate::source::{self, Recipe};

/// The objects that a deployment is made of, followed by its hooks.
///
/// Nobody is asked for anything: `valuesFrom` and `lookup` give nothing, and all kinds are taken for
/// namespaced ones. Marks and the release namespace are those that `fleet deploy --dry-run` shows.
/// Source: agent.md 7.14.
///
/// # Errors
/// When the files make no chart, or it does not render.
pub fn template(mut given: Given, kube_version: &str) -> Result<Vec<Value>, Error> {
    check(&mut given)?;
    let Given {
        deployment,
        content,
        chunks,
    } = given;
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| Error::Failed(error);
    let options = &deployment.spec.options;
    let mut version = helm::KubeVersion::parse(kube_version)
        .map_err(|_| Error::KubeVersion(kube_version.to_owned()))?;
    // Quirk: charts see it without the letter.
    if version.version.starts_with('v') {
        version.version.remove(0);
    }
    let capabilities = helm::Capabilities {
        kube_version: version,
        ..helm::Capabilities::default()
    };
    let helm = options.helm.clone().unwrap_or_default();
    let namespace = [&options.namespace, &options.default_namespace]
        .into_iter()
        .find(|namespace| !namespace.is_empty());
    let bundle = deployment.metadata.name.as_deref().unwrap_or_default();
    let built = source::at_hand(&Recipe::of(&deployment), (content, chunks));
    let input = Input {
        built: built.map_err(|error| failed(Box::new(error)))?,
        options: helm::RenderOptions {
            release_name: release_of(&deployment).name,
            namespace: namespace.cloned().unwrap_or_default(),
            values: helm::values::as_decoded(Value::Object(helm.values.unwrap_or_default())),
            capabilities,
            skip_schema_validation: helm.skip_schema_validation,
            ..helm::RenderOptions::default()
        },
        ownership: Ownership::shown(bundle),
        target_namespace: options.namespace.clone(),
        delete_definitions: options.delete_crd_resources,
        skip_definitions: false,
        kinds: Kinds::assumed(),
    };
    let host = helm::Host::new(Timestamp::now(), Box::new(helm::SystemRandom));
    let rendered = render::render(input, host).map_err(|error| failed(Box::new(error)))?;
    let hooks = rendered.hooks.iter();
    objects(
        &rendered.manifest,
        hooks.map(|hook| hook.record.manifest.as_str()),
    )
}

/// The objects of a manifest and of hooks.
pub(super) fn objects<'a>(
    manifest: &'a str,
    hooks: impl Iterator<Item = &'a str>,
) -> Result<Vec<Value>, Error> {
    let mut objects = Vec::new();
    for text in helm::split_manifests(manifest).into_iter().chain(hooks) {
        let object = goyaml::parse(text.as_bytes());
        let mut object = object.map_err(|error| Error::Failed(Box::new(error)))?;
        as_read(&mut object);
        if !object.is_null() {
            objects.push(object);
        }
    }
    Ok(objects)
}

/// Whole numbers beyond 64 bits with a sign, as an API server reads them.
fn as_read(value: &mut Value) {
    match value {
        Value::Number(number) if number.as_i64().is_none() => {
            let float = number.as_f64().and_then(serde_json::Number::from_f64);
            *number = float.unwrap_or_else(|| number.clone());
        }
        Value::Array(items) => items.iter_mut().for_each(as_read),
        Value::Object(members) => members.values_mut().for_each(as_read),
        _ => {}
    }
}
