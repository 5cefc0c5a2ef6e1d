//! Charts and values that are not on the local disk: from chart repositories, URLs and registries.
//!
//! In: names and flags of Helm's commands. Out: bytes. The work is done by `fetch::charts`.

use std::path::Path;

use anyhow::{Context as _, Result};
use fetch::charts::{Charts, Dependencies, Places, Repository, basic};

use crate::commands::template::Remote;
use crate::commands::template::args::{Access, ChartFlags};
use crate::commands::template::settings::{Globals, docker_config};
use crate::output;

/// Fetches from the network.
pub(crate) struct Fetching;

/// What fetches with the user's flags and files.
pub(crate) fn charts(access: &Access, pass_credentials: bool, globals: &Globals) -> Charts {
    let places = Places {
        repository_config: globals.repository_config(),
        repository_cache: globals.repository_cache(),
        registry_configs: vec![globals.registry_config(), docker_config()],
    };
    let username = access.username.as_deref().unwrap_or_default();
    let password = access.password.as_deref().unwrap_or_default();
    let how = Repository {
        basic: basic(username, password),
        pass_credentials,
        cert_file: access.cert_file.clone(),
        key_file: access.key_file.clone(),
        ca_file: access.ca_file.clone(),
        insecure_skip_verify: access.insecure_skip_tls_verify,
        ..Repository::default()
    };
    Charts::new(places, how, access.plain_http)
}

/// Waits for a fetch.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    Ok(runtime.block_on(future))
}

impl Remote for Fetching {
    fn chart(&self, name: &str, flags: &ChartFlags, globals: &Globals) -> Result<Vec<u8>> {
        let charts = charts(&flags.access, flags.pass_credentials, globals);
        charts.check_access().context("missing registry client")?;
        let version = flags.wanted_version();
        let fetched = wait(charts.archive(name, version, &flags.repo))??;
        if let Some(selected) = fetched.other_version {
            let record = helm::Record {
                level: helm::Level::Warn,
                message: "unable to find exact version requested; falling back to closest available version".to_owned(),
                attributes: vec![
                    ("chart", name.rsplit('/').next().unwrap_or_default().to_owned()),
                    ("requested", version.to_owned()),
                    ("selected", selected),
                ],
            };
            output::note(&record.to_string());
        }
        for note in &fetched.notes {
            output::note(note);
        }
        Ok(fetched.data)
    }

    fn file(&self, url: &str, globals: &Globals) -> Result<Vec<u8>> {
        let charts = charts(&Access::default(), false, globals);
        Ok(wait(charts.file(url))??)
    }

    fn update_dependencies(
        &self,
        chart: &Path,
        flags: &ChartFlags,
        globals: &Globals,
    ) -> Result<()> {
        let charts = charts(&flags.access, flags.pass_credentials, globals);
        let mut say = say;
        let mut dependencies = Dependencies::new(&charts, chart, false, &mut say)?;
        Ok(wait(dependencies.update(jiff::Timestamp::now()))??)
    }
}

/// Prints a line of what a fetch has to say.
pub(crate) fn say(line: &str) {
    // Nothing is left to do if stdout is gone.
    let _ = output::print(&format!("{line}\n"));
}
