//! Flags that `helm template` takes because `helm install` has them: they are checked and change
//! nothing in what is printed.

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::pflag::{check_duration, parse_bool, switch};

/// The flags without effect, with what was said about some of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ignored {
    /// Deprecations, in Helm's words, for standard error.
    pub(crate) warnings: Vec<String>,
    /// Two flags that exclude each other.
    pub(crate) conflict: Option<String>,
}

/// What a value has to look like.
#[derive(Clone, Copy)]
enum Kind {
    Switch,
    Text,
    Number,
    Float,
    Duration,
}

use Kind::{Duration, Float, Number, Switch, Text};

const FLAGS: [(&str, Kind, &str); 28] = [
    (
        "create-namespace",
        Switch,
        "Create the namespace on install",
    ),
    (
        "replace",
        Switch,
        "Reuse the name of a deleted release on install",
    ),
    (
        "take-ownership",
        Switch,
        "Take over objects of others on install",
    ),
    ("force-replace", Switch, "Replace objects on install"),
    (
        "force-conflicts",
        Switch,
        "Take over fields of others on install",
    ),
    ("server-side", Switch, "Apply on the server on install"),
    ("rollback-on-failure", Switch, "Undo a failed install"),
    ("wait-for-jobs", Switch, "Wait for jobs on install"),
    ("timeout", Duration, "How long an install waits"),
    (
        "skip-crds",
        Switch,
        "Leave out the files of the crds folders on install",
    ),
    (
        "disable-openapi-validation",
        Switch,
        "Do not validate on the server on install",
    ),
    ("description", Text, "Description of the release"),
    ("keyring", Text, "Keys for --verify"),
    ("content-cache", Text, "Directory of downloaded charts"),
    ("kube-apiserver", Text, "Address of the cluster"),
    ("kube-as-group", Text, "Group to act as in the cluster"),
    ("kube-as-user", Text, "User to act as in the cluster"),
    ("kube-ca-file", Text, "Certificate authority of the cluster"),
    (
        "kube-insecure-skip-tls-verify",
        Switch,
        "Trust any certificate of the cluster",
    ),
    (
        "kube-tls-server-name",
        Text,
        "Name in the certificate of the cluster",
    ),
    ("kube-token", Text, "Token for the cluster"),
    ("burst-limit", Number, "Requests to the cluster at once"),
    ("qps", Float, "Requests to the cluster per second"),
    ("force", Switch, DEPRECATED),
    ("atomic", Switch, DEPRECATED),
    ("hide-notes", Switch, DEPRECATED),
    ("render-subchart-notes", Switch, DEPRECATED),
    (
        "wait",
        Text,
        "Wait for objects on install: watcher, hookOnly or legacy",
    ),
];

const DEPRECATED: &str = "Deprecated";

/// What cobra says about a deprecated flag.
const DEPRECATIONS: [(&str, &str); 4] = [
    ("force", "use --force-replace instead"),
    ("atomic", "use --rollback-on-failure instead"),
    (
        "hide-notes",
        "this flag has no effect for 'helm template' and will be removed in Helm 5",
    ),
    (
        "render-subchart-notes",
        "this flag has no effect for 'helm template' and will be removed in Helm 5",
    ),
];

impl Kind {
    fn parser(self) -> ValueParser {
        match self {
            Switch => ValueParser::from(parse_bool),
            Text => ValueParser::string(),
            Number => ValueParser::from(|text: &str| {
                text.parse::<i64>()
                    .map(|_| text.to_owned())
                    .map_err(|_| format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))
            }),
            Float => ValueParser::from(|text: &str| {
                text.parse::<f32>()
                    .map(|_| text.to_owned())
                    .map_err(|_| format!("strconv.ParseFloat: parsing {text:?}: invalid syntax"))
            }),
            Duration => {
                ValueParser::from(|text: &str| check_duration(text).map(|()| text.to_owned()))
            }
        }
    }
}

fn wait(text: &str) -> Result<String, String> {
    match text {
        "watcher" | "hookOnly" | "legacy" | "true" | "false" => Ok(text.to_owned()),
        _ => Err(format!(
            "invalid wait input {text:?}. Valid inputs are watcher, hookOnly, and legacy"
        )),
    }
}

impl clap::Args for Ignored {
    fn augment_args(command: Command) -> Command {
        FLAGS.iter().fold(command, |command, (name, kind, help)| {
            let arg = Arg::new(*name)
                .long(*name)
                .help(*help)
                .help_heading(super::args::WITHOUT_EFFECT)
                .hide(*help == DEPRECATED);
            command.arg(match kind {
                Switch => switch(arg),
                _ if *name == "wait" => arg
                    .action(ArgAction::Set)
                    .value_name("STRATEGY")
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("watcher")
                    .value_parser(wait),
                _ => arg
                    .action(ArgAction::Append)
                    .value_name("VALUE")
                    .value_parser(kind.parser()),
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Ignored {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given =
            |name: &str| matches.value_source(name) == Some(clap::parser::ValueSource::CommandLine);
        let mut warnings: Vec<String> = DEPRECATIONS
            .iter()
            .filter(|(name, _)| given(name))
            .map(|(name, instead)| format!("Flag --{name} has been deprecated, {instead}"))
            .collect();
        let instead = match matches.get_one::<String>("wait").map(String::as_str) {
            Some("true") => Some(("true", "watcher")),
            Some("false") => Some(("false", "hookOnly")),
            _ => None,
        };
        warnings.extend(instead.map(|(old, new)| {
            format!(
                "level=WARN msg=\"--wait={old} is deprecated (boolean value) and can be replaced with --wait={new}\""
            )
        }));
        let conflict = ["force-replace", "force"]
            .into_iter()
            .find(|name| given(name) && given("force-conflicts"))
            .map(|name| {
                let set = if name == "force" {
                    "force force-conflicts"
                } else {
                    "force-conflicts force-replace"
                };
                exclusive(&format!("{name} force-conflicts"), set)
            });
        Ok(Self { warnings, conflict })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// cobra's refusal of flags that exclude each other; `set` is sorted.
pub(crate) fn exclusive(group: &str, set: &str) -> String {
    format!(
        "if any flags in the group [{group}] are set none of the others can be; [{set}] were all set"
    )
}
