//! The flags of `helm template`.

use std::path::PathBuf;

use super::ignored::Ignored;
use super::pflag::{List, Pairs, parse_bool};
use super::settings::Globals;

/// Render a chart locally and print its manifests, as `helm template` does
///
/// The chart is a directory, a .tgz file, a URL of one, `oci://registry/path/name`, `repository/name` of
/// Helm's repositories.yaml, or with --repo the name of a chart there. Nothing is looked up in a cluster:
/// capabilities are those of the newest Kubernetes known, unless --kube-version and --api-versions say
/// otherwise.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct TemplateFlags {
    /// Name of the release, then the chart; the name can be left out
    #[arg(value_name = "[NAME] CHART", num_args = 0..)]
    pub(crate) name_and_chart: Vec<String>,
    #[command(flatten)]
    pub(crate) values: ValueFlags,
    #[command(flatten)]
    pub(crate) chart: ChartFlags,
    #[command(flatten)]
    pub(crate) globals: Globals,
    /// Print the files of the crds folders too
    #[arg(long)]
    pub(crate) include_crds: bool,
    /// Leave hooks out
    #[arg(long)]
    pub(crate) no_hooks: bool,
    /// Leave test hooks out
    #[arg(long)]
    pub(crate) skip_tests: bool,
    /// Print only what comes from this template, as templates/x.yaml; may have * and ?
    #[arg(short = 's', long, value_name = "PATH")]
    pub(crate) show_only: Vec<String>,
    /// Version that the chart takes the cluster to have
    #[arg(long, value_name = "VERSION")]
    pub(crate) kube_version: Option<String>,
    /// API versions that the cluster has beside the usual ones
    #[arg(short = 'a', long, value_name = "VERSIONS")]
    pub(crate) api_versions: Vec<List>,
    /// Render an upgrade instead of an install
    #[arg(long)]
    pub(crate) is_upgrade: bool,
    /// Do not check values against the chart's schema
    #[arg(long)]
    pub(crate) skip_schema_validation: bool,
    /// Take no name; the release is called release-name
    #[arg(short = 'g', long)]
    pub(crate) generate_name: bool,
    /// Template that makes the name of the release
    #[arg(long, value_name = "TEMPLATE")]
    pub(crate) name_template: Option<String>,
    /// Write files below this directory instead of printing
    #[arg(long, value_name = "DIR")]
    pub(crate) output_dir: Option<String>,
    /// Put the name of the release into the paths below --output-dir
    #[arg(long)]
    pub(crate) release_name: bool,
    /// Fetch dependencies that are missing in the chart's directory
    #[arg(long)]
    pub(crate) dependency_update: bool,
    /// Program that gets the manifests on standard input and prints the changed ones
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) post_renderer: Vec<String>,
    /// Argument for the program, once for each
    #[arg(long, value_name = "ARGUMENT")]
    pub(crate) post_renderer_args: Vec<String>,
    /// Show the line of the template under an error, as on a terminal
    #[arg(long)]
    pub(crate) explain: bool,
    /// Labels of the release's record, without effect but that names of Helm's own are refused
    #[arg(short, long, value_name = "PAIRS", help_heading = WITHOUT_EFFECT)]
    pub(crate) labels: Vec<Pairs>,
    /// Accepted: client; nothing is asked of a cluster
    #[arg(
        long,
        value_name = "WHERE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "unset",
        help_heading = WITHOUT_EFFECT
    )]
    pub(crate) dry_run: Option<String>,
    /// Refused: asks a cluster
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = parse_bool,
        hide = true
    )]
    pub(crate) validate: Option<bool>,
    /// Refused: getHostByName asks no name server
    #[arg(long, help_heading = WITHOUT_EFFECT)]
    pub(crate) enable_dns: bool,
    #[command(flatten)]
    pub(crate) ignored: Ignored,
}

/// Heading of the flags that change nothing.
pub(crate) const WITHOUT_EFFECT: &str = "Options without effect here";

/// The flags that give values.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ValueFlags {
    /// Values in a YAML file, a URL, or `-` for standard input; later files win
    #[arg(short = 'f', long = "values", value_name = "FILES")]
    files: Vec<List>,
    /// Set values: a.b=1,c={x,y}
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
    /// Set values that stay texts
    #[arg(long, value_name = "NAME=TEXT")]
    set_string: Vec<String>,
    /// Set values from JSON: name=JSON, or one JSON object
    #[arg(long, value_name = "NAME=JSON")]
    set_json: Vec<String>,
    /// Set values from the texts of files
    #[arg(long, value_name = "NAME=FILE")]
    set_file: Vec<String>,
    /// Set one value to a text taken as it is
    #[arg(long, value_name = "NAME=TEXT")]
    set_literal: Vec<String>,
}

impl ValueFlags {
    /// For the engine.
    pub(crate) fn options(&self) -> helm::values::ValueOptions {
        helm::values::ValueOptions {
            files: super::pflag::flat(&self.files),
            set_json: self.set_json.clone(),
            set: self.set.clone(),
            set_string: self.set_string.clone(),
            set_file: self.set_file.clone(),
            set_literal: self.set_literal.clone(),
        }
    }
}

/// The flags that say which chart, and how it is fetched.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct ChartFlags {
    /// Version or versions of the chart: 1.2.3, ^1.2; else the newest
    #[arg(
        long,
        value_name = "VERSION",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) version: String,
    /// Take development versions too, as --version '>0.0.0-0'
    #[arg(long)]
    devel: bool,
    /// Chart repository in which the chart is
    #[arg(
        long,
        value_name = "URL",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) repo: String,
    /// Refused: signatures are not checked
    #[arg(long)]
    pub(crate) verify: bool,
    /// Give the credentials to all hosts
    #[arg(long, help_heading = "Fetching")]
    pub(crate) pass_credentials: bool,
    #[command(flatten)]
    pub(crate) access: Access,
}

impl ChartFlags {
    /// The versions asked for; empty for the newest.
    pub(crate) fn wanted_version(&self) -> &str {
        match self.version.trim() {
            "" if self.devel => ">0.0.0-0",
            version => version,
        }
    }
}

/// How servers are reached.
#[derive(Clone, Default, clap::Args)]
pub(crate) struct Access {
    /// User at the repository or registry
    #[arg(long, value_name = "NAME", help_heading = "Fetching")]
    pub(crate) username: Option<String>,
    /// Password of the user
    #[arg(long, value_name = "TEXT", help_heading = "Fetching")]
    pub(crate) password: Option<String>,
    /// Certificate authorities to trust, instead of the system's
    #[arg(long, value_name = "FILE", help_heading = "Fetching")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Client certificate
    #[arg(long, value_name = "FILE", help_heading = "Fetching")]
    pub(crate) cert_file: Option<PathBuf>,
    /// Key of the client certificate
    #[arg(long, value_name = "FILE", help_heading = "Fetching")]
    pub(crate) key_file: Option<PathBuf>,
    /// Take any certificate of the server
    #[arg(long, help_heading = "Fetching")]
    pub(crate) insecure_skip_tls_verify: bool,
    /// Talk to the registry without TLS
    #[arg(long, help_heading = "Fetching")]
    pub(crate) plain_http: bool,
}

/// Without the password.
impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").finish_non_exhaustive()
    }
}
