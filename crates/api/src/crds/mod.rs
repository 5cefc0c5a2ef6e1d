//! CustomResourceDefinitions of all kinds, generated from the types.
//!
//! Schema and descriptions come from the Rust types; the table in this file adds what a type does not
//! know: names, scope, printer columns. `structural` turns what schemars derives into the form that an
//! API server accepts.
//!
//! Source of names, columns and validation: upstream's CRDs. Wider than upstream in one point: every
//! optional field may be null, as Go's encoder writes empty lists that way.

pub(crate) mod schemas;
mod structural;

use kube_core::Resource;
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::v1alpha1::{
    Bundle, BundleDeployment, BundleNamespaceMapping, Cluster, ClusterGroup, ClusterRegistration,
    ClusterRegistrationToken, Content, GROUP, GitRepo, GitRepoRestriction, HelmOp, ImageScan,
    Policy, Schedule, VERSION,
};

/// A printer column: its title and the path of its value.
type Column = (&'static str, &'static str);

const READY_MESSAGE: Column = (
    "Status",
    r#".status.conditions[?(@.type=="Ready")].message"#,
);
/// The message of the condition or else its status, so that the cell is filled as soon as an agent
/// reports; upstream reads a text that the hub writes for each deployment (`display`).
const DEPLOYED: Column = (
    "Deployed",
    r#".status.conditions[?(@.type=="Deployed")]['message','status']"#,
);
const MONITORED: Column = (
    "Monitored",
    r#".status.conditions[?(@.type=="Monitored")]['message','status']"#,
);
const DEPLOYMENTS_READY: Column = (
    "BundleDeployments-Ready",
    ".status.display.readyBundleDeployments",
);

/// What the definition of a kind says beside its schema.
struct Kind {
    name: String,
    plural: String,
    schema: Value,
    scope: &'static str,
    /// Not every kind that has the subresource has a status: upstream enables it for more.
    has_status_subresource: bool,
    categories: &'static [&'static str],
    columns: Vec<Column>,
}

impl Kind {
    fn of<K: Resource<DynamicType = ()> + JsonSchema>(columns: &[Column]) -> Self {
        Self {
            name: K::kind(&()).into_owned(),
            plural: K::plural(&()).into_owned(),
            schema: structural::root::<K>(),
            scope: "Namespaced",
            has_status_subresource: true,
            categories: &[],
            columns: columns.to_vec(),
        }
    }

    fn in_category_fleet(self) -> Self {
        Self {
            categories: &["fleet"],
            ..self
        }
    }

    fn definition(self) -> Value {
        let singular = self.name.to_lowercase();
        let mut names = json!({
            "kind": self.name,
            "listKind": format!("{}List", self.name),
            "plural": self.plural,
            "singular": singular,
        });
        if !self.categories.is_empty() {
            names["categories"] = json!(self.categories);
        }
        let mut version = json!({
            "name": VERSION,
            "served": true,
            "storage": true,
            "schema": {"openAPIV3Schema": self.schema},
        });
        if self.has_status_subresource {
            version["subresources"] = json!({"status": {}});
        }
        if !self.columns.is_empty() {
            let column =
                |(name, path): &Column| json!({"name": name, "type": "string", "jsonPath": path});
            version["additionalPrinterColumns"] = self.columns.iter().map(column).collect();
        }
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{}.{GROUP}", self.plural)},
            "spec": {
                "group": GROUP,
                "names": names,
                "scope": self.scope,
                "versions": [version],
            },
        })
    }
}

/// The definitions of all kinds, in alphabetical order of the kinds. Equal bytes on every call.
pub fn crds() -> Vec<Value> {
    kinds().into_iter().map(Kind::definition).collect()
}

fn kinds() -> Vec<Kind> {
    vec![
        Kind::of::<Bundle>(&[
            ("BundleDeployments-Ready", ".status.display.readyClusters"),
            READY_MESSAGE,
        ]),
        Kind::of::<BundleDeployment>(&[DEPLOYED, MONITORED, READY_MESSAGE]),
        Kind::of::<BundleNamespaceMapping>(&[]),
        Kind::of::<Cluster>(&[
            ("Bundles-Ready", ".status.display.readyBundles"),
            ("Last-Seen", ".status.agent.lastSeen"),
            READY_MESSAGE,
        ]),
        Kind::of::<ClusterGroup>(&[
            ("Clusters-Ready", ".status.display.readyClusters"),
            ("Bundles-Ready", ".status.display.readyBundles"),
            READY_MESSAGE,
        ])
        .in_category_fleet(),
        Kind::of::<ClusterRegistration>(&[
            ("Cluster-Name", ".status.clusterName"),
            ("Labels", ".spec.clusterLabels"),
        ]),
        Kind::of::<ClusterRegistrationToken>(&[("Secret-Name", ".status.secretName")]),
        Kind {
            scope: "Cluster",
            ..Kind::of::<Content>(&[])
        },
        Kind::of::<GitRepo>(&[
            ("Repo", ".spec.repo"),
            ("Commit", ".status.commit"),
            DEPLOYMENTS_READY,
            READY_MESSAGE,
        ])
        .in_category_fleet(),
        Kind::of::<GitRepoRestriction>(&[
            ("Default-ServiceAccount", ".defaultServiceAccount"),
            ("Allowed-ServiceAccounts", ".allowedServiceAccounts"),
        ]),
        Kind::of::<HelmOp>(&[
            ("Repo", ".spec.helm.repo"),
            ("Chart", ".spec.helm.chart"),
            ("Version", ".status.version"),
            DEPLOYMENTS_READY,
            READY_MESSAGE,
        ])
        .in_category_fleet(),
        Kind::of::<ImageScan>(&[
            ("Repository", ".spec.image"),
            ("Latest", ".status.latestTag"),
        ]),
        Kind {
            has_status_subresource: false,
            ..Kind::of::<Policy>(&[])
        },
        Kind::of::<Schedule>(&[
            ("Schedule", ".spec.schedule"),
            ("Duration", ".spec.duration"),
            ("Active", ".status.active"),
            ("NextStart", ".status.nextStartTime"),
        ]),
    ]
}
