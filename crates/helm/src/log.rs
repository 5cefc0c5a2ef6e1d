//! What a render has to say beside its result: the warnings that Helm prints to standard error.
//!
//! In: messages in the order they come up. Out: a list for the caller, who decides whether and where
//! they show. Messages name keys of values, never the values of Secrets' charts beyond what Helm
//! itself prints.

use std::fmt;

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For those who look for a fault.
    Debug,
    /// Worth knowing.
    Info,
    /// Probably a mistake in the chart or its values.
    Warn,
    /// Helm says the error that follows here too.
    Error,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Weight.
    pub level: Level,
    /// Text.
    pub message: String,
    /// Named details, in order.
    pub attributes: Vec<(&'static str, String)>,
}

/// As Go's `slog` text handler prints it, without the time.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
        };
        write!(f, "level={level} msg={}", word(&self.message))?;
        for (name, value) in &self.attributes {
            write!(f, " {name}={}", word(value))?;
        }
        Ok(())
    }
}

/// Quoted where a reader could take it for more than one word.
fn word(text: &str) -> String {
    let odd = |c: char| c.is_whitespace() || c == '"' || c == '=' || !sprig::gotext::is_print(c);
    if text.is_empty() || text.contains(odd) {
        sprig::gotext::quote(text.as_bytes())
    } else {
        text.to_owned()
    }
}

/// Messages in the order they came up.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) records: Vec<Record>,
}

impl Log {
    pub(crate) fn error(&mut self, message: &str, error: String) {
        self.push(Level::Error, message, vec![("error", error)]);
    }

    pub(crate) fn warn(&mut self, message: &str, attributes: Vec<(&'static str, String)>) {
        self.push(Level::Warn, message, attributes);
    }

    pub(crate) fn info(&mut self, message: &str, attributes: Vec<(&'static str, String)>) {
        self.push(Level::Info, message, attributes);
    }

    /// A line that Helm prints through Go's plain logger.
    pub(crate) fn plain(&mut self, message: &str) {
        self.push(Level::Info, message, Vec::new());
    }

    fn push(&mut self, level: Level, message: &str, attributes: Vec<(&'static str, String)>) {
        self.records.push(Record {
            level,
            message: message.to_owned(),
            attributes,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_print_as_slog_prints_them() {
        let mut log = Log::default();
        log.warn(
            "returned non-bool value",
            vec![("tag", "front".to_owned()), ("x", String::new())],
        );
        assert_eq!(
            log.records[0].to_string(),
            "level=WARN msg=\"returned non-bool value\" tag=front x=\"\""
        );
    }
}
