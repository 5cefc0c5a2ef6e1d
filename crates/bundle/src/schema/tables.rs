//! The Go types behind fleet.yaml and the targets file: names, fields, embedding.
//!
//! Only what is visible from outside is here: which keys exist, what they accept, and the names that
//! Go's error texts mention. The values themselves are read into the types of crate `api`.
//!
//! Source: upstream `pkg/apis/fleet.cattle.io/v1alpha1`, `k8s.io/apimachinery` `meta/v1`.

use super::Type::{
    Any, Bool, FreeMap, Int, IntOrText, List, Map, NamedText, Patch, Struct as In, Text, Word,
};
use api::v1alpha1::HelmOptions;

use super::{Struct, Type};

const TEXTS: Type = List(&Text);
const TEXT_MAP: Type = Map(&Text);
const INT: Type = Int("int");
const INT64: Type = Int("int64");

macro_rules! structs {
    ($($(#[$doc:meta])* $id:ident = $name:literal $(+ $($embedded:ident),+)? { $($key:literal: $kind:expr),* $(,)? })*) => {
        $(
            $(#[$doc])*
            pub(crate) static $id: Struct = Struct {
                name: $name,
                fields: &[$(($key, $kind)),*],
                embedded: &[$($(&$embedded),+)?],
            };
        )*
    };
}

structs! {
    /// A fleet.yaml file.
    FLEET_YAML = "v1alpha1.FleetYAML" + BUNDLE_SPEC {
        "name": Text,
        "labels": TEXT_MAP,
        "targetCustomizations": List(&In(&BUNDLE_TARGET)),
        "imageScans": List(&In(&IMAGE_SCAN)),
        "overrideTargets": List(&In(&GIT_TARGET)),
    }
    /// A targets file has the form of a Bundle's spec.
    BUNDLE_SPEC = "v1alpha1.BundleSpec" + OPTIONS {
        "paused": Bool,
        "rolloutStrategy": In(&ROLLOUT_STRATEGY),
        "resources": List(&In(&RESOURCE)),
        "targets": List(&In(&BUNDLE_TARGET)),
        "targetCustomizationMode": Text,
        "targetRestrictions": List(&In(&TARGET_RESTRICTION)),
        "dependsOn": List(&In(&BUNDLE_REF)),
        "contentsId": Text,
        "helmOpOptions": In(&HELM_OP_OPTIONS),
        "valuesHash": Text,
    }
    OPTIONS = "v1alpha1.BundleDeploymentOptions" {
        "defaultNamespace": Text,
        "namespace": Text,
        "kustomize": In(&KUSTOMIZE),
        "helm": In(&HELM),
        "serviceAccount": Text,
        "createNamespace": Bool,
        "forceSyncGeneration": INT64,
        "yaml": In(&YAML),
        "diff": In(&DIFF),
        "keepResources": Bool,
        "deleteNamespace": Bool,
        "ignore": In(&IGNORE),
        "healthCheckExprs": List(&In(&HEALTH_CHECK_EXPR)),
        "correctDrift": In(&CORRECT_DRIFT),
        "namespaceLabels": TEXT_MAP,
        "namespaceAnnotations": TEXT_MAP,
        "deleteCRDResources": Bool,
        "downstreamResources": List(&In(&DOWNSTREAM_RESOURCE)),
        "overwrites": List(&In(&OVERWRITTEN_RESOURCE)),
        "allowedTargetNamespaceSelector": In(&LABEL_SELECTOR),
        "templating": In(&TEMPLATING),
    }
    HEALTH_CHECK_EXPR = "v1alpha1.HealthCheckExpr" {
        "apiVersion": Text,
        "kind": Text,
        "current": Text,
        "inProgress": Text,
        "failed": Text,
    }
    TEMPLATING = "v1alpha1.Templating" { "options": Bool, "files": TEXTS }
    BUNDLE_TARGET = "v1alpha1.BundleTarget" + OPTIONS {
        "name": Text,
        "clusterName": Text,
        "clusterSelector": In(&LABEL_SELECTOR),
        "clusterGroup": Text,
        "clusterGroupSelector": In(&LABEL_SELECTOR),
        "doNotDeploy": Bool,
        "namespaceLabels": TEXT_MAP,
        "namespaceAnnotations": TEXT_MAP,
        "overrides": Patch(&OPTIONS),
    }
    TARGET_RESTRICTION = "v1alpha1.BundleTargetRestriction" {
        "name": Text,
        "clusterName": Text,
        "clusterSelector": In(&LABEL_SELECTOR),
        "clusterGroup": Text,
        "clusterGroupSelector": In(&LABEL_SELECTOR),
    }
    GIT_TARGET = "v1alpha1.GitTarget" {
        "name": Text,
        "clusterName": Text,
        "clusterSelector": In(&LABEL_SELECTOR),
        "clusterGroup": Text,
        "clusterGroupSelector": In(&LABEL_SELECTOR),
    }
    LABEL_SELECTOR = "v1.LabelSelector" {
        "matchLabels": TEXT_MAP,
        "matchExpressions": List(&In(&LABEL_REQUIREMENT)),
    }
    LABEL_REQUIREMENT = "v1.LabelSelectorRequirement" {
        "key": Text,
        "operator": NamedText("v1.LabelSelectorOperator"),
        "values": TEXTS,
    }
    HELM = "v1alpha1.HelmOptions" {
        "chart": Text,
        "repo": Text,
        "releaseName": Text,
        "version": Text,
        "timeoutSeconds": INT,
        "values": FreeMap,
        "templateValues": TEXT_MAP,
        "valuesFrom": List(&In(&VALUES_FROM)),
        "force": Bool,
        "takeOwnership": Bool,
        "maxHistory": INT,
        "valuesFiles": TEXTS,
        "waitForJobs": Bool,
        "atomic": Bool,
        "disablePreProcess": Bool,
        "disableDNS": Bool,
        "skipSchemaValidation": Bool,
        "disableDependencyUpdate": Bool,
        "crds": Word(HelmOptions::CRD_POLICIES),
    }
    VALUES_FROM = "v1alpha1.ValuesFrom" {
        "configMapKeyRef": In(&CONFIG_MAP_KEY),
        "secretKeyRef": In(&SECRET_KEY),
    }
    CONFIG_MAP_KEY = "v1alpha1.ConfigMapKeySelector" + LOCAL_OBJECT {
        "namespace": Text,
        "key": Text,
    }
    SECRET_KEY = "v1alpha1.SecretKeySelector" + LOCAL_OBJECT {
        "namespace": Text,
        "key": Text,
    }
    LOCAL_OBJECT = "v1alpha1.LocalObjectReference" { "name": Text }
    KUSTOMIZE = "v1alpha1.KustomizeOptions" { "dir": Text }
    YAML = "v1alpha1.YAMLOptions" { "overlays": TEXTS }
    DIFF = "v1alpha1.DiffOptions" {
        "comparePatches": List(&In(&COMPARE_PATCH)),
        "reportAdditions": Bool,
    }
    COMPARE_PATCH = "v1alpha1.ComparePatch" {
        "kind": Text,
        "apiVersion": Text,
        "namespace": Text,
        "name": Text,
        "operations": List(&In(&OPERATION)),
        "jsonPointers": TEXTS,
    }
    OPERATION = "v1alpha1.Operation" { "op": Text, "path": Text, "value": Text }
    IGNORE = "v1alpha1.IgnoreOptions" { "conditions": List(&TEXT_MAP) }
    CORRECT_DRIFT = "v1alpha1.CorrectDrift" {
        "enabled": Bool,
        "force": Bool,
        "keepFailHistory": Bool,
    }
    DOWNSTREAM_RESOURCE = "v1alpha1.DownstreamResource" { "kind": Text, "name": Text }
    OVERWRITTEN_RESOURCE = "v1alpha1.OverwrittenResource" {
        "kind": Text,
        "name": Text,
        "namespace": Text,
    }
    RESOURCE = "v1alpha1.BundleResource" { "name": Text, "content": Text, "encoding": Text }
    ROLLOUT_STRATEGY = "v1alpha1.RolloutStrategy" {
        "maxUnavailable": IntOrText,
        "maxUnavailablePartitions": IntOrText,
        "maxOffline": IntOrText,
        "autoPartitionSize": IntOrText,
        "autoPartitionThreshold": INT,
        "maxNew": INT,
        "partitions": List(&In(&PARTITION)),
    }
    PARTITION = "v1alpha1.Partition" {
        "name": Text,
        "maxUnavailable": IntOrText,
        "clusterName": Text,
        "clusterSelector": In(&LABEL_SELECTOR),
        "clusterGroup": Text,
        "clusterGroupSelector": In(&LABEL_SELECTOR),
    }
    BUNDLE_REF = "v1alpha1.BundleRef" {
        "name": Text,
        "selector": In(&LABEL_SELECTOR),
        "acceptedStates": List(&NamedText("v1alpha1.BundleState")),
    }
    HELM_OP_OPTIONS = "v1alpha1.BundleHelmOptions" {
        "helmOpSecretName": Text,
        "helmOpInsecureSkipTLSVerify": Bool,
        "helmOpCABundle": Text,
    }
    IMAGE_SCAN = "v1alpha1.ImageScanYAML" + IMAGE_SCAN_SPEC { "name": Text }
    IMAGE_SCAN_SPEC = "v1alpha1.ImageScanSpec" {
        "tagName": Text,
        "gitrepoName": Text,
        "image": Text,
        "interval": Any,
        "secretRef": In(&LOCAL_REFERENCE),
        "suspend": Bool,
        "policy": In(&IMAGE_POLICY),
    }
    LOCAL_REFERENCE = "v1.LocalObjectReference" { "name": Text }
    IMAGE_POLICY = "v1alpha1.ImagePolicyChoice" {
        "semver": In(&SEMVER_POLICY),
        "alphabetical": In(&ALPHABETICAL_POLICY),
    }
    SEMVER_POLICY = "v1alpha1.SemVerPolicy" { "range": Text }
    ALPHABETICAL_POLICY = "v1alpha1.AlphabeticalPolicy" { "order": Text }
    /// What a fleet.yaml file is read into a second time, for the metadata of the Bundle.
    BUNDLE = "v1alpha1.Bundle" {
        "kind": Text,
        "apiVersion": Text,
        "metadata": Type::Struct(&OBJECT_META),
        "spec": Type::Struct(&BUNDLE_SPEC),
        "status": Any,
    }
    BUNDLE_META = "bundlereader.bundleMeta" + OBJECT_META {}
    OBJECT_META = "v1.ObjectMeta" {
        "name": Text,
        "generateName": Text,
        "namespace": Text,
        "selfLink": Text,
        "uid": NamedText("types.UID"),
        "resourceVersion": Text,
        "generation": INT64,
        "creationTimestamp": Any,
        "deletionTimestamp": Any,
        "deletionGracePeriodSeconds": INT64,
        "labels": TEXT_MAP,
        "annotations": TEXT_MAP,
        "ownerReferences": Any,
        "finalizers": TEXTS,
        "managedFields": Any,
    }
}
