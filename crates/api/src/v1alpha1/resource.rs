//! What makes a struct a root object: its kind, its plural name, its scope and its serialized form.
//!
//! The structs have no fields for `apiVersion` and `kind`; both are written from the type and ignored
//! when read.

use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};

use super::{
    Bundle, BundleDeployment, BundleNamespaceMapping, Cluster, ClusterGroup, ClusterRegistration,
    ClusterRegistrationToken, Content, GitRepo, GitRepoRestriction, HelmOp, ImageScan, Policy,
    Schedule,
};

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Implements `kube_core::Resource` and `Serialize` for a root object.
///
/// `json` lists the fields in the order in which they are written. Empty ones are left out, and so is
/// a status that is still in its default state: a new object carries none.
macro_rules! root_object {
    ($kind:ident, $plural:literal, $scope:ty, { $($field:ident => $json:literal),+ $(,)? }) => {
        impl kube_core::Resource for $kind {
            type DynamicType = ();
            type Scope = $scope;

            fn kind((): &()) -> std::borrow::Cow<'_, str> {
                stringify!($kind).into()
            }

            fn group((): &()) -> std::borrow::Cow<'_, str> {
                super::GROUP.into()
            }

            fn version((): &()) -> std::borrow::Cow<'_, str> {
                super::VERSION.into()
            }

            fn plural((): &()) -> std::borrow::Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &kube_core::ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut kube_core::ObjectMeta {
                &mut self.metadata
            }
        }

        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;

                let mut map = to.serialize_map(None)?;
                map.serialize_entry("apiVersion", super::API_VERSION)?;
                map.serialize_entry("kind", stringify!($kind))?;
                $(
                    if !is_default(&self.$field) {
                        map.serialize_entry($json, &self.$field)?;
                    }
                )+
                map.end()
            }
        }
    };
}

macro_rules! spec_and_status {
    ($($kind:ident, $plural:literal;)+) => {
        $(root_object!($kind, $plural, NamespaceResourceScope, {
            metadata => "metadata",
            spec => "spec",
            status => "status",
        });)+
    };
}

spec_and_status! {
    Bundle, "bundles";
    BundleDeployment, "bundledeployments";
    Cluster, "clusters";
    ClusterGroup, "clustergroups";
    ClusterRegistration, "clusterregistrations";
    ClusterRegistrationToken, "clusterregistrationtokens";
    GitRepo, "gitrepos";
    HelmOp, "helmops";
    ImageScan, "imagescans";
    Schedule, "schedules";
}

root_object!(BundleNamespaceMapping, "bundlenamespacemappings", NamespaceResourceScope, {
    metadata => "metadata",
    bundle_selector => "bundleSelector",
    namespace_selector => "namespaceSelector",
});

root_object!(Content, "contents", ClusterResourceScope, {
    metadata => "metadata",
    content => "content",
    sha256sum => "sha256sum",
    chunks => "chunks",
    status => "status",
});

root_object!(GitRepoRestriction, "gitreporestrictions", NamespaceResourceScope, {
    metadata => "metadata",
    default_service_account => "defaultServiceAccount",
    allowed_service_accounts => "allowedServiceAccounts",
    allowed_repo_patterns => "allowedRepoPatterns",
    default_client_secret_name => "defaultClientSecretName",
    allowed_client_secret_names => "allowedClientSecretNames",
    allowed_target_namespaces => "allowedTargetNamespaces",
    allowed_target_namespace_selector => "allowedTargetNamespaceSelector",
});

root_object!(Policy, "policies", NamespaceResourceScope, {
    metadata => "metadata",
    require_service_account => "requireServiceAccount",
    allowed_service_accounts => "allowedServiceAccounts",
    allow_namespace_creation => "allowNamespaceCreation",
    git_repo => "gitRepo",
    helm_op => "helmOp",
});
