//! Flags as Go's pflag and cobra read them, on top of clap.
//!
//! In: a command's clap definition. Out: the same flags with pflag's habits: `--switch=false`, values
//! that begin with a dash, the last of several wins, lists in CSV; and clap's errors in cobra's words.

use std::ffi::OsString;
use std::str::FromStr;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

/// The flags of `T`, read as pflag reads them.
#[derive(Debug, Clone)]
pub(crate) struct GoFlags<T>(pub(crate) T);

impl<T: clap::Args> clap::Args for GoFlags<T> {
    fn augment_args(command: Command) -> Command {
        adapt(T::augment_args(command))
    }

    fn augment_args_for_update(command: Command) -> Command {
        adapt(T::augment_args_for_update(command))
    }
}

impl<T: clap::FromArgMatches> clap::FromArgMatches for GoFlags<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

fn adapt(command: Command) -> Command {
    command.args_override_self(true).mut_args(|arg| {
        if arg.is_positional() {
            arg
        } else if matches!(arg.get_action(), ArgAction::SetTrue) {
            switch(arg).default_value("false")
        } else {
            arg.allow_hyphen_values(true)
        }
    })
}

/// A flag that is true without a value and takes one after `=`.
pub(crate) fn switch(arg: Arg) -> Arg {
    arg.action(ArgAction::Set)
        .value_name("BOOL")
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("true")
        .hide_default_value(true)
        .value_parser(parse_bool)
}

/// As Go's `strconv.ParseBool`.
pub(crate) fn parse_bool(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(format!(
            "strconv.ParseBool: parsing {}: invalid syntax",
            quote(text)
        )),
    }
}

/// Whether a text is a duration of Go: `5m0s`, `1.5h`, `0`.
pub(crate) fn check_duration(text: &str) -> Result<(), String> {
    let invalid = || format!("time: invalid duration {}", quote(text));
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok(());
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    while !rest.is_empty() {
        let whole = digits(rest);
        let point = usize::from(rest[whole..].starts_with('.'));
        let fraction = digits(&rest[whole + point..]);
        if whole + fraction == 0 {
            return Err(invalid());
        }
        let after = &rest[whole + point + fraction..];
        let next = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(next);
        match unit {
            "ns" | "us" | "\u{b5}s" | "\u{3bc}s" | "ms" | "s" | "m" | "h" => {}
            "" => return Err(format!("time: missing unit in duration {}", quote(text))),
            _ => {
                return Err(format!(
                    "time: unknown unit {} in duration {}",
                    quote(unit),
                    quote(text)
                ));
            }
        }
        rest = after;
    }
    Ok(())
}

/// How many digits a text begins with.
fn digits(text: &str) -> usize {
    text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len()
}

/// One occurrence of a list flag: a line of CSV.
#[derive(Debug, Clone, Default)]
pub(crate) struct List(Vec<String>);

impl FromStr for List {
    type Err = String;

    /// As Go's `encoding/csv` reads one line.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let mut rest = text.trim_start_matches('\n');
        if rest.is_empty() {
            return Err("EOF".to_owned());
        }
        let mut fields = Vec::new();
        loop {
            let (field, after) = csv_field(rest, text)?;
            fields.push(field);
            match after.strip_prefix(',') {
                Some(next) => rest = next,
                None => return Ok(Self(fields)),
            }
        }
    }
}

/// A field, and what follows it: a comma, a new line or nothing.
fn csv_field<'a>(rest: &'a str, line: &str) -> Result<(String, &'a str), String> {
    let column = |rest: &str| line.len() - rest.len() + 1;
    let Some(mut quoted) = rest.strip_prefix('"') else {
        let end = rest.find([',', '\n']).unwrap_or(rest.len());
        let (field, after) = rest.split_at(end);
        return match field.find('"') {
            Some(at) => Err(format!(
                "parse error on line 1, column {}: bare \" in non-quoted-field",
                column(&rest[at..])
            )),
            None => Ok((field.to_owned(), after)),
        };
    };
    let mut field = String::new();
    while let Some((text, after)) = quoted.split_once('"') {
        field.push_str(text);
        if let Some(after) = after.strip_prefix('"') {
            field.push('"');
            quoted = after;
        } else if after.is_empty() || after.starts_with([',', '\n']) {
            return Ok((field, after));
        } else {
            return Err(format!(
                "parse error on line 1, column {}: extraneous or missing \" in quoted-field",
                column(after) - 1
            ));
        }
    }
    Err(format!(
        "parse error on line 1, column {}: extraneous or missing \" in quoted-field",
        line.len() + 1
    ))
}

/// One occurrence of a flag of pairs: `a=b,c=d`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pairs(pub(crate) Vec<(String, String)>);

impl FromStr for Pairs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = |pair: &str| format!("{pair} must be formatted as key=value");
        let pairs = match text.matches('=').count() {
            0 => return Err(malformed(text)),
            1 => vec![text.trim_matches('"').to_owned()],
            _ => text.parse::<List>()?.0,
        };
        let pairs = pairs.iter().map(|pair| {
            let (name, value) = pair.split_once('=').ok_or_else(|| malformed(pair))?;
            Ok((name.to_owned(), value.to_owned()))
        });
        pairs.collect::<Result<_, _>>().map(Self)
    }
}

/// The elements of a list flag given several times.
pub(crate) fn flat(lists: &[List]) -> Vec<String> {
    lists
        .iter()
        .flat_map(|list| list.0.iter().cloned())
        .collect()
}

fn quote(text: &str) -> String {
    format!("{text:?}")
}

/// clap's refusal of arguments in cobra's words; nothing for help.
///
/// `arguments` are those of the process and `command` the one they were for.
pub(crate) fn refusal(
    error: &clap::Error,
    command: &Command,
    arguments: &[OsString],
) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let last = arguments.last().and_then(|last| last.to_str());
    match (error.kind(), text(ContextKind::InvalidArg)) {
        (ErrorKind::UnknownArgument, Some(flag)) if flag.starts_with("--") => {
            Some(format!("unknown flag: {flag}"))
        }
        (ErrorKind::UnknownArgument, Some(flag)) => {
            let letter = flag.trim_start_matches('-').chars().next()?;
            Some(format!("unknown shorthand flag: '{letter}' in -{letter}"))
        }
        (ErrorKind::InvalidValue, Some(_)) => Some(match last {
            Some(flag) if flag.starts_with("--") => format!("flag needs an argument: {flag}"),
            Some(flag) => {
                let letter = flag.chars().last()?;
                format!("flag needs an argument: '{letter}' in -{letter}")
            }
            None => return None,
        }),
        (ErrorKind::ValueValidation, Some(flag)) => {
            let long = flag.split(['=', ' ', '[']).next()?.trim_start_matches('-');
            let known = command
                .get_arguments()
                .find(|arg| arg.get_long() == Some(long));
            let short = known.and_then(Arg::get_short);
            let short = short.map(|short| format!("-{short}, ")).unwrap_or_default();
            let value = text(ContextKind::InvalidValue).unwrap_or_default();
            let reason = std::error::Error::source(error)?.to_string();
            Some(format!(
                "invalid argument {} for \"{short}--{long}\" flag: {reason}",
                quote(value)
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_csv() {
        for (text, want) in [
            ("", vec![]),
            ("a", vec!["a"]),
            ("a,b,", vec!["a", "b", ""]),
            ("\"x,y\",z", vec!["x,y", "z"]),
            ("\"a\"\"b\"", vec!["a\"b"]),
            ("a b, c", vec!["a b", " c"]),
        ] {
            assert_eq!(text.parse::<List>().unwrap().0, want, "{text}");
        }
        for (text, want) in [
            (
                "a\"b",
                "parse error on line 1, column 2: bare \" in non-quoted-field",
            ),
            (
                "\"a\"b",
                "parse error on line 1, column 3: extraneous or missing \" in quoted-field",
            ),
            (
                "\"a",
                "parse error on line 1, column 3: extraneous or missing \" in quoted-field",
            ),
        ] {
            assert_eq!(text.parse::<List>().unwrap_err(), want, "{text}");
        }
    }

    #[test]
    fn durations_have_units() {
        for text in ["0", "5m0s", "1.5h", "-3ms", "+.5s"] {
            assert_eq!(check_duration(text), Ok(()), "{text}");
        }
        for (text, want) in [
            ("", "time: invalid duration \"\""),
            ("abc", "time: invalid duration \"abc\""),
            ("5", "time: missing unit in duration \"5\""),
            ("5x", "time: unknown unit \"x\" in duration \"5x\""),
            ("1.2.3s", "time: missing unit in duration \"1.2.3s\""),
            (".s", "time: invalid duration \".s\""),
        ] {
            assert_eq!(check_duration(text).unwrap_err(), want, "{text}");
        }
    }
}
