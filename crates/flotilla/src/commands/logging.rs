//! Flags of upstream's logging.

/// How much is logged and how, in the words of klog and zap.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "As upstream")]
pub(crate) struct LogFlags {
    /// Log more, as -v
    #[arg(long)]
    debug: bool,
    /// How much more --debug logs: above 2 everything
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    debug_level: i32,
    /// Log for people; as --debug
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    zap_devel: Option<bool>,
    /// How lines are logged: json or console
    #[arg(long, value_name = "ENCODER", value_parser = ["json", "console"])]
    zap_encoder: Option<String>,
    /// What is logged: debug, info, error, panic, or a number, of which a higher one logs more
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    zap_log_level: Option<u8>,
    /// Accepted and unused: errors name their causes
    #[arg(long, value_name = "LEVEL")]
    zap_stacktrace_level: Option<String>,
    /// Accepted and unused: times are RFC 3339 in UTC
    #[arg(long, value_name = "ENCODING")]
    zap_time_encoding: Option<String>,
}

fn level(text: &str) -> Result<u8, String> {
    match text {
        "panic" | "error" | "warn" | "info" => Ok(0),
        "debug" => Ok(2),
        number => match number.parse::<u8>() {
            Ok(0) => Ok(0),
            Ok(1..=2) => Ok(2),
            Ok(_) => Ok(3),
            Err(_) => Err("must be debug, info, error, panic or a number".to_owned()),
        },
    }
}

impl LogFlags {
    /// As how many `-v` this counts.
    pub(crate) fn verbosity(&self) -> u8 {
        let debug = if self.debug || self.zap_devel == Some(true) {
            if self.debug_level > 2 { 3 } else { 2 }
        } else {
            0
        };
        debug.max(self.zap_log_level.unwrap_or_default())
    }

    /// `--debug-level`, if `--debug` is given.
    pub(crate) fn debug_level(&self) -> Option<i32> {
        self.debug.then_some(self.debug_level)
    }

    /// Whether lines are JSON; `None` when that is not said.
    pub(crate) fn is_json(&self) -> Option<bool> {
        let encoder = self.zap_encoder.as_deref();
        encoder.map(|encoder| encoder == "json")
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Program {
        #[command(flatten)]
        flags: LogFlags,
    }

    fn verbosity(arguments: &[&str]) -> Option<u8> {
        let arguments = ["program"].iter().chain(arguments);
        let parsed = Program::try_parse_from(arguments).ok()?;
        Some(parsed.flags.verbosity())
    }

    #[test]
    fn flags_of_zap_and_klog_say_how_much_is_logged() {
        for (arguments, want) in [
            (&[][..], Some(0)),
            (&["--debug"], Some(2)),
            (&["--debug", "--debug-level", "1"], Some(2)),
            (&["--debug", "--debug-level=5"], Some(3)),
            // Without --debug a level says nothing, as upstream.
            (&["--debug-level", "5"], Some(0)),
            (&["--debug", "--debug-level", "-1"], None),
            (&["--zap-devel"], Some(2)),
            (&["--zap-devel=false"], Some(0)),
            (&["--zap-log-level", "debug"], Some(2)),
            (&["--zap-log-level=error"], Some(0)),
            (&["--zap-log-level=9"], Some(3)),
            (&["--zap-log-level", "loud"], None),
            (&["--zap-encoder", "xml"], None),
            (
                &[
                    "--zap-stacktrace-level=error",
                    "--zap-time-encoding=iso8601",
                ],
                Some(0),
            ),
        ] {
            assert_eq!(verbosity(arguments), want, "{arguments:?}");
        }
    }
}
