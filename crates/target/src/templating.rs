//! `${ }` templates in options other than Helm values, where a bundle asks for them (`templating`).
//!
//! In: merged options and a cluster. Out: the options as the cluster gets them, with what its agent needs to
//! render templates in files. Names that come out are checked here, and against the rules of the namespace
//! by the caller: a template must not be a way around them.

use std::collections::BTreeMap;

use api::v1alpha1::{BundleDeploymentOptions, Templating};
use serde_json::Value;

use crate::template::{ClusterValues, Error, Templates};

/// Most bytes of a namespace or release name, and of a wrong one in an error.
const LABEL_BYTES_MAX: usize = 63;
const RELEASE_NAME_BYTES_MAX: usize = 53;

impl Templates {
    /// Renders the texts of options, if they ask for it, and leaves for the agent what it needs.
    ///
    /// `extra` are namespace labels and annotations that are merged later. Returns whether options were
    /// rendered.
    ///
    /// # Errors
    /// If a template is wrong or fails for this cluster, or what it gives is no name where one is needed.
    pub(crate) fn fill_options(
        &self,
        options: &mut BundleDeploymentOptions,
        extra: [&mut BTreeMap<String, String>; 2],
        cluster: &ClusterValues<'_>,
    ) -> Result<bool, Error> {
        let Some(templating) = options.templating.take() else {
            return Ok(false);
        };
        let data = cluster.data();
        if templating.options {
            self.render_options(options, &data)?;
            for (which, map) in ["namespaceLabels", "namespaceAnnotations"]
                .into_iter()
                .zip(extra)
            {
                for (key, text) in map {
                    self.render_option(&format!("{which}.{key}"), text, &data)?;
                }
            }
        }
        if let (false, Value::Object(data)) = (templating.files.is_empty(), data) {
            options.templating = Some(Templating {
                options: false,
                files: templating.files,
                data: Some(data),
            });
        }
        Ok(templating.options)
    }

    fn render_options(
        &self,
        options: &mut BundleDeploymentOptions,
        data: &Value,
    ) -> Result<(), Error> {
        let names = |options: &BundleDeploymentOptions| {
            let helm = options.helm.as_ref();
            [
                options.namespace.clone(),
                options.default_namespace.clone(),
                options.service_account.clone(),
                helm.map_or_else(String::new, |helm| helm.release_name.clone()),
            ]
        };
        let before = names(options);
        // Helm values have templates of their own, and the rest is not for users.
        let helm = options.helm.as_mut();
        let values = helm.map(|helm| {
            let templates = std::mem::take(&mut helm.template_values);
            (helm.values.take(), templates)
        });
        let overwrites = std::mem::take(&mut options.overwrites);
        let selector = options.allowed_target_namespace_selector.take();
        let mut json = serde_json::to_value(&*options).map_err(Error::Options)?;
        self.render_texts("", &mut json, data)?;
        *options = serde_json::from_value(json).map_err(Error::Options)?;
        options.overwrites = overwrites;
        options.allowed_target_namespace_selector = selector;
        if let (Some(helm), Some((values, templates))) = (&mut options.helm, values) {
            helm.values = values;
            helm.template_values = templates;
        }
        let fields = [
            "namespace",
            "defaultNamespace",
            "serviceAccount",
            "helm.releaseName",
        ];
        for ((option, before), after) in fields.into_iter().zip(before).zip(names(options)) {
            if before != after {
                check_name(option, &after)?;
            }
        }
        Ok(())
    }

    fn render_texts(&self, path: &str, value: &mut Value, data: &Value) -> Result<(), Error> {
        match value {
            Value::String(text) => self.render_option(path, text, data),
            Value::Array(items) => {
                for (place, item) in items.iter_mut().enumerate() {
                    self.render_texts(&format!("{path}[{place}]"), item, data)?;
                }
                Ok(())
            }
            Value::Object(members) => {
                for (key, value) in members {
                    let path = if path.is_empty() {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    };
                    self.render_texts(&path, value, data)?;
                }
                Ok(())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }

    fn render_option(&self, path: &str, text: &mut String, data: &Value) -> Result<(), Error> {
        if !text.contains("${") {
            return Ok(());
        }
        let rendered = self.render_text(path, text, data);
        let rendered = rendered.map_err(|source| Error::Option {
            option: path.to_owned(),
            source,
        })?;
        *text = String::from_utf8_lossy(&rendered).into_owned();
        Ok(())
    }
}

/// What a template gives must be a name: an empty one would mean another namespace, or the agent's own rights.
fn check_name(option: &'static str, name: &str) -> Result<(), Error> {
    let is_part = |part: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = part.as_bytes();
        bytes.iter().all(|byte| inner(*byte) || *byte == b'-')
            && bytes.first().is_some_and(|byte| inner(*byte))
            && bytes.last().is_some_and(|byte| inner(*byte))
    };
    let (is_name, wanted) = match option {
        "helm.releaseName" => (
            name.len() <= RELEASE_NAME_BYTES_MAX && name.split('.').all(is_part),
            "name of a Helm release",
        ),
        "serviceAccount" => (name.split('.').all(is_part), "name of a service account"),
        _ => (
            name.len() <= LABEL_BYTES_MAX && is_part(name),
            "name of a namespace",
        ),
    };
    if is_name {
        return Ok(());
    }
    Err(Error::NoName {
        option,
        given: name.chars().take(LABEL_BYTES_MAX).collect(),
        wanted,
    })
}
