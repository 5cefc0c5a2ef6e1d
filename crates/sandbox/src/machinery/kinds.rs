//! The types of the built-in kinds, from the schemas that k8s-openapi derives for its structs.

use std::sync::{Arc, LazyLock};

use apimachinery::openapi::Components;
use apimachinery::types::{Facts, Types};
use k8s_openapi::{api, apiextensions_apiserver, apimachinery as meta, kube_aggregator};
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// Adds the schemas of the listed types and of all they refer to.
macro_rules! schemas {
    ($generator:ident; $($kind:path,)+) => {
        $($generator.subschema_for::<$kind>();)+
    };
}

/// JSON schema definitions by name, such as `io.k8s.api.core.v1.Pod`. Some megabytes: made when
/// needed, not kept.
#[expect(clippy::too_many_lines, reason = "a list of all kinds")]
fn definitions() -> Map<String, Value> {
    let mut generator = SchemaGenerator::new(SchemaSettings::openapi3());
    schemas! { generator;
        api::admissionregistration::v1::MutatingAdmissionPolicy,
        api::admissionregistration::v1::MutatingAdmissionPolicyBinding,
        api::admissionregistration::v1::MutatingWebhookConfiguration,
        api::admissionregistration::v1::ValidatingAdmissionPolicy,
        api::admissionregistration::v1::ValidatingAdmissionPolicyBinding,
        api::admissionregistration::v1::ValidatingWebhookConfiguration,
        api::apps::v1::ControllerRevision,
        api::apps::v1::DaemonSet,
        api::apps::v1::Deployment,
        api::apps::v1::ReplicaSet,
        api::apps::v1::StatefulSet,
        api::authentication::v1::SelfSubjectReview,
        api::authentication::v1::TokenRequest,
        api::authentication::v1::TokenReview,
        api::authorization::v1::LocalSubjectAccessReview,
        api::authorization::v1::SelfSubjectAccessReview,
        api::authorization::v1::SelfSubjectRulesReview,
        api::authorization::v1::SubjectAccessReview,
        api::autoscaling::v1::HorizontalPodAutoscaler,
        api::autoscaling::v1::Scale,
        api::autoscaling::v2::HorizontalPodAutoscaler,
        api::batch::v1::CronJob,
        api::batch::v1::Job,
        api::certificates::v1::CertificateSigningRequest,
        api::coordination::v1::Lease,
        api::core::v1::Binding,
        api::core::v1::ComponentStatus,
        api::core::v1::ConfigMap,
        api::core::v1::Endpoints,
        api::core::v1::Event,
        api::core::v1::LimitRange,
        api::core::v1::Namespace,
        api::core::v1::Node,
        api::core::v1::PersistentVolume,
        api::core::v1::PersistentVolumeClaim,
        api::core::v1::Pod,
        api::core::v1::PodTemplate,
        api::core::v1::ReplicationController,
        api::core::v1::ResourceQuota,
        api::core::v1::Secret,
        api::core::v1::Service,
        api::core::v1::ServiceAccount,
        api::discovery::v1::EndpointSlice,
        api::events::v1::Event,
        api::flowcontrol::v1::FlowSchema,
        api::flowcontrol::v1::PriorityLevelConfiguration,
        api::networking::v1::IPAddress,
        api::networking::v1::Ingress,
        api::networking::v1::IngressClass,
        api::networking::v1::NetworkPolicy,
        api::networking::v1::ServiceCIDR,
        api::node::v1::RuntimeClass,
        api::policy::v1::Eviction,
        api::policy::v1::PodDisruptionBudget,
        api::rbac::v1::ClusterRole,
        api::rbac::v1::ClusterRoleBinding,
        api::rbac::v1::Role,
        api::rbac::v1::RoleBinding,
        api::resource::v1::DeviceClass,
        api::resource::v1::ResourceClaim,
        api::resource::v1::ResourceClaimTemplate,
        api::resource::v1::ResourceSlice,
        api::scheduling::v1::PriorityClass,
        api::storage::v1::CSIDriver,
        api::storage::v1::CSINode,
        api::storage::v1::CSIStorageCapacity,
        api::storage::v1::StorageClass,
        api::storage::v1::VolumeAttachment,
        api::storage::v1::VolumeAttributesClass,
        apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
        meta::pkg::apis::meta::v1::DeleteOptions,
        meta::pkg::apis::meta::v1::ObjectMeta,
        meta::pkg::apis::meta::v1::Status,
        kube_aggregator::pkg::apis::apiregistration::v1::APIService,
    }
    generator.take_definitions(true)
}

/// What schemas lack: list keys, patch strategies, kinds.
static FACTS: LazyLock<Option<Facts>> = LazyLock::new(|| match Facts::builtin() {
    Ok(facts) => Some(facts),
    Err(error) => {
        tracing::error!(%error, "built-in kinds are untyped");
        None
    }
});

static TYPES: LazyLock<Option<Arc<Types>>> =
    LazyLock::new(|| match Types::build(&definitions(), FACTS.as_ref()?) {
        Ok(types) => Some(Arc::new(types)),
        Err(error) => {
            tracing::error!(%error, "built-in kinds are untyped");
            None
        }
    });

static COMPONENTS: LazyLock<Components> = LazyLock::new(|| match FACTS.as_ref() {
    Some(facts) => Components::builtin(&definitions(), facts),
    None => Components::default(),
});

/// The type graph of the built-in kinds. A test makes sure that there is one.
pub(crate) fn types() -> Option<&'static Arc<Types>> {
    TYPES.as_ref()
}

/// The OpenAPI schemas of the built-in kinds.
pub(crate) fn components() -> &'static Components {
    &COMPONENTS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::builtin;

    #[test]
    fn every_built_in_resource_has_a_type() {
        let types = types().unwrap();
        for resource in builtin::all() {
            let found = types.kind(&resource.group, &resource.version, &resource.kind);
            assert!(
                found.is_some(),
                "{} {}",
                resource.api_version,
                resource.kind
            );
        }
    }
}
