//! `flotilla template`: renders a chart as `helm template` does and prints it.
//!
//! In: the flags of `helm template`. Out: manifests on standard output or below a directory, warnings
//! and errors on standard error. Talks to no cluster; what is not on the local disk comes through
//! [`Remote`], so that this module needs no network.

pub(crate) mod args;
pub(crate) mod chart;
mod ignored;
mod output;
pub(crate) mod pflag;
mod post_renderer;
pub(crate) mod settings;

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use helm::{Chart, Level, Record, TemplateFlags as EngineFlags};

use args::{ChartFlags, TemplateFlags};
use chart::Located;
use pflag::{GoFlags, flat};
use settings::Globals;

/// The flags of the command.
pub(crate) type Args = GoFlags<TemplateFlags>;

/// What is not on the local disk.
pub(crate) trait Remote {
    /// The archive of a chart that no local path names: a URL, a reference into a registry,
    /// `repository/chart`, or a name in the repository of the flags.
    fn chart(&self, name: &str, flags: &ChartFlags, globals: &Globals) -> Result<Vec<u8>>;

    /// The file at an `http`, `https` or `oci` URL.
    fn file(&self, url: &str, globals: &Globals) -> Result<Vec<u8>>;

    /// Fetches the dependencies of the chart in a directory into it, and says so on standard output.
    fn update_dependencies(
        &self,
        chart: &Path,
        flags: &ChartFlags,
        globals: &Globals,
    ) -> Result<()>;
}

/// Runs the command. Errors are printed here, in Helm's form; people also see the line at fault.
pub(crate) fn run(args: &Args, remote: &dyn Remote) -> Result<ExitCode> {
    match render(&args.0, remote) {
        Ok(code) => Ok(code),
        Err(error) => {
            let mut stderr = std::io::stderr().lock();
            writeln!(stderr, "Error: {error:#}")?;
            // Programs get Helm's text alone.
            let error: Option<&helm::TemplateError> = error.downcast_ref();
            if let Some(excerpt) = error.and_then(helm::TemplateError::excerpt)
                && (args.0.explain || stderr.is_terminal())
            {
                writeln!(stderr, "\n{excerpt}")?;
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

fn render(args: &TemplateFlags, remote: &dyn Remote) -> Result<ExitCode> {
    let now = jiff::Timestamp::now();
    if args.validate.is_some() {
        let warning = "Flag --validate has been deprecated, use '--dry-run=server' instead";
        writeln!(std::io::stderr(), "{warning}")?;
    }
    for warning in &args.ignored.warnings {
        writeln!(std::io::stderr(), "{warning}")?;
    }
    if args.name_and_chart.is_empty() {
        bail!(
            "\"flotilla template\" requires at least 1 argument\n\nUsage:  flotilla template [NAME] [CHART] [flags]"
        );
    }
    check_flags(args)?;
    let (name, reference) = name_and_chart(args, now)?;
    let located = locate(reference, &args.chart, &args.globals, remote)?;
    let values = args
        .values
        .options()
        .merge(&mut |name| read_source(name, &args.globals, remote))?;
    let chart = load(&located, args, remote)?;
    let output_dir = args.output_dir.as_deref().filter(|path| !path.is_empty());
    let flags = EngineFlags {
        release_name: name,
        namespace: args.globals.namespace(),
        include_crds: args.include_crds,
        no_hooks: args.no_hooks,
        skip_tests: args.skip_tests,
        show_only: args.show_only.clone(),
        kube_version: args.kube_version.clone(),
        api_versions: flat(&args.api_versions),
        is_upgrade: args.is_upgrade,
        skip_schema_validation: args.skip_schema_validation,
        debug: args.globals.debug(),
        to_files: output_dir.is_some(),
    };
    let program = args.post_renderer.iter().find(|name| !name.is_empty());
    let mut post_render = program.map(|program| {
        |manifests: &str| post_renderer::run(program, &args.post_renderer_args, manifests)
    });
    let post_render = post_render
        .as_mut()
        .map(|run| run as helm::PostRenderer<'_>);
    let output = helm::template_through(chart, values, &flags, post_render, now)?;
    print_log(&output.log)?;
    let mut stdout = std::io::stdout().lock();
    if let Some(directory) = output_dir {
        let below = args.release_name.then_some(flags.release_name.as_str());
        for path in output::write_files(directory, below, &output.files)? {
            writeln!(stdout, "wrote {path}")?;
        }
    }
    stdout.write_all(output.text.as_bytes())?;
    stdout.flush()?;
    match output.error {
        Some(error) => Err(error.into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Labels of the records that Helm keeps of releases.
const SYSTEM_LABELS: [&str; 6] = [
    "name",
    "owner",
    "status",
    "version",
    "createdAt",
    "modifiedAt",
];

/// Refuses flags that are wrong or have no meaning without a cluster.
fn check_flags(args: &TemplateFlags) -> Result<()> {
    if let Some(conflict) = &args.ignored.conflict {
        bail!("{conflict}");
    }
    if args.validate.is_some() && args.dry_run.is_some() {
        bail!(
            "{}",
            ignored::exclusive("validate dry-run", "dry-run validate")
        );
    }
    if let Some(version) = args.kube_version.as_ref().filter(|text| !text.is_empty())
        && let Err(error) = helm::KubeVersion::parse(version)
    {
        bail!("invalid kube version '{version}': {error}");
    }
    check_dry_run(args.dry_run.as_deref().unwrap_or("client"))?;
    if args.validate == Some(true) {
        bail!("--validate is not supported: flotilla template asks no cluster");
    }
    if args.enable_dns {
        bail!("--enable-dns is not supported: getHostByName gives an empty text");
    }
    let renderers = args.post_renderer.iter().filter(|name| !name.is_empty());
    if renderers.count() > 1 {
        bail!("cannot specify --post-renderer flag more than once");
    }
    let mut labels = args.labels.iter().flat_map(|pairs| &pairs.0);
    if labels.any(|(name, _)| SYSTEM_LABELS.contains(&name.as_str())) {
        bail!(
            "user supplied labels contains system reserved label name. System labels: [{}]",
            SYSTEM_LABELS.join(" ")
        );
    }
    Ok(())
}

/// Source: Helm `cmdGetDryRunFlagStrategy`.
fn check_dry_run(text: &str) -> Result<()> {
    let warning = match text {
        "client" => return Ok(()),
        "unset" => {
            "--dry-run is deprecated and should be replaced with '--dry-run=client'".to_owned()
        }
        "server" => bail!("--dry-run=server is not supported: flotilla template asks no cluster"),
        "none" => bail!("invalid dry-run value ({text:?}). Must be \"server\" or \"client\""),
        _ => match pflag::parse_bool(text) {
            Ok(true) => format!(
                "boolean '--dry-run={text}' flag is deprecated and must be replaced with '--dry-run=client'"
            ),
            Ok(false) => {
                bail!("invalid dry-run value ({text:?}). Must be \"server\" or \"client\"")
            }
            Err(_) => bail!(
                "invalid dry-run value ({text:?}). Must be \"none\", \"server\", or \"client\""
            ),
        },
    };
    print_log(&[record(Level::Warn, &warning)])
}

/// Source: Helm `NameAndChart`, with the name that `helm template` presets.
fn name_and_chart(args: &TemplateFlags, now: jiff::Timestamp) -> Result<(String, &str)> {
    let template = args.name_template.as_deref().unwrap_or_default();
    match args.name_and_chart.as_slice() {
        [_, _] if args.generate_name => {
            bail!("cannot set --generate-name and also specify a name")
        }
        [_, _] if !template.is_empty() => {
            bail!("cannot set --name-template and also specify a name")
        }
        [name, chart] => Ok((name.clone(), chart)),
        [chart] if !template.is_empty() => Ok((helm::release_name(template, now)?, chart)),
        [chart] => Ok(("release-name".to_owned(), chart)),
        more => bail!(
            "expected at most two arguments, unexpected arguments: {}",
            more.get(2..).unwrap_or_default().join(", ")
        ),
    }
}

/// Finds a chart by the name that a command was given.
pub(crate) fn locate(
    name: &str,
    flags: &ChartFlags,
    globals: &Globals,
    remote: &dyn Remote,
) -> Result<Located> {
    let name = name.trim();
    let local = match flags.repo.as_str() {
        "" => chart::find_local(name)?,
        _ => None,
    };
    if flags.verify {
        if local.as_deref().is_some_and(Path::is_dir) {
            bail!("unpacked charts cannot be verified");
        }
        bail!("--verify is not supported: signatures of charts are not checked");
    }
    match local {
        Some(path) => {
            if globals.debug() {
                let mut record = record(Level::Debug, "Chart path");
                record.attributes = vec![("path", path.display().to_string())];
                print_log(&[record])?;
            }
            Ok(Located::Local(path))
        }
        None => Ok(Located::Archive(remote.chart(name, flags, globals)?)),
    }
}

fn load(located: &Located, args: &TemplateFlags, remote: &dyn Remote) -> Result<Chart> {
    let chart = located.load()?;
    if !args.dependency_update || chart.check_dependencies().is_ok() {
        return Ok(chart);
    }
    let Located::Local(path) = located else {
        bail!("only unpacked charts can be updated");
    };
    remote.update_dependencies(path, &args.chart, &args.globals)?;
    located
        .load()
        .context("failed reloading chart after repo update")
}

fn record(level: Level, message: &str) -> Record {
    Record {
        level,
        message: message.to_owned(),
        attributes: Vec::new(),
    }
}

/// Prints messages in Helm's form.
pub(crate) fn print_log(records: &[Record]) -> Result<()> {
    let mut stderr = std::io::stderr().lock();
    for record in records {
        writeln!(stderr, "{record}")?;
    }
    Ok(())
}

/// Reads a values file; the error is a text in the form of Go's.
pub(crate) fn read_source(
    name: &str,
    globals: &Globals,
    remote: &dyn Remote,
) -> Result<Vec<u8>, String> {
    if name.trim() == "-" {
        let mut data = Vec::new();
        let read = std::io::stdin().lock().read_to_end(&mut data);
        return read
            .map(|_| data)
            .map_err(|error| format!("cannot read standard input: {error}"));
    }
    let scheme = name
        .split_once("://")
        .map(|(scheme, _)| scheme.to_ascii_lowercase());
    if matches!(scheme.as_deref(), Some("http" | "https" | "oci")) {
        return remote
            .file(name, globals)
            .map_err(|error| format!("{error:#}"));
    }
    std::fs::read(name)
        .map_err(|error| chart::go_error("open", Path::new(name), &error).to_string())
}
