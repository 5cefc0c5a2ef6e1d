//! The configuration that people write while the hub runs.
//!
//! * **Object**: ConfigMap `fleet-controller` in the system namespace, key `config`.
//! * **Reads**: it, before anything is done, and at each change.
//! * **Writes**: nothing.
//!
//! A document that cannot be read changes nothing: what was configured before stays, and the log, a
//! metric and an event say so. Without the ConfigMap everything has its default.

use api::config::{Config, KEY};
use k8s_openapi::api::core::v1::ConfigMap;

/// What is configured now.
#[derive(Debug, Default)]
pub(crate) struct Live {
    config: Config,
    problem: Option<(Stored, String)>,
}

/// The ConfigMap, as people find it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

impl Live {
    /// The last document that could be read.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Why the document that is stored now is not that.
    pub(crate) fn problem(&self) -> Option<(&Stored, &str)> {
        let (stored, problem) = self.problem.as_ref()?;
        Some((stored, problem))
    }

    /// Takes in the ConfigMap, or that there is none. True if something is configured otherwise now.
    pub(crate) fn follow(&mut self, stored: Option<&ConfigMap>) -> bool {
        let data = stored.and_then(|map| map.data.as_ref());
        let text = data.and_then(|data| data.get(KEY));
        match Config::parse(text.map_or("", String::as_str)) {
            Ok((config, unusable)) => {
                for name in unusable {
                    tracing::warn!(name, "the configured duration is none: the default applies");
                }
                self.problem = None;
                let differs = self.config != config;
                self.config = config;
                differs
            }
            Err(error) => {
                let error = errors::chain(&error);
                if self.problem().map(|(_, known)| known) != Some(&error) {
                    tracing::error!(error, "what was configured before stays");
                }
                let meta = stored.map(|map| map.metadata.clone()).unwrap_or_default();
                let stored = Stored {
                    namespace: meta.namespace.unwrap_or_default(),
                    name: meta.name.unwrap_or_default(),
                    uid: meta.uid.unwrap_or_default(),
                };
                self.problem = Some((stored, error));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn map(text: &str) -> ConfigMap {
        ConfigMap {
            data: Some(BTreeMap::from([(KEY.to_owned(), text.to_owned())])),
            ..ConfigMap::default()
        }
    }

    #[test]
    fn a_bad_document_keeps_the_last_good_one_until_a_good_one_comes() {
        let mut live = Live::default();
        assert!(live.follow(Some(&map("agentCheckinInterval: 1m"))));
        assert!(!live.follow(Some(&map("agentCheckinInterval: 1m\n# same"))));
        assert!(!live.follow(Some(&map("{"))));
        assert!(live.problem().is_some());
        assert_eq!(live.config().checkin_interval().as_secs(), 60);
        assert!(live.follow(Some(&map("agentCheckinInterval: 2m"))));
        assert_eq!(live.problem(), None);
        // Without the ConfigMap, or its key, defaults apply.
        assert!(live.follow(None));
        assert!(!live.follow(Some(&ConfigMap::default())));
        assert_eq!(live.config(), &Config::default());
    }
}
