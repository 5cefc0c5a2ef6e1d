//! Asking the hub whether a credential is good.

use api::v1alpha1::BundleDeployment;
use apiclient::{Budgets, Client, Error, Kind, ObjectMeta, Selector};

use super::plan::Found;
use crate::FIELD_MANAGER;

/// Trust in the system's authorities, in upstream's words. Any other mode is trust in the given ones only.
pub(crate) const SYSTEM_STORE: &str = "system-store";

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
