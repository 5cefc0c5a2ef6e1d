//! What a hub knows, from the hub itself or from a file, and what a Bundle means in it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use api::v1alpha1::{
    Bundle, BundleDeployment, BundleNamespaceMapping, Cluster, ClusterGroup, GitRepoRestriction,
    Policy,
};
use apiclient::{Budgets, Client, Kind, Selector};
use k8s_openapi::api::core::v1::Namespace;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use target::deployment::Wanted;
use target::explain::{Explanation, explain};
use target::mapping::Mappings;
use target::matching::{ClusterFacts, GroupFacts, Targets};
use target::policy::Rules;
use target::template::{ClusterValues, Templates};

/// The clusters cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file cannot be read.
    #[error("read {}", file.display())]
    Read {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A document is no YAML.
    #[error("read document {number} of {}", file.display())]
    Yaml {
        file: PathBuf,
        number: usize,
        #[source]
        source: goyaml::Error,
    },
    /// A document does not hold what its kind says.
    #[error("read {kind} from document {number} of {}", file.display())]
    Fields {
        file: PathBuf,
        number: usize,
        kind: String,
        #[source]
        source: serde_json::Error,
    },
    /// There is no runtime for requests.
    #[error("start")]
    Start(#[source] io::Error),
    /// The hub cannot be reached.
    #[error(transparent)]
    Connect(apiclient::ConnectError),
    /// A list was refused.
    #[error("list {kind}")]
    List {
        kind: Kind,
        #[source]
        source: Box<apiclient::Error>,
    },
}

/// Everything that decides about targets.
#[derive(Debug, Default)]
pub(crate) struct World {
    clusters: Vec<Cluster>,
    groups: Vec<ClusterGroup>,
    mappings: Mappings,
    restrictions: Vec<GitRepoRestriction>,
    policies: Vec<Policy>,
    /// By namespace and name.
    deployments: BTreeMap<(String, String), BundleDeployment>,
}

type Answer = Result<Option<Wanted>, target::deployment::Error>;

impl World {
    /// Reads a stream of YAML documents. Other kinds are passed over.
    pub(crate) fn from_file(file: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(file).map_err(|source| Error::Read {
            file: file.to_owned(),
            source,
        })?;
        let mut world = Self::default();
        for (at, part) in goyaml::documents::split(&text).enumerate() {
            let number = at + 1;
            let value = goyaml::parse(part.text.as_bytes()).map_err(|source| Error::Yaml {
                file: file.to_owned(),
                number,
                source,
            })?;
            let kind = value
                .get("kind")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let kind = kind.to_owned();
            world.add(&kind, value).map_err(|source| Error::Fields {
                file: file.to_owned(),
                number,
                kind,
                source,
            })?;
        }
        Ok(world)
    }

    fn add(&mut self, kind: &str, value: Value) -> Result<(), serde_json::Error> {
        match kind {
            "Cluster" => self.clusters.push(serde_json::from_value(value)?),
            "ClusterGroup" => self.groups.push(serde_json::from_value(value)?),
            "Namespace" => self.add_namespace(serde_json::from_value(value)?),
            "BundleNamespaceMapping" => self.add_mapping(&serde_json::from_value(value)?),
            "GitRepoRestriction" => self.restrictions.push(serde_json::from_value(value)?),
            "Policy" => self.policies.push(serde_json::from_value(value)?),
            "BundleDeployment" => self.add_deployment(serde_json::from_value(value)?),
            _ => {}
        }
        Ok(())
    }

    fn add_namespace(&mut self, namespace: Namespace) {
        let metadata = namespace.metadata;
        let name = metadata.name.unwrap_or_default();
        self.mappings
            .set_namespace(&name, metadata.labels.unwrap_or_default());
    }

    fn add_mapping(&mut self, mapping: &BundleNamespaceMapping) {
        self.mappings.set_mapping(mapping);
    }

    fn add_deployment(&mut self, deployment: BundleDeployment) {
        let metadata = &deployment.metadata;
        let key = (
            metadata.namespace.clone().unwrap_or_default(),
            metadata.name.clone().unwrap_or_default(),
        );
        self.deployments.insert(key, deployment);
    }

    /// Reads what concerns the Bundle from a hub.
    pub(crate) fn from_hub(kubeconfig: Option<&Path>, bundle: &Bundle) -> Result<Self, Error> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().map_err(Error::Start)?;
        runtime.block_on(Self::read(kubeconfig, bundle))
    }

    async fn read(kubeconfig: Option<&Path>, bundle: &Bundle) -> Result<Self, Error> {
        let kube = apiclient::connect(kubeconfig)
            .await
            .map_err(Error::Connect)?;
        let client = Client::new(kube, "flotilla", Budgets::default());
        let (own, name) = identity(bundle);
        let mut world = Self::default();
        let in_own = || Selector::namespace(own.clone());
        list(&client, in_own(), |mapping: BundleNamespaceMapping| {
            world.add_mapping(&mapping);
        })
        .await?;
        let everywhere = Selector::default();
        list(&client, everywhere, |namespace: Namespace| {
            world.add_namespace(namespace);
        })
        .await?;
        list(&client, in_own(), |rules| world.restrictions.push(rules)).await?;
        list(&client, in_own(), |rules| world.policies.push(rules)).await?;
        for namespace in world.namespaces(bundle) {
            let in_it = || Selector::namespace(namespace.clone());
            list(&client, in_it(), |cluster| world.clusters.push(cluster)).await?;
            list(&client, in_it(), |group| world.groups.push(group)).await?;
        }
        let (of_namespace, of_name) = (api::labels::BUNDLE_NAMESPACE, api::labels::BUNDLE_NAME);
        let of_bundle = Selector::labels(format!("{of_namespace}={own},{of_name}={name}"));
        list(&client, of_bundle, |deployment: BundleDeployment| {
            world.add_deployment(deployment);
        })
        .await?;
        Ok(world)
    }

    /// The namespaces whose clusters the Bundle reaches.
    fn namespaces(&self, bundle: &Bundle) -> Vec<String> {
        let (own, _) = identity(bundle);
        let labels = bundle.metadata.labels.clone().unwrap_or_default();
        let reach = self.mappings.reach(&own, &labels);
        std::iter::once(own).chain(reach.namespaces).collect()
    }

    fn rules(&self, bundle: &Bundle) -> Rules {
        let is_near = |namespace: &Option<String>| *namespace == bundle.metadata.namespace;
        let restrictions = self.restrictions.iter();
        let policies = self.policies.iter();
        Rules::of(
            restrictions.filter(|rules| is_near(&rules.metadata.namespace)),
            policies.filter(|rules| is_near(&rules.metadata.namespace)),
        )
    }

    /// What people should know beside the answer.
    pub(crate) fn warnings(&self, bundle: &Bundle) -> Vec<String> {
        let mut warnings = Vec::new();
        let (own, name) = identity(bundle);
        let labels = bundle.metadata.labels.clone().unwrap_or_default();
        if let Some(unclear) = self.mappings.reach(&own, &labels).unclear {
            warnings.push(errors::chain(&unclear));
        }
        let allowed = self
            .rules(bundle)
            .authorize_bundle(&bundle.spec, is_of_agent(bundle));
        if let Err(denied) = allowed {
            warnings.push(format!(
                "the hub denies this bundle: {}",
                errors::chain(&denied)
            ));
        }
        if !bundle.spec.values_hash.is_empty() {
            warnings.push(format!(
                "the helm values of this bundle are in Secret {own}/{name} and are left out"
            ));
        }
        warnings
    }

    /// Asks about every cluster that the Bundle reaches, by name, then by namespace.
    fn ask<T>(
        &self,
        bundle: &Bundle,
        mut answer: impl FnMut(&Cluster, &ClusterFacts<'_>, &ClusterValues<'_>) -> T,
    ) -> Vec<T> {
        let namespaces = self.namespaces(bundle);
        let namespace =
            |metadata: &kube::core::ObjectMeta| metadata.namespace.clone().unwrap_or_default();
        let mut clusters: Vec<&Cluster> = self.clusters.iter().collect();
        clusters.retain(|cluster| namespaces.contains(&namespace(&cluster.metadata)));
        clusters.sort_by_key(|cluster| {
            let metadata = &cluster.metadata;
            (metadata.name.clone(), metadata.namespace.clone())
        });
        let none = BTreeMap::new();
        let mut answers = Vec::new();
        for cluster in clusters {
            let metadata = &cluster.metadata;
            let labels = metadata.labels.as_ref().unwrap_or(&none);
            let groups: Vec<GroupFacts<'_>> = self
                .groups
                .iter()
                .filter(|group| group.metadata.namespace == metadata.namespace)
                .filter(|group| {
                    let selector = group.spec.selector.as_ref();
                    selector.is_some_and(|selector| selector.matches(labels))
                })
                .map(|group| GroupFacts {
                    name: group.metadata.name.as_deref().unwrap_or_default(),
                    labels: group.metadata.labels.as_ref().unwrap_or(&none),
                })
                .collect();
            let name = metadata.name.as_deref().unwrap_or_default();
            let facts = ClusterFacts {
                name,
                labels,
                groups: &groups,
            };
            let values = ClusterValues {
                namespace: metadata.namespace.as_deref().unwrap_or_default(),
                name,
                labels,
                annotations: metadata.annotations.as_ref().unwrap_or(&none),
                template_values: cluster.spec.template_values.as_ref(),
            };
            answers.push(answer(cluster, &facts, &values));
        }
        answers
    }

    /// Explains the Bundle for every cluster it reaches.
    pub(crate) fn explain(&self, bundle: &Bundle) -> Vec<Explanation> {
        let targets = Targets::of(&bundle.spec);
        let imposed = self.rules(bundle).imposed(is_of_agent(bundle));
        let (templates, content) = (Templates::production(), content_id(bundle));
        self.ask(bundle, |_, facts, values| {
            explain(
                &bundle.spec,
                &targets,
                &content,
                &imposed,
                facts,
                values,
                &templates,
            )
        })
    }

    /// What every cluster is to get, with the partitions it is in and what it has.
    pub(crate) fn wanted(&self, bundle: &Bundle) -> Vec<Meant> {
        let targets = Targets::of(&bundle.spec);
        let imposed = self.rules(bundle).imposed(is_of_agent(bundle));
        let (templates, content) = (Templates::production(), content_id(bundle));
        let strategy = bundle.spec.rollout_strategy.as_ref();
        let partitions = strategy.map_or(&[][..], |strategy| &strategy.partitions);
        let (_, name) = identity(bundle);
        self.ask(bundle, |cluster, facts, values| {
            let matching = partitions.iter().enumerate().filter(|(_, partition)| {
                target::matching::Criteria::from(*partition).matches(facts)
            });
            let key = (cluster.status.namespace.clone(), name.clone());
            Meant {
                cluster: cluster.clone(),
                partitions: matching.map(|(place, _)| place).collect(),
                stored: self.deployments.get(&key).cloned(),
                wanted: target::deployment::wanted(
                    &bundle.spec,
                    &targets,
                    &content,
                    &imposed,
                    facts,
                    values,
                    &templates,
                ),
            }
        })
    }

    /// The clusters that the Bundle is for, with their groups.
    pub(crate) fn meant(&self, bundle: &Bundle) -> Value {
        let targets = Targets::of(&bundle.spec);
        let answers = self.ask(bundle, |cluster, facts, _| {
            targets.select(facts)?;
            let groups: Vec<&str> = facts.groups.iter().map(|group| group.name).collect();
            let mut metadata = cluster.metadata.clone();
            metadata.managed_fields = None;
            Some(json!({
                "cluster": { "metadata": metadata, "spec": cluster.spec, "status": cluster.status },
                "clusterGroups": groups,
            }))
        });
        answers.into_iter().flatten().collect()
    }
}

/// A cluster and what it is to get.
#[derive(Debug)]
pub(crate) struct Meant {
    pub(crate) cluster: Cluster,
    /// Places of the partitions it is in.
    pub(crate) partitions: Vec<usize>,
    pub(crate) stored: Option<BundleDeployment>,
    pub(crate) wanted: Answer,
}

async fn list<K>(client: &Client, selector: Selector, each: impl FnMut(K)) -> Result<(), Error>
where
    K: kube::core::Resource<DynamicType = ()> + DeserializeOwned,
    K::Scope: apiclient::Scope,
{
    let kind = Kind::of::<K>();
    let listed = client.list(&kind, &selector, each).await;
    listed.map(drop).map_err(|source| {
        let source = Box::new(source);
        Error::List { kind, source }
    })
}

/// Namespace and name.
pub(crate) fn identity(bundle: &Bundle) -> (String, String) {
    let metadata = &bundle.metadata;
    (
        metadata.namespace.clone().unwrap_or_default(),
        metadata.name.clone().unwrap_or_default(),
    )
}

fn is_of_agent(bundle: &Bundle) -> bool {
    let annotations = bundle.metadata.annotations.as_ref();
    let id = annotations.and_then(|all| all.get(api::labels::OBJECT_SET_ID));
    id.is_some_and(|id| id == api::labels::OBJECT_SET_ID_AGENT)
}

/// Name of the Content; empty for charts that agents fetch.
fn content_id(bundle: &Bundle) -> String {
    let spec = &bundle.spec;
    if spec.helm_op_options.is_some() || !spec.contents_id.is_empty() {
        return spec.contents_id.clone();
    }
    let manifest = api::ids::manifest_json(&spec.resources);
    api::ids::content_id(&api::ids::content_sha256(&manifest))
}
