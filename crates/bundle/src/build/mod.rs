//! One directory and its fleet.yaml become one Bundle.
//!
//! Source: upstream `internal/bundlereader/read.go` and `resources.go`.

mod error;

use api::labels;
use api::limits::json_len;
use api::names::{bundle_name, chart_prefix};
use api::v1alpha1::{
    Bundle, BundleResource, BundleSpec, BundleStatus, BundleTarget, BundleTargetRestriction,
    GitTarget, HelmOptions,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube_core::ObjectMeta;

use crate::fleet_yaml;
use crate::gzip;
use crate::options::{ApplyOptions, OnError, Targets};
use crate::path;
use crate::schema::lint::KeyWarning;
use crate::tree::{Files, read_following, stat};
use crate::values;
use crate::walk::{self, WalkOptions};

pub use error::{Error, LoadError, ProcessError, ResourcesError};

/// Bytes of a Bundle's JSON from which upstream compresses all files.
const COMPRESS_FROM_BYTES: usize = 1_000_000;

/// Encoding of compressed resources.
const ENCODING: &str = "base64+gz";

/// A directory that is to become a Bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The directory as it was reached.
    pub(crate) base: String,
    /// File to read instead of fleet.yaml.
    pub(crate) options_file: Option<String>,
}

/// A Bundle with its files, and what a person should know about it.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) bundle: Bundle,
    pub(crate) warnings: Vec<KeyWarning>,
}

/// Builds the Bundle of a directory. One without resources is built as well.
pub(crate) fn build(
    files: &dyn Files,
    place: &Place,
    options: &ApplyOptions,
) -> Result<Built, Error> {
    let (file, text) = read_options_file(files, place)?;
    let warnings = fleet_yaml::key_warnings(&path::join(&[&place.base, &file]), &text);
    let bundle =
        process(files, place, &text, options).map_err(|error| Error::Process(Box::new(error)))?;
    Ok(Built { bundle, warnings })
}

/// Name and text of the options file; an empty map if the directory has none.
fn read_options_file(files: &dyn Files, place: &Place) -> Result<(String, Vec<u8>), Error> {
    if let Some(file) = &place.options_file {
        return read_following(files, &path::join(&[&place.base, file]))
            .map(|text| (file.clone(), text.to_vec()))
            .map_err(|source| Error::OptionsFile {
                file: file.clone(),
                source,
            });
    }
    for file in ["fleet.yaml", "fleet.yml"] {
        match read_following(files, &path::join(&[&place.base, file])) {
            Ok(text) => return Ok((file.to_owned(), text.to_vec())),
            Err(error) if error.is_not_found() => {}
            Err(source) => {
                return Err(Error::FleetYaml {
                    directory: place.base.clone(),
                    source,
                });
            }
        }
    }
    Ok(("fleet.yaml".to_owned(), b"{}".to_vec()))
}

fn process(
    files: &dyn Files,
    place: &Place,
    text: &[u8],
    options: &ApplyOptions,
) -> Result<Bundle, ProcessError> {
    let file = fleet_yaml::parse(text).map_err(ProcessError::Parse)?;
    file.validate().map_err(ProcessError::Validate)?;
    if file
        .image_scans
        .iter()
        .any(|scan| !scan.spec.image.is_empty())
    {
        return Err(ProcessError::ImageScans);
    }
    let meta = fleet_yaml::parse_meta(text).map_err(ProcessError::Unreadable)?;
    let mut spec = file.bundle;
    if options.on_error == OnError::GoOn {
        // Upstream lets a file say which of the targets are customisations. The other internal fields
        // are overwritten here or cleared when the Bundle is stored.
        spec.target_restrictions.clear();
    }
    hand_down_chart(&mut spec);
    spec.resources = resources(files, place, &mut spec, options).map_err(|source| {
        let (base, source) = (place.base.clone(), Box::new(source));
        ProcessError::Resources { base, source }
    })?;
    let mut labels = meta.labels;
    labels.extend(options.labels.clone());
    labels.extend(file.labels);
    let name = if file.name.is_empty() {
        bundle_name(&options.name, &place.base, place.options_file.as_deref())
    } else {
        file.name
    };
    add_targets(files, &mut spec, file.override_targets, &options.targets)?;
    override_options(&mut spec, options);
    Ok(Bundle {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(options.namespace.clone()),
            labels: (!labels.is_empty()).then_some(labels),
            annotations: (!meta.annotations.is_empty()).then_some(meta.annotations),
            ..ObjectMeta::default()
        },
        spec,
        ..Bundle::default()
    })
}

/// Targets with a helm section get the chart of the bundle where they name none.
fn hand_down_chart(spec: &mut BundleSpec) {
    let Some(root) = &spec.options.helm else {
        return;
    };
    for target in &mut spec.targets {
        let Some(helm) = &mut target.options.helm else {
            continue;
        };
        let pairs = [
            (&mut helm.repo, &root.repo),
            (&mut helm.chart, &root.chart),
            (&mut helm.version, &root.version),
        ];
        for (own, handed) in pairs {
            if own.is_empty() {
                own.clone_from(handed);
            }
        }
    }
}

/// Reads values files into the helm sections and returns all files of the bundle by name.
fn resources(
    files: &dyn Files,
    place: &Place,
    spec: &mut BundleSpec,
    options: &ApplyOptions,
) -> Result<Vec<BundleResource>, ResourcesError> {
    let base = &place.base;
    if let Some(helm) = &mut spec.options.helm
        && has_chart(helm)
    {
        values::merge_files(files, base, helm).map_err(ResourcesError::Values)?;
    }
    for target in &mut spec.targets {
        if let Some(helm) = &mut target.options.helm {
            values::merge_files(files, base, helm).map_err(ResourcesError::Values)?;
        }
    }
    let targets = spec
        .targets
        .iter()
        .filter_map(|target| target.options.helm.as_ref());
    for helm in spec
        .options
        .helm
        .iter()
        .chain(targets)
        .filter(|helm| has_chart(helm))
    {
        check_chart(files, base, helm)?;
    }
    let walk_options = WalkOptions {
        left_out: configuration_files(place, spec),
        without_dependencies: spec
            .options
            .helm
            .as_ref()
            .is_some_and(|helm| helm.disable_dependency_update),
    };
    let load = |source: LoadError| ResourcesError::Load {
        prefix: ".".to_owned(),
        base: base.clone(),
        source: Box::new(source),
    };
    let shown = files.shown(&path::clean(base));
    if stat(files, base).map_err(ResourcesError::Chart)?.is_none() {
        return Err(load(LoadError::Missing {
            source_path: ".".to_owned(),
            shown,
        }));
    }
    let found = walk::walk(files, base, &walk_options)
        .map_err(|source| load(LoadError::Walk { shown, source }))?;
    let mut resources: Vec<BundleResource> = found
        .into_iter()
        .map(|(name, content)| resource(name, &content, options.compress))
        .collect();
    resources.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(resources)
}

fn has_chart(helm: &HelmOptions) -> bool {
    !helm.chart.is_empty() || !helm.repo.is_empty()
}

/// A chart that exists on the tree is part of the resources, or deliberately outside of them.
fn check_chart(files: &dyn Files, base: &str, helm: &HelmOptions) -> Result<(), ResourcesError> {
    if !helm.repo.is_empty() {
        return Err(ResourcesError::RemoteChart {
            field: "helm.repo",
            value: redact(&helm.repo),
        });
    }
    let local = path::join(&[base, &helm.chart]);
    if stat(files, &local)
        .map_err(ResourcesError::Chart)?
        .is_some()
    {
        return Ok(());
    }
    if is_remote(&helm.chart) {
        return Err(ResourcesError::RemoteChart {
            field: "helm.chart",
            value: redact(&helm.chart),
        });
    }
    Err(ResourcesError::Load {
        prefix: chart_prefix(&helm.chart, &helm.repo, &helm.version),
        base: base.to_owned(),
        source: Box::new(LoadError::Missing {
            source_path: helm.chart.clone(),
            shown: files.shown(&local),
        }),
    })
}

/// Whether a chart that is no local path names a source elsewhere.
fn is_remote(chart: &str) -> bool {
    let shorthand = ["github.com/", "gitlab.com/", "bitbucket.org/"];
    let scp = chart
        .split_once(':')
        .is_some_and(|(host, path)| host.contains('@') && !path.is_empty());
    chart.contains("://")
        || chart.contains("::")
        || scp
        || shorthand.iter().any(|s| chart.starts_with(s))
}

/// A URL without user part and query, which may hold secrets.
fn redact(url: &str) -> String {
    let url = url.split('?').next().unwrap_or(url);
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let end = rest.find('/').unwrap_or(rest.len());
            let host = rest[..end].rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{}", &rest[end..])
        }
        None => url.to_owned(),
    }
}

/// Files that say how to deploy and are no resources: the options file, and values files, also by
/// their last element alone.
fn configuration_files(place: &Place, spec: &BundleSpec) -> Vec<String> {
    let mut names = vec!["fleet.yaml".to_owned()];
    names.extend(place.options_file.clone());
    let targets = spec
        .targets
        .iter()
        .filter_map(|target| target.options.helm.as_ref());
    for helm in spec.options.helm.iter().chain(targets) {
        for file in &helm.values_files {
            names.push(file.clone());
            names.push(path::base(file).to_owned());
        }
    }
    names
}

fn resource(name: String, content: &[u8], compress: bool) -> BundleResource {
    match std::str::from_utf8(content) {
        Ok(text) if !compress => BundleResource {
            name,
            content: text.to_owned(),
            encoding: String::new(),
        },
        _ => BundleResource {
            name,
            content: STANDARD.encode(gzip::compress(content)),
            encoding: ENCODING.to_owned(),
        },
    }
}

fn add_targets(
    files: &dyn Files,
    spec: &mut BundleSpec,
    overriding: Option<Vec<GitTarget>>,
    targets: &Targets,
) -> Result<(), ProcessError> {
    match (overriding, targets) {
        (Some(targets), _) => add_git_targets(spec, &targets),
        (None, Targets::Default) => {}
        (None, Targets::GitRepo(targets)) if targets.is_empty() => {
            add_git_targets(spec, &[default_target()]);
        }
        (None, Targets::GitRepo(targets)) => add_git_targets(spec, targets),
        (None, Targets::File(file)) => {
            let text = read_following(files, file).map_err(ProcessError::TargetsFile)?;
            let more = fleet_yaml::parse_targets(&text).map_err(ProcessError::Unreadable)?;
            spec.targets.extend(more.targets);
            spec.target_restrictions.extend(more.target_restrictions);
        }
    }
    if spec.targets.is_empty() {
        let GitTarget {
            name,
            cluster_group,
            ..
        } = default_target();
        spec.targets.push(BundleTarget {
            name,
            cluster_group,
            ..BundleTarget::default()
        });
    }
    Ok(())
}

fn default_target() -> GitTarget {
    let default = "default".to_owned();
    GitTarget {
        name: default.clone(),
        cluster_group: default,
        ..GitTarget::default()
    }
}

fn add_git_targets(spec: &mut BundleSpec, targets: &[GitTarget]) {
    for target in targets.iter().cloned() {
        spec.targets.push(BundleTarget {
            name: target.name.clone(),
            cluster_name: target.cluster_name.clone(),
            cluster_selector: target.cluster_selector.clone(),
            cluster_group: target.cluster_group.clone(),
            cluster_group_selector: target.cluster_group_selector.clone(),
            ..BundleTarget::default()
        });
        spec.target_restrictions.push(BundleTargetRestriction {
            name: target.name,
            cluster_name: target.cluster_name,
            cluster_selector: target.cluster_selector,
            cluster_group: target.cluster_group,
            cluster_group_selector: target.cluster_group_selector,
        });
    }
}

fn override_options(spec: &mut BundleSpec, options: &ApplyOptions) {
    if !options.service_account.is_empty() {
        spec.options
            .service_account
            .clone_from(&options.service_account);
    }
    spec.options.force_sync_generation = options.sync_generation;
    if !options.target_namespace.is_empty() {
        spec.options.namespace.clone_from(&options.target_namespace);
        for target in &mut spec.targets {
            target
                .options
                .namespace
                .clone_from(&options.target_namespace);
        }
    }
    for target in &mut spec.targets {
        hold_back(target, options);
    }
    spec.paused |= options.paused;
    spec.options.keep_resources |= options.keep_resources;
    spec.options.delete_namespace |= options.delete_namespace;
    if let Some(drift) = options.correct_drift.as_ref().filter(|drift| drift.enabled) {
        spec.options.correct_drift = Some(drift.clone());
    }
}

/// Takes out of the overrides of a target what the GitRepo or the command line decides.
fn hold_back(target: &mut BundleTarget, options: &ApplyOptions) {
    let Some(overrides) = &mut target.overrides else {
        return;
    };
    let decided = [
        ("serviceAccount", !options.service_account.is_empty()),
        ("namespace", !options.target_namespace.is_empty()),
        ("keepResources", options.keep_resources),
        ("deleteNamespace", options.delete_namespace),
        (
            "correctDrift",
            options
                .correct_drift
                .as_ref()
                .is_some_and(|drift| drift.enabled),
        ),
        ("forceSyncGeneration", true),
    ];
    for (option, is_decided) in decided {
        if is_decided {
            overrides.remove(option);
        }
    }
}

/// The Bundle as upstream writes it: with a JSON form of a million bytes or more, all files are
/// compressed.
pub fn upstream_form(mut bundle: Bundle) -> Bundle {
    if upstream_size(&bundle) >= COMPRESS_FROM_BYTES {
        for resource in &mut bundle.spec.resources {
            if resource.encoding.is_empty() {
                resource.content = STANDARD.encode(gzip::compress(resource.content.as_bytes()));
                ENCODING.clone_into(&mut resource.encoding);
            }
        }
    }
    bundle
}

/// Bytes of the JSON that upstream measures: without kind and namespace, with an empty status.
fn upstream_size(bundle: &Bundle) -> usize {
    let mut measured = bundle.clone();
    measured.metadata.namespace = None;
    let kind = r#""apiVersion":"fleet.cattle.io/v1alpha1","kind":"Bundle","#;
    let status = r#","status":"#.len() + json_len(&BundleStatus::default());
    json_len(&measured).saturating_sub(kind.len()) + status
}

/// The label for the commit that a Bundle was built from.
pub fn commit_label(commit: &str) -> (String, String) {
    (labels::COMMIT.to_owned(), commit.to_owned())
}
