//! Asking the hub whether a credential is good.

use api::v1alpha1::BundleDeployment;
use apiclient::{Access, Budgets, Client, Error, Kind, ObjectMeta, Selector};

use super::plan::Found;
use crate::FIELD_MANAGER;

/// Trust in the system's authorities, in upstream's words. Any other mode is trust in the given ones only.
pub(crate) const SYSTEM_STORE: &str = "system-store";
const JSON: &str = "application/json";

pub(crate) fn client(kube: kube::Client) -> Client {
    Client::new(kube, FIELD_MANAGER, Budgets::default())
}

/// Asks for what every agent may: to list the BundleDeployments of its cluster. None is sent.
pub(crate) async fn ask(client: &Client, namespace: &str) -> Result<(), Error> {
    let selector = Selector {
        // No object has this name.
        fields: Some("metadata.name=-".to_owned()),
        metadata_only: true,
        ..Selector::namespace(namespace)
    };
    let kind = Kind::of::<BundleDeployment>();
    client
        .list::<ObjectMeta, _>(&kind, &selector, drop)
        .await
        .map(drop)
}

/// How a credential fares.
pub(crate) async fn try_out(client: &Client, namespace: &str) -> Found {
    match ask(client, namespace).await {
        Ok(()) => Found::Works,
        Err(error) => {
            let why = errors::chain(&error);
            if error.is_rejection() {
                Found::Rejected(why)
            } else {
                Found::Away(why)
            }
        }
    }
}

/// Whether the hub's certificate comes from an authority that the system trusts. No token is sent.
pub(crate) async fn is_trusted_by_system(server: &str) -> bool {
    let access = Access {
        server: server.to_owned(),
        ca_pem: String::new(),
        token: String::new(),
        namespace: String::new(),
    };
    let Ok(kube) = access.connect("the bootstrap secret").await else {
        return false;
    };
    let asked = client(kube)
        .get_path::<serde_json::Value>("/version", JSON)
        .await;
    // Any answer is one: somebody may refuse to tell strangers.
    !matches!(asked, Err(Error::Transport { .. } | Error::Address { .. }))
}
