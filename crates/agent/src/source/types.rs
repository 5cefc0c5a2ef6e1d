//! The types of built-in kinds that people patch in overlays: which of their lists are merged by key.

use std::sync::LazyLock;

use apimachinery::types::{Facts, TypeRef, Types};
use k8s_openapi::api;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// Adds the schemas of the listed types and of all they refer to.
macro_rules! schemas {
    ($generator:ident; $($kind:path,)+) => {
        $($generator.subschema_for::<$kind>();)+
    };
}

fn definitions() -> Map<String, Value> {
    let mut generator = SchemaGenerator::new(SchemaSettings::openapi3());
    schemas! { generator;
        api::admissionregistration::v1::MutatingWebhookConfiguration,
        api::admissionregistration::v1::ValidatingWebhookConfiguration,
        api::apps::v1::DaemonSet,
        api::apps::v1::Deployment,
        api::apps::v1::ReplicaSet,
        api::apps::v1::StatefulSet,
        api::autoscaling::v1::HorizontalPodAutoscaler,
        api::autoscaling::v2::HorizontalPodAutoscaler,
        api::batch::v1::CronJob,
        api::batch::v1::Job,
        api::coordination::v1::Lease,
        api::core::v1::ConfigMap,
        api::core::v1::Endpoints,
        api::core::v1::LimitRange,
        api::core::v1::Namespace,
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
        api::networking::v1::Ingress,
        api::networking::v1::IngressClass,
        api::networking::v1::NetworkPolicy,
        api::policy::v1::PodDisruptionBudget,
        api::rbac::v1::ClusterRole,
        api::rbac::v1::ClusterRoleBinding,
        api::rbac::v1::Role,
        api::rbac::v1::RoleBinding,
        api::scheduling::v1::PriorityClass,
        api::storage::v1::StorageClass,
    }
    generator.take_definitions(true)
}

/// Some megabytes, made when the first overlay patches a built-in kind.
static TYPES: LazyLock<Result<Types, String>> = LazyLock::new(|| {
    let facts = Facts::builtin().map_err(|error| error.to_string())?;
    Types::build(&definitions(), &facts).map_err(|error| error.to_string())
});

/// The type of an object; `None` for kinds that are not built in.
///
/// # Errors
/// If the types cannot be built, which a test excludes.
pub(super) fn of(object: &Value) -> Result<Option<TypeRef<'static>>, &'static str> {
    let types = TYPES.as_ref().map_err(String::as_str)?;
    let api_version = crate::object::text(object, "/apiVersion");
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    Ok(types.kind(group, version, crate::object::text(object, "/kind")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn built_in_kinds_have_a_type_and_others_have_none() {
        let is_typed = |api_version: &str, kind: &str| {
            of(&json!({"apiVersion": api_version, "kind": kind}))
                .unwrap()
                .is_some()
        };
        assert!(is_typed("apps/v1", "Deployment") && is_typed("v1", "Service"));
        assert!(
            !is_typed("example.com/v1", "Deployment") && !is_typed("", "") && !is_typed("v1", "")
        );
    }
}
