//! Tells records that this agent wrote from those that others did.
//!
//! Whoever may write Secrets in a namespace can write release records there. What a record brings to the cluster
//! (hooks) as the agent itself has therefore to be sealed: an annotation of the chart in the record is a
//! message authentication code of what the record would bring and as whom. It is inside of the payload, where Helm
//! keeps it when it changes the status of a record and when it rolls back to one; what Helm installs or
//! upgrades by itself has none. The key is in a Secret in the agent's own namespace.

use apiclient::{Client, Kind, ObjectKey, WriteOptions};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use helm::release::Release;
use hmac::{Hmac, KeyInit, Mac};
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;
use sha2::Sha256;

use super::{BUNDLE_ID, DELETE_NAMESPACE, KEEP_RESOURCES, SERVICE_ACCOUNT};

/// Annotation of charts in records: the seal, as hexadecimal digits.
const SEAL: &str = "fleet.cattle.io/seal";
/// The Secret with the key, in the agent's namespace.
const SECRET: &str = "fleet-agent-seal";
const KEY_BYTES: usize = 32;

/// What an agent seals with.
#[derive(Clone)]
pub(crate) struct Key(Vec<u8>);

impl Key {
    /// The key of the agent in `namespace`, made when there is none.
    ///
    /// # Errors
    ///
    /// When the Secret was neither read nor created: then nothing is sealed, and no seal holds.
    pub(crate) async fn obtain(
        cluster: &Client,
        namespace: &str,
    ) -> Result<Self, apiclient::Error> {
        let at = ObjectKey::new(namespace, SECRET);
        let kind = Kind::of::<Secret>();
        let found = cluster.get::<Secret>(&kind, &at).await?;
        if let Some(key) = found.as_ref().and_then(Self::of) {
            return Ok(key);
        }
        let key = Self((0..KEY_BYTES).map(|_| rand::random()).collect());
        let secret = json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": SECRET, "namespace": namespace},
            "data": {"key": STANDARD.encode(&key.0)}});
        let options = WriteOptions::default();
        // One that holds no key is of no use to anybody.
        let written = match found {
            Some(_) => cluster.replace(&kind, &at, &secret, options).await,
            None => cluster.create(&kind, &at, &secret, options).await,
        };
        match written {
            Ok(_) => Ok(key),
            // Another agent of the namespace was faster.
            Err(error) if error.is_already_exists() => {
                let found = cluster.get::<Secret>(&kind, &at).await?;
                found.as_ref().and_then(Self::of).ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    fn of(secret: &Secret) -> Option<Self> {
        let key = secret.data.as_ref()?.get("key")?.0.clone();
        (key.len() == KEY_BYTES).then_some(Self(key))
    }

    /// Seals a record; its chart has to be there.
    pub(crate) fn seal(&self, release: &mut Release) {
        let Some(mac) = self.mac(release) else { return };
        let seal = hex::encode(mac.finalize().into_bytes());
        if let Some(chart) = &mut release.chart {
            chart.metadata.annotations.insert(SEAL.to_owned(), seal);
        }
    }

    /// Whether a record says what it said when it was sealed.
    pub(crate) fn is_sealed(&self, release: &Release) -> bool {
        let annotations = release.chart.as_ref().map(|it| &it.metadata.annotations);
        let seal = annotations.and_then(|annotations| annotations.get(SEAL));
        let seal = seal.and_then(|seal| hex::decode(seal).ok());
        match (self.mac(release), seal) {
            (Some(mac), Some(seal)) => mac.verify_slice(&seal).is_ok(),
            _ => false,
        }
    }

    /// Covers what does not change when the revision is superseded or rolled back to.
    fn mac(&self, release: &Release) -> Option<Hmac<Sha256>> {
        let annotations = &release.chart.as_ref()?.metadata.annotations;
        let of = |key: &str| annotations.get(key).map_or("", String::as_str);
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        // With its length in front, no text can pass for the end of one and the beginning of the next.
        let mut part = |text: &str| {
            mac.update(&(text.len() as u64).to_be_bytes());
            mac.update(text.as_bytes());
        };
        part(&release.namespace);
        part(&release.name);
        part(of(BUNDLE_ID));
        part(of(SERVICE_ACCOUNT));
        part(of(KEEP_RESOURCES));
        part(of(DELETE_NAMESPACE));
        part(&release.manifest);
        for hook in &release.hooks {
            part(&hook.path);
            part(&hook.manifest);
            part(&format!("{:?} {}", hook.events, hook.weight));
            part(&hook.delete_policies.join(","));
        }
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use helm::Hook;
    use helm::release::{Status, StoredChart};

    use super::*;

    fn sealed() -> (Key, Release) {
        let key = Key(vec![7; KEY_BYTES]);
        let mut chart = StoredChart::default();
        let account = (SERVICE_ACCOUNT.to_owned(), "team".to_owned());
        chart.metadata.annotations.extend([account]);
        let hook = Hook {
            name: "bye".to_owned(),
            manifest: "kind: Job".to_owned(),
            ..Hook::default()
        };
        let mut release = Release {
            name: "web".to_owned(),
            namespace: "shop".to_owned(),
            version: 1,
            manifest: "kind: ConfigMap".to_owned(),
            hooks: vec![hook],
            chart: Some(chart),
            ..Release::default()
        };
        key.seal(&mut release);
        (key, release)
    }

    #[test]
    fn what_helm_does_to_a_record_keeps_its_seal() {
        let (key, mut release) = sealed();
        assert!(key.is_sealed(&release));
        release.version = 4;
        release.info.status = Status::Superseded;
        release.hooks[0].last_run.phase = "Succeeded".to_owned();
        assert!(key.is_sealed(&release));
    }

    #[test]
    fn what_says_something_else_is_not_sealed() {
        type Change = fn(&mut Release);
        let changes: [Change; 9] = [
            |it| it.namespace = "other".to_owned(),
            |it| it.name = "other".to_owned(),
            |it| it.manifest.push(' '),
            |it| it.hooks[0].manifest.push(' '),
            |it| it.hooks[0].weight = 1,
            |it| it.hooks.push(it.hooks[0].clone()),
            |it| it.hooks.clear(),
            |it| {
                let annotations = &mut it.chart.as_mut().unwrap().metadata.annotations;
                annotations.remove(SERVICE_ACCOUNT);
            },
            |it| {
                let annotations = &mut it.chart.as_mut().unwrap().metadata.annotations;
                annotations.insert(DELETE_NAMESPACE.to_owned(), "true".to_owned());
            },
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let (key, mut release) = sealed();
            change(&mut release);
            assert!(!key.is_sealed(&release), "change {number}");
        }
        let (_, release) = sealed();
        assert!(!Key(vec![8; KEY_BYTES]).is_sealed(&release));
        for seal in ["", "00", "no digits"] {
            let (key, mut release) = sealed();
            let annotations = &mut release.chart.as_mut().unwrap().metadata.annotations;
            annotations.insert(SEAL.to_owned(), seal.to_owned());
            assert!(!key.is_sealed(&release), "{seal}");
        }
    }
}
