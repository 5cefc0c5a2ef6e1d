//! `apply`: turns directories into Bundles and writes them to a hub or prints them, as `fleet apply` does.
//!
//! The flags are upstream's. Those for parts that are not built yet are accepted by the parser and
//! refused by name when they are used, so that a script finds out at once.

mod cluster;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use api::v1alpha1::CorrectDrift;
use bundle::{
    ApplyOptions, BuiltBundle, DrivenPath, InvalidDrivenPath, NothingFound, OnError, PathError,
    Paths, Targets, Unprintable,
};
use fetch::Directory;

/// Turn directories into Bundles and write them to a cluster
///
/// Every directory with a fleet.yaml below the given paths becomes a Bundle, and each path itself if it
/// holds manifests. Names begin with BUNDLE_NAME. Bundles that are labelled as coming from a repository of
/// that name and are not found any more are deleted. With `-o -` the Bundles are printed instead, which
/// needs no cluster.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The name that Bundles begin with, and the paths to search (shell patterns; the working directory
    /// if there are none).
    #[arg(value_name = "BUNDLE_NAME PATH", hide_possible_values = true)]
    pub(crate) names: Vec<String>,

    /// Namespace of the Bundles.
    #[arg(short, long, env = "NAMESPACE", default_value = "fleet-local")]
    pub(crate) namespace: String,

    /// Kubeconfig of the cluster; else KUBECONFIG, the default file or the pod's service account.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,

    /// Print to this file, or to stdout if it is "-", instead of writing to the cluster.
    #[arg(short, long, value_name = "FILE", allow_hyphen_values = true)]
    pub(crate) output: Option<PathBuf>,

    /// File with the syntax of fleet.yaml to use in every directory, relative to it.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) bundle_file: Option<String>,

    /// Read a complete Bundle from this file, or from stdin if it is "-" (not supported yet).
    #[arg(short, long, value_name = "FILE", allow_hyphen_values = true)]
    pub(crate) file: Option<String>,

    /// Labels for all Bundles, as key=value; several are separated by commas.
    #[arg(short, long = "label", value_name = "KEY=VALUE")]
    pub(crate) labels: Vec<String>,

    /// File with targets and targetRestrictions for Bundles that do not override them.
    #[arg(long, value_name = "FILE")]
    pub(crate) targets_file: Option<String>,

    /// Store all files compressed.
    #[arg(short, long, value_parser = go_bool, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub(crate) compress: bool,

    /// Service account that the agents impersonate.
    #[arg(
        short = 'a',
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) service_account: String,

    /// Increase to deploy again without a change.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        allow_negative_numbers = true,
        hide_default_value = true
    )]
    pub(crate) sync_generation: i64,

    /// Force all objects into this namespace.
    #[arg(
        long,
        value_name = "NAMESPACE",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) target_namespace: String,

    /// Create the Bundles paused.
    #[arg(long, value_parser = go_bool, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub(crate) paused: bool,

    /// Commit that the Bundles are labelled with; the checked out one of the working directory by
    /// default.
    #[arg(long, env = "COMMIT", hide_env_values = true)]
    pub(crate) commit: Option<String>,

    /// Keep the deployed objects when a Bundle is deleted.
    #[arg(long, value_parser = go_bool, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub(crate) keep_resources: bool,

    /// Delete the namespace when a Bundle is deleted.
    #[arg(long, value_parser = go_bool, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub(crate) delete_namespace: bool,

    /// Reset objects that were changed on a cluster.
    #[arg(long, value_parser = go_bool, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub(crate) correct_drift: bool,

    /// With --correct-drift: recreate objects that cannot be patched.
    #[arg(long, value_parser = go_bool, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub(crate) correct_drift_force: bool,

    /// With --correct-drift: keep failed attempts in the release history.
    #[arg(long, value_parser = go_bool, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub(crate) correct_drift_keep_fail_history: bool,

    /// Each path is exactly one Bundle, optionally followed by its options file.
    #[arg(long, value_parser = go_bool, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub(crate) driven_scan: bool,

    /// Separates path and options file.
    #[arg(long, value_name = "TEXT", default_value = ":")]
    pub(crate) driven_scan_sep: String,

    /// Accepted for compatibility: Bundles are built one after another.
    #[arg(
        long,
        value_name = "NUMBER",
        env = "FLEET_BUNDLE_CREATION_MAX_CONCURRENCY",
        allow_negative_numbers = true,
        hide = true
    )]
    pub(crate) bundle_creation_max_concurrency: Option<String>,

    /// Secret in the namespace with access to a registry that the files of Bundles are stored in; without
    /// it, "ocistorage" if that exists. OCI_STORAGE=false stores them on the cluster.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) oci_registry_secret: String,

    /// Flags of parts that are not supported yet.
    #[command(flatten)]
    pub(crate) later: LaterArgs,
}

/// Flags that are understood and refused.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Not supported yet")]
pub(crate) struct LaterArgs {
    /// User for Helm repositories.
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// File with the password for Helm repositories.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<String>,
    /// File with certificate authorities for Helm repositories.
    #[arg(long, value_name = "FILE")]
    pub(crate) cacerts_file: Option<String>,
    /// File with the ssh key for charts from git.
    #[arg(long, value_name = "FILE")]
    pub(crate) ssh_privatekey_file: Option<String>,
    /// Helm repositories that get credentials.
    #[arg(long, value_name = "REGEX")]
    pub(crate) helm_repo_url_regex: Option<String>,
    /// File with credentials for Helm repositories by path.
    #[arg(long, value_name = "FILE")]
    pub(crate) helm_credentials_by_path_file: Option<String>,
    /// Use plain http for registries.
    #[arg(long, value_parser = go_bool, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub(crate) helm_basic_http: bool,
    /// Accept any certificate of Helm repositories.
    #[arg(long, value_parser = go_bool, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub(crate) helm_insecure_skip_tls: bool,
    /// Build ImageScans.
    #[arg(long, value_parser = go_bool, num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub(crate) imagescan_enabled: bool,
}

/// Why nothing, or not everything, was applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No name was given.
    #[error("at least one argument is required: BUNDLE_NAME")]
    NoName,
    /// A flag of a part that is not built yet.
    #[error("--{flag} is not supported yet: {part}")]
    NotSupported {
        /// The flag.
        flag: &'static str,
        /// The part.
        part: &'static str,
    },
    /// A label is not written as key=value.
    #[error("label {label:?} must be formatted as key=value")]
    Label {
        /// As given.
        label: String,
    },
    /// A path of a driven scan.
    #[error(transparent)]
    DrivenPath(InvalidDrivenPath),
    /// A directory cannot become a Bundle.
    #[error(transparent)]
    Path(PathError),
    /// There is nothing to deploy.
    #[error(transparent)]
    NothingFound(NothingFound),
    /// A Bundle has no YAML text.
    #[error(transparent)]
    Unprintable(Unprintable),
    /// The output cannot be written.
    #[error("write {}", file.display())]
    Output {
        /// The file, or "-".
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The working directory is gone.
    #[error("find the working directory")]
    WorkingDirectory(#[source] io::Error),
    /// The cluster does not have the Bundles.
    #[error(transparent)]
    Cluster(Box<cluster::Error>),
}

/// How often upstream tries when others write at the same time, unless it is told otherwise.
const ATTEMPTS_DEFAULT: i64 = 1;

/// Builds the Bundles of the working directory, and prints them or writes them to a cluster.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let attempts = attempts(
        std::env::var("FLEET_APPLY_CONFLICT_RETRIES")
            .ok()
            .as_deref(),
    );
    // Quirk: upstream repeats the whole command this many times, so that 0 does nothing and succeeds.
    if attempts == 0 {
        tracing::warn!("FLEET_APPLY_CONFLICT_RETRIES is 0, so nothing is applied");
        return Ok(());
    }
    let directory = std::env::current_dir().map_err(Error::WorkingDirectory)?;
    let bundles = read(args, &directory)?;
    match &args.output {
        Some(output) => print(&bundles, output),
        None => {
            cluster::write(args, bundles, attempts).map_err(|error| Error::Cluster(Box::new(error)))
        }
    }
}

/// What `FLEET_APPLY_CONFLICT_RETRIES` says: how often to try.
fn attempts(variable: Option<&str>) -> u64 {
    let given = variable
        .filter(|text| !text.is_empty())
        .map(str::parse::<i64>);
    let attempts = match given {
        None => ATTEMPTS_DEFAULT,
        Some(Ok(attempts)) => attempts,
        Some(Err(_)) => {
            tracing::warn!("FLEET_APPLY_CONFLICT_RETRIES is no whole number and is ignored");
            ATTEMPTS_DEFAULT
        }
    };
    u64::try_from(attempts).unwrap_or_default()
}

/// Builds the Bundles that the arguments ask for, with paths relative to `directory`. Warnings are
/// logged. The first error ends it.
pub(crate) fn read(args: &Args, directory: &Path) -> Result<Vec<BuiltBundle>, Error> {
    refuse_later(args)?;
    let options = options(args, directory)?;
    let outcome = bundle::read(&Directory::new(directory), &options);
    for warning in &outcome.warnings {
        tracing::warn!("{warning}");
    }
    let nothing = outcome.nothing_found(&options.paths);
    if let Some(failure) = outcome.errors.into_iter().next() {
        return Err(Error::Path(failure.error));
    }
    nothing.map_or(Ok(outcome.bundles), |nothing| {
        Err(Error::NothingFound(nothing))
    })
}

/// Prints Bundles one after another in upstream's form, without a line between them. Nothing is
/// written if one of them cannot be printed.
fn print(bundles: &[BuiltBundle], output: &Path) -> Result<(), Error> {
    let mut text = String::new();
    for built in bundles {
        let form = bundle::upstream_form(built.bundle.clone());
        text.push_str(&bundle::to_yaml(&form).map_err(Error::Unprintable)?);
    }
    let written = if output == Path::new("-") {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
    } else {
        std::fs::write(output, text)
    };
    written.map_err(|source| Error::Output {
        file: output.to_owned(),
        source,
    })
}

/// The options that the arguments stand for.
fn options(args: &Args, directory: &Path) -> Result<ApplyOptions, Error> {
    let (name, paths) = args.names.split_first().ok_or(Error::NoName)?;
    let mut labels = parse_labels(&args.labels)?;
    let commit = args.commit.clone().filter(|commit| !commit.is_empty());
    labels.extend(
        commit
            .or_else(|| fetch::head(directory))
            .map(|id| bundle::commit_label(&id)),
    );
    let paths = if args.driven_scan {
        let parse = |path: &String| DrivenPath::parse(path, &args.driven_scan_sep);
        let paths: Result<Vec<DrivenPath>, _> = paths.iter().map(parse).collect();
        let mut paths = paths.map_err(Error::DrivenPath)?;
        if paths.is_empty() {
            paths.push(DrivenPath {
                base: ".".to_owned(),
                options: None,
            });
        }
        Paths::Driven(paths)
    } else {
        Paths::Scan(paths.to_vec())
    };
    Ok(ApplyOptions {
        name: name.clone(),
        namespace: args.namespace.clone(),
        paths,
        options_file: args.bundle_file.clone().filter(|file| !file.is_empty()),
        targets: match &args.targets_file {
            Some(file) if !file.is_empty() => Targets::File(file.clone()),
            _ => Targets::Default,
        },
        labels,
        service_account: args.service_account.clone(),
        target_namespace: args.target_namespace.clone(),
        sync_generation: args.sync_generation,
        paused: args.paused,
        keep_resources: args.keep_resources,
        delete_namespace: args.delete_namespace,
        correct_drift: Some(CorrectDrift {
            enabled: args.correct_drift,
            force: args.correct_drift_force,
            keep_fail_history: args.correct_drift_keep_fail_history,
        }),
        compress: args.compress,
        // Two directories with the same name cannot both be written; printed they can.
        on_error: if args.output.is_some() {
            OnError::Stop
        } else {
            OnError::GoOn
        },
    })
}

fn refuse_later(args: &Args) -> Result<(), Error> {
    const CHARTS: &str = "charts from repositories";
    let later = &args.later;
    let given = |value: &Option<String>| value.as_ref().is_some_and(|value| !value.is_empty());
    let flags = [
        ("file", given(&args.file), "complete Bundles as input"),
        ("username", given(&later.username), CHARTS),
        ("password-file", given(&later.password_file), CHARTS),
        ("cacerts-file", given(&later.cacerts_file), CHARTS),
        (
            "ssh-privatekey-file",
            given(&later.ssh_privatekey_file),
            CHARTS,
        ),
        (
            "helm-repo-url-regex",
            given(&later.helm_repo_url_regex),
            CHARTS,
        ),
        (
            "helm-credentials-by-path-file",
            given(&later.helm_credentials_by_path_file),
            CHARTS,
        ),
        ("helm-basic-http", later.helm_basic_http, CHARTS),
        (
            "helm-insecure-skip-tls",
            later.helm_insecure_skip_tls,
            CHARTS,
        ),
        ("imagescan-enabled", later.imagescan_enabled, "image scans"),
    ];
    match flags.into_iter().find(|(_, given, _)| *given) {
        Some((flag, _, part)) => Err(Error::NotSupported { flag, part }),
        None => Ok(()),
    }
}

fn parse_labels(arguments: &[String]) -> Result<BTreeMap<String, String>, Error> {
    let mut labels = BTreeMap::new();
    for label in arguments.iter().flat_map(|argument| argument.split(',')) {
        match label.split_once('=') {
            Some((key, value)) => labels.insert(key.to_owned(), value.to_owned()),
            None => {
                return Err(Error::Label {
                    label: label.to_owned(),
                });
            }
        };
    }
    Ok(labels)
}

/// A boolean as Go's flags spell it.
fn go_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!("{text:?} is no boolean")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn parse(arguments: &[&str]) -> Args {
        let words = std::iter::once("apply").chain(arguments.iter().copied());
        Command::try_parse_from(words).unwrap().args
    }

    fn refused(arguments: &[&str]) -> String {
        let directory = tempfile::TempDir::new().unwrap();
        errors::chain(&read(&parse(arguments), directory.path()).unwrap_err())
    }

    #[test]
    fn switches_are_read_as_go_reads_them() {
        assert!(parse(&["x", "--paused"]).paused);
        assert!(parse(&["x", "--paused=T"]).paused);
        assert!(!parse(&["x", "--paused=false"]).paused);
        assert_eq!(parse(&["--paused", "x"]).names, ["x"]);
        assert!(Command::try_parse_from(["apply", "--paused=maybe"]).is_err());
    }

    #[test]
    fn the_number_of_attempts_is_upstreams() {
        let cases = [
            (None, 1),
            (Some(""), 1),
            (Some("3"), 3),
            (Some("+2"), 2),
            (Some("0"), 0),
            (Some("-1"), 0),
            (Some("many"), 1),
            (Some(" 0"), 1),
        ];
        for (variable, expected) in cases {
            assert_eq!(attempts(variable), expected, "{variable:?}");
        }
    }

    #[test]
    fn labels_are_split_at_commas() {
        let labels = |arguments: &[&str]| {
            parse_labels(
                &arguments
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(labels(&["a=1,b=2", "c=x=y", "d="]).unwrap().len(), 4);
        assert_eq!(labels(&["c=x=y"]).unwrap()["c"], "x=y");
        assert!(matches!(labels(&["a"]), Err(Error::Label { .. })));
        assert!(matches!(labels(&["a=1,"]), Err(Error::Label { .. })));
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        assert_eq!(
            refused(&[]),
            "at least one argument is required: BUNDLE_NAME"
        );
        assert_eq!(
            refused(&["x", "none"]),
            "no resource found at the following paths to deploy: [none]"
        );
        assert_eq!(
            refused(&["x", "--driven-scan", "a:b:c"]),
            "invalid bundle path: \"a:b:c\""
        );
        for flag in ["--file=b", "--username=u", "--imagescan-enabled"] {
            let name = flag.split('=').next().unwrap();
            assert!(refused(&["x", flag]).starts_with(&format!("{name} is not supported yet")));
        }
    }
}
