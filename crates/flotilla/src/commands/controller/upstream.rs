//! Flags and variables of upstream's `fleetcontroller` that have no name of their own here.

use crate::commands::logging;

/// Flags of upstream's logging, and those for what this process does not have.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "As upstream")]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) logging: logging::LogFlags,
    /// Do not make the hub a cluster of its own, whatever `bootstrap` of the ConfigMap says
    #[arg(long)]
    pub(crate) disable_bootstrap: bool,
}

/// Number of workers from a variable of upstream: what is no number is logged and counts as one.
pub(crate) fn workers(variable: &str, default: usize) -> usize {
    let Ok(text) = std::env::var(variable) else {
        return default;
    };
    if text.is_empty() {
        return default;
    }
    match text.parse::<usize>() {
        Ok(n) if n > 0 => n,
        _ => {
            tracing::error!(variable, "is no number of workers: there is one");
            1
        }
    }
}

fn text(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|text| !text.is_empty())
}

fn is_set(variable: &str) -> bool {
    text(variable).is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

impl Flags {
    /// How agents are managed, from variables of upstream.
    ///
    /// # Errors
    /// When a duration is none, or a number.
    pub(crate) fn agents(&self) -> anyhow::Result<hub::Agents> {
        let duration = |variable: &str, default: String| match text(variable) {
            Some(text) => match crate::commands::duration(&text) {
                Ok(_) => Ok(text),
                Err(error) => anyhow::bail!("{variable}: {error}"),
            },
            None => Ok(default),
        };
        let defaults = hub::agent_manifest::Defaults::default();
        let replicas = text("FLEET_AGENT_REPLICA_COUNT").map(|text| text.parse::<i32>());
        let replicas = match replicas {
            None => defaults.replicas,
            Some(Ok(replicas)) if replicas >= 0 => replicas,
            Some(_) => anyhow::bail!("FLEET_AGENT_REPLICA_COUNT must be a number"),
        };
        let debug = is_set("FLEET_PROPAGATE_DEBUG_SETTINGS_TO_AGENTS");
        Ok(hub::Agents {
            token_ttl_required: is_set("FLEET_REGISTRATION_TOKEN_TTL_REQUIRED"),
            defaults: hub::agent_manifest::Defaults {
                lease_duration: duration(
                    "FLEET_AGENT_ELECTION_LEASE_DURATION",
                    defaults.lease_duration,
                )?,
                renew_deadline: duration(
                    "FLEET_AGENT_ELECTION_RENEW_DEADLINE",
                    defaults.renew_deadline,
                )?,
                retry_period: duration("FLEET_AGENT_ELECTION_RETRY_PERIOD", defaults.retry_period)?,
                replicas,
                debug: self.logging.debug_level().filter(|_| debug),
                disable_security_context: is_set("FLEET_DEBUG_DISABLE_SECURITY_CONTEXT"),
            },
        })
    }
}
