//! A kustomization and all that it leads to.
//!
//! Source: kustomize `api/internal/target`, `api/internal/accumulator`, `api/krusty`.

mod steps;

use std::collections::BTreeMap;

use crate::config::Config;
use crate::crds;
use crate::error::{Error, Result};
use crate::files::{Files, Loader};
use crate::generate;
use crate::id::Id;
use crate::origin::Origin;
use crate::plugin;
use crate::resource::{self, Resource};
use crate::resources::Resources;
use crate::schema::Schemas;
use crate::transform::{Labels, fix_references, resolve_vars, sort};
use crate::types::{COMPONENT_KIND, FieldSpec, GeneratorOptions, Kustomization, Var};

/// Names of the file, in the order in which they are tried.
pub(crate) const FILE_NAMES: [&str; 3] =
    ["kustomization.yaml", "kustomization.yml", "Kustomization"];

const ORIGIN_ANNOTATIONS: &str = "originAnnotations";
const TRANSFORMER_ANNOTATIONS: &str = "transformerAnnotations";
const MANAGED_BY_LABEL: &str = "managedByLabel";
/// The value of the label that says what made an object.
const MANAGED_BY: &str = "kustomize-v5.7.1";

/// What all kustomizations of a build share.
#[derive(Default)]
struct Shared {
    schemas: Schemas,
    warnings: Vec<String>,
    /// Kustomizations that were read.
    n_read: usize,
}

/// Most kustomizations of a build; one that is referred to twice counts twice.
const KUSTOMIZATIONS_MAX: usize = 10_000;

/// Objects, fields and vars that come together.
#[derive(Default)]
struct Accumulated {
    resources: Resources,
    config: Config,
    vars: BTreeMap<String, Var>,
}

/// Builds the kustomization in a directory. Gives its objects and the warnings.
pub(crate) fn build(files: &dyn Files, directory: &str) -> Result<(Vec<Resource>, Vec<String>)> {
    let loader = Loader::new(files, directory)?;
    let mut shared = Shared::default();
    let mut target = Target::load(&mut shared, loader)?;
    target.set_schema(&mut shared)?;
    if !target.kustomization.build_metadata.is_empty() {
        target.origin = Some(Origin::default());
    }
    let all = target.accumulate(&mut shared, Accumulated::default())?;
    let Accumulated {
        mut resources,
        config,
        vars,
    } = all;
    let schemas = &shared.schemas;
    resources.add_hashes(schemas)?;
    fix_references(schemas, &mut resources, &config.name_reference)?;
    let unused = resolve_vars(&mut resources, &vars, &config.var_reference)?;
    if !unused.is_empty() {
        shared.warnings.push(format!(
            "well-defined vars that were never replaced: {}",
            unused.join(",")
        ));
    }
    resources.drop_local()?;
    let kustomization = &target.kustomization;
    sort(schemas, &mut resources, kustomization.sort_options.as_ref())?;
    let has = |name: &str| {
        kustomization
            .build_metadata
            .iter()
            .any(|option| option == name)
    };
    if has(MANAGED_BY_LABEL) {
        let label = Labels {
            entries: [(
                "app.kubernetes.io/managed-by".to_owned(),
                MANAGED_BY.to_owned(),
            )]
            .into(),
            fields: vec![FieldSpec::new("metadata/labels", true)],
        };
        label.run(&mut resources)?;
    }
    for resource in resources.iter_mut() {
        resource.remove_build_annotations()?;
        if !has(ORIGIN_ANNOTATIONS) {
            resource.set_origin(None)?;
        }
        if !has(TRANSFORMER_ANNOTATIONS) {
            resource.clear_transformations()?;
        }
    }
    Ok((resources.into_list(), shared.warnings))
}

/// Objects of a file, with its name in errors.
pub(crate) fn parse_file(content: &[u8], path: &str) -> Result<Vec<Resource>> {
    resource::parse(content).map_err(|error| {
        let text = &error.0;
        if text.contains("error converting YAML to JSON")
            || text.contains("error unmarshaling JSON")
        {
            return Error(format!(
                "YAML file [{path}] encounters a format error.\n{text}\n"
            ));
        }
        if error.is_malformed_yaml() {
            return Error(format!("{text} in File: {path}"));
        }
        error
    })
}

/// One kustomization.
struct Target<'f> {
    kustomization: Kustomization,
    file: &'static str,
    loader: Loader<'f>,
    /// Where its objects are from, if that is to be told.
    origin: Option<Origin>,
}

impl<'f> Target<'f> {
    fn load(shared: &mut Shared, loader: Loader<'f>) -> Result<Self> {
        shared.n_read += 1;
        if shared.n_read > KUSTOMIZATIONS_MAX {
            return Err(Error(format!(
                "more than {KUSTOMIZATIONS_MAX} kustomizations"
            )));
        }
        let mut found = None;
        for name in FILE_NAMES {
            let Ok(content) = loader.load(name) else {
                continue;
            };
            if found.is_some() {
                return Err(Error(format!(
                    "Found multiple kustomization files under: {}\n",
                    loader.root()
                )));
            }
            found = Some((name, content));
        }
        let Some((file, content)) = found else {
            let [first, second, last] = FILE_NAMES;
            return Err(Error(format!(
                "unable to find one of '{first}', '{second}' or '{last}' in directory '{}'",
                loader.root()
            )));
        };
        let kustomization = Kustomization::parse(&content, &mut shared.warnings)?;
        let faults = kustomization.faults();
        if !faults.is_empty() {
            return Err(Error(format!(
                "Failed to read kustomization file under {}:\n{}",
                loader.root(),
                faults.join("\n")
            )));
        }
        let target = Self {
            kustomization,
            file,
            loader,
            origin: None,
        };
        target.refuse_charts()?;
        Ok(target)
    }

    fn refuse_charts(&self) -> Result<()> {
        let fields = [
            (&self.kustomization.helm_charts, "helmCharts"),
            (
                &self.kustomization.helm_chart_inflation_generator,
                "helmChartInflationGenerator",
            ),
        ];
        for (charts, field) in fields {
            if !charts.is_empty() {
                return Err(Error(format!(
                    "must specify --enable-helm: {}/{}: {field} is not supported",
                    self.loader.root(),
                    self.file
                )));
            }
        }
        Ok(())
    }

    fn set_schema(&self, shared: &mut Shared) -> Result<()> {
        let says = &self.kustomization.open_api;
        let schema = match says.get("path") {
            Some(path) => Some(self.loader.load(path)?),
            None => None,
        };
        let version = says.get("version").map(String::as_str);
        shared.schemas.set(version, schema.as_deref())
    }

    fn accumulate(&mut self, shared: &mut Shared, all: Accumulated) -> Result<Accumulated> {
        let paths = std::mem::take(&mut self.kustomization.resources);
        let mut all = self
            .accumulate_resources(shared, all, &paths)
            .map_err(|error| error.within("accumulating resources"))?;
        let mut config = Config::built_in()?.clone();
        let mut own = Config::default();
        for path in &self.kustomization.configurations {
            own.merge(&Config::parse(&self.loader.load(path)?)?)?;
        }
        config.merge(&own)?;
        all.config
            .merge(&config)
            .map_err(|error| error.within("merging config"))?;
        let crds = &self.kustomization.crds;
        let config = crds::load(&self.loader, crds)
            .map_err(|error| error.within(&format!("loading CRDs [{}]", crds.join(" "))))?;
        all.config
            .merge(&config)
            .map_err(|error| error.within("merging CRDs"))?;
        self.generate(shared, &mut all)?;
        let components = std::mem::take(&mut self.kustomization.components);
        all = self
            .accumulate_components(shared, all, &components)
            .map_err(|error| error.within("accumulating components"))?;
        self.transform(shared, &mut all)?;
        self.validate(shared, &mut all)?;
        self.merge_vars(shared, &mut all)?;
        Ok(all)
    }

    fn merge_vars(&mut self, shared: &Shared, all: &mut Accumulated) -> Result<()> {
        let vars = self.kustomization.vars.take().unwrap_or_default();
        let list = || {
            let texts: Vec<_> = vars.iter().map(ToString::to_string).collect();
            format!("merging vars [{}]", texts.join(" "))
        };
        for var in &vars {
            add_var(&shared.schemas, all, var.clone()).map_err(|error| error.within(&list()))?;
        }
        for var in &vars {
            insert_var(&mut all.vars, var.clone()).map_err(|error| error.within(&list()))?;
        }
        Ok(())
    }

    fn accumulate_resources(
        &mut self,
        shared: &mut Shared,
        mut all: Accumulated,
        paths: &[String],
    ) -> Result<Accumulated> {
        for path in paths {
            let Err(as_file) = self.accumulate_file(shared, &mut all, path) else {
                continue;
            };
            let within = |error: Error| error.within(&format!("accumulation err='{}'", as_file.0));
            let loader = match self.loader.below(path) {
                Ok(loader) => loader,
                Err(_) if as_file.is_malformed_yaml() => return Err(as_file),
                Err(error) => return Err(within(error)),
            };
            all = self
                .accumulate_directory(shared, all, (loader, path), false)
                .map_err(within)?;
        }
        Ok(all)
    }

    fn accumulate_file(&self, shared: &Shared, all: &mut Accumulated, path: &str) -> Result<()> {
        let read = || -> Result<Resources> {
            let resources = parse_file(&self.loader.load(path)?, path)?;
            Resources::new(&shared.schemas, resources)
        };
        let mut resources = read()
            .map_err(|error| error.within(&format!("accumulating resources from '{path}'")))?;
        if let Some(origin) = &self.origin {
            let origin = origin.append(path).to_yaml();
            for resource in resources.iter_mut() {
                let annotation = [(resource::ORIGIN.to_owned(), origin.clone())];
                resource.add_annotations(annotation.into())?;
            }
        }
        all.resources
            .append(&shared.schemas, resources.into_list())
            .map_err(|error| error.within(&format!("merging resources from '{path}'")))
    }

    fn accumulate_components(
        &mut self,
        shared: &mut Shared,
        mut all: Accumulated,
        paths: &[String],
    ) -> Result<Accumulated> {
        for path in paths {
            let loader = self
                .loader
                .below(path)
                .map_err(|error| Error(format!("loader.New {}", plugin::quote(&error.0))))?;
            all = self
                .accumulate_directory(shared, all, (loader, path), true)
                .map_err(|error| {
                    Error(format!("accumulateDirectory: {}", plugin::quote(&error.0)))
                })?;
        }
        Ok(all)
    }

    fn accumulate_directory(
        &mut self,
        shared: &mut Shared,
        all: Accumulated,
        (loader, path): (Loader<'f>, &str),
        is_component: bool,
    ) -> Result<Accumulated> {
        let root = loader.root().to_owned();
        let mut target = Self::load(shared, loader)
            .map_err(|error| error.within(&format!("couldn't make target for path '{root}'")))?;
        let options = &self.kustomization.build_metadata;
        target.kustomization.build_metadata.clone_from(options);
        target.origin = self.origin.as_ref().map(|origin| origin.append(path));
        target.set_schema(shared)?;
        let kind = &target.kustomization.kind;
        if is_component && kind != COMPONENT_KIND {
            return Err(Error(format!(
                "expected kind '{COMPONENT_KIND}' for path '{root}' but got '{kind}'"
            )));
        }
        if !is_component && kind == COMPONENT_KIND {
            return Err(Error(format!(
                "expected kind != '{COMPONENT_KIND}' for path '{root}'"
            )));
        }
        let (before, inner) = if is_component {
            (Accumulated::default(), all)
        } else {
            (all, Accumulated::default())
        };
        let found = target
            .accumulate(shared, inner)
            .map_err(|error| error.within(&format!("recursed accumulation of path '{root}'")))?;
        merge(&shared.schemas, before, found)
            .map_err(|error| error.within(&format!("recursed merging from path '{root}'")))
    }

    fn generate(&mut self, shared: &mut Shared, all: &mut Accumulated) -> Result<()> {
        let mut generated = Vec::new();
        let options = self.kustomization.generator_options.as_ref();
        for (list, target, kind) in [
            (
                &self.kustomization.config_map_generator,
                generate::Target::ConfigMap,
                "ConfigMapGenerator",
            ),
            (
                &self.kustomization.secret_generator,
                generate::Target::Secret,
                "SecretGenerator",
            ),
        ] {
            for args in list {
                let mut args = args.clone();
                args.options = GeneratorOptions::merge(args.options.as_ref(), options);
                generated.push((target, args, self.builtin_origin(kind)));
            }
        }
        let external = std::mem::take(&mut self.kustomization.generators);
        let external = self
            .plugins(shared, &external, "configuring external generator")
            .map_err(|error| error.within("loading generator plugins"))?;
        let mut later = Vec::new();
        for resource in external.iter() {
            later.push(
                plugin::generate(&shared.schemas, &self.loader, resource)
                    .map_err(|error| error.within("failed to load generator"))?,
            );
        }
        for (target, args, origin) in generated {
            let resource = generate::generate(&self.loader, target, &args)?;
            absorb(&shared.schemas, all, vec![resource], origin.as_ref())?;
        }
        for (resources, origin) in later {
            absorb(&shared.schemas, all, resources, origin.as_ref())?;
        }
        Ok(())
    }

    /// The resources of `generators`, `transformers` or `validators`: texts, or paths.
    fn plugins(&mut self, shared: &mut Shared, list: &[String], what: &str) -> Result<Resources> {
        let mut all = Accumulated::default();
        let mut paths = Vec::new();
        for entry in list {
            let inline = resource::parse(entry.as_bytes())
                .and_then(|list| Resources::new(&shared.schemas, list));
            let Ok(mut inline) = inline else {
                paths.push(entry.clone());
                continue;
            };
            if let Some(origin) = &self.origin {
                let origin = origin.append(self.file);
                for resource in inline.iter_mut() {
                    resource.set_origin(Some(&origin))?;
                }
            }
            all.resources
                .append(&shared.schemas, inline.into_list())
                .map_err(|error| error.within(what))?;
        }
        Ok(self.accumulate_resources(shared, all, &paths)?.resources)
    }

    fn transform(&mut self, shared: &mut Shared, all: &mut Accumulated) -> Result<()> {
        let mut steps = self.builtin_steps(&all.config)?;
        let external = std::mem::take(&mut self.kustomization.transformers);
        let external = self.plugins(shared, &external, "configuring external transformer")?;
        for resource in external.iter() {
            steps.push(plugin::transformer(
                &shared.schemas,
                &self.loader,
                resource,
            )?);
        }
        for step in &steps {
            step.transformer.run(&shared.schemas, &mut all.resources)?;
            if let Some(origin) = &step.origin {
                all.resources.add_transformation(origin)?;
            }
            all.resources.drop_empty();
        }
        Ok(())
    }

    fn validate(&mut self, shared: &mut Shared, all: &mut Accumulated) -> Result<()> {
        let validators = std::mem::take(&mut self.kustomization.validators);
        let validators = self.plugins(shared, &validators, "configuring external transformer")?;
        for resource in validators.iter() {
            let step = plugin::transformer(&shared.schemas, &self.loader, resource)?;
            let before = all.resources.clone();
            step.transformer.run(&shared.schemas, &mut all.resources)?;
            let mut after = all.resources.clone();
            for resource in after.iter_mut() {
                let mut labels = resource.node.labels();
                if labels.remove("validated-by").is_some() {
                    resource.node.set_labels(&labels)?;
                }
            }
            let is_same = before.len() == after.len()
                && before
                    .iter()
                    .zip(after.iter())
                    .all(|(a, b)| a.node == b.node);
            if !is_same {
                return Err(Error::new(
                    "validator shouldn't modify the resource map: objects differ",
                ));
            }
        }
        Ok(())
    }
}

fn absorb(
    schemas: &Schemas,
    all: &mut Accumulated,
    resources: Vec<Resource>,
    origin: Option<&Origin>,
) -> Result<()> {
    let mut resources = Resources::new(schemas, resources)?;
    resources.add_origin(origin)?;
    for resource in resources.into_list() {
        all.resources
            .absorb(schemas, resource)
            .map_err(|error| error.within("merging from generator"))?;
    }
    Ok(())
}

fn merge(schemas: &Schemas, mut all: Accumulated, more: Accumulated) -> Result<Accumulated> {
    all.resources.append(schemas, more.resources.into_list())?;
    all.config.merge(&more.config)?;
    for var in more.vars.into_values() {
        insert_var(&mut all.vars, var)?;
    }
    Ok(all)
}

/// Marks the object that a var is about.
fn add_var(schemas: &Schemas, all: &mut Accumulated, mut var: Var) -> Result<()> {
    let shown = var.to_string();
    var.set_kind();
    let wanted = Id {
        gvk: var.objref.gvk.clone(),
        is_cluster_scoped: false,
        name: var.objref.name.clone(),
        namespace: var.objref.namespace.clone(),
    };
    let has_namespace = !wanted.namespace.is_empty();
    let matches = all.resources.matching_by(schemas, |id| {
        if has_namespace {
            wanted.equals(id)
        } else {
            wanted.has_kind_and_name_of(id)
        }
    });
    match matches.as_slice() {
        [] => {}
        [index] => {
            if let Some(resource) = all.resources.get_mut(*index) {
                resource.vars.push(var.name);
            }
        }
        _ => {
            return Err(Error(format!(
                "found {} resId matches for var {shown} (unable to disambiguate)",
                matches.len()
            )));
        }
    }
    Ok(())
}

fn insert_var(vars: &mut BTreeMap<String, Var>, mut var: Var) -> Result<()> {
    if vars.contains_key(&var.name) {
        return Err(Error(format!("var '{}' already encountered", var.name)));
    }
    var.set_kind();
    if var.fieldref.field_path.is_empty() {
        "metadata.name".clone_into(&mut var.fieldref.field_path);
    }
    vars.insert(var.name.clone(), var);
    Ok(())
}
