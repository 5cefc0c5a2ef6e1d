//! Helm values of deployments live in Secrets, everything else in the BundleDeployment.

use std::collections::BTreeMap;

use api::labels::{
    DEPLOYMENT_STAGED_VALUES_KEY, DEPLOYMENT_VALUES_KEY, SECRET_TYPE_BUNDLE_DEPLOYMENT,
};
use api::v1alpha1::{BundleDeployment, BundleDeploymentOptions};
use apiclient::ObjectKey;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

/// The options as they stand in a BundleDeployment: without Helm values.
pub(crate) fn without_values(options: &BundleDeploymentOptions) -> BundleDeploymentOptions {
    let mut options = options.clone();
    if let Some(helm) = &mut options.helm {
        helm.values = None;
    }
    options
}

/// The hash that a BundleDeployment names; empty when there is nothing to keep in a Secret.
pub(crate) fn hash(values: &[u8], staged: &[u8]) -> String {
    if values.is_empty() && staged.is_empty() {
        return String::new();
    }
    api::ids::options_secret_hash(values, staged)
}

/// The Secret of a deployment. Before the BundleDeployment exists it has no owner; it is written
/// first, so that no agent finds a hash without values.
pub(crate) fn secret(
    deployment: &ObjectKey,
    owner_uid: &str,
    values: Vec<u8>,
    staged: Vec<u8>,
) -> Secret {
    let mut secret = Secret::default();
    secret.metadata.name = Some(deployment.name.clone());
    secret.metadata.namespace = Some(deployment.namespace.clone());
    if !owner_uid.is_empty() {
        secret.metadata.owner_references = Some(vec![owner(deployment, owner_uid)]);
    }
    secret.type_ = Some(SECRET_TYPE_BUNDLE_DEPLOYMENT.to_owned());
    secret.data = Some(BTreeMap::from([
        (DEPLOYMENT_VALUES_KEY.to_owned(), ByteString(values)),
        (DEPLOYMENT_STAGED_VALUES_KEY.to_owned(), ByteString(staged)),
    ]));
    secret
}

fn owner(deployment: &ObjectKey, uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: api::v1alpha1::API_VERSION.to_owned(),
        kind: <BundleDeployment as kube_core::Resource>::kind(&()).into_owned(),
        name: deployment.name.clone(),
        uid: uid.to_owned(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
