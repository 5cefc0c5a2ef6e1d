//! The record of a revision that begins. Pure but for the time.

use helm::release::{Info, Release, Status, StoredChart};
use jiff::Timestamp;

use super::act::{Before, Run};
use crate::release;
use crate::release::plan::labels;
use crate::render::Rendered;
use crate::source::Recipe;
use api::v1alpha1::Values;

impl Run<'_> {
    pub(super) fn record(
        &self,
        rendered: &mut Rendered,
        values: Values,
        before: &Before,
    ) -> Release {
        let options = &self.known.object.spec.options;
        let mut metadata = std::mem::take(&mut rendered.chart_metadata);
        let recipe = Recipe::of(&self.known.object);
        let annotations = [
            (release::BUNDLE_ID, self.known.name().to_owned()),
            (
                release::AGENT_NAMESPACE,
                self.agent.options.agent_namespace.clone(),
            ),
            (release::SERVICE_ACCOUNT, options.service_account.clone()),
            (release::KEEP_RESOURCES, options.keep_resources.to_string()),
        ];
        let annotations = annotations
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value));
        metadata.annotations.extend(annotations);
        if options.delete_namespace {
            let is_asked = (release::DELETE_NAMESPACE.to_owned(), "true".to_owned());
            metadata.annotations.extend([is_asked]);
        }
        if !recipe.commit.is_empty() {
            metadata
                .annotations
                .insert(release::COMMIT.to_owned(), recipe.commit);
        }
        let now = Some(Timestamp::now().to_string());
        let (status, description, first_deployed) = if self.is_install {
            (Status::PendingInstall, "Initial install underway", None)
        } else {
            let first_deployed = before.first_deployed.clone();
            (Status::PendingUpgrade, "Preparing upgrade", first_deployed)
        };
        Release {
            name: self.release.name.clone(),
            namespace: self.release.namespace.clone(),
            version: self.revision,
            info: Info {
                first_deployed: first_deployed.or_else(|| now.clone()),
                last_deployed: now,
                description: description.to_owned(),
                status,
                notes: std::mem::take(&mut rendered.notes),
                ..Info::default()
            },
            // Neither templates nor files: rolling back needs the manifest, upgrading the values, and a
            // record that holds a large chart again and again fills etcd.
            chart: Some(StoredChart {
                metadata,
                values: rendered
                    .chart_values
                    .as_object()
                    .cloned()
                    .unwrap_or_default(),
                ..StoredChart::default()
            }),
            config: values,
            manifest: std::mem::take(&mut rendered.manifest),
            hooks: rendered
                .hooks
                .iter()
                .map(|hook| hook.record.clone())
                .collect(),
            apply_method: "ssa".to_owned(),
            labels: labels(&self.history, self.revision),
        }
    }
}

/// The record with another status.
pub(super) fn with_status(record: Release, status: Status, description: &str) -> Release {
    let description = description.to_owned();
    Release {
        info: Info {
            status,
            description,
            ..record.info
        },
        ..record
    }
}
