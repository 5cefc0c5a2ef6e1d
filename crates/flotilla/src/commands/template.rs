//! `flotilla template`: renders a chart as `helm template` does and prints it.
//!
//! In: the flags of `helm template`. Out: manifests on standard output or below a directory, warnings
//! and errors on standard error. Talks to no cluster and fetches nothing: the chart and the values are
//! local files.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use helm::values::ValueOptions;
use helm::{Chart, Limits, OutputFile, Record, TemplateFlags};

/// Render a chart locally and print its manifests, as `helm template` does
///
/// Nothing is looked up in a cluster: capabilities are those of the newest Kubernetes known, unless
/// --kube-version and --api-versions say otherwise.
#[derive(Debug, Clone, clap::Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one field for each flag of helm"
)]
pub(crate) struct Args {
    /// Name of the release, then the chart (a directory or a .tgz file); the name can be left out
    #[arg(value_name = "[NAME] CHART", num_args = 1..=2, required = true)]
    name_and_chart: Vec<String>,
    /// Values in a YAML file, `-` for standard input; later files win
    #[arg(short = 'f', long = "values", value_name = "FILE")]
    values: Vec<String>,
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
    /// Namespace of the release
    #[arg(short = 'n', long, default_value = "default")]
    namespace: String,
    /// Print the files of the crds folders too
    #[arg(long)]
    include_crds: bool,
    /// Leave the files of the crds folders out, as is the default here
    #[arg(long, conflicts_with = "include_crds")]
    skip_crds: bool,
    /// Leave hooks out
    #[arg(long)]
    no_hooks: bool,
    /// Leave test hooks out
    #[arg(long)]
    skip_tests: bool,
    /// Print only what comes from this template, as templates/x.yaml; may have * and ?
    #[arg(short = 's', long, value_name = "PATH")]
    show_only: Vec<String>,
    /// Version that the chart takes the cluster to have
    #[arg(long, value_name = "VERSION")]
    kube_version: Option<String>,
    /// API versions that the cluster has beside the usual ones
    #[arg(short = 'a', long, value_name = "VERSION", value_delimiter = ',')]
    api_versions: Vec<String>,
    /// Render an upgrade instead of an install
    #[arg(long)]
    is_upgrade: bool,
    /// Do not check values against the chart's schema
    #[arg(long)]
    skip_schema_validation: bool,
    /// Template that makes the name of the release
    #[arg(long, value_name = "TEMPLATE")]
    name_template: Option<String>,
    /// Write files below this directory instead of printing
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Put the name of the release into the paths below --output-dir
    #[arg(long)]
    release_name: bool,
    /// On bad YAML print what was rendered
    #[arg(long)]
    debug: bool,
}

/// Runs the command. Errors of the chart are printed here, in Helm's form.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    match render(args) {
        Ok(code) => Ok(code),
        Err(error) => {
            writeln!(std::io::stderr(), "Error: {error:#}")?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn render(args: &Args) -> Result<ExitCode> {
    let now = jiff::Timestamp::now();
    let (name, chart) = name_and_chart(args, now)?;
    let options = ValueOptions {
        files: args.values.clone(),
        set_json: args.set_json.clone(),
        set: args.set.clone(),
        set_string: args.set_string.clone(),
        set_file: args.set_file.clone(),
        set_literal: args.set_literal.clone(),
    };
    let values = options.merge(&mut read_source)?;
    let chart = load(Path::new(chart))?;
    let flags = TemplateFlags {
        release_name: name.clone(),
        namespace: args.namespace.clone(),
        include_crds: args.include_crds,
        no_hooks: args.no_hooks,
        skip_tests: args.skip_tests,
        show_only: args.show_only.clone(),
        kube_version: args.kube_version.clone(),
        api_versions: args.api_versions.clone(),
        is_upgrade: args.is_upgrade,
        skip_schema_validation: args.skip_schema_validation,
        debug: args.debug,
        to_files: args.output_dir.is_some(),
    };
    let output = helm::template(chart, values, &flags, now)?;
    print_log(&output.log)?;
    let mut stdout = std::io::stdout().lock();
    if let Some(directory) = &args.output_dir {
        let below = args.release_name.then_some(name.as_str());
        for path in write_files(directory, below, &output.files)? {
            writeln!(stdout, "wrote {}", path.display())?;
        }
    }
    stdout.write_all(output.text.as_bytes())?;
    stdout.flush()?;
    match output.error {
        Some(error) => Err(error.into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn name_and_chart(args: &Args, now: jiff::Timestamp) -> Result<(String, &str)> {
    match (args.name_and_chart.as_slice(), &args.name_template) {
        ([_, _], Some(_)) => bail!("cannot set --name-template and also specify a name"),
        ([name, chart], None) => Ok((name.clone(), chart)),
        ([chart], Some(template)) => Ok((helm::release_name(template, now)?, chart)),
        ([chart], None) => Ok(("release-name".to_owned(), chart)),
        _ => bail!("expected a chart, and a name for the release in front of it if wanted"),
    }
}

fn print_log(records: &[Record]) -> Result<()> {
    let mut stderr = std::io::stderr().lock();
    for record in records {
        writeln!(stderr, "{record}")?;
    }
    Ok(())
}

/// Reads a values file; the error is a text in the form of Go's.
fn read_source(name: &str) -> Result<Vec<u8>, String> {
    if name.trim() == "-" {
        let mut data = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut data);
        return read
            .map(|_| data)
            .map_err(|error| format!("cannot read standard input: {error}"));
    }
    if name.starts_with("http://") || name.starts_with("https://") || name.starts_with("oci://") {
        return Err(format!(
            "values from {name} are not fetched, give a local file"
        ));
    }
    std::fs::read(name).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("open {name}: no such file or directory"),
        _ => format!("open {name}: {error}"),
    })
}

fn load(path: &Path) -> Result<Chart> {
    let limits = Limits::default();
    let about = std::fs::metadata(path)
        .with_context(|| format!("path \"{}\" not found", path.display()))?;
    if about.is_dir() {
        let mut tree = Tree {
            files: Vec::new(),
            bytes: limits.total_bytes,
            seen: BTreeSet::new(),
        };
        tree.walk(path, "")?;
        return Ok(Chart::from_directory(tree.files, &limits)?);
    }
    if about.len() > limits.total_bytes {
        bail!(
            "{} is larger than {} bytes",
            path.display(),
            limits.total_bytes
        );
    }
    let data = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    if !data.starts_with(b"\x1f\x8b") {
        bail!(
            "file '{}' does not appear to be a gzipped archive",
            path.display()
        );
    }
    match Chart::from_archive(&data, &limits) {
        Err(helm::LoadError::OwnArchive(_)) => bail!("unable to load chart archive"),
        loaded => Ok(loaded?),
    }
}

/// The files of a chart directory. Links are followed, as Helm does; loops are not.
struct Tree {
    files: Vec<(String, Vec<u8>)>,
    /// What may still be read.
    bytes: u64,
    /// Real paths of the directories above the current one.
    seen: BTreeSet<PathBuf>,
}

impl Tree {
    fn walk(&mut self, directory: &Path, prefix: &str) -> Result<()> {
        let cannot = || format!("cannot read {}", directory.display());
        let real = directory.canonicalize().with_context(cannot)?;
        if !self.seen.insert(real.clone()) {
            bail!("{} links to a directory above it", directory.display());
        }
        for entry in std::fs::read_dir(directory).with_context(cannot)? {
            let entry = entry.with_context(cannot)?;
            let path = entry.path();
            let Some(name) = entry
                .file_name()
                .to_str()
                .map(|name| format!("{prefix}{name}"))
            else {
                bail!("{} has a name that is no UTF-8", path.display());
            };
            let about = std::fs::metadata(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            if about.is_dir() {
                self.walk(&path, &format!("{name}/"))?;
            } else if about.is_file() {
                self.bytes = self.bytes.checked_sub(about.len()).with_context(|| {
                    format!(
                        "chart exceeds maximum decompressed size of {} bytes",
                        Limits::default().total_bytes
                    )
                })?;
                let data = std::fs::read(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                self.files.push((name, data));
            } else {
                bail!(
                    "cannot load irregular file {} as it has file mode type bits set",
                    path.display()
                );
            }
        }
        self.seen.remove(&real);
        Ok(())
    }
}

/// Writes the files, each text after the other where a path comes again; gives the paths.
/// Files that are not from crds folders go below `release`, if there is one.
fn write_files(
    directory: &Path,
    release: Option<&str>,
    files: &[OutputFile],
) -> Result<Vec<PathBuf>> {
    let mut begun = BTreeSet::new();
    let mut written = Vec::new();
    for file in files {
        let below = release.filter(|_| !file.is_crd).unwrap_or_default();
        let path = directory.join(below).join(&file.path);
        let cannot = || format!("cannot write {}", path.display());
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(cannot)?;
        }
        let again = !begun.insert(path.clone());
        let mut options = std::fs::OpenOptions::new();
        options
            .create(true)
            .write(true)
            .append(again)
            .truncate(!again);
        let mut out = options.open(&path).with_context(cannot)?;
        out.write_all(file.text.as_bytes()).with_context(cannot)?;
        written.push(path);
    }
    Ok(written)
}
